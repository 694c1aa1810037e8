/* net.h: connections, and the threads that serve them.
 *
 * A pool of threads waits on one epoll set, each connection armed for one event. The thread that
 * gets a readable connection feeds its session whole, store calls included, flushes, and arms it
 * again. An idle connection holds no thread and no buffer; a half-received command costs a buffer.
 */
#pragma once
#include "base/base.h"

struct conn;
struct net;
struct sys_tls_server;
struct arena;
struct buf;

enum net_next {
    NET_READ,  /* consumed what it could; call again when more input is there */
    NET_WAIT,  /* something else is awaited: no input until net_wake(), however long */
    NET_CLOSE, /* flush the output, then close */
};

/* What a protocol provides to be served. One static const per protocol. */
struct net_proto {
    const char *name;
    const char *busy;     /* the line that turns away a connection too many */
    size_t session_bytes; /* zeroed before open() */
    /* Greets. NET_CLOSE refuses the connection. */
    enum net_next (*open)(void *session, struct conn *conn);
    /* in is all that waits; *used_r says how much of it is done with. What is left comes again with
     * more behind it. Called again at once while it consumes and something is left. */
    enum net_next (*input)(void *session, struct slice in, size_t *used_r);
    /* net_wake() was called for this connection, once or more often. NULL where nobody wakes. */
    enum net_next (*wake)(void *session);
    /* The silence allowed by conn_timeout() is over, or the server ends (conn_ending() tells).
     * Writes the protocol's farewell; the connection is closed after it. */
    void (*farewell)(void *session);
    void (*close)(void *session); /* frees what the session holds; no more output */
};

struct net_options {
    uint64_t threads_max;
    uint64_t connections_max;
    uint64_t write_timeout_ms;
};

struct net *net_new(const struct net_options *options);
/* Serves the protocol on a listening socket, which stays the caller's. tls_first: TLS from the
 * first byte. peer_max: connections from one address at a time; 0: no limit. The protocol's context
 * is what conn_context() gives its sessions. */
void net_listen(struct net *net, int fd, const struct net_proto *proto, void *context,
                bool tls_first, uint64_t peer_max);
/* The certificate in use from now on; NULL: no TLS. Kept until net_free(). */
void net_tls_use(struct net *net, struct sys_tls_server *tls);
/* The same for the listeners of one protocol alone, which must be TLS from the first byte; after
 * net_listen(), and at any time later. The one before may be in use for a moment still. */
void net_tls_use_for(struct net *net, const struct net_proto *proto, struct sys_tls_server *tls);
MUST_USE enum st net_start(struct net *net);
/* Stops accepting, lets commands under way finish, says farewell to the others; connections that
 * are there after timeout_ms are cut without an answer. */
void net_stop(struct net *net, uint64_t timeout_ms);
void net_join(struct net *net, uint64_t timeout_ms); /* after net_stop(): awaits its threads */
void net_free(struct net **net);
/* The options that a reload may change. */
void net_set_options(struct net *net, const struct net_options *options);

/* Has wake() called for the connection of this id, soon and on a session thread. Any thread may
 * call it, holding any lock; an id whose connection is gone is ignored. */
void net_wake(struct net *net, uint64_t conn_id);

/* The peer of this id gets and says nothing more: who writes to it finds it broken at once. As
 * net_wake(). */
void net_cut(struct net *net, uint64_t conn_id);

/* Around whatever blocks for long (a commit, a database): meanwhile another thread serves in this
 * one's place. Does nothing on threads that are not net's own, nor inside another such pair. */
void net_block_begin(void);
void net_block_end(void);

/* --- for sessions, on the thread that runs them --- */
uint64_t conn_id(const struct conn *conn);  /* for net_wake() */
uint64_t conn_sid(const struct conn *conn); /* for log_event() */
struct net *conn_net(const struct conn *conn);
void *conn_context(const struct conn *conn);
/* "192.0.2.1" or "2001:db8::1"; "local" for a unix socket. */
const char *conn_peer(const struct conn *conn);
bool conn_tls(const struct conn *conn);
bool conn_tls_possible(const struct conn *conn); /* STARTTLS can be offered */
bool conn_ending(const struct conn *conn);       /* the server is shutting down */

/* Output is kept until input() returns, or until enough has gathered; then the thread sends, and
 * waits for a slow reader up to write_timeout_ms. After a failure output is thrown away and the
 * connection is closed once input() returns. */
void conn_write(struct conn *conn, struct slice bytes);
void conn_writef(struct conn *conn, const char *fmt, ...) PRINTF(2, 3);
bool conn_broken(const struct conn *conn); /* long work may stop */
/* Sends what has gathered, now. */
void conn_flush(struct conn *conn);
/* A slow reader is waited for no longer than until sys_mono_ms() reaches this; 0: no such end. */
void conn_write_deadline(struct conn *conn, uint64_t deadline_ms);
/* TLS begins once input() has returned and the output is sent. Input that came with the command in
 * the clear is thrown away (RFC 3207 section 6). */
void conn_starttls(struct conn *conn);
/* "TLS1.3:AES_256_GCM", for trace lines; empty without TLS. */
void conn_tls_describe(const struct conn *conn, struct buf *out);
struct sys_tls *conn_tls_handle(struct conn *conn); /* for channel binding; NULL without TLS */
/* Silence allowed from the peer from now on. */
void conn_timeout(struct conn *conn, uint64_t ms);
/* A scratch arena of the running thread, empty at each call of input() or wake(). */
struct arena *conn_arena(struct conn *conn);
