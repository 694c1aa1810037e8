#include "admin/admin.h"

#include "admin/admin_call.h"
#include "base/arena.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "log/log.h"
#include "store/store.h"
#include "sys/sys_time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SOCKETS_MAX 64
#define ARENA_BYTES_MAX (64 * MIB)
#define BODY_BYTES_MAX (4 * MIB)
#define LARGE_BYTES_MAX (64 * MIB)
#define WHY_BYTES_MAX (4 * KIB)
#define METRICS_BYTES_MAX (1 * MIB)
#define ERROR_BYTES_MAX 1024

struct admin {
    struct admin_context context;
    struct http *http;
    struct {
        int fd;
        bool unix_socket;
    } sockets[SOCKETS_MAX];
    size_t socket_count;
};

const struct admin_row admin_rows[] = {
#define ADMIN_CALL(path, method, kind, handler, help) \
    {path, method, ADMIN_##kind, admin_##handler, help},
#include "admin/admin_call.def"
};
const size_t admin_row_count = COUNT(admin_rows);

static const unsigned status_of[] = {
    [ST_OK] = 200,     [ST_AGAIN] = 503,     [ST_INVALID] = 400, [ST_TOO_BIG] = 413,
    [ST_DENIED] = 403, [ST_NOT_FOUND] = 404, [ST_EXISTS] = 409,  [ST_CONFLICT] = 503,
    [ST_FULL] = 507,   [ST_IO] = 503,
};
static_assert(COUNT(status_of) == ST_MAX, "each status has its HTTP status");

/* For a handler that failed without a sentence of its own. */
static const char *const sentence_of[] = {
    [ST_OK] = "",
    [ST_AGAIN] = "try again",
    [ST_INVALID] = "the arguments do not fit",
    [ST_TOO_BIG] = "over a limit",
    [ST_DENIED] = "not allowed",
    [ST_NOT_FOUND] = "there is no such thing",
    [ST_EXISTS] = "exists already",
    [ST_CONFLICT] = "somebody else changed it meanwhile; try again",
    [ST_FULL] = "over the account's quota",
    [ST_IO] = "the store failed; the server's log says why",
};
static_assert(COUNT(sentence_of) == ST_MAX, "each status has its sentence");

enum st admin_refuse(struct admin_call *call, enum st st, const char *fmt, ...)
{
    char text[ERROR_BYTES_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (call->why.len == 0)
        buf_put(&call->why, slice_str(text));
    return st;
}

/* --- a call's life --- */

static struct admin_call *call_new(const struct admin *admin, const struct admin_row *row,
                                   struct http_request *request)
{
    struct admin_call *call = mem_new(struct admin_call);

    call->context = &admin->context;
    call->row = row;
    call->request = request;
    call->arena = arena_new("admin call", ARENA_BYTES_MAX);
    call->args = json_object();
    call->begun_ms = sys_mono_ms();
    call->type = "application/json";
    call->bytes = HTTP_BYTES_UNKNOWN;
    atomic_init(&call->refs, 1);
    buf_init(&call->body, row->kind == ADMIN_LARGE ? LARGE_BYTES_MAX : BODY_BYTES_MAX);
    buf_init(&call->why, WHY_BYTES_MAX);
    return call;
}

static void call_unref(void *arg)
{
    struct admin_call *call = arg;

    if (atomic_fetch_sub(&call->refs, 1) != 1)
        return;
    if (call->release != NULL)
        call->release(call->mine);
    json_decref(call->args);
    json_decref(call->reply);
    buf_fini(&call->body);
    buf_fini(&call->why);
    arena_free(&call->arena);
    mem_free(call);
}

static void log_call(const struct admin_call *call, enum st st)
{
    struct slice why = st == ST_OK ? SLICE("") : buf_slice(&call->why);

    log_event(st == ST_OK ? EV_ADMIN_CALL : EV_ADMIN_REFUSED, 0, LOG_C("call", call->row->path),
              LOG_C("peer", http_request_peer(call->request)),
              LOG_S("name", admin_arg_text(call, "name")), LOG_U("status", status_of[st]),
              LOG_U("ms", sys_mono_ms() - call->begun_ms), LOG_S("why", why));
}

/* --- answers --- */

static void reply_json(struct http_request *request, unsigned status, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    assert(text != NULL);
    http_reply(request, status, "application/json", slice_str(text));
    free(text);
}

static void reply_error(struct http_request *request, unsigned status, struct slice why)
{
    json_t *json = json_pack("{s:o}", "error", admin_json_text(why));

    reply_json(request, status, json);
    json_decref(json);
}

static enum st produce(void *ctx, struct http_out *out)
{
    struct admin_call *call = ctx;
    enum st st = call->produce(call, out);

    if (st != ST_OK)
        log_event(EV_ADMIN_REFUSED, 0, LOG_C("call", call->row->path),
                  LOG_U("ms", sys_mono_ms() - call->begun_ms),
                  LOG_C("why", "the answer broke off: the store failed, or the peer left"));
    return st;
}

static void reply_call(struct admin_call *call, enum st st)
{
    log_call(call, st);
    if (st != ST_OK) {
        reply_error(call->request, status_of[st], buf_slice(&call->why));
    } else if (call->produce != NULL) {
        struct http_stream stream = {produce, call_unref, call, call->bytes};

        atomic_fetch_add(&call->refs, 1);
        http_reply_stream(call->request, 200, call->type, &stream);
    } else {
        if (call->reply == NULL)
            call->reply = json_object();
        reply_json(call->request, 200, call->reply);
    }
}

/* --- the API on the unix socket --- */

static const struct admin_row *find_row(const char *path)
{
    for (size_t i = 0; i < admin_row_count; i++)
        if (strcmp(admin_rows[i].path, path) == 0)
            return &admin_rows[i];
    return NULL;
}

static void take_query(void *ctx, const char *name, const char *value)
{
    json_object_set_new(ctx, name, admin_json_text(slice_str(value)));
}

static enum st fail_plainly(struct admin_call *call, enum st st)
{
    if (st != ST_OK && call->why.len == 0)
        buf_put(&call->why, slice_str(sentence_of[st]));
    return st;
}

static void api_begin(void *ctx, struct http_request *request)
{
    const struct admin_row *row = find_row(http_request_path(request));

    if (row == NULL) {
        reply_error(request, 404, SLICE("there is no such call"));
        return;
    }
    if (strcmp(row->method, http_request_method(request)) != 0) {
        http_reply_header(request, "Allow", row->method);
        reply_error(request, 405, SLICE("the call wants another method"));
        return;
    }
    struct admin_call *call = call_new(ctx, row, request);
    http_request_mine_set(request, call);
    http_request_query_each(request, take_query, call->args);
    if (row->kind == ADMIN_LARGE)
        http_request_body_max(request, LARGE_BYTES_MAX);
    if (row->kind != ADMIN_UPLOAD)
        return;
    http_request_body_max(request, UINT64_MAX);
    call->st = fail_plainly(call, row->handler(call));
    if (call->st != ST_OK)
        reply_call(call, call->st);
}

static void api_upload(void *ctx, struct http_request *request, struct slice bytes)
{
    struct admin_call *call = http_request_mine(request);

    if (call->row->kind != ADMIN_UPLOAD)
        buf_put(&call->body, bytes);
    else if (call->st == ST_OK)
        call->st = fail_plainly(call, call->upload(call, bytes));
}

static enum st read_args(struct admin_call *call)
{
    json_error_t error;
    json_t *args;

    if (call->body.len == 0)
        return ST_OK;
    args = json_loadb(call->body.ptr, call->body.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(args)) {
        json_decref(args);
        return admin_refuse(call, ST_INVALID, "the body is not a JSON object: %s", error.text);
    }
    json_object_update(call->args, args);
    json_decref(args);
    return ST_OK;
}

static void api_answer(void *ctx, struct http_request *request)
{
    struct admin_call *call = http_request_mine(request);
    enum st st = call->st;

    if (call->row->kind != ADMIN_UPLOAD) {
        st = read_args(call);
        if (st == ST_OK)
            st = call->row->handler(call);
    } else if (st == ST_OK) {
        st = call->finish(call);
    }
    reply_call(call, fail_plainly(call, st));
}

static void api_done(void *ctx, struct http_request *request)
{
    struct admin_call *call = http_request_mine(request);

    if (call != NULL)
        call_unref(call);
}

/* --- what is told on TCP --- */

static void public_begin(void *ctx, struct http_request *request)
{
    if (strcmp(http_request_method(request), "GET") != 0) {
        http_reply_header(request, "Allow", "GET");
        reply_error(request, 405, SLICE("only GET is answered here"));
    }
}

static enum st nothing(struct store_tx *tx, void *arg)
{
    return ST_OK;
}

static void reply_health(const struct admin *admin, struct http_request *request)
{
    bool ok = store_read(admin->context.store, nothing, NULL) == ST_OK;

    http_reply(request, ok ? 200 : 503, "text/plain; charset=utf-8",
               ok ? SLICE("ok\n") : SLICE("the store is out of reach\n"));
}

static void reply_metrics(struct http_request *request)
{
    AUTO(buf) struct buf out = BUF(METRICS_BYTES_MAX);

    count_write(&out);
    http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&out));
}

static void public_answer(void *ctx, struct http_request *request)
{
    const char *path = http_request_path(request);

    if (strcmp(path, "/metrics") == 0)
        reply_metrics(request);
    else if (strcmp(path, "/health") == 0)
        reply_health(ctx, request);
    else
        reply_error(request, 404,
                    SLICE("here are /metrics and /health; the API is on the unix socket"));
}

/* --- life --- */

struct admin *admin_new(const struct admin_context *context)
{
    struct admin *admin = mem_new(struct admin);

    admin->context = *context;
    return admin;
}

static void add_socket(struct admin *admin, int fd, bool unix_socket)
{
    assert(admin->socket_count < SOCKETS_MAX && admin->http == NULL);
    admin->sockets[admin->socket_count].fd = fd;
    admin->sockets[admin->socket_count++].unix_socket = unix_socket;
}

void admin_listen_unix(struct admin *admin, int fd)
{
    add_socket(admin, fd, true);
}

void admin_listen_tcp(struct admin *admin, int fd)
{
    add_socket(admin, fd, false);
}

enum st admin_start(struct admin *admin, struct buf *why)
{
    const struct http_service api = {.ctx = admin,
                                     .begin = api_begin,
                                     .upload = api_upload,
                                     .answer = api_answer,
                                     .done = api_done,
                                     .body_bytes_max = BODY_BYTES_MAX};
    const struct http_service public = {
        .ctx = admin, .begin = public_begin, .answer = public_answer};

    admin->http = http_new(NULL);
    for (size_t i = 0; i < admin->socket_count; i++) {
        enum st st = http_listen(admin->http, admin->sockets[i].fd,
                                 admin->sockets[i].unix_socket ? &api : &public, why);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

void admin_stop(struct admin *admin, uint64_t timeout_ms)
{
    if (admin->http != NULL)
        http_stop(admin->http, timeout_ms);
}

void admin_free(struct admin **admin)
{
    if (*admin == NULL)
        return;
    http_free(&(*admin)->http);
    mem_free(*admin);
    *admin = NULL;
}
