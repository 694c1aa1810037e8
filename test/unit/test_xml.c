#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "xml/xml.h"
#include "xml/xml_write.h"

static const struct xml_limits limits = {2000, 12, 4, 4, 3};

/* What is read, written again; or the line and the sentence of a refusal. */
static void tell(struct slice text, struct buf *out)
{
    struct arena *arena = arena_new("test", xml_limits_arena_bytes(&limits));
    struct xml_element *root;
    struct xml_error error;

    if (xml_parse(arena, text, &limits, &root, &error) == ST_OK)
        xml_write_element(out, root);
    else
        buf_putf(out, "%u: %s", error.line, error.text);
    arena_free(&arena);
}

static const struct {
    const char *in;
    const char *told;
} rows[] = {
    {"<a/>", "<a/>"},
    {"<?xml version='1.0'?>\n<a>x</a>\n", "<a>x</a>"},
    {"<propfind xmlns='DAV:'><prop><x:y xmlns:x='urn:z'/></prop></propfind>",
     "<D:propfind><D:prop><X:y xmlns:X=\"urn:z\"/></D:prop></D:propfind>"},
    {"<q:a xmlns:q='urn:ietf:params:xml:ns:caldav' name='VEVENT'/>", "<C:a name=\"VEVENT\"/>"},
    {"<a xml:lang='de' p:b='1' xmlns:p='urn:p'/>",
     "<a xml:lang=\"de\" xmlns:Y1=\"urn:p\" Y1:b=\"1\"/>"},
    {"<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F600;</a>", "<a>&lt;&amp;&gt;\"'A\xf0\x9f\x98\x80</a>"},
    {"<a><![CDATA[<b>&amp;]]></a>", "<a>&lt;b&gt;&amp;amp;</a>"},
    {"<a>one<!-- no --><?no no?>two</a>", "<a>onetwo</a>"},
    {"<a>\n  <b/>\n  <c> </c>\n</a>", "<a><b/><c> </c></a>"},
    {"<a>x<b/>y<b/> </a>", "<a>xy<b/><b/></a>"},
    {"<a>r&#13;\r\nn</a>", "<a>r&#13;\nn</a>"},
    {"<a b='&#10;&quot;&lt;'/>", "<a b=\"&#10;&quot;&lt;\"/>"},
    {"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4</a>",
     "1: The encoding must be UTF-8 or UTF-16, not \"iso-8859-1\"."},
    {"<a><b><c><d/></c></b></a>", "<a><b><c><d/></c></b></a>"},
    {"", "1: This is not well-formed XML: no element found."},
    {"<a>\n<b></a>", "2: This is not well-formed XML: mismatched tag."},
    {"<a>\n\xff</a>", "2: This is not well-formed XML: not well-formed (invalid token)."},
    {"<a>\1</a>", "1: This is not well-formed XML: not well-formed (invalid token)."},
    {"<a/><b/>", "1: This is not well-formed XML: junk after document element."},
    {"<p:a/>", "1: This is not well-formed XML: unbound prefix."},
    {"<a b='1' b='2'/>", "1: This is not well-formed XML: duplicate attribute."},
    {"<a>&nbsp;</a>", "1: This is not well-formed XML: undefined entity."},
    {"\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
     "2: A document type declaration (DOCTYPE) is not taken."},
    {"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
     "1: A document type declaration (DOCTYPE) is not taken."},
    {"<a><b><c><d>\n<e/></d></c></b></a>", "2: Elements are nested deeper than 4 levels."},
    {"<a><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/>\n<b/></a>",
     "2: There are more than 12 elements."},
    {"<a b='1' c='2'><a b='1' c='2'/><a b='1'/></a>", "1: There are more than 4 attributes."},
    {"<a xmlns='u:1'><b xmlns='u:2'><c xmlns='u:3'/></b></a>",
     "<X:a xmlns:X=\"u:1\"><X:b xmlns:X=\"u:2\"><X:c xmlns:X=\"u:3\"/></X:b></X:a>"},
    {"<a xmlns='u:1'><b xmlns='u:2'><c xmlns='u:3'><d xmlns='u:4'/></c></b></a>",
     "1: There are more than 3 namespaces."},
};

static void what_is_read_is_written_and_what_is_wrong_is_told(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(4 * KIB);

        T_ROW(i, rows[i].in);
        tell(slice_str(rows[i].in), &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].told));
    }
}

static void a_long_text_and_a_long_namespace_are_refused(void **state)
{
    AUTO(buf) struct buf in = BUF(4 * KIB);
    AUTO(buf) struct buf out = BUF(4 * KIB);

    buf_putf(&in, "<a>%02000d</a>", 1);
    tell(buf_slice(&in), &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("1: The text is longer than 2000 bytes."));
    buf_clear(&in);
    buf_clear(&out);
    buf_putf(&in, "<a xmlns='%0600d'/>", 1);
    tell(buf_slice(&in), &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("1: The name of a namespace is longer than 512 bytes."));
}

static void elements_and_attributes_are_found(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct xml_element *root;
    struct xml_error error;

    assert_int_equal(xml_parse(arena,
                               SLICE("<c:a xmlns='DAV:' xmlns:c='urn:ietf:params:xml:ns:caldav'>\n"
                                     "<b>1</b><c:b c:n='x' n='y'/><b>2</b></c:a>"),
                               &limits, &root, &error),
                     ST_OK);
    assert_true(xml_is(root, XML_CALDAV, "a"));
    const struct xml_element *b = xml_child(root, XML_DAV, "b");
    T_EQ_SLICE(b->text, SLICE("1"));
    assert_int_equal(b->line, 2);
    T_EQ_SLICE(xml_again(b)->text, SLICE("2"));
    assert_null(xml_again(xml_again(b)));
    T_EQ_SLICE(xml_attr(xml_child(root, XML_CALDAV, "b"), "n"), SLICE("y"));
    assert_null(xml_attr(b, "n").ptr);
    assert_null(xml_child(root, XML_OTHER, "b"));
    assert_null(xml_child(NULL, XML_DAV, "b"));
    arena_free(&arena);
}

static void what_xml_cannot_hold_is_replaced(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);

    xml_write_text(&out, SLICE("a\0b\x0b\xff\xc3\xed\xa0\x80\xef\xbf\xbe\xc3\xa4\r\n\"<"));
    T_EQ_SLICE(buf_slice(&out),
               SLICE("a\xef\xbf\xbd"
                     "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4&#13;\n\"&lt;"));
    buf_clear(&out);
    xml_write_value(&out, SLICE("\t\r\n\"'&"));
    T_EQ_SLICE(buf_slice(&out), SLICE("&#9;&#13;&#10;&quot;'&amp;"));
}

/* Texts are looked at some bytes at a time. */
static void each_character_is_written_alike_wherever_it_stands(void **state)
{
    for (unsigned c = 0; c < 256; c++) {
        const char byte = (char)c;
        AUTO(buf) struct buf alone = BUF(KIB);

        xml_write_value(&alone, (struct slice){&byte, 1});
        for (size_t before = 0; before < 20; before++) {
            AUTO(buf) struct buf text = BUF(KIB);
            AUTO(buf) struct buf out = BUF(KIB);
            AUTO(buf) struct buf expected = BUF(KIB);

            for (size_t i = 0; i < before; i++)
                buf_put(&text, i % 2 == 0 ? SLICE("~") : SLICE(" "));
            buf_put(&expected, buf_slice(&text));
            buf_put(&text, (struct slice){&byte, 1});
            buf_put(&text, SLICE("0123456789 azAZ"));
            buf_put(&expected, buf_slice(&alone));
            buf_put(&expected, SLICE("0123456789 azAZ"));
            xml_write_value(&out, buf_slice(&text));
            T_EQ_SLICE(buf_slice(&out), buf_slice(&expected));
        }
    }
}

static void a_document_declares_its_prefixes(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);

    xml_write_begin(&out, XML_DAV, "a");
    xml_write_text_in(&out, XML_CALDAV, "b", SLICE("<"));
    xml_write_empty_name(&out, SLICE("urn:q\"r"), SLICE("c"));
    xml_write_close(&out, XML_DAV, "a");
    T_EQ_SLICE(buf_slice(&out),
               SLICE("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:a xmlns:D=\"DAV:\""
                     " xmlns:C=\"urn:ietf:params:xml:ns:caldav\""
                     " xmlns:CS=\"http://calendarserver.org/ns/\""
                     " xmlns:A=\"http://apple.com/ns/ical/\">"
                     "<C:b>&lt;</C:b><X:c xmlns:X=\"urn:q&quot;r\"/></D:a>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_and_what_is_wrong_is_told),
        cmocka_unit_test(a_long_text_and_a_long_namespace_are_refused),
        cmocka_unit_test(elements_and_attributes_are_found),
        cmocka_unit_test(what_xml_cannot_hold_is_replaced),
        cmocka_unit_test(each_character_is_written_alike_wherever_it_stands),
        cmocka_unit_test(a_document_declares_its_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
