#include "t.h"

#include "base/buf.h"
#include "mime/mime_xtext.h"

static void test_xtext_goes_there_and_back(void **state)
{
    static const struct {
        struct slice plain;
        const char *coded;
    } rows[] = {
        {{"", 0}, ""},
        {{"bob@example.net", 15}, "bob@example.net"},
        {{"a+b=c d", 7}, "a+2Bb+3Dc+20d"},
        {{"\r\n\t\x7f", 4}, "+0D+0A+09+7F"},
        {{"\0x", 2}, "+00x"},
        {{"\xc3\xbc", 2}, "+C3+BC"},
        {{"!~\\\"<>", 6}, "!~\\\"<>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(1000);

        T_ROW(i, rows[i].coded);
        mime_xtext_encode(rows[i].plain, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].coded));
        buf_clear(&out);
        assert_int_equal(mime_xtext_decode(slice_str(rows[i].coded), &out), ST_OK);
        T_EQ_SLICE(buf_slice(&out), rows[i].plain);
    }
}

static void test_what_is_no_xtext_is_refused(void **state)
{
    static const char *const rows[] = {"+",   "a+",   "+4",   "+4g",      "+g4",    "a b",
                                       "a=b", "\x01", "\x7f", "\xc3\xbc", "a\r\nb", "++2B"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(1000);

        T_ROW(i, rows[i]);
        assert_int_equal(mime_xtext_decode(slice_str(rows[i]), &out), ST_INVALID);
    }
}

static void test_addresses_beyond_ascii_are_read(void **state)
{
    static const struct {
        const char *plain;
        const char *coded;
    } rows[] = {
        {"bob@example.net", "bob@example.net"},
        {"gr\xc3\xbcn@b\xc3\xbc.example", "gr\\x{FC}n@b\\x{FC}.example"},
        {"\xe2\x82\xac", "\\x{20AC}"},
        {"\xf0\x9f\x90\x8e", "\\x{1F40E}"},
        {"\xf4\x8f\xbf\xbf", "\\x{10FFFF}"},
        {"a b+c=d\\e", "a\\x{20}b\\x{2B}c\\x{3D}d\\x{5C}e"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(1000);

        T_ROW(i, rows[i].coded);
        for (int wide = 0; wide < 2; wide++) {
            buf_clear(&out);
            assert_int_equal(mime_xtext_decode_utf8(slice_str(rows[i].coded), wide, &out), ST_OK);
            T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].plain));
        }
    }
}

static void test_bad_forms_beyond_ascii_are_refused(void **state)
{
    static const struct {
        const char *in;
        bool wide; /* refused even where UTF-8 may stand */
    } rows[] = {
        {"gr\xc3\xbcn", false},  {"a+b", true},       {"a=b", true},
        {"a b", true},           {"\\", true},        {"\\x", true},
        {"\\x{}", true},         {"\\x{F}", true},    {"\\x{FC", true},
        {"\\x{G0}", true},       {"\\x{D800}", true}, {"\\x{110000}", true},
        {"\\x{0010FFFF}", true}, {"\xc3", true},      {"\xff", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(1000);

        T_ROW(i, rows[i].in);
        assert_int_equal(mime_xtext_decode_utf8(slice_str(rows[i].in), false, &out), ST_INVALID);
        assert_int_equal(mime_xtext_decode_utf8(slice_str(rows[i].in), true, &out),
                         rows[i].wide ? ST_INVALID : ST_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xtext_goes_there_and_back),
        cmocka_unit_test(test_what_is_no_xtext_is_refused),
        cmocka_unit_test(test_addresses_beyond_ascii_are_read),
        cmocka_unit_test(test_bad_forms_beyond_ascii_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
