#include "server/server_web.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "dav/dav.h"
#include "ews/ews.h"
#include "http/http_route.h"
#include "sys/sys_file.h"
#include "sys/sys_hash.h"

#define HEADER_BYTES_MAX (32 * KIB)
/* Room for the largest ticket that Windows makes (48,000 bytes, somebody in very many groups). */
#define HEADER_BYTES_MAX_NEGOTIATE (96 * KIB)
#define PEM_BYTES_MAX (1 * MIB)

struct server_web {
    struct http *http;
    struct http_routes routes;
    struct dav_context dav;
    struct ews_context ews;
};

struct server_web *server_web_new(void)
{
    const struct conf *conf = conf_get();
    const struct http_options options = {
        .header_bytes_max = conf->http_negotiate ? HEADER_BYTES_MAX_NEGOTIATE : HEADER_BYTES_MAX,
        .connections_max = (unsigned)conf->http_connections_max,
        .timeout_ms = conf->http_timeout_ms};
    struct server_web *web = mem_new(struct server_web);

    web->http = http_new(&options);
    return web;
}

enum st server_web_tls_use(struct server_web *web, const struct conf *conf, struct buf *why)
{
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf key = BUF(PEM_BYTES_MAX);
    enum st st = sys_file_read(conf->tls_certificate_file, &cert);

    if (st == ST_OK)
        st = sys_file_read(conf->tls_key_file, &key);
    if (st == ST_OK)
        st = http_tls_use(
            web->http, &(struct http_tls){buf_slice(&cert), buf_slice(&key), conf->tls_priorities},
            why);
    else
        buf_put(why, SLICE("the certificate's files changed while they were read"));
    if (key.ptr != NULL)
        sys_secret_wipe(key.ptr, key.cap);
    return st;
}

static void add_routes(struct server_web *web, const struct server_web_context *context)
{
    web->dav = (struct dav_context){context->store, context->auth, context->calendar};
    web->ews = (struct ews_context){context->store, context->auth, context->calendar};
    const struct http_service dav = dav_service(&web->dav);
    const struct http_service ews = ews_service(&web->ews);

    http_routes_add(&web->routes, EWS_PATH, &ews);
    http_routes_add(&web->routes, EWS_PATH_DISCOVER, &ews);
    http_routes_add(&web->routes, "", &dav);
}

enum st server_web_listen(struct server_web *web, const struct server_web_context *context,
                          const struct server_listeners *listeners, struct buf *why)
{
    enum st st = ST_OK;

    add_routes(web, context);
    struct http_service service = http_routes_service(&web->routes);
    for (size_t i = 0; st == ST_OK && i < listeners->count; i++) {
        const enum server_kind kind = listeners->list[i].kind;

        service.tls = kind == SERVER_https;
        if (kind == SERVER_http || kind == SERVER_https)
            st = http_listen(web->http, listeners->list[i].fd, &service, why);
    }
    return st;
}

void server_web_stop(struct server_web *web, uint64_t timeout_ms)
{
    http_stop(web->http, timeout_ms);
}

void server_web_free(struct server_web **web)
{
    if (*web == NULL)
        return;
    http_free(&(*web)->http);
    mem_free(*web);
    *web = NULL;
}
