#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "router/router_journal.h"
#include "router/router_run.h"
#include "router/router_shadow.h"
#include "sys/sys_time.h"

struct router_settling {
    struct store_job job;
    struct router_queue *queue;
    struct router_item *items;
    struct router_settling *next; /* of queue->undone */
    size_t count;
    struct store_settle list[];
};

static enum st settle_body(struct store_tx *tx, void *arg)
{
    struct router_settling *settling = arg;
    const struct router_item *item = settling->items;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < settling->count; i++, item = item->next) {
        settling->list[i] = item->settle;
        if (item->settle.what == STORE_SETTLE_MOVE)
            st = store_destination_need(tx, settling->queue->server_id, slice_str(item->moved_key),
                                        &settling->list[i].rcpt.destination_id);
    }
    return st == ST_OK ? store_queue_settle(tx, settling->list, settling->count) : st;
}

/* Wakes whom the change concerns. */
static void follow_up(struct router_queue *queue, const struct router_item *item,
                      const struct store_settle *settled)
{
    struct router_dest *dest = NULL;
    int64_t now_ms = sys_now_ms();

    if (settled->what == STORE_SETTLE_LATER)
        router_dest_due(queue, item->dest, settled->rcpt.next_ms);
    else if (settled->what == STORE_SETTLE_REPORT)
        dest = router_dest_find(queue, SLICE(ROUTER_REPORT_KEY));
    else if (settled->what == STORE_SETTLE_MOVE)
        dest = router_dest_find(queue, slice_str(item->moved_key));
    if (dest == NULL)
        return;
    if (settled->what == STORE_SETTLE_MOVE && dest->id == 0)
        dest->id = settled->rcpt.destination_id;
    dest->more = true;
    router_dest_kick(queue, dest, now_ms);
}

static void forget_settled(struct router_queue *queue, struct router_settling *settling)
{
    struct router_item *item = settling->items;
    size_t noted = 0;

    for (size_t i = 0; i < settling->count; i++) {
        struct router_item *next = item->next;

        noted += item->noted;
        if (settling->list[i].what == STORE_SETTLE_DONE)
            router_shadow_done(queue, &item->row.envelope, item->key.rcpt_no);
        follow_up(queue, item, &settling->list[i]);
        router_item_over(queue, item);
        item = next;
    }
    router_journal_stored(queue->journal, noted);
}

/* On any thread. */
static void settle_done(struct store_job *job)
{
    struct router_settling *settling = (struct router_settling *)job; /* its first member */
    struct router_queue *queue = settling->queue;

    pthread_mutex_lock(&queue->lock);
    if (job->st == ST_OK) {
        forget_settled(queue, settling);
        mem_free(settling);
        queue->settling_count--;
        pthread_cond_broadcast(&queue->idle_cond);
    } else {
        settling->next = queue->undone;
        queue->undone = settling;
        if (queue->stopping)
            pthread_cond_broadcast(&queue->idle_cond);
    }
    pthread_mutex_unlock(&queue->lock);
}

static void begin(struct router_settling *settling)
{
    settling->job = (struct store_job){.body = settle_body, .arg = settling, .done = settle_done};
    if (store_write_begin(settling->queue->store, &settling->job))
        settle_done(&settling->job);
}

void router_settle(struct router_queue *queue, struct router_item *list)
{
    struct router_settling *settling;
    size_t count = 0;

    for (const struct router_item *item = list; item != NULL; item = item->next)
        count++;
    if (count == 0)
        return;
    settling = mem_alloc(sizeof(*settling) + count * sizeof(settling->list[0]));
    settling->queue = queue;
    settling->items = list;
    settling->count = count;
    pthread_mutex_lock(&queue->lock);
    while (queue->settling_count >= ROUTER_SETTLING_MAX && !queue->stopping)
        sys_cond_wait_ms(&queue->idle_cond, &queue->lock, SEC_MS);
    queue->settling_count++;
    pthread_mutex_unlock(&queue->lock);
    begin(settling);
}

void router_settle_drop(struct router_queue *queue)
{
    while (queue->undone != NULL) {
        struct router_settling *settling = queue->undone;

        queue->undone = settling->next;
        router_items_forget(queue, &settling->items);
        mem_free(settling);
        queue->settling_count--;
    }
}

void router_settle_undone(struct router_queue *queue)
{
    struct router_settling *list = queue->undone;

    queue->undone = NULL;
    pthread_mutex_unlock(&queue->lock);
    while (list != NULL) {
        struct router_settling *settling = list;

        list = settling->next;
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "queue"));
        begin(settling);
    }
    pthread_mutex_lock(&queue->lock);
}
