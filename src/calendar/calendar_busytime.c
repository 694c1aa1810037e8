#include "calendar/calendar_busytime.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_availability.h"
#include "calendar/calendar_beyond.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"
#include "store/store_busy.h"
#include "store/store_event.h"
#include "sys/sys_time.h"

#define ROWS_MAX 200000           /* of one person in one answer */
#define SUM_BYTES_MAX (128 * MIB) /* of all rows and availabilities of a question */
#define AVAILABLE_MAX 10000

struct ids {
    int64_t *at;
    size_t count, cap;
};

/* What is found of one account. */
struct gathering {
    const struct directory_person *owner;
    enum st st;
    struct store_calendar_account account;
    int64_t inbox_id; /* -1: there is none */
    struct ids transparent;
    struct calendar_busy_rights rights;
    int64_t but_event_id;
    struct calendar_busy_row *rows;
    size_t count, cap;
    const struct calendar_week *week;
};

/* Of several, at once. */
struct some {
    struct calendar *calendar;
    struct arena *arena;
    const struct calendar_busytime_many *ask;
    struct gathering of[STORE_BUSY_ACCOUNTS_MAX];
    struct store_busy_accounts accounts;
    size_t bytes; /* of all so far */
};

struct many {
    struct some some;
    struct calendar_busytime_found *found;
};

static void add(struct some *some, struct gathering *g, struct calendar_busy_row row)
{
    if (g->count == ROWS_MAX || some->bytes > SUM_BYTES_MAX) {
        g->st = ST_TOO_BIG;
        return;
    }
    if (g->count == g->cap)
        g->rows = arena_grow(some->arena, g->rows, g->count, &g->cap, sizeof(*g->rows));
    g->rows[g->count++] = row;
    some->bytes += sizeof(row);
}

static bool is_among(const int64_t *ids, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool counts(const struct some *some, const struct gathering *g,
                   const struct store_busytime *row)
{
    const int64_t only_id = some->ask->calendar_id;

    if (g->st != ST_OK || (g->but_event_id != 0 && row->event_id == g->but_event_id) ||
        (only_id != 0 && only_id != row->calendar_id) ||
        (only_id == 0 && is_among(g->transparent.at, g->transparent.count, row->calendar_id)))
        return false;
    return g->rights.all || is_among(g->rights.ids, g->rights.count, row->calendar_id);
}

static enum st add_row(void *ctx, size_t number, const struct store_busytime *row)
{
    struct some *some = ctx;
    struct gathering *g = &some->of[number];

    if (counts(some, g, row))
        add(some, g,
            (struct calendar_busy_row){row->start_s, row->end_s, (enum store_busy_kind)row->kind,
                                       row->id_s});
    return ST_OK;
}

static enum st note_calendar(void *ctx, size_t number, const struct store_calendar *calendar)
{
    struct some *some = ctx;
    struct gathering *g = &some->of[number];
    struct ids *ids = &g->transparent;

    if (calendar->kind == STORE_CALENDAR_INBOX)
        g->inbox_id = calendar->calendar_id;
    if (!calendar->transparent)
        return ST_OK;
    if (ids->count == ids->cap)
        ids->at = arena_grow(some->arena, ids->at, ids->count, &ids->cap, sizeof(*ids->at));
    ids->at[ids->count++] = calendar->calendar_id;
    return ST_OK;
}

static enum st note_grant(void *ctx, size_t number, const struct store_calendar_grant *grant)
{
    struct some *some = ctx;
    struct gathering *g = &some->of[number];

    calendar_busy_rights_add(&g->rights, some->arena, some->ask->who, g->inbox_id, grant);
    return ST_OK;
}

static enum st note_account(void *ctx, size_t number, const struct store_calendar_account *account)
{
    struct some *some = ctx;
    struct gathering *g = &some->of[number];

    some->bytes += account->availability.len;
    if (some->bytes > SUM_BYTES_MAX) {
        g->st = ST_TOO_BIG;
        return ST_OK;
    }
    g->account = *account;
    g->account.zone = arena_copy(some->arena, account->zone);
    g->account.availability = arena_copy(some->arena, account->availability);
    return ST_OK;
}

static enum st find_but(struct store_tx *tx, struct some *some, struct gathering *g)
{
    struct store_event event;

    if (some->ask->but_uid.len == 0 || g->st != ST_OK)
        return ST_OK;
    enum st st =
        store_event_find_uid(tx, some->arena, g->owner->account_id, some->ask->but_uid, &event);
    if (st == ST_OK)
        g->but_event_id = event.event_id;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

struct beyond_one {
    struct some *some;
    size_t number;
};

static enum st add_beyond_row(void *ctx, const struct store_busytime *row)
{
    const struct beyond_one *one = ctx;

    return add_row(one->some, one->number, row);
}

/* Most questions are of the time that the rows reach over. */
static enum st add_beyond(struct store_tx *tx, struct some *some, size_t number)
{
    const struct gathering *g = &some->of[number];
    const struct calendar_beyond beyond = {some->calendar, g->owner, g->account.zone,
                                           some->ask->from_s, some->ask->until_s};
    struct beyond_one one = {some, number};
    struct store_calendar *calendars = NULL;
    size_t count = 0;

    if (g->st != ST_OK || !calendar_beyond_is(beyond.from_s, beyond.until_s, sys_now_ms()))
        return ST_OK;
    enum st st = store_calendar_list(tx, some->arena, g->owner->account_id, &calendars, &count);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (calendars[i].kind == STORE_CALENDAR_PLAIN)
            st = calendar_beyond_each(tx, &beyond, &calendars[i], add_beyond_row, &one);
    return st;
}

static void close_rights(struct gathering *g)
{
    calendar_busy_rights_end(&g->rights);
    if (!g->rights.all && g->rights.count == 0)
        g->st = ST_DENIED;
}

/* Mostly all that is in the account counts, so that nobody asks what a row is of. */
static bool need_ids(const struct some *some)
{
    bool need = some->ask->but_uid.len > 0 || some->ask->calendar_id != 0;

    for (size_t i = 0; i < some->accounts.count; i++)
        need |= some->of[i].transparent.count > 0 || !some->of[i].rights.all;
    return need;
}

static enum st gather(struct store_tx *tx, struct some *some)
{
    struct store_busy_window window = {some->ask->from_s, some->ask->until_s, false};
    const size_t count = some->accounts.count;
    enum st st = store_busy_calendars(tx, &some->accounts, note_calendar, some);

    if (st == ST_OK)
        st = store_busy_grants(tx, &some->accounts, note_grant, some);
    for (size_t i = 0; i < count; i++)
        close_rights(&some->of[i]);
    if (st == ST_OK)
        st = store_busy_settings(tx, &some->accounts, note_account, some);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = find_but(tx, some, &some->of[i]);
    window.with_ids = need_ids(some);
    if (st == ST_OK)
        st = store_busy_rows(tx, &some->accounts, &window, add_row, some);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = add_beyond(tx, some, i);
    return st;
}

/* --- what is said of the whole account --- */

static void add_absence(struct some *some, struct gathering *g)
{
    int64_t until_ms = g->account.oof_until_ms;

    if (g->account.oof == STORE_OOF_SCHEDULED)
        add(some, g,
            (struct calendar_busy_row){g->account.oof_from_ms / 1000,
                                       until_ms != 0 ? until_ms / 1000 : some->ask->until_s,
                                       STORE_BUSY_UNAVAILABLE, 0});
}

/* What cannot be read any more says nothing. */
static void add_unavailable(struct some *some, struct gathering *g, struct arena *arena)
{
    struct calendar_busy_row *rows = NULL;
    struct ical_comp *vcalendar = NULL;
    struct ical_error error;
    size_t count = 0;

    if (ical_parse(arena, g->account.availability, &ical_limits_default, &vcalendar, &error) !=
        ST_OK)
        return;
    struct ical_tz *tz = ical_tz_new(arena, vcalendar, calendar_zones(some->calendar));
    if (calendar_availability(
            arena, vcalendar, tz, calendar_zone(some->calendar, arena, SLICE(""), g->account.zone),
            some->ask->from_s, some->ask->until_s, AVAILABLE_MAX, &rows, &count, &error) != ST_OK)
        return;
    for (size_t i = 0; i < count; i++)
        add(some, g, rows[i]);
}

/* Zones and objects of what somebody wrote may be large: they go before the next one's are read. */
static const struct calendar_week *week_of(const struct some *some, const struct gathering *g)
{
    struct arena *arena = arena_new("working hours", GIB);
    struct calendar_week *week = arena_one(some->arena, struct calendar_week);

    calendar_week(arena, g->account.availability, calendar_zones(some->calendar),
                  calendar_zone(some->calendar, arena, SLICE(""), g->account.zone),
                  some->ask->from_s, week);
    arena_free(&arena);
    return week;
}

/* --- several at once --- */

/* The one that this account has already, or the next. */
static struct gathering *seat_of(struct some *some, const struct directory_person *owner)
{
    struct store_busy_accounts *accounts = &some->accounts;

    for (size_t i = 0; i < accounts->count; i++)
        if (accounts->ids[i] == owner->account_id)
            return &some->of[i];
    struct gathering *g = &some->of[accounts->count];
    accounts->ids[accounts->count++] = owner->account_id;
    *g = (struct gathering){.owner = owner, .inbox_id = -1};
    calendar_busy_rights_begin(some->ask->who, owner, &g->rights);
    return g;
}

static void finish(struct some *some, struct gathering *g)
{
    const struct calendar_busytime_many *ask = some->ask;

    if (g->st == ST_OK && g->rights.all)
        add_absence(some, g);
    if (g->st == ST_OK && g->rights.all && g->account.availability.len > 0) {
        struct arena *arena = arena_new("availability", GIB);

        add_unavailable(some, g, arena);
        arena_free(&arena);
    }
    if (g->st == ST_OK && g->rights.all && ask->weeks)
        g->week = week_of(some, g);
    if (g->st == ST_OK)
        g->rows = calendar_freebusy_merge(some->arena, g->rows, g->count, ask->from_s, ask->until_s,
                                          &g->count);
}

/* Those from first on that fit into one; returns where to go on. */
static enum st gather_some(struct store_tx *tx, struct many *many, size_t first, size_t *next_r)
{
    struct some *some = &many->some;
    const struct calendar_busytime_many *ask = some->ask;
    struct gathering *seats[STORE_BUSY_ACCOUNTS_MAX];
    size_t count = 0;

    some->accounts.count = 0;
    while (first + count < ask->count && count < STORE_BUSY_ACCOUNTS_MAX) {
        seats[count] = seat_of(some, ask->owners[first + count]);
        count++;
    }
    enum st st = gather(tx, some);
    for (size_t i = 0; st == ST_OK && i < some->accounts.count; i++)
        finish(some, &some->of[i]);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        many->found[first + i] = (struct calendar_busytime_found){
            seats[i]->st, seats[i]->st == ST_OK ? seats[i]->rows : NULL,
            seats[i]->st == ST_OK ? seats[i]->count : 0,
            seats[i]->st == ST_OK ? seats[i]->week : NULL};
    *next_r = first + count;
    return st;
}

static enum st gather_all(struct store_tx *tx, void *arg)
{
    struct many *many = arg;
    enum st st = ST_OK;

    many->some.bytes = 0;
    for (size_t at = 0; st == ST_OK && at < many->some.ask->count;)
        st = gather_some(tx, many, at, &at);
    return st;
}

void calendar_busytime_many(struct calendar *calendar, struct arena *arena,
                            const struct calendar_busytime_many *ask,
                            struct calendar_busytime_found *found)
{
    struct many many = {.found = found};

    many.some.calendar = calendar;
    many.some.arena = arena;
    many.some.ask = ask;
    enum st st = ask->count > 0 ? store_read(calendar_store(calendar), gather_all, &many) : ST_OK;
    for (size_t i = 0; st != ST_OK && i < ask->count; i++)
        found[i] = (struct calendar_busytime_found){.st = st};
}

enum st calendar_busytime(struct calendar *calendar, struct arena *arena,
                          const struct calendar_busytime_ask *ask,
                          struct calendar_busy_row **rows_r, size_t *count_r)
{
    const struct calendar_busytime_many one = {.who = ask->who,
                                               .owners = &ask->owner,
                                               .count = 1,
                                               .from_s = ask->from_s,
                                               .until_s = ask->until_s,
                                               .calendar_id = ask->calendar_id,
                                               .but_uid = ask->but_uid};
    struct calendar_busytime_found found;

    calendar_busytime_many(calendar, arena, &one, &found);
    *rows_r = found.rows;
    *count_r = found.count;
    return found.st;
}
