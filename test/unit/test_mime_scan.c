#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"

#include <stdlib.h>

/* Writes "type/subtype[header_start,body_start,body_end,lines](children)". */
static void dump(const struct mime_part *part, struct buf *out)
{
    static const char marks[] = {' ', '*', '@'};

    buf_putf(out, "%.*s/%.*s%c[%d,%d,%d,%d]", SLICE_ARG(part->type), SLICE_ARG(part->subtype),
             marks[part->kind], (int)part->header_start, (int)part->body_start, (int)part->body_end,
             (int)part->lines);
    if (part->child == NULL)
        return;
    buf_put(out, SLICE("("));
    for (const struct mime_part *child = part->child; child != NULL; child = child->next) {
        assert_ptr_equal(child->parent, part);
        dump(child, out);
    }
    buf_put(out, SLICE(")"));
}

static void check_tree(const struct mime_limits *limits, struct slice text, struct slice want)
{
    struct mime_scan *scan = mime_scan_new(limits);
    AUTO(buf) struct buf out = BUF(MIB);

    mime_scan_feed(scan, text);
    dump(mime_scan_end(scan), &out);
    T_EQ_SLICE(buf_slice(&out), want);
    mime_scan_free(&scan);
    assert_null(scan);
}

static const struct {
    const char *what;
    const char *text;
    const char *tree;
} trees[] = {
    {"nothing", "", "text/plain [0,0,0,0]"},
    {"only a blank line", "\r\n", "text/plain [0,2,2,0]"},
    {"header without end", "A: b", "text/plain [0,4,4,0]"},
    {"body", "A: b\r\n\r\nhi\r\n", "text/plain [0,8,12,1]"},
    {"bare LF", "A: b\n\nhi\nyou", "text/plain [0,6,12,1]"},
    {"a lone CR is no blank line", "A: b\n\rx\n\nhi", "text/plain [0,9,11,0]"},
    {"two parts",
     "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b\nA: b\n\ntwo\n\n--b--\n"
     "post\n",
     "multipart/mixed*[0,43,82,11](text/plain [51,52,55,0]text/plain [60,66,70,1])"},
    {"CRLF belongs to the delimiter",
     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n",
     "multipart/mixed*[0,45,64,4](text/plain [50,52,55,0])"},
    {"no part ever begins", "Content-Type: multipart/mixed; boundary=b\n\nbody\n",
     "multipart/mixed*[0,43,48,1]"},
    {"closed at once", "Content-Type: multipart/mixed; boundary=b\n\n--b--\n",
     "multipart/mixed*[0,43,49,1]"},
    {"unterminated", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n",
     "multipart/mixed*[0,43,52,3](text/plain [47,48,52,1])"},
    {"delimiter without line end", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--",
     "multipart/mixed*[0,43,57,3](text/plain [47,48,51,0])"},
    {"a part cut off in its header",
     "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n--b\n\none\n--b--",
     "multipart/mixed*[0,43,66,5](text/plain [47,52,52,0]text/plain [56,57,60,0])"},
    {"an empty part", "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n\n--b--",
     "multipart/mixed*[0,43,58,4](text/plain [47,47,47,0]text/plain [51,52,52,0])"},
    {"a boundary that begins another, inner longer",
     "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
     "Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--bb--\n--b--\n",
     "multipart/mixed*[0,43,120,8](multipart/alternative*[47,97,113,3]"
     "(text/plain [102,103,106,0]))"},
    {"a boundary that begins another, outer longer",
     "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n"
     "Content-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--bb--\n",
     "multipart/mixed*[0,44,114,7](multipart/alternative*[49,98,106,2]"
     "(text/plain [102,103,106,0]))"},
    {"the outer delimiter ends the inner multipart",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\n"
     "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--a\n\ntwo\n--a--\n",
     "multipart/mixed*[0,43,114,10](multipart/mixed*[47,90,98,2](text/plain [94,95,98,0])"
     "text/plain [103,104,107,0])"},
    {"blanks after the delimiter",
     "Content-Type: multipart/mixed; boundary=b\n\n--b \t\r\n\r\none\r\n--b-- \n",
     "multipart/mixed*[0,43,64,4](text/plain [50,52,55,0])"},
    {"no delimiter: more on the line", "Content-Type: multipart/mixed; boundary=b\n\n--bx\n--b -\n",
     "multipart/mixed*[0,43,54,2]"},
    {"quoted boundary with odd characters",
     "Content-Type: multipart/mixed;\n boundary=\"=_(a) b?\" (x)\n\n--=_(a) b?\n\none\n"
     "--=_(a) b?--\n",
     "multipart/mixed*[0,57,86,4](text/plain [68,69,72,0])"},
    {"digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhi\n--b--\n",
     "multipart/digest*[0,44,70,6](message/rfc822@[48,49,63,2](text/plain [49,61,63,0]))"},
    {"message", "Content-Type: message/rfc822\n\nSubject: x\n\nhi\n",
     "message/rfc822@[0,30,45,3](text/plain [30,42,45,1])"},
    {"message in message in multipart",
     "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
     "Content-Type: message/rfc822\n\nSubject: x\n\nhi\n--b--\n",
     "multipart/mixed*[0,43,128,9](message/rfc822@[47,77,121,4](message/rfc822@[77,107,121,2]"
     "(text/plain [107,119,121,0])))"},
    {"message without a body", "Content-Type: message/rfc822\n\n",
     "message/rfc822@[0,30,30,0](text/plain [30,30,30,0])"},
    {"an encoded message is opaque",
     "Content-Type: message/rfc822\nContent-Transfer-Encoding: BASE64\n\nZm9v\n",
     "message/rfc822 [0,64,69,1]"},
    {"a part cut off in its header by the outer delimiter",
     "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
     "Content-Type: multipart/digest; boundary=c\n\n--c\nX: y\n--b--\n",
     "multipart/mixed*[0,43,106,6](multipart/digest*[47,91,100,2]"
     "(message/rfc822@[95,100,100,0](text/plain [100,100,100,0])))"},
    {"a message cut off in the header of its header",
     "Content-Type: multipart/digest; boundary=b\n\n--b\nX: y",
     "multipart/digest*[0,44,52,1](message/rfc822@[48,52,52,0](text/plain [52,52,52,0]))"},
    {"a message of a blank line",
     "Content-Type: multipart/digest; boundary=b\n\n--b\n\nX: y\n\n--b--\n",
     "multipart/digest*[0,44,61,5](message/rfc822@[48,49,55,2](text/plain [49,55,55,0]))"},
    {"multipart without boundary", "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n",
     "text/plain [0,31,44,4]"},
    {"no subtype", "Content-Type: text\n\nx", "text/plain [0,20,21,0]"},
    {"no type at all", "Content-Type: ; charset=utf-8\n\nx", "text/plain [0,31,32,0]"},
    {"upper case and comments", "CONTENT-TYPE : (a) TEXT (b) / (c) HTML (d); x=y\n\n",
     "text/html [0,49,49,0]"},
    {"the first Content-Type counts", "Content-Type: text/html\nContent-Type: image/png\n\n",
     "text/html [0,49,49,0]"},
};

static void test_trees_have_the_right_extents(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(trees); i++) {
        T_ROW(i, trees[i].what);
        check_tree(NULL, slice_str(trees[i].text), slice_str(trees[i].tree));
    }
}

static void nested(struct buf *out, int depth, const char *leaf)
{
    for (int i = 0; i < depth; i++)
        buf_putf(out, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    buf_putf(out, "\n%s\n", leaf);
}

static size_t tree_depth(const struct mime_part *part)
{
    size_t deepest = 0;

    for (const struct mime_part *child = part->child; child != NULL; child = child->next) {
        size_t depth = tree_depth(child);

        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static void test_depth_is_limited(void **state)
{
    struct mime_limits limits = mime_limits_default;
    AUTO(buf) struct buf text = BUF(MIB);

    (void)state;
    nested(&text, 300, "x");
    for (size_t max = 1; max < 400; max += 57) {
        limits.depth_max = max;
        struct mime_scan *scan = mime_scan_new(&limits);

        mime_scan_feed(scan, buf_slice(&text));
        assert_int_equal(tree_depth(mime_scan_end(scan)), max < 200 ? max : 200);
        mime_scan_free(&scan);
    }
}

static void test_parts_are_limited(void **state)
{
    struct mime_limits limits = mime_limits_default;

    (void)state;
    limits.parts_max = 3;
    check_tree(
        &limits,
        SLICE("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b\n\n2\n--b\n\n3\n--b\n"
              "\n4\n--b--\nend\n"),
        SLICE("multipart/mixed*[0,43,81,14](text/plain [47,48,49,0]text/plain [54,55,56,0])"));
    limits.parts_max = 1;
    check_tree(&limits, SLICE("Content-Type: message/rfc822\n\nA: b\n\n"),
               SLICE("message/rfc822 [0,30,36,2]"));
}

static void test_header_limits_leave_offsets_right(void **state)
{
    struct mime_limits limits = mime_limits_default;
    struct slice text = SLICE("X: 1\nX: 2\nContent-Type: text/html\nFrom: a\n\nbody\n");

    (void)state;
    limits.header_lines_max = 2;
    check_tree(&limits, text, SLICE("text/plain [0,43,48,1]"));
    limits.header_lines_max = 100;
    limits.header_bytes_max = 34;
    check_tree(&limits, text, SLICE("text/html [0,43,48,1]"));
}

static void test_facts_of_the_root_header(void **state)
{
    struct slice text = SLICE(
        "Received: a\r\nRECEIVED: b\r\nreceived : c\r\nX-Received: d\r\n"
        "Message-Id: \r\n <x@y> \r\nMessage-Id: <z@y>\r\n"
        "Date: Wed, 17 Jul 1996 02:44:25 -0700\r\nFROM:\r\n\r\n"
        "Received: body\r\n");
    struct mime_scan *scan = mime_scan_new(NULL);

    (void)state;
    mime_scan_feed(scan, slice_sub(text, 0, 60));
    assert_null(mime_scan_facts(scan));
    mime_scan_feed(scan, slice_sub(text, 60, text.len));
    const struct mime_facts *facts = mime_scan_facts(scan);

    assert_non_null(facts);
    assert_int_equal(facts->received_count, 3);
    mime_scan_free(&scan);
}

static void test_nothing_is_a_message_too(void **state)
{
    struct mime_scan *scan = mime_scan_new(NULL);

    (void)state;
    assert_non_null(mime_scan_end(scan));
    assert_int_equal(mime_scan_facts(scan)->received_count, 0);
    T_EQ_SLICE(mime_scan_end(scan)->envelope, SLICE("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"));
    mime_scan_free(&scan);
}

static void test_strings_have_a_budget(void **state)
{
    struct mime_limits limits = mime_limits_default;
    struct mime_scan *scan;
    AUTO(buf) struct buf text = BUF(MIB);

    (void)state;
    limits.kept_bytes_max = 600;
    buf_put(&text, SLICE("Content-Type: text/html; a=\""));
    for (int i = 0; i < 1000; i++)
        buf_put(&text, SLICE("0123456789"));
    buf_put(&text, SLICE("\"\nSubject: s\nContent-ID: <i>\n\n"));
    scan = mime_scan_new(&limits);
    mime_scan_feed(scan, buf_slice(&text));
    const struct mime_part *root = mime_scan_end(scan);

    T_EQ_SLICE(root->subtype, SLICE("html"));
    assert_null(root->params);
    T_EQ_SLICE(root->id, SLICE("<i>"));
    T_EQ_SLICE(root->envelope, SLICE("(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"));
    mime_scan_free(&scan);
}

static void test_strings_of_a_part_are_read(void **state)
{
    struct slice text = SLICE(
        "Content-Type: Image/PNG; NAME=\"a \\\"b\\\".png\"; X=y z ;;q\r\n"
        "Content-ID: <id@x>\r\nContent-Description: two\r\n  lines\r\n"
        "Content-Transfer-Encoding: (c) Base64 \r\n"
        "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n"
        "Content-Disposition: Attachment; filename=\"x\" (c); size=1\r\n"
        "Content-Language: en, (c) de-AT\r\nContent-Location: http://x/\r\n"
        "\r\n");
    struct mime_scan *scan = mime_scan_new(NULL);

    (void)state;
    mime_scan_feed(scan, text);
    const struct mime_part *part = mime_scan_end(scan);

    T_EQ_SLICE(part->type, SLICE("image"));
    T_EQ_SLICE(part->subtype, SLICE("png"));
    T_EQ_SLICE(mime_param_get(part->params, SLICE("name")), SLICE("a \"b\".png"));
    T_EQ_SLICE(mime_param_get(part->params, SLICE("X")), SLICE("y z"));
    T_EQ_SLICE(part->id, SLICE("<id@x>"));
    T_EQ_SLICE(part->description, SLICE("two  lines"));
    T_EQ_SLICE(part->encoding, SLICE("base64"));
    T_EQ_SLICE(part->md5, SLICE("Q2hlY2sgSW50ZWdyaXR5IQ=="));
    T_EQ_SLICE(part->disposition, SLICE("attachment"));
    T_EQ_SLICE(mime_param_get(part->disposition_params, SLICE("filename")), SLICE("x"));
    T_EQ_SLICE(mime_param_get(part->disposition_params, SLICE("size")), SLICE("1"));
    T_EQ_SLICE(part->language->text, SLICE("en"));
    T_EQ_SLICE(part->language->next->text, SLICE("de-AT"));
    assert_null(part->language->next->next);
    T_EQ_SLICE(part->location, SLICE("http://x/"));
    mime_scan_free(&scan);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees_have_the_right_extents),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_parts_are_limited),
        cmocka_unit_test(test_header_limits_leave_offsets_right),
        cmocka_unit_test(test_facts_of_the_root_header),
        cmocka_unit_test(test_nothing_is_a_message_too),
        cmocka_unit_test(test_strings_have_a_budget),
        cmocka_unit_test(test_strings_of_a_part_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
