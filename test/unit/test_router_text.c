#include "t.h"

#include "base/buf.h"
#include "router/router_text.h"

static const struct {
    const char *in;
    const char *data;
    const char *bdat;
} rows[] = {
    {"", ".\r\n", ""},
    {"a\r\n", "a\r\n.\r\n", "a\r\n"},
    {"a", "a\r\n.\r\n", "a\r\n"},
    {"a\r", "a\r\n.\r\n", "a\r\n"},
    {"a\n", "a\r\n.\r\n", "a\r\n"},
    {".", "..\r\n.\r\n", ".\r\n"},
    {".\r\n..\r\na.\r\n", "..\r\n...\r\na.\r\n.\r\n", ".\r\n..\r\na.\r\n"},
    {"a\nb\rc\r\nd\r\r\ne\n\n\r", "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\n\r\n.\r\n",
     "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\n\r\n"},
    {"x\n.\ny", "x\r\n..\r\ny\r\n.\r\n", "x\r\n.\r\ny\r\n"},
    {"x\r.\ry", "x\r\n..\r\ny\r\n.\r\n", "x\r\n.\r\ny\r\n"},
    {"x\n\r.\r\n", "x\r\n\r\n..\r\n.\r\n", "x\r\n\r\n.\r\n"},
};

static void test_line_ends_are_made_whole_and_dots_doubled(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int stuff = 0; stuff < 2; stuff++) {
            AUTO(buf) struct buf out = BUF(KIB);
            struct router_text text = {.stuff = stuff == 1};

            T_ROW(i, rows[i].in);
            assert_int_equal(router_text_feed(&text, slice_str(rows[i].in), &out), ST_OK);
            assert_int_equal(router_text_end(&text, &out), ST_OK);
            T_EQ_SLICE(buf_slice(&out), slice_str(stuff == 1 ? rows[i].data : rows[i].bdat));
        }
}

static void test_a_nul_passes(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);
    struct router_text text = {.stuff = true};

    (void)state;
    assert_int_equal(router_text_feed(&text, SLICE("a\0\xff\r\n"), &out), ST_OK);
    T_EQ_SLICE(buf_slice(&out), SLICE("a\0\xff\r\n"));
}

static void test_a_ceiling_is_told(void **state)
{
    AUTO(buf) struct buf out = BUF(4);
    struct router_text text = {.stuff = true};

    (void)state;
    assert_int_equal(router_text_feed(&text, SLICE("abcdef"), &out), ST_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_ends_are_made_whole_and_dots_doubled),
        cmocka_unit_test(test_a_nul_passes),
        cmocka_unit_test(test_a_ceiling_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
