/* dav.h: calendars over HTTP: WebDAV (RFC 4918) and CalDAV (RFC 4791). */
#pragma once
#include "base/base.h"

struct buf;
struct calendar;
struct dav;
struct directory_auth;
struct store;

/* Borrowed; all of it outlives the dav. */
struct dav_context {
    struct store *store; /* directory_open() was called with it */
    struct directory_auth *auth;
    struct calendar *calendar;
};

struct dav *dav_new(void);
/* What HTTPS offers: PEM texts, GnuTLS's priorities; again when they have changed. Before the first
 * dav_listen() with tls. ST_IO with a sentence: the old ones stay. */
MUST_USE enum st dav_tls_use(struct dav *dav, struct slice certificate_pem, struct slice key_pem,
                             const char *priorities, struct buf *why);
/* Serves on a listening socket, which stays the caller's, from now on; each time with the same
 * context. ST_IO with a sentence. */
MUST_USE enum st dav_listen(struct dav *dav, const struct dav_context *context, int fd, bool tls,
                            struct buf *why);
/* Accepts no more and lets requests under way finish, for at most timeout_ms. */
void dav_stop(struct dav *dav, uint64_t timeout_ms);
void dav_free(struct dav **dav); /* NULL is fine */
