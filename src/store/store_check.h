/* store_check.h: finds what cannot be in a store and says it in sentences. */
#pragma once
#include "store/store.h"

struct store_check {
    bool deep; /* unpacks every body and compares its size and digest */
    /* Called for each fault, outside of any transaction: "account alice, folder Sent: ...". */
    void (*fault)(void *ctx, const char *sentence);
    /* Accounts and bodies looked at so far, and how many there were at the beginning. May be NULL.
     */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

/* Looks at the whole store in many short reads, each consistent in itself, so a running server goes
 * on. faults_r counts what was found; ST_OK also when it is not 0. ST_IO: the store cannot be read.
 */
MUST_USE enum st store_check(struct store *store, const struct store_check *check,
                             uint64_t *faults_r);
