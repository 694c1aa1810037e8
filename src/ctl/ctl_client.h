/* ctl_client.h: requests to the admin API on its unix socket. */
#pragma once
#include "base/base.h"

struct buf;
struct ctl_client;

/* One request. Without read and json it is a GET; otherwise a POST with json, or with what read
 * gives, as its body. */
struct ctl_request {
    const char *path; /* with its query, escaped */
    const char *json;
    /* Fills room with at most cap bytes; 0: the end; SIZE_MAX: give up. */
    size_t (*read)(void *ctx, char *room, size_t cap);
    /* Gets the answer's bytes where the server says 200; not ST_OK: give up. */
    enum st (*take)(void *ctx, struct slice bytes);
    void *ctx;
    uint64_t timeout_ms; /* for all of it; 0: it may take any time */
};

struct ctl_client *ctl_client_new(const char *socket_path);
void ctl_client_free(struct ctl_client **client);
/* 0, or an exit status of sysexits.h with a sentence in why. A read or take that gave up: EX_IOERR
 * and no sentence. */
int ctl_client_run(struct ctl_client *client, const struct ctl_request *request, struct buf *why);
/* Appends text as a query's value. */
void ctl_client_escape(struct ctl_client *client, struct slice text, struct buf *out);
