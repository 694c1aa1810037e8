/* sys_stream.h: a connection that was made outwards, plain or in TLS, and waiting on it with a
 * deadline. For threads that may wait; nothing here waits longer than it is told. */
#pragma once
#include "base/base.h"

struct sys_tls;
struct sys_tls_client;

struct sys_stream {
    int fd;              /* non-blocking */
    int stop_fd;         /* every wait ends with ST_IO once this is readable; -1: none */
    struct sys_tls *tls; /* NULL: in the clear */
};

/* Takes over fd, from sys_connect(). */
void sys_stream_init(struct sys_stream *stream, int fd, int stop_fd);
/* Says goodbye in TLS where the socket takes it at once, and closes. Fine on one closed already. */
void sys_stream_fini(struct sys_stream *stream);

#define SYS_STREAM_READ 1U
#define SYS_STREAM_WRITE 2U

/* Waits until the socket is ready for one of `wanted` (bits of the two above), told in *ready_r, or
 * sys_mono_ms() reaches deadline_ms: ST_AGAIN. ST_IO: stopped. Bytes that TLS holds decrypted do
 * not count: receive until ST_AGAIN first. */
MUST_USE enum st sys_stream_wait(const struct sys_stream *stream, unsigned wanted,
                                 uint64_t deadline_ms, unsigned *ready_r);
/* Without waiting: at most cap bytes. ST_OK with *len_r 0: the peer has closed. ST_AGAIN: nothing
 * there. ST_INVALID: no TLS that will do. ST_IO: the connection broke. */
MUST_USE enum st sys_stream_recv(struct sys_stream *stream, void *out, size_t cap, size_t *len_r);
/* Without waiting: takes a part, *len_r > 0. ST_AGAIN: no room; call again with a slice that begins
 * with the same bytes. ST_INVALID, ST_IO as above. */
MUST_USE enum st sys_stream_send(struct sys_stream *stream, struct slice bytes, size_t *len_r);
/* Begins TLS, as sys_tls_connect() and sys_tls_handshake() say; ST_AGAIN: the time was over. */
MUST_USE enum st sys_stream_starttls(struct sys_stream *stream, struct sys_tls_client *client,
                                     const char *host, bool verify, uint64_t deadline_ms);
