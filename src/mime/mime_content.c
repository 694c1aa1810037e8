#include "mime/mime_content.h"

#include "base/slice.h"
#include "mime/mime_header.h"
#include "mime/mime_keep.h"
#include "mime/mime_lex.h"

#include <string.h>

#define LANGUAGES_MAX 16

/* Unfolded text in the arena; a NULL ptr over budget. */
static struct slice keep_text(struct mime_keep *keep, struct slice raw)
{
    raw = slice_trim(raw);
    char *to = mime_keep_alloc(keep, raw.len + 1);
    size_t len = 0;

    if (to == NULL)
        return (struct slice){NULL, 0};
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\n' && len > 0 && to[len - 1] == '\r')
            len--;
        else if (raw.ptr[i] != '\n')
            to[len++] = raw.ptr[i];
    }
    return (struct slice){to, len};
}

/* token "/" token, comments allowed: RFC 2045 section 5.1. */
static bool read_type(struct slice *rest, struct slice *type_r, struct slice *subtype_r)
{
    mime_lex_cfws(rest);
    *type_r = mime_lex_token(rest, "/;(\"=,<>@");
    mime_lex_cfws(rest);
    if (rest->len == 0 || rest->ptr[0] != '/')
        return false;
    *rest = slice_sub(*rest, 1, rest->len);
    mime_lex_cfws(rest);
    *subtype_r = mime_lex_token(rest, ";(\"=,<>@/");
    return type_r->len > 0 && subtype_r->len > 0;
}

static void set_default(bool digest, struct mime_part *part)
{
    static const struct mime_param us_ascii = {NULL, MIME_LEX_TEXT("charset"),
                                               MIME_LEX_TEXT("us-ascii")};

    part->type = digest ? SLICE("message") : SLICE("text");
    part->subtype = digest ? SLICE("rfc822") : SLICE("plain");
    part->params = digest ? NULL : &us_ascii;
}

static bool has_boundary(const struct mime_part *part)
{
    return slice_trim(mime_param_get(part->params, SLICE("boundary"))).len > 0;
}

static void read_content_type(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    struct slice rest = value;
    struct slice type;
    struct slice subtype;

    if (!read_type(&rest, &type, &subtype)) {
        set_default(false, part);
        return;
    }
    part->type = mime_keep_lower(keep, type);
    part->subtype = mime_keep_lower(keep, subtype);
    part->params = mime_param_parse(keep, rest);
    if (part->type.ptr == NULL || part->subtype.ptr == NULL ||
        (slice_eq(part->type, SLICE("multipart")) && !has_boundary(part)))
        set_default(false, part);
}

static void read_encoding(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    mime_lex_cfws(&value);
    struct slice token = mime_lex_token(&value, ";(\",");

    token = mime_keep_lower(keep, token);
    if (token.len > 0)
        part->encoding = token;
}

static void read_disposition(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    mime_lex_cfws(&value);
    struct slice token = mime_lex_token(&value, ";(\"=");

    token = mime_keep_lower(keep, token);
    if (token.len == 0)
        return;
    part->disposition = token;
    part->disposition_params = mime_param_parse(keep, value);
}

/* language-tag list: RFC 3282 section 2. */
static void read_language(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    struct mime_word **tail = &part->language;

    for (size_t i = 0; i < LANGUAGES_MAX && value.len > 0; i++) {
        mime_lex_cfws(&value);
        struct slice tag = mime_lex_token(&value, ",;(");
        struct mime_word *word = tag.len > 0 ? mime_keep_alloc(keep, sizeof(*word)) : NULL;

        if (word != NULL) {
            word->text = mime_keep_copy(keep, tag);
            if (word->text.ptr == NULL)
                return;
            *tail = word;
            tail = &word->next;
        }
        mime_lex_cfws(&value);
        if (value.len > 0 && tag.len == 0)
            value = slice_sub(value, 1, value.len);
    }
}

static void read_id(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    part->id = keep_text(keep, value);
}

static void read_description(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    part->description = keep_text(keep, value);
}

static void read_md5(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    part->md5 = keep_text(keep, value);
}

static void read_location(struct mime_keep *keep, struct slice value, struct mime_part *part)
{
    part->location = keep_text(keep, value);
}

static const struct {
    struct slice name;
    void (*read)(struct mime_keep *keep, struct slice value, struct mime_part *part);
} fields[] = {
    {MIME_LEX_TEXT("Type"), read_content_type},
    {MIME_LEX_TEXT("Transfer-Encoding"), read_encoding},
    {MIME_LEX_TEXT("Disposition"), read_disposition},
    {MIME_LEX_TEXT("ID"), read_id},
    {MIME_LEX_TEXT("Description"), read_description},
    {MIME_LEX_TEXT("MD5"), read_md5},
    {MIME_LEX_TEXT("Language"), read_language},
    {MIME_LEX_TEXT("Location"), read_location},
};

void mime_content_read(struct mime_keep *keep, struct slice header, bool digest,
                       struct mime_part *part)
{
    struct mime_field field;
    unsigned seen = 0; /* the first of a name counts */

    set_default(digest, part);
    part->encoding = SLICE("7bit");
    while (mime_field_next(&header, &field)) {
        if (!slice_istarts(field.name, SLICE("Content-")))
            continue;
        struct slice name = slice_sub(field.name, 8, field.name.len);

        for (size_t i = 0; i < COUNT(fields); i++) {
            if ((seen & 1U << i) != 0 || !slice_ieq(name, fields[i].name))
                continue;
            seen |= 1U << i;
            fields[i].read(keep, field.value, part);
            break;
        }
    }
}
