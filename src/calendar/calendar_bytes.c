#include "calendar/calendar_bytes.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"

#include <endian.h>
#include <string.h>

#define VERSION 1

bool calendar_bytes_text_ok(struct slice text, size_t min, size_t max)
{
    if (text.len < min || text.len > max || !utf8_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\n' && text.ptr[i] != '\t')
            return false;
    return true;
}

/* --- writing --- */

void calendar_bytes_put_number(struct buf *out, uint64_t number)
{
    uint64_t big = htobe64(number);

    buf_put(out, (struct slice){(const char *)&big, sizeof(big)});
}

void calendar_bytes_put_text(struct buf *out, struct slice text)
{
    uint32_t big = htobe32((uint32_t)text.len);

    buf_put(out, (struct slice){(const char *)&big, sizeof(big)});
    buf_put(out, text);
}

void calendar_bytes_put_head(struct buf *out, enum calendar_bytes_kind kind)
{
    calendar_bytes_put_number(out, VERSION);
    calendar_bytes_put_number(out, kind);
}

enum st calendar_bytes_end(struct buf *out, size_t len)
{
    if (!out->over)
        return ST_OK;
    buf_cut(out, len);
    out->over = false;
    return ST_TOO_BIG;
}

/* --- reading --- */

uint64_t calendar_bytes_take_number(struct calendar_bytes_in *in, uint64_t max)
{
    uint64_t big;

    if (in->bad || in->rest.len < sizeof(big)) {
        in->bad = true;
        return 0;
    }
    memcpy(&big, in->rest.ptr, sizeof(big));
    in->rest = slice_sub(in->rest, sizeof(big), in->rest.len);
    in->bad = be64toh(big) > max;
    return in->bad ? 0 : be64toh(big);
}

int64_t calendar_bytes_take_s(struct calendar_bytes_in *in)
{
    return (int64_t)calendar_bytes_take_number(in, UINT64_MAX);
}

/* Where it lies in what is read. */
static struct slice take(struct calendar_bytes_in *in, size_t max)
{
    uint32_t big = 0;

    if (!in->bad && in->rest.len >= sizeof(big)) {
        memcpy(&big, in->rest.ptr, sizeof(big));
        in->rest = slice_sub(in->rest, sizeof(big), in->rest.len);
    } else {
        in->bad = true;
    }
    struct slice text = slice_sub(in->rest, 0, be32toh(big));
    in->bad = in->bad || text.len < be32toh(big) || text.len > max;
    if (in->bad)
        return SLICE("");
    in->rest = slice_sub(in->rest, text.len, in->rest.len);
    return text;
}

struct slice calendar_bytes_take_text(struct calendar_bytes_in *in, size_t min, size_t max)
{
    const struct slice text = take(in, max);

    in->bad = in->bad || !calendar_bytes_text_ok(text, min, max);
    return in->bad ? SLICE("") : arena_copy(in->arena, text);
}

struct slice calendar_bytes_take_utf8(struct calendar_bytes_in *in, size_t max)
{
    const struct slice text = take(in, max);

    in->bad = in->bad || !utf8_valid(text);
    return in->bad ? SLICE("") : arena_copy(in->arena, text);
}

struct calendar_bytes_in calendar_bytes_begin(struct arena *arena, struct slice in,
                                              enum calendar_bytes_kind kind)
{
    struct calendar_bytes_in begun = {.arena = arena, .rest = in};
    bool ours = calendar_bytes_take_number(&begun, VERSION) == VERSION;

    ours = calendar_bytes_take_number(&begun, UINT64_MAX) == (uint64_t)kind && ours;
    begun.bad = begun.bad || !ours;
    return begun;
}

unsigned calendar_bytes_kind(struct slice in)
{
    struct calendar_bytes_in begun = {.rest = in};
    const bool ours = calendar_bytes_take_number(&begun, VERSION) == VERSION;
    const uint64_t kind = calendar_bytes_take_number(&begun, CALENDAR_BYTES_OOF_ANSWER);

    return ours && !begun.bad ? (unsigned)kind : 0;
}

bool calendar_bytes_is_over(const struct calendar_bytes_in *in)
{
    return !in->bad && in->rest.len == 0;
}
