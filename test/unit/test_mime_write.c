#include "t.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "mime/mime_decode.h"
#include "mime/mime_write.h"

static void test_cleaned_text_is_one_line(void **state)
{
    static const struct {
        struct slice in;
        size_t max;
        bool utf8;
        const char *out;
    } rows[] = {
        {{"plain", 5}, 100, false, "plain"},
        {{"a\r\nb\tc\0d\x7f", 9}, 100, true, "a  b c d "},
        {{"gr\xc3\xbcn", 5}, 100, true, "gr\xc3\xbcn"},
        {{"gr\xc3\xbcn", 5}, 100, false, "gr?n"},
        {{"a\xff\xc3", 3}, 100, true, "a??"},
        {{"\xe2\x80\xaexe\xc2\x85", 7}, 100, true, " xe "},
        {{"abcdef", 6}, 4, true, "abcd..."},
        {{"abc\xc3\xbc", 5}, 4, true, "abc..."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(1000);

        T_ROW(i, rows[i].out);
        mime_write_clean(rows[i].in, rows[i].max, rows[i].utf8, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out));
    }
}

#define W60 "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"

static void test_fields_are_folded_at_blanks(void **state)
{
    static const struct {
        const char *value;
        const char *field;
    } rows[] = {
        {"", "X:\r\n"},
        {"  a   b ", "X: a b\r\n"},
        {"a\r\n\r\nb", "X: a b\r\n"},
        {"a " W60 " " W60, "X: a " W60 "\r\n " W60 "\r\n"},
        {W60 W60, "X: " W60 W60 "\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(1000);

        T_ROW(i, rows[i].value);
        mime_write_field("X", slice_str(rows[i].value), true, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].field));
    }
}

static void test_a_word_that_is_too_long_is_cut(void **state)
{
    AUTO(buf) struct buf word = BUF(10000);
    AUTO(buf) struct buf out = BUF(20000);
    struct slice line;

    (void)state;
    for (int i = 0; i < 2500; i++)
        buf_put(&word, SLICE("\xc3\xbc"));
    mime_write_field("X", buf_slice(&word), true, &out);
    struct slice rest = buf_slice(&out);
    while (slice_split(&rest, '\n', &line)) {
        assert_true(line.len <= MIME_WRITE_LINE_MAX + 1);
        assert_true(utf8_valid(line));
    }
}

static void test_quoted_printable_lines_are_short(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"a=b\r\n", "a=3Db\r\n"},
        {"gr\xc3\xbcn\r\n", "gr=C3=BCn\r\n"},
        {"end \r\n", "end=20\r\n"},
        {"end ", "end=20"},
        {W60 "wwwwwwwwwwwwwww\xc3\xbc", W60 "wwwwwwwwwwwwwww=\r\n=C3=BC"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(1000);

        T_ROW(i, rows[i].in);
        mime_write_quoted_printable(slice_str(rows[i].in), &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out));
    }
}

static void test_encoded_words_hold_whole_characters(void **state)
{
    AUTO(buf) struct buf text = BUF(10000);
    AUTO(buf) struct buf out = BUF(20000);
    AUTO(buf) struct buf back = BUF(20000);
    struct slice word;

    (void)state;
    for (int i = 0; i < 100; i++)
        buf_put(&text, i % 7 == 0 ? SLICE("x ") : SLICE("\xe2\x82\xac"));
    mime_write_words(buf_slice(&text), &out);
    mime_words_decode(buf_slice(&out), &back);
    T_EQ_SLICE(buf_slice(&back), buf_slice(&text));
    struct slice rest = buf_slice(&out);
    while (slice_split(&rest, ' ', &word)) {
        AUTO(buf) struct buf part = BUF(1000);

        assert_true(word.len <= 75);
        mime_words_decode(word, &part);
        assert_true(utf8_valid(buf_slice(&part)));
        assert_int_equal(slice_find_slice(buf_slice(&part), SLICE("\xef\xbf\xbd")), SIZE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cleaned_text_is_one_line),
        cmocka_unit_test(test_fields_are_folded_at_blanks),
        cmocka_unit_test(test_a_word_that_is_too_long_is_cut),
        cmocka_unit_test(test_quoted_printable_lines_are_short),
        cmocka_unit_test(test_encoded_words_hold_whole_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
