#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_bounce.h"
#include "calendar/calendar_imip.h"
#include "directory/directory.h"
#include "itip_t.h"
#include "mime/mime_header.h"
#include "mime/mime_scan.h"
#include "router/router_task.h"

#include <string.h>

#define HEAD "UID:u\nDTSTAMP:20260101T000000Z\nORGANIZER;CN=Alice:mailto:alice@a.test\n"
#define BOB "ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@b.test\n"
#define UTC "DTSTART:20300107T090000Z\nDTEND:20300107T100000Z\n"

static const struct slice to[] = {{"bob@b.test", 10}, {"carol@c.test", 12}};

static struct calendar_imip_letter letter_of(struct itip_t *t, const char *text)
{
    return (struct calendar_imip_letter){.vcalendar = itip_t_object(t->arena, text),
                                         .name = SLICE("Alice Müller"),
                                         .from = SLICE("alice@a.test"),
                                         .to = to,
                                         .to_count = COUNT(to),
                                         .zones = t->zones,
                                         .guid = SLICE("0123456789abcdef"),
                                         .host = SLICE("mail.a.test"),
                                         .now_ms = INT64_C(1767225600000)};
}

static void an_answer_says_what_became_of_the_message(void **state)
{
    static const struct {
        const char *answer, *want;
    } rows[] = {
        {"550 5.1.1 mx.b.test [192.0.2.1]: no such user", "5.2"},
        {"550 mx.b.test [192.0.2.1]: no such user", "5.2"},
        {"553 no", "5.2"},
        {"550 5.1.2 b.test does not exist", "5.2"},
        {"550 5.1.8 your domain is unknown", "5.1"},
        {"556 5.1.10 b.test takes no mail (null MX)", "5.2"},
        {"550 5.4.4 b.test has no mail server", "5.2"},
        {"5.4.7 given up after its time; the last answer was: 450 4.2.0 later", "5.1"},
        {"554 5.7.1 not from you", "5.3"},
        {"552 5.2.2 over quota", "5.1"},
        {"554 no", "5.1"},
        {"5..1 5.1", "5.1"},
        {"55", "5.1"},
        {"", "5.1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].answer);
        assert_string_equal(calendar_bounce_status(slice_str(rows[i].answer)), rows[i].want);
    }
}

static void of_a_report_only_failures_are_taken(void **state)
{
    static const char text[] =
        "Reporting-MTA: dns; b.test\r\nAction: failed\r\n\r\n\r\n"
        "Final-Recipient: RFC822 ;bob@b.test\r\nAction: delayed\r\n\r\n"
        "Original-Recipient: rfc822; carol@b.test\r\nFinal-Recipient: rfc822; c@c.test\r\n"
        "Action: FAILED\r\nStatus: 5.7.1 (no)\r\nDiagnostic-Code: smtp; 550\r\n 5.1.1 gone\r\n\r\n"
        "Final-Recipient: rfc822; dora@b.test\nAction: failed\nStatus: 5.4.7\n\n"
        "Final-Recipient: rfc822;\r\nAction: failed\r\n\r\n"
        "Final-Recipient: eve@b.test\r\nAction: failed\r\n";
    static const struct {
        const char *address, *answer;
    } want[] = {{"carol@b.test", "550 5.1.1 gone"}, {"dora@b.test", "5.4.7"}, {"eve@b.test", ""}};
    struct arena *arena = arena_new("test", MIB);
    struct slice rest = slice_str(text);
    struct calendar_bounce_rcpt rcpt;

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++) {
        T_ROW(i, want[i].address);
        assert_true(calendar_bounce_next(arena, &rest, &rcpt));
        T_EQ_SLICE(rcpt.address, slice_str(want[i].address));
        T_EQ_SLICE(rcpt.answer, slice_str(want[i].answer));
    }
    assert_false(calendar_bounce_next(arena, &rest, &rcpt));
    for (size_t cut = 0; cut < sizeof(text); cut++) { /* it ends wherever it is cut */
        rest = (struct slice){text, cut};
        arena_reset(arena);
        while (calendar_bounce_next(arena, &rest, &rcpt))
            continue;
    }
    arena_free(&arena);
}

static void the_subject_says_what_it_is(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"METHOD:REQUEST\n" HEAD "SUMMARY:Lunch\\, late\n", "Invitation: Lunch, late"},
        {"METHOD:REQUEST\n" HEAD "SEQUENCE:2\nSUMMARY:Lunch\n", "Updated invitation: Lunch"},
        {"METHOD:CANCEL\n" HEAD "SUMMARY:Lunch\n", "Canceled: Lunch"},
        {"METHOD:REPLY\n" HEAD BOB "SUMMARY:Lunch\n", "Accepted: Lunch"},
        {"METHOD:REPLY\n" HEAD "ATTENDEE;PARTSTAT=tentative:mailto:b@b.test\nSUMMARY:Lunch\n",
         "Tentative: Lunch"},
        {"METHOD:REPLY\n" HEAD "ATTENDEE;PARTSTAT=X-WHO:mailto:b@b.test\n", "Answer: (no title)"},
        {"METHOD:COUNTER\n" HEAD "SUMMARY:Lunch\n", "New time proposed: Lunch"},
        {"METHOD:REQUEST\n" HEAD "RECURRENCE-ID:20300107T090000Z\nSUMMARY:once\n--\n" HEAD
         "SUMMARY:series\n",
         "Invitation: series"},
        {"METHOD:REQUEST\n" HEAD "SUMMARY:two\\nlines\n", "Invitation: two lines"},
    };
    struct itip_t t;

    (void)state;
    itip_t_init(&t, "mailto:alice@a.test");
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(64 * KIB);
        const struct calendar_imip_letter letter = letter_of(&t, rows[i].text);

        T_ROW(i, rows[i].want);
        calendar_imip_subject(t.arena, &letter, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
    }
    itip_t_fini(&t);
}

static void rules_are_said_in_words_or_as_they_stand(void **state)
{
    static const struct {
        const char *rule, *want;
    } rows[] = {
        {"FREQ=DAILY", "every day"},
        {"FREQ=DAILY;INTERVAL=3;COUNT=5", "every 3 days, 5 times"},
        {"FREQ=WEEKLY;BYDAY=MO,WE,FR", "every week on Monday, Wednesday and Friday"},
        {"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;UNTIL=20301224T090000Z",
         "every week on weekdays, until 24 December 2030"},
        {"FREQ=MONTHLY;BYMONTHDAY=31", "every month on day 31"},
        {"FREQ=MONTHLY;BYMONTHDAY=-1", "every month on the last day"},
        {"FREQ=MONTHLY;BYDAY=2TU", "every month on the 2nd Tuesday"},
        {"FREQ=MONTHLY;BYDAY=-1FR", "every month on the last Friday"},
        {"FREQ=YEARLY;BYMONTH=5;BYDAY=2SU", "every year on the 2nd Sunday of May"},
        {"FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "every year on day 24 of December"},
        {"FREQ=YEARLY", "every year"},
        {"FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1", "by the rule FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1"},
        {"FREQ=MONTHLY;BYDAY=MO", "by the rule FREQ=MONTHLY;BYDAY=MO"},
        {"FREQ=MONTHLY;BYMONTHDAY=1,15", "by the rule FREQ=MONTHLY;BYMONTHDAY=1,15"},
        {"FREQ=HOURLY", "by the rule FREQ=HOURLY"},
        {"nonsense", "by the rule nonsense"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(4 * KIB);

        T_ROW(i, rows[i].rule);
        calendar_imip_rule(slice_str(rows[i].rule), &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
    }
}

static void times_are_told_by_the_organizers_clock_and_in_utc(void **state)
{
    static const struct {
        const char *times, *want;
    } rows[] = {
        {UTC, "When:  Mon, 7 Jan 2030, 09:00 - 10:00 UTC\r\n"},
        {"DTSTART;TZID=Europe/Berlin:20300701T100000\nDURATION:PT90M\n",
         "When:  Mon, 1 Jul 2030, 10:00 - 11:30 (Europe/Berlin)\r\n"
         "       Mon, 1 Jul 2030, 08:00 - 09:30 UTC\r\n"},
        {"DTSTART;TZID=W. Europe Standard Time:20300701T233000\nDURATION:PT1H\n",
         "When:  Mon, 1 Jul 2030, 23:30 - Tue, 2 Jul 2030, 00:30 (W. Europe Standard Time)\r\n"
         "       Mon, 1 Jul 2030, 21:30 - 22:30 UTC\r\n"},
        {"DTSTART;VALUE=DATE:20300701\n", "When:  Mon, 1 Jul 2030\r\n"},
        {"DTSTART;VALUE=DATE:20300701\nDTEND;VALUE=DATE:20300702\n", "When:  Mon, 1 Jul 2030\r\n"},
        {"DTSTART;VALUE=DATE:20300701\nDTEND;VALUE=DATE:20300704\n",
         "When:  Mon, 1 Jul 2030 - Wed, 3 Jul 2030\r\n"},
        {"DTSTART:20300701T100000\n", "When:  Mon, 1 Jul 2030, 10:00 (by your own clock)\r\n"},
        {"RECURRENCE-ID:20300107T090000Z\n", "When:  Mon, 7 Jan 2030, 09:00 UTC\r\n"},
        {"DTSTART:nonsense\n", ""},
    };
    struct itip_t t;

    (void)state;
    itip_t_init(&t, "mailto:alice@a.test");
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(64 * KIB);
        AUTO(buf) struct buf text = BUF(64 * KIB);
        AUTO(buf) struct buf want = BUF(64 * KIB);

        T_ROW(i, rows[i].times);
        buf_putf(&text, "METHOD:REQUEST\n" HEAD "SUMMARY:s\n%s", rows[i].times);
        const struct calendar_imip_letter letter = letter_of(&t, text.ptr);
        calendar_imip_text(t.arena, &letter, &out);
        buf_putf(&want,
                 "Alice Müller invites you to:\r\n\r\nWhat:  s\r\n%sFrom:  Alice "
                 "<alice@a.test>\r\n",
                 rows[i].want);
        T_EQ_SLICE(buf_slice(&out), buf_slice(&want));
    }
    itip_t_fini(&t);
}

static void the_rest_is_told_within_bounds(void **state)
{
    struct itip_t t;
    AUTO(buf) struct buf text = BUF(MIB);
    AUTO(buf) struct buf out = BUF(MIB);

    (void)state;
    itip_t_init(&t, "mailto:alice@a.test");
    buf_put(&text, SLICE("METHOD:REQUEST\n" HEAD UTC "SUMMARY:s\nRRULE:FREQ=DAILY\n"
                         "EXDATE:20300108T090000Z\nLOCATION:Room 1\\, left\n"
                         "DESCRIPTION:First.\\n\\nSecond\\; third.\n"));
    for (int i = 0; i < 100; i++)
        buf_putf(&text, "ATTENDEE:mailto:p%d@b.test\n", i);
    for (int i = 0; i < 40; i++)
        buf_putf(&text, "--\n" HEAD "RECURRENCE-ID:203002%02dT090000Z\nDTSTART:20300201T100000Z\n",
                 i % 28 + 1);
    struct calendar_imip_letter letter = letter_of(&t, text.ptr);
    letter.cut = true;
    calendar_imip_text(t.arena, &letter, &out);
    static const char *const says[] = {
        "Repeats: every day; not on some of them\r\n",
        "Where: Room 1, left\r\n",
        "Who:   p0@b.test\r\n       p1@b.test\r\n",
        "p29@b.test\r\n       and 70 more\r\n",
        "\r\nFirst.\r\n\r\nSecond; third.\r\n",
        "\r\nAnd these dates:\r\n",
        "\r\nand 20 more\r\n",
        "The series goes on: only its first 366 dates",
    };
    for (size_t i = 0; i < COUNT(says); i++) {
        T_ROW(i, says[i]);
        assert_non_null(strstr(out.ptr, says[i]));
    }
    assert_true(out.len < 10000);
    itip_t_fini(&t);
}

static struct slice field(struct slice mail, const char *name)
{
    struct mime_field found;

    assert_true(mime_field_find(mail, slice_str(name), &found));
    return slice_trim(found.value);
}

static bool has_field(struct slice mail, const char *name)
{
    struct mime_field found;

    return mime_field_find(mail, slice_str(name), &found);
}

/* The message of the mail, read as one that came. */
static struct ical_comp *read_back(struct itip_t *t, struct slice mail, struct slice *encoding_r)
{
    struct mime_scan *scan = mime_scan_new(NULL);
    struct ical_comp *message = NULL;
    struct ical_error error = {0};

    mime_scan_feed(scan, mail);
    const struct mime_part *part = router_task_imip_part(mime_scan_end(scan));
    assert_non_null(part);
    *encoding_r = arena_copy(t->arena, part->encoding);
    enum st st = calendar_imip_read(
        t->arena, part, slice_sub(mail, part->body_start, part->body_end - part->body_start), MIB,
        &message, &error);
    if (st != ST_OK)
        print_error("%s\n", error.text);
    assert_int_equal(st, ST_OK);
    mime_scan_free(&scan);
    return message;
}

static void a_mail_says_again_what_it_was_made_of(void **state)
{
    static const struct {
        const char *text, *encoding, *subject;
        bool quiet, automatic;
    } rows[] = {
        {"METHOD:REQUEST\n" HEAD UTC "SUMMARY:Lunch\n" BOB, "7bit", "Invitation: Lunch", false,
         false},
        {"METHOD:REQUEST\n" HEAD UTC "SUMMARY:Müll\\n.\nDESCRIPTION:\\n--=_0123456789abcdef\\n.\n",
         "base64", "=?utf-8?B?SW52aXRhdGlvbjogTcO8bGwgLg==?=", false, false},
        {"METHOD:REPLY\n" HEAD UTC BOB "SUMMARY:Lunch\n", "7bit", "Accepted: Lunch", true, false},
        {"METHOD:REFRESH\n" HEAD BOB, "7bit", "Please send again: (no title)", true, true},
    };
    struct itip_t t;

    (void)state;
    itip_t_init(&t, "mailto:alice@a.test");
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf mail = BUF(CALENDAR_IMIP_MAIL_BYTES_MAX);
        const struct calendar_imip_letter letter = letter_of(&t, rows[i].text);
        struct slice encoding;
        bool utf8 = true;

        T_ROW(i, rows[i].text);
        calendar_imip_write(t.arena, &letter, &mail, &utf8);
        assert_false(mail.over);
        assert_false(utf8);
        struct slice out = buf_slice(&mail);
        T_EQ_SLICE(field(out, "From"), SLICE("=?utf-8?B?QWxpY2UgTcO8bGxlcg==?= <alice@a.test>"));
        T_EQ_SLICE(field(out, "To"), SLICE("<bob@b.test>, <carol@c.test>"));
        T_EQ_SLICE(field(out, "Subject"), slice_str(rows[i].subject));
        T_EQ_SLICE(field(out, "Message-ID"), SLICE("<0123456789abcdef@mail.a.test>"));
        assert_int_equal(has_field(out, "X-Auto-Response-Suppress"), rows[i].quiet);
        assert_int_equal(has_field(out, "Auto-Submitted"), rows[i].automatic);
        struct ical_comp *again = read_back(&t, out, &encoding);
        T_EQ_SLICE(encoding, slice_str(rows[i].encoding));
        T_EQ_SLICE(itip_t_text(t.arena, again, false),
                   itip_t_text(t.arena, letter.vcalendar, false));
    }
    itip_t_fini(&t);
}

static void an_address_ends_no_line_and_may_need_smtputf8(void **state)
{
    static const struct slice bad[] = {{"x@y.test>\r\nBcc: <z@z.test", 25}, {"ü@y.test", 9}};
    struct itip_t t;
    AUTO(buf) struct buf mail = BUF(CALENDAR_IMIP_MAIL_BYTES_MAX);
    bool utf8 = false;

    (void)state;
    itip_t_init(&t, "mailto:alice@a.test");
    struct calendar_imip_letter letter =
        letter_of(&t, "METHOD:REQUEST\n" HEAD UTC "SUMMARY:a\\nBcc: x\n");
    letter.to = bad;
    letter.name = SLICE("A\r\nBcc: evil");
    calendar_imip_write(t.arena, &letter, &mail, &utf8);
    assert_true(utf8);
    assert_false(has_field(buf_slice(&mail), "Bcc"));
    itip_t_fini(&t);
}

static void what_is_no_message_is_refused_with_a_sentence(void **state)
{
#define ICAL(method) \
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" method \
    "BEGIN:VEVENT\r\nUID:u\r\nEND:VEVENT\r\n" \
    "END:VCALENDAR\r\n"
    static const struct {
        const char *type, *body;
        enum st st;
        const char *why;
    } rows[] = {
        {"method=REQUEST", ICAL("METHOD:REQUEST\r\n"), ST_OK, ""},
        {"method=request", ICAL("METHOD:Request\r\n"), ST_OK, ""},
        {"method=\"REQUEST\"", ICAL("METHOD:REQUEST\r\n"), ST_OK, ""},
        {"method=CANCEL", ICAL("METHOD:REQUEST\r\n"), ST_INVALID, "but the part says CANCEL"},
        {"method=REQUEST", ICAL(""), ST_INVALID, "missing or unknown"},
        {"method=X", ICAL("METHOD:X\r\n"), ST_INVALID, "missing or unknown"},
        {"method=REQUEST", ICAL("METHOD:REQUEST\r\n") ICAL("METHOD:REQUEST\r\n"), ST_INVALID,
         "not one VCALENDAR"},
        {"method=REQUEST", "BEGIN:VEVENT\r\nEND:VEVENT\r\n", ST_INVALID, "not one VCALENDAR"},
        {"method=REQUEST", "", ST_INVALID, ""},
        {"method=REQUEST", "hello", ST_INVALID, ""},
    };
    struct arena *arena = arena_new("t", GIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf mail = BUF(MIB);
        struct mime_scan *scan = mime_scan_new(NULL);
        struct ical_comp *message;
        struct ical_error error = {0};

        T_ROW(i, rows[i].body);
        buf_putf(&mail, "Content-Type: text/calendar; %s\r\n\r\n%s", rows[i].type, rows[i].body);
        mime_scan_feed(scan, buf_slice(&mail));
        const struct mime_part *part = router_task_imip_part(mime_scan_end(scan));
        assert_non_null(part);
        struct slice raw = slice_str(rows[i].body);
        assert_int_equal(calendar_imip_read(arena, part, raw, MIB, &message, &error), rows[i].st);
        assert_non_null(strstr(error.text, rows[i].why));
        assert_true(rows[i].st == ST_OK || error.text[0] != '\0');
        if (raw.len > 10)
            assert_int_equal(calendar_imip_read(arena, part, raw, 10, &message, &error),
                             ST_TOO_BIG);
        mime_scan_free(&scan);
    }
    arena_free(&arena);
}

static void from_is_one_person_or_nobody(void **state)
{
    static const struct {
        const char *header, *want;
    } rows[] = {
        {"From: Bob <Bob@B.test>\r\n", "bob@b.test"},
        {"from: bob@b.test (Bob)\r\n", "bob@b.test"},
        {"From:\r\n =?utf-8?Q?a=40x.test?= <bob@b.test>\r\n", "bob@b.test"},
        {"From: a@a.test, bob@b.test\r\n", ""},
        {"From: a@a.test\r\nFrom: bob@b.test\r\n", ""},
        {"From: undisclosed: a@a.test;\r\n", ""},
        {"From: bob\r\n", ""},
        {"From: <bob@b.test\r\nSubject: x\r\n", ""},
        {"Sender: bob@b.test\r\n", ""},
        {"Subject: x\r\n\r\nFrom: bob@b.test\r\n", ""},
        {"", ""},
    };
    struct arena *arena = arena_new("t", MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].header);
        struct slice got = calendar_imip_from(arena, slice_str(rows[i].header));
        if (i != 7) /* lenient or not, it is not somebody else */
            T_EQ_SLICE(got, slice_str(rows[i].want));
        else
            assert_true(got.len == 0 || slice_eq(got, SLICE("bob@b.test")));
    }
    arena_free(&arena);
}

static const struct directory *make_directory(void)
{
    struct directory *directory = directory_new(SLICE("a.test"));

    directory_add(directory, SLICE("person"), SLICE("alice"), 1, SLICE("alias = al\n"));
    directory_add(directory, SLICE("person"), SLICE("bob"), 2, SLICE("alias = *@a.test\n"));
    directory_add_account(directory, SLICE("alice"), 1);
    directory_add_account(directory, SLICE("bob"), 2);
    return directory_end(directory);
}

static void only_who_logged_in_is_from_inside(void **state)
{
#define OURS "Received: from s2 ([10.0.0.2])\r\n\tby s1.a.test with ESMTPS id 5;\r\n\tnow\r\n"
#define THEIRS(helo, name, with) \
    "Received: from " helo " ([10.0.0.9])\r\n\tby " name " with " with " id 7;\r\n\tnow\r\n"
    static const struct {
        const char *origin, *from, *envelope, *header;
        bool want;
    } rows[] = {
        {"submission alice", "alice@a.test", "alice@a.test", "", true},
        {"submission alice", "al@a.test", "alice@a.test", "", true},
        {"submission alice", "bob@a.test", "alice@a.test", "", false},
        {"submission nobody", "bob@a.test", "bob@a.test", "", false},
        {"calendar alice", "alice@a.test", "alice@a.test", "", true},
        {"calendar alice", "bob@a.test", "bob@a.test", "", false},
        {"smtp 10.0.0.9", "alice@a.test", "alice@a.test", "", false},
        {"smtp alice", "alice@a.test", "alice@a.test", "", false},
        {"lmtp 127.0.0.1", "alice@a.test", "alice@a.test", "", false},
        {"transfer s2.a.test", "alice@a.test", "alice@a.test", OURS, true}, /* made there */
        {"transfer s2.a.test", "alice@a.test", "alice@a.test",
         OURS THEIRS("x", "s2.a.test", "ESMTPSA"), true},
        {"transfer s2.a.test", "alice@a.test", "alice@a.test",
         OURS THEIRS("x", "s2.a.test", "ESMTPS"), false},
        {"transfer s2.a.test", "alice@a.test", "alice@a.test",
         OURS THEIRS("x", "s2.a.test", "SMTP") THEIRS("x", "s2.a.test", "ESMTPSA"), false},
        {"transfer s2.a.test", "alice@a.test", "alice@a.test",
         OURS THEIRS("x", "evil.test", "ESMTPSA"), false},
        {"transfer s2.a.test", "alice@a.test", "alice@a.test",
         OURS "Received: by s2.a.test with ESMTPSA\r\n", false},
        {"transfer s2.a.test", "alice@a.test", "bob@a.test",
         OURS THEIRS("x", "s2.a.test", "ESMTPSA"), false},
        {"transfer s2.a.test", "alice@b.test", "alice@b.test", OURS, false},
        {"transfer s2.a.test again", "alice@a.test", "alice@a.test", OURS, true},
        {"transfer s2.a.test", "alice@a.test", "alice@a.test", "", false},
        {"calendar alice", "", "", "", false},
        {"", "alice@a.test", "alice@a.test", "", false},
        {"report", "alice@a.test", "", "", false},
    };
    const struct directory *directory = make_directory();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct calendar_imip_way way = {directory, slice_str(rows[i].from),
                                              slice_str(rows[i].envelope),
                                              slice_str(rows[i].origin), slice_str(rows[i].header)};

        T_ROW(i, rows[i].origin);
        assert_int_equal(calendar_imip_inside(&way), rows[i].want);
    }
    assert_true(calendar_imip_names_us(directory, SLICE("al@a.test")));
    assert_false(calendar_imip_names_us(directory, SLICE("stranger@a.test"))); /* the catch-all's */
    assert_false(calendar_imip_names_us(directory, SLICE("alice@b.test")));
    directory_unref(&directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_says_what_became_of_the_message),
        cmocka_unit_test(of_a_report_only_failures_are_taken),
        cmocka_unit_test(the_subject_says_what_it_is),
        cmocka_unit_test(rules_are_said_in_words_or_as_they_stand),
        cmocka_unit_test(times_are_told_by_the_organizers_clock_and_in_utc),
        cmocka_unit_test(the_rest_is_told_within_bounds),
        cmocka_unit_test(a_mail_says_again_what_it_was_made_of),
        cmocka_unit_test(an_address_ends_no_line_and_may_need_smtputf8),
        cmocka_unit_test(what_is_no_message_is_refused_with_a_sentence),
        cmocka_unit_test(from_is_one_person_or_nobody),
        cmocka_unit_test(only_who_logged_in_is_from_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
