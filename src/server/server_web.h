/* server_web.h: what is served at listen_http and listen_https: calendars, by several protocols. */
#pragma once
#include "server/server_listen.h"

struct buf;
struct calendar;
struct conf;
struct directory_auth;
struct server_web;
struct store;

/* Borrowed; all of it outlives the web. */
struct server_web_context {
    struct store *store;
    struct directory_auth *auth;
    struct calendar *calendar;
};

struct server_web *server_web_new(void);
/* Reads the certificate's files of the settings; again when they have changed. Before
 * server_web_listen() where there are any. With a sentence: the old ones stay. */
MUST_USE enum st server_web_tls_use(struct server_web *web, const struct conf *conf,
                                    struct buf *why);
/* Serves from now on, once. ST_IO with a sentence. */
MUST_USE enum st server_web_listen(struct server_web *web, const struct server_web_context *context,
                                   const struct server_listeners *listeners, struct buf *why);
/* Accepts no more and lets requests under way finish, for at most timeout_ms. */
void server_web_stop(struct server_web *web, uint64_t timeout_ms);
void server_web_free(struct server_web **web); /* NULL is fine */
