/* Addresses of a header rewritten as it passes: however it is cut the outcome is the same; where no
 * address is rewritten all stays, and so does the body always. */
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_rewrite.h"

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

static bool never(void *ctx, struct slice local, struct slice domain, struct buf *out)
{
    (void)ctx;
    (void)local;
    (void)domain;
    (void)out;
    return false;
}

static bool always(void *ctx, struct slice local, struct slice domain, struct buf *out)
{
    (void)ctx;
    buf_putf(out, "x%zu@%zu.example", local.len, domain.len);
    return true;
}

static void mend(struct slice all, size_t cut, mime_rewrite_fn *fn, struct buf *out)
{
    struct mime_rewrite *rewrite = mime_rewrite_new(fn, NULL);

    mime_rewrite_feed(rewrite, slice_sub(all, 0, cut), keep, out);
    mime_rewrite_feed(rewrite, slice_sub(all, cut, all.len), keep, out);
    mime_rewrite_end(rewrite, keep, out);
    const struct mime_rewrite_facts *facts = mime_rewrite_facts(rewrite);
    must(out->len - all.len == facts->bytes_out - facts->bytes_in);
    mime_rewrite_free(&rewrite);
}

static void check_body(struct slice all, struct slice out)
{
    size_t blank = slice_find_slice(all, SLICE("\r\n\r\n"));

    if (blank == SIZE_MAX)
        return;
    struct slice body = slice_sub(all, blank + 2, all.len);
    must(out.len >= body.len);
    must(slice_eq(slice_sub(out, out.len - body.len, body.len), body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data + (size > 0), size - (size > 0)};
    size_t cut = all.len > 0 ? data[0] % (all.len + 1) : 0;
    AUTO(buf) struct buf same = BUF(GIB);
    AUTO(buf) struct buf whole = BUF(GIB);
    AUTO(buf) struct buf pieces = BUF(GIB);

    mend(all, cut, never, &same);
    must(slice_eq(buf_slice(&same), all));
    mend(all, all.len, always, &whole);
    mend(all, cut, always, &pieces);
    must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    check_body(all, buf_slice(&whole));
    return 0;
}
