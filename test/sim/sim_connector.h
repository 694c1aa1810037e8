/* sim_connector.h: a domain of servers by chance with its documents, far systems and faults, and
 * what is true of it: who could answer whom. */
#pragma once
#include "base/base.h"
#include "directory/directory.h"
#include "health/health.h"
#include "sim_clock.h"

#define CON_SERVERS_MAX 12
#define CON_PERSONS 12
#define CON_FARS 3 /* far systems, each with a foreign domain */
#define CON_DOCS_MAX 12
#define CON_MONO_MS 1000000
#define CON_NONE UINT32_MAX

enum con_fault {
    CON_WELL,
    CON_SLOW,
    CON_BUSY,
    CON_RESTRICTED,
    CON_DOWN,    /* refuses connections */
    CON_HUNG,    /* takes the question, and is silent */
    CON_GARBAGE, /* answers what nobody can read */
};

struct con_doc {
    uint32_t far;
    uint32_t server; /* its calendar server; CON_NONE: one that is not there, or none named */
    bool mute;       /* does not say how to ask */
    uint32_t seen;   /* bits of servers */
};

/* Whom somebody wants to meet. */
enum con_kind { CON_PERSON, CON_FAR, CON_NOBODY };
struct con_attendee {
    enum con_kind kind;
    uint32_t number; /* of the person, or the far system */
    char address[40];
};

struct con_world {
    uint64_t seed, random;
    uint32_t server_count, doc_count;
    char names[CON_SERVERS_MAX][16];
    uint32_t holders[CON_PERSONS]; /* bits: servers of the document */
    uint32_t placed[CON_PERSONS];  /* ... that have the account in their store */
    struct con_doc docs[CON_DOCS_MAX];
    const struct directory *directories[CON_SERVERS_MAX];
    /* faults of now */
    bool calm;    /* there are none */
    bool far_off; /* only far systems fail, and say so */
    enum con_fault servers[CON_SERVERS_MAX], stores[CON_SERVERS_MAX], fars[CON_DOCS_MAX];
    bool cut[CON_SERVERS_MAX][CON_SERVERS_MAX]; /* from, to */
    uint32_t link_ms[CON_SERVERS_MAX][CON_SERVERS_MAX];
    uint32_t store_ms[CON_SERVERS_MAX], far_ms[CON_DOCS_MAX];
    bool silent_servers[CON_SERVERS_MAX], silent_fars[CON_DOCS_MAX]; /* it is thought of them */
    struct health_server known[CON_SERVERS_MAX][CON_SERVERS_MAX];
    struct health_view views[CON_SERVERS_MAX];
};

void con_world_init(struct con_world *world, uint64_t seed);
void con_world_fini(struct con_world *world);
void con_world_faults(struct con_world *world); /* other ones */
void con_world_attendee(struct con_world *world, struct con_attendee *attendee_r);

uint32_t con_world_server(const struct con_world *world, const char *name);
uint32_t con_world_doc(const char *name); /* "doc7" */
bool con_world_works(enum con_fault fault);
/* Whether a message gets from one to the other, and how long it takes. */
uint32_t con_world_link_ms(const struct con_world *world, uint32_t from, uint32_t to);
/* Whether a question at origin has a way to a good answer: by itself, by a server that it may ask,
 * or by one that another one reaches. Only ways that documents and what is known of servers leave
 * open count. */
bool con_world_has_way(const struct con_world *world, uint32_t origin,
                       const struct con_attendee *attendee);
