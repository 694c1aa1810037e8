#include "xml/xml.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The library guesses the encoding by these; from fewer it guesses otherwise. */
#define HEAD_BYTES 4
/* Between namespace and name in what the library tells; no XML text can hold it. */
#define SEPARATOR '\1'
/* The library copies it for each element. */
#define URI_BYTES_MAX 512

/* A run of an element's text that a child has cut off. */
struct piece {
    struct piece *next;
    struct slice text;
};

struct open {
    struct xml_element *element;
    struct piece *pieces, **pieces_end;
};

struct xml_reader {
    XML_Parser parser;
    struct arena *arena;
    const struct xml_limits *limits;
    struct xml_error error;
    enum st st;            /* ST_OK until it is refused */
    char head[HEAD_BYTES]; /* the first bytes, until there are so many */
    size_t head_len;
    size_t bytes, elements, attributes;
    struct slice *uris;
    size_t uri_count;
    struct open *open; /* depth_max of them */
    size_t depth;
    struct buf text; /* of the innermost, since its last child */
    struct xml_element *root;
};

const struct xml_limits xml_limits_default = {
    .bytes_max = 1 * MIB,
    .elements_max = 50000,
    .attributes_max = 50000,
    .depth_max = 32,
    .namespaces_max = 64,
};

static const char *const ns_uris[] = {
#define XML_NS(id, family, prefix, uri) uri,
#include "xml/xml_ns.def"
    "",
};

const char *xml_ns_uri(enum xml_ns ns)
{
    return ns_uris[ns];
}

enum xml_ns xml_ns_find(struct slice uri)
{
    unsigned ns = 0;

    while (ns < XML_OTHER && !slice_eq(uri, slice_str(ns_uris[ns])))
        ns++;
    return (enum xml_ns)ns;
}

#define ROUND(size) (((size) + 1 + 15) / 16 * 16)

/* Text may be there twice, as pieces and joined, and grows when it was UTF-16. */
size_t xml_limits_arena_bytes(const struct xml_limits *limits)
{
    size_t element = ROUND(sizeof(struct xml_element)) + ROUND(sizeof(struct piece)) + 3 * ROUND(0);

    return 4 * limits->bytes_max + limits->elements_max * element +
           limits->attributes_max * (ROUND(sizeof(struct xml_attr)) + 2 * ROUND(0)) +
           limits->depth_max * ROUND(sizeof(struct open)) +
           limits->namespaces_max * (ROUND(URI_BYTES_MAX) + ROUND(sizeof(struct slice))) + 4096;
}

/* --- refusals --- */

PRINTF(3, 4)
static void refuse(struct xml_reader *reader, enum st st, const char *fmt, ...)
{
    va_list args;

    if (reader->st != ST_OK)
        return;
    reader->st = st;
    reader->error.line = (unsigned)XML_GetCurrentLineNumber(reader->parser);
    va_start(args, fmt);
    vsnprintf(reader->error.text, sizeof(reader->error.text), fmt, args);
    va_end(args);
    for (char *c = reader->error.text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    XML_StopParser(reader->parser, XML_FALSE);
}

static void on_doctype(void *ctx, const char *name, const char *system_id, const char *public_id,
                       int has_internal)
{
    refuse(ctx, ST_INVALID, "A document type declaration (DOCTYPE) is not taken.");
}

/* The library takes more kinds of characters for parts of names in ISO-8859-1 than in UTF-8; nobody
 * needs it (RFC 4918 section 19). */
static void on_declaration(void *ctx, const char *version, const char *encoding, int standalone)
{
    struct slice name = slice_str(encoding);

    if (encoding != NULL && !slice_ieq(name, SLICE("UTF-8")) &&
        !slice_ieq(name, SLICE("US-ASCII")) && !slice_istarts(name, SLICE("UTF-16")))
        refuse(ctx, ST_INVALID, "The encoding must be UTF-8 or UTF-16, not \"%.40s\".", encoding);
}

/* --- names --- */

static struct slice intern(struct xml_reader *reader, struct slice uri)
{
    for (size_t i = 0; i < reader->uri_count; i++)
        if (slice_eq(reader->uris[i], uri))
            return reader->uris[i];
    if (reader->uri_count == reader->limits->namespaces_max) {
        refuse(reader, ST_TOO_BIG, "There are more than %zu namespaces.",
               reader->limits->namespaces_max);
        return SLICE("");
    }
    return reader->uris[reader->uri_count++] = arena_copy(reader->arena, uri);
}

static void on_namespace(void *ctx, const char *prefix, const char *uri)
{
    if (uri != NULL && strlen(uri) > URI_BYTES_MAX)
        refuse(ctx, ST_TOO_BIG, "The name of a namespace is longer than %d bytes.", URI_BYTES_MAX);
}

static void split_name(struct xml_reader *reader, const char *both, struct slice *uri_r,
                       struct slice *name_r)
{
    struct slice all = slice_str(both);
    size_t at = slice_find(all, SEPARATOR);

    *uri_r = at == SIZE_MAX ? SLICE("") : intern(reader, slice_sub(all, 0, at));
    *name_r = arena_copy(reader->arena, at == SIZE_MAX ? all : slice_sub(all, at + 1, all.len));
}

/* --- text --- */

static bool is_blank(struct slice text)
{
    return slice_trim(text).len == 0;
}

static void on_text(void *ctx, const char *text, int len)
{
    struct xml_reader *reader = ctx;

    if (reader->st == ST_OK)
        buf_put(&reader->text, (struct slice){text, (size_t)len});
}

/* A child begins: what was read until then is kept. */
static void keep_text(struct xml_reader *reader)
{
    if (reader->depth > 0 && !is_blank(buf_slice(&reader->text))) {
        struct open *open = &reader->open[reader->depth - 1];
        struct piece *piece = arena_one(reader->arena, struct piece);

        piece->text = arena_copy(reader->arena, buf_slice(&reader->text));
        *open->pieces_end = piece;
        open->pieces_end = &piece->next;
    }
    buf_clear(&reader->text);
}

static void end_text(struct xml_reader *reader, struct open *open)
{
    struct xml_element *element = open->element;
    size_t len = 0;
    char *to;

    if (open->pieces == NULL && element->children == NULL) {
        element->text = arena_copy(reader->arena, buf_slice(&reader->text));
        buf_clear(&reader->text);
        return;
    }
    keep_text(reader);
    for (const struct piece *piece = open->pieces; piece != NULL; piece = piece->next)
        len += piece->text.len;
    element->text = (struct slice){to = arena_many(reader->arena, char, len + 1), len};
    for (const struct piece *piece = open->pieces; piece != NULL; piece = piece->next) {
        memcpy(to, piece->text.ptr, piece->text.len);
        to += piece->text.len;
    }
}

/* --- elements --- */

static bool within_limits(struct xml_reader *reader)
{
    const struct xml_limits *limits = reader->limits;

    if (++reader->elements > limits->elements_max)
        refuse(reader, ST_TOO_BIG, "There are more than %zu elements.", limits->elements_max);
    else if (reader->depth == limits->depth_max)
        refuse(reader, ST_TOO_BIG, "Elements are nested deeper than %zu levels.",
               limits->depth_max);
    return reader->st == ST_OK;
}

static void take_attributes(struct xml_reader *reader, struct xml_element *element,
                            const char **both)
{
    struct xml_attr **end = &element->attrs;

    for (; *both != NULL && reader->st == ST_OK; both += 2) {
        if (++reader->attributes > reader->limits->attributes_max) {
            refuse(reader, ST_TOO_BIG, "There are more than %zu attributes.",
                   reader->limits->attributes_max);
            return;
        }
        struct xml_attr *attr = arena_one(reader->arena, struct xml_attr);
        split_name(reader, both[0], &attr->uri, &attr->name);
        attr->value = arena_copy(reader->arena, slice_str(both[1]));
        *end = attr;
        end = &attr->next;
    }
}

static void on_start(void *ctx, const char *name, const char **attributes)
{
    struct xml_reader *reader = ctx;
    struct xml_element *element;

    if (reader->st != ST_OK || !within_limits(reader))
        return;
    keep_text(reader);
    element = arena_one(reader->arena, struct xml_element);
    element->children_end = &element->children;
    element->line = (unsigned)XML_GetCurrentLineNumber(reader->parser);
    split_name(reader, name, &element->uri, &element->name);
    element->ns = xml_ns_find(element->uri);
    take_attributes(reader, element, attributes);
    if (reader->depth == 0) {
        reader->root = element;
    } else {
        element->parent = reader->open[reader->depth - 1].element;
        *element->parent->children_end = element;
        element->parent->children_end = &element->next;
    }
    struct open *open = &reader->open[reader->depth++];
    *open = (struct open){.element = element};
    open->pieces_end = &open->pieces;
}

static void on_end(void *ctx, const char *name)
{
    struct xml_reader *reader = ctx;

    if (reader->st != ST_OK)
        return;
    assert(reader->depth > 0);
    end_text(reader, &reader->open[reader->depth - 1]);
    reader->depth--;
}

/* --- the whole --- */

struct xml_reader *xml_reader_new(struct arena *arena, const struct xml_limits *limits)
{
    struct xml_reader *reader = mem_new(struct xml_reader);

    reader->arena = arena;
    reader->limits = limits;
    reader->uris = arena_many(arena, struct slice, limits->namespaces_max);
    reader->open = arena_many(arena, struct open, limits->depth_max);
    buf_init(&reader->text, 2 * limits->bytes_max);
    reader->parser = XML_ParserCreateNS(NULL, SEPARATOR);
    if (reader->parser == NULL)
        abort();
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
    XML_SetStartNamespaceDeclHandler(reader->parser, on_namespace);
    XML_SetXmlDeclHandler(reader->parser, on_declaration);
    XML_SetStartDoctypeDeclHandler(reader->parser, on_doctype);
    return reader;
}

void xml_reader_free(struct xml_reader **reader)
{
    if (*reader == NULL)
        return;
    XML_ParserFree((*reader)->parser);
    buf_fini(&(*reader)->text);
    mem_free(*reader);
    *reader = NULL;
}

const struct xml_error *xml_reader_error(const struct xml_reader *reader)
{
    return &reader->error;
}

static enum st give(struct xml_reader *reader, struct slice bytes, bool last)
{
    if (reader->st == ST_OK && XML_Parse(reader->parser, bytes.len > 0 ? bytes.ptr : "",
                                         (int)bytes.len, last) != XML_STATUS_OK) {
        enum XML_Error code = XML_GetErrorCode(reader->parser);

        if (code == XML_ERROR_NO_MEMORY)
            abort();
        refuse(reader, ST_INVALID, "This is not well-formed XML: %s.", XML_ErrorString(code));
    }
    return reader->st;
}

/* What is behind the head, which is given to the library when it is full. */
static struct slice fill_head(struct xml_reader *reader, struct slice bytes)
{
    struct slice part = slice_sub(bytes, 0, HEAD_BYTES - reader->head_len);

    if (part.len == 0)
        return bytes;
    memcpy(reader->head + reader->head_len, part.ptr, part.len);
    reader->head_len += part.len;
    if (reader->head_len == HEAD_BYTES)
        (void)give(reader, (struct slice){reader->head, HEAD_BYTES}, false);
    return slice_sub(bytes, part.len, bytes.len);
}

enum st xml_reader_feed(struct xml_reader *reader, struct slice bytes)
{
    if (reader->st == ST_OK && bytes.len > reader->limits->bytes_max - reader->bytes)
        refuse(reader, ST_TOO_BIG, "The text is longer than %zu bytes.", reader->limits->bytes_max);
    if (reader->st != ST_OK || bytes.len == 0)
        return reader->st;
    reader->bytes += bytes.len;
    bytes = fill_head(reader, bytes);
    return bytes.len > 0 ? give(reader, bytes, false) : reader->st;
}

enum st xml_reader_end(struct xml_reader *reader, struct xml_element **root_r)
{
    bool short_of_head = reader->head_len < HEAD_BYTES;
    enum st st =
        give(reader, (struct slice){reader->head, short_of_head ? reader->head_len : 0}, true);

    assert(!reader->text.over);
    *root_r = st == ST_OK ? reader->root : NULL;
    return st;
}

enum st xml_parse(struct arena *arena, struct slice text, const struct xml_limits *limits,
                  struct xml_element **root_r, struct xml_error *error_r)
{
    struct xml_reader *reader = xml_reader_new(arena, limits);
    enum st st = xml_reader_feed(reader, text);

    *root_r = NULL;
    if (st == ST_OK)
        st = xml_reader_end(reader, root_r);
    *error_r = reader->error;
    xml_reader_free(&reader);
    return st;
}

/* --- looking --- */

bool xml_is(const struct xml_element *element, enum xml_ns ns, const char *name)
{
    return element->ns == ns && slice_eq(element->name, slice_str(name));
}

struct xml_element *xml_child(const struct xml_element *element, enum xml_ns ns, const char *name)
{
    struct xml_element *child = element != NULL ? element->children : NULL;

    while (child != NULL && !xml_is(child, ns, name))
        child = child->next;
    return child;
}

struct xml_element *xml_again(const struct xml_element *element)
{
    struct xml_element *next = element->next;

    while (next != NULL &&
           !(slice_eq(next->uri, element->uri) && slice_eq(next->name, element->name)))
        next = next->next;
    return next;
}

struct slice xml_attr(const struct xml_element *element, const char *name)
{
    for (const struct xml_attr *attr = element->attrs; attr != NULL; attr = attr->next)
        if (attr->uri.len == 0 && slice_eq(attr->name, slice_str(name)))
            return attr->value;
    return (struct slice){NULL, 0};
}
