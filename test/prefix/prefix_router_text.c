#include "t.h"

#include "base/buf.h"
#include "router/router_text.h"

static const char *const samples[] = {
    "",   ".",        "a\r\n.\r\nb\r\n", "a\n.\nb",    "a\r.\rb\r",
    "\r", "\r\n\r\n", "\r\r\n\n\r.",     "..\r\n...x", "no end\r\n.\r\n.",
};

static void whole(bool stuff, struct slice all, struct buf *out)
{
    struct router_text text = {.stuff = stuff};

    assert_int_equal(router_text_feed(&text, all, out), ST_OK);
    assert_int_equal(router_text_end(&text, out), ST_OK);
}

static void cut_in_two(bool stuff, struct slice all, size_t cut, struct buf *out)
{
    struct router_text text = {.stuff = stuff};

    assert_int_equal(router_text_feed(&text, slice_sub(all, 0, cut), out), ST_OK);
    assert_int_equal(router_text_feed(&text, slice_sub(all, cut, SIZE_MAX), out), ST_OK);
    assert_int_equal(router_text_end(&text, out), ST_OK);
}

static void byte_by_byte(bool stuff, struct slice all, struct buf *out)
{
    struct router_text text = {.stuff = stuff};

    for (size_t i = 0; i < all.len; i++)
        assert_int_equal(router_text_feed(&text, slice_sub(all, i, 1), out), ST_OK);
    assert_int_equal(router_text_end(&text, out), ST_OK);
}

static void test_the_text_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(samples); i++) {
        struct slice all = slice_str(samples[i / 2]);
        AUTO(buf) struct buf want = BUF(KIB);
        AUTO(buf) struct buf got = BUF(KIB);

        T_ROW(i, samples[i / 2]);
        whole(i % 2 == 0, all, &want);
        for (size_t cut = 0; cut <= all.len; cut++) {
            cut_in_two(i % 2 == 0, all, cut, &got);
            T_EQ_SLICE(buf_slice(&got), buf_slice(&want));
            buf_clear(&got);
        }
        byte_by_byte(i % 2 == 0, all, &got);
        T_EQ_SLICE(buf_slice(&got), buf_slice(&want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_is_the_same_however_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
