#include "store_t.h"

#include "store/store_check.h"
#include "store/store_uidvalidity.h"

#define NOW_MS INT64_C(1790000000000) /* minute 379573 since 2026 */
#define MINUTE 379573

static void test_what_is_decided_is_never_zero_and_never_comes_back(struct t_store *t)
{
    static const struct {
        const char *what;
        int root;
        struct store_uidvalidity given;
        uint32_t value; /* 0: refused */
    } rows[] = {
        {"no root: the second", STORE_ROOT_NONE, {0, 0}, 1790000000},
        {"no root: reached already", STORE_ROOT_NONE, {1790000005, 0}, 1790000006},
        {"no root: after a root", STORE_ROOT_NONE, {0xC8000007, 7}, 0xC8000008},
        {"no root: used up", STORE_ROOT_NONE, {UINT32_MAX, 0}, 0},
        {"root 0", 0, {0, 0}, MINUTE},
        {"root 1", 1, {1789999999, 0}, 0x01000000 | MINUTE},
        {"root 255", 255, {0, 0}, 0xFF000000 | MINUTE},
        {"reached already", 7, {0, MINUTE + 41}, 0x07000000 | (MINUTE + 42)},
        {"another root goes on", 3, {0x07000000 | MINUTE, MINUTE}, 0x03000000 | (MINUTE + 1)},
        {"given without the root, in its range", 200, {0xC8F00000, 9}, 0xC8F00001},
        {"24 bits are full", 2, {0x02FFFFFF, 0xFFFFFF}, 0x02000001},
        {"never 0", 0, {0, 0xFFFFFF}, 1},
        {"the range's last was given", 255, {UINT32_MAX, 5}, 0xFF000001},
    };

    (void)t;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct store_uidvalidity given = rows[i].given;
        uint32_t value = 0;

        T_ROW(i, rows[i].what);
        enum st st = store_uidvalidity_decide(rows[i].root, NOW_MS, &given, &value);
        assert_int_equal(st, rows[i].value != 0 ? ST_OK : ST_TOO_BIG);
        assert_int_equal(value, rows[i].value);
        assert_true(given.last >= value && given.last >= rows[i].given.last);
        assert_true(given.epoch >= rows[i].given.epoch);
    }
}

struct switching {
    int64_t account_id;
    bool on;
    bool changed;
    bool raised;
};

static enum st switch_body(struct store_tx *tx, void *arg)
{
    struct switching *s = arg;

    return store_account_imap_set(tx, s->account_id, s->on, NOW_MS, &s->changed, &s->raised);
}

static struct switching imap_set(struct t_store *t, bool on)
{
    struct switching s = {.account_id = t->account_id, .on = on};

    assert_int_equal(store_write(t->store, switch_body, &s), ST_OK);
    assert_int_equal(t_account_now(t).imap_off, !on);
    return s;
}

static const char *const names[] = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"};

static void read_all(struct t_store *t, uint32_t values[COUNT(names)])
{
    for (size_t i = 0; i < COUNT(names); i++)
        values[i] = t_folder_now(t, t_folder(t, names[i])).uidvalidity;
}

static void print_fault(void *ctx, const char *sentence)
{
    (void)ctx;
    print_message("%s\n", sentence);
}

static void check_store(struct t_store *t)
{
    const struct store_check check = {.fault = print_fault};
    uint64_t faults;

    assert_int_equal(store_check(t->store, &check, &faults), ST_OK);
    assert_int_equal(faults, 0);
}

static void test_without_a_root_nothing_changes_a_folders_value(struct t_store *t)
{
    uint32_t before[COUNT(names)];
    uint32_t after[COUNT(names)];

    read_all(t, before);
    assert_false(imap_set(t, true).changed); /* it was on */
    struct switching off = imap_set(t, false);
    assert_true(off.changed && !off.raised);
    assert_false(imap_set(t, false).changed);
    struct switching on = imap_set(t, true);
    assert_true(on.changed && !on.raised);
    read_all(t, after);
    assert_memory_equal(before, after, sizeof(before));
}

static void test_a_root_is_taken_by_off_and_on_only(struct t_store *t)
{
    uint32_t before[COUNT(names)];
    uint32_t after[COUNT(names)];

    read_all(t, before);
    store_set_root(t->store, 2);
    assert_false(imap_set(t, true).raised);
    read_all(t, after);
    assert_memory_equal(before, after, sizeof(before));
    assert_false(imap_set(t, false).raised);
    read_all(t, after);
    assert_memory_equal(before, after, sizeof(before));
    assert_true(imap_set(t, true).raised);
    read_all(t, after);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(after[i] >> 24, 2);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(after[i], after[k]);
    }
    check_store(t);
}

static void test_each_raise_is_greater_under_one_root(struct t_store *t)
{
    uint32_t before[COUNT(names)];
    uint32_t after[COUNT(names)];

    store_set_root(t->store, 9);
    (void)imap_set(t, false);
    (void)imap_set(t, true);
    read_all(t, before);
    for (int round = 0; round < 3; round++) {
        (void)imap_set(t, false);
        assert_true(imap_set(t, true).raised);
        read_all(t, after);
        for (size_t i = 0; i < COUNT(names); i++)
            assert_true(after[i] > before[i]);
        memcpy(before, after, sizeof(before));
    }
    store_set_root(t->store, STORE_ROOT_NONE); /* what was given stays, what is new is greater */
    read_all(t, after);
    assert_memory_equal(before, after, sizeof(before));
    assert_true(t_folder_now(t, t_folder(t, "new")).uidvalidity > after[COUNT(names) - 1]);
    check_store(t);
}

static void test_new_folders_take_the_root_and_never_repeat(struct t_store *t)
{
    uint32_t last = 0;

    store_set_root(t->store, 255);
    for (int i = 0; i < 20; i++) {
        struct store_folder folder = t_folder_now(t, t_folder(t, "again"));

        assert_int_equal(folder.uidvalidity >> 24, 255);
        assert_true(folder.uidvalidity > last);
        last = folder.uidvalidity;
        assert_int_equal(t_folder_remove(t, "again"), ST_OK);
    }
    store_set_root(t->store, STORE_ROOT_NONE);
    assert_true(t_folder_now(t, t_folder(t, "again")).uidvalidity > last);
    last = t_folder_now(t, t_folder(t, "again")).uidvalidity;
    assert_int_equal(t_folder_remove(t, "again"), ST_OK);
    store_set_root(t->store, 255);
    assert_true(t_folder_now(t, t_folder(t, "again")).uidvalidity > last);
    check_store(t);
}

static enum st remove_body(struct store_tx *tx, void *arg)
{
    return store_account_remove(tx, *(const int64_t *)arg);
}

struct adding {
    char guid[STORE_GUID_BYTES];
    int64_t account_id;
};

static enum st add_body(struct store_tx *tx, void *arg)
{
    struct adding *adding = arg;

    return store_account_add(tx, SLICE("twice"), adding->guid, NOW_MS, &adding->account_id);
}

static uint32_t inbox_of_new(struct t_store *t, int64_t *account_id_r)
{
    struct adding adding;
    int64_t alice = t->account_id;

    sys_guid(adding.guid);
    assert_int_equal(store_write(t->store, add_body, &adding), ST_OK);
    t->account_id = *account_id_r = adding.account_id;
    uint32_t value = t_folder_now(t, t_folder(t, "INBOX")).uidvalidity;
    t->account_id = alice;
    return value;
}

static void test_an_account_made_again_in_the_same_minute_has_other_values(struct t_store *t)
{
    int64_t account_id;

    store_set_root(t->store, 1);
    uint32_t first = inbox_of_new(t, &account_id);
    assert_int_equal(store_write(t->store, remove_body, &account_id), ST_OK);
    uint32_t second = inbox_of_new(t, &account_id);
    assert_true(second > first + 5); /* than any of its folders had */
}

static void test_a_view_learns_of_a_raise_and_keeps_its_uids(struct t_store *t)
{
    struct view *view;
    struct view *newer;

    store_set_root(t->store, 4);
    (void)t_deliver(t, t->inbox_id, SLICE("one"));
    (void)t_deliver(t, t->inbox_id, SLICE("two"));
    assert_int_equal(view_open(t->store, t->account_id, t->inbox_id, &view), ST_OK);
    (void)imap_set(t, false);
    (void)imap_set(t, true);
    assert_int_equal(view_latest(t->store, view, &newer), ST_OK);
    assert_int_not_equal(view_uidvalidity(newer), view_uidvalidity(view));
    assert_int_equal(view_uidvalidity(newer) >> 24, 4);
    assert_true(view_modseq(newer) > view_modseq(view));
    assert_int_equal(view_count(newer), 2);
    assert_int_equal(view_at(newer, 2)->uid, 2);
    view_unref(&newer);
    view_unref(&view);
    assert_int_equal(t_folder_now(t, t->inbox_id).uidnext, 3);
}

static void note(void *ctx, int64_t account_id, int64_t folder_id)
{
    int *told = ctx;

    (void)account_id;
    if (folder_id == STORE_FOLDER_ACCOUNT)
        *told += 1;
}

static void test_watchers_are_told_that_imap_was_switched(struct t_store *t)
{
    int told = 0;
    struct store_watch *watch = store_watch_new(t->store, t->account_id, note, &told);

    (void)imap_set(t, false);
    assert_int_equal(told, 1);
    (void)imap_set(t, true);
    assert_int_equal(told, 2);
    store_watch_free(&watch);
}

static void test_a_second_server_sees_the_same_values(struct t_store *t)
{
    struct store *mine = t->store;
    uint32_t before[COUNT(names)];
    uint32_t after[COUNT(names)];

    store_set_root(t->store, 1);
    (void)imap_set(t, false);
    (void)imap_set(t, true);
    read_all(t, before);
    t->store = t_store_second(t);
    store_set_root(t->store, 2);
    read_all(t, after);
    assert_memory_equal(before, after, sizeof(before));
    store_close(&t->store);
    t->store = mine;
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_what_is_decided_is_never_zero_and_never_comes_back),
        T_CASE(test_without_a_root_nothing_changes_a_folders_value),
        T_CASE(test_a_root_is_taken_by_off_and_on_only),
        T_CASE(test_each_raise_is_greater_under_one_root),
        T_CASE(test_new_folders_take_the_root_and_never_repeat),
        T_CASE(test_an_account_made_again_in_the_same_minute_has_other_values),
        T_CASE(test_a_view_learns_of_a_raise_and_keeps_its_uids),
        T_CASE(test_watchers_are_told_that_imap_was_switched),
        T_CASE_ONLY(test_a_second_server_sees_the_same_values, "postgres"),
    };

    return t_run(cases, COUNT(cases));
}
