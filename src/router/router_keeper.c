#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router_run.h"
#include "sys/sys_time.h"

#include <stdio.h>

#define LOOK_MS_MAX 1000
#define SCAN_MS 60000
#define SCAN_COUNT 500
#define AGE_LOOK_MS_MAX 30000
#define UNUSED_MS 60000
#define SWEEP_EVERY_MS ((int64_t)HOUR_MS)
#define SWEEP_COUNT 10000
#define CLAIMS_MS (31 * (int64_t)DAY_MS) /* longer than submission_repeat_ms can be */
#define HANDED_EVERY_MS INT64_C(600000)
#define HANDED_SPARE_MS INT64_C(86400000)

/* --- destinations that come due --- */

/* Lock held. When to look again. */
static int64_t kick_due(struct router_queue *queue, int64_t now_ms)
{
    int64_t wake_ms = now_ms + LOOK_MS_MAX;

    for (struct router_dest *dest = queue->dests; dest != NULL; dest = dest->hh.next) {
        if (dest->due_ms <= now_ms) {
            dest->due_ms = STORE_NEVER_MS;
            dest->more = true;
        }
        router_dest_kick(queue, dest, now_ms);
        if (dest->due_ms < wake_ms)
            wake_ms = dest->due_ms;
        if ((dest->more || dest->first != NULL) && dest->pace.next_ms > now_ms &&
            dest->pace.next_ms < wake_ms)
            wake_ms = dest->pace.next_ms;
    }
    return wake_ms;
}

/* --- destinations of the store that are not in memory --- */

struct scanning {
    struct router_queue *queue;
    int64_t now_ms;
    int64_t after_id;
    size_t count;
    struct found {
        int64_t id;
        char *name;
        char *answer;
        uint64_t attempts;
    } found[SCAN_COUNT];
};

static void drop_found(struct scanning *scanning)
{
    for (size_t i = 0; i < scanning->count; i++) {
        mem_free(scanning->found[i].name);
        mem_free(scanning->found[i].answer);
    }
    scanning->count = 0;
}

static enum st take_found(void *ctx, const struct store_destination *destination)
{
    struct scanning *scanning = ctx;

    scanning->found[scanning->count++] =
        (struct found){destination->destination_id, mem_copy(destination->name),
                       mem_copy(destination->answer), destination->attempts};
    return scanning->count < SCAN_COUNT ? ST_OK : ST_AGAIN;
}

static enum st scan_body(struct store_tx *tx, void *arg)
{
    struct scanning *scanning = arg;

    drop_found(scanning);
    enum st st = store_destination_due(tx, scanning->queue->server_id, scanning->now_ms,
                                       scanning->after_id, SCAN_COUNT, take_found, scanning);
    return st == ST_AGAIN ? ST_OK : st;
}

struct merging {
    int64_t from_id;
    int64_t to_id;
    int64_t now_ms;
};

static enum st merge_body(struct store_tx *tx, void *arg)
{
    const struct merging *merging = arg;

    return store_destination_merge(tx, merging->from_id, merging->to_id, merging->now_ms);
}

/* Two of one name: made at one moment, or taken over from another server. */
static void merge(struct router_queue *queue, int64_t from_id, int64_t to_id)
{
    struct merging merging = {from_id, to_id, sys_now_ms()};

    pthread_mutex_unlock(&queue->lock);
    if (store_write(queue->store, merge_body, &merging) != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "queue destinations"));
    pthread_mutex_lock(&queue->lock);
}

static void take_in(struct router_queue *queue, const struct found *found)
{
    struct router_dest *dest = router_dest_find(queue, slice_str(found->name));

    if (dest->id == 0) {
        dest->id = found->id;
        dest->pace.attempts = found->attempts;
        snprintf(dest->answer, sizeof(dest->answer), "%s", found->answer);
    }
    if (dest->id != found->id)
        merge(queue, found->id, dest->id);
    dest->more = true;
    router_dest_kick(queue, dest, sys_now_ms());
}

/* A page of them. Lock held, let go while it reads. */
static void scan(struct router_queue *queue)
{
    struct scanning *scanning = mem_new(struct scanning);

    scanning->queue = queue;
    scanning->now_ms = sys_now_ms();
    scanning->after_id = queue->scan_after_id;
    pthread_mutex_unlock(&queue->lock);
    enum st st = store_read(queue->store, scan_body, scanning);
    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; st == ST_OK && i < scanning->count; i++) {
        if (HASH_COUNT(queue->dests) >= ROUTER_DESTS_MAX)
            break; /* the others when these are done */
        queue->scan_after_id = scanning->found[i].id;
        take_in(queue, &scanning->found[i]);
    }
    if (st == ST_OK && scanning->count < SCAN_COUNT) {
        queue->scan = false;
        queue->scan_after_id = 0;
    }
    drop_found(scanning);
    mem_free(scanning);
}

/* --- destinations that are done with --- */

static enum st set_body(struct store_tx *tx, void *arg)
{
    return store_destination_set(tx, arg);
}

/* Lock held. A connection that is kept is for it. */
static bool connected(const struct router_queue *queue, const struct router_dest *dest)
{
    for (const struct router_sender *s = queue->senders; s != NULL; s = s->next)
        if (s->last == dest)
            return true;
    return false;
}

static bool unused(const struct router_queue *queue, const struct router_dest *dest, int64_t now_ms)
{
    return dest->refs == 0 && dest->active == 0 && dest->item_count == 0 && !dest->waiting &&
           !dest->reading && dest->id != queue->report_id && now_ms - dest->used_ms > UNUSED_MS &&
           (!dest->more || dest->pace.next_ms > now_ms + UNUSED_MS) &&
           dest->due_ms > now_ms + UNUSED_MS && !connected(queue, dest);
}

/* When its row comes up again: never, where nothing is queued; who queues something resets that. */
static int64_t next_of(const struct router_dest *dest)
{
    if (dest->more)
        return dest->pace.next_ms;
    return dest->due_ms > dest->pace.next_ms ? dest->due_ms : dest->pace.next_ms;
}

/* Lock held. */
static void put_unused_away(struct router_queue *queue, int64_t now_ms)
{
    struct router_dest *dest;
    struct router_dest *next;
    struct router_dest *away = NULL;

    HASH_ITER(hh, queue->dests, dest, next)
    if (unused(queue, dest, now_ms)) {
        HASH_DEL(queue->dests, dest);
        dest->next_waiting = away;
        away = dest;
    }
    pthread_mutex_unlock(&queue->lock);
    for (dest = away; dest != NULL; dest = next) {
        struct store_destination row = {.destination_id = dest->id,
                                        .attempts = dest->pace.attempts,
                                        .next_ms = next_of(dest),
                                        .answer = slice_str(dest->answer)};

        next = dest->next_waiting;
        if (dest->id != 0 && store_write(queue->store, set_body, &row) != ST_OK)
            log_event(EV_STORE_FAILED, 0, LOG_C("what", "queue destination"));
        mem_free(dest->key);
        mem_free(dest);
    }
    pthread_mutex_lock(&queue->lock);
}

/* --- leases --- */

struct leasing {
    struct router_queue *queue;
    int64_t now_ms;
    int64_t until_ms;
    int64_t taken;
    bool lost;
    int64_t report_id; /* where it was lost: a new one */
};

/* Who was silent for a time takes nothing over: after an outage of the database all leases are
 * over, and their owners renew them in a moment. */
static enum st lease_body(struct store_tx *tx, void *arg)
{
    struct leasing *leasing = arg;
    struct router_queue *queue = leasing->queue;
    int64_t server_id = queue->server_id;
    enum st st = store_server_renew(tx, server_id, leasing->until_ms);

    leasing->taken = 0;
    leasing->lost = st == ST_NOT_FOUND;
    if (leasing->lost) {
        st = store_server_enter(tx, slice_str(queue->server_name), leasing->until_ms, &server_id);
        if (st == ST_OK)
            st = store_destination_need(tx, server_id, SLICE(ROUTER_REPORT_KEY),
                                        &leasing->report_id);
        return st;
    }
    return st != ST_OK || !router_queue_leased(queue, leasing->now_ms)
               ? st
               : store_server_take_over(tx, server_id, leasing->now_ms, &leasing->taken);
}

/* Another server has the destinations now: their ids and rows are forgotten, but for what is being
 * sent at this moment. Lock held. */
static void begin_anew(struct router_queue *queue, int64_t report_id)
{
    for (struct router_dest *dest = queue->dests; dest != NULL; dest = dest->hh.next) {
        dest->id = slice_eq(slice_str(dest->key), SLICE(ROUTER_REPORT_KEY)) ? report_id : 0;
        router_items_forget(queue, &dest->first);
        dest->tail = &dest->first;
        dest->more = true;
    }
    queue->report_id = report_id;
}

static void renew_lease(struct router_queue *queue, int64_t now_ms)
{
    struct leasing leasing = {
        .queue = queue, .now_ms = now_ms, .until_ms = now_ms + (int64_t)conf_get()->queue_lease_ms};

    if (store_write(queue->store, lease_body, &leasing) != ST_OK) {
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "queue lease"));
        return;
    }
    if (leasing.lost)
        log_event(EV_QUEUE_LEASE_LOST, 0, LOG_NONE);
    if (leasing.taken > 0)
        log_event(EV_QUEUE_TAKEN_OVER, 0, LOG_I("destinations", leasing.taken));
    pthread_mutex_lock(&queue->lock);
    if (leasing.lost)
        begin_anew(queue, leasing.report_id);
    queue->lease_until_ms = leasing.until_ms;
    if (leasing.lost || leasing.taken > 0) {
        queue->scan = true;
        queue->scan_after_id = 0;
    }
    pthread_mutex_unlock(&queue->lock);
}

/* --- claims nobody asks for any more --- */

struct sweeping {
    int64_t before_ms;
    int64_t count;
};

static enum st sweep_body(struct store_tx *tx, void *arg)
{
    struct sweeping *sweeping = arg;

    return store_claim_sweep(tx, sweeping->before_ms, SWEEP_COUNT, &sweeping->count);
}

/* In small transactions, so that nobody waits long. */
static void sweep_claims(struct router_queue *queue, int64_t now_ms)
{
    struct sweeping sweeping = {now_ms - CLAIMS_MS, SWEEP_COUNT};
    enum st st = ST_OK;

    while (st == ST_OK && sweeping.count == SWEEP_COUNT && !queue->stopping)
        st = store_write(queue->store, sweep_body, &sweeping);
    if (st != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "old claims"));
}

/* --- the thread --- */

static int64_t age_look_ms(void)
{
    const struct conf *conf = conf_get();
    uint64_t ms = conf->queue_timeout_ms / 10;

    if (conf->queue_warn_ms != 0 && conf->queue_warn_ms / 10 < ms)
        ms = conf->queue_warn_ms / 10;
    return ms > AGE_LOOK_MS_MAX ? AGE_LOOK_MS_MAX : ms < 100 ? 100 : (int64_t)ms;
}

struct rounds {
    int64_t lease_ms;
    int64_t scan_ms;
    int64_t sweep_ms;
    int64_t aged_ms; /* when it was looked */
    int64_t handed_ms;
};

struct forgetting {
    int64_t before_ms;
    int64_t count;
};

static enum st forget_body(struct store_tx *tx, void *arg)
{
    struct forgetting *forgetting = arg;

    return store_handed_sweep(tx, forgetting->before_ms, &forgetting->count);
}

/* What another server handed over so long ago, it does not hand over any more: its settings are
 * like ours. Without lock. */
static void forget_handed(struct router_queue *queue, int64_t now_ms)
{
    struct forgetting forgetting = {
        now_ms - 2 * (int64_t)conf_get()->queue_timeout_ms - HANDED_SPARE_MS, 0};

    if (store_write(queue->store, forget_body, &forgetting) != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "what was handed over"));
}

/* Mail that waits for an account that is to be here finds it. Without lock. */
static void place_accounts(struct router_queue *queue)
{
    if (directory_place(queue->store, slice_str(queue->server_name)) != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "new accounts"));
}

/* What is to be done now and then. Without lock. */
static void do_rounds(struct router_queue *queue, struct rounds *rounds, int64_t now_ms)
{
    if (now_ms >= rounds->lease_ms) {
        rounds->lease_ms = now_ms + (int64_t)conf_get()->queue_lease_ms / 3;
        if (store_is_shared(queue->store))
            renew_lease(queue, now_ms);
    }
    if (now_ms - rounds->aged_ms >= age_look_ms()) {
        rounds->aged_ms = now_ms;
        router_age_look(queue, now_ms);
    }
    if (now_ms >= rounds->sweep_ms) {
        if (rounds->sweep_ms != 0) /* not while the server starts */
            sweep_claims(queue, now_ms);
        rounds->sweep_ms = now_ms + SWEEP_EVERY_MS;
    }
    if (now_ms >= rounds->handed_ms) {
        rounds->handed_ms = now_ms + HANDED_EVERY_MS;
        forget_handed(queue, now_ms);
    }
    if (now_ms >= rounds->scan_ms) {
        rounds->scan_ms = now_ms + SCAN_MS;
        pthread_mutex_lock(&queue->lock);
        queue->scan = true;
        put_unused_away(queue, now_ms);
        pthread_mutex_unlock(&queue->lock);
    }
}

void *router_keeper_main(void *arg)
{
    struct router_queue *queue = arg;
    struct rounds rounds = {.lease_ms = sys_now_ms() + (int64_t)conf_get()->queue_lease_ms / 3};

    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping) {
        int64_t now_ms = sys_now_ms();

        if (queue->undone != NULL)
            router_settle_undone(queue);
        if (queue->scan)
            scan(queue);
        queue->wake_ms = kick_due(queue, now_ms);
        pthread_mutex_unlock(&queue->lock);
        if (atomic_exchange(&queue->documents_changed, false)) {
            place_accounts(queue);
            router_queue_look(queue, true);
        }
        if (atomic_exchange(&queue->servers_changed, false))
            router_queue_look_servers(queue);
        do_rounds(queue, &rounds, now_ms);
        pthread_mutex_lock(&queue->lock);
        int64_t wait_ms = queue->wake_ms - sys_now_ms();
        if (age_look_ms() < wait_ms)
            wait_ms = age_look_ms();
        bool changed =
            atomic_load(&queue->servers_changed) || atomic_load(&queue->documents_changed);
        if (!queue->stopping && !changed && wait_ms > 0)
            sys_cond_wait_ms(&queue->keeper_cond, &queue->lock, (uint64_t)wait_ms);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}
