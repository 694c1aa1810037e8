#include "calendar/calendar_busytime.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_availability.h"
#include "calendar/calendar_beyond.h"
#include "calendar/calendar_detail.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"
#include "store/store_busy.h"
#include "store/store_event.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <string.h>

#define ROWS_MAX 200000           /* of one person in one answer */
#define SUM_BYTES_MAX (128 * MIB) /* of all rows and availabilities of a question or its half */
#define AVAILABLE_MAX 10000
#define SCRATCH_BYTES_MAX GIB
#define HALF_BYTES_MAX (512 * MIB)
#define LARGE 200 /* people of whom half are read beside the others */

struct ids {
    int64_t *at;
    size_t count, cap;
};

/* Whose events may be of interest. */
struct readable {
    int64_t calendar_id;
    struct slice zone;
    bool granted;
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
    struct readable *calendars; /* those of which details may be asked for */
    size_t calendar_count, calendar_cap;
    struct calendar_detail *events;
    size_t event_count;
    const struct calendar_week *week;
};

/* Of several, at once. */
struct some {
    struct calendar *calendar;
    struct arena *arena;   /* for what is told */
    struct arena *scratch; /* for what leads there, of these */
    const struct calendar_busytime_many *ask;
    struct gathering of[STORE_BUSY_IDS_MAX];
    struct store_busy_ids accounts;
    size_t bytes;   /* of all so far */
    bool all_count; /* each row of these */
    struct calendar_detail_ask detail;
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
        g->rows = arena_grow(some->scratch, g->rows, g->count, &g->cap, sizeof(*g->rows));
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

    if (some->all_count ? g->st == ST_OK : counts(some, g, row))
        add(some, g,
            (struct calendar_busy_row){row->start_s, row->end_s, (enum store_busy_kind)row->kind,
                                       row->id_s});
    return ST_OK;
}

static void note_readable(struct some *some, struct gathering *g,
                          const struct store_calendar *calendar)
{
    if (g->calendar_count == g->calendar_cap)
        g->calendars = arena_grow(some->scratch, g->calendars, g->calendar_count, &g->calendar_cap,
                                  sizeof(*g->calendars));
    g->calendars[g->calendar_count++] =
        (struct readable){calendar->calendar_id, arena_copy(some->scratch, calendar->zone),
                          calendar_is_as_own(some->ask->who, g->owner)};
}

static enum st note_calendar(void *ctx, size_t number, const struct store_calendar *calendar)
{
    struct some *some = ctx;
    struct gathering *g = &some->of[number];
    struct ids *ids = &g->transparent;

    if (calendar->kind == STORE_CALENDAR_INBOX)
        g->inbox_id = calendar->calendar_id;
    if (!calendar->transparent) {
        if (some->ask->detail_bytes_max > 0 && calendar->kind == STORE_CALENDAR_PLAIN)
            note_readable(some, g, calendar);
        return ST_OK;
    }
    if (ids->count == ids->cap)
        ids->at = arena_grow(some->scratch, ids->at, ids->count, &ids->cap, sizeof(*ids->at));
    ids->at[ids->count++] = calendar->calendar_id;
    return ST_OK;
}

static enum st note_grant(void *ctx, size_t number, const struct store_calendar_grant *grant)
{
    struct some *some = ctx;
    struct gathering *g = &some->of[number];

    calendar_busy_rights_add(&g->rights, some->scratch, some->ask->who, g->inbox_id, grant);
    for (size_t i = 0; i < g->calendar_count; i++)
        g->calendars[i].granted |= calendar_is_granted(
            some->ask->who, grant, g->calendars[i].calendar_id, STORE_RIGHTS_READ);
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
    g->account.zone = arena_copy(some->scratch, account->zone);
    g->account.availability = arena_copy(some->scratch, account->availability);
    return ST_OK;
}

static enum st find_but(struct store_tx *tx, struct some *some, struct gathering *g)
{
    struct store_event event;

    if (some->ask->but_uid.len == 0 || g->st != ST_OK)
        return ST_OK;
    enum st st =
        store_event_find_uid(tx, some->scratch, g->owner->account_id, some->ask->but_uid, &event);
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
    enum st st = store_calendar_list(tx, some->scratch, g->owner->account_id, &calendars, &count);
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
    enum st st = store_busy_calendars(tx, &some->accounts, some->ask->detail_bytes_max > 0,
                                      note_calendar, some);

    if (st == ST_OK)
        st = store_busy_grants(tx, &some->accounts, note_grant, some);
    for (size_t i = 0; i < count; i++)
        close_rights(&some->of[i]);
    if (st == ST_OK)
        st = store_busy_settings(tx, &some->accounts, note_account, some);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = find_but(tx, some, &some->of[i]);
    window.with_ids = need_ids(some);
    some->all_count = !window.with_ids;
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

/* Mostly nobody wrote any: then it is that of another in the same zone. NULL: of none. */
static const struct calendar_week *same_week(const struct some *some, const struct gathering *g)
{
    for (size_t i = 0; g->account.availability.len == 0 && i < some->accounts.count; i++) {
        const struct store_calendar_account *other = &some->of[i].account;

        if (some->of[i].week != NULL && other->availability.len == 0 &&
            slice_eq(other->zone, g->account.zone))
            return some->of[i].week;
    }
    return NULL;
}

/* Zones and objects of what somebody wrote may be large: they go before the next one's are read. */
static const struct calendar_week *week_of(const struct some *some, const struct gathering *g)
{
    const struct calendar_week *same = same_week(some, g);
    if (same != NULL)
        return same;
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
    struct store_busy_ids *accounts = &some->accounts;

    for (size_t i = 0; i < accounts->count; i++)
        if (accounts->ids[i] == owner->account_id)
            return &some->of[i];
    struct gathering *g = &some->of[accounts->count];
    accounts->ids[accounts->count++] = owner->account_id;
    *g = (struct gathering){.owner = owner, .inbox_id = -1};
    calendar_busy_rights_begin(some->ask->who, owner, &g->rights);
    return g;
}

static void merge(struct some *some, struct gathering *g)
{
    const struct calendar_busy_row *merged = calendar_freebusy_merge(
        some->scratch, g->rows, g->count, some->ask->from_s, some->ask->until_s, &g->count);

    g->rows = arena_many(some->arena, struct calendar_busy_row, g->count);
    memcpy(g->rows, merged, g->count * sizeof(*merged));
}

static void finish(struct some *some, struct gathering *g)
{
    if (g->st == ST_OK && g->rights.all)
        add_absence(some, g);
    if (g->st == ST_OK && g->rights.all && g->account.availability.len > 0) {
        struct arena *arena = arena_new("availability", GIB);

        add_unavailable(some, g, arena);
        arena_free(&arena);
    }
    if (g->st == ST_OK && g->rights.all && some->ask->weeks)
        g->week = week_of(some, g);
    if (g->st == ST_OK)
        merge(some, g);
}

/* --- what they do meanwhile --- */

static size_t count_granted(const struct gathering *g)
{
    size_t count = 0;

    for (size_t i = 0; g->st == ST_OK && i < g->calendar_count; i++)
        count += g->calendars[i].granted;
    return count;
}

/* Mostly there are none but one's own. */
static enum st look(struct store_tx *tx, struct some *some)
{
    struct calendar_detail_person persons[STORE_BUSY_IDS_MAX];
    struct gathering *of[STORE_BUSY_IDS_MAX];
    struct calendar_detail_calendar *calendars;
    size_t person_count = 0, count = 0;

    for (size_t i = 0; i < some->accounts.count; i++)
        count += count_granted(&some->of[i]);
    if (count == 0)
        return ST_OK;
    calendars = arena_many(some->scratch, struct calendar_detail_calendar, count);
    count = 0;
    for (size_t i = 0; i < some->accounts.count; i++) {
        struct gathering *g = &some->of[i];

        if (count_granted(g) == 0)
            continue;
        for (size_t k = 0; k < g->calendar_count; k++)
            if (g->calendars[k].granted)
                calendars[count++] = (struct calendar_detail_calendar){
                    g->calendars[k].calendar_id,
                    calendar_zone(some->calendar, some->scratch, g->calendars[k].zone,
                                  g->account.zone),
                    person_count};
        persons[person_count] = (struct calendar_detail_person){
            .owner = g->owner, .rows = g->rows, .row_count = g->count};
        of[person_count++] = g;
    }
    enum st st = calendar_detail_read(tx, &some->detail, persons, person_count, calendars, count);
    for (size_t i = 0; st == ST_OK && i < person_count; i++) {
        of[i]->events = persons[i].details;
        of[i]->event_count = persons[i].count;
    }
    return st;
}

static struct calendar_busytime_found found_of(const struct gathering *g)
{
    if (g->st != ST_OK)
        return (struct calendar_busytime_found){.st = g->st};
    return (struct calendar_busytime_found){ST_OK,     g->rows,        g->count,
                                            g->events, g->event_count, g->week};
}

/* Those from first on that fit into one; returns where to go on. */
static enum st gather_some(struct store_tx *tx, struct many *many, size_t first, size_t *next_r)
{
    struct some *some = &many->some;
    const struct calendar_busytime_many *ask = some->ask;
    struct gathering *seats[STORE_BUSY_IDS_MAX];
    size_t count = 0;

    arena_reset(some->scratch);
    some->accounts.count = 0;
    while (first + count < ask->count && count < STORE_BUSY_IDS_MAX) {
        seats[count] = seat_of(some, ask->owners[first + count]);
        count++;
    }
    enum st st = gather(tx, some);
    for (size_t i = 0; st == ST_OK && i < some->accounts.count; i++)
        finish(some, &some->of[i]);
    if (st == ST_OK)
        st = look(tx, some);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        many->found[first + i] = found_of(seats[i]);
    *next_r = first + count;
    return st;
}

static enum st gather_all(struct store_tx *tx, void *arg)
{
    struct many *many = arg;
    enum st st = ST_OK;

    many->some.bytes = 0;
    many->some.detail.bytes = 0;
    for (size_t at = 0; st == ST_OK && at < many->some.ask->count;)
        st = gather_some(tx, many, at, &at);
    return st;
}

static void find(struct calendar *calendar, struct arena *arena,
                 const struct calendar_busytime_many *ask, struct calendar_busytime_found *found)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct many many = {.found = found};

    many.some.calendar = calendar;
    many.some.arena = arena;
    many.some.scratch = arena_new("busytime", SCRATCH_BYTES_MAX);
    many.some.ask = ask;
    many.some.detail = (struct calendar_detail_ask){.calendar = calendar,
                                                    .directory = directory,
                                                    .arena = arena,
                                                    .from_s = ask->from_s,
                                                    .until_s = ask->until_s,
                                                    .but_uid = ask->but_uid,
                                                    .bytes_max = ask->detail_bytes_max};
    struct store *store = calendar_store(calendar);
    enum st st = ST_OK;
    if (ask->count > 0)
        st = ask->patience_ms > 0 ? store_read_within(store, gather_all, &many, ask->patience_ms)
                                  : store_read(store, gather_all, &many);
    arena_free(&many.some.scratch);
    for (size_t i = 0; st != ST_OK && i < ask->count; i++)
        found[i] = (struct calendar_busytime_found){.st = st};
}

/* --- a large question: its second half is read beside the first --- */

struct half {
    struct calendar *calendar;
    struct arena *arena;
    struct calendar_busytime_many ask;
    struct calendar_busytime_found *found;
};

static void *find_half(void *arg)
{
    struct half *half = arg;

    find(half->calendar, half->arena, &half->ask, half->found);
    return NULL;
}

static const struct calendar_week *copy_week(struct arena *arena, const struct calendar_week *week)
{
    struct calendar_week *copy = NULL;

    if (week != NULL) {
        copy = arena_one(arena, struct calendar_week);
        *copy = *week;
    }
    return copy;
}

static void copy_half(struct arena *arena, const struct half *half)
{
    for (size_t i = 0; i < half->ask.count; i++) {
        struct calendar_busytime_found *found = &half->found[i];
        const struct calendar_busy_row *rows = found->rows;

        found->week = copy_week(arena, found->week);
        if (rows == NULL)
            continue;
        found->rows = arena_many(arena, struct calendar_busy_row, found->count);
        memcpy(found->rows, rows, found->count * sizeof(*rows));
    }
}

void calendar_busytime_many(struct calendar *calendar, struct arena *arena,
                            const struct calendar_busytime_many *ask,
                            struct calendar_busytime_found *found)
{
    struct calendar_busytime_many first = *ask;
    struct half half = {.calendar = calendar, .ask = *ask};
    pthread_t thread;

    if (ask->count < LARGE || ask->detail_bytes_max > 0) {
        find(calendar, arena, ask, found);
        return;
    }
    first.count = ask->count / 2;
    half.ask.owners += first.count;
    half.ask.count -= first.count;
    half.found = found + first.count;
    half.arena = arena_new("busytime of the second half", HALF_BYTES_MAX);
    const bool beside = pthread_create(&thread, NULL, find_half, &half) == 0;
    find(calendar, arena, &first, found);
    if (beside) /* this thread has no reader any more that the other could wait for */
        pthread_join(thread, NULL);
    else
        (void)find_half(&half);
    copy_half(arena, &half);
    arena_free(&half.arena);
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
