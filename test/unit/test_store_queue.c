#include "store/store_queue.h"
#include "store_t.h"

#include <stdio.h>
#include <string.h>

/* One message for the destination, with as many recipients; made in one transaction. */
struct adding {
    struct t_store *t;
    int64_t destination_id;
    size_t rcpt_count;
    uint64_t priority;
    int64_t next_ms;
    struct blob_writer *body;
    int64_t envelope_id;
};

static enum st add(struct store_tx *tx, void *arg)
{
    struct adding *adding = arg;
    struct store_rcpt rcpts[8] = {0};
    struct store_envelope envelope = {.sender = SLICE("alice@example.test"),
                                      .envid = SLICE("QQ314159"),
                                      .message_id = SLICE("<1@example.test>"),
                                      .origin = SLICE("submission alice"),
                                      .bytes = 10,
                                      .priority = adding->priority,
                                      .accepted_ms = 1000};
    enum st st =
        blob_writer_commit(tx, adding->body, SLICE("e"), SLICE("s"), &envelope.envelope_id);

    snprintf(envelope.guid, sizeof(envelope.guid), "%032d", 7);
    for (size_t i = 0; i < adding->rcpt_count; i++)
        rcpts[i] = (struct store_rcpt){.destination_id = adding->destination_id,
                                       .address = SLICE("bob@example.net"),
                                       .orcpt = SLICE("rfc822;bob@example.net"),
                                       .notify = 2,
                                       .next_ms = adding->next_ms,
                                       .answer = SLICE("")};
    adding->envelope_id = envelope.envelope_id;
    return st == ST_OK ? store_queue_add(tx, &envelope, rcpts, adding->rcpt_count) : st;
}

static int64_t queue(struct t_store *t, int64_t destination_id, size_t rcpt_count,
                     uint64_t priority, int64_t next_ms)
{
    struct adding adding = {t, destination_id, rcpt_count, priority, next_ms, NULL, 0};

    adding.body = blob_writer_new(t->store);
    assert_int_equal(blob_writer_add(adding.body, SLICE("0123456789")), ST_OK);
    assert_int_equal(blob_writer_end(adding.body), ST_OK);
    assert_int_equal(store_write(t->store, add, &adding), ST_OK);
    blob_writer_committed(adding.body);
    blob_writer_free(&adding.body);
    return adding.envelope_id;
}

struct naming {
    int64_t server_id;
    struct slice name;
    int64_t id;
};

static enum st need(struct store_tx *tx, void *arg)
{
    struct naming *naming = arg;

    return store_destination_need(tx, naming->server_id, naming->name, &naming->id);
}

static enum st enter(struct store_tx *tx, void *arg)
{
    struct naming *naming = arg;

    return store_server_enter(tx, naming->name, naming->server_id, &naming->id);
}

static int64_t server(struct t_store *t, struct slice name, int64_t lease_until_ms)
{
    struct naming naming = {lease_until_ms, name, 0};

    assert_int_equal(store_write(t->store, enter, &naming), ST_OK);
    return naming.id;
}

static int64_t destination(struct t_store *t, int64_t server_id, struct slice name)
{
    struct naming naming = {server_id, name, 0};

    assert_int_equal(store_write(t->store, need, &naming), ST_OK);
    return naming.id;
}

/* Rows as "envelope.no:state:answer" with envelopes counted from the first one. */
struct telling {
    struct t_store *t;
    struct buf text;
    int64_t base;
    int64_t destination_id;
    int64_t now_ms;
    uint64_t limit;
    int64_t next_ms;
};

static enum st tell_row(void *ctx, const struct store_queued *queued)
{
    struct telling *telling = ctx;

    buf_putf(&telling->text, "%s%d.%d:%s:%.*s", telling->text.len > 0 ? " " : "",
             (int)(queued->envelope.envelope_id - telling->base), (int)queued->rcpt.rcpt_no,
             store_rcpt_state_names[queued->rcpt.state], SLICE_ARG(queued->rcpt.answer));
    return ST_OK;
}

static enum st due(struct store_tx *tx, void *arg)
{
    struct telling *telling = arg;

    buf_clear(&telling->text);
    return store_queue_due(tx, telling->destination_id, telling->now_ms, telling->limit, tell_row,
                           telling);
}

static enum st each(struct store_tx *tx, void *arg)
{
    struct telling *telling = arg;

    buf_clear(&telling->text);
    return store_queue_each(tx, 0, 0, telling->limit, tell_row, telling);
}

static enum st next(struct store_tx *tx, void *arg)
{
    struct telling *telling = arg;

    return store_queue_next(tx, telling->destination_id, telling->now_ms, &telling->next_ms);
}

static struct telling telling_of(struct t_store *t, int64_t destination_id, int64_t base)
{
    return (struct telling){.t = t,
                            .text = BUF(64 * KIB),
                            .destination_id = destination_id,
                            .base = base,
                            .now_ms = 5000,
                            .limit = 100};
}

struct settling {
    struct store_settle list[4];
    size_t count;
};

static enum st settle(struct store_tx *tx, void *arg)
{
    struct settling *settling = arg;

    return store_queue_settle(tx, settling->list, settling->count);
}

static bool settle_one(struct t_store *t, enum store_settle_what what, struct store_rcpt rcpt)
{
    struct settling settling = {.list = {{.what = what, .rcpt = rcpt}}, .count = 1};

    assert_int_equal(store_write(t->store, settle, &settling), ST_OK);
    return settling.list[0].found;
}

static void test_rows_come_due_by_priority_then_time(struct t_store *t)
{
    int64_t here = server(t, SLICE("a"), 9000);
    int64_t net = destination(t, here, SLICE("domain example.net"));
    int64_t org = destination(t, here, SLICE("domain example.org"));
    int64_t first = queue(t, net, 2, STORE_PRIORITY_NORMAL, 2000);

    queue(t, org, 1, STORE_PRIORITY_HIGH, 0);
    int64_t third = queue(t, net, 1, STORE_PRIORITY_NORMAL, 1000);
    int64_t fourth = queue(t, net, 1, STORE_PRIORITY_HIGH, 4000);
    queue(t, net, 1, STORE_PRIORITY_HIGH, 6000);
    AUTO(buf) struct buf want = BUF(1000);
    buf_putf(&want, "%d.1:queued: %d.1:queued: 0.1:queued: 0.2:queued:", (int)(fourth - first),
             (int)(third - first));
    struct telling telling = telling_of(t, net, first);
    assert_int_equal(store_read(t->store, due, &telling), ST_OK);
    assert_string_equal(telling.text.ptr, want.ptr);
    assert_int_equal(store_read(t->store, next, &telling), ST_OK);
    assert_int_equal(telling.next_ms, 6000);
    assert_int_equal(destination(t, here, SLICE("domain example.net")), net);
    buf_fini(&telling.text);
}

static void test_the_last_recipient_takes_envelope_and_body_along(struct t_store *t)
{
    int64_t net = destination(t, server(t, SLICE("a"), 9000), SLICE("domain example.net"));
    int64_t id = queue(t, net, 2, STORE_PRIORITY_NORMAL, 0);
    struct store_rcpt one = {.envelope_id = id, .rcpt_no = 1};
    struct store_rcpt two = {.envelope_id = id, .rcpt_no = 2};

    assert_true(settle_one(t, STORE_SETTLE_DONE, one));
    assert_int_equal(t_count(t, S_BLOB_CHUNKS, id), 1);
    assert_false(settle_one(t, STORE_SETTLE_DONE, one)); /* gone already: not counted twice */
    assert_true(settle_one(t, STORE_SETTLE_DONE, two));
    assert_int_equal(t_count(t, S_QUEUE_COUNT, 0), 0);
    AUTO(buf) struct buf chunk = BUF(1000);
    assert_int_equal(blob_chunk_read(t->store, id, 0, &chunk), ST_NOT_FOUND);
}

static void test_states_move_one_way(struct t_store *t)
{
    int64_t here = server(t, SLICE("a"), 9000);
    int64_t net = destination(t, here, SLICE("domain example.net"));
    int64_t report = destination(t, here, SLICE("report"));
    int64_t id = queue(t, net, 1, STORE_PRIORITY_NORMAL, 0);
    struct store_rcpt rcpt = {.envelope_id = id,
                              .rcpt_no = 1,
                              .next_ms = 4000,
                              .attempts = 1,
                              .answer = SLICE("451 later")};
    struct telling telling = telling_of(t, net, id);

    assert_true(settle_one(t, STORE_SETTLE_HOLD, rcpt));
    assert_true(settle_one(t, STORE_SETTLE_LATER, rcpt)); /* held while it was being tried */
    assert_int_equal(store_read(t->store, due, &telling), ST_OK);
    assert_int_equal(telling.text.len, 0);
    assert_true(settle_one(t, STORE_SETTLE_RELEASE, rcpt));
    assert_int_equal(store_read(t->store, due, &telling), ST_OK);
    assert_string_equal(telling.text.ptr, "0.1:queued:451 later");
    assert_true(settle_one(t, STORE_SETTLE_WARNED, rcpt));
    assert_false(settle_one(t, STORE_SETTLE_WARNED, rcpt));
    rcpt.state = STORE_RCPT_FAILED;
    rcpt.destination_id = report;
    rcpt.answer = SLICE("550 nobody");
    assert_true(settle_one(t, STORE_SETTLE_REPORT, rcpt));
    assert_false(settle_one(t, STORE_SETTLE_REPORT, rcpt)); /* told once only */
    assert_false(settle_one(t, STORE_SETTLE_HOLD, rcpt));
    telling.destination_id = report;
    assert_int_equal(store_read(t->store, due, &telling), ST_OK);
    assert_string_equal(telling.text.ptr, "0.1:failed:550 nobody");
    assert_int_equal(store_read(t->store, each, &telling), ST_OK);
    assert_string_equal(telling.text.ptr, "0.1:failed:550 nobody");
    buf_fini(&telling.text);
}

struct leasing {
    int64_t server_id;
    int64_t now_ms;
    int64_t count;
};

static enum st take_over(struct store_tx *tx, void *arg)
{
    struct leasing *leasing = arg;

    return store_server_take_over(tx, leasing->server_id, leasing->now_ms, &leasing->count);
}

static enum st reset(struct store_tx *tx, void *arg)
{
    return store_destination_reset(tx, *(int64_t *)arg);
}

static void test_a_dead_servers_destinations_are_taken_over(struct t_store *t)
{
    int64_t dead = server(t, SLICE("a"), 1000);
    int64_t here = server(t, SLICE("b"), 9000);
    int64_t net = destination(t, dead, SLICE("domain example.net"));
    struct leasing leasing = {here, 1000, 0};

    queue(t, net, 1, STORE_PRIORITY_NORMAL, 0);
    assert_int_equal(store_write(t->store, take_over, &leasing), ST_OK);
    assert_int_equal(leasing.count, 0);
    leasing.now_ms = 1001;
    assert_int_equal(store_write(t->store, take_over, &leasing), ST_OK);
    assert_int_equal(leasing.count, 1);
    assert_int_equal(destination(t, here, SLICE("domain example.net")), net);
    int64_t org = destination(t, here, SLICE("domain example.org"));
    assert_int_equal(store_write(t->store, reset, &here), ST_OK);
    assert_int_equal(destination(t, here, SLICE("domain example.net")), net);
    assert_int_not_equal(destination(t, here, SLICE("domain example.org")), org); /* was empty */
}

struct renewing {
    int64_t server_id;
    int64_t until_ms;
};

static enum st renew(struct store_tx *tx, void *arg)
{
    const struct renewing *renewing = arg;

    return store_server_renew(tx, renewing->server_id, renewing->until_ms);
}

static void test_who_was_taken_over_cannot_renew_but_enter_anew(struct t_store *t)
{
    struct renewing late = {server(t, SLICE("a"), 1000), 2000};
    struct leasing leasing = {server(t, SLICE("b"), 9000), 1500, 0};

    assert_int_equal(store_write(t->store, renew, &late), ST_OK); /* late, but nobody minded */
    late.until_ms = 1400;
    assert_int_equal(store_write(t->store, renew, &late), ST_OK);
    assert_int_equal(store_write(t->store, take_over, &leasing), ST_OK);
    late.until_ms = 3000;
    assert_int_equal(store_write(t->store, renew, &late), ST_NOT_FOUND);
    assert_int_equal(server(t, SLICE("a"), 3000), late.server_id);
    assert_int_equal(store_write(t->store, renew, &late), ST_OK);
}

struct merging {
    int64_t from_id;
    int64_t to_id;
    int64_t now_ms;
};

static enum st merge(struct store_tx *tx, void *arg)
{
    const struct merging *merging = arg;

    return store_destination_merge(tx, merging->from_id, merging->to_id, merging->now_ms);
}

static void test_what_is_added_to_a_merged_destination_is_merged_later(struct t_store *t)
{
    struct telling telling = {.t = t, .limit = 10, .now_ms = 5, .text = BUF(1000)};
    int64_t here = server(t, SLICE("a"), 1000);
    struct merging merging = {destination(t, here, SLICE("one")),
                              destination(t, here, SLICE("other")), 1};

    telling.destination_id = merging.to_id;
    telling.base = queue(t, merging.from_id, 1, STORE_PRIORITY_NORMAL, 0);
    assert_int_equal(store_write(t->store, merge, &merging), ST_OK);
    queue(t, merging.from_id, 1, STORE_PRIORITY_NORMAL, 0); /* by a transaction that began before */
    assert_int_equal(store_write(t->store, merge, &merging), ST_OK);
    assert_int_equal(store_read(t->store, due, &telling), ST_OK);
    assert_string_equal(telling.text.ptr, "0.1:queued: 1.1:queued:");
    assert_int_equal(destination(t, here, SLICE("one")), merging.from_id);
    merging.now_ms = 2; /* destination() has it due at once: it was of use */
    assert_int_equal(store_write(t->store, merge, &merging), ST_OK);
    assert_int_equal(store_write(t->store, merge, &merging), ST_OK);
    assert_int_not_equal(destination(t, here, SLICE("one")), merging.from_id);
    buf_fini(&telling.text);
}

struct claiming {
    struct slice key;
    int64_t now_ms;
    bool new;
    int64_t at_ms;
    int64_t swept;
};

static enum st claim(struct store_tx *tx, void *arg)
{
    struct claiming *claiming = arg;
    enum st st = store_claim(tx, claiming->key, claiming->now_ms, 100, &claiming->new);

    return st != ST_OK ? st : store_claimed(tx, claiming->key, &claiming->at_ms);
}

static enum st sweep(struct store_tx *tx, void *arg)
{
    struct claiming *claiming = arg;

    return store_claim_sweep(tx, claiming->now_ms, 10, &claiming->swept);
}

static enum st ask(struct store_tx *tx, void *arg)
{
    struct claiming *claiming = arg;

    return store_claimed(tx, claiming->key, &claiming->at_ms);
}

static void test_a_claim_holds_for_its_time(struct t_store *t)
{
    static const struct {
        const char *key;
        int64_t now_ms;
        bool new;
        int64_t at_ms;
    } rows[] = {
        {"a", 1000, true, 1000},  {"a", 1000, false, 1000}, {"b", 1001, true, 1001},
        {"a", 1099, false, 1000}, {"a", 1100, true, 1100},  {"a", 1199, false, 1100},
    };
    struct claiming claiming;

    for (size_t i = 0; i < COUNT(rows); i++) {
        claiming = (struct claiming){.key = slice_str(rows[i].key), .now_ms = rows[i].now_ms};
        T_ROW(i, rows[i].key);
        assert_int_equal(store_write(t->store, claim, &claiming), ST_OK);
        assert_int_equal(claiming.new, rows[i].new);
        assert_int_equal(claiming.at_ms, rows[i].at_ms);
    }
    claiming = (struct claiming){.key = SLICE("b"), .now_ms = 1100};
    assert_int_equal(store_write(t->store, sweep, &claiming), ST_OK);
    assert_int_equal(claiming.swept, 1);
    assert_int_equal(store_read(t->store, ask, &claiming), ST_NOT_FOUND);
    claiming.key = SLICE("a");
    assert_int_equal(store_read(t->store, ask, &claiming), ST_OK);
}

struct handing {
    struct slice guid;
    struct slice address;
    int64_t at_ms; /* or, of a sweep, before when */
    int64_t count;
    bool new;
};

static enum st claim_handed(struct store_tx *tx, void *arg)
{
    struct handing *c = arg;

    return store_handed_claim(tx, c->guid, c->address, c->at_ms, &c->new);
}

static enum st sweep_handed(struct store_tx *tx, void *arg)
{
    struct handing *c = arg;

    return store_handed_sweep(tx, c->at_ms, &c->count);
}

static bool is_new(struct t_store *t, const char *guid, const char *address, int64_t at_ms)
{
    struct handing claiming = {slice_str(guid), slice_str(address), at_ms, 0, false};

    assert_int_equal(store_write(t->store, claim_handed, &claiming), ST_OK);
    return claiming.new;
}

static void test_what_is_handed_over_is_new_once_for_each_recipient(struct t_store *t)
{
    struct handing sweeping = {.at_ms = 2000};

    assert_true(is_new(t, "0a", "a@example.net", 1000));
    assert_false(is_new(t, "0a", "a@example.net", 1001));
    assert_true(is_new(t, "0a", "A@example.net", 2000));
    assert_true(is_new(t, "0b", "a@example.net", 2000));
    assert_int_equal(store_write(t->store, sweep_handed, &sweeping), ST_OK);
    assert_int_equal(sweeping.count, 1);
    assert_true(is_new(t, "0a", "a@example.net", 3000));
    assert_false(is_new(t, "0b", "a@example.net", 3000));
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_what_is_handed_over_is_new_once_for_each_recipient),
        T_CASE(test_rows_come_due_by_priority_then_time),
        T_CASE(test_the_last_recipient_takes_envelope_and_body_along),
        T_CASE(test_states_move_one_way),
        T_CASE(test_a_dead_servers_destinations_are_taken_over),
        T_CASE(test_a_claim_holds_for_its_time),
        T_CASE(test_who_was_taken_over_cannot_renew_but_enter_anew),
        T_CASE(test_what_is_added_to_a_merged_destination_is_merged_later),
    };

    return t_run(cases, COUNT(cases));
}
