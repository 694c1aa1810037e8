/* server.h: one server: a supervisor that holds the ports, and the worker that serves them. */
#pragma once
#include "base/base.h"

struct calendar;
struct conf;
struct store;

struct server_options {
    const char *config_path; /* read at the start and at each reload */
    /* Called in the worker once its store is open, before it serves; NULL: nothing to do. */
    enum st (*prepare)(struct store *store, void *ctx);
    /* Called in the worker once it has calendars, before it serves; NULL: nothing to do. */
    enum st (*furnish)(struct calendar *calendar, void *ctx);
    /* Called in the supervisor when the first worker serves. address_of() tells where. */
    void (*ready)(void *ctx);
    void *ctx;
};

/* Runs until SIGTERM or SIGINT. Returns a code of sysexits.h; before any but EX_OK one sentence was
 * written to standard error. */
int server_run(const struct server_options *options);
/* The address of the n'th listening socket of the kind ("smtp", "imaps", "admin"): "127.0.0.1:25".
 * NULL: there is none. For ready(). */
const char *server_address(const char *kind, size_t n);
