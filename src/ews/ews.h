/* ews.h: free time, out of office and the directory for programs that speak to Exchange: Exchange
 * Web Services (SOAP) and Autodiscover. */
#pragma once
#include "http/http.h"

struct calendar;
struct directory_auth;
struct store;

/* Borrowed; all of it outlives the service. */
struct ews_context {
    struct store *store; /* directory_open() was called with it */
    struct directory_auth *auth;
    struct calendar *calendar;
};

/* For the routes EWS_PATH and EWS_PATH_DISCOVER. context is borrowed too. */
struct http_service ews_service(struct ews_context *context);
#define EWS_PATH "/ews"
#define EWS_PATH_DISCOVER "/autodiscover"
