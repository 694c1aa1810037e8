/* sim_queue.h: the queue at work under a virtual clock. Its threads, windows and waits are modelled
 * after router_queue.c, router_window.c, router_sender.c, router_send.c and router_age.c; all that
 * is decided is decided by the router's own functions. */
#pragma once
#include "router/router_health.h"
#include "router/router_outcome.h"
#include "router/router_plan.h"
#include "sim_check.h"
#include "sim_clock.h"

#include <uthash.h>

#define SIM_WINDOW_COUNT 200
#define SIM_RCPTS_MAX 5
#define SIM_TARGETS_MAX 16

struct sim_dest {
    UT_hash_handle hh; /* sim.dests; key */
    char key[64];
    uint32_t id;
    struct router_pace pace;
    uint64_t connections_max;
    uint64_t retry_max_ms;
    uint64_t most;         /* the highest connections_max it ever had */
    struct sim_heap store; /* rows that are in no window */
    uint32_t window[SIM_WINDOW_COUNT];
    size_t window_at;
    size_t window_end;
    unsigned active;
    unsigned connections;
    bool more;
    bool waiting;
    int64_t waiting_ms; /* since when */
    int64_t due_ms;
    int64_t wake_ms; /* an event is set for it */
    struct sim_dest *next_waiting;
};

enum sim_step { SIM_IDLE, SIM_BEGIN, SIM_OPENING, SIM_SENDING };

struct sim_target {
    enum { SIM_TARGET_HOST, SIM_TARGET_LAME, SIM_TARGET_DENIED } kind;
    uint32_t host;
    uint16_t port;
};

struct sim_sender {
    enum sim_step step;
    struct sim_dest *dest; /* it is at work for; its connection's while idle */
    int64_t idle_until_ms;
    int64_t turn_ms; /* when it was given to dest */
    /* its connection */
    bool connected;
    bool broken;
    uint32_t host;
    struct sim_dest *connected_to;
    unsigned sent;
    int64_t since_ms;
    /* its attempt */
    struct sim_row *rows[SIM_RCPTS_MAX];
    struct router_heard heard[SIM_RCPTS_MAX];
    struct router_answer answers[SIM_RCPTS_MAX];
    size_t count;
    struct sim_target targets[SIM_TARGETS_MAX];
    size_t target_count;
    size_t target;
    bool kept; /* sends on the connection of the last message */
    bool asked;
    bool opened;
};

struct sim_figures {
    uint64_t delivered, relayed, failed, expired, dropped, deferred, waited, moved;
    uint64_t doubled; /* taken twice, because a 250 was not heard */
    uint64_t attempts;
    uint64_t events;
    unsigned senders_most;
    int64_t wait_most_ms; /* of a destination for a sender */
    int64_t last_ms;
};

struct sim {
    uint64_t random;
    int64_t now_ms;
    struct sim_heap events;
    struct sim_world world;
    struct router_health *health;
    const struct directory *directory;
    const struct directory *next_directory; /* from half-time on; NULL: there is none */
    struct arena *arena;
    struct sim_dest *dests;
    struct sim_dest **by_id;
    uint32_t dest_count;
    struct sim_dest *waiting, **waiting_tail;
    struct sim_sender *senders;
    struct sim_row *rows;
    size_t row_count;
    size_t arrived;    /* rows accepted so far */
    size_t first_open; /* all rows before it are over */
    struct sim_figures figures;
};

/* rows: in the order of accepted_ms, rows of a message together, all queued. The world and the
 * directory are the caller's; rows, too. */
void sim_init(struct sim *sim, uint64_t seed);
void sim_fini(struct sim *sim);
/* Until nothing more happens. change_ms: when the next directory is in force. */
void sim_run(struct sim *sim, int64_t change_ms);

/* --- between sim_queue.c and sim_attempt.c --- */

struct router_pace_limits sim_dest_limits(const struct sim_dest *dest);
struct sim_dest *sim_dest_find(struct sim *sim, const char *key);
/* Gives a sender to the destination if it has work and may have one more. */
void sim_dest_kick(struct sim *sim, struct sim_dest *dest);
/* The row lies in the store again, for the destination. */
void sim_row_store(struct sim *sim, struct sim_row *row, struct sim_dest *dest);
void sim_row_plan(struct sim *sim, const struct sim_row *row, struct router_plan *plan_r);
void sim_row_end(struct sim *sim, struct sim_row *row, enum sim_row_state state);
/* The sender's next step comes after so many ms. */
void sim_sender_step(struct sim *sim, struct sim_sender *sender, enum sim_step step,
                     int64_t after_ms);
void sim_sender_hang_up(struct sim *sim, struct sim_sender *sender);

/* An attempt for sender->rows; true: it is over already. */
bool sim_attempt_begin(struct sim *sim, struct sim_sender *sender);
/* A step of it ended. */
bool sim_attempt_go_on(struct sim *sim, struct sim_sender *sender);
