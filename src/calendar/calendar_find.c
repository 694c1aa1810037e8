#include "calendar/calendar_find.h"

#include "base/arena.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"

#define SATURDAY 5 /* of ical_weekday() */

/* When it cannot be. */
struct taken {
    struct arena *arena;
    const struct calendar_find_ask *ask;
    struct calendar_busy_row *rows;
    size_t count, cap;
};

static void take(struct taken *taken, int64_t start_s, int64_t end_s)
{
    if (start_s >= end_s)
        return;
    if (taken->count == taken->cap)
        taken->rows =
            arena_grow(taken->arena, taken->rows, taken->count, &taken->cap, sizeof(*taken->rows));
    taken->rows[taken->count++] = (struct calendar_busy_row){start_s, end_s, STORE_BUSY_BUSY, 0};
}

static int64_t local(const struct calendar_find_ask *ask, int64_t utc_s)
{
    return ask->zone != NULL ? ical_zone_local(ask->zone, utc_s) : utc_s;
}

static int64_t instant(const struct calendar_find_ask *ask, int64_t local_s)
{
    return ask->zone != NULL ? ical_zone_utc(ask->zone, local_s, NULL) : local_s;
}

static void take_person(struct taken *taken, const struct calendar_find_person *person)
{
    for (size_t i = 0; i < person->count; i++)
        if (person->rows[i].kind != STORE_BUSY_FREE && person->rows[i].kind != STORE_BUSY_ELSEWHERE)
            take(taken, person->rows[i].start_s, person->rows[i].end_s);
    take(taken, taken->ask->from_s, person->from_s);
    take(taken, person->until_s, taken->ask->until_s);
}

/* The usual hours count unless everybody's own are known, and for what fits into them. */
static bool has_usual_hours(const struct calendar_find_ask *ask)
{
    bool all = ask->count > 0;

    for (size_t i = 0; i < ask->count; i++)
        all &= ask->people[i].has_hours;
    return !all && ask->length_s <= ask->day_until_s - ask->day_from_s;
}

static void take_nights(struct taken *taken)
{
    const struct calendar_find_ask *ask = taken->ask;
    const int32_t last = ical_day_of(local(ask, ask->until_s));

    for (int32_t day = ical_day_of(local(ask, ask->from_s)); day <= last; day++) {
        const int64_t midnight_s = day * ICAL_DAY_S;
        const bool rest = ical_weekday(day) >= SATURDAY;

        take(taken, instant(ask, midnight_s),
             instant(ask, midnight_s + (rest ? ICAL_DAY_S : ask->day_from_s)));
        take(taken, instant(ask, midnight_s + ask->day_until_s),
             instant(ask, midnight_s + ICAL_DAY_S));
    }
}

/* The next moment at which a clock shows a multiple of the step. */
static int64_t step_from(const struct calendar_find_ask *ask, int64_t at_s)
{
    const int64_t over_s = ical_second_of(local(ask, at_s)) % ask->step_s;

    return over_s == 0 ? at_s : at_s + ask->step_s - over_s;
}

static size_t fill(const struct calendar_find_ask *ask, int64_t from_s, int64_t until_s,
                   int64_t *starts_r, size_t count_max)
{
    size_t count = 0;

    for (int64_t at_s = step_from(ask, from_s);
         count < count_max && until_s - at_s >= ask->length_s;
         at_s = step_from(ask, at_s + ask->length_s))
        starts_r[count++] = at_s;
    return count;
}

size_t calendar_find(struct arena *arena, const struct calendar_find_ask *ask, int64_t *starts_r,
                     size_t count_max)
{
    struct taken taken = {.arena = arena, .ask = ask};
    size_t row_count = 0;
    size_t count = 0;
    int64_t free_s = ask->from_s;

    for (size_t i = 0; i < ask->count; i++)
        take_person(&taken, &ask->people[i]);
    if (has_usual_hours(ask))
        take_nights(&taken);
    const struct calendar_busy_row *rows = calendar_freebusy_merge(
        arena, taken.rows, taken.count, ask->from_s, ask->until_s, &row_count);
    for (size_t i = 0; i < row_count; i++) {
        count += fill(ask, free_s, rows[i].start_s, starts_r + count, count_max - count);
        free_s = rows[i].end_s;
    }
    return count + fill(ask, free_s, ask->until_s, starts_r + count, count_max - count);
}
