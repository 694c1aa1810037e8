/* router_pace.h: how hard a destination is pressed, and when what failed is tried again. Pure. */
#pragma once
#include "base/base.h"

struct router_pace_limits {
    uint64_t connections_max;
    uint64_t retry_min_ms;
    uint64_t retry_max_ms;
};

/* The limits of one destination: connections_max and retry_max_ms are its own, 0 where it has none.
 */
struct router_pace_limits router_pace_limits_of(struct router_pace_limits limits,
                                                uint64_t connections_max, uint64_t retry_max_ms);

/* Zeroed is a destination nothing is known of. */
struct router_pace {
    uint64_t limit;    /* connections it gets at a time; 0: not begun */
    uint64_t credit;   /* messages taken since limit was raised */
    uint64_t attempts; /* failures of the destination itself since its last success */
    int64_t next_ms;   /* not tried before; 0: at once */
    int64_t good_ms;   /* when it took something last */
};

/* How long to wait after so many tries (at least 1): retry_min_ms, then twice as long each time, at
 * most retry_max_ms; give or take a fifth, as random says. */
uint64_t router_retry_ms(uint64_t attempts, uint32_t random,
                         const struct router_pace_limits *limits);

/* Connections it may have now. */
uint64_t router_pace_limit(const struct router_pace *pace, const struct router_pace_limits *limits);
/* It took a message (or refused one for good: it answers). One connection more after as many
 * messages as there are connections. True: it was down until now. */
bool router_pace_good(struct router_pace *pace, const struct router_pace_limits *limits,
                      int64_t now_ms);
/* It sent a connection away with 4yz, or cut it: half as many connections; where there is one only
 * it is left alone for a time. */
void router_pace_busy(struct router_pace *pace, const struct router_pace_limits *limits,
                      int64_t now_ms, uint32_t random);
/* No connection could be made, to none of its hosts. While others get through it is busy only. */
void router_pace_down(struct router_pace *pace, const struct router_pace_limits *limits,
                      int64_t now_ms, uint32_t random);
