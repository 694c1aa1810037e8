/* calendar_bounce.h: scheduling messages that did not arrive, told to who sent them. Inside
 * calendar/. */
#pragma once
#include "calendar/calendar_work.h"

struct arena;

/* SCHEDULE-STATUS (RFC 6638 section 3.2.9) of an answer as struct store_rcpt has it, "550 5.1.1 mx:
 * no such user": "5.1" it could not be delivered, "5.2" nothing leads there, "5.3" it was refused.
 * Pure. */
const char *calendar_bounce_status(struct slice answer);

/* A recipient that failed, of a message/delivery-status (RFC 3464 section 2). */
struct calendar_bounce_rcpt {
    struct slice address; /* as it was asked for, where that is said */
    struct slice answer;  /* "550 5.1.1 no such user" */
};
/* The next one, taken off *rest; texts in arena; false: there is no other. Pure. */
bool calendar_bounce_next(struct arena *arena, struct slice *rest,
                          struct calendar_bounce_rcpt *rcpt_r);

struct calendar_bounce {
    int64_t account_id;  /* whose message it was */
    struct slice sender; /* his address */
    struct slice rcpts;  /* addresses, a line end between them */
    struct slice answer; /* on one line */
    struct slice text;   /* the message */
};
/* Leaves a task for it, in a transaction; router_task_leave_failed() does so for mails. */
MUST_USE enum st calendar_bounce_leave(struct calendar_round *round, struct store_tx *tx,
                                       const struct calendar_bounce *bounce, int64_t now_ms);
