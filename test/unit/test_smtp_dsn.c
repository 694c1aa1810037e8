#include "t.h"

#include "smtp/smtp_dsn.h"

#define X100 \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"
#define X500 X100 X100 X100 X100 X100

static void test_parameters_of_mail(void **state)
{
    static const struct {
        const char *keyword, *value;
        enum st st;
        struct smtp_dsn_mail want;
    } rows[] = {
        {"RET", "FULL", ST_OK, {.ret = ROUTER_RET_FULL}},
        {"ret", "hdrs", ST_OK, {.ret = ROUTER_RET_HDRS}},
        {"RET", "", ST_INVALID, {0}},
        {"RET", "FULLY", ST_INVALID, {0}},
        {"ENVID", "QQ+20x", ST_OK, {.envid = {"QQ+20x", 6}}},
        {"ENVID", X100, ST_OK, {.envid = {X100, 100}}},
        {"ENVID", X100 "x", ST_INVALID, {0}},
        {"ENVID", "a+00", ST_INVALID, {0}},
        {"ENVID", "a+0A", ST_INVALID, {0}},
        {"ENVID", "a+C3+BC", ST_INVALID, {0}},
        {"ENVID", "", ST_INVALID, {0}},
        {"MT-PRIORITY", "9", ST_OK, {.prioritised = true, .priority = 9}},
        {"mt-priority", "-9", ST_OK, {.prioritised = true, .priority = -9}},
        {"MT-PRIORITY", "0", ST_OK, {.prioritised = true}},
        {"MT-PRIORITY", "-0", ST_INVALID, {0}},
        {"MT-PRIORITY", "-", ST_INVALID, {0}},
        {"MT-PRIORITY", "10", ST_INVALID, {0}},
        {"MT-PRIORITY", "05", ST_INVALID, {0}},
        {"MT-PRIORITY", "", ST_INVALID, {0}},
        {"NOTIFY", "NEVER", ST_NOT_FOUND, {0}},
        {"SIZE", "1", ST_NOT_FOUND, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct smtp_dsn_mail mail = {0};
        struct slice keyword = slice_str(rows[i].keyword);
        struct slice value = slice_str(rows[i].value);

        T_ROW(i, rows[i].value);
        assert_int_equal(smtp_dsn_mail(keyword, value, &mail), rows[i].st);
        if (rows[i].st != ST_OK)
            continue;
        assert_int_equal(mail.ret, rows[i].want.ret);
        T_EQ_SLICE(mail.envid, rows[i].want.envid);
        assert_int_equal(mail.prioritised, rows[i].want.prioritised);
        assert_int_equal(mail.priority, rows[i].want.priority);
        assert_int_equal(smtp_dsn_mail(keyword, value, &mail), ST_INVALID); /* said twice */
    }
}

static void test_parameters_of_rcpt(void **state)
{
    enum { NEVER = 1, SUCCESS = 2, FAILURE = 4, DELAY = 8 };
    static const struct {
        const char *keyword, *value;
        bool utf8;
        enum st st;
        uint8_t notify; /* 0: orcpt is to be the value */
    } rows[] = {
        {"NOTIFY", "NEVER", false, ST_OK, NEVER},
        {"notify", "success", false, ST_OK, SUCCESS},
        {"NOTIFY", "FAILURE,DELAY", false, ST_OK, FAILURE | DELAY},
        {"NOTIFY", "DELAY,SUCCESS,FAILURE", false, ST_OK, DELAY | SUCCESS | FAILURE},
        {"NOTIFY", "DELAY,DELAY", false, ST_OK, DELAY},
        {"NOTIFY", "NEVER,DELAY", false, ST_INVALID, 0},
        {"NOTIFY", "DELAY,", false, ST_INVALID, 0},
        {"NOTIFY", ",DELAY", false, ST_INVALID, 0},
        {"NOTIFY", "DELAYED", false, ST_INVALID, 0},
        {"NOTIFY", "", false, ST_INVALID, 0},
        {"ORCPT", "rfc822;a+2Bb@example.net", false, ST_OK, 0},
        {"ORCPT", "x-any;+00", false, ST_OK, 0},
        {"ORCPT", "rfc822;gr\xc3\xbcn@example.net", true, ST_INVALID, 0},
        {"ORCPT", "utf-8;gr\xc3\xbcn@example.net", true, ST_OK, 0},
        {"ORCPT", "UTF-8;gr\xc3\xbcn@example.net", false, ST_INVALID, 0},
        {"ORCPT", "utf-8;gr\\x{FC}n@example.net", false, ST_OK, 0},
        {"ORCPT", "utf-8;gr+C3+BCn@example.net", false, ST_INVALID, 0},
        {"ORCPT", "rfc822", false, ST_INVALID, 0},
        {"ORCPT", "rfc822;", false, ST_INVALID, 0},
        {"ORCPT", ";a@b", false, ST_INVALID, 0},
        {"ORCPT", "rfc 822;a@b", false, ST_INVALID, 0},
        {"ORCPT", "rfc822;" X500, false, ST_INVALID, 0},
        {"ORCPT", "", false, ST_INVALID, 0},
        {"RET", "FULL", false, ST_NOT_FOUND, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct smtp_dsn_rcpt rcpt = {0};
        struct slice keyword = slice_str(rows[i].keyword);
        struct slice value = slice_str(rows[i].value);

        T_ROW(i, rows[i].value);
        assert_int_equal(smtp_dsn_rcpt(keyword, value, rows[i].utf8, &rcpt), rows[i].st);
        if (rows[i].st != ST_OK)
            continue;
        assert_int_equal(rcpt.notify, rows[i].notify);
        T_EQ_SLICE(rcpt.orcpt, rows[i].notify != 0 ? SLICE("") : value);
        assert_int_equal(smtp_dsn_rcpt(keyword, value, rows[i].utf8, &rcpt), ST_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters_of_mail),
        cmocka_unit_test(test_parameters_of_rcpt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
