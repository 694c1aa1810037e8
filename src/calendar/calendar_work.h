/* calendar_work.h: what the tasks of store_task.h ask for. Inside calendar/. */
#pragma once
#include "calendar/calendar.h"
#include "store/store_task.h"

#define CALENDAR_ROUND_MAX 32

/* Tasks that came up while others were done; a thread that has the time does them at once, instead
 * of leaving them to the keeper. */
struct calendar_round {
    struct calendar *calendar;
    int64_t ids[CALENDAR_ROUND_MAX];
    size_t count;
};
/* In a transaction. The task is due in a moment, so that the keeper does not come between. */
MUST_USE enum st calendar_round_add(struct calendar_round *round, struct store_tx *tx,
                                    struct store_task *task, int64_t now_ms);
/* Not in a transaction. What fails is left to the keeper. */
void calendar_round_do(struct calendar_round *round);

/* Does the task, or a part of it, and ends that, in one transaction. ST_OK, also where there was
 * nothing to do or somebody else did it; anything else: it is tried again later. What comes up is
 * added to round. */
typedef enum st calendar_work_fn(struct calendar_round *round, const struct store_task *task);
calendar_work_fn calendar_schedule_work, calendar_imip_work, calendar_oof_task,
    calendar_bounce_work, calendar_report_work;
/* The name of the account that the task is for; in arena. */
MUST_USE enum st calendar_task_account(struct store *store, const struct store_task *task,
                                       struct arena *arena, struct slice *name_r);
/* Does the task of that id, or has it tried again later. */
void calendar_work(struct calendar_round *round, struct arena *arena, int64_t task_id);
