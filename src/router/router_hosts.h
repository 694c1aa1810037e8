/* router_hosts.h: the hosts and addresses of a hop, as the domain name system has them now. */
#pragma once
#include "router/router_plan.h"

struct sys_dns;

#define ROUTER_HOSTS_MAX 10 /* addresses tried in one attempt for one hop */

struct router_host {
    const char *name;
    const char *address;
    uint16_t port;
};

/* In the order they are to be tried (RFC 5321 section 5.1): ST_OK, at least one, in arena.
 * ST_DENIED: mail cannot go there (no such domain, null MX, we are its best host), ST_AGAIN: the
 * name servers do not say now; *answer_r tells. random shuffles hosts of equal preference. */
MUST_USE enum st router_hosts(struct sys_dns *dns, struct arena *arena,
                              const struct router_hop *hop, const char *domain,
                              const char *own_name, uint32_t random, struct router_host *list_r,
                              size_t *count_r, struct router_answer *answer_r);
