/* A VTIMEZONE (RFC 5545 section 3.6.5) as a zone: the onsets of its observances, and, where two of
 * them go on every year, what a TZ string could say. */
#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_bits.h"
#include "ical/ical_rule.h"
#include "ical/ical_zone_data.h"

#include <stdlib.h>
#include <string.h>

#define ONSETS_MAX 2000
#define STEPS_MAX 20000
#define OBSERVANCES_MAX 200
#define LAST_YEAR 2100

struct onset {
    int64_t at_s;
    int32_t from_s, to_s;
};

struct observance {
    int64_t start_s; /* DTSTART, on the clock before it */
    int32_t from_s, to_s;
    bool endless; /* every year, and fits in change */
    struct ical_change change;
};

struct build {
    struct arena *arena;
    struct ical_error *error;
    struct onset *onsets;
    size_t count, cap;
    struct observance endless[2];
    size_t endless_count;
};

static enum st fail(struct build *b, const struct ical_comp *comp, const char *what)
{
    ical_error_set(b->error, comp->line, "%s: %s cannot be read.", ical_comp_name(comp->id), what);
    return ST_INVALID;
}

static enum st add_onset(struct build *b, const struct observance *o, int64_t local_s)
{
    if (b->count == ONSETS_MAX) {
        ical_error_set(b->error, 0, "A VTIMEZONE changes the clocks more than %d times.",
                       ONSETS_MAX);
        return ST_TOO_BIG;
    }
    if (b->count == b->cap)
        b->onsets = arena_grow(b->arena, b->onsets, b->count, &b->cap, sizeof(*b->onsets));
    b->onsets[b->count++] = (struct onset){local_s - o->from_s, o->from_s, o->to_s};
    return ST_OK;
}

/* "Every year, the nth or last such weekday of that month", as nearly all are. */
static bool every_year(const struct ical_rule *rule, struct observance *o)
{
    int weekday = -1;
    uint64_t nth = 0, last = 0;

    if (rule->freq != ICAL_YEARLY || rule->interval != 1 || rule->count != 0 || rule->has_until ||
        rule->parts != (ICAL_BYMONTH | ICAL_BYDAY) || rule->weekdays != 0 ||
        (rule->months & (rule->months - 1)) != 0)
        return false;
    for (int day = 0; day < 7; day++)
        if ((rule->nth[0][day] | rule->nth[1][day]) != 0) {
            if (weekday >= 0)
                return false;
            weekday = day;
            nth = rule->nth[0][day];
            last = rule->nth[1][day];
        }
    if ((last != 0 && (last != 2 || nth != 0)) || nth > 16 || (nth & (nth - 1)) != 0)
        return false;
    o->change = (struct ical_change){
        .kind = ICAL_CHANGE_WEEK,
        .month = __builtin_ctz(rule->months),
        .week = last != 0 ? 5 : __builtin_ctzll(nth),
        .weekday = (weekday + 1) % 7,
        .second = ical_second_of(o->start_s),
    };
    return true;
}

static enum st add_rule(struct build *b, const struct ical_comp *comp, struct observance *o,
                        int64_t until_s)
{
    const struct ical_prop *prop = ical_prop_find(comp, ICAL_RRULE);
    struct ical_rule_iter iter;
    struct ical_rule rule;
    int64_t local_s = 0;
    enum st st;

    if (prop == NULL)
        return add_onset(b, o, o->start_s);
    if (ical_rule_parse(prop->value, &rule, b->error) != ST_OK) {
        b->error->line = prop->line;
        return ST_INVALID;
    }
    o->endless = every_year(&rule, o);
    if (o->endless && until_s == INT64_MAX) {
        if (b->endless_count < COUNT(b->endless))
            b->endless[b->endless_count] = *o;
        b->endless_count++;
        return ST_OK;
    }
    if (until_s == INT64_MAX)
        until_s = ical_days(LAST_YEAR + 1, 1, 1) * ICAL_DAY_S - 1;
    if (rule.has_until && rule.until.local_s + o->from_s < until_s)
        until_s = rule.until.local_s + (rule.until.form == ICAL_UTC ? o->from_s : 0);
    ical_rule_iter_init(&iter, &rule, (struct ical_time){o->start_s, ICAL_FLOATING, NULL}, until_s,
                        STEPS_MAX);
    while ((st = ical_rule_iter_next(&iter, &local_s)) == ST_OK)
        if ((st = add_onset(b, o, local_s)) != ST_OK)
            return st;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st add_dates(struct build *b, const struct ical_comp *comp, const struct observance *o)
{
    enum st st = ST_OK;

    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_RDATE); prop != NULL;
         prop = ical_prop_next(prop)) {
        struct slice rest = prop->value, item;
        struct ical_time time;

        while (st == ST_OK && slice_split(&rest, ',', &item)) {
            if (ical_time_parse(slice_sub(item, 0, slice_find(item, '/')), &time) != ST_OK)
                return fail(b, comp, "RDATE");
            st = add_onset(b, o, time.local_s + (time.form == ICAL_UTC ? o->from_s : 0));
        }
    }
    return st;
}

static enum st read_observance(struct build *b, const struct ical_comp *comp, struct observance *o)
{
    struct ical_time start;

    *o = (struct observance){0};
    if (ical_time_parse(ical_prop_value(comp, ICAL_DTSTART), &start) != ST_OK)
        return fail(b, comp, "DTSTART");
    if (ical_offset_parse(ical_prop_value(comp, ICAL_TZOFFSETFROM), &o->from_s) != ST_OK)
        return fail(b, comp, "TZOFFSETFROM");
    if (ical_offset_parse(ical_prop_value(comp, ICAL_TZOFFSETTO), &o->to_s) != ST_OK)
        return fail(b, comp, "TZOFFSETTO");
    o->start_s = start.local_s + (start.form == ICAL_UTC ? o->from_s : 0);
    return ST_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct onset *x = a, *y = b;

    return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

static bool is_observance(const struct ical_comp *comp)
{
    return comp->id == ICAL_STANDARD || comp->id == ICAL_DAYLIGHT;
}

/* Both go on for ever, one from where the other ends. */
static bool makes_tail(const struct build *b)
{
    const struct observance *x = &b->endless[0], *y = &b->endless[1];

    return b->endless_count == 2 && x->from_s == y->to_s && x->to_s == y->from_s &&
           x->from_s != x->to_s && x->change.month != y->change.month;
}

static int64_t tail_start(const struct build *b)
{
    int64_t x = b->endless[0].start_s - b->endless[0].from_s;
    int64_t y = b->endless[1].start_s - b->endless[1].from_s;

    return x > y ? x : y;
}

/* What the endless observances do before the tail begins; without a tail, all they do. */
static enum st add_endless(struct build *b, const struct ical_comp *vtimezone, bool tail)
{
    struct observance o;
    enum st st = ST_OK;

    for (const struct ical_comp *comp = vtimezone->comps; comp != NULL && st == ST_OK;
         comp = comp->next) {
        struct ical_rule rule;
        const struct ical_prop *prop = ical_prop_find(comp, ICAL_RRULE);

        if (!is_observance(comp) || prop == NULL ||
            ical_rule_parse(prop->value, &rule, b->error) != ST_OK ||
            read_observance(b, comp, &o) != ST_OK || !every_year(&rule, &o))
            continue;
        int64_t until_s = ical_days(LAST_YEAR + 1, 1, 1) * ICAL_DAY_S - 1;

        if (tail)
            until_s = tail_start(b) + o.from_s;
        st = add_rule(b, comp, &o, until_s);
    }
    return st;
}

static struct ical_zone *finish(struct build *b, bool tail)
{
    struct ical_zone *zone = arena_one(b->arena, struct ical_zone);
    struct ical_transition *transitions =
        arena_many(b->arena, struct ical_transition, b->count + 1);

    if (b->count > 1)
        qsort(b->onsets, b->count, sizeof(*b->onsets), by_time);
    for (size_t i = 0; i < b->count; i++)
        transitions[i] = (struct ical_transition){b->onsets[i].at_s, b->onsets[i].to_s};
    zone->first_s = b->count > 0 ? b->onsets[0].from_s : b->endless[0].from_s;
    zone->count = b->count;
    zone->transitions = transitions;
    zone->has_tail = tail;
    if (tail) {
        const struct observance *standard = &b->endless[0], *daylight = &b->endless[1];

        zone->tail_s = tail_start(b);
        zone->tail = (struct ical_tail){true, standard->to_s, daylight->to_s, daylight->change,
                                        standard->change};
    }
    return zone;
}

enum st ical_zone_vtimezone(struct arena *arena, const struct ical_comp *vtimezone,
                            const struct ical_zone **zone_r, struct ical_error *error_r)
{
    struct build b = {.arena = arena, .error = error_r};
    size_t observances = 0;
    enum st st = ST_OK;

    for (const struct ical_comp *comp = vtimezone->comps; comp != NULL; comp = comp->next) {
        struct observance o;

        if (!is_observance(comp))
            continue;
        if (++observances > OBSERVANCES_MAX) {
            ical_error_set(error_r, comp->line, "A VTIMEZONE has more than %d observances.",
                           OBSERVANCES_MAX);
            return ST_TOO_BIG;
        }
        if ((st = read_observance(&b, comp, &o)) != ST_OK ||
            (st = add_rule(&b, comp, &o, INT64_MAX)) != ST_OK ||
            (st = add_dates(&b, comp, &o)) != ST_OK)
            return st;
    }
    if (observances == 0)
        return fail(&b, vtimezone, "what has no STANDARD and no DAYLIGHT");
    bool tail = makes_tail(&b);

    if (b.endless_count > 0)
        st = add_endless(&b, vtimezone, tail);
    if (st == ST_OK)
        *zone_r = finish(&b, tail);
    return st;
}
