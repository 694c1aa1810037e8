#include "mime/mime_param.h"

#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_decode.h"
#include "mime/mime_keep.h"
#include "mime/mime_lex.h"

#include <string.h>

#define PARAMS_MAX 64
#define VALUE_BYTES_MAX (64 * KIB)

/* One name=value before RFC 2231 has been looked at. */
struct raw {
    struct slice name; /* without stars */
    struct slice text; /* as written: quoted or not */
    int section;       /* of a continuation, or -1 */
    bool extended;     /* ended in a star: the value is percent-encoded */
    bool joined;       /* to section 0 */
};

struct raws {
    struct raw rows[PARAMS_MAX];
    size_t count;
};

/* Splits the stars off: name[*section][*] (RFC 2231 sections 3 and 4.1). */
static void split_name(struct raw *raw, struct slice name)
{
    uint64_t number;
    size_t star;

    raw->section = -1;
    raw->name = name;
    if (name.len > 1 && name.ptr[name.len - 1] == '*') {
        raw->extended = true;
        name.len--;
    }
    star = slice_find(name, '*');
    if (star != SIZE_MAX && star > 0 &&
        slice_to_u64(slice_sub(name, star + 1, name.len), &number) == ST_OK &&
        number < PARAMS_MAX) {
        raw->section = (int)number;
        name.len = star;
    }
    if (slice_find(name, '*') == SIZE_MAX)
        raw->name = name;
    else
        raw->extended = false; /* an odd name; it stays whole */
}

/* The value without quotes may have blanks in it; a comment ends it. */
static struct slice read_bare(struct slice *rest)
{
    size_t len = 0;

    while (len < rest->len && rest->ptr[len] != ';' &&
           !(rest->ptr[len] == '(' && len > 0 && mime_lex_blank(rest->ptr[len - 1])))
        len++;
    struct slice text = slice_trim(slice_sub(*rest, 0, len));
    *rest = slice_sub(*rest, len, rest->len);
    return text;
}

static bool read_raw(struct slice *rest, struct raw *raw)
{
    struct slice name = mime_lex_token(rest, "=;(\"");

    *raw = (struct raw){0};
    mime_lex_cfws(rest);
    if (name.len == 0 || rest->len == 0 || rest->ptr[0] != '=')
        return false;
    split_name(raw, name);
    *rest = slice_sub(*rest, 1, rest->len);
    mime_lex_cfws(rest);
    if (rest->len > 0 && rest->ptr[0] == '"') {
        raw->text = slice_sub(*rest, 0, mime_lex_quoted(*rest, '"'));
        *rest = slice_sub(*rest, raw->text.len, rest->len);
    } else {
        raw->text = read_bare(rest);
    }
    return true;
}

static void read_raws(struct slice text, struct raws *raws)
{
    raws->count = 0;
    for (;;) {
        mime_lex_cfws(&text);
        if (text.len == 0 || raws->count == PARAMS_MAX)
            return;
        if (text.ptr[0] == ';') {
            text = slice_sub(text, 1, text.len);
        } else if (read_raw(&text, &raws->rows[raws->count])) {
            raws->count++;
        } else {
            size_t skip = slice_find(text, ';');

            text = slice_sub(text, skip, text.len);
        }
    }
}

static size_t put_plain(struct slice text, char *to)
{
    size_t len = 0;

    if (text.len > 0 && text.ptr[0] == '"')
        return mime_lex_unquote(text, to);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\r' && text.ptr[i] != '\n')
            to[len++] = text.ptr[i];
    return len;
}

/* attribute-char of RFC 2231 section 7. */
static bool attribute_char(char c)
{
    return c > ' ' && c < 0x7f && strchr("*'%()<>@,;:\\\"/[]?=", c) == NULL;
}

/* A piece without a star among pieces with one: what it says, percent-encoded. In place at to,
 * which has room for three times the text. */
static size_t put_encoded(struct slice text, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    char *from = to + 2 * text.len;
    size_t from_len = put_plain(text, from);
    size_t len = 0;

    for (size_t i = 0; i < from_len; i++) {
        char c = from[i];

        if (attribute_char(c)) {
            to[len++] = c;
        } else {
            to[len++] = '%';
            to[len++] = digits[(uint8_t)c >> 4];
            to[len++] = digits[(uint8_t)c & 15];
        }
    }
    return len;
}

static struct raw *find_section(struct raws *raws, const struct raw *first, int section)
{
    for (size_t i = 0; i < raws->count; i++)
        if (raws->rows[i].section == section && slice_ieq(raws->rows[i].name, first->name))
            return &raws->rows[i];
    return NULL;
}

/* The pieces of first's parameter, in order: RFC 2231 section 3. */
static size_t gather(struct raws *raws, struct raw *first, struct raw **pieces)
{
    size_t count = 0;
    struct raw *piece = first;

    do {
        piece->joined = true;
        pieces[count++] = piece;
        piece = first->section == 0 ? find_section(raws, first, (int)count) : NULL;
    } while (piece != NULL);
    return count;
}

/* Pieces may come before their section 0, and a gap leaves those behind it on their own. */
static void mark_joined(struct raws *raws, struct raw **pieces)
{
    for (size_t i = 0; i < raws->count; i++)
        if (raws->rows[i].section == 0)
            gather(raws, &raws->rows[i], pieces);
}

static struct slice join_value(struct mime_keep *keep, struct raw **pieces, size_t count)
{
    size_t room = 1;
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        room += 3 * pieces[i]->text.len;
    if (count == 1)
        room = pieces[0]->text.len + 1;
    char *to = mime_keep_alloc(keep, room);
    if (to == NULL)
        return (struct slice){NULL, 0};
    for (size_t i = 0; i < count; i++)
        if (pieces[0]->extended && !pieces[i]->extended)
            len += put_encoded(pieces[i]->text, to + len);
        else
            len += put_plain(pieces[i]->text, to + len);
    return (struct slice){to, len};
}

static struct slice join_name(struct mime_keep *keep, const struct raw *first)
{
    struct slice name = {first->name.ptr, first->name.len};
    char *to = mime_keep_alloc(keep, name.len + 16);

    if (to == NULL)
        return (struct slice){NULL, 0};
    for (size_t i = 0; i < name.len; i++)
        to[i] = mime_lex_lower(name.ptr[i]);
    if (first->section > 0) { /* its beginning never came: shown as it is */
        to[name.len++] = '*';
        if (first->section >= 10)
            to[name.len++] = (char)('0' + first->section / 10);
        to[name.len++] = (char)('0' + first->section % 10);
    }
    if (first->extended)
        to[name.len++] = '*';
    return (struct slice){to, name.len};
}

struct mime_param *mime_param_parse(struct mime_keep *keep, struct slice text)
{
    struct raws raws;
    struct raw *pieces[PARAMS_MAX];
    struct mime_param *first = NULL;
    struct mime_param **tail = &first;

    read_raws(text, &raws);
    mark_joined(&raws, pieces);
    for (size_t i = 0; i < raws.count; i++) {
        struct raw *raw = &raws.rows[i];

        if (raw->joined && raw->section > 0)
            continue;
        struct mime_param *param = mime_keep_alloc(keep, sizeof(*param));
        if (param == NULL)
            break;
        param->value = join_value(keep, pieces, gather(&raws, raw, pieces));
        param->name = join_name(keep, raw);
        if (param->value.ptr == NULL || param->name.ptr == NULL)
            break;
        *tail = param;
        tail = &param->next;
    }
    return first;
}

struct slice mime_param_get(const struct mime_param *params, struct slice name)
{
    for (; params != NULL; params = params->next)
        if (slice_ieq(params->name, name))
            return params->value;
    return (struct slice){NULL, 0};
}

static void put_percent(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%' && i + 2 < text.len && mime_lex_hex(text.ptr[i + 1]) >= 0 &&
            mime_lex_hex(text.ptr[i + 2]) >= 0) {
            c = (char)(mime_lex_hex(text.ptr[i + 1]) * 16 + mime_lex_hex(text.ptr[i + 2]));
            i += 2;
        }
        buf_put(out, (struct slice){&c, 1});
    }
}

/* charset'language'text; where a quote lacks, all of it is text. */
static void decode_extended(struct slice value, struct buf *out)
{
    size_t one = slice_find(value, '\'');
    size_t two = SIZE_MAX;
    AUTO(buf) struct buf bytes = BUF(VALUE_BYTES_MAX);

    if (one != SIZE_MAX)
        two = slice_find(slice_sub(value, one + 1, value.len), '\'');
    if (two == SIZE_MAX) {
        put_percent(value, &bytes);
        mime_charset_decode(SLICE("utf-8"), buf_slice(&bytes), out);
    } else {
        put_percent(slice_sub(value, one + two + 2, value.len), &bytes);
        mime_charset_decode(slice_sub(value, 0, one), buf_slice(&bytes), out);
    }
}

bool mime_param_decode(const struct mime_param *params, struct slice name, struct buf *out)
{
    for (const struct mime_param *p = params; p != NULL; p = p->next)
        if (p->name.len == name.len + 1 && p->name.ptr[name.len] == '*' &&
            slice_ieq(slice_sub(p->name, 0, name.len), name)) {
            decode_extended(p->value, out);
            return true;
        }
    struct slice value = mime_param_get(params, name);

    if (value.ptr != NULL)
        mime_words_decode(value, out);
    return value.ptr != NULL;
}
