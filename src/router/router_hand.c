#include "router/router_hand.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "router/router_run.h"
#include "router/router_shadow.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

const char *const router_hand_names[ROUTER_HAND_MAX] = {"retry", "hold", "release", "bounce",
                                                        "drop"};

/* --- looking --- */

/* Lock held. */
static struct router_dest *at_work(const struct router_queue *queue, struct slice key)
{
    struct router_dest *dest;

    HASH_FIND(hh, queue->dests, key.ptr, key.len, dest);
    return dest;
}

static void look_at(const struct router_dest *dest, struct router_dest_look *look_r)
{
    look_r->attempts = dest->pace.attempts;
    look_r->next_ms = dest->pace.next_ms;
    look_r->active = dest->active;
    snprintf(look_r->answer, sizeof(look_r->answer), "%s",
             dest->pace.attempts > 0 ? dest->answer : "");
}

bool router_dest_look(struct router_queue *queue, struct slice key, struct router_dest_look *look_r)
{
    pthread_mutex_lock(&queue->lock);
    const struct router_dest *dest = at_work(queue, key);
    if (dest != NULL)
        look_at(dest, look_r);
    pthread_mutex_unlock(&queue->lock);
    return dest != NULL;
}

size_t router_down_list(struct router_queue *queue, struct arena *arena, struct router_down *list_r,
                        size_t limit)
{
    size_t count = 0;

    pthread_mutex_lock(&queue->lock);
    for (const struct router_dest *dest = queue->dests; dest != NULL && count < limit;
         dest = dest->hh.next) {
        if (dest->pace.attempts == 0 || dest->id == 0)
            continue;
        list_r[count].key = slice_cstr(arena, slice_str(dest->key));
        list_r[count].destination_id = dest->id;
        look_at(dest, &list_r[count++].look);
    }
    pthread_mutex_unlock(&queue->lock);
    return count;
}

enum st router_queue_hosts(const struct router_queue *queue, struct arena *arena,
                           const struct router_hop *hop, const char *domain,
                           struct router_host *list_r, size_t *count_r,
                           struct router_answer *answer_r)
{
    uint32_t random;

    sys_random(&random, sizeof(random));
    return router_hosts(queue->dns, arena, hop, domain, queue->server_name, random, list_r, count_r,
                        answer_r);
}

/* --- forgetting --- */

/* Lock held. The rows being read may show it as it was: it counts as known until they are in. */
static void mark_known(struct router_queue *queue, struct router_dest *dest,
                       struct router_item_key key)
{
    struct router_item *item = mem_new(struct router_item);

    item->key = key;
    item->dest = dest;
    HASH_ADD(hh, queue->items, key, sizeof(item->key), item);
    dest->item_count++;
    router_item_over(queue, item);
}

/* The row was changed in the store: what the queue had read of it before is not used any more.
 * True: it is being tried at this moment, and what that comes to counts. */
static bool forget(struct router_queue *queue, struct slice destination, int64_t envelope_id,
                   int64_t rcpt_no)
{
    const struct router_item_key key = {envelope_id, rcpt_no};
    struct router_item *item;
    bool tried = false;

    pthread_mutex_lock(&queue->lock);
    HASH_FIND(hh, queue->items, &key, sizeof(key), item);
    struct router_dest *dest = item == NULL ? at_work(queue, destination) : NULL;
    if (dest != NULL && dest->reading) {
        mark_known(queue, dest, key);
    } else if (item != NULL && !item->over) {
        tried = !router_window_leave(item);
        if (!tried)
            router_item_over(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
    return tried;
}

/* --- changing --- */

static bool fits(enum router_hand what, enum store_rcpt_state state)
{
    switch (what) {
    case ROUTER_HAND_RETRY:
    case ROUTER_HAND_HOLD:
        return state == STORE_RCPT_QUEUED;
    case ROUTER_HAND_RELEASE:
        return state == STORE_RCPT_HELD;
    case ROUTER_HAND_BOUNCE:
        return state == STORE_RCPT_QUEUED || state == STORE_RCPT_HELD;
    case ROUTER_HAND_DROP:
    case ROUTER_HAND_MAX:
        break;
    }
    return true;
}

struct changing {
    struct router_queue *queue;
    const struct router_hand_work *work;
    const struct store_queued *rows[ROUTER_HAND_ROWS_MAX];
    struct store_settle list[ROUTER_HAND_ROWS_MAX];
    size_t count;
};

static struct store_settle settle_of(const struct changing *c, const struct store_queued *row)
{
    static const enum store_settle_what whats[] = {
        [ROUTER_HAND_RETRY] = STORE_SETTLE_RELEASE,   [ROUTER_HAND_HOLD] = STORE_SETTLE_HOLD,
        [ROUTER_HAND_RELEASE] = STORE_SETTLE_RELEASE, [ROUTER_HAND_BOUNCE] = STORE_SETTLE_REPORT,
        [ROUTER_HAND_DROP] = STORE_SETTLE_DONE,
    };
    static_assert(COUNT(whats) == ROUTER_HAND_MAX, "one for each");
    struct store_settle settle = {whats[c->work->what], row->rcpt, false};

    settle.rcpt.next_ms = 0;
    if (c->work->what == ROUTER_HAND_BOUNCE) {
        settle.rcpt.state = STORE_RCPT_FAILED;
        settle.rcpt.destination_id = c->queue->report_id;
        settle.rcpt.answer = c->work->text;
    }
    return settle;
}

static bool wakes(enum router_hand what)
{
    return what == ROUTER_HAND_RETRY || what == ROUTER_HAND_RELEASE;
}

/* The rows of an envelope stand together; so do most of a destination. */
static enum st change_body(struct store_tx *tx, void *arg)
{
    struct changing *c = arg;
    enum st st = ST_OK;
    size_t n;

    for (size_t i = 0; st == ST_OK && i < c->count; i += n) {
        for (n = 0; i + n < c->count &&
                    c->rows[i + n]->envelope.envelope_id == c->rows[i]->envelope.envelope_id;
             n++)
            c->list[i + n] = settle_of(c, c->rows[i + n]);
        st = store_queue_settle(tx, &c->list[i], n);
    }
    for (size_t i = 0; wakes(c->work->what) && st == ST_OK && i < c->count; i++) {
        int64_t destination_id;

        if (i == 0 || !slice_eq(c->rows[i]->destination, c->rows[i - 1]->destination))
            st = store_destination_need(tx, c->queue->server_id, c->rows[i]->destination,
                                        &destination_id);
    }
    return st;
}

static void log_change(const struct changing *c, const struct store_queued *row)
{
    const struct router_hand_work *work = c->work;
    enum log_id event = work->what == ROUTER_HAND_DROP ? EV_DROPPED : EV_QUEUE_CHANGED;

    log_event(event, 0, LOG_C("guid", row->envelope.guid), LOG_S("from", row->envelope.sender),
              LOG_S("to", row->rcpt.address), LOG_S("destination", row->destination),
              LOG_C("what", router_hand_names[work->what]), LOG_C("who", work->who));
    if (work->what != ROUTER_HAND_BOUNCE)
        return;
    count_add(COUNT_MESSAGES_FAILED, 1);
    log_event(EV_FAILED, 0, LOG_C("guid", row->envelope.guid), LOG_S("to", row->rcpt.address),
              LOG_S("destination", row->destination), LOG_S("answer", work->text));
}

/* Its rows are looked for at once, however long it was to be left alone. */
static void wake(struct router_queue *queue, struct slice destination)
{
    pthread_mutex_lock(&queue->lock);
    struct router_dest *dest = at_work(queue, destination);
    if (dest != NULL) {
        dest->more = true;
        dest->pace.next_ms = 0;
        router_dest_kick(queue, dest, sys_now_ms());
    } else { /* the keeper finds it in the store */
        queue->scan = true;
        queue->scan_after_id = 0;
        pthread_cond_signal(&queue->keeper_cond);
    }
    pthread_mutex_unlock(&queue->lock);
}

static void conclude(const struct changing *c, struct router_hand_counts *counts)
{
    enum router_hand what = c->work->what;

    for (size_t i = 0; i < c->count; i++) {
        const struct store_queued *row = c->rows[i];

        if (!c->list[i].found) {
            counts->unfit++;
            continue;
        }
        counts->changed++;
        if (what == ROUTER_HAND_DROP)
            router_shadow_done(c->queue, &row->envelope, row->rcpt.rcpt_no);
        if (!wakes(what))
            counts->tried +=
                forget(c->queue, row->destination, row->envelope.envelope_id, row->rcpt.rcpt_no);
        log_change(c, row);
        if (wakes(what) && (i == 0 || !slice_eq(row->destination, c->rows[i - 1]->destination)))
            wake(c->queue, row->destination);
    }
    if (what == ROUTER_HAND_BOUNCE && c->count > 0)
        router_queue_look_reports(c->queue);
}

enum st router_hand_do(struct router_queue *queue, const struct router_hand_work *work,
                       const struct store_queued *rows, size_t count,
                       struct router_hand_counts *counts)
{
    struct changing *c = mem_new(struct changing);
    enum st st = ST_OK;

    assert(count <= ROUTER_HAND_ROWS_MAX);
    c->queue = queue;
    c->work = work;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].server_id != queue->server_id)
            counts->foreign++;
        else if (!fits(work->what, rows[i].rcpt.state))
            counts->unfit++;
        else
            c->rows[c->count++] = &rows[i];
    }
    if (c->count > 0)
        st = store_write(queue->store, change_body, c);
    if (st == ST_OK)
        conclude(c, counts);
    mem_free(c);
    return st;
}
