#include "xml/xml_write.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define BLOCK sizeof(uint64_t)
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define XML_URI "http://www.w3.org/XML/1998/namespace"

static_assert(('&' ^ '\'') == 1 && ('<' ^ '>') == 2, "they are looked for together");

static const char *const prefixes[] = {
#define XML_NS(id, family, prefix, uri) prefix,
#include "xml/xml_ns.def"
};
static_assert(COUNT(prefixes) == XML_OTHER, "a prefix for each");

/* What one document declares. */
enum family { FAMILY_DAV, FAMILY_SOAP };
static const enum family families[] = {
#define XML_NS(id, family, prefix, uri) FAMILY_##family,
#include "xml/xml_ns.def"
};

/* --- characters --- */

/* Length of the character that text begins with where XML 1.0 may hold it (section 2.2), else 0. */
static size_t char_len(struct slice text)
{
    uint32_t point;
    size_t len = utf8_point(text, &point);

    if (len == 0 || len == SIZE_MAX || point == 0xfffe || point == 0xffff)
        return 0;
    return point >= ' ' || point == '\t' || point == '\n' || point == '\r' ? len : 0;
}

static const char *escape_of(unsigned char c, bool value)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\r':
        return "&#13;";
    case '"':
        return value ? "&quot;" : NULL;
    case '\n':
        return value ? "&#10;" : NULL;
    case '\t':
        return value ? "&#9;" : NULL;
    default:
        return NULL;
    }
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x7f && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'';
}

/* Eight bytes at once: the highest bit of those that are 0 (and maybe of ones above them). */
static uint64_t zeros(uint64_t bytes)
{
    return (bytes - EACH(0x01)) & ~bytes & EACH(0x80);
}

/* As is_plain() of each. */
static bool is_plain_block(const unsigned char *s)
{
    uint64_t bytes;

    memcpy(&bytes, s, BLOCK);
    const uint64_t controls = (bytes - EACH(' ')) & ~bytes;
    const uint64_t beyond = (bytes + EACH(0x01)) | bytes;                      /* 0x7f and more */
    const uint64_t and_or_quote = zeros((bytes & ~EACH(0x01)) ^ EACH('&'));    /* & and ' */
    const uint64_t less_or_greater = zeros((bytes & ~EACH(0x02)) ^ EACH('<')); /* < and > */

    return (((controls | beyond) & EACH(0x80)) | and_or_quote | less_or_greater |
            zeros(bytes ^ EACH('"'))) == 0;
}

/* Whole runs at a time: most of a text needs nothing. */
static void write_escaped(struct buf *out, struct slice text, bool value)
{
    const unsigned char *s = (const unsigned char *)text.ptr;
    size_t begun = 0;

    for (size_t i = 0; i < text.len;) {
        if (is_plain(s[i])) {
            i += text.len - i >= BLOCK && is_plain_block(s + i) ? BLOCK : 1;
            continue;
        }
        size_t len = char_len(slice_sub(text, i, text.len));
        const char *instead = len == 0 ? REPLACEMENT : escape_of(s[i], value);

        if (instead != NULL) {
            buf_put(out, slice_sub(text, begun, i - begun));
            buf_put(out, slice_str(instead));
        }
        i += len > 0 ? len : 1;
        if (instead != NULL)
            begun = i;
    }
    buf_put(out, slice_sub(text, begun, text.len - begun));
}

void xml_write_text(struct buf *out, struct slice text)
{
    write_escaped(out, text, false);
}

void xml_write_value(struct buf *out, struct slice text)
{
    write_escaped(out, text, true);
}

/* --- tags --- */

void xml_write_begin(struct buf *out, enum xml_ns ns, const char *name)
{
    buf_putf(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<%s:%s", prefixes[ns], name);
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (families[i] == families[ns])
            buf_putf(out, " xmlns:%s=\"%s\"", prefixes[i], xml_ns_uri((enum xml_ns)i));
    buf_put(out, SLICE(">"));
}

/* Most of an answer are tags: no format is read for them. */
static void put_tag(struct buf *out, struct slice before, enum xml_ns ns, const char *name,
                    struct slice after)
{
    buf_put(out, before);
    buf_put(out, slice_str(prefixes[ns]));
    buf_put(out, SLICE(":"));
    buf_put(out, slice_str(name));
    buf_put(out, after);
}

void xml_write_open(struct buf *out, enum xml_ns ns, const char *name)
{
    put_tag(out, SLICE("<"), ns, name, SLICE(">"));
}

void xml_write_close(struct buf *out, enum xml_ns ns, const char *name)
{
    put_tag(out, SLICE("</"), ns, name, SLICE(">"));
}

void xml_write_empty(struct buf *out, enum xml_ns ns, const char *name)
{
    put_tag(out, SLICE("<"), ns, name, SLICE("/>"));
}

void xml_write_text_in(struct buf *out, enum xml_ns ns, const char *name, struct slice text)
{
    xml_write_open(out, ns, name);
    xml_write_text(out, text);
    xml_write_close(out, ns, name);
}

/* --- names of any namespace, in a document of WebDAV --- */

static enum xml_ns declared(struct slice uri)
{
    enum xml_ns ns = xml_ns_find(uri);

    return ns != XML_OTHER && families[ns] == FAMILY_DAV ? ns : XML_OTHER;
}

static void put_name(struct buf *out, struct slice uri, struct slice name)
{
    enum xml_ns ns = declared(uri);

    if (ns != XML_OTHER)
        buf_putf(out, "%s:", prefixes[ns]);
    else if (uri.len > 0)
        buf_put(out, SLICE("X:"));
    buf_put(out, name);
}

/* An unknown namespace is declared where it is used: "<X:name xmlns:X="..."". */
static void begin_tag(struct buf *out, struct slice uri, struct slice name)
{
    buf_put(out, SLICE("<"));
    put_name(out, uri, name);
    if (declared(uri) != XML_OTHER || uri.len == 0)
        return;
    buf_put(out, SLICE(" xmlns:X=\""));
    xml_write_value(out, uri);
    buf_put(out, SLICE("\""));
}

void xml_write_empty_name(struct buf *out, struct slice uri, struct slice name)
{
    begin_tag(out, uri, name);
    buf_put(out, SLICE("/>"));
}

/* An attribute's namespace has a prefix of its own: the element's may be another. */
static void put_attr(struct buf *out, const struct xml_attr *attr, unsigned number)
{
    enum xml_ns ns = declared(attr->uri);

    buf_put(out, SLICE(" "));
    if (slice_eq(attr->uri, SLICE(XML_URI)))
        buf_put(out, SLICE("xml:"));
    else if (ns != XML_OTHER)
        buf_putf(out, "%s:", prefixes[ns]);
    else if (attr->uri.len > 0) {
        buf_putf(out, "xmlns:Y%u=\"", number);
        xml_write_value(out, attr->uri);
        buf_putf(out, "\" Y%u:", number);
    }
    buf_put(out, attr->name);
    buf_put(out, SLICE("=\""));
    xml_write_value(out, attr->value);
    buf_put(out, SLICE("\""));
}

static void begin_element(struct buf *out, const struct xml_element *element)
{
    unsigned number = 0;

    begin_tag(out, element->uri, element->name);
    for (const struct xml_attr *attr = element->attrs; attr != NULL; attr = attr->next)
        put_attr(out, attr, number++);
    if (element->children == NULL && element->text.len == 0) {
        buf_put(out, SLICE("/>"));
        return;
    }
    buf_put(out, SLICE(">"));
    xml_write_text(out, element->text);
}

static void end_element(struct buf *out, const struct xml_element *element)
{
    if (element->children == NULL && element->text.len == 0)
        return;
    buf_put(out, SLICE("</"));
    put_name(out, element->uri, element->name);
    buf_put(out, SLICE(">"));
}

void xml_write_element(struct buf *out, const struct xml_element *element)
{
    const struct xml_element *at = element;

    for (;;) {
        begin_element(out, at);
        if (at->children != NULL) {
            at = at->children;
            continue;
        }
        end_element(out, at);
        while (at != element && at->next == NULL) {
            at = at->parent;
            end_element(out, at);
        }
        if (at == element)
            return;
        at = at->next;
    }
}
