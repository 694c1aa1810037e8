/* A body on its way out: however it is cut the text is the same; it holds no bare CR or LF, and for
 * DATA no line of one dot but the last, so that our own server reads one message. */
#include "base/buf.h"
#include "base/slice.h"
#include "router/router_text.h"
#include "smtp/smtp_dot.h"

#include <stdlib.h>

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

static void write_text(bool stuff, struct slice all, size_t cut, struct buf *out)
{
    struct router_text text = {.stuff = stuff};

    must(router_text_feed(&text, slice_sub(all, 0, cut), out) == ST_OK);
    must(router_text_feed(&text, slice_sub(all, cut, SIZE_MAX), out) == ST_OK);
    must(router_text_end(&text, out) == ST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data + (size > 0), size - (size > 0)};
    size_t cut = all.len > 0 ? data[0] % (all.len + 1) : 0;
    AUTO(buf) struct buf stuffed = BUF(GIB);
    AUTO(buf) struct buf cut_up = BUF(GIB);
    AUTO(buf) struct buf plain = BUF(GIB);
    AUTO(buf) struct buf read = BUF(GIB);
    struct smtp_dot dot = {0};

    write_text(true, all, 0, &stuffed);
    write_text(true, all, cut, &cut_up);
    write_text(false, all, cut, &plain);
    must(slice_eq(buf_slice(&stuffed), buf_slice(&cut_up)));
    must(plain.len <= 2 * all.len + 2);
    must(smtp_dot_feed(&dot, buf_slice(&stuffed), keep, &read) == stuffed.len);
    must(dot.ended && !dot.smuggling && slice_eq(buf_slice(&read), buf_slice(&plain)));
    for (size_t i = 0; i < plain.len; i++) {
        must(plain.ptr[i] != '\n' || (i > 0 && plain.ptr[i - 1] == '\r'));
        must(plain.ptr[i] != '\r' || (i + 1 < plain.len && plain.ptr[i + 1] == '\n'));
    }
    return 0;
}
