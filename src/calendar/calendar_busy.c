#include "calendar/calendar_busy.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_rule.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

struct busy {
    struct arena *arena;
    const struct ical_comp *calendar;
    struct ical_tz *tz;
    const struct calendar_busy_ask *ask;
    struct calendar_busy_set *set;
    size_t cap;
    struct ical_error *error;
};

/* What the owner has answered; of several entries for one person the first. */
static enum store_busy_kind answered(const struct ical_comp *event,
                                     const struct calendar_busy_ask *ask)
{
    const struct ical_prop *attendee = ical_prop_find(event, ICAL_ATTENDEE);

    while (attendee != NULL && !calendar_address_among(attendee, ask->owners, ask->owner_count))
        attendee = ical_prop_next(attendee);
    if (attendee == NULL)
        return STORE_BUSY_BUSY;
    struct slice partstat = ical_param_text(attendee, "PARTSTAT");
    if (slice_ieq(partstat, SLICE("DECLINED")) || slice_ieq(partstat, SLICE("DELEGATED")))
        return STORE_BUSY_FREE;
    if (slice_ieq(partstat, SLICE("TENTATIVE")))
        return STORE_BUSY_TENTATIVE;
    if (partstat.len == 0 || slice_ieq(partstat, SLICE("NEEDS-ACTION")))
        return ask->unanswered;
    return STORE_BUSY_BUSY;
}

enum store_busy_kind calendar_busy_kind(const struct ical_comp *event,
                                        const struct calendar_busy_ask *ask)
{
    const struct ical_prop *outlook =
        ical_prop_find_name(event, SLICE("X-MICROSOFT-CDO-BUSYSTATUS"));
    struct slice status = ical_prop_value(event, ICAL_STATUS);
    struct slice shown = outlook != NULL ? outlook->value : SLICE("");
    enum store_busy_kind kind = answered(event, ask);

    if (kind == STORE_BUSY_FREE || slice_ieq(status, SLICE("CANCELLED")) ||
        slice_ieq(ical_prop_value(event, ICAL_TRANSP), SLICE("TRANSPARENT")) ||
        slice_ieq(shown, SLICE("FREE")))
        return STORE_BUSY_FREE;
    if (slice_ieq(shown, SLICE("OOF")))
        return STORE_BUSY_UNAVAILABLE;
    if (slice_ieq(shown, SLICE("WORKINGELSEWHERE")))
        return STORE_BUSY_ELSEWHERE;
    if (slice_ieq(status, SLICE("TENTATIVE")) || slice_ieq(shown, SLICE("TENTATIVE")))
        return STORE_BUSY_TENTATIVE;
    return kind;
}

static void add_row(struct busy *b, struct calendar_busy_row row)
{
    struct calendar_busy_set *set = b->set;

    if (set->count == b->cap)
        set->rows = arena_grow(b->arena, set->rows, set->count, &b->cap, sizeof(*set->rows));
    set->rows[set->count++] = row;
}

/* The pieces of one span of time that touch the window. */
static void add_pieces(struct busy *b, int64_t start_s, int64_t end_s, enum store_busy_kind kind,
                       int64_t id_s)
{
    int64_t from_s = b->ask->from_s;
    int64_t at = start_s;

    if (from_s > start_s)
        at += (from_s - start_s) / STORE_BUSY_ROW_S * STORE_BUSY_ROW_S;
    for (; at < end_s && at < b->ask->until_s; at += STORE_BUSY_ROW_S) {
        int64_t end = end_s - at < STORE_BUSY_ROW_S ? end_s : at + STORE_BUSY_ROW_S;

        if (end > from_s)
            add_row(b, (struct calendar_busy_row){at, end, kind, id_s});
    }
}

static int by_row(const void *a, const void *b)
{
    const struct calendar_busy_row *x = a, *y = b;

    if (x->start_s != y->start_s)
        return x->start_s < y->start_s ? -1 : 1;
    if (x->end_s != y->end_s)
        return x->end_s < y->end_s ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->id_s > y->id_s) - (x->id_s < y->id_s);
}

static void sort_rows(struct calendar_busy_set *set)
{
    size_t kept = 0;

    if (set->count > 1)
        qsort(set->rows, set->count, sizeof(*set->rows), by_row);
    for (size_t i = 0; i < set->count; i++)
        if (kept == 0 || by_row(&set->rows[kept - 1], &set->rows[i]) != 0)
            set->rows[kept++] = set->rows[i];
    set->count = kept;
}

/* Whether any component of the event takes its owner's time, and how far the order of instances may
 * be wrong: where RANGE=THISANDFUTURE shifts them into a gap. */
static bool any_busy(const struct busy *b, struct slice uid, int64_t *disorder_s_r)
{
    bool busy = false;

    *disorder_s_r = 0;
    for (const struct ical_comp *event = ical_comp_find(b->calendar, ICAL_VEVENT); event != NULL;
         event = ical_comp_next(event)) {
        const struct ical_prop *id = ical_prop_find(event, ICAL_RECURRENCE_ID);

        if (!slice_eq(ical_prop_value(event, ICAL_UID), uid))
            continue;
        busy |= calendar_busy_kind(event, b->ask) != STORE_BUSY_FREE;
        if (id != NULL && ical_param_find(id, "RANGE") != NULL)
            *disorder_s_r = ICAL_DAY_S;
    }
    return busy;
}

static enum st each_instance(struct busy *b, struct ical_recur *recur, int64_t disorder_s)
{
    const struct ical_comp *last = NULL;
    enum store_busy_kind kind = STORE_BUSY_FREE;
    struct ical_instance instance;
    int64_t sure_s = b->ask->from_s;
    enum st st;

    while ((st = ical_recur_next(recur, &instance)) == ST_OK) {
        if (instance.comp != last) {
            last = instance.comp;
            kind = calendar_busy_kind(last, b->ask);
        }
        if (!ical_recur_gave_up(recur) && instance.start_s - disorder_s > sure_s)
            sure_s = instance.start_s - disorder_s;
        if (b->set->count >= b->ask->rows_max) {
            st = ST_TOO_BIG;
            break;
        }
        if (kind != STORE_BUSY_FREE)
            add_pieces(b, instance.start_s, instance.end_s, kind, instance.id_s);
    }
    if (st == ST_TOO_BIG && sure_s < b->set->expanded_s)
        b->set->expanded_s = sure_s;
    return st == ST_TOO_BIG || st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st expand_events(struct busy *b)
{
    const struct ical_comp *event = ical_comp_find(b->calendar, ICAL_VEVENT);
    struct ical_window window = {.from_s = b->ask->from_s,
                                 .until_s = b->ask->until_s,
                                 .floating = b->ask->floating,
                                 .instances_max = UINT64_MAX,
                                 .steps_max = b->ask->steps_max};
    int64_t disorder_s;
    struct ical_recur *recur;
    enum st st;

    if (event == NULL)
        return ST_OK;
    struct slice uid = ical_prop_value(event, ICAL_UID);
    bool busy = any_busy(b, uid, &disorder_s);
    st = ical_recur_new(b->arena, b->calendar, uid, b->tz, &window, &recur, b->error);
    if (st == ST_NOT_FOUND || (st == ST_OK && !busy))
        return ST_OK; /* what cannot be read is told even of who is free */
    return st == ST_OK ? each_instance(b, recur, disorder_s) : st;
}

/* What another program has found out about the time and stored (RFC 4791 section 7.10). */
static enum st expand_freebusy(struct busy *b)
{
    enum st st = ST_OK;

    for (const struct ical_comp *comp = ical_comp_find(b->calendar, ICAL_VFREEBUSY);
         comp != NULL && st == ST_OK; comp = ical_comp_next(comp)) {
        struct calendar_busy_row *rows;
        size_t count;

        st = calendar_freebusy_read(b->arena, comp, &rows, &count, b->error);
        for (size_t i = 0; st == ST_OK && i < count; i++)
            add_pieces(b, rows[i].start_s, rows[i].end_s,
                       rows[i].kind == STORE_BUSY_UNKNOWN ? STORE_BUSY_BUSY : rows[i].kind,
                       rows[i].id_s);
    }
    return st;
}

enum st calendar_busy_expand(struct arena *arena, const struct ical_comp *vcalendar,
                             struct ical_tz *tz, const struct calendar_busy_ask *ask,
                             struct calendar_busy_set *set_r, struct ical_error *error_r)
{
    struct busy b = {arena, vcalendar, tz, ask, set_r, 0, error_r};
    enum st st;

    *set_r = (struct calendar_busy_set){.expanded_s = ask->until_s};
    st = expand_events(&b);
    if (st == ST_OK)
        st = expand_freebusy(&b);
    if (st != ST_OK)
        return st;
    sort_rows(set_r);
    st = calendar_busy_bounds(arena, vcalendar, tz, ask, &set_r->first_s, &set_r->last_s, error_r);
    if (set_r->expanded_s == ask->until_s && set_r->last_s <= ask->until_s)
        set_r->expanded_s = INT64_MAX;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* first_s and last_s so far. */
struct bounds {
    int64_t first_s, last_s;
};

static void widen(struct bounds *bounds, int64_t from_s, int64_t until_s)
{
    bounds->first_s = from_s < bounds->first_s ? from_s : bounds->first_s;
    bounds->last_s = until_s > bounds->last_s ? until_s : bounds->last_s;
}

/* Whether a rule of the component goes on for ever. */
static bool endless(const struct ical_comp *comp)
{
    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_RRULE); prop != NULL;
         prop = ical_prop_next(prop)) {
        struct ical_rule rule;
        struct ical_error ignored;

        if (ical_rule_parse(prop->value, &rule, &ignored) == ST_OK && rule.count == 0 &&
            !rule.has_until)
            return true;
    }
    return false;
}

/* The instances of all components with the UID of comp. */
static enum st bound_set(struct busy *b, const struct ical_comp *comp, bool forever,
                         struct bounds *bounds)
{
    struct ical_window window = {.from_s = ICAL_LOCAL_MIN,
                                 .until_s = ICAL_LOCAL_MAX,
                                 .floating = b->ask->floating,
                                 .instances_max = forever ? 1 : b->ask->rows_max + 1,
                                 .steps_max = b->ask->steps_max};
    struct slice uid = ical_prop_value(comp, ICAL_UID);
    struct ical_instance instance;
    struct ical_recur *recur;
    enum st st = ical_recur_new(b->arena, b->calendar, uid, b->tz, &window, &recur, b->error);

    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    while ((st = ical_recur_next(recur, &instance)) == ST_OK) {
        bool shifted = instance.start_s != instance.id_s;

        widen(bounds, instance.start_s - (shifted ? ICAL_DAY_S : 0), instance.end_s);
    }
    if (forever || st == ST_TOO_BIG)
        bounds->last_s = INT64_MAX;
    return ST_OK;
}

/* COMPLETED and CREATED, by which a VTODO without DTSTART and DUE lies in time (RFC 4791 section
 * 9.9): one that is created but not completed has no end. */
static void bound_task(struct busy *b, const struct ical_comp *todo, struct bounds *bounds)
{
    static const enum ical_prop_id ids[] = {ICAL_COMPLETED, ICAL_CREATED};
    bool found[COUNT(ids)] = {false};
    struct ical_time time;

    if (ical_prop_find(todo, ICAL_DTSTART) != NULL || ical_prop_find(todo, ICAL_DUE) != NULL)
        return;
    for (size_t i = 0; i < COUNT(ids); i++) {
        const struct ical_prop *prop = ical_prop_find(todo, ids[i]);

        if (prop == NULL || ical_tz_time(b->tz, prop, prop->value, &time) != ST_OK)
            continue;
        int64_t at = ical_time_utc(time, b->ask->floating);
        found[i] = true;
        widen(bounds, at, at);
    }
    if (!found[0])
        widen(bounds, found[1] ? bounds->first_s : INT64_MIN, INT64_MAX);
}

static enum st bound_freebusy(struct busy *b, const struct ical_comp *comp, struct bounds *bounds)
{
    static const enum ical_prop_id ids[] = {ICAL_DTSTART, ICAL_DTEND};
    struct calendar_busy_row *rows;
    struct ical_time time;
    size_t count;
    enum st st = calendar_freebusy_read(b->arena, comp, &rows, &count, b->error);

    for (size_t i = 0; st == ST_OK && i < count; i++)
        widen(bounds, rows[i].start_s, rows[i].end_s);
    for (size_t i = 0; st == ST_OK && i < COUNT(ids); i++) {
        const struct ical_prop *prop = ical_prop_find(comp, ids[i]);

        if (prop == NULL || ical_tz_time(b->tz, prop, prop->value, &time) != ST_OK)
            continue;
        int64_t at = ical_time_utc(time, b->ask->floating);
        widen(bounds, at, at);
    }
    return st;
}

enum st calendar_busy_bounds(struct arena *arena, const struct ical_comp *vcalendar,
                             struct ical_tz *tz, const struct calendar_busy_ask *ask,
                             int64_t *first_s_r, int64_t *last_s_r, struct ical_error *error_r)
{
    struct busy b = {arena, vcalendar, tz, ask, NULL, 0, error_r};
    struct bounds bounds = {INT64_MAX, INT64_MIN};
    const struct ical_comp *first = NULL;
    bool forever = false;
    enum st st = ST_OK;

    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL && st == ST_OK;
         comp = comp->next) {
        if (comp->id == ICAL_VTODO)
            bound_task(&b, comp, &bounds);
        if (comp->id == ICAL_VFREEBUSY)
            st = bound_freebusy(&b, comp, &bounds);
        if (!ical_comp_is_entry(comp))
            continue;
        first = first != NULL ? first : comp;
        forever |= ical_prop_find(comp, ICAL_RECURRENCE_ID) == NULL && endless(comp);
    }
    if (st == ST_OK && first != NULL)
        st = bound_set(&b, first, forever, &bounds);
    if (st == ST_OK && bounds.first_s > bounds.last_s)
        st = ST_NOT_FOUND;
    *first_s_r = bounds.first_s;
    *last_s_r = bounds.last_s;
    return st;
}
