/* A VFREEBUSY that is fetched, one for each person. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_far_data.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_time.h"

#define ROOM_OF_BYTE 16 /* rows of a text, before they are taken over */

/* A bound that the VFREEBUSY says, else what was asked for. */
static int64_t bound(const struct ical_comp *comp, enum ical_prop_id id, int64_t otherwise_s)
{
    struct ical_time time;
    const struct ical_prop *prop = ical_prop_find(comp, id);

    return prop != NULL && ical_time_parse(prop->value, &time) == ST_OK ? time.local_s
                                                                        : otherwise_s;
}

/* What is looked at of a text. */
struct reading {
    struct arena *arena, *scratch;
    int64_t from_s, until_s;
    struct calendar_far_person *person;
    bool found, within; /* a VFREEBUSY; one that has to do with these times */
};

static enum st read_one(struct reading *reading, const struct ical_comp *comp,
                        struct ical_error *error)
{
    struct calendar_busy_row *rows;
    size_t count;
    int64_t from_s = bound(comp, ICAL_DTSTART, reading->from_s);
    int64_t until_s = bound(comp, ICAL_DTEND, reading->until_s);

    reading->found = true;
    reading->within |= from_s < reading->until_s && until_s > reading->from_s;
    enum st st = calendar_freebusy_read(reading->scratch, comp, &rows, &count, error);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        if (rows[i].start_s < reading->until_s && rows[i].end_s > reading->from_s)
            calendar_far_add(reading->arena, reading->person, &rows[i]);
    return st;
}

static enum st read_all(struct reading *reading, struct slice text,
                        const struct ical_limits *limits, struct ical_error *error)
{
    struct ical_comp *comps;
    enum st st = ical_parse(reading->scratch, text, limits, &comps, error);

    for (const struct ical_comp *top = comps; st == ST_OK && top != NULL; top = top->next) {
        if (top->id == ICAL_VFREEBUSY)
            st = read_one(reading, top, error);
        for (const struct ical_comp *comp = ical_comp_find(top, ICAL_VFREEBUSY);
             st == ST_OK && comp != NULL; comp = ical_comp_next(comp))
            st = read_one(reading, comp, error);
    }
    return st;
}

void calendar_far_ifb_read(struct arena *arena, struct slice text, int64_t from_s, int64_t until_s,
                           struct calendar_far_person *person)
{
    struct ical_limits limits = ical_limits_default;
    struct ical_error error = {0};
    const struct calendar_far_part part = {person, 1};

    limits.bytes_max = text.len + 1;
    limits.lines_max = text.len / 8 + 1;
    limits.params_max = text.len / 4 + 1;
    struct reading reading = {
        .arena = arena,
        .scratch =
            arena_new("ifb", ical_limits_arena_bytes(&limits) + ROOM_OF_BYTE * text.len + MIB),
        .from_s = from_s,
        .until_s = until_s,
        .person = person,
    };
    enum st st = read_all(&reading, text, &limits, &error);
    arena_free(&reading.scratch);
    if (st != ST_OK)
        calendar_far_fail(arena, &part, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's VFREEBUSY, line %u: %s", error.line, error.text);
    else if (!reading.found)
        calendar_far_fail(arena, &part, CALENDAR_HEDGE_GARBAGE,
                          "The foreign system's answer holds no VFREEBUSY.");
    else if (!reading.within)
        calendar_far_fail(arena, &part, CALENDAR_HEDGE_BAD,
                          "The foreign system's VFREEBUSY tells of other times.");
}

void calendar_far_ifb(struct calendar_far_run *run)
{
    static const char *const headers[] = {"Accept: text/calendar"};

    for (size_t i = 0; i < run->ask->count; i++) {
        const struct calendar_far_part part = {&run->persons[i], 1};
        const struct calendar_far_message message = {
            .method = "GET",
            .url = calendar_far_url(run, part.persons),
            .headers = headers,
            .header_count = COUNT(headers),
        };
        AUTO(buf) struct buf body = BUF(1);
        unsigned status;

        if (!calendar_far_fetch(run, &part, &message, &status, &body))
            continue;
        if (status == 200)
            calendar_far_ifb_read(run->arena, buf_slice(&body), run->ask->from_s, run->ask->until_s,
                                  part.persons);
        else
            calendar_far_refused(run, &part, status, true);
    }
}
