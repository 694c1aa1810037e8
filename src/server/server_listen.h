/* server_listen.h: the sockets that the supervisor opens and every worker inherits. */
#pragma once
#include "base/base.h"
#include "sys/sys_sock.h"

struct buf;
struct conf;

#define SERVER_ADDRESS_BYTES 264

enum server_kind {
#define LISTEN(kind, setting, proto, tls, limited) SERVER_##kind,
#include "server/server_listen.def"
    SERVER_KIND_MAX,
};

struct server_listener {
    enum server_kind kind;
    int fd;
    char address[SERVER_ADDRESS_BYTES];
};

struct server_listeners {
    struct server_listener list[64];
    size_t count;
    int admin_fd; /* the unix socket in the data folder */
};

/* Opens every address that the settings name, and the admin socket. why gets a sentence. */
MUST_USE enum st server_listen_open(const struct conf *conf, struct server_listeners *listeners,
                                    struct buf *why);
const char *server_kind_name(enum server_kind kind);
