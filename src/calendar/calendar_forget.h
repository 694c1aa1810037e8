/* calendar_forget.h: what is remembered of deleted and cancelled invitations ends some day: a late
 * message brings them back only as long as one can be on its way. */
#pragma once
#include "base/base.h"

struct calendar;

/* One step: some memories that are beyond calendar_unseen_max of their account, the oldest first,
 * or that were not changed for calendar_unseen_days and whose last instance is over, go. *count_r:
 * how many; 0: all others stay. ST_CONFLICT: others change the same; ST_IO. */
MUST_USE enum st calendar_forget(struct calendar *calendar, int64_t now_ms, size_t *count_r);
