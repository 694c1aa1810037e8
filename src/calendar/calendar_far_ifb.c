/* A VFREEBUSY that is fetched, one for each person. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_ask.h"
#include "calendar/calendar_far_data.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"

#define ZONE_S_MAX INT64_C(50400) /* of a zone from UTC */
#define ROOM_OF_BYTE 16           /* rows of a text, before they are taken over */

/* What is looked at of a text. */
struct reading {
    struct arena *arena, *scratch;
    int64_t from_s, until_s;
    struct calendar_far_person *person;
    bool found; /* a VFREEBUSY */
};

/* A bound that the VFREEBUSY says, else what was asked for. One that is not in UTC, as it has to
 * be, is any zone's: what may be outside is not known. */
static enum st bound(const struct ical_comp *comp, enum ical_prop_id id, int64_t *at_s,
                     struct ical_error *error)
{
    struct ical_time time;
    const struct ical_prop *prop = ical_prop_find(comp, id);

    if (prop == NULL)
        return ST_OK;
    if (ical_time_parse(prop->value, &time) != ST_OK) {
        ical_error_set(error, prop->line, "%s is no time", ical_prop_name(id));
        return ST_INVALID;
    }
    *at_s = time.local_s;
    if (time.form != ICAL_UTC)
        *at_s += id == ICAL_DTSTART ? ZONE_S_MAX : -ZONE_S_MAX;
    return ST_OK;
}

/* How old it says it is, as a server like this one does (calendar_ask.h). */
static uint64_t age_of(const struct ical_comp *comp)
{
    uint64_t age_ms = 0;

    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_COMMENT); prop != NULL;
         prop = ical_prop_next(prop)) {
        struct ical_duration age;

        if (ical_duration_parse(ical_param_text(prop, CALENDAR_ASK_AGE), &age) == ST_OK &&
            age.days >= 0 && age.seconds >= 0)
            age_ms = (uint64_t)(age.days * ICAL_DAY_S + age.seconds) * 1000;
    }
    return age_ms;
}

static enum st read_one(struct reading *reading, const struct ical_comp *comp,
                        struct ical_error *error)
{
    struct calendar_busy_row *rows;
    size_t count;
    int64_t from_s = reading->from_s, until_s = reading->until_s;
    const uint64_t age_ms = age_of(comp);

    reading->found = true;
    enum st st = bound(comp, ICAL_DTSTART, &from_s, error);
    if (st == ST_OK)
        st = bound(comp, ICAL_DTEND, &until_s, error);
    if (st == ST_OK)
        st = calendar_freebusy_read(reading->scratch, comp, &rows, &count, error);
    if (st != ST_OK)
        return st;
    calendar_far_know(reading->arena, reading->person, from_s, until_s);
    if (age_ms > reading->person->age_ms)
        reading->person->age_ms = age_ms;
    for (size_t i = 0; i < count; i++)
        if (rows[i].start_s < reading->until_s && rows[i].end_s > reading->from_s)
            calendar_far_add(reading->arena, reading->person, &rows[i]);
    return ST_OK;
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
    else if (calendar_hedge_covers(person->from_s, person->until_s, from_s, until_s) ==
             CALENDAR_HEDGE_BAD)
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
