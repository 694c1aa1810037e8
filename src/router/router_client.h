/* router_client.h: one SMTP connection to another server, as its client (RFC 5321).
 *
 * Blocking calls with deadlines, for a thread that may wait: a client belongs to one thread. Used
 * where offered: STARTTLS (RFC 3207), AUTH (RFC 4954), PIPELINING (RFC 2920), CHUNKING (RFC 3030),
 * SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), DSN (RFC 3461).
 *
 * With PIPELINING a message whose body has at most ROUTER_CLIENT_BURST_BYTES goes out in one burst,
 * if the server also does CHUNKING: one round trip a message. */
#pragma once
#include "router/router_answer.h"

struct cluster;
struct cluster_fellow;
struct router_client;
struct sys_tls_client;

#define ROUTER_CLIENT_BURST_BYTES (256 * KIB)
/* A server that takes a body more slowly than this is given up. */
#define ROUTER_CLIENT_BYTES_PER_SEC_MIN 1024

enum router_tls {
    ROUTER_TLS_NONE,
    ROUTER_TLS_OPPORTUNISTIC, /* any certificate; where TLS fails, in the clear */
    ROUTER_TLS_REQUIRED,      /* any certificate */
    ROUTER_TLS_VERIFIED,      /* a trusted certificate that is the host's */
    ROUTER_TLS_MAX,
};

/* What it points to is borrowed until router_client_open() returns. */
struct router_client_options {
    const char *own_name; /* for EHLO: a domain name, or an address literal */
    enum router_tls tls;
    bool implicit_tls; /* TLS from the first byte, as on port 465 (RFC 8314); not with TLS_NONE */
    struct sys_tls_client *tls_client; /* not NULL but for TLS_NONE */
    /* Not NULL: a server of our domain. TLS from the first byte with the domain's certificates on
     * both sides, and it must be the server of this name; what the fields above say does not count.
     */
    const char *server;
    struct cluster *cluster; /* knows the certificates; not NULL where server is not */
    const char *user;        /* NULL: no log-in */
    const char *password;
    uint64_t connect_ms; /* for the connection to be made, and for the TLS handshake */
    uint64_t reply_ms;   /* for each whole reply, and for each piece of a body to be taken */
    uint64_t end_ms;     /* for the reply to the message's end */
    int stop_fd;         /* all waiting ends (as CUT) once it is readable; -1: none */
};

/* Connects, takes the greeting, says EHLO (HELO where that is refused), does STARTTLS by the
 * policy, and logs in. host: the server's name, for TLS and checking its certificate ("mx.example",
 * or an address with or without brackets). address: where to connect, "192.0.2.1" or "2001:db8::1".
 * Returns the client, ready for router_client_send(), or NULL; *answer_r then says why (in both
 * cases it holds the last reply). Where policy is OPPORTUNISTIC and the handshake fails, it
 * connects once more, in the clear. */
struct router_client *router_client_open(const struct router_client_options *options,
                                         const char *host, const char *address, uint16_t port,
                                         struct router_answer *answer_r);

/* Gets the next piece of the body; anything but ST_OK: give no more, return it. The same as
 * blob_fn.
 */
typedef enum st router_client_put(void *ctx, struct slice bytes);

/* All text is as it goes onto the wire, without blanks and control characters, and borrowed. */
struct router_client_message {
    struct slice sender; /* without brackets; empty: the null reverse-path */
    uint64_t size_bytes; /* of the body as it will be given: for SIZE, for bursts, for deadlines */
    bool eight_bit;      /* the body has bytes over 127 */
    bool utf8;           /* an address or a header needs SMTPUTF8 */
    struct slice ret;    /* RFC 3461 4.3: FULL or HDRS; empty: left out */
    struct slice envid;  /* RFC 3461 4.4, xtext; empty: left out */
    struct slice guid;   /* told to servers of our domain alone, as XGUID */
    int priority;        /* likewise, as MT-PRIORITY (RFC 6710) */
    /* Gives the whole body to put(put_ctx, bytes), piece by piece: ST_OK once all was given, what
     * put returned where that was not ST_OK, or an error of its own. Called at most once a send. */
    enum st (*body)(void *ctx, router_client_put *put, void *put_ctx);
    void *body_ctx;
};

struct router_client_rcpt {
    struct slice address; /* without brackets */
    struct slice notify;  /* RFC 3461 4.1: NEVER, or SUCCESS,FAILURE,DELAY; empty: left out */
    struct slice orcpt;   /* RFC 3461 4.2: "rfc822;" and xtext; empty: left out */
};

/* Sends the message to count recipients in one transaction; results[i] is the answer for rcpts[i]:
 * router_answer_positive() where the server has taken it over. ROUTER_NO_FEATURE (5.6.3 eight bits
 * and no 8BITMIME, 5.6.7 no SMTPUTF8, 5.3.4 over SIZE, 5.1.3 and 5.1.7 an address that cannot be
 * written) means that the connection is as good as before. Line ends are made CR LF as
 * router_text.h says; lines are not folded and nothing is re-encoded. DSN parameters are left out
 * where router_client_has(ROUTER_PEER_DSN) is false: what follows from that is the caller's.
 * A kept connection: call router_client_alive() first. */
void router_client_send(struct router_client *client, const struct router_client_message *message,
                        const struct router_client_rcpt rcpts[], size_t count,
                        struct router_answer results[]);

enum router_peer {
    ROUTER_PEER_ESMTP = 1U << 0,
    ROUTER_PEER_PIPELINING = 1U << 1,
    ROUTER_PEER_CHUNKING = 1U << 2,
    ROUTER_PEER_8BITMIME = 1U << 3,
    ROUTER_PEER_SMTPUTF8 = 1U << 4,
    ROUTER_PEER_DSN = 1U << 5,
    ROUTER_PEER_SIZE = 1U << 6,
    ROUTER_PEER_STARTTLS = 1U << 7,
    ROUTER_PEER_AUTH = 1U << 8,
    ROUTER_PEER_POSTHORSE = 1U << 9, /* of our domain: takes XGUID and MT-PRIORITY */
};
/* Whether the server offers it. */
bool router_client_has(const struct router_client *client, enum router_peer feature);
/* The server of our domain that it is a connection to; NULL: it is none. As long as the client. */
const struct cluster_fellow *router_client_fellow(const struct router_client *client);

/* False once the connection is of no more use: broken, closed by the server, told 421, or with a
 * reply nobody asked for. Asks the socket and waits for nothing. */
bool router_client_alive(struct router_client *client);
/* Drops a transaction left half-done by RSET; router_client_send() does so where it must. Waits for
 * the reply. False: the connection is of no more use. */
bool router_client_reset(struct router_client *client);
/* Says QUIT where that can be sent at once, waits for no reply, and frees. */
void router_client_quit(struct router_client **client);
/* Closes without a word. Both: NULL is fine; set *client to NULL. */
void router_client_free(struct router_client **client);
