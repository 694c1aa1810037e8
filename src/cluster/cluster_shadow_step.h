/* cluster_shadow_step.h: what becomes of copies: decided from what one server knows alone. Pure. */
#pragma once
#include "health/health.h"

/* --- on the holder --- */

/* What it knows of the owner of copies. Times are of its own monotonic clock. */
struct cluster_owner_look {
    uint64_t absent_ms;      /* without a connection that brings copies; 0: there is one */
    bool known;              /* it is a server of the domain, and is watched */
    enum health_state state; /* how it is, if known */
    uint64_t state_ms;       /* since when */
    bool seen_by_others;     /* another server says that it is there */
    uint64_t open;           /* copies with somebody still to be served */
};
/* Whether what the owner left is taken over now: it is away and down for takeover_ms, and nobody
 * else sees it. One that is of the domain no more is down. */
bool cluster_shadow_takes(const struct cluster_owner_look *owner, uint64_t takeover_ms);

/* --- on the owner that is back, for each message that the holder names --- */

enum cluster_settle {
    CLUSTER_SETTLE_KEEP,    /* the copy stays what it is */
    CLUSTER_SETTLE_DROP,    /* we are done with it: so is the holder */
    CLUSTER_SETTLE_GIVE_UP, /* the holder has taken it over: it is not ours any more */
};
/* taken: it was taken over. known: it is in our queue, and the holder is who has the copy.
 * active: its copy is only just being made. */
enum cluster_settle cluster_shadow_settle(bool taken, bool known, bool active);

/* Whether the owner may go on with messages that the holder has copies of: it was not away itself
 * (a clock that jumped, a process that was stopped) for so long that they may be taken over. */
bool cluster_shadow_sure(uint64_t silent_ms, uint64_t takeover_ms);
