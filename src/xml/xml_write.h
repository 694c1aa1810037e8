/* xml_write.h: XML into a buf: fixed prefixes for the known namespaces, everything escaped. Pure.
 *
 *   xml_write_begin(out, XML_DAV, "multistatus");   the declaration, the prefixes, <D:multistatus>
 *   xml_write_text_in(out, XML_DAV, "href", path);
 *   xml_write_close(out, XML_DAV, "multistatus");
 *
 * Nothing fails: look at out->over at the end. */
#pragma once
#include "xml/xml.h"

/* A document's first line and its outermost element, which declares the prefixes of its family. */
void xml_write_begin(struct buf *out, enum xml_ns ns, const char *name);
void xml_write_open(struct buf *out, enum xml_ns ns, const char *name);
void xml_write_close(struct buf *out, enum xml_ns ns, const char *name);
void xml_write_empty(struct buf *out, enum xml_ns ns, const char *name);
/* <name>text</name> */
void xml_write_text_in(struct buf *out, enum xml_ns ns, const char *name, struct slice text);
/* An element of any namespace without content; in a document of WebDAV. */
void xml_write_empty_name(struct buf *out, struct slice uri, struct slice name);
/* An element as it was read, with what is in it; text goes before the elements. In a document of
 * WebDAV. */
void xml_write_element(struct buf *out, const struct xml_element *element);
/* Escaped for between tags; CR too, which a reader would otherwise take for a line's end. What XML
 * 1.0 cannot hold and what is not UTF-8 becomes U+FFFD. */
void xml_write_text(struct buf *out, struct slice text);
/* The same for inside of double quotes. */
void xml_write_value(struct buf *out, struct slice text);
