#include "calendar/calendar_keeper.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar_forget.h"
#include "calendar/calendar_work.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <pthread.h>

#define DAY_S INT64_C(86400)
#define TASKS_AT_ONCE 64
#define RETRY_MS_MIN 500
#define LOOK_MS 60000 /* others may have left work without a word */
#define ROLL_AT_ONCE 20
#define ROLL_SPARE_DAYS 30 /* rolled so long before the window's end comes near */

struct calendar_keeper {
    struct calendar *calendar;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool kicked;
    bool stopping;
};

/* --- tasks --- */

struct looking {
    int64_t now_ms;
    int64_t ids[TASKS_AT_ONCE];
    size_t count;
    int64_t next_ms;
};

static enum st look_body(struct store_tx *tx, void *arg)
{
    struct looking *looking = arg;

    return store_task_due(tx, looking->now_ms, looking->ids, COUNT(looking->ids), &looking->count,
                          &looking->next_ms);
}

/* When the next one is due, at most LOOK_MS from now. */
static int64_t do_tasks(struct calendar_keeper *keeper, struct arena *arena)
{
    struct looking looking = {.now_ms = sys_now_ms(), .next_ms = INT64_MAX};

    if (store_read(calendar_store(keeper->calendar), look_body, &looking) != ST_OK)
        return looking.now_ms + RETRY_MS_MIN;
    for (size_t i = 0; i < looking.count; i++) {
        struct calendar_round round = {.calendar = keeper->calendar};

        calendar_work(&round, arena, looking.ids[i]);
        calendar_round_do(&round);
    }
    if (looking.count > 0 && looking.next_ms <= sys_now_ms())
        return 0;
    return looking.next_ms < looking.now_ms + LOOK_MS ? looking.next_ms : looking.now_ms + LOOK_MS;
}

/* --- the window of busytime --- */

struct rolling {
    struct calendar *calendar;
    const struct directory *directory;
    struct arena *arena;
    int64_t below_s;
    int64_t since_s; /* one that was rolled lately has come as far as it can */
    int64_t now_ms;
    struct store_event events[ROLL_AT_ONCE];
    size_t count;
};

static enum st note_event(void *ctx, const struct store_event *event)
{
    struct rolling *r = ctx;
    struct store_event *noted = &r->events[r->count++];

    *noted = *event;
    noted->body = arena_copy(r->arena, event->body);
    return ST_OK;
}

static enum st roll_one(struct rolling *r, struct store_tx *tx, const struct store_event *event)
{
    uint64_t modseq;
    uint64_t bytes_used;
    enum st st = store_account_advance(tx, event->account_id, 0, 0, &modseq, &bytes_used);

    return st != ST_OK
               ? st
               : calendar_roll_event(r->calendar, r->directory, tx, r->arena, event, r->now_ms);
}

static enum st roll_body(struct store_tx *tx, void *arg)
{
    struct rolling *r = arg;

    arena_reset(r->arena);
    r->count = 0;
    enum st st = store_event_unexpanded(tx, r->below_s, r->since_s, ROLL_AT_ONCE, note_event, r);
    for (size_t i = 0; st == ST_OK && i < r->count; i++)
        st = roll_one(r, tx, &r->events[i]);
    return st;
}

static void roll(struct calendar_keeper *keeper, struct arena *arena)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    int64_t ahead_days = (int64_t)conf_get()->busytime_ahead_days;
    int64_t spare_days = ahead_days / 2 < ROLL_SPARE_DAYS ? ahead_days / 2 : ROLL_SPARE_DAYS;
    struct rolling r = {.calendar = keeper->calendar,
                        .directory = directory,
                        .arena = arena,
                        .now_ms = sys_now_ms()};

    r.below_s = r.now_ms / 1000 + (ahead_days - spare_days) * DAY_S;
    r.since_s = r.now_ms / 1000 - ((int64_t)conf_get()->busytime_past_days + 1) * DAY_S;
    do {
        if (store_write(calendar_store(keeper->calendar), roll_body, &r) != ST_OK) {
            log_event(EV_STORE_FAILED, 0, LOG_C("what", "busytime"));
            return;
        }
    } while (r.count == ROLL_AT_ONCE && !keeper->stopping);
}

/* --- memories --- */

static void forget(struct calendar_keeper *keeper)
{
    size_t count = 1;

    while (count > 0 && !keeper->stopping) {
        if (calendar_forget(keeper->calendar, sys_now_ms(), &count) != ST_OK) {
            log_event(EV_STORE_FAILED, 0, LOG_C("what", "memories of invitations"));
            return;
        }
    }
}

/* --- the thread --- */

static void *run(void *arg)
{
    struct calendar_keeper *keeper = arg;
    struct arena *arena = arena_new("calendar keeper", GIB);
    int64_t roll_ms = 0;

    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stopping) {
        keeper->kicked = false;
        pthread_mutex_unlock(&keeper->lock);
        if (sys_now_ms() >= roll_ms) {
            roll_ms = sys_now_ms() + (int64_t)HOUR_MS;
            roll(keeper, arena);
            forget(keeper);
        }
        int64_t next_ms = do_tasks(keeper, arena);
        arena_reset(arena);
        pthread_mutex_lock(&keeper->lock);
        int64_t wait_ms = next_ms - sys_now_ms();
        if (!keeper->stopping && !keeper->kicked && wait_ms > 0)
            sys_cond_wait_ms(&keeper->cond, &keeper->lock, (uint64_t)wait_ms);
    }
    pthread_mutex_unlock(&keeper->lock);
    arena_free(&arena);
    return NULL;
}

enum st calendar_keeper_new(struct calendar *calendar, struct buf *why,
                            struct calendar_keeper **keeper_r)
{
    struct calendar_keeper *keeper = mem_grow(NULL, 1, sizeof(*keeper));

    *keeper = (struct calendar_keeper){.calendar = calendar};
    pthread_mutex_init(&keeper->lock, NULL);
    sys_cond_init(&keeper->cond);
    if (pthread_create(&keeper->thread, NULL, run, keeper) != 0) {
        buf_put(why, SLICE("no thread for the calendars"));
        mem_free(keeper);
        return ST_IO;
    }
    *keeper_r = keeper;
    return ST_OK;
}

void calendar_keeper_free(struct calendar_keeper **keeper)
{
    struct calendar_keeper *k = *keeper;

    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_cond_signal(&k->cond);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->cond);
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
    *keeper = NULL;
}

void calendar_keeper_kick(struct calendar_keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->kicked = true;
    pthread_cond_signal(&keeper->cond);
    pthread_mutex_unlock(&keeper->lock);
}
