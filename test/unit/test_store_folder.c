#include "store_t.h"

#define FIRST "INBOX Archive Drafts Junk Sent Trash"

static void test_a_new_account_has_its_folders_subscribed(struct t_store *t)
{
    assert_string_equal(t_folders(t), FIRST);
    assert_string_equal(t_subscriptions(t), FIRST);
    assert_string_equal(t_folder_now(t, t_folder(t, "Sent")).special_use, "\\Sent");
    assert_true(t_folder_now(t, t->inbox_id).subscribed);
}

static void test_names_that_cannot_be_are_refused(struct t_store *t)
{
    static const struct {
        const char *name;
        enum st st;
    } rows[] = {
        {"", ST_INVALID},
        {"/a", ST_INVALID},
        {"a/", ST_INVALID},
        {"a//b", ST_INVALID},
        {"a\nb", ST_INVALID},
        {"\xff", ST_INVALID},
        {"\xc0\xaf", ST_INVALID},
        {"\xed\xa0\x80", ST_INVALID},
        {"inbox", ST_EXISTS},
        {"InBox", ST_EXISTS},
        {"Sent", ST_EXISTS},
        {"sent", ST_OK},
        {"\xc3\xa9t\xc3\xa9", ST_OK},
    };
    char deep[200] = "x";
    char longest[1100];

    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, "a name");
        assert_int_equal(t_folder_add(t, rows[i].name), rows[i].st);
    }
    for (int i = 0; i < 50; i++)
        strncat(deep, "/x", 3);
    assert_int_equal(t_folder_add(t, deep), ST_TOO_BIG);
    memset(longest, 'l', sizeof(longest));
    longest[1001] = '\0';
    assert_int_equal(t_folder_add(t, longest), ST_TOO_BIG);
    assert_int_equal(t_folder_remove(t, "\xff\xfe"), ST_NOT_FOUND);
    assert_int_equal(t_folder_rename(t, "\xff\xfe", "n"), ST_NOT_FOUND);
}

static void test_missing_parents_are_made_and_inbox_is_inbox_in_any_case(struct t_store *t)
{
    assert_int_equal(t_folder_add(t, "a/b/c"), ST_OK);
    assert_int_equal(t_folder_add(t, "iNbOx/x"), ST_OK);
    assert_string_equal(t_folders(t), "INBOX Archive Drafts INBOX/x Junk Sent Trash a a/b a/b/c");
    assert_int_equal(t_folder_remove(t, "inbox"), ST_DENIED);
    assert_int_equal(t_folder_remove(t, "inbox/x"), ST_OK);
    assert_int_equal(t_folder_remove(t, "a"), ST_OK); /* what is below stays */
    assert_string_equal(t_folders(t), FIRST " a/b a/b/c");
    assert_int_equal(t_folder_remove(t, "a"), ST_NOT_FOUND);
}

static void test_renaming_takes_the_tree_along(struct t_store *t)
{
    assert_int_equal(t_folder_add(t, "a/b/c"), ST_OK);
    assert_int_equal(t_folder_add(t, "ab"), ST_OK);
    struct store_folder before = t_folder_now(t, t_folder(t, "a/b"));
    assert_int_equal(t_folder_rename(t, "a", "a/b/d"), ST_INVALID);
    assert_int_equal(t_folder_rename(t, "a", "ab"), ST_EXISTS);
    assert_int_equal(t_folder_rename(t, "a", "a"), ST_EXISTS);
    assert_int_equal(t_folder_rename(t, "none", "z"), ST_NOT_FOUND);
    assert_int_equal(t_folder_rename(t, "a", "x/y"), ST_OK);
    assert_string_equal(t_folders(t), FIRST " ab x x/y x/y/b x/y/b/c");
    struct store_folder after = t_folder_now(t, t_folder(t, "x/y/b"));
    assert_string_equal(after.guid, before.guid);
    assert_int_equal(after.uidvalidity, before.uidvalidity);
    assert_int_equal(t_folder_rename(t, "x/y/b", "x/y2"), ST_OK);
    assert_int_equal(t_folder_rename(t, "x/y2", "x/y2/no"), ST_INVALID);
    assert_string_equal(t_folders(t), FIRST " ab x x/y x/y2 x/y2/c");
}

static void test_renaming_onto_an_orphan_below_is_refused_whole(struct t_store *t)
{
    assert_int_equal(t_folder_add(t, "b/x"), ST_OK);
    assert_int_equal(t_folder_remove(t, "b"), ST_OK);
    assert_int_equal(t_folder_add(t, "a/x"), ST_OK);
    assert_int_equal(t_folder_rename(t, "a", "b"), ST_EXISTS);
    assert_string_equal(t_folders(t), FIRST " a a/x b/x");
}

static void test_renaming_inbox_moves_its_messages_and_leaves_it(struct t_store *t)
{
    (void)t_deliver(t, t->inbox_id, SLICE("one"));
    (void)t_deliver(t, t->inbox_id, SLICE("two"));
    assert_int_equal(t_folder_add(t, "INBOX/below"), ST_OK);
    struct store_folder before = t_folder_now(t, t->inbox_id);
    assert_int_equal(t_folder_rename(t, "inbox", "old/mail"), ST_OK);
    struct store_folder after = t_folder_now(t, t->inbox_id);
    assert_string_equal(t_folders(t),
                        "INBOX Archive Drafts INBOX/below Junk Sent Trash old old/mail");
    assert_int_equal(after.message_count, 0);
    assert_int_equal(after.uidnext, before.uidnext);
    assert_int_equal(after.uidvalidity, before.uidvalidity);
    assert_string_equal(t_messages(t, t_folder(t, "old/mail")), "1:0 2:0");
    assert_string_equal(t_gone(t, t->inbox_id, before.modseq), "1 2");
    assert_int_equal(t_account_now(t).message_count, 2);
    assert_int_equal(t_account_now(t).bytes_used, 6);
}

static void test_uidvalidity_and_ids_never_come_back(struct t_store *t)
{
    uint32_t last = 0;
    int64_t last_id = 0;

    for (int i = 0; i < 20; i++) {
        struct store_folder folder = t_folder_now(t, t_folder(t, "again"));

        assert_true(folder.uidvalidity > last);
        assert_true(folder.folder_id > last_id);
        assert_int_equal(folder.uidnext, 1);
        last = folder.uidvalidity;
        last_id = folder.folder_id;
        assert_int_equal(t_folder_remove(t, "again"), ST_OK);
    }
    assert_int_equal(t_folder_add(t, "other"), ST_OK);
    assert_int_equal(t_folder_rename(t, "other", "again"), ST_OK);
    assert_true(t_folder_now(t, t_folder(t, "again")).uidvalidity > last);
}

static void test_subscriptions_are_names_that_outlive_folders(struct t_store *t)
{
    assert_int_equal(t_subscribe(t, "later", true), ST_OK);
    assert_int_equal(t_subscribe(t, "later", true), ST_OK);
    assert_int_equal(t_subscribe(t, "iNBOX", false), ST_OK);
    assert_int_equal(t_subscribe(t, "a\x01", true), ST_INVALID);
    assert_string_equal(t_subscriptions(t), "Archive Drafts Junk Sent Trash later");
    assert_int_equal(t_folder_remove(t, "Junk"), ST_OK);
    assert_string_equal(t_subscriptions(t), "Archive Drafts Junk Sent Trash later");
    assert_true(t_folder_now(t, t_folder(t, "later")).subscribed);
    assert_false(t_folder_now(t, t->inbox_id).subscribed);
}

static enum st add_bad_accounts(struct store_tx *tx, void *arg)
{
    char longest[300];
    int64_t id;

    memset(longest, 'n', sizeof(longest));
    assert_int_equal(store_account_add(tx, SLICE(""), arg, 1, &id), ST_INVALID);
    assert_int_equal(store_account_add(tx, SLICE("a\xff"), arg, 1, &id), ST_INVALID);
    assert_int_equal(store_account_add(tx, (struct slice){longest, 256}, arg, 1, &id), ST_INVALID);
    return store_account_add(tx, SLICE("alice"), arg, 1, &id);
}

struct account_case {
    struct t_store *t;
    struct store_account account;
    int64_t bob_id;
};

static enum st try_accounts(struct store_tx *tx, void *arg)
{
    struct account_case *c = arg;
    static const char guid[] = "f00102030405060708090a0b0c0d0e0f";

    assert_int_equal(store_account_find(tx, SLICE("\xff"), &c->account), ST_NOT_FOUND);
    assert_int_equal(store_account_find(tx, SLICE("bob"), &c->account), ST_NOT_FOUND);
    assert_int_equal(store_account_add(tx, SLICE("bob"), guid, 5, &c->bob_id), ST_OK);
    assert_int_equal(store_account_rename(tx, c->bob_id, SLICE("alice")), ST_EXISTS);
    assert_int_equal(store_account_rename(tx, c->bob_id + 77, SLICE("x")), ST_NOT_FOUND);
    assert_int_equal(store_account_rename(tx, c->bob_id, SLICE("robert")), ST_OK);
    assert_int_equal(store_account_remove(tx, c->bob_id + 77), ST_NOT_FOUND);
    return store_account_find(tx, SLICE("robert"), &c->account);
}

static enum st remove_account(struct store_tx *tx, void *arg)
{
    return store_account_remove(tx, *(int64_t *)arg);
}

static void test_accounts_are_added_renamed_and_removed_with_all_they_have(struct t_store *t)
{
    char guid[33] = "100102030405060708090a0b0c0d0e0f";
    struct account_case c = {.t = t};
    unsigned bit;

    assert_int_equal(store_write(t->store, add_bad_accounts, guid), ST_EXISTS);
    assert_int_equal(store_write(t->store, try_accounts, &c), ST_OK);
    assert_string_equal(c.account.name, "robert");
    assert_int_equal(c.account.account_id, c.bob_id);
    struct store_message message = t_deliver(t, t->inbox_id, SLICE("gone soon"));
    assert_int_equal(t_keyword(t, "word", &bit), ST_OK);
    assert_int_equal(store_write(t->store, remove_account, &t->account_id), ST_OK);
    assert_int_equal(t_count(t, S_BLOB_CHUNKS, message.blob_id), -1);
    assert_int_equal(t_count(t, S_FOLDER_BY_ID, t->inbox_id), -1);
    assert_int_equal(t_count(t, S_KEYWORD_LIST, t->account_id), -1);
    assert_int_equal(t_count(t, S_SUBSCRIPTION_LIST, t->account_id), -1);
    int64_t old_id = t->account_id;
    t_alice(t);
    assert_true(t->account_id > old_id);
}

static void test_keywords_take_bits_once_until_none_is_left(struct t_store *t)
{
    char name[80];
    unsigned bit;

    assert_int_equal(t_keyword(t, "$Forwarded", &bit), ST_OK);
    assert_int_equal(bit, STORE_KEYWORD_FIRST);
    assert_int_equal(t_keyword(t, "$FORWARDED", &bit), ST_OK);
    assert_int_equal(bit, STORE_KEYWORD_FIRST);
    for (unsigned i = STORE_KEYWORD_FIRST + 1; i <= STORE_KEYWORD_MAX; i++) {
        snprintf(name, sizeof(name), "k%u", i);
        assert_int_equal(t_keyword(t, name, &bit), ST_OK);
        assert_int_equal(bit, i);
    }
    assert_int_equal(t_keyword(t, "one too many", &bit), ST_TOO_BIG);
    memset(name, 'w', sizeof(name));
    name[65] = '\0';
    assert_int_equal(t_keyword(t, name, &bit), ST_TOO_BIG);
    assert_int_equal(t_keyword(t, "a\xff", &bit), ST_INVALID);
    assert_int_equal(t_keyword(t, "K20", &bit), ST_OK);
    assert_int_equal(bit, 20);
}

struct documents {
    char text[200];
    size_t count;
};

static enum st see_document(void *ctx, const struct store_document *document)
{
    struct documents *seen = ctx;
    size_t len = strlen(seen->text);

    snprintf(seen->text + len, sizeof(seen->text) - len, "%.*s.%.*s=%.*s;",
             SLICE_ARG(document->kind), SLICE_ARG(document->name), SLICE_ARG(document->body));
    seen->count++;
    return ST_OK;
}

static enum st write_documents(struct store_tx *tx, void *arg)
{
    static const struct store_document all[] = {
#define DOCUMENT(k, n, ms, b) \
    { \
        .kind = {k, sizeof(k) - 1}, .name = {n, sizeof(n) - 1}, .modified_ms = (ms), .body = { \
            b, \
            sizeof(b) - 1 \
        } \
    }
        DOCUMENT("person", "b", 1, "1\n"), DOCUMENT("person", "a", 1, "2"),
        DOCUMENT("group", "Z", 1, ""),     DOCUMENT("group", "\xc3\xa9", 1, "e"),
        DOCUMENT("group", "z", 1, "3"),    DOCUMENT("person", "b", 2, "4"),
    };
    struct store_document bad = DOCUMENT("person", "x", 1, "nul\0");
    struct store_document none = DOCUMENT("person", "none", 1, "");
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < COUNT(all); i++)
        st = store_document_put(tx, &all[i]);
    assert_int_equal(store_document_put(tx, &bad), ST_INVALID);
    assert_int_equal(store_document_delete(tx, &none), ST_NOT_FOUND);
    return st;
}

static enum st read_documents(struct store_tx *tx, void *arg)
{
    struct documents *seen = arg;

    *seen = (struct documents){0};
    return store_document_each(tx, see_document, seen);
}

static enum st read_document(struct store_tx *tx, void *arg)
{
    struct documents *seen = arg;

    *seen = (struct documents){0};
    assert_int_equal(store_document_get(tx, SLICE("person"), SLICE("\xff"), see_document, seen),
                     ST_NOT_FOUND);
    return store_document_get(tx, SLICE("person"), SLICE("b"), see_document, seen);
}

static void test_documents_are_put_replaced_and_listed_in_byte_order(struct t_store *t)
{
    struct documents seen;

    assert_int_equal(store_write(t->store, write_documents, NULL), ST_OK);
    assert_int_equal(store_read(t->store, read_documents, &seen), ST_OK);
    assert_string_equal(seen.text, "group.Z=;group.z=3;group.\xc3\xa9=e;person.a=2;person.b=4;");
    assert_int_equal(store_read(t->store, read_document, &seen), ST_OK);
    assert_string_equal(seen.text, "person.b=4;");
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_a_new_account_has_its_folders_subscribed),
        T_CASE(test_names_that_cannot_be_are_refused),
        T_CASE(test_missing_parents_are_made_and_inbox_is_inbox_in_any_case),
        T_CASE(test_renaming_takes_the_tree_along),
        T_CASE(test_renaming_onto_an_orphan_below_is_refused_whole),
        T_CASE(test_renaming_inbox_moves_its_messages_and_leaves_it),
        T_CASE(test_uidvalidity_and_ids_never_come_back),
        T_CASE(test_subscriptions_are_names_that_outlive_folders),
        T_CASE(test_accounts_are_added_renamed_and_removed_with_all_they_have),
        T_CASE(test_keywords_take_bits_once_until_none_is_left),
        T_CASE(test_documents_are_put_replaced_and_listed_in_byte_order),
    };
    return t_run(cases, COUNT(cases));
}
