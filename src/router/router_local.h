/* router_local.h: a queued message whose recipient is served here after all. Inside router/. */
#pragma once
#include "base/base.h"

struct directory;
struct router_item;
struct router_queue;

/* Puts it into the mailboxes its address leads to now, queues it for addresses elsewhere, and ends
 * its row, all in one transaction. The item is given away. */
void router_local(struct router_queue *queue, const struct directory *directory,
                  struct router_item *item);
