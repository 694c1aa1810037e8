/* cluster_run.h: what the files of the cluster share: the others, and one connection to one of
 * them. Inside cluster/. */
#pragma once
#include "base/buf.h"
#include "base/slice.h"
#include "cluster/cluster.h"
#include "cluster/cluster_ask.h"
#include "cluster/cluster_domain.h"
#include "cluster/cluster_frame.h"
#include "health/health.h"
#include "store/store_document.h"
#include "sys/sys_sock.h"

#include <pthread.h>
#include <stdatomic.h>

struct auth_throttle;
struct conn;
struct sys_tls;
struct sys_tls_server;

#define CLUSTER_ADDRESS_BYTES 300
#define CLUSTER_WHY_BYTES 300

/* Another server. Made once, kept until cluster_free(); but for the thread's own, under
 * cluster->lock. */
struct cluster_peer {
    struct cluster_peer *next;
    struct cluster *cluster;
    char name[CLUSTER_NAME_BYTES_MAX + 1];
    char address[CLUSTER_ADDRESS_BYTES]; /* "": it is not connected to; changed while no thread runs
                                          */
    char resolved[SYS_ADDR_BYTES];       /* what its host was found to be; "": not yet */
    bool listed;                         /* the keeper met its document */
    bool runs;
    pthread_t thread;
    int stop_fd; /* readable: the thread is to end */
    bool connected;
    atomic_bool authority; /* it can sign certificates */
    char why[CLUSTER_WHY_BYTES];
    bool flaps;                       /* the thread's: connections end as soon as they stand, ... */
    char lost_why[CLUSTER_WHY_BYTES]; /* ... for this reason */
    char version[65];
    uint64_t epoch;
    uint64_t documents;
    bool seen_read; /* what the store has of it */
    uint64_t seen;
    uint64_t seen_epoch; /* of its documents: what seen counts in */
    uint64_t their_seen;
    uint64_t rtt_us;
    struct buf view;
    uint64_t view_ms;
    unsigned holdings; /* its connections that bring copies */
    uint64_t left_ms;  /* when the last of them ended */
};

struct cluster_revoked {
    char name[CLUSTER_NAME_BYTES_MAX + 1];
    int64_t before_ms;
};

struct cluster_asks;
struct cluster_session;
struct cluster_kept;
struct cluster_shadows;
struct sys_stream;

struct cluster {
    struct cluster_context context;
    uint64_t epoch;
    uint64_t documents_epoch; /* store_document_seen.h */
    uint64_t opened_ms;
    atomic_bool authority; /* the domain's key is here */
    struct sys_tls_server *tls;
    struct sys_tls_server *tls_before; /* a handshake may just be using it */
    struct store_watch *watch;
    struct auth_throttle *throttle; /* of those who want to join */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t keeper;
    bool keeper_runs;
    bool stopping;
    bool dirty; /* documents changed */
    struct cluster_peer *peers;
    struct cluster_session *sessions;
    struct cluster_shadows *shadows;
    struct cluster_kept *kept;  /* copies of others that are not in the store yet */
    struct cluster_asks *asks;  /* questions to others */
    cluster_asked_fn *asked_fn; /* answers those of others; NULL: nobody does */
    void *asked_ctx;
    atomic_uint asked_count;    /* under way */
    atomic_bool asked_stopping; /* no more are answered */
    pthread_mutex_t take_lock;  /* nobody takes copies over while it is held */
    struct cluster_revoked *revoked;
    size_t revoked_count;
    atomic_ullong documents; /* the number of our newest */
    atomic_uint index;
    atomic_bool renew; /* the certificate is to be renewed by a server that has the authority */
    int64_t issued_ms; /* of our certificate; the keeper's and the starter's */
    int64_t ends_ms;
};

/* --- cluster.c --- */
/* Finds or makes it; NULL: there are too many. */
struct cluster_peer *cluster_peer_get(struct cluster *cluster, struct slice name);
/* The one behind it, the first one for NULL; NULL: there are no more. */
struct cluster_peer *cluster_peer_next(struct cluster *cluster, const struct cluster_peer *peer);
bool cluster_is_revoked(struct cluster *cluster, const char *name, int64_t issued_ms);
/* The time for a new certificate of this name: behind all that was revoked. */
int64_t cluster_issue_ms(struct cluster *cluster, const char *name);
MUST_USE enum st cluster_load_tls(struct cluster *cluster, struct buf *why);
bool cluster_restricted(const struct cluster *cluster);
/* Who a TLS peer is: the name and time of its certificate. ST_NOT_FOUND: it has shown none. */
MUST_USE enum st cluster_tls_name(const struct sys_tls *tls, char name[CLUSTER_NAME_BYTES_MAX + 1],
                                  int64_t *issued_ms_r);

/* --- cluster_view.c --- */
void cluster_view_write(struct health *health, uint64_t now_ms, struct buf *out);

/* --- cluster_sync.c: documents --- */

#define CLUSTER_BATCH_MAX 128

/* Versions that came and wait to be merged; they borrow from the input. */
struct cluster_batch {
    struct store_document documents[CLUSTER_BATCH_MAX];
    enum store_merge verdicts[CLUSTER_BATCH_MAX];
    bool refused[CLUSTER_BATCH_MAX];
    size_t count;
    uint64_t epoch; /* of the other's documents; 0: how far they are here is not noted */
    uint64_t reached;
};

/* Merges what the batch holds and empties it; reports conflicts and what is no document, which is
 * left out. *new_count_r: what was not known. */
MUST_USE enum st cluster_batch_merge(struct store *store, struct cluster_batch *batch,
                                     const char *from, uint64_t *new_count_r);
void cluster_batch_add(struct cluster_batch *batch, const struct cluster_document *document);
/* Appends a piece of our documents behind `after` as frames; *after_r: how far it came. */
MUST_USE enum st cluster_sync_write(struct store *store, int64_t after, struct buf *out,
                                    int64_t *after_r);

/* --- cluster_link.c: one connection, of either side --- */

#define CLUSTER_LINK_OUT_BYTES (4 * MIB)
#define CLUSTER_LINK_PUSH_BYTES (1 * MIB) /* no more documents while so much waits to be sent */

struct cluster_link {
    struct cluster *cluster;
    struct cluster_peer *peer;
    bool client; /* we connected */
    bool greeted;
    char name[CLUSTER_NAME_BYTES_MAX + 1]; /* in its certificate */
    int64_t issued_ms;
    int64_t sent;         /* our documents up to there were told */
    uint64_t their_epoch; /* of its documents */
    struct buf out;
    struct cluster_batch *batch;
    uint64_t ping;    /* the last one's number */
    uint64_t ping_us; /* when it was sent */
    uint64_t heard_ms;
    struct buf renew_key;        /* of a request under way */
    char why[CLUSTER_WHY_BYTES]; /* why it ends */
};

void cluster_link_init(struct cluster_link *link, struct cluster *cluster, bool client);
void cluster_link_fini(struct cluster_link *link);
void cluster_link_hello(struct cluster_link *link);
void cluster_link_ping(struct cluster_link *link, bool view);
void cluster_link_renew(struct cluster_link *link);
/* Takes whole frames; answers gather in link->out. Not ST_OK: the connection ends, link->why. */
MUST_USE enum st cluster_link_input(struct cluster_link *link, struct slice in, size_t *used_r);
/* Adds documents that the other has not been told. *more_r: there are still more. */
MUST_USE enum st cluster_link_push(struct cluster_link *link, bool *more_r);
/* False: its certificate was revoked meanwhile. */
bool cluster_link_allowed(struct cluster_link *link);

/* --- cluster_peer.c --- */
/* How long a server may be silent before it is taken for down. */
uint64_t cluster_patience_ms(void);

struct cluster_dialing {
    struct cluster_peer *peer;
    const char *address; /* its host:port */
    int stop_fd;
    /* When all of it must be over; of a name the address that was found last is taken then.
     * 0: cluster_patience_ms() for each step, and the resolver has its time. */
    uint64_t deadline_ms;
};
/* Connects to the peer: TLS, its certificate looked at. *issued_ms_r: that one's time. ST_AGAIN: no
 * answer in time. Fails with a phrase in why (CLUSTER_WHY_BYTES); stream is to be closed in any
 * case. */
MUST_USE enum st cluster_dial(const struct cluster_dialing *dialing, struct sys_stream *stream,
                              int64_t *issued_ms_r, char *why);
MUST_USE enum st cluster_peer_start(struct cluster_peer *peer);
void cluster_peer_stop(struct cluster_peer *peer);

/* --- cluster_hold.c: copies of another server's messages, on the side that keeps them --- */
struct cluster_hold;
struct cluster_hold *cluster_hold_new(struct cluster *cluster, struct cluster_peer *peer);
void cluster_hold_free(struct cluster_hold **hold);
/* Takes whole frames; answers gather in out. Not ST_OK: the connection ends, *why_r tells. */
MUST_USE enum st cluster_hold_input(struct cluster_hold *hold, struct slice in, size_t *used_r,
                                    struct buf *out, const char **why_r);

/* --- cluster_ask.c: questions to other servers --- */
struct cluster_asks *cluster_asks_new(struct cluster *cluster);
/* Those under way end now, and no more begin. */
void cluster_asks_stop(struct cluster_asks *asks);
void cluster_asks_free(struct cluster_asks **asks);
/* Idle connections to it are closed: one of its connections ended. */
void cluster_asks_drop(struct cluster_asks *asks, const struct cluster_peer *peer);
void cluster_asks_tick(struct cluster_asks *asks, uint64_t now_ms); /* what is idle for long goes */

/* --- cluster_asked.c: questions of another server, on a connection of its own --- */
/* Never NULL. The connection's, on whose thread all of it runs. */
struct cluster_asked *cluster_asked_new(struct cluster *cluster, struct conn *conn);
void cluster_asked_free(struct cluster_asked **asked);
/* Takes one whole frame, and answers. Not ST_OK: the connection ends, *why_r tells. */
MUST_USE enum st cluster_asked_input(struct cluster_asked *asked, struct slice in, size_t *used_r,
                                     const char **why_r);
/* Those under way find that nobody waits any more. */
void cluster_asked_stop(struct cluster *cluster);

/* --- cluster_shadow.c --- */
struct cluster_shadows *cluster_shadows_new(struct cluster *cluster);
void cluster_shadows_stop(struct cluster_shadows *shadows);
void cluster_shadows_free(struct cluster_shadows **shadows);

/* --- cluster_session.c --- */
void cluster_session_wake_all(struct cluster *cluster);
