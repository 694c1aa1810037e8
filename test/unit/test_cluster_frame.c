#include "t.h"

#include "base/buf.h"
#include "cluster/cluster_frame.h"

/* One of each type. */
static const struct cluster_frame samples[] = {
    {CLUSTER_HELLO, .hello = {1, 2, 3, 4, 5, 1, {"a.test", 6}, {"0.1", 3}}},
    {CLUSTER_PING, .ping = {UINT64_MAX, 1}},
    {CLUSTER_PONG, .pong = {7, 2, 100, 50, 1, 9}},
    {CLUSTER_DOCUMENT, .document = {5,
                                    1700000000000,
                                    1600000000000,
                                    0,
                                    {"group", 5},
                                    {"sales", 5},
                                    {"a.test", 6},
                                    {"", 0},
                                    {"b.test", 6},
                                    {"member = alice\n", 15}}},
    {CLUSTER_SEEN, .seen = {5}},
    {CLUSTER_VIEW, .view = {{"b.test up 5 100\n", 16}}},
    {CLUSTER_RENEW, .renew = {{"PEM", 3}}},
    {CLUSTER_JOIN,
     .join = {1, {"0123", 4}, {"0123456789abcdef0123456789abcdef", 32}, {"c.test", 6}, {"PEM", 3}}},
    {CLUSTER_MEMBER, .member = {{"PEM", 3}}},
    {CLUSTER_REFUSED, .refused = {{"", 0}}},
    {CLUSTER_COPIES, .copies = {1}},
    {CLUSTER_HELD, .held = {1, {"0123456789abcdef0123456789abcdef held\n", 38}}},
    {CLUSTER_COPY, .copy = {3,
                            12,
                            1,
                            1700000000000,
                            7,
                            1,
                            {"0123456789abcdef0123456789abcdef", 32},
                            {"", 0},
                            {"", 0},
                            {"<1@a.test>", 10},
                            {"smtp", 4},
                            {"0123456789abcdef0123456789abcdef", 32}}},
    {CLUSTER_DATA, .data = {CLUSTER_PART_CHUNK, {"packed", 6}}},
    {CLUSTER_DONE, .done = {{"0123456789abcdef0123456789abcdef 0\n", 35}}},
    {CLUSTER_SAVE, .save = {5}},
    {CLUSTER_SAVED, .saved = {5, 1, {"", 0}}},
    {CLUSTER_FROM, .from = {5}},
    {CLUSTER_ASK, .ask = {1, 5000, {"who is free?", 12}}},
    {CLUSTER_ANSWER, .answer = {1, {"nobody", 6}}},
    {CLUSTER_ANSWERED, .answered = {1, 0, {"busy", 4}}},
};
static_assert(COUNT(samples) == CLUSTER_TYPE_MAX - 1, "one of each type");

static void test_each_type_comes_back_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        AUTO(buf) struct buf out = BUF(CLUSTER_FRAME_BYTES_MAX);
        AUTO(buf) struct buf again = BUF(CLUSTER_FRAME_BYTES_MAX);
        struct cluster_frame frame;
        size_t used;

        T_ROW(i, cluster_type_name(samples[i].type));
        assert_int_equal(cluster_frame_write(&samples[i], &out), ST_OK);
        assert_int_equal(
            cluster_frame_read(buf_slice(&out), CLUSTER_FRAME_BYTES_MAX, &frame, &used), ST_OK);
        assert_int_equal(used, out.len);
        assert_int_equal(frame.type, samples[i].type);
        assert_int_equal(cluster_frame_write(&frame, &again), ST_OK);
        T_EQ_SLICE(buf_slice(&again), buf_slice(&out));
    }
}

static void test_a_frame_is_waited_for_at_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        AUTO(buf) struct buf out = BUF(CLUSTER_FRAME_BYTES_MAX);
        struct cluster_frame frame;
        size_t used;

        assert_int_equal(cluster_frame_write(&samples[i], &out), ST_OK);
        for (size_t len = 0; len < out.len; len++) {
            assert_int_equal(cluster_frame_read(slice_sub(buf_slice(&out), 0, len),
                                                CLUSTER_FRAME_BYTES_MAX, &frame, &used),
                             ST_AGAIN);
            assert_int_equal(used, 0);
        }
    }
}

static void test_what_is_no_frame_is_refused(void **state)
{
    const struct {
        const char *what;
        struct slice bytes;
        enum st want;
    } cases[] = {
        {"too long, told by the length alone", SLICE("\xff\xff\xff\xff"), ST_TOO_BIG},
        {"empty", SLICE("\0\0\0\0"), ST_INVALID},
        {"type 0", SLICE("\0\0\0\1\0"), ST_INVALID},
        {"a type that is not known, before it is all there", SLICE("\0\0\1\0\x16"), ST_INVALID},
        {"a number cut short", SLICE("\0\0\0\5\5\0\0\0\0"), ST_INVALID},
        {"something behind the last field", SLICE("\0\0\0\x0a\5\0\0\0\0\0\0\0\1\0"), ST_INVALID},
        {"a number over its limit", SLICE("\0\0\0\x09\5\xff\0\0\0\0\0\0\0"), ST_INVALID},
        {"a flag that is 2", SLICE("\0\0\0\x11\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"), ST_INVALID},
        {"a text longer than the frame", SLICE("\0\0\0\6\x0a\0\0\0\2x"), ST_INVALID},
        {"a text over its limit", SLICE("\0\0\0\5\x0a\0\0\x04\1"), ST_INVALID},
        {"a text that must not be empty", SLICE("\0\0\0\5\7\0\0\0\0"), ST_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cluster_frame frame;
        size_t used;

        T_ROW(i, cases[i].what);
        assert_int_equal(cluster_frame_read(cases[i].bytes, CLUSTER_FRAME_BYTES_MAX, &frame, &used),
                         cases[i].want);
        assert_int_equal(used, 0);
    }
}

static void test_nothing_over_a_limit_is_written(void **state)
{
    AUTO(buf) struct buf out = BUF(20);
    struct cluster_frame frame = samples[CLUSTER_HELLO - 1];

    (void)state;
    assert_int_equal(cluster_frame_write(&frame, &out), ST_TOO_BIG);
    frame = samples[CLUSTER_PONG - 1];
    frame.pong.index = 101;
    assert_int_equal(cluster_frame_write(&frame, &out), ST_TOO_BIG);
    frame = samples[CLUSTER_RENEW - 1];
    frame.renew.request.len = 0;
    assert_int_equal(cluster_frame_write(&frame, &out), ST_TOO_BIG);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_comes_back_as_it_was),
        cmocka_unit_test(test_a_frame_is_waited_for_at_every_cut),
        cmocka_unit_test(test_what_is_no_frame_is_refused),
        cmocka_unit_test(test_nothing_over_a_limit_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
