#include "http/http_out.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#include <pthread.h>
#include <string.h>

#define PIPE_BYTES_MAX (256 * KIB)

struct http_out {
    struct http_stream stream;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct buf pipe;
    bool gone;  /* the peer */
    bool ended; /* the producer */
    enum st st; /* how it ended */
};

struct http_out *http_out_new(const struct http_stream *stream)
{
    struct http_out *out = mem_new(struct http_out);

    out->stream = *stream;
    pthread_mutex_init(&out->lock, NULL);
    pthread_cond_init(&out->changed, NULL);
    buf_init(&out->pipe, PIPE_BYTES_MAX);
    return out;
}

static void *produce(void *arg)
{
    struct http_out *out = arg;
    enum st st = out->stream.produce(out->stream.ctx, out);

    pthread_mutex_lock(&out->lock);
    out->ended = true;
    out->st = st;
    pthread_cond_broadcast(&out->changed);
    pthread_mutex_unlock(&out->lock);
    return NULL;
}

/* As much of bytes as the pipe has room for. */
static struct slice fill(struct http_out *out, struct slice bytes)
{
    size_t room = PIPE_BYTES_MAX - out->pipe.len;
    struct slice part = slice_sub(bytes, 0, room < bytes.len ? room : bytes.len);

    buf_put(&out->pipe, part);
    pthread_cond_broadcast(&out->changed);
    return slice_sub(bytes, part.len, bytes.len);
}

enum st http_out_add(struct http_out *out, struct slice bytes)
{
    pthread_mutex_lock(&out->lock);
    while (bytes.len > 0 && !out->gone) {
        if (out->pipe.len < PIPE_BYTES_MAX)
            bytes = fill(out, bytes);
        else
            pthread_cond_wait(&out->changed, &out->lock);
    }
    bool gone = out->gone;
    pthread_mutex_unlock(&out->lock);
    return gone ? ST_IO : ST_OK;
}

static ssize_t take(struct http_out *out, char *room, size_t cap)
{
    size_t len = out->pipe.len < cap ? out->pipe.len : cap;

    memcpy(room, out->pipe.ptr, len);
    buf_drop(&out->pipe, len);
    pthread_cond_broadcast(&out->changed);
    return (ssize_t)len;
}

ssize_t http_out_read(struct http_out *out, char *room, size_t cap)
{
    ssize_t len;

    pthread_mutex_lock(&out->lock);
    if (!out->started && pthread_create(&out->thread, NULL, produce, out) != 0) {
        pthread_mutex_unlock(&out->lock);
        return -1;
    }
    out->started = true;
    while (out->pipe.len == 0 && !out->ended)
        pthread_cond_wait(&out->changed, &out->lock);
    if (out->pipe.len > 0)
        len = take(out, room, cap);
    else
        len = out->st == ST_OK ? 0 : -1;
    pthread_mutex_unlock(&out->lock);
    return len;
}

void http_out_free(struct http_out **out)
{
    struct http_out *o = *out;

    pthread_mutex_lock(&o->lock);
    o->gone = true;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    if (o->started)
        pthread_join(o->thread, NULL);
    if (o->stream.release != NULL)
        o->stream.release(o->stream.ctx);
    buf_fini(&o->pipe);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
    *out = NULL;
}
