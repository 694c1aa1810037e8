#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router_resolve.h"
#include "sys/sys_time.h"

#include <unistd.h>

#define DOMAINS SLICE("example.test second.test")

/* "kind name" and the text; a person gets the account of its row's number plus 1, unless the text
 * begins with "#away". */
struct doc {
    const char *kind;
    const char *name;
    const char *body;
};

static const struct doc docs[] = {
    {"person", "admin", "admin = yes\n"},
    {"person", "alice", "alias = al\nalias = info@second.test\nalias = boss@foreign.test\n"},
    {"person", "bob", "forward = bob@elsewhere.test\n"},
    {"person", "carol", "forward = Carol.C@Elsewhere.Test\nforward_keep = no\n"},
    {"person", "dave", "alias = *@second.test\n"},
    {"person", "ping", "forward = pong\nforward_keep = no\n"},
    {"person", "pong", "forward = ping@example.test\nforward_keep = no\n"},
    {"person", "tick", "forward = tock\n"},
    {"person", "tock", "forward = tick\n"},
    {"person", "away", "#away\n"},
    {"person", "gone", "forward = nobody@example.test\nforward_keep = no\n"},
    {"group", "sales", "member = alice\nmember = bob\nalias = shop@second.test\n"},
    {"group", "all", "member = sales\nmember = support\nmember = alice\nmember = x@far.test\n"},
    {"group", "support", "member = all\nmember = alice@example.test\nmember = AL\n"},
    {"group", "empty", "full_name = Nobody\n"},
    {"group", "hollow", "member = empty\nmember = nobody-there\n"},
    {"group", "partly", "member = nobody-there\nmember = away\nmember = alice\n"},
    {"group", "absent", "member = away\n"},
    {"group", "circle1", "member = circle2\n"},
    {"group", "circle2", "member = circle1\n"},
    {"settings", "rules",
     "rewrite_recipient = old@example.test alice@example.test\n"
     "rewrite_recipient = *@old.test *@example.test\n"
     "rewrite_recipient = *@*.old.test *@old.test\n"
     "rewrite_recipient = out-*@example.test *.out@far.test\n"
     "rewrite_recipient = *@abroad.test *@far.test\n"
     "rewrite_sender = *@example.test *@public.test\n"},
};

static const struct directory *directory_of(const struct doc *list, size_t count)
{
    struct directory *directory = directory_new(DOMAINS);

    for (size_t i = 0; i < count; i++)
        directory_add(directory, slice_str(list[i].kind), slice_str(list[i].name), (int64_t)i,
                      slice_str(list[i].body));
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].kind, "person") == 0 && strncmp(list[i].body, "#away", 5) != 0)
            directory_add_account(directory, slice_str(list[i].name), (int64_t)i + 1);
    return directory_end(directory);
}

static enum router_verdict resolve(const struct directory *directory, const char *address,
                                   struct router_targets *targets, struct router_reach *reach)
{
    struct slice text = slice_str(address);
    size_t at = slice_find(text, '@');

    return router_resolve(directory, slice_sub(text, 0, at), slice_sub(text, at + 1, text.len),
                          targets, reach);
}

/* "alice(direct) bob(group sales)" of what one recipient reaches, in order. */
static void describe(const struct router_reach *reach, struct buf *out)
{
    for (size_t i = 0; i < reach->count; i++) {
        const struct router_target *target = reach->targets[i];

        if (target->kind == ROUTER_LOCAL)
            buf_putf(out, "%s%s", i > 0 ? " " : "", target->name);
        else
            buf_putf(out, "%s<%.*s>", i > 0 ? " " : "", SLICE_ARG(target->address));
        buf_putf(out, "(%s%s%s)", target->via, target->expanded ? ", expanded" : "",
                 target->forwarded ? ", forwarded" : "");
    }
}

static const struct {
    const char *address;
    enum router_verdict verdict;
    const char *reach;
} reaches[] = {
    {"alice@example.test", ROUTER_OK, "alice(direct)"},
    {"ALICE@Second.Test", ROUTER_OK, "alice(direct)"},
    {"al@second.test", ROUTER_OK, "alice(alias)"},
    {"info@second.test", ROUTER_OK, "alice(alias)"},
    {"info@example.test", ROUTER_NOBODY, ""},
    {"boss@foreign.test", ROUTER_OK, "alice(alias)"},
    {"alice+x.y@example.test", ROUTER_OK, "alice(direct)"},
    {"al+@example.test", ROUTER_OK, "alice(alias)"},
    {"+x@example.test", ROUTER_NOBODY, ""},
    {"nobody@example.test", ROUTER_NOBODY, ""},
    {"*@example.test", ROUTER_NOBODY, ""},
    {"nobody@second.test", ROUTER_OK, "dave(catch-all)"},
    {"nobody+x@second.test", ROUTER_OK, "dave(catch-all)"},
    {"alice+x@second.test", ROUTER_OK, "alice(direct)"},
    {"postmaster@example.test", ROUTER_OK, "admin(postmaster)"},
    {"PostMaster@second.test", ROUTER_OK, "admin(postmaster)"},
    {"postmaster@far.test", ROUTER_FOREIGN, "<postmaster@far.test>(direct)"},
    {"x@far.test", ROUTER_FOREIGN, "<x@far.test>(direct)"},
    {"a b@Far.Test", ROUTER_FOREIGN, "<\"a b\"@far.test>(direct)"},
    {"away@example.test", ROUTER_NO_STORE, ""},
    /* forwards */
    {"bob@example.test", ROUTER_OK, "bob(direct) <bob@elsewhere.test>(forward of bob, forwarded)"},
    {"carol@example.test", ROUTER_OK, "<Carol.C@elsewhere.test>(forward of carol, forwarded)"},
    {"ping@example.test", ROUTER_EMPTY, ""},
    {"tick@example.test", ROUTER_OK, "tick(direct) tock(forward of tick, forwarded)"},
    {"gone@example.test", ROUTER_EMPTY, ""},
    /* groups */
    {"sales@example.test", ROUTER_OK,
     "alice(group sales, expanded) bob(group sales, expanded) "
     "<bob@elsewhere.test>(forward of bob, expanded, forwarded)"},
    {"Sales+2024@second.test", ROUTER_OK,
     "alice(group sales, expanded) bob(group sales, expanded) "
     "<bob@elsewhere.test>(forward of bob, expanded, forwarded)"},
    {"shop@second.test", ROUTER_OK,
     "alice(group sales, expanded) bob(group sales, expanded) "
     "<bob@elsewhere.test>(forward of bob, expanded, forwarded)"},
    {"shop@example.test", ROUTER_NOBODY, ""},
    {"all@example.test", ROUTER_OK,
     "alice(group all, expanded) <x@far.test>(group all, expanded) "
     "bob(group sales, expanded) "
     "<bob@elsewhere.test>(forward of bob, expanded, forwarded)"},
    {"empty@example.test", ROUTER_EMPTY, ""},
    {"hollow@example.test", ROUTER_EMPTY, ""},
    {"circle1@example.test", ROUTER_EMPTY, ""},
    {"partly@example.test", ROUTER_OK, "alice(group partly, expanded)"},
    {"absent@example.test", ROUTER_NO_STORE, ""},
    /* rules */
    {"old@example.test", ROUTER_OK, "alice(rewritten)"},
    {"OLD@example.test", ROUTER_OK, "alice(rewritten)"},
    {"dave@old.test", ROUTER_OK, "dave(rewritten)"},
    {"dave@very.old.test", ROUTER_FOREIGN, "<dave@old.test>(rewritten)"},
    {"out-Eve@example.test", ROUTER_OK, "<Eve.out@far.test>(rewritten)"},
    {"y@abroad.test", ROUTER_FOREIGN, "<y@far.test>(rewritten)"},
};

static void test_each_address_reaches_whom_it_means(void **state)
{
    const struct directory *directory = directory_of(docs, COUNT(docs));

    (void)state;
    for (size_t i = 0; i < COUNT(reaches); i++) {
        struct router_targets targets = {.arena = arena_new("test", 16 * MIB)};
        struct router_reach reach;
        AUTO(buf) struct buf out = BUF(64 * KIB);

        T_ROW(i, reaches[i].address);
        assert_int_equal(resolve(directory, reaches[i].address, &targets, &reach),
                         reaches[i].verdict);
        if (reaches[i].reach[0] != '\0')
            describe(&reach, &out);
        else
            assert_int_equal(targets.count, 0);
        T_EQ_SLICE(buf_slice(&out), slice_str(reaches[i].reach));
        arena_free(&targets.arena);
    }
    directory_unref(&directory);
}

static void test_what_leads_to_nobody_is_told_and_passed_over(void **state)
{
    const struct directory *directory = directory_of(docs, COUNT(docs));
    struct router_targets targets = {.arena = arena_new("test", 16 * MIB)};
    struct router_reach reach;

    (void)state;
    assert_int_equal(resolve(directory, "partly@example.test", &targets, &reach), ROUTER_OK);
    assert_int_equal(reach.lost_count, 2);
    assert_string_equal(reach.lost, "nobody-there");
    arena_free(&targets.arena);
    directory_unref(&directory);
}

static void test_a_transaction_has_each_account_and_address_once(void **state)
{
    static const char *const rcpts[] = {
        "sales@example.test", "alice@example.test", "al@example.test",
        "x@far.test",         "all@example.test",   "bob@elsewhere.test",
        "X@far.test",         "bob+1@example.test", "sales+2@example.test"};
    static const size_t reached[] = {3, 1, 1, 1, 4, 1, 1, 2, 3};
    const struct directory *directory = directory_of(docs, COUNT(docs));
    struct router_targets targets = {.arena = arena_new("test", 16 * MIB)};
    struct router_reach reach;

    (void)state;
    for (size_t i = 0; i < COUNT(rcpts); i++) {
        T_ROW(i, rcpts[i]);
        enum router_verdict verdict = resolve(directory, rcpts[i], &targets, &reach);
        assert_true(verdict == ROUTER_OK || verdict == ROUTER_FOREIGN);
        assert_int_equal(reach.count, reached[i]);
    }
    /* alice, bob, bob@elsewhere.test, x@far.test, X@far.test */
    assert_int_equal(targets.count, 5);
    assert_int_equal(targets.list[0]->rcpt, 0);
    assert_int_equal(targets.list[3]->rcpt, 3);
    assert_int_equal(targets.list[4]->rcpt, 6);
    arena_free(&targets.arena);
    directory_unref(&directory);
}

static void test_a_refused_recipient_leaves_no_trace(void **state)
{
    const struct directory *directory = directory_of(docs, COUNT(docs));
    struct router_targets targets = {.arena = arena_new("test", 16 * MIB)};
    struct router_reach reach;

    (void)state;
    assert_int_equal(resolve(directory, "alice@example.test", &targets, &reach), ROUTER_OK);
    assert_int_equal(resolve(directory, "all@example.test", &targets, &reach), ROUTER_OK);
    assert_int_equal(targets.count, 4);
    router_resolve_undo(&targets);
    assert_int_equal(targets.count, 1);
    assert_int_equal(targets.rcpt_count, 1);
    assert_int_equal(resolve(directory, "nobody@example.test", &targets, &reach), ROUTER_NOBODY);
    assert_int_equal(resolve(directory, "sales@example.test", &targets, &reach), ROUTER_OK);
    assert_int_equal(targets.count, 3);
    assert_int_equal(targets.list[1]->rcpt, 1);
    assert_int_equal(reach.count, 3);
    arena_free(&targets.arena);
    directory_unref(&directory);
}

/* A postmaster whose group is empty, or whose person has no account, is still read by somebody. */
static void test_postmaster_always_reaches_somebody(void **state)
{
    static const struct doc lists[][3] = {
        {{"person", "amy", ""}, {"group", "postmaster", ""}, {"person", "zoe", ""}},
        {{"person", "amy", ""}, {"person", "postmaster", "#away\n"}, {"person", "zoe", ""}},
        {{"person", "amy", ""}, {"person", "admin", "#away\nadmin = yes\n"}, {"group", "g", ""}},
        {{"person", "amy", ""},
         {"settings", "s", "rewrite_recipient = *@example.test x@example.test\n"},
         {"group", "g", ""}},
        {{"person", "amy", ""},
         {"person", "out", "alias = postmaster\nforward = out\nforward_keep = no\n"},
         {"person", "all", "alias = *\n"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        const struct directory *directory = directory_of(lists[i], 3);
        struct router_targets targets = {.arena = arena_new("test", MIB)};
        struct router_reach reach;

        T_ROW(i, lists[i][1].name);
        assert_int_equal(resolve(directory, "postmaster@example.test", &targets, &reach),
                         ROUTER_OK);
        assert_string_equal(targets.list[0]->name, "amy");
        arena_free(&targets.arena);
        directory_unref(&directory);
    }
}

/* Whoever is not here is there; groups and forwards lead there too. */
static void test_a_domain_shared_with_a_foreign_system_has_no_unknown_address(void **state)
{
    static const struct doc list[] = {
        {"person", "alice", "full_name = A\nforward = gone@second.test\nforward_keep = yes\n"},
        {"group", "all", "member = alice\nmember = them@second.test\nmember = us@example.test\n"},
        {"foreign-domain", "f", "domain = F\nmail_server = gate\nshared_domain = second.test\n"},
    };
    static const struct {
        const char *address;
        enum router_verdict verdict;
        const char *reach;
    } cases[] = {
        {"alice@second.test", ROUTER_OK,
         "alice(direct) <gone@second.test>(forward of alice, forwarded)"},
        {"them@Second.test", ROUTER_OK, "<them@second.test>(direct)"},
        {"them@example.test", ROUTER_NOBODY, ""},
        {"all@example.test", ROUTER_OK,
         "alice(group all, expanded) <them@second.test>(group all, expanded) "
         "<gone@second.test>(forward of alice, expanded, forwarded)"},
    };
    const struct directory *directory = directory_of(list, COUNT(list));

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct router_targets targets = {.arena = arena_new("test", MIB)};
        struct router_reach reach;
        AUTO(buf) struct buf out = BUF(4000);

        T_ROW(i, cases[i].address);
        assert_int_equal(resolve(directory, cases[i].address, &targets, &reach), cases[i].verdict);
        describe(&reach, &out);
        if (cases[i].verdict == ROUTER_OK)
            T_EQ_SLICE(buf_slice(&out), slice_str(cases[i].reach));
        arena_free(&targets.arena);
    }
    directory_unref(&directory);
}

/* Persons p0 ... and a group of them all, in two groups that overlap. */
static const struct directory *crowd(size_t count)
{
    struct directory *directory = directory_new(DOMAINS);
    AUTO(buf) struct buf members = BUF(64 * MIB);
    char name[32];

    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "p%zu", i);
        directory_add(directory, SLICE("person"), slice_str(name), 0, SLICE("full_name = P\n"));
        directory_add_account(directory, slice_str(name), (int64_t)i + 1);
        buf_putf(&members, "member = %s\n", name);
    }
    directory_add(directory, SLICE("group"), SLICE("crowd"), 0, buf_slice(&members));
    directory_add(directory, SLICE("group"), SLICE("again"), 0, buf_slice(&members));
    directory_add(directory, SLICE("group"), SLICE("both"), 0,
                  SLICE("member = again\nmember = crowd\n"));
    return directory_end(directory);
}

static void test_a_group_of_ten_thousand(void **state)
{
    const struct directory *directory = crowd(10000);
    struct router_targets targets = {.arena = arena_new("test", 64 * MIB)};
    struct router_reach reach;

    (void)state;
    uint64_t begun = sys_mono_ms();
    for (int i = 0; i < 10; i++)
        assert_int_equal(resolve(directory, "both@example.test", &targets, &reach), ROUTER_OK);
    printf("# 10,000 members, twice, ten times: %llu ms\n",
           (unsigned long long)(sys_mono_ms() - begun));
    assert_int_equal(targets.count, 10000);
    assert_int_equal(reach.count, 10000);
    arena_free(&targets.arena);
    directory_unref(&directory);
}

/* Thousands of groups, each the member of the one before. */
static void test_a_deep_nest_of_groups(void **state)
{
    struct directory *making = directory_new(DOMAINS);
    struct router_targets targets = {.arena = arena_new("test", 64 * MIB)};
    struct router_reach reach;
    char name[32];
    char body[64];

    (void)state;
    directory_add(making, SLICE("person"), SLICE("p"), 0, SLICE(""));
    directory_add_account(making, SLICE("p"), 1);
    for (int i = 0; i < 9000; i++) {
        snprintf(name, sizeof(name), "g%d", i);
        snprintf(body, sizeof(body), "member = g%d\n%s", i + 1, i == 8999 ? "member = p\n" : "");
        directory_add(making, SLICE("group"), slice_str(name), 0, slice_str(body));
    }
    const struct directory *directory = directory_end(making);
    assert_int_equal(resolve(directory, "g0@example.test", &targets, &reach), ROUTER_OK);
    assert_string_equal(reach.targets[0]->via, "group g8999");
    arena_free(&targets.arena);
    directory_unref(&directory);
}

/* Settings stay for good; those that are over are kept in sight of the leak checker. */
static void limit(uint64_t members)
{
    static const struct conf *kept[8];
    static size_t count;
    struct conf conf = *conf_get();

    conf.group_members_max = members;
    conf_use(&conf);
    kept[count++] = conf_get();
    assert_ptr_equal(kept[count - 1], conf_get());
}

static void test_too_many_is_told_and_leaves_nothing(void **state)
{
    const struct directory *directory = crowd(1000);
    struct router_targets targets = {.arena = arena_new("test", 64 * MIB)};
    struct router_reach reach;

    (void)state;
    limit(999);
    assert_int_equal(resolve(directory, "p5@example.test", &targets, &reach), ROUTER_OK);
    assert_int_equal(resolve(directory, "both@example.test", &targets, &reach), ROUTER_TOO_MANY);
    assert_int_equal(targets.count, 1);
    limit(1000);
    assert_int_equal(resolve(directory, "both@example.test", &targets, &reach), ROUTER_OK);
    assert_int_equal(targets.count, 1000);
    limit(conf_defaults.group_members_max);
    arena_free(&targets.arena);
    directory_unref(&directory);
}

/* Whatever a client repeats, memory has an end: other recipients are for another transaction. */
static void test_a_transaction_has_an_end(void **state)
{
    const struct directory *directory = crowd(1000);
    struct router_targets targets = {.arena = arena_new("test", 256 * MIB)};
    struct router_reach reach;
    size_t taken = 0;

    (void)state;
    while (resolve(directory, "both@example.test", &targets, &reach) == ROUTER_OK)
        taken++;
    assert_int_equal(taken, 110);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(resolve(directory, "both@example.test", &targets, &reach), ROUTER_LATER);
    assert_int_equal(targets.count, 1000);
    arena_free(&targets.arena);
    directory_unref(&directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_address_reaches_whom_it_means),
        cmocka_unit_test(test_what_leads_to_nobody_is_told_and_passed_over),
        cmocka_unit_test(test_a_transaction_has_each_account_and_address_once),
        cmocka_unit_test(test_a_refused_recipient_leaves_no_trace),
        cmocka_unit_test(test_a_domain_shared_with_a_foreign_system_has_no_unknown_address),
        cmocka_unit_test(test_postmaster_always_reaches_somebody),
        cmocka_unit_test(test_a_group_of_ten_thousand),
        cmocka_unit_test(test_a_deep_nest_of_groups),
        cmocka_unit_test(test_too_many_is_told_and_leaves_nothing),
        cmocka_unit_test(test_a_transaction_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
