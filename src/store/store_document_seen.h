/* store_document_seen.h: how far servers have each other's documents, across restarts.
 *
 * The running numbers of store_document_since() mean something as long as the store's line goes on:
 * one that was restored from a backup gives numbers out anew. So each start of a server is an epoch
 * with a random name, noted with the number that stood then. Who has seen the documents up to a
 * number in some epoch has seen them up to that number or the end of that epoch, whichever is less;
 * an epoch that the store does not know was lost, and nothing counts. */
#pragma once
#include "store/store_document.h"

/* The server begins the epoch, a number above 0; of its epochs the last 100 are kept. */
MUST_USE enum st store_document_seen_begin(struct store_tx *tx, struct slice server, int64_t epoch);
/* Up to where a peer has this server's documents that says to have seen `sequence` of them in that
 * epoch. */
MUST_USE enum st store_document_seen_valid(struct store_tx *tx, struct slice server, int64_t epoch,
                                           int64_t sequence, int64_t *valid_r);

/* What is here of another server's documents: in its epoch, up to its number. ST_NOT_FOUND: none.
 */
MUST_USE enum st store_document_seen_get(struct store_tx *tx, struct slice server, int64_t *epoch_r,
                                         int64_t *sequence_r);
MUST_USE enum st store_document_seen_put(struct store_tx *tx, struct slice server, int64_t epoch,
                                         int64_t sequence);

/* Tombstones made before before_ms whose number is `sequence` at most go, with their history: every
 * other server must have seen them, or it would bring the document back. */
MUST_USE enum st store_document_seen_purge(struct store_tx *tx, int64_t before_ms, int64_t sequence,
                                           int64_t *count_r);
