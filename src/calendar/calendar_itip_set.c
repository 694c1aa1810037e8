/* An object as parts by RECURRENCE-ID. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"
#include "ical/ical_recur.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_key(const void *a, const void *b)
{
    const struct itip_part *x = a, *y = b;

    if (x->master != y->master)
        return x->master ? -1 : 1;
    if (x->id_s != y->id_s)
        return x->id_s < y->id_s ? -1 : 1;
    return (int)x->future - (int)y->future;
}

int calendar_itip_version_cmp(struct itip_version a, struct itip_version b)
{
    if (a.sequence != b.sequence)
        return a.sequence < b.sequence ? -1 : 1;
    return (a.stamp_s > b.stamp_s) - (a.stamp_s < b.stamp_s);
}

struct slice calendar_itip_number(struct arena *arena, uint64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

    return arena_copy(arena, (struct slice){text, (size_t)len});
}

struct slice calendar_itip_stamp(struct arena *arena, int64_t utc_s)
{
    AUTO(buf) struct buf text = BUF(KIB);

    if (utc_s < ICAL_LOCAL_MIN || utc_s > ICAL_LOCAL_MAX)
        utc_s = 0;
    ical_time_write((struct ical_time){utc_s, ICAL_UTC, NULL}, &text);
    return arena_copy(arena, buf_slice(&text));
}

int64_t calendar_itip_stamp_read(struct slice text)
{
    struct ical_time time;

    return ical_time_parse(text, &time) == ST_OK ? time.local_s : INT64_MIN;
}

/* A SEQUENCE that is none is 0: some programs leave it empty. DTSTAMP is missing in what some make;
 * LAST-MODIFIED then says when. */
static struct itip_version version_of(const struct ical_comp *comp)
{
    struct itip_version version = {0,
                                   calendar_itip_stamp_read(ical_prop_value(comp, ICAL_DTSTAMP))};

    if (slice_to_u64(slice_trim(ical_prop_value(comp, ICAL_SEQUENCE)), &version.sequence) != ST_OK)
        version.sequence = 0;
    if (version.sequence > INT32_MAX)
        version.sequence = INT32_MAX;
    if (version.stamp_s == INT64_MIN)
        version.stamp_s = calendar_itip_stamp_read(ical_prop_value(comp, ICAL_LAST_MODIFIED));
    return version;
}

void calendar_itip_version_set(struct arena *arena, struct itip_part *part,
                               struct itip_version version)
{
    part->version = version;
    if (version.sequence > 0 || ical_prop_find(part->comp, ICAL_SEQUENCE) != NULL)
        ical_prop_set(arena, part->comp, ICAL_SEQUENCE,
                      calendar_itip_number(arena, version.sequence));
    if (version.stamp_s != INT64_MIN)
        ical_prop_set(arena, part->comp, ICAL_DTSTAMP, calendar_itip_stamp(arena, version.stamp_s));
}

static enum st read_part(const struct itip_set *set, struct ical_comp *comp, struct itip_part *part,
                         struct ical_error *error)
{
    const struct ical_prop *id = ical_prop_find(comp, ICAL_RECURRENCE_ID);
    struct ical_time time;

    *part = (struct itip_part){.comp = comp, .master = id == NULL, .version = version_of(comp)};
    if (id == NULL)
        return ST_OK;
    if (ical_tz_time(set->tz, id, slice_trim(id->value), &time) != ST_OK) {
        ical_error_set(error, id->line, "RECURRENCE-ID is no date or time.");
        return ST_INVALID;
    }
    part->id_s = ical_time_utc(time, set->world->floating);
    part->future = slice_ieq(ical_param_text(id, "RANGE"), SLICE("THISANDFUTURE"));
    return ST_OK;
}

/* Of two that say they are the same the later in the text stays (and the other counts no more). */
static void drop_doubles(struct itip_set *set)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        if (kept > 0 && by_key(&set->parts[kept - 1], &set->parts[i]) == 0) {
            bool newer =
                calendar_itip_version_cmp(set->parts[kept - 1].version, set->parts[i].version) <= 0;
            ical_comp_remove(set->parts[newer ? kept - 1 : i].comp);
            if (newer)
                set->parts[kept - 1] = set->parts[i];
        } else {
            set->parts[kept++] = set->parts[i];
        }
    }
    set->count = kept;
}

enum st calendar_itip_set_read(const struct calendar_itip_world *world, struct ical_comp *vcalendar,
                               struct itip_set *set_r, struct ical_error *error_r)
{
    size_t count = 0;
    enum st st = ST_OK;

    *set_r = (struct itip_set){.world = world, .vcalendar = vcalendar};
    if (vcalendar == NULL)
        return ST_OK;
    set_r->tz = ical_tz_new(world->arena, vcalendar, world->zones);
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        count += ical_comp_is_entry(comp);
    set_r->parts = arena_many(world->arena, struct itip_part, count + 1);
    for (struct ical_comp *comp = vcalendar->comps; comp != NULL && st == ST_OK;
         comp = comp->next) {
        struct slice uid = ical_prop_value(comp, ICAL_UID);

        if (!ical_comp_is_entry(comp))
            continue;
        if (set_r->count == 0)
            set_r->uid = uid;
        if (!slice_eq(uid, set_r->uid)) {
            ical_error_set(error_r, comp->line, "The components have different UIDs.");
            return ST_INVALID;
        }
        st = read_part(set_r, comp, &set_r->parts[set_r->count++], error_r);
        set_r->splits |= set_r->parts[set_r->count - 1].future;
        if (set_r->organizer == NULL)
            set_r->organizer = ical_prop_find(comp, ICAL_ORGANIZER);
    }
    if (st != ST_OK)
        return st;
    if (set_r->count > 1)
        qsort(set_r->parts, set_r->count, sizeof(*set_r->parts), by_key);
    drop_doubles(set_r);
    return ST_OK;
}

void calendar_itip_set_extend(struct itip_set *set, size_t added)
{
    set->count += added;
    if (added > 0)
        qsort(set->parts, set->count, sizeof(*set->parts), by_key);
}

struct itip_part *calendar_itip_set_find(const struct itip_set *set, const struct itip_part *key)
{
    return set->count == 0 ? NULL
                           : bsearch(key, set->parts, set->count, sizeof(*set->parts), by_key);
}

struct itip_part *calendar_itip_set_master(const struct itip_set *set)
{
    return set->count > 0 && set->parts[0].master ? &set->parts[0] : NULL;
}

/* What RECURRENCE-ID and DTSTART of an instance say, on the clock of the master's. */
static struct slice on_clock(const struct itip_set *set, struct ical_time start, int64_t id_s,
                             int64_t shift_s)
{
    AUTO(buf) struct buf text = BUF(KIB);
    const struct ical_zone *zone = start.form == ICAL_UTC ? NULL
                                   : start.zone != NULL   ? start.zone
                                                          : set->world->floating;

    start.local_s = (zone != NULL ? ical_zone_local(zone, id_s) : id_s) + shift_s;
    if (start.form == ICAL_DATE)
        start.local_s -= ical_second_of(start.local_s);
    if (start.local_s < ICAL_LOCAL_MIN || start.local_s > ICAL_LOCAL_MAX)
        start.local_s = 0;
    ical_time_write(start, &text);
    return arena_copy(set->world->arena, buf_slice(&text));
}

/* DTEND or DUE moves with the start, by the clock. */
static void shift_end(const struct itip_set *set, struct ical_comp *comp, enum ical_prop_id id,
                      struct ical_time start, int64_t id_s, int64_t shift_s)
{
    struct ical_prop *end = ical_prop_find(comp, id);
    const struct ical_zone *floating = set->world->floating;
    struct ical_time time;
    int64_t length_s;

    if (end == NULL || ical_tz_time(set->tz, end, slice_trim(end->value), &time) != ST_OK)
        return;
    length_s = ical_time_utc(time, floating) - ical_time_utc(start, floating);
    if (start.form == ICAL_DATE) /* whole days, whatever the clocks do */
        length_s = (length_s + (length_s > 0 ? 1 : -1) * ICAL_DAY_S / 2) / ICAL_DAY_S * ICAL_DAY_S +
                   ICAL_DAY_S / 4;
    end->value = on_clock(set, time, id_s + length_s, shift_s);
}

/* Of the master only what says when it is, or all but what makes it a series. */
static struct ical_comp *copy_master(struct arena *arena, struct ical_comp *master, bool bare)
{
    static const enum ical_prop_id series[] = {ICAL_RRULE, ICAL_RDATE, ICAL_EXDATE, ICAL_EXRULE};
    static const enum ical_prop_id times[] = {ICAL_DTSTART, ICAL_DTEND, ICAL_DUE, ICAL_DURATION};
    struct ical_comp *comp;

    if (!bare) {
        comp = ical_comp_copy(arena, master);
        for (size_t i = 0; i < COUNT(series); i++)
            ical_prop_remove_all(comp, series[i]);
        calendar_itip_other_remove(comp, CALENDAR_ITIP_LEFT);
        calendar_itip_other_remove(comp, CALENDAR_ITIP_SPLIT);
        return comp;
    }
    comp = ical_comp_new(arena, master->id);
    for (size_t i = 0; i < COUNT(times); i++) {
        const struct ical_prop *prop = ical_prop_find(master, times[i]);

        if (prop != NULL)
            calendar_itip_date_add(arena, comp, times[i], prop);
    }
    return comp;
}

struct itip_part *calendar_itip_set_cover(const struct itip_set *set, const struct itip_part *part)
{
    if (!set->splits)
        return calendar_itip_set_master(set);
    for (size_t i = set->count; i > 0; i--) {
        struct itip_part *at = &set->parts[i - 1];

        if (at->master ||
            (at->future && (at->id_s < part->id_s || (at->id_s == part->id_s && !part->future))))
            return at;
    }
    return NULL;
}

/* How far this-and-future moves its instances, by their clock. */
static int64_t shift_of(const struct itip_set *set, const struct itip_part *cover,
                        struct ical_time start)
{
    const struct ical_zone *zone = start.form == ICAL_UTC ? NULL
                                   : start.zone != NULL   ? start.zone
                                                          : set->world->floating;

    if (cover->master)
        return 0;
    return start.local_s - (zone != NULL ? ical_zone_local(zone, cover->id_s) : cover->id_s);
}

struct ical_comp *calendar_itip_set_instance(const struct itip_set *set, int64_t id_s, bool bare)
{
    struct arena *arena = set->world->arena;
    const struct itip_part key = {.id_s = id_s}, *cover = calendar_itip_set_cover(set, &key);
    const struct ical_prop *first;
    struct ical_comp *comp;
    struct ical_prop *start, *id;
    struct ical_time time, named;
    int64_t shift_s;

    if (cover == NULL)
        return NULL;
    comp = copy_master(arena, cover->comp, bare);
    start = ical_prop_find(comp, ICAL_DTSTART);
    if (start == NULL)
        start = ical_prop_find(comp, ICAL_DUE);
    first = cover->master ? start : ical_prop_find(cover->comp, ICAL_RECURRENCE_ID);
    if (start == NULL || ical_tz_time(set->tz, start, slice_trim(start->value), &time) != ST_OK ||
        ical_tz_time(set->tz, first, slice_trim(first->value), &named) != ST_OK)
        return NULL;
    shift_s = shift_of(set, cover, time);
    if (start->id == ICAL_DTSTART)
        shift_end(set, comp, comp->id == ICAL_VTODO ? ICAL_DUE : ICAL_DTEND, time, id_s, shift_s);
    start->value = on_clock(set, time, id_s, shift_s);
    id = ical_prop_set(arena, comp, ICAL_RECURRENCE_ID, on_clock(set, named, id_s, 0));
    calendar_itip_params_copy(arena, id, first);
    ical_param_remove(id, "RANGE");
    return comp;
}

static int by_instant(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

void calendar_itip_times(const struct itip_set *set, const struct ical_comp *comp,
                         enum ical_prop_id id, struct itip_times *times)
{
    for (const struct ical_prop *prop = ical_prop_find(comp, id); prop != NULL;
         prop = ical_prop_next(prop)) {
        struct slice rest = prop->value, item;
        struct ical_time time;

        while (slice_split(&rest, ',', &item)) {
            size_t bar = slice_find(item, '/');

            item = slice_trim(slice_sub(item, 0, bar));
            if (ical_tz_time(set->tz, prop, item, &time) != ST_OK)
                continue;
            if (times->count == times->cap)
                times->at = arena_grow(set->world->arena, times->at, times->count, &times->cap,
                                       sizeof(*times->at));
            times->at[times->count++] = ical_time_utc(time, set->world->floating);
        }
    }
    if (times->count > 1)
        qsort(times->at, times->count, sizeof(*times->at), by_instant);
}

bool calendar_itip_times_has(const struct itip_times *times, int64_t at)
{
    return times->count > 0 &&
           bsearch(&at, times->at, times->count, sizeof(*times->at), by_instant) != NULL;
}

struct itip_version calendar_itip_set_newest(const struct itip_set *set)
{
    struct itip_version newest = {0, INT64_MIN};

    for (size_t i = 0; i < set->count; i++) {
        if (set->parts[i].version.sequence > newest.sequence)
            newest.sequence = set->parts[i].version.sequence;
        if (set->parts[i].version.stamp_s > newest.stamp_s)
            newest.stamp_s = set->parts[i].version.stamp_s;
    }
    return newest;
}

bool calendar_itip_cancelled(const struct ical_comp *comp)
{
    return slice_ieq(slice_trim(ical_prop_value(comp, ICAL_STATUS)), SLICE("CANCELLED"));
}

/* Instances are found by when they are, and this-and-future moves them. */
static void widen(const struct itip_set *set, struct ical_window *window)
{
    int64_t back_s = 0, ahead_s = 0;

    for (size_t i = 0; i < set->count; i++) {
        const struct itip_part *part = &set->parts[i];
        const struct ical_prop *start = ical_prop_find(part->comp, ICAL_DTSTART);
        struct ical_time time;
        int64_t moved_s;

        if (!part->future || start == NULL ||
            ical_tz_time(set->tz, start, slice_trim(start->value), &time) != ST_OK)
            continue;
        moved_s = ical_time_utc(time, set->world->floating) - part->id_s;
        back_s = moved_s < back_s ? moved_s : back_s;
        ahead_s = moved_s > ahead_s ? moved_s : ahead_s;
    }
    window->from_s += back_s < 0 ? back_s - ICAL_DAY_S : 0; /* clocks change */
    window->until_s += ahead_s > 0 ? ahead_s + ICAL_DAY_S : 0;
}

void calendar_itip_set_instances(const struct itip_set *set, struct itip_times *ids)
{
    struct ical_window window = {0, 0, set->world->floating, ICAL_RECUR_STEPS_MAX,
                                 ICAL_RECUR_STEPS_MAX};
    const struct itip_part *master = calendar_itip_set_master(set);
    bool *is = arena_many(set->world->arena, bool, ids->count + 1);
    struct itip_times out = {0};
    struct ical_instance instance;
    struct ical_recur *recur;
    struct ical_error error;
    size_t kept = 0;

    if (ids->count == 0)
        return;
    window.from_s = ids->at[0];
    window.until_s = ids->at[ids->count - 1] + 1;
    widen(set, &window);
    if (ical_recur_new(set->world->arena, set->vcalendar, set->uid, set->tz, &window, &recur,
                       &error) == ST_OK) {
        while (ical_recur_next(recur, &instance) == ST_OK) {
            const int64_t *id =
                bsearch(&instance.id_s, ids->at, ids->count, sizeof(*ids->at), by_instant);

            if (id != NULL)
                is[id - ids->at] = true;
        }
    }
    if (master != NULL) /* this-and-future may begin where the series has an EXDATE */
        calendar_itip_times(set, master->comp, ICAL_EXDATE, &out);
    for (size_t i = 0; i < ids->count; i++)
        if (is[i] && !calendar_itip_times_has(&out, ids->at[i]))
            ids->at[kept++] = ids->at[i];
    ids->count = kept;
}

bool calendar_itip_set_has(const struct itip_set *set, int64_t id_s)
{
    struct itip_times ids = {&id_s, 1, 1};

    calendar_itip_set_instances(set, &ids);
    return ids.count == 1;
}
