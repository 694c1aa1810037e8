/* router_plan.h: which way a message goes to an address of another domain. Pure: the directory's
 * snapshot, what is known of the hosts, and the time give the hops, in order, each with its reason.
 * It is made anew at each try. */
#pragma once
#include "router/router_client.h"
#include "router/router_health.h"

struct arena;
struct directory;

struct router_question {
    const struct directory *directory;
    const struct router_health *health; /* NULL: nothing is known */
    struct slice address;               /* local@domain */
    enum router_tls tls;                /* where no connection document says */
    uint16_t mx_port;
    int64_t now_ms;
};

enum router_way {
    ROUTER_WAY_SEND,   /* to the hops, in order */
    ROUTER_WAY_HERE,   /* the domain is served here: it is resolved and put into mailboxes */
    ROUTER_WAY_REFUSE, /* nobody could take it */
};

struct router_hop {
    bool mx;          /* the hosts that the domain name system names for the domain */
    const char *host; /* where mx is not set: a name, or an address without brackets */
    uint16_t port;
    enum router_tls tls;
    bool tls_first;
    const char *user; /* NULL: no log-in */
    const char *password;
    const char *why;
};

struct router_plan {
    enum router_way way;
    const char *key;    /* what messages of the same way share, "domain example.net" */
    const char *domain; /* lower case */
    const struct router_hop *hops;
    size_t hop_count;
    bool fixed;               /* the hops are hosts by name, of a connection document */
    uint64_t connections_max; /* 0: the setting's */
    const char *why;
};

/* "none", "opportunistic", "required", "verified"; what is none of them counts as the second. */
enum router_tls router_tls_find(const char *name);

/* Everything lives in arena, or as long as the snapshot. */
void router_plan(const struct router_question *question, struct arena *arena,
                 struct router_plan *plan_r);
