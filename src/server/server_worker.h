/* server_worker.h: the process that serves; it holds no privileges. Inside server/. */
#pragma once
#include "server/server.h"
#include "server/server_listen.h"

/* Serves until SIGTERM. Writes one byte to ready_fd once it does. Returns a code of sysexits.h. */
int server_worker_run(const struct server_options *options, struct server_listeners *listeners,
                      int ready_fd);
