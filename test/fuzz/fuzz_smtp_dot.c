/* The text after DATA: however it is cut the outcome is the same, and a text that is accepted holds
 * no lone dot between line ends of any kind but the one that ends it. */
#include "base/buf.h"
#include "base/slice.h"
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

static size_t feed(struct smtp_dot *dot, struct slice all, size_t from, size_t until,
                   struct buf *out)
{
    while (!dot->ended && !dot->smuggling && from < until) {
        size_t used = smtp_dot_feed(dot, slice_sub(all, from, until - from), keep, out);

        must(used <= until - from);
        if (used == 0)
            break;
        from += used;
    }
    return from;
}

static bool is_end(char c)
{
    return c == '\r' || c == '\n';
}

/* text was accepted: its last three bytes are its end. */
static void check_no_end_within(struct slice text)
{
    for (size_t i = 0; i + 3 < text.len; i++) {
        bool begins = i == 0 || is_end(text.ptr[i - 1]);

        must(!(text.ptr[i] == '.' && begins && is_end(text.ptr[i + 1])));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data + (size > 0), size - (size > 0)};
    size_t cut = all.len > 0 ? data[0] % (all.len + 1) : 0;
    AUTO(buf) struct buf whole = BUF(GIB);
    AUTO(buf) struct buf pieces = BUF(GIB);
    struct smtp_dot one = {0};
    struct smtp_dot two = {0};

    size_t used = feed(&one, all, 0, all.len, &whole);
    size_t used_two = feed(&two, all, feed(&two, all, 0, cut, &pieces), all.len, &pieces);
    must(one.smuggling == two.smuggling);
    if (one.smuggling)
        return 0;
    must(one.ended == two.ended && slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    if (one.ended) {
        must(used == used_two && whole.len + 3 <= 2 * used);
        check_no_end_within(slice_sub(all, 0, used));
    }
    return 0;
}
