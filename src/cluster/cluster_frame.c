#include "cluster/cluster_frame.h"

#include "base/buf.h"
#include "base/slice.h"

#include <string.h>

#define LENGTH_BYTES 4
#define TEXT_HEAD_BYTES 4
#define NUMBER_BYTES 8

struct field {
    enum { END, NUMBER, TEXT } kind;
    uint64_t min; /* of a number, or of a text's length in bytes */
    uint64_t max;
    size_t offset;
};

#define FIELDS_MAX 13
#define N(of, field, min, max) \
    { \
        NUMBER, (min), (max), offsetof(struct cluster_frame, of.field) \
    }
#define T(of, field, min, max) \
    { \
        TEXT, (min), (max), offsetof(struct cluster_frame, of.field) \
    }
#define NAME_MAX_ CLUSTER_NAME_BYTES_MAX

static const struct {
    const char *name;
    struct field fields[FIELDS_MAX];
} types[] = {
    [CLUSTER_HELLO] = {"hello",
                       {N(hello, protocol, 1, UINT32_MAX), N(hello, epoch, 1, INT64_MAX),
                        N(hello, seen, 0, INT64_MAX), N(hello, seen_epoch, 0, INT64_MAX),
                        N(hello, documents_epoch, 0, INT64_MAX), N(hello, authority, 0, 1),
                        T(hello, name, 1, NAME_MAX_), T(hello, version, 0, 64)}},
    [CLUSTER_PING] = {"ping", {N(ping, number, 0, UINT64_MAX), N(ping, view, 0, 1)}},
    [CLUSTER_PONG] = {"pong",
                      {N(pong, number, 0, UINT64_MAX), N(pong, epoch, 1, INT64_MAX),
                       N(pong, index, 0, 100), N(pong, threshold, 0, 100),
                       N(pong, restricted, 0, 1), N(pong, documents, 0, INT64_MAX)}},
    [CLUSTER_DOCUMENT] = {"document",
                          {N(document, sequence, 1, INT64_MAX),
                           N(document, modified_ms, 1, INT64_MAX),
                           N(document, parent_ms, 0, INT64_MAX), N(document, removed, 0, 1),
                           T(document, kind, 1, 64), T(document, name, 1, 1024),
                           T(document, server, 0, NAME_MAX_), T(document, editor, 0, 1024),
                           T(document, parent_server, 0, NAME_MAX_),
                           T(document, body, 0, CLUSTER_BODY_BYTES_MAX)}},
    [CLUSTER_SEEN] = {"seen", {N(seen, sequence, 0, INT64_MAX)}},
    [CLUSTER_FROM] = {"from", {N(from, sequence, 0, INT64_MAX)}},
    [CLUSTER_VIEW] = {"view", {T(view, lines, 0, CLUSTER_VIEW_BYTES_MAX)}},
    [CLUSTER_RENEW] = {"renew", {T(renew, request, 1, CLUSTER_PEM_BYTES_MAX)}},
    [CLUSTER_JOIN] = {"join",
                      {N(join, protocol, 1, UINT32_MAX), T(join, invite, 1, 32),
                       T(join, proof, 32, 32), T(join, name, 1, NAME_MAX_),
                       T(join, request, 1, CLUSTER_PEM_BYTES_MAX)}},
    [CLUSTER_MEMBER] = {"member", {T(member, certificate, 1, CLUSTER_PEM_BYTES_MAX)}},
    [CLUSTER_REFUSED] = {"refused", {T(refused, why, 0, 1024)}},
    [CLUSTER_COPIES] = {"copies", {N(copies, protocol, 1, UINT32_MAX)}},
    [CLUSTER_HELD] = {"held", {N(held, more, 0, 1), T(held, lines, 0, CLUSTER_DATA_BYTES_MAX)}},
    [CLUSTER_COPY] = {"copy",
                      {N(copy, flags, 0, UINT32_MAX), N(copy, bytes, 0, INT64_MAX),
                       N(copy, priority, 0, 9), N(copy, accepted_ms, 0, INT64_MAX),
                       N(copy, body_offset, 0, INT64_MAX), N(copy, chunk_count, 0, UINT32_MAX),
                       T(copy, guid, CLUSTER_GUID_BYTES, CLUSTER_GUID_BYTES),
                       T(copy, sender, 0, 4096), T(copy, envid, 0, 4096),
                       T(copy, message_id, 0, 64 * KIB), T(copy, origin, 0, 4096),
                       T(copy, sha256, 32, 32)}},
    [CLUSTER_DATA] = {"data",
                      {N(data, part, 0, CLUSTER_PART_MAX - 1),
                       T(data, bytes, 1, CLUSTER_DATA_BYTES_MAX)}},
    [CLUSTER_DONE] = {"done", {T(done, lines, 1, CLUSTER_DATA_BYTES_MAX)}},
    [CLUSTER_SAVE] = {"save", {N(save, number, 1, INT64_MAX)}},
    [CLUSTER_SAVED] = {"saved",
                       {N(saved, number, 1, INT64_MAX), N(saved, ok, 0, 1),
                        T(saved, refused, 0, CLUSTER_DATA_BYTES_MAX)}},
    [CLUSTER_ASK] = {"ask",
                     {N(ask, number, 1, INT64_MAX), N(ask, timeout_ms, 1, CLUSTER_ASK_MS_MAX),
                      T(ask, body, 0, CLUSTER_BODY_BYTES_MAX)}},
    [CLUSTER_ANSWER] = {"answer",
                        {N(answer, number, 1, INT64_MAX),
                         T(answer, body, 0, CLUSTER_BODY_BYTES_MAX)}},
    [CLUSTER_ANSWERED] = {"answered",
                          {N(answered, number, 1, INT64_MAX), N(answered, ok, 0, 1),
                           T(answered, why, 0, CLUSTER_ANSWERED_BYTES_MAX)}},
};
static_assert(COUNT(types) == CLUSTER_TYPE_MAX, "one row for each type");

const char *cluster_type_name(enum cluster_type type)
{
    assert(type > 0 && type < CLUSTER_TYPE_MAX);
    return types[type].name;
}

/* --- reading --- */

static uint64_t number_at(const char *at, size_t len)
{
    uint64_t number = 0;

    for (size_t i = 0; i < len; i++)
        number = number << 8 | (unsigned char)at[i];
    return number;
}

static bool read_text(const struct field *field, struct slice *rest, struct slice *text_r)
{
    if (rest->len < TEXT_HEAD_BYTES)
        return false;
    uint64_t len = number_at(rest->ptr, TEXT_HEAD_BYTES);
    if (len < field->min || len > field->max || len > rest->len - TEXT_HEAD_BYTES)
        return false;
    *text_r = slice_sub(*rest, TEXT_HEAD_BYTES, len);
    *rest = slice_sub(*rest, TEXT_HEAD_BYTES + len, rest->len);
    return true;
}

static bool read_field(const struct field *field, struct slice *rest, struct cluster_frame *frame)
{
    void *at = (char *)frame + field->offset;

    if (field->kind == TEXT)
        return read_text(field, rest, at);
    if (rest->len < NUMBER_BYTES)
        return false;
    uint64_t number = number_at(rest->ptr, NUMBER_BYTES);
    *rest = slice_sub(*rest, NUMBER_BYTES, rest->len);
    *(uint64_t *)at = number;
    return number >= field->min && number <= field->max;
}

enum st cluster_frame_read(struct slice in, size_t bytes_max, struct cluster_frame *frame_r,
                           size_t *used_r)
{
    *used_r = 0;
    memset(frame_r, 0, sizeof(*frame_r));
    if (in.len < LENGTH_BYTES)
        return ST_AGAIN;
    uint64_t len = number_at(in.ptr, LENGTH_BYTES);
    if (len > bytes_max)
        return ST_TOO_BIG;
    if (len == 0)
        return ST_INVALID;
    if (in.len > LENGTH_BYTES) { /* nonsense is told before all of it is waited for */
        unsigned char type = (unsigned char)in.ptr[LENGTH_BYTES];

        if (type == 0 || type >= CLUSTER_TYPE_MAX)
            return ST_INVALID;
        frame_r->type = (enum cluster_type)type;
    }
    if (in.len - LENGTH_BYTES < len)
        return ST_AGAIN;
    struct slice rest = slice_sub(in, LENGTH_BYTES + 1, len - 1);
    for (const struct field *field = types[frame_r->type].fields; field->kind != END; field++)
        if (!read_field(field, &rest, frame_r))
            return ST_INVALID;
    if (rest.len > 0)
        return ST_INVALID;
    *used_r = LENGTH_BYTES + len;
    return ST_OK;
}

/* --- writing --- */

static void put_number(struct buf *out, uint64_t number, size_t len)
{
    char bytes[NUMBER_BYTES];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(number >> (8 * (len - 1 - i)));
    buf_put(out, (struct slice){bytes, len});
}

/* The bytes that the field takes; SIZE_MAX: it is over its limits. */
static size_t size_of(const struct field *field, const struct cluster_frame *frame)
{
    const void *at = (const char *)frame + field->offset;
    uint64_t measure =
        field->kind == TEXT ? ((const struct slice *)at)->len : *(const uint64_t *)at;

    if (measure < field->min || measure > field->max)
        return SIZE_MAX;
    return field->kind == TEXT ? TEXT_HEAD_BYTES + measure : NUMBER_BYTES;
}

static void put_field(const struct field *field, const struct cluster_frame *frame, struct buf *out)
{
    const void *at = (const char *)frame + field->offset;

    if (field->kind == TEXT) {
        put_number(out, ((const struct slice *)at)->len, TEXT_HEAD_BYTES);
        buf_put(out, *(const struct slice *)at);
    } else {
        put_number(out, *(const uint64_t *)at, NUMBER_BYTES);
    }
}

enum st cluster_frame_write(const struct cluster_frame *frame, struct buf *out)
{
    const struct field *fields = types[frame->type].fields;
    size_t len = 1;

    assert(frame->type > 0 && frame->type < CLUSTER_TYPE_MAX);
    for (const struct field *field = fields; field->kind != END; field++) {
        size_t size = size_of(field, frame);

        if (size == SIZE_MAX)
            return ST_TOO_BIG;
        len += size;
    }
    if (len > CLUSTER_FRAME_BYTES_MAX || LENGTH_BYTES + len > out->bytes_max - out->len)
        return ST_TOO_BIG;
    put_number(out, len, LENGTH_BYTES);
    put_number(out, (uint64_t)frame->type, 1);
    for (const struct field *field = fields; field->kind != END; field++)
        put_field(field, frame, out);
    return out->over ? ST_TOO_BIG : ST_OK;
}
