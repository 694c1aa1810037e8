/* router_spool.h: while PostgreSQL is away mail is taken into a file beside the server, and moved
 * into the store when it is back, each message exactly once: its guid is claimed in the transaction
 * that puts it there.
 *
 * The spool is a store of its own kind sqlite, in data_dir/spool, of which only bodies, envelopes
 * and their recipients, as the client gave them, are used. */
#pragma once
#include "base/base.h"

struct buf;
struct router_queue;
struct router_spool;
struct store;

/* Opens it, made where it is missing. why gets a sentence where it cannot. */
MUST_USE enum st router_spool_new(const char *data_dir, struct store *main, struct buf *why,
                                  struct router_spool **spool_r);
/* From now on what lies there is moved. */
MUST_USE enum st router_spool_start(struct router_spool *spool, struct router_queue *queue);
void router_spool_stop(struct router_spool *spool);
void router_spool_free(struct router_spool **spool); /* NULL is fine */

/* Where a message that begins now is to be kept: true while the store is away. spool may be NULL.
 */
bool router_spool_wanted(const struct router_spool *spool);
struct store *router_spool_store(const struct router_spool *spool);
int64_t router_spool_destination_id(const struct router_spool *spool);
/* A message was added. */
void router_spool_look(struct router_spool *spool);
