/* router_report.h: tells the sender what became of a message. Inside router/. */
#pragma once
#include "router/router_dsn.h"
#include "store/store_queue.h"

struct router_queue;

/* One report about all rows, which are of one envelope; list is settled in the transaction that
 * puts the report into a mailbox or the queue. Where none is due (router_dsn_wanted(), a sender
 * that is nobody) the list is settled alone and the log says so. */
MUST_USE enum st router_report_make(struct router_queue *queue, enum router_dsn_kind kind,
                                    const struct store_envelope *envelope,
                                    const struct store_rcpt *const *rcpts,
                                    struct store_settle *list, size_t count);
