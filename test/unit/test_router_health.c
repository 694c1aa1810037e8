#include "t.h"

#include "router/router_health.h"

static void test_a_host_that_did_not_answer_is_down_until_its_time(void **state)
{
    struct router_health *health = router_health_new();
    int64_t since_ms = 0;

    (void)state;
    assert_false(router_health_is_down(health, "mx.test", 25, 1000, &since_ms));
    router_health_down(health, "mx.test", 25, 1000, 31000);
    assert_true(router_health_is_down(health, "mx.test", 25, 30999, &since_ms));
    assert_int_equal(since_ms, 1000);
    assert_false(router_health_is_down(health, "mx.test", 25, 31000, &since_ms));
    assert_false(router_health_is_down(health, "mx.test", 587, 2000, &since_ms));
    assert_false(router_health_is_down(health, "mx2.test", 25, 2000, &since_ms));
    router_health_free(&health);
    assert_null(health);
    router_health_free(&health);
}

static void test_since_is_the_first_failure_until_an_answer(void **state)
{
    struct router_health *health = router_health_new();
    int64_t since_ms = 0;

    (void)state;
    router_health_down(health, "mx.test", 25, 1000, 31000);
    router_health_down(health, "mx.test", 25, 40000, 70000);
    assert_true(router_health_is_down(health, "mx.test", 25, 50000, &since_ms));
    assert_int_equal(since_ms, 1000);
    router_health_up(health, "mx.test", 25);
    assert_false(router_health_is_down(health, "mx.test", 25, 50000, &since_ms));
    router_health_down(health, "mx.test", 25, 60000, 90000);
    assert_true(router_health_is_down(health, "mx.test", 25, 60000, &since_ms));
    assert_int_equal(since_ms, 60000);
    router_health_free(&health);
}

static void test_the_longest_known_go_where_there_are_too_many(void **state)
{
    struct router_health *health = router_health_new();
    char name[32];
    int64_t since_ms = 0;

    (void)state;
    for (int i = 0; i < 10001; i++) {
        snprintf(name, sizeof(name), "h%d.test", i);
        router_health_down(health, name, 25, 1000, 31000);
    }
    assert_false(router_health_is_down(health, "h0.test", 25, 2000, &since_ms));
    assert_true(router_health_is_down(health, "h1.test", 25, 2000, &since_ms));
    assert_true(router_health_is_down(health, "h10000.test", 25, 2000, &since_ms));
    router_health_free(&health);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_host_that_did_not_answer_is_down_until_its_time),
        cmocka_unit_test(test_since_is_the_first_failure_until_an_answer),
        cmocka_unit_test(test_the_longest_known_go_where_there_are_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
