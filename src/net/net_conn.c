#include "net/net_conn.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (64 * KIB)
#define FLUSH_BYTES (64 * KIB)   /* output that has gathered so far is sent before more is added */
#define IN_BYTES_MAX (4 * MIB)   /* unconsumed input; protocols refuse long before */
#define OUT_BYTES_MAX (64 * MIB) /* one conn_write() at most */

uint64_t conn_id(const struct conn *conn)
{
    return conn->id;
}

uint64_t conn_sid(const struct conn *conn)
{
    return conn->sid;
}

struct net *conn_net(const struct conn *conn)
{
    return conn->net;
}

void *conn_context(const struct conn *conn)
{
    return net_listener_context(conn->listener);
}

const char *conn_peer(const struct conn *conn)
{
    return conn->peer;
}

bool conn_tls(const struct conn *conn)
{
    return conn->tls != NULL;
}

bool conn_tls_possible(const struct conn *conn)
{
    return conn->tls == NULL && net_tls(conn->net) != NULL;
}

bool conn_ending(const struct conn *conn)
{
    return net_is_ending(conn->net);
}

bool conn_broken(const struct conn *conn)
{
    return conn->broken;
}

void conn_timeout(struct conn *conn, uint64_t ms)
{
    conn->timeout_ms = ms;
}

struct arena *conn_arena(struct conn *conn)
{
    return conn->arena;
}

struct sys_tls *conn_tls_handle(struct conn *conn)
{
    return conn->tls;
}

void conn_tls_describe(const struct conn *conn, struct buf *out)
{
    if (conn->tls != NULL && sys_tls_clause(conn->tls, out) != ST_OK)
        buf_clear(out);
}

void conn_starttls(struct conn *conn)
{
    conn->starttls = true;
}

/* Sends what the socket takes. ST_AGAIN: no room; ST_IO: the peer is gone. */
static enum st send_some(struct conn *conn, struct slice bytes, size_t *len_r)
{
    if (conn->tls != NULL)
        return sys_tls_send(conn->tls, bytes, len_r);
    ssize_t put;
    do
        put = send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno == EAGAIN ? ST_AGAIN : ST_IO;
    *len_r = (size_t)put;
    return ST_OK;
}

/* Sends the output without waiting: ST_OK, ST_AGAIN when some is left, ST_IO. */
static enum st send_out(struct conn *conn)
{
    size_t done = 0;
    enum st st = ST_OK;

    while (done < conn->out.len && st == ST_OK) {
        size_t len = 0;

        st = send_some(conn, (struct slice){conn->out.ptr + done, conn->out.len - done}, &len);
        if (st == ST_OK)
            done += len;
    }
    count_add(COUNT_BYTES_OUT, (int64_t)done);
    if (done == conn->out.len)
        buf_clear(&conn->out);
    else
        buf_drop(&conn->out, done);
    if (st != ST_OK && st != ST_AGAIN) {
        conn->broken = true;
        buf_clear(&conn->out);
        return ST_IO;
    }
    return st;
}

void conn_write_deadline(struct conn *conn, uint64_t deadline_ms)
{
    conn->write_deadline_ms = deadline_ms;
}

/* How long a slow reader is waited for now. */
static uint64_t patience_ms(const struct conn *conn)
{
    uint64_t ms = net_write_timeout_ms(conn->net);
    uint64_t now_ms = sys_mono_ms();

    if (conn->write_deadline_ms == 0)
        return ms;
    uint64_t left_ms = conn->write_deadline_ms > now_ms ? conn->write_deadline_ms - now_ms : 0;
    return ms < left_ms ? ms : left_ms;
}

void conn_flush(struct conn *conn)
{
    enum st st = conn->broken ? ST_IO : send_out(conn);

    while (st == ST_AGAIN) {
        net_block_begin();
        bool writable = sys_wait_writable(conn->fd, patience_ms(conn));
        net_block_end();
        if (!writable) {
            log_event(EV_SESSION_TIMEOUT, conn->sid, LOG_C("peer", conn->peer),
                      LOG_C("why", "reads too slowly"));
            conn->broken = true;
            buf_clear(&conn->out);
            return;
        }
        st = send_out(conn);
    }
}

void conn_write(struct conn *conn, struct slice bytes)
{
    if (conn->broken)
        return;
    if (conn->out.len + bytes.len > FLUSH_BYTES && conn->out.len > 0)
        conn_flush(conn);
    buf_put(&conn->out, bytes);
    if (conn->out.over)
        conn->broken = true;
    if (conn->out.len >= FLUSH_BYTES)
        conn_flush(conn);
}

void conn_writef(struct conn *conn, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    assert(len >= 0 && (size_t)len < sizeof(text));
    conn_write(conn, (struct slice){text, (size_t)len});
}

/* Room for one read; a thread runs one connection at a time. */
static _Thread_local char *read_room;

static enum st receive(struct conn *conn, size_t *len_r)
{
    if (read_room == NULL)
        read_room = mem_alloc(READ_BYTES);
    if (conn->tls != NULL)
        return sys_tls_recv(conn->tls, read_room, READ_BYTES, len_r);
    ssize_t got;
    do
        got = recv(conn->fd, read_room, READ_BYTES, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? ST_AGAIN : ST_IO;
    *len_r = (size_t)got;
    return ST_OK;
}

/* Hands input to the session until it wants more than is there; the rest is kept in conn->in. */
static enum net_next feed(struct conn *conn, struct slice bytes)
{
    const struct net_proto *proto = net_listener_proto(conn->listener);
    bool stashed = conn->in.len > 0;
    enum net_next next = NET_READ;
    struct slice left = bytes;

    if (stashed) {
        if (buf_add(&conn->in, bytes) != ST_OK)
            return NET_CLOSE;
        left = buf_slice(&conn->in);
    }
    while (left.len > 0 && next == NET_READ && !conn->starttls && !conn->broken) {
        size_t used = 0;

        arena_reset(conn->arena);
        next = proto->input(conn->session, left, &used);
        assert(used <= left.len);
        left = slice_sub(left, used, left.len);
        if (used == 0)
            break;
    }
    if (conn->starttls || next == NET_CLOSE)
        left.len = 0;
    if (stashed)
        buf_drop(&conn->in, conn->in.len - left.len);
    else if (left.len > 0 && buf_add(&conn->in, left) != ST_OK)
        return NET_CLOSE;
    if (conn->in.len == 0)
        buf_fini(&conn->in);
    return next;
}

static void begin_tls(struct conn *conn)
{
    conn->starttls = false;
    buf_fini(&conn->in);
    conn_flush(conn);
    conn->tls = sys_tls_new(net_tls(conn->net), conn->fd);
    conn->phase = CONN_HANDSHAKE;
}

/* ST_OK: shaken; ST_AGAIN; anything else ends the connection. */
static enum st shake(struct conn *conn)
{
    enum st st = sys_tls_handshake(conn->tls, &conn->tls_write);

    if (st == ST_OK) {
        conn->tls_write = false;
        conn->phase = conn->opened ? CONN_SERVE : CONN_GREET;
    } else if (st != ST_AGAIN) {
        log_event(EV_TLS_FAILED, conn->sid, LOG_C("peer", conn->peer),
                  LOG_C("why", sys_tls_error(conn->tls)));
        conn->broken = true;
    }
    return st;
}

static enum net_next greet(struct conn *conn)
{
    conn->phase = CONN_SERVE;
    conn->opened = true;
    arena_reset(conn->arena);
    return net_listener_proto(conn->listener)->open(conn->session, conn);
}

/* Reads and feeds until nothing waits. */
static enum net_next serve(struct conn *conn)
{
    enum net_next next = NET_READ;

    if (conn->in.len > 0)
        next = feed(conn, SLICE(""));
    while (next == NET_READ && conn->phase == CONN_SERVE && !conn->broken && !conn->starttls) {
        size_t len = 0;
        enum st st = receive(conn, &len);

        if (st == ST_AGAIN)
            return NET_READ;
        if (st != ST_OK || len == 0) {
            conn->peer_ended = true;
            return NET_CLOSE;
        }
        count_add(COUNT_BYTES_IN, (int64_t)len);
        next = feed(conn, (struct slice){read_room, len});
        if (conn->tls == NULL && len < READ_BYTES)
            break; /* the socket is drained; epoll tells of more */
    }
    if (next == NET_READ && conn->starttls)
        begin_tls(conn);
    return next;
}

static enum net_next farewell(struct conn *conn)
{
    if (!net_is_ending(conn->net))
        log_event(EV_SESSION_TIMEOUT, conn->sid, LOG_C("peer", conn->peer), LOG_C("why", "silent"));
    arena_reset(conn->arena);
    if (conn->phase == CONN_SERVE && conn->out.len == 0)
        net_listener_proto(conn->listener)->farewell(conn->session);
    return NET_CLOSE;
}

static enum net_next advance(struct conn *conn, bool woken)
{
    const struct net_proto *proto = net_listener_proto(conn->listener);
    enum net_next next = NET_READ;

    if (conn->phase == CONN_GREET)
        next = greet(conn);
    if (next == NET_READ && woken && conn->phase == CONN_SERVE && proto->wake != NULL) {
        arena_reset(conn->arena);
        conn->waiting = false;
        next = proto->wake(conn->session);
    }
    if (conn->waiting)
        return NET_WAIT;
    if (next == NET_READ && conn->phase == CONN_SERVE)
        next = serve(conn);
    conn->waiting = next == NET_WAIT;
    return next;
}

bool conn_turn(struct conn *conn, struct arena *arena, bool woken, bool timed_up)
{
    enum net_next next = NET_READ;

    conn->arena = arena;
    conn->want_write = conn->out.len > 0 && send_out(conn) == ST_AGAIN;
    woken = woken || conn->woken;
    if (conn->want_write && !(woken && conn->waiting)) {
        conn->woken = woken;               /* what there is to tell comes when this has been read */
        return !timed_up || conn->waiting; /* it read nothing all the while */
    }
    conn->woken = false;
    if (!conn->waiting && (conn->broken || conn->phase == CONN_CLOSING))
        return false;
    if (timed_up && !conn->waiting)
        next = farewell(conn);
    while (next == NET_READ && (!conn->broken || conn->waiting)) {
        enum conn_phase phase = conn->phase;

        if (phase == CONN_HANDSHAKE && shake(conn) != ST_OK)
            break;
        next = advance(conn, woken);
        woken = false;
        if (conn->phase == phase || conn->phase != CONN_HANDSHAKE)
            break;
    }
    if (conn->out.len > 0 && !conn->broken)
        conn->want_write = send_out(conn) == ST_AGAIN;
    if (conn->out.len == 0)
        buf_fini(&conn->out);
    if (next == NET_CLOSE && conn->want_write)
        conn->phase = CONN_CLOSING;
    if (conn->waiting) /* somebody else holds what the session waits for: it cannot end now */
        return true;
    return !conn->broken && (next == NET_READ || conn->want_write);
}

/* Lets the peer read what was sent: closing with unread input would reset the connection. */
static void drain(struct conn *conn)
{
    char waste[4096];

    shutdown(conn->fd, SHUT_WR);
    for (int i = 0; i < 16 && recv(conn->fd, waste, sizeof(waste), MSG_DONTWAIT) > 0; i++)
        ;
}

void conn_end(struct conn *conn)
{
    if (conn->opened)
        net_listener_proto(conn->listener)->close(conn->session);
    if (conn->tls != NULL && !conn->broken)
        sys_tls_bye(conn->tls);
    sys_tls_free(&conn->tls);
    if (!conn->broken && !conn->peer_ended)
        drain(conn);
    close(conn->fd);
    log_event(EV_SESSION_CLOSE, conn->sid, LOG_C("peer", conn->peer));
    buf_fini(&conn->in);
    buf_fini(&conn->out);
    mem_free(conn);
}

/* The ceilings of a new connection's buffers. */
static_assert(FLUSH_BYTES < OUT_BYTES_MAX, "a flush leaves room");

void conn_thread_end(void)
{
    mem_free(read_room);
    read_room = NULL;
}

void conn_give_up(struct conn *conn)
{
    if (!conn->want_write)
        return;
    log_event(EV_SESSION_TIMEOUT, conn->sid, LOG_C("peer", conn->peer),
              LOG_C("why", "reads too slowly"));
    shutdown(conn->fd, SHUT_RDWR); /* the socket becomes ready, whatever its window */
}

struct conn *conn_new(struct net *net, struct net_listener *listener, int fd)
{
    struct conn *conn = mem_alloc(sizeof(*conn) + net_listener_proto(listener)->session_bytes);

    conn->fd = fd;
    conn->net = net;
    conn->listener = listener;
    conn->phase = CONN_GREET;
    conn->timeout_ms = MIN_MS;
    buf_init(&conn->in, IN_BYTES_MAX);
    buf_init(&conn->out, OUT_BYTES_MAX);
    return conn;
}
