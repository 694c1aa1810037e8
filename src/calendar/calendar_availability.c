#include "calendar/calendar_availability.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"

#include <stdlib.h>
#include <string.h>

#define PRIORITY_MAX 9
#define AVAILABLES_MAX 1000 /* of one VAVAILABILITY: each is compared with all of them */

/* Spans of time that grow; STORE_BUSY_FREE is a kind among the others. */
struct spans {
    struct calendar_busy_row *rows;
    size_t count, cap;
};

struct asking {
    struct arena *arena;
    struct ical_tz *tz;
    struct ical_window window;
    struct ical_error *error;
};

static void add(struct asking *a, struct spans *spans, int64_t from_s, int64_t until_s,
                enum store_busy_kind kind)
{
    from_s = from_s > a->window.from_s ? from_s : a->window.from_s;
    until_s = until_s < a->window.until_s ? until_s : a->window.until_s;
    if (from_s >= until_s)
        return;
    if (spans->count == spans->cap)
        spans->rows =
            arena_grow(a->arena, spans->rows, spans->count, &spans->cap, sizeof(*spans->rows));
    spans->rows[spans->count++] = (struct calendar_busy_row){from_s, until_s, kind, 0};
}

static enum st read_time(struct asking *a, const struct ical_prop *prop, struct ical_time *time_r)
{
    if (ical_tz_time(a->tz, prop, prop->value, time_r) == ST_OK)
        return ST_OK;
    ical_error_set(a->error, prop->line, "%s is no date or time.", ical_prop_name(prop->id));
    return ST_INVALID;
}

/* From when until when a VAVAILABILITY says anything. */
static enum st read_range(struct asking *a, const struct ical_comp *comp, int64_t *from_s_r,
                          int64_t *until_s_r)
{
    const struct ical_prop *start = ical_prop_find(comp, ICAL_DTSTART);
    const struct ical_prop *end = ical_prop_find(comp, ICAL_DTEND);
    const struct ical_prop *duration = ical_prop_find(comp, ICAL_DURATION);
    struct ical_duration length = {0};
    struct ical_time time = {0};
    enum st st = ST_OK;

    *from_s_r = INT64_MIN;
    *until_s_r = INT64_MAX;
    if (start != NULL && (st = read_time(a, start, &time)) == ST_OK)
        *from_s_r = ical_time_utc(time, a->window.floating);
    if (st == ST_OK && start != NULL && duration != NULL) {
        if (ical_duration_parse(duration->value, &length) != ST_OK) {
            ical_error_set(a->error, duration->line, "DURATION is no duration.");
            return ST_INVALID;
        }
        *until_s_r = ical_time_utc(ical_time_add(time, length), a->window.floating);
    }
    if (st == ST_OK && end != NULL && (st = read_time(a, end, &time)) == ST_OK)
        *until_s_r = ical_time_utc(time, a->window.floating);
    return st;
}

/* Whether an AVAILABLE before it in the same component has the same UID. */
static bool seen_before(const struct ical_comp *available)
{
    struct slice uid = ical_prop_value(available, ICAL_UID);
    const struct ical_comp *comp = ical_comp_find(available->parent, ICAL_AVAILABLE);

    while (comp != available && !slice_eq(ical_prop_value(comp, ICAL_UID), uid))
        comp = ical_comp_next(comp);
    return comp != available;
}

static enum st add_available(struct asking *a, const struct ical_comp *available,
                             struct spans *spans)
{
    struct slice uid = ical_prop_value(available, ICAL_UID);
    struct ical_instance instance;
    struct ical_recur *recur;
    enum st st =
        ical_recur_new(a->arena, available->parent, uid, a->tz, &a->window, &recur, a->error);

    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    while ((st = ical_recur_next(recur, &instance)) == ST_OK)
        add(a, spans, instance.start_s, instance.end_s, STORE_BUSY_FREE);
    if (st == ST_TOO_BIG)
        ical_error_set(a->error, available->line, "AVAILABLE has too many times.");
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st add_availables(struct asking *a, const struct ical_comp *comp, struct spans *free)
{
    enum st st = ST_OK;
    size_t count = 0;

    for (const struct ical_comp *available = ical_comp_find(comp, ICAL_AVAILABLE);
         available != NULL && st == ST_OK; available = ical_comp_next(available)) {
        if (++count > AVAILABLES_MAX) {
            ical_error_set(a->error, available->line, "VAVAILABILITY has too many AVAILABLEs.");
            return ST_TOO_BIG;
        }
        if (!seen_before(available))
            st = add_available(a, available, free);
    }
    return st;
}

static enum store_busy_kind busy_type(const struct ical_comp *comp)
{
    struct slice type = ical_prop_value(comp, ICAL_BUSYTYPE);

    if (slice_ieq(type, SLICE("BUSY")))
        return STORE_BUSY_BUSY;
    return slice_ieq(type, SLICE("BUSY-TENTATIVE")) ? STORE_BUSY_TENTATIVE : STORE_BUSY_UNAVAILABLE;
}

/* One VAVAILABILITY: its own time, and the part of its AVAILABLEs that lies in it. */
static enum st add_comp(struct asking *a, const struct ical_comp *comp, struct spans *busy,
                        struct spans *free)
{
    struct ical_window whole = a->window;
    int64_t from_s, until_s;
    enum st st = read_range(a, comp, &from_s, &until_s);

    if (st != ST_OK)
        return st;
    add(a, busy, from_s, until_s, busy_type(comp));
    a->window.from_s = from_s > whole.from_s ? from_s : whole.from_s;
    a->window.until_s = until_s < whole.until_s ? until_s : whole.until_s;
    if (a->window.from_s < a->window.until_s)
        st = add_availables(a, comp, free);
    a->window = whole;
    return st;
}

static unsigned priority(const struct ical_comp *comp)
{
    uint64_t value;

    if (slice_to_u64(ical_prop_value(comp, ICAL_PRIORITY), &value) != ST_OK || value > PRIORITY_MAX)
        return 0;
    return (unsigned)value;
}

static int by_start(const void *a, const void *b)
{
    const struct calendar_busy_row *x = a, *y = b;

    return (x->start_s > y->start_s) - (x->start_s < y->start_s);
}

/* Sorts and joins spans of one kind. */
static void join(struct spans *spans)
{
    size_t kept = 0;

    if (spans->count > 1)
        qsort(spans->rows, spans->count, sizeof(*spans->rows), by_start);
    for (size_t i = 0; i < spans->count; i++) {
        struct calendar_busy_row *last = kept > 0 ? &spans->rows[kept - 1] : NULL;

        if (last == NULL || spans->rows[i].start_s > last->end_s)
            spans->rows[kept++] = spans->rows[i];
        else if (spans->rows[i].end_s > last->end_s)
            last->end_s = spans->rows[i].end_s;
    }
    spans->count = kept;
}

/* Takes times of cut (disjoint, sorted) out of from (likewise). */
static struct spans without(struct asking *a, const struct spans *from, const struct spans *cut)
{
    struct spans left = {0};
    size_t at = 0;

    for (size_t i = 0; i < from->count; i++) {
        struct calendar_busy_row row = from->rows[i];

        while (at < cut->count && cut->rows[at].end_s <= row.start_s)
            at++;
        for (size_t j = at; j < cut->count && cut->rows[j].start_s < row.end_s; j++) {
            add(a, &left, row.start_s, cut->rows[j].start_s, row.kind);
            row.start_s = cut->rows[j].end_s;
        }
        add(a, &left, row.start_s, row.end_s, row.kind);
    }
    return left;
}

/* Of one PRIORITY BUSY counts before BUSY-UNAVAILABLE, and that before BUSY-TENTATIVE (RFC 7953
 * section 4, as CalStakk's conformance tests read it, too); elsewhere who is away is away. */
static void swap_strength(struct spans *spans)
{
    for (size_t i = 0; i < spans->count; i++) {
        if (spans->rows[i].kind == STORE_BUSY_BUSY)
            spans->rows[i].kind = STORE_BUSY_UNAVAILABLE;
        else if (spans->rows[i].kind == STORE_BUSY_UNAVAILABLE)
            spans->rows[i].kind = STORE_BUSY_BUSY;
    }
}

/* The components of one priority over what those of lower ones said. */
static enum st add_level(struct asking *a, const struct ical_comp *vcalendar, unsigned level,
                         struct spans *said)
{
    struct spans busy = {0}, free = {0}, covered = {0};
    enum st st = ST_OK;

    for (const struct ical_comp *comp = ical_comp_find(vcalendar, ICAL_VAVAILABILITY);
         comp != NULL && st == ST_OK; comp = ical_comp_next(comp))
        if (priority(comp) == level)
            st = add_comp(a, comp, &busy, &free);
    if (st != ST_OK || busy.count == 0)
        return st;
    for (size_t i = 0; i < busy.count; i++)
        add(a, &covered, busy.rows[i].start_s, busy.rows[i].end_s, STORE_BUSY_FREE);
    join(&covered);
    join(&free);
    swap_strength(&busy);
    busy.rows = calendar_freebusy_merge(a->arena, busy.rows, busy.count, a->window.from_s,
                                        a->window.until_s, &busy.count);
    swap_strength(&busy);
    struct spans below = without(a, said, &covered), here = without(a, &busy, &free);
    for (size_t i = 0; i < here.count; i++)
        add(a, &below, here.rows[i].start_s, here.rows[i].end_s, here.rows[i].kind);
    if (below.count > 1)
        qsort(below.rows, below.count, sizeof(*below.rows), by_start);
    *said = below;
    return ST_OK;
}

enum st calendar_availability(struct arena *arena, const struct ical_comp *vcalendar,
                              struct ical_tz *tz, const struct ical_zone *floating, int64_t from_s,
                              int64_t until_s, uint64_t instances_max,
                              struct calendar_busy_row **rows_r, size_t *count_r,
                              struct ical_error *error_r)
{
    struct asking a = {
        arena, tz, {from_s, until_s, floating, instances_max, ICAL_RECUR_STEPS_MAX}, error_r};
    struct spans said = {0};
    enum st st = add_level(&a, vcalendar, 0, &said);

    for (unsigned level = PRIORITY_MAX; level > 0 && st == ST_OK; level--)
        st = add_level(&a, vcalendar, level, &said);
    *rows_r = calendar_freebusy_merge(arena, said.rows, said.count, from_s, until_s, count_r);
    return st;
}
