/* buf.h: an owned, growing byte string with a mandatory ceiling. Always NUL-terminated.
 *
 * Two ways to write: buf_add() tells at once whether it fitted; buf_put() notes in buf->over that
 * something did not, for writers that put a hundred small things and look once at the end. */
#pragma once
#include "base/base.h"

#include <string.h>

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t bytes_max;
    bool over; /* a buf_put() was refused; the buf holds whole puts only up to there */
};

/* AUTO(buf) struct buf line = BUF(1000); freed at the end of the block, whatever the way out. */
#define BUF(max) ((struct buf){.bytes_max = (max)})
void buf_init(struct buf *buf, size_t bytes_max);
void buf_fini(struct buf *buf);
MUST_USE enum st buf_add(struct buf *buf, struct slice src);
MUST_USE enum st buf_addf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);
void buf_put_more(struct buf *buf, struct slice src); /* buf_put() where there is no room */
void buf_putf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);
void buf_clear(struct buf *buf);            /* keeps the memory */
void buf_drop(struct buf *buf, size_t len); /* the first len bytes go */
void buf_cut(struct buf *buf, size_t len);  /* only the first len bytes stay */
/* Room for len bytes behind what is there, or NULL over the ceiling; buf_grew() says how much of it
 * was filled. */
char *buf_room(struct buf *buf, size_t len);
void buf_grew(struct buf *buf, size_t len);
struct slice buf_slice(const struct buf *buf);
char *buf_take(struct buf *buf); /* the caller owns the result; buf is empty again */

/* Nothing more once buf->over. Answers are made of this: mostly there is room. */
static inline void buf_put(struct buf *buf, struct slice src)
{
    if (buf->over || src.len >= buf->cap - buf->len || src.len > buf->bytes_max - buf->len) {
        buf_put_more(buf, src);
        return;
    }
    if (src.len > 0)
        memcpy(buf->ptr + buf->len, src.ptr, src.len);
    buf->len += src.len;
    buf->ptr[buf->len] = '\0';
}

static inline void buf_cleanup(struct buf *buf)
{
    buf_fini(buf);
}
