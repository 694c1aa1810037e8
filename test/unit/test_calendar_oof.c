#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_oof.h"
#include "directory/directory.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"
#include "router/router_task.h"

#include <string.h>

#define NOW_MS INT64_C(1700000000000)
/* A slice in a static table, where C17 takes no compound literal. */
#define LIT(text) \
    { \
        (text), sizeof(text) - 1 \
    }
#define TO "To: alice@example.test\r\n"

static const struct directory *make_directory(void)
{
    static const char *const docs[][3] = {
        {"person", "alice",
         "full_name = Alice Ampere\nalias = al\nalias = boss@other.test\nalias = *@second.test\n"},
        {"person", "bob", "alias = bobby@partner.test\n"},
        {"group", "sales", "member = alice\nmember = bob\n"},
        {"settings", "rules", "rewrite_recipient = *@old.test *@example.test\n"},
    };
    struct directory *directory = directory_new(SLICE("example.test second.test"));

    for (size_t i = 0; i < COUNT(docs); i++)
        directory_add(directory, slice_str(docs[i][0]), slice_str(docs[i][1]), (int64_t)i,
                      slice_str(docs[i][2]));
    directory_add_account(directory, SLICE("alice"), 1);
    directory_add_account(directory, SLICE("bob"), 2);
    return directory_end(directory);
}

/* --- who is answered --- */

struct asked {
    const char *what; /* is told apart by it */
    const char *sender;
    const char *header;
    struct store_calendar_account account;
    enum calendar_oof want;
    const char *own; /* NULL: alice@example.test where there is a reply */
};

#define ON \
    { \
        .oof = STORE_OOF_ON, .oof_external = true, .oof_inside_text = LIT("in"), \
        .oof_outside_text = LIT("out") \
    }
#define FIELD(field, reason) \
    { \
        field, "bob@example.test", TO field "\r\n", ON, CALENDAR_OOF_##reason, NULL \
    }
#define SENDER(sender, reason) \
    { \
        sender, sender, TO, ON, CALENDAR_OOF_##reason, NULL \
    }
#define ADDRESSED(to, reason, own) \
    { \
        to, "bob@example.test", to "\r\n", ON, CALENDAR_OOF_##reason, own \
    }
#define SET(what, sender, reason, ...) \
    { \
        what, sender, TO, {__VA_ARGS__}, CALENDAR_OOF_##reason, NULL \
    }
#define TEXTS .oof_inside_text = LIT("in"), .oof_outside_text = LIT("out"), .oof_external = true

static void ask(const struct asked *row, size_t i)
{
    const struct directory *directory = make_directory();
    struct arena *arena = arena_new("test", 64 * MIB);
    const struct calendar_oof_question question = {.directory = directory,
                                                   .person =
                                                       directory_login(directory, SLICE("alice")),
                                                   .account = &row->account,
                                                   .header = slice_str(row->header),
                                                   .sender = slice_str(row->sender),
                                                   .now_ms = NOW_MS};
    struct slice own = SLICE("");

    T_ROW(i, row->what);
    assert_string_equal(calendar_oof_why(calendar_oof_decide(&question, arena, &own)),
                        calendar_oof_why(row->want));
    if (row->want == CALENDAR_OOF_INSIDE || row->want == CALENDAR_OOF_OUTSIDE)
        T_EQ_SLICE(own, slice_str(row->own != NULL ? row->own : "alice@example.test"));
    arena_free(&arena);
    directory_unref(&directory);
}

static void senders_are_told_apart(void **state)
{
    static const struct asked rows[] = {
        SENDER("bob@example.test", INSIDE),
        SENDER("BOB@Second.Test", INSIDE),
        SENDER("bob+shop@example.test", INSIDE),
        SENDER("bobby@partner.test", INSIDE),
        SENDER("someone@far.test", OUTSIDE),
        SENDER("nobody@example.test", OUTSIDE),
        SENDER("anything@second.test", OUTSIDE),
        SENDER("", NO_SENDER),
        SENDER("nobody", NO_SENDER),
        SENDER("@far.test", NO_SENDER),
        SENDER("x@", NO_SENDER),
        SENDER("alice@example.test", OWN),
        SENDER("AL+x@example.test", OWN),
        SENDER("boss@other.test", OWN),
        SENDER("sales@example.test", GROUP),
        SENDER("MAILER-DAEMON@far.test", ROBOT),
        SENDER("list-request@far.test", ROBOT),
        SENDER("list-request+x@far.test", ROBOT),
        SENDER("owner-list@far.test", ROBOT),
        SENDER("list-owner@far.test", ROBOT),
        SENDER("list-bounces+alice=example.test@far.test", ROBOT),
        SENDER("bounce-123@far.test", ROBOT),
        SENDER("NoReply@far.test", ROBOT),
        SENDER("news-no-reply@far.test", ROBOT),
        SENDER("do_not_reply@far.test", ROBOT),
        SENDER("LISTSERV@far.test", ROBOT),
        SENDER("requester@far.test", OUTSIDE),
        SENDER("owner@far.test", OUTSIDE),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        ask(&rows[i], i);
}

static void programs_lists_and_spam_get_no_reply(void **state)
{
    static const struct asked rows[] = {
        FIELD("Subject: hello", INSIDE),
        FIELD("Auto-Submitted: no", INSIDE),
        FIELD("AUTO-SUBMITTED:\r\n No (by hand)", INSIDE),
        FIELD("Auto-Submitted: no; x=y", INSIDE),
        FIELD("Auto-Submitted: auto-replied", AUTO),
        FIELD("auto-submitted: auto-generated; owner-email=\"x\"", AUTO),
        FIELD("Auto-Submitted: auto-notified", AUTO),
        FIELD("Auto-Submitted: novel", AUTO),
        FIELD("X-Autoreply: yes", AUTO),
        FIELD("Content-Type: multipart/report; report-type=delivery-status", AUTO),
        FIELD("Content-Type: multipart/mixed", INSIDE),
        FIELD("Precedence: bulk", BULK),
        FIELD("Precedence: List", BULK),
        FIELD("precedence: JUNK", BULK),
        FIELD("Precedence: first-class", INSIDE),
        FIELD("List-Id: <x.far.test>", LIST),
        FIELD("List-Unsubscribe: <mailto:x@far.test>", LIST),
        FIELD("list-post: NO", LIST),
        FIELD("Mailing-List: contact x", LIST),
        FIELD("Listing: none", INSIDE),
        FIELD("X-Auto-Response-Suppress: DR, OOF, AutoReply", SUPPRESSED),
        FIELD("X-Auto-Response-Suppress: All", SUPPRESSED),
        FIELD("X-Auto-Response-Suppress: DR, RN, NRN", INSIDE),
        FIELD("X-Spam-Flag: YES", SPAM),
        FIELD("X-Spam-Flag: NO", INSIDE),
        FIELD("X-Spam-Status: Yes, score=9.1", SPAM),
        FIELD("X-Spam-Status: No, score=-0.1", INSIDE),
        FIELD("no field\r\nX-Spam-Status: Yes", SPAM),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        ask(&rows[i], i);
}

static void only_mail_addressed_to_the_account_is_answered(void **state)
{
    static const struct asked rows[] = {
        ADDRESSED("To: bob@example.test", ASIDE, NULL),
        ADDRESSED("Subject: no recipients", ASIDE, NULL),
        ADDRESSED("To: sales@example.test", ASIDE, NULL),
        ADDRESSED("To: undisclosed-recipients:;", ASIDE, NULL),
        ADDRESSED("To: caught@second.test", ASIDE, NULL),
        ADDRESSED("To: \"alice@example.test\" <bob@example.test>", ASIDE, NULL),
        ADDRESSED("From: alice@example.test", ASIDE, NULL),
        ADDRESSED("Cc: bob@example.test,\r\n \"A. Ampere\" <Alice@Example.Test>", INSIDE,
                  "Alice@Example.Test"),
        ADDRESSED("Bcc: alice@second.test", INSIDE, "alice@second.test"),
        ADDRESSED("To: friends: bob@example.test, al@example.test;", INSIDE, "al@example.test"),
        ADDRESSED("To: alice+shop@example.test", INSIDE, "alice+shop@example.test"),
        ADDRESSED("To: boss@other.test", INSIDE, "boss@other.test"),
        ADDRESSED("To: alice@old.test", INSIDE, "alice@old.test"),
        ADDRESSED("To: bob@example.test\r\nResent-To: alice@example.test", INSIDE, NULL),
        ADDRESSED("To: bob@example.test\r\nResent-Cc: alice@example.test", INSIDE, NULL),
        ADDRESSED("To: x@y.test\r\nTo: alice@example.test", INSIDE, NULL),
        /* What speaks against a reply may stand anywhere. */
        ADDRESSED("To: alice@example.test\r\nList-Id: <x>", LIST, NULL),
        ADDRESSED("List-Id: <x>\r\nTo: alice@example.test", LIST, NULL),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        ask(&rows[i], i);
}

static void settings_decide_when_and_what(void **state)
{
    static const struct asked rows[] = {
        SET("off", "bob@example.test", OFF, .oof = STORE_OOF_OFF, TEXTS),
        SET("on; a time left from before", "bob@example.test", INSIDE, .oof = STORE_OOF_ON,
            .oof_from_ms = 1, .oof_until_ms = 2, TEXTS),
        SET("a ms before", "bob@example.test", EARLY, .oof = STORE_OOF_SCHEDULED,
            .oof_from_ms = NOW_MS + 1, .oof_until_ms = NOW_MS + 2, TEXTS),
        SET("its first ms", "bob@example.test", INSIDE, .oof = STORE_OOF_SCHEDULED,
            .oof_from_ms = NOW_MS, .oof_until_ms = NOW_MS + 1, TEXTS),
        SET("its end", "bob@example.test", OVER, .oof = STORE_OOF_SCHEDULED, .oof_from_ms = 1,
            .oof_until_ms = NOW_MS, TEXTS),
        SET("open end", "bob@example.test", INSIDE, .oof = STORE_OOF_SCHEDULED, .oof_from_ms = 1,
            TEXTS),
        SET("nobody outside", "x@far.test", INSIDERS, .oof = STORE_OOF_ON,
            .oof_inside_text = LIT("in"), .oof_outside_text = LIT("out")),
        SET("nothing for outside", "x@far.test", NO_TEXT, .oof = STORE_OOF_ON, .oof_external = true,
            .oof_inside_text = LIT("in")),
        SET("nothing for inside", "bob@example.test", NO_TEXT, .oof = STORE_OOF_ON,
            .oof_external = true, .oof_outside_text = LIT("out")),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        ask(&rows[i], i);
}

static void a_header_that_was_cut_is_not_answered(void **state)
{
    const struct directory *directory = make_directory();
    struct arena *arena = arena_new("test", 64 * MIB);
    const struct store_calendar_account account = ON;
    const struct calendar_oof_question question = {.directory = directory,
                                                   .person =
                                                       directory_login(directory, SLICE("alice")),
                                                   .account = &account,
                                                   .header = SLICE(TO),
                                                   .header_cut = true,
                                                   .sender = SLICE("bob@example.test"),
                                                   .now_ms = NOW_MS};
    struct slice own;

    (void)state;
    assert_int_equal(calendar_oof_decide(&question, arena, &own), CALENDAR_OOF_LONG);
    arena_free(&arena);
    directory_unref(&directory);
}

/* --- the reply --- */

static const char *write(struct arena *arena, const char *header, const char *text, const char *to,
                         bool *utf8_r)
{
    AUTO(buf) struct buf out = BUF(CALENDAR_OOF_TEXT_BYTES_MAX);
    const struct calendar_oof_text reply = {.name = SLICE("Alice Ampere"),
                                            .from = SLICE("alice@example.test"),
                                            .to = slice_str(to),
                                            .header = slice_str(header),
                                            .text = slice_str(text),
                                            .guid = SLICE("0123"),
                                            .host = SLICE("mail.example.test"),
                                            .now_ms = NOW_MS};

    calendar_oof_text_write(&reply, &out, utf8_r);
    assert_false(out.over);
    return slice_cstr(arena, buf_slice(&out));
}

static void a_reply_says_that_it_is_one(void **state)
{
    struct arena *arena = arena_new("test", 64 * MIB);
    bool utf8 = true;
    const char *got = write(arena,
                            "Subject: Lunch?\r\nMessage-ID: <1@far.test>\r\n"
                            "References: <0@far.test> junk\r\n <0.5@far.test>\r\n",
                            "I am away.\nUntil Monday.", "bob@far.test", &utf8);

    (void)state;
    assert_string_equal(got,
                        "From: \"Alice Ampere\" <alice@example.test>\r\n"
                        "To: <bob@far.test>\r\n"
                        "Subject: Automatic reply: Lunch?\r\n"
                        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                        "Message-ID: <0123@mail.example.test>\r\n"
                        "In-Reply-To: <1@far.test>\r\n"
                        "References: <0@far.test> <0.5@far.test> <1@far.test>\r\n"
                        "Auto-Submitted: auto-replied\r\n"
                        "X-Auto-Response-Suppress: All\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 7bit\r\n"
                        "\r\n"
                        "I am away.\r\nUntil Monday.\r\n");
    assert_false(utf8);
    arena_free(&arena);
}

static void a_reply_holds_whatever_it_is_made_of(void **state)
{
    static const struct {
        const char *header;
        const char *text;
        const char *to;
        const char *want;      /* stands in it */
        const char *otherwise; /* does not */
        bool utf8;
    } rows[] = {
        {"", "x", "b@far.test", "Subject: Automatic reply:\r\nDate", "In-Reply-To", false},
        {"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n", "x", "b@far.test",
         "Subject: =?utf-8?B?QXV0b21hdGljIHJlcGx5OiBHcsO8w59l?=\r\n", "Q?", false},
        {"Subject: =?utf-8?Q?a=0D=0ABcc:_x@y.test?=\r\n", "x", "b@far.test",
         "Subject: Automatic reply: aBcc: x@y.test\r\n", "\nBcc", false},
        {"Subject: x\r\n Y: z\r\n", "x", "b@far.test", "Subject: Automatic reply: x Y: z\r\n",
         "\nY:", false},
        {"Message-ID: <a b@c>\r\n", "x", "b@far.test", "To:", "In-Reply-To", false},
        {"",
         "Gr\xc3\xbc\xc3\x9f"
         "e = 1\r\n",
         "b@far.test", "\r\n\r\nGr=C3=BC=C3=9Fe =3D 1\r\n", "7bit", false},
        {"", "a\rb", "b@far.test", "a=0Db", "7bit", false},
        {"", "a", "j\xc3\xb6@far.test", "To: <j\xc3\xb6@far.test>", "?=", true},
    };
    struct arena *arena = arena_new("test", 64 * MIB);
    bool utf8;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got = write(arena, rows[i].header, rows[i].text, rows[i].to, &utf8);

        T_ROW(i, rows[i].want);
        if (strstr(got, rows[i].want) == NULL || strstr(got, rows[i].otherwise) != NULL)
            fail_msg("%s", got);
        assert_int_equal(utf8, rows[i].utf8);
    }
    arena_free(&arena);
}

static void a_long_text_and_many_references_fit(void **state)
{
    struct arena *arena = arena_new("test", 64 * MIB);
    AUTO(buf) struct buf header = BUF(64 * KIB);
    char *text = arena_alloc(arena, 1, STORE_CALENDAR_TEXT_BYTES_MAX + 1);
    bool utf8;

    (void)state;
    buf_put(&header, SLICE("Message-ID: <last@far.test>\r\nReferences:"));
    for (int i = 0; i < 1000; i++)
        buf_putf(&header, "\r\n <%d@far.test>", i);
    buf_put(&header, SLICE("\r\nSubject: "));
    for (int i = 0; i < 3000; i++)
        buf_put(&header, SLICE("\xc3\xbc"));
    memset(text, 0x01, STORE_CALENDAR_TEXT_BYTES_MAX);
    const char *got = write(arena, header.ptr, text, "b@far.test", &utf8);
    assert_non_null(strstr(got, " <999@far.test> <last@far.test>\r\n"));
    assert_null(strstr(got, "<989@far.test>"));
    assert_non_null(strstr(got, "<990@far.test>"));
    arena_free(&arena);
}

/* --- what a delivery leaves --- */

static bool imip(const char *message)
{
    AUTO(buf) struct buf structure = BUF(MIB);
    struct mime_scan *scan = mime_scan_new(NULL);

    mime_scan_feed(scan, slice_str(message));
    mime_structure_write(mime_scan_end(scan), &structure);
    mime_scan_free(&scan);
    return router_task_what(buf_slice(&structure)) == ROUTER_TASK_IMIP;
}

static void a_calendar_part_with_a_method_is_seen(void **state)
{
    static const struct {
        const char *message;
        bool want;
    } rows[] = {
        {"Subject: calendar method\r\n\r\ntext/calendar; method=REQUEST\r\n", false},
        {"Content-Type: text/calendar; method=REQUEST\r\n\r\nx\r\n", true},
        {"Content-Type: Text/Calendar; charset=utf-8;\r\n Method=reply\r\n\r\nx\r\n", true},
        {"Content-Type: text/calendar\r\n\r\nmethod\r\n", false},
        {"Content-Type: text/plain; name=calendar; method=REQUEST\r\n\r\nx\r\n", false},
        {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
         "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
         "Content-Type: text/calendar; "
         "method=REQUEST\r\n\r\nx\r\n--b--\r\n--a\r\n\r\ny\r\n--a--\r\n",
         true},
        {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
         "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--a\r\n"
         "Content-Type: text/calendar; method=CANCEL\r\n\r\ny\r\n--a--\r\n",
         true},
        {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n"
         "\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nx\r\n--a--\r\n",
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].message);
        assert_int_equal(imip(rows[i].message), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_are_told_apart),
        cmocka_unit_test(programs_lists_and_spam_get_no_reply),
        cmocka_unit_test(only_mail_addressed_to_the_account_is_answered),
        cmocka_unit_test(settings_decide_when_and_what),
        cmocka_unit_test(a_header_that_was_cut_is_not_answered),
        cmocka_unit_test(a_reply_says_that_it_is_one),
        cmocka_unit_test(a_reply_holds_whatever_it_is_made_of),
        cmocka_unit_test(a_long_text_and_many_references_fit),
        cmocka_unit_test(a_calendar_part_with_a_method_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
