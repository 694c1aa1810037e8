#include "sys/sys_sock.h"

#include "base/buf.h"
#include "base/slice.h"
#include "sys/sys_file.h"
#include "sys/sys_time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static enum st refuse(struct buf *why, struct slice address, enum st st, const char *text)
{
    buf_putf(why, "%.*s: %s", SLICE_ARG(address), text);
    return st;
}

static enum st refuse_errno(struct buf *why, struct slice address)
{
    if (errno == EADDRINUSE)
        return refuse(why, address, ST_EXISTS,
                      "another program listens there; stop it or choose another port");
    if (errno == EACCES || errno == EPERM)
        return refuse(why, address, ST_DENIED, "not allowed; ports below 1024 need root");
    if (errno == EADDRNOTAVAIL)
        return refuse(why, address, ST_INVALID, "this machine has no such address");
    return refuse(why, address, ST_IO, strerror(errno));
}

/* True when a server answers on the path. */
static bool unix_alive(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

    if (fd >= 0)
        close(fd);
    return alive;
}

static enum st listen_unix(struct slice path, bool private_socket, int *fd_r, struct buf *why)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (path.len >= sizeof(addr.sun_path))
        return refuse(why, path, ST_INVALID, "the path of a unix socket may have 107 bytes");
    memcpy(addr.sun_path, path.ptr, path.len);
    if (unix_alive(&addr)) {
        errno = EADDRINUSE;
        return refuse_errno(why, path);
    }
    unlink(addr.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(private_socket ? 0177 : 0111);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    umask(mask);
    if (!bound || listen(fd, BACKLOG) != 0) {
        enum st st = refuse_errno(why, path);
        if (fd >= 0)
            close(fd);
        return st;
    }
    *fd_r = fd;
    return ST_OK;
}

/* "192.0.2.1:25" or "[::1]:25" into its two halves. */
static enum st split_address(struct slice address, char host[SYS_ADDR_BYTES], char port[8])
{
    size_t colon = SIZE_MAX;

    for (size_t i = 0; i < address.len; i++)
        if (address.ptr[i] == ':')
            colon = i;
    if (colon == SIZE_MAX)
        return ST_INVALID;
    struct slice left = slice_sub(address, 0, colon);
    struct slice right = slice_sub(address, colon + 1, address.len);
    if (left.len >= 2 && left.ptr[0] == '[' && left.ptr[left.len - 1] == ']')
        left = slice_sub(left, 1, left.len - 2);
    if (left.len == 0 || left.len >= SYS_ADDR_BYTES || right.len == 0 || right.len >= 8)
        return ST_INVALID;
    snprintf(host, SYS_ADDR_BYTES, "%.*s", SLICE_ARG(left));
    snprintf(port, 8, "%.*s", SLICE_ARG(right));
    return ST_OK;
}

enum st sys_listen(struct slice address, bool private_socket, int *fd_r, struct buf *why)
{
    char host[SYS_ADDR_BYTES];
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    const int one = 1;

    if (address.len > 0 && address.ptr[0] == '/')
        return listen_unix(address, private_socket, fd_r, why);
    if (split_address(address, host, port) != ST_OK || getaddrinfo(host, port, &hints, &found) != 0)
        return refuse(
            why, address, ST_INVALID,
            "not an address; write 192.0.2.1:25, [2001:db8::1]:25 or a path beginning with /");
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (found->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    bool bound = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    if (!bound || listen(fd, BACKLOG) != 0) {
        enum st st = refuse_errno(why, address);
        if (fd >= 0)
            close(fd);
        return st;
    }
    *fd_r = fd;
    return ST_OK;
}

/* The address as text; the port, 0 for a unix socket. */
static uint16_t describe(const struct sockaddr_storage *addr, char text[SYS_ADDR_BYTES])
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)addr;

    if (addr->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in4->sin_addr, text, SYS_ADDR_BYTES);
        return ntohs(in4->sin_port);
    }
    if (addr->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6->sin6_addr, text, SYS_ADDR_BYTES);
        return ntohs(in6->sin6_port);
    }
    snprintf(text, SYS_ADDR_BYTES, "local");
    return 0;
}

void sys_listen_address(int fd, struct buf *out)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    char text[SYS_ADDR_BYTES];

    getsockname(fd, (struct sockaddr *)&addr, &len);
    uint16_t port = describe(&addr, text);
    if (addr.ss_family == AF_UNIX)
        buf_put(out, slice_str(((const struct sockaddr_un *)(const void *)&addr)->sun_path));
    else
        buf_putf(out, addr.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
}

int sys_accept(int fd, char peer[SYS_ADDR_BYTES])
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    const int one = 1;
    int conn = accept4(fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (conn < 0)
        return -1;
    describe(&addr, peer);
    if (addr.ss_family != AF_UNIX)
        setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return conn;
}

/* Waits until the connection that was begun on fd is made or refused. */
static enum st await_connection(int fd, uint64_t timeout_ms, int stop_fd)
{
    struct pollfd ready[] = {{.fd = fd, .events = POLLOUT}, {.fd = stop_fd, .events = POLLIN}};
    uint64_t deadline_ms = sys_mono_ms() + timeout_ms;
    uint64_t now_ms = sys_mono_ms();
    int error = 0;
    socklen_t len = sizeof(error);
    int n = 0;

    for (; n <= 0 && now_ms < deadline_ms; now_ms = sys_mono_ms()) {
        uint64_t ms = deadline_ms - now_ms;

        n = poll(ready, COUNT(ready), ms > INT32_MAX ? INT32_MAX : (int)ms);
        if (n < 0 && errno != EINTR)
            return ST_IO;
    }
    if (n <= 0)
        return ST_AGAIN;
    if (ready[0].revents == 0)
        error = ECANCELED;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    errno = error;
    return error == 0 ? ST_OK : ST_IO;
}

static socklen_t parse_address(const char *address, uint16_t port, struct sockaddr_storage *addr)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)addr;

    if (inet_pton(AF_INET, address, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(port);
        return sizeof(*in4);
    }
    if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        return sizeof(*in6);
    }
    return 0;
}

enum st sys_connect(const char *address, uint16_t port, uint64_t timeout_ms, int stop_fd, int *fd_r)
{
    struct sockaddr_storage addr = {0};
    const int one = 1;
    socklen_t len = parse_address(address, port, &addr);
    enum st st = ST_OK;

    if (len == 0)
        return ST_INVALID;
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ST_IO;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&addr, len) != 0)
        st = errno == EINPROGRESS ? await_connection(fd, timeout_ms, stop_fd) : ST_IO;
    if (st == ST_OK) {
        *fd_r = fd;
        return ST_OK;
    }
    int error = errno;
    close(fd);
    errno = error;
    return st;
}

/* An address that can be bound is one of this machine's. */
static bool is_here(const char *address)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = parse_address(address, 0, &addr);
    int fd = len == 0 ? -1 : socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool here = fd >= 0 && bind(fd, (struct sockaddr *)&addr, len) == 0;

    if (fd >= 0)
        close(fd);
    return here;
}

bool sys_address_is_own(const char *address, uint16_t port, struct slice listeners)
{
    struct slice word;

    while (slice_split(&listeners, ' ', &word)) {
        char host[SYS_ADDR_BYTES];
        char text[8];
        uint64_t number = 0;

        if (word.len == 0 || split_address(word, host, text) != ST_OK ||
            slice_to_u64(slice_str(text), &number) != ST_OK || number != port)
            continue;
        bool every = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
        if (every ? is_here(address) : strcmp(host, address) == 0)
            return true;
    }
    return false;
}

void sys_sock_unreached_ms(int fd, uint64_t ms)
{
    unsigned limit_ms = (unsigned)ms;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms));
}

bool sys_wait_writable(int fd, uint64_t ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int n;

    do
        n = poll(&ready, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
    while (n < 0 && errno == EINTR);
    return n == 1 && (ready.revents & POLLOUT) != 0;
}

enum st sys_host_port(struct slice text, struct slice *host_r, uint16_t *port_r)
{
    size_t colon = slice_find_last(text, ':');
    uint64_t port;

    if (colon == SIZE_MAX || slice_to_u64(slice_sub(text, colon + 1, text.len), &port) != ST_OK ||
        port == 0 || port > UINT16_MAX)
        return ST_INVALID;
    struct slice host = slice_sub(text, 0, colon);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = slice_sub(host, 1, host.len - 2);
    *host_r = host;
    *port_r = (uint16_t)port;
    return host.len > 0 ? ST_OK : ST_INVALID;
}

enum st sys_resolve(const char *host, char address[SYS_ADDR_BYTES])
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    const struct addrinfo numeric = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *list = NULL;

    if (getaddrinfo(host, NULL, &numeric, &list) != 0 &&
        getaddrinfo(host, NULL, &hints, &list) != 0)
        return ST_NOT_FOUND;
    int rc = getnameinfo(list->ai_addr, list->ai_addrlen, address, SYS_ADDR_BYTES, NULL, 0,
                         NI_NUMERICHOST);
    freeaddrinfo(list);
    return rc == 0 ? ST_OK : ST_NOT_FOUND;
}
