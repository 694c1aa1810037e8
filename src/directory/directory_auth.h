/* directory_auth.h: log-in against the directory, shared by all protocols. */
#pragma once
#include "auth/auth_sasl.h"
#include "directory/directory.h"

struct conn;

/* What all sessions share. */
struct directory_auth {
    struct auth_throttle *throttle;
    struct auth_cache *cache;
};

void directory_auth_init(struct directory_auth *auth);
void directory_auth_fini(struct directory_auth *auth);

/* Room that the options below point into while auth_sasl_new() or auth_login() runs. */
struct directory_auth_room {
    char exporter[AUTH_BINDING_BYTES_MAX];
    char unique[AUTH_BINDING_BYTES_MAX];
};
/* The options for a log-in on this connection. */
void directory_auth_options(struct directory_auth *auth, struct conn *conn,
                            struct directory_auth_room *room, struct auth_options *options_r);
/* The same for a peer that has no connection of net/ (HTTP's Basic): address as text;
 * plain_allowed: a password may come this way. address lives as long as the options. */
void directory_auth_options_at(struct directory_auth *auth, struct slice address,
                               bool plain_allowed, struct auth_options *options_r);
/* Whether the person may begin a session, by server_restricted and server_max_users, where this
 * session is counted already. */
bool directory_auth_admits(const struct directory_person *person);
/* Writes AUTH_OK, AUTH_FAILED or AUTH_THROTTLED. mechanism: "PLAIN", "LOGIN" and so on. */
void directory_auth_log(struct conn *conn, const char *proto, struct slice mechanism,
                        struct slice name, enum auth_why why);
/* The same for such a peer, HTTP's. */
struct directory_auth_at {
    const char *address;
    bool tls;
    const char *mechanism; /* "Basic", "Negotiate" ... */
    const char *detail;    /* what a library says of it; "": nothing */
};
void directory_auth_log_at(const struct directory_auth_at *at, struct slice name,
                           enum auth_why why);
