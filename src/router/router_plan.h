/* router_plan.h: which way a message goes to an address that is not for this server: to the servers
 * that hold a person's account, to a foreign system, by its gateways, or to another domain. Pure:
 * the directory's snapshot, what is known of servers and hosts, and the time give the hops, in
 * order, each with its reason. It is made anew at each try. */
#pragma once
#include "router/router_client.h"
#include "router/router_health.h"

#include "health/health_rank.h"

struct arena;
struct directory;
struct directory_foreign;

/* Where a server that does not answer is replaced by another of its cluster. */
enum router_failover {
    ROUTER_FAILOVER_OFF,      /* nowhere: the message waits */
    ROUTER_FAILOVER_LAST_HOP, /* where the servers hold the recipient's account */
    ROUTER_FAILOVER_ALL,      /* also where it is a gateway on the way */
    ROUTER_FAILOVER_MAX,
};

struct router_question {
    const struct directory *directory;
    const struct router_health *health; /* NULL: nothing is known */
    struct slice address;               /* local@domain */
    enum router_tls tls;                /* where no connection document says */
    uint16_t mx_port;
    int64_t now_ms;
    const char *server_name;           /* this server's */
    const struct health_view *servers; /* how the domain's servers are; NULL: nothing is known */
    uint64_t mono_ms;                  /* now, of servers' clock */
    enum router_failover failover;
    bool pass_busy;        /* a busy server is passed over as long as there is another */
    struct slice from;     /* the server of the domain that handed it over; empty: none */
    bool again;            /* it was here before: a gateway sends it itself */
    const char *queued_as; /* the key that it waits under; NULL: it is new */
    bool explain;          /* the candidates are wanted too */
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
    /* A server of our domain: TLS from the first byte with the domain's certificates on both sides,
     * and it must be the server of this name. NULL: it is none. */
    const char *server;
    /* Set where this server is the gateway: addresses are rewritten by it on the way out. */
    const struct directory_foreign *foreign;
    const char *why;
};

struct router_plan {
    enum router_way way;
    const char *key;    /* what messages of the same way share, "domain example.net" */
    const char *domain; /* lower case */
    const struct router_hop *hops;
    size_t hop_count;
    const struct health_candidate *candidates; /* in the order looked at */
    size_t candidate_count;
    bool fixed;               /* the hops are hosts by name, of a document */
    bool gateway;             /* to a foreign system, by this server */
    bool nobody;              /* HERE, and nobody has the address */
    uint64_t connections_max; /* 0: the setting's */
    const char *why;
};

/* Whether the key is of a way that goes by servers of the domain: to accounts, or to gateways. */
bool router_plan_key_is_inside(const char *key);

/* Whether another server of the domain can mean this one for mail to the domain: it is served here,
 * or a foreign-domain document says what to do. Where not, the document is on its way here, or not
 * for this server to see: the other one keeps the mail for now. */
bool router_plan_knows(const struct directory *directory, struct slice domain);
/* Here ends the message's way through the domain's servers: it goes into mailboxes, or to another
 * system. False: another server is to have it. */
bool router_plan_ends(const struct router_plan *plan);

/* "none", "opportunistic", "required", "verified"; what is none of them counts as the second. */
enum router_tls router_tls_find(const char *name);

/* Everything lives in arena, or as long as the snapshot. */
void router_plan(const struct router_question *question, struct arena *arena,
                 struct router_plan *plan_r);
