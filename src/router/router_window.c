#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "router/router_run.h"
#include "sys/sys_time.h"

#include <string.h>

struct reading {
    int64_t destination_id;
    int64_t now_ms;
    uint64_t limit;
    struct router_item *first, **tail;
    size_t count;
    int64_t next_ms;
};

/* Copies the text behind the others; *at moves on. */
static void keep_text(struct slice *text, char **at)
{
    memcpy(*at, text->ptr != NULL ? text->ptr : "", text->len);
    text->ptr = *at;
    *at += text->len;
}

static struct router_item *item_of(const struct store_queued *row)
{
    struct slice texts[] = {row->envelope.sender, row->envelope.envid, row->envelope.message_id,
                            row->envelope.origin, row->rcpt.address,   row->rcpt.orcpt,
                            row->rcpt.answer,     row->envelope.shadow};
    size_t bytes = 1;

    for (size_t i = 0; i < COUNT(texts); i++)
        bytes += texts[i].len;
    struct router_item *item = mem_alloc(sizeof(*item) + bytes);
    char *at = item->text;
    item->row = *row;
    item->key = (struct router_item_key){row->rcpt.envelope_id, row->rcpt.rcpt_no};
    keep_text(&item->row.envelope.sender, &at);
    keep_text(&item->row.envelope.envid, &at);
    keep_text(&item->row.envelope.message_id, &at);
    keep_text(&item->row.envelope.origin, &at);
    keep_text(&item->row.rcpt.address, &at);
    keep_text(&item->row.rcpt.orcpt, &at);
    keep_text(&item->row.rcpt.answer, &at);
    keep_text(&item->row.envelope.shadow, &at);
    return item;
}

static void drop_read(struct reading *reading)
{
    while (reading->first != NULL) {
        struct router_item *item = reading->first;

        reading->first = item->next;
        mem_free(item);
    }
    reading->tail = &reading->first;
    reading->count = 0;
}

static enum st keep_row(void *ctx, const struct store_queued *row)
{
    struct reading *reading = ctx;
    struct router_item *item = item_of(row);

    *reading->tail = item;
    reading->tail = &item->next;
    return ++reading->count < reading->limit ? ST_OK : ST_AGAIN;
}

static enum st read_due(struct store_tx *tx, void *arg)
{
    struct reading *reading = arg;

    drop_read(reading);
    enum st st = store_queue_due(tx, reading->destination_id, reading->now_ms, reading->limit,
                                 keep_row, reading);
    if (st == ST_OK)
        st = store_queue_next(tx, reading->destination_id, reading->now_ms, &reading->next_ms);
    return st == ST_AGAIN ? ST_OK : st;
}

/* What is in memory already was read before; what is over is not there any more. */
static void take_in(struct router_queue *queue, struct router_dest *dest, struct reading *reading)
{
    struct router_item *item;
    struct router_item *next;
    struct router_item *known;

    for (item = reading->first; item != NULL; item = next) {
        next = item->next;
        HASH_FIND(hh, queue->items, &item->key, sizeof(item->key), known);
        if (known != NULL) {
            if (known->dest != dest) /* it came from there just now */
                router_dest_due(queue, dest, sys_now_ms() + (int64_t)SEC_MS);
            mem_free(item);
            continue;
        }
        item->dest = dest;
        HASH_ADD(hh, queue->items, key, sizeof(item->key), item);
        dest->item_count++;
        router_item_add(dest, item);
    }
    if (dest->over_count == 0)
        return;
    dest->over_count = 0;
    HASH_ITER(hh, queue->items, item, next)
    if (item->over && item->dest == dest)
        router_item_forget(queue, item);
}

/* Lock held, let go meanwhile; one thread a destination. */
static void read_window(struct router_queue *queue, struct router_dest *dest)
{
    struct reading reading = {.destination_id = dest->id,
                              .now_ms = sys_now_ms(),
                              .limit = ROUTER_WINDOW_COUNT + dest->item_count,
                              .next_ms = STORE_NEVER_MS};

    reading.tail = &reading.first;
    dest->more = false;
    dest->reading = true;
    pthread_mutex_unlock(&queue->lock);
    enum st st = reading.destination_id == 0 ? ST_OK : store_read(queue->store, read_due, &reading);
    pthread_mutex_lock(&queue->lock);
    dest->reading = false;
    if (st != ST_OK || reading.destination_id != dest->id) {
        drop_read(&reading);
        reading.next_ms = sys_now_ms() + (int64_t)SEC_MS; /* the store is away; or it was lost */
    }
    take_in(queue, dest, &reading);
    if (reading.count == reading.limit)
        dest->more = true;
    else
        router_dest_due(queue, dest, reading.next_ms);
}

struct router_item *router_take(struct router_queue *queue, struct router_dest *dest)
{
    if (!router_queue_leased(queue, sys_now_ms()))
        return NULL;
    if (dest->first == NULL && dest->more && !dest->reading)
        read_window(queue, dest);
    struct router_item *first = dest->first;
    if (first == NULL)
        return NULL;
    struct router_item *last = first;
    for (size_t n = 1; n < ROUTER_BATCH_MAX && last->next != NULL &&
                       last->next->key.envelope_id == first->key.envelope_id;
         n++)
        last = last->next;
    dest->first = last->next;
    last->next = NULL;
    if (dest->first == NULL)
        dest->tail = &dest->first;
    return first;
}

bool router_window_leave(struct router_item *item)
{
    struct router_dest *dest = item->dest;
    struct router_item **at = &dest->first;

    while (*at != NULL && *at != item)
        at = &(*at)->next;
    if (*at == NULL)
        return false;
    *at = item->next;
    if (dest->tail == &item->next)
        dest->tail = at;
    return true;
}

struct router_item *router_claim(struct router_queue *queue, const struct store_queued *row)
{
    const struct router_item_key key = {row->rcpt.envelope_id, row->rcpt.rcpt_no};
    struct router_item *item;

    pthread_mutex_lock(&queue->lock);
    HASH_FIND(hh, queue->items, &key, sizeof(key), item);
    if (item == NULL) {
        item = item_of(row);
        item->dest = router_dest_find(queue, row->destination);
        HASH_ADD(hh, queue->items, key, sizeof(item->key), item);
        item->dest->item_count++;
    } else if (!router_window_leave(item)) {
        item = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void router_release(struct router_queue *queue, struct router_item *item, bool done)
{
    pthread_mutex_lock(&queue->lock);
    item->dest->more = item->dest->more || !done;
    if (done)
        router_item_over(queue, item);
    else
        router_item_forget(queue, item);
    pthread_mutex_unlock(&queue->lock);
}
