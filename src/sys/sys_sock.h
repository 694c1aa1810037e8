/* sys_sock.h: sockets: listening, accepting, connecting, and what a peer's address looks like. */
#pragma once
#include "base/base.h"

struct buf;

#define SYS_ADDR_BYTES 64 /* an address as text, and a NUL */

/* "192.0.2.1:25", "[::1]:25", or a path beginning with '/'. A unix socket that nobody serves any
 * more is replaced; its mode is 0666 less nothing, or 0600 where private. why gets a sentence that
 * names the address. ST_INVALID: not an address; ST_EXISTS: in use; ST_DENIED; ST_IO. */
MUST_USE enum st sys_listen(struct slice address, bool private_socket, int *fd_r, struct buf *why);
/* The address a listening socket got (its port, where 0 was asked for), as sys_listen() takes it.
 */
void sys_listen_address(int fd, struct buf *out);
/* A non-blocking connection; -1 with errno where there is none. peer: "192.0.2.1" or "local". */
int sys_accept(int fd, char peer[SYS_ADDR_BYTES]);
/* A non-blocking connection with TCP_NODELAY to an IPv4 or IPv6 address ("192.0.2.1",
 * "2001:db8::1") that is made within timeout_ms. stop_fd: the wait ends when it becomes readable;
 * -1: none. *fd_r is the caller's to close. ST_INVALID: not an address; ST_AGAIN: the time is over;
 * ST_IO with errno (ECANCELED where stop_fd ended it). */
MUST_USE enum st sys_connect(const char *address, uint16_t port, uint64_t timeout_ms, int stop_fd,
                             int *fd_r);
/* The connection is broken (ETIMEDOUT) once bytes sent have not reached the peer's machine for ms;
 * else the system tries for a quarter of an hour, at longer and longer intervals. */
void sys_sock_unreached_ms(int fd, uint64_t ms);
/* Whether a connection to the address and port is one to a socket that listens at one of
 * `listeners`
 * ("192.0.2.1:25 [::]:25", separated by blanks): it names the address, or every address of this
 * machine and the address is one of them. */
bool sys_address_is_own(const char *address, uint16_t port, struct slice listeners);
/* Waits for room to send, at most ms; false when the time is over or the peer is gone. */
bool sys_wait_writable(int fd, uint64_t ms);
/* Splits "host:port", "[2001:db8::1]:port"; the host is without brackets. ST_INVALID. */
MUST_USE enum st sys_host_port(struct slice text, struct slice *host_r, uint16_t *port_r);
/* The first address that the system's resolver has for the host (an address stays what it is).
 * Waits as long as the resolver does. ST_NOT_FOUND. */
MUST_USE enum st sys_resolve(const char *host, char address[SYS_ADDR_BYTES]);
