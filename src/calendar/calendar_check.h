/* calendar_check.h: finds what cannot be in an account's calendars and says it in sentences. */
#pragma once
#include "base/base.h"

struct calendar;

struct calendar_check {
    struct calendar *calendar;
    /* Called for each fault, outside of any transaction: "account alice, calendar work, a.ics:
     * ...". */
    void (*fault)(void *ctx, const char *sentence);
    void *ctx;
    uint64_t faults;  /* out */
    uint64_t objects; /* out: looked at */
};

/* Whether each object can be read and says of itself what its row says, and the account's busytime
 * is what comes of expanding all objects anew in the windows that they have. One read of the store.
 * ST_NOT_FOUND: no such account; ST_IO. */
MUST_USE enum st calendar_check_account(struct calendar_check *check, struct slice name);
