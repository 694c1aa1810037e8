#include "store/store_busy.h"

#include "base/slice.h"
#include "store/store_engine.h"

#define VALUES_MAX (STORE_BUSY_IDS_MAX + 3)

struct reading {
    const struct store_busy_ids *of;
    size_t number; /* of the row's in the list */
    bool full;     /* it has the columns that not everybody asks for */
    union {
        store_busy_calendar_fn *calendar;
        store_busy_grant_fn *grant;
        store_busy_account_fn *account;
        store_busy_row_fn *row;
        store_busy_event_fn *event;
    } fn;
    void *ctx;
};

/* Makes one of a row and tells it. */
typedef enum st tell_fn(const struct reading *reading, struct store_rows *rows);

/* The last one again where there are fewer. */
static void put_ids(const struct store_busy_ids *of, struct store_value *values)
{
    assert(of->count > 0 && of->count <= STORE_BUSY_IDS_MAX);
    for (size_t i = 0; i < STORE_BUSY_IDS_MAX; i++)
        values[i] = SV_I(of->ids[i < of->count ? i : of->count - 1]);
}

/* Rows of one mostly follow each other: begins with the last one's. */
static size_t number_of(const struct store_busy_ids *of, int64_t id, size_t last)
{
    for (size_t i = 0; i < of->count; i++) {
        const size_t at = last + i < of->count ? last + i : last + i - of->count;

        if (of->ids[at] == id)
            return at;
    }
    assert(false); /* rows are of those that were asked for */
    return 0;
}

static enum st read_all(struct reading *reading, struct store_rows *rows, tell_fn *tell)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        const int64_t id = store_rows_i64(rows, 0);

        if (id != reading->of->ids[reading->number])
            reading->number = number_of(reading->of, id, reading->number);
        told = tell(reading, rows);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

/* What is in no window. */
static enum st read_of(struct store_tx *tx, enum store_stmt stmt, struct reading *reading,
                       tell_fn *tell)
{
    struct store_value values[STORE_BUSY_IDS_MAX];

    put_ids(reading->of, values);
    return read_all(reading, store_rows_open_values(tx, stmt, values, COUNT(values)), tell);
}

static enum st tell_calendar(const struct reading *reading, struct store_rows *rows)
{
    const struct store_calendar calendar = {
        .account_id = store_rows_i64(rows, 0),
        .calendar_id = store_rows_i64(rows, 1),
        .kind = (enum store_calendar_kind)store_rows_i64(rows, 2),
        .transparent = store_rows_i64(rows, 3) != 0,
        .zone = reading->full ? store_rows_bytes(rows, 4) : SLICE("")};

    return reading->fn.calendar(reading->ctx, reading->number, &calendar);
}

enum st store_busy_calendars(struct store_tx *tx, const struct store_busy_ids *accounts,
                             bool with_zones, store_busy_calendar_fn *fn, void *ctx)
{
    struct reading reading = {.of = accounts, .full = with_zones, .fn.calendar = fn, .ctx = ctx};

    return read_of(tx, with_zones ? S_CALENDAR_OF_SOME_FULL : S_CALENDAR_OF_SOME, &reading,
                   tell_calendar);
}

static enum st tell_grant(const struct reading *reading, struct store_rows *rows)
{
    const struct store_calendar_grant grant = {store_rows_i64(rows, 0), store_rows_i64(rows, 1),
                                               store_rows_bytes(rows, 2),
                                               (enum store_calendar_rights)store_rows_i64(rows, 3)};

    return reading->fn.grant(reading->ctx, reading->number, &grant);
}

enum st store_busy_grants(struct store_tx *tx, const struct store_busy_ids *accounts,
                          store_busy_grant_fn *fn, void *ctx)
{
    struct reading reading = {.of = accounts, .fn.grant = fn, .ctx = ctx};

    return read_of(tx, S_GRANT_OF_SOME, &reading, tell_grant);
}

static enum st tell_account(const struct reading *reading, struct store_rows *rows)
{
    const struct store_calendar_account account = {
        .account_id = store_rows_i64(rows, 0),
        .zone = store_rows_bytes(rows, 1),
        .availability = store_rows_bytes(rows, 2),
        .oof = (enum store_oof_state)store_rows_i64(rows, 3),
        .oof_from_ms = store_rows_i64(rows, 4),
        .oof_until_ms = store_rows_i64(rows, 5)};

    return reading->fn.account(reading->ctx, reading->number, &account);
}

enum st store_busy_settings(struct store_tx *tx, const struct store_busy_ids *accounts,
                            store_busy_account_fn *fn, void *ctx)
{
    struct reading reading = {.of = accounts, .fn.account = fn, .ctx = ctx};

    return read_of(tx, S_CALENDAR_ACCOUNT_OF_SOME, &reading, tell_account);
}

static enum st tell_row(const struct reading *reading, struct store_rows *rows)
{
    const struct store_busytime row = {.start_s = store_rows_i64(rows, 1),
                                       .end_s = store_rows_i64(rows, 2),
                                       .kind = (enum store_busy_kind)store_rows_i64(rows, 3),
                                       .event_id = reading->full ? store_rows_i64(rows, 4) : 0,
                                       .calendar_id = reading->full ? store_rows_i64(rows, 5) : 0};

    return reading->fn.row(reading->ctx, reading->number, &row);
}

enum st store_busy_rows(struct store_tx *tx, const struct store_busy_ids *accounts,
                        const struct store_busy_window *window, store_busy_row_fn *fn, void *ctx)
{
    const int64_t from_s = window->from_s;
    const int64_t reach_s =
        from_s < INT64_MIN + STORE_BUSY_ROW_S ? INT64_MIN : from_s - STORE_BUSY_ROW_S;
    struct reading reading = {.of = accounts, .full = window->with_ids, .fn.row = fn, .ctx = ctx};
    struct store_value values[VALUES_MAX];

    put_ids(accounts, values);
    values[STORE_BUSY_IDS_MAX] = SV_I(from_s);
    values[STORE_BUSY_IDS_MAX + 1] = SV_I(window->until_s);
    values[STORE_BUSY_IDS_MAX + 2] = SV_I(reach_s);
    return read_all(
        &reading,
        store_rows_open_values(tx, window->with_ids ? S_BUSYTIME_OF_SOME_FULL : S_BUSYTIME_OF_SOME,
                               values, COUNT(values)),
        tell_row);
}

static enum st tell_event(const struct reading *reading, struct store_rows *rows)
{
    const struct store_event event = {.calendar_id = store_rows_i64(rows, 0),
                                      .uid = store_rows_bytes(rows, 1),
                                      .body = store_rows_bytes(rows, 2)};

    return reading->fn.event(reading->ctx, reading->number, &event);
}

enum st store_busy_events(struct store_tx *tx, const struct store_busy_ids *calendars,
                          int64_t from_s, int64_t until_s, store_busy_event_fn *fn, void *ctx)
{
    struct reading reading = {.of = calendars, .fn.event = fn, .ctx = ctx};
    struct store_value values[STORE_BUSY_IDS_MAX + 2];

    put_ids(calendars, values);
    values[STORE_BUSY_IDS_MAX] = SV_I(from_s);
    values[STORE_BUSY_IDS_MAX + 1] = SV_I(until_s);
    return read_all(&reading, store_rows_open_values(tx, S_EVENT_OF_SOME, values, COUNT(values)),
                    tell_event);
}
