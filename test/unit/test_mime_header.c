#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mime/mime_address.h"
#include "mime/mime_date.h"
#include "mime/mime_envelope.h"
#include "mime/mime_header.h"

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

static void test_fields_are_iterated(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *whole;
    } rows[] = {
        {"A", " b", "A: b\r\n"},    {"Folded", " x\r\n y\r\n\tz", "Folded: x\r\n y\r\n\tz\r\n"},
        {"Obs", "v", "Obs \t:v\n"}, {"", "no field", "no field\n"},
        {"Empty", "", "Empty:\n"},  {"", "From x@y Mon: 1", "From x@y Mon: 1"},
    };
    struct slice rest = SLICE(
        "A: b\r\nFolded: x\r\n y\r\n\tz\r\nObs \t:v\nno field\nEmpty:\n"
        "From x@y Mon: 1");
    struct mime_field field;

    (void)state;
    for (size_t i = 0; i < COUNT(rows) - 1; i++) {
        T_ROW(i, "field");
        assert_true(mime_field_next(&rest, &field));
        T_EQ_SLICE(field.name, slice_str(rows[i].name));
        T_EQ_SLICE(field.value, slice_str(rows[i].value));
        T_EQ_SLICE(field.whole, slice_str(rows[i].whole));
    }
    assert_true(mime_field_next(&rest, &field));
    assert_false(mime_field_next(&rest, &field));

    rest = SLICE("A: b\r\n\r\nB: c\r\n");
    assert_true(mime_field_next(&rest, &field));
    assert_false(mime_field_next(&rest, &field));
    rest = SLICE(" leading: fold\nA: b");
    assert_true(mime_field_next(&rest, &field));
    T_EQ_SLICE(field.name, SLICE(""));
    assert_true(mime_field_find(SLICE("a: 1\nB: 2\nb: 3\n\n"), SLICE("b"), &field));
    T_EQ_SLICE(field.value, SLICE(" 2"));
}

static void test_select_keeps_order_and_blank_line(void **state)
{
    static const struct slice names[] = {{"SUBJECT", 7}, {"to", 2}, {"", 0}};
    struct slice block = SLICE("To: a\r\nX: y\r\nJunk\r\nSubject: b\r\n c\r\nTo: d\r\n\r\n");
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    mime_header_select(block, names, COUNT(names), false, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("To: a\r\nSubject: b\r\n c\r\nTo: d\r\n\r\n"));
    buf_clear(&out);
    mime_header_select(block, names, COUNT(names), true, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("X: y\r\nJunk\r\n\r\n"));
    buf_clear(&out);
    mime_header_select(SLICE("To: x"), names, COUNT(names), false, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("To: x\r\n\r\n"));
}

static void test_unfold_takes_only_line_ends_out(void **state)
{
    (void)state;
    T_EQ_SLICE(mime_unfold(arena, SLICE(" a\r\n b\n\tc \r\n ")), SLICE("a b\tc"));
    T_EQ_SLICE(mime_unfold(arena, SLICE(" a\rb ")), SLICE("a\rb"));
    T_EQ_SLICE(mime_unfold(arena, SLICE("\r\n \r\n")), SLICE(""));
}

/* "name|route|local|domain", groups as "{name" and "}", broken ones with a "!" before. */
static void dump(const struct mime_addresses *list, struct buf *out)
{
    size_t count = 0;

    for (const struct mime_address *a = list->first; a != NULL; a = a->next, count++) {
        buf_put(out, count > 0 ? SLICE(" ; ") : SLICE(""));
        if (a->kind == MIME_ADDRESS_GROUP)
            buf_putf(out, "{%.*s", SLICE_ARG(a->name));
        else if (a->kind == MIME_ADDRESS_GROUP_END)
            buf_put(out, SLICE("}"));
        else
            buf_putf(out, "%s%.*s|%.*s|%.*s|%.*s", a->broken ? "!" : "", SLICE_ARG(a->name),
                     SLICE_ARG(a->route), SLICE_ARG(a->local), SLICE_ARG(a->domain));
    }
    assert_int_equal(count, list->count);
}

static void test_address_lists(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        {"", ""},
        {" , ,", ""},
        {"a@b", "||a|b"},
        {"a@b, c@d", "||a|b ; ||c|d"},
        {"<a@b>", "||a|b"},
        {"Joe Q. Public <john.q.public@example.com>", "Joe Q. Public||john.q.public|example.com"},
        {"\"Joe \\\"Q\\\", Public\" <a@b>", "Joe \"Q\", Public||a|b"},
        {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete||pete|silly.test"},
        {"a@b (Real (nested) Name)", "Real (nested) Name||a|b"},
        {"A Group:Ed Jones <joe@where.test>,joe@x;, z@y",
         "{A Group ; Ed Jones||joe|where.test ; ||joe|x ; } ; ||z|y"},
        {"Undisclosed recipients:;", "{Undisclosed recipients ; }"},
        {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
         "{Hidden recipients ; }"},
        {"open: a@b", "{open ; ||a|b ; }"},
        {"Mary Smith <@node.test,@b.test:mary@example.net>",
         "Mary Smith|@node.test,@b.test|mary|"
         "example.net"},
        {"\"john doe\"@x", "||john doe|x"},
        {"john . doe @ x . y", "||john.doe|x.y"},
        {"a@[192.0.2.1]", "||a|[192.0.2.1]"},
        {"a@[IPv6:2001:db8::1], b@c", "||a|[IPv6:2001:db8::1] ; ||b|c"},
        {"J\xc3\xbcrgen <j\xc3\xbc@\xc3\xa4.example>", "J\xc3\xbcrgen||j\xc3\xbc|\xc3\xa4.example"},
        {"=?utf-8?q?J=C3=BC?= <a@b>", "=?utf-8?q?J=C3=BC?=||a|b"},
        {"a@b; c@d", "||a|b ; ||c|d"},
        {"joe@work <joe@home>", "joe@work||joe|home"},
        {"A <a@b> B <c@d>", "A||a|b ; B||c|d"},
        {"Joe <>", "!Joe|||"},
        {"<>", "!|||"},
        {"joe", "!||joe|"},
        {"joe user", "!||joe user|"},
        {"john doe@x", "!||john doe@x|"},
        {"<a@b@c>", "!||a@b@c|"},
        {"@x", "!||@x|"},
        {"a@", "!||a@|"},
        {"\"never closed <a@b>", "!||never closed <a@b>|"},
        {"never closed <a@b", "never closed||a|b"},
        {"(never closed a@b", "!never closed a@b||(never closed a@b|"},
        {"a@b\r\n ,\r\n c@d", "||a|b ; ||c|d"},
        {"<mailto:a@b>", "||mailto:a|b"},
        {"a@b>", "||a|b>"},
        {"Foo [Bar] <a@b>", "Foo [Bar]||a|b"},
        {"\\", "!||\\|"},
    };
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mime_addresses list = mime_address_parse(arena, slice_str(rows[i].text), 100);

        T_ROW(i, "address list");
        buf_clear(&out);
        dump(&list, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
        assert_false(list.over);
    }
}

static void test_address_count_is_limited(void **state)
{
    struct mime_addresses list = mime_address_parse(arena, SLICE("a@b,c@d,e@f"), 2);

    (void)state;
    assert_int_equal(list.count, 2);
    assert_true(list.over);
    list = mime_address_parse(arena, SLICE("a@b,c@d , "), 2);
    assert_false(list.over);
}

static void test_dates_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t epoch; /* -1: invalid */
        int zone;
    } rows[] = {
        {"Wed, 17 Jul 1996 02:44:25 -0700", 837596665, -420},
        {"17 Jul 1996 02:44:25 -0700", 837596665, -420},
        {"Wed,17 Jul 96 02:44:25 PDT", 837596665, -420},
        {"Wed, 17 Jul 1996 09:44 GMT", 837596640, 0},
        {"Wed, 17 Jul 1996 09:44:25", 837596665, 0},
        {"Wed (day), 17 (d) Jul\r\n 1996 09 : 44 : 25 +0000 (UTC)", 837596665, 0},
        {"Wed Jul 17 09:44:25 1996", 837596665, 0},
        {"Wed Jul 17 02:44:25 PDT 1996", 837596665, -420},
        {"Wednesday, July 17, 1996 9:44:25 AM", 837596665, 0},
        {"17-Jul-1996 09:44:25 Z", 837596665, 0},
        {"1996-07-17T09:44:25Z", 837596665, 0},
        {"1996-07-17 11:44:25+02:00", 837596665, 120},
        {"1996-07-17T09:44:25.123456Z", 837596665, 0},
        {"Wed, 17 Jul 1996 09:44:25 GMT+0100", 837593065, 60},
        {"Wed, 17 Jul 1996 02:44:25 -7:00", 837596665, -420},
        {"Wed, 17 Jul 1996 15:14:25 +0530", 837596665, 330},
        {"Mon, 1 Jan 1900 00:00:00 +0000", -2208988800, 0},
        {"Thu, 1 Jan 1970 00:00:00 +0000", 0, 0},
        {"29 Feb 2000 00:00:00 +0000", 951782400, 0},
        {"1 Jan 49 00:00:00 +0000", 2493072000, 0},
        {"1 Jan 104 00:00:00 +0000", 1072915200, 0},
        {"31 Dec 2016 23:59:60 +0000", 1483228800, 0},
        {"31 Dec 9999 23:59:59 +0000", 253402300799, 0},
        {"", -1, 0},
        {"Wed", -1, 0},
        {"garbage", -1, 0},
        {"29 Feb 1900 00:00:00 +0000", -1, 0},
        {"31 Apr 2000 00:00:00 +0000", -1, 0},
        {"1 Foo 2000 00:00:00 +0000", -1, 0},
        {"1 Jan 2000", -1, 0},
        {"1 Jan 2000 24:00:00", -1, 0},
        {"0 Jan 2000 00:00:00", -1, 0},
        {"1 Jan 2000 00:00:00 +9999", -1, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mime_date date;
        enum st st = mime_date_parse(slice_str(rows[i].text), &date);

        T_ROW(i, "date");
        assert_int_equal(st, rows[i].epoch == -1 ? ST_INVALID : ST_OK);
        if (st != ST_OK)
            continue;
        assert_true(date.epoch == rows[i].epoch);
        assert_int_equal(date.zone_min, rows[i].zone);
    }
}

static void test_dates_survive_writing_and_reading(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    for (int64_t epoch = -62167219200; epoch < 253402300800; epoch += 7654321) {
        struct mime_date date = {epoch, (int16_t)(epoch % 720)};
        struct mime_date back;

        buf_clear(&out);
        if (epoch + date.zone_min * 60 < -62167219200 + 1000 * 366 * 86400LL)
            continue; /* years below 1000 read as obsolete ones */
        mime_date_write(date, &out);
        assert_int_equal(mime_date_parse(buf_slice(&out), &back), ST_OK);
        assert_true(back.epoch == epoch && back.zone_min == date.zone_min);
        buf_clear(&out);
        mime_internaldate_write(date, &out);
        assert_int_equal(mime_internaldate_parse(buf_slice(&out), &back), ST_OK);
        assert_true(back.epoch == epoch && back.zone_min == date.zone_min);
    }
}

static void test_dates_are_written_and_imap_dates_strict(void **state)
{
    static const char *const good[] = {"17-Jul-1996 02:44:25 -0700", " 1-Jan-0000 00:00:00 +0000",
                                       "31-Dec-9999 23:59:59 +1400"};
    static const char *const bad[] = {"",
                                      "7-Jul-1996 02:44:25 -0700",
                                      "17-July-1996 02:44:25 -0700",
                                      "17-Jul-96 02:44:25 -0700",
                                      "17-Jul-1996 02:44:25",
                                      "17-Jul-1996 02:44:25 -0700 ",
                                      "17-Jul-1996 25:44:25 -0700",
                                      "17-Jul-1996 02:44:25 0700",
                                      "30-Feb-1996 02:44:25 -0700",
                                      "17-Jul-1996 02:44:25 -0799"};
    static const char *const bad_days[] = {
        "", "1", "32-Jan-2000", "1-Jan-20000", "1-Jan-2000 ", "-Jan-2000"};
    struct mime_date date;
    int64_t epoch;
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        T_ROW(i, good[i]);
        buf_clear(&out);
        assert_int_equal(mime_internaldate_parse(slice_str(good[i]), &date), ST_OK);
        mime_internaldate_write(date, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(good[i]));
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(mime_internaldate_parse(slice_str(bad[i]), &date), ST_INVALID);
    for (size_t i = 0; i < COUNT(bad_days); i++)
        assert_int_equal(mime_imap_date_parse(slice_str(bad_days[i]), &epoch), ST_INVALID);
    assert_int_equal(mime_imap_date_parse(SLICE("01-feb-1994"), &epoch), ST_OK);
    assert_int_equal(epoch, 760060800);
    buf_clear(&out);
    mime_date_write((struct mime_date){837596665, -420}, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("Wed, 17 Jul 1996 02:44:25 -0700"));
    buf_clear(&out);
    mime_date_write((struct mime_date){INT64_MAX, INT16_MAX}, &out);
    mime_date_write((struct mime_date){INT64_MIN, INT16_MIN}, &out);
    assert_false(out.over);
}

static void test_envelopes(void **state)
{
    static const struct {
        const char *header;
        const char *want;
    } rows[] = {
        {"", MIME_ENVELOPE_NIL},
        {"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.test>\r\n"
         "Subject: IMAP4rev1 WG mtg\r\n summary \"and\" \\minutes\r\nTo: imap@cac.test\r\n"
         "cc: minutes@X, John Klensin <KLENSIN@MIT.test>\r\nMessage-Id: <B27397@cac.test>\r\n\r\n"
         "Bcc: not@header\r\n",
         "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
         "\"IMAP4rev1 WG mtg summary \\\"and\\\" \\\\minutes\" "
         "((\"Terry Gray\" NIL \"gray\" \"cac.test\")) "
         "((\"Terry Gray\" NIL \"gray\" \"cac.test\")) "
         "((\"Terry Gray\" NIL \"gray\" \"cac.test\")) ((NIL NIL \"imap\" \"cac.test\")) "
         "((NIL NIL \"minutes\" \"X\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.test\")) NIL NIL "
         "\"<B27397@cac.test>\")"},
        {"From: a@b\nSender:\nReply-To: c@d\nTo: G: x@y;\nTo: , z\nSubject:\nSubject: second\n"
         "In-Reply-To: <1@2>\n <3@4>\n",
         "(NIL \"\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) "
         "((NIL NIL \"G\" NIL)(NIL NIL \"x\" \"y\")(NIL NIL NIL NIL)(NIL NIL \"z\" \"\")) NIL NIL "
         "\"<1@2> <3@4>\" NIL)"},
        {"Subject: J\xc3\xbc\nFrom: <@r,@s:a@b>\n",
         "(NIL {3}\r\nJ\xc3\xbc ((NIL \"@r,@s\" \"a\" \"b\")) ((NIL \"@r,@s\" \"a\" \"b\")) "
         "((NIL \"@r,@s\" \"a\" \"b\")) NIL NIL NIL NIL NIL)"},
        {"Subject: a\rb\n", "(NIL {3}\r\na\rb NIL NIL NIL NIL NIL NIL NIL NIL)"},
    };
    AUTO(buf) struct buf out = BUF(MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, "envelope");
        buf_clear(&out);
        mime_envelope_write(arena, slice_str(rows[i].header), &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
        assert_true(mime_envelope_check(buf_slice(&out)));
    }
    assert_true(mime_envelope_check(SLICE(MIME_ENVELOPE_NIL)));
}

static void test_nstrings(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);
    char lots[600];

    (void)state;
    memset(lots, 'x', sizeof(lots));
    mime_nstring_write((struct slice){NULL, 0}, &out);
    mime_nstring_write(SLICE(""), &out);
    mime_nstring_write(SLICE("a\tb\x7f"), &out);
    mime_nstring_write(SLICE("a\0b"), &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("NIL\"\"\"a\tb\x7f\"{3}\r\na?b"));
    buf_clear(&out);
    mime_nstring_write((struct slice){lots, sizeof(lots)}, &out);
    T_EQ_SLICE(slice_sub(buf_slice(&out), 0, 8), SLICE("{600}\r\nx"));
}

static void test_bad_envelopes_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "()",
        "(NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ",
        "(NIL NIL NIL NIL NIL NIL NIL NIL NIL \"a\r\nb\")",
        "(NIL NIL NIL NIL NIL NIL NIL NIL NIL {9}\r\nabc)",
        "(NIL NIL () NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL (NIL) NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL ((NIL NIL NIL)) NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL \"\\x\" NIL NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL \"\xff\" NIL NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL \"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, "bad envelope");
        assert_false(mime_envelope_check(slice_str(rows[i])));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_iterated),
        cmocka_unit_test(test_select_keeps_order_and_blank_line),
        cmocka_unit_test(test_unfold_takes_only_line_ends_out),
        cmocka_unit_test(test_address_lists),
        cmocka_unit_test(test_address_count_is_limited),
        cmocka_unit_test(test_dates_are_read),
        cmocka_unit_test(test_dates_survive_writing_and_reading),
        cmocka_unit_test(test_dates_are_written_and_imap_dates_strict),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_nstrings),
        cmocka_unit_test(test_bad_envelopes_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
