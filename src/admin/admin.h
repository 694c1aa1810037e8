/* admin.h: the admin API: JSON over HTTP, on a unix socket; counters for Prometheus on TCP.
 *
 * Every call is one row of admin_call.def. Errors are {"error": "one sentence"}. */
#pragma once
#include "base/base.h"

struct admin;
struct buf;
struct calendar;
struct cluster;
struct directory_auth;
struct router_queue;
struct store;

/* Borrowed; all of it outlives the admin. */
struct admin_context {
    struct store *store;         /* directory_open() was called with it */
    struct router_queue *queue;  /* NULL: what asks for it is refused */
    struct directory_auth *auth; /* may be NULL */
    struct cluster *cluster;     /* NULL: this server is of no domain */
    struct calendar *calendar;   /* NULL: what asks for it is refused */
    const char *server_name;
    const char *config_path;   /* for the answer of status; may be NULL */
    void (*reload)(void *arg); /* reads the settings again; NULL: the call is refused */
    void *reload_arg;
};

struct admin *admin_new(const struct admin_context *context);
/* Listening sockets, before admin_start(); they stay the caller's. On unix sockets every call is
 * answered: who may connect (the socket's mode) may do everything. On TCP only GET /metrics and
 * GET /health are. */
void admin_listen_unix(struct admin *admin, int fd);
void admin_listen_tcp(struct admin *admin, int fd);
MUST_USE enum st admin_start(struct admin *admin, struct buf *why);
/* Accepts no more and lets calls under way finish, for at most timeout_ms. */
void admin_stop(struct admin *admin, uint64_t timeout_ms);
void admin_free(struct admin **admin);
