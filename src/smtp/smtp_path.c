#include "smtp/smtp_path.h"

#include "base/arena.h"
#include "base/slice.h"

#include <string.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* strchr() finds the zero byte at the end of its text, too. */
static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* atext of RFC 5322, widened by RFC 6531. */
static bool is_atext(char c, bool utf8)
{
    return is_alnum(c) || is_one_of(c, "!#$%&'*+-/=?^_`{|}~") || (utf8 && (c & 0x80) != 0);
}

/* Dot-string: its length, 0 where there is none. */
static size_t dot_string(struct slice s, bool utf8)
{
    size_t i = 0;

    while (i < s.len &&
           (is_atext(s.ptr[i], utf8) || (s.ptr[i] == '.' && i > 0 && s.ptr[i - 1] != '.')))
        i++;
    return i > 0 && s.ptr[i - 1] == '.' ? 0 : i;
}

/* Quoted-string: its length with the quotes, 0 where there is none; its content into the arena. */
static size_t quoted_string(struct arena *arena, struct slice s, bool utf8, struct slice *content_r)
{
    char *content = arena_alloc(arena, 1, s.len + 1);
    size_t len = 0;

    if (s.len < 2 || s.ptr[0] != '"')
        return 0;
    for (size_t i = 1; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '"') {
            *content_r = (struct slice){content, len};
            return i + 1;
        }
        if (c == '\\' && ++i < s.len)
            c = s.ptr[i];
        if ((unsigned char)c < 0x20 || c == 0x7f || (!utf8 && (c & 0x80) != 0))
            return 0;
        content[len++] = c;
    }
    return 0;
}

/* Domain or address-literal: its length, 0 where there is none. */
static size_t domain(struct slice s, bool utf8)
{
    size_t i = 0;

    if (s.len > 0 && s.ptr[0] == '[') {
        size_t end = slice_find(s, ']');
        for (i = 1; end != SIZE_MAX && i < end; i++)
            if (!is_alnum(s.ptr[i]) && !is_one_of(s.ptr[i], ":.-"))
                return 0;
        return end == SIZE_MAX || end < 2 ? 0 : end + 1;
    }
    while (i < s.len) {
        char c = s.ptr[i];
        bool label = is_alnum(c) || (utf8 && (c & 0x80) != 0);
        bool inner = (c == '-' || c == '_') && i > 0 && s.ptr[i - 1] != '.';

        if (!label && !inner && !(c == '.' && i > 0 && s.ptr[i - 1] != '.' && s.ptr[i - 1] != '-'))
            break;
        i++;
    }
    return i > 0 && (s.ptr[i - 1] == '.' || s.ptr[i - 1] == '-') ? 0 : i;
}

/* A-d-l ":" is to be accepted and ignored (RFC 5321 section 4.1.2 and appendix C). */
static enum st skip_route(struct slice *s)
{
    if (s->len == 0 || s->ptr[0] != '@')
        return ST_OK;
    size_t colon = slice_find(*s, ':');
    if (colon == SIZE_MAX)
        return ST_INVALID;
    for (size_t i = 0; i < colon; i++)
        if (!is_alnum(s->ptr[i]) && !is_one_of(s->ptr[i], "@,.-"))
            return ST_INVALID;
    *s = slice_sub(*s, colon + 1, s->len);
    return ST_OK;
}

static enum st parse_mailbox(struct arena *arena, struct slice *s, bool utf8,
                             struct smtp_path *path)
{
    struct slice start = *s;
    size_t len = dot_string(*s, utf8);

    path->local = slice_sub(*s, 0, len);
    if (len == 0)
        len = quoted_string(arena, *s, utf8, &path->local);
    if (len == 0)
        return ST_INVALID;
    *s = slice_sub(*s, len, s->len);
    path->domain = SLICE("");
    if (s->len > 0 && s->ptr[0] == '@') {
        *s = slice_sub(*s, 1, s->len);
        path->domain = slice_sub(*s, 0, domain(*s, utf8));
        if (path->domain.len == 0)
            return ST_INVALID;
        *s = slice_sub(*s, path->domain.len, s->len);
    }
    path->text = slice_sub(start, 0, start.len - s->len);
    return path->local.len > SMTP_LOCAL_BYTES_MAX || path->domain.len > SMTP_DOMAIN_BYTES_MAX
               ? ST_TOO_BIG
               : ST_OK;
}

enum st smtp_path_parse(struct arena *arena, struct slice *rest, bool utf8,
                        struct smtp_path *path_r)
{
    struct slice s = *rest;

    *path_r = (struct smtp_path){.text = SLICE(""), .local = SLICE(""), .domain = SLICE("")};
    while (s.len > 0 && s.ptr[0] == ' ') /* some clients write "FROM: <...>" */
        s = slice_sub(s, 1, s.len);
    if (s.len < 2 || s.ptr[0] != '<')
        return ST_INVALID;
    s = slice_sub(s, 1, s.len);
    path_r->null = s.ptr[0] == '>';
    if (!path_r->null) {
        enum st st = skip_route(&s);
        if (st == ST_OK)
            st = parse_mailbox(arena, &s, utf8, path_r);
        if (st != ST_OK)
            return st;
    }
    if (s.len == 0 || s.ptr[0] != '>')
        return ST_INVALID;
    *rest = slice_sub(s, 1, s.len);
    return ST_OK;
}

enum st smtp_param_next(struct slice *rest, struct slice *keyword_r, struct slice *value_r)
{
    struct slice s = *rest;

    *rest = SLICE("");
    if (s.len == 0)
        return ST_NOT_FOUND;
    if (s.ptr[0] != ' ')
        return ST_INVALID;
    s = slice_trim(s);
    if (s.len == 0)
        return ST_NOT_FOUND;
    size_t space = slice_find(s, ' ');
    struct slice param = slice_sub(s, 0, space);
    if (space != SIZE_MAX)
        *rest = slice_sub(s, space, s.len);
    size_t equals = slice_find(param, '=');
    *keyword_r = slice_sub(param, 0, equals);
    *value_r = equals == SIZE_MAX ? SLICE("") : slice_sub(param, equals + 1, param.len);
    return keyword_r->len > 0 && (equals == SIZE_MAX || value_r->len > 0) ? ST_OK : ST_INVALID;
}
