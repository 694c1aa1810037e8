/* POST to the scheduling outbox: when are these people busy (RFC 6638 section 5)? */
#include "calendar/calendar.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_ask.h"
#include "calendar/calendar_connector.h"
#include "calendar/calendar_principal.h"
#include "conf/conf.h"
#include "dav/dav_multistatus.h"
#include "ical/ical.h"
#include "sys/sys_time.h"

#define RECIPIENTS_MAX 1000
#define ANSWER_BYTES_MAX (64 * MIB)
#define PIECE_BYTES (32 * KIB)

struct asking {
    struct calendar_ask ask;
    struct calendar_who who; /* the outbox's owner asks, whoever acts for him */
    size_t next;
};

/* RFC 5546 section 3.6. */
static const char *const statuses[CALENDAR_CONNECTOR_RESULT_MAX] = {
    [CALENDAR_CONNECTOR_FRESH] = "2.0;Success",
    [CALENDAR_CONNECTOR_KNOWN] = "2.0;Success",
    [CALENDAR_CONNECTOR_NO_DATA] = "5.1;Service unavailable",
    [CALENDAR_CONNECTOR_DENIED] = "3.8;No authority",
    [CALENDAR_CONNECTOR_NOT_FOUND] = "3.7;Invalid calendar user",
    [CALENDAR_CONNECTOR_IS_GROUP] = "5.3;No scheduling support for user",
    [CALENDAR_CONNECTOR_NO_WAY] = "5.3;No scheduling support for user",
    [CALENDAR_CONNECTOR_BAD_ASK] = "3.7;Invalid calendar user",
};

static void write_data(const struct asking *asking, const struct calendar_connector_answer *answer,
                       struct buf *out)
{
    const struct calendar_ask_known known = {answer->rows, answer->count, answer->from_s,
                                             answer->until_s, answer->age_ms};
    AUTO(buf) struct buf text = BUF(ANSWER_BYTES_MAX);
    struct arena *arena = arena_new("free busy", GIB);

    ical_write(calendar_ask_answer(arena, &asking->ask, asking->ask.attendees[answer->attendee],
                                   &known, sys_now_ms() / 1000),
               &text);
    arena_free(&arena);
    xml_write_text_in(out, XML_CALDAV, "calendar-data", buf_slice(&text));
}

static void write_one(struct dav_call *call, struct asking *asking, struct buf *out)
{
    const struct calendar_connector_answer *answer =
        calendar_connector_get(call->lookup, asking->next);

    xml_write_open(out, XML_CALDAV, "response");
    xml_write_open(out, XML_CALDAV, "recipient");
    xml_write_text_in(out, XML_DAV, "href", asking->ask.attendees[asking->next]);
    xml_write_close(out, XML_CALDAV, "recipient");
    xml_write_text_in(out, XML_CALDAV, "request-status", slice_str(statuses[answer->result]));
    if (answer->result == CALENDAR_CONNECTOR_FRESH || answer->result == CALENDAR_CONNECTOR_KNOWN)
        write_data(asking, answer, out);
    xml_write_close(out, XML_CALDAV, "response");
    asking->next++;
}

/* Those that have their answer already go together. */
static enum st write_some(struct dav_call *call, void *ctx, struct buf *out)
{
    struct asking *asking = ctx;
    const size_t count = asking->ask.attendee_count;
    const size_t begun = out->len;

    do
        write_one(call, asking, out);
    while (asking->next < count && !out->over && out->len - begun < PIECE_BYTES &&
           calendar_connector_has(call->lookup, asking->next));
    return asking->next < count ? ST_AGAIN : ST_OK;
}

/* Who is asked about; the reply names each as the client did. */
static const struct slice *addresses_of(struct dav_call *call, const struct calendar_ask *ask)
{
    struct slice *list = arena_many(call->arena, struct slice, ask->attendee_count + 1);

    for (size_t i = 0; i < ask->attendee_count; i++)
        list[i] = calendar_principal_mail(call->arena, call->directory, ask->attendees[i]);
    return list;
}

/* The look-up ends with the call, which the reply keeps until its last piece. */
static void begin_lookup(struct dav_call *call, struct asking *asking)
{
    const struct calendar_ask *ask = &asking->ask;
    struct slice asker = calendar_principal_mail(call->arena, call->directory, ask->organizer);
    const struct calendar_connector_ask question = {.who = &asking->who,
                                                    .asker = calendar_address_mail(asker),
                                                    .attendees = addresses_of(call, ask),
                                                    .count = ask->attendee_count,
                                                    .from_s = ask->from_s,
                                                    .until_s = ask->until_s,
                                                    .but_uid = ask->but_uid};

    call->lookup = calendar_connector_begin(calendar_connector(call->context->calendar), &question);
}

static bool is_icalendar(struct dav_call *call)
{
    struct slice type = slice_str(http_request_header(call->request, "Content-Type"));

    return type.len == 0 ||
           slice_ieq(slice_trim(slice_sub(type, 0, slice_find(type, ';'))), SLICE("text/calendar"));
}

/* Whether the organizer is the outbox's owner (RFC 6638 section 5.2.7). */
static bool is_organizer(const struct dav_call *call, struct slice address)
{
    struct slice mail =
        slice_istarts(address, SLICE("mailto:")) ? slice_sub(address, 7, address.len) : address;
    size_t at = slice_find_last(mail, '@');

    return calendar_principal(call->directory, address) == call->target.person ||
           (at != SIZE_MAX &&
            directory_owns(call->directory, call->target.person, slice_sub(mail, 0, at),
                           slice_sub(mail, at + 1, mail.len)));
}

enum st dav_method_post(struct dav_call *call)
{
    struct asking *asking = arena_one(call->arena, struct asking);
    AUTO(buf) struct buf why = BUF(KIB);
    struct slice body = call->body.len > 0 ? buf_slice(&call->body) : SLICE("");
    struct ical_error error = {0};
    bool icalendar = false;

    if (!is_icalendar(call))
        return dav_refuse(call, 403, XML_CALDAV, "supported-calendar-data",
                          "The outbox takes text/calendar");
    enum st st =
        calendar_ask_read(call->arena, body, RECIPIENTS_MAX, &asking->ask, &icalendar, &error);
    buf_putf(&why, "Line %u: %s", error.line, error.text);
    if (st == ST_TOO_BIG && icalendar)
        return dav_refuse(call, 403, XML_CALDAV, "max-attendees-per-instance", why.ptr);
    if (st != ST_OK)
        return dav_refuse(call, 403, XML_CALDAV,
                          icalendar ? "valid-scheduling-message" : "valid-calendar-data", why.ptr);
    if (!is_organizer(call, asking->ask.organizer))
        return dav_refuse(call, 403, XML_CALDAV, "organizer-allowed",
                          "ORGANIZER must be an address of the outbox's owner");
    calendar_who_init(call->directory, call->arena, call->target.person, &asking->who);
    begin_lookup(call, asking);
    return dav_answer(call, 200, XML_CALDAV, "schedule-response", write_some, asking);
}
