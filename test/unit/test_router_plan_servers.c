#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory.h"
#include "router/router_plan.h"

#include <string.h>
#include <time.h>

#define MONO_MS 1000000

struct doc {
    const char *kind;
    const char *name;
    const char *body;
};

/* The later, the newer. */
static const struct doc docs[] = {
    {"server", "s1", "smtp = 192.0.2.1:8025\n"},
    {"server", "s2", "smtp = 192.0.2.2:8025\n"},
    {"server", "s3", "smtp = 192.0.2.3\n"},
    {"server", "gw1", "smtp = 192.0.2.11:8025\n"},
    {"server", "gw2", "smtp = 192.0.2.12:8025\n"},
    {"server", "mate", "smtp = 192.0.2.13:8025\n"},
    {"cluster", "pair", "member = s1\nmember = s2\n"},
    {"cluster", "gates", "member = gw1\nmember = mate\n"},
    {"person", "alice", "full_name = A\nserver = s1\n"},
    {"person", "bob", "full_name = B\nserver = s1\nserver = s2\nserver = s3\n"},
    {"person", "carol", "full_name = C\n"},
    {"person", "here", "full_name = H\nserver = s1\n"},
    {"person", "ghost", "full_name = G\nserver = nowhere\nserver = s2\n"},
    {"foreign-domain", "btex-a",
     "domain = BTEx\nmail_server = gw1\nhost = x1.test\nhost = x2.test\n"},
    {"foreign-domain", "btex-b", "domain = BTEx\nmail_server = gw2\nhost = x3.test:2525\n"},
    {"foreign-domain", "one", "domain = only\nmail_server = gw1\nhost = y.test\n"},
    {"foreign-domain", "none", "domain = nobody\nhost = z.test\n"},
    {"foreign-domain", "both",
     "domain = merge\nshared_domain = shared.test\nmail_server = gw2\nhost = m.test\n"},
};

static const struct directory *make(const char *newest)
{
    struct directory *directory = directory_new(SLICE("here.test shared.test"));

    for (size_t i = 0; i < COUNT(docs); i++)
        directory_add(directory, slice_str(docs[i].kind), slice_str(docs[i].name),
                      strcmp(docs[i].name, newest) == 0 ? 100 : (int64_t)i,
                      slice_str(docs[i].body));
    directory_add_account(directory, SLICE("here"), 7);
    return directory_end(directory);
}

struct row {
    const char *server; /* this one */
    const char *states; /* "down=s1 busy=s2" */
    const char *address;
    enum router_failover failover;
    bool take_busy;
    const char *from; /* "a", or "a again"; NULL: no server handed it over */
    const char *want; /* hosts in order, "-" for one that is no server of the domain */
};

#define LAST ROUTER_FAILOVER_LAST_HOP
#define OFF ROUTER_FAILOVER_OFF
#define ALL ROUTER_FAILOVER_ALL

static const struct row rows[] = {
    /* an account on one server */
    {"s3", "", "alice@here.test", LAST, false, NULL, "servers s1: s1"},
    {"s3", "down=s1", "alice@here.test", LAST, false, NULL, "servers s1: s1"},
    {"s3", "busy=s1", "alice@here.test", LAST, false, NULL, "servers s1: s1"},
    {"s3", "restricted=s1", "alice@here.test", LAST, false, NULL, "servers s1:"},
    {"s1", "", "here@here.test", LAST, false, NULL, "here"},
    {"s2", "", "here@here.test", LAST, false, NULL, "here"}, /* its store has it */
    {"s3", "", "carol@here.test", LAST, false, NULL, "here"},
    {"s3", "", "nobody@here.test", LAST, false, NULL, "here"},
    /* on several: the lead, then by health */
    {"gw1", "", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s1 s2 s3"},
    {"gw1", "down=s1", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s2 s3"},
    {"gw1", "suspect=s1", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s2 s3 s1"},
    {"gw1", "busy=s1", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s2 s3 s1"},
    {"gw1", "busy=s1", "bob@here.test", LAST, true, NULL, "servers s1 s2 s3: s1 s2 s3"},
    {"gw1", "busy=s1 down=s2 down=s3", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s1"},
    {"gw1", "busy=s1 suspect=s2", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s3 s1 s2"},
    {"gw1", "restricted=s1", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s2 s3"},
    {"gw1", "restricted=s1 down=s2 down=s3", "bob@here.test", LAST, false, NULL,
     "servers s1 s2 s3: s2 s3"},
    {"gw1", "down=s1 down=s2 down=s3", "bob@here.test", LAST, false, NULL,
     "servers s1 s2 s3: s1 s2 s3"},
    {"gw1", "restricted=s1 restricted=s2 restricted=s3", "bob@here.test", LAST, false, NULL,
     "servers s1 s2 s3:"},
    {"gw1", "down=s1", "bob@here.test", OFF, false, NULL, "servers s1 s2 s3: s1"},
    {"gw1", "busy=s1", "bob@here.test", OFF, false, NULL, "servers s1 s2 s3: s1"},
    {"s1", "", "bob@here.test", LAST, false, NULL, "servers s1 s2 s3: s2 s3"}, /* not here yet */
    {"s3", "", "ghost@here.test", LAST, false, NULL, "servers nowhere s2: s2"},
    /* a foreign domain: last modified first */
    {"s1", "", "user@BTEx", LAST, false, NULL, "foreign btex: gw2 gw1"},
    {"s1", "down=gw2", "user@btex", LAST, false, NULL, "foreign btex: gw1"},
    {"s1", "busy=gw2", "user@btex", LAST, false, NULL, "foreign btex: gw1 gw2"},
    {"s1", "busy=gw2", "user@btex", LAST, true, NULL, "foreign btex: gw2 gw1"},
    {"s1", "restricted=gw2", "user@btex", LAST, false, NULL, "foreign btex: gw1"},
    {"s1", "down=gw1 down=gw2", "user@btex", LAST, false, NULL, "foreign btex: gw2 gw1"},
    {"s1", "busy=gw1 busy=gw2", "user@btex", LAST, false, NULL, "foreign btex: gw2 gw1"},
    {"s1", "down=gw2", "user@btex", OFF, false, NULL,
     "foreign btex: gw1"}, /* the documents say so */
    /* at a gateway */
    {"gw2", "", "user@btex", LAST, false, NULL, "foreign btex: -x3.test:2525 gw1"},
    {"gw1", "", "user@btex", LAST, false, NULL, "foreign btex: gw2 -x1.test:25 -x2.test:25"},
    {"gw1", "down=gw2", "user@btex", LAST, false, NULL, "foreign btex: -x1.test:25 -x2.test:25"},
    {"gw1", "", "user@btex", LAST, false, "s1", "foreign btex: -x1.test:25 -x2.test:25 gw2"},
    {"gw1", "", "user@btex", LAST, false, "gw2", "foreign btex: -x1.test:25 -x2.test:25"},
    {"gw1", "", "user@btex", LAST, false, "s1 again", "foreign btex: -x1.test:25 -x2.test:25"},
    {"gw2", "", "user@btex", LAST, false, "gw1", "foreign btex: -x3.test:2525"},
    {"mate", "", "user@btex", LAST, false, "s1", "foreign btex: gw2 gw1"},
    /* the cluster of a gateway, where all hops fail over */
    {"s1", "", "u@only", ALL, false, NULL, "foreign only: gw1"},
    {"s1", "down=gw1", "u@only", ALL, false, NULL, "foreign only: mate"},
    {"s1", "suspect=gw1", "u@only", ALL, false, NULL, "foreign only: gw1 mate"},
    {"s1", "down=gw1", "u@only", LAST, false, NULL, "foreign only: gw1"},
    {"s1", "down=gw1 down=mate", "u@only", ALL, false, NULL, "foreign only: gw1 mate"},
    {"s1", "restricted=gw1", "u@only", ALL, false, NULL, "foreign only: mate"},
    {"mate", "down=gw1", "u@only", ALL, false, "s1", "foreign only: gw1"},
    {"s3", "down=gw1", "u@only", ALL, false, "mate", "foreign only: gw1"}, /* and so on for ever */
    {"s1", "", "u@nobody", LAST, false, NULL, "foreign nobody:"},
    /* one SMTP domain for both */
    {"s1", "", "theirs@shared.test", LAST, false, NULL, "foreign shared shared.test: gw2"},
    {"gw2", "", "theirs@shared.test", LAST, false, NULL, "foreign shared shared.test: -m.test:25"},
    {"s3", "", "alice@shared.test", LAST, false, NULL, "servers s1: s1"},
};

static const struct health_limits limits = {400, 800, 1000};

static void read_states(const char *text, struct health_server *servers, struct health_view *view)
{
    struct slice rest = slice_str(text);

    *view = (struct health_view){.servers = servers, .limits = limits};
    while (rest.len > 0) {
        size_t end = slice_find(rest, ' ');
        struct slice one = slice_sub(rest, 0, end);
        size_t at = slice_find(one, '=');
        struct health_server *server = &servers[view->count++];
        enum health_state state;

        assert_int_equal(health_state_find(slice_sub(one, 0, at), &state), ST_OK);
        snprintf(server->name, sizeof(server->name), "%.*s",
                 SLICE_ARG(slice_sub(one, at + 1, SIZE_MAX)));
        server->peer = health_peer_as(&limits, state, MONO_MS);
        rest = end < rest.len ? slice_sub(rest, end + 1, SIZE_MAX) : SLICE("");
    }
}

static void show(const struct router_plan *plan, struct buf *out)
{
    if (plan->way == ROUTER_WAY_HERE)
        buf_put(out, SLICE("here"));
    else
        buf_putf(out, "%s:", plan->key);
    for (size_t i = 0; i < plan->hop_count; i++) {
        const struct router_hop *hop = &plan->hops[i];

        if (hop->server != NULL)
            buf_putf(out, " %s", hop->server);
        else
            buf_putf(out, " -%s:%u", hop->host, (unsigned)hop->port);
        assert_true((hop->server != NULL) != (hop->foreign != NULL));
        if (hop->server != NULL)
            assert_true(hop->tls_first && hop->tls == ROUTER_TLS_VERIFIED && hop->port == 8025);
    }
}

static void plan_row(const struct directory *directory, const struct row *row,
                     struct health_server *servers, struct arena *arena, struct router_plan *plan)
{
    struct slice from = slice_str(row->from);
    struct health_view view;

    read_states(row->states, servers, &view);
    const struct router_question question = {.directory = directory,
                                             .address = slice_str(row->address),
                                             .tls = ROUTER_TLS_OPPORTUNISTIC,
                                             .mx_port = 25,
                                             .server_name = row->server,
                                             .servers = &view,
                                             .mono_ms = MONO_MS,
                                             .failover = row->failover,
                                             .pass_busy = !row->take_busy,
                                             .from = slice_sub(from, 0, slice_find(from, ' ')),
                                             .again = slice_find(from, ' ') < from.len,
                                             .explain = true};
    router_plan(&question, arena, plan);
}

/* As the server of this name sees the documents; mate may not see the foreign domain's. */
static const struct directory *seen_by(const char *server)
{
    struct directory *directory = directory_new(SLICE("here.test"));
    static const char body[] =
        "domain = only\nmail_server = gw1\nhost = y.test\n"
        "reader = gw1\nreader = inner\nauthor = [gates]\n";

    directory_look(directory, slice_str(server));
    for (size_t i = 0; i < COUNT(docs); i++)
        if (strcmp(docs[i].kind, "foreign-domain") != 0 && strcmp(docs[i].name, "gw2") != 0 &&
            strcmp(docs[i].name, "gates") != 0)
            directory_add(directory, slice_str(docs[i].kind), slice_str(docs[i].name), 1,
                          slice_str(docs[i].body));
    directory_add(directory, SLICE("group"), SLICE("inner"), 1, SLICE("member = s1\n"));
    directory_add(directory, SLICE("server"), SLICE("gw2"), 1,
                  SLICE("smtp = 192.0.2.12:8025\nrole = gates\n"));
    directory_add(directory, SLICE("cluster"), SLICE("gates"), 1,
                  SLICE("member = gw1\nmember = mate\nmember = gw2\nmember = s1\n"));
    directory_add(directory, SLICE("foreign-domain"), SLICE("one"), 1, slice_str(body));
    return directory_end(directory);
}

static void test_mail_goes_to_nobody_who_may_not_see_its_document(void **state)
{
    const struct directory *directory = seen_by("s1");
    struct arena *arena = arena_new("plan", 64 * MIB);
    const struct row row = {"s1", "down=gw1", "u@only", ALL, false, NULL, ""};
    struct health_server servers[8] = {0};
    AUTO(buf) struct buf out = BUF(4000);
    struct router_plan plan;

    (void)state;
    plan_row(directory, &row, servers, arena, &plan);
    show(&plan, &out);
    assert_string_equal(out.ptr, "foreign only: gw2"); /* by its role; mate is none */
    assert_string_equal(plan.candidates[1].name, "mate mate of gw1");
    assert_string_equal(plan.candidates[1].why, "passed over: it may not see the document");
    assert_true(router_plan_knows(directory, SLICE("Only")));
    directory_unref(&directory);
    directory = seen_by("mate");
    assert_false(router_plan_knows(directory, SLICE("only")));
    assert_true(router_plan_knows(directory, SLICE("here.test")));
    directory_unref(&directory);
    arena_free(&arena);
}

static void test_what_no_document_is_for_any_more_goes_back_to_who_handed_it_over(void **state)
{
    static const struct {
        const char *from;
        const char *queued_as;
        const char *address;
        const char *want;
    } cases[] = {
        {"s1", "foreign only", "u@only", "foreign only: s1"},
        {"s1", "foreign shared here.test", "nobody@here.test", "foreign shared here.test: s1"},
        {"s1", "foreign shared here.test", "alice@here.test", "servers s1: s1"},
        {"gone", "foreign only", "u@only", "foreign only:"}, /* waits for a document */
        {"", "foreign only", "u@only", "domain only:"},
        {"s1", NULL, "u@only", "domain only:"}, /* a forward leads there */
        {"s1", "domain only", "u@only", "domain only:"},
    };
    const struct directory *directory = seen_by("mate");
    struct arena *arena = arena_new("plan", 64 * MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct router_question question = {.directory = directory,
                                                 .address = slice_str(cases[i].address),
                                                 .mx_port = 25,
                                                 .server_name = "mate",
                                                 .from = slice_str(cases[i].from),
                                                 .queued_as = cases[i].queued_as};
        AUTO(buf) struct buf out = BUF(4000);
        struct router_plan plan;

        T_ROW(i, cases[i].want);
        router_plan(&question, arena, &plan);
        buf_putf(&out, "%s:", plan.key);
        for (size_t k = 0; k < plan.hop_count && !plan.hops[k].mx; k++)
            buf_putf(&out, " %s", plan.hops[k].server);
        T_EQ_SLICE(buf_slice(&out), slice_str(cases[i].want));
        assert_int_equal(router_plan_ends(&plan), !router_plan_key_is_inside(plan.key));
    }
    arena_free(&arena);
    directory_unref(&directory);
}

static void test_each_state_has_its_way(void **state)
{
    const struct directory *directory = make("btex-b");
    struct arena *arena = arena_new("plan", 64 * MIB);
    struct router_plan plan;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(4000);
        struct health_server servers[8] = {0};
        size_t taken = 0;

        T_ROW(i, rows[i].states);
        plan_row(directory, &rows[i], servers, arena, &plan);
        show(&plan, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
        assert_true(plan.why != NULL && plan.why[0] != '\0');
        for (size_t k = 0; k < plan.candidate_count; k++) {
            taken += plan.candidates[k].taken;
            assert_true(plan.candidates[k].why[0] != '\0');
        }
        assert_int_equal(taken, plan.hop_count);
    }
    arena_free(&arena);
    directory_unref(&directory);
}

static void test_what_was_edited_last_is_first(void **state)
{
    const struct directory *directory = make("btex-a");
    struct arena *arena = arena_new("plan", 64 * MIB);
    const struct row row = {"s1", "", "user@BTEx", LAST, false, NULL, ""};
    struct health_server servers[8] = {0};
    AUTO(buf) struct buf out = BUF(4000);
    struct router_plan plan;

    (void)state;
    plan_row(directory, &row, servers, arena, &plan);
    show(&plan, &out);
    assert_string_equal(out.ptr, "foreign btex: gw1 gw2");
    arena_free(&arena);
    directory_unref(&directory);
}

static void test_it_says_who_was_passed_over_and_why(void **state)
{
    const struct directory *directory = make("btex-b");
    struct arena *arena = arena_new("plan", 64 * MIB);
    const struct row row = {"gw1", "restricted=s1 down=s2", "bob@here.test", LAST, false, NULL, ""};
    struct health_server servers[8] = {0};
    struct router_plan plan;

    (void)state;
    plan_row(directory, &row, servers, arena, &plan);
    assert_int_equal(plan.candidate_count, 3);
    assert_string_equal(plan.candidates[0].name, "server s1");
    assert_string_equal(plan.candidates[0].state, "restricted for 0 s");
    assert_string_equal(plan.candidates[0].why, "passed over: restricted");
    assert_string_equal(plan.candidates[1].why, "passed over: it is down, and another is there");
    assert_string_equal(plan.candidates[2].why, "it holds the account too");
    assert_true(plan.candidates[2].taken && !plan.candidates[1].taken);
    arena_free(&arena);
    directory_unref(&directory);
}

/* --- how long it takes; printed, not judged --- */

#define PERSONS 100000
#define FOREIGNS 1000
#define PLANS 100000

static const struct directory *make_large(void)
{
    struct directory *directory = directory_new(SLICE("here.test"));
    char name[32];
    char body[128];

    for (size_t i = 0; i < 6; i++)
        directory_add(directory, SLICE("server"), slice_str(docs[i].name), 0,
                      slice_str(docs[i].body));
    for (int i = 0; i < PERSONS; i++) {
        snprintf(name, sizeof(name), "person%d", i);
        directory_add(directory, SLICE("person"), slice_str(name), i,
                      SLICE("full_name = P\nserver = s1\nserver = s2\n"));
    }
    for (int i = 0; i < FOREIGNS; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        snprintf(body, sizeof(body), "domain = d%d\nmail_server = gw%d\nhost = h.test\n", i / 2,
                 i % 2 + 1);
        directory_add(directory, SLICE("foreign-domain"), slice_str(name), i, slice_str(body));
    }
    return directory_end(directory);
}

static double plans_us(const struct directory *directory, const char *before, int count,
                       const char *after)
{
    struct arena *arena = arena_new("plan", 16 * MIB);
    struct health_server servers[8] = {0};
    struct health_view view;
    struct timespec from;
    struct timespec to;
    char address[64];

    read_states("down=gw2 busy=s1 up=s2 up=gw1", servers, &view);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < PLANS; i++) {
        struct router_plan plan;

        snprintf(address, sizeof(address), "%s%d%s", before, i % count, after);
        const struct router_question question = {.directory = directory,
                                                 .address = slice_str(address),
                                                 .server_name = "s3",
                                                 .servers = &view,
                                                 .mono_ms = MONO_MS,
                                                 .failover = LAST,
                                                 .pass_busy = true};
        arena_reset(arena);
        router_plan(&question, arena, &plan);
        assert_int_equal(plan.hop_count > 0, true);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    arena_free(&arena);
    return ((double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3) /
           PLANS;
}

static void test_a_plan_in_a_large_directory(void **state)
{
    const struct directory *directory = make_large();

    (void)state;
    printf(
        "# router_plan: %.2f us to a person's servers, %.2f us to a foreign domain; %d persons, "
        "%d foreign-domain documents\n",
        plans_us(directory, "person", PERSONS, "@here.test"),
        plans_us(directory, "user@d", FOREIGNS / 2, ""), PERSONS, FOREIGNS);
    directory_unref(&directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_goes_to_nobody_who_may_not_see_its_document),
        cmocka_unit_test(test_what_no_document_is_for_any_more_goes_back_to_who_handed_it_over),
        cmocka_unit_test(test_each_state_has_its_way),
        cmocka_unit_test(test_what_was_edited_last_is_first),
        cmocka_unit_test(test_it_says_who_was_passed_over_and_why),
        cmocka_unit_test(test_a_plan_in_a_large_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
