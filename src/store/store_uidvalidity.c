#include "store/store_uidvalidity.h"

#include "store/store_engine.h"
#include "store/store_folder.h"

#define EPOCH_BEGIN_S \
    INT64_C(1767225600) /* 2026-01-01 00:00 UTC; 24 bits of minutes are 31 years */
#define EPOCH_MASK INT64_C(0xFFFFFF)
#define EPOCH_BITS 24

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What was given out without a root may lie in the root's own range: it is left behind too. */
static int64_t next_epoch(int root, int64_t now_s, const struct store_uidvalidity *given)
{
    int64_t epoch = larger((now_s - EPOCH_BEGIN_S) / 60, given->epoch + 1);

    if (given->last >> EPOCH_BITS == root)
        epoch = larger(epoch, (given->last & EPOCH_MASK) + 1);
    return (epoch & EPOCH_MASK) == 0 ? epoch + 1 : epoch;
}

enum st store_uidvalidity_decide(int root, int64_t now_ms, struct store_uidvalidity *given,
                                 uint32_t *value_r)
{
    int64_t value = larger(now_ms / 1000, given->last + 1);

    assert(root >= STORE_ROOT_NONE && root <= STORE_ROOT_MAX);
    if (root != STORE_ROOT_NONE) {
        given->epoch = next_epoch(root, now_ms / 1000, given);
        value = (int64_t)root << EPOCH_BITS | (given->epoch & EPOCH_MASK);
    }
    if (value > UINT32_MAX)
        return ST_TOO_BIG;
    given->last = larger(given->last, value);
    *value_r = (uint32_t)value;
    return ST_OK;
}

static enum st read_given(struct store_tx *tx, int64_t account_id, struct store_uidvalidity *given)
{
    struct store_rows *rows = store_rows_open(tx, S_ACCOUNT_UIDVALIDITY_GET, SV_I(account_id));
    bool found = store_rows_next(rows);

    if (found)
        *given = (struct store_uidvalidity){store_rows_i64(rows, 0), store_rows_i64(rows, 1)};
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st store_uidvalidity_next(struct store_tx *tx, int64_t account_id, int64_t now_ms,
                               uint32_t *value_r)
{
    struct store_uidvalidity given;
    enum st st = read_given(tx, account_id, &given);

    if (st == ST_OK)
        st = store_uidvalidity_decide(store_root(tx->store), now_ms, &given, value_r);
    if (st == ST_OK)
        st = store_exec(tx, S_ACCOUNT_UIDVALIDITY_SET, NULL, SV_I(account_id), SV_I(given.last),
                        SV_I(given.epoch));
    return st;
}

/* The folder takes a number of the change sequence too, so that a view of it is made anew. */
enum st store_uidvalidity_raise(struct store_tx *tx, int64_t account_id, int64_t now_ms)
{
    struct store_folder *folders;
    size_t count = 0;
    uint64_t modseq = 0;
    uint64_t bytes_used;
    enum st st = store_account_advance(tx, account_id, 0, 0, &modseq, &bytes_used);

    if (st == ST_OK)
        st = store_folder_list(tx, store_tx_arena(tx), account_id, &folders, &count);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        uint32_t value;

        st = store_uidvalidity_next(tx, account_id, now_ms, &value);
        if (st == ST_OK)
            st = store_exec(tx, S_FOLDER_UIDVALIDITY, NULL, SV_I(folders[i].folder_id), SV_I(value),
                            SV_I(modseq));
        store_touch(tx, account_id, folders[i].folder_id);
    }
    return st;
}
