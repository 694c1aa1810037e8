/* router_opening.h: a connection that is being made to a server of the domain, and is given up when
 * that server goes down meanwhile: the message takes the next way at once instead of after
 * smtp_out_connect_timeout_ms. Nothing of a message was said before a connection is made, so
 * nothing can come twice by it. */
#pragma once
#include "health/health.h"

struct router_opening {
    char server[HEALTH_NAME_BYTES]; /* whose connection is being made; empty: none */
    bool was_down;                  /* when it was begun: only the last resort, not given up */
    bool gone;
    int gone_fd; /* -1: not made yet */
    int wait_fd; /* readable once stop_fd is, or the server is gone */
};

void router_opening_init(struct router_opening *opening);
void router_opening_fini(struct router_opening *opening);
/* A connection to the server, which is in this state, is begun. Returns what to wait with in place
 * of stop_fd (a stop_fd as of sys_connect(), always the same): readable when stop_fd is, or when
 * the connection is given up; after router_opening_end() when stop_fd is. The opening's, or stop_fd
 * itself. Calls of begin, end and look are under one lock. */
int router_opening_begin(struct router_opening *opening, int stop_fd, const char *server,
                         enum health_state state);
/* Whether it was given up. */
bool router_opening_end(struct router_opening *opening);
/* Gives it up where the server is down at now_ms and was not when it was begun. */
void router_opening_look(struct router_opening *opening, const struct health_view *view,
                         uint64_t now_ms);
