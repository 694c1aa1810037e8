#include "base/utf8.h"

#include "base/buf.h"
#include "base/slice.h"

#define POINT_MAX 0x10ffff

static bool is_point(uint32_t point)
{
    return point <= POINT_MAX && (point < 0xd800 || point >= 0xe000);
}

size_t utf8_point(struct slice text, uint32_t *point_r)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)text.ptr[0];
    size_t len = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    uint32_t value = len == 1 ? first : first & (0xffU >> (len + 1));

    *point_r = value;
    if (len == 1)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (i == text.len)
            return SIZE_MAX;
        if (((uint8_t)text.ptr[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | ((uint8_t)text.ptr[i] & 0x3f);
    }
    *point_r = value;
    return value < least[len] || !is_point(value) ? 0 : len;
}

size_t utf8_len(struct slice text)
{
    uint32_t point;

    return utf8_point(text, &point);
}

bool utf8_put(uint32_t point, struct buf *out)
{
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    char bytes[4];

    if (!is_point(point))
        return false;
    for (size_t i = len; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(len == 1 ? point : (0xf00U >> len) | point);
    buf_put(out, (struct slice){bytes, len});
    return true;
}

bool utf8_valid(struct slice text)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = utf8_len(slice_sub(text, at, text.len));

        if (len == 0 || len == SIZE_MAX)
            return false;
        at += len;
    }
    return true;
}

bool utf8_ascii(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] & 0x80) != 0)
            return false;
    return true;
}
