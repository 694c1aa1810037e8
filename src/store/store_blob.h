/* store_blob.h: message bodies: compressed in chunks, written and read as streams. */
#pragma once
#include "store/store.h"

#define STORE_CHUNK_BYTES (128 * KIB) /* of the message, before compression */

struct blob_writer;

/* Begins a body. Small bodies stay in memory until blob_writer_commit(); of larger ones chunks are
 * written ahead in transactions of their own, unseen until then. */
struct blob_writer *blob_writer_new(struct store *store);
/* ST_IO: the store is full or away. */
MUST_USE enum st blob_writer_add(struct blob_writer *writer, struct slice bytes);
MUST_USE enum st blob_writer_end(struct blob_writer *writer); /* no more comes */
uint64_t blob_writer_bytes(const struct blob_writer *writer);
/* Inside a write body, after blob_writer_end(): the body becomes part of the transaction. envelope
 * and structure: see store_message.h. May be run again. */
MUST_USE enum st blob_writer_commit(struct store_tx *tx, struct blob_writer *writer,
                                    struct slice envelope, struct slice structure,
                                    int64_t *blob_id_r);
/* Call after a successful store_write(): what was written ahead is not dropped by the next call. */
void blob_writer_committed(struct blob_writer *writer);
/* Nothing was written ahead, so that it can be committed to another store too. */
bool blob_writer_movable(const struct blob_writer *writer);
void blob_writer_free(struct blob_writer **writer);

/* --- a body on its way to another server's store, chunks as they are packed --- */

struct blob_packed {
    uint64_t bytes;
    uint64_t chunk_count;
    unsigned char sha256[32];
};
/* After blob_writer_end(). */
void blob_writer_look(const struct blob_writer *writer, struct blob_packed *packed_r);
/* Calls fn with each chunk in order; its status other than ST_OK ends it. */
typedef enum st blob_fn(void *ctx, struct slice bytes);
MUST_USE enum st blob_writer_each_packed(const struct blob_writer *writer, blob_fn *fn, void *ctx);
/* The same for a body in the store, with what blob_writer_commit() was given; ST_NOT_FOUND: it is
 * gone. The first appends envelope and structure. */
MUST_USE enum st blob_packed_look(struct store *store, int64_t blob_id,
                                  struct blob_packed *packed_r, struct buf *envelope,
                                  struct buf *structure);
MUST_USE enum st blob_packed_each(struct store *store, int64_t blob_id, uint64_t chunk_count,
                                  blob_fn *fn, void *ctx);
/* In place of blob_writer_add() and blob_writer_end(). ST_INVALID: not the chunks that were told
 * of. What they hold is not looked at. */
MUST_USE enum st blob_writer_add_packed(struct blob_writer *writer, struct slice chunk);
MUST_USE enum st blob_writer_end_packed(struct blob_writer *writer,
                                        const struct blob_packed *packed);

/* Appends the chunk_no'th chunk of the body (counted from 0; each but the last holds
 * STORE_CHUNK_BYTES) to out. ST_NOT_FOUND: past the end, or the body is gone. Not inside a tx. */
MUST_USE enum st blob_chunk_read(struct store *store, int64_t blob_id, uint64_t chunk_no,
                                 struct buf *out);
/* Calls fn with the bytes from offset on, at most len of them, fewer where the body ends before
 * (ST_OK; ST_NOT_FOUND: there is no such body), chunk by chunk; between chunks
 * nothing of the store is held, so fn may wait for a peer. */
MUST_USE enum st blob_each(struct store *store, int64_t blob_id, uint64_t offset, uint64_t len,
                           blob_fn *fn, void *ctx);

/* Drops bodies that were begun and never finished: two days old ones, or all where no other server
 * can be writing any. At start. */
MUST_USE enum st blob_sweep(struct store *store, bool all);
