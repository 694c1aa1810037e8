/* xml.h: XML 1.0 with namespaces as a tree in an arena, read and written. Pure.
 *
 * A document type declaration is refused, so there are no entities but the five, nothing is
 * fetched and nothing grows. Comments and processing instructions are passed over. UTF-8 and
 * UTF-16 are read; a tree is always UTF-8. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

/* Namespaces that have a name here; XML_OTHER is any that is not in the table, or none. */
enum xml_ns {
#define XML_NS(id, family, prefix, uri) XML_##id,
#include "xml/xml_ns.def"
    XML_OTHER,
};

struct xml_attr {
    struct xml_attr *next;
    struct slice uri; /* of its namespace; most have none */
    struct slice name;
    struct slice value;
};

struct xml_element {
    struct xml_element *next; /* the next one in the same element */
    struct xml_element *parent;
    struct xml_element *children, **children_end;
    struct xml_attr *attrs;
    struct slice uri; /* of its namespace; "": none */
    struct slice name;
    /* What stands directly in it, joined; between elements without what is only blanks. */
    struct slice text;
    enum xml_ns ns;
    unsigned line; /* where it began, from 1 */
};

struct xml_limits {
    size_t bytes_max;
    size_t elements_max;
    size_t attributes_max; /* of all elements together */
    size_t depth_max;
    size_t namespaces_max; /* different ones */
};
/* For a request: 1 MiB, 50,000 elements, 32 levels. */
extern const struct xml_limits xml_limits_default;
/* How large an arena a text within the limits can need, so that it never runs over. */
size_t xml_limits_arena_bytes(const struct xml_limits *limits);

/* Why a text was refused: a sentence without the line, ASCII. */
struct xml_error {
    unsigned line; /* from 1 */
    char text[160];
};

/* Reads one document. ST_INVALID: it is not well-formed, or has what is refused; ST_TOO_BIG: over a
 * limit. *error_r is set with both. */
MUST_USE enum st xml_parse(struct arena *arena, struct slice text, const struct xml_limits *limits,
                           struct xml_element **root_r, struct xml_error *error_r);

/* The same in pieces. limits lives as long as the reader. What feed says first it says for good. */
struct xml_reader;
struct xml_reader *xml_reader_new(struct arena *arena, const struct xml_limits *limits);
MUST_USE enum st xml_reader_feed(struct xml_reader *reader, struct slice bytes);
MUST_USE enum st xml_reader_end(struct xml_reader *reader, struct xml_element **root_r);
const struct xml_error *xml_reader_error(const struct xml_reader *reader);
void xml_reader_free(struct xml_reader **reader); /* the tree stays */

/* Looking. */
bool xml_is(const struct xml_element *element, enum xml_ns ns, const char *name);
/* The first child of the name, or NULL; also of a NULL element. */
struct xml_element *xml_child(const struct xml_element *element, enum xml_ns ns, const char *name);
/* The next one of the same namespace and name in the same element, or NULL. */
struct xml_element *xml_again(const struct xml_element *element);
/* The value of the attribute without a namespace; ptr NULL: it is not there. */
struct slice xml_attr(const struct xml_element *element, const char *name);
enum xml_ns xml_ns_find(struct slice uri);
const char *xml_ns_uri(enum xml_ns ns);
