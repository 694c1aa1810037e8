#include "cluster/cluster_journal.h"
#include "cluster/cluster_kept.h"
#include "cluster/cluster_rcpts.h"
#include "store_t.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUID_A "0000000000000000000000000000000a"
#define GUID_B "0000000000000000000000000000000b"
#define BLOCK 4096 /* where the journal's second record begins, where the first is short */

/* What is kept for a.test, in a journal beside the store. */
struct kept_t {
    struct t_store *t;
    struct cluster_kept *kept;
    struct cluster_incoming *now;
    char path[100];
    struct buf text;
};

static struct kept_t kept_new(struct t_store *t)
{
    struct kept_t k = {.t = t};

    snprintf(k.path, sizeof(k.path), "%s/copies", t->dir);
    k.kept = cluster_kept_new(t->store, k.path);
    buf_init(&k.text, 4096);
    return k;
}

static void kept_end(struct kept_t *k)
{
    cluster_kept_free(&k->kept);
    buf_fini(&k->text);
}

static void take(struct kept_t *k, const struct cluster_frame *frame)
{
    AUTO(buf) struct buf raw = BUF(MIB);
    struct cluster_frame read;
    size_t used;

    assert_int_equal(cluster_frame_write(frame, &raw), ST_OK);
    assert_int_equal(cluster_frame_read(buf_slice(&raw), MIB, &read, &used), ST_OK);
    if (k->now == NULL)
        k->now = cluster_incoming_new(k->t->store, SLICE("a.test"));
    assert_int_equal(cluster_incoming_take(k->now, &read, buf_slice(&raw)), ST_OK);
}

static void take_part(struct kept_t *k, enum cluster_part part, struct slice bytes)
{
    const struct cluster_frame frame = {.type = CLUSTER_DATA,
                                        .data = {.part = part, .bytes = bytes}};
    take(k, &frame);
}

static enum st take_chunk(void *ctx, struct slice chunk)
{
    take_part(ctx, CLUSTER_PART_CHUNK, chunk);
    return ST_OK;
}

/* A message for so many recipients comes. */
static void copy(struct kept_t *k, const char *guid, int64_t rcpts)
{
    struct blob_writer *body = blob_writer_new(k->t->store);
    AUTO(buf) struct buf list = BUF(4096);
    struct blob_packed packed;

    assert_int_equal(blob_writer_add(body, SLICE("Subject: t\r\n\r\nText\r\n")), ST_OK);
    assert_int_equal(blob_writer_end(body), ST_OK);
    blob_writer_look(body, &packed);
    const struct cluster_frame frame = {
        .type = CLUSTER_COPY,
        .copy = {.bytes = packed.bytes,
                 .priority = STORE_PRIORITY_NORMAL,
                 .chunk_count = packed.chunk_count,
                 .guid = slice_str(guid),
                 .sender = SLICE("alice@example.test"),
                 .sha256 = {(const char *)packed.sha256, sizeof(packed.sha256)}}};
    take(k, &frame);
    for (int64_t i = 1; i <= rcpts; i++) {
        const struct store_rcpt rcpt = {.rcpt_no = i, .address = SLICE("bob@example.net")};
        cluster_rcpt_write(&rcpt, &list);
    }
    if (list.len > 0)
        take_part(k, CLUSTER_PART_RCPTS, buf_slice(&list));
    assert_int_equal(blob_writer_each_packed(body, take_chunk, k), ST_OK);
    blob_writer_free(&body);
}

static void done(struct kept_t *k, const char *guid, unsigned rcpt_no)
{
    AUTO(buf) struct buf lines = BUF(100);

    buf_putf(&lines, "%s %u\n", guid, rcpt_no);
    const struct cluster_frame frame = {.type = CLUSTER_DONE, .done = {.lines = buf_slice(&lines)}};
    take(k, &frame);
}

/* The guids that were refused. */
static const char *save(struct kept_t *k)
{
    buf_clear(&k->text);
    assert_int_equal(cluster_incoming_end(k->now), ST_OK);
    assert_int_equal(cluster_kept_save(k->kept, &k->now, &k->text), ST_OK);
    assert_null(k->now);
    buf_put(&k->text, (struct slice){"", 1});
    return k->text.ptr;
}

static enum st add_line(void *ctx, struct slice guid, bool taken)
{
    buf_putf(ctx, "%c:%s ", guid.ptr[31], taken ? "taken" : "held");
    return ST_OK;
}

static enum st add_owner(void *ctx, struct slice owner, int64_t count, int64_t open)
{
    buf_putf(ctx, "%d/%d", (int)count, (int)open);
    return ST_OK;
}

static enum st list_body(struct store_tx *tx, void *arg)
{
    buf_clear(arg);
    enum st st = store_shadow_each(tx, SLICE("a.test"), SLICE(""), 100, add_line, arg);
    return st == ST_OK ? store_shadow_owners(tx, add_owner, arg) : st;
}

/* What the store has: "guid:what ... copies/recipients". */
static const char *stored(struct kept_t *k)
{
    assert_int_equal(store_read(k->t->store, list_body, &k->text), ST_OK);
    buf_put(&k->text, (struct slice){"", 1});
    return k->text.ptr;
}

static enum st take_over_body(struct store_tx *tx, void *arg)
{
    struct store_shadow_copy taken;
    enum st st = store_shadow_next(tx, SLICE("a.test"), 0, arg, &taken);

    if (st == ST_OK)
        st = store_shadow_take(tx, SLICE("a.test"), &taken.envelope, 9);
    return st == ST_OK ? store_queue_add(tx, &taken.envelope, taken.rcpts, taken.count) : st;
}

/* --- */

static void test_what_is_done_soon_never_gets_into_the_store(struct t_store *t)
{
    struct kept_t k = kept_new(t);

    copy(&k, GUID_A, 0);
    copy(&k, GUID_B, 2);
    assert_string_equal(save(&k), "");
    assert_string_equal(stored(&k), "");
    done(&k, GUID_A, 0);
    done(&k, GUID_B, 1);
    assert_string_equal(save(&k), "");
    assert_int_equal(cluster_kept_move(k.kept), ST_OK);
    assert_string_equal(stored(&k), "b:held 1/1");
    done(&k, GUID_B, 2);
    assert_string_equal(save(&k), "");
    assert_int_equal(cluster_kept_move(k.kept), ST_OK);
    assert_string_equal(stored(&k), "");
    kept_end(&k);
}

static void test_what_a_killed_server_had_is_there_again(struct t_store *t)
{
    struct kept_t dead = kept_new(t);
    struct kept_t k = kept_new(t);

    copy(&dead, GUID_A, 1);
    assert_string_equal(save(&dead), "");
    copy(&dead, GUID_B, 3);
    done(&dead, GUID_A, 1);
    assert_string_equal(save(&dead), "");
    done(&dead, GUID_B, 2);
    assert_string_equal(save(&dead), "");
    assert_string_equal(stored(&k), "");
    assert_int_equal(cluster_kept_recover(k.kept), ST_OK);
    assert_string_equal(stored(&k), "b:held 1/2");
    assert_int_equal(cluster_kept_recover(k.kept), ST_OK); /* killed before it wrote anything */
    assert_string_equal(stored(&k), "b:held 1/2");
    copy(&k, GUID_A, 1);
    done(&k, GUID_B, 0);
    assert_string_equal(save(&k), "");
    kept_end(&k);
    k = kept_new(t);
    assert_int_equal(cluster_kept_recover(k.kept), ST_OK);
    assert_string_equal(stored(&k), "a:held 1/1"); /* nothing of the older ones */
    kept_end(&k);
    kept_end(&dead);
}

static void test_a_record_that_was_cut_off_ends_the_journal(struct t_store *t)
{
    struct kept_t dead = kept_new(t);
    struct kept_t k = kept_new(t);
    struct stat info;

    copy(&dead, GUID_A, 1);
    assert_string_equal(save(&dead), "");
    copy(&dead, GUID_B, 1);
    assert_string_equal(save(&dead), "");
    int fd = open(dead.path, O_WRONLY);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(pwrite(fd, "X", 1, BLOCK + 500), 1);
    close(fd);
    assert_int_equal(cluster_kept_recover(k.kept), ST_OK);
    assert_string_equal(stored(&k), "a:held 1/1");
    kept_end(&k);
    kept_end(&dead);
}

static void test_what_was_taken_over_is_refused(struct t_store *t)
{
    struct kept_t k = kept_new(t);

    copy(&k, GUID_A, 1);
    assert_string_equal(save(&k), "");
    assert_int_equal(cluster_kept_move(k.kept), ST_OK);
    assert_int_equal(store_write(t->store, take_over_body, t->arena), ST_OK);
    copy(&k, GUID_A, 1);
    copy(&k, GUID_B, 1);
    assert_string_equal(save(&k), GUID_A "\n");
    assert_string_equal(stored(&k), "a:taken b:held 1/1");
    done(&k, GUID_A, 0);
    assert_string_equal(save(&k), "");
    assert_string_equal(stored(&k), "b:held 1/1");
    kept_end(&k);
}

static void test_a_copy_that_comes_anew_takes_the_place_of_the_first(struct t_store *t)
{
    struct kept_t k = kept_new(t);

    copy(&k, GUID_A, 3);
    assert_string_equal(save(&k), "");
    copy(&k, GUID_A, 2);
    assert_string_equal(save(&k), "");
    assert_int_equal(cluster_kept_move(k.kept), ST_OK);
    assert_string_equal(stored(&k), "a:held 1/2");
    copy(&k, GUID_A, 1); /* the older one is in the store */
    assert_string_equal(save(&k), "");
    done(&k, GUID_A, 1);
    assert_string_equal(save(&k), "");
    assert_int_equal(cluster_kept_move(k.kept), ST_OK);
    assert_string_equal(stored(&k), "");
    kept_end(&k);
}

static void test_what_no_store_would_take_is_not_kept(struct t_store *t)
{
    const struct store_rcpt twice = {.rcpt_no = 2, .address = SLICE("bob@example.net")};
    struct kept_t k = kept_new(t);
    AUTO(buf) struct buf list = BUF(4096);

    copy(&k, GUID_A, 2);
    cluster_rcpt_write(&twice, &list);
    take_part(&k, CLUSTER_PART_RCPTS, buf_slice(&list));
    assert_int_equal(cluster_incoming_end(k.now), ST_INVALID);
    cluster_incoming_free(&k.now);
    kept_end(&k);
}

static void test_a_full_journal_begins_anew_and_nothing_is_missing(struct t_store *t)
{
    struct kept_t k = kept_new(t);
    char guid[STORE_GUID_BYTES];

    for (unsigned i = 0; i < 2 * CLUSTER_JOURNAL_BYTES / BLOCK; i++) {
        snprintf(guid, sizeof(guid), "%032x", i);
        copy(&k, guid, 1);
        if (i >= 10)
            snprintf(guid, sizeof(guid), "%032x", i - 10);
        if (i >= 10)
            done(&k, guid, 1);
        assert_string_equal(save(&k), "");
    }
    assert_int_equal(cluster_kept_move(k.kept), ST_OK);
    (void)stored(&k);
    assert_non_null(strstr(k.text.ptr, " 10/10"));
    kept_end(&k);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE_ONLY(test_what_is_done_soon_never_gets_into_the_store, "sqlite"),
        T_CASE_ONLY(test_what_a_killed_server_had_is_there_again, "sqlite"),
        T_CASE_ONLY(test_a_record_that_was_cut_off_ends_the_journal, "sqlite"),
        T_CASE_ONLY(test_what_was_taken_over_is_refused, "sqlite"),
        T_CASE_ONLY(test_a_copy_that_comes_anew_takes_the_place_of_the_first, "sqlite"),
        T_CASE_ONLY(test_what_no_store_would_take_is_not_kept, "sqlite"),
        T_CASE_ONLY(test_a_full_journal_begins_anew_and_nothing_is_missing, "sqlite"),
    };

    return t_run(cases, COUNT(cases));
}
