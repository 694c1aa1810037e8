/* http_login.h: who asks: log-in by Basic (RFC 7617), and where the settings say so by Negotiate
 * (RFC 4559) and NTLM, against the directory, for all services over HTTP. */
#pragma once
#include "http/http.h"

struct directory;
struct directory_auth;
struct directory_person;

struct http_login {
    const struct directory_person *person; /* lives as long as the directory's snapshot */
    unsigned status;                       /* where there is nobody: the reply's */
    const char *why;                       /* a sentence */
};
/* False: nobody; the headers that belong to the reply are set (WWW-Authenticate, Retry-After), the
 * caller replies. A password or a ticket is taken over TLS, from this machine, or where
 * auth_plain_without_tls. May set headers of the reply where it is somebody, too. Failures are
 * logged, counted and throttled. */
bool http_login(struct http_request *request, const struct directory *directory,
                struct directory_auth *auth, struct http_login *login_r);
/* Whether another organisation asks under this person's name (ews_foreign_users): by EWS alone. */
bool http_login_is_foreign(const char *name);
/* The header of a 401 for somebody who did not log in. */
void http_login_challenge(struct http_request *request);
