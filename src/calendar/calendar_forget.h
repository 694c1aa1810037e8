/* calendar_forget.h: what is remembered of deleted and cancelled invitations ends some day: a late
 * message brings them back only as long as one can be on its way. */
#pragma once
#include "base/base.h"

struct calendar;

/* One step, of some memories that are beyond calendar_unseen_max of their account, the oldest first,
 * or were not changed for calendar_unseen_days while their last instance is over. *count_r: how
 * many went; 0: all are within. ST_CONFLICT: others change the same; ST_IO. */
MUST_USE enum st calendar_forget(struct calendar *calendar, int64_t now_ms, size_t *count_r);
