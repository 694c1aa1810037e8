/* router_peer.h: a mail server that says what a script says, on a thread, for the client's tests.
 */
#pragma once
#include "base/base.h"

struct router_peer_server;
struct sys_tls_server;

/* The script has one step a line:
 *   S:line   sends the line and CR LF          R:text   sends the text ("\r" and "\n" as
 * themselves) C:line   wants this line; a '*' at its end stands for anything quiet    wants that
 * nothing more has come yet many:n   reads n lines and forgets them    fill:n   sends n bytes 'x'
 *   tls      does the handshake                badtls   answers the hello by no TLS, then hangs
 *   accept   waits for the next connection     close    closes
 *   hang     waits until the client closes   stall    reads nothing until router_peer_end()
 *   echo:n   answers n lines by 250, one by one
 *   drip     sends a 2 now and then until the client closes
 *   maybe    first: the client need not come, and may go away anywhere
 *   request:POST /x   reads a request of HTTP that begins so, with its body
 *   has:text   wants the text in the last request      hasnt:text   wants it not
 * A script's end closes. On 127.0.0.1, one connection after the other. */
struct router_peer_server *router_peer_start(const char *script, struct sys_tls_server *tls,
                                             uint16_t *port_r);
/* A port of 127.0.0.1 that takes connections and says nothing; close() it. It is readable once
 * somebody connected. */
int router_peer_silent(uint16_t *port_r);
/* Waits for the script's end; fails the test where a step was not met. Frees. */
void router_peer_end(struct router_peer_server **server);
