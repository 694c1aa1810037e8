#include "calendar/calendar.h"
#include "calendar/calendar_oof.h"
#include "directory/directory.h"
#include "router/router_task.h"
#include "store/store_calendar.h"
#include "store_t.h"

#include <pthread.h>
#include <string.h>

#define BOB "bob@localhost"
#define MAIL "Message-ID: <1@x.test>\r\nTo: alice@localhost\r\nSubject: s\r\n\r\nHello.\r\n"
#define IDS_MAX 20
#define LONGER_BYTES 2000
#define RACES 100

struct bench {
    struct t_store *t;
    struct calendar *calendar;
    int64_t bob_id;
    int64_t bob_inbox_id;
    struct store_calendar_account wanted;
    /* of one operation */
    struct slice sender;
    struct store_message message;
    struct blob_writer *body;
    bool imip;
    bool left;
    int64_t ids[IDS_MAX];
    size_t count;
    struct store_task task;
    struct store_folder_status status;
};

static enum st add_bob(struct store_tx *tx, void *arg)
{
    static const char *const names[] = {"alice", "bob"};
    struct bench *b = arg;
    enum st st =
        store_account_add(tx, SLICE("bob"), "f00102030405060708090a0b0c0d0e0f", 1, &b->bob_id);

    for (size_t i = 0; st == ST_OK && i < COUNT(names); i++)
        st = store_document_put(tx, &(struct store_document){.kind = SLICE("person"),
                                                             .name = slice_str(names[i]),
                                                             .modified_ms = 1,
                                                             .body = SLICE("full_name = X\n")});
    return st == ST_OK ? store_account_inbox(tx, b->bob_id, &b->bob_inbox_id) : st;
}

static enum st change(struct store_tx *tx, void *arg)
{
    return calendar_oof_change(tx, &((struct bench *)arg)->wanted);
}

static void set(struct bench *b, enum store_oof_state state, const char *inside)
{
    b->wanted.account_id = b->t->account_id;
    b->wanted.oof = state;
    b->wanted.oof_inside_text = slice_str(inside);
    assert_int_equal(store_write(b->t->store, change, b), ST_OK);
}

static struct bench begin(struct t_store *t)
{
    struct bench b = {.t = t};

    assert_int_equal(store_write(t->store, add_bob, &b), ST_OK);
    assert_int_equal(directory_open(t->store), ST_OK);
    b.calendar = calendar_new(&(struct calendar_context){t->store, NULL, "mail.test"});
    return b;
}

static void end(struct bench *b)
{
    calendar_free(&b->calendar);
    directory_close();
}

/* As the router does it. */
static enum st deliver_body(struct store_tx *tx, void *arg)
{
    struct bench *b = arg;
    const struct router_task task = {.account_id = b->t->account_id,
                                     .what = b->imip ? ROUTER_TASK_IMIP : ROUTER_TASK_NOTHING,
                                     .sender = b->sender,
                                     .address = SLICE("alice@localhost")};
    enum st st = blob_writer_commit(tx, b->body, SLICE(""), SLICE(""), &b->message.blob_id);

    b->left = false;
    if (st == ST_OK)
        st = store_message_add(tx, b->t->account_id, b->t->inbox_id, 0, &b->message);
    return st == ST_OK ? router_task_leave(tx, &task, &b->message, &b->left) : st;
}

static void deliver(struct bench *b, const char *sender)
{
    b->sender = slice_str(sender);
    b->body = blob_writer_new(b->t->store);
    b->message = (struct store_message){.bytes = sizeof(MAIL) - 1, .saved_ms = 7};
    sys_guid(b->message.guid);
    assert_int_equal(blob_writer_add(b->body, SLICE(MAIL)), ST_OK);
    assert_int_equal(blob_writer_end(b->body), ST_OK);
    assert_int_equal(store_write(b->t->store, deliver_body, b), ST_OK);
    blob_writer_committed(b->body);
    blob_writer_free(&b->body);
}

static enum st due_body(struct store_tx *tx, void *arg)
{
    struct bench *b = arg;
    int64_t next_ms;
    enum st st = store_task_due(tx, INT64_MAX - 1, b->ids, IDS_MAX, &b->count, &next_ms);

    return st == ST_OK && b->count > 0
               ? store_task_get(tx, b->t->arena, b->ids[b->count - 1], &b->task)
               : st;
}

/* How many wait; the last is in b->task. */
static size_t due(struct bench *b)
{
    assert_int_equal(store_read(b->t->store, due_body, b), ST_OK);
    return b->count;
}

static uint64_t replies(struct bench *b)
{
    return t_folder_now(b->t, b->bob_inbox_id).message_count;
}

static void a_delivery_leaves_what_there_is_to_do(struct t_store *t)
{
    struct bench b = begin(t);

    deliver(&b, BOB);
    assert_false(b.message.oof);
    assert_false(b.left);
    set(&b, STORE_OOF_SCHEDULED, "away");
    deliver(&b, "");
    assert_true(b.message.oof);
    assert_int_equal(due(&b), 0);
    deliver(&b, BOB);
    assert_true(b.left);
    assert_int_equal(due(&b), 1);
    assert_int_equal(b.task.kind, STORE_TASK_OOF);
    assert_int_equal(b.task.blob_id, b.message.blob_id);
    T_EQ_SLICE(b.task.sender, SLICE(BOB));
    T_EQ_SLICE(b.task.rcpt, SLICE("alice@localhost"));
    T_EQ_SLICE(b.task.body, slice_str(b.message.guid));
    b.imip = true;
    deliver(&b, "");
    assert_int_equal(due(&b), 2);
    assert_int_equal(b.task.kind, STORE_TASK_MAIL);
    b.imip = false;
    set(&b, STORE_OOF_OFF, "away");
    deliver(&b, BOB);
    assert_false(b.left);
    assert_int_equal(due(&b), 2);
    end(&b);
}

static void a_sender_is_told_once_and_anew_when_the_text_changes(struct t_store *t)
{
    static const struct {
        enum store_oof_state state;
        const char *text;
        uint64_t want;
    } rows[] = {{STORE_OOF_ON, "one", 1},
                {STORE_OOF_ON, "one", 1},
                {STORE_OOF_ON, "two", 2},
                {STORE_OOF_OFF, "two", 2},
                {STORE_OOF_ON, "two", 3}};
    struct bench b = begin(t);

    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].text);
        set(&b, rows[i].state, rows[i].text);
        deliver(&b, i % 2 == 0 ? BOB : "Bob@LocalHost");
        if (due(&b) > 0)
            assert_int_equal(calendar_oof_work(b.calendar, &b.task), ST_OK);
        assert_int_equal(due(&b), 0);
        assert_int_equal(replies(&b), rows[i].want);
    }
    end(&b);
}

static void a_task_that_was_done_or_whose_account_is_gone_ends(struct t_store *t)
{
    struct bench b = begin(t);

    set(&b, STORE_OOF_ON, "away");
    deliver(&b, BOB);
    assert_int_equal(due(&b), 1);
    assert_int_equal(calendar_oof_work(b.calendar, &b.task), ST_OK);
    set(&b, STORE_OOF_ON, "so that nobody had a reply");
    assert_int_equal(calendar_oof_work(b.calendar, &b.task), ST_OK);
    assert_int_equal(replies(&b), 1);
    b.task.account_id = 4711;
    assert_int_equal(calendar_oof_work(b.calendar, &b.task), ST_OK);
    end(&b);
}

static void *work_main(void *arg)
{
    const struct bench *b = arg;

    return calendar_oof_work(b->calendar, &b->task) == ST_OK ? NULL : arg;
}

/* As several servers on one store do. */
static void many_at_one_task_make_one_reply(struct t_store *t)
{
    struct bench b = begin(t);
    pthread_t threads[8];

    set(&b, STORE_OOF_ON, "away");
    deliver(&b, BOB);
    assert_int_equal(due(&b), 1);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work_main, &b), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(replies(&b), 1);
    assert_int_equal(due(&b), 0);
    end(&b);
}

static enum st status_body(struct store_tx *tx, void *arg)
{
    struct bench *b = arg;
    struct store_folder folder = t_folder_now(b->t, b->bob_inbox_id);

    return store_folder_status(tx, &folder, &b->status);
}

static uint64_t told_bytes(struct bench *b)
{
    assert_int_equal(store_read(b->t->store, status_body, b), ST_OK);
    return b->status.bytes;
}

/* A text that is set while a reply with the one before is on its way is told to who writes again.
 */
static void a_text_that_is_set_meanwhile_is_told(struct t_store *t)
{
    struct bench b = begin(t);
    char longer[LONGER_BYTES + 1] = "";

    memset(longer, 'x', LONGER_BYTES);
    for (size_t i = 0; i < RACES; i++) {
        pthread_t thread;
        void *failed;

        set(&b, STORE_OOF_ON, "short");
        uint64_t bytes = told_bytes(&b);
        deliver(&b, BOB);
        assert_int_equal(due(&b), 1);
        struct bench other = b;
        assert_int_equal(pthread_create(&thread, NULL, work_main, &other), 0);
        set(&b, STORE_OOF_ON, longer);
        pthread_join(thread, &failed);
        assert_null(failed);
        deliver(&b, BOB);
        assert_int_equal(due(&b), 1);
        assert_int_equal(calendar_oof_work(b.calendar, &b.task), ST_OK);
        assert_true(told_bytes(&b) > bytes + LONGER_BYTES);
    }
    end(&b);
}

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(a_delivery_leaves_what_there_is_to_do),
        T_CASE(a_sender_is_told_once_and_anew_when_the_text_changes),
        T_CASE(a_task_that_was_done_or_whose_account_is_gone_ends),
        T_CASE(many_at_one_task_make_one_reply),
        T_CASE(a_text_that_is_set_meanwhile_is_told),
    };

    return t_run(cases, COUNT(cases));
}
