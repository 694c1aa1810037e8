#include "sim_queue.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "directory/directory.h"
#include "store/store_queue.h"

#include <stdio.h>
#include <string.h>

#define CACHE_MS 2000
#define TURN_MS 2000
#define AGE_LOOK_MS 30000
#define AUDIT_MS 600000

/* What an event is about: its kind above, a number below. */
enum event {
    EVENT_ARRIVAL,
    EVENT_DEST,
    EVENT_SENDER,
    EVENT_IDLE,
    EVENT_AGE,
    EVENT_AUDIT,
    EVENT_CHANGE
};

static void put_event(struct sim *sim, int64_t at_ms, enum event event, size_t number)
{
    sim_heap_put(&sim->events, at_ms, (uint64_t)event << 32 | number);
}

/* --- destinations --- */

struct router_pace_limits sim_dest_limits(const struct sim_dest *dest)
{
    const struct router_pace_limits limits = {SIM_PER_DESTINATION_MAX, SIM_RETRY_MIN_MS,
                                              SIM_RETRY_MAX_MS};

    return router_pace_limits_of(limits, dest->connections_max, dest->retry_max_ms);
}

struct sim_dest *sim_dest_find(struct sim *sim, const char *key)
{
    struct sim_dest *dest;

    HASH_FIND_STR(sim->dests, key, dest);
    if (dest != NULL)
        return dest;
    dest = mem_new(struct sim_dest);
    snprintf(dest->key, sizeof(dest->key), "%s", key);
    dest->id = sim->dest_count++;
    dest->due_ms = STORE_NEVER_MS;
    dest->most = SIM_PER_DESTINATION_MAX;
    sim->by_id = mem_grow(sim->by_id, sim->dest_count, sizeof(struct sim_dest *));
    sim->by_id[dest->id] = dest;
    HASH_ADD_STR(sim->dests, key, dest);
    return dest;
}

static void wake_at(struct sim *sim, struct sim_dest *dest, int64_t at_ms)
{
    if (dest->wake_ms > sim->now_ms && dest->wake_ms <= at_ms)
        return;
    dest->wake_ms = at_ms;
    put_event(sim, at_ms, EVENT_DEST, dest->id);
}

static void dest_due(struct sim *sim, struct sim_dest *dest, int64_t due_ms)
{
    if (due_ms >= dest->due_ms)
        return;
    dest->due_ms = due_ms;
    wake_at(sim, dest, due_ms > sim->now_ms ? due_ms : sim->now_ms);
}

static bool has_window(const struct sim_dest *dest)
{
    return dest->window_at < dest->window_end;
}

static bool wants_sender(const struct sim_dest *dest)
{
    const struct router_pace_limits limits = sim_dest_limits(dest);

    return (dest->more || has_window(dest)) &&
           dest->active < router_pace_limit(&dest->pace, &limits);
}

static struct sim_sender *idle_sender(struct sim *sim, const struct sim_dest *dest)
{
    struct sim_sender *any = NULL;

    for (size_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        struct sim_sender *sender = &sim->senders[i];

        if (sender->step != SIM_IDLE)
            continue;
        if (sender->connected && sender->connected_to == dest)
            return sender;
        if (any == NULL || any->connected)
            any = sender;
    }
    return any;
}

void sim_dest_kick(struct sim *sim, struct sim_dest *dest)
{
    if (!wants_sender(dest))
        return;
    if (dest->pace.next_ms > sim->now_ms) {
        wake_at(sim, dest, dest->pace.next_ms);
        return;
    }
    struct sim_sender *sender = idle_sender(sim, dest);
    if (sender != NULL) {
        dest->active++;
        sender->dest = dest;
        sender->turn_ms = sim->now_ms;
        sim_sender_step(sim, sender, SIM_BEGIN, 0);
    } else if (!dest->waiting) {
        dest->waiting = true;
        dest->waiting_ms = sim->now_ms;
        dest->next_waiting = NULL;
        *sim->waiting_tail = dest;
        sim->waiting_tail = &dest->next_waiting;
    }
}

static struct sim_dest *dest_waiting(struct sim *sim)
{
    while (sim->waiting != NULL) {
        struct sim_dest *dest = sim->waiting;

        sim->waiting = dest->next_waiting;
        if (sim->waiting == NULL)
            sim->waiting_tail = &sim->waiting;
        dest->waiting = false;
        if (sim->now_ms - dest->waiting_ms > sim->figures.wait_most_ms)
            sim->figures.wait_most_ms = sim->now_ms - dest->waiting_ms;
        if (wants_sender(dest) && dest->pace.next_ms <= sim->now_ms) {
            dest->active++;
            return dest;
        }
    }
    return NULL;
}

/* --- rows --- */

void sim_row_store(struct sim *sim, struct sim_row *row, struct sim_dest *dest)
{
    row->state = SIM_QUEUED;
    row->dest = dest->id;
    sim_heap_put(&dest->store, row->next_ms, (uint64_t)(row - sim->rows));
    if (row->next_ms > sim->now_ms)
        dest_due(sim, dest, row->next_ms);
}

void sim_row_plan(struct sim *sim, const struct sim_row *row, struct router_plan *plan_r)
{
    char address[64];
    int len = snprintf(address, sizeof(address), "r%u@%s", row->message,
                       sim->world.domains[row->domain].name);
    const struct router_question question = {.directory = sim->directory,
                                             .health = sim->health,
                                             .address = {address, (size_t)len},
                                             .tls = ROUTER_TLS_OPPORTUNISTIC,
                                             .mx_port = 25,
                                             .now_ms = sim->now_ms};

    router_plan(&question, sim->arena, plan_r);
}

void sim_row_end(struct sim *sim, struct sim_row *row, enum sim_row_state state)
{
    if (row->state == SIM_DELIVERED || row->state == SIM_FAILED)
        sim_violation(sim->now_ms, "message %u ends twice", row->message);
    if (sim->now_ms > row->accepted_ms + (int64_t)(SIM_TIMEOUT_MS + SIM_RETRY_MAX_MS * 6 / 5))
        sim_violation(sim->now_ms, "message %u ends %lld ms after its time", row->message,
                      (long long)(sim->now_ms - row->accepted_ms - (int64_t)SIM_TIMEOUT_MS));
    row->state = state;
    sim->figures.doubled += row->taken > 1;
    sim->figures.last_ms = sim->now_ms;
}

/* Entries of rows that were given up meanwhile go. False: the store has none. */
static bool peek(struct sim *sim, struct sim_dest *dest)
{
    while (dest->store.count > 0) {
        const struct sim_row *row = &sim->rows[dest->store.at[0].id];

        if (row->state == SIM_QUEUED && row->dest == dest->id)
            return true;
        (void)sim_heap_take(&dest->store);
    }
    return false;
}

static void read_window(struct sim *sim, struct sim_dest *dest)
{
    dest->window_at = dest->window_end = 0;
    dest->more = false;
    while (dest->window_end < SIM_WINDOW_COUNT && peek(sim, dest) &&
           dest->store.at[0].at_ms <= sim->now_ms) {
        uint32_t number = (uint32_t)sim_heap_take(&dest->store).id;

        sim->rows[number].state = SIM_READ;
        dest->window[dest->window_end++] = number;
    }
    if (dest->window_end == SIM_WINDOW_COUNT)
        dest->more = true;
    else if (peek(sim, dest))
        dest_due(sim, dest, dest->store.at[0].at_ms);
}

static void forget_window(struct sim *sim, struct sim_dest *dest)
{
    for (; has_window(dest); dest->window_at++) {
        struct sim_row *row = &sim->rows[dest->window[dest->window_at]];
        if (row->state == SIM_READ)
            sim_row_store(sim, row, dest);
    }
    dest->more = true;
}

/* The next message of the destination; false: nothing is due. */
static bool take(struct sim *sim, struct sim_dest *dest, struct sim_sender *sender)
{
    if (!has_window(dest) && dest->more)
        read_window(sim, dest);
    for (sender->count = 0; has_window(dest) && sender->count < SIM_RCPTS_MAX;) {
        struct sim_row *row = &sim->rows[dest->window[dest->window_at]];

        if (sender->count > 0 && row->message != sender->rows[0]->message)
            break;
        dest->window_at++;
        if (row->state != SIM_READ) /* given up meanwhile */
            continue;
        row->state = SIM_TRIED_NOW;
        sender->rows[sender->count++] = row;
        sim_check_take(row, &dest->pace, sim->now_ms);
    }
    return sender->count > 0;
}

/* --- senders --- */

void sim_sender_step(struct sim *sim, struct sim_sender *sender, enum sim_step step,
                     int64_t after_ms)
{
    sender->step = step;
    put_event(sim, sim->now_ms + after_ms, EVENT_SENDER, (size_t)(sender - sim->senders));
}

void sim_sender_hang_up(struct sim *sim, struct sim_sender *sender)
{
    if (!sender->connected)
        return;
    sender->connected = false;
    sender->connected_to->connections--;
    sim->world.hosts[sender->host].connections--;
}

static void check_active(struct sim *sim, const struct sim_dest *dest)
{
    unsigned senders = 0;

    for (size_t i = 0; i < SIM_CONNECTIONS_MAX; i++)
        senders += sim->senders[i].step != SIM_IDLE;
    if (senders > sim->figures.senders_most)
        sim->figures.senders_most = senders;
    if (dest->pace.attempts > 0 && dest->active > 1)
        sim_violation(sim->now_ms, "%u connections probe %s", dest->active, dest->key);
    if (dest->active > dest->most)
        sim_violation(sim->now_ms, "%u senders are at work for %s", dest->active, dest->key);
}

/* True: the sender has begun something that takes its time. */
static bool work_on(struct sim *sim, struct sim_sender *sender)
{
    struct sim_dest *dest = sender->dest;

    for (;;) {
        const struct router_pace_limits limits = sim_dest_limits(dest);

        if ((sim->waiting != NULL && sim->now_ms - sender->turn_ms >= TURN_MS) ||
            dest->pace.next_ms > sim->now_ms ||
            dest->active > router_pace_limit(&dest->pace, &limits) || !take(sim, dest, sender))
            break;
        check_active(sim, dest);
        sim_dest_kick(sim, dest);
        if (!sim_attempt_begin(sim, sender))
            return true;
    }
    dest->active--;
    if (dest->pace.next_ms > sim->now_ms && dest->active == 0 && has_window(dest))
        forget_window(sim, dest);
    sim_dest_kick(sim, dest);
    return false;
}

static void work(struct sim *sim, struct sim_sender *sender)
{
    while (!work_on(sim, sender)) {
        struct sim_dest *dest = dest_waiting(sim);

        if (dest == NULL) {
            sender->step = SIM_IDLE;
            sender->idle_until_ms = sim->now_ms + CACHE_MS;
            put_event(sim, sender->idle_until_ms, EVENT_IDLE, (size_t)(sender - sim->senders));
            return;
        }
        sender->dest = dest;
        sender->turn_ms = sim->now_ms;
    }
}

/* --- events --- */

/* All rows of one moment. */
static void arrive(struct sim *sim)
{
    while (sim->arrived < sim->row_count && sim->rows[sim->arrived].accepted_ms <= sim->now_ms) {
        struct sim_row *row = &sim->rows[sim->arrived++];
        struct router_plan plan;

        arena_reset(sim->arena);
        sim_row_plan(sim, row, &plan);
        struct sim_dest *dest = sim_dest_find(sim, plan.key);
        sim_row_store(sim, row, dest);
        dest->more = true;
        sim_dest_kick(sim, dest);
    }
    if (sim->arrived < sim->row_count)
        put_event(sim, sim->rows[sim->arrived].accepted_ms, EVENT_ARRIVAL, 0);
}

static void wake_dest(struct sim *sim, struct sim_dest *dest)
{
    if (dest->due_ms <= sim->now_ms) {
        dest->due_ms = STORE_NEVER_MS;
        dest->more = true;
    }
    sim_dest_kick(sim, dest);
    if (dest->due_ms != STORE_NEVER_MS)
        wake_at(sim, dest, dest->due_ms);
}

static bool is_over(const struct sim_row *row)
{
    return row->state == SIM_DELIVERED || row->state == SIM_FAILED;
}

static void age_look(struct sim *sim)
{
    for (size_t i = sim->first_open; i < sim->arrived; i++) {
        struct sim_row *row = &sim->rows[i];

        if (sim->now_ms - row->accepted_ms < (int64_t)SIM_TIMEOUT_MS)
            break;
        if (row->state == SIM_QUEUED || row->state == SIM_READ) {
            sim_row_end(sim, row, SIM_FAILED);
            sim->figures.expired++;
        }
    }
    while (sim->first_open < sim->arrived && is_over(&sim->rows[sim->first_open]))
        sim->first_open++;
    if (sim->first_open < sim->row_count)
        put_event(sim, sim->now_ms + AGE_LOOK_MS, EVENT_AGE, 0);
}

/* No destination lies idle while it has something to do. */
static void audit(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->dest_count; i++) {
        struct sim_dest *dest = sim->by_id[i];
        bool due = has_window(dest) || (peek(sim, dest) && dest->store.at[0].at_ms < sim->now_ms);

        if (due && dest->pace.next_ms < sim->now_ms && dest->active == 0 && !dest->waiting)
            sim_violation(sim->now_ms, "%s is forgotten", dest->key);
    }
    if (sim->first_open < sim->row_count)
        put_event(sim, sim->now_ms + AUDIT_MS, EVENT_AUDIT, 0);
}

/* Other documents are in force: router_queue_look(). */
static void change(struct sim *sim)
{
    if (sim->next_directory == NULL)
        return;
    sim->directory = sim->next_directory;
    for (uint32_t i = 0; i < sim->dest_count; i++) {
        sim->by_id[i]->more = true;
        sim->by_id[i]->pace.next_ms = 0;
        sim_dest_kick(sim, sim->by_id[i]);
    }
}

static void happen(struct sim *sim, enum event event, uint32_t number)
{
    struct sim_sender *sender = &sim->senders[number % SIM_CONNECTIONS_MAX];

    switch (event) {
    case EVENT_ARRIVAL:
        arrive(sim);
        break;
    case EVENT_DEST:
        wake_dest(sim, sim->by_id[number]);
        break;
    case EVENT_SENDER:
        if (sender->step == SIM_BEGIN || sim_attempt_go_on(sim, sender))
            work(sim, sender);
        break;
    case EVENT_IDLE:
        if (sender->step == SIM_IDLE && sender->idle_until_ms == sim->now_ms)
            sim_sender_hang_up(sim, sender);
        break;
    case EVENT_AGE:
        age_look(sim);
        break;
    case EVENT_AUDIT:
        audit(sim);
        break;
    case EVENT_CHANGE:
        change(sim);
        break;
    }
}

void sim_init(struct sim *sim, uint64_t seed)
{
    *sim = (struct sim){.random = seed, .now_ms = SIM_START_MS};
    sim->waiting_tail = &sim->waiting;
    sim->health = router_health_new();
    sim->arena = arena_new("sim", 4 * MIB);
    sim->senders = mem_alloc(SIM_CONNECTIONS_MAX * sizeof(sim->senders[0]));
    sim_check_begin(seed);
}

void sim_run(struct sim *sim, int64_t change_ms)
{
    put_event(sim, sim->rows[0].accepted_ms, EVENT_ARRIVAL, 0);
    put_event(sim, SIM_START_MS, EVENT_AGE, 0);
    put_event(sim, SIM_START_MS, EVENT_AUDIT, 0);
    put_event(sim, change_ms, EVENT_CHANGE, 0);
    while (sim->events.count > 0 && sim->first_open < sim->row_count) {
        struct sim_entry entry = sim_heap_take(&sim->events);

        sim->now_ms = entry.at_ms;
        sim->figures.events++;
        happen(sim, (enum event)(entry.id >> 32), (uint32_t)entry.id);
    }
    for (size_t i = 0; i < sim->row_count; i++)
        sim_check_end(&sim->rows[i], sim->now_ms);
}

void sim_fini(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->dest_count; i++) {
        HASH_DEL(sim->dests, sim->by_id[i]);
        sim_heap_fini(&sim->by_id[i]->store);
        mem_free(sim->by_id[i]);
    }
    mem_free(sim->by_id);
    mem_free(sim->senders);
    sim_heap_fini(&sim->events);
    router_health_free(&sim->health);
    arena_free(&sim->arena);
}
