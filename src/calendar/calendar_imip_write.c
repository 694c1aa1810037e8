/* A scheduling message as a mail (RFC 6047 section 2). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "base/utf8.h"
#include "calendar/calendar_imip.h"
#include "mime/mime_date.h"
#include "mime/mime_write.h"

#define FIELD_BYTES_MAX (256 * KIB)
#define TEXT_BYTES_MAX MIB
#define BASE64_LINE_BYTES 57 /* 76 columns */

static void put_subject(struct arena *arena, const struct calendar_imip_letter *letter,
                        struct buf *out)
{
    AUTO(buf) struct buf value = BUF(FIELD_BYTES_MAX);
    AUTO(buf) struct buf coded = BUF(FIELD_BYTES_MAX);

    calendar_imip_subject(arena, letter, &value);
    if (!utf8_ascii(buf_slice(&value)))
        mime_write_words(buf_slice(&value), &coded);
    else
        buf_put(&coded, buf_slice(&value));
    mime_write_field("Subject", buf_slice(&coded), false, out);
}

static void put_to(const struct calendar_imip_letter *letter, struct buf *out)
{
    AUTO(buf) struct buf value = BUF(FIELD_BYTES_MAX);

    for (size_t i = 0; i < letter->to_count; i++)
        buf_putf(&value, "%s<%.*s>", i > 0 ? ", " : "", SLICE_ARG(letter->to[i]));
    mime_write_field("To", buf_slice(&value), true, out);
    out->over |= value.over;
}

static bool needs_utf8(const struct calendar_imip_letter *letter)
{
    for (size_t i = 0; i < letter->to_count; i++)
        if (!utf8_ascii(letter->to[i]))
            return true;
    return !utf8_ascii(letter->from);
}

static void put_base64(struct slice text, struct buf *out)
{
    for (; text.len > 0; text = slice_sub(text, BASE64_LINE_BYTES, SIZE_MAX)) {
        if (text_base64(out, slice_sub(text, 0, BASE64_LINE_BYTES)) != ST_OK)
            out->over = true;
        buf_put(out, SLICE("\r\n"));
    }
}

/* Folded lines are short; what is no ASCII is base64, since some programs break long ones of
 * quoted-printable in a text/calendar. */
static void put_calendar(const struct calendar_imip_letter *letter, struct buf *out)
{
    AUTO(buf) struct buf text = BUF(CALENDAR_IMIP_MAIL_BYTES_MAX);
    enum calendar_itip_method method = calendar_itip_method(letter->vcalendar);
    const struct ical_comp *comp = letter->vcalendar->comps;

    while (comp != NULL && comp->id == ICAL_VTIMEZONE)
        comp = comp->next;
    ical_write(letter->vcalendar, &text);
    bool plain = utf8_ascii(buf_slice(&text));
    buf_putf(out, "Content-Type: text/calendar; charset=utf-8; method=%s",
             calendar_itip_method_name(method));
    if (comp != NULL && comp->id != ICAL_COMP_OTHER)
        buf_putf(out, ";\r\n component=%s", ical_comp_name(comp->id));
    buf_putf(out,
             "\r\nContent-Class: urn:content-classes:calendarmessage\r\n"
             "Content-Transfer-Encoding: %s\r\n\r\n",
             plain ? "7bit" : "base64");
    if (plain)
        buf_put(out, buf_slice(&text));
    else
        put_base64(buf_slice(&text), out);
    out->over |= text.over;
}

/* To an answer or a question nobody wants to hear that its reader is away; to an invitation he
 * does. Auto-Submitted (RFC 3834 section 5) is only what no person did: that something is asked for
 * again. */
static bool is_quiet(const struct calendar_imip_letter *letter)
{
    enum calendar_itip_method method = calendar_itip_method(letter->vcalendar);

    return method == CALENDAR_ITIP_REPLY || method == CALENDAR_ITIP_REFRESH ||
           method == CALENDAR_ITIP_COUNTER || method == CALENDAR_ITIP_DECLINECOUNTER;
}

static void put_header(struct arena *arena, const struct calendar_imip_letter *letter,
                       struct buf *out)
{
    mime_write_mailbox("From", letter->name, letter->from, out);
    put_to(letter, out);
    put_subject(arena, letter, out);
    buf_put(out, SLICE("Date: "));
    mime_date_write((struct mime_date){.epoch = letter->now_ms / 1000}, out);
    buf_putf(out, "\r\nMessage-ID: <%.*s@%.*s>\r\n", SLICE_ARG(letter->guid),
             SLICE_ARG(letter->host));
    if (calendar_itip_method(letter->vcalendar) == CALENDAR_ITIP_REFRESH)
        buf_put(out, SLICE("Auto-Submitted: auto-generated\r\n"));
    if (is_quiet(letter))
        buf_put(out, SLICE("X-Auto-Response-Suppress: OOF, AutoReply\r\n"));
    buf_putf(out,
             "MIME-Version: 1.0\r\n"
             "Content-Class: urn:content-classes:calendarmessage\r\n"
             "Content-Type: multipart/alternative; boundary=\"=_%.*s\"\r\n\r\n",
             SLICE_ARG(letter->guid));
}

void calendar_imip_write(struct arena *arena, const struct calendar_imip_letter *letter,
                         struct buf *out, bool *utf8_r)
{
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);

    *utf8_r = needs_utf8(letter);
    put_header(arena, letter, out);
    calendar_imip_text(arena, letter, &text);
    buf_putf(out,
             "--=_%.*s\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
             SLICE_ARG(letter->guid));
    mime_write_quoted_printable(buf_slice(&text), out);
    buf_putf(out, "\r\n--=_%.*s\r\n", SLICE_ARG(letter->guid));
    put_calendar(letter, out);
    buf_putf(out, "\r\n--=_%.*s--\r\n", SLICE_ARG(letter->guid));
}
