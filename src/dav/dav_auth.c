/* Basic log-in (RFC 7617) against the directory. */
#include "auth/auth_sasl.h"
#include "base/text.h"
#include "conf/conf.h"
#include "dav/dav_call.h"
#include "directory/directory_auth.h"
#include "sys/sys_hash.h"

#define CREDENTIALS_BYTES_MAX (4 * KIB)

static bool challenge(struct dav_call *call, const char *why)
{
    http_reply_header(call->request, "WWW-Authenticate",
                      "Basic realm=\"Posthorse\", charset=\"UTF-8\"");
    dav_refuse(call, 401, XML_DAV, NULL, why);
    return false;
}

static bool refuse(struct dav_call *call, enum auth_why why)
{
    if (why == AUTH_WHY_THROTTLED) {
        http_reply_header(call->request, "Retry-After", "60");
        dav_refuse(call, 429, XML_DAV, NULL, "Too many failed log-ins, wait a little");
        return false;
    }
    if (why == AUTH_WHY_DIRECTORY) {
        dav_refuse_st(call, ST_IO);
        return false;
    }
    return challenge(call, "Name or password is wrong");
}

/* The name and the password of "Basic dXNlcjpwYXNz", in out. */
static enum st read_basic(const char *header, struct buf *out, struct slice *name_r,
                          struct slice *password_r)
{
    struct slice text = slice_str(header);

    if (!slice_istarts(text, SLICE("Basic ")) ||
        text_unbase64(out, slice_trim(slice_sub(text, 6, text.len))) != ST_OK)
        return ST_INVALID;
    struct slice both = buf_slice(out);
    size_t colon = slice_find(both, ':');
    if (colon == SIZE_MAX)
        return ST_INVALID;
    *name_r = slice_sub(both, 0, colon);
    *password_r = slice_sub(both, colon + 1, both.len);
    return ST_OK;
}

static bool log_in(struct dav_call *call, struct directory_auth *auth, struct slice name,
                   struct slice password)
{
    struct auth_person person = {.disabled = false};
    struct auth_options options;
    enum auth_why why = AUTH_WHY_NONE;
    const char *peer = http_request_peer(call->request);
    bool tls = http_request_tls(call->request);

    directory_auth_options_at(auth, slice_str(peer), true, &options);
    enum st st = auth_login(&options, name, password, &person, &why);
    if (st != ST_OK && why == AUTH_WHY_MALFORMED)
        why = AUTH_WHY_PASSWORD; /* an empty name or password is as wrong as any other */
    if (st != ST_OK || http_request_first(call->request)) /* once for each connection */
        directory_auth_log_at(peer, tls, name, why);
    if (st != ST_OK)
        return refuse(call, why);
    call->me = directory_login(call->directory, slice_str(person.name));
    if (call->me != NULL)
        calendar_who_init(call->directory, call->arena, call->me, &call->who);
    return call->me != NULL || challenge(call, "Name or password is wrong");
}

static bool password_allowed(const struct http_request *request)
{
    return http_request_tls(request) || http_request_local(request) ||
           conf_get()->auth_plain_without_tls;
}

bool dav_auth(struct dav_call *call, struct directory_auth *auth)
{
    const char *header = http_request_header(call->request, "Authorization");
    AUTO(buf) struct buf credentials = BUF(CREDENTIALS_BYTES_MAX);
    struct slice name, password;

    if (!password_allowed(call->request)) {
        dav_refuse(call, 403, XML_DAV, NULL, "Log in over https: this connection is not secret");
        return false;
    }
    if (header == NULL)
        return challenge(call, "Log in");
    if (read_basic(header, &credentials, &name, &password) != ST_OK)
        return challenge(call, "The Authorization header is not one of Basic");
    bool ok = log_in(call, auth, name, password);
    sys_secret_wipe(credentials.ptr, credentials.len);
    return ok;
}
