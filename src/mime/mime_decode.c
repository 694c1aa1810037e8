#include "mime/mime_decode.h"

#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_lex.h"

#include <string.h>

enum mime_encoding mime_encoding_find(struct slice name)
{
    name = slice_trim(name);
    if (slice_ieq(name, SLICE("base64")))
        return MIME_BASE64;
    if (slice_ieq(name, SLICE("quoted-printable")))
        return MIME_QUOTED_PRINTABLE;
    return MIME_IDENTITY;
}

void mime_decoder_init(struct mime_decoder *decoder, enum mime_encoding encoding)
{
    *decoder = (struct mime_decoder){.encoding = encoding};
}

#define NO 0x40  /* no base64 digit */
#define PAD 0x41 /* '=' */

static const uint8_t digits[256] = {
#define NO8 NO, NO, NO, NO, NO, NO, NO, NO
#define NO32 NO8, NO8, NO8, NO8
    NO32, NO8, NO, NO, NO, 62, NO, NO, NO, 63,                                  /* to '/' */
    52,   53,  54, 55, 56, 57, 58, 59, 60, 61,   NO,   NO,   NO,   PAD,         /* to '=' */
    NO,   NO,  NO, 0,  1,  2,  3,  4,  5,  6,    7,    8,    9,    10,  11, 12, /* to 'M' */
    13,   14,  15, 16, 17, 18, 19, 20, 21, 22,   23,   24,   25,                /* to 'Z' */
    NO,   NO,  NO, NO, NO, NO, 26, 27, 28, 29,   30,   31,   32,   33,          /* to 'h' */
    34,   35,  36, 37, 38, 39, 40, 41, 42, 43,   44,   45,   46,   47,          /* to 'v' */
    48,   49,  50, 51, NO, NO, NO, NO, NO, NO32, NO32, NO32, NO32,
};

struct room {
    char bytes[768];
    size_t len;
    struct buf *out;
};

static void flush(struct room *room)
{
    buf_put(room->out, (struct slice){room->bytes, room->len});
    room->len = 0;
}

static void put(struct room *room, char c)
{
    if (room->len == sizeof(room->bytes))
        flush(room);
    room->bytes[room->len++] = c;
}

/* A pad ends the data (RFC 2045 section 6.8): a list's footer may follow. */
static void base64_byte(struct mime_decoder *d, char c, struct room *room)
{
    uint8_t value = digits[(uint8_t)c];

    if (value == PAD)
        d->ended = true;
    if (d->ended || value == NO)
        return;
    d->bits = d->bits << 6 | value;
    d->bits_count = (uint8_t)(d->bits_count + 6);
    if (d->bits_count >= 8) {
        d->bits_count = (uint8_t)(d->bits_count - 8);
        put(room, (char)(d->bits >> d->bits_count));
    }
}

static void release(struct mime_decoder *d, struct room *room)
{
    for (size_t i = 0; i < d->held_len; i++)
        put(room, d->held[i]);
    d->held_len = 0;
}

static void hold(struct mime_decoder *d, char c, struct room *room)
{
    if (d->held_len == sizeof(d->held))
        release(d, room);
    d->held[d->held_len++] = c;
}

/* Blanks that end a line are no content (RFC 2045 section 6.7 rule 3). */
static bool held_blank(struct mime_decoder *d, char c, struct room *room)
{
    bool cr = d->held[d->held_len - 1] == '\r';

    if (c == '\n') {
        d->held_len = 0;
        if (cr)
            put(room, '\r');
        put(room, '\n');
        return true;
    }
    if (cr || (c != ' ' && c != '\t' && c != '\r')) {
        release(d, room);
        return false;
    }
    hold(d, c, room);
    return true;
}

/* "=" and two digits, or "=", blanks and a line end: a soft line break. */
static bool held_escape(struct mime_decoder *d, char c, struct room *room)
{
    bool digit = mime_lex_hex(c) >= 0;
    bool second = d->held_len > 1 && mime_lex_hex(d->held[1]) >= 0;

    if (second && digit) {
        put(room, (char)(mime_lex_hex(d->held[1]) * 16 + mime_lex_hex(c)));
        d->held_len = 0;
        return true;
    }
    if (!second && c == '\n') {
        d->held_len = 0;
        return true;
    }
    if (second || !((digit && d->held_len == 1) || c == ' ' || c == '\t' || c == '\r')) {
        release(d, room);
        return false;
    }
    hold(d, c, room);
    return true;
}

/* False: the byte was not used, what was held has gone out before it. */
static bool held_byte(struct mime_decoder *d, char c, struct room *room)
{
    return d->held[0] == '=' ? held_escape(d, c, room) : held_blank(d, c, room);
}

static void quoted_byte(struct mime_decoder *d, char c, struct room *room)
{
    if (d->held_len > 0 && held_byte(d, c, room))
        return;
    if (c == '=' || c == ' ' || c == '\t')
        hold(d, c, room);
    else
        put(room, c);
}

void mime_decoder_feed(struct mime_decoder *decoder, struct slice in, struct buf *out)
{
    struct room room;

    room.len = 0;
    room.out = out;
    if (decoder->encoding == MIME_IDENTITY) {
        buf_put(out, in);
        return;
    }
    for (size_t i = 0; i < in.len; i++)
        if (decoder->encoding == MIME_BASE64)
            base64_byte(decoder, in.ptr[i], &room);
        else
            quoted_byte(decoder, in.ptr[i], &room);
    flush(&room);
}

void mime_decoder_end(struct mime_decoder *decoder, struct buf *out)
{
    struct room room;

    room.len = 0;
    room.out = out;
    if (decoder->held_len > 0 && decoder->held[0] == '=' && decoder->held_len > 1 &&
        mime_lex_hex(decoder->held[1]) >= 0)
        release(decoder, &room);
    flush(&room);
    mime_decoder_init(decoder, decoder->encoding);
}

void mime_fold(struct slice text, struct buf *out)
{
    char block[512];

    while (text.len > 0) {
        struct slice piece = slice_sub(text, 0, sizeof(block));

        for (size_t i = 0; i < piece.len; i++)
            block[i] = mime_lex_lower(piece.ptr[i]);
        buf_put(out, (struct slice){block, piece.len});
        text = slice_sub(text, piece.len, text.len);
    }
}
