#include "store/store_busy.h"

#include "base/slice.h"
#include "store/store_engine.h"

#define VALUES_MAX (STORE_BUSY_ACCOUNTS_MAX + 3)

/* The last one again where there are fewer. */
static void put_accounts(const struct store_busy_accounts *of, struct store_value *values)
{
    assert(of->count > 0 && of->count <= STORE_BUSY_ACCOUNTS_MAX);
    for (size_t i = 0; i < STORE_BUSY_ACCOUNTS_MAX; i++)
        values[i] = SV_I(of->ids[i < of->count ? i : of->count - 1]);
}

static struct store_rows *open_some(struct store_tx *tx, enum store_stmt stmt,
                                    const struct store_busy_accounts *of)
{
    struct store_value values[STORE_BUSY_ACCOUNTS_MAX];

    put_accounts(of, values);
    return store_rows_open_values(tx, stmt, values, COUNT(values));
}

/* Rows of one account mostly follow each other: begins with the last one's. */
static size_t number_of(const struct store_busy_accounts *of, int64_t account_id, size_t last)
{
    for (size_t i = 0; i < of->count; i++) {
        const size_t at = last + i < of->count ? last + i : last + i - of->count;

        if (of->ids[at] == account_id)
            return at;
    }
    assert(false); /* rows are of those that were asked for */
    return 0;
}

static enum st close_told(struct store_rows *rows, enum st told)
{
    enum st st = store_rows_close(&rows);

    return told != ST_OK ? told : st;
}

enum st store_busy_calendars(struct store_tx *tx, const struct store_busy_accounts *of,
                             store_busy_calendar_fn *fn, void *ctx)
{
    struct store_rows *rows = open_some(tx, S_CALENDAR_OF_SOME, of);
    enum st told = ST_OK;
    size_t number = 0;

    while (told == ST_OK && store_rows_next(rows)) {
        const struct store_calendar calendar = {
            .account_id = store_rows_i64(rows, 0),
            .calendar_id = store_rows_i64(rows, 1),
            .kind = (enum store_calendar_kind)store_rows_i64(rows, 2),
            .transparent = store_rows_i64(rows, 3) != 0};

        number = number_of(of, calendar.account_id, number);
        told = fn(ctx, number, &calendar);
    }
    return close_told(rows, told);
}

enum st store_busy_grants(struct store_tx *tx, const struct store_busy_accounts *of,
                          store_busy_grant_fn *fn, void *ctx)
{
    struct store_rows *rows = open_some(tx, S_GRANT_OF_SOME, of);
    enum st told = ST_OK;
    size_t number = 0;

    while (told == ST_OK && store_rows_next(rows)) {
        const struct store_calendar_grant grant = {
            store_rows_i64(rows, 0), store_rows_i64(rows, 1), store_rows_bytes(rows, 2),
            (enum store_calendar_rights)store_rows_i64(rows, 3)};

        number = number_of(of, grant.account_id, number);
        told = fn(ctx, number, &grant);
    }
    return close_told(rows, told);
}

enum st store_busy_settings(struct store_tx *tx, const struct store_busy_accounts *of,
                            store_busy_account_fn *fn, void *ctx)
{
    struct store_rows *rows = open_some(tx, S_CALENDAR_ACCOUNT_OF_SOME, of);
    enum st told = ST_OK;
    size_t number = 0;

    while (told == ST_OK && store_rows_next(rows)) {
        const struct store_calendar_account account = {
            .account_id = store_rows_i64(rows, 0),
            .zone = store_rows_bytes(rows, 1),
            .availability = store_rows_bytes(rows, 2),
            .oof = (enum store_oof_state)store_rows_i64(rows, 3),
            .oof_from_ms = store_rows_i64(rows, 4),
            .oof_until_ms = store_rows_i64(rows, 5)};

        number = number_of(of, account.account_id, number);
        told = fn(ctx, number, &account);
    }
    return close_told(rows, told);
}

enum st store_busy_rows(struct store_tx *tx, const struct store_busy_accounts *of,
                        const struct store_busy_window *window, store_busy_row_fn *fn, void *ctx)
{
    const int64_t from_s = window->from_s;
    const int64_t reach_s =
        from_s < INT64_MIN + STORE_BUSY_ROW_S ? INT64_MIN : from_s - STORE_BUSY_ROW_S;
    struct store_value values[VALUES_MAX];
    enum st told = ST_OK;
    size_t number = 0;

    put_accounts(of, values);
    values[STORE_BUSY_ACCOUNTS_MAX] = SV_I(from_s);
    values[STORE_BUSY_ACCOUNTS_MAX + 1] = SV_I(window->until_s);
    values[STORE_BUSY_ACCOUNTS_MAX + 2] = SV_I(reach_s);
    struct store_rows *rows = store_rows_open_values(
        tx, window->with_ids ? S_BUSYTIME_OF_SOME_FULL : S_BUSYTIME_OF_SOME, values, COUNT(values));
    while (told == ST_OK && store_rows_next(rows)) {
        const struct store_busytime row = {
            .start_s = store_rows_i64(rows, 1),
            .end_s = store_rows_i64(rows, 2),
            .kind = (enum store_busy_kind)store_rows_i64(rows, 3),
            .event_id = window->with_ids ? store_rows_i64(rows, 4) : 0,
            .calendar_id = window->with_ids ? store_rows_i64(rows, 5) : 0};

        number = number_of(of, store_rows_i64(rows, 0), number);
        told = fn(ctx, number, &row);
    }
    return close_told(rows, told);
}
