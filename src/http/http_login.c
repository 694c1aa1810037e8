#include "http/http_login.h"

#include "auth/auth_sasl.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "conf/conf.h"
#include "directory/directory_auth.h"
#include "sys/sys_hash.h"

#define CREDENTIALS_BYTES_MAX (4 * KIB)

static bool refuse(struct http_login *login, unsigned status, const char *why)
{
    login->status = status;
    login->why = why;
    return false;
}

void http_login_challenge(struct http_request *request)
{
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
    return challenge(request, login, "Name or password is wrong");
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

static enum auth_why check(const struct http_request *request, struct directory_auth *auth,
                           struct slice name, struct slice password, struct auth_person *person)
{
    struct auth_options options;
    enum auth_why why = AUTH_WHY_NONE;
    const char *peer = http_request_peer(request);

    directory_auth_options_at(auth, slice_str(peer), true, &options);
    enum st st = auth_login(&options, name, password, person, &why);
    if (st != ST_OK && why == AUTH_WHY_MALFORMED)
        why = AUTH_WHY_PASSWORD; /* an empty name or password is as wrong as any other */
    if (st != ST_OK || http_request_first(request)) /* once for each connection */
        directory_auth_log_at(peer, http_request_tls(request), name, why);
    return st == ST_OK ? AUTH_WHY_NONE : why == AUTH_WHY_NONE ? AUTH_WHY_DIRECTORY : why;
}

static bool password_allowed(const struct http_request *request)
{
    return http_request_tls(request) || http_request_local(request) ||
           conf_get()->auth_plain_without_tls;
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
    const char *header = http_request_header(request, "Authorization");
    AUTO(buf) struct buf credentials = BUF(CREDENTIALS_BYTES_MAX);
    struct auth_person person = {.disabled = false};
    struct slice name, password;

    *login_r = (struct http_login){.why = ""};
    if (!password_allowed(request))
        return refuse(login_r, 403, "Log in over https: this connection is not secret");
    if (header == NULL)
        return challenge(request, login_r, "Log in");
    if (read_basic(header, &credentials, &name, &password) != ST_OK)
        return challenge(request, login_r, "The Authorization header is not one of Basic");
    enum auth_why why = check(request, auth, name, password, &person);
    sys_secret_wipe(credentials.ptr, credentials.len);
    if (why != AUTH_WHY_NONE)
        return refuse_why(request, login_r, why);
    login_r->person = directory_login(directory, slice_str(person.name));
    return login_r->person != NULL || challenge(request, login_r, "Name or password is wrong");
}
