#include "store/store_event.h"
#include "store/store_task.h"
#include "store_t.h"

#include <stdio.h>
#include <string.h>

#define HOUR INT64_C(3600)

/* One operation in a transaction of its own. */
struct op {
    enum { ADD, PUT, REMOVE, REMOVE_ALL, EXPAND, READ } what;
    struct t_store *t;
    struct store_calendar calendar;
    struct store_event event;
    const struct store_busytime *rows;
    size_t count;
    uint64_t quota;
    bool blind; /* believes that there is nothing */
    struct buf text;
    uint64_t since;
    int64_t from_s, until_s;
};

static enum st note_event(void *ctx, const struct store_event *event)
{
    struct buf *text = ctx;

    buf_putf(text, "%.*s ", SLICE_ARG(event->name));
    return ST_OK;
}

static enum st note_row(void *ctx, const struct store_busytime *row)
{
    struct buf *text = ctx;

    buf_putf(text, "%d-%d:%d ", (int)(row->start_s / HOUR), (int)(row->end_s / HOUR),
             (int)row->kind);
    return ST_OK;
}

static enum st read_all(struct store_tx *tx, struct op *op)
{
    buf_clear(&op->text);
    enum st st =
        store_event_changed(tx, op->calendar.calendar_id, op->since, 100, note_event, &op->text);
    buf_put(&op->text, SLICE("| "));
    if (st == ST_OK)
        st = store_event_gone(tx, op->calendar.calendar_id, op->since, 100, note_event, &op->text);
    buf_put(&op->text, SLICE("| "));
    return st != ST_OK ? st
                       : store_busytime_each(tx, op->t->account_id, op->from_s, op->until_s,
                                             note_row, &op->text);
}

static enum st put_event(struct store_tx *tx, struct op *op)
{
    struct store_event old;
    enum st st =
        store_event_find(tx, store_tx_arena(tx), op->event.calendar_id, op->event.name, &old);

    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    return store_event_put(tx, op->quota, st == ST_OK && !op->blind ? &old : NULL, &op->event,
                           op->rows, op->count);
}

static enum st body(struct store_tx *tx, void *arg)
{
    struct op *op = arg;

    switch (op->what) {
    case ADD:
        return store_calendar_add(tx, &op->calendar, &op->calendar.calendar_id);
    case PUT:
        return put_event(tx, op);
    case REMOVE:
        return store_event_remove(tx, &op->event);
    case REMOVE_ALL:
        return store_calendar_remove(tx, &op->calendar);
    case EXPAND:
        return store_event_expand(tx, &op->event, op->rows, op->count);
    case READ:
        return read_all(tx, op);
    }
    return ST_INVALID;
}

static enum st run(struct op *op, int what)
{
    op->what = what;
    return store_write(op->t->store, body, op);
}

static struct op begin(struct t_store *t)
{
    struct op op = {.t = t,
                    .calendar = {.account_id = t->account_id,
                                 .name = SLICE("work"),
                                 .components = STORE_COMPONENTS_ALL},
                    .until_s = INT64_MAX};

    buf_init(&op.text, 64 * KIB);
    assert_int_equal(run(&op, ADD), ST_OK);
    return op;
}

static enum st put(struct op *op, const char *name, const char *uid, int64_t start_h, int64_t end_h)
{
    struct store_busytime row = {
        .start_s = start_h * HOUR, .end_s = end_h * HOUR, .kind = STORE_BUSY_BUSY};

    op->rows = &row;
    op->count = 1;
    op->event = (struct store_event){.calendar_id = op->calendar.calendar_id,
                                     .account_id = op->t->account_id,
                                     .name = slice_str(name),
                                     .uid = slice_str(uid),
                                     .first_s = start_h * HOUR,
                                     .last_s = end_h * HOUR,
                                     .until_s = STORE_EVENT_FOREVER,
                                     .modified_ms = 1000,
                                     .body = SLICE("BEGIN:VCALENDAR")};
    return run(op, PUT);
}

static void expect(struct op *op, const char *text)
{
    assert_int_equal(run(op, READ), ST_OK);
    assert_true(slice_eq(buf_slice(&op->text), slice_str(text)));
}

static void an_event_replaces_what_was_there_with_its_busytime(struct t_store *t)
{
    struct op op = begin(t);

    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    uint64_t etag = op.event.modseq;
    expect(&op, "a.ics | | 10-11:3 ");
    assert_int_equal(put(&op, "a.ics", "a", 20, 22), ST_OK);
    assert_true(op.event.modseq > etag);
    expect(&op, "a.ics | | 20-22:3 ");
    assert_int_equal(t_account_now(t).bytes_used, strlen("BEGIN:VCALENDAR"));
    buf_fini(&op.text);
}

/* Given as "start-end:kind", hours of the day. */
static enum st put_rows(struct op *op, const char *text)
{
    static struct store_busytime rows[8];
    struct slice rest = slice_str(text);
    struct slice word;
    size_t count = 0;

    while (rest.len > 0 && slice_split(&rest, ' ', &word)) {
        int start, end, kind;

        assert_int_equal(sscanf(word.ptr, "%d-%d:%d", &start, &end, &kind), 3);
        rows[count++] = (struct store_busytime){
            .start_s = start * HOUR, .end_s = end * HOUR, .kind = (enum store_busy_kind)kind};
    }
    op->rows = rows;
    op->count = count;
    op->event.first_s = count > 0 ? rows[0].start_s : 0;
    op->event.last_s = count > 0 ? rows[count - 1].end_s : 0;
    return run(op, PUT);
}

static void rows_that_differ_are_changed_and_no_others(struct t_store *t)
{
    static const char *const texts[] = {"10-11:3 12-13:3 14-15:3",
                                        "10-11:3 12-13:2 14-15:3",
                                        "9-10:3 10-11:3 12-13:2 14-16:3",
                                        "12-13:2",
                                        "9-10:3 12-13:2 20-21:3",
                                        "1-2:3 3-4:3",
                                        ""};
    struct op op = begin(t);
    char want[128];

    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(put_rows(&op, texts[i]), ST_OK);
        snprintf(want, sizeof(want), "a.ics | | %s%s", texts[i], texts[i][0] != '\0' ? " " : "");
        expect(&op, want);
    }
    buf_fini(&op.text);
}

static void who_believes_what_is_not_so_changes_nothing(struct t_store *t)
{
    struct op op = begin(t);

    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    op.blind = true;
    assert_int_equal(put(&op, "a.ics", "a", 20, 21), ST_AGAIN);
    expect(&op, "a.ics | | 10-11:3 ");
    op.blind = false;
    op.event.modseq--;
    assert_int_equal(run(&op, REMOVE), ST_AGAIN);
    expect(&op, "a.ics | | 10-11:3 ");
    buf_fini(&op.text);
}

static void what_is_gone_is_told_until_it_is_back(struct t_store *t)
{
    struct op op = begin(t);

    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    assert_int_equal(put(&op, "b.ics", "b", 12, 13), ST_OK);
    op.since = op.event.modseq;
    assert_int_equal(run(&op, REMOVE), ST_OK);
    expect(&op, "| b.ics | 10-11:3 ");
    assert_int_equal(put(&op, "b.ics", "b", 14, 15), ST_OK);
    expect(&op, "b.ics | | 10-11:3 14-15:3 ");
    buf_fini(&op.text);
}

static void a_uid_is_once_in_a_calendar(struct t_store *t)
{
    struct op op = begin(t);

    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    assert_int_equal(put(&op, "b.ics", "a", 10, 11), ST_CONFLICT);
    assert_int_equal(put(&op, "a.ics", "other", 10, 11), ST_OK);
    assert_int_equal(put(&op, "b.ics", "a", 10, 11), ST_OK);
    op.calendar.name = SLICE("home");
    assert_int_equal(run(&op, ADD), ST_OK);
    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    buf_fini(&op.text);
}

static void bad_names_are_refused(struct t_store *t)
{
    struct op op = begin(t);
    static const char *const names[] = {"", ".", "..", "a/b", "a\nb", "\xff"};

    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(put(&op, names[i], "a", 10, 11), ST_INVALID);
    assert_int_equal(put(&op, "a.ics", "", 10, 11), ST_INVALID);
    assert_int_equal(run(&op, ADD), ST_EXISTS);
    buf_fini(&op.text);
}

static void rows_that_reach_into_the_window_are_found(struct t_store *t)
{
    struct op op = begin(t);

    assert_int_equal(put(&op, "a.ics", "a", 0, 7 * 24), ST_OK);
    op.from_s = 7 * 24 * HOUR - 1;
    op.until_s = op.from_s + HOUR;
    expect(&op, "a.ics | | 0-168:3 ");
    op.from_s++;
    expect(&op, "a.ics | | ");
    assert_int_equal(put(&op, "b.ics", "b", 169, 169), ST_OK);
    op.until_s = 170 * HOUR;
    expect(&op, "a.ics b.ics | | 169-169:3 ");
    buf_fini(&op.text);
}

static void expanding_further_changes_no_etag(struct t_store *t)
{
    struct op op = begin(t);
    struct store_busytime rows[2] = {
        {.start_s = 10 * HOUR, .end_s = 11 * HOUR, .kind = STORE_BUSY_BUSY},
        {.start_s = 34 * HOUR, .end_s = 35 * HOUR, .kind = STORE_BUSY_TENTATIVE}};

    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    op.since = op.event.modseq;
    op.event.until_s = 100 * HOUR;
    op.rows = rows;
    op.count = 2;
    assert_int_equal(run(&op, EXPAND), ST_OK);
    expect(&op, "| | 10-11:3 34-35:2 ");
    buf_fini(&op.text);
}

static void a_calendar_goes_with_all_it_held(struct t_store *t)
{
    struct op op = begin(t);

    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_OK);
    assert_int_equal(run(&op, REMOVE_ALL), ST_OK);
    expect(&op, "| | ");
    assert_int_equal(t_account_now(t).bytes_used, 0);
    buf_fini(&op.text);
}

static void a_full_account_takes_no_event(struct t_store *t)
{
    struct op op = begin(t);

    op.quota = 5;
    assert_int_equal(put(&op, "a.ics", "a", 10, 11), ST_FULL);
    expect(&op, "| | ");
    buf_fini(&op.text);
}

struct tasks {
    struct store_task task;
    struct arena *arena;
    int64_t ids[2];
    size_t count;
    int64_t next_ms;
    enum st claims[4];
};

static enum st tasks_body(struct store_tx *tx, void *arg)
{
    struct tasks *tasks = arg;
    int64_t id;
    enum st st = ST_OK;

    for (int64_t due = 3; st == ST_OK && due > 0; due--) {
        tasks->task.next_ms = due;
        st = store_task_add(tx, &tasks->task, &id);
    }
    if (st == ST_OK)
        st = store_task_due(tx, 2, tasks->ids, COUNT(tasks->ids), &tasks->count, &tasks->next_ms);
    if (st == ST_OK)
        st = store_task_get(tx, tasks->arena, tasks->ids[0], &tasks->task);
    if (st == ST_OK)
        st = store_task_done(tx, &tasks->task);
    if (st == ST_OK && store_task_done(tx, &tasks->task) != ST_NOT_FOUND)
        st = ST_EXISTS;
    int64_t account_id = tasks->task.account_id;
    tasks->claims[0] = store_oof_claim(tx, account_id, SLICE("a@example.net"), 0, 1000);
    tasks->claims[1] = store_oof_claim(tx, account_id, SLICE("a@example.net"), 500, 2000);
    tasks->claims[2] = store_oof_claim(tx, account_id, SLICE("a@example.net"), 1500, 3000);
    tasks->claims[3] = store_oof_claim(tx, account_id, SLICE("b@example.net"), 1500, 3000);
    return st;
}

static void tasks_are_done_once_and_senders_answered_once(struct t_store *t)
{
    struct tasks tasks = {.task = {.account_id = t->account_id,
                                   .kind = STORE_TASK_ITIP,
                                   .sender = SLICE("bob@example.test"),
                                   .body = SLICE("BEGIN:VCALENDAR")},
                          .arena = t->arena};

    assert_int_equal(store_write(t->store, tasks_body, &tasks), ST_OK);
    assert_int_equal(tasks.count, 2);
    assert_int_equal(tasks.next_ms, 3);
    assert_int_equal(tasks.task.next_ms, 1);
    assert_true(slice_eq(tasks.task.sender, SLICE("bob@example.test")));
    assert_int_equal(tasks.claims[0], ST_OK);
    assert_int_equal(tasks.claims[1], ST_EXISTS);
    assert_int_equal(tasks.claims[2], ST_OK);
    assert_int_equal(tasks.claims[3], ST_OK);
}

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(an_event_replaces_what_was_there_with_its_busytime),
        T_CASE(rows_that_differ_are_changed_and_no_others),
        T_CASE(who_believes_what_is_not_so_changes_nothing),
        T_CASE(what_is_gone_is_told_until_it_is_back),
        T_CASE(a_uid_is_once_in_a_calendar),
        T_CASE(bad_names_are_refused),
        T_CASE(rows_that_reach_into_the_window_are_found),
        T_CASE(expanding_further_changes_no_etag),
        T_CASE(a_calendar_goes_with_all_it_held),
        T_CASE(a_full_account_takes_no_event),
        T_CASE(tasks_are_done_once_and_senders_answered_once),
    };

    return t_run(cases, COUNT(cases));
}
