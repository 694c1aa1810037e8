#include "log/log_line.h"

#include "base/buf.h"
#include "base/slice.h"

#include <stdlib.h>
#include <time.h>

/* What stands behind a backslash: a quote, a backslash, or xHH. The bytes it took. */
static size_t put_escaped(struct slice text, struct buf *value)
{
    char hex[3] = "";

    if (text.len >= 3 && text.ptr[0] == 'x') {
        hex[0] = text.ptr[1];
        hex[1] = text.ptr[2];
        buf_putf(value, "%c", (int)strtol(hex, NULL, 16));
        return 3;
    }
    buf_put(value, slice_sub(text, 0, 1));
    return text.len > 0;
}

/* Behind the opening quote; SIZE_MAX: the closing one is missing. */
static size_t put_quoted(struct slice text, struct buf *value)
{
    size_t at = 0;

    while (at < text.len && text.ptr[at] != '"') {
        if (text.ptr[at] == '\\')
            at += 1 + put_escaped(slice_sub(text, at + 1, text.len), value);
        else
            buf_put(value, slice_sub(text, at++, 1));
    }
    return at < text.len ? at + 1 : SIZE_MAX;
}

bool log_line_next(struct slice *rest, struct slice *key_r, struct buf *value)
{
    struct slice text = slice_trim(*rest);
    size_t equals = slice_find(text, '=');

    if (equals == SIZE_MAX)
        return false;
    *key_r = slice_sub(text, 0, equals);
    text = slice_sub(text, equals + 1, text.len);
    buf_clear(value);
    if (text.len > 0 && text.ptr[0] == '"') {
        size_t end = put_quoted(slice_sub(text, 1, text.len), value);

        *rest = slice_sub(text, end == SIZE_MAX ? text.len : end + 1, text.len);
        return end != SIZE_MAX;
    }
    size_t end = slice_find(text, ' ');
    buf_put(value, slice_sub(text, 0, end));
    *rest = slice_sub(text, end == SIZE_MAX ? text.len : end, text.len);
    return true;
}

bool log_line_get(struct slice line, struct slice key, struct buf *value)
{
    struct slice name;

    while (log_line_next(&line, &name, value))
        if (slice_eq(name, key))
            return true;
    buf_clear(value);
    return false;
}

enum st log_line_time(struct slice ts, int64_t *at_ms_r)
{
    struct tm tm = {0};
    char text[32] = "";
    uint64_t ms = 0;

    if (ts.len != sizeof("2026-01-02T03:04:05.678Z") - 1 ||
        slice_to_u64(slice_sub(ts, 20, 3), &ms) != ST_OK)
        return ST_INVALID;
    for (size_t i = 0; i < ts.len; i++)
        text[i] = ts.ptr[i];
    if (strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
        return ST_INVALID;
    *at_ms_r = (int64_t)timegm(&tm) * 1000 + (int64_t)ms;
    return ST_OK;
}
