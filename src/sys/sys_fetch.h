/* sys_fetch.h: a request over HTTP to another system (RFC 9110, RFC 9112), and its answer, whole.
 *
 * Connections stay open and are used again for the same server and user. Any thread; a call waits
 * for its answer, no longer than it is told. Proxies of the environment are not asked. */
#pragma once
#include "base/base.h"

struct buf;
struct sys_fetcher;

enum sys_fetch_auth {
    SYS_FETCH_BASIC,     /* RFC 7617 */
    SYS_FETCH_NTLM,      /* MS-NLMP */
    SYS_FETCH_NEGOTIATE, /* RFC 4559: the ticket is the process's (KRB5_CLIENT_KTNAME) */
    SYS_FETCH_AUTH_MAX,
};

struct sys_fetch_request {
    const char *method;         /* "GET", "POST", "REPORT" */
    const char *url;            /* http or https, escaped, without a user */
    const char *const *headers; /* "Content-Type: text/xml" */
    size_t header_count;
    struct slice body; /* not sent with GET */
    enum sys_fetch_auth auth;
    const char *user; /* "": no log-in but with NEGOTIATE */
    const char *password;
    uint64_t deadline_ms;   /* sys_mono_ms() */
    const char *trust_file; /* PEM file of the authorities that are trusted; "": the system's */
};

struct sys_fetcher *sys_fetcher_new(void);
/* Calls under way end within a second, later ones at once: ST_IO. Does not wait. */
void sys_fetcher_stop(struct sys_fetcher *fetcher);
void sys_fetcher_free(struct sys_fetcher **fetcher); /* no call is under way; NULL is fine */

/* ST_OK: an answer with *status_r and its body in answer, whose ceiling is the answer's. Redirects
 * (301, 302, 307, 308) are followed thrice at most and within the same host, never out of TLS.
 * Otherwise why gets a phrase:
 *   ST_IO       not reached, the connection broke, or sys_fetcher_stop()
 *   ST_AGAIN    the time was over
 *   ST_DENIED   its certificate is not to be trusted (RFC 9525), or a log-in in the clear to an
 *               address that is not loopback: nothing was sent
 *   ST_TOO_BIG  the answer is larger than its ceiling, or its header than 256 KiB
 *   ST_INVALID  it is no HTTP */
MUST_USE enum st sys_fetch(struct sys_fetcher *fetcher, const struct sys_fetch_request *request,
                           unsigned *status_r, struct buf *answer, struct buf *why);
