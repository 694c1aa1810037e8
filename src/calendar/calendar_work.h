/* calendar_work.h: what the tasks of store_task.h ask for. Inside calendar/. */
#pragma once
#include "calendar/calendar.h"
#include "store/store_task.h"

/* Does the task and ends it, in one transaction. ST_OK, also where there was nothing to do or
 * somebody else did it; anything else: it is tried again later. */
typedef enum st calendar_work_fn(struct calendar *calendar, const struct store_task *task);
