/* GetUserOofSettings and SetUserOofSettings: out of office. */
#include "calendar/calendar_oof_ask.h"
#include "calendar/calendar_principal.h"
#include "ews/ews_call.h"
#include "ews/ews_html.h"
#include "ews/ews_time.h"
#include "sys/sys_time.h"

#define WHY_BYTES_MAX KIB

static const char *const states[] = {
    [STORE_OOF_OFF] = "Disabled", [STORE_OOF_ON] = "Enabled", [STORE_OOF_SCHEDULED] = "Scheduled"};

struct setting {
    struct ews_call *call;
    const struct directory_person *person;
    bool change;
    struct store_calendar_account oof;
    struct ews_fault fault; /* code NULL: none */
};

static void fail(struct setting *s, const char *code, const char *why)
{
    s->fault = (struct ews_fault){code, why};
}

static void run(struct setting *s)
{
    struct ews_call *call = s->call;
    struct slice address = ews_text(ews_child(call->asked, "Mailbox"), "Address");
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);

    s->person = calendar_principal_of(call->directory, address);
    if (s->person == NULL)
        fail(s, "ErrorMailRecipientNotFound", "Nobody here has this address");
    else if (call->foreign)
        fail(s, "ErrorAccessDenied", "Out of office is nobody's business but the owner's");
    if (s->fault.code != NULL)
        return;
    const struct calendar_oof_ask ask = {
        .who = &call->who, .owner = s->person, .change = s->change};
    enum st st = calendar_oof_ask(call->context->calendar, call->arena, &ask, &s->oof, &why);
    if (st == ST_DENIED)
        fail(s, "ErrorAccessDenied", "Out of office is nobody's business but the owner's");
    else if (st == ST_INVALID || st == ST_TOO_BIG)
        fail(s, "ErrorInvalidUserOofSettings", "A text is too long, or a time makes no sense");
    else if (st != ST_OK)
        fail(s, "ErrorMailboxStoreUnavailable", slice_cstr(call->arena, buf_slice(&why)));
}

/* --- what is told --- */

static void write_time(struct buf *out, const char *name, int64_t ms)
{
    xml_write_open(out, XML_EWST, name);
    ews_time_write(NULL, ms / 1000, out);
    xml_write_close(out, XML_EWST, name);
}

static void write_text(struct buf *out, const char *name, struct slice text)
{
    xml_write_open(out, XML_EWST, name);
    xml_write_text_in(out, XML_EWST, "Message", text);
    xml_write_close(out, XML_EWST, name);
}

/* All of it always: programs end where an element is missing. */
static void write_settings(const struct store_calendar_account *oof, struct buf *out)
{
    const bool timed = oof->oof == STORE_OOF_SCHEDULED;
    const int64_t from_ms =
        timed ? oof->oof_from_ms : sys_now_ms() / (int64_t)DAY_MS * (int64_t)DAY_MS;
    const int64_t until_ms =
        timed && oof->oof_until_ms != 0 ? oof->oof_until_ms : from_ms + (int64_t)DAY_MS;

    xml_write_open(out, XML_EWST, "OofSettings");
    xml_write_text_in(out, XML_EWST, "OofState", slice_str(states[oof->oof]));
    xml_write_text_in(out, XML_EWST, "ExternalAudience",
                      oof->oof_external ? SLICE("All") : SLICE("None"));
    xml_write_open(out, XML_EWST, "Duration");
    write_time(out, "StartTime", from_ms);
    write_time(out, "EndTime", until_ms);
    xml_write_close(out, XML_EWST, "Duration");
    write_text(out, "InternalReply", oof->oof_inside_text);
    write_text(out, "ExternalReply", oof->oof_outside_text);
    xml_write_close(out, XML_EWST, "OofSettings");
    xml_write_text_in(out, XML_EWS, "AllowExternalOof", SLICE("All"));
}

static void write_reply(struct setting *s, const char *element)
{
    struct buf *out = &s->call->out;

    xml_write_open(out, XML_EWS, element);
    ews_message_open(out, "ResponseMessage", s->fault.code != NULL ? &s->fault : NULL);
    xml_write_close(out, XML_EWS, "ResponseMessage");
    if (!s->change && s->fault.code == NULL)
        write_settings(&s->oof, out);
    xml_write_close(out, XML_EWS, element);
}

void ews_run_oof_get(struct ews_call *call)
{
    struct setting s = {.call = call};

    run(&s);
    write_reply(&s, "GetUserOofSettingsResponse");
}

/* --- what is set --- */

/* The words of a reply; a mark of the byte order, which Outlook writes, goes. */
static struct slice read_text(struct ews_call *call, const struct xml_element *reply)
{
    const struct xml_element *message = ews_child(reply, "Message");
    struct slice text = message != NULL ? message->text : SLICE("");
    AUTO(buf) struct buf words = BUF(STORE_CALENDAR_TEXT_BYTES_MAX);

    if (slice_starts(text, SLICE("\xef\xbb\xbf")))
        text = slice_sub(text, 3, text.len);
    if (!ews_html_is(text))
        return text;
    ews_html_words(text, &words);
    return arena_copy(call->arena, slice_trim(buf_slice(&words)));
}

static bool read_state(struct slice name, enum store_oof_state *state_r)
{
    for (size_t i = 0; i < COUNT(states); i++)
        if (slice_ieq(name, slice_str(states[i]))) {
            *state_r = (enum store_oof_state)i;
            return true;
        }
    return false;
}

static void read_settings(struct setting *s)
{
    const struct xml_element *settings = ews_child(s->call->asked, "UserOofSettings");
    const struct xml_element *duration = ews_child(settings, "Duration");
    int64_t from_s = 0, until_s = 0;

    if (!read_state(ews_text(settings, "OofState"), &s->oof.oof)) {
        fail(s, "ErrorInvalidUserOofSettings", "OofState is Disabled, Enabled or Scheduled");
        return;
    }
    s->oof.oof_external = slice_ieq(ews_text(settings, "ExternalAudience"), SLICE("All"));
    s->oof.oof_inside_text = read_text(s->call, ews_child(settings, "InternalReply"));
    s->oof.oof_outside_text = read_text(s->call, ews_child(settings, "ExternalReply"));
    if (s->oof.oof != STORE_OOF_SCHEDULED)
        return;
    if (ews_time_read(ews_text(duration, "StartTime"), NULL, &from_s) != ST_OK ||
        ews_time_read(ews_text(duration, "EndTime"), NULL, &until_s) != ST_OK || until_s <= from_s)
        fail(s, "ErrorInvalidScheduledOofDuration", "EndTime must be after StartTime");
    s->oof.oof_from_ms = from_s * 1000;
    s->oof.oof_until_ms = until_s * 1000;
}

void ews_run_oof_set(struct ews_call *call)
{
    struct setting s = {.call = call, .change = true};

    read_settings(&s);
    if (s.fault.code == NULL)
        run(&s);
    write_reply(&s, "SetUserOofSettingsResponse");
}
