/* store_document.h: the directory's documents as texts: what kind, what name, since when. */
#pragma once
#include "store/store.h"

struct store_document {
    struct slice kind; /* "person" */
    struct slice name;
    int64_t modified_ms;
    struct slice body; /* INI */
};

/* Makes it or takes its place. ST_INVALID: not UTF-8, or NUL. */
MUST_USE enum st store_document_put(struct store_tx *tx, const struct store_document *document);
MUST_USE enum st store_document_delete(struct store_tx *tx, struct slice kind, struct slice name);
/* fn's slices are valid during the call; by kind, then name. */
typedef enum st store_document_fn(void *ctx, const struct store_document *document);
MUST_USE enum st store_document_each(struct store_tx *tx, store_document_fn *fn, void *ctx);
/* Calls fn once; ST_NOT_FOUND. */
MUST_USE enum st store_document_get(struct store_tx *tx, struct slice kind, struct slice name,
                                    store_document_fn *fn, void *ctx);
/* What a watcher of account 0 is told with: documents changed. */
#define STORE_DOCUMENTS_ACCOUNT 0
