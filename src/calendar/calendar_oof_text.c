#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "calendar/calendar_oof.h"
#include "mime/mime_date.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "mime/mime_write.h"

#define SUBJECT "Automatic reply: "
#define SUBJECT_BYTES_MAX 400 /* of the one that is answered */
#define FIELD_BYTES_MAX (64 * KIB)
#define REFERENCES_MAX 10 /* the last ones stay (RFC 5322 section 3.6.4 has no limit) */

static void put_subject(const struct calendar_oof_text *reply, struct buf *out)
{
    AUTO(buf) struct buf decoded = BUF(4 * FIELD_BYTES_MAX);
    AUTO(buf) struct buf value = BUF(FIELD_BYTES_MAX);
    AUTO(buf) struct buf coded = BUF(FIELD_BYTES_MAX);
    struct mime_field field;

    buf_put(&value, SLICE(SUBJECT));
    if (mime_field_find(reply->header, SLICE("Subject"), &field))
        mime_words_decode(slice_trim(field.value), &decoded);
    mime_write_clean(buf_slice(&decoded), SUBJECT_BYTES_MAX, true, &value);
    if (utf8_ascii(buf_slice(&value))) {
        mime_write_field("Subject", buf_slice(&value), false, out);
        return;
    }
    mime_write_words(buf_slice(&value), &coded);
    mime_write_field("Subject", buf_slice(&coded), false, out);
}

static bool is_id(struct slice word)
{
    return word.len > 2 && word.ptr[0] == '<' && slice_find(word, '>') == word.len - 1 &&
           word.len <= MIME_WRITE_LINE_MAX && utf8_ascii(word);
}

/* Those of the message before it, the oldest left out where they are many, and its own. */
static void put_references(const struct calendar_oof_text *reply, struct buf *out)
{
    struct slice id = mime_message_id(reply->header);
    AUTO(buf) struct buf value = BUF(FIELD_BYTES_MAX);
    AUTO(buf) struct buf clean = BUF(4 * FIELD_BYTES_MAX);
    struct slice last[REFERENCES_MAX];
    struct mime_field field;
    struct slice word;
    size_t count = 0;

    if (id.len == 0)
        return;
    if (mime_field_find(reply->header, SLICE("References"), &field))
        mime_write_clean(field.value, 2 * FIELD_BYTES_MAX, false, &clean);
    struct slice rest = buf_slice(&clean);
    while (slice_split(&rest, ' ', &word))
        if (is_id(word))
            last[count++ % REFERENCES_MAX] = word;
    for (size_t i = count > REFERENCES_MAX ? count - REFERENCES_MAX : 0; i < count; i++)
        buf_putf(&value, "%.*s ", SLICE_ARG(last[i % REFERENCES_MAX]));
    buf_put(&value, id);
    mime_write_field("In-Reply-To", id, false, out);
    mime_write_field("References", buf_slice(&value), false, out);
}

static bool is_plain(struct slice text)
{
    struct slice line;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool end = byte == '\n' ||
                   (byte == '\r' && slice_sub(text, i + 1, 1).len == 1 && text.ptr[i + 1] == '\n');
        if ((byte < ' ' && byte != '\t' && !end) || byte >= 0x7f)
            return false;
    }
    while (slice_split(&text, '\n', &line))
        if (line.len > MIME_WRITE_LINE_MAX)
            return false;
    return true;
}

static void put_body(struct slice text, bool plain, struct buf *out)
{
    struct slice line;

    while (text.len > 0 && slice_split(&text, '\n', &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (plain)
            buf_put(out, line);
        else
            mime_write_quoted_printable(line, out);
        buf_put(out, SLICE("\r\n"));
    }
}

void calendar_oof_text_write(const struct calendar_oof_text *reply, struct buf *out, bool *utf8_r)
{
    bool plain = is_plain(reply->text);

    *utf8_r = !utf8_ascii(reply->from) || !utf8_ascii(reply->to);
    mime_write_mailbox("From", reply->name, reply->from, out);
    mime_write_mailbox("To", SLICE(""), reply->to, out);
    put_subject(reply, out);
    buf_put(out, SLICE("Date: "));
    mime_date_write((struct mime_date){.epoch = reply->now_ms / 1000}, out);
    buf_putf(out, "\r\nMessage-ID: <%.*s@%.*s>\r\n", SLICE_ARG(reply->guid),
             SLICE_ARG(reply->host));
    put_references(reply, out);
    buf_putf(out,
             "Auto-Submitted: auto-replied\r\n"
             "X-Auto-Response-Suppress: All\r\n"
             "MIME-Version: 1.0\r\n"
             "Content-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: %s\r\n\r\n",
             plain ? "7bit" : "quoted-printable");
    put_body(reply->text, plain, out);
}
