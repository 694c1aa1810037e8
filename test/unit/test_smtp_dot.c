#include "t.h"

#include "base/buf.h"
#include "smtp/smtp_dot.h"

static void keep(void *ctx, struct slice text)
{
    buf_put(ctx, text);
}

static void test_text_is_unstuffed_up_to_the_dot(void **state)
{
    static const struct {
        const char *in;
        const char *text;
        const char *rest;
    } rows[] = {
        {".\r\n", "", ""},
        {"\r\n.\r\n", "\r\n", ""},
        {"a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"},
        {"..\r\n.\r\n", ".\r\n", ""},
        {"...\r\n.a\r\na.\r\n.\r\n.\r\n", "..\r\na\r\na.\r\n", ".\r\n"},
        {"a\n\nb\r\n.\r\n", "a\r\n\r\nb\r\n", ""},
        {"..\n.\n..\r\n.\r\n", NULL, ""},
        {"a\rb\r\n.\r\n", "a\rb\r\n", ""},
        {". \r\n.\r\n", " \r\n", ""},
        {"a\r\r\n\r\n.\r\n", "a\r\r\n\r\n", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(MIB);
        struct smtp_dot dot = {0};

        T_ROW(i, rows[i].in);
        size_t used = smtp_dot_feed(&dot, slice_str(rows[i].in), keep, &out);
        assert_int_equal(dot.smuggling, rows[i].text == NULL);
        if (rows[i].text == NULL)
            continue;
        assert_true(dot.ended);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].text));
        T_EQ_SLICE(slice_sub(slice_str(rows[i].in), used, SIZE_MAX), slice_str(rows[i].rest));
    }
}

/* What some server or other takes for the end of a message. */
static const char *const smuggling[] = {
    "\n.\n",    "\n.\r\n",     "\r\n.\n",   "\r.\r",    "\r\n.\r",   "\r.\r\n",     "\r.\n",
    "\n.\r",    "\r\n.\r\r\n", "\n.\r\r\n", "\n\n.\n",  "\n\r.\n",   "\r\n\r.\r\n", "\r\r.\r",
    "\r\n.\r.", "\n\r\n.\n",   "\r\r\n.\n", "\n.\r.\r", "\r.\r\r\n",
};

static void test_every_smuggling_form_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(smuggling); i++) {
        AUTO(buf) struct buf in = BUF(KIB);
        AUTO(buf) struct buf out = BUF(MIB);
        struct smtp_dot dot = {0};

        printf("# row %zu\n", i);
        buf_putf(&in, "one%sMAIL FROM:<x@y>\r\n.\r\n", smuggling[i]);
        size_t used = smtp_dot_feed(&dot, buf_slice(&in), keep, &out);
        assert_true(dot.smuggling);
        assert_true(used <= in.len);
    }
}

static void test_the_first_line_may_be_the_form(void **state)
{
    static const char *const rows[] = {".\n", ".\rMAIL\r\n.\r\n", ".\r\r\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(MIB);
        struct smtp_dot dot = {0};

        assert_int_equal(smtp_dot_feed(&dot, slice_str(rows[i]), keep, &out) > 0, true);
        assert_true(dot.smuggling);
    }
}

static void test_a_line_without_end_holds_nothing_back(void **state)
{
    AUTO(buf) struct buf in = BUF(2 * MIB);
    AUTO(buf) struct buf out = BUF(2 * MIB);
    struct smtp_dot dot = {0};

    (void)state;
    for (size_t i = 0; i < MIB; i++)
        buf_put(&in, SLICE("x"));
    assert_int_equal(smtp_dot_feed(&dot, buf_slice(&in), keep, &out), in.len);
    assert_int_equal(out.len, in.len);
    assert_false(dot.ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_unstuffed_up_to_the_dot),
        cmocka_unit_test(test_every_smuggling_form_is_told),
        cmocka_unit_test(test_the_first_line_may_be_the_form),
        cmocka_unit_test(test_a_line_without_end_holds_nothing_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
