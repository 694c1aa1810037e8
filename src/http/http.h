/* http.h: HTTP/1.1 (RFC 9112) on sockets that listen already; requests and replies as streams.
 *
 * Each connection has a thread, so a handler may block: on the store, or on the peer while a stream
 * flows. One service answers on each socket; its functions are called in this order, all on the
 * connection's thread:
 *
 *   begin   the header is in: look at method, path and query, http_request_mine_set(), or refuse
 *   upload  once for each piece of the body, until http_reply_*() was called
 *   answer  the body is in: call one of http_reply_*(), unless that was done already
 *   done    the request is over, however it ended; frees what belongs to it
 *
 * TLS is an option of the service (http_tls). A path with "%2F" or "%00" in it keeps these three
 * characters as they are: undone they would be another path. */
#pragma once
#include "base/base.h"

struct buf;
struct http;
struct http_request;

struct http_service {
    void *ctx; /* given to each of the functions */
    void (*begin)(void *ctx, struct http_request *request);
    void (*upload)(void *ctx, struct http_request *request, struct slice bytes); /* may be NULL */
    /* may be NULL where begin always replies, or hands the request on */
    void (*answer)(void *ctx, struct http_request *request);
    void (*done)(void *ctx, struct http_request *request); /* may be NULL */
    uint64_t body_bytes_max; /* a longer body is refused with 413; begin may raise it */
    bool tls;                /* from the first byte, with what http_tls_use() was given */
};

struct http_tls {
    struct slice certificate_pem; /* with its chain */
    struct slice key_pem;
    const char *priorities; /* GnuTLS's language */
};

struct http_options {
    size_t header_bytes_max;  /* of a request's line and header together */
    unsigned connections_max; /* on each socket */
    uint64_t timeout_ms;      /* of silence on a connection */
};
extern const struct http_options http_options_default;

struct http *http_new(const struct http_options *options); /* NULL: the default */
/* Serves from now on. fd stays the caller's and open; *service is copied. ST_IO with a sentence. */
MUST_USE enum st http_listen(struct http *http, int fd, const struct http_service *service,
                             struct buf *why);
/* Before http_listen() of a service with tls, and again when one of the three has changed: then new
 * connections get it and those that stand go on. Nothing happens where it is the same as before.
 * *tls is copied. ST_IO with a sentence: the old one stays in force. */
MUST_USE enum st http_tls_use(struct http *http, const struct http_tls *tls, struct buf *why);
/* Accepts no more, lets requests under way finish for at most timeout_ms, then cuts the rest. */
void http_stop(struct http *http, uint64_t timeout_ms);
void http_free(struct http **http); /* stops at once where http_stop() was not called */

/* --- the request; texts live as long as it --- */

const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request); /* decoded, without the query */
/* NULL: not there. */
const char *http_request_header(struct http_request *request, const char *name);
const char *http_request_query(struct http_request *request, const char *name);
typedef void http_query_fn(void *ctx, const char *name, const char *value);
void http_request_query_each(struct http_request *request, http_query_fn *fn, void *ctx);
/* Who asks: "192.0.2.1", or "uid=0" on a unix socket. */
const char *http_request_peer(const struct http_request *request);
bool http_request_tls(const struct http_request *request);
/* From this machine, over a unix socket or a loopback address. */
bool http_request_local(const struct http_request *request);
/* Appends what a log-in may bind to this connection (RFC 5929 section 4, tls-server-end-point).
 * ST_NOT_FOUND: it is without TLS. */
MUST_USE enum st http_request_end_point(const struct http_request *request, struct buf *out);
/* What somebody keeps with the connection, from one request to the next; release is called where it
 * is set anew (NULL: nothing) and at the connection's end. One keeper only: http_login.h. */
void *http_connection_mine(const struct http_request *request);
void http_connection_mine_set(struct http_request *request, void *mine,
                              void (*release)(void *mine));
void http_request_body_max(struct http_request *request, uint64_t bytes);
/* From upload, where begin said http_request_body_max(UINT64_MAX): adds the piece to body. False:
 * it is over body's ceiling; the caller replies, and a little of the rest is still read. */
MUST_USE bool http_request_gather(struct http_request *request, struct slice bytes,
                                  struct buf *body);
/* From begin: another service, which lives as long as the socket is served, has this request from
 * its begin to its done. */
void http_request_hand(struct http_request *request, const struct http_service *service);
void *http_request_mine(const struct http_request *request);
void http_request_mine_set(struct http_request *request, void *mine);

/* --- the reply; the first call counts, a later one is a bug --- */

bool http_replied(const struct http_request *request);
void http_reply_header(struct http_request *request, const char *name, const char *value);
/* A whole reply; the body is copied. */
void http_reply(struct http_request *request, unsigned status, const char *type, struct slice body);
/* The same without a copy: what is in body becomes the reply's. */
void http_reply_take(struct http_request *request, unsigned status, const char *type,
                     struct buf *body);

/* A reply in pieces without a thread of its own: more() is called on the connection's thread
 * whenever what it wrote before is sent. ST_AGAIN: it wrote something, and there is more; ST_OK:
 * what it wrote is the last; any other cuts the connection. What ends soon is sent whole, with its
 * length; more() is then called before this returns, and where it fails at once nothing is replied
 * and its st returned, after release. */
#define HTTP_PIECE_BYTES_MAX (16 * MIB)
struct http_pieces {
    enum st (*more)(void *ctx, struct buf *out); /* appends; HTTP_PIECE_BYTES_MAX at most */
    void (*release)(void *ctx);                  /* may be NULL; always called once */
    void *ctx;
};
MUST_USE enum st http_reply_pieces(struct http_request *request, unsigned status, const char *type,
                                   const struct http_pieces *pieces);

/* A stream: produce runs on a thread of its own and writes with http_out_add(), which waits while
 * the peer reads slowly. What it returns other than ST_OK cuts the connection, so that the peer
 * sees that the end is missing. produce may not be called at all (HEAD, a peer that left); release,
 * which may be NULL, always is, after it. */
struct http_out;
struct http_stream {
    enum st (*produce)(void *ctx, struct http_out *out);
    void (*release)(void *ctx);
    void *ctx;
    uint64_t bytes; /* of the whole, where known; UINT64_MAX: not known */
};
#define HTTP_BYTES_UNKNOWN UINT64_MAX
void http_reply_stream(struct http_request *request, unsigned status, const char *type,
                       const struct http_stream *stream);
/* ST_IO: the peer has left. */
MUST_USE enum st http_out_add(struct http_out *out, struct slice bytes);
