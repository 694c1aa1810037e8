/* CalDAV: the scheduling outbox for all at once (RFC 6638 section 5), or a report on each person's
 * calendars (RFC 4791 section 7.10). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_far_data.h"
#include "calendar/calendar_far_lack.h"
#include "directory/directory.h"
#include "ical/ical.h"
#include "ical/ical_time.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"
#include "xml/xml.h"

#define PRODID "-//Posthorse//Posthorse//EN"
#define BODY_BYTES_MAX (4 * MIB)
#define ROOM_OF_ATTENDEE (2 * KIB)
#define TIME_BYTES 20

/* --- the request --- */

static void put_utc(struct buf *out, int64_t at_s)
{
    ical_time_write((struct ical_time){at_s, ICAL_UTC, NULL}, out);
}

static void add_time(struct arena *arena, struct ical_comp *comp, enum ical_prop_id id,
                     int64_t at_s)
{
    AUTO(buf) struct buf text = BUF(TIME_BYTES);

    put_utc(&text, at_s);
    (void)ical_prop_add(arena, comp, id, arena_copy(arena, buf_slice(&text)));
}

static void add_address(struct arena *arena, struct ical_comp *comp, enum ical_prop_id id,
                        struct slice address)
{
    AUTO(buf) struct buf text = BUF(KIB);

    buf_putf(&text, "mailto:%.*s", SLICE_ARG(address));
    (void)ical_prop_add(arena, comp, id, arena_copy(arena, buf_slice(&text)));
}

void calendar_far_caldav_write(struct arena *arena, const struct calendar_far_request *request,
                               const struct calendar_far_part *part, struct buf *out)
{
    struct ical_comp *vcalendar = ical_comp_new(arena, ICAL_VCALENDAR);
    struct ical_comp *comp = ical_comp_new(arena, ICAL_VFREEBUSY);

    (void)ical_prop_add(arena, vcalendar, ICAL_VERSION, SLICE("2.0"));
    (void)ical_prop_add(arena, vcalendar, ICAL_PRODID, SLICE(PRODID));
    (void)ical_prop_add(arena, vcalendar, ICAL_METHOD, SLICE("REQUEST"));
    (void)ical_prop_add(arena, comp, ICAL_UID, slice_str(request->uid));
    add_time(arena, comp, ICAL_DTSTAMP, request->stamp_s);
    add_time(arena, comp, ICAL_DTSTART, request->from_s);
    add_time(arena, comp, ICAL_DTEND, request->until_s);
    add_address(arena, comp, ICAL_ORGANIZER, request->organizer);
    for (size_t i = 0; i < part->count; i++)
        add_address(arena, comp, ICAL_ATTENDEE, part->persons[i].address);
    ical_comp_add(vcalendar, comp);
    ical_write(vcalendar, out);
}

/* --- the answer --- */

/* RFC 5546 section 3.6: "2.0;Success". */
static void take_status(struct arena *arena, const struct xml_element *response,
                        const struct calendar_far_part *one)
{
    const struct xml_element *element = xml_child(response, XML_CALDAV, "request-status");
    struct slice status = element != NULL ? slice_trim(element->text) : SLICE("");
    struct slice code = slice_sub(status, 0, slice_find(status, ';'));

    if (slice_starts(code, SLICE("2.")))
        return;
    if (status.len == 0)
        calendar_far_fail(arena, one, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's answer has no request-status.");
    else
        calendar_far_fail(arena, one,
                          slice_starts(code, SLICE("3.7")) || slice_starts(code, SLICE("5.3"))
                              ? CALENDAR_HEDGE_UNKNOWN
                              : CALENDAR_HEDGE_BAD,
                          "The foreign system says %.*s.", SLICE_ARG(status));
}

static void take_response(struct arena *arena, const struct xml_element *response, int64_t from_s,
                          int64_t until_s, struct calendar_far_person *person)
{
    const struct calendar_far_part one = {person, 1};
    const struct xml_element *data = xml_child(response, XML_CALDAV, "calendar-data");

    *person = (struct calendar_far_person){
        .address = person->address, .answer = CALENDAR_HEDGE_GOOD, .why = ""};
    take_status(arena, response, &one);
    if (person->answer == CALENDAR_HEDGE_GOOD)
        calendar_far_ifb_read(arena, data != NULL ? data->text : SLICE(""), from_s, until_s,
                              person);
}

/* Sorted by address, since a far system need not keep the order. */
static struct slice recipient_of(const struct xml_element *response)
{
    const struct xml_element *href =
        xml_child(xml_child(response, XML_CALDAV, "recipient"), XML_DAV, "href");

    return href != NULL ? slice_trim(href->text) : SLICE("");
}

/* Of several about the same person the first counts: each is read once, however many there are. */
static void take_all(struct arena *arena, const struct xml_element *root, int64_t from_s,
                     int64_t until_s, const struct calendar_far_part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct xml_element *response = xml_child(root, XML_CALDAV, "response");

        while (response != NULL &&
               !calendar_address_eq(recipient_of(response), part->persons[i].address))
            response = xml_again(response);
        if (response != NULL)
            take_response(arena, response, from_s, until_s, &part->persons[i]);
    }
}

void calendar_far_caldav_read(struct arena *arena, struct slice text, int64_t from_s,
                              int64_t until_s, const struct calendar_far_part *part)
{
    const struct xml_limits limits = calendar_far_limits(text);
    struct arena *scratch = arena_new("schedule-response", xml_limits_arena_bytes(&limits));
    struct xml_element *root = NULL;
    struct xml_error error;

    if (xml_parse(scratch, text, &limits, &root, &error) != ST_OK) {
        calendar_far_fail(arena, part, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's answer, line %u: %s", error.line, error.text);
    } else if (!xml_is(root, XML_CALDAV, "schedule-response")) {
        calendar_far_fail(arena, part, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's answer is no schedule-response.");
    } else {
        calendar_far_fail(arena, part, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's answer says nothing of that person.");
        take_all(arena, root, from_s, until_s, part);
    }
    arena_free(&scratch);
}

/* --- the outbox --- */

/* The outbox is that of the user who logs in, so he is the organizer (RFC 6638 section 5.2.7): his
 * log-in name, at the foreign domain where it has none. */
static struct slice organizer_of(const struct calendar_far_run *run)
{
    struct slice user = slice_str(run->ask->calendar->user);
    size_t back = slice_find_last(user, '\\');
    struct slice name = back != SIZE_MAX ? slice_sub(user, back + 1, SIZE_MAX) : user;
    struct slice address = run->persons[0].address;
    size_t at = slice_find_last(address, '@');
    AUTO(buf) struct buf text = BUF(KIB);

    if (user.len == 0 || slice_find(name, '@') != SIZE_MAX || at == SIZE_MAX)
        return user.len == 0 ? run->ask->asker : name;
    buf_putf(&text, "%.*s%.*s", SLICE_ARG(name), SLICE_ARG(slice_sub(address, at, SIZE_MAX)));
    return arena_copy(run->arena, buf_slice(&text));
}

/* The answer's status; 0: none came, and all have failed. */
static unsigned ask_outbox(struct calendar_far_run *run, const struct calendar_far_part *part,
                           struct slice organizer, struct buf *answer)
{
    static const char *const headers[] = {"Content-Type: text/calendar; charset=utf-8",
                                          "Accept: application/xml, text/xml"};
    struct arena *arena = arena_new("outbox", ROOM_OF_ATTENDEE * part->count + 64 * KIB);
    AUTO(buf) struct buf body = BUF(BODY_BYTES_MAX);
    char uid[SYS_GUID_HEX + 1];
    unsigned status = 0;

    sys_guid(uid);
    const struct calendar_far_request request = {
        .organizer = organizer,
        .uid = uid,
        .stamp_s = sys_now_ms() / 1000,
        .from_s = run->ask->from_s,
        .until_s = run->ask->until_s,
    };
    calendar_far_caldav_write(arena, &request, part, &body);
    arena_free(&arena);
    const struct calendar_far_message message = {
        .method = "POST",
        .url = run->ask->calendar->url,
        .headers = headers,
        .header_count = COUNT(headers),
        .body = buf_slice(&body),
    };
    if (body.over)
        calendar_far_fail(run->arena, part, CALENDAR_HEDGE_BAD, "These are too many people.");
    else if (calendar_far_fetch(run, part, &message, &status, answer))
        return status;
    return 0;
}

/* Who asks is told where the log-in's name is no address that the outbox knows. */
static void outbox(struct calendar_far_run *run)
{
    const struct calendar_far_part part = {run->persons, run->ask->count};
    struct slice asker = run->ask->asker, organizer = organizer_of(run);
    AUTO(buf) struct buf answer = BUF(1);
    unsigned status = ask_outbox(run, &part, organizer, &answer);

    if (status == 403 && asker.len > 0 && !slice_ieq(asker, organizer)) {
        buf_fini(&answer);
        status = ask_outbox(run, &part, asker, &answer);
    }
    if (status == 200 || status == 207)
        calendar_far_caldav_read(run->arena, buf_slice(&answer), run->ask->from_s,
                                 run->ask->until_s, &part);
    else if (status != 0)
        calendar_far_refused(run, &part, status, false);
}

/* --- the report --- */

/* Whether the server knows no free-busy-query: it answers as to another report, or says so. */
static bool is_unknown_report(unsigned status, struct slice body)
{
    return status == 207 || status == 405 || status == 501 ||
           ((status == 400 || status == 403) &&
            slice_find_slice(body, SLICE("supported-report")) != SIZE_MAX);
}

/* By the events at once, where the server is known to have no free-busy-query. */
static bool ask_events(struct calendar_far_run *run, struct calendar_far_person *person,
                       const char *url)
{
    struct calendar_far_lacks *lacks = calendar_far_lacks(run->calendar);

    if (!calendar_far_lacks_query(lacks, run->ask->calendar->url, sys_mono_ms()))
        return false;
    calendar_far_query(run, person, url);
    if (person->answer == CALENDAR_HEDGE_BAD)
        calendar_far_lack_note(lacks, run->ask->calendar->url, false, sys_mono_ms());
    return true;
}

/* Once the server said that it has none. */
static void ask_events_instead(struct calendar_far_run *run, struct calendar_far_person *person,
                               const char *url)
{
    calendar_far_query(run, person, url);
    if (person->answer == CALENDAR_HEDGE_GOOD)
        calendar_far_lack_note(calendar_far_lacks(run->calendar), run->ask->calendar->url, true,
                               sys_mono_ms());
}

static void ask_report(struct calendar_far_run *run, struct calendar_far_person *person,
                       struct slice query)
{
    static const char *const headers[] = {"Content-Type: application/xml; charset=utf-8",
                                          "Accept: text/calendar", "Depth: 1"};
    const struct calendar_far_part part = {person, 1};
    const struct calendar_far_message message = {
        .method = "REPORT",
        .url = calendar_far_url(run, person),
        .headers = headers,
        .header_count = COUNT(headers),
        .body = query,
    };
    AUTO(buf) struct buf body = BUF(1);
    unsigned status;

    if (ask_events(run, person, message.url) ||
        !calendar_far_fetch(run, &part, &message, &status, &body))
        return;
    if (status == 200)
        calendar_far_ifb_read(run->arena, buf_slice(&body), run->ask->from_s, run->ask->until_s,
                              person);
    else if (is_unknown_report(status, buf_slice(&body)))
        ask_events_instead(run, person, message.url);
    else
        calendar_far_refused(run, &part, status, true);
}

static void reports(struct calendar_far_run *run)
{
    AUTO(buf) struct buf query = BUF(KIB);

    buf_put(&query, SLICE("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<C:free-busy-query "
                          "xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><C:time-range start=\""));
    put_utc(&query, run->ask->from_s);
    buf_put(&query, SLICE("\" end=\""));
    put_utc(&query, run->ask->until_s);
    buf_put(&query, SLICE("\"/></C:free-busy-query>\n"));
    for (size_t i = 0; i < run->ask->count; i++)
        ask_report(run, &run->persons[i], buf_slice(&query));
}

void calendar_far_caldav(struct calendar_far_run *run)
{
    if (run->ask->count == 0)
        return;
    if (directory_calendar_is_each(run->ask->calendar))
        reports(run);
    else
        outbox(run);
}
