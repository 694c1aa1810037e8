#include "store_t.h"

#include <stdlib.h>

#define ALL ((struct store_uids){1, UINT32_MAX})

static void fill(struct t_store *t, int64_t folder_id, int count)
{
    for (int i = 0; i < count; i++)
        (void)t_deliver(t, folder_id, SLICE("0123456789"));
}

static struct store_flagging flag(struct t_store *t, struct store_uids range, enum store_flag_op op,
                                  uint64_t flags, uint64_t unchanged_since)
{
    struct store_folder inbox = t_folder_now(t, t->inbox_id);
    struct store_uids *ranges = arena_one(t->arena, struct store_uids);
    struct store_flagging flagging = {
        .uids = {ranges, 1}, .op = op, .flags = flags, .unchanged_since = unchanged_since};

    *ranges = range;
    assert_int_equal(t_flags(t->store, t->arena, &inbox, &flagging), ST_OK);
    return flagging;
}

static void test_uids_and_modseqs_grow_and_totals_add_up(struct t_store *t)
{
    uint64_t modseq = 0;

    for (uint32_t i = 1; i <= 20; i++) {
        struct store_message message = t_deliver(t, t->inbox_id, SLICE("0123456789"));
        assert_int_equal(message.uid, i);
        assert_true(message.modseq > modseq);
        modseq = message.modseq;
    }
    struct store_folder inbox = t_folder_now(t, t->inbox_id);
    assert_int_equal(inbox.uidnext, 21);
    assert_int_equal(inbox.message_count, 20);
    assert_int_equal(inbox.modseq, modseq);
    struct store_account account = t_account_now(t);
    assert_int_equal(account.bytes_used, 200);
    assert_int_equal(account.message_count, 20);
    assert_int_equal(account.modseq, modseq);
}

static void test_flags_are_set_added_and_removed_and_only_changes_count(struct t_store *t)
{
    uint64_t keyword = UINT64_C(1) << STORE_KEYWORD_MAX;

    fill(t, t->inbox_id, 4);
    struct store_flagging f =
        flag(t, (struct store_uids){2, 3}, STORE_FLAGS_ADD, STORE_SEEN | keyword, UINT64_MAX);
    assert_string_equal(t_messages(t, t->inbox_id),
                        "1:0 2:4000000000000001 3:4000000000000001 4:0");
    assert_int_equal(t_folder_now(t, t->inbox_id).modseq, f.modseq);
    struct store_flagging g = flag(t, ALL, STORE_FLAGS_ADD, STORE_SEEN, UINT64_MAX);
    assert_string_equal(t_messages(t, t->inbox_id),
                        "1:1 2:4000000000000001 3:4000000000000001 4:1");
    assert_true(g.modseq > f.modseq);
    flag(t, (struct store_uids){3, 3}, STORE_FLAGS_SET, STORE_DRAFT, UINT64_MAX);
    g = flag(t, ALL, STORE_FLAGS_REMOVE, keyword, UINT64_MAX);
    assert_string_equal(t_messages(t, t->inbox_id), "1:1 2:1 3:10 4:1");
    uint64_t before = t_folder_now(t, t->inbox_id).modseq;
    assert_int_equal(before, g.modseq);
    flag(t, ALL, STORE_FLAGS_REMOVE, keyword, UINT64_MAX); /* changes nothing */
    assert_int_equal(t_folder_now(t, t->inbox_id).modseq, before);
}

static void test_unchanged_since_leaves_newer_ones_and_names_them(struct t_store *t)
{
    fill(t, t->inbox_id, 6);
    uint64_t since = t_folder_now(t, t->inbox_id).modseq;
    flag(t, (struct store_uids){2, 3}, STORE_FLAGS_ADD, STORE_FLAGGED, UINT64_MAX);
    flag(t, (struct store_uids){5, 5}, STORE_FLAGS_ADD, STORE_FLAGGED, UINT64_MAX);
    struct store_flagging f = flag(t, ALL, STORE_FLAGS_ADD, STORE_SEEN, since);
    assert_string_equal(t_messages(t, t->inbox_id), "1:1 2:4 3:4 4:1 5:4 6:1");
    assert_int_equal(f.failed.count, 2);
    assert_int_equal(f.failed.ranges[0].first, 2);
    assert_int_equal(f.failed.ranges[0].last, 3);
    assert_int_equal(f.failed.ranges[1].first, 5);
    f = flag(t, ALL, STORE_FLAGS_ADD, STORE_SEEN, 0); /* everything is newer */
    assert_int_equal(f.failed.count, 1);
    assert_int_equal(f.failed.ranges[0].last, 6);
}

static void test_expunge_leaves_tombstones_and_drops_bodies(struct t_store *t)
{
    struct store_message doomed;
    uint64_t count;

    fill(t, t->inbox_id, 3);
    doomed = t_deliver(t, t->inbox_id, SLICE("0123456789"));
    fill(t, t->inbox_id, 1);
    flag(t, (struct store_uids){2, 2}, STORE_FLAGS_ADD, STORE_DELETED, UINT64_MAX);
    flag(t, (struct store_uids){4, 4}, STORE_FLAGS_ADD, STORE_DELETED, UINT64_MAX);
    struct store_folder before = t_folder_now(t, t->inbox_id);
    assert_int_equal(t_expunge(t->store, &before, ALL, true, &count), ST_OK);
    assert_int_equal(count, 2);
    assert_string_equal(t_messages(t, t->inbox_id), "1:0 3:0 5:0");
    assert_string_equal(t_gone(t, t->inbox_id, before.modseq), "2 4");
    assert_int_equal(t_count(t, S_BLOB_CHUNKS, doomed.blob_id), -1);
    assert_int_equal(t_count(t, S_CHUNK_GET, doomed.blob_id << 20), -1);
    struct store_folder after = t_folder_now(t, t->inbox_id);
    assert_int_equal(after.uidnext, 6);
    assert_int_equal(after.message_count, 3);
    assert_true(after.modseq > before.modseq);
    assert_int_equal(t_account_now(t).bytes_used, 30);
    assert_int_equal(t_account_now(t).message_count, 3);
    assert_string_equal(t_gone(t, t->inbox_id, after.modseq), "");
    assert_int_equal(t_expunge(t->store, &after, ALL, true, &count), ST_OK);
    assert_int_equal(count, 0);
    assert_int_equal(t_folder_now(t, t->inbox_id).modseq, after.modseq);
    fill(t, t->inbox_id, 1);
    assert_string_equal(t_messages(t, t->inbox_id), "1:0 3:0 5:0 6:0"); /* no UID comes back */
}

static void test_copies_share_the_body_until_the_last_is_gone(struct t_store *t)
{
    struct store_message message = t_deliver(t, t->inbox_id, SLICE("shared"));
    struct store_folder inbox = t_folder_now(t, t->inbox_id);
    struct store_folder target = t_folder_now(t, t_folder(t, "Archive"));
    struct store_copying copying = {.uids = store_uids_all};
    uint64_t count;

    assert_int_equal(t_copy(t->store, t->arena, &inbox, &target, &copying), ST_OK);
    assert_int_equal(copying.count, 1);
    assert_int_equal(copying.from_uids[0], 1);
    assert_int_equal(copying.to_uids[0], 1);
    assert_int_equal(t_account_now(t).bytes_used, 12);
    assert_int_equal(t_expunge(t->store, &inbox, ALL, false, &count), ST_OK);
    assert_int_equal(t_count(t, S_BLOB_CHUNKS, message.blob_id), 1);
    assert_int_equal(t_expunge(t->store, &target, ALL, false, &count), ST_OK);
    assert_int_equal(t_count(t, S_BLOB_CHUNKS, message.blob_id), -1);
    assert_int_equal(t_account_now(t).bytes_used, 0);
}

static void test_copy_and_move_within_one_folder(struct t_store *t)
{
    struct store_folder inbox = t_folder_now(t, t->inbox_id);
    struct store_copying copying = {.uids = {&(struct store_uids){2, UINT32_MAX}, 1}};

    fill(t, t->inbox_id, 3);
    assert_int_equal(t_copy(t->store, t->arena, &inbox, &inbox, &copying), ST_OK);
    assert_string_equal(t_messages(t, t->inbox_id), "1:0 2:0 3:0 4:0 5:0");
    uint64_t before = t_folder_now(t, t->inbox_id).modseq;
    copying.move = true;
    assert_int_equal(t_copy(t->store, t->arena, &inbox, &inbox, &copying), ST_OK);
    assert_int_equal(copying.count, 4);
    assert_string_equal(t_messages(t, t->inbox_id), "1:0 6:0 7:0 8:0 9:0");
    assert_string_equal(t_gone(t, t->inbox_id, before), "2 3 4 5");
    assert_int_equal(t_folder_now(t, t->inbox_id).message_count, 5);
    assert_int_equal(t_account_now(t).message_count, 5);
    assert_int_equal(t_account_now(t).bytes_used, 50);
    copying.uids.ranges = &(const struct store_uids){100, 200};
    assert_int_equal(t_copy(t->store, t->arena, &inbox, &inbox, &copying), ST_OK);
    assert_int_equal(copying.count, 0);
}

struct quota_case {
    struct t_store *t;
    struct blob_writer *writer;
    uint64_t quota;
    int64_t folder_id;
};

static enum st add_with_quota(struct store_tx *tx, void *arg)
{
    struct quota_case *c = arg;
    struct store_message message = {.bytes = 10};
    enum st st = blob_writer_commit(tx, c->writer, SLICE(""), SLICE(""), &message.blob_id);

    return st != ST_OK ? st
                       : store_message_add(tx, c->t->account_id, c->folder_id, c->quota, &message);
}

static enum st try_quota(struct t_store *t, uint64_t quota, int64_t folder_id)
{
    struct quota_case c = {t, blob_writer_new(t->store), quota, folder_id};

    assert_int_equal(blob_writer_add(c.writer, SLICE("0123456789")), ST_OK);
    assert_int_equal(blob_writer_end(c.writer), ST_OK);
    enum st st = store_write(t->store, add_with_quota, &c);
    blob_writer_free(&c.writer);
    return st;
}

static void test_over_quota_nothing_is_added(struct t_store *t)
{
    struct store_folder inbox = t_folder_now(t, t->inbox_id);
    struct store_copying copying = {.uids = store_uids_all, .quota_bytes = 25};

    assert_int_equal(try_quota(t, 20, t->inbox_id), ST_OK);
    assert_int_equal(try_quota(t, 20, t->inbox_id), ST_OK);
    assert_int_equal(try_quota(t, 20, t->inbox_id), ST_FULL);
    assert_int_equal(t_copy(t->store, t->arena, &inbox, &inbox, &copying), ST_FULL);
    assert_int_equal(try_quota(t, 0, 987654), ST_NOT_FOUND);
    assert_int_equal(t_account_now(t).bytes_used, 20);
    assert_string_equal(t_messages(t, t->inbox_id), "1:0 2:0");
    copying.move = true; /* takes no more room */
    assert_int_equal(t_copy(t->store, t->arena, &inbox, &inbox, &copying), ST_OK);
}

struct status_case {
    struct t_store *t;
    struct store_folder_status status;
};

static enum st ask_status(struct store_tx *tx, void *arg)
{
    struct status_case *c = arg;
    struct store_folder folder;
    enum st st = store_folder_get(tx, c->t->arena, c->t->inbox_id, &folder);

    return st != ST_OK ? st : store_folder_status(tx, &folder, &c->status);
}

static enum st set_recent(struct store_tx *tx, void *arg)
{
    struct t_store *t = arg;

    return store_folder_recent_set(tx, t->inbox_id, 3);
}

static void test_status_counts(struct t_store *t)
{
    struct status_case c = {.t = t};

    assert_int_equal(store_read(t->store, ask_status, &c), ST_OK);
    assert_int_equal(c.status.messages, 0);
    assert_int_equal(c.status.bytes, 0);
    fill(t, t->inbox_id, 5);
    flag(t, (struct store_uids){1, 2}, STORE_FLAGS_ADD, STORE_SEEN | STORE_DELETED, UINT64_MAX);
    flag(t, (struct store_uids){3, 3}, STORE_FLAGS_ADD, STORE_DELETED, UINT64_MAX);
    assert_int_equal(store_write(t->store, set_recent, t), ST_OK);
    assert_int_equal(store_read(t->store, ask_status, &c), ST_OK);
    assert_int_equal(c.status.messages, 5);
    assert_int_equal(c.status.recent, 2);
    assert_int_equal(c.status.unseen, 3);
    assert_int_equal(c.status.bytes, 50);
}

/* What a callback sees, and that it may ask the store about something else meanwhile. */
struct seeing {
    struct t_store *t;
    struct store_tx *tx;
    unsigned want;
    size_t count;
    size_t stop_after;
};

static enum st see(void *ctx, const struct store_message *message)
{
    struct seeing *seeing = ctx;
    struct store_folder folder;

    T_EQ_SLICE(message->envelope, seeing->want != 0 ? SLICE("envelope") : SLICE(""));
    T_EQ_SLICE(message->structure,
               (seeing->want & STORE_WANT_STRUCTURE) != 0 ? SLICE("structure") : SLICE(""));
    assert_int_equal(message->date_s, 1700000000);
    assert_int_equal(message->saved_ms, 7);
    assert_int_equal(message->uid, seeing->count + 1);
    seeing->count++;
    assert_int_equal(store_folder_get(seeing->tx, seeing->t->arena, seeing->t->inbox_id, &folder),
                     ST_OK);
    assert_int_equal(folder.uidnext, 301);
    return seeing->count == seeing->stop_after ? ST_CONFLICT : ST_OK;
}

static enum st see_all(struct store_tx *tx, void *arg)
{
    struct seeing *seeing = arg;

    seeing->tx = tx;
    seeing->count = 0;
    enum st st = store_message_each(tx, seeing->t->inbox_id, ALL, seeing->want, see, seeing);
    assert_int_equal(st, seeing->stop_after == 0 ? ST_OK : ST_CONFLICT);
    return ST_OK;
}

static void test_each_gives_what_was_asked_for_and_may_ask_again_meanwhile(struct t_store *t)
{
    static const unsigned wants[] = {0, STORE_WANT_ENVELOPE,
                                     STORE_WANT_ENVELOPE | STORE_WANT_STRUCTURE};

    fill(t, t->inbox_id, 300);
    for (size_t i = 0; i < COUNT(wants); i++) {
        struct seeing seeing = {.t = t, .want = wants[i]};
        assert_int_equal(store_read(t->store, see_all, &seeing), ST_OK);
        assert_int_equal(seeing.count, 300);
        seeing.stop_after = 3;
        assert_int_equal(store_read(t->store, see_all, &seeing), ST_OK);
        assert_int_equal(seeing.count, 3);
    }
}

/* --- bodies --- */

static char pattern(uint64_t i, bool random)
{
    static const char text[] = "line of text\r\n";

    return random ? (char)((i * UINT64_C(0x9e3779b97f4a7c15)) >> 56) : text[i % 14];
}

static struct slice body_of(struct t_store *t, size_t len, bool random)
{
    char *bytes = arena_alloc(t->arena, 1, len + 1);

    for (size_t i = 0; i < len; i++)
        bytes[i] = pattern(random ? i * i + i / 7 : i, random);
    return (struct slice){bytes, len};
}

static enum st collect(void *ctx, struct slice bytes)
{
    return buf_add(ctx, bytes);
}

static void check_body(struct t_store *t, int64_t blob_id, struct slice body)
{
    static const uint64_t cuts[][2] = {{0, UINT64_MAX},
                                       {0, 10},
                                       {5, 7},
                                       {STORE_CHUNK_BYTES - 1, 2},
                                       {STORE_CHUNK_BYTES, 1},
                                       {1, 3 * STORE_CHUNK_BYTES},
                                       {10 * MIB, 5}};
    AUTO(buf) struct buf got = BUF(16 * MIB);

    for (size_t i = 0; i < COUNT(cuts); i++) {
        buf_clear(&got);
        assert_int_equal(blob_each(t->store, blob_id, cuts[i][0], cuts[i][1], collect, &got),
                         ST_OK);
        struct slice want = slice_sub(body, cuts[i][0], cuts[i][1]);
        assert_int_equal(got.len, want.len);
        assert_true(slice_eq(buf_slice(&got), want));
    }
}

static void test_bodies_of_every_size_come_back_as_they_were(struct t_store *t)
{
    static const size_t sizes[] = {0,
                                   1,
                                   100,
                                   STORE_CHUNK_BYTES - 1,
                                   STORE_CHUNK_BYTES,
                                   STORE_CHUNK_BYTES + 1,
                                   4 * STORE_CHUNK_BYTES,
                                   3 * MIB};

    for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
        struct slice body = body_of(t, sizes[i / 2], i % 2 != 0);
        T_ROW(i, "a size");
        check_body(t, t_deliver(t, t->inbox_id, body).blob_id, body);
    }
    assert_int_equal(blob_each(t->store, 999999, 0, 1, collect, NULL), ST_NOT_FOUND);
}

static void test_an_aborted_body_leaves_nothing(struct t_store *t)
{
    struct blob_writer *writer = blob_writer_new(t->store);

    assert_int_equal(blob_writer_add(writer, body_of(t, 3 * MIB, true)), ST_OK);
    assert_true(t_count(t, S_BLOB_STAGED_BEFORE, INT64_MAX) > 0);
    blob_writer_free(&writer);
    assert_int_equal(t_count(t, S_BLOB_STAGED_BEFORE, INT64_MAX), -1);
    writer = blob_writer_new(t->store);
    assert_int_equal(blob_writer_add(writer, SLICE("small")), ST_OK);
    blob_writer_free(&writer);
}

static void test_sweeping_drops_what_was_never_finished_and_only_that(struct t_store *t)
{
    struct slice body = body_of(t, 2 * MIB, true);
    struct blob_writer *writer = blob_writer_new(t->store);
    struct store_message kept = t_deliver(t, t->inbox_id, body);

    assert_int_equal(blob_writer_add(writer, body), ST_OK);
    int64_t staged = t_count(t, S_BLOB_STAGED_BEFORE, INT64_MAX);
    assert_int_equal(blob_sweep(t->store, false), ST_OK); /* it is young */
    assert_int_equal(t_count(t, S_BLOB_CHUNKS, staged), 0);
    assert_int_equal(blob_sweep(t->store, true), ST_OK);
    assert_int_equal(t_count(t, S_BLOB_CHUNKS, staged), -1);
    assert_int_equal(t_count(t, S_CHUNK_GET, staged << 20), -1);
    blob_writer_committed(writer); /* as if its server had died */
    blob_writer_free(&writer);
    check_body(t, kept.blob_id, body);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_uids_and_modseqs_grow_and_totals_add_up),
        T_CASE(test_flags_are_set_added_and_removed_and_only_changes_count),
        T_CASE(test_unchanged_since_leaves_newer_ones_and_names_them),
        T_CASE(test_expunge_leaves_tombstones_and_drops_bodies),
        T_CASE(test_copies_share_the_body_until_the_last_is_gone),
        T_CASE(test_copy_and_move_within_one_folder),
        T_CASE(test_over_quota_nothing_is_added),
        T_CASE(test_status_counts),
        T_CASE(test_each_gives_what_was_asked_for_and_may_ask_again_meanwhile),
        T_CASE(test_bodies_of_every_size_come_back_as_they_were),
        T_CASE(test_an_aborted_body_leaves_nothing),
        T_CASE(test_sweeping_drops_what_was_never_finished_and_only_that),
    };
    return t_run(cases, COUNT(cases));
}
