#include "sys/sys_stream.h"

#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

void sys_stream_init(struct sys_stream *stream, int fd, int stop_fd)
{
    *stream = (struct sys_stream){.fd = fd, .stop_fd = stop_fd};
}

void sys_stream_fini(struct sys_stream *stream)
{
    if (stream->tls != NULL)
        sys_tls_bye(stream->tls);
    sys_tls_free(&stream->tls);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

enum st sys_stream_wait(const struct sys_stream *stream, unsigned wanted, uint64_t deadline_ms,
                        unsigned *ready_r)
{
    struct pollfd ready[] = {{.fd = stream->fd}, {.fd = stream->stop_fd, .events = POLLIN}};
    int n;

    ready[0].events = (short)(((wanted & SYS_STREAM_READ) != 0 ? POLLIN : 0) |
                              ((wanted & SYS_STREAM_WRITE) != 0 ? POLLOUT : 0));
    do {
        uint64_t now_ms = sys_mono_ms();
        uint64_t ms = deadline_ms - now_ms;

        if (now_ms >= deadline_ms) /* however much a busy peer has ready */
            return ST_AGAIN;
        n = poll(ready, COUNT(ready), ms > INT32_MAX ? INT32_MAX : (int)ms);
    } while (n < 0 && errno == EINTR);
    if (n < 0 || ready[1].revents != 0)
        return ST_IO;
    *ready_r = 0;
    if ((ready[0].revents & POLLIN) != 0)
        *ready_r |= SYS_STREAM_READ;
    if ((ready[0].revents & POLLOUT) != 0)
        *ready_r |= SYS_STREAM_WRITE;
    if ((ready[0].revents & (POLLERR | POLLHUP)) != 0) /* the next call tells what it is */
        *ready_r |= wanted;
    return n == 0 ? ST_AGAIN : ST_OK;
}

static enum st again_or_io(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? ST_AGAIN : ST_IO;
}

enum st sys_stream_recv(struct sys_stream *stream, void *out, size_t cap, size_t *len_r)
{
    ssize_t got;

    if (stream->tls != NULL)
        return sys_tls_recv(stream->tls, out, cap, len_r);
    *len_r = 0;
    do
        got = recv(stream->fd, out, cap, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return again_or_io();
    *len_r = (size_t)got;
    return ST_OK;
}

enum st sys_stream_send(struct sys_stream *stream, struct slice bytes, size_t *len_r)
{
    ssize_t put;

    if (stream->tls != NULL)
        return sys_tls_send(stream->tls, bytes, len_r);
    *len_r = 0;
    do
        put = send(stream->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return again_or_io();
    *len_r = (size_t)put;
    return ST_OK;
}

enum st sys_stream_starttls(struct sys_stream *stream, struct sys_tls_client *client,
                            const char *host, bool verify, uint64_t deadline_ms)
{
    bool want_write = false;
    unsigned ready;

    assert(stream->tls == NULL);
    stream->tls = sys_tls_connect(client, stream->fd, host, verify);
    enum st st = sys_tls_handshake(stream->tls, &want_write);
    while (st == ST_AGAIN) {
        st = sys_stream_wait(stream, want_write ? SYS_STREAM_WRITE : SYS_STREAM_READ, deadline_ms,
                             &ready);
        if (st != ST_OK)
            return st;
        st = sys_tls_handshake(stream->tls, &want_write);
    }
    return st;
}
