/* cluster.h: this server among the others of its domain: who they are, how they are, and documents
 * that reach all of them.
 *
 * Each server keeps one connection to each other one, TLS 1.3 with certificates of the domain's own
 * authority on both sides. Over it it asks how the other is (health.h), and both tell each other
 * the versions of documents that the other one has not seen. doc/protocol/cluster.md tells the
 * frames. */
#pragma once
#include "base/base.h"

struct buf;
struct cluster;
struct health;
struct net;
struct net_proto;
struct store;

/* Borrowed; all of it outlives the cluster. */
struct cluster_context {
    struct store *store; /* its server_name is this server's name */
    struct net *net;
    struct health *health;
    const char *server_name;
    const char *data_dir;
    const char *listening; /* the first address that listen_cluster got; "" : none */
    const char *transfer;  /* the same of listen_transfer */
    const struct net_proto *proto_transfer; /* served with the domain's certificates too */
};

/* Loads the certificates. ST_NOT_FOUND: this server is of no domain; ST_INVALID, ST_DENIED, ST_IO:
 * why has a sentence. */
MUST_USE enum st cluster_open(const struct cluster_context *context, struct buf *why,
                              struct cluster **cluster_r);
/* What listens, with the cluster as its context, TLS from the first byte: net_listen() before
 * cluster_start(). */
extern const struct net_proto proto_cluster;
/* Begins to connect to the others; writes this server's own server document where that is to be. */
MUST_USE enum st cluster_start(struct cluster *cluster, struct buf *why);
void cluster_stop(struct cluster *cluster);   /* NULL is fine; before net_stop() */
void cluster_free(struct cluster **cluster);  /* after net_stop() */
void cluster_reload(struct cluster *cluster); /* the settings changed; NULL is fine */

/* How another server is, for people. */
struct cluster_look {
    const char *name;
    const char *address; /* host:port; "": its document names none */
    const char *version;
    const char *why;      /* why there is no connection; "" where there is one */
    const char *view;     /* how the others are in its eyes: lines of "name state ms index" */
    uint64_t view_age_ms; /* how old that is */
    uint64_t epoch;
    uint64_t rtt_us;     /* of the last ping */
    uint64_t documents;  /* the number of its newest version */
    uint64_t seen;       /* up to which we have them */
    uint64_t their_seen; /* up to which it has ours */
    bool connected;
};
typedef void cluster_each_fn(void *ctx, const struct cluster_look *look);
/* By name. fn must not call back. */
void cluster_each(struct cluster *cluster, cluster_each_fn *fn, void *ctx);
uint64_t cluster_epoch(const struct cluster *cluster);
uint64_t cluster_documents(const struct cluster *cluster); /* the number of our newest version */
struct health *cluster_health(const struct cluster *cluster);

/* Revokes all certificates that the server of this name has at now_ms, on every server that the
 * document reaches. */
MUST_USE enum st cluster_revoke(struct store *store, struct slice server, int64_t now_ms);
/* fn is called for each name whose certificates were revoked, with the time before which. */
typedef void cluster_revoked_fn(void *ctx, const char *server, int64_t before_ms);
MUST_USE enum st cluster_revoked_each(struct store *store, cluster_revoked_fn *fn, void *ctx);

/* --- joining, on the new server, while it does not run --- */

struct cluster_join_options {
    const char *address; /* host:port of a server that has the authority */
    const char *token;
    const char *server_name;
    const char *data_dir;
    struct store *store; /* gets the documents */
    uint64_t timeout_ms; /* for all of it */
};
/* Connects, looks whether that is the token's domain, proves the token, gets a certificate and the
 * documents. *document_count_r: how many versions were new. Fails with a sentence in why; ST_AGAIN:
 * it joined, and the documents did not come (the server gets them when it runs). */
MUST_USE enum st cluster_join(const struct cluster_join_options *options,
                              uint64_t *document_count_r, struct buf *why);
