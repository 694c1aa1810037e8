#include "cluster/cluster_run.h"
#include "log/log.h"

#include <string.h>

#define PIECE_DOCUMENTS 200

/* --- taking --- */

void cluster_batch_add(struct cluster_batch *batch, const struct cluster_document *document)
{
    assert(batch->count < CLUSTER_BATCH_MAX);
    batch->documents[batch->count++] =
        (struct store_document){.kind = document->kind,
                                .name = document->name,
                                .modified_ms = (int64_t)document->modified_ms,
                                .body = document->body,
                                .server = document->server,
                                .editor = document->editor,
                                .parent_ms = (int64_t)document->parent_ms,
                                .parent_server = document->parent_server,
                                .removed = document->removed == 1};
}

static enum st merge_body(struct store_tx *tx, void *arg)
{
    struct cluster_batch *batch = arg;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < batch->count; i++)
        st = store_document_merge(tx, &batch->documents[i], &batch->verdicts[i]);
    return st;
}

static void report(const struct store_document *document, enum store_merge verdict,
                   const char *from)
{
    if (verdict != STORE_MERGE_WON && verdict != STORE_MERGE_LOST)
        return;
    count_add(COUNT_DOCUMENTS_CONFLICTS, 1);
    log_event(EV_DOCUMENT_CONFLICT, 0, LOG_S("kind", document->kind), LOG_S("name", document->name),
              LOG_S("server", document->server), LOG_C("from", from),
              LOG_C("it", store_merge_name(verdict)));
}

enum st cluster_batch_merge(struct store *store, struct cluster_batch *batch, const char *from,
                            uint64_t *new_count_r)
{
    *new_count_r = 0;
    if (batch->count == 0)
        return ST_OK;
    enum st st = store_write(store, merge_body, batch);
    for (size_t i = 0; st == ST_OK && i < batch->count; i++) {
        report(&batch->documents[i], batch->verdicts[i], from);
        *new_count_r += batch->verdicts[i] != STORE_MERGE_SAME;
    }
    count_add(COUNT_DOCUMENTS_TAKEN, (int64_t)*new_count_r);
    batch->count = 0;
    return st;
}

/* --- telling --- */

struct piece {
    struct buf *out;
    size_t begin;
    int64_t after;
    int64_t reached;
    uint64_t count;
};

static enum st write_document(void *ctx, const struct store_document *document)
{
    struct piece *piece = ctx;
    const struct cluster_frame frame = {.type = CLUSTER_DOCUMENT,
                                        .document = {
                                            .sequence = (uint64_t)document->sequence,
                                            .modified_ms = (uint64_t)document->modified_ms,
                                            .parent_ms = (uint64_t)document->parent_ms,
                                            .removed = document->removed,
                                            .kind = document->kind,
                                            .name = document->name,
                                            .server = document->server,
                                            .editor = document->editor,
                                            .parent_server = document->parent_server,
                                            .body = document->body,
                                        }};

    if (piece->out->len - piece->begin > CLUSTER_LINK_PUSH_BYTES)
        return ST_FULL; /* enough for now */
    enum st st = cluster_frame_write(&frame, piece->out);
    if (st != ST_OK)
        log_event(EV_CLUSTER_TROUBLE, 0, LOG_S("kind", document->kind),
                  LOG_S("name", document->name),
                  LOG_C("why", "the document is over a limit of the protocol and stays here"));
    piece->reached = document->sequence;
    piece->count += st == ST_OK;
    return ST_OK;
}

static enum st write_piece(struct store_tx *tx, void *arg)
{
    struct piece *piece = arg;

    piece->out->len = piece->begin;
    piece->reached = piece->after;
    piece->count = 0;
    enum st st = store_document_since(tx, piece->after, PIECE_DOCUMENTS, write_document, piece);
    return st == ST_FULL ? ST_OK : st;
}

enum st cluster_sync_write(struct store *store, int64_t after, struct buf *out, int64_t *after_r)
{
    struct piece piece = {.out = out, .begin = out->len, .after = after, .reached = after};
    enum st st = store_read(store, write_piece, &piece);

    *after_r = piece.reached;
    if (st == ST_OK)
        count_add(COUNT_DOCUMENTS_SENT, (int64_t)piece.count);
    return st;
}
