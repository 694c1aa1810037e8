/* Servers, clusters and foreign domains, and who may see what. */
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_group.h"
#include "directory/directory_name.h"
#include "directory/directory_person.h"
#include "directory/directory_visible.h"

#include <stdio.h>

static void add(struct directory *making, const char *kind, const char *name, int64_t modified_ms,
                const char *body)
{
    directory_add(making, slice_str(kind), slice_str(name), modified_ms, slice_str(body));
}

/* --- who may see what --- */

static struct directory_texts list_of(struct arena *arena, const char *text)
{
    struct directory_texts texts = {.at = arena_many(arena, struct slice, 20)};
    struct slice rest = slice_str(text);
    struct slice word;

    while (slice_split(&rest, ' ', &word))
        if (word.len > 0)
            texts.at[texts.count++] = word;
    return texts;
}

static void test_readers_united_with_authors_see_it(void **state)
{
    static const struct {
        const char *name;
        const char *body;
    } groups[] = {
        {"crew", "member = ann\nmember = deep\n"},
        {"deep", "member = mail1\nmember = crew\nrole = sailors\n"},
        {"self", "member = self\nmember = bob\n"},
    };
    static const struct {
        const char *who;
        const char *roles;
        const char *readers;
        const char *authors;
        bool sees;
    } rows[] = {
        {"ann", "", "", "", true},
        {"ann", "", "ann", "", true},
        {"ann", "", "", "ann", true},
        {"ann", "", "bob", "", false},
        {"ann", "", "bob", "ann", true},
        {"ann", "", "", "bob", false},
        {"ann", "", "crew", "", true},
        {"mail1", "", "crew", "", true}, /* by way of deep */
        {"ann", "", "deep", "", true},   /* crew and deep contain each other */
        {"bob", "", "crew deep", "", false},
        {"bob", "", "self", "", true},
        {"self", "", "self", "", true},
        {"mail1", "", "[sailors]", "", true},
        {"ann", "", "[sailors]", "", true},
        {"bob", "", "[sailors]", "", false},
        {"bob", "sailors", "[sailors]", "", true},
        {"sailors", "", "[sailors]", "", false},
        {"bob", "cooks", "sailors", "[cooks]", true},
        {"bob", "cooks", "cooks", "", false},
    };
    struct arena *arena = arena_new("test", MIB);
    struct directory_members *members = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(groups); i++) {
        struct directory_group_document *group = arena_one(arena, struct directory_group_document);
        AUTO(buf) struct buf why = BUF(KIB);

        assert_int_equal(directory_group_read(arena, slice_str(groups[i].name),
                                              slice_str(groups[i].body), group, &why),
                         ST_OK);
        directory_members_add(&members, arena, group);
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct directory_texts roles = list_of(arena, rows[i].roles);
        struct directory_texts readers = list_of(arena, rows[i].readers);
        struct directory_texts authors = list_of(arena, rows[i].authors);
        struct directory_who who;

        T_ROW(i, rows[i].who);
        directory_members_who(members, arena, slice_str(rows[i].who), &roles, &who);
        assert_int_equal(directory_visible(&readers, &authors, &who), rows[i].sees);
    }
    directory_members_clear(&members);
    arena_free(&arena);
}

static void test_an_edit_that_lets_more_see_is_known(void **state)
{
    static const struct {
        const char *before[2];
        const char *now[2];
        const char *by; /* NULL: it does not */
    } rows[] = {
        {{"", ""}, {"", ""}, NULL},
        {{"", ""}, {"ann", ""}, NULL},
        {{"ann", ""}, {"", ""}, "everybody"},
        {{"", "ann"}, {"", ""}, "everybody"},
        {{"ann", ""}, {"", "ann"}, NULL},
        {{"ann", ""}, {"ann bob", ""}, "bob"},
        {{"ann bob", ""}, {"bob", ""}, NULL},
        {{"crew", ""}, {"ann", ""}, NULL},
        {{"ann", ""}, {"crew", ""}, "crew"},
        {{"[cooks]", ""}, {"[cooks] [sailors]", ""}, "[sailors]"},
        {{"[cooks]", "ann"}, {"ann", "[cooks]"}, NULL},
    };
    struct arena *arena = arena_new("test", MIB);
    struct directory_members *members = NULL;
    struct directory_group_document *group = arena_one(arena, struct directory_group_document);
    AUTO(buf) struct buf why = BUF(KIB);

    (void)state;
    assert_int_equal(
        directory_group_read(arena, SLICE("crew"), SLICE("member = ann\n"), group, &why), ST_OK);
    directory_members_add(&members, arena, group);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct directory_common before = {.readers = list_of(arena, rows[i].before[0]),
                                          .authors = list_of(arena, rows[i].before[1])};
        struct directory_common now = {.readers = list_of(arena, rows[i].now[0]),
                                       .authors = list_of(arena, rows[i].now[1])};
        struct slice by;

        T_ROW(i, "widens");
        bool widens = directory_visible_widens(members, arena, &before, &now, &by);
        assert_int_equal(widens, rows[i].by != NULL);
        if (widens)
            T_EQ_SLICE(by, slice_str(rows[i].by));
    }
    directory_members_clear(&members);
    arena_free(&arena);
}

/* The scenario of the two gateways: each sees its own document, the other servers see both. */
static void furnish(struct directory *making)
{
    add(making, "group", "ordinary", 1, "member = mail1\nmember = mail2\nreader = nobody\n");
    add(making, "server", "gate1", 1, "smtp = 192.0.2.1:2525\nrole = gates\n");
    add(making, "server", "gate2", 1, "address = 192.0.2.2\n");
    add(making, "server", "mail1", 1, "cluster = [::1]:7025\n");
    add(making, "cluster", "two", 1, "member = mail1\nmember = mail2\n");
    add(making, "cluster", "also", 1, "member = mail2\n");
    add(making, "foreign-domain", "by-gate1", 10,
        "domain = BTEx\nmail_server = gate1\nhost = x.test:25\nreader = ordinary\nreader = gate1\n"
        "rewrite = *@BTEx *@exchange.test\nshared_domain = example.test\n");
    add(making, "foreign-domain", "by-gate2", 20,
        "domain = btex\ndomain = BTEx\nmail_server = gate2\nreader = ordinary\nauthor = gate2\n");
    add(making, "foreign-domain", "last", 30, "domain = BTEx\npriority = 101\n");
    add(making, "foreign-domain", "first", 1, "domain = BTEx\npriority = 99\nreader = [gates]\n");
    add(making, "foreign-domain", "bad", 99, "domain = BTEx\npriority = x\n");
    add(making, "person", "zoe", 1, "");
    add(making, "person", "amy", 1, "reader = mail1\nserver = mail1\nserver = Mail2\n");
}

static void put_person(void *ctx, const struct directory_person *person)
{
    buf_putf(ctx, "%s:%d ", person->name, (int)person->account_id);
}

static void test_each_server_works_on_what_it_may_see(void **state)
{
    static const struct {
        const char *self;
        const char *order;
        const char *persons;
    } rows[] = {
        {"", "first by-gate2 by-gate1 last", "zoe:2 amy:1 "},
        {"MAIL1", "by-gate2 by-gate1 last", "amy:1 zoe:2 "},
        {"mail2", "by-gate2 by-gate1 last", "zoe:2 "},
        {"gate1", "first by-gate1 last", "zoe:2 "},
        {"gate2", "by-gate2 last", "zoe:2 "},
        {"stranger", "last", "zoe:2 "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct directory *making = directory_new(SLICE("example.test"));
        const struct directory_foreign *list[10];
        AUTO(buf) struct buf order = BUF(KIB);
        AUTO(buf) struct buf persons = BUF(KIB);

        T_ROW(i, rows[i].self);
        directory_look(making, slice_str(rows[i].self));
        furnish(making);
        directory_add_account(making, SLICE("amy"), 1);
        directory_add_account(making, SLICE("zoe"), 2);
        const struct directory *directory = directory_end(making);
        size_t count = directory_foreign(directory, SLICE("btEX"), list, COUNT(list));
        for (size_t k = 0; k < count; k++)
            buf_putf(&order, "%s%s", k > 0 ? " " : "", list[k]->name);
        T_EQ_SLICE(buf_slice(&order), slice_str(rows[i].order));
        assert_int_equal(directory_foreign(directory, SLICE("btex"), list, 1), 1);
        assert_int_equal(directory_foreign(directory, SLICE("example.test"), list, 1), 0);
        directory_each(directory, put_person, &persons);
        T_EQ_SLICE(buf_slice(&persons), slice_str(rows[i].persons));
        directory_unref(&directory);
    }
}

static void count_server(void *ctx, const struct directory_server *server)
{
    buf_putf(ctx, "%s ", server->name);
}

static void test_servers_and_clusters_are_found_by_name(void **state)
{
    struct directory *making = directory_new(SLICE("example.test"));
    AUTO(buf) struct buf names = BUF(KIB);

    (void)state;
    furnish(making);
    const struct directory *directory = directory_end(making);
    const struct directory_server *server = directory_server(directory, SLICE("Gate1"));
    assert_string_equal(server->smtp.name, "192.0.2.1");
    assert_int_equal(server->smtp.port, 2525);
    assert_string_equal(server->cluster.name, "gate1");
    server = directory_server(directory, SLICE("gate2"));
    assert_string_equal(server->smtp.name, "192.0.2.2");
    assert_string_equal(server->cluster.name, "192.0.2.2");
    assert_int_equal(directory_server(directory, SLICE("mail1"))->cluster.port, 7025);
    assert_null(directory_server(directory, SLICE("mail2")));
    directory_server_each(directory, count_server, &names);
    T_EQ_SLICE(buf_slice(&names), SLICE("gate1 gate2 mail1 "));
    assert_string_equal(directory_cluster_of(directory, SLICE("MAIL1"))->name, "two");
    assert_string_equal(directory_cluster_of(directory, SLICE("mail2"))->name, "also");
    assert_null(directory_cluster_of(directory, SLICE("gate1")));
    const struct directory_person *amy = directory_login(directory, SLICE("amy"));
    assert_int_equal(amy->server_count, 2);
    T_EQ_SLICE(amy->servers[1], SLICE("mail2"));
    directory_unref(&directory);
}

static void test_an_address_goes_out_and_comes_back(void **state)
{
    static const struct {
        enum directory_way way;
        const char *address;
        const char *becomes; /* NULL: it stays */
    } rows[] = {
        {DIRECTORY_OUT, "Ann@btex", "Ann@exchange.test"},
        {DIRECTORY_IN, "Ann@Exchange.test", "Ann@btex"},
        {DIRECTORY_OUT, "ann@exchange.test", NULL},
        {DIRECTORY_IN, "ann@btex", NULL},
        {DIRECTORY_OUT, "ann@example.test", NULL},
    };
    struct directory *making = directory_new(SLICE("example.test"));
    struct arena *arena = arena_new("test", MIB);
    const struct directory_foreign *foreign;

    (void)state;
    furnish(making);
    const struct directory *directory = directory_end(making);
    assert_int_equal(directory_foreign_shared(directory, SLICE("Example.test"), &foreign, 1), 1);
    assert_string_equal(foreign->name, "by-gate1");
    assert_int_equal(foreign->connection.host_count, 1);
    assert_int_equal(foreign->connection.modified_ms, 10);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice local;
        struct slice domain;

        T_ROW(i, rows[i].address);
        directory_name_split(slice_str(rows[i].address), &local, &domain);
        assert_int_equal(directory_foreign_rewrite(foreign, rows[i].way, arena, &local, &domain),
                         rows[i].becomes != NULL);
        struct slice now = directory_name_join(arena, local, domain);
        assert_true(
            slice_ieq(now, slice_str(rows[i].becomes != NULL ? rows[i].becomes : rows[i].address)));
    }
    directory_unref(&directory);
    arena_free(&arena);
}

static void test_a_thousand_documents_for_one_domain_keep_their_order(void **state)
{
    struct directory *making = directory_new(SLICE("example.test"));
    const struct directory_foreign *list[2000];
    char name[20];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        add(making, "foreign-domain", name, i * 7919 % 1000, "domain = x\n");
    }
    const struct directory *directory = directory_end(making);
    assert_int_equal(directory_foreign(directory, SLICE("x"), list, COUNT(list)), 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(list[i]->connection.modified_ms, 999 - i);
    directory_unref(&directory);
}

/* What the account commands write must not let more see a person. */
static void test_a_person_written_anew_keeps_its_readers(void **state)
{
    static const char *const text =
        "server = mail1\nrole = cooks\npriority = 7\nreader = ann\n"
        "reader = [cooks]\nauthor = bob\n";
    struct arena *arena = arena_new("test", MIB);
    struct directory_document *read = arena_one(arena, struct directory_document);
    AUTO(buf) struct buf why = BUF(KIB);
    AUTO(buf) struct buf body = BUF(64 * KIB);

    (void)state;
    assert_int_equal(directory_person_read(arena, SLICE("a"), slice_str(text), read, &why), ST_OK);
    directory_person_write(read, &body);
    assert_non_null(strstr(body.ptr, text));
    arena_free(&arena);
}

/* --- groups and addresses of somebody --- */

static void note_alias(void *ctx, struct slice local, struct slice domain)
{
    struct buf *out = ctx;

    buf_putf(out, "%.*s@%.*s ", SLICE_ARG(local), SLICE_ARG(domain));
}

static void test_groups_at_any_depth_and_aliases_of_a_person(void **state)
{
    struct directory *making = directory_new(SLICE("example.test example.org"));
    struct arena *arena = arena_new("t", MIB);
    AUTO(buf) struct buf aliases = BUF(KIB);
    struct directory_texts groups;

    directory_look(making, SLICE("mail1"));
    add(making, "person", "ann", 1, "alias = info\nalias = a@far.test\nalias = *@far.test\n");
    add(making, "person", "bob", 1, "");
    add(making, "group", "crew", 1, "member = deep\nmember = x@y.test\n");
    add(making, "group", "deep", 1, "member = ann\nmember = crew\n");
    add(making, "group", "mailed", 1, "member = ann@example.org\n");
    const struct directory *directory = directory_end(making);
    directory_groups_of(directory, arena, SLICE("ann"), &groups);
    assert_int_equal(groups.count, 3);
    directory_groups_of(directory, arena, SLICE("bob"), &groups);
    assert_int_equal(groups.count, 0);
    assert_non_null(directory_group(directory, SLICE("crew")));
    assert_null(directory_group(directory, SLICE("ann")));
    assert_null(directory_group(directory, SLICE("Crew")));
    directory_aliases(directory, SLICE("ann"), note_alias, &aliases);
    assert_int_equal(aliases.len, strlen("info@ a@far.test "));
    assert_true(slice_find_slice(buf_slice(&aliases), SLICE("info@ ")) != SIZE_MAX);
    assert_true(slice_find_slice(buf_slice(&aliases), SLICE("a@far.test ")) != SIZE_MAX);
    assert_true(slice_eq(*directory_domain(directory, 1), SLICE("example.org")));
    assert_null(directory_domain(directory, 2));
    directory_unref(&directory);
    arena_free(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_united_with_authors_see_it),
        cmocka_unit_test(test_groups_at_any_depth_and_aliases_of_a_person),
        cmocka_unit_test(test_an_edit_that_lets_more_see_is_known),
        cmocka_unit_test(test_each_server_works_on_what_it_may_see),
        cmocka_unit_test(test_servers_and_clusters_are_found_by_name),
        cmocka_unit_test(test_an_address_goes_out_and_comes_back),
        cmocka_unit_test(test_a_thousand_documents_for_one_domain_keep_their_order),
        cmocka_unit_test(test_a_person_written_anew_keeps_its_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
