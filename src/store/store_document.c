#include "store/store_document.h"

#include "store/store_engine.h"

enum st store_document_put(struct store_tx *tx, const struct store_document *document)
{
    if (!store_text_ok(document->kind, false) || !store_text_ok(document->name, false) ||
        !store_text_ok(document->body, true))
        return ST_INVALID;
    store_touch(tx, STORE_DOCUMENTS_ACCOUNT, 0);
    return store_exec(tx, S_DOCUMENT_PUT, NULL, SV_T(document->kind), SV_T(document->name),
                      SV_I(document->modified_ms), SV_T(document->body));
}

enum st store_document_delete(struct store_tx *tx, struct slice kind, struct slice name)
{
    int64_t changed = 0;

    if (!store_text_ok(kind, false) || !store_text_ok(name, false))
        return ST_NOT_FOUND;
    enum st st = store_exec(tx, S_DOCUMENT_DELETE, &changed, SV_T(kind), SV_T(name));

    store_touch(tx, STORE_DOCUMENTS_ACCOUNT, 0);
    return st != ST_OK ? st : changed == 1 ? ST_OK : ST_NOT_FOUND;
}

enum st store_document_each(struct store_tx *tx, store_document_fn *fn, void *ctx)
{
    struct store_rows *rows = store_rows_open(tx, S_DOCUMENT_LIST, SV_NONE);
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_document document = {store_rows_bytes(rows, 0), store_rows_bytes(rows, 1),
                                          store_rows_i64(rows, 2), store_rows_bytes(rows, 3)};
        told = fn(ctx, &document);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

enum st store_document_get(struct store_tx *tx, struct slice kind, struct slice name,
                           store_document_fn *fn, void *ctx)
{
    if (!store_text_ok(kind, false) || !store_text_ok(name, false))
        return ST_NOT_FOUND;
    struct store_rows *rows = store_rows_open(tx, S_DOCUMENT_GET, SV_T(kind), SV_T(name));
    bool found = store_rows_next(rows);
    enum st told = ST_OK;

    if (found) {
        struct store_document document = {kind, store_rows_bytes(rows, 0), store_rows_i64(rows, 1),
                                          store_rows_bytes(rows, 2)};
        told = fn(ctx, &document);
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? told : ST_NOT_FOUND;
}
