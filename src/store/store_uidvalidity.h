/* store_uidvalidity.h: the one place where UIDVALIDITY is decided (RFC 3501 section 2.3.1.1). */
#pragma once
#include "store/store_account.h"

/* What an account has given out so far; a row of the table account. */
struct store_uidvalidity {
    int64_t last;  /* the largest UIDVALIDITY */
    int64_t epoch; /* the last epoch, grows for good; 24 bits of it are used */
};

/* The next UIDVALIDITY, and *given moves on. Pure.
 * No root (STORE_ROOT_NONE): the second of now_ms, or the next number where that was reached.
 * A root from 0 to 255: (root << 24) | (epoch & 0xFFFFFF), where the epoch is the minute since
 * 2026, or the next number where that was reached. No value comes twice under one root until the
 * epoch has used up its 24 bits, and none is 0. ST_TOO_BIG: the numbers are used up. */
MUST_USE enum st store_uidvalidity_decide(int root, int64_t now_ms, struct store_uidvalidity *given,
                                          uint32_t *value_r);
/* Decides the next one of the account under the store's root and writes it down; the account's row
 * was locked by store_account_advance(). ST_NOT_FOUND, ST_TOO_BIG. */
MUST_USE enum st store_uidvalidity_next(struct store_tx *tx, int64_t account_id, int64_t now_ms,
                                        uint32_t *value_r);
/* Gives every folder of the account a new one; UIDs stay. Views and watchers are told. The row was
 * locked as above. ST_NOT_FOUND, ST_TOO_BIG. */
MUST_USE enum st store_uidvalidity_raise(struct store_tx *tx, int64_t account_id, int64_t now_ms);
