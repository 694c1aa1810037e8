/* CalDAV without free-busy-query (Radicale 3.1): the events of the window are fetched (RFC 4791
 * section 7.8), and who is busy when is worked out here. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_far_data.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"
#include "sys/sys_time.h"
#include "xml/xml.h"

#define OBJECT_LINES_MAX 20000

/* A day more on both sides: what days and floating times are to that server nobody knows. */
static void put_query(struct buf *out, int64_t from_s, int64_t until_s)
{
    buf_put(out, SLICE("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<C:calendar-query "
                       "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop>"
                       "<C:calendar-data/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">"
                       "<C:comp-filter name=\"VEVENT\"><C:time-range start=\""));
    ical_time_write((struct ical_time){from_s - ICAL_DAY_S, ICAL_UTC, NULL}, out);
    buf_put(out, SLICE("\" end=\""));
    ical_time_write((struct ical_time){until_s + ICAL_DAY_S, ICAL_UTC, NULL}, out);
    buf_put(out, SLICE("\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>\n"));
}

static void fail(struct arena *arena, struct calendar_far_person *person,
                 enum calendar_hedge_answer answer, const char *why)
{
    calendar_far_fail(arena, &(struct calendar_far_part){person, 1}, answer,
                      "The foreign system's calendar: %s", why);
}

void calendar_far_event_read(struct arena *arena, struct slice text,
                             const struct calendar_far_zones *zones, int64_t from_s,
                             int64_t until_s, struct calendar_far_person *person)
{
    struct ical_limits limits = ical_limits_default;
    struct arena *scratch = arena_new("far event", GIB);
    struct calendar_busy_set set = {.count = 0, .expanded_s = INT64_MAX};
    struct ical_error error = {0};
    struct ical_comp *comps;
    const struct calendar_busy_ask ask = {
        .from_s = from_s,
        .until_s = until_s,
        .floating = zones->floating,
        .owners = &person->address,
        .owner_count = 1,
        .unanswered = STORE_BUSY_TENTATIVE,
        .rows_max = CALENDAR_FAR_ROWS_MAX,
        .steps_max = ICAL_RECUR_STEPS_MAX,
    };

    limits.lines_max = OBJECT_LINES_MAX;
    enum st st = ical_parse(scratch, text, &limits, &comps, &error);
    if (st == ST_OK)
        st = calendar_busy_expand(scratch, comps, ical_tz_new(scratch, comps, zones->known), &ask,
                                  &set, &error);
    for (size_t i = 0; i < set.count && st == ST_OK; i++)
        calendar_far_add(arena, person, &set.rows[i]);
    if (st != ST_OK)
        fail(arena, person, CALENDAR_HEDGE_GARBAGE, error.text);
    else if (set.expanded_s < until_s)
        fail(arena, person, CALENDAR_HEDGE_BAD, "an event repeats too often to be looked at");
    arena_free(&scratch);
}

/* The object of a DAV:response; "": it has none. */
static struct slice object_of(const struct xml_element *response)
{
    for (const struct xml_element *propstat = xml_child(response, XML_DAV, "propstat");
         propstat != NULL; propstat = xml_again(propstat)) {
        const struct xml_element *data =
            xml_child(xml_child(propstat, XML_DAV, "prop"), XML_CALDAV, "calendar-data");

        if (data != NULL)
            return data->text;
    }
    return SLICE("");
}

/* Expanding may take long where somebody wants it to: the deadline holds for it, too. */
static void read_all(struct calendar_far_run *run, const struct xml_element *root,
                     struct calendar_far_person *person)
{
    const struct calendar_far_zones zones = {
        .known = calendar_zones(run->calendar),
        .floating = calendar_zone(run->calendar, run->arena, SLICE(""), SLICE("")),
    };

    for (const struct xml_element *response = xml_child(root, XML_DAV, "response");
         response != NULL && person->answer == CALENDAR_HEDGE_GOOD;
         response = xml_again(response)) {
        struct slice object = object_of(response);

        if (object.len == 0)
            fail(run->arena, person, CALENDAR_HEDGE_GARBAGE, "an event is not there");
        else if (sys_mono_ms() >= run->ask->deadline_ms)
            fail(run->arena, person, CALENDAR_HEDGE_AWAY, "no answer in time");
        else
            calendar_far_event_read(run->arena, object, &zones, run->ask->from_s, run->ask->until_s,
                                    person);
    }
    calendar_far_know(run->arena, person, run->ask->from_s, run->ask->until_s);
}

static void read_multistatus(struct calendar_far_run *run, struct slice text,
                             struct calendar_far_person *person)
{
    const struct xml_limits limits = calendar_far_limits(text);
    struct arena *scratch = arena_new("multistatus", xml_limits_arena_bytes(&limits));
    struct xml_element *root = NULL;
    struct xml_error error;

    if (xml_parse(scratch, text, &limits, &root, &error) != ST_OK)
        fail(run->arena, person, CALENDAR_HEDGE_GARBAGE, error.text);
    else if (!xml_is(root, XML_DAV, "multistatus"))
        fail(run->arena, person, CALENDAR_HEDGE_GARBAGE, "the answer is no multistatus");
    else
        read_all(run, root, person);
    arena_free(&scratch);
}

void calendar_far_query(struct calendar_far_run *run, struct calendar_far_person *person,
                        const char *url)
{
    static const char *const headers[] = {"Content-Type: application/xml; charset=utf-8",
                                          "Depth: 1"};
    const struct calendar_far_part part = {person, 1};
    AUTO(buf) struct buf query = BUF(KIB), body = BUF(1);
    unsigned status;

    put_query(&query, run->ask->from_s, run->ask->until_s);
    const struct calendar_far_message message = {
        .method = "REPORT",
        .url = url,
        .headers = headers,
        .header_count = COUNT(headers),
        .body = buf_slice(&query),
    };
    if (!calendar_far_fetch(run, &part, &message, &status, &body))
        return;
    if (status == 207)
        read_multistatus(run, buf_slice(&body), person);
    else
        calendar_far_refused(run, &part, status, true);
}
