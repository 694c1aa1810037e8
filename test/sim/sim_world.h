/* sim_world.h: the other servers: hosts that answer well, badly, late, never, or one thing and mean
 * another, each by a schedule of its own; and the ledger of what they took. */
#pragma once
#include "router/router_answer.h"
#include "sys/sys_dns.h"

#define SIM_START_MS INT64_C(1000000000000)
#define SIM_HOSTS_MAX 3
#define SIM_PHASES_MAX 24

enum sim_row_state { SIM_QUEUED, SIM_READ, SIM_TRIED_NOW, SIM_DELIVERED, SIM_FAILED };

/* A recipient of a message. */
struct sim_row {
    /* the queue's */
    int64_t accepted_ms;
    int64_t next_ms;
    uint32_t message;
    uint32_t domain;
    uint32_t attempts;
    uint32_t notify;
    uint32_t dest;
    bool null_sender;
    enum sim_row_state state;
    /* the ledger's */
    uint8_t taken;          /* times a host took it for its own */
    uint8_t unheard;        /* of these, times its 250 did not arrive */
    bool refused;           /* a host said 5yz of it in this attempt */
    bool confirmed;         /* a host said 250, and it was heard */
    bool doubtful;          /* in this attempt a host may have taken it */
    bool hopeless;          /* what hosts of this attempt answered, if they did: no such feature */
    int64_t first_offer_ms; /* for hosts that greylist */
};

struct sim_phase {
    int64_t until_ms;
    unsigned behaviour;
};

struct sim_host {
    struct sim_phase phases[SIM_PHASES_MAX];
    size_t phase_count;
    bool tells;     /* does DSN (RFC 3461) */
    bool greylists; /* 451 to what it has not seen five minutes ago */
    unsigned crowd; /* connections at a time, others are sent away with 421; 0: any number */
    unsigned connections;
};

enum sim_dns { SIM_DNS_GOOD, SIM_DNS_NULL_MX, SIM_DNS_LAME };

struct sim_domain {
    uint32_t first_host; /* its hosts are first_host and the next ones */
    uint32_t host_count;
    uint16_t preference[SIM_HOSTS_MAX];
    char host_name[SIM_HOSTS_MAX][24]; /* "h12.test" */
    char name[24];
    enum sim_dns dns;
};

struct sim_world {
    uint64_t random;
    struct sim_domain *domains;
    uint32_t domain_count;
    struct sim_host *hosts;
    uint32_t host_count;
    uint64_t answers; /* given */
};

/* until_ms: all schedules end then; half of the hosts are well from then on, the others keep on as
 * they were, to the end of time. */
void sim_world_init(struct sim_world *world, uint64_t seed, uint32_t domain_count,
                    int64_t until_ms);
void sim_world_fini(struct sim_world *world);

/* The host takes a connection: true. cost_ms_r: how long it is until that is known. */
bool sim_host_open(struct sim_world *world, uint32_t host, int64_t now_ms,
                   struct router_answer *answer_r, int64_t *cost_ms_r);
/* One transaction; fills in the ledger. */
void sim_host_send(struct sim_world *world, uint32_t host, int64_t now_ms, struct sim_row *rows[],
                   size_t count, struct router_answer answers_r[], int64_t *cost_ms_r);

/* The ledger of one recipient: a host answered; takes: the message is its own from then on. */
void sim_row_note(struct sim_row *row, const struct router_answer *answer, bool takes);

/* For worlds made by hand: the behaviour of this name, or one by chance. */
unsigned sim_behaviour(const char *name);
unsigned sim_behaviour_any(uint64_t *random);
