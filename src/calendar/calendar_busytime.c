#include "calendar/calendar_busytime.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_availability.h"
#include "calendar/calendar_beyond.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"
#include "store/store_event.h"
#include "sys/sys_time.h"

#define ROWS_MAX 200000 /* of one person in one answer */
#define AVAILABLE_MAX 10000

struct gathering {
    struct calendar *calendar;
    struct arena *arena;
    const struct calendar_busytime_ask *ask;
    struct store_calendar_account account;
    struct store_calendar *calendars;
    size_t calendar_count;
    struct calendar_busy_rights rights;
    int64_t but_event_id;
    struct calendar_busy_row *rows;
    size_t count, cap;
};

static enum st add(struct gathering *g, struct calendar_busy_row row)
{
    if (g->count == ROWS_MAX)
        return ST_TOO_BIG;
    if (g->count == g->cap)
        g->rows = arena_grow(g->arena, g->rows, g->count, &g->cap, sizeof(*g->rows));
    g->rows[g->count++] = row;
    return ST_OK;
}

static bool counts(const struct gathering *g, const struct store_busytime *row)
{
    bool known = g->rights.all;

    if (row->event_id == g->but_event_id ||
        (g->ask->calendar_id != 0 && g->ask->calendar_id != row->calendar_id))
        return false;
    for (size_t i = 0; i < g->calendar_count; i++)
        if (g->ask->calendar_id == 0 && g->calendars[i].calendar_id == row->calendar_id &&
            g->calendars[i].transparent)
            return false;
    for (size_t i = 0; !known && i < g->rights.count; i++)
        known = g->rights.ids[i] == row->calendar_id;
    return known;
}

static enum st add_row(void *ctx, const struct store_busytime *row)
{
    struct gathering *g = ctx;

    return counts(g, row)
               ? add(g, (struct calendar_busy_row){row->start_s, row->end_s,
                                                   (enum store_busy_kind)row->kind, row->id_s})
               : ST_OK;
}

static int64_t inbox_of(const struct gathering *g)
{
    for (size_t i = 0; i < g->calendar_count; i++)
        if (g->calendars[i].kind == STORE_CALENDAR_INBOX)
            return g->calendars[i].calendar_id;
    return -1;
}

static enum st find_but(struct store_tx *tx, struct gathering *g)
{
    struct store_event event;

    if (g->ask->but_uid.len == 0)
        return ST_OK;
    enum st st =
        store_event_find_uid(tx, g->arena, g->ask->owner->account_id, g->ask->but_uid, &event);
    if (st == ST_OK)
        g->but_event_id = event.event_id;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Most questions are of the time that the rows reach over. */
static enum st add_beyond(struct store_tx *tx, struct gathering *g)
{
    const struct calendar_beyond beyond = {g->calendar, g->ask->owner, g->account.zone,
                                           g->ask->from_s, g->ask->until_s};
    enum st st = ST_OK;

    if (!calendar_beyond_is(beyond.from_s, beyond.until_s, sys_now_ms()))
        return ST_OK;
    for (size_t i = 0; st == ST_OK && i < g->calendar_count; i++)
        if (g->calendars[i].kind == STORE_CALENDAR_PLAIN)
            st = calendar_beyond_each(tx, &beyond, &g->calendars[i], add_row, g);
    return st;
}

static enum st gather(struct store_tx *tx, void *arg)
{
    struct gathering *g = arg;
    const struct calendar_busytime_ask *ask = g->ask;
    int64_t account_id = ask->owner->account_id;
    enum st st = store_calendar_list(tx, g->arena, account_id, &g->calendars, &g->calendar_count);

    g->count = 0;
    if (st == ST_OK)
        st = calendar_busy_rights(tx, g->arena, ask->who, ask->owner, inbox_of(g), &g->rights);
    if (st == ST_OK && !g->rights.all && g->rights.count == 0)
        return ST_DENIED;
    if (st == ST_OK)
        st = store_calendar_account_get(tx, g->arena, account_id, &g->account);
    if (st == ST_OK)
        st = find_but(tx, g);
    if (st == ST_OK)
        st = store_busytime_each(tx, account_id, ask->from_s, ask->until_s, add_row, g);
    return st == ST_OK ? add_beyond(tx, g) : st;
}

static enum st add_absence(struct gathering *g)
{
    int64_t until_ms = g->account.oof_until_ms;

    if (g->account.oof != STORE_OOF_SCHEDULED)
        return ST_OK;
    return add(g, (struct calendar_busy_row){g->account.oof_from_ms / 1000,
                                             until_ms != 0 ? until_ms / 1000 : g->ask->until_s,
                                             STORE_BUSY_UNAVAILABLE, 0});
}

/* What cannot be read any more says nothing. */
static enum st add_unavailable(struct gathering *g)
{
    struct calendar_busy_row *rows = NULL;
    struct ical_comp *vcalendar = NULL;
    struct ical_error error;
    size_t count = 0;
    enum st st = ST_OK;

    if (g->account.availability.len == 0 ||
        ical_parse(g->arena, g->account.availability, &ical_limits_default, &vcalendar, &error) !=
            ST_OK)
        return ST_OK;
    struct ical_tz *tz = ical_tz_new(g->arena, vcalendar, calendar_zones(g->calendar));
    if (calendar_availability(g->arena, vcalendar, tz,
                              calendar_zone(g->calendar, g->arena, SLICE(""), g->account.zone),
                              g->ask->from_s, g->ask->until_s, AVAILABLE_MAX, &rows, &count,
                              &error) != ST_OK)
        return ST_OK;
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = add(g, rows[i]);
    return st;
}

enum st calendar_busytime(struct calendar *calendar, struct arena *arena,
                          const struct calendar_busytime_ask *ask,
                          struct calendar_busy_row **rows_r, size_t *count_r)
{
    struct gathering g = {.calendar = calendar, .arena = arena, .ask = ask};
    enum st st = store_read(calendar_store(calendar), gather, &g);

    *rows_r = NULL;
    *count_r = 0;
    if (st == ST_OK && g.rights.all)
        st = add_absence(&g);
    if (st == ST_OK && g.rights.all)
        st = add_unavailable(&g);
    if (st == ST_OK)
        *rows_r =
            calendar_freebusy_merge(arena, g.rows, g.count, ask->from_s, ask->until_s, count_r);
    return st;
}
