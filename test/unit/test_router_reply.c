#include "t.h"

#include "base/buf.h"
#include "router/router_answer.h"

static enum st feed(struct router_reply *reply, struct slice in, size_t *used_r)
{
    router_reply_init(reply);
    return router_reply_feed(reply, in, used_r);
}

static void test_replies_are_read(void **state)
{
    static const struct {
        const char *in;
        enum st st;
        unsigned code;
        const char *enhanced;
        const char *text;
        const char *rest;
    } rows[] = {
        {"250 ok\r\n", ST_OK, 250, "", "ok", ""},
        {"250\r\n", ST_OK, 250, "", "", ""},
        {"250 \r\n250 next\r\n", ST_OK, 250, "", "", "250 next\r\n"},
        {"250 ok\n", ST_OK, 250, "", "ok", ""},
        {"250-a\r\n250-b\r\n250 c\r\n", ST_OK, 250, "", "a\nb\nc", ""},
        {"250-a\r\n250\r\n", ST_OK, 250, "", "a\n", ""},
        {"550 5.1.1 nobody\r\n", ST_OK, 550, "5.1.1", "nobody", ""},
        {"550 5.1.1\r\n", ST_OK, 550, "5.1.1", "", ""},
        {"550-5.1.1 no\r\n550 5.1.1 body\r\n", ST_OK, 550, "5.1.1", "no\nbody", ""},
        {"550-5.1.1 no\r\n550 5.7.1 body\r\n", ST_OK, 550, "5.1.1", "no\n5.7.1 body", ""},
        {"550 5.123.999 far\r\n", ST_OK, 550, "5.123.999", "far", ""},
        {"550 5.1234.1 far\r\n", ST_OK, 550, "", "5.1234.1 far", ""},
        {"450 5.1.1 contradiction\r\n", ST_OK, 450, "", "5.1.1 contradiction", ""},
        {"354 3.1.1 go\r\n", ST_OK, 354, "", "3.1.1 go", ""},
        {"250 2.0 short\r\n", ST_OK, 250, "", "2.0 short", ""},
        {"250 2.0.0beta\r\n", ST_OK, 250, "", "2.0.0beta", ""},
        {"250 a\tb\x01\x7f\xc3\xa4\xff\xc2\x85\r\n", ST_OK, 250, "", "a b??\xc3\xa4???", ""},
        {"250 \xe2\x82\xac \xed\xa0\x80 \xf0\x9f\x93\xa8 \xe2\x82\r\n", ST_OK, 250, "",
         "\xe2\x82\xac ??? \xf0\x9f\x93\xa8 ??", ""},
        {"", ST_AGAIN, 0, "", "", ""},
        {"250 ok", ST_AGAIN, 0, "", "", ""},
        {"250-ok\r\n", ST_AGAIN, 250, "", "ok", ""},
        {"25", ST_AGAIN, 0, "", "", ""},
        {"25\r\n", ST_INVALID, 0, "", "", NULL},
        {"\r\n", ST_INVALID, 0, "", "", NULL},
        {"150 ok\r\n", ST_INVALID, 0, "", "", NULL},
        {"650 ok\r\n", ST_INVALID, 0, "", "", NULL},
        {"2x0 ok\r\n", ST_INVALID, 0, "", "", NULL},
        {"250_ok\r\n", ST_INVALID, 0, "", "", NULL},
        {"2500 ok\r\n", ST_INVALID, 0, "", "", NULL},
        {"250-a\r\n550 b\r\n", ST_INVALID, 250, "", "a", NULL},
        {"SSH-2.0-OpenSSH\r\n", ST_INVALID, 0, "", "", NULL},
    };
    static struct router_reply reply;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice in = slice_str(rows[i].in);
        size_t used;

        T_ROW(i, rows[i].in);
        assert_int_equal(feed(&reply, in, &used), rows[i].st);
        assert_int_equal(reply.code, rows[i].code);
        assert_string_equal(reply.enhanced, rows[i].enhanced);
        T_EQ_SLICE(router_reply_text(&reply), slice_str(rows[i].text));
        if (rows[i].rest != NULL)
            T_EQ_SLICE(slice_sub(in, used, SIZE_MAX), slice_str(rows[i].rest));
    }
}

static void test_a_nul_is_cleaned(void **state)
{
    static struct router_reply reply;
    size_t used;

    (void)state;
    assert_int_equal(feed(&reply, SLICE("250 a\0b\r\n"), &used), ST_OK);
    T_EQ_SLICE(router_reply_text(&reply), SLICE("a?b"));
}

static void test_a_long_line_is_cut(void **state)
{
    AUTO(buf) struct buf in = BUF(MIB);
    static struct router_reply reply;
    size_t used;

    (void)state;
    buf_putf(&in, "550 5.1.1 ");
    for (size_t i = 0; i < 10000; i++)
        buf_put(&in, SLICE("x"));
    buf_put(&in, SLICE("\r\n250 next\r\n"));
    assert_int_equal(feed(&reply, buf_slice(&in), &used), ST_OK);
    assert_int_equal(reply.text_len, ROUTER_REPLY_LINE_BYTES_MAX - 10);
    assert_int_equal(in.len - used, 10);
}

static void test_replies_without_end_are_told(void **state)
{
    AUTO(buf) struct buf line = BUF(MIB);
    AUTO(buf) struct buf lines = BUF(MIB);
    static struct router_reply reply;
    size_t used;

    (void)state;
    for (size_t i = 0; i < ROUTER_REPLY_BYTES_MAX + 1; i++)
        buf_put(&line, SLICE("2"));
    assert_int_equal(feed(&reply, buf_slice(&line), &used), ST_INVALID);
    for (size_t i = 0; i < ROUTER_REPLY_LINES_MAX - 1; i++)
        buf_put(&lines, SLICE("250-more\r\n"));
    assert_int_equal(feed(&reply, buf_slice(&lines), &used), ST_AGAIN);
    buf_put(&lines, SLICE("250-more\r\n"));
    assert_int_equal(feed(&reply, buf_slice(&lines), &used), ST_INVALID);
}

static void test_an_answer_is_one_line_and_holds_no_half_characters(void **state)
{
    AUTO(buf) struct buf in = BUF(MIB);
    static struct router_reply reply;
    struct router_answer answer;
    size_t used;

    (void)state;
    buf_putf(&in, "550-5.1.1 a\r\n550 5.1.1 ");
    for (size_t i = 0; i < 500; i++)
        buf_put(&in, SLICE("\xc3\xa4"));
    buf_put(&in, SLICE("\r\n"));
    assert_int_equal(feed(&reply, buf_slice(&in), &used), ST_OK);
    router_answer_take(&answer, ROUTER_ANSWERED, ROUTER_STAGE_RCPT, &reply);
    assert_int_equal(answer.code, 550);
    assert_string_equal(answer.enhanced, "5.1.1");
    assert_int_equal(strlen(answer.text), 510); /* "a " and 254 of two bytes: 511 would be a half */
    assert_int_equal(strncmp(answer.text, "a \xc3\xa4", 4), 0);
    assert_true(router_answer_permanent(&answer) && !router_answer_positive(&answer));
}

static void test_what_is_permanent(void **state)
{
    static const struct {
        struct router_answer answer;
        bool positive, permanent;
    } rows[] = {
        {{ROUTER_ANSWERED, ROUTER_STAGE_END, 250, "", ""}, true, false},
        {{ROUTER_ANSWERED, ROUTER_STAGE_END, 451, "", ""}, false, false},
        {{ROUTER_ANSWERED, ROUTER_STAGE_END, 552, "", ""}, false, true},
        {{ROUTER_ANSWERED, ROUTER_STAGE_RCPT, 552, "", ""}, false, false}, /* an old 452 */
        {{ROUTER_ANSWERED, ROUTER_STAGE_RCPT, 552, "5.2.2", ""}, false, true},
        {{ROUTER_NO_FEATURE, ROUTER_STAGE_MAIL, 554, "5.6.3", ""}, false, true},
        {{ROUTER_NO_TLS, ROUTER_STAGE_STARTTLS, 554, "", ""}, false, false},
        {{ROUTER_CUT, ROUTER_STAGE_END, 0, "", ""}, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].answer.enhanced);
        assert_int_equal(router_answer_positive(&rows[i].answer), rows[i].positive);
        assert_int_equal(router_answer_permanent(&rows[i].answer), rows[i].permanent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_are_read),
        cmocka_unit_test(test_a_nul_is_cleaned),
        cmocka_unit_test(test_a_long_line_is_cut),
        cmocka_unit_test(test_replies_without_end_are_told),
        cmocka_unit_test(test_an_answer_is_one_line_and_holds_no_half_characters),
        cmocka_unit_test(test_what_is_permanent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
