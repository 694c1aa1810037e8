#include "mime/mime_address.h"

#include "base/arena.h"
#include "base/slice.h"
#include "mime/mime_lex.h"

#include <string.h>

#define LITERAL_BYTES_MAX 256

/* Where one address of a list lies, before it is looked at more closely. */
struct item {
    struct slice text;
    size_t open;  /* index of '<', or SIZE_MAX */
    size_t close; /* index of its '>', or the end */
    bool group;   /* ended by the ':' of a group */
};

struct list {
    struct arena *arena;
    struct slice rest;
    struct mime_addresses out;
    struct mime_address **tail;
    bool in_group;
};

static size_t angle_len(struct slice text)
{
    size_t len = 1;

    while (len < text.len && text.ptr[len] != '>')
        len += mime_lex_atom(slice_sub(text, len, text.len));
    return len;
}

/* Behind '>' only a comment may stand before the next separator; anything else is a new address
 * whose comma was forgotten. */
static size_t after_angle(struct slice text, size_t at)
{
    struct slice rest = slice_sub(text, at < text.len ? at + 1 : at, text.len);

    mime_lex_cfws(&rest);
    return text.len - rest.len;
}

/* Colons in an IPv6 literal ("a@[IPv6:::1]") start no group. */
static size_t literal_len(struct slice text, size_t at)
{
    if (at == 0 || text.ptr[at - 1] != '@')
        return 1;
    size_t close = slice_find(slice_sub(text, at, LITERAL_BYTES_MAX), ']');

    return close == SIZE_MAX ? 1 : close + 1;
}

static bool ends_item(const struct list *list, char c)
{
    return c == ',' || c == ';' || (c == ':' && !list->in_group);
}

static struct item cut_item(struct list *list)
{
    struct slice text = list->rest;
    struct item item = {.open = SIZE_MAX};
    size_t at = 0;

    while (at < text.len && !ends_item(list, text.ptr[at])) {
        if (text.ptr[at] == '<') {
            item.open = at;
            item.close = at + angle_len(slice_sub(text, at, text.len));
            at = after_angle(text, item.close);
            break;
        }
        at += text.ptr[at] == '[' ? literal_len(text, at)
                                  : mime_lex_atom(slice_sub(text, at, text.len));
        if (at > text.len)
            at = text.len;
    }
    item.text = slice_sub(text, 0, at);
    item.group = at < text.len && text.ptr[at] == ':' && item.open == SIZE_MAX;
    list->rest = slice_sub(text, at, text.len);
    return item;
}

/* A phrase (RFC 5322 section 3.2.5, and the dots of 4.1) without quoting, comments and folds;
 * blanks between words become one. */
static struct slice read_phrase(struct arena *arena, struct slice text)
{
    char *to = arena_alloc(arena, 1, text.len + 1);
    size_t len = 0;
    bool space = false;

    while (text.len > 0) {
        size_t take = mime_lex_atom(text);
        bool blank = mime_lex_blank(text.ptr[0]) || text.ptr[0] == '(';

        if (!blank && space && len > 0)
            to[len++] = ' ';
        if (text.ptr[0] == '"')
            len += mime_lex_unquote(slice_sub(text, 0, take), to + len);
        else if (!blank)
            to[len++] = text.ptr[take - 1];
        space = blank;
        text = slice_sub(text, take, text.len);
    }
    return (struct slice){to, len};
}

/* What the first comment says: where a name was written before there were display names. */
static struct slice read_comment(struct arena *arena, struct slice text)
{
    while (text.len > 0 && text.ptr[0] != '(')
        text = slice_sub(text, mime_lex_atom(text), text.len);
    if (text.len == 0)
        return text;
    size_t end = mime_lex_comment(text);
    char *to = arena_alloc(arena, 1, end);
    size_t len = 0;

    for (size_t i = 1; i < end; i++) {
        if (text.ptr[i] == '\\' && i + 1 < end)
            i++;
        else if (text.ptr[i] == ')' && i + 1 == end)
            break;
        if (text.ptr[i] != '\r' && text.ptr[i] != '\n')
            to[len++] = text.ptr[i];
    }
    return slice_trim((struct slice){to, len});
}

/* Copies text without comments and blanks; quoted strings lose their quotes when `unquote`.
 * False if there is a blank between two words, which no local part or domain may have. */
static bool read_word(struct arena *arena, struct slice text, bool unquote, struct slice *word_r)
{
    char *to = arena_alloc(arena, 1, text.len + 1);
    size_t len = 0;
    bool gap = false;
    bool good = true;
    char last = '.';

    while (text.len > 0) {
        size_t take = mime_lex_atom(text);
        char c = text.ptr[0];

        if (c == '(' || mime_lex_blank(c)) {
            gap = true;
        } else {
            good = good && !(gap && last != '.' && c != '.');
            if (c == '"' && unquote) {
                len += mime_lex_unquote(slice_sub(text, 0, take), to + len);
            } else {
                memcpy(to + len, text.ptr, take);
                len += take;
            }
            gap = false;
            last = c;
        }
        text = slice_sub(text, take, text.len);
    }
    *word_r = (struct slice){to, len};
    return good;
}

/* Index of the last '@' that is neither quoted nor in a comment, or SIZE_MAX. */
static size_t find_at(struct slice text)
{
    size_t found = SIZE_MAX;

    for (size_t at = 0; at < text.len; at += mime_lex_atom(slice_sub(text, at, text.len)))
        if (text.ptr[at] == '@')
            found = at;
    return found;
}

/* Whether an unquoted local part could be one: an '@' or a control in it is a broken address. */
static bool good_local(struct slice local)
{
    for (size_t i = 0; i < local.len; i += mime_lex_atom(slice_sub(local, i, local.len)))
        if (local.ptr[i] == '@' || local.ptr[i] == '<' || local.ptr[i] == '>' ||
            local.ptr[i] == '[' || local.ptr[i] == ']')
            return false;
    return slice_trim(local).len > 0;
}

bool mime_address_spec(struct arena *arena, struct slice text, struct mime_address *out)
{
    size_t at = find_at(text);

    if (at != SIZE_MAX) {
        bool good = good_local(slice_sub(text, 0, at));

        good = read_word(arena, slice_sub(text, 0, at), true, &out->local) && good;
        good = read_word(arena, slice_sub(text, at + 1, text.len), false, &out->domain) && good;
        out->spec = text;
        if (good && out->domain.len > 0)
            return true;
        out->spec = SLICE("");
    }
    out->local = read_phrase(arena, text);
    out->domain = (struct slice){0};
    if (at != SIZE_MAX || out->local.len == 0)
        out->local = slice_trim(text);
    out->broken = true;
    return false;
}

/* angle-addr, obs-route included: RFC 5322 section 4.4. */
static void read_angle(struct arena *arena, struct slice text, struct mime_address *out)
{
    size_t colon = slice_find(text, ':');

    mime_lex_cfws(&text);
    if (text.len > 0 && text.ptr[0] == '@' && colon != SIZE_MAX) {
        colon = slice_find(text, ':');
        read_word(arena, slice_sub(text, 0, colon), false, &out->route);
        text = slice_sub(text, colon + 1, text.len);
    }
    mime_address_spec(arena, text, out);
}

static struct mime_address *add(struct list *list, enum mime_address_kind kind)
{
    struct mime_address *address = arena_one(list->arena, struct mime_address);

    address->kind = kind;
    *list->tail = address;
    list->tail = &address->next;
    list->out.count++;
    return address;
}

static void add_mailbox(struct list *list, const struct item *item)
{
    struct arena *arena = list->arena;
    struct mime_address *out = add(list, MIME_ADDRESS_MAILBOX);

    if (item->open == SIZE_MAX) {
        mime_address_spec(arena, item->text, out);
    } else {
        out->name = read_phrase(arena, slice_sub(item->text, 0, item->open));
        read_angle(arena, slice_sub(item->text, item->open + 1, item->close - item->open - 1), out);
    }
    if (out->name.len == 0)
        out->name = read_comment(arena, item->text);
}

/* Blanks and comments alone, each comment closed, are no address. */
static bool only_cfws(struct slice text)
{
    struct slice rest = text;
    size_t depth = 0;

    mime_lex_cfws(&rest);
    if (rest.len > 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '(')
            depth++;
        else if (text.ptr[i] == ')')
            depth--;
    }
    return depth == 0;
}

static void take_item(struct list *list)
{
    struct item item = cut_item(list);

    if (item.group) {
        add(list, MIME_ADDRESS_GROUP)->name = read_phrase(list->arena, item.text);
        list->in_group = true;
    } else if (!only_cfws(item.text)) {
        add_mailbox(list, &item);
    }
    if (list->rest.len == 0)
        return;

    char c = list->rest.ptr[0];
    if (ends_item(list, c) || (item.group && c == ':'))
        list->rest = slice_sub(list->rest, 1, list->rest.len);
    if (c == ';' && list->in_group) {
        add(list, MIME_ADDRESS_GROUP_END);
        list->in_group = false;
    }
}

struct mime_addresses mime_address_parse(struct arena *arena, struct slice value, size_t count_max)
{
    struct list list = {.arena = arena, .rest = value};

    list.tail = &list.out.first;
    while (list.rest.len > 0 && list.out.count < count_max)
        take_item(&list);
    list.out.over = slice_trim(list.rest).len > 0;
    if (list.in_group)
        add(&list, MIME_ADDRESS_GROUP_END);
    return list.out;
}
