#include "http/http.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "http/http_out.h"
#include "log/log.h"
#include "sys/sys_time.h"

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

struct socket_served {
    struct http *http;
    struct http_service service;
    struct MHD_Daemon *daemon;
};

struct http {
    struct http_options options;
    struct socket_served *sockets[SOCKETS_MAX];
    size_t socket_count;
    atomic_uint under_way; /* requests */
};

struct http_request {
    struct socket_served *socket;
    struct MHD_Connection *connection;
    const char *method;
    const char *path;
    char peer[PEER_BYTES];
    void *mine;
    uint64_t body_bytes;
    uint64_t body_bytes_max;
    struct MHD_Response *response;
    unsigned status;
    bool queued;
    struct {
        const char *name;
        char *value;
    } headers[8];
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

void http_request_body_max(struct http_request *request, uint64_t bytes)
{
    request->body_bytes_max = bytes;
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
}

static void name_peer(struct http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *addr = info != NULL ? info->client_addr : NULL;

    if (addr != NULL && addr->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)addr)->sin_addr,
                  request->peer, sizeof(request->peer));
    else if (addr != NULL && addr->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr,
                  request->peer, sizeof(request->peer));
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

/* --- a request from its header to its end --- */

static struct http_request *request_new(struct socket_served *served,
                                        struct MHD_Connection *connection, const char *url,
                                        const char *method)
{
    struct http_request *request = mem_new(struct http_request);

    request->socket = served;
    request->connection = connection;
    request->method = method;
    request->path = url;
    request->body_bytes_max = served->service.body_bytes_max;
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
    const struct http_service *service = &request->socket->service;
    uint64_t length = length_told(request);

    service->begin(service->ctx, request);
    if (!http_replied(request) && length != UINT64_MAX && length > request->body_bytes_max)
        refuse_size(request);
    return http_replied(request) && length > DROP_BYTES_MAX ? send_reply(request) : MHD_YES;
}

static enum MHD_Result take_piece(struct http_request *request, struct slice bytes)
{
    const struct http_service *service = &request->socket->service;
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
    const struct http_service *service = &request->socket->service;

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
    const struct http_service *service = &request->socket->service;
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

static struct MHD_Daemon *start(struct socket_served *served, int fd)
{
    const struct http_options *options = &served->http->options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;

    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, served,
                            /* first, since what follows may have something to say */
                            MHD_OPTION_EXTERNAL_LOGGER, on_error, NULL, MHD_OPTION_LISTEN_SOCKET,
                            fd, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
                            options->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            options->header_bytes_max, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)(options->timeout_ms / SEC_MS), MHD_OPTION_NOTIFY_COMPLETED,
                            on_completed, NULL, MHD_OPTION_END);
}

enum st http_listen(struct http *http, int fd, const struct http_service *service, struct buf *why)
{
    struct socket_served *served = mem_new(struct socket_served);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the library closes what it is given */

    assert(http->socket_count < SOCKETS_MAX && service->answer != NULL && service->begin != NULL);
    served->http = http;
    served->service = *service;
    served->daemon = copy >= 0 ? start(served, copy) : NULL;
    if (served->daemon == NULL) {
        buf_putf(why, "HTTP cannot be served: %s", strerror(errno));
        mem_free(served);
        return ST_IO;
    }
    http->sockets[http->socket_count++] = served;
    return ST_OK;
}

/* A quiesced socket is not shut down, which would deafen the other processes that hold it. */
static void quiesce(struct http *http)
{
    for (size_t i = 0; i < http->socket_count; i++) {
        MHD_socket fd = MHD_quiesce_daemon(http->sockets[i]->daemon);
        if (fd != MHD_INVALID_SOCKET)
            close(fd);
    }
}

void http_stop(struct http *http, uint64_t timeout_ms)
{
    uint64_t end_ms = sys_mono_ms() + timeout_ms;

    quiesce(http);
    while (atomic_load(&http->under_way) > 0 && sys_mono_ms() < end_ms)
        sys_sleep_ms(STOP_POLL_MS);
    for (size_t i = 0; i < http->socket_count; i++) {
        MHD_stop_daemon(http->sockets[i]->daemon);
        mem_free(http->sockets[i]);
    }
    http->socket_count = 0;
}

void http_free(struct http **http)
{
    if (*http == NULL)
        return;
    if ((*http)->socket_count > 0)
        http_stop(*http, 0);
    mem_free(*http);
    *http = NULL;
}
