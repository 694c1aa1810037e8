#include "cluster/cluster_run.h"
#include "conf/conf.h"
#include "log/log.h"
#include "store/store_document_seen.h"
#include "sys/sys_time.h"

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

static enum st stop_at_one(void *ctx, const struct store_document *document)
{
    (void)ctx;
    (void)document;
    return ST_AGAIN;
}

/* A tombstone that is old enough to have been purged here is not taken again. */
static enum st was_purged(struct store_tx *tx, const struct store_document *document,
                          bool *purged_r)
{
    int64_t keep_ms = (int64_t)conf_get()->directory_tombstone_ms;
    enum st st = ST_OK;

    *purged_r = document->removed && document->modified_ms < sys_now_ms() - keep_ms;
    if (*purged_r)
        st = store_document_history(tx, document->kind, document->name, stop_at_one, NULL);
    *purged_r = *purged_r && st == ST_NOT_FOUND;
    return st == ST_NOT_FOUND || st == ST_AGAIN ? ST_OK : st;
}

struct merging {
    struct cluster_batch *batch;
    struct slice from;
};

static enum st merge_one(struct store_tx *tx, struct cluster_batch *batch, size_t i)
{
    bool purged = false;
    enum st st = was_purged(tx, &batch->documents[i], &purged);

    batch->verdicts[i] = STORE_MERGE_SAME;
    if (st == ST_OK && !purged)
        st = store_document_merge(tx, &batch->documents[i], &batch->verdicts[i]);
    batch->refused[i] = st == ST_INVALID;
    return st == ST_INVALID ? ST_OK : st;
}

static enum st merge_body(struct store_tx *tx, void *arg)
{
    const struct merging *merging = arg;
    struct cluster_batch *batch = merging->batch;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < batch->count; i++)
        st = merge_one(tx, batch, i);
    if (st == ST_OK && batch->epoch != 0)
        st = store_document_seen_put(tx, merging->from, (int64_t)batch->epoch,
                                     (int64_t)batch->reached);
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
    struct merging merging = {batch, slice_str(from)};
    enum st st = store_write(store, merge_body, &merging);
    for (size_t i = 0; st == ST_OK && i < batch->count; i++) {
        if (batch->refused[i])
            log_event(EV_DOCUMENT_REFUSED, 0, LOG_S("kind", batch->documents[i].kind),
                      LOG_S("name", batch->documents[i].name), LOG_C("from", from));
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
