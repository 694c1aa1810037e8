/* router_queue.h: the queue at work: what lies in the store for other servers is sent on, tried
 * again, and reported on.
 *
 * A destination is what messages share the way to: "domain example.net", "connection relay". In
 * memory are the destinations at work and, of each, the rows that its senders are about to take;
 * the rest stays in the store, however much it is. */
#pragma once
#include "base/base.h"

struct buf;
struct cluster;
struct health;
struct router_dest;
struct router_health;
struct router_queue;
struct store;

struct router_queue_options {
    struct store *store;
    const char *server_name;
    struct health
        *health; /* of the domain's servers; a change has the queue look anew. NULL: none */
};

/* ST_IO and others with a sentence in why. */
MUST_USE enum st router_queue_new(const struct router_queue_options *options, struct buf *why,
                                  struct router_queue **queue_r);
/* Before router_queue_start(): this server is one of a domain. The certificates for what goes to
 * the other servers are the cluster's, and its health table learns of a server that cannot be
 * reached.
 */
void router_queue_use_cluster(struct router_queue *queue, struct cluster *cluster);
void router_queue_start(struct router_queue *queue);
/* Lets transactions under way end, at most timeout_ms; keeps what they came to. */
void router_queue_stop(struct router_queue *queue, uint64_t timeout_ms);
void router_queue_free(struct router_queue **queue);

/* The destination of this key, kept in memory until router_dest_unref(). */
struct router_dest *router_dest_ref(struct router_queue *queue, struct slice key);
struct slice router_dest_key(const struct router_dest *dest);
/* Its id in the store, 0 where none is known: then router_dest_set_id(), once it is durable. */
int64_t router_dest_id(const struct router_queue *queue, const struct router_dest *dest);
void router_dest_set_id(struct router_queue *queue, struct router_dest *dest,
                        int64_t destination_id);
/* queued: rows were added for it, look. */
void router_dest_unref(struct router_queue *queue, struct router_dest **dest, bool queued);
int64_t router_queue_server_id(const struct router_queue *queue);
int64_t router_queue_report_id(const struct router_queue *queue);

const char *router_queue_server_name(const struct router_queue *queue);
const struct router_health *router_queue_health(const struct router_queue *queue);
struct health *router_queue_servers(const struct router_queue *queue); /* NULL: alone */
/* Before router_queue_start(): fn is told, on any thread, when deliveries left tasks that are
 * durable (store_task.h); it must only note that. */
void router_queue_watch_tasks(struct router_queue *queue, void (*fn)(void *ctx), void *ctx);
void router_queue_tell_tasks(const struct router_queue *queue);
/* Reports were queued. */
void router_queue_look_reports(struct router_queue *queue);

/* Rows were changed by hand, or documents: everything is looked at anew. now: destinations that are
 * left alone for a time are tried at once. */
void router_queue_look(struct router_queue *queue, bool now);
