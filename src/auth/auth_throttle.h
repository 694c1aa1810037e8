/* auth_throttle.h: too many failed log-ins from an address, or for an account, and the next wait.
 *
 * Failures are counted in a sliding window: those of the present window_ms, plus those of the one
 * before in proportion to how much of it is still inside. Reads no clock. Safe to use from many
 * threads. Memory is fixed: when it is full the key with the fewest failures is forgotten. */
#pragma once
#include "base/base.h"

struct auth_throttle;

struct auth_throttle_limits {
    uint64_t window_ms;            /* at least 1 */
    unsigned address_failures_max; /* so many are let through in a window; 0: not counted */
    unsigned name_failures_max;    /* as above */
    size_t entries_max;            /* keys remembered of each of the two kinds */
};

struct auth_throttle *auth_throttle_new(const struct auth_throttle_limits *limits);
void auth_throttle_free(struct auth_throttle **throttle); /* sets *throttle to NULL */

/* address is text; IPv6 addresses count by their first 64 bits, which is what one customer has.
 * Names count without regard to ASCII case. An empty address or name is never throttled. now_ms
 * counts from any beginning; where it steps back, it is taken as standing still. */
bool auth_throttle_ok(struct auth_throttle *throttle, struct slice address, struct slice name,
                      uint64_t now_ms);
void auth_throttle_fail(struct auth_throttle *throttle, struct slice address, struct slice name,
                        uint64_t now_ms);
/* Forgets the account's failures, not the address': one good account must not buy guesses at
 * others. */
void auth_throttle_success(struct auth_throttle *throttle, struct slice name);
