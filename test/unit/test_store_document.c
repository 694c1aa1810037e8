#include "store_t.h"

#include <stdlib.h>

#define TEXT_BYTES 16384

struct seeing {
    struct slice kind;
    struct slice name;
    int64_t since;
    uint64_t max;
    char text[TEXT_BYTES];
    int64_t last;
};

/* "name@ms.server" with + for the document, - for a tombstone, ! where it lost. */
static enum st see(void *ctx, const struct store_document *d)
{
    struct seeing *seeing = ctx;
    size_t len = strlen(seeing->text);

    snprintf(seeing->text + len, sizeof(seeing->text) - len, "%lld.%.*s%s%s ",
             (long long)d->modified_ms, SLICE_ARG(d->server), d->removed ? "-" : "",
             d->lost ? "!" : "");
    seeing->last = d->sequence;
    return ST_OK;
}

static enum st read_history(struct store_tx *tx, void *arg)
{
    struct seeing *seeing = arg;

    seeing->text[0] = '\0';
    return store_document_history(tx, seeing->kind, seeing->name, see, seeing);
}

static enum st read_since(struct store_tx *tx, void *arg)
{
    struct seeing *seeing = arg;

    seeing->text[0] = '\0';
    return store_document_since(tx, seeing->since, seeing->max, see, seeing);
}

static const char *history(struct t_store *t, const char *name)
{
    static struct seeing seeing;

    seeing.kind = SLICE("group");
    seeing.name = slice_str(name);
    assert_int_equal(store_read(t->store, read_history, &seeing), ST_OK);
    return seeing.text;
}

static enum st put_one(struct store_tx *tx, void *arg)
{
    return store_document_put(tx, arg);
}

static enum st delete_one(struct store_tx *tx, void *arg)
{
    return store_document_delete(tx, arg);
}

static enum st edit(struct t_store *t, const char *name, int64_t ms, const char *body)
{
    struct store_document d = {.kind = SLICE("group"),
                               .name = slice_str(name),
                               .modified_ms = ms,
                               .editor = SLICE("ann"),
                               .body = slice_str(body)};

    return store_write(t->store, put_one, &d);
}

static enum st drop(struct t_store *t, const char *name, int64_t ms)
{
    struct store_document d = {.kind = SLICE("group"), .name = slice_str(name), .modified_ms = ms};

    return store_write(t->store, delete_one, &d);
}

struct merging {
    const struct store_document *document;
    enum store_merge verdict;
};

static enum st merge_one(struct store_tx *tx, void *arg)
{
    struct merging *merging = arg;

    return store_document_merge(tx, merging->document, &merging->verdict);
}

static const char *merge(struct t_store *t, const struct store_document *document)
{
    struct merging merging = {.document = document};

    assert_int_equal(store_write(t->store, merge_one, &merging), ST_OK);
    return store_merge_name(merging.verdict);
}

static void test_former_versions_stay_and_stamps_only_rise(struct t_store *t)
{
    assert_int_equal(edit(t, "g", 10, "a"), ST_OK);
    assert_int_equal(edit(t, "g", 20, "b"), ST_OK);
    assert_int_equal(edit(t, "g", 5, "c"), ST_OK); /* the clock went back */
    assert_string_equal(history(t, "g"), "21.here 20.here 10.here ");
    assert_int_equal(drop(t, "g", 30), ST_OK);
    assert_int_equal(drop(t, "g", 31), ST_NOT_FOUND);
    assert_string_equal(history(t, "g"), "30.here- 21.here 20.here 10.here ");
    assert_int_equal(edit(t, "g", 40, "d"), ST_OK);
    assert_string_equal(history(t, "g"), "40.here 30.here- 21.here 20.here 10.here ");
    for (int i = 0; i < 30; i++)
        assert_int_equal(edit(t, "g", 100 + i, "x"), ST_OK);
    size_t count = 0;
    for (const char *p = history(t, "g"); *p != '\0'; p++)
        count += *p == ' ';
    assert_int_equal(count, 1 + STORE_DOCUMENT_HISTORY_MAX);
}

/* A version as another server would tell it. */
static struct store_document version(const char *name, int64_t ms, const char *server,
                                     int64_t parent_ms, const char *parent_server)
{
    return (struct store_document){.kind = SLICE("group"),
                                   .name = slice_str(name),
                                   .modified_ms = ms,
                                   .body = SLICE("member = a\n"),
                                   .server = slice_str(server),
                                   .editor = SLICE(""),
                                   .parent_ms = parent_ms,
                                   .parent_server = slice_str(parent_server)};
}

static void test_a_merge_says_what_became_of_the_version(struct t_store *t)
{
    static const struct {
        int64_t ms;
        const char *server;
        int64_t parent_ms;
        const char *parent_server;
        const char *verdict;
        const char *history;
    } rows[] = {
        {10, "a", 0, "", "newer", "10.a "},
        {10, "a", 0, "", "same", "10.a "},
        {20, "a", 10, "a", "newer", "20.a 10.a "},
        {30, "b", 10, "a", "won", "30.b 20.a! 10.a "},
        {10, "a", 0, "", "same", "30.b 20.a! 10.a "},
        {30, "a", 10, "a", "lost", "30.b 30.a! 20.a! 10.a "},
        {15, "a", 10, "a", "lost", "30.b 30.a! 20.a! 15.a! 10.a "},
        {5, "c", 0, "", "lost", "30.b 30.a! 20.a! 15.a! 10.a 5.c! "},
        {40, "c", 30, "b", "newer", "40.c 30.b 30.a! 20.a! 15.a! 10.a 5.c! "},
        {45, "b", 42, "c", "won", "45.b 40.c! 30.b 30.a! 20.a! 15.a! 10.a 5.c! "},
        {42, "c", 40, "c", "older", "45.b 42.c 40.c 30.b 30.a! 20.a! 15.a! 10.a 5.c! "},
    };
    struct seeing seeing = {.since = 0, .max = 1000};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct store_document d =
            version("g", rows[i].ms, rows[i].server, rows[i].parent_ms, rows[i].parent_server);

        T_ROW(i, rows[i].verdict);
        assert_string_equal(merge(t, &d), rows[i].verdict);
        assert_string_equal(history(t, "g"), rows[i].history);
    }
    /* In the order in which they came, and each once. */
    assert_int_equal(store_read(t->store, read_since, &seeing), ST_OK);
    assert_string_equal(seeing.text, "10.a 20.a 30.b 30.a 15.a 5.c 40.c 45.b 42.c ");
    seeing.max = 2;
    assert_int_equal(store_read(t->store, read_since, &seeing), ST_OK);
    assert_string_equal(seeing.text, "10.a 20.a ");
    seeing = (struct seeing){.since = seeing.last, .max = 1000};
    assert_int_equal(store_read(t->store, read_since, &seeing), ST_OK);
    assert_string_equal(seeing.text, "30.b 30.a 15.a 5.c 40.c 45.b 42.c ");
    seeing = (struct seeing){.since = seeing.last, .max = 1000};
    assert_int_equal(store_read(t->store, read_since, &seeing), ST_OK);
    assert_string_equal(seeing.text, "");
}

static void test_what_no_server_makes_is_refused(struct t_store *t)
{
    struct store_document bad[6];

    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = version("g", 1, "a", 0, "");
    bad[0].name = SLICE("\xff");
    bad[1].server = SLICE("a\nb");
    bad[2].modified_ms = -1;
    bad[3].modified_ms = INT64_MAX;
    bad[4].removed = true;
    bad[5].body = (struct slice){"\0", 1};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct merging merging = {.document = &bad[i]};

        T_ROW(i, "refused");
        assert_int_equal(store_write(t->store, merge_one, &merging), ST_INVALID);
    }
}

/* --- any order, any repetition --- */

#define VERSIONS 40
#define ORDERS 12

static uint64_t roll(uint64_t *seed, uint64_t sides)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*seed >> 33) % sides;
}

/* Three servers that change one document, now and then without knowing of each other. */
static void invent(uint64_t *seed, struct store_document *all)
{
    static const char *const servers[] = {"a", "b", "c"};
    static const char *const bodies[] = {"", "member = a\n", "member = b\n"};
    int64_t ms = 0;

    for (size_t i = 0; i < VERSIONS; i++) {
        size_t parent = i > 0 ? i - 1 - roll(seed, i < 3 ? i : 3) : 0;

        ms += (int64_t)roll(seed, 2);
        if (i > 0 && ms <= all[parent].modified_ms)
            ms = all[parent].modified_ms + 1;
        all[i] = version("", ms, servers[roll(seed, 3)], i > 0 ? all[parent].modified_ms : 0,
                         i > 0 ? servers[all[parent].server.ptr[0] - 'a'] : "");
        all[i].body = slice_str(bodies[roll(seed, 3)]);
        all[i].removed = all[i].body.len == 0 && roll(seed, 2) == 0;
    }
}

static void shuffle(uint64_t *seed, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i % VERSIONS;
    for (size_t i = count; i-- > 1;) {
        size_t other = roll(seed, i + 1);
        size_t kept = order[i];

        order[i] = order[other];
        order[other] = kept;
    }
}

static enum st merge_many(struct store_tx *tx, void *arg)
{
    const struct store_document *all = arg;
    enum store_merge verdict;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && all[i].kind.len > 0; i++)
        st = store_document_merge(tx, &all[i], &verdict);
    return st;
}

static void test_any_order_and_repetition_comes_to_the_same(struct t_store *t)
{
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 1;
    struct store_document all[VERSIONS];
    struct store_document list[3 * VERSIONS + 1];
    char first[TEXT_BYTES];
    size_t order[3 * VERSIONS];
    char name[20];

    printf("# SEED=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < 5; round++) {
        invent(&seed, all);
        for (int i = 0; i < ORDERS; i++) {
            size_t count = i == 0 ? VERSIONS : VERSIONS * (1 + roll(&seed, 3));

            snprintf(name, sizeof(name), "g%d.%d", round, i);
            shuffle(&seed, order, count);
            for (size_t k = 0; k < count; k++) {
                list[k] = all[i == 0 ? k : order[k]];
                list[k].name = slice_str(name);
            }
            list[count] = (struct store_document){.name = SLICE("")};
            assert_int_equal(store_write(t->store, merge_many, list), ST_OK);
            if (i == 0)
                snprintf(first, sizeof(first), "%s", history(t, name));
            assert_string_equal(history(t, name), first);
        }
    }
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_former_versions_stay_and_stamps_only_rise),
        T_CASE(test_a_merge_says_what_became_of_the_version),
        T_CASE(test_what_no_server_makes_is_refused),
        T_CASE(test_any_order_and_repetition_comes_to_the_same),
    };
    return t_run(cases, COUNT(cases));
}
