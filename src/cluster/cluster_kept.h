/* cluster_kept.h: copies of other servers' messages that are durable in a journal and not in the
 * store yet.
 *
 * Most copies live for milliseconds: until the message is in a mailbox, or delivered. So a copy is
 * first one short write; what still lives after a while, or when somebody wants to look, is moved
 * into the store in bulk. What a server that was killed left in its journal is moved at its start.
 * Whoever reads copies from the store moves first. Inside cluster/. */
#pragma once
#include "base/buf.h"
#include "cluster/cluster_incoming.h"

struct cluster_kept;

/* path: the journal's. Nothing is opened yet. */
struct cluster_kept *cluster_kept_new(struct store *store, const char *path);
/* Moves everything; what cannot be moved stays in the journal. */
void cluster_kept_free(struct cluster_kept **kept);
/* At the start: what the journal holds goes into the store. */
MUST_USE enum st cluster_kept_recover(struct cluster_kept *kept);
/* Makes what came durable, after cluster_incoming_end(); *copies is the keeper's then, and NULL,
 * with any status. Appends the guids of those that were taken over and are not kept, a line each.
 * Not ST_OK: nothing of it is kept. */
MUST_USE enum st cluster_kept_save(struct cluster_kept *kept, struct cluster_incoming **copies,
                                   struct buf *refused);
/* With ST_OK all that is kept is in the store. */
MUST_USE enum st cluster_kept_move(struct cluster_kept *kept);
/* Time passed: what is old is moved. */
void cluster_kept_tick(struct cluster_kept *kept, uint64_t now_ms);
