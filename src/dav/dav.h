/* dav.h: calendars over HTTP: WebDAV (RFC 4918) and CalDAV (RFC 4791). */
#pragma once
#include "http/http.h"

struct calendar;
struct directory_auth;
struct store;

/* Borrowed; all of it outlives the service. */
struct dav_context {
    struct store *store; /* directory_open() was called with it */
    struct directory_auth *auth;
    struct calendar *calendar;
};

/* context is borrowed too. */
struct http_service dav_service(struct dav_context *context);
