#include "calendar/calendar_work.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_oof.h"
#include "log/log.h"
#include "store/store_account.h"
#include "sys/sys_time.h"

#define RETRY_MS_MIN 500
#define RETRY_MS_MAX ((int64_t)HOUR_MS)
#define DOUBLINGS_MAX 13
#define HEAD_START_MS 2000
#define ROUND_BYTES_MAX (64 * MIB)

enum st calendar_oof_task(struct calendar_round *round, const struct store_task *task)
{
    return calendar_oof_work(round->calendar, task);
}

static calendar_work_fn *const works[] = {
    [STORE_TASK_ITIP] = calendar_schedule_work, [STORE_TASK_MAIL] = calendar_imip_work,
    [STORE_TASK_OOF] = calendar_oof_task,       [STORE_TASK_BOUNCE] = calendar_bounce_work,
    [STORE_TASK_REPORT] = calendar_report_work,
};

struct looking {
    int64_t task_id;
    struct arena *arena;
    struct store_task task;
};

static enum st get_body(struct store_tx *tx, void *arg)
{
    struct looking *looking = arg;

    arena_reset(looking->arena);
    return store_task_get(tx, looking->arena, looking->task_id, &looking->task);
}

static enum st later_body(struct store_tx *tx, void *arg)
{
    const struct store_task *task = arg;
    unsigned doublings = task->attempts < DOUBLINGS_MAX ? (unsigned)task->attempts : DOUBLINGS_MAX;
    int64_t wait_ms = RETRY_MS_MIN * (INT64_C(1) << doublings);

    return store_task_later(tx, task->task_id,
                            sys_now_ms() + (wait_ms < RETRY_MS_MAX ? wait_ms : RETRY_MS_MAX));
}

/* One of a kind that this version does not know waits for one that does. */
void calendar_work(struct calendar_round *round, struct arena *arena, int64_t task_id)
{
    struct store *store = calendar_store(round->calendar);
    struct looking looking = {.task_id = task_id, .arena = arena};

    if (store_read(store, get_body, &looking) != ST_OK)
        return;
    const struct store_task *task = &looking.task;
    bool known = task->kind < COUNT(works) && works[task->kind] != NULL;
    if (known && works[task->kind](round, task) == ST_OK)
        return;
    log_event(EV_CALENDAR_TASK_LATER, 0, LOG_I("task", task->task_id), LOG_I("kind", task->kind),
              LOG_I("attempts", task->attempts));
    if (store_write(store, later_body, &looking.task) != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "a calendar's task"));
}

enum st calendar_round_add(struct calendar_round *round, struct store_tx *tx,
                           struct store_task *task, int64_t now_ms)
{
    bool room = round->count < CALENDAR_ROUND_MAX;
    int64_t id;

    task->next_ms = room ? now_ms + HEAD_START_MS : now_ms;
    enum st st = store_task_add(tx, task, &id);
    if (st == ST_OK && room)
        round->ids[round->count++] = id;
    return st;
}

void calendar_round_do(struct calendar_round *round)
{
    struct arena *arena;

    if (round->count == 0)
        return;
    arena = arena_new("calendar round", ROUND_BYTES_MAX);
    for (size_t i = 0; i < round->count; i++)
        calendar_work(round, arena, round->ids[i]);
    arena_free(&arena);
    calendar_kick(round->calendar); /* more may have come than a round holds */
}

/* --- whose it is --- */

struct naming {
    int64_t account_id;
    struct store_account account;
};

static enum st read_account(struct store_tx *tx, void *arg)
{
    struct naming *naming = arg;

    return store_account_get(tx, naming->account_id, &naming->account);
}

enum st calendar_task_account(struct store *store, const struct store_task *task,
                              struct arena *arena, struct slice *name_r)
{
    struct naming naming = {.account_id = task->account_id};
    const enum st st = store_read(store, read_account, &naming);

    if (st == ST_OK)
        *name_r = arena_copy(arena, slice_str(naming.account.name));
    return st;
}
