#include "imap/imap_items.h"

#include "base/arena.h"
#include "base/buf.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned want;
} items_table[] = {
#define IMAP_ITEM(name, id, means) {name, means},
#include "imap/imap_items.def"
};

/* What a section may be called without brackets. */
static const struct {
    const char *name;
    enum imap_section_kind kind;
    bool sets_seen;
} aliases[] = {
    {"RFC822.HEADER", IMAP_SECTION_HEADER, false},
    {"RFC822.TEXT", IMAP_SECTION_TEXT, true},
    {"RFC822", IMAP_SECTION_ALL, true},
};

static const struct {
    const char *name; /* the longer of two that begin alike stands first */
    enum imap_section_kind kind;
} section_names[] = {
    {"HEADER.FIELDS.NOT", IMAP_SECTION_FIELDS_NOT},
    {"HEADER.FIELDS", IMAP_SECTION_FIELDS},
    {"HEADER", IMAP_SECTION_HEADER},
    {"TEXT", IMAP_SECTION_TEXT},
    {"MIME", IMAP_SECTION_MIME},
};

static const char *section_name(enum imap_section_kind kind)
{
    for (size_t i = 0; i < COUNT(section_names); i++)
        if (section_names[i].kind == kind)
            return section_names[i].name;
    return "";
}

/* section-part: numbers and dots; the dot before a section-text is taken too. */
static enum st parse_part(struct imap_parse *p, struct imap_section *section)
{
    const char *from = p->rest.ptr;
    uint64_t number;

    while (p->rest.len > 0 && p->rest.ptr[0] >= '0' && p->rest.ptr[0] <= '9') {
        if (imap_parse_number(p, UINT32_MAX, &number) != ST_OK)
            return ST_INVALID;
        if (number == 0)
            return imap_parse_fail(p, "Parts are counted from 1");
        section->part = (struct slice){from, (size_t)(p->rest.ptr - from)};
        if (!imap_parse_char(p, '.'))
            return imap_parse_peek(p, ']') ? ST_OK : imap_parse_fail(p, "Wrong section");
        if (imap_parse_peek(p, ']'))
            return imap_parse_fail(p, "Wrong section");
    }
    return ST_OK;
}

static enum st parse_section_text(struct imap_parse *p, struct imap_section *section)
{
    for (size_t i = 0; i < COUNT(section_names); i++) {
        if (!imap_parse_word(p, section_names[i].name))
            continue;
        section->kind = section_names[i].kind;
        if (section->kind == IMAP_SECTION_MIME && section->part.len == 0)
            return imap_parse_fail(p, "MIME wants a part's number");
        if (section->kind != IMAP_SECTION_FIELDS && section->kind != IMAP_SECTION_FIELDS_NOT)
            return ST_OK;
        if (imap_parse_space(p) != ST_OK || imap_parse_astrings(p, &section->fields) != ST_OK)
            return ST_INVALID;
        return section->fields.count > 0 ? ST_OK : imap_parse_fail(p, "Header names expected");
    }
    return imap_parse_fail(p, "Wrong section");
}

/* "<" number "." nz-number ">" */
static enum st parse_partial(struct imap_parse *p, struct imap_section *section)
{
    if (!imap_parse_char(p, '<'))
        return ST_OK;
    section->partial = true;
    if (imap_parse_number(p, UINT32_MAX, &section->offset) != ST_OK ||
        imap_parse_expect(p, '.') != ST_OK ||
        imap_parse_number(p, UINT32_MAX, &section->len) != ST_OK)
        return ST_INVALID;
    if (section->len == 0)
        return imap_parse_fail(p, "An empty part of a section is no part");
    return imap_parse_expect(p, '>');
}

static enum st parse_section(struct imap_parse *p, struct imap_section *section)
{
    enum st st = parse_part(p, section);

    if (st == ST_OK && !imap_parse_peek(p, ']'))
        st = parse_section_text(p, section);
    if (st == ST_OK)
        st = imap_parse_expect(p, ']');
    return st == ST_OK ? parse_partial(p, section) : st;
}

static struct imap_section *section_add(struct imap_parse *p, struct imap_section ***tail)
{
    struct imap_section *section = arena_one(p->arena, struct imap_section);

    **tail = section;
    *tail = &section->next;
    return section;
}

static bool is_separator(struct slice rest)
{
    return rest.len == 0 || rest.ptr[0] == ' ' || rest.ptr[0] == ')';
}

/* Takes the word if it is a whole one. */
static bool take_name(struct imap_parse *p, const char *name)
{
    struct slice rest = slice_sub(p->rest, strlen(name), SIZE_MAX);

    return is_separator(rest) && imap_parse_word(p, name);
}

static enum st parse_item(struct imap_parse *p, struct imap_items *items,
                          struct imap_section ***tail)
{
    bool peek = imap_parse_word(p, "BODY.PEEK[");

    if (peek || imap_parse_word(p, "BODY[")) {
        items->sets_seen |= !peek;
        return parse_section(p, section_add(p, tail));
    }
    for (size_t i = 0; i < COUNT(aliases); i++) {
        if (!take_name(p, aliases[i].name))
            continue;
        struct imap_section *section = section_add(p, tail);
        section->alias = aliases[i].name;
        section->kind = aliases[i].kind;
        items->sets_seen |= aliases[i].sets_seen;
        return ST_OK;
    }
    for (size_t i = 0; i < COUNT(items_table); i++) {
        if (!take_name(p, items_table[i].name))
            continue;
        items->want |= items_table[i].want;
        return ST_OK;
    }
    return imap_parse_fail(p, "Unknown FETCH item");
}

static enum st parse_modifier(struct imap_parse *p, struct imap_items *items)
{
    if (take_name(p, "VANISHED")) {
        items->vanished = true;
        return ST_OK;
    }
    if (!imap_parse_word(p, "CHANGEDSINCE "))
        return imap_parse_fail(p, "Unknown FETCH modifier");
    items->changed_since_given = true;
    items->want |= IMAP_WANT(MODSEQ);
    return imap_parse_number(p, INT64_MAX, &items->changed_since);
}

static enum st parse_modifiers(struct imap_parse *p, struct imap_items *items)
{
    enum st st = imap_parse_space(p);

    if (st == ST_OK)
        st = imap_parse_expect(p, '(');
    do {
        if (st == ST_OK)
            st = parse_modifier(p, items);
    } while (st == ST_OK && imap_parse_char(p, ' '));
    return st == ST_OK ? imap_parse_expect(p, ')') : st;
}

enum st imap_items_parse(struct imap_parse *p, struct imap_items *items_r)
{
    struct imap_section **tail = &items_r->sections;
    bool list = imap_parse_char(p, '(');
    size_t count = 0;

    *items_r = (struct imap_items){.want = 0};
    do {
        if (++count > IMAP_SECTIONS_MAX)
            return imap_parse_fail(p, "Too many FETCH items");
        if (parse_item(p, items_r, &tail) != ST_OK)
            return ST_INVALID;
    } while (list && imap_parse_char(p, ' '));
    if (list && imap_parse_expect(p, ')') != ST_OK)
        return ST_INVALID;
    if (p->rest.len > 0 && parse_modifiers(p, items_r) != ST_OK)
        return ST_INVALID;
    return imap_parse_end(p);
}

static void fields_write(const struct imap_slices *fields, struct buf *out)
{
    buf_put(out, SLICE(" ("));
    for (size_t i = 0; i < fields->count; i++) {
        struct slice name = fields->items[i];
        bool quote = name.len == 0;

        for (size_t j = 0; j < name.len; j++)
            quote |= name.ptr[j] <= ' ' || strchr("(){%*\"\\]", name.ptr[j]) != NULL;
        buf_put(out, i > 0 ? SLICE(" ") : SLICE(""));
        if (quote) /* what may stand in a name stands in a literal at worst */
            buf_putf(out, "{%zu}\r\n", name.len);
        buf_put(out, name);
    }
    buf_put(out, SLICE(")"));
}

void imap_section_write(const struct imap_section *section, struct buf *out)
{
    if (section->alias != NULL) {
        buf_put(out, slice_str(section->alias));
        return;
    }
    buf_put(out, SLICE("BODY["));
    buf_put(out, section->part);
    if (section->part.len > 0 && section->kind != IMAP_SECTION_ALL)
        buf_put(out, SLICE("."));
    buf_put(out, slice_str(section_name(section->kind)));
    if (section->fields.count > 0)
        fields_write(&section->fields, out);
    buf_put(out, SLICE("]"));
    if (section->partial)
        buf_putf(out, "<%" PRIu64 ">", section->offset);
}
