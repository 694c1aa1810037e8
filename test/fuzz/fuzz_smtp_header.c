/* The header of a submission: however it is cut the outcome is the same; the body stays. */
#include "base/buf.h"
#include "base/slice.h"
#include "smtp/smtp_header.h"

#include <stdlib.h>
#include <string.h>

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

static void mend(struct slice all, size_t cut, struct buf *out)
{
    struct smtp_header *header = smtp_header_new(SLICE("Date: d\r\n"), SLICE("Message-ID: m\r\n"));

    smtp_header_feed(header, slice_sub(all, 0, cut), keep, out);
    smtp_header_feed(header, slice_sub(all, cut, all.len), keep, out);
    smtp_header_end(header, keep, out);
    smtp_header_free(&header);
}

static void check_body(struct slice all, struct slice out)
{
    size_t blank = slice_find_slice(all, SLICE("\r\n\r\n"));

    if (blank == SIZE_MAX)
        return;
    struct slice body = slice_sub(all, blank + 4, all.len);
    must(out.len >= body.len);
    must(slice_eq(slice_sub(out, out.len - body.len, body.len), body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data + (size > 0), size - (size > 0)};
    size_t cut = all.len > 0 ? data[0] % (all.len + 1) : 0;
    AUTO(buf) struct buf whole = BUF(GIB);
    AUTO(buf) struct buf pieces = BUF(GIB);

    mend(all, all.len, &whole);
    mend(all, cut, &pieces);
    must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    check_body(all, buf_slice(&whole));
    return 0;
}
