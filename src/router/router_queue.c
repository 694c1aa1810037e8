#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "health/health.h"
#include "log/log.h"
#include "router/router_client.h"
#include "router/router_journal.h"
#include "router/router_plan.h"
#include "router/router_run.h"
#include "store/store_document.h"
#include "sys/sys_dns.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- destinations --- */

struct router_pace_limits router_dest_limits(const struct router_dest *dest)
{
    const struct conf *conf = conf_get();
    const struct router_pace_limits limits = {.connections_max = conf->smtp_out_per_destination_max,
                                              .retry_min_ms = conf->queue_retry_min_ms,
                                              .retry_max_ms = conf->queue_retry_max_ms};

    return router_pace_limits_of(limits, dest->connections_max, dest->retry_max_ms);
}

struct router_dest *router_dest_find(struct router_queue *queue, struct slice key)
{
    struct router_dest *dest;

    HASH_FIND(hh, queue->dests, key.ptr, key.len, dest);
    if (dest != NULL)
        return dest;
    dest = mem_new(struct router_dest);
    dest->key = mem_copy(key);
    dest->tail = &dest->first;
    dest->due_ms = STORE_NEVER_MS;
    HASH_ADD_KEYPTR(hh, queue->dests, dest->key, key.len, dest);
    return dest;
}

struct router_dest *router_dest_ref(struct router_queue *queue, struct slice key)
{
    pthread_mutex_lock(&queue->lock);
    struct router_dest *dest = router_dest_find(queue, key);
    dest->refs++;
    pthread_mutex_unlock(&queue->lock);
    return dest;
}

struct slice router_dest_key(const struct router_dest *dest)
{
    return slice_str(dest->key);
}

bool router_queue_leased(const struct router_queue *queue, int64_t now_ms)
{
    return now_ms < queue->lease_until_ms;
}

/* Once the lease is over the destination may be another server's. */
int64_t router_dest_id(const struct router_queue *queue, const struct router_dest *dest)
{
    return router_queue_leased(queue, sys_now_ms()) ? dest->id : 0;
}

void router_dest_set_id(struct router_queue *queue, struct router_dest *dest,
                        int64_t destination_id)
{
    int64_t none = 0;

    if (atomic_compare_exchange_strong(&dest->id, &none, destination_id) || none == destination_id)
        return;
    pthread_mutex_lock(&queue->lock); /* two were made at one moment: they are made one */
    queue->scan = true;
    queue->scan_after_id = 0;
    pthread_cond_signal(&queue->keeper_cond);
    pthread_mutex_unlock(&queue->lock);
}

void router_dest_unref(struct router_queue *queue, struct router_dest **dest, bool queued)
{
    pthread_mutex_lock(&queue->lock);
    (*dest)->refs--;
    if (queued) {
        int64_t now_ms = sys_now_ms();

        (*dest)->more = true;
        (*dest)->used_ms = now_ms;
        router_dest_kick(queue, *dest, now_ms);
    }
    pthread_mutex_unlock(&queue->lock);
    *dest = NULL;
}

void router_dest_due(struct router_queue *queue, struct router_dest *dest, int64_t due_ms)
{
    if (due_ms >= dest->due_ms)
        return;
    dest->due_ms = due_ms;
    if (due_ms < queue->wake_ms)
        pthread_cond_signal(&queue->keeper_cond);
}

/* --- items --- */

void router_item_add(struct router_dest *dest, struct router_item *item)
{
    item->next = NULL;
    *dest->tail = item;
    dest->tail = &item->next;
}

void router_item_forget(struct router_queue *queue, struct router_item *item)
{
    HASH_DEL(queue->items, item);
    item->dest->item_count--;
    mem_free(item);
}

void router_item_over(struct router_queue *queue, struct router_item *item)
{
    if (!item->dest->reading) {
        router_item_forget(queue, item);
        return;
    }
    item->over = true;
    item->dest->over_count++;
}

void router_items_forget(struct router_queue *queue, struct router_item **list)
{
    while (*list != NULL) {
        struct router_item *item = *list;

        *list = item->next;
        router_item_forget(queue, item);
    }
}

/* --- giving work out --- */

static struct router_sender *idle_sender(struct router_queue *queue, const struct router_dest *dest)
{
    struct router_sender *any = NULL;

    if (queue->idle_count == 0)
        return NULL;
    for (struct router_sender *s = queue->senders; s != NULL; s = s->next) {
        if (!s->idle || s->work != NULL)
            continue;
        if (s->last == dest)
            return s;
        if (any == NULL || any->last != NULL)
            any = s; /* rather one without a connection that may still be of use */
    }
    return any;
}

static struct router_sender *new_sender(struct router_queue *queue)
{
    struct router_sender *sender;

    if (queue->sender_count >= conf_get()->smtp_out_connections_max)
        return NULL;
    sender = mem_new(struct router_sender);
    sender->queue = queue;
    router_opening_init(&sender->opening);
    sys_cond_init(&sender->cond);
    if (pthread_create(&sender->thread, NULL, router_sender_main, sender) != 0) {
        mem_free(sender);
        return NULL;
    }
    pthread_detach(sender->thread);
    sender->next = queue->senders;
    queue->senders = sender;
    queue->sender_count++;
    return sender;
}

static bool wants_sender(const struct router_dest *dest)
{
    const struct router_pace_limits limits = router_dest_limits(dest);

    return (dest->more || dest->first != NULL) &&
           dest->active < router_pace_limit(&dest->pace, &limits);
}

static void wait_for_sender(struct router_queue *queue, struct router_dest *dest)
{
    if (dest->waiting)
        return;
    dest->waiting = true;
    dest->next_waiting = NULL;
    *queue->waiting_tail = dest;
    queue->waiting_tail = &dest->next_waiting;
}

struct router_dest *router_dest_waiting(struct router_queue *queue, int64_t now_ms)
{
    while (queue->waiting != NULL) {
        struct router_dest *dest = queue->waiting;

        queue->waiting = dest->next_waiting;
        if (queue->waiting == NULL)
            queue->waiting_tail = &queue->waiting;
        dest->waiting = false;
        if (wants_sender(dest) && dest->pace.next_ms <= now_ms) {
            dest->active++;
            return dest;
        }
    }
    return NULL;
}

void router_dest_kick(struct router_queue *queue, struct router_dest *dest, int64_t now_ms)
{
    if (queue->stopping || !queue->started || !wants_sender(dest) ||
        !router_queue_leased(queue, now_ms))
        return;
    if (dest->pace.next_ms > now_ms) {
        if (dest->pace.next_ms < queue->wake_ms)
            pthread_cond_signal(&queue->keeper_cond);
        return;
    }
    struct router_sender *sender = idle_sender(queue, dest);
    if (sender == NULL)
        sender = new_sender(queue);
    if (sender == NULL) {
        wait_for_sender(queue, dest);
        return;
    }
    sender->work = dest;
    dest->active++;
    pthread_cond_signal(&sender->cond);
}

void router_queue_look_reports(struct router_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct router_dest *report = router_dest_find(queue, SLICE(ROUTER_REPORT_KEY));
    report->more = true;
    router_dest_kick(queue, report, sys_now_ms());
    pthread_mutex_unlock(&queue->lock);
}

void router_queue_look(struct router_queue *queue, bool now)
{
    int64_t now_ms = sys_now_ms();

    pthread_mutex_lock(&queue->lock);
    queue->scan = true;
    queue->scan_after_id = 0;
    for (struct router_dest *dest = queue->dests; dest != NULL; dest = dest->hh.next) {
        dest->more = true;
        if (now)
            dest->pace.next_ms = 0;
        router_dest_kick(queue, dest, now_ms);
    }
    pthread_cond_signal(&queue->keeper_cond);
    pthread_mutex_unlock(&queue->lock);
}

/* Destinations that servers of the domain lead to. */
void router_queue_look_servers(struct router_queue *queue)
{
    int64_t now_ms = sys_now_ms();
    const struct health_view *view = health_view_ref(queue->servers);

    pthread_mutex_lock(&queue->lock);
    for (struct router_sender *sender = queue->senders; sender != NULL; sender = sender->next)
        router_opening_look(&sender->opening, view, sys_mono_ms());
    for (struct router_dest *dest = queue->dests; dest != NULL; dest = dest->hh.next) {
        if (!router_plan_key_is_inside(dest->key))
            continue;
        dest->more = true;
        dest->pace.next_ms = 0;
        router_dest_kick(queue, dest, now_ms);
    }
    pthread_mutex_unlock(&queue->lock);
    health_view_unref(&view);
}

/* --- life --- */

static void server_changed(void *ctx, struct slice server, enum health_state from,
                           enum health_state to)
{
    struct router_queue *queue = ctx;

    (void)server;
    (void)from;
    (void)to;
    pthread_mutex_lock(&queue->lock); /* else the keeper might just have looked */
    atomic_store(&queue->servers_changed, true);
    pthread_cond_signal(&queue->keeper_cond);
    pthread_mutex_unlock(&queue->lock);
}

static void documents_changed(void *ctx, int64_t account_id, int64_t folder_id)
{
    struct router_queue *queue = ctx;

    (void)account_id;
    (void)folder_id;
    atomic_store(&queue->documents_changed, true);
    pthread_cond_signal(&queue->keeper_cond);
}

struct entering {
    struct router_queue *queue;
    int64_t lease_until_ms;
};

static enum st enter(struct store_tx *tx, void *arg)
{
    struct entering *entering = arg;
    struct router_queue *queue = entering->queue;
    int64_t report_id = 0;
    enum st st = store_server_enter(tx, slice_str(queue->server_name), entering->lease_until_ms,
                                    &queue->server_id);

    if (st == ST_OK)
        st = store_destination_need(tx, queue->server_id, SLICE(ROUTER_REPORT_KEY), &report_id);
    queue->report_id = report_id;
    return st == ST_OK ? store_destination_reset(tx, queue->server_id) : st;
}

/* --- what an earlier process had sent and not stored --- */

struct replaying {
    struct router_queue *queue;
    const struct router_journal_entry *entry;
    uint64_t count;
};

static enum st replay_body(struct store_tx *tx, void *arg)
{
    const struct replaying *replaying = arg;
    struct store_settle settle = {.what = STORE_SETTLE_DONE,
                                  .rcpt = {.envelope_id = replaying->entry->envelope_id,
                                           .rcpt_no = replaying->entry->rcpt_no,
                                           .answer = SLICE("")}};

    if (replaying->entry->relayed != 0) {
        settle.what = STORE_SETTLE_REPORT;
        settle.rcpt.state = STORE_RCPT_RELAYED;
        settle.rcpt.destination_id = replaying->queue->report_id;
    }
    return store_queue_settle(tx, &settle, 1);
}

static enum st replay_one(void *ctx, const struct router_journal_entry *entry)
{
    struct replaying *replaying = ctx;

    replaying->entry = entry;
    replaying->count++;
    return store_write(replaying->queue->store, replay_body, replaying);
}

static enum st replay(struct router_queue *queue, struct buf *why)
{
    struct replaying replaying = {.queue = queue};
    enum st st = router_journal_open(conf_get()->data_dir, why, &queue->journal);

    if (st == ST_OK)
        st = router_journal_each(queue->journal, replay_one, &replaying);
    if (st != ST_OK)
        return st;
    router_journal_clear(queue->journal);
    if (replaying.count > 0)
        log_event(EV_QUEUE_REPLAYED, 0, LOG_U("recipients", replaying.count));
    return ST_OK;
}

static enum st open_all(struct router_queue *queue, struct buf *why)
{
    const struct conf *conf = conf_get();
    struct entering entering = {queue, sys_now_ms() + (int64_t)conf->queue_lease_ms};
    enum st st = store_write(queue->store, enter, &entering);

    if (st != ST_OK) {
        buf_put(why, SLICE("the queue cannot be read from the store"));
        return st;
    }
    queue->lease_until_ms =
        store_is_shared(queue->store) ? entering.lease_until_ms : STORE_NEVER_MS;
    st = replay(queue, why);
    if (st != ST_OK)
        return st;
    st = sys_tls_client_new(conf->smtp_out_trust_file[0] != '\0' ? conf->smtp_out_trust_file : NULL,
                            conf->tls_priorities, why, &queue->tls);
    if (st == ST_OK)
        st = sys_dns_new(slice_str(conf->dns_servers), why, &queue->dns);
    if (st == ST_OK && pipe2(queue->stop_fds, O_CLOEXEC) != 0) {
        buf_put(why, SLICE("no pipe can be made"));
        st = ST_IO;
    }
    return st;
}

enum st router_queue_new(const struct router_queue_options *options, struct buf *why,
                         struct router_queue **queue_r)
{
    struct router_queue *queue = mem_new(struct router_queue);

    queue->store = options->store;
    queue->server_name = options->server_name;
    queue->servers = options->health;
    if (queue->servers != NULL)
        health_watch(queue->servers, server_changed, queue);
    queue->stop_fds[0] = queue->stop_fds[1] = -1;
    queue->scan = true;
    queue->waiting_tail = &queue->waiting;
    queue->health = router_health_new();
    pthread_mutex_init(&queue->lock, NULL);
    sys_cond_init(&queue->idle_cond);
    sys_cond_init(&queue->keeper_cond);
    enum st st = open_all(queue, why);
    if (st != ST_OK) {
        router_queue_free(&queue);
        return st;
    }
    struct router_dest *report = router_dest_find(queue, SLICE(ROUTER_REPORT_KEY));
    report->id = queue->report_id;
    report->more = true;
    *queue_r = queue;
    return ST_OK;
}

void router_queue_use_cluster(struct router_queue *queue, struct cluster *cluster)
{
    assert(!queue->started);
    queue->cluster = cluster;
}

void router_queue_start(struct router_queue *queue)
{
    atomic_store(&queue->documents_changed, true);
    pthread_mutex_lock(&queue->lock);
    bool started = pthread_create(&queue->keeper, NULL, router_keeper_main, queue) == 0;
    queue->started = started;
    pthread_mutex_unlock(&queue->lock);
    if (!started)
        return;
    queue->watch = store_watch_new(queue->store, STORE_DOCUMENTS_ACCOUNT, documents_changed, queue);
}

/* Waits until only the keeper is left, or the time is over. */
static bool await_quiet(struct router_queue *queue, uint64_t timeout_ms)
{
    uint64_t until_ms = sys_mono_ms() + timeout_ms;

    while (router_settle_drop(queue), queue->sender_count > 0 || queue->settling_count > 0) {
        uint64_t now_ms = sys_mono_ms();

        if (now_ms >= until_ms)
            return false;
        sys_cond_wait_ms(&queue->idle_cond, &queue->lock, until_ms - now_ms);
    }
    return true;
}

void router_queue_stop(struct router_queue *queue, uint64_t timeout_ms)
{
    store_watch_free(&queue->watch);
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    for (struct router_sender *s = queue->senders; s != NULL; s = s->next)
        pthread_cond_signal(&s->cond);
    pthread_cond_signal(&queue->keeper_cond);
    if (!await_quiet(queue, timeout_ms)) {
        if (write(queue->stop_fds[1], "S", 1) != 1)
            log_event(EV_QUEUE_TROUBLE, 0, LOG_C("what", "senders cannot be told to stop"));
        (void)await_quiet(queue, timeout_ms);
    }
    pthread_mutex_unlock(&queue->lock);
    if (queue->started)
        pthread_join(queue->keeper, NULL);
    queue->started = false;
}

static void free_dest(struct router_queue *queue, struct router_dest *dest)
{
    router_items_forget(queue, &dest->first);
    HASH_DEL(queue->dests, dest);
    mem_free(dest->key);
    mem_free(dest);
}

void router_queue_free(struct router_queue **queue)
{
    struct router_queue *q = *queue;
    struct router_dest *dest;
    struct router_dest *next;

    if (q == NULL)
        return;
    HASH_ITER(hh, q->dests, dest, next)
    free_dest(q, dest);
    router_health_free(&q->health);
    router_journal_close(&q->journal);
    sys_dns_free(&q->dns);
    sys_tls_client_free(&q->tls);
    for (size_t i = 0; i < COUNT(q->stop_fds); i++)
        if (q->stop_fds[i] >= 0)
            close(q->stop_fds[i]);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->idle_cond);
    pthread_cond_destroy(&q->keeper_cond);
    mem_free(q);
    *queue = NULL;
}

int64_t router_queue_server_id(const struct router_queue *queue)
{
    return queue->server_id;
}

struct health *router_queue_servers(const struct router_queue *queue)
{
    return queue->servers;
}

void router_queue_watch_tasks(struct router_queue *queue, void (*fn)(void *ctx), void *ctx)
{
    queue->tasks_fn = fn;
    queue->tasks_ctx = ctx;
}

void router_queue_tell_tasks(const struct router_queue *queue)
{
    if (queue->tasks_fn != NULL)
        queue->tasks_fn(queue->tasks_ctx);
}

const char *router_queue_server_name(const struct router_queue *queue)
{
    return queue->server_name;
}

const struct router_health *router_queue_health(const struct router_queue *queue)
{
    return queue->health;
}

int64_t router_queue_report_id(const struct router_queue *queue)
{
    return queue->report_id;
}
