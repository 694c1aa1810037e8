#include "dav/dav.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "dav/dav_call.h"

#define HEADER_BYTES_MAX (32 * KIB)

struct dav {
    struct dav_context context;
    struct http *http;
};

struct dav *dav_new(void)
{
    const struct conf *conf = conf_get();
    const struct http_options options = {.header_bytes_max = HEADER_BYTES_MAX,
                                         .connections_max = (unsigned)conf->http_connections_max,
                                         .timeout_ms = conf->http_timeout_ms};
    struct dav *dav = mem_new(struct dav);

    dav->http = http_new(&options);
    return dav;
}

enum st dav_tls_use(struct dav *dav, struct slice certificate_pem, struct slice key_pem,
                    const char *priorities, struct buf *why)
{
    const struct http_tls tls = {certificate_pem, key_pem, priorities};

    return http_tls_use(dav->http, &tls, why);
}

enum st dav_listen(struct dav *dav, const struct dav_context *context, int fd, bool tls,
                   struct buf *why)
{
    const struct http_service service = {.ctx = &dav->context,
                                         .begin = dav_call_begin,
                                         .upload = dav_call_upload,
                                         .answer = dav_call_answer,
                                         .done = dav_call_done,
                                         .tls = tls};

    dav->context = *context;
    return http_listen(dav->http, fd, &service, why);
}

void dav_stop(struct dav *dav, uint64_t timeout_ms)
{
    http_stop(dav->http, timeout_ms);
}

void dav_free(struct dav **dav)
{
    if (*dav == NULL)
        return;
    http_free(&(*dav)->http);
    mem_free(*dav);
    *dav = NULL;
}
