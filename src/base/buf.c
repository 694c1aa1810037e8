#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t bytes_max)
{
    assert(bytes_max > 0);
    assert(bytes_max < SIZE_MAX / 2);
    *buf = (struct buf){.bytes_max = bytes_max};
}

void buf_fini(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){.bytes_max = buf->bytes_max};
}

static enum st buf_reserve(struct buf *buf, size_t more)
{
    if (more > buf->bytes_max - buf->len)
        return ST_TOO_BIG;
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return ST_OK;

    size_t cap = buf->cap < 128 ? 128 : buf->cap;
    while (cap < need)
        cap *= 2;
    char *ptr = realloc(buf->ptr, cap);
    if (ptr == NULL)
        abort();
    buf->ptr = ptr;
    buf->cap = cap;
    return ST_OK;
}

enum st buf_add(struct buf *buf, struct slice src)
{
    enum st st = buf_reserve(buf, src.len);

    if (st != ST_OK)
        return st;
    if (src.len > 0)
        memcpy(buf->ptr + buf->len, src.ptr, src.len);
    buf->len += src.len;
    buf->ptr[buf->len] = '\0';
    return ST_OK;
}

/* Most texts fit into the room there is; a second try is for those that do not. */
static PRINTF(2, 0) enum st add_va(struct buf *buf, const char *fmt, va_list ap)
{
    enum st st = ST_OK;

    for (size_t room = 120; st == ST_OK;) {
        va_list again;

        st = buf_reserve(buf, room < buf->bytes_max - buf->len ? room : buf->bytes_max - buf->len);
        if (st != ST_OK)
            break;
        va_copy(again, ap);
        int len = vsnprintf(buf->ptr + buf->len, buf->cap - buf->len, fmt, again);
        va_end(again);
        assert(len >= 0);
        if ((size_t)len < buf->cap - buf->len && (size_t)len <= buf->bytes_max - buf->len) {
            buf->len += (size_t)len;
            return ST_OK;
        }
        if ((size_t)len > buf->bytes_max - buf->len)
            st = ST_TOO_BIG;
        room = (size_t)len;
    }
    if (buf->ptr != NULL)
        buf->ptr[buf->len] = '\0'; /* nothing half */
    return st;
}

enum st buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    enum st st = add_va(buf, fmt, ap);
    va_end(ap);
    return st;
}

void buf_put_more(struct buf *buf, struct slice src)
{
    if (!buf->over)
        buf->over = buf_add(buf, src) != ST_OK;
}

void buf_putf(struct buf *buf, const char *fmt, ...)
{
    va_list ap;

    if (buf->over)
        return;
    va_start(ap, fmt);
    buf->over = add_va(buf, fmt, ap) != ST_OK;
    va_end(ap);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->over = false;
    if (buf->ptr != NULL)
        buf->ptr[0] = '\0';
}

void buf_cut(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len = len;
    if (buf->ptr != NULL)
        buf->ptr[len] = '\0';
}

void buf_drop(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (buf->ptr != NULL)
        memmove(buf->ptr, buf->ptr + len, buf->len + 1);
}

char *buf_room(struct buf *buf, size_t len)
{
    return buf_reserve(buf, len) == ST_OK ? buf->ptr + buf->len : NULL;
}

void buf_grew(struct buf *buf, size_t len)
{
    assert(buf->len + len < buf->cap);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){buf->len > 0 ? buf->ptr : "", buf->len};
}

char *buf_take(struct buf *buf)
{
    char *ptr = buf->ptr;

    *buf = (struct buf){.bytes_max = buf->bytes_max};
    return ptr;
}
