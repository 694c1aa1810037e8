#include "calendar/calendar_freebusy.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

#define PERIOD_BYTES 40

static const struct slice fbtypes[STORE_BUSY_KIND_MAX] = {
    [STORE_BUSY_FREE] = {"FREE", 4},
    [STORE_BUSY_TENTATIVE] = {"BUSY-TENTATIVE", 14},
    [STORE_BUSY_BUSY] = {"BUSY", 4},
    [STORE_BUSY_UNAVAILABLE] = {"BUSY-UNAVAILABLE", 16},
};

/* Where a row begins or ends. */
struct edge {
    int64_t at_s;
    enum store_busy_kind kind;
    int change;
};

static int by_time(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

static enum store_busy_kind strongest(const size_t *open)
{
    enum store_busy_kind kind = STORE_BUSY_KIND_MAX - 1;

    while (kind > STORE_BUSY_FREE && open[kind] == 0)
        kind--;
    return kind;
}

static size_t make_edges(struct edge *edges, const struct calendar_busy_row *rows, size_t count,
                         int64_t from_s, int64_t until_s)
{
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t start_s = rows[i].start_s > from_s ? rows[i].start_s : from_s;
        int64_t end_s = rows[i].end_s < until_s ? rows[i].end_s : until_s;

        if (start_s >= end_s || rows[i].kind == STORE_BUSY_FREE)
            continue;
        edges[made++] = (struct edge){start_s, rows[i].kind, 1};
        edges[made++] = (struct edge){end_s, rows[i].kind, -1};
    }
    if (made > 1)
        qsort(edges, made, sizeof(*edges), by_time);
    return made;
}

/* By start, of one kind that makes busy, and of some length: as one calendar's meetings mostly are.
 */
static bool is_simple(const struct calendar_busy_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].kind != rows[0].kind || rows[i].kind == STORE_BUSY_FREE ||
            (i > 0 && rows[i].start_s < rows[i - 1].start_s))
            return false;
    return true;
}

static struct calendar_busy_row *merge_simple(struct arena *arena,
                                              const struct calendar_busy_row *rows, size_t count,
                                              int64_t from_s, int64_t until_s, size_t *count_r)
{
    struct calendar_busy_row *merged = arena_many(arena, struct calendar_busy_row, count);
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t start_s = rows[i].start_s > from_s ? rows[i].start_s : from_s;
        int64_t end_s = rows[i].end_s < until_s ? rows[i].end_s : until_s;

        if (start_s >= end_s)
            continue;
        if (made == 0 || merged[made - 1].end_s < start_s)
            merged[made++] = (struct calendar_busy_row){start_s, end_s, rows[i].kind, 0};
        else if (merged[made - 1].end_s < end_s)
            merged[made - 1].end_s = end_s;
    }
    *count_r = made;
    return merged;
}

struct calendar_busy_row *calendar_freebusy_merge(struct arena *arena,
                                                  const struct calendar_busy_row *rows,
                                                  size_t count, int64_t from_s, int64_t until_s,
                                                  size_t *count_r)
{
    if (is_simple(rows, count))
        return merge_simple(arena, rows, count, from_s, until_s, count_r);
    struct edge *edges = arena_many(arena, struct edge, 2 * count);
    struct calendar_busy_row *merged = arena_many(arena, struct calendar_busy_row, 2 * count);
    size_t edge_count = make_edges(edges, rows, count, from_s, until_s);
    size_t open[STORE_BUSY_KIND_MAX] = {0};
    enum store_busy_kind now = STORE_BUSY_FREE;
    size_t made = 0;

    for (size_t i = 0; i < edge_count;) {
        int64_t at_s = edges[i].at_s;

        for (; i < edge_count && edges[i].at_s == at_s; i++)
            open[edges[i].kind] += edges[i].change > 0 ? 1 : SIZE_MAX;
        enum store_busy_kind next = strongest(open);
        if (next == now)
            continue;
        if (now != STORE_BUSY_FREE)
            merged[made - 1].end_s = at_s;
        if (next != STORE_BUSY_FREE)
            merged[made++] = (struct calendar_busy_row){at_s, at_s, next, 0};
        now = next;
    }
    *count_r = made;
    return merged;
}

static void add_time(struct arena *arena, struct ical_comp *comp, enum ical_prop_id id,
                     int64_t at_s)
{
    AUTO(buf) struct buf text = BUF(PERIOD_BYTES);

    ical_time_write((struct ical_time){at_s, ICAL_UTC, NULL}, &text);
    (void)ical_prop_add(arena, comp, id, arena_copy(arena, buf_slice(&text)));
}

/* A property for each: of a list Thunderbird reads the first start and the first end alone. */
static void add_period(struct arena *arena, struct ical_comp *comp,
                       const struct calendar_busy_row *row)
{
    AUTO(buf) struct buf text = BUF(2 * PERIOD_BYTES);

    ical_period_write(row->start_s, row->end_s, &text);
    ical_param_set(arena,
                   ical_prop_add(arena, comp, ICAL_FREEBUSY, arena_copy(arena, buf_slice(&text))),
                   "FBTYPE", fbtypes[row->kind]);
}

struct ical_comp *calendar_freebusy_comp(struct arena *arena, const struct calendar_busy_row *rows,
                                         size_t count, int64_t from_s, int64_t until_s,
                                         int64_t stamp_s)
{
    struct ical_comp *comp = ical_comp_new(arena, ICAL_VFREEBUSY);
    size_t merged_count;
    const struct calendar_busy_row *merged =
        calendar_freebusy_merge(arena, rows, count, from_s, until_s, &merged_count);

    add_time(arena, comp, ICAL_DTSTAMP, stamp_s);
    add_time(arena, comp, ICAL_DTSTART, from_s);
    add_time(arena, comp, ICAL_DTEND, until_s);
    for (size_t i = 0; i < merged_count; i++)
        if (merged[i].kind >= STORE_BUSY_TENTATIVE)
            add_period(arena, comp, &merged[i]);
    return comp;
}

static enum store_busy_kind kind_of(const struct ical_prop *freebusy)
{
    struct slice fbtype = ical_param_text(freebusy, "FBTYPE");

    for (enum store_busy_kind kind = STORE_BUSY_FREE; kind < STORE_BUSY_KIND_MAX; kind++)
        if (fbtypes[kind].len > 0 && slice_ieq(fbtypes[kind], fbtype))
            return kind;
    return STORE_BUSY_BUSY;
}

enum st calendar_freebusy_read(struct arena *arena, const struct ical_comp *freebusy,
                               struct calendar_busy_row **rows_r, size_t *count_r,
                               struct ical_error *error_r)
{
    size_t cap = 0;

    *rows_r = NULL;
    *count_r = 0;
    for (const struct ical_prop *prop = ical_prop_find(freebusy, ICAL_FREEBUSY); prop != NULL;
         prop = ical_prop_next(prop)) {
        enum store_busy_kind kind = kind_of(prop);
        struct slice rest = prop->value, item;

        while (kind != STORE_BUSY_FREE && slice_split(&rest, ',', &item)) {
            struct ical_period period;

            if (ical_period_parse(slice_trim(item), &period) != ST_OK) {
                ical_error_set(error_r, prop->line, "FREEBUSY has a period that cannot be read.");
                return ST_INVALID;
            }
            if (period.by_duration)
                period.end = ical_time_add(period.start, period.duration);
            if (*count_r == cap)
                *rows_r = arena_grow(arena, *rows_r, *count_r, &cap, sizeof(**rows_r));
            (*rows_r)[(*count_r)++] = (struct calendar_busy_row){
                period.start.local_s, period.end.local_s, kind, period.start.local_s};
        }
    }
    return ST_OK;
}
