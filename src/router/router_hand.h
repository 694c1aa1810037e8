/* router_hand.h: what administrators see of the queue and do to it by hand, while it is at work. */
#pragma once
#include "router/router_hosts.h"
#include "router/router_queue.h"
#include "store/store_queue.h"

/* --- looking --- */

/* How a destination is, as its threads know it. */
struct router_dest_look {
    uint64_t attempts; /* failures since its last success; 0: it is not down */
    int64_t next_ms;   /* not tried before */
    unsigned active;   /* connections at work */
    char answer[STORE_ANSWER_BYTES_MAX + 1]; /* when it failed last; "" */
};
/* False: it is not at work; what the store says of it holds. */
bool router_dest_look(struct router_queue *queue, struct slice key,
                      struct router_dest_look *look_r);
/* Those at work that are down, at most limit; returns how many. Names live in arena. */
struct router_down {
    const char *key;
    int64_t destination_id;
    struct router_dest_look look;
};
size_t router_down_list(struct router_queue *queue, struct arena *arena, struct router_down *list_r,
                        size_t limit);

/* As router_hosts(), with the queue's name servers and this server's name. */
MUST_USE enum st router_queue_hosts(const struct router_queue *queue, struct arena *arena,
                                    const struct router_hop *hop, const char *domain,
                                    struct router_host *list_r, size_t *count_r,
                                    struct router_answer *answer_r);

/* --- changing --- */

enum router_hand {
    ROUTER_HAND_RETRY,   /* what is queued is tried at once, its destination too */
    ROUTER_HAND_HOLD,    /* what is queued is not tried until it is released */
    ROUTER_HAND_RELEASE, /* what is held is tried at once */
    ROUTER_HAND_BOUNCE,  /* what is queued or held goes back to its sender */
    ROUTER_HAND_DROP,    /* whatever it is, it goes, and nobody is told */
    ROUTER_HAND_MAX,
};
extern const char *const router_hand_names[ROUTER_HAND_MAX]; /* "retry" */

struct router_hand_counts {
    uint64_t changed;
    uint64_t tried;   /* of these, on their way at that moment: they may arrive all the same */
    uint64_t unfit;   /* in a state that it is not for, or gone meanwhile */
    uint64_t foreign; /* of another server, which must be asked itself */
};
struct router_hand_work {
    enum router_hand what;
    struct slice text; /* of a bounce: what its sender is told */
    const char *who;   /* for the log */
};
#define ROUTER_HAND_ROWS_MAX 100
/* Changes the rows, from store_queue_each() or store_queue_get(), in one transaction, logs each,
 * and wakes the queue. Adds to *counts. */
MUST_USE enum st router_hand_do(struct router_queue *queue, const struct router_hand_work *work,
                                const struct store_queued *rows, size_t count,
                                struct router_hand_counts *counts);
