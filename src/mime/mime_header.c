#include "mime/mime_header.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_lex.h"

#include <string.h>

#define MESSAGE_ID_BYTES_MAX 800

/* Length of the line that text begins with, its line end included. */
static size_t line_len(struct slice text)
{
    size_t at = slice_find(text, '\n');

    return at == SIZE_MAX ? text.len : at + 1;
}

static struct slice chomp(struct slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n') {
        line.len--;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
    }
    return line;
}

static bool folded(struct slice rest)
{
    return rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t');
}

bool mime_field_next(struct slice *rest, struct mime_field *field_r)
{
    size_t len = line_len(*rest);
    struct slice first = slice_sub(*rest, 0, len);

    if (chomp(first).len == 0)
        return false;
    while (folded(slice_sub(*rest, len, 1)))
        len += line_len(slice_sub(*rest, len, rest->len));
    struct slice whole = slice_sub(*rest, 0, len);
    size_t colon = slice_find(chomp(first), ':');

    *rest = slice_sub(*rest, len, rest->len);
    *field_r = (struct mime_field){.name = {whole.ptr, 0}, .value = chomp(whole), .whole = whole};
    if (colon == SIZE_MAX || folded(whole))
        return true;
    field_r->value = slice_sub(field_r->value, colon + 1, whole.len);
    while (colon > 0 && mime_lex_blank(whole.ptr[colon - 1])) /* obs-optional, RFC 5322 4.5 */
        colon--;
    field_r->name.len = colon;
    return true;
}

bool mime_field_find(struct slice block, struct slice name, struct mime_field *field_r)
{
    while (mime_field_next(&block, field_r))
        if (slice_ieq(field_r->name, name))
            return true;
    return false;
}

static bool named(struct slice name, const struct slice *names, size_t names_count)
{
    for (size_t i = 0; i < names_count; i++)
        if (slice_ieq(name, names[i]))
            return name.len > 0;
    return false;
}

void mime_header_select(struct slice block, const struct slice *names, size_t names_count,
                        bool negate, struct buf *out)
{
    struct mime_field field;

    while (mime_field_next(&block, &field)) {
        if (named(field.name, names, names_count) == negate)
            continue;
        buf_put(out, field.whole);
        if (field.whole.ptr[field.whole.len - 1] != '\n')
            buf_put(out, SLICE("\r\n"));
    }
    buf_put(out, SLICE("\r\n"));
}

struct slice mime_unfold(struct arena *arena, struct slice raw)
{
    raw = slice_trim(raw);
    if (slice_find(raw, '\n') == SIZE_MAX)
        return raw;

    char *to = arena_alloc(arena, 1, raw.len);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\n' && len > 0 && to[len - 1] == '\r')
            len--;
        else if (raw.ptr[i] != '\n')
            to[len++] = raw.ptr[i];
    }
    return (struct slice){to, len};
}

struct slice mime_message_id(struct slice block)
{
    struct mime_field field;
    struct slice id =
        mime_field_find(block, SLICE("Message-ID"), &field) ? slice_trim(field.value) : SLICE("");
    bool good = id.len > 2 && id.len <= MESSAGE_ID_BYTES_MAX && id.ptr[0] == '<' &&
                slice_find(id, '>') == id.len - 1;

    for (size_t i = 0; i < id.len; i++)
        good = good && id.ptr[i] > ' ' && id.ptr[i] < 0x7f;
    return good ? id : SLICE("");
}
