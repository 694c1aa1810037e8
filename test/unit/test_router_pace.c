#include "t.h"

#include "router/router_pace.h"

static const struct router_pace_limits limits = {20, 30 * SEC_MS, HOUR_MS};

static void test_retries_double_up_to_the_cap_give_or_take_a_fifth(void **state)
{
    static const struct {
        uint64_t attempts;
        uint64_t low_ms;
        uint64_t high_ms;
    } cases[] = {
        {1, 24000, 36000},       {2, 48000, 72000},
        {3, 96000, 144000},      {7, 1536000, 2304000},
        {8, 2880000, 4320000},   {9, 2880000, 4320000},
        {200, 2880000, 4320000}, {UINT64_MAX, 2880000, 4320000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(router_retry_ms(cases[i].attempts, 0, &limits), cases[i].low_ms);
        uint64_t high = router_retry_ms(cases[i].attempts, UINT32_MAX, &limits);
        assert_in_range(high, cases[i].high_ms - 1, cases[i].high_ms);
    }
}

static void test_connections_grow_with_what_is_taken(void **state)
{
    struct router_pace pace = {0};

    (void)state;
    assert_int_equal(router_pace_limit(&pace, &limits), 2); /* does it answer at all? */
    for (int i = 0; i < 5; i++)
        assert_false(router_pace_good(&pace, &limits, 1000));
    assert_int_equal(router_pace_limit(&pace, &limits), 6);
    for (int i = 0; i < 1000; i++)
        (void)router_pace_good(&pace, &limits, 1000);
    assert_int_equal(router_pace_limit(&pace, &limits), 20);
}

static void test_a_busy_one_gets_half_and_then_a_rest(void **state)
{
    struct router_pace pace = {0};

    (void)state;
    (void)router_pace_good(&pace, &limits, 1000);
    router_pace_busy(&pace, &limits, 1000, 0);
    assert_int_equal(router_pace_limit(&pace, &limits), 2);
    router_pace_busy(&pace, &limits, 1000, 0);
    assert_int_equal(router_pace_limit(&pace, &limits), 1);
    assert_int_equal(pace.next_ms, 0);
    router_pace_busy(&pace, &limits, 1000, 0);
    assert_int_equal(pace.next_ms, 1000 + 24000);
}

static void test_down_backs_off_once_a_time_and_one_success_brings_it_back(void **state)
{
    struct router_pace pace = {0};

    (void)state;
    router_pace_down(&pace, &limits, 1000, 0);
    assert_int_equal(pace.next_ms, 25000);
    router_pace_down(&pace, &limits, 1001, 0); /* the other connections, which fail as well */
    assert_int_equal(pace.attempts, 1);
    assert_int_equal(router_pace_limit(&pace, &limits), 1);
    router_pace_down(&pace, &limits, 25000, 0);
    assert_int_equal(pace.next_ms, 25000 + 48000);
    assert_true(router_pace_good(&pace, &limits, 80000));
    assert_int_equal(pace.next_ms, 0);
    assert_int_equal(router_pace_limit(&pace, &limits), 5);
}

static void test_one_lost_connection_among_good_ones_is_not_an_outage(void **state)
{
    struct router_pace pace = {0};

    (void)state;
    (void)router_pace_good(&pace, &limits, 1000);
    router_pace_down(&pace, &limits, 1500, 0);
    assert_int_equal(pace.next_ms, 0);
    router_pace_down(&pace, &limits, 4000, 0);
    assert_int_not_equal(pace.next_ms, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retries_double_up_to_the_cap_give_or_take_a_fifth),
        cmocka_unit_test(test_connections_grow_with_what_is_taken),
        cmocka_unit_test(test_a_busy_one_gets_half_and_then_a_rest),
        cmocka_unit_test(test_down_backs_off_once_a_time_and_one_success_brings_it_back),
        cmocka_unit_test(test_one_lost_connection_among_good_ones_is_not_an_outage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
