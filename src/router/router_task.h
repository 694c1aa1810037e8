/* router_task.h: what a delivery leaves for the calendars to look at: invitations by mail (iMIP,
 * RFC 6047), and mail for one who is out of office; and a failure, where a calendar sent the mail.
 * Of router/ and calendar/. */
#pragma once
#include "store/store_message.h"
#include "store/store_queue.h"

struct mime_part;

/* The origin of a mail that is made for an account's calendar is "calendar NAME". */
#define ROUTER_ORIGIN_CALENDAR "calendar"

/* Whether it may be iMIP: a part text/calendar with a method (RFC 6047 section 2.4), not inside a
 * forwarded message. structure: of mime_structure_write(). Pure. */
bool router_task_imip(struct slice structure);
/* That part; NULL: there is none. */
const struct mime_part *router_task_imip_part(const struct mime_part *root);

struct router_task {
    int64_t account_id;
    bool imip;            /* router_task_imip() */
    struct slice sender;  /* the envelope's */
    struct slice address; /* the recipient as it was given */
    struct slice origin;  /* the envelope's */
};
/* In the transaction of store_message_add(), behind it; message is what that was given. *left_r
 * becomes true where something was left: once it is durable, router_queue_tell_tasks(). */
MUST_USE enum st router_task_leave(struct store_tx *tx, const struct router_task *task,
                                   const struct store_message *message, bool *left_r);
/* The same for a mail of a calendar's that failed for good at one recipient: its account here is to
 * know (RFC 6638 section 3.2.9). Before store_queue_settle() of the row, which may end the mail. */
MUST_USE enum st router_task_leave_failed(struct store_tx *tx,
                                          const struct store_envelope *envelope,
                                          const struct store_rcpt *rcpt, int64_t now_ms,
                                          bool *left_r);
