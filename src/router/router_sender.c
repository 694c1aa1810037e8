#include "base/mem.h"
#include "conf/conf.h"
#include "router/router_client.h"
#include "router/router_run.h"
#include "sys/sys_time.h"

#define IDLE_MS 10000
#define TURN_MS 2000 /* after which another destination that waits for a sender gets this one */

/* All that is due for the destination, as long as it may. Lock held, let go while it sends. */
static void work(struct router_sender *sender, struct router_dest *dest)
{
    struct router_queue *queue = sender->queue;
    int64_t since_ms = sys_now_ms();

    while (!queue->stopping) {
        const struct router_pace_limits limits = router_dest_limits(dest);
        int64_t now_ms = sys_now_ms();

        if (queue->waiting != NULL && now_ms - since_ms >= TURN_MS)
            break;
        if (dest->pace.next_ms > now_ms || dest->active > router_pace_limit(&dest->pace, &limits))
            break;
        struct router_item *batch = router_take(queue, dest);
        if (batch == NULL)
            break;
        dest->used_ms = now_ms;
        router_dest_kick(queue, dest, now_ms); /* what is left for another one */
        pthread_mutex_unlock(&queue->lock);
        if (dest->id == queue->report_id)
            router_report(queue, batch);
        else
            router_send(sender, dest, batch);
        pthread_mutex_lock(&queue->lock);
    }
    dest->active--;
    if (dest->pace.next_ms > sys_now_ms() && dest->active == 0 && dest->first != NULL) {
        router_items_forget(queue, &dest->first); /* they are read again when it is back */
        dest->tail = &dest->first;
        dest->more = true;
    }
    router_dest_kick(queue, dest, sys_now_ms());
}

/* Lock held. What it is to do next; NULL: its time is over. */
static struct router_dest *await_work(struct router_sender *sender)
{
    struct router_queue *queue = sender->queue;
    uint64_t wait_ms = sender->client != NULL ? conf_get()->smtp_out_cache_ms : IDLE_MS;
    bool in_time = true;

    while (sender->work == NULL && !queue->stopping) {
        sender->work = router_dest_waiting(queue, sys_now_ms());
        if (sender->work != NULL || !in_time)
            break;
        sender->idle = true;
        queue->idle_count++;
        in_time = sys_cond_wait_ms(&sender->cond, &queue->lock, wait_ms);
        sender->idle = false;
        queue->idle_count--;
        if (!in_time && sender->work == NULL && sender->client != NULL) {
            pthread_mutex_unlock(&queue->lock);
            router_sender_hang_up(sender);
            pthread_mutex_lock(&queue->lock);
            wait_ms = IDLE_MS;
            in_time = true;
        }
    }
    struct router_dest *dest = sender->work;
    sender->work = NULL;
    return dest;
}

static void leave(struct router_sender *sender)
{
    struct router_queue *queue = sender->queue;
    struct router_sender **at = &queue->senders;

    while (*at != sender)
        at = &(*at)->next;
    *at = sender->next;
    queue->sender_count--;
    pthread_cond_broadcast(&queue->idle_cond);
}

void *router_sender_main(void *arg)
{
    struct router_sender *sender = arg;
    struct router_queue *queue = sender->queue;
    struct router_dest *dest;

    pthread_mutex_lock(&queue->lock);
    while ((dest = await_work(sender)) != NULL)
        work(sender, dest);
    pthread_mutex_unlock(&queue->lock);
    router_sender_hang_up(sender);
    pthread_mutex_lock(&queue->lock);
    leave(sender);
    pthread_mutex_unlock(&queue->lock);
    router_opening_fini(&sender->opening);
    pthread_cond_destroy(&sender->cond);
    mem_free(sender);
    return NULL;
}
