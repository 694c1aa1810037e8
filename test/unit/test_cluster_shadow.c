#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "cluster/cluster_rcpts.h"
#include "cluster/cluster_shadow_step.h"

static void test_only_what_a_dead_server_left_is_taken_over(void **state)
{
    static const struct {
        const char *what;
        struct cluster_owner_look owner;
        bool takes;
    } cases[] = {
        {"down for long enough", {1000, true, HEALTH_DOWN, 1000, false, 1}, true},
        {"a moment too early", {1000, true, HEALTH_DOWN, 999, false, 1}, false},
        {"its copies came only just now", {999, true, HEALTH_DOWN, 1000, false, 1}, false},
        {"it brings copies", {0, true, HEALTH_DOWN, 5000, false, 1}, false},
        {"suspect", {5000, true, HEALTH_SUSPECT, 5000, false, 1}, false},
        {"up without a connection for copies", {5000, true, HEALTH_UP, 5000, false, 1}, false},
        {"restricted", {5000, true, HEALTH_RESTRICTED, 5000, false, 1}, false},
        {"another server sees it", {5000, true, HEALTH_DOWN, 5000, true, 1}, false},
        {"nothing to be done", {5000, true, HEALTH_DOWN, 5000, false, 0}, false},
        {"of the domain no more", {5000, false, HEALTH_UP, 0, false, 1}, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        T_ROW(i, cases[i].what);
        assert_int_equal(cluster_shadow_takes(&cases[i].owner, 1000), cases[i].takes);
    }
}

static void test_settling_leaves_each_message_with_one_server(void **state)
{
    (void)state;
    assert_int_equal(cluster_shadow_settle(false, true, false), CLUSTER_SETTLE_KEEP);
    assert_int_equal(cluster_shadow_settle(false, false, false), CLUSTER_SETTLE_DROP);
    assert_int_equal(cluster_shadow_settle(true, true, false), CLUSTER_SETTLE_GIVE_UP);
    assert_int_equal(cluster_shadow_settle(true, false, false), CLUSTER_SETTLE_DROP);
    assert_int_equal(cluster_shadow_settle(false, false, true), CLUSTER_SETTLE_KEEP);
    assert_true(cluster_shadow_sure(499, 1000));
    assert_false(cluster_shadow_sure(500, 1000));
}

static void test_recipients_come_back_as_they_were(void **state)
{
    const struct store_rcpt list[] = {
        {.rcpt_no = 1,
         .address = SLICE("a@x.test"),
         .orcpt = SLICE("rfc822;a@x.test"),
         .notify = 6},
        {.rcpt_no = 7,
         .address = SLICE("b@x.test"),
         .state = STORE_RCPT_FAILED,
         .answer = SLICE("550 no")},
    };
    struct arena *arena = arena_new("test", 16 * MIB);
    AUTO(buf) struct buf out = BUF(4096);
    struct store_rcpt *got;
    size_t count;

    (void)state;
    for (size_t i = 0; i < COUNT(list); i++)
        cluster_rcpt_write(&list[i], &out);
    assert_int_equal(cluster_rcpts_read(buf_slice(&out), arena, &got, &count), ST_OK);
    assert_int_equal(count, COUNT(list));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got[i].rcpt_no, list[i].rcpt_no);
        assert_int_equal(got[i].notify, list[i].notify);
        assert_int_equal(got[i].state, list[i].state);
        T_EQ_SLICE(got[i].address, list[i].address);
        T_EQ_SLICE(got[i].orcpt, list[i].orcpt);
        T_EQ_SLICE(got[i].answer, list[i].answer);
    }
    size_t whole = 0;
    for (size_t len = 0; len < out.len; len++)
        whole +=
            cluster_rcpts_read(slice_sub(buf_slice(&out), 0, len), arena, &got, &count) == ST_OK;
    assert_int_equal(whole, 2); /* none of them, and the first alone */
    arena_free(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_a_dead_server_left_is_taken_over),
        cmocka_unit_test(test_settling_leaves_each_message_with_one_server),
        cmocka_unit_test(test_recipients_come_back_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
