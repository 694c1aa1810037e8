/* router_run.h: what the threads of the queue share. Inside router/. */
#pragma once
#include "router/router_health.h"
#include "router/router_opening.h"
#include "router/router_outcome.h"
#include "router/router_queue.h"
#include "store/store_queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

struct router_client;
struct router_shadow;
struct sys_dns;
struct sys_tls_client;

#define ROUTER_REPORT_KEY "report"
#define ROUTER_WINDOW_COUNT 200 /* rows of a destination read at a time */
#define ROUTER_BATCH_MAX 100    /* recipients in one transaction; RFC 5321 section 4.5.3.1.8 */
#define ROUTER_DESTS_MAX 10000
#define ROUTER_SETTLING_MAX 2000

struct router_item_key {
    int64_t envelope_id;
    int64_t rcpt_no;
};

/* A row of the store in memory: from its reading until what came of it is durable. */
struct router_item {
    UT_hash_handle hh; /* router_queue.items; key */
    struct router_item_key key;
    struct router_item *next; /* of a window, or of a batch */
    struct router_dest *dest;
    bool noted;              /* in the journal: another server has it */
    bool given_up;           /* another server took the message over while it was being tried */
    bool over;               /* durable already; kept while its destination's rows are being read */
    struct store_queued row; /* its texts lie in text */
    /* what comes of it */
    struct store_settle settle;
    struct router_heard heard;
    struct router_outcome outcome;
    char moved_key[300]; /* of STORE_SETTLE_MOVE */
    char text[];
};

struct router_dest {
    UT_hash_handle hh; /* router_queue.dests; key */
    char *key;
    _Atomic int64_t id;
    struct router_pace pace;
    uint64_t connections_max; /* of its connection document; 0: the setting's */
    uint64_t retry_max_ms;    /* of a smarthost: how often it is looked at; 0: the setting's */
    char answer[STORE_ANSWER_BYTES_MAX + 1];
    struct router_item *first, **tail; /* the window */
    size_t item_count;                 /* in memory, wherever they are */
    size_t over_count;                 /* of these, over while rows are being read */
    bool more;                         /* the store may have rows that are due */
    bool reading;
    unsigned active; /* senders at work on it */
    unsigned refs;
    int64_t due_ms; /* when the next of its rows comes due; STORE_NEVER_MS */
    int64_t used_ms;
    uint64_t held_ms; /* when it came back last while a copy's holder was out of touch */
    bool waiting;     /* for a sender: in queue->waiting */
    struct router_dest *next_waiting;
};

struct router_sender {
    struct router_queue *queue;
    struct router_sender *next;
    pthread_t thread;
    pthread_cond_t cond;
    struct router_dest *work;           /* given to it */
    _Atomic(struct router_dest *) last; /* what its connection is for; NULL: it has none */
    bool idle;
    bool ended;
    struct router_client *client;
    struct router_opening opening; /* queue->lock */
    char client_host[256];
    char client_foreign[65]; /* the document by whose rules what it gets is rewritten; or "" */
    int64_t client_since_ms;
    uint64_t client_sent;
};

struct router_queue {
    struct router_shadow *shadow; /* NULL: this server is of no domain */
    struct store *store;
    const char *server_name;
    int64_t server_id;
    _Atomic int64_t report_id;
    _Atomic int64_t lease_until_ms; /* STORE_NEVER_MS: nobody else has the store */
    struct router_health *health;   /* of hosts */
    struct health *servers;         /* of the domain's; NULL: alone */
    struct router_journal *journal;
    struct sys_dns *dns;
    struct sys_tls_client *tls;
    struct cluster *cluster;     /* NULL: this server is of no domain */
    void (*tasks_fn)(void *ctx); /* NULL: nobody waits for tasks */
    void *tasks_ctx;
    int stop_fds[2]; /* a pipe; readable once it stops for good */
    pthread_mutex_t lock;
    pthread_cond_t idle_cond; /* settling or senders became fewer */
    pthread_cond_t keeper_cond;
    struct router_dest *dests;
    struct router_item *items;
    struct router_dest *waiting, **waiting_tail;
    struct router_sender *senders;
    size_t sender_count;
    size_t idle_count;
    struct router_settling *undone; /* the store did not take it: again and again */
    size_t settling_count;
    int64_t wake_ms; /* when the keeper looks again */
    int64_t scan_after_id;
    struct store_watch *watch;
    atomic_bool documents_changed;
    atomic_bool servers_changed; /* how another server is */
    bool scan;
    int64_t warn_after_id; /* envelopes up to it are young, or their senders know */
    atomic_bool stopping;
    pthread_t keeper;
    bool started;
};

/* --- router_queue.c; lock held --- */
void router_queue_look_servers(struct router_queue *queue); /* takes the lock */
struct router_pace_limits router_dest_limits(const struct router_dest *dest);
/* Gives a sender to the destination if it has work and may have one more. */
void router_dest_kick(struct router_queue *queue, struct router_dest *dest, int64_t now_ms);
/* The next that found no sender free; the caller is its sender. NULL: none waits. */
struct router_dest *router_dest_waiting(struct router_queue *queue, int64_t now_ms);
void router_dest_due(struct router_queue *queue, struct router_dest *dest, int64_t due_ms);
struct router_dest *router_dest_find(struct router_queue *queue, struct slice key);
void router_item_add(struct router_dest *dest, struct router_item *item);
/* Whether the queue is still this server's to send. Without lock. */
bool router_queue_leased(const struct router_queue *queue, int64_t now_ms);
/* Gives the memory back; the row stays as it is in the store. */
void router_item_forget(struct router_queue *queue, struct router_item *item);
/* The row is done with in the store; it is forgotten once no reading under way may still show it.
 */
void router_item_over(struct router_queue *queue, struct router_item *item);
void router_items_forget(struct router_queue *queue, struct router_item **list);

/* --- router_window.c --- */
/* The next message of the destination with its recipients, as a list; reads the store where the
 * window is empty. NULL: nothing is due. Lock held, let go while it reads. */
struct router_item *router_take(struct router_queue *queue, struct router_dest *dest);
/* Out of its destination's window, which somebody else takes from; false: it is in none. Lock held.
 */
bool router_window_leave(struct router_item *item);
/* The row in memory, for the caller alone: out of its destination's window, and no reading takes it
 * up. NULL: a sender is at work on it. Without lock. */
struct router_item *router_claim(struct router_queue *queue, const struct store_queued *row);
/* done: the row is done with in the store; else it stays and is read again. Without lock. */
void router_release(struct router_queue *queue, struct router_item *item, bool done);

/* --- router_settle.c --- */
/* Makes what came of the items (item->settle) durable and forgets them; without lock. The items are
 * no longer the caller's. */
void router_settle(struct router_queue *queue, struct router_item *list);
/* Lock held, at the end: what the store did not take stays as it is there; what other servers took
 * is in the journal. */
void router_settle_drop(struct router_queue *queue);
/* Lock held: once more what the store did not take. */
void router_settle_undone(struct router_queue *queue);

/* --- router_sender.c --- */
void *router_sender_main(void *arg);
/* --- router_send.c --- */
/* One attempt for the batch; all its items are given away. Without lock. */
void router_send(struct router_sender *sender, struct router_dest *dest, struct router_item *batch);
void router_sender_hang_up(struct router_sender *sender);
/* --- router_report.c --- */
void router_report(struct router_queue *queue, struct router_item *batch);
/* --- router_age.c --- */
/* What is too old goes back to its sender; whose message is late is told. Without lock. */
void router_age_look(struct router_queue *queue, int64_t now_ms);
/* --- router_keeper.c --- */
void *router_keeper_main(void *arg);
