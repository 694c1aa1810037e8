#include "store/store_task.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"

enum st store_task_add(struct store_tx *tx, const struct store_task *task, int64_t *task_id_r)
{
    return store_get_i64(tx, S_TASK_ADD, task_id_r, SV_I(task->account_id), SV_I(task->kind),
                         SV_I(task->next_ms), SV_I(task->attempts), SV_I(task->blob_id),
                         store_text_value(task->sender), store_text_value(task->rcpt),
                         SV_B(task->body.ptr != NULL ? task->body : SLICE("")),
                         store_text_value(task->topic));
}

static struct store_task read_task(struct store_rows *rows, struct arena *arena)
{
    return (struct store_task){
        .task_id = store_rows_i64(rows, 0),
        .account_id = store_rows_i64(rows, 1),
        .kind = (enum store_task_kind)store_rows_i64(rows, 2),
        .next_ms = store_rows_i64(rows, 3),
        .attempts = (uint64_t)store_rows_i64(rows, 4),
        .blob_id = store_rows_i64(rows, 5),
        .sender = arena_copy(arena, store_rows_bytes(rows, 6)),
        .rcpt = arena_copy(arena, store_rows_bytes(rows, 7)),
        .body = arena_copy(arena, store_rows_bytes(rows, 8)),
        .topic = arena_copy(arena, store_rows_bytes(rows, 9)),
    };
}

enum st store_task_get(struct store_tx *tx, struct arena *arena, int64_t task_id,
                       struct store_task *task_r)
{
    struct store_rows *rows = store_rows_open(tx, S_TASK_GET, SV_I(task_id));
    bool found = store_rows_next(rows);

    if (found)
        *task_r = read_task(rows, arena);
    return store_rows_close_found(&rows, found);
}

enum st store_task_done(struct store_tx *tx, const struct store_task *task)
{
    int64_t changed = 0;
    enum st st = store_exec(tx, S_TASK_DONE, &changed, SV_I(task->task_id));

    if (st == ST_OK && changed == 0)
        st = ST_NOT_FOUND;
    if (st == ST_OK && task->blob_id != 0)
        st = store_blob_release(tx, task->blob_id);
    return st;
}

enum st store_task_topic(struct store_tx *tx, struct arena *arena, struct slice topic,
                         struct store_task *tasks, size_t cap, size_t *count_r)
{
    struct store_rows *rows = store_rows_open(tx, S_TASK_TOPIC, store_text_value(topic), SV_I(cap));

    *count_r = 0;
    while (*count_r < cap && store_rows_next(rows))
        tasks[(*count_r)++] = read_task(rows, arena);
    return store_rows_close(&rows);
}

enum st store_task_topic_done(struct store_tx *tx, const struct store_task *tasks, size_t count)
{
    int64_t changed = 0;

    if (count == 0)
        return ST_OK;
    enum st st = store_exec(tx, S_TASK_TOPIC_DONE, &changed, store_text_value(tasks[0].topic),
                            SV_I(tasks[count - 1].task_id));
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (tasks[i].blob_id != 0)
            st = store_blob_release(tx, tasks[i].blob_id);
    return st == ST_OK && changed != (int64_t)count ? ST_AGAIN : st;
}

enum st store_task_rest(struct store_tx *tx, const struct store_task *task, struct slice rest)
{
    int64_t changed = 0;
    enum st st = store_exec(tx, S_TASK_REST, &changed, SV_I(task->task_id), store_text_value(rest),
                            store_text_value(task->rcpt));

    return st == ST_OK && changed == 0 ? ST_NOT_FOUND : st;
}

enum st store_task_later(struct store_tx *tx, int64_t task_id, int64_t next_ms)
{
    return store_exec(tx, S_TASK_LATER, NULL, SV_I(task_id), SV_I(next_ms));
}

enum st store_task_due(struct store_tx *tx, int64_t now_ms, int64_t *ids, size_t cap,
                       size_t *count_r, int64_t *next_ms_r)
{
    struct store_rows *rows = store_rows_open(tx, S_TASK_DUE, SV_I(cap + 1));

    *count_r = 0;
    *next_ms_r = INT64_MAX;
    while (store_rows_next(rows) && *next_ms_r == INT64_MAX) {
        if (store_rows_i64(rows, 1) <= now_ms && *count_r < cap)
            ids[(*count_r)++] = store_rows_i64(rows, 0);
        else
            *next_ms_r = store_rows_i64(rows, 1);
    }
    return store_rows_close(&rows);
}

enum st store_calendar_log(struct store_tx *tx, int64_t account_id,
                           const struct store_calendar_line *line)
{
    return store_calendar_log_many(tx, account_id, line, 1);
}

enum st store_calendar_log_many(struct store_tx *tx, int64_t account_id,
                                const struct store_calendar_line *lines, size_t count)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = store_exec(tx, S_CALENDAR_LOG_ADD, NULL, SV_I(account_id), SV_I(lines[i].at_ms),
                        store_text_value(lines[i].uid), store_text_value(lines[i].text));
    return st != ST_OK ? st
                       : store_exec(tx, S_CALENDAR_LOG_TRIM, NULL, SV_I(account_id),
                                    SV_I(STORE_CALENDAR_LOG_MAX));
}

enum st store_calendar_log_each(struct store_tx *tx, int64_t account_id, uint64_t limit,
                                store_calendar_line_fn *fn, void *ctx)
{
    struct store_rows *rows =
        store_rows_open(tx, S_CALENDAR_LOG_LAST, SV_I(account_id), SV_I(limit));
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_calendar_line line = {
            .line_id = store_rows_i64(rows, 0),
            .at_ms = store_rows_i64(rows, 1),
            .uid = store_rows_bytes(rows, 2),
            .text = store_rows_bytes(rows, 3),
        };
        told = fn(ctx, &line);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

enum st store_oof_claim(struct store_tx *tx, int64_t account_id, struct slice sender,
                        int64_t since_ms, int64_t now_ms)
{
    int64_t changed = 0;

    if (!store_text_ok(sender, false))
        return ST_EXISTS;
    enum st st = store_exec(tx, S_OOF_CLAIM, &changed, SV_I(account_id), SV_T(sender), SV_I(now_ms),
                            SV_I(since_ms));
    return st != ST_OK ? st : changed == 1 ? ST_OK : ST_EXISTS;
}

enum st store_oof_forget(struct store_tx *tx, int64_t account_id)
{
    return store_exec(tx, S_OOF_FORGET, NULL, SV_I(account_id));
}
