#include "mime/mime_xtext.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "mime/mime_lex.h"

/* xchar: printable ASCII but '+' and '='. */
static bool is_xchar(char c)
{
    return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* QCHAR: what an xchar is, but no backslash. */
static bool is_qchar(char c)
{
    return is_xchar(c) && c != '\\';
}

void mime_xtext_encode(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.len; i++)
        if (is_xchar(in.ptr[i]))
            buf_put(out, slice_sub(in, i, 1));
        else
            buf_putf(out, "+%02X", (unsigned char)in.ptr[i]);
}

enum st mime_xtext_decode(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];

        if (c == '+') {
            int high = i + 2 < in.len ? mime_lex_hex(in.ptr[i + 1]) : -1;
            int low = high >= 0 ? mime_lex_hex(in.ptr[i + 2]) : -1;

            if (low < 0)
                return ST_INVALID;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (!is_xchar(c)) {
            return ST_INVALID;
        }
        buf_put(out, (struct slice){&c, 1});
    }
    return ST_OK;
}

/* EmbeddedUnicodeChar: takes "\x{1F40E}" off the front. */
static enum st take_embedded(struct slice *in, struct buf *out)
{
    size_t close = slice_find(slice_sub(*in, 0, 10), '}');
    uint32_t point = 0;

    if (!slice_starts(*in, SLICE("\\x{")) || close == SIZE_MAX || close < 5)
        return ST_INVALID;
    for (size_t i = 3; i < close; i++) {
        int digit = mime_lex_hex(in->ptr[i]);

        if (digit < 0)
            return ST_INVALID;
        point = point << 4 | (uint32_t)digit;
    }
    *in = slice_sub(*in, close + 1, in->len);
    return utf8_put(point, out) ? ST_OK : ST_INVALID;
}

enum st mime_xtext_decode_utf8(struct slice in, bool wide, struct buf *out)
{
    while (in.len > 0) {
        size_t len = utf8_len(in);

        if (in.ptr[0] == '\\') {
            if (take_embedded(&in, out) != ST_OK)
                return ST_INVALID;
            continue;
        }
        if (len == 0 || len == SIZE_MAX || (len == 1 ? !is_qchar(in.ptr[0]) : !wide))
            return ST_INVALID;
        buf_put(out, slice_sub(in, 0, len));
        in = slice_sub(in, len, in.len);
    }
    return ST_OK;
}
