/* router_task.h: what a delivery leaves for the calendars to look at: invitations by mail (iMIP,
 * RFC 6047), and mail for one who is out of office; and a failure, where a calendar sent the mail.
 * Of router/ and calendar/. */
#pragma once
#include "store/store_message.h"
#include "store/store_queue.h"

struct mime_part;

/* The origin of a mail that is made for an account's calendar is "calendar NAME". */
#define ROUTER_ORIGIN_CALENDAR "calendar"
#define ROUTER_ORIGIN_REPORT "report" /* of a report that is made here */

enum router_task_what {
    ROUTER_TASK_NOTHING,
    ROUTER_TASK_IMIP,   /* a part text/calendar with a method (RFC 6047 section 2.4), not inside a
                           forwarded message */
    ROUTER_TASK_REPORT, /* a delivery status notification (RFC 3464) that brings such a mail back */
};
/* What it may be for calendars. structure: of mime_structure_write(). Pure. */
enum router_task_what router_task_what(struct slice structure);
/* The part text/calendar with a method; NULL: there is none. */
const struct mime_part *router_task_imip_part(const struct mime_part *root);
/* The part message/delivery-status of a report, and in *imip_r that of the mail that it brings
 * back; NULL: it is none, or brings none. */
const struct mime_part *router_task_report_part(const struct mime_part *root,
                                                const struct mime_part **imip_r);

struct router_task {
    int64_t account_id;
    enum router_task_what what;
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
