#include "router_peer.h"

#include "t.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sys/sys_sock.h"
#include "sys/sys_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Long enough for a slow machine, short enough for a test that fails. */
#define WAIT_MS 20000
#define BACKLOG 16

struct router_peer_server {
    pthread_t thread;
    const char *script;
    struct sys_tls_server *tls_server;
    struct sys_tls *tls;
    int listen_fd;
    int fd;
    int over_fd; /* readable once the test waits for the end */
    bool maybe;
    struct buf in;
    struct buf request;
    char error[1000];
};

static bool bad(struct router_peer_server *peer, const char *what, struct slice step)
{
    if (peer->error[0] == '\0' && !peer->maybe)
        snprintf(peer->error, sizeof(peer->error), "%s at \"%.*s\" (here: \"%.200s\")", what,
                 SLICE_ARG(step), peer->in.len > 0 ? peer->in.ptr : "");
    return false;
}

static bool readable(int fd, int ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, ms) > 0;
}

/* Takes in some bytes; false: the client has closed, or nothing came. */
static bool fill(struct router_peer_server *peer)
{
    char *room = buf_room(&peer->in, 16 * KIB);
    size_t len = 0;

    if (room == NULL)
        return false;
    if (peer->tls != NULL) {
        enum st st = ST_AGAIN;

        while (st == ST_AGAIN && (sys_tls_pending(peer->tls) > 0 || readable(peer->fd, WAIT_MS)))
            st = sys_tls_recv(peer->tls, room, 16 * KIB, &len);
        if (st != ST_OK || len == 0)
            return false;
    } else {
        ssize_t got = readable(peer->fd, WAIT_MS) ? recv(peer->fd, room, 16 * KIB, 0) : -1;

        if (got <= 0)
            return false;
        len = (size_t)got;
    }
    buf_grew(&peer->in, len);
    return true;
}

static bool send_all(struct router_peer_server *peer, struct slice bytes)
{
    while (bytes.len > 0) {
        size_t len = 0;

        if (peer->tls != NULL) {
            if (sys_tls_send(peer->tls, bytes, &len) != ST_OK)
                return false;
        } else {
            ssize_t put = send(peer->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

            if (put <= 0)
                return false;
            len = (size_t)put;
        }
        bytes = slice_sub(bytes, len, SIZE_MAX);
    }
    return true;
}

static bool read_line(struct router_peer_server *peer, struct buf *line)
{
    size_t lf;

    while ((lf = slice_find(buf_slice(&peer->in), '\n')) == SIZE_MAX)
        if (!fill(peer))
            return false;
    buf_clear(line);
    buf_put(line, slice_sub(buf_slice(&peer->in), 0, lf + 1));
    buf_drop(&peer->in, lf + 1);
    return true;
}

static bool want_line(struct router_peer_server *peer, struct slice want, struct slice step)
{
    AUTO(buf) struct buf line = BUF(MIB);

    if (!read_line(peer, &line))
        return bad(peer, "no line came", step);
    struct slice got = buf_slice(&line);
    if (got.len < 2 || got.ptr[got.len - 2] != '\r')
        return bad(peer, "a bare LF came", step);
    got.len -= 2;
    bool same = want.len > 0 && want.ptr[want.len - 1] == '*'
                    ? slice_starts(got, slice_sub(want, 0, want.len - 1))
                    : slice_eq(got, want);
    if (same)
        return true;
    AUTO(buf) struct buf what = BUF(MIB);
    buf_putf(&what, "came \"%.*s\"", SLICE_ARG(got));
    return bad(peer, what.ptr, step);
}

static bool skip_lines(struct router_peer_server *peer, unsigned count, struct slice step)
{
    AUTO(buf) struct buf line = BUF(MIB);

    for (unsigned i = 0; i < count; i++)
        if (!read_line(peer, &line))
            return bad(peer, "too few lines came", step);
    return true;
}

static bool send_text(struct router_peer_server *peer, struct slice text)
{
    AUTO(buf) struct buf out = BUF(MIB);

    for (size_t i = 0; i < text.len; i++) {
        bool escape = text.ptr[i] == '\\' && i + 1 < text.len;

        if (escape)
            i++;
        buf_putf(&out, "%c", !escape ? text.ptr[i] : text.ptr[i] == 'r' ? '\r' : '\n');
    }
    (void)send_all(peer, buf_slice(&out)); /* the client may have gone: so be it */
    return true;
}

static bool send_line(struct router_peer_server *peer, struct slice text)
{
    AUTO(buf) struct buf out = BUF(MIB);

    buf_putf(&out, "%.*s\r\n", SLICE_ARG(text));
    (void)send_all(peer, buf_slice(&out));
    return true;
}

static bool send_filling(struct router_peer_server *peer, unsigned count)
{
    char some[1000];
    bool sent = true;

    memset(some, 'x', sizeof(some));
    for (unsigned i = 0; i < count && sent; i += sizeof(some))
        sent = send_all(peer, (struct slice){some, sizeof(some)});
    return true;
}

static bool shake(struct router_peer_server *peer, struct slice step)
{
    bool want_write;
    enum st st = ST_AGAIN;

    peer->tls = sys_tls_new(peer->tls_server, peer->fd);
    while (st == ST_AGAIN)
        st = sys_tls_handshake(peer->tls, &want_write);
    if (st != ST_OK && strstr(peer->script, "tls?") == NULL)
        return bad(peer, sys_tls_error(peer->tls), step);
    return true;
}

static void close_conn(struct router_peer_server *peer)
{
    if (peer->tls != NULL)
        sys_tls_bye(peer->tls);
    sys_tls_free(&peer->tls);
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    buf_clear(&peer->in);
}

static bool somebody_comes(const struct router_peer_server *peer)
{
    struct pollfd ready[] = {{.fd = peer->listen_fd, .events = POLLIN},
                             {.fd = peer->maybe ? peer->over_fd : -1, .events = POLLIN}};

    return poll(ready, COUNT(ready), WAIT_MS) > 0 && ready[0].revents != 0;
}

static bool next_conn(struct router_peer_server *peer, struct slice step)
{
    const int one = 1;

    close_conn(peer);
    if (!somebody_comes(peer))
        return bad(peer, "nobody connected", step);
    peer->fd = accept(peer->listen_fd, NULL, NULL);
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return peer->fd >= 0 || bad(peer, "accept failed", step);
}

static bool hang(struct router_peer_server *peer)
{
    while (fill(peer))
        buf_clear(&peer->in);
    return true;
}

/* Each line is answered before the next is read, with a reply of the same length about. */
static bool echo(struct router_peer_server *peer, unsigned count, struct slice step)
{
    AUTO(buf) struct buf line = BUF(MIB);

    for (unsigned i = 0; i < count; i++)
        if (!read_line(peer, &line) ||
            !send_line(peer, SLICE("250 2.1.5 that is a recipient I shall take")))
            return bad(peer, "too few lines came", step);
    return true;
}

static bool drip(struct router_peer_server *peer)
{
    while (!readable(peer->over_fd, 10) && send_all(peer, SLICE("2")))
        continue;
    return true;
}

/* A head and, where it has a Content-Length, its body. */
static bool take_request(struct router_peer_server *peer, struct slice want, struct slice step)
{
    const struct slice length = SLICE("Content-Length:");
    AUTO(buf) struct buf line = BUF(MIB);
    uint64_t left = 0;

    buf_clear(&peer->request);
    do {
        if (!read_line(peer, &line))
            return bad(peer, "no request came", step);
        if (slice_istarts(buf_slice(&line), length))
            left = strtoull(line.ptr + length.len, NULL, 10);
        buf_put(&peer->request, buf_slice(&line));
    } while (line.len > 2);
    while (peer->in.len < left)
        if (!fill(peer))
            return bad(peer, "no body came", step);
    buf_put(&peer->request, slice_sub(buf_slice(&peer->in), 0, left));
    buf_drop(&peer->in, left);
    return slice_starts(buf_slice(&peer->request), want) || bad(peer, peer->request.ptr, step);
}

static bool has(struct router_peer_server *peer, struct slice text, bool wanted, struct slice step)
{
    return (slice_find_slice(buf_slice(&peer->request), text) != SIZE_MAX) == wanted ||
           bad(peer, peer->request.ptr, step);
}

static bool run_http_step(struct router_peer_server *peer, struct slice step)
{
    if (slice_starts(step, SLICE("request:")))
        return take_request(peer, slice_sub(step, 8, SIZE_MAX), step);
    if (slice_starts(step, SLICE("has:")))
        return has(peer, slice_sub(step, 4, SIZE_MAX), true, step);
    if (slice_starts(step, SLICE("hasnt:")))
        return has(peer, slice_sub(step, 6, SIZE_MAX), false, step);
    return bad(peer, "no such step", step);
}

static bool run_step(struct router_peer_server *peer, struct slice step)
{
    struct slice rest = slice_sub(step, 2, SIZE_MAX);

    if (slice_starts(step, SLICE("S:")))
        return send_line(peer, rest);
    if (slice_starts(step, SLICE("R:")))
        return send_text(peer, rest);
    if (slice_starts(step, SLICE("C:")))
        return want_line(peer, rest, step);
    if (slice_starts(step, SLICE("many:")))
        return skip_lines(peer, (unsigned)strtoul(step.ptr + 5, NULL, 10), step);
    if (slice_starts(step, SLICE("echo:")))
        return echo(peer, (unsigned)strtoul(step.ptr + 5, NULL, 10), step);
    if (slice_starts(step, SLICE("fill:")))
        return send_filling(peer, (unsigned)strtoul(step.ptr + 5, NULL, 10));
    if (slice_eq(step, SLICE("quiet")))
        return (peer->in.len == 0 && !readable(peer->fd, 0)) || bad(peer, "more came", step);
    if (slice_starts(step, SLICE("tls")))
        return shake(peer, step);
    if (slice_eq(step, SLICE("badtls")))
        return fill(peer) && send_line(peer, SLICE("HTTP/1.0 400 No")) && hang(peer);
    if (slice_eq(step, SLICE("accept")))
        return next_conn(peer, step);
    if (slice_eq(step, SLICE("hang")))
        return hang(peer);
    if (slice_eq(step, SLICE("drip")))
        return drip(peer);
    if (slice_eq(step, SLICE("stall")))
        return readable(peer->over_fd, WAIT_MS) || bad(peer, "the client does not end", step);
    if (slice_eq(step, SLICE("close"))) {
        close_conn(peer);
        return true;
    }
    return run_http_step(peer, step);
}

static void *run(void *arg)
{
    struct router_peer_server *peer = arg;
    struct slice rest = slice_str(peer->script);
    struct slice step;

    peer->maybe = slice_starts(rest, SLICE("maybe\n"));
    if (peer->maybe)
        (void)slice_split(&rest, '\n', &step);
    bool ok = next_conn(peer, SLICE("start"));

    while (ok && slice_split(&rest, '\n', &step))
        ok = step.len == 0 || run_step(peer, step);
    close_conn(peer);
    return NULL;
}

int router_peer_silent(uint16_t *port_r)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, BACKLOG), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port_r = ntohs(addr.sin_port);
    return fd;
}

struct router_peer_server *router_peer_start(const char *script, struct sys_tls_server *tls,
                                             uint16_t *port_r)
{
    struct router_peer_server *peer = mem_new(struct router_peer_server);

    peer->script = script;
    peer->tls_server = tls;
    peer->fd = -1;
    peer->over_fd = eventfd(0, EFD_CLOEXEC);
    buf_init(&peer->in, 64 * MIB);
    buf_init(&peer->request, 64 * MIB);
    peer->listen_fd = router_peer_silent(port_r);
    assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
    return peer;
}

void router_peer_end(struct router_peer_server **server)
{
    struct router_peer_server *peer = *server;
    char error[1000];

    assert_int_equal(eventfd_write(peer->over_fd, 1), 0);
    pthread_join(peer->thread, NULL);
    close(peer->over_fd);
    close(peer->listen_fd);
    buf_fini(&peer->in);
    buf_fini(&peer->request);
    snprintf(error, sizeof(error), "%s", peer->error);
    mem_free(peer);
    *server = NULL;
    if (error[0] != '\0')
        fail_msg("the server: %s", error);
}
