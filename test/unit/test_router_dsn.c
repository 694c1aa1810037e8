#include "t.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mime/mime_header.h"
#include "mime/mime_scan.h"
#include "router/router_dsn.h"
#include "router/router_dsn_text.h"
#include "sys/sys_file.h"

#include <stdlib.h>
#include <unistd.h>

#define NEVER ROUTER_NOTIFY_NEVER
#define SUCCESS ROUTER_NOTIFY_SUCCESS
#define FAILURE ROUTER_NOTIFY_FAILURE
#define DELAY ROUTER_NOTIFY_DELAY
#define NOW_MS 1748945523000 /* Tue, 3 Jun 2025 10:12:03 +0000 */
#define REPORT_BYTES_MAX (4 * MIB)
#define BOUNDARY "0123456789abcdef0123456789abcdef"

/* --- when one is due --- */

static void test_who_is_told_what(void **state)
{
    /* What the sender said, and whether he is told of: a failure, a delay, a success (three kinds).
     */
    static const struct {
        unsigned notify;
        bool failed, delayed, success;
    } rows[] = {
        {0, true, true, false},
        {NEVER, false, false, false},
        {SUCCESS, false, false, true},
        {FAILURE, true, false, false},
        {DELAY, false, true, false},
        {SUCCESS | FAILURE, true, false, true},
        {FAILURE | DELAY, true, true, false},
        {SUCCESS | FAILURE | DELAY, true, true, true},
        {NEVER | SUCCESS | FAILURE | DELAY, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned notify = rows[i].notify;

        T_ROW(i, "");
        assert_int_equal(router_dsn_wanted(ROUTER_DSN_FAILED, notify, false), rows[i].failed);
        assert_int_equal(router_dsn_wanted(ROUTER_DSN_DELAYED, notify, false), rows[i].delayed);
        assert_int_equal(router_dsn_wanted(ROUTER_DSN_DELIVERED, notify, false), rows[i].success);
        assert_int_equal(router_dsn_wanted(ROUTER_DSN_RELAYED, notify, false), rows[i].success);
        assert_int_equal(router_dsn_wanted(ROUTER_DSN_EXPANDED, notify, false), rows[i].success);
        for (int kind = 0; kind < ROUTER_DSN_KIND_MAX; kind++)
            assert_false(router_dsn_wanted((enum router_dsn_kind)kind, notify, true));
    }
}

static void test_only_failures_bring_the_whole_message_back(void **state)
{
    (void)state;
    assert_true(router_dsn_whole(ROUTER_DSN_FAILED, ROUTER_RET_UNSAID, 100, 100));
    assert_true(router_dsn_whole(ROUTER_DSN_FAILED, ROUTER_RET_FULL, 100, 100));
    assert_false(router_dsn_whole(ROUTER_DSN_FAILED, ROUTER_RET_FULL, 101, 100));
    assert_false(router_dsn_whole(ROUTER_DSN_FAILED, ROUTER_RET_HDRS, 1, 100));
    assert_false(router_dsn_whole(ROUTER_DSN_DELAYED, ROUTER_RET_FULL, 1, 100));
    assert_false(router_dsn_whole(ROUTER_DSN_DELIVERED, ROUTER_RET_FULL, 1, 100));
    assert_false(router_dsn_whole(ROUTER_DSN_RELAYED, ROUTER_RET_FULL, 1, 100));
    assert_false(router_dsn_whole(ROUTER_DSN_EXPANDED, ROUTER_RET_FULL, 1, 100));
}

static void test_status_of_a_reply(void **state)
{
    static const struct {
        int code;
        const char *enhanced, *status;
    } rows[] = {
        {550, "5.1.1", "5.1.1"},    {550, "", "5.0.0"},
        {550, "4.1.1", "5.0.0"},    {550, "2.0.0", "5.0.0"},
        {451, "4.7.1", "4.7.1"},    {451, "5.7.1", "4.0.0"},
        {421, "", "4.0.0"},         {250, "2.1.5", "2.1.5"},
        {250, "", "2.0.0"},         {0, "", "4.0.0"},
        {0, "5.1.1", "4.0.0"},      {354, "", "4.0.0"},
        {999, "5.1.1", "4.0.0"},    {550, "5.123.456", "5.123.456"},
        {550, "5.1234.1", "5.0.0"}, {550, "5.1", "5.0.0"},
        {550, "5.1.", "5.0.0"},     {550, "5.1.1.1", "5.0.0"},
        {550, "5.1.1 x", "5.0.0"},  {550, "5", "5.0.0"},
        {550, "5.a.1", "5.0.0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char status[ROUTER_DSN_STATUS_BYTES];

        T_ROW(i, rows[i].enhanced);
        router_dsn_status(rows[i].code, slice_str(rows[i].enhanced), status);
        assert_string_equal(status, rows[i].status);
    }
}

/* --- what it looks like --- */

static const char header[] =
    "Date: Tue, 3 Jun 2025 12:11:58 +0200\r\nFrom: alice@example.test\r\n"
    "Subject: Lunch on Friday\r\nMessage-ID: <lunch@example.test>\r\n\r\n";

static struct router_dsn_rcpt a_rcpt(void)
{
    return (struct router_dsn_rcpt){.address = SLICE("bob@example.net"),
                                    .orcpt = SLICE("rfc822;bob@example.net"),
                                    .status = SLICE("5.1.1"),
                                    .remote = SLICE("mx.example.net"),
                                    .diagnostic = SLICE("smtp; 550 5.1.1 No such user"),
                                    .tried_ms = NOW_MS + 2000,
                                    .until_ms = NOW_MS + 3600000};
}

static struct router_dsn a_dsn(enum router_dsn_kind kind, const struct router_dsn_rcpt *rcpt)
{
    return (struct router_dsn){.kind = kind,
                               .mta = SLICE("mail.example.test"),
                               .from_name = SLICE("Mail Delivery System"),
                               .from = SLICE("postmaster@example.test"),
                               .to = SLICE("alice@example.test"),
                               .guid = SLICE("00112233445566778899aabbccddeeff"),
                               .boundary = SLICE(BOUNDARY),
                               .words = router_dsn_text_default(kind),
                               .arrived_ms = NOW_MS,
                               .now_ms = NOW_MS + 3000,
                               .rcpts = rcpt,
                               .rcpt_count = 1,
                               .header = slice_str(header)};
}

static void keep(void *ctx, struct slice text)
{
    buf_put(ctx, text);
}

static void write_report(const struct router_dsn *dsn, const char *original, struct buf *out)
{
    router_dsn_begin(dsn, keep, out);
    if (dsn->whole)
        buf_put(out, slice_str(original));
    router_dsn_end(dsn, keep, out);
    assert_false(out->over);
}

static bool holds(const struct buf *report, const char *text)
{
    bool found = slice_find_slice(buf_slice(report), slice_str(text)) != SIZE_MAX;

    if (!found)
        printf("# no \"%s\" in\n%s", text, report->ptr);
    return found;
}

static void test_a_failure_report_reads_so(void **state)
{
    static const char want[] =
        "From: \"Mail Delivery System\" <postmaster@example.test>\r\n"
        "To: <alice@example.test>\r\n"
        "Subject: Not delivered: Lunch on Friday\r\n"
        "Date: Tue, 3 Jun 2025 10:12:06 +0000\r\n"
        "Message-ID: <00112233445566778899aabbccddeeff@mail.example.test>\r\n"
        "In-Reply-To: <lunch@example.test>\r\n"
        "References: <lunch@example.test>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        " boundary=\"" BOUNDARY
        "\"\r\n"
        "\r\n"
        "\r\n--" BOUNDARY
        "\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Your message \"Lunch on Friday\" of\r\n"
        "Tue, 3 Jun 2025 12:12:03 +0200 failed.\r\n"
        "\r\n"
        "bob@example.net: There is no mailbox with this address. The mail server\r\n"
        "mx.example.net answered: 550 5.1.1 No such user\r\n"
        "\r\n--" BOUNDARY
        "\r\n"
        "Content-Description: Delivery report\r\n"
        "Content-Type: message/delivery-status\r\n"
        "\r\n"
        "Original-Envelope-Id: QQ 1\r\n"
        "Reporting-MTA: dns; mail.example.test\r\n"
        "Arrival-Date: Tue, 3 Jun 2025 10:12:03 +0000\r\n"
        "\r\n"
        "Original-Recipient: rfc822; bob@example.net\r\n"
        "Final-Recipient: rfc822; bob@example.net\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mx.example.net\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
        "Last-Attempt-Date: Tue, 3 Jun 2025 10:12:05 +0000\r\n"
        "\r\n--" BOUNDARY
        "\r\n"
        "Content-Description: The header of your message\r\n"
        "Content-Type: text/rfc822-headers\r\n"
        "\r\n"
        "Date: Tue, 3 Jun 2025 12:11:58 +0200\r\n"
        "From: alice@example.test\r\n"
        "Subject: Lunch on Friday\r\n"
        "Message-ID: <lunch@example.test>\r\n"
        "\r\n--" BOUNDARY "--\r\n";
    AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
    struct router_dsn_rcpt rcpt = a_rcpt();
    struct router_dsn dsn = a_dsn(ROUTER_DSN_FAILED, &rcpt);

    (void)state;
    dsn.envid = SLICE("QQ+201");
    dsn.words =
        SLICE("Your message \"{subject}\" of\n{arrived} failed.\n\n\n{recipient}: {reason}\n");
    write_report(&dsn, NULL, &report);
    T_EQ_SLICE(buf_slice(&report), slice_str(want));
}

/* Our own scanner must find what we wrote. */
static void check_parts(struct slice report, const char *status, const char *original)
{
    struct mime_scan *scan = mime_scan_new(NULL);

    mime_scan_feed(scan, report);
    const struct mime_part *root = mime_scan_end(scan);
    assert_true(mime_part_is(root, SLICE("multipart"), SLICE("report")));
    const struct mime_part *words = root->child;
    assert_non_null(words);
    assert_true(mime_part_is(words, SLICE("text"), SLICE("plain")));
    assert_non_null(words->next);
    T_EQ_SLICE(words->next->type, SLICE("message"));
    T_EQ_SLICE(words->next->subtype, slice_str(status));
    const struct mime_part *last = words->next->next;
    assert_non_null(last);
    T_EQ_SLICE(last->subtype, slice_str(original));
    assert_null(last->next);
    mime_scan_free(&scan);
}

static void check_lines(struct slice report)
{
    struct slice line;

    while (slice_split(&report, '\n', &line)) {
        assert_true(line.len <= 999);
        assert_true(report.ptr == NULL ? line.len == 0 : line.ptr[line.len - 1] == '\r');
        if (line.len > 0)
            assert_int_equal(slice_find(line, '\r'), line.len - 1);
    }
}

static void test_each_kind_has_its_words(void **state)
{
    static const struct {
        const char *subject, *action, *says;
    } rows[] = {
        {"Subject: Not delivered: Lunch on Friday\r\n", "Action: failed\r\nStatus: 5.1.1\r\n",
         "will not be tried again"},
        {"Subject: Not delivered yet: Lunch on Friday\r\n", "Action: delayed\r\nStatus: 4.0.0\r\n",
         "Will-Retry-Until: Tue, 3 Jun 2025 11:12:03 +0000\r\n"},
        {"Subject: Delivered: Lunch on Friday\r\n", "Action: delivered\r\nStatus: 2.0.0\r\n",
         "has been delivered"},
        {"Subject: Passed on: Lunch on Friday\r\n", "Action: relayed\r\nStatus: 2.0.0\r\n",
         "another mail system"},
        {"Subject: Delivered to the group: Lunch on Friday\r\n",
         "Action: expanded\r\nStatus: 2.0.0\r\n", "members of a group"},
    };
    static_assert(COUNT(rows) == ROUTER_DSN_KIND_MAX, "one row for each kind");

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
        struct router_dsn_rcpt rcpt = a_rcpt();
        struct router_dsn dsn = a_dsn((enum router_dsn_kind)i, &rcpt);

        T_ROW(i, rows[i].says);
        write_report(&dsn, NULL, &report);
        assert_true(holds(&report, rows[i].subject));
        assert_true(holds(&report, rows[i].action));
        assert_true(holds(&report, rows[i].says));
        assert_true(holds(&report, "\r\n    bob@example.net\r\n"));
        assert_int_equal(slice_find(buf_slice(&report), '{'), SIZE_MAX);
        check_parts(buf_slice(&report), "delivery-status", "rfc822-headers");
        check_lines(buf_slice(&report));
    }
}

static void test_the_original_comes_back(void **state)
{
    static const struct {
        const char *header, *body; /* no body: only the header */
        const char *subtype;
        bool eight_bit; /* the body */
        bool encoding;  /* is told */
    } rows[] = {
        {"A: b\r\n\r\n", NULL, "rfc822-headers", false, false},
        {"A: b\r\n", NULL, "rfc822-headers", false, false},
        {"A: b", NULL, "rfc822-headers", false, false},
        {"", NULL, "rfc822-headers", false, false},
        {"\r\n", NULL, "rfc822-headers", false, false},
        {"A: \xc3\xbc\r\n\r\n", NULL, "global-headers", false, true},
        {"A: \xfc\r\n\r\n", NULL, "rfc822-headers", false, true},
        {"A: b\r\n\r\n", "text\r\n", "rfc822", false, false},
        {"A: b\r\n\r\n", "no end", "rfc822", false, false},
        {"A: b\r\n\r\n", "\xfc\r\n", "rfc822", true, true},
        {"A: \xc3\xbc\r\n\r\n", "x", "global", false, true},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n\r\none\r\n--b\r\n\r\ntwo",
         "rfc822", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
        AUTO(buf) struct buf end = BUF(1000);
        AUTO(buf) struct buf original = BUF(1000);
        struct router_dsn_rcpt rcpt = a_rcpt();
        struct router_dsn dsn = a_dsn(ROUTER_DSN_FAILED, &rcpt);

        T_ROW(i, rows[i].subtype);
        dsn.header = slice_str(rows[i].header);
        dsn.whole = rows[i].body != NULL;
        dsn.eight_bit = rows[i].eight_bit;
        buf_putf(&original, "%s%s", rows[i].header, dsn.whole ? rows[i].body : "");
        write_report(&dsn, original.ptr, &report);
        check_parts(buf_slice(&report), "delivery-status", rows[i].subtype);
        buf_putf(&end, "%s\r\n--" BOUNDARY "--\r\n", dsn.whole ? original.ptr : "");
        assert_true(slice_eq(slice_sub(buf_slice(&report), report.len - end.len, end.len),
                             buf_slice(&end)));
        size_t told = slice_find_slice(buf_slice(&report), SLICE("Encoding: 8bit\r\n"));
        assert_int_equal(told != SIZE_MAX, rows[i].encoding);
    }
}

static void test_addresses_beyond_ascii_make_it_global(void **state)
{
    static const struct {
        const char *address, *orcpt;
        const char *final, *original; /* fields */
        bool global;
    } rows[] = {
        {"bob@example.net", "", "Final-Recipient: rfc822; bob@example.net\r\n", NULL, false},
        {"bob@example.net", "rfc822;a+2Bb@c", "Final-Recipient: rfc822; bob@example.net\r\n",
         "Original-Recipient: rfc822; a+b@c\r\n", false},
        {"gr\xc3\xbcn@c", "", "Final-Recipient: utf-8; gr\xc3\xbcn@c\r\n", NULL, true},
        {"a@c", "utf-8;gr\\x{FC}n@c", "Final-Recipient: rfc822; a@c\r\n",
         "Original-Recipient: utf-8; gr\xc3\xbcn@c\r\n", true},
        {"a@c", "utf-8;gr\xc3\xbcn@c", "Final-Recipient: rfc822; a@c\r\n",
         "Original-Recipient: utf-8; gr\xc3\xbcn@c\r\n", true},
        {"a@c", "rfc822;b+0D+0AX:+20y", "Final-Recipient: rfc822; a@c\r\n",
         "Original-Recipient: rfc822; b+0D+0AX:+20y\r\n", false},
        {"a@c", "rfc822;gr+C3+BCn@c", "Final-Recipient: rfc822; a@c\r\n",
         "Original-Recipient: rfc822; gr+C3+BCn@c\r\n", false},
        {"a@c", "no type", "Final-Recipient: rfc822; a@c\r\n", NULL, false},
        {"a@c", "X400;/S+3Dx/", "Final-Recipient: rfc822; a@c\r\n",
         "Original-Recipient: X400; /S=x/\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
        struct router_dsn_rcpt rcpt = a_rcpt();
        struct router_dsn dsn = a_dsn(ROUTER_DSN_FAILED, &rcpt);

        T_ROW(i, rows[i].final);
        rcpt.address = slice_str(rows[i].address);
        rcpt.orcpt = slice_str(rows[i].orcpt);
        write_report(&dsn, NULL, &report);
        assert_true(holds(&report, rows[i].final));
        if (rows[i].original != NULL)
            assert_true(holds(&report, rows[i].original));
        else
            assert_int_equal(slice_find_slice(buf_slice(&report), SLICE("Original-Recipient")),
                             SIZE_MAX);
        check_parts(buf_slice(&report),
                    rows[i].global ? "global-delivery-status" : "delivery-status",
                    "rfc822-headers");
    }
}

static void test_hostile_words_break_nothing(void **state)
{
    static const char *const rows[] = {
        "\r\n\r\n--" BOUNDARY "x\r\nContent-Type: text/html\r\n\r\n<b>",
        "a\nBcc: eve@example.org\n\n",
        "a\rb\0c",
        "\xff\xfe\xc3",
        "\"<>();:\\,@",
        "{recipient}{reason}{subject}",
        ";",
        "smtp;",
        "\r\n",
        ".\r\n.\r\n",
        "=?utf-8?Q?x",
        "xxxxxxxx ",
        "xxxxxxxx",
        "\xe2\x82\xac",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf text = BUF(20000);
        AUTO(buf) struct buf subject = BUF(20000);
        AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
        struct router_dsn dsn = a_dsn(ROUTER_DSN_FAILED, NULL);
        struct router_dsn_rcpt rcpt;
        struct mime_field field;

        T_ROW(i, rows[i]);
        while (text.len < 10000)
            buf_put(&text, (struct slice){rows[i], strlen(rows[i])});
        struct slice hostile = buf_slice(&text);
        rcpt = (struct router_dsn_rcpt){hostile, hostile, hostile, hostile, hostile, 0, 0};
        buf_putf(&subject, "Subject: %s", text.ptr);
        dsn.from_name = dsn.from = dsn.to = dsn.envid = dsn.mta = dsn.guid = dsn.words = hostile;
        dsn.rcpts = &rcpt;
        dsn.header = SLICE("");
        write_report(&dsn, NULL, &report);
        bool global = !utf8_ascii(hostile);
        check_parts(buf_slice(&report), global ? "global-delivery-status" : "delivery-status",
                    "rfc822-headers");
        check_lines(buf_slice(&report));
        assert_false(mime_field_find(buf_slice(&report), SLICE("Bcc"), &field));
    }
}

static void test_words_are_filled_in(void **state)
{
    static const struct {
        const char *words, *subject, *body;
    } rows[] = {
        {"plain", "Not delivered: Lunch on Friday", "plain\r\n"},
        {"Subject: {recipient} of {server}\n\nx\n", "bob@example.net of mail.example.test",
         "x\r\n"},
        {"subject:x\r\n\r\na\r\n\r\nb\r\n", "x", "a\r\n\r\nb\r\n"},
        {"Subject: Nicht zugestellt: {subject} f\xc3\xbcr {recipient}\n\nx",
         "=?utf-8?B?TmljaHQgenVnZXN0ZWxsdDogTHVuY2ggb24gRnJpZGF5IGbDvHIg?=\r\n"
         " =?utf-8?B?Ym9iQGV4YW1wbGUubmV0?=",
         "x\r\n"},
        {"{status} {answer} {sender} {until}", "Not delivered: Lunch on Friday",
         "5.1.1 550 5.1.1 No such user alice@example.test Tue, 3 Jun 2025 13:12:03\r\n"
         "+0200\r\n"},
        {"{unknown} {} { {recipient", "Not delivered: Lunch on Friday",
         "{unknown} {} { {recipient\r\n"},
        {"a\n\n\n\n\tb  c\n\n", "Not delivered: Lunch on Friday", "a\r\n\r\n b  c\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
        AUTO(buf) struct buf want = BUF(10000);
        struct router_dsn_rcpt rcpt = a_rcpt();
        struct router_dsn dsn = a_dsn(ROUTER_DSN_FAILED, &rcpt);

        T_ROW(i, rows[i].words);
        dsn.words = slice_str(rows[i].words);
        write_report(&dsn, NULL, &report);
        buf_putf(&want, "\r\nSubject: %s\r\nDate:", rows[i].subject);
        assert_true(holds(&report, want.ptr));
        buf_clear(&want);
        buf_putf(&want, "7bit\r\n\r\n%s\r\n--" BOUNDARY, rows[i].body);
        assert_true(holds(&report, want.ptr));
    }
}

static void test_lines_about_nothing_are_left_out(void **state)
{
    AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
    struct router_dsn_rcpt rcpt = {.address = SLICE("bob@example.net")};
    struct router_dsn dsn = a_dsn(ROUTER_DSN_DELAYED, &rcpt);

    (void)state;
    dsn.arrived_ms = 0;
    dsn.header = SLICE("");
    dsn.words = SLICE("{subject}\n{arrived}\n\n{reason}\n{until}\n\n{recipient}\n{answer}\n");
    write_report(&dsn, NULL, &report);
    assert_true(holds(&report, "7bit\r\n\r\n(no subject)\r\n\r\nbob@example.net\r\n\r\n--"));
    assert_true(holds(&report, "\r\nSubject: Not delivered yet: (no subject)\r\n"));
    assert_true(holds(&report, "\r\nAction: delayed\r\nStatus: 4.0.0\r\n\r\n--"));
}

static void test_each_recipient_is_named(void **state)
{
    AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
    struct router_dsn_rcpt rcpts[] = {
        {.address = SLICE("a@x.example"), .status = SLICE("5.2.2")},
        {.address = SLICE("b@x.example"), .orcpt = SLICE("rfc822;list@y.example")},
        {.address = SLICE("c@x.example"), .diagnostic = SLICE("connection refused")},
    };
    struct router_dsn dsn = a_dsn(ROUTER_DSN_FAILED, rcpts);

    (void)state;
    dsn.rcpt_count = COUNT(rcpts);
    dsn.words = SLICE("For:\n\n{recipient}\n{reason}\n\nEnd.\n");
    write_report(&dsn, NULL, &report);
    assert_true(holds(&report,
                      "For:\r\n\r\na@x.example\r\nThe mailbox is full.\r\n\r\n"
                      "list@y.example (sent on to b@x.example)\r\n\r\n"
                      "c@x.example\r\nIn technical words: connection refused\r\n\r\n"
                      "End.\r\n"));
    assert_true(holds(&report, "\r\nDiagnostic-Code: x-posthorse; connection refused\r\n"));
}

static void test_the_subject_stays_as_it_was_encoded(void **state)
{
    static const struct {
        const char *header, *subject, *words;
    } rows[] = {
        {"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n",
         "x =?iso-8859-1?Q?Gr=FC=DFe?=", "Gr=C3=BC=C3=9Fe"},
        {"Subject: a\r\n b\r\n\tc\r\n", "x a b c", "a  b c"},
        {"Subject: Gr\xc3\xbc\xc3\x9f"
         "e\r\n",
         "=?utf-8?B?eCBHcsO8w59l?=", "Gr=C3=BC=C3=9Fe"},
        {"Subject:\r\n", "x (no subject)", "(no subject)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf report = BUF(REPORT_BYTES_MAX);
        AUTO(buf) struct buf want = BUF(1000);
        struct router_dsn_rcpt rcpt = a_rcpt();
        struct router_dsn dsn = a_dsn(ROUTER_DSN_FAILED, &rcpt);

        T_ROW(i, rows[i].header);
        dsn.header = slice_str(rows[i].header);
        dsn.words = SLICE("Subject: x {subject}\n\n{subject}\n");
        write_report(&dsn, NULL, &report);
        buf_putf(&want, "\r\nSubject: %s\r\nDate:", rows[i].subject);
        assert_true(holds(&report, want.ptr));
        if (i != 1)
            assert_true(holds(&report, rows[i].words));
    }
}

/* --- the administrator's words --- */

static void test_files_replace_our_words(void **state)
{
    static const struct {
        const char *file;
        struct slice bytes;
        const char *words; /* NULL: ours */
        unsigned refused;
    } rows[] = {
        {"failed.txt", {"Leider nicht.", 13}, "Leider nicht.", 0},
        {"failed.txt", {"\xef\xbb\xbfMark", 7}, "Mark", 0},
        {"failed.txt", {"gr\xfcn", 4}, NULL, 1},
        {"failed.txt", {"a\0b", 3}, NULL, 1},
        {"failed.txt", {" \n", 2}, NULL, 1},
        {"delayed.txt", {"late", 4}, NULL, 0},
    };
    struct conf conf = conf_defaults;
    char folder[] = "/tmp/posthorse-dsn-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(folder));
    conf.dsn_text_dir = folder;
    conf_use(&conf);
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf words = BUF(ROUTER_DSN_TEXT_BYTES_MAX);
        uint64_t before = count_of_event(EV_DSN_TEXT_REFUSED);
        char path[100];

        T_ROW(i, rows[i].file);
        snprintf(path, sizeof(path), "%s/%s", folder, rows[i].file);
        assert_int_equal(sys_file_write(path, rows[i].bytes, 0600), ST_OK);
        router_dsn_text_read(ROUTER_DSN_FAILED, &words);
        T_EQ_SLICE(buf_slice(&words), rows[i].words != NULL
                                          ? slice_str(rows[i].words)
                                          : router_dsn_text_default(ROUTER_DSN_FAILED));
        assert_int_equal(count_of_event(EV_DSN_TEXT_REFUSED) - before, rows[i].refused);
        unlink(path);
    }
    rmdir(folder);
    conf_use(&conf_defaults);
}

static void test_a_file_too_big_is_refused(void **state)
{
    struct conf conf = conf_defaults;
    char folder[] = "/tmp/posthorse-dsn-XXXXXX";
    char path[100];

    (void)state;
    assert_non_null(mkdtemp(folder));
    conf.dsn_text_dir = folder;
    conf_use(&conf);
    snprintf(path, sizeof(path), "%s/delivered.txt", folder);
    for (size_t more = 0; more < 2; more++) {
        AUTO(buf) struct buf words = BUF(ROUTER_DSN_TEXT_BYTES_MAX);
        AUTO(buf) struct buf text = BUF(ROUTER_DSN_TEXT_BYTES_MAX + 1);
        uint64_t before = count_of_event(EV_DSN_TEXT_REFUSED);

        while (text.len < ROUTER_DSN_TEXT_BYTES_MAX + more)
            buf_put(&text, SLICE("x"));
        assert_int_equal(sys_file_write(path, buf_slice(&text), 0600), ST_OK);
        router_dsn_text_read(ROUTER_DSN_DELIVERED, &words);
        T_EQ_SLICE(buf_slice(&words),
                   more == 0 ? buf_slice(&text) : router_dsn_text_default(ROUTER_DSN_DELIVERED));
        assert_int_equal(count_of_event(EV_DSN_TEXT_REFUSED) - before, more);
    }
    unlink(path);
    rmdir(folder);
    conf_use(&conf_defaults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_told_what),
        cmocka_unit_test(test_only_failures_bring_the_whole_message_back),
        cmocka_unit_test(test_status_of_a_reply),
        cmocka_unit_test(test_a_failure_report_reads_so),
        cmocka_unit_test(test_each_kind_has_its_words),
        cmocka_unit_test(test_the_original_comes_back),
        cmocka_unit_test(test_addresses_beyond_ascii_make_it_global),
        cmocka_unit_test(test_hostile_words_break_nothing),
        cmocka_unit_test(test_words_are_filled_in),
        cmocka_unit_test(test_lines_about_nothing_are_left_out),
        cmocka_unit_test(test_each_recipient_is_named),
        cmocka_unit_test(test_the_subject_stays_as_it_was_encoded),
        cmocka_unit_test(test_files_replace_our_words),
        cmocka_unit_test(test_a_file_too_big_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
