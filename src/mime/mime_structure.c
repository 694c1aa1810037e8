#include "mime/mime_structure.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_envelope.h"

/* version, then the root: kind, strings, lengths of header and body, children. Numbers are base
 * 128, low digits first, the high bit says that more follow; a text is its length and its bytes; a
 * text that may lack has its length plus one, and 0 if it lacks. */
#define VERSION 1

static void put_number(uint64_t value, struct buf *out)
{
    char bytes[10];
    size_t len = 0;

    while (value >= 0x80) {
        bytes[len++] = (char)(0x80 | (value & 0x7f));
        value >>= 7;
    }
    bytes[len++] = (char)value;
    buf_put(out, (struct slice){bytes, len});
}

static void put_text(struct slice text, struct buf *out)
{
    put_number(text.len, out);
    buf_put(out, text);
}

static void put_maybe(struct slice text, struct buf *out)
{
    if (text.ptr == NULL) {
        put_number(0, out);
        return;
    }
    put_number(text.len + 1, out);
    buf_put(out, text);
}

static void put_params(const struct mime_param *params, struct buf *out)
{
    size_t count = 0;

    for (const struct mime_param *p = params; p != NULL; p = p->next)
        count++;
    put_number(count, out);
    for (; params != NULL; params = params->next) {
        put_text(params->name, out);
        put_text(params->value, out);
    }
}

static void put_words(const struct mime_word *words, struct buf *out)
{
    size_t count = 0;

    for (const struct mime_word *w = words; w != NULL; w = w->next)
        count++;
    put_number(count, out);
    for (; words != NULL; words = words->next)
        put_text(words->text, out);
}

static bool has_envelope(const struct mime_part *part)
{
    return part->parent == NULL || part->parent->kind == MIME_MESSAGE;
}

/* `from` is where the part before ended, or the parent's body begins. */
static void put_part(const struct mime_part *part, uint64_t from, struct buf *out)
{
    size_t count = 0;
    uint64_t end = part->body_start;

    put_number((uint64_t)part->kind, out);
    put_text(part->type, out);
    put_text(part->subtype, out);
    put_params(part->params, out);
    put_maybe(part->id, out);
    put_maybe(part->description, out);
    put_text(part->encoding, out);
    put_maybe(part->md5, out);
    put_maybe(part->disposition, out);
    put_params(part->disposition_params, out);
    put_words(part->language, out);
    put_maybe(part->location, out);
    put_number(part->header_start - from, out);
    put_number(part->body_start - part->header_start, out);
    put_number(part->body_end - part->body_start, out);
    put_number(part->lines, out);
    if (has_envelope(part))
        put_text(part->envelope, out);
    for (const struct mime_part *child = part->child; child != NULL; child = child->next)
        count++;
    put_number(count, out);
    for (const struct mime_part *child = part->child; child != NULL; child = child->next) {
        put_part(child, end, out);
        end = child->body_end;
    }
}

void mime_structure_write(const struct mime_part *root, struct buf *out)
{
    static const char version = VERSION;

    buf_put(out, (struct slice){&version, 1});
    put_part(root, 0, out);
}

struct reader {
    struct arena *arena;
    struct slice rest;
    bool bad;
};

/* Only the shortest form of a number is taken. After an error all numbers are 0. */
static uint64_t get_number(struct reader *in)
{
    uint64_t value = 0;
    unsigned shift = 0;

    while (!in->bad) {
        uint8_t byte = in->rest.len > 0 ? (uint8_t)in->rest.ptr[0] : 0;
        uint64_t digit = byte & 0x7f;

        if (in->rest.len == 0 || shift > 63 || (digit << shift) >> shift != digit ||
            (byte == 0 && shift > 0))
            break;
        in->rest = slice_sub(in->rest, 1, in->rest.len);
        value |= digit << shift;
        shift += 7;
        if (byte < 0x80)
            return value;
    }
    in->bad = true;
    return 0;
}

static struct slice get_bytes(struct reader *in, uint64_t len)
{
    if (len > in->rest.len) {
        in->bad = true;
        len = 0;
    }
    struct slice bytes = slice_sub(in->rest, 0, len);

    in->rest = slice_sub(in->rest, len, in->rest.len);
    return bytes;
}

static struct slice get_text(struct reader *in)
{
    return get_bytes(in, get_number(in));
}

static struct slice get_some(struct reader *in)
{
    struct slice text = get_text(in);

    in->bad = in->bad || text.len == 0;
    return text;
}

static struct slice get_maybe(struct reader *in)
{
    uint64_t len = get_number(in);

    return len > 0 ? get_bytes(in, len - 1) : (struct slice){NULL, 0};
}

static struct mime_param *get_params(struct reader *in)
{
    struct mime_param *first = NULL;
    struct mime_param **tail = &first;

    for (uint64_t count = get_number(in); count > 0 && !in->bad; count--) {
        struct mime_param *param = arena_one(in->arena, struct mime_param);

        param->name = get_some(in);
        param->value = get_text(in);
        *tail = param;
        tail = &param->next;
    }
    return first;
}

static struct mime_word *get_words(struct reader *in)
{
    struct mime_word *first = NULL;
    struct mime_word **tail = &first;

    for (uint64_t count = get_number(in); count > 0 && !in->bad; count--) {
        struct mime_word *word = arena_one(in->arena, struct mime_word);

        word->text = get_some(in);
        *tail = word;
        tail = &word->next;
    }
    return first;
}

static uint64_t get_offset(struct reader *in, uint64_t from)
{
    uint64_t offset;

    if (__builtin_add_overflow(from, get_number(in), &offset)) {
        in->bad = true;
        return from;
    }
    return offset;
}

static void get_fields(struct reader *in, struct mime_part *part)
{
    uint64_t kind = get_number(in);

    in->bad = in->bad || kind >= MIME_KIND_MAX;
    part->kind = in->bad ? MIME_LEAF : (enum mime_kind)kind;
    part->type = get_some(in);
    part->subtype = get_some(in);
    part->params = get_params(in);
    part->id = get_maybe(in);
    part->description = get_maybe(in);
    part->encoding = get_some(in);
    part->md5 = get_maybe(in);
    part->disposition = get_maybe(in);
    part->disposition_params = get_params(in);
    part->language = get_words(in);
    part->location = get_maybe(in);
}

static void get_extent(struct reader *in, uint64_t from, struct mime_part *part)
{
    part->header_start = get_offset(in, from);
    part->body_start = get_offset(in, part->header_start);
    part->body_end = get_offset(in, part->body_start);
    part->lines = get_number(in);
    if (part->lines > part->body_end - part->body_start)
        in->bad = true;
    if (has_envelope(part)) {
        part->envelope = get_text(in);
        in->bad = in->bad || !mime_envelope_check(part->envelope);
    }
}

/* Whether a part of this kind may have so many children, and lie where it does. */
static bool fits(const struct mime_part *part, uint64_t count)
{
    const struct mime_part *parent = part->parent;

    if (parent == NULL && part->header_start != 0)
        return false;
    if (parent != NULL && part->body_end > parent->body_end)
        return false;
    if (parent != NULL && parent->kind == MIME_MESSAGE &&
        (part->header_start != parent->body_start || part->body_end != parent->body_end))
        return false;
    switch (part->kind) {
    case MIME_MULTIPART:
        return slice_ieq(part->type, SLICE("multipart"));
    case MIME_MESSAGE:
        return count == 1 && mime_part_is_message(part);
    case MIME_LEAF:
    case MIME_KIND_MAX:
        break;
    }
    return count == 0;
}

static struct mime_part *get_part(struct reader *in, struct mime_part *parent, uint64_t from,
                                  unsigned depth)
{
    struct mime_part *part = arena_one(in->arena, struct mime_part);
    struct mime_part **tail = &part->child;

    part->parent = parent;
    get_fields(in, part);
    get_extent(in, from, part);
    uint64_t count = get_number(in);
    uint64_t end = part->body_start;

    in->bad = in->bad || depth > MIME_DEPTH_MAX || !fits(part, count);
    for (; count > 0 && !in->bad; count--) {
        *tail = get_part(in, part, end, depth + 1);
        end = (*tail)->body_end;
        tail = &(*tail)->next;
    }
    return part;
}

enum st mime_structure_read(struct arena *arena, struct slice in, const struct mime_part **root_r)
{
    struct reader reader = {.arena = arena, .rest = in};

    if (in.len == 0 || in.ptr[0] != VERSION)
        return ST_INVALID;
    reader.rest = slice_sub(in, 1, in.len);
    struct mime_part *root = get_part(&reader, NULL, 0, 1);
    if (reader.bad || reader.rest.len > 0)
        return ST_INVALID;
    *root_r = root;
    return ST_OK;
}
