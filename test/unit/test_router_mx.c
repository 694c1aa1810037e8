#include "t.h"

#include "base/buf.h"
#include "router/router_mx.h"

#define HOSTS_MAX 8

struct row {
    struct sys_dns_mx list[HOSTS_MAX];
    size_t count;
    enum router_mx verdict;
    const char *want;
};

static const struct row rows[] = {
    {{{0, NULL}}, 0, ROUTER_MX_NONE, ""},
    {{{0, ""}}, 1, ROUTER_MX_NULL, ""},
    {{{10, "a"}}, 1, ROUTER_MX_HOSTS, "a "},
    {{{30, "c"}, {10, "a"}, {20, "b"}}, 3, ROUTER_MX_HOSTS, "a b c "},
    {{{0, ""}, {10, "a"}}, 2, ROUTER_MX_HOSTS, "a "},
    {{{10, "a"}, {20, "A"}, {5, "a"}, {7, "b"}}, 4, ROUTER_MX_HOSTS, "a b "},
    {{{10, "us.example"}}, 1, ROUTER_MX_LOOP, ""},
    {{{10, "US.Example"}, {20, "b"}}, 2, ROUTER_MX_LOOP, ""},
    {{{10, "a"}, {20, "us.example"}, {20, "b"}, {20, "z"}, {30, "c"}}, 5, ROUTER_MX_HOSTS, "a "},
    {{{10, "us.example"}, {10, "a"}, {10, "z"}}, 3, ROUTER_MX_LOOP, ""},
    {{{65535, "b"}, {0, "a"}}, 2, ROUTER_MX_HOSTS, "a b "},
};

static void test_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            AUTO(buf) struct buf got = BUF(KIB);
            struct row row = rows[i];

            T_ROW(i, row.want);
            assert_int_equal(router_mx_order(row.list, &row.count, SLICE("us.example"), seed),
                             row.verdict);
            for (size_t k = 0; k < row.count; k++)
                buf_putf(&got, "%s ", row.list[k].host);
            T_EQ_SLICE(buf_slice(&got), slice_str(row.want));
        }
}

static void test_equals_are_shuffled_by_the_seed_alone(void **state)
{
    unsigned first[3] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct sys_dns_mx one[] = {{10, "a"}, {10, "b"}, {10, "c"}, {5, "best"}};
        struct sys_dns_mx two[] = {{10, "c"}, {5, "best"}, {10, "b"}, {10, "a"}};
        size_t count_one = 4;
        size_t count_two = 4;

        assert_int_equal(router_mx_order(one, &count_one, SLICE("us"), seed), ROUTER_MX_HOSTS);
        assert_int_equal(router_mx_order(two, &count_two, SLICE("us"), seed), ROUTER_MX_HOSTS);
        assert_string_equal(one[0].host, "best");
        for (size_t i = 0; i < 4; i++)
            assert_string_equal(one[i].host, two[i].host);
        first[one[1].host[0] - 'a']++;
    }
    for (size_t i = 0; i < 3; i++) /* each about 1000 times */
        assert_in_range(first[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_equals_are_shuffled_by_the_seed_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
