/* Reading the components that make a recurrence set. */
#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_recur_data.h"

#include <stdlib.h>
#include <string.h>

#define SLACK_S (3 * ICAL_DAY_S) /* no two clocks are further apart */

struct reader {
    struct arena *arena;
    struct ical_recur *recur;
    struct ical_error *error;
};

/* An override as it was found. */
struct found {
    struct ical_instance instance;
    struct ical_length length;
    bool future; /* RANGE=THISANDFUTURE */
};

static enum st fail(struct reader *r, const struct ical_prop *prop, const char *why)
{
    ical_error_set(r->error, prop->line, "%s %s.", ical_prop_name(prop->id), why);
    return ST_INVALID;
}

static bool counts(const struct ical_comp *comp, struct slice uid)
{
    return (ical_comp_is_entry(comp) || comp->id == ICAL_AVAILABLE) &&
           slice_eq(ical_prop_value(comp, ICAL_UID), uid);
}

static enum st read_time(struct reader *r, const struct ical_prop *prop, struct ical_time *time_r)
{
    if (ical_tz_time(r->recur->tz, prop, prop->value, time_r) != ST_OK)
        return fail(r, prop, "is no date or time");
    return ST_OK;
}

/* DTSTART, or the DUE of a VTODO without one. */
static enum st read_start(struct reader *r, const struct ical_comp *comp, struct ical_time *start_r)
{
    const struct ical_prop *prop = ical_prop_find(comp, ICAL_DTSTART);

    if (prop == NULL)
        prop = ical_prop_find(comp, ICAL_DUE);
    return prop == NULL ? ST_NOT_FOUND : read_time(r, prop, start_r);
}

static enum st read_length(struct reader *r, const struct ical_comp *comp, struct ical_time start,
                           struct ical_length *length)
{
    const struct ical_prop *end_prop =
        ical_prop_find(comp, comp->id == ICAL_VTODO ? ICAL_DUE : ICAL_DTEND);
    const struct ical_prop *duration = ical_prop_find(comp, ICAL_DURATION);
    const struct ical_zone *floating = r->recur->window.floating;
    struct ical_time end;
    enum st st;

    *length = (struct ical_length){.nominal.days = start.form == ICAL_DATE};
    if (end_prop != NULL) {
        if ((st = read_time(r, end_prop, &end)) != ST_OK)
            return st;
        length->exact = start.form != ICAL_DATE;
        length->seconds = ical_time_utc(end, floating) - ical_time_utc(start, floating);
        length->nominal.days = ical_day_of(end.local_s) - ical_day_of(start.local_s);
    } else if (duration != NULL &&
               ical_duration_parse(duration->value, &length->nominal) != ST_OK) {
        return fail(r, duration, "is no duration");
    }
    if (length->seconds < 0 || length->nominal.days < 0 || length->nominal.seconds < 0)
        *length = (struct ical_length){0};
    return ST_OK;
}

int64_t ical_length_end(const struct ical_length *length, struct ical_time start, int64_t start_s,
                        const struct ical_zone *floating)
{
    if (length->exact)
        return start_s + length->seconds;
    if (length->nominal.days == 0)
        return start_s + length->nominal.seconds;
    return ical_time_utc(ical_time_add(start, length->nominal), floating);
}

bool ical_window_touches(const struct ical_window *window, int64_t start_s, int64_t end_s)
{
    return start_s < window->until_s && (start_s >= window->from_s || end_s > window->from_s);
}

static void add_instant(struct reader *r, struct ical_instants *list, int64_t at)
{
    if (list->count == list->cap)
        list->at = arena_grow(r->arena, list->at, list->count, &list->cap, sizeof(*list->at));
    list->at[list->count++] = at;
}

static int by_instant(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int by_stamp(const void *a, const void *b)
{
    const struct ical_stamp *x = a, *y = b;

    return (x->utc_s > y->utc_s) - (x->utc_s < y->utc_s);
}

static int by_id(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return (x->instance.id_s > y->instance.id_s) - (x->instance.id_s < y->instance.id_s);
}

static int by_start(const void *a, const void *b)
{
    const struct ical_instance *x = a, *y = b;

    return (x->start_s > y->start_s) - (x->start_s < y->start_s);
}

static void sort(struct ical_instants *list)
{
    if (list->count > 1)
        qsort(list->at, list->count, sizeof(*list->at), by_instant);
}

static void add_date(struct reader *r, struct ical_time time, const struct ical_period *period)
{
    struct ical_recur *recur = r->recur;

    if (recur->date_count == recur->date_cap)
        recur->dates = arena_grow(r->arena, recur->dates, recur->date_count, &recur->date_cap,
                                  sizeof(*recur->dates));
    recur->dates[recur->date_count++] =
        (struct ical_stamp){ical_time_utc(time, recur->window.floating), time.local_s, period};
}

/* The clock of the set: what is told otherwise is told again by it. */
static struct ical_time on_clock(const struct ical_recur *recur, struct ical_time time)
{
    const struct ical_time *start = &recur->start;
    const struct ical_zone *floating = recur->window.floating;

    if (time.form == ICAL_DATE && start->form != ICAL_DATE)
        time.local_s += ical_second_of(start->local_s); /* that day, at the usual time */
    else if (start->form == ICAL_DATE)
        time.local_s -= ical_second_of(time.local_s);
    else if (time.form != start->form || time.zone != start->zone) {
        const struct ical_zone *zone = start->form == ICAL_UTC ? NULL
                                       : start->zone != NULL   ? start->zone
                                                               : floating;
        int64_t utc_s = ical_time_utc(time, floating);

        time.local_s = zone != NULL ? ical_zone_local(zone, utc_s) : utc_s;
    }
    time.form = start->form;
    time.zone = start->zone;
    return time;
}

static enum st read_rdate(struct reader *r, const struct ical_prop *prop, struct slice item)
{
    struct ical_period *period = NULL;
    struct ical_time time;

    if (slice_find(item, '/') != SIZE_MAX) {
        period = arena_one(r->arena, struct ical_period);
        if (ical_period_parse(item, period) != ST_OK)
            return fail(r, prop, "has a period that cannot be read");
        item = slice_sub(item, 0, slice_find(item, '/'));
    }
    if (ical_tz_time(r->recur->tz, prop, item, &time) != ST_OK)
        return fail(r, prop, "has a date that cannot be read");
    if (period != NULL) { /* its end has the zone of its start */
        period->start = time;
        period->end.zone = time.zone;
        period->end.form = time.form;
    }
    add_date(r, on_clock(r->recur, time), period);
    return ST_OK;
}

static enum st read_exdate(struct reader *r, const struct ical_prop *prop, struct slice item)
{
    struct ical_recur *recur = r->recur;
    struct ical_time time;

    if (ical_tz_time(recur->tz, prop, item, &time) != ST_OK)
        return fail(r, prop, "has a date that cannot be read");
    if (time.form == ICAL_DATE || recur->start.form == ICAL_DATE)
        add_instant(r, &recur->exdays, ical_day_of(time.local_s));
    else
        add_instant(r, &recur->exdates, ical_time_utc(time, recur->window.floating));
    return ST_OK;
}

static enum st each_date(struct reader *r, enum ical_prop_id id,
                         enum st (*read)(struct reader *, const struct ical_prop *, struct slice))
{
    enum st st = ST_OK;

    for (const struct ical_prop *prop = ical_prop_find(r->recur->master, id);
         prop != NULL && st == ST_OK; prop = ical_prop_next(prop)) {
        struct slice rest = prop->value, item;

        while (st == ST_OK && slice_split(&rest, ',', &item))
            st = read(r, prop, slice_trim(item));
    }
    return st;
}

/* UNTIL on the clock of DTSTART. */
static int64_t until_of(const struct ical_recur *recur, const struct ical_rule *rule)
{
    const struct ical_time *start = &recur->start;
    const struct ical_zone *zone = start->zone != NULL ? start->zone : recur->window.floating;

    if (!rule->has_until)
        return INT64_MAX;
    if (rule->until.form == ICAL_DATE) /* the whole day, though RFC 5545 wants a time for a time */
        return rule->until.local_s + ICAL_DAY_S - 1;
    if (rule->until.form == ICAL_UTC && zone != NULL &&
        (start->form == ICAL_ZONED || start->form == ICAL_FLOATING))
        return ical_zone_local(zone, rule->until.local_s);
    return rule->until.local_s;
}

/* All rules of one kind, from their start. */
static enum st read_rules(struct reader *r, enum ical_prop_id id, struct ical_rule_source **rules_r,
                          size_t *count_r)
{
    struct ical_recur *recur = r->recur;
    size_t count = 0;

    for (const struct ical_prop *prop = ical_prop_find(recur->master, id); prop != NULL;
         prop = ical_prop_next(prop))
        count++;
    *count_r = count;
    *rules_r = arena_many(r->arena, struct ical_rule_source, count);
    count = 0;
    for (const struct ical_prop *prop = ical_prop_find(recur->master, id); prop != NULL;
         prop = ical_prop_next(prop)) {
        struct ical_rule_source *source = &(*rules_r)[count++];
        struct ical_rule rule;

        if (ical_rule_parse(prop->value, &rule, r->error) != ST_OK) {
            r->error->line = prop->line;
            return ST_INVALID;
        }
        if (recur->start.form == ICAL_DATE && rule.freq < ICAL_DAILY)
            return fail(r, prop, "goes by hours, minutes or seconds, but DTSTART is a DATE");
        ical_rule_iter_init(&source->iter, &rule, recur->start, until_of(recur, &rule),
                            recur->window.steps_max);
        source->last_s = INT64_MIN;
        const struct ical_zone *zone = recur->start.form == ICAL_UTC ? NULL
                                       : recur->start.zone != NULL   ? recur->start.zone
                                                                     : recur->window.floating;
        ical_zone_cursor_init(&source->cursor, zone);
    }
    return ST_OK;
}

/* How many instances of a rule gaps leave out before local_s: seeking passes over them, but they do
 * not count. */
static enum st count_gaps(const struct ical_recur *recur, const struct ical_rule_source *source,
                          int64_t local_s, uint64_t *count_r)
{
    const struct ical_zone *zone = source->cursor.zone;
    uint64_t steps_left = recur->window.steps_max;
    struct ical_span span = ical_zone_span(zone, recur->start.local_s - ICAL_DAY_S);
    struct ical_rule rule = source->iter.rule;
    struct ical_rule_iter iter;
    int64_t at;

    rule.count = 0;
    *count_r = 0;
    while (span.until_s < local_s + ICAL_DAY_S) {
        struct ical_span next = ical_zone_span(zone, span.until_s);
        int64_t until_s = next.from_s + next.offset_s; /* of the gap */
        enum st st = ST_NOT_FOUND;

        if (next.offset_s > span.offset_s) {
            ical_rule_iter_init(&iter, &rule, recur->start, INT64_MAX, steps_left);
            ical_rule_iter_seek(&iter, next.from_s + span.offset_s);
            ical_rule_iter_horizon(&iter, (until_s < local_s ? until_s : local_s) - 1);
            while ((st = ical_rule_iter_next(&iter, &at)) == ST_OK)
                *count_r += at >= next.from_s + span.offset_s;
            steps_left = iter.steps_left;
        }
        if (st == ST_TOO_BIG || steps_left == 0)
            return ST_TOO_BIG;
        span = next;
    }
    return ST_OK;
}

/* Begins a rule at local_s of its clock. */
static void seek(struct ical_recur *recur, struct ical_rule_source *source, int64_t local_s)
{
    uint64_t gaps = 0;

    if (source->iter.counted && source->iter.rule.freq < ICAL_DAILY &&
        source->cursor.zone != NULL && local_s > recur->start.local_s &&
        count_gaps(recur, source, local_s, &gaps) != ST_OK) {
        source->ended = true;
        recur->gave_up = true;
    }
    ical_rule_iter_uncount(&source->iter, gaps);
    ical_rule_iter_seek(&source->iter, local_s);
}

static int64_t magnitude(int64_t value)
{
    return value < 0 ? -value : value;
}

/* Where on the clock of the set the window begins and ends for the piece, generously. */
static void narrow(struct ical_recur *recur, const struct ical_piece *piece,
                   struct ical_rule_source *rules, size_t count)
{
    int64_t length = piece->length.seconds + piece->length.nominal.seconds +
                     (piece->length.nominal.days + 1) * ICAL_DAY_S;
    int64_t slack = magnitude(piece->shift_s) + SLACK_S;
    int64_t from_s = recur->window.from_s, until_s = recur->window.until_s;

    from_s = from_s > ICAL_LOCAL_MIN ? from_s - length - slack : ICAL_LOCAL_MIN;
    until_s = until_s < ICAL_LOCAL_MAX ? until_s + slack : ICAL_LOCAL_MAX;
    if (piece->low_s > from_s + SLACK_S)
        from_s = piece->low_s - SLACK_S;
    if (piece->high_s < until_s - SLACK_S)
        until_s = piece->high_s + SLACK_S;
    for (size_t i = 0; i < count; i++) {
        seek(recur, &rules[i], from_s);
        ical_rule_iter_horizon(&rules[i].iter, until_s);
    }
}

static enum st start_piece(struct reader *r, struct ical_piece *piece)
{
    struct ical_recur *recur = r->recur;
    const struct ical_zone *zone = piece->start.form == ICAL_UTC ? NULL
                                   : piece->start.zone != NULL   ? piece->start.zone
                                                                 : recur->window.floating;
    enum st st = read_rules(r, ICAL_RRULE, &piece->rules, &recur->rule_count);

    if (st == ST_OK)
        st = read_rules(r, ICAL_EXRULE, &piece->exrules, &recur->exrule_count);
    if (st != ST_OK)
        return st;
    ical_zone_cursor_init(&piece->start_cursor, zone);
    piece->same_clock = piece->start.form == recur->start.form &&
                        piece->start.zone == recur->start.zone && piece->shift_s == 0;
    narrow(recur, piece, piece->rules, recur->rule_count);
    narrow(recur, piece, piece->exrules, recur->exrule_count);
    return ST_OK;
}

static enum st read_override(struct reader *r, const struct ical_comp *comp, struct found *found)
{
    const struct ical_prop *id = ical_prop_find(comp, ICAL_RECURRENCE_ID);
    struct ical_instance *instance = &found->instance;
    const struct ical_zone *floating = r->recur->window.floating;
    enum st st = read_time(r, id, &instance->id);

    if (st == ST_OK)
        st = read_start(r, comp, &instance->start);
    if (st == ST_NOT_FOUND) { /* a CANCEL may say no more than which */
        instance->start = instance->id;
        st = ST_OK;
    }
    if (st == ST_OK)
        st = read_length(r, comp, instance->start, &found->length);
    if (st != ST_OK)
        return st;
    if (r->recur->master != NULL)
        instance->id = on_clock(r->recur, instance->id);
    instance->comp = comp;
    instance->id_s = ical_time_utc(instance->id, floating);
    instance->start_s = ical_time_utc(instance->start, floating);
    instance->end_s = ical_length_end(&found->length, instance->start, instance->start_s, floating);
    found->future = slice_ieq(ical_param_text(id, "RANGE"), SLICE("THISANDFUTURE"));
    return ST_OK;
}

/* What a time of the set's clock is on another form and zone. */
static int64_t local_on(const struct ical_recur *recur, struct ical_time clock, int64_t utc_s,
                        int64_t local_s)
{
    const struct ical_zone *zone = clock.zone != NULL ? clock.zone : recur->window.floating;

    if (clock.form == recur->start.form && clock.zone == recur->start.zone)
        return local_s;
    return clock.form == ICAL_UTC || zone == NULL ? utc_s : ical_zone_local(zone, utc_s);
}

/* One piece for the master, one for each override of this and the future; founds are sorted. */
static enum st make_pieces(struct reader *r, const struct found *founds, size_t count)
{
    struct ical_recur *recur = r->recur;
    struct ical_piece *piece;
    enum st st;

    recur->pieces = arena_many(r->arena, struct ical_piece, count + 1);
    piece = &recur->pieces[0];
    *piece = (struct ical_piece){.comp = recur->master, .start = recur->start};
    piece->low_s = INT64_MIN;
    if ((st = read_length(r, recur->master, recur->start, &piece->length)) != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++) {
        const struct ical_instance *at = &founds[i].instance;

        if (!founds[i].future)
            continue;
        piece->high_s = at->id_s;
        *++piece = (struct ical_piece){.comp = at->comp, .start = at->start};
        piece->low_s = at->id_s;
        piece->shift_s = at->start.local_s - local_on(recur, at->start, at->id_s, at->id.local_s);
        piece->length = founds[i].length;
    }
    piece->high_s = INT64_MAX;
    recur->piece_count = (size_t)(piece - recur->pieces) + 1;
    for (size_t i = 0; i < recur->piece_count && st == ST_OK; i++)
        st = start_piece(r, &recur->pieces[i]);
    return st;
}

static enum st read_master(struct reader *r)
{
    struct ical_recur *recur = r->recur;
    enum st st = each_date(r, ICAL_RDATE, read_rdate);

    if (st == ST_OK)
        st = each_date(r, ICAL_EXDATE, read_exdate);
    if (st != ST_OK)
        return st;
    if (ical_prop_find(recur->master, ICAL_RRULE) == NULL)
        add_date(r, recur->start, NULL);
    if (recur->date_count > 1)
        qsort(recur->dates, recur->date_count, sizeof(*recur->dates), by_stamp);
    sort(&recur->exdates);
    sort(&recur->exdays);
    return ST_OK;
}

/* The overrides, those that the window touches apart from all that replace something. */
static enum st read_overrides(struct reader *r, const struct ical_comp *parent, struct slice uid,
                              struct found **founds_r, size_t *count_r)
{
    struct ical_recur *recur = r->recur;
    size_t count = 0;
    enum st st;

    for (const struct ical_comp *comp = parent->comps; comp != NULL; comp = comp->next)
        count += counts(comp, uid) && ical_prop_find(comp, ICAL_RECURRENCE_ID) != NULL;
    *founds_r = arena_many(r->arena, struct found, count);
    *count_r = 0;
    recur->overrides = arena_many(r->arena, struct ical_instance, count);
    for (const struct ical_comp *comp = parent->comps; comp != NULL; comp = comp->next) {
        struct found *found = &(*founds_r)[*count_r];

        if (!counts(comp, uid) || ical_prop_find(comp, ICAL_RECURRENCE_ID) == NULL)
            continue;
        if ((st = read_override(r, comp, found)) != ST_OK)
            return st;
        *count_r += 1;
        add_instant(r, &recur->overridden, found->instance.id_s);
        if (ical_window_touches(&recur->window, found->instance.start_s, found->instance.end_s))
            recur->overrides[recur->override_count++] = found->instance;
    }
    if (*count_r > 1)
        qsort(*founds_r, *count_r, sizeof(**founds_r), by_id);
    if (recur->override_count > 1)
        qsort(recur->overrides, recur->override_count, sizeof(*recur->overrides), by_start);
    sort(&recur->overridden);
    return ST_OK;
}

enum st ical_recur_new(struct arena *arena, const struct ical_comp *parent, struct slice uid,
                       struct ical_tz *tz, const struct ical_window *window,
                       struct ical_recur **recur_r, struct ical_error *error_r)
{
    struct ical_recur *recur = arena_one(arena, struct ical_recur);
    struct reader r = {arena, recur, error_r};
    struct found *founds;
    size_t count;
    enum st st = ST_OK;

    recur->tz = tz;
    recur->window = *window;
    for (const struct ical_comp *comp = parent->comps; comp != NULL && recur->master == NULL;
         comp = comp->next)
        if (counts(comp, uid) && ical_prop_find(comp, ICAL_RECURRENCE_ID) == NULL)
            recur->master = comp;
    if (recur->master != NULL)
        st = read_start(&r, recur->master, &recur->start);
    if (st == ST_OK)
        st = read_overrides(&r, parent, uid, &founds, &count);
    if (st == ST_OK && recur->master != NULL)
        st = read_master(&r);
    if (st == ST_OK && recur->master != NULL)
        st = make_pieces(&r, founds, count);
    if (st == ST_OK && recur->master == NULL && count == 0)
        st = ST_NOT_FOUND;
    if (st == ST_OK)
        *recur_r = recur;
    return st;
}

bool ical_recur_repeats(const struct ical_recur *recur)
{
    return recur->rule_count > 0 || recur->date_count > 1 || recur->overridden.count > 0;
}

bool ical_recur_gave_up(const struct ical_recur *recur)
{
    return recur->gave_up;
}
