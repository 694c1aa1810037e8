/* A person's calendar on a CalDAV server that answers no free-busy-query: the objects of the time
 * are fetched (RFC 4791 section 7.8), and what they say is worked out here. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_far_data.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"
#include "xml/xml.h"

#define ELEMENT_BYTES 32 /* an element of an answer has at least as many, on the average */
#define ROOM_OF_ROW 200

static void put_range(struct buf *out, int64_t from_s, int64_t until_s)
{
    buf_put(out, SLICE("<C:time-range start=\""));
    ical_time_write((struct ical_time){from_s, ICAL_UTC, NULL}, out);
    buf_put(out, SLICE("\" end=\""));
    ical_time_write((struct ical_time){until_s, ICAL_UTC, NULL}, out);
    buf_put(out, SLICE("\"/>"));
}

/* A day more on both sides: days and floating times are those of another zone to that server. */
void calendar_far_query_write(int64_t from_s, int64_t until_s, struct buf *out)
{
    buf_put(out, SLICE("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<C:calendar-query "
                       "xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:D=\"DAV:\">"
                       "<D:prop><C:calendar-data/></D:prop><C:filter>"
                       "<C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">"));
    put_range(out, from_s - ICAL_DAY_S, until_s + ICAL_DAY_S);
    buf_put(out, SLICE("</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>\n"));
}

/* What is looked at of an answer. */
struct reading {
    struct arena *arena;  /* the person's rows */
    struct arena *object; /* of an object */
    const struct calendar_far_zones *zones;
    int64_t from_s, until_s;
    struct calendar_far_person *person;
};

static enum st expand(struct reading *r, const struct ical_comp *vcalendar,
                      struct ical_error *error)
{
    const struct calendar_busy_ask ask = {.from_s = r->from_s,
                                          .until_s = r->until_s,
                                          .floating = r->zones->floating,
                                          .owners = &r->person->address,
                                          .owner_count = 1,
                                          .unanswered = STORE_BUSY_TENTATIVE,
                                          .rows_max = CALENDAR_FAR_ROWS_MAX,
                                          .steps_max = ICAL_RECUR_STEPS_MAX};
    struct ical_tz *tz = ical_tz_new(r->object, vcalendar, r->zones->all);
    struct calendar_busy_set set = {.count = 0};
    enum st st = calendar_busy_expand(r->object, vcalendar, tz, &ask, &set, error);

    for (size_t i = 0; st == ST_OK && i < set.count; i++)
        calendar_far_add(r->arena, r->person, &set.rows[i]);
    return st == ST_OK && set.expanded_s < r->until_s ? ST_TOO_BIG : st;
}

static void read_object(struct reading *r, struct slice text)
{
    const struct calendar_far_part part = {r->person, 1};
    struct ical_error error = {.text = "it repeats too often"};
    struct ical_comp *comps;

    arena_reset(r->object);
    enum st st = ical_parse(r->object, text, &ical_limits_default, &comps, &error);
    if (st == ST_OK)
        st = expand(r, comps, &error);
    if (st != ST_OK)
        calendar_far_fail(r->arena, &part, CALENDAR_HEDGE_GARBAGE,
                          "An event of the foreign system, line %u: %s", error.line, error.text);
}

static void read_response(struct reading *r, const struct xml_element *response)
{
    const struct calendar_far_part part = {r->person, 1};
    bool found = false;

    for (const struct xml_element *stat = xml_child(response, XML_DAV, "propstat"); stat != NULL;
         stat = xml_again(stat)) {
        const struct xml_element *data =
            xml_child(xml_child(stat, XML_DAV, "prop"), XML_CALDAV, "calendar-data");

        if (data == NULL || data->text.len == 0 || r->person->answer != CALENDAR_HEDGE_GOOD)
            continue;
        found = true;
        read_object(r, data->text);
    }
    if (!found && r->person->answer == CALENDAR_HEDGE_GOOD)
        calendar_far_fail(r->arena, &part, CALENDAR_HEDGE_BAD,
                          "The foreign system keeps an event to itself.");
}

void calendar_far_query_read(struct arena *arena, struct slice text,
                             const struct calendar_far_zones *zones, int64_t from_s,
                             int64_t until_s, struct calendar_far_person *person)
{
    const struct calendar_far_part part = {person, 1};
    const struct xml_limits limits = {
        .bytes_max = text.len + 1,
        .elements_max = text.len / ELEMENT_BYTES + 1000,
        .attributes_max = text.len / ELEMENT_BYTES + 1000,
        .depth_max = 32,
        .namespaces_max = 32,
    };
    struct arena *scratch = arena_new("multistatus", xml_limits_arena_bytes(&limits));
    struct reading reading = {
        .arena = arena,
        .object = arena_new("far event", ical_limits_arena_bytes(&ical_limits_default) +
                                             ICAL_TZ_BYTES_MAX +
                                             ROOM_OF_ROW * UINT64_C(2) * CALENDAR_FAR_ROWS_MAX),
        .zones = zones,
        .from_s = from_s,
        .until_s = until_s,
        .person = person,
    };
    struct xml_element *root = NULL;
    struct xml_error error;

    if (xml_parse(scratch, text, &limits, &root, &error) != ST_OK)
        calendar_far_fail(arena, &part, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's answer, line %u: %s", error.line, error.text);
    else if (!xml_is(root, XML_DAV, "multistatus"))
        calendar_far_fail(arena, &part, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's answer is no multistatus.");
    for (const struct xml_element *response = xml_child(root, XML_DAV, "response");
         response != NULL && person->answer == CALENDAR_HEDGE_GOOD; response = xml_again(response))
        read_response(&reading, response);
    arena_free(&reading.object);
    arena_free(&scratch);
}
