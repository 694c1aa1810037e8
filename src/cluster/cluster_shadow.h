/* cluster_shadow.h: copies of messages on a second server of the cluster ("shadows").
 *
 * Each other server of the cluster has a thread here with a connection of its own, over which
 * copies, and what is done of them, go in batches. At its beginning, and each minute, both sides
 * settle: what the other took over while we were away is its business from then on, what it still
 * holds and we are done with it drops. Copies go to one of those settled with. Only between servers
 * that have a store of their own. */
#pragma once
#include "cluster/cluster.h"
#include "store/store_shadow.h"

#include <uthash.h>

struct blob_writer;

enum cluster_shadow_mode {
    CLUSTER_SHADOW_OFF,
    CLUSTER_SHADOW_PREFERRED, /* tried for a time, else without */
    CLUSTER_SHADOW_AUTO,      /* required, but where no other server is within reach */
    CLUSTER_SHADOW_REQUIRED,
};
/* What the setting comes to here and now. cluster may be NULL. */
enum cluster_shadow_mode cluster_shadow_mode(const struct cluster *cluster);

/* One message on its way to another server. The caller's memory, all of it, from
 * cluster_copy_begin() to cluster_copy_over(). */
struct cluster_copy {
    struct store_envelope envelope;
    const struct store_rcpt *rcpts; /* those still to be served; rcpt_no counts from 1 */
    size_t count;
    const struct blob_writer *body; /* ended; NULL: envelope.envelope_id's, out of the store */
    struct slice mime_envelope;     /* what goes to blob_writer_commit(), where body is given */
    struct slice mime_structure;
    enum cluster_shadow_mode mode;
    /* Told the outcome on any thread, unless begin told it; must only note it. */
    void (*done)(struct cluster_copy *copy);
    enum st st;       /* ST_OK; ST_AGAIN: nobody has it and somebody should */
    char server[256]; /* who has it; "": nobody */
    /* the cluster's */
    struct cluster_copy *next;
    uint64_t deadline_ms;
    enum { CLUSTER_COPY_WAITS, CLUSTER_COPY_WRITTEN, CLUSTER_COPY_SENT, CLUSTER_COPY_ENDED } stage;
    UT_hash_handle hh; /* by envelope.guid, until it is over */
};
/* True: it is over already, st and server tell, done is not called. */
MUST_USE bool cluster_copy_begin(struct cluster *cluster, struct cluster_copy *copy);
/* What the copy was for is durable here (kept), or came to nothing. A kept one with no recipients,
 * and one that was not kept, is dropped by its holder. */
void cluster_copy_over(struct cluster *cluster, struct cluster_copy *copy, bool kept);
/* The recipient needs no copy any more; rcpt_no 0: nor does the message. */
void cluster_shadow_done(struct cluster *cluster, struct slice server, const char *guid,
                         int64_t rcpt_no);

/* Whom to tell what settling came to, before cluster_start(). */
struct cluster_shadow_hooks {
    void *ctx;
    /* The rows were taken over by another server: they are gone from the store. */
    void (*given_up)(void *ctx, int64_t envelope_id, const char *guid, const char *server);
    /* The server is settled with: what it has copies of may go on. */
    void (*settled)(void *ctx, const char *server);
};
void cluster_shadow_hook(struct cluster *cluster, const struct cluster_shadow_hooks *hooks);
/* Somebody is settled with and would take a copy now. */
bool cluster_shadow_ready(struct cluster *cluster);
/* The server's name, as long as the cluster lives. */
const char *cluster_shadow_name(struct cluster *cluster, struct slice server);
/* Nobody can have taken over what the server has copies of: we were not away ourselves since it was
 * settled with, and it is not being settled with anew. */
bool cluster_shadow_is_sure(struct cluster *cluster, struct slice server);
/* It is out of touch since so long that it may have taken over what it has copies of, if it lives
 * and it was us who were cut off. */
bool cluster_shadow_is_away(struct cluster *cluster, struct slice server);
/* Time passed: looks who the partners are, ends what waited too long. */
void cluster_shadow_tick(struct cluster *cluster);

/* Copies of others' messages that came just now are put into the store: before they are read
 * there. cluster may be NULL. ST_IO: the store failed. */
MUST_USE enum st cluster_shadow_gather(struct cluster *cluster);
/* While it is held nobody who has copies here begins to settle. */
void cluster_shadow_take_lock(struct cluster *cluster);
void cluster_shadow_take_unlock(struct cluster *cluster);
/* For how long the owner has had no connection here that brings copies; 0: it has one. A server
 * that never came is away since the cluster was opened. */
uint64_t cluster_shadow_absent_ms(struct cluster *cluster, struct slice owner, uint64_t now_ms);
/* Another server says that it reaches the one of this name. */
bool cluster_shadow_seen_by_others(struct cluster *cluster, struct slice owner);
