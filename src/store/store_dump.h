/* store_dump.h: a store as one stream of bytes, and back: the same whichever engine it came from.
 *
 * The stream is
 *   the line "posthorse store dump 1\n",
 *   a byte with the version of the schema and then for each row a byte, the number of its table
 * from 1 up in the order of tables[] in store_dump.c, and its columns: a number as 8 bytes, the
 * most significant first; text and bytes as a length of 4 bytes and what it says, and the end: a 0
 * byte, the number of rows as 8 bytes, and the SHA-256 of everything before the digest. Rows of a
 * table come in the order of their key. Chunks are packed with zstd as they lie. */
#pragma once
#include "store/store.h"

struct buf;

typedef enum st store_dump_write_fn(void *ctx, struct slice bytes);
/* Fills at most cap bytes; *len_r 0: there are no more. */
typedef enum st store_dump_read_fn(void *ctx, char *into, size_t cap, size_t *len_r);
typedef void store_dump_progress_fn(void *ctx, uint64_t rows, uint64_t bytes); /* may be NULL */

/* Writes one consistent moment of the store while the server goes on. What write returns other than
 * ST_OK ends it and is returned. ST_IO: the store cannot be read; what was written is no dump. */
MUST_USE enum st store_dump(struct store *store, store_dump_write_fn *write, void *ctx,
                            store_dump_progress_fn *progress);
/* Fills an empty store, in batches. Until the end was read and found right, the store is marked and
 * will not be opened. why gets a sentence. ST_EXISTS: the store is not empty; ST_INVALID: no dump,
 * cut off or damaged; ST_IO. Call it on a store that nobody uses yet. */
MUST_USE enum st store_restore(struct store *store, store_dump_read_fn *read, void *ctx,
                               store_dump_progress_fn *progress, struct buf *why);
