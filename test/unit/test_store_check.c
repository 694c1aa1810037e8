#include "store_t.h"

#include "store/store_calendar.h"
#include "store/store_check.h"
#include "store/store_dump.h"
#include "store/store_task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* --- check --- */

struct report {
    struct buf text;
    uint64_t done;
    uint64_t total;
};

static void note(void *ctx, const char *sentence)
{
    buf_putf(&((struct report *)ctx)->text, "%s\n", sentence);
}

static void progress(void *ctx, uint64_t done, uint64_t total)
{
    struct report *report = ctx;

    report->done = done;
    report->total = total;
}

static uint64_t check(struct t_store *t, struct report *report, bool deep)
{
    struct store_check check = {deep, note, progress, report};
    uint64_t faults = 0;

    buf_clear(&report->text);
    assert_int_equal(store_check(t->store, &check, &faults), ST_OK);
    assert_int_equal(report->done, report->total);
    return faults;
}

static enum st set_out_of_office(struct store_tx *tx, void *arg)
{
    const struct t_store *t = arg;
    const struct store_calendar_account account = {
        .account_id = t->account_id, .oof = STORE_OOF_ON, .oof_inside_text = SLICE("away")};
    enum st st = store_calendar_account_set(tx, &account);

    return st == ST_OK ? store_oof_claim(tx, t->account_id, SLICE("bob@x.test"), 0, 1) : st;
}

static void furnish(struct t_store *t)
{
    char *noise = arena_alloc(t->arena, 1, 300000);
    struct store_folder inbox = t_folder_now(t, t->inbox_id);
    struct store_folder sent = t_folder_now(t, t_folder(t, "Sent"));
    struct store_copying copying = {.uids = store_uids_all};
    uint64_t count;
    unsigned bit;

    sys_random(noise, 300000);
    assert_int_equal(t_keyword(t, "$Forwarded", &bit), ST_OK);
    assert_int_equal(store_write(t->store, set_out_of_office, t), ST_OK);
    for (int i = 0; i < 5; i++)
        (void)t_deliver(t, t->inbox_id, SLICE("0123456789"));
    (void)t_deliver(t, t->inbox_id, (struct slice){noise, 300000});
    (void)t_deliver(t, t->inbox_id, SLICE(""));
    struct store_flagging f = {.uids = {&(struct store_uids){1, 3}, 1},
                               .flags = UINT64_C(1) << bit | STORE_SEEN,
                               .unchanged_since = UINT64_MAX};
    assert_int_equal(t_flags(t->store, t->arena, &inbox, &f), ST_OK);
    assert_int_equal(t_expunge(t->store, &inbox, (struct store_uids){2, 2}, false, &count), ST_OK);
    assert_int_equal(t_copy(t->store, t->arena, &inbox, &sent, &copying), ST_OK);
    assert_int_equal(t_folder_add(t, "a/b"), ST_OK);
}

static void test_a_sound_store_has_no_faults(struct t_store *t)
{
    struct report report = {0};

    buf_init(&report.text, 1 * MIB);
    furnish(t);
    if (check(t, &report, true) != 0)
        fail_msg("%s", report.text.ptr);
    buf_fini(&report.text);
}

#define IN_INBOX "folder_id = (SELECT folder_id FROM folder WHERE name = 'INBOX')"

static const struct {
    const char *sql;
    const char *sentence;
    bool deep;
} breakages[] = {
    {"UPDATE account SET bytes_used = bytes_used + 7", "but its total says", false},
    {"UPDATE account SET message_count = 99", "messages but its total says 99", false},
    {"UPDATE account SET modseq = 1", "is beyond the account's 1", false},
    {"UPDATE account SET uidvalidity = 1", "was never given out", false},
    {"UPDATE folder SET message_count = 42 WHERE name = 'INBOX'",
     "account alice, folder INBOX: it holds 6 messages but its counter says 42", false},
    {"UPDATE folder SET uidnext = 3 WHERE name = 'INBOX'", "is not below UIDNEXT 3", false},
    {"UPDATE folder SET modseq = 1 WHERE name = 'INBOX'", "so clients miss the change", false},
    {"UPDATE folder SET uidvalidity = (SELECT uidvalidity FROM folder WHERE name = 'Sent') "
     "WHERE name = 'INBOX'",
     "have the same UIDVALIDITY", false},
    {"UPDATE folder SET name = 'a//b' WHERE name = 'a/b'", "its name cannot be a folder's", false},
    {"UPDATE folder SET name = 'elsewhere' WHERE name = 'INBOX'", "it has no INBOX", false},
    {"UPDATE folder SET guid = 'same' WHERE name IN ('Sent', 'Trash')",
     "2 folders have the same guid same", false},
    {"UPDATE folder SET account_id = 777 WHERE name = 'Trash'",
     "belongs to account 777, which is not there", false},
    {"INSERT INTO tombstone (folder_id, modseq, uid) SELECT folder_id, 2, 3 FROM folder "
     "WHERE name = 'INBOX'",
     "message UID 3 is there and has a tombstone too", false},
    {"INSERT INTO tombstone (folder_id, modseq, uid) SELECT folder_id, 2, 300 FROM folder "
     "WHERE name = 'INBOX'",
     "the tombstone of UID 300", false},
    {"INSERT INTO tombstone (folder_id, modseq, uid) VALUES (777, 2, 300)",
     "tombstones lie in folder 777", false},
    {"UPDATE message SET folder_id = 777 WHERE uid = 3 AND " IN_INBOX, "messages lie in folder 777",
     false},
    {"UPDATE message SET account_id = 777 WHERE uid = 3 AND " IN_INBOX,
     "is marked as account 777's", false},
    {"UPDATE message SET bytes = bytes + 1 WHERE uid = 3 AND " IN_INBOX, "its body", false},
    {"UPDATE message SET flags = flags | 4096 WHERE uid = 3 AND " IN_INBOX,
     "messages carry flag bit 12, which no keyword names", false},
    {"UPDATE message SET guid = 'same'", "messages with the guid same have", false},
    {"INSERT INTO keyword (account_id, bit, name) VALUES (777, 9, 'x')",
     "keywords are named for account 777", false},
    {"INSERT INTO subscription (account_id, name) VALUES (777, 'x')",
     "subscriptions are kept for account 777", false},
    {"DELETE FROM chunk WHERE chunk_id = (SELECT MAX(chunk_id) FROM chunk)", "lacks 1 of its",
     false},
    {"UPDATE blob SET chunk_count = 2 WHERE bytes > 1000", "should have 3 chunks", false},
    {"UPDATE blob SET chunk_count = 2 WHERE bytes > 1000", "has chunks beyond its last", false},
    {"UPDATE blob SET staged_ms = 5 WHERE bytes > 1000", "which was never finished", false},
    {"UPDATE blob SET sha256 = envelope", "has no digest", false},
    {"UPDATE blob SET structure = ''", "lacks its envelope or structure", false},
    {"DELETE FROM message WHERE bytes > 1000", "belongs to no message", false},
    {"INSERT INTO chunk (chunk_id, data) SELECT 777 * 1048576, data FROM chunk "
     "WHERE chunk_id = (SELECT MIN(chunk_id) FROM chunk)",
     "chunks are there of body 777, which is not", false},
    {"UPDATE chunk SET data = (SELECT envelope FROM blob ORDER BY blob_id LIMIT 1)",
     "cannot be unpacked", true},
    {"UPDATE blob SET bytes = bytes + 1", "bytes in its chunks, its row says", true},
    {"UPDATE blob SET sha256 = (SELECT sha256 FROM blob ORDER BY blob_id LIMIT 1)",
     "is not what was stored: its digest differs", true},
};

static void test_every_fault_made_on_purpose_is_named(struct t_store *t)
{
    struct report report = {0};

    buf_init(&report.text, 1 * MIB);
    for (size_t i = 0; i < COUNT(breakages); i++) {
        struct t_store broken = {.engine = t->engine};

        T_ROW(i, breakages[i].sentence);
        t_store_new(&broken);
        t_alice(&broken);
        furnish(&broken);
        t_sql(&broken, breakages[i].sql);
        assert_true(check(&broken, &report, breakages[i].deep) > 0);
        if (strstr(report.text.ptr, breakages[i].sentence) == NULL)
            fail_msg("not named: %s\n%s", breakages[i].sentence, report.text.ptr);
        t_store_free(&broken);
    }
    buf_fini(&report.text);
}

static void test_a_message_without_a_body_is_named(struct t_store *t)
{
    struct report report = {0};

    buf_init(&report.text, 1 * MIB);
    furnish(t);
    if (t_is_postgres(t))
        t_sql(t, "ALTER TABLE message DROP CONSTRAINT message_blob_id_fkey");
    t_sql(t, "DELETE FROM blob WHERE bytes > 1000");
    assert_true(check(t, &report, false) > 0);
    assert_non_null(strstr(report.text.ptr, "message UID 6 has no body: body"));
    assert_non_null(strstr(report.text.ptr, "chunks are there of body"));
    buf_fini(&report.text);
}

/* --- dump --- */

struct stream {
    struct buf bytes;
    size_t at;
    size_t piece; /* read at most so many at once */
    uint64_t rows;
};

static enum st put(void *ctx, struct slice bytes)
{
    return buf_add(&((struct stream *)ctx)->bytes, bytes);
}

static enum st get(void *ctx, char *into, size_t cap, size_t *len_r)
{
    struct stream *s = ctx;
    struct slice part = slice_sub(buf_slice(&s->bytes), s->at, cap < s->piece ? cap : s->piece);

    memcpy(into, part.ptr, part.len);
    s->at += part.len;
    *len_r = part.len;
    return ST_OK;
}

static void see_rows(void *ctx, uint64_t rows, uint64_t bytes)
{
    ((struct stream *)ctx)->rows = rows;
}

static enum st put_document(struct store_tx *tx, void *arg)
{
    return store_document_put(tx, &(struct store_document){.kind = SLICE("person"),
                                                           .name = SLICE("alice"),
                                                           .modified_ms = 5,
                                                           .body = SLICE("name = Alice\n")});
}

static void dump(struct t_store *t, struct stream *s)
{
    buf_init(&s->bytes, 64 * MIB);
    assert_int_equal(store_dump(t->store, put, s, see_rows), ST_OK);
    assert_true(s->rows > 20);
}

static void restore(struct t_store *t, struct stream *s)
{
    AUTO(buf) struct buf why = BUF(1000);

    s->at = 0;
    enum st st = store_restore(t->store, get, s, see_rows, &why);
    if (st != ST_OK)
        fail_msg("%d: %s", st, why.ptr);
}

static void test_a_dump_restores_into_either_engine_and_is_equal(struct t_store *t)
{
    static const char *const engines[] = {"sqlite", "postgres"};
    struct report report = {0};
    struct stream first = {.piece = 100000};

    buf_init(&report.text, 1 * MIB);
    furnish(t);
    assert_int_equal(store_write(t->store, put_document, NULL), ST_OK);
    dump(t, &first);
    for (size_t i = 0; i < COUNT(engines); i++) {
        struct t_store copy = {.engine = engines[i]};
        struct stream second = {.piece = 7};

        t_store_new(&copy);
        restore(&copy, &first);
        first.piece = 1000;
        dump(&copy, &second);
        assert_true(slice_eq(buf_slice(&first.bytes), buf_slice(&second.bytes)));
        copy.account_id = t->account_id;
        copy.inbox_id = t->inbox_id;
        assert_int_equal(check(&copy, &report, true), 0);
        /* Life goes on with new ids behind the old ones. */
        struct store_message message = t_deliver(&copy, copy.inbox_id, SLICE("next"));
        assert_int_equal(message.uid, 8);
        assert_true(t_folder(&copy, "new") > t->inbox_id);
        assert_int_equal(check(&copy, &report, true), 0);
        buf_fini(&second.bytes);
        t_store_free(&copy);
    }
    buf_fini(&first.bytes);
    buf_fini(&report.text);
}

static void test_a_damaged_dump_is_refused_and_its_store_not_opened(struct t_store *t)
{
    static const struct {
        int64_t change; /* at this byte, or from the end */
        int64_t cut;
        const char *why;
        bool marked;
    } rows[] = {
        {0, 0, "this is no dump", false},
        {23, 0, "another version", false},
        {-1, 0, "its end does not fit", true},
        {-36, 0, "its end does not fit", true},
        {400, 0, "the dump is damaged", true},
        {0, 1, "cut off", true},
        {0, 40, "cut off", true},
        {0, 100000, "cut off", true},
    };
    struct stream whole = {.piece = 5000};

    furnish(t);
    dump(t, &whole);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct t_store copy = {.engine = t->engine};
        AUTO(buf) struct buf why = BUF(1000);
        struct store *store;

        T_ROW(i, rows[i].why);
        struct stream bad = whole;
        bad.at = 0;
        bad.bytes.len -= (size_t)rows[i].cut;
        size_t at =
            rows[i].change < 0 ? whole.bytes.len - (size_t)-rows[i].change : (size_t)rows[i].change;
        if (rows[i].cut == 0)
            whole.bytes.ptr[at] ^= 0x40;
        t_store_new(&copy);
        assert_int_not_equal(store_restore(copy.store, get, &bad, NULL, &why), ST_OK);
        if (rows[i].change != 400) /* may be found out in several ways */
            assert_non_null(strstr(why.ptr, rows[i].why));
        t_store_close(&copy);
        buf_clear(&why);
        if (rows[i].marked) {
            assert_int_equal(t_store_try(&copy, 1000, &why, &store), ST_INVALID);
            assert_non_null(strstr(why.ptr, "was not finished"));
        }
        if (rows[i].cut == 0)
            whole.bytes.ptr[at] ^= 0x40;
        t_store_free(&copy);
    }
    buf_fini(&whole.bytes);
}

static void test_a_store_that_is_not_empty_is_not_restored_into(struct t_store *t)
{
    AUTO(buf) struct buf why = BUF(1000);
    struct stream s = {.piece = 5000};

    furnish(t);
    dump(t, &s);
    assert_int_equal(store_restore(t->store, get, &s, NULL, &why), ST_EXISTS);
    assert_non_null(strstr(why.ptr, "not empty"));
    t_store_close(t);
    t_store_open(t);
    assert_string_equal(t_messages(t, t->inbox_id), "1:101 3:101 4:0 5:0 6:0 7:0");
    buf_fini(&s.bytes);
}

/* --- while the server works --- */

static atomic_bool work_over;

struct worker {
    struct t_store *t;
    struct arena *arena;
    struct store_folder folders[2];
    unsigned seed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    char body[2000] = "body";

    while (!atomic_load(&work_over)) {
        struct store_message message;
        struct store_folder *from = &w->folders[w->seed & 1];
        struct store_folder *to = &w->folders[w->seed >> 1 & 1];
        struct store_uids range = {1, (w->seed >> 8) % 200};
        struct store_copying copying = {.uids = {&range, 1}, .move = (w->seed & 4) != 0};
        uint64_t count;

        w->seed = w->seed * 1103515245 + 12345;
        arena_reset(w->arena);
        for (int i = 0; i < 10; i++)
            assert_int_equal(t_try_deliver(w->t->store, w->t->account_id, from->folder_id,
                                           (struct slice){body, 1 + w->seed % 1999}, &message),
                             ST_OK);
        assert_int_equal(t_copy(w->t->store, w->arena, from, to, &copying), ST_OK);
        range.first = (w->seed >> 6) % 100;
        range.last = range.first + 500;
        assert_int_equal(t_expunge(w->t->store, from, range, false, &count), ST_OK);
    }
    return NULL;
}

static void check_copy(struct stream *s, const char *engine)
{
    struct t_store copy = {.engine = engine};
    struct report report = {0};

    buf_init(&report.text, 1 * MIB);
    t_store_new(&copy);
    restore(&copy, s);
    if (check(&copy, &report, true) != 0)
        fail_msg("%s", report.text.ptr);
    t_store_free(&copy);
    buf_fini(&report.text);
}

static void test_a_working_store_is_checked_and_dumped_without_false_alarm(struct t_store *t)
{
    struct report report = {0};
    struct worker workers[4];
    pthread_t threads[4];

    buf_init(&report.text, 1 * MIB);
    furnish(t);
    atomic_store(&work_over, false);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){.t = t, .seed = 99 + i};
        workers[i].arena = arena_new("work", 64 * MIB);
        workers[i].folders[0] = t_folder_now(t, t->inbox_id);
        workers[i].folders[1] = t_folder_now(t, t_folder(t, "Sent"));
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        struct stream s = {.piece = 100000};
        struct store_check deep = {true, note, NULL, &report};
        uint64_t faults;
        if (store_check(t->store, &deep, &faults) != ST_OK || faults != 0)
            fail_msg("%s", report.text.ptr);
        dump(t, &s);
        check_copy(&s, t->engine);
        buf_fini(&s.bytes);
    }
    atomic_store(&work_over, true);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        arena_free(&workers[i].arena);
    }
    assert_int_equal(check(t, &report, true), 0);
    buf_fini(&report.text);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_a_sound_store_has_no_faults),
        T_CASE(test_every_fault_made_on_purpose_is_named),
        T_CASE(test_a_message_without_a_body_is_named),
        T_CASE(test_a_dump_restores_into_either_engine_and_is_equal),
        T_CASE(test_a_working_store_is_checked_and_dumped_without_false_alarm),
        T_CASE(test_a_damaged_dump_is_refused_and_its_store_not_opened),
        T_CASE(test_a_store_that_is_not_empty_is_not_restored_into),
    };
    return t_run(cases, COUNT(cases));
}
