/* imap_limit.h: how many connections each account has. Safe to use from many threads. */
#pragma once
#include "base/base.h"

/* Counts one more; false, and not counted, where there are max already. */
MUST_USE bool imap_limit_take(int64_t account_id, uint64_t max);
void imap_limit_release(int64_t account_id);
