/* router_shadow.h: copies of what is queued on a second server, and what dead servers left here as
 * copies. */
#pragma once
#include "cluster/cluster_shadow.h"

struct router_queue;
struct router_shadow;

/* Everybody who has copies of ours is to be settled with first. Before cluster_start() and
 * router_queue_start(). ST_IO with a sentence in why. */
MUST_USE enum st router_shadow_new(struct router_queue *queue, struct cluster *cluster,
                                   struct buf *why, struct router_shadow **shadow_r);
MUST_USE enum st router_shadow_start(struct router_shadow *shadow); /* after cluster_start() */
void router_shadow_stop(struct router_shadow *shadow);              /* before cluster_stop() */
void router_shadow_free(struct router_shadow **shadow);             /* after router_queue_stop() */

/* What follows takes NULL for a queue of a server without a domain. */

/* What the setting comes to for a message that is to be acknowledged. */
enum cluster_shadow_mode router_shadow_mode(const struct router_queue *queue);
/* As cluster_copy_begin() and cluster_copy_over(). */
MUST_USE bool router_shadow_begin(struct router_queue *queue, struct cluster_copy *copy);
void router_shadow_over(struct router_queue *queue, struct cluster_copy *copy, bool kept);
/* The row is done with. */
void router_shadow_done(struct router_queue *queue, const struct store_envelope *envelope,
                        int64_t rcpt_no);
/* Whether this message may go on: nobody can have taken it over. */
bool router_shadow_sure(struct router_queue *queue, const struct store_envelope *envelope);
/* Who has a copy of the message is out of touch for so long that it may have taken it over. */
bool router_shadow_away(struct router_queue *queue, const struct store_envelope *envelope);
