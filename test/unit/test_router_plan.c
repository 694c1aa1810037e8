#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory.h"
#include "router/router_plan.h"

#include <time.h>

#define NOW_MS INT64_C(1000000)

struct doc {
    const char *name;
    const char *body;
};

/* The later, the newer. */
static const struct doc docs[] = {
    {"exact", "domain = Partner.test\nhost = Smtp.Partner.test\n"},
    {"wild", "domain = *.corp.test\nhost = in.corp.test\n"},
    {"deeper", "domain = *.eu.corp.test\nhost = eu.corp.test\n"},
    {"second", "domain = two.test\nhost = b1.test\npriority = 20\n"},
    {"first",
     "domain = two.test\nhost = a1.test\nhost = a2.test:2525\npriority = 10\n"
     "connections_max = 7\n"},
    {"older", "domain = tie.test\nhost = older.test\n"},
    {"newer", "domain = tie.test\nhost = newer.test\n"},
    {"mixed", "domain = mixed.test\nhost = mx\nhost = backup.test\n"},
    {"bare", "domain = bare.test\ntls = required\n"},
    {"relay",
     "domain = login.test\nhost = relay.test\ntls = verified\ntls_first = yes\n"
     "user = us\npassword = secret\n"},
    {"clear", "domain = clear.test\nhost = [2001:db8::1]\ntls = none\n"},
    {"many", "domain = m1.test\ndomain = m2.test\nhost = many.test\n"},
};
static const struct doc star = {"star", "domain = *\nhost = smart.test\n"};

static const struct directory *make(bool with_star)
{
    struct directory *directory = directory_new(SLICE("here.test also.test"));

    for (size_t i = 0; i < COUNT(docs); i++)
        directory_add(directory, SLICE("connection"), slice_str(docs[i].name), (int64_t)i,
                      slice_str(docs[i].body));
    if (with_star)
        directory_add(directory, SLICE("connection"), slice_str(star.name), 100,
                      slice_str(star.body));
    return directory_end(directory);
}

/* "send domain x.test: mx:25 opportunistic | host:25 verified first as us | ..." */
static void show(const struct router_plan *plan, struct buf *out)
{
    static const char *const ways[] = {"send", "here", "refuse"};
    static const char *const tls[] = {"none", "opportunistic", "required", "verified"};

    buf_putf(out, "%s %s", ways[plan->way], plan->key);
    if (plan->connections_max != 0)
        buf_putf(out, " max %llu", (unsigned long long)plan->connections_max);
    for (size_t i = 0; i < plan->hop_count; i++) {
        const struct router_hop *hop = &plan->hops[i];

        buf_putf(out, "%s%s:%u %s", i == 0 ? ": " : " | ", hop->mx ? "mx" : hop->host,
                 (unsigned)hop->port, tls[hop->tls]);
        if (hop->tls_first)
            buf_put(out, SLICE(" first"));
        if (hop->user != NULL)
            buf_putf(out, " as %s %s", hop->user, hop->password);
    }
}

static const struct {
    const char *address;
    bool with_star;
    const char *want;
} cases[] = {
    {"a@Far.test", false, "send domain far.test: mx:2500 opportunistic"},
    {"a@far.test", true, "send connection star: smart.test:25 opportunistic"},
    {"a@partner.TEST", false, "send connection exact: smtp.partner.test:25 opportunistic"},
    {"a@partner.test", true, "send connection exact: smtp.partner.test:25 opportunistic"},
    {"a@sub.partner.test", false, "send domain sub.partner.test: mx:2500 opportunistic"},
    {"a@corp.test", false, "send domain corp.test: mx:2500 opportunistic"},
    {"a@x.corp.test", false, "send connection wild: in.corp.test:25 opportunistic"},
    {"a@x.y.corp.test", false, "send connection wild: in.corp.test:25 opportunistic"},
    {"a@x.eu.corp.test", false, "send connection deeper: eu.corp.test:25 opportunistic"},
    {"a@two.test", false,
     "send connection first max 7: a1.test:25 opportunistic | a2.test:2525 opportunistic | "
     "b1.test:25 opportunistic"},
    {"a@tie.test", false,
     "send connection newer: newer.test:25 opportunistic | older.test:25 opportunistic"},
    {"a@mixed.test", false,
     "send domain mixed.test: mx:2500 opportunistic | backup.test:25 opportunistic"},
    {"a@bare.test", false, "send domain bare.test: mx:2500 required"},
    {"a@login.test", false, "send connection relay: relay.test:465 verified first as us secret"},
    {"a@clear.test", false, "send connection clear: 2001:db8::1:25 none"},
    {"a@m1.test", false, "send connection many: many.test:25 opportunistic"},
    {"a@m2.test", false, "send connection many: many.test:25 opportunistic"},
    {"a@[192.0.2.7]", false, "send domain [192.0.2.7]: 192.0.2.7:2500 opportunistic"},
    {"a@[IPv6:2001:DB8::7]", false,
     "send domain [ipv6:2001:db8::7]: 2001:db8::7:2500 opportunistic"},
    {"a@[192.0.2.7]", true, "send connection star: smart.test:25 opportunistic"},
    {"\"a@b\"@far.test", false, "send domain far.test: mx:2500 opportunistic"},
    {"a@here.test", false, "here "},
    {"a@ALSO.test", true, "here "},
    {"a@sub.here.test", false, "send domain sub.here.test: mx:2500 opportunistic"},
    {"a", false, "refuse "},
    {"a@", true, "refuse "},
    {"", false, "refuse "},
};

static void plan_for(const struct directory *directory, const struct router_health *health,
                     const char *address, struct arena *arena, struct router_plan *plan)
{
    const struct router_question question = {.directory = directory,
                                             .health = health,
                                             .address = slice_str(address),
                                             .tls = ROUTER_TLS_OPPORTUNISTIC,
                                             .mx_port = 2500,
                                             .now_ms = NOW_MS};

    router_plan(&question, arena, plan);
}

static void test_each_address_has_its_way(void **state)
{
    const struct directory *bare = make(false);
    const struct directory *with_star = make(true);
    struct arena *arena = arena_new("plan", 16 * MIB);
    struct router_plan plan;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf) struct buf out = BUF(4000);

        T_ROW(i, cases[i].address);
        plan_for(cases[i].with_star ? with_star : bare, NULL, cases[i].address, arena, &plan);
        show(&plan, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(cases[i].want));
        assert_true(plan.why != NULL && plan.why[0] != '\0');
        for (size_t k = 0; k < plan.hop_count; k++)
            assert_true(plan.hops[k].why != NULL && plan.hops[k].why[0] != '\0');
    }
    arena_free(&arena);
    directory_unref(&bare);
    directory_unref(&with_star);
}

static void test_hosts_that_do_not_answer_come_last_and_say_since_when(void **state)
{
    const struct directory *directory = make(false);
    struct router_health *health = router_health_new();
    struct arena *arena = arena_new("plan", 16 * MIB);
    struct router_plan plan;

    (void)state;
    router_health_down(health, "a1.test", 25, NOW_MS - 12000, NOW_MS + 1);
    plan_for(directory, health, "a@two.test", arena, &plan);
    assert_string_equal(plan.hops[0].host, "a2.test");
    assert_string_equal(plan.hops[1].host, "b1.test");
    assert_string_equal(plan.hops[2].host, "a1.test");
    assert_string_equal(plan.hops[2].why, "connection first; tried last: no answer for 12 s");
    assert_string_equal(plan.key, "connection first"); /* the key does not go by health */
    router_health_down(health, "a2.test", 2525, NOW_MS - 1000, NOW_MS + 1);
    router_health_down(health, "b1.test", 25, NOW_MS - 1000, NOW_MS + 1);
    plan_for(directory, health, "a@two.test", arena, &plan);
    assert_string_equal(plan.hops[0].host, "a1.test"); /* all are down: their own order */
    router_health_up(health, "b1.test", 25);
    plan_for(directory, health, "a@two.test", arena, &plan);
    assert_string_equal(plan.hops[0].host, "b1.test");
    router_health_free(&health);
    arena_free(&arena);
    directory_unref(&directory);
}

static void test_a_domain_of_256_bytes_goes_nowhere(void **state)
{
    const struct directory *directory = make(true);
    struct arena *arena = arena_new("plan", 16 * MIB);
    char address[300] = "a@";
    struct router_plan plan;

    (void)state;
    memset(address + 2, 'x', 255);
    plan_for(directory, NULL, address, arena, &plan);
    assert_int_equal(plan.way, ROUTER_WAY_SEND);
    address[257] = 'x';
    plan_for(directory, NULL, address, arena, &plan);
    assert_int_equal(plan.way, ROUTER_WAY_REFUSE);
    arena_free(&arena);
    directory_unref(&directory);
}

static void test_words_for_tls(void **state)
{
    (void)state;
    assert_int_equal(router_tls_find("none"), ROUTER_TLS_NONE);
    assert_int_equal(router_tls_find("opportunistic"), ROUTER_TLS_OPPORTUNISTIC);
    assert_int_equal(router_tls_find("required"), ROUTER_TLS_REQUIRED);
    assert_int_equal(router_tls_find("verified"), ROUTER_TLS_VERIFIED);
    assert_int_equal(router_tls_find("perhaps"), ROUTER_TLS_OPPORTUNISTIC);
}

/* --- how long it takes; printed, not judged --- */

#define PERSONS 100000
#define CONNECTIONS 1000
#define PLANS 100000

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const struct directory *make_large(void)
{
    struct directory *directory = directory_new(SLICE("here.test"));
    char name[32];
    char body[128];

    for (int i = 0; i < PERSONS; i++) {
        snprintf(name, sizeof(name), "person%d", i);
        directory_add(directory, SLICE("person"), slice_str(name), i, SLICE("full_name = P\n"));
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        snprintf(body, sizeof(body), "domain = %sd%d.test\nhost = h%d.test\n", i % 2 ? "*." : "", i,
                 i);
        directory_add(directory, SLICE("connection"), slice_str(name), i, slice_str(body));
    }
    return directory_end(directory);
}

static void test_a_plan_in_a_large_directory(void **state)
{
    const struct directory *directory = make_large();
    struct arena *arena = arena_new("plan", 16 * MIB);
    struct router_plan plan;
    char address[64];
    size_t fixed = 0;

    (void)state;
    double from = seconds();
    for (int i = 0; i < PLANS; i++) {
        snprintf(address, sizeof(address), "p@x.d%d.test", i % (2 * CONNECTIONS));
        arena_reset(arena);
        plan_for(directory, NULL, address, arena, &plan);
        fixed += plan.fixed;
    }
    printf("# router_plan: %.2f us each, %d persons, %d connections\n",
           (seconds() - from) * 1e6 / PLANS, PERSONS, CONNECTIONS);
    assert_int_equal(fixed, PLANS / 4); /* every other one below a wildcard, half of them known */
    arena_free(&arena);
    directory_unref(&directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_address_has_its_way),
        cmocka_unit_test(test_hosts_that_do_not_answer_come_last_and_say_since_when),
        cmocka_unit_test(test_a_domain_of_256_bytes_goes_nowhere),
        cmocka_unit_test(test_words_for_tls),
        cmocka_unit_test(test_a_plan_in_a_large_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
