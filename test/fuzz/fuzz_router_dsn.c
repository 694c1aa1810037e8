/* A report made of hostile words is still three parts in which no line is too long or ends badly,
 * with the original as it was. The first byte chooses kind and form; the rest are the fields,
 * separated by 0x1e. */
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_header.h"
#include "mime/mime_scan.h"
#include "router/router_dsn.h"
#include "router/router_dsn_text.h"

#include <stdlib.h>

#define RCPTS_MAX 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void keep(void *ctx, struct slice text)
{
    buf_put(ctx, text);
}

static struct slice take(struct slice *rest)
{
    struct slice field;

    return slice_split(rest, 0x1e, &field) ? field : SLICE("");
}

/* Letters that the input does not hold, as random ones would not: they change with it. */
static void draw(struct slice all, char letters[16])
{
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < all.len; i++)
        hash = (hash ^ (uint8_t)all.ptr[i]) * 1099511628211U;
    for (size_t i = 0; i < 16; i++, hash >>= 4)
        letters[i] = "0123456789abcdef"[hash & 15];
}

static void check_lines(struct slice text)
{
    struct slice line;

    while (slice_split(&text, '\n', &line)) {
        must(line.len <= 999);
        if (text.ptr != NULL)
            must(line.len > 0 && slice_find(line, '\r') == line.len - 1);
        else
            must(slice_find(line, '\r') == SIZE_MAX);
    }
}

static void check_header(struct slice header)
{
    static const char *const names[] = {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    };
    size_t seen[COUNT(names)] = {0};
    struct mime_field field;

    while (mime_field_next(&header, &field)) {
        bool known = false;

        for (size_t i = 0; i < COUNT(names); i++)
            if (slice_eq(field.name, slice_str(names[i]))) {
                known = true;
                must(seen[i]++ == 0);
            }
        must(known);
    }
    must(seen[0] == 1 && seen[1] == 1 && seen[2] == 1 && seen[3] == 1 && seen[4] == 1);
}

static void check_report(const struct router_dsn *dsn, struct slice report, struct slice original)
{
    struct mime_scan *scan = mime_scan_new(NULL);

    mime_scan_feed(scan, report);
    const struct mime_part *root = mime_scan_end(scan);
    must(mime_part_is(root, SLICE("multipart"), SLICE("report")));
    const struct mime_part *words = root->child;
    must(words != NULL && mime_part_is(words, SLICE("text"), SLICE("plain")));
    const struct mime_part *status = words->next;
    must(status != NULL && slice_eq(status->type, SLICE("message")));
    const struct mime_part *last = status->next;
    must(last != NULL && last->next == NULL);
    must(slice_starts(slice_sub(report, last->body_start, report.len), original));
    must(last->body_end - last->body_start >= original.len);
    check_header(slice_sub(report, 0, root->body_start));
    check_lines(slice_sub(report, 0, last->body_start));
    check_lines(slice_sub(report, last->body_end, report.len));
    /* A message cut off in its header has the line end before the delimiter. */
    must(report.len - last->body_end == dsn->boundary.len + 8 ||
         (dsn->whole && report.len - last->body_end == dsn->boundary.len + 6));
    mime_scan_free(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    struct router_dsn_rcpt rcpts[RCPTS_MAX] = {0};
    AUTO(buf) struct buf report = BUF(GIB);
    AUTO(buf) struct buf original = BUF(GIB);
    char boundary[16];

    if (size < 2)
        return 0;
    draw(rest, boundary);
    rest = slice_sub(rest, 1, rest.len);
    struct router_dsn dsn = {.kind = (enum router_dsn_kind)(data[0] % ROUTER_DSN_KIND_MAX),
                             .whole = (data[0] & 0x80) != 0,
                             .eight_bit = (data[0] & 0x40) != 0,
                             .boundary = {boundary, sizeof(boundary)},
                             .arrived_ms = (data[0] & 0x20) != 0 ? 1748945523000 : 0,
                             .now_ms = 1748945523000,
                             .rcpts = rcpts,
                             .rcpt_count = 1 + (data[0] & 0x1f) % RCPTS_MAX};

    dsn.mta = take(&rest);
    dsn.from_name = take(&rest);
    dsn.from = take(&rest);
    dsn.to = take(&rest);
    dsn.envid = take(&rest);
    dsn.guid = take(&rest);
    dsn.words = take(&rest);
    dsn.header = take(&rest);
    struct slice body = take(&rest);
    if (dsn.to.len == 0)
        dsn.to = SLICE("a@b");
    if (dsn.words.len == 0)
        dsn.words = router_dsn_text_default(dsn.kind);
    for (size_t i = 0; i < dsn.rcpt_count; i++) {
        rcpts[i].address = take(&rest);
        rcpts[i].orcpt = take(&rest);
        rcpts[i].status = take(&rest);
        rcpts[i].remote = take(&rest);
        rcpts[i].diagnostic = take(&rest);
        rcpts[i].tried_ms = rcpts[i].until_ms = (int64_t)size * 1000;
    }
    if (dsn.whole) {
        buf_put(&original, dsn.header);
        buf_put(&original, body);
    }
    router_dsn_begin(&dsn, keep, &report);
    buf_put(&report, buf_slice(&original));
    router_dsn_end(&dsn, keep, &report);
    must(!report.over);
    check_report(&dsn, buf_slice(&report), buf_slice(&original));
    return 0;
}
