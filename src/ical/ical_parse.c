/* Content lines (RFC 5545 section 3.1) and the components they make. The text is copied into the
 * arena once and unfolded there, where it stands. */
#include "base/arena.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "ical/ical.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct parse {
    struct arena *arena;
    const struct ical_limits *limits;
    struct ical_error *error;
    char *at, *end; /* of the copy, what is still to be read */
    unsigned line;  /* physical lines taken */
    unsigned begun; /* the first physical line of the content line */
    size_t lines;   /* content lines taken */
    size_t params;  /* parameters and values taken */
    size_t depth;
    struct ical_comp *first, **last; /* the outermost */
    struct ical_comp *open;          /* the innermost that is not closed */
};

const struct ical_limits ical_limits_default = {
    .bytes_max = 10 * MIB,
    .lines_max = 200000,
    .line_bytes_max = 10 * MIB,
    .params_max = 200000,
    .depth_max = 10,
};

#define ROUND(size) (((size) + 15) / 16 * 16)

size_t ical_limits_arena_bytes(const struct ical_limits *limits)
{
    size_t line = ROUND(sizeof(struct ical_prop)) + ROUND(sizeof(struct ical_comp));
    size_t param = ROUND(sizeof(struct ical_param)) + 4 * ROUND(sizeof(struct ical_param_value));

    return 2 * limits->bytes_max + limits->lines_max * line + limits->params_max * param + 4096;
}

void ical_error_set(struct ical_error *error, unsigned line, const char *fmt, ...)
{
    va_list args;

    error->line = line;
    va_start(args, fmt);
    vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
    for (char *c = error->text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

static int cut(size_t len)
{
    return len > 40 ? 40 : (int)len;
}

/* For "%.*s" in an error: what a client sent, cut. */
#define SHOWN(s) cut((s).len), (s).ptr

static enum st check_bytes(struct parse *p, struct slice line)
{
    const unsigned char *s = (const unsigned char *)line.ptr;

    for (size_t i = 0; i < line.len;) {
        if (s[i] >= ' ' && s[i] < 0x7f) {
            i++;
            continue;
        }
        if ((s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f) {
            ical_error_set(p->error, p->begun, "There is a control character (0x%02X).", s[i]);
            return ST_INVALID;
        }
        size_t len = utf8_len(slice_sub(line, i, line.len));
        if (len == 0 || len == SIZE_MAX) {
            ical_error_set(p->error, p->begun, "The text is not UTF-8 (0x%02X).", s[i]);
            return ST_INVALID;
        }
        i += len;
    }
    return ST_OK;
}

/* One physical line without its end. */
static struct slice take_physical(struct parse *p)
{
    char *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
    struct slice line = {p->at, (size_t)((end != NULL ? end : p->end) - p->at)};

    p->at = end != NULL ? end + 1 : p->end;
    p->line++;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* contentline: unfolded in place. */
static struct slice take_line(struct parse *p)
{
    char *start = p->at;
    struct slice line = take_physical(p);
    char *to = start + line.len;

    p->begun = p->line;
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t')) {
        p->at++;
        line = take_physical(p);
        memmove(to, line.ptr, line.len);
        to += line.len;
    }
    return (struct slice){start, (size_t)(to - start)};
}

static bool name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* iana-token / x-name; '_' and '.' are seen in the names of some. */
static struct slice take_name(struct slice *rest)
{
    size_t len = 0;

    while (len < rest->len && name_char(rest->ptr[len]))
        len++;
    struct slice name = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len, rest->len);
    return name;
}

static bool take_char(struct slice *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = slice_sub(*rest, 1, rest->len);
    return true;
}

/* RFC 6868 section 3: "^n", "^^" and "^'". */
static struct slice decode_caret(struct arena *arena, struct slice in)
{
    if (slice_find(in, '^') == SIZE_MAX)
        return in;
    char *out = arena_alloc(arena, 1, in.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        char next = i + 1 < in.len ? in.ptr[i + 1] : '\0';
        char is = in.ptr[i] != '^' ? '\0'
                  : next == 'n'    ? '\n'
                  : next == '\''   ? '"'
                  : next == '^'    ? '^'
                                   : '\0';

        out[len++] = is != '\0' ? is : in.ptr[i];
        i += is != '\0';
    }
    return (struct slice){out, len};
}

/* param-value: paramtext / quoted-string */
static enum st take_value(struct parse *p, struct slice *rest, struct ical_param_value *value)
{
    size_t len = 0;

    value->quoted = take_char(rest, '"');
    while (len < rest->len && rest->ptr[len] != '"' &&
           (value->quoted ||
            (rest->ptr[len] != ',' && rest->ptr[len] != ';' && rest->ptr[len] != ':')))
        len++;
    value->text = decode_caret(p->arena, slice_sub(*rest, 0, len));
    *rest = slice_sub(*rest, len, rest->len);
    if (value->quoted && !take_char(rest, '"')) {
        ical_error_set(p->error, p->begun,
                       "A parameter's value begins with a quote and has no end.");
        return ST_INVALID;
    }
    return ST_OK;
}

static enum st count_param(struct parse *p)
{
    if (++p->params <= p->limits->params_max)
        return ST_OK;
    ical_error_set(p->error, p->begun, "There are more than %zu parameters.",
                   p->limits->params_max);
    return ST_TOO_BIG;
}

/* param: param-name "=" param-value *("," param-value). Values double their room: what they leave
 * behind is as much again at most. */
static enum st take_param(struct parse *p, struct slice *rest, struct ical_param *param)
{
    size_t cap = 1;
    enum st st;

    param->name = take_name(rest);
    param->values = arena_one(p->arena, struct ical_param_value);
    if (param->name.len == 0 || !take_char(rest, '=')) {
        ical_error_set(p->error, p->begun, "A parameter is no name with '=' behind it.");
        return ST_INVALID;
    }
    do {
        if ((st = count_param(p)) != ST_OK)
            return st;
        if (param->count == cap) {
            struct ical_param_value *more = arena_many(p->arena, struct ical_param_value, 2 * cap);

            memcpy(more, param->values, cap * sizeof(*more));
            param->values = more;
            cap *= 2;
        }
        if ((st = take_value(p, rest, &param->values[param->count++])) != ST_OK)
            return st;
    } while (take_char(rest, ','));
    return ST_OK;
}

static enum st take_params(struct parse *p, struct slice *rest, struct ical_prop *prop)
{
    struct ical_param **last = &prop->params;
    enum st st = ST_OK;

    while (st == ST_OK && take_char(rest, ';')) {
        *last = arena_one(p->arena, struct ical_param);
        st = take_param(p, rest, *last);
        last = &(*last)->next;
    }
    return st;
}

static enum st begin(struct parse *p, struct slice name)
{
    if (++p->depth > p->limits->depth_max) {
        ical_error_set(p->error, p->begun, "Components lie more than %zu deep.",
                       p->limits->depth_max);
        return ST_TOO_BIG;
    }
    struct slice rest = name;
    if (take_name(&rest).len == 0 || rest.len > 0) {
        ical_error_set(p->error, p->begun, "BEGIN names no component: \"%.*s\".", SHOWN(name));
        return ST_INVALID;
    }
    struct ical_comp *comp = ical_comp_new(p->arena, ical_comp_id(name));

    comp->name = name;
    comp->line = p->begun;
    if (p->open != NULL) {
        ical_comp_add(p->open, comp);
    } else {
        *p->last = comp;
        p->last = &comp->next;
    }
    p->open = comp;
    return ST_OK;
}

static enum st end(struct parse *p, struct slice name)
{
    if (p->open == NULL) {
        ical_error_set(p->error, p->begun, "END:%.*s closes nothing.", SHOWN(name));
        return ST_INVALID;
    }
    if (!slice_ieq(p->open->name, name)) {
        ical_error_set(p->error, p->begun, "END:%.*s cannot close %.*s, which began in line %u.",
                       SHOWN(name), SHOWN(p->open->name), p->open->line);
        return ST_INVALID;
    }
    p->open = p->open->parent;
    p->depth--;
    return ST_OK;
}

static enum st add_prop(struct parse *p, struct slice name, struct slice rest)
{
    if (p->open == NULL) {
        ical_error_set(p->error, p->begun, "%.*s stands outside of any component.", SHOWN(name));
        return ST_INVALID;
    }
    struct ical_prop *prop = arena_one(p->arena, struct ical_prop);
    enum st st = take_params(p, &rest, prop);

    if (st != ST_OK)
        return st;
    if (!take_char(&rest, ':')) {
        ical_error_set(p->error, p->begun, "After %.*s and its parameters there is no colon.",
                       SHOWN(name));
        return ST_INVALID;
    }
    prop->id = ical_prop_id(name);
    prop->line = p->begun;
    prop->name = name;
    prop->value = rest;
    *p->open->props_end = prop;
    p->open->props_end = &prop->next;
    return ST_OK;
}

static enum st content_line(struct parse *p, struct slice line)
{
    struct slice rest = line;
    struct slice name = take_name(&rest);
    enum st st;

    if (++p->lines > p->limits->lines_max) {
        ical_error_set(p->error, p->begun, "There are more than %zu lines.", p->limits->lines_max);
        return ST_TOO_BIG;
    }
    if (line.len > p->limits->line_bytes_max) {
        ical_error_set(p->error, p->begun, "The line is longer than %zu bytes.",
                       p->limits->line_bytes_max);
        return ST_TOO_BIG;
    }
    if ((st = check_bytes(p, line)) != ST_OK)
        return st;
    if (name.len == 0) {
        ical_error_set(p->error, p->begun, "The line does not begin with a name: \"%.*s\".",
                       SHOWN(line));
        return ST_INVALID;
    }
    if (slice_istarts(rest, SLICE(":")) && slice_ieq(name, SLICE("BEGIN")))
        return begin(p, slice_trim(slice_sub(rest, 1, rest.len)));
    if (slice_istarts(rest, SLICE(":")) && slice_ieq(name, SLICE("END")))
        return end(p, slice_trim(slice_sub(rest, 1, rest.len)));
    return add_prop(p, name, rest);
}

enum st ical_parse(struct arena *arena, struct slice text, const struct ical_limits *limits,
                   struct ical_comp **comps_r, struct ical_error *error_r)
{
    struct parse p = {.arena = arena, .limits = limits, .error = error_r};
    enum st st = ST_OK;

    *comps_r = NULL;
    if (text.len > limits->bytes_max) {
        ical_error_set(error_r, 0, "The text is longer than %zu bytes.", limits->bytes_max);
        return ST_TOO_BIG;
    }
    if (slice_starts(text, SLICE("\xef\xbb\xbf")))
        text = slice_sub(text, 3, text.len);
    p.at = slice_cstr(arena, text);
    p.end = p.at + text.len;
    p.last = &p.first;
    while (st == ST_OK && p.at < p.end) {
        struct slice line = take_line(&p);

        if (line.len > 0)
            st = content_line(&p, line);
    }
    if (st == ST_OK && p.open != NULL) {
        ical_error_set(error_r, p.open->line, "%.*s is not closed.", SHOWN(p.open->name));
        return ST_INVALID;
    }
    if (st == ST_OK && p.first == NULL) {
        ical_error_set(error_r, 0, "There is no component.");
        return ST_INVALID;
    }
    if (st == ST_OK)
        *comps_r = p.first;
    return st;
}
