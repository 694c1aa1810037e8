/* router_client_hello.h: inside router_client*.c: from the greeting to the log-in. */
#pragma once
#include "router/router_client_io.h"

/* Greeting, EHLO, STARTTLS, AUTH as router_client_open() says, on a connection just made. tls_host:
 * the server's name without brackets. clear: leave TLS out although the policy is OPPORTUNISTIC.
 * ST_OK: ready. ST_CONFLICT: the handshake failed; connect again with clear set. ST_IO:
 * client->failure says why. */
MUST_USE enum st router_client_hello(struct router_client *client,
                                     const struct router_client_options *options,
                                     const char *tls_host, bool clear);
