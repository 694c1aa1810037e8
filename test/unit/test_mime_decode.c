#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mime/mime_decode.h"
#include "mime/mime_keep.h"
#include "mime/mime_param.h"

static void test_transfer_encodings_at_every_split(void **state)
{
    static const struct {
        const char *encoding;
        const char *in;
        const char *out;
    } rows[] = {
        {"7bit", "a=b \r\n", "a=b \r\n"},
        {"x-unknown", "abc", "abc"},
        {"BASE64", "SGVsbG8sIHdvcmxkIQ==", "Hello, world!"},
        {"base64", "SGVs\r\nbG8s\r\n IHdv*cmxk IQ==\r\n", "Hello, world!"},
        {"base64", "SGVsbG8", "Hello"},
        {"base64", "SGVsbG8=\r\n-- \r\nfooter", "Hello"},
        {"base64", "====", ""},
        {"base64", "A", ""},
        {"quoted-printable", "J=C3=BC=", "J\xc3\xbc"},
        {"quoted-printable", "J=c3=bC", "J\xc3\xbc"},
        {"Quoted-Printable", "soft=\r\nbreak= \t\r\nagain=\nlf", "softbreakagainlf"},
        {"quoted-printable", "trailing \t \r\nblanks  \nhere ", "trailing\r\nblanks\nhere"},
        {"quoted-printable", "a b\tc", "a b\tc"},
        {"quoted-printable", "=ZZ=A=4=41==41", "=ZZ=A=4A=A"},
        {"quoted-printable", "= x=\rx", "= x=\rx"},
        {"quoted-printable", " \rx\r\n", " \rx\r\n"},
        {"quoted-printable",
         "                                                                                      "
         "        x",
         "                                                                                      "
         "        x"},
    };
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice in = slice_str(rows[i].in);

        T_ROW(i, "transfer encoding");
        for (size_t cut = 0; cut <= in.len; cut++) {
            struct mime_decoder decoder;

            buf_clear(&out);
            mime_decoder_init(&decoder, mime_encoding_find(slice_str(rows[i].encoding)));
            mime_decoder_feed(&decoder, slice_sub(in, 0, cut), &out);
            mime_decoder_feed(&decoder, slice_sub(in, cut, in.len), &out);
            mime_decoder_end(&decoder, &out);
            T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out));
        }
    }
}

static void test_charsets_at_every_split(void **state)
{
    static const struct {
        const char *charset;
        struct slice in;
        const char *out;
    } rows[] = {
        {"utf-8", {"a\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x8e", 10}, "aü€\xf0\x9f\x90\x8e"},
        {"", {"\xc3\xbc", 2}, "ü"},
        {"US-ASCII",
         {"a\xff"
          "b",
          3},
         "a\xef\xbf\xbd"
         "b"},
        {"utf-8",
         {"\xc0\x80\xed\xa0\x80", 5},
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"utf-8", {"\xe2\x82", 2}, "\xef\xbf\xbd"},
        {"iso-8859-1", {"J\xfcrgen", 6}, "Jürgen"},
        {"Windows-1252", {"\x80", 1}, "€"},
        {"iso-2022-jp", {"\x1b$B$\"\x1b(Bx", 9}, "あx"},
        {"shift_jis", {"\x82\xa0x", 3}, "あx"},
        {"utf-16le", {"a\0\x3d\xd8\x0e\xdc", 6}, "a\xf0\x9f\x90\x8e"},
        {"gb18030", {"\x81\x30\x81\x30", 4}, "\xc2\x80"},
        {"x-no-such", {"a\xfc\xfd", 3}, "a??"},
        {"utf-8//IGNORE", {"a\xfc", 2}, "a?"},
        {"../../etc/passwd", {"a\xfc", 2}, "a?"},
    };
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].charset);
        for (size_t cut = 0; cut <= rows[i].in.len; cut++) {
            struct mime_charset *charset = mime_charset_new(slice_str(rows[i].charset));

            buf_clear(&out);
            mime_charset_feed(charset, slice_sub(rows[i].in, 0, cut), &out);
            mime_charset_feed(charset, slice_sub(rows[i].in, cut, rows[i].in.len), &out);
            mime_charset_end(charset, &out);
            mime_charset_free(&charset);
            T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out));
        }
    }
}

static void test_encoded_words(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"", ""},
        {"plain text", "plain text"},
        {" folded\r\n text ", "folded text"},
        {"=?utf-8?Q?J=C3=BCrgen?=", "Jürgen"},
        {"=?ISO-8859-1?q?J=FCrgen_=3F?= X", "Jürgen ? X"},
        {"=?utf-8?B?SsO8cmdlbg==?=", "Jürgen"},
        {"=?utf-8*de?B?SsO8cmdlbg==?=", "Jürgen"},
        {"a =?utf-8?Q?b?= c", "a b c"},
        {"=?utf-8?Q?a?= \r\n =?iso-8859-1?Q?b?=", "ab"},
        {"=?utf-8?Q?a_?= =?utf-8?Q?_b?=", "a  b"},
        {"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"},
        {"=?utf-8?B?w7w=?= =?utf-8?B?w7w=?=", "üü"},
        {"(=?utf-8?Q?a?=)", "(a)"},
        {"=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"},
        {"=?utf-8?Q?a b?=", "a b"},
        {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
        {"=?utf-8?Q?a", "=?utf-8?Q?a"},
        {"=?\?Q?a?=", "=?\?Q?a?="},
        {"=?=?utf-8?Q?a?=", "=?a"},
        {"=?", "=?"},
        {"=", "="},
        {"=?utf-8?Q?\?=x", "x"},
        {"=?nonsense?Q?a=FF?=", "a?"},
        {"raw ü", "raw ü"},
    };
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, "encoded word");
        buf_clear(&out);
        mime_words_decode(slice_str(rows[i].in), &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out));
    }
}

/* "name=value" for each, with a blank between. */
static void test_parameters(void **state)
{
    static const struct {
        const char *in;
        const char *out;
        const char *x; /* what parameter x is in UTF-8 */
    } rows[] = {
        {"", "", NULL},
        {"; x=y", "x=y", "y"},
        {";x = \"a;b\" ; Y=z", "x=a;b y=z", "a;b"},
        {"; x=\"a\" y=b", "x=a y=b", "a"},
        {"; x=a b.c (comment); y=d", "x=a b.c y=d", "a b.c"},
        {"; junk; x=y", "x=y", "y"},
        {"; x", "", NULL},
        {"; =x; \"q\"; x=", "x=", ""},
        {"; x*=utf-8'en'a%C3%BCb", "x*=utf-8'en'a%C3%BCb", "aüb"},
        {"; x*=iso-8859-1''%FC", "x*=iso-8859-1''%FC", "ü"},
        {"; x*=no quotes %41", "x*=no quotes %41", "no quotes A"},
        {"; x*0=ab; x*1=\"cd\"", "x=abcd", "abcd"},
        {"; x*1=cd; x*0=ab", "x=abcd", "abcd"},
        {"; x*0*=utf-8''a%20; X*1=\"%b \"; x*2*=%C3%BC", "x*=utf-8''a%20%25b%20%C3%BC", "a %b ü"},
        {"; x*0=a; x*2=c", "x=a x*2=c", "a"},
        {"; x*12=c", "x*12=c", NULL},
        {"; x**=a", "x**=a", NULL},
        {"; x=\"=?utf-8?Q?=C3=BC?=\"", "x==?utf-8?Q?=C3=BC?=", "ü"},
        {"; x=plain; x*=utf-8''better", "x=plain x*=utf-8''better", "better"},
        {";\r\n x=\"a\r\n b\"", "x=a b", "a b"},
        {"; x=\"never closed", "x=never closed", "never closed"},
    };
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new("test", MIB);
        struct mime_keep keep = {arena, 64 * KIB};
        struct mime_param *params = mime_param_parse(&keep, slice_str(rows[i].in));

        T_ROW(i, "parameters");
        buf_clear(&out);
        for (struct mime_param *p = params; p != NULL; p = p->next)
            buf_putf(&out, "%s%.*s=%.*s", p == params ? "" : " ", SLICE_ARG(p->name),
                     SLICE_ARG(p->value));
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out));
        buf_clear(&out);
        assert_int_equal(mime_param_decode(params, SLICE("X"), &out), rows[i].x != NULL);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].x));
        arena_free(&arena);
    }
}

static void test_fold_touches_ascii_only(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    mime_fold(SLICE("ABC xyz [@`{ \xc3\x9c"), &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("abc xyz [@`{ \xc3\x9c"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfer_encodings_at_every_split),
        cmocka_unit_test(test_charsets_at_every_split),
        cmocka_unit_test(test_encoded_words),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_fold_touches_ascii_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
