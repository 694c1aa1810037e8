/* What a room answers. */
#include "calendar/calendar_room.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"
#include "ical/ical_recur.h"

#include <stdarg.h>
#include <stdio.h>

#define FAR_S (INT64_C(36525) * ICAL_DAY_S) /* how far ahead instances are looked at */

struct asker {
    const struct calendar_room_busy *busy;
    size_t busy_count;
    const struct calendar_room_rules *rules;
    struct arena *arena;
    int64_t now_s;
    struct calendar_room_answer *answer;
    size_t cap;
    size_t instances;
    int64_t *latest; /* the latest end of the busy times up to each */
    char why[200];   /* the first reason */
};

static void put_when(char *out, size_t size, const struct calendar_room_rules *rules, int64_t utc_s)
{
    int64_t local_s = rules->zone != NULL ? ical_zone_local(rules->zone, utc_s) : utc_s;
    struct ical_civil at = ical_civil(local_s);

    (void)snprintf(out, size, "%04d-%02u-%02u %02u:%02u", at.year, at.month, at.day, at.hour,
                   at.minute);
}

static void reason(struct asker *a, const struct ical_instance *instance, const char *what)
{
    char when[40];

    if (a->why[0] != '\0')
        return;
    put_when(when, sizeof(when), a->rules, instance->start_s);
    (void)snprintf(a->why, sizeof(a->why), "%s: %s.", when, what);
}

static bool counts(const struct asker *a, const struct calendar_room_busy *busy)
{
    return !(busy->tentative && a->rules->tentative_is_free);
}

/* A busy time that overlaps, or NULL: those that begin before the end, from the last back
 * to where none can reach the start any more. */
static const struct calendar_room_busy *overlap(const struct asker *a, int64_t from_s,
                                                int64_t until_s)
{
    size_t low = 0, high = a->busy_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (a->busy[middle].from_s < until_s)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low > 0 && a->latest[low - 1] > from_s; low--)
        if (a->busy[low - 1].until_s > from_s && counts(a, &a->busy[low - 1]))
            return &a->busy[low - 1];
    return NULL;
}

static bool is_open(const struct calendar_room_rules *rules, int64_t from_s, int64_t until_s)
{
    int64_t from = rules->zone != NULL ? ical_zone_local(rules->zone, from_s) : from_s;
    int64_t until = rules->zone != NULL ? ical_zone_local(rules->zone, until_s) : until_s;
    int32_t day = ical_day_of(from);

    if (rules->weekdays != 0 && (rules->weekdays >> ical_weekday(day) & 1) == 0)
        return false;
    if (rules->open_s == 0 && rules->close_s == 0)
        return true;
    return ical_second_of(from) >= rules->open_s &&
           until <= (int64_t)day * ICAL_DAY_S + rules->close_s;
}

static bool fits(struct asker *a, const struct ical_instance *instance)
{
    const struct calendar_room_rules *rules = a->rules;
    int64_t from_s = instance->start_s, until_s = instance->end_s;
    const struct calendar_room_busy *busy;
    char from[40], until[40], text[120];

    if (rules->duration_max_s > 0 && until_s - from_s > rules->duration_max_s) {
        (void)snprintf(text, sizeof(text), "it lasts longer than %lld minutes",
                       (long long)(rules->duration_max_s / 60));
        reason(a, instance, text);
        return false;
    }
    if (rules->ahead_max_s > 0 && from_s - a->now_s > rules->ahead_max_s) {
        (void)snprintf(text, sizeof(text), "it is more than %lld days ahead",
                       (long long)(rules->ahead_max_s / ICAL_DAY_S));
        reason(a, instance, text);
        return false;
    }
    if (!is_open(rules, from_s, until_s)) {
        reason(a, instance, "it is outside the hours in which the room can be had");
        return false;
    }
    busy = overlap(a, from_s, until_s > from_s ? until_s : from_s + 1);
    if (busy == NULL)
        return true;
    put_when(from, sizeof(from), rules, busy->from_s);
    put_when(until, sizeof(until), rules, busy->until_s);
    (void)snprintf(text, sizeof(text), "taken from %s to %s", from, until);
    reason(a, instance, text);
    return false;
}

static void note(struct asker *a, const struct ical_instance *instance)
{
    struct calendar_room_answer *answer = a->answer;

    if (answer->conflicts == a->cap)
        answer->declined = arena_grow(a->arena, answer->declined, answer->conflicts, &a->cap,
                                      sizeof(*answer->declined));
    answer->declined[answer->conflicts++] = (struct calendar_room_instance){
        .id_s = instance->id_s, .from_s = instance->start_s, .until_s = instance->end_s};
}

static void decline(struct asker *a, const char *fmt, ...) PRINTF(2, 3);

static void decline(struct asker *a, const char *fmt, ...)
{
    char text[300];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    a->answer->accepted = false;
    a->answer->partstat = SLICE("DECLINED");
    a->answer->why =
        arena_copy(a->arena, (struct slice){text, (size_t)len < sizeof(text) ? (size_t)len
                                                                             : sizeof(text) - 1});
}

static void settle(struct asker *a)
{
    struct calendar_room_answer *answer = a->answer;
    const struct calendar_room_rules *rules = a->rules;

    if (answer->conflicts == 0)
        return;
    if (!answer->series) {
        decline(a, "%s", a->why);
    } else if (!rules->partly || answer->conflicts > rules->conflicts_max ||
               answer->conflicts == a->instances) {
        decline(a, "%zu of %zu instances cannot be had; the first: %s", answer->conflicts,
                a->instances, a->why);
    } else {
        decline(a, "%zu of %zu instances are declined; the first: %s", answer->conflicts,
                a->instances, a->why);
        answer->accepted = true;
        answer->partstat = SLICE("ACCEPTED");
    }
}

static size_t attendees(const struct ical_comp *vcalendar)
{
    size_t most = 0;

    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next) {
        size_t count = 0;

        for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
             prop = ical_prop_next(prop)) {
            struct slice type = ical_param_text(prop, "CUTYPE");

            count += !slice_ieq(type, SLICE("ROOM")) && !slice_ieq(type, SLICE("RESOURCE"));
        }
        most = count > most ? count : most;
    }
    return most;
}

static void find_latest(struct asker *a)
{
    int64_t latest = INT64_MIN;

    a->latest = arena_many(a->arena, int64_t, a->busy_count + 1);
    for (size_t i = 0; i < a->busy_count; i++) {
        if (counts(a, &a->busy[i]) && a->busy[i].until_s > latest)
            latest = a->busy[i].until_s;
        a->latest[i] = latest;
    }
}

static enum st look_at_all(struct asker *a, struct ical_recur *recur)
{
    struct ical_instance instance;
    enum st st;

    a->answer->series = ical_recur_repeats(recur);
    if (a->answer->series && !a->rules->recurring) {
        decline(a, "Series are not taken.");
        return ST_OK;
    }
    while ((st = ical_recur_next(recur, &instance)) == ST_OK) {
        if (calendar_itip_cancelled(instance.comp) || instance.end_s <= a->now_s)
            continue;
        a->instances++;
        if (!fits(a, &instance))
            note(a, &instance);
    }
    settle(a);
    if (st == ST_NOT_FOUND && a->instances == 0) {
        a->answer->over = true;
        decline(a, "Nothing of it lies ahead.");
    }
    /* a series without an end is taken where there is a limit of days, which it then passes */
    if (st == ST_TOO_BIG && a->answer->accepted)
        decline(a, "The series has more than %u instances.", a->rules->instances_max);
    return ST_OK;
}

enum st calendar_room_answer(struct arena *arena, const struct ical_comp *vcalendar,
                             struct ical_zones *zones, const struct calendar_room_busy *busy,
                             size_t busy_count, const struct calendar_room_rules *rules,
                             int64_t now_s, struct calendar_room_answer *answer_r,
                             struct ical_error *error_r)
{
    struct asker a = {.busy = busy,
                      .busy_count = busy_count,
                      .rules = rules,
                      .arena = arena,
                      .now_s = now_s,
                      .answer = answer_r};
    struct ical_window window = {now_s, now_s + FAR_S, rules->zone, rules->instances_max,
                                 ICAL_RECUR_STEPS_MAX};
    const struct ical_comp *first = vcalendar->comps;
    struct ical_recur *recur;
    size_t people = attendees(vcalendar);
    enum st st;

    *answer_r = (struct calendar_room_answer){.accepted = true, .partstat = SLICE("ACCEPTED")};
    while (first != NULL && first->id != ICAL_VEVENT)
        first = first->next;
    if (first == NULL) {
        decline(&a, "Only events are taken.");
        return ST_OK;
    }
    if (rules->capacity > 0 && people > rules->capacity) {
        decline(&a, "%zu are invited, and there is room for %u.", people, rules->capacity);
        return ST_OK;
    }
    find_latest(&a);
    st = ical_recur_new(arena, vcalendar, ical_prop_value(first, ICAL_UID),
                        ical_tz_new(arena, vcalendar, zones), &window, &recur, error_r);
    if (st == ST_NOT_FOUND) {
        decline(&a, "It has no time.");
        return ST_OK;
    }
    return st == ST_OK ? look_at_all(&a, recur) : st;
}

enum st calendar_room_set(const struct calendar_itip_world *world, const struct ical_comp *stored,
                          const struct calendar_room_answer *answer, struct ical_comp **store_r,
                          struct ical_error *error_r)
{
    struct itip_set set;
    enum st st;

    *store_r = ical_comp_copy(world->arena, stored);
    st = calendar_itip_set_read(world, *store_r, &set, error_r);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < set.count; i++) {
        struct ical_prop *own = calendar_itip_own(world, set.parts[i].comp);

        if (own != NULL && !calendar_itip_cancelled(set.parts[i].comp))
            ical_param_set(world->arena, own, "PARTSTAT", answer->partstat);
    }
    for (size_t i = 0; answer->accepted && i < answer->conflicts; i++) {
        struct itip_part key = {.id_s = answer->declined[i].id_s};
        struct itip_part *part = calendar_itip_set_find(&set, &key);
        struct ical_comp *comp =
            part != NULL ? part->comp : calendar_itip_set_instance(&set, key.id_s, false);
        struct ical_prop *own = comp != NULL ? calendar_itip_own(world, comp) : NULL;

        if (own == NULL)
            continue;
        ical_param_set(world->arena, own, "PARTSTAT", SLICE("DECLINED"));
        if (part == NULL)
            ical_comp_add(*store_r, comp);
    }
    return ST_OK;
}
