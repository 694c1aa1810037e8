#include "router/router_dsn.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "mime/mime_date.h"
#include "mime/mime_header.h"
#include "mime/mime_write.h"
#include "mime/mime_xtext.h"
#include "router/router_dsn_field.h"
#include "router/router_dsn_words.h"

#include <stdio.h>

#define PART_BYTES_MAX (64 * KIB) /* of what is gathered before it is put; all in it is cut */
#define VALUE_BYTES_MAX 2000

static const char *const actions[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
static_assert(COUNT(actions) == ROUTER_DSN_KIND_MAX, "one name for each kind");

const char *router_dsn_kind_name(enum router_dsn_kind kind)
{
    return actions[kind];
}

bool router_dsn_wanted(enum router_dsn_kind kind, unsigned notify, bool null_sender)
{
    static const unsigned bits[] = {
        [ROUTER_DSN_FAILED] = ROUTER_NOTIFY_FAILURE,
        [ROUTER_DSN_DELAYED] = ROUTER_NOTIFY_DELAY,
        [ROUTER_DSN_DELIVERED] = ROUTER_NOTIFY_SUCCESS,
        [ROUTER_DSN_RELAYED] = ROUTER_NOTIFY_SUCCESS,
        [ROUTER_DSN_EXPANDED] = ROUTER_NOTIFY_SUCCESS,
    };
    static_assert(COUNT(bits) == ROUTER_DSN_KIND_MAX, "one bit for each kind");

    if (notify == 0)
        notify = ROUTER_NOTIFY_FAILURE | ROUTER_NOTIFY_DELAY;
    return !null_sender && (notify & ROUTER_NOTIFY_NEVER) == 0 && (notify & bits[kind]) != 0;
}

bool router_dsn_whole(enum router_dsn_kind kind, enum router_ret ret, uint64_t bytes,
                      uint64_t bytes_max)
{
    return kind == ROUTER_DSN_FAILED && ret != ROUTER_RET_HDRS && bytes <= bytes_max;
}

void router_dsn_status(int code, struct slice enhanced, char status_r[ROUTER_DSN_STATUS_BYTES])
{
    char class = code >= 200 && code < 300 ? '2' : code >= 500 && code < 600 ? '5' : '4';

    if (router_dsn_field_class(enhanced) == class)
        snprintf(status_r, ROUTER_DSN_STATUS_BYTES, "%.*s", SLICE_ARG(enhanced));
    else
        snprintf(status_r, ROUTER_DSN_STATUS_BYTES, "%c.0.0", class);
}

/* A report under way. */
struct report {
    const struct router_dsn *dsn;
    router_dsn_put *put;
    void *ctx;
    struct buf part; /* what has not been put yet */
    bool utf8;       /* an address is beyond ASCII: the forms of RFC 6533 */
};

static void flush(struct report *report)
{
    assert(!report->part.over);
    report->put(report->ctx, buf_slice(&report->part));
    buf_clear(&report->part);
}

/* "prefix value", the value cut. */
static void put_field(struct report *report, const char *name, const char *prefix,
                      struct slice value)
{
    AUTO(buf) struct buf text = BUF(PART_BYTES_MAX);

    buf_put(&text, slice_str(prefix));
    mime_write_clean(value, VALUE_BYTES_MAX, report->utf8, &text);
    mime_write_field(name, buf_slice(&text), report->utf8, &report->part);
}

static void put_date(struct report *report, const char *name, int64_t ms)
{
    if (ms == 0)
        return;
    buf_putf(&report->part, "%s: ", name);
    mime_date_write((struct mime_date){.epoch = ms / 1000}, &report->part);
    buf_put(&report->part, SLICE("\r\n"));
}

/* A sender's client shows the report beside the message it is about. */
static void put_references(struct report *report)
{
    struct slice id = mime_message_id(report->dsn->header);

    if (id.len == 0)
        return;
    put_field(report, "In-Reply-To", "", id);
    put_field(report, "References", "", id);
}

static bool header_eight_bit(const struct router_dsn *dsn)
{
    return !utf8_ascii(dsn->header);
}

static bool original_eight_bit(const struct router_dsn *dsn)
{
    return header_eight_bit(dsn) || (dsn->whole && dsn->eight_bit);
}

/* RFC 6522 section 3. RFC 3834 section 5: reports are "auto-replied", never "auto-generated". */
static void put_header(struct report *report)
{
    const struct router_dsn *dsn = report->dsn;
    AUTO(buf) struct buf id = BUF(PART_BYTES_MAX);

    mime_write_mailbox("From", dsn->from_name, dsn->from, &report->part);
    mime_write_mailbox("To", SLICE(""), dsn->to, &report->part);
    router_dsn_words_subject(dsn, &report->part);
    put_date(report, "Date", dsn->now_ms);
    buf_putf(&id, "<%.*s@%.*s>", SLICE_ARG(dsn->guid), SLICE_ARG(dsn->mta));
    put_field(report, "Message-ID", "", buf_slice(&id));
    put_references(report);
    buf_putf(&report->part,
             "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
             "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n"
             " boundary=\"%.*s\"\r\n",
             report->utf8 ? "global-" : "", SLICE_ARG(dsn->boundary));
    if (report->utf8 || original_eight_bit(dsn))
        buf_put(&report->part, SLICE("Content-Transfer-Encoding: 8bit\r\n"));
    buf_put(&report->part, SLICE("\r\n"));
    flush(report);
}

static void put_delimiter(struct report *report)
{
    buf_putf(&report->part, "\r\n--%.*s\r\n", SLICE_ARG(report->dsn->boundary));
}

static void look_for_eight_bit(void *ctx, struct slice text)
{
    bool *found = ctx;

    *found |= !utf8_ascii(text);
}

static void put_quoted(void *ctx, struct slice text)
{
    struct report *report = ctx;

    for (size_t at = 0; at < text.len;) {
        struct slice rest = slice_sub(text, at, text.len);
        struct slice line = slice_sub(rest, 0, slice_find_slice(rest, SLICE("\r\n")));

        mime_write_quoted_printable(slice_sub(rest, 0, line.len + 2), &report->part);
        flush(report);
        at += line.len + 2;
    }
}

/* Written twice: first only to see whether it needs an encoding. It then is quoted-printable, so
 * that the report passes wherever the original has. */
static void put_words(struct report *report)
{
    bool eight_bit = false;

    router_dsn_words_body(report->dsn, look_for_eight_bit, &eight_bit);
    put_delimiter(report);
    buf_putf(&report->part,
             "Content-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: %s\r\n\r\n",
             eight_bit ? "quoted-printable" : "7bit");
    flush(report);
    if (eight_bit)
        router_dsn_words_body(report->dsn, put_quoted, report);
    else
        router_dsn_words_body(report->dsn, report->put, report->ctx);
}

/* RFC 3464 section 2.2. */
static void put_message_fields(struct report *report)
{
    const struct router_dsn *dsn = report->dsn;
    AUTO(buf) struct buf envid = BUF(PART_BYTES_MAX);

    put_delimiter(report);
    buf_putf(&report->part,
             "Content-Description: Delivery report\r\n"
             "Content-Type: message/%sdelivery-status\r\n%s\r\n",
             report->utf8 ? "global-" : "",
             report->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    if (mime_xtext_decode(dsn->envid, &envid) == ST_OK && !envid.over && envid.len > 0)
        put_field(report, "Original-Envelope-Id", "", buf_slice(&envid));
    put_field(report, "Reporting-MTA", "dns; ", dsn->mta);
    put_date(report, "Arrival-Date", dsn->arrived_ms);
    flush(report);
}

static void put_original_rcpt(struct report *report, const struct router_dsn_rcpt *rcpt)
{
    AUTO(buf) struct buf address = BUF(PART_BYTES_MAX);
    AUTO(buf) struct buf coded = BUF(PART_BYTES_MAX);
    struct slice type;

    router_dsn_field_orcpt(rcpt->orcpt, &type, &address);
    buf_putf(&coded, "%.*s; ", SLICE_ARG(type));
    if (type.len > 0)
        put_field(report, "Original-Recipient", coded.ptr, buf_slice(&address));
}

/* RFC 3464 section 2.3. */
static void put_rcpt(struct report *report, const struct router_dsn_rcpt *rcpt)
{
    static_assert(COUNT(actions) == ROUTER_DSN_KIND_MAX, "one action for each kind");
    const struct router_dsn *dsn = report->dsn;
    AUTO(buf) struct buf typed = BUF(PART_BYTES_MAX);
    struct slice type;
    struct slice answer = router_dsn_field_diagnostic(rcpt, &type);

    buf_put(&report->part, SLICE("\r\n"));
    put_original_rcpt(report, rcpt);
    put_field(report, "Final-Recipient", utf8_ascii(rcpt->address) ? "rfc822; " : "utf-8; ",
              rcpt->address);
    buf_putf(&report->part, "Action: %s\r\n", actions[dsn->kind]);
    put_field(report, "Status", "", router_dsn_field_status(dsn->kind, rcpt));
    if (rcpt->remote.len > 0)
        put_field(report, "Remote-MTA", "dns; ", rcpt->remote);
    buf_putf(&typed, "%.*s; ", SLICE_ARG(type));
    if (answer.len > 0)
        put_field(report, "Diagnostic-Code", typed.ptr, answer);
    put_date(report, "Last-Attempt-Date", rcpt->tried_ms);
    if (dsn->kind == ROUTER_DSN_DELAYED)
        put_date(report, "Will-Retry-Until", rcpt->until_ms);
    flush(report);
}

/* The original's header without the blank line that ends it. */
static struct slice bare_header(struct slice header)
{
    size_t len = header.len;
    bool blank = len >= 2 && header.ptr[len - 2] == '\r' && header.ptr[len - 1] == '\n' &&
                 (len == 2 || header.ptr[len - 3] == '\n');

    return slice_sub(header, 0, blank ? len - 2 : len);
}

/* RFC 6522 section 4, RFC 6533 section 5. */
static void put_original(struct report *report)
{
    static const char *const types[2][2] = {
        {"text/rfc822-headers", "message/global-headers"},
        {"message/rfc822", "message/global"},
    };
    const struct router_dsn *dsn = report->dsn;
    bool global = header_eight_bit(dsn) && utf8_valid(dsn->header);

    put_delimiter(report);
    buf_putf(&report->part, "Content-Description: %s\r\nContent-Type: %s\r\n%s\r\n",
             dsn->whole ? "Your message" : "The header of your message", types[dsn->whole][global],
             original_eight_bit(dsn) ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    flush(report);
    if (!dsn->whole)
        report->put(report->ctx, bare_header(dsn->header));
}

/* Whether an address is beyond ASCII. */
static bool needs_utf8(const struct router_dsn *dsn)
{
    for (size_t i = 0; i < dsn->rcpt_count; i++) {
        AUTO(buf) struct buf original = BUF(PART_BYTES_MAX);
        struct slice type;

        router_dsn_field_orcpt(dsn->rcpts[i].orcpt, &type, &original);
        if (!utf8_ascii(dsn->rcpts[i].address) || !utf8_ascii(buf_slice(&original)))
            return true;
    }
    return false;
}

static bool random_letters(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
            return false;
    }
    return text.len >= 16 && text.len <= 60;
}

void router_dsn_begin(const struct router_dsn *dsn, router_dsn_put *put, void *ctx)
{
    struct report report = {
        .dsn = dsn, .put = put, .ctx = ctx, .part = BUF(PART_BYTES_MAX), .utf8 = needs_utf8(dsn)};

    assert(random_letters(dsn->boundary) && dsn->to.len > 0 && dsn->rcpt_count > 0);
    put_header(&report);
    put_words(&report);
    put_message_fields(&report);
    for (size_t i = 0; i < dsn->rcpt_count; i++)
        put_rcpt(&report, &dsn->rcpts[i]);
    put_original(&report);
    buf_fini(&report.part);
}

void router_dsn_end(const struct router_dsn *dsn, router_dsn_put *put, void *ctx)
{
    struct report report = {.dsn = dsn, .put = put, .ctx = ctx, .part = BUF(PART_BYTES_MAX)};

    buf_putf(&report.part, "\r\n--%.*s--\r\n", SLICE_ARG(dsn->boundary));
    flush(&report);
    buf_fini(&report.part);
}
