#include "t.h"

#include "base/buf.h"
#include "smtp/smtp_header.h"

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"

static const char *const samples[] = {
    "",
    "\r\n",
    "A: b\r\nBcc: c\r\n d\r\nE: f\r\n\r\nBcc: body\r\n",
    "Date: x\r\nMessage-ID: y\r\n\r\nbody",
    ("Subject: " LONG "\r\n " LONG "\r\nBcc: " LONG LONG "\r\n\t" LONG "\r\n\r\nx\r\n"),
    "bare: lf\nBcc: x\n\nbody\n",
    "no end of the header",
    "a\r\rb: c\r\n\r\r\n\r\n",
    ("Bcc : " LONG),
};

static void keep(void *ctx, struct slice text)
{
    buf_put(ctx, text);
}

static void mend(struct slice all, size_t cut, bool each, struct buf *out)
{
    struct smtp_header *header = smtp_header_new(SLICE("Date: d\r\n"), SLICE("Message-ID: m\r\n"));

    if (each) {
        for (size_t i = 0; i < all.len; i++)
            smtp_header_feed(header, slice_sub(all, i, 1), keep, out);
    } else {
        smtp_header_feed(header, slice_sub(all, 0, cut), keep, out);
        smtp_header_feed(header, slice_sub(all, cut, all.len), keep, out);
    }
    smtp_header_end(header, keep, out);
    smtp_header_free(&header);
}

static void test_the_header_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        struct slice all = slice_str(samples[i]);
        AUTO(buf) struct buf want = BUF(MIB);
        AUTO(buf) struct buf bytes = BUF(MIB);

        T_ROW(i, samples[i]);
        mend(all, all.len, false, &want);
        for (size_t cut = 0; cut <= all.len; cut++) {
            AUTO(buf) struct buf got = BUF(MIB);

            mend(all, cut, false, &got);
            T_EQ_SLICE(buf_slice(&got), buf_slice(&want));
        }
        mend(all, 0, true, &bytes);
        T_EQ_SLICE(buf_slice(&bytes), buf_slice(&want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_header_is_the_same_however_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
