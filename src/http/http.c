#include "http/http.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "http/http_out.h"
#include "log/log.h"
#include "sys/sys_hash.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 64
#define PEER_BYTES 64
#define STREAM_BLOCK_BYTES (32 * KIB)
/* So much of a refused body is read before the reply is sent. */
#define DROP_BYTES_MAX (16 * MIB)
#define ERROR_BYTES_MAX 1024
#define STOP_POLL_MS 5
/* Daemons that serve what they accepted under an earlier certificate. */
#define RETIRED_MAX 4
/* Handlers have their large things in arenas. */
#define THREAD_STACK_BYTES (512 * KIB)
/* Pieces that come to less are sent whole. */
#define WHOLE_BYTES (64 * KIB)

struct socket_served {
    struct http *http;
    struct http_service service;
    int fd; /* the caller's */
    struct MHD_Daemon *daemon;
    struct MHD_Daemon *retired[RETIRED_MAX];
    size_t retired_count;
};

/* What TLS sockets offer; key NULL: http_tls_use() was not called. */
struct tls_text {
    char *certificate;
    char *key;
    char *priorities;
};

struct http {
    struct http_options options;
    struct tls_text tls;
    struct socket_served *sockets[SOCKETS_MAX];
    size_t socket_count;
    atomic_uint under_way; /* requests */
};

/* What lasts as long as a connection. */
struct kept {
    void *mine;
    void (*release)(void *mine);
};

struct http_request {
    struct socket_served *socket;
    const struct http_service *service; /* that answers it */
    struct MHD_Connection *connection;
    struct kept *kept;
    const char *method;
    const char *path;
    char peer[PEER_BYTES];
    void *mine;
    uint64_t body_bytes;
    uint64_t body_bytes_max;
    struct MHD_Response *response;
    unsigned status;
    bool queued;
    bool local;
    struct {
        const char *name;
        char *value;
    } headers[16];
    size_t header_count;
};

const struct http_options http_options_default = {
    .header_bytes_max = 32 * KIB, .connections_max = 200, .timeout_ms = 60 * SEC_MS};

/* --- the request --- */

const char *http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request)
{
    return request->path;
}

const char *http_request_header(struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_request_query(struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct each {
    http_query_fn *fn;
    void *ctx;
};

static enum MHD_Result each_value(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    const struct each *each = cls;

    each->fn(each->ctx, key, value != NULL ? value : "");
    return MHD_YES;
}

void http_request_query_each(struct http_request *request, http_query_fn *fn, void *ctx)
{
    struct each each = {fn, ctx};

    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, each_value, &each);
}

const char *http_request_peer(const struct http_request *request)
{
    return request->peer;
}

bool http_request_tls(const struct http_request *request)
{
    return request->socket->service.tls;
}

bool http_request_local(const struct http_request *request)
{
    return request->local;
}

enum st http_request_end_point(const struct http_request *request, struct buf *out)
{
    const union MHD_ConnectionInfo *info =
        http_request_tls(request)
            ? MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)
            : NULL;

    return info != NULL ? sys_tls_end_point(info->tls_session, out) : ST_NOT_FOUND;
}

void *http_connection_mine(const struct http_request *request)
{
    return request->kept->mine;
}

static void kept_release(struct kept *kept)
{
    if (kept->mine != NULL && kept->release != NULL)
        kept->release(kept->mine);
    kept->mine = NULL;
}

void http_connection_mine_set(struct http_request *request, void *mine, void (*release)(void *mine))
{
    kept_release(request->kept);
    request->kept->mine = mine;
    request->kept->release = release;
}

void http_request_body_max(struct http_request *request, uint64_t bytes)
{
    request->body_bytes_max = bytes;
}

bool http_request_gather(struct http_request *request, struct slice bytes, struct buf *body)
{
    buf_put(body, bytes);
    if (body->over)
        http_request_body_max(request, 0);
    return !body->over;
}

void http_request_hand(struct http_request *request, const struct http_service *service)
{
    request->service = service;
    request->body_bytes_max = service->body_bytes_max;
    service->begin(service->ctx, request);
}

void *http_request_mine(const struct http_request *request)
{
    return request->mine;
}

void http_request_mine_set(struct http_request *request, void *mine)
{
    request->mine = mine;
}

static void name_unix_peer(struct http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred cred = {0};
    socklen_t len = sizeof(cred);

    if (info != NULL && getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
        snprintf(request->peer, sizeof(request->peer), "uid=%u", (unsigned)cred.uid);
    else
        snprintf(request->peer, sizeof(request->peer), "local");
    request->local = true;
}

static void name_ipv4_peer(struct http_request *request, const struct sockaddr_in *addr)
{
    inet_ntop(AF_INET, &addr->sin_addr, request->peer, sizeof(request->peer));
    request->local = ntohl(addr->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static void name_ipv6_peer(struct http_request *request, const struct sockaddr_in6 *addr)
{
    inet_ntop(AF_INET6, &addr->sin6_addr, request->peer, sizeof(request->peer));
    request->local = IN6_IS_ADDR_LOOPBACK(&addr->sin6_addr);
}

static void name_peer(struct http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *addr = info != NULL ? info->client_addr : NULL;

    if (addr != NULL && addr->sa_family == AF_INET)
        name_ipv4_peer(request, (const struct sockaddr_in *)(const void *)addr);
    else if (addr != NULL && addr->sa_family == AF_INET6)
        name_ipv6_peer(request, (const struct sockaddr_in6 *)(const void *)addr);
    else
        name_unix_peer(request);
}

/* --- the reply --- */

bool http_replied(const struct http_request *request)
{
    return request->response != NULL;
}

void http_reply_header(struct http_request *request, const char *name, const char *value)
{
    assert(request->header_count < COUNT(request->headers) && request->response == NULL);
    request->headers[request->header_count].name = name;
    request->headers[request->header_count++].value = mem_copy(slice_str(value));
}

static void reply_with(struct http_request *request, unsigned status, const char *type,
                       struct MHD_Response *response)
{
    assert(request->response == NULL && response != NULL);
    request->status = status;
    request->response = response;
    if (type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < request->header_count; i++)
        MHD_add_response_header(response, request->headers[i].name, request->headers[i].value);
}

void http_reply(struct http_request *request, unsigned status, const char *type, struct slice body)
{
    void *copy = mem_copy(body); /* the library frees it */

    reply_with(request, status, type,
               MHD_create_response_from_buffer(body.len, copy, MHD_RESPMEM_MUST_FREE));
}

void http_reply_take(struct http_request *request, unsigned status, const char *type,
                     struct buf *body)
{
    const size_t len = body->len;
    char *text = body->ptr != NULL ? buf_take(body) : mem_copy(SLICE(""));

    reply_with(request, status, type,
               MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE));
}

static ssize_t read_stream(void *cls, uint64_t pos, char *room, size_t cap)
{
    ssize_t len = http_out_read(cls, room, cap);

    return len > 0    ? len
           : len == 0 ? MHD_CONTENT_READER_END_OF_STREAM
                      : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_stream(void *cls)
{
    struct http_out *out = cls;

    http_out_free(&out);
}

void http_reply_stream(struct http_request *request, unsigned status, const char *type,
                       const struct http_stream *stream)
{
    reply_with(request, status, type,
               MHD_create_response_from_callback(stream->bytes, STREAM_BLOCK_BYTES, read_stream,
                                                 http_out_new(stream), free_stream));
}

/* Pieces, and what of them is not sent yet. */
struct waiting {
    struct http_pieces pieces;
    struct buf buf;
    size_t sent;
    enum st st; /* of the last more() */
};

static enum st get_more(struct waiting *waiting)
{
    waiting->st = waiting->pieces.more(waiting->pieces.ctx, &waiting->buf);
    if (waiting->buf.over)
        waiting->st = ST_TOO_BIG;
    return waiting->st;
}

static ssize_t read_waiting(void *cls, uint64_t pos, char *room, size_t cap)
{
    struct waiting *waiting = cls;

    while (waiting->sent == waiting->buf.len) {
        if (waiting->st == ST_OK)
            return MHD_CONTENT_READER_END_OF_STREAM;
        buf_clear(&waiting->buf);
        waiting->sent = 0;
        if (waiting->st != ST_AGAIN || (get_more(waiting) != ST_OK && waiting->st != ST_AGAIN))
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    struct slice rest = slice_sub(buf_slice(&waiting->buf), waiting->sent, cap);
    memcpy(room, rest.ptr, rest.len);
    waiting->sent += rest.len;
    return (ssize_t)rest.len;
}

static void free_waiting(void *cls)
{
    struct waiting *waiting = cls;

    if (waiting->pieces.release != NULL)
        waiting->pieces.release(waiting->pieces.ctx);
    buf_fini(&waiting->buf);
    mem_free(waiting);
}

enum st http_reply_pieces(struct http_request *request, unsigned status, const char *type,
                          const struct http_pieces *pieces)
{
    struct waiting *waiting = mem_new(struct waiting);
    enum st st = ST_AGAIN;

    waiting->pieces = *pieces;
    buf_init(&waiting->buf, HTTP_PIECE_BYTES_MAX);
    while (st == ST_AGAIN && waiting->buf.len < WHOLE_BYTES)
        st = get_more(waiting);
    if (st == ST_AGAIN) {
        reply_with(request, status, type,
                   MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
                                                     read_waiting, waiting, free_waiting));
        return ST_OK;
    }
    if (st == ST_OK)
        http_reply_take(request, status, type, &waiting->buf);
    free_waiting(waiting);
    return st;
}

/* --- a request from its header to its end --- */

/* The library keeps for each connection what this leaves in *mine. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **mine,
                          enum MHD_ConnectionNotificationCode how)
{
    if (how == MHD_CONNECTION_NOTIFY_STARTED) {
        *mine = mem_new(struct kept);
        return;
    }
    kept_release(*mine);
    mem_free(*mine);
}

static struct kept *kept_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static unsigned hex_of(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
           : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                  : 16;
}

/* In place. What is spared stays, and "%00", and a '%' without two digits. */
static void unescape(const char *text, char spared)
{
    char *to = (char *)(uintptr_t)text; /* the library's own copy for this connection */

    for (const char *at = text; *at != '\0'; at++) {
        unsigned high = *at == '%' ? hex_of(at[1]) : 16;
        unsigned low = high < 16 ? hex_of(at[2]) : 16;
        unsigned byte = high * 16 + low;

        if (low < 16 && byte != 0 && (char)byte != spared) {
            *to++ = (char)byte;
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
}

/* The library would do the same with paths and queries; a path's "%2F" is no '/'. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

static enum MHD_Result unescape_value(void *cls, enum MHD_ValueKind kind, const char *key,
                                      const char *value)
{
    if (value != NULL)
        unescape(value, '\0');
    return MHD_YES;
}

static struct http_request *request_new(struct socket_served *served,
                                        struct MHD_Connection *connection, const char *url,
                                        const char *method)
{
    struct http_request *request = mem_new(struct http_request);

    request->socket = served;
    request->service = &served->service;
    request->connection = connection;
    request->method = method;
    unescape(url, '/');
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, unescape_value, NULL);
    request->path = url;
    request->body_bytes_max = served->service.body_bytes_max;
    request->kept = kept_of(connection);
    name_peer(request);
    atomic_fetch_add(&served->http->under_way, 1);
    return request;
}

static void request_free(struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++)
        mem_free(request->headers[i].value);
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    atomic_fetch_sub(&request->socket->http->under_way, 1);
    mem_free(request);
}

static enum MHD_Result send_reply(struct http_request *request)
{
    request->queued = true;
    return MHD_queue_response(request->connection, request->status, request->response);
}

/* The body's length as the header tells it; UINT64_MAX: it comes in chunks. */
static uint64_t length_told(struct http_request *request)
{
    const char *text = http_request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t bytes = 0;

    if (text == NULL)
        return http_request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL ? UINT64_MAX
                                                                                       : 0;
    return slice_to_u64(slice_str(text), &bytes) == ST_OK ? bytes : UINT64_MAX;
}

static void refuse_size(struct http_request *request)
{
    http_reply(request, MHD_HTTP_CONTENT_TOO_LARGE, "text/plain",
               SLICE("the request's body is too long\n"));
}

/* A refusal of what has a very long body is sent at once; otherwise the body is read first, since
 * many a peer looks for the reply only when it has sent everything. */
static enum MHD_Result begin(struct http_request *request)
{
    uint64_t length = length_told(request);

    request->service->begin(request->service->ctx, request);
    if (!http_replied(request) && length != UINT64_MAX && length > request->body_bytes_max)
        refuse_size(request);
    return http_replied(request) && length > DROP_BYTES_MAX ? send_reply(request) : MHD_YES;
}

static enum MHD_Result take_piece(struct http_request *request, struct slice bytes)
{
    const struct http_service *service = request->service;
    bool replied = http_replied(request);

    request->body_bytes += bytes.len;
    if (request->body_bytes > request->body_bytes_max &&
        (!replied || request->body_bytes - request->body_bytes_max > DROP_BYTES_MAX))
        return MHD_NO; /* it came in chunks and never ends: there is no polite way out */
    if (!replied && service->upload != NULL)
        service->upload(service->ctx, request, bytes);
    return MHD_YES;
}

static enum MHD_Result answer(struct http_request *request)
{
    const struct http_service *service = request->service;

    if (!http_replied(request))
        service->answer(service->ctx, request);
    assert(http_replied(request));
    return send_reply(request);
}

/* NOLINTNEXTLINE(readability-function-size): the library's form */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **state)
{
    struct http_request *request = *state;

    if (request == NULL) {
        *state = request_new(cls, connection, url, method);
        return begin(*state);
    }
    if (*data_len > 0) {
        struct slice bytes = {data, *data_len};

        *data_len = 0;
        return request->queued ? MHD_YES : take_piece(request, bytes);
    }
    return request->queued ? MHD_YES : answer(request);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct http_request *request = *state;

    if (request == NULL)
        return;
    const struct http_service *service = request->service;
    if (service->done != NULL)
        service->done(service->ctx, request);
    request_free(request);
    *state = NULL;
}

/* --- life --- */

__attribute__((format(printf, 2, 0))) static void on_error(void *cls, const char *fmt, va_list args)
{
    char text[ERROR_BYTES_MAX];

    vsnprintf(text, sizeof(text), fmt, args);
    log_event(EV_HTTP_TROUBLE, 0, LOG_S("why", slice_trim(slice_str(text))));
}

struct http *http_new(const struct http_options *options)
{
    struct http *http = mem_new(struct http);

    http->options = options != NULL ? *options : http_options_default;
    return http;
}

static struct MHD_Daemon *start_on(struct socket_served *served, int fd)
{
    const struct http_options *options = &served->http->options;
    const struct tls_text *tls = &served->http->tls;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, tls->priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(
        flags | (served->service.tls ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, served,
        /* first, since what follows may have something to say */
        MHD_OPTION_EXTERNAL_LOGGER, on_error, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->header_bytes_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(options->timeout_ms / SEC_MS),
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK_BYTES, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_ARRAY,
        served->service.tls ? secure : none, MHD_OPTION_END);
}

/* The library closes what it is given. */
static struct MHD_Daemon *start(struct socket_served *served)
{
    int copy = fcntl(served->fd, F_DUPFD_CLOEXEC, 0);
    struct MHD_Daemon *daemon = copy >= 0 ? start_on(served, copy) : NULL;

    if (daemon == NULL && copy >= 0) {
        int error = errno;

        close(copy);
        errno = error;
    }
    return daemon;
}

enum st http_listen(struct http *http, int fd, const struct http_service *service, struct buf *why)
{
    struct socket_served *served = mem_new(struct socket_served);

    assert(http->socket_count < SOCKETS_MAX && service->begin != NULL);
    assert(!service->tls || http->tls.key != NULL);
    served->http = http;
    served->service = *service;
    served->fd = fd;
    served->daemon = start(served);
    if (served->daemon == NULL) {
        buf_putf(why, "HTTP cannot be served: %s", strerror(errno));
        mem_free(served);
        return ST_IO;
    }
    http->sockets[http->socket_count++] = served;
    return ST_OK;
}

/* --- TLS --- */

static void tls_free(struct tls_text *tls)
{
    if (tls->key != NULL)
        sys_secret_wipe(tls->key, strlen(tls->key));
    mem_free(tls->key);
    mem_free(tls->certificate);
    mem_free(tls->priorities);
    *tls = (struct tls_text){NULL, NULL, NULL};
}

static bool tls_same(const struct tls_text *old, const struct http_tls *tls)
{
    return old->key != NULL && slice_eq(slice_str(old->key), tls->key_pem) &&
           slice_eq(slice_str(old->certificate), tls->certificate_pem) &&
           strcmp(old->priorities, tls->priorities) == 0;
}

static void stop_accepting(struct MHD_Daemon *daemon)
{
    MHD_socket fd = MHD_quiesce_daemon(daemon);

    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

/* The new one accepts before the old one stops: nobody is refused meanwhile. */
static enum st renew(struct socket_served *served)
{
    struct MHD_Daemon *daemon = start(served);

    if (daemon == NULL)
        return ST_IO;
    stop_accepting(served->daemon);
    if (served->retired_count == RETIRED_MAX) {
        MHD_stop_daemon(served->retired[0]);
        memmove(served->retired, served->retired + 1,
                (RETIRED_MAX - 1) * sizeof(served->retired[0]));
        served->retired_count--;
    }
    served->retired[served->retired_count++] = served->daemon;
    served->daemon = daemon;
    return ST_OK;
}

enum st http_tls_use(struct http *http, const struct http_tls *tls, struct buf *why)
{
    struct tls_text old = http->tls;
    enum st st = ST_OK;

    if (tls_same(&old, tls))
        return ST_OK;
    http->tls = (struct tls_text){mem_copy(tls->certificate_pem), mem_copy(tls->key_pem),
                                  mem_copy(slice_str(tls->priorities))};
    for (size_t i = 0; st == ST_OK && i < http->socket_count; i++)
        if (http->sockets[i]->service.tls)
            st = renew(http->sockets[i]);
    if (st != ST_OK) {
        buf_put(why, SLICE("HTTPS cannot be served with the certificate and tls_priorities"));
        tls_free(&http->tls);
        http->tls = old;
        return st;
    }
    tls_free(&old);
    return ST_OK;
}

/* A quiesced socket is not shut down, which would deafen the other processes that hold it. */
static void quiesce(struct http *http)
{
    for (size_t i = 0; i < http->socket_count; i++)
        stop_accepting(http->sockets[i]->daemon);
}

static void stop_socket(struct socket_served *served)
{
    for (size_t i = 0; i < served->retired_count; i++)
        MHD_stop_daemon(served->retired[i]);
    MHD_stop_daemon(served->daemon);
    mem_free(served);
}

void http_stop(struct http *http, uint64_t timeout_ms)
{
    uint64_t end_ms = sys_mono_ms() + timeout_ms;

    quiesce(http);
    while (atomic_load(&http->under_way) > 0 && sys_mono_ms() < end_ms)
        sys_sleep_ms(STOP_POLL_MS);
    for (size_t i = 0; i < http->socket_count; i++)
        stop_socket(http->sockets[i]);
    http->socket_count = 0;
}

void http_free(struct http **http)
{
    if (*http == NULL)
        return;
    if ((*http)->socket_count > 0)
        http_stop(*http, 0);
    tls_free(&(*http)->tls);
    mem_free(*http);
    *http = NULL;
}
