#include "base/text.h"

#include "base/buf.h"

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum st text_base64(struct buf *out, struct slice in)
{
    const unsigned char *src = (const unsigned char *)in.ptr;

    for (size_t i = 0; i < in.len; i += 3) {
        size_t left = in.len - i;
        unsigned value = (unsigned)src[i] << 16;

        if (left > 1)
            value |= (unsigned)src[i + 1] << 8;
        if (left > 2)
            value |= src[i + 2];
        char quad[4] = {digits64[value >> 18], digits64[value >> 12 & 63], '=', '='};
        if (left > 1)
            quad[2] = digits64[value >> 6 & 63];
        if (left > 2)
            quad[3] = digits64[value & 63];
        enum st st = buf_add(out, (struct slice){quad, 4});
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

static int value64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum st text_unbase64(struct buf *out, struct slice in)
{
    if (in.len % 4 != 0)
        return ST_INVALID;
    for (size_t i = 0; i < in.len; i += 4) {
        bool last = i + 4 == in.len;
        size_t pad = !last ? 0 : in.ptr[i + 2] == '=' ? 2 : in.ptr[i + 3] == '=' ? 1 : 0;
        unsigned value = 0;

        for (size_t k = 0; k < 4; k++) {
            int digit = k >= 4 - pad ? (in.ptr[i + k] == '=' ? 0 : -1) : value64(in.ptr[i + k]);
            if (digit < 0)
                return ST_INVALID;
            value = value << 6 | (unsigned)digit;
        }
        char bytes[3] = {(char)(value >> 16), (char)(value >> 8), (char)value};
        enum st st = buf_add(out, (struct slice){bytes, 3 - pad});
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

static const char digits16[] = "0123456789abcdef";

enum st text_hex(struct buf *out, struct slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        unsigned char byte = (unsigned char)in.ptr[i];
        char pair[2] = {digits16[byte >> 4], digits16[byte & 15]};
        enum st st = buf_add(out, (struct slice){pair, 2});

        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

static int value16(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum st text_unhex(struct buf *out, struct slice in)
{
    if (in.len % 2 != 0)
        return ST_INVALID;
    for (size_t i = 0; i < in.len; i += 2) {
        int high = value16(in.ptr[i]);
        int low = value16(in.ptr[i + 1]);

        if (high < 0 || low < 0)
            return ST_INVALID;
        char byte = (char)(high << 4 | low);
        enum st st = buf_add(out, (struct slice){&byte, 1});
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}
