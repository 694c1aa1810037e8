#include "store/store_shadow.h"
#include "store_t.h"

#include <stdio.h>
#include <string.h>

#define GUID_A "0000000000000000000000000000000a"
#define GUID_B "0000000000000000000000000000000b"

/* One operation in a transaction of its own. */
struct op {
    enum {
        PUT,
        DONE,
        LIST,
        OWNERS,
        NEXT,
        TAKE,
        QUEUE,
        DUE,
        UNSETTLE,
        SETTLED,
        KNOWN,
        GIVE_UP
    } what;
    const char *guid;
    int64_t number; /* a recipient's, or how many of them */
    struct blob_writer *body;
    struct arena *arena;
    struct buf text;
    int64_t id;
};

static struct store_envelope envelope_of(const struct op *op)
{
    struct store_envelope envelope = {.envelope_id = op->id,
                                      .sender = SLICE("alice@example.test"),
                                      .envid = SLICE(""),
                                      .message_id = SLICE("<1@example.test>"),
                                      .origin = SLICE("smtp"),
                                      .bytes = 10,
                                      .priority = STORE_PRIORITY_NORMAL,
                                      .accepted_ms = 1000};

    snprintf(envelope.guid, sizeof(envelope.guid), "%s", op->guid);
    return envelope;
}

static enum st put(struct store_tx *tx, struct op *op, bool queued)
{
    struct store_rcpt rcpts[8] = {0};
    enum st st = blob_writer_commit(tx, op->body, SLICE("e"), SLICE("s"), &op->id);
    struct store_envelope envelope = envelope_of(op);
    int64_t server_id = 0;
    int64_t destination_id = 0;

    for (int64_t i = 0; i < op->number; i++)
        rcpts[i] = (struct store_rcpt){.rcpt_no = i + 1,
                                       .address = SLICE("bob@example.net"),
                                       .orcpt = SLICE(""),
                                       .answer = SLICE("")};
    if (st != ST_OK || !queued)
        return st != ST_OK
                   ? st
                   : store_shadow_put(tx, SLICE("a.test"), &envelope, rcpts, (size_t)op->number, 5);
    st = store_server_enter(tx, SLICE("here"), 0, &server_id);
    if (st == ST_OK)
        st = store_destination_need(tx, server_id, SLICE("domain x"), &destination_id);
    for (int64_t i = 0; i < op->number; i++)
        rcpts[i].destination_id = destination_id;
    envelope.shadow = SLICE("b.test");
    return st == ST_OK ? store_queue_add(tx, &envelope, rcpts, (size_t)op->number) : st;
}

static enum st add_line(void *ctx, struct slice guid, bool taken)
{
    buf_putf(ctx, "%c:%s ", guid.ptr[31], taken ? "taken" : "held");
    return ST_OK;
}

static enum st add_owner(void *ctx, struct slice owner, int64_t count, int64_t open)
{
    buf_putf(ctx, "%.*s %d/%d ", SLICE_ARG(owner), (int)count, (int)open);
    return ST_OK;
}

static enum st next(struct store_tx *tx, struct op *op, bool take)
{
    struct store_shadow_copy copy;
    enum st st = store_shadow_next(tx, SLICE("a.test"), 0, op->arena, &copy);

    if (st != ST_OK)
        return st;
    buf_putf(&op->text, "%c %.*s", copy.envelope.guid[31], SLICE_ARG(copy.envelope.sender));
    for (size_t i = 0; i < copy.count; i++)
        buf_putf(&op->text, " %d:%.*s", (int)copy.rcpts[i].rcpt_no,
                 SLICE_ARG(copy.rcpts[i].address));
    if (!take)
        return ST_OK;
    st = store_shadow_take(tx, SLICE("a.test"), &copy.envelope, 9);
    return st == ST_OK ? store_queue_add(tx, &copy.envelope, copy.rcpts, copy.count) : st;
}

static enum st count_row(void *ctx, const struct store_queued *row)
{
    struct op *op = ctx;

    op->number++;
    op->id = row->envelope.envelope_id;
    assert_true(slice_eq(row->envelope.shadow, SLICE("b.test")));
    return ST_OK;
}

static enum st due(struct store_tx *tx, struct op *op)
{
    int64_t server_id = 0;
    int64_t destination_id = 0;
    enum st st = store_server_enter(tx, SLICE("here"), 0, &server_id);

    op->number = 0;
    if (st == ST_OK)
        st = store_destination_need(tx, server_id, SLICE("domain x"), &destination_id);
    return st == ST_OK ? store_queue_due(tx, destination_id, 5000, 100, count_row, op) : st;
}

static enum st run(struct store_tx *tx, void *arg)
{
    struct op *op = arg;

    buf_clear(&op->text);
    switch (op->what) {
    case PUT:
        return put(tx, op, false);
    case QUEUE:
        return put(tx, op, true);
    case DONE:
        return store_shadow_done(tx, SLICE("a.test"), slice_str(op->guid), op->number);
    case LIST:
        return store_shadow_each(tx, SLICE("a.test"), SLICE(""), 100, add_line, &op->text);
    case OWNERS:
        return store_shadow_owners(tx, add_owner, &op->text);
    case NEXT:
        return next(tx, op, false);
    case TAKE:
        return next(tx, op, true);
    case DUE:
        return due(tx, op);
    case UNSETTLE:
        return store_shadow_unsettle(tx);
    case SETTLED:
        return store_shadow_settled(tx, SLICE("b.test"));
    case KNOWN:
        return store_shadow_known(tx, SLICE("b.test"), slice_str(op->guid), &op->id);
    case GIVE_UP:
        break;
    }
    return store_shadow_give_up(tx, op->id);
}

static enum st try_it(struct t_store *t, struct op *op)
{
    op->arena = t->arena;
    if (op->text.bytes_max == 0)
        buf_init(&op->text, 4096);
    if (op->what == PUT || op->what == QUEUE) {
        op->body = blob_writer_new(t->store);
        assert_int_equal(blob_writer_add(op->body, SLICE("0123456789")), ST_OK);
        assert_int_equal(blob_writer_end(op->body), ST_OK);
    }
    enum st st = store_write(t->store, run, op);
    blob_writer_free(&op->body);
    return st;
}

static enum st simply(struct t_store *t, int what, const char *guid, int64_t number)
{
    struct op op = {.what = what, .guid = guid, .number = number};
    enum st st = try_it(t, &op);

    buf_fini(&op.text);
    return st;
}

static void expect(struct t_store *t, int what, const char *text)
{
    struct op op = {.what = what};

    assert_int_equal(try_it(t, &op), ST_OK);
    assert_string_equal(op.text.ptr != NULL ? op.text.ptr : "", text);
    buf_fini(&op.text);
}

/* Bodies and chunks that are there. */
static int64_t bodies(struct t_store *t)
{
    return t_count(t, S_CHECK_TOTAL, 0);
}

static void test_a_copy_goes_with_its_last_recipient(struct t_store *t)
{
    int64_t before = bodies(t);

    assert_int_equal(simply(t, PUT, GUID_A, 2), ST_OK);
    assert_int_equal(simply(t, PUT, GUID_B, 0), ST_OK);
    assert_int_equal(bodies(t), before + 2);
    expect(t, OWNERS, "a.test 2/2 ");
    expect(t, NEXT, "a alice@example.test 1:bob@example.net 2:bob@example.net");
    assert_int_equal(simply(t, DONE, GUID_A, 1), ST_OK);
    assert_int_equal(simply(t, DONE, GUID_A, 1), ST_OK); /* told twice, counted once */
    expect(t, NEXT, "a alice@example.test 2:bob@example.net");
    assert_int_equal(simply(t, DONE, GUID_A, 2), ST_OK);
    assert_int_equal(simply(t, NEXT, NULL, 0), ST_NOT_FOUND);
    expect(t, LIST, "b:held ");
    assert_int_equal(simply(t, DONE, GUID_B, 0), ST_OK);
    expect(t, LIST, "");
    assert_int_equal(bodies(t), before);
}

static void test_a_copy_that_comes_again_takes_the_place_of_the_first(struct t_store *t)
{
    int64_t before = bodies(t);

    assert_int_equal(simply(t, PUT, GUID_A, 2), ST_OK);
    assert_int_equal(simply(t, PUT, GUID_A, 1), ST_OK);
    expect(t, OWNERS, "a.test 1/1 ");
    assert_int_equal(bodies(t), before + 1);
}

static void test_what_was_taken_over_is_remembered_until_its_owner_knows(struct t_store *t)
{
    int64_t before = bodies(t);

    assert_int_equal(simply(t, PUT, GUID_A, 1), ST_OK);
    assert_int_equal(simply(t, TAKE, NULL, 0), ST_OK);
    expect(t, LIST, "a:taken ");
    expect(t, OWNERS, "");
    assert_int_equal(bodies(t), before + 1); /* it is the queue's now */
    assert_int_equal(simply(t, PUT, GUID_A, 1), ST_EXISTS);
    assert_int_equal(bodies(t), before + 1);
    assert_int_equal(simply(t, DONE, GUID_A, 0), ST_OK);
    expect(t, LIST, "");
}

static void test_rows_wait_until_their_holder_is_settled_with(struct t_store *t)
{
    struct op op = {.what = DUE};

    assert_int_equal(simply(t, QUEUE, GUID_A, 2), ST_OK);
    assert_int_equal(try_it(t, &op), ST_OK);
    assert_int_equal(op.number, 2);
    assert_int_equal(simply(t, UNSETTLE, NULL, 0), ST_OK);
    assert_int_equal(try_it(t, &op), ST_OK);
    assert_int_equal(op.number, 0);
    assert_int_equal(simply(t, SETTLED, NULL, 0), ST_OK);
    assert_int_equal(try_it(t, &op), ST_OK);
    assert_int_equal(op.number, 2);
    buf_fini(&op.text);
}

static void test_what_another_took_over_is_given_up_with_its_body(struct t_store *t)
{
    int64_t before = bodies(t);
    struct op op = {.what = KNOWN, .guid = GUID_A};

    assert_int_equal(simply(t, KNOWN, GUID_A, 0), ST_NOT_FOUND);
    assert_int_equal(simply(t, QUEUE, GUID_A, 2), ST_OK);
    assert_int_equal(try_it(t, &op), ST_OK);
    op.what = GIVE_UP;
    assert_int_equal(try_it(t, &op), ST_OK);
    assert_int_equal(simply(t, KNOWN, GUID_A, 0), ST_NOT_FOUND);
    assert_int_equal(bodies(t), before);
    buf_fini(&op.text);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_a_copy_goes_with_its_last_recipient),
        T_CASE(test_a_copy_that_comes_again_takes_the_place_of_the_first),
        T_CASE(test_what_was_taken_over_is_remembered_until_its_owner_knows),
        T_CASE(test_rows_wait_until_their_holder_is_settled_with),
        T_CASE(test_what_another_took_over_is_given_up_with_its_body),
    };

    return t_run(cases, COUNT(cases));
}
