#include "t.h"

#include "auth/auth_throttle.h"

static const struct auth_throttle_limits limits = {
    .window_ms = 10000, .address_failures_max = 5, .name_failures_max = 3, .entries_max = 64};

static void fail_times(struct auth_throttle *t, struct slice address, struct slice name,
                       uint64_t now_ms, int times)
{
    for (int i = 0; i < times; i++)
        auth_throttle_fail(t, address, name, now_ms);
}

static void test_so_many_failures_and_no_more(void **state)
{
    struct auth_throttle *t = auth_throttle_new(&limits);

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(auth_throttle_ok(t, SLICE("192.0.2.1"), SLICE("alice"), 1000));
        auth_throttle_fail(t, SLICE("192.0.2.1"), SLICE("alice"), 1000);
    }
    assert_false(auth_throttle_ok(t, SLICE("192.0.2.1"), SLICE("alice"), 1000));
    assert_false(auth_throttle_ok(t, SLICE("192.0.2.99"), SLICE("ALICE"), 1000));
    assert_true(auth_throttle_ok(t, SLICE("192.0.2.1"), SLICE("bob"), 1000));
    fail_times(t, SLICE("192.0.2.1"), SLICE("bob"), 1000, 2);
    assert_false(auth_throttle_ok(t, SLICE("192.0.2.1"), SLICE("carol"), 1000));
    assert_true(auth_throttle_ok(t, SLICE("192.0.2.2"), SLICE("carol"), 1000));
    auth_throttle_free(&t);
    assert_null(t);
}

static void test_window_slides(void **state)
{
    struct auth_throttle *t = auth_throttle_new(&limits);

    (void)state;
    fail_times(t, SLICE(""), SLICE("alice"), 9999, 3);
    assert_false(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 9999));
    /* 9,999 of 10,000 parts of the old window are still inside at 10,001: below three failures. */
    assert_false(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 10000));
    assert_true(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 13400));
    auth_throttle_fail(t, SLICE(""), SLICE("alice"), 13400);
    /* One, and 3 * 66%: not two more at once. */
    assert_true(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 13400));
    auth_throttle_fail(t, SLICE(""), SLICE("alice"), 13400);
    assert_false(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 13400));
    assert_true(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 40000));
    fail_times(t, SLICE(""), SLICE("alice"), 40000, 2);
    assert_true(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 40000));
    auth_throttle_free(&t);
}

static void test_time_stepping_back_forgives_nothing(void **state)
{
    struct auth_throttle *t = auth_throttle_new(&limits);

    (void)state;
    fail_times(t, SLICE(""), SLICE("alice"), 95000, 3);
    assert_false(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 1000));
    auth_throttle_fail(t, SLICE(""), SLICE("bob"), 2000);
    assert_false(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 95000));
    auth_throttle_free(&t);
}

static void test_success_clears_the_name_not_the_address(void **state)
{
    struct auth_throttle *t = auth_throttle_new(&limits);

    (void)state;
    fail_times(t, SLICE("192.0.2.1"), SLICE("alice"), 1000, 3);
    auth_throttle_success(t, SLICE("Alice"));
    assert_true(auth_throttle_ok(t, SLICE("192.0.2.1"), SLICE("alice"), 1000));
    fail_times(t, SLICE("192.0.2.1"), SLICE("alice"), 1000, 2);
    auth_throttle_success(t, SLICE("alice"));
    assert_true(auth_throttle_ok(t, SLICE("192.0.2.2"), SLICE("alice"), 1000));
    assert_false(auth_throttle_ok(t, SLICE("192.0.2.1"), SLICE("alice"), 1000));
    auth_throttle_free(&t);
}

static void test_ipv6_counts_by_network(void **state)
{
    struct auth_throttle *t = auth_throttle_new(&limits);
    char text[40];

    (void)state;
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "2001:db8:0:7::%x", i + 1);
        auth_throttle_fail(t, slice_str(text), SLICE(""), 1000);
    }
    assert_false(auth_throttle_ok(t, SLICE("2001:db8:0:7:ffff::1"), SLICE(""), 1000));
    assert_true(auth_throttle_ok(t, SLICE("2001:db8:0:8::1"), SLICE(""), 1000));
    auth_throttle_free(&t);
}

static void test_a_flood_of_names_does_not_push_out_a_guessed_one(void **state)
{
    struct auth_throttle *t = auth_throttle_new(&limits);
    char name[40];

    (void)state;
    fail_times(t, SLICE(""), SLICE("alice"), 1000, 3);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "nobody%d", i);
        auth_throttle_fail(t, SLICE(""), slice_str(name), 1000);
    }
    assert_false(auth_throttle_ok(t, SLICE(""), SLICE("alice"), 1000));
    auth_throttle_free(&t);
}

static void test_zero_limit_counts_nothing(void **state)
{
    const struct auth_throttle_limits none = {.window_ms = 1, .entries_max = 0};
    struct auth_throttle *t = auth_throttle_new(&none);

    (void)state;
    fail_times(t, SLICE("192.0.2.1"), SLICE("alice"), 1000, 1000);
    assert_true(auth_throttle_ok(t, SLICE("192.0.2.1"), SLICE("alice"), 1000));
    auth_throttle_free(&t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_so_many_failures_and_no_more),
        cmocka_unit_test(test_window_slides),
        cmocka_unit_test(test_time_stepping_back_forgives_nothing),
        cmocka_unit_test(test_success_clears_the_name_not_the_address),
        cmocka_unit_test(test_ipv6_counts_by_network),
        cmocka_unit_test(test_a_flood_of_names_does_not_push_out_a_guessed_one),
        cmocka_unit_test(test_zero_limit_counts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
