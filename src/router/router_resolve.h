/* router_resolve.h: what an address becomes: accounts here and addresses elsewhere. Pure over the
 * directory's snapshot.
 *
 * In this order: the rules that rewrite recipients; names and aliases of persons and groups, with
 * and without +detail; postmaster, who always reaches somebody; a catch-all; a foreign system that
 * shares the domain and has all others. Groups are expanded, those in groups too, and forwards
 * followed, through everything that the directory knows; each document is looked at once, so
 * circles end by themselves. Members and forwards are taken as they stand: no rule rewrites them.
 */
#pragma once
#include "base/base.h"

#include <uthash.h>

struct arena;
struct directory;

enum router_kind {
    ROUTER_LOCAL,  /* an account of this store */
    ROUTER_REMOTE, /* an address of another domain, or of a person whose account is elsewhere */
};

/* One of those whom a message goes to. */
struct router_target {
    enum router_kind kind;
    size_t rcpt;        /* which recipient brought it first: its number in the transaction */
    const char *via;    /* "direct", "alias", "catch-all", "postmaster", "rewritten", "group sales",
                         * "forward of bob" */
    bool expanded;      /* a group lies between (RFC 3461 section 5.2.7.3) */
    bool forwarded;     /* a person's forward lies between */
    int64_t account_id; /* of LOCAL */
    uint64_t quota_bytes; /* 0: none */
    const char *name;     /* the account's */
    struct slice address; /* of REMOTE: local@domain, quoted where it must be */
    struct slice domain;  /* lower case */
    bool known;           /* the message was taken for it before; nothing becomes of it now */
    enum st st;           /* what became of it: ST_OK, ST_FULL, ST_NOT_FOUND (removed meanwhile) */

    UT_hash_handle hh; /* inside router_resolve.c from here on */
    uint64_t seen;
};

/* All whom one transaction's message goes to, each account and each address once. Zeroed, then
 * arena is set; everything lives there and nothing needs to be freed. */
struct router_targets {
    struct arena *arena;
    struct router_target **list;
    size_t count;

    size_t cap; /* inside router_resolve.c from here on */
    struct router_target *accounts;
    struct router_target *addresses;
    struct router_visit *visits;
    uint64_t serial;
    size_t rcpt_count;
    size_t looked_count;
    size_t linked_count;
    size_t undo_count;
    size_t undo_linked;
};

/* One recipient that was resolved. */
struct router_reach {
    struct router_target **targets; /* those it leads to, brought by others before it too */
    size_t count;
    size_t lost_count; /* members and forwards that lead to nobody; they were passed over */
    const char *lost;  /* the first of them */
};

enum router_verdict {
    ROUTER_OK,
    ROUTER_FOREIGN,  /* OK, but the recipient itself is of another domain: a matter of permission */
    ROUTER_NOBODY,   /* the domain is ours and there is no such address */
    ROUTER_NO_STORE, /* a person of the directory whose account is not in this store */
    ROUTER_EMPTY,    /* a group or a forward that reaches nobody: no members, or in a circle */
    ROUTER_TOO_MANY, /* more than group_members_max */
    ROUTER_LATER,    /* too many together with the transaction's other recipients */
    ROUTER_VERDICT_MAX,
};

/* What the address becomes; appends to targets whom it brings and fills *reach_r. With a verdict
 * other than OK and FOREIGN targets are as before. local and domain are borrowed for the call;
 * domain is not empty. */
enum router_verdict router_resolve(const struct directory *directory, struct slice local,
                                   struct slice domain, struct router_targets *targets,
                                   struct router_reach *reach_r);
/* In the order of account ids: two transactions that deliver to the same accounts never wait for
 * each other. */
void router_targets_by_account(struct router_target **list, size_t count);
/* Takes back the last router_resolve() that said OK or FOREIGN: the recipient was refused. */
void router_resolve_undo(struct router_targets *targets);
