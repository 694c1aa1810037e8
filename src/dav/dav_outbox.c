/* POST to the scheduling outbox: when are these people busy (RFC 6638 section 5)? */
#include "calendar/calendar_ask.h"
#include "calendar/calendar_busytime.h"
#include "calendar/calendar_principal.h"
#include "calendar/calendar_schedule.h"
#include "conf/conf.h"
#include "dav/dav_multistatus.h"
#include "ical/ical.h"
#include "sys/sys_time.h"

#define RECIPIENTS_MAX 1000
#define ANSWER_BYTES_MAX (64 * MIB)

struct asking {
    struct calendar_ask ask;
    struct calendar_who who; /* the outbox's owner asks, whoever acts for him */
    size_t next;
};

/* RFC 5546 section 3.6. */
static const char *status_of(const struct dav_call *call, struct slice address)
{
    struct slice mail =
        slice_istarts(address, SLICE("mailto:")) ? slice_sub(address, 7, address.len) : address;
    size_t at = slice_find_last(mail, '@');
    struct directory_found found;

    if (at == SIZE_MAX)
        return "3.7;Invalid calendar user";
    if (directory_find(call->directory, slice_sub(mail, 0, at), slice_sub(mail, at + 1, mail.len),
                       &found))
        return found.person != NULL ? "5.1;Service unavailable"
                                    : "5.3;No scheduling support for user";
    return directory_domain_is_local(call->directory, slice_sub(mail, at + 1, mail.len))
               ? "3.7;Invalid calendar user"
               : "5.3;No scheduling support for user";
}

static void write_data(struct arena *arena, const struct asking *asking, struct slice recipient,
                       const struct calendar_busy_row *rows, size_t count, struct buf *out)
{
    AUTO(buf) struct buf text = BUF(ANSWER_BYTES_MAX);

    ical_write(
        calendar_ask_answer(arena, &asking->ask, recipient, rows, count, sys_now_ms() / 1000),
        &text);
    xml_write_text_in(out, XML_CALDAV, "calendar-data", buf_slice(&text));
}

/* *status_r: what became of it. */
static enum st look_up(struct dav_call *call, const struct asking *asking, struct slice recipient,
                       struct arena *arena, struct buf *data, const char **status_r)
{
    const struct directory_person *person = calendar_schedule_person(call->directory, recipient);
    const struct calendar_busytime_ask ask = {.who = &asking->who,
                                              .owner = person,
                                              .from_s = asking->ask.from_s,
                                              .until_s = asking->ask.until_s,
                                              .but_uid = asking->ask.but_uid};
    struct calendar_busy_row *rows = NULL;
    size_t count = 0;

    *status_r = person != NULL ? "2.0;Success" : status_of(call, recipient);
    if (person == NULL)
        return ST_OK;
    enum st st = calendar_busytime(call->context->calendar, arena, &ask, &rows, &count);
    if (st == ST_DENIED)
        *status_r = "3.8;No authority";
    else if (st == ST_TOO_BIG)
        *status_r = "5.1;Service unavailable";
    else if (st == ST_OK)
        write_data(arena, asking, recipient, rows, count, data);
    return st == ST_DENIED || st == ST_TOO_BIG ? ST_OK : st;
}

static enum st write_one(struct dav_call *call, void *ctx, struct buf *out)
{
    struct asking *asking = ctx;
    struct slice recipient = asking->ask.attendees[asking->next];
    struct arena *arena = arena_new("free busy", GIB);
    AUTO(buf) struct buf data = BUF(2 * ANSWER_BYTES_MAX);
    const char *status;
    enum st st = look_up(call, asking, recipient, arena, &data, &status);

    arena_free(&arena);
    if (st != ST_OK)
        return st;
    xml_write_open(out, XML_CALDAV, "response");
    xml_write_open(out, XML_CALDAV, "recipient");
    xml_write_text_in(out, XML_DAV, "href", recipient);
    xml_write_close(out, XML_CALDAV, "recipient");
    xml_write_text_in(out, XML_CALDAV, "request-status", slice_str(status));
    buf_put(out, buf_slice(&data));
    xml_write_close(out, XML_CALDAV, "response");
    return ++asking->next < asking->ask.attendee_count ? ST_AGAIN : ST_OK;
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
    return dav_answer(call, 200, XML_CALDAV, "schedule-response", write_one, asking);
}
