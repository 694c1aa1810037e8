#include "imap/imap_parse.h"

#include "base/arena.h"
#include "imap/imap_utf7.h"
#include "mime/mime_date.h"

#include <string.h>

enum st imap_parse_fail(struct imap_parse *p, const char *why)
{
    if (p->why == NULL)
        p->why = why;
    return ST_INVALID;
}

static void skip(struct imap_parse *p, size_t len)
{
    p->rest.ptr += len;
    p->rest.len -= len;
}

static struct slice take(struct imap_parse *p, size_t len)
{
    struct slice head = {p->rest.ptr, len};

    skip(p, len);
    return head;
}

bool imap_parse_peek(const struct imap_parse *p, char c)
{
    return p->rest.len > 0 && p->rest.ptr[0] == c;
}

bool imap_parse_char(struct imap_parse *p, char c)
{
    if (!imap_parse_peek(p, c))
        return false;
    skip(p, 1);
    return true;
}

bool imap_parse_word(struct imap_parse *p, const char *word)
{
    if (!slice_istarts(p->rest, slice_str(word)))
        return false;
    skip(p, strlen(word));
    return true;
}

enum st imap_parse_space(struct imap_parse *p)
{
    return imap_parse_char(p, ' ') ? ST_OK : imap_parse_fail(p, "Space expected");
}

enum st imap_parse_expect(struct imap_parse *p, char c)
{
    if (imap_parse_char(p, c))
        return ST_OK;
    return imap_parse_fail(p, c == '(' ? "Parenthesis expected" : "Unexpected character");
}

enum st imap_parse_end(struct imap_parse *p)
{
    return p->rest.len == 0 ? ST_OK : imap_parse_fail(p, "More arguments than expected");
}

static bool is_atom_char(char c)
{
    return c > 0x20 && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

static bool is_astring_char(char c)
{
    return is_atom_char(c) || c == ']';
}

static bool is_tag_char(char c)
{
    return is_astring_char(c) && c != '+';
}

static bool is_pattern_char(char c)
{
    return is_astring_char(c) || c == '%' || c == '*';
}

static struct slice run_of(struct imap_parse *p, bool (*is)(char c))
{
    size_t len = 0;

    while (len < p->rest.len && is(p->rest.ptr[len]))
        len++;
    return take(p, len);
}

static enum st some_of(struct imap_parse *p, bool (*is)(char c), const char *why,
                       struct slice *out_r)
{
    *out_r = run_of(p, is);
    return out_r->len > 0 ? ST_OK : imap_parse_fail(p, why);
}

enum st imap_parse_tag(struct imap_parse *p, struct slice *tag_r)
{
    return some_of(p, is_tag_char, "Tag expected", tag_r);
}

enum st imap_parse_atom(struct imap_parse *p, struct slice *atom_r)
{
    return some_of(p, is_atom_char, "Atom expected", atom_r);
}

/* quoted of RFC 3501 section 9; bytes above 127 are let through for UTF-8. */
static enum st parse_quoted(struct imap_parse *p, struct slice *out_r)
{
    size_t escapes = 0;
    size_t len = 1;

    while (len < p->rest.len && p->rest.ptr[len] != '"') {
        char c = p->rest.ptr[len];

        if (c == '\r' || c == '\n' || c == '\0')
            return imap_parse_fail(p, "Control character in a quoted string");
        if (c == '\\') {
            if (++len >= p->rest.len || (p->rest.ptr[len] != '"' && p->rest.ptr[len] != '\\'))
                return imap_parse_fail(p, "Wrong escape in a quoted string");
            escapes++;
        }
        len++;
    }
    if (len >= p->rest.len)
        return imap_parse_fail(p, "Quoted string without an end");

    struct slice raw = {p->rest.ptr + 1, len - 1};
    skip(p, len + 1);
    *out_r = raw;
    if (escapes == 0)
        return ST_OK;
    char *to = arena_alloc(p->arena, 1, raw.len);
    size_t used = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\\')
            i++;
        to[used++] = raw.ptr[i];
    }
    *out_r = (struct slice){to, used};
    return ST_OK;
}

/* literal: the framing has seen to it that n bytes follow, but fuzzers call this too. */
static enum st parse_literal(struct imap_parse *p, struct slice *out_r)
{
    uint64_t len;

    skip(p, 1);
    if (imap_parse_number(p, UINT32_MAX, &len) != ST_OK)
        return imap_parse_fail(p, "Wrong literal");
    imap_parse_char(p, '+');
    if (!imap_parse_char(p, '}'))
        return imap_parse_fail(p, "Wrong literal");
    imap_parse_char(p, '\r');
    if (!imap_parse_char(p, '\n') || len > p->rest.len)
        return imap_parse_fail(p, "Wrong literal");
    *out_r = take(p, (size_t)len);
    if (memchr(out_r->ptr, '\0', out_r->len) != NULL)
        return imap_parse_fail(p, "NUL in a literal");
    return ST_OK;
}

enum st imap_parse_string(struct imap_parse *p, struct slice *string_r)
{
    if (imap_parse_peek(p, '"'))
        return parse_quoted(p, string_r);
    if (imap_parse_peek(p, '{'))
        return parse_literal(p, string_r);
    return imap_parse_fail(p, "String expected");
}

enum st imap_parse_nstring(struct imap_parse *p, struct slice *string_r)
{
    *string_r = (struct slice){NULL, 0};
    return imap_parse_word(p, "NIL") ? ST_OK : imap_parse_string(p, string_r);
}

static enum st string_or(struct imap_parse *p, bool (*is)(char c), struct slice *out_r)
{
    if (imap_parse_peek(p, '"') || imap_parse_peek(p, '{'))
        return imap_parse_string(p, out_r);
    return some_of(p, is, "String or atom expected", out_r);
}

enum st imap_parse_astring(struct imap_parse *p, struct slice *astring_r)
{
    return string_or(p, is_astring_char, astring_r);
}

enum st imap_parse_number(struct imap_parse *p, uint64_t max, uint64_t *number_r)
{
    size_t len = 0;

    while (len < p->rest.len && p->rest.ptr[len] >= '0' && p->rest.ptr[len] <= '9')
        len++;
    if (len == 0)
        return imap_parse_fail(p, "Number expected");
    if (slice_to_u64(take(p, len), number_r) != ST_OK || *number_r > max)
        return imap_parse_fail(p, "Number too big");
    return ST_OK;
}

static enum st decode_name(struct imap_parse *p, struct slice raw, struct slice *name_r)
{
    if (imap_utf7_decode(p->arena, raw, name_r) == ST_OK)
        return ST_OK;
    p->why = "Mailbox name is not in modified UTF-7";
    return ST_DENIED;
}

enum st imap_parse_mailbox(struct imap_parse *p, struct slice *name_r)
{
    struct slice raw;
    enum st st = imap_parse_astring(p, &raw);

    if (st == ST_OK)
        st = decode_name(p, raw, name_r);
    if (st != ST_OK)
        return st;
    if (slice_ieq(*name_r, SLICE("INBOX")))
        *name_r = SLICE("INBOX");
    return ST_OK;
}

enum st imap_parse_pattern(struct imap_parse *p, struct slice *pattern_r)
{
    struct slice raw;
    enum st st = string_or(p, is_pattern_char, &raw);

    return st == ST_OK ? decode_name(p, raw, pattern_r) : st;
}

static enum st parse_seq_number(struct imap_parse *p, uint32_t *number_r)
{
    uint64_t number;

    if (imap_parse_char(p, '*')) {
        *number_r = IMAP_STAR;
        return ST_OK;
    }
    enum st st = imap_parse_number(p, UINT32_MAX, &number);
    if (st == ST_OK && number == 0)
        return imap_parse_fail(p, "Message numbers begin with 1");
    *number_r = (uint32_t)number;
    return st;
}

/* Commas up to the end of the set, plus one. */
static size_t count_ranges(struct slice text)
{
    size_t count = 1;

    for (size_t i = 0; i < text.len && strchr("0123456789:*,", text.ptr[i]) != NULL; i++)
        count += text.ptr[i] == ',';
    return count;
}

enum st imap_parse_set(struct imap_parse *p, struct imap_set *set_r)
{
    set_r->ranges = arena_many(p->arena, struct imap_range, count_ranges(p->rest));
    set_r->count = 0;
    do {
        struct imap_range *range = &set_r->ranges[set_r->count++];

        if (parse_seq_number(p, &range->first) != ST_OK)
            return ST_INVALID;
        range->last = range->first;
        if (imap_parse_char(p, ':') && parse_seq_number(p, &range->last) != ST_OK)
            return ST_INVALID;
    } while (imap_parse_char(p, ','));
    return ST_OK;
}

static void slices_add(struct imap_parse *p, struct imap_slices *list, struct slice item)
{
    if ((list->count & (list->count - 1)) == 0) { /* full at each power of two */
        struct slice *more = arena_many(p->arena, struct slice, list->count * 2 + 1);

        if (list->count > 0)
            memcpy(more, list->items, list->count * sizeof(*more));
        list->items = more;
    }
    list->items[list->count++] = item;
}

enum st imap_parse_astrings(struct imap_parse *p, struct imap_slices *list_r)
{
    enum st st = imap_parse_expect(p, '(');

    *list_r = (struct imap_slices){NULL, 0};
    while (st == ST_OK && !imap_parse_char(p, ')')) {
        struct slice item;

        if (list_r->count > 0)
            st = imap_parse_space(p);
        if (st == ST_OK)
            st = imap_parse_astring(p, &item);
        if (st == ST_OK)
            slices_add(p, list_r, item);
    }
    return st;
}

static enum st parse_flag(struct imap_parse *p, struct slice *flag_r)
{
    const char *from = p->rest.ptr;
    bool system = imap_parse_char(p, '\\');

    if (imap_parse_atom(p, flag_r) != ST_OK)
        return ST_INVALID;
    if (system)
        *flag_r = (struct slice){from, flag_r->len + 1};
    return ST_OK;
}

enum st imap_parse_flags(struct imap_parse *p, struct imap_slices *flags_r)
{
    bool list = imap_parse_char(p, '(');
    struct slice flag;

    *flags_r = (struct imap_slices){NULL, 0};
    if (list && imap_parse_char(p, ')'))
        return ST_OK;
    do {
        if (parse_flag(p, &flag) != ST_OK)
            return ST_INVALID;
        slices_add(p, flags_r, flag);
    } while (imap_parse_char(p, ' '));
    return list ? imap_parse_expect(p, ')') : ST_OK;
}

enum st imap_parse_date_time(struct imap_parse *p, int64_t *date_s_r, int32_t *zone_min_r)
{
    struct slice text;
    struct mime_date date;

    if (!imap_parse_peek(p, '"') || parse_quoted(p, &text) != ST_OK)
        return imap_parse_fail(p, "Date and time expected");
    if (mime_internaldate_parse(text, &date) != ST_OK)
        return imap_parse_fail(p, "Date and time are not as in \"17-Jul-1996 02:44:25 -0700\"");
    *date_s_r = date.epoch;
    *zone_min_r = date.zone_min;
    return ST_OK;
}

enum st imap_parse_date(struct imap_parse *p, int64_t *date_s_r)
{
    struct slice text;

    if (imap_parse_astring(p, &text) != ST_OK)
        return ST_INVALID;
    if (mime_imap_date_parse(text, date_s_r) != ST_OK)
        return imap_parse_fail(p, "Date is not as in 1-Jul-1996");
    return ST_OK;
}

/* An astring that does not look inside: whether one stands here and is whole. */
static bool skip_astring(struct imap_parse *p)
{
    if (imap_parse_peek(p, '"')) {
        for (skip(p, 1); p->rest.len > 0; skip(p, 1)) {
            if (imap_parse_char(p, '"'))
                return true;
            if (imap_parse_peek(p, '\\') && p->rest.len > 1)
                skip(p, 1);
        }
        return false;
    }
    if (imap_parse_peek(p, '{')) {
        struct slice text;

        return parse_literal(p, &text) == ST_OK && p->rest.len > 0;
    }
    return run_of(p, is_astring_char).len > 0;
}

bool imap_parse_is_append(struct slice text)
{
    struct imap_parse p = {.rest = text};
    struct slice tag;

    if (imap_parse_tag(&p, &tag) != ST_OK || !imap_parse_word(&p, " APPEND "))
        return false;
    /* What is announced now is the message, unless the name is still to come. */
    return skip_astring(&p) && imap_parse_peek(&p, ' ');
}
