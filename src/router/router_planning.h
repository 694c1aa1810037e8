/* router_planning.h: a plan while it is made; for router_plan.c and router_plan_servers.c. */
#pragma once
#include "directory/directory.h"
#include "router/router_plan.h"

#define ROUTER_HOPS_MAX 100

#define ROUTER_KEY_FOREIGN "foreign" /* how the key of a foreign domain begins */

struct router_planned {
    struct router_hop hop;
    enum health_rank rank; /* LATER: of the cluster of a gateway that does not answer */
    size_t candidate;      /* of the list, where the question asks for it */
};

struct router_planning {
    const struct router_question *question;
    struct arena *arena;
    struct router_planned list[ROUTER_HOPS_MAX];
    size_t count;
    struct health_candidate candidates[ROUTER_HOPS_MAX];
    size_t candidate_count;
    struct router_plan *plan;
};

PRINTF(2, 3) const char *router_plan_text(struct arena *arena, const char *fmt, ...);
/* A hop and what it is called; state: how it is, "" where nothing is known. */
void router_plan_add(struct router_planning *p, const struct router_hop *hop, enum health_rank rank,
                     const char *name, const char *state);
/* The hosts of a connection; with foreign set those of a gateway. */
void router_plan_hosts(struct router_planning *p, const struct directory_connection *connection,
                       const struct directory_foreign *foreign);

/* To the servers that hold the person's account. */
void router_plan_person(struct router_planning *p, const struct directory_person *person);
/* What was handed over for a foreign system, and no document that is seen here is for it any more,
 * goes back to who gave it. False: this is not such a message. */
bool router_plan_back(struct router_planning *p);
/* To a foreign system by the documents in list, which is in their order. */
void router_plan_foreign(struct router_planning *p, const struct directory_foreign **list,
                         size_t count, const char *key);
