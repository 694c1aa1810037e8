#include "server/server_listen.h"

#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"

#include <stdio.h>

static const struct {
    const char *name;
    size_t setting; /* its offset in struct conf */
} kinds[] = {
#define LISTEN(kind, setting, proto, tls, limited) {#kind, offsetof(struct conf, setting)},
#include "server/server_listen.def"
};

const char *server_kind_name(enum server_kind kind)
{
    assert(kind < SERVER_KIND_MAX);
    return kinds[kind].name;
}

static enum st open_one(struct server_listeners *listeners, enum server_kind kind,
                        struct slice address, struct buf *why)
{
    AUTO(buf) struct buf got = BUF(SERVER_ADDRESS_BYTES - 1);
    struct server_listener *listener = &listeners->list[listeners->count];

    if (listeners->count == COUNT(listeners->list)) {
        buf_putf(why, "more than %zu addresses to listen on", COUNT(listeners->list));
        return ST_TOO_BIG;
    }
    buf_putf(why, "listen_%s = ", kinds[kind].name);
    enum st st = sys_listen(address, false, &listener->fd, why);
    if (st != ST_OK)
        return st;
    buf_clear(why);
    sys_listen_address(listener->fd, &got);
    snprintf(listener->address, sizeof(listener->address), "%.*s", SLICE_ARG(buf_slice(&got)));
    listener->kind = kind;
    listeners->count++;
    return ST_OK;
}

static enum st open_admin(const struct conf *conf, struct server_listeners *listeners,
                          struct buf *why)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/admin.sock", conf->data_dir);
    return sys_listen(slice_str(path), true, &listeners->admin_fd, why);
}

enum st server_listen_open(const struct conf *conf, struct server_listeners *listeners,
                           struct buf *why)
{
    enum st st = open_admin(conf, listeners, why);

    for (size_t kind = 0; kind < SERVER_KIND_MAX; kind++) {
        struct slice rest = slice_str(
            *(const char *const *)(const void *)((const char *)conf + kinds[kind].setting));
        struct slice address;

        while (st == ST_OK && slice_split(&rest, ' ', &address))
            if (address.len > 0)
                st = open_one(listeners, (enum server_kind)kind, address, why);
    }
    return st;
}
