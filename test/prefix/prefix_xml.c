#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "xml/xml.h"
#include "xml/xml_write.h"

static const struct xml_limits limits = {400, 20, 6, 4, 3};

static const char *const rows[] = {
    "<?xml version='1.0' encoding='UTF-8'?>\n<propfind xmlns='DAV:'>\n <prop>\n  <a "
    "x='1'/></prop>\n"
    "</propfind>\n",
    "<a>one&amp;two<b>\xc3\xa4\xf0\x9f\x98\x80</b>\r\nthree<![CDATA[<]]>four</a>",
    "<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4\xf6</a>",
    "<a><b></a>",
    "<!DOCTYPE a><a/>",
    "<a><b><c><d><e/></d></c></b></a>",
    "<a>\n\n&none;</a>",
    "<a/>\n<a/>",
    "<a",
    "<a>",
    "<a",
};

static void tell(struct slice text, size_t step, struct buf *out)
{
    struct arena *arena = arena_new("test", xml_limits_arena_bytes(&limits));
    struct xml_reader *reader = xml_reader_new(arena, &limits);
    struct xml_element *root = NULL;
    enum st st = ST_OK;

    while (text.len > 0) { /* in two, or byte by byte */
        st = xml_reader_feed(reader, slice_sub(text, 0, step));
        text = slice_sub(text, step, text.len);
        step = step > 1 ? text.len : 1;
    }
    if (st == ST_OK)
        st = xml_reader_end(reader, &root);
    if (st == ST_OK)
        xml_write_element(out, root);
    else
        buf_putf(out, "%u: %s", xml_reader_error(reader)->line, xml_reader_error(reader)->text);
    xml_reader_free(&reader);
    arena_free(&arena);
}

static void a_document_is_read_the_same_at_any_split(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice text = slice_str(rows[i]);
        AUTO(buf) struct buf whole = BUF(4 * KIB);

        T_ROW(i, rows[i]);
        tell(text, text.len, &whole);
        for (size_t step = 1; step < text.len; step++) {
            AUTO(buf) struct buf out = BUF(4 * KIB);

            tell(text, step, &out);
            T_EQ_SLICE(buf_slice(&out), buf_slice(&whole));
        }
    }
}

static void pieces_count_together(void **state)
{
    struct arena *arena = arena_new("test", xml_limits_arena_bytes(&limits));
    struct xml_reader *reader = xml_reader_new(arena, &limits);
    enum st st = xml_reader_feed(reader, SLICE("<a>"));

    for (size_t i = 0; st == ST_OK && i < 1000; i++)
        st = xml_reader_feed(reader, SLICE("text"));
    assert_int_equal(st, ST_TOO_BIG);
    assert_int_equal(xml_reader_feed(reader, SLICE("</a>")), ST_TOO_BIG);
    xml_reader_free(&reader);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read_the_same_at_any_split),
        cmocka_unit_test(pieces_count_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
