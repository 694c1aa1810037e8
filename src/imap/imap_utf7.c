#include "imap/imap_utf7.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_of(char c)
{
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

    return at != NULL ? (int)(at - alphabet) : -1;
}

static bool is_plain(uint32_t c)
{
    return c >= 0x20 && c < 0x7f;
}

static size_t utf8_put(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* UTF-16 units become characters: *high holds the first half of a pair. */
static enum st unit_put(uint32_t unit, uint32_t *high, char *to, size_t *used)
{
    uint32_t c = unit;

    if (unit >= 0xd800 && unit < 0xdc00) {
        if (*high != 0)
            return ST_INVALID;
        *high = unit;
        return ST_OK;
    }
    if (unit >= 0xdc00 && unit < 0xe000) {
        if (*high == 0)
            return ST_INVALID;
        c = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
        *high = 0;
    }
    if (*high != 0 || is_plain(c) || c == 0)
        return ST_INVALID;
    *used += utf8_put(to + *used, c);
    return ST_OK;
}

/* What stands between "&" and "-", at least one digit. */
static enum st run_decode(struct slice run, char *to, size_t *used)
{
    uint32_t bits = 0;
    uint32_t high = 0;
    unsigned count = 0;

    for (size_t i = 0; i < run.len; i++) {
        int digit = digit_of(run.ptr[i]);

        if (digit < 0)
            return ST_INVALID;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 16)
            continue;
        count -= 16;
        if (unit_put(bits >> count & 0xffff, &high, to, used) != ST_OK)
            return ST_INVALID;
        bits &= (1u << count) - 1;
    }
    return count < 6 && bits == 0 && high == 0 ? ST_OK : ST_INVALID;
}

enum st imap_utf7_decode(struct arena *arena, struct slice name, struct slice *utf8_r)
{
    *utf8_r = name;
    if (slice_find(name, '&') == SIZE_MAX)
        return ST_OK;

    char *to = arena_alloc(arena, 1, name.len + name.len / 8 + 8);
    /* 2.67 digits make a unit, which makes 3 bytes at most. */
    size_t used = 0;
    bool run_before = false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '&') {
            to[used++] = name.ptr[i];
            run_before = false;
            continue;
        }
        struct slice run = slice_sub(name, i + 1, SIZE_MAX);
        run.len = slice_find(run, '-');
        if (run.len == SIZE_MAX || (run.len > 0 && run_before))
            return ST_INVALID;
        if (run.len == 0)
            to[used++] = '&';
        else if (run_decode(run, to, &used) != ST_OK)
            return ST_INVALID;
        run_before = run.len > 0;
        i += run.len + 1;
    }
    *utf8_r = (struct slice){to, used};
    return ST_OK;
}

/* Takes one character off the front; U+FFFD for what is none. */
static uint32_t utf8_next(struct slice *rest)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)rest->ptr;
    size_t more = at[0] < 0x80 ? 0 : at[0] < 0xc0 ? 9 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? at[0] : at[0] & (0x3fu >> (more & 3));
    bool good = more < rest->len && at[0] < 0xf8;

    for (size_t i = 1; good && i <= more; i++) {
        good = (at[i] & 0xc0) == 0x80;
        c = c << 6 | (at[i] & 0x3f);
    }
    if (good)
        good = c >= smallest[more] && c < 0x110000 && (c < 0xd800 || c > 0xdfff);
    *rest = slice_sub(*rest, good ? more + 1 : 1, SIZE_MAX);
    return good ? c : 0xfffd;
}

struct encoder {
    struct buf *out;
    bool open;
    uint32_t bits;
    unsigned count;
};

static void digits_put(struct encoder *e, uint32_t unit)
{
    e->bits = e->bits << 16 | unit;
    for (e->count += 16; e->count >= 6; e->count -= 6)
        buf_put(e->out, (struct slice){&alphabet[e->bits >> (e->count - 6) & 0x3f], 1});
    e->bits &= (1u << e->count) - 1;
}

static void run_end(struct encoder *e)
{
    if (!e->open)
        return;
    if (e->count > 0)
        buf_put(e->out, (struct slice){&alphabet[e->bits << (6 - e->count) & 0x3f], 1});
    buf_put(e->out, SLICE("-"));
    *e = (struct encoder){.out = e->out};
}

static void run_put(struct encoder *e, uint32_t c)
{
    if (!e->open)
        buf_put(e->out, SLICE("&"));
    e->open = true;
    if (c >= 0x10000) {
        digits_put(e, 0xd800 + ((c - 0x10000) >> 10));
        c = 0xdc00 + ((c - 0x10000) & 0x3ff);
    }
    digits_put(e, c);
}

void imap_utf7_encode(struct slice utf8, struct buf *out)
{
    struct encoder e = {.out = out};

    while (utf8.len > 0) {
        uint32_t c = utf8_next(&utf8);
        char plain = (char)c;

        if (!is_plain(c)) {
            run_put(&e, c);
            continue;
        }
        run_end(&e);
        buf_put(out, (struct slice){&plain, 1});
        if (c == '&')
            buf_put(out, SLICE("-"));
    }
    run_end(&e);
}

static bool must_quote(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" (){%*\"\\]", text.ptr[i]) != NULL)
            return true;
    return text.len == 0 || slice_ieq(text, SLICE("NIL"));
}

void imap_utf7_write(struct slice utf8, struct buf *out)
{
    size_t from = out->len;

    imap_utf7_encode(utf8, out);
    struct slice wire = {out->ptr != NULL ? out->ptr + from : "", out->len - from};
    if (!must_quote(wire))
        return;

    AUTO(buf) struct buf quoted = BUF(wire.len * 2 + 2);
    buf_put(&quoted, SLICE("\""));
    for (size_t i = 0; i < wire.len; i++) {
        if (wire.ptr[i] == '"' || wire.ptr[i] == '\\')
            buf_put(&quoted, SLICE("\\"));
        buf_put(&quoted, (struct slice){wire.ptr + i, 1});
    }
    buf_put(&quoted, SLICE("\""));
    out->len = from;
    buf_put(out, buf_slice(&quoted));
}
