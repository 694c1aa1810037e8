/* Events to busytime: each input is an object (or the properties of an event). Rows are sorted, of
 * 7 days at most, within what the object is said to reach; two windows side by side give the rows
 * of one; what has rows overlaps the time range. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_availability.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_freebusy.h"
#include "calendar/calendar_range.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

#define FROM_S INT64_C(1700000000)
#define MIDDLE_S INT64_C(1700900000)
#define UNTIL_S INT64_C(1702000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ical_limits limits = {20000, 500, 5000, 500, 5};
static const struct slice owners[] = {{"a@example.org", 13}};

static void must(bool truth)
{
    if (!truth)
        abort();
}

struct input {
    struct arena *arena;
    struct ical_comp *calendar;
    struct ical_tz *tz;
};

static bool expand(const struct input *in, int64_t from_s, int64_t until_s,
                   struct calendar_busy_set *set)
{
    struct calendar_busy_ask ask = {from_s, until_s, NULL, owners, 1, STORE_BUSY_TENTATIVE,
                                    300,    2000};
    struct ical_error error = {0};
    enum st st = calendar_busy_expand(in->arena, in->calendar, in->tz, &ask, set, &error);

    must(st == ST_OK || (st == ST_INVALID && error.text[0] != '\0'));
    return st == ST_OK;
}

static bool same(const struct calendar_busy_row *a, const struct calendar_busy_row *b)
{
    return a->start_s == b->start_s && a->end_s == b->end_s && a->kind == b->kind &&
           a->id_s == b->id_s;
}

static bool has(const struct calendar_busy_set *set, const struct calendar_busy_row *row)
{
    for (size_t i = 0; i < set->count; i++)
        if (same(&set->rows[i], row))
            return true;
    return false;
}

static void check_rows(const struct calendar_busy_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct calendar_busy_row *row = &set->rows[i];

        must(row->start_s < row->end_s && row->end_s - row->start_s <= STORE_BUSY_ROW_S);
        must(row->start_s < UNTIL_S && row->end_s > FROM_S);
        must(row->start_s >= set->first_s && row->end_s <= set->last_s);
        must(i == 0 || row->start_s >= row[-1].start_s);
        must(i == 0 || !same(row, row - 1));
    }
}

static void check_parts(const struct input *in, const struct calendar_busy_set *whole)
{
    struct calendar_busy_set left, right;

    must(expand(in, FROM_S, MIDDLE_S, &left) && expand(in, MIDDLE_S, UNTIL_S, &right));
    if (whole->expanded_s < UNTIL_S || left.expanded_s < MIDDLE_S || right.expanded_s < UNTIL_S)
        return;
    for (size_t i = 0; i < whole->count; i++)
        must(has(&left, &whole->rows[i]) || has(&right, &whole->rows[i]));
    for (size_t i = 0; i < left.count; i++)
        must(has(whole, &left.rows[i]));
    for (size_t i = 0; i < right.count; i++)
        must(has(whole, &right.rows[i]));
}

static void check_range(const struct input *in, const struct calendar_busy_set *whole)
{
    struct calendar_range range = {FROM_S, UNTIL_S};
    bool any = false;

    for (const struct ical_comp *comp = in->calendar->comps; comp != NULL; comp = comp->next) {
        struct ical_error error = {0};
        bool one = false, alarm;
        enum st st = calendar_range_overlaps(in->arena, in->calendar, comp, in->tz, NULL, 2000,
                                             range, &one, &error);

        must(st == ST_OK || st == ST_INVALID);
        any |= one;
        if (comp->comps != NULL)
            (void)!calendar_range_overlaps(in->arena, in->calendar, comp->comps, in->tz, NULL, 2000,
                                           range, &alarm, &error);
    }
    must(any || whole->count == 0);
}

static void check_freebusy(const struct input *in, const struct calendar_busy_set *whole)
{
    struct calendar_busy_row *rows;
    struct ical_error error;
    size_t count;
    const struct ical_comp *comp =
        calendar_freebusy_comp(in->arena, whole->rows, whole->count, FROM_S, UNTIL_S, FROM_S);

    must(calendar_freebusy_read(in->arena, comp, &rows, &count, &error) == ST_OK);
    must(count <= 2 * whole->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena =
        arena_new("fuzz", ical_limits_arena_bytes(&limits) + ICAL_TZ_BYTES_MAX + 64 * MIB);
    AUTO(buf) struct buf text = BUF(MIB);
    struct slice bytes = {(const char *)data, size};
    struct input in = {.arena = arena};
    struct calendar_busy_set whole;
    struct calendar_busy_row *rows;
    struct ical_error error = {0};
    size_t count;

    if (slice_istarts(bytes, SLICE("BEGIN:VCALENDAR")))
        buf_put(&text, bytes);
    else
        buf_putf(&text, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n%.*s\nEND:VEVENT\nEND:VCALENDAR\n",
                 SLICE_ARG(bytes));
    if (ical_parse(arena, buf_slice(&text), &limits, &in.calendar, &error) == ST_OK) {
        in.tz = ical_tz_new(arena, in.calendar, NULL);
        if (expand(&in, FROM_S, UNTIL_S, &whole)) {
            check_rows(&whole);
            check_parts(&in, &whole);
            check_range(&in, &whole);
            check_freebusy(&in, &whole);
        }
        (void)!calendar_availability(arena, in.calendar, in.tz, NULL, FROM_S, UNTIL_S, 300, &rows,
                                     &count, &error);
    }
    arena_free(&arena);
    return 0;
}
