#include "http/http_login.h"

#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory_auth.h"
#include "http/http_negotiate.h"
#include "sys/sys_gss.h"
#include "sys/sys_hash.h"

#include <stdio.h>

#define CREDENTIALS_BYTES_MAX SYS_GSS_TOKEN_BYTES_MAX
#define WRONG "Name or password is wrong"

static bool refuse(struct http_login *login, unsigned status, const char *why)
{
    login->status = status;
    login->why = why;
    return false;
}

static bool password_allowed(const struct http_request *request)
{
    return http_request_tls(request) || http_request_local(request) ||
           conf_get()->auth_plain_without_tls;
}

void http_login_challenge(struct http_request *request)
{
    if (password_allowed(request))
        http_negotiate_offer(request);
    http_reply_header(request, "WWW-Authenticate", "Basic realm=\"Posthorse\", charset=\"UTF-8\"");
}

static bool challenge(struct http_request *request, struct http_login *login, const char *why)
{
    http_login_challenge(request);
    return refuse(login, 401, why);
}

static bool refuse_why(struct http_request *request, struct http_login *login, enum auth_why why)
{
    if (why == AUTH_WHY_THROTTLED) {
        http_reply_header(request, "Retry-After", "60");
        return refuse(login, 429, "Too many failed log-ins, wait a little");
    }
    if (why == AUTH_WHY_DIRECTORY) {
        http_reply_header(request, "Retry-After", "5");
        return refuse(login, 503, "The store failed; the server's log says why");
    }
    if (why == AUTH_WHY_LIBRARY) {
        http_reply_header(request, "Retry-After", "5");
        return refuse(login, 503, "Tickets cannot be looked at now; the server's log says why");
    }
    return challenge(request, login, WRONG);
}

/* The name and the password of "user:pass". */
static enum st read_basic(struct slice both, struct slice *name_r, struct slice *password_r)
{
    size_t colon = slice_find(both, ':');

    if (colon == SIZE_MAX)
        return ST_INVALID;
    *name_r = slice_sub(both, 0, colon);
    *password_r = slice_sub(both, colon + 1, both.len);
    return ST_OK;
}

/* Successes once for each person and connection. */
static void tell(struct http_request *request, const char *mechanism, const char *detail,
                 struct slice name, enum auth_why why)
{
    struct http_kept *kept = http_kept(request);
    const struct directory_auth_at at = {http_request_peer(request), http_request_tls(request),
                                         mechanism, detail};

    if (why == AUTH_WHY_NONE && slice_eq(slice_str(kept->logged), name))
        return;
    directory_auth_log_at(&at, name, why);
    if (why == AUTH_WHY_NONE && name.len < sizeof(kept->logged))
        snprintf(kept->logged, sizeof(kept->logged), "%.*s", SLICE_ARG(name));
}

static bool is_person(struct http_request *request, const struct directory *directory,
                      const struct auth_person *person, struct http_login *login)
{
    login->person = directory_login(directory, slice_str(person->name));
    return login->person != NULL || challenge(request, login, WRONG);
}

static bool by_password(struct http_request *request, const struct directory *directory,
                        const struct auth_options *options, struct slice both,
                        struct http_login *login)
{
    struct auth_person person = {.disabled = false};
    enum auth_why why = AUTH_WHY_NONE;
    struct slice name, password;

    if (read_basic(both, &name, &password) != ST_OK)
        return challenge(request, login, "The Authorization header is not one of Basic");
    enum st st = auth_login(options, name, password, &person, &why);
    if (st != ST_OK && why == AUTH_WHY_MALFORMED)
        why = AUTH_WHY_PASSWORD; /* an empty name or password is as wrong as any other */
    tell(request, "Basic", "", name, why);
    return st == ST_OK ? is_person(request, directory, &person, login)
                       : refuse_why(request, login, why);
}

static bool by_token(struct http_request *request, const struct directory *directory,
                     const struct auth_options *options, enum http_scheme scheme,
                     struct slice token, struct http_login *login)
{
    struct http_negotiated negotiated;

    http_negotiate(request, options, scheme, token, &negotiated);
    if (negotiated.st == ST_AGAIN)
        return refuse(login, 401, "Go on");
    tell(request, negotiated.mechanism, negotiated.detail, slice_str(negotiated.person.name),
         negotiated.why);
    return negotiated.st == ST_OK ? is_person(request, directory, &negotiated.person, login)
                                  : refuse_why(request, login, negotiated.why);
}

static bool by_connection(struct http_request *request, const struct directory *directory,
                          const struct auth_options *options, struct http_login *login)
{
    struct auth_person person = {.disabled = false};

    return http_negotiate_bound(request, options, &person) == ST_OK
               ? is_person(request, directory, &person, login)
               : challenge(request, login, "Log in");
}

bool http_login_is_foreign(const char *name)
{
    struct slice rest = slice_str(conf_get()->ews_foreign_users);
    struct slice part;

    while (slice_split(&rest, ' ', &part))
        if (slice_ieq(part, slice_str(name)))
            return true;
    return false;
}

bool http_login(struct http_request *request, const struct directory *directory,
                struct directory_auth *auth, struct http_login *login_r)
{
    AUTO(buf) struct buf credentials = BUF(CREDENTIALS_BYTES_MAX);
    struct auth_options options;
    enum http_scheme scheme;
    bool done = false;

    *login_r = (struct http_login){.why = ""};
    if (!password_allowed(request))
        return refuse(login_r, 403, "Log in over https: this connection is not secret");
    directory_auth_options_at(auth, slice_str(http_request_peer(request)), true, &options);
    enum st st = http_negotiate_read(slice_str(http_request_header(request, "Authorization")),
                                     &scheme, &credentials);
    if (scheme == HTTP_SCHEME_NONE)
        return by_connection(request, directory, &options, login_r);
    if (!http_negotiate_takes(scheme))
        http_kept_forget(http_kept(request));
    if (st != ST_OK || scheme == HTTP_SCHEME_OTHER)
        return challenge(request, login_r, "The Authorization header cannot be read");
    if (scheme == HTTP_SCHEME_BASIC)
        done = by_password(request, directory, &options, buf_slice(&credentials), login_r);
    else if (http_negotiate_takes(scheme))
        done = by_token(request, directory, &options, scheme, buf_slice(&credentials), login_r);
    else
        done = challenge(request, login_r, "This way to log in is not taken here");
    sys_secret_wipe(credentials.ptr, credentials.len);
    return done;
}
