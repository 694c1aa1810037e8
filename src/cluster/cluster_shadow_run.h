/* cluster_shadow_run.h: what the files of the copies share. Inside cluster/. */
#pragma once
#include "cluster/cluster_run.h"
#include "cluster/cluster_shadow.h"
#include "sys/sys_stream.h"

#define SHADOW_BATCH_COPIES 64
#define SHADOW_BATCH_BYTES (2 * MIB)
#define SHADOW_BATCHES 3 /* sent and not yet saved */

struct shadow_slot {
    struct cluster_copy *copy; /* NULL: nobody waits for it any more */
    char guid[STORE_GUID_BYTES];
};

struct shadow_batch {
    uint64_t number; /* 0: the slot is free */
    uint64_t sent_ms;
    size_t count;
    struct shadow_slot slots[SHADOW_BATCH_COPIES];
};

/* Another server of the cluster. Kept until the end; under shadows->lock but for the thread's. */
struct shadow_partner {
    struct shadow_partner *next;
    struct cluster_shadows *shadows;
    char name[CLUSTER_NAME_BYTES_MAX + 1];
    size_t order; /* in the cluster's document, counted from behind ourselves */
    bool listed;
    bool runs;
    bool ready;       /* settled with, and connected */
    bool doubtful;    /* we were away: it may have taken over what it has */
    bool settling;    /* connected anew: what it took over meanwhile is not known yet */
    uint64_t lost_ms; /* when it was ready last */
    pthread_t thread;
    int stop_fd; /* readable: the thread is to end */
    int wake_fd; /* there is work */
    struct shadow_batch batches[SHADOW_BATCHES];
    struct buf finished; /* lines of a DONE frame */
    uint64_t numbers;
    /* the thread's */
    struct sys_stream stream;
    struct buf in;
    struct buf out;
    int64_t issued_ms;
    uint64_t spoke_ms;
    uint64_t listed_ms; /* when it was last asked what it has */
    bool listing;       /* its answer is not all there */
    bool settled;       /* it was settled with before, in this life of ours */
    bool lists_anew;    /* we are connected anew: nothing goes before it is over */
    char why[CLUSTER_WHY_BYTES];
};

struct cluster_shadows {
    struct cluster *cluster;
    struct cluster_shadow_hooks hooks;
    pthread_mutex_t lock;
    struct shadow_partner *partners;
    struct shadow_partner *chosen; /* who gets copies; NULL: nobody is ready */
    struct cluster_copy *first, **tail;
    struct cluster_copy *active; /* by guid */
    size_t partner_count;        /* listed */
    uint64_t ticked_ms;
    bool stopping;
};

/* Lock held. */
void shadow_choose(struct cluster_shadows *shadows);
/* Lock held: the copy is over; its list, to be told with shadow_tell() without the lock. */
void shadow_end(struct cluster_copy *copy, enum st st, const char *server,
                struct cluster_copy **over);
void shadow_tell(struct cluster_copy *over);
void shadow_wake(const struct shadow_partner *partner);
/* The partner's thread. */
void *shadow_partner_main(void *arg);
