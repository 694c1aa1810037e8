#include "store/store_document_seen.h"

#include "store/store_engine.h"

#define EPOCHS_MAX 100

enum st store_document_seen_begin(struct store_tx *tx, struct slice server, int64_t epoch)
{
    enum st st = store_exec(tx, S_DOCUMENT_EPOCH_ADD, NULL, SV_I(epoch), SV_T(server));

    return st != ST_OK
               ? st
               : store_exec(tx, S_DOCUMENT_EPOCH_TRIM, NULL, SV_T(server), SV_I(EPOCHS_MAX));
}

enum st store_document_seen_valid(struct store_tx *tx, struct slice server, int64_t epoch,
                                  int64_t sequence, int64_t *valid_r)
{
    int64_t number = 0;
    int64_t end = 0;
    enum st st = store_get_i64(tx, S_DOCUMENT_EPOCH_FIND, &number, SV_T(server), SV_I(epoch));

    *valid_r = 0;
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    st = store_get_i64(tx, S_DOCUMENT_EPOCH_END, &end, SV_T(server), SV_I(number));
    if (st == ST_NOT_FOUND)
        st = store_document_last(tx, &end);
    *valid_r = sequence < end ? sequence : end;
    return st;
}

enum st store_document_seen_get(struct store_tx *tx, struct slice server, int64_t *epoch_r,
                                int64_t *sequence_r)
{
    struct store_rows *rows = store_rows_open(tx, S_DOCUMENT_SEEN_GET, SV_T(server));
    bool found = store_rows_next(rows);

    if (found) {
        *epoch_r = store_rows_i64(rows, 0);
        *sequence_r = store_rows_i64(rows, 1);
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st store_document_seen_put(struct store_tx *tx, struct slice server, int64_t epoch,
                                int64_t sequence)
{
    return store_exec(tx, S_DOCUMENT_SEEN_PUT, NULL, SV_T(server), SV_I(epoch), SV_I(sequence));
}

enum st store_document_seen_purge(struct store_tx *tx, int64_t before_ms, int64_t sequence,
                                  int64_t *count_r)
{
    enum st st = store_exec(tx, S_DOCUMENT_PURGE, count_r, SV_I(before_ms), SV_I(sequence));

    return st != ST_OK || *count_r == 0 ? st
                                        : store_exec(tx, S_DOCUMENT_PURGE_HISTORY, NULL, SV_NONE);
}
