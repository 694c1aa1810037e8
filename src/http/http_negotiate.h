/* http_negotiate.h: log-in over HTTP by GSSAPI: the schemes Negotiate (RFC 4559) and NTLM.
 *
 * A Kerberos ticket logs in the request that brings it (Persistent-Auth: false). An exchange of
 * several legs, as NTLM's, is the connection's, and so is who came of it: but only where the
 * connection is TLS up to here and no proxy says that it is its own. */
#pragma once
#include "auth/auth_sasl.h"
#include "http/http.h"

struct sys_gss;

enum http_scheme {
    HTTP_SCHEME_NONE, /* no Authorization, or an empty one */
    HTTP_SCHEME_OTHER,
    HTTP_SCHEME_BASIC,
    HTTP_SCHEME_NEGOTIATE,
    HTTP_SCHEME_NTLM,
};
/* Reads an Authorization header (RFC 9110 section 11.6.2): what comes after the scheme is base64
 * (token68) and appended undone. ST_INVALID where it is none; the scheme is known all the same.
 * HTTP_SCHEME_OTHER: nothing is appended. Pure. */
MUST_USE enum st http_negotiate_read(struct slice header, enum http_scheme *scheme_r,
                                     struct buf *out);
/* Whose name sys_gss_name() is: "alice@REALM" and "REALM\alice" are alice where realms, separated
 * by blanks, have REALM in any letter case; alice/admin@REALM is nobody. False: nobody's. Pure. */
bool http_negotiate_person(struct slice name, struct slice realms, struct slice *person_r);

/* What is kept with a connection that somebody tried to log in on; one for each. */
struct http_kept {
    struct sys_gss *gss; /* an exchange between two legs */
    enum http_scheme scheme;
    uint64_t begun_ms;
    char bound[AUTH_NAME_BYTES_MAX + 1]; /* who is logged in until then; "" nobody */
    uint64_t bound_until_ms;
    char logged[AUTH_NAME_BYTES_MAX + 1]; /* whose log-in was written into the log last */
};
struct http_kept *http_kept(struct http_request *request); /* makes it where there is none */
/* Ends the exchange and forgets who is bound. */
void http_kept_forget(struct http_kept *kept);

/* Whether the settings take the scheme. */
bool http_negotiate_takes(enum http_scheme scheme);
/* Sets the WWW-Authenticate headers of the schemes that are taken. */
void http_negotiate_offer(struct http_request *request);

struct http_negotiated {
    enum st st;                /* AGAIN: answer with 401; else as auth_vouched() */
    enum auth_why why;         /* where it is neither OK nor AGAIN */
    struct auth_person person; /* where it is OK */
    const char *mechanism;     /* for the log */
    char detail[256];          /* what GSSAPI says of it, for the log */
};
/* Takes a token of that scheme; sets the headers that belong to the answer but for those of
 * http_negotiate_offer(). Blocks. Counts failures, logs nothing. */
void http_negotiate(struct http_request *request, const struct auth_options *options,
                    enum http_scheme scheme, struct slice token,
                    struct http_negotiated *negotiated_r);
/* Who is bound to the connection, as http_negotiate() would say; ST_NOT_FOUND: nobody. */
enum st http_negotiate_bound(struct http_request *request, const struct auth_options *options,
                             struct auth_person *person);
/* Logs NEGOTIATE_LACKS where the settings ask for what is not there. */
void http_negotiate_check(void);
