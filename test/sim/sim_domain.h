/* sim_domain.h: a domain of several servers under a virtual clock. Each server has its own snapshot
 * of the documents, its own table of how the others are, its own clocks and queue; links between
 * them are cut, slow and lossy, servers die between any two steps. What is decided is decided by
 * the router's and health's own functions; stores are plain rows: what is committed stays. */
#pragma once
#include "directory/directory.h"
#include "health/health.h"
#include "router/router_health.h"
#include "router/router_outcome.h"
#include "router/router_plan.h"
#include "sim_check.h"
#include "sim_clock.h"

#define DOM_SERVERS_MAX 12
#define DOM_PERSONS_MAX 24
#define DOM_FOREIGNS 3
#define DOM_DOCS_MAX 4 /* of a foreign domain */
#define DOM_HOSTS_MAX 24
#define DOM_NETS 2
#define DOM_DESTS_MAX 128
#define DOM_TARGETS_MAX 32
#define DOM_EDITIONS 3
#define DOM_NONE UINT32_MAX
#define DOM_HANDOVERS_MAX 64
#define DOM_OWN_MAX 4 /* smtp_received_own_max and one */

enum dom_kind { DOM_ACCOUNT, DOM_FOREIGN, DOM_SHARED, DOM_NET };

/* A message to one recipient, from the client's 250 on: the ledger. */
struct dom_message {
    int64_t at_ms;
    enum dom_kind kind;
    uint32_t to;        /* person, foreign domain or net */
    uint32_t open;      /* rows of it that are not over */
    uint16_t mailboxed; /* times it lies in the mailbox */
    uint16_t foreign;   /* times another system took it */
    uint16_t reported;
    uint16_t excused; /* times a 250 was lost, so that it may be twice elsewhere */
    bool accepted;
    bool held; /* for a document, or because it went in a circle */
};

/* A row of a queue in a store. */
struct dom_row {
    struct sim_row sim; /* times are of the owner's wall clock */
    uint32_t message;
    uint32_t guid;  /* the envelope's */
    uint32_t owner; /* the server */
    uint32_t dest;
    char key[200];    /* the destination's, while its way goes by servers of the domain; "" */
    uint32_t notch;   /* raised with each store into a heap: older entries count no more */
    uint32_t handers; /* servers that handed it over, since documents changed last */
    uint64_t visits;  /* four bits for each server: how often it was there */
    uint32_t handovers;
    uint8_t chain[DOM_HANDOVERS_MAX]; /* where it was */
    uint32_t edits;                   /* of the domain when handers began */
    uint32_t from;                    /* the server that handed it over; DOM_NONE: a client's */
    bool again;                       /* it was here before */
    bool noted; /* in the journal: over, though the store does not say so yet */
};

struct dom_dest {
    char key[200];
    struct router_pace pace;
    uint64_t retry_max_ms;
    uint64_t connections_max;
    struct sim_heap rows; /* true time; number and notch */
    unsigned active;
    int64_t wake_ms;
};

struct dom_server {
    char name[8];
    unsigned group;
    bool alive;
    unsigned downs; /* faults that keep it dead */
    unsigned busy;
    unsigned restricted;
    unsigned slow;
    int64_t slow_ms;
    uint32_t life; /* raised with each start; its epoch */
    int64_t wall_skew_ms;
    uint64_t mono_base_ms;
    int64_t mono_ppm;
    unsigned threshold;
    unsigned edition;
    const struct directory *directory;
    struct health_server peers[DOM_SERVERS_MAX];
    struct router_health *hosts;
    struct dom_dest *dests;
    uint32_t dest_count;
    int64_t lease_until_ms; /* its wall clock */
};

struct dom_link {
    unsigned cut;
    unsigned lossy;
    unsigned slow;
    int64_t delay_ms;
};

struct dom_doc {
    uint32_t gateway;
    unsigned priority;
    int64_t modified_ms;
    uint32_t readers; /* a bit for each server; 0: everybody */
    uint32_t hosts[3];
    unsigned host_count;
};

struct dom_person {
    unsigned group;
    uint32_t servers[4]; /* DOM_NONE: one that does not exist */
    unsigned server_count;
};

struct dom_edition {
    struct dom_doc docs[DOM_FOREIGNS][DOM_DOCS_MAX];
    unsigned doc_count[DOM_FOREIGNS];
};

enum dom_step { DOM_FREE, DOM_BEGIN, DOM_OPENING, DOM_ARRIVING, DOM_REPLYING, DOM_SETTLING };

struct dom_target {
    bool is_server;
    uint32_t number;
    uint16_t port;
    char name[24];
};

/* An attempt under way. */
struct dom_slot {
    enum dom_step step;
    uint32_t next_free;
    uint32_t server;
    uint32_t life; /* of the server; it died if it has another now */
    uint32_t dest;
    uint32_t row;
    struct dom_target targets[DOM_TARGETS_MAX];
    uint32_t target_count;
    uint32_t target;
    struct router_heard heard;
    struct router_answer answer;
    struct router_outcome outcome;
    bool opened;
    bool any_opened;
    bool doubt;
    bool path; /* there was one when it began, in a calm */
    uint32_t peer_life;
    int64_t began_ms;
};

enum dom_fault_kind {
    DOM_KILL,
    DOM_BUSY,
    DOM_RESTRICT,
    DOM_SLOW,
    DOM_CUT,
    DOM_CUT_ONE_WAY,
    DOM_LOSS,
    DOM_DELAY,
    DOM_FAULT_MAX,
};
struct dom_fault {
    enum dom_fault_kind kind;
    uint32_t a, b;
    bool used;
};
#define DOM_FAULTS_MAX 128

struct dom_figures {
    uint64_t delivered, foreign, reported, refused, excused, handovers, known, moved, waited;
    uint64_t attempts, plans, pings, kills, faults, deferred, taken_over, judged, loops, unknown,
        blind, held_out, stranded, calm_ms;
};

struct dom {
    uint64_t seed;
    uint64_t random;
    int64_t now_ms;
    int64_t scale;
    int64_t arrivals_ms; /* how long messages come */
    struct sim_heap events;
    struct arena *arena;
    struct sim_world world; /* the hosts of other systems */
    struct dom_server servers[DOM_SERVERS_MAX];
    uint32_t server_count;
    unsigned group_count;
    struct dom_link links[DOM_SERVERS_MAX][DOM_SERVERS_MAX];
    uint32_t clusters[4]; /* masks */
    unsigned cluster_count;
    struct dom_person persons[DOM_PERSONS_MAX];
    uint32_t person_count;
    struct dom_edition editions[DOM_EDITIONS];
    enum router_failover failover;
    bool pass_busy;
    struct health_limits limits;
    int64_t ping_ms;
    int64_t patience_ms; /* for an answer */
    struct dom_fault faults[DOM_FAULTS_MAX];
    unsigned turbulent; /* faults that say something else each moment */
    int64_t changed_ms; /* when anything last changed */
    uint32_t edits;
    struct dom_message *messages;
    uint32_t message_count;
    uint32_t arrived;
    uint32_t open_count; /* messages that are not over */
    struct dom_row *rows;
    uint32_t row_count, row_cap;
    uint64_t *claims; /* open addressing: group, guid and message; 0: free */
    size_t claim_count, claim_cap;
    struct dom_slot *slots;
    uint32_t slot_count, slot_free;
    uint32_t guid;
    struct dom_figures figures;
};

enum dom_event {
    DOM_ARRIVAL,
    DOM_TICK,
    DOM_PONG,
    DOM_DEST,
    DOM_SLOT,
    DOM_FAULT,
    DOM_HEAL,
    DOM_LEASE,
    DOM_AGE,
    DOM_EDIT,
    DOM_AUDIT,
};

/* --- sim_domain_make.c --- */
/* A domain by chance, from seed. */
void dom_make(struct dom *dom, uint64_t seed, uint32_t messages);
void dom_end(struct dom *dom);
const struct directory *dom_snapshot(const struct dom *dom, uint32_t server, unsigned edition);
void dom_address(const struct dom *dom, uint32_t message, char text[64]);

/* --- sim_domain_fault.c --- */
void dom_event(struct dom *dom, int64_t at_ms, enum dom_event event, uint64_t number);
bool dom_linked(const struct dom *dom, uint32_t a, uint32_t b); /* both ways */
/* How long something takes from a to b; its slowness, too. */
int64_t dom_delay(struct dom *dom, uint32_t a, uint32_t b);
void dom_fault(struct dom *dom);
void dom_heal(struct dom *dom, uint32_t number);
void dom_kill(struct dom *dom, uint32_t server, int64_t ms);
/* It dies here, now and then; true. */
bool dom_may_die(struct dom *dom, uint32_t server);
bool dom_calm(const struct dom *dom);
/* How long after the last change all is known. */
int64_t dom_grace(const struct dom *dom);
void dom_tick(struct dom *dom, uint32_t server);
void dom_pong(struct dom *dom, uint64_t number);

/* --- sim_domain_queue.c --- */
int64_t dom_wall(const struct dom_server *server, int64_t now_ms);
void dom_plan(struct dom *dom, uint32_t server, const struct dom_row *row,
              struct router_plan *plan_r);
struct router_pace_limits dom_limits(const struct dom_dest *dest);
uint32_t dom_dest_find(struct dom *dom, uint32_t server, const char *key);
void dom_kick(struct dom *dom, uint32_t server, uint32_t dest);
void dom_row_store(struct dom *dom, uint32_t row, uint32_t dest);
void dom_row_end(struct dom *dom, uint32_t row, bool failed);
/* What the server says to a message; commits what it takes. from: the row at the server that hands
 * it over, DOM_NONE: a client's. 250, or what is said instead. */
unsigned dom_accept(struct dom *dom, uint32_t server, uint32_t message, uint32_t from);
bool dom_deliver(struct dom *dom, uint32_t server, uint32_t message);
void dom_look_servers(struct dom *dom, uint32_t server);
void dom_look_documents(struct dom *dom, uint32_t server);
void dom_start(struct dom *dom, uint32_t server); /* after a kill, or at first */
void dom_stop(struct dom *dom, uint32_t server);
void dom_lease(struct dom *dom, uint32_t server);
void dom_age(struct dom *dom, uint32_t server);
void dom_audit(struct dom *dom);

/* --- sim_domain_attempt.c --- */
uint32_t dom_slot_new(struct dom *dom, uint32_t server, uint32_t dest, uint32_t row);
void dom_slot_step(struct dom *dom, uint32_t slot);

/* --- sim_domain_check.c --- */
/* Whether somebody takes the row from this server, by what is true and what the documents say. */
bool dom_path(const struct dom *dom, uint32_t server, const struct dom_row *row);
/* The server refused a client's message. */
void dom_check_refusal(const struct dom *dom, uint32_t server, uint32_t message);
/* Restricted ones are never asked, those that are down only where nobody else is, busy ones last.
 */
void dom_check_hops(const struct dom *dom, const struct dom_slot *slot);
void dom_check_handover(struct dom *dom, uint32_t server, uint32_t to, struct dom_row *row);
void dom_check_end(struct dom *dom);
