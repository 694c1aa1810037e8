/* net_conn.h: what net.c and net_conn.c share: a connection and the slot that names it. */
#pragma once
#include "base/buf.h"
#include "net/net.h"
#include "sys/sys_sock.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

struct net_listener;

enum conn_phase {
    CONN_HANDSHAKE, /* TLS is being set up */
    CONN_GREET,     /* open() is yet to be called */
    CONN_SERVE,
    CONN_CLOSING, /* what is in out is still sent, then the connection ends */
};

struct conn {
    int fd;
    enum conn_phase phase;
    bool opened;     /* open() was called, so close() must be */
    bool starttls;   /* asked for by the session */
    bool broken;     /* output cannot be sent any more */
    bool peer_ended; /* the peer sends no more */
    bool want_write; /* armed for room to send */
    bool tls_write;  /* the handshake waits for room to send */
    bool waiting;    /* NET_WAIT: no input until woken */
    bool woken;      /* ... while output waited for a slow reader */
    uint64_t id;
    uint64_t sid;
    uint64_t timeout_ms;
    uint64_t write_deadline_ms; /* 0: none */
    struct net_listener *listener;
    struct net *net;
    struct sys_tls *tls;
    struct arena *arena; /* the running thread's; NULL while no thread runs it */
    struct buf in;       /* input that input() left */
    struct buf out;
    char peer[SYS_ADDR_BYTES];
    alignas(16) char session[];
};

/* A connection on fd, which it owns; greeting comes with its first turn. */
struct conn *conn_new(struct net *net, struct net_listener *listener, int fd);
/* One turn of a connection on a session thread: woken says that net_wake() was called, timed_up
 * that its silence is over. False: it has ended and conn_end() is due. */
bool conn_turn(struct conn *conn, struct arena *arena, bool woken, bool timed_up);
void conn_end(struct conn *conn); /* closes and frees */

void conn_thread_end(void); /* a session thread leaves */
/* Its output waits and nobody reads: no more is sent, and the next turn ends it. */
void conn_give_up(struct conn *conn);

bool net_is_ending(const struct net *net);
uint64_t net_write_timeout_ms(const struct net *net);
struct sys_tls_server *net_tls(const struct net *net);
const struct net_proto *net_listener_proto(const struct net_listener *listener);
void *net_listener_context(const struct net_listener *listener);
