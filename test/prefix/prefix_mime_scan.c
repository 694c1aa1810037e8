#include "t.h"

#include "base/buf.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"

static const struct {
    const char *what;
    const char *text;
} samples[] = {
    {"plain",
     "Received: x\r\nFrom: a@b\r\nDate: Wed, 17 Jul 1996 02:44:25 -0700\r\n"
     "Message-ID:\r\n <x@y>\r\nSubject: s\r\n\r\nline\r\n\r\n-\r\n--\r\n- -\r\nlast"},
    {"bare LF", "From: a\nSubject: b\n\nc\n\nd\r\ne\r"},
    {"CRs alone", "From: a\r\rb\n\r\r\n\r\nc\r\r\n"},
    {"multipart, CRLF",
     "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\nContent-Type: "
     "text/html\r\n\r\n"
     "one\r\n-\r\n--\r\n--bb\r\n--b\r\n\r\ntwo\r\n\r\n--b--\r\npost\r\n--b\r\n"},
    {"multipart, LF",
     "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\nContent-Type: text/html\n\n"
     "one\n-\n--\n--bb\n--b\n\ntwo\n\n--b--\npost\n--b\n"},
    {"nested, cut off, and a message",
     "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n"
     "Content-Type: multipart/digest; boundary=\"b-\"\r\n\r\n--b-\r\n\r\nSubject: in\r\n\r\nhi\r\n"
     "--b-\r\n--x: y\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: "
     "q\r\n\r\nbody\r\n--b--"},
    {"a long line that is no delimiter",
     "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--"
     "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
     "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
     "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
     "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
     "\n--b--\n"},
};

static void write_facts(const struct mime_facts *f, struct buf *out)
{
    buf_putf(out, " %d %d", (int)f->received_count, (int)f->received_own_count);
}

/* All that a scan finds, as bytes. */
static void outcome(struct mime_scan *scan, struct buf *out)
{
    buf_clear(out);
    mime_structure_write(mime_scan_end(scan), out);
    write_facts(mime_scan_facts(scan), out);
    assert_false(out->over);
}

static void check(const struct mime_limits *limits, struct slice text)
{
    struct mime_scan *scan = mime_scan_new(limits);
    AUTO(buf) struct buf want = BUF(MIB);
    AUTO(buf) struct buf got = BUF(MIB);

    mime_scan_feed(scan, text);
    outcome(scan, &want);
    mime_scan_free(&scan);

    for (size_t cut = 0; cut <= text.len; cut++) {
        scan = mime_scan_new(limits);
        mime_scan_feed(scan, slice_sub(text, 0, cut));
        mime_scan_feed(scan, slice_sub(text, cut, text.len));
        outcome(scan, &got);
        T_EQ_SLICE(buf_slice(&got), buf_slice(&want));
        mime_scan_free(&scan);
    }
    scan = mime_scan_new(limits);
    for (size_t i = 0; i < text.len; i++)
        mime_scan_feed(scan, slice_sub(text, i, 1));
    outcome(scan, &got);
    T_EQ_SLICE(buf_slice(&got), buf_slice(&want));
    mime_scan_free(&scan);
}

static void test_scan_does_not_see_how_its_input_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        T_ROW(i, samples[i].what);
        check(NULL, slice_str(samples[i].text));
    }
}

static void test_nor_do_its_limits(void **state)
{
    (void)state;
    for (size_t max = 0; max < 60; max++) {
        struct mime_limits limits = {.parts_max = max % 5,
                                     .depth_max = 1 + max % 4,
                                     .header_bytes_max = 1 + max,
                                     .header_lines_max = max / 6,
                                     .kept_bytes_max = 50 * (max + 1)};

        for (size_t i = 0; i < COUNT(samples); i++)
            check(&limits, slice_str(samples[i].text));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_does_not_see_how_its_input_is_cut),
        cmocka_unit_test(test_nor_do_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
