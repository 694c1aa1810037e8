#include "t.h"

#include "base/buf.h"
#include "smtp/smtp_header.h"

#define DATE "Date: now\r\n"
#define ID "Message-ID: <new>\r\n"
#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"

static void keep(void *ctx, struct slice text)
{
    buf_put(ctx, text);
}

static void test_a_submission_is_mended(void **state)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"", DATE ID},
        {"\r\n", DATE ID "\r\n"},
        {"\r\nbody", DATE ID "\r\nbody"},
        {"A: b\r\n\r\nBcc: body\r\n", "A: b\r\n" DATE ID "\r\nBcc: body\r\n"},
        {"Date: x\r\n\r\n", "Date: x\r\n" ID "\r\n"},
        {"dAtE : x\r\nmessage-id:y\r\n\r\n", "dAtE : x\r\nmessage-id:y\r\n\r\n"},
        {"Dates: x\r\nMessage-ID-Not: y\r\n\r\n",
         "Dates: x\r\nMessage-ID-Not: y\r\n" DATE ID "\r\n"},
        {"Bcc: a\r\n b\r\n\tc\r\nB: c\r\n d\r\n\r\n", "B: c\r\n d\r\n" DATE ID "\r\n"},
        {"A: b\r\nBCC\t: " LONG LONG "\r\n " LONG LONG "\r\n\r\nx", "A: b\r\n" DATE ID "\r\nx"},
        {"Subject: " LONG "\r\n Date: folded\r\n\r\n",
         "Subject: " LONG "\r\n Date: folded\r\n" DATE ID "\r\n"},
        {"A: b\r\nBcc: x", "A: b\r\n" DATE ID},
        {"A: b", "A: b\r\n" DATE ID},
        {"A: b\r\n", "A: b\r\n" DATE ID},
        {"A: b\n\nbody\n", "A: b\n" DATE ID "\nbody\n"},
        {"Bcc: x\r\n\r\nbody\r\n\r\n", DATE ID "\r\nbody\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(MIB);
        struct smtp_header *header = smtp_header_new(SLICE(DATE), SLICE(ID));

        T_ROW(i, rows[i].in);
        smtp_header_feed(header, slice_str(rows[i].in), keep, &out);
        smtp_header_end(header, keep, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
        smtp_header_free(&header);
        assert_null(header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_submission_is_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
