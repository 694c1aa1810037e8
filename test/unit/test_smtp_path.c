#include "t.h"

#include "base/arena.h"
#include "smtp/smtp_path.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new("test", 64 * MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void test_paths_are_taken_apart(void **state)
{
    static const struct {
        const char *in;
        const char *text, *local, *domain, *rest;
        bool utf8;
    } rows[] = {
        {"<a@b.example>", "a@b.example", "a", "b.example", "", false},
        {"  <a@b> SIZE=1", "a@b", "a", "b", " SIZE=1", false},
        {"<a.b+c@d>", "a.b+c@d", "a.b+c", "d", "", false},
        {"<!#$%&'*+-/=?^_`{|}~@d>", "!#$%&'*+-/=?^_`{|}~@d", "!#$%&'*+-/=?^_`{|}~", "d", "", false},
        {"<\"a b\"@d>", "\"a b\"@d", "a b", "d", "", false},
        {"<\"a\\\"\\\\b\"@d>", "\"a\\\"\\\\b\"@d", "a\"\\b", "d", "", false},
        {"<\"\"@d>", "\"\"@d", "", "d", "", false},
        {"<\"@>\"@d>x", "\"@>\"@d", "@>", "d", "x", false},
        {"<@r.example,@s:a@d>", "a@d", "a", "d", "", false},
        {"<a@[192.0.2.1]>", "a@[192.0.2.1]", "a", "[192.0.2.1]", "", false},
        {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]", "", false},
        {"<postmaster>", "postmaster", "postmaster", "", "", false},
        {"<a@b_c.d-e>", "a@b_c.d-e", "a", "b_c.d-e", "", false},
        {"<" X64 "@d>", X64 "@d", X64, "d", "", false},
        {"<gr\xc3\xbcn@b\xc3\xbc.example>", "gr\xc3\xbcn@b\xc3\xbc.example", "gr\xc3\xbcn",
         "b\xc3\xbc.example", "", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = slice_str(rows[i].in);
        struct smtp_path path;

        T_ROW(i, rows[i].in);
        assert_int_equal(smtp_path_parse(arena, &rest, rows[i].utf8, &path), ST_OK);
        assert_false(path.null);
        T_EQ_SLICE(path.text, slice_str(rows[i].text));
        T_EQ_SLICE(path.local, slice_str(rows[i].local));
        T_EQ_SLICE(path.domain, slice_str(rows[i].domain));
        T_EQ_SLICE(rest, slice_str(rows[i].rest));
    }
}

static void test_the_null_path_is_known(void **state)
{
    struct slice rest = SLICE("<> BODY=7BIT");
    struct smtp_path path;

    (void)state;
    assert_int_equal(smtp_path_parse(arena, &rest, false, &path), ST_OK);
    assert_true(path.null);
    T_EQ_SLICE(path.text, SLICE(""));
    T_EQ_SLICE(rest, SLICE(" BODY=7BIT"));
}

static void test_what_is_no_path_is_refused(void **state)
{
    static const struct {
        const char *in;
        enum st st;
    } rows[] = {
        {"", ST_INVALID},
        {"<", ST_INVALID},
        {"a@b", ST_INVALID},
        {"<a@b", ST_INVALID},
        {"<a@b >", ST_INVALID},
        {"<a@>", ST_INVALID},
        {"<@b>", ST_INVALID},
        {"<@b:>", ST_INVALID},
        {"<@b a@c>", ST_INVALID},
        {"<.a@b>", ST_INVALID},
        {"<a.@b>", ST_INVALID},
        {"<a..b@c>", ST_INVALID},
        {"<a b@c>", ST_INVALID},
        {"<a@b..c>", ST_INVALID},
        {"<a@b.>", ST_INVALID},
        {"<a@b->", ST_INVALID},
        {"<a@-b>", ST_INVALID},
        {"<a@b-.c>", ST_INVALID},
        {"<a@[>", ST_INVALID},
        {"<a@[]>", ST_INVALID},
        {"<a@[1;2]>", ST_INVALID},
        {"<\"a@b>", ST_INVALID},
        {"<\"a\\", ST_INVALID},
        {"<\"a\x01\"@b>", ST_INVALID},
        {"<\"a\\\r\"@b>", ST_INVALID},
        {"<\"a\"b@c>", ST_INVALID},
        {"<gr\xc3\xbcn@b>", ST_INVALID},
        {"<a@b\xc3\xbc>", ST_INVALID},
        {"<" X64 "x@b>", ST_TOO_BIG},
        {"<a@" L63 "." L63 "." L63 "." L63 "." L63 ">", ST_TOO_BIG},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = slice_str(rows[i].in);
        struct smtp_path path;

        T_ROW(i, rows[i].in);
        assert_int_equal(smtp_path_parse(arena, &rest, false, &path), rows[i].st);
    }
}

static void test_a_zero_byte_is_in_no_address(void **state)
{
    static const struct slice rows[] = {
        {"<a\0b@c>", 7}, {"<a@b\0c>", 7}, {"<a@[1\0]>", 8}, {"<@a\0b:c@d>", 10}, {"<\"\0\"@d>", 7},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = rows[i];
        struct smtp_path path;

        T_ROW(i, rows[i].ptr);
        assert_int_equal(smtp_path_parse(arena, &rest, true, &path), ST_INVALID);
    }
}

static void test_parameters_come_one_by_one(void **state)
{
    struct slice rest = SLICE(" SIZE=100  BODY=8BITMIME SMTPUTF8 ");
    struct slice keyword;
    struct slice value;

    (void)state;
    assert_int_equal(smtp_param_next(&rest, &keyword, &value), ST_OK);
    T_EQ_SLICE(keyword, SLICE("SIZE"));
    T_EQ_SLICE(value, SLICE("100"));
    assert_int_equal(smtp_param_next(&rest, &keyword, &value), ST_OK);
    T_EQ_SLICE(keyword, SLICE("BODY"));
    T_EQ_SLICE(value, SLICE("8BITMIME"));
    assert_int_equal(smtp_param_next(&rest, &keyword, &value), ST_OK);
    T_EQ_SLICE(keyword, SLICE("SMTPUTF8"));
    T_EQ_SLICE(value, SLICE(""));
    assert_int_equal(smtp_param_next(&rest, &keyword, &value), ST_NOT_FOUND);
}

static void test_bad_parameters_are_refused(void **state)
{
    static const char *const rows[] = {"x", "SIZE=1", " =1", " SIZE=", " ="};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = slice_str(rows[i]);
        struct slice keyword;
        struct slice value;

        T_ROW(i, rows[i]);
        assert_int_equal(smtp_param_next(&rest, &keyword, &value), ST_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_are_taken_apart),
        cmocka_unit_test(test_the_null_path_is_known),
        cmocka_unit_test(test_what_is_no_path_is_refused),
        cmocka_unit_test(test_a_zero_byte_is_in_no_address),
        cmocka_unit_test(test_parameters_come_one_by_one),
        cmocka_unit_test(test_bad_parameters_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
