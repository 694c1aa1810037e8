/* sandbox_join.h: how a sandbox's servers become a domain, and which ports they take. Inside
 * server/. */
#pragma once
#include "base/base.h"

/* Each: EX_OK, or a code of sysexits.h after one sentence on standard error. config is the path of
 * a server's posthorse.ini. What was done on an earlier day is not done again. */

/* Makes the domain, on its first server, which does not run. */
int sandbox_join_found(const char *config, const char *domain, const char *server_name);
/* Has the server of that name invited by the first one and joins; the first runs, the other does
 * not. address: the first one's cluster port. */
int sandbox_join(const char *first_config, const char *address, const char *server_name,
                 const char *config);
/* The base port that is free on 127.0.0.1 to 127.0.0.N and 127.0.0.100: the one that is wanted; of
 * 0, the one of the last time, kept in dir, or any. *moved_r: it is another one than the last time.
 */
int sandbox_join_ports(const char *dir, unsigned wanted, unsigned servers, unsigned *base_port_r,
                       bool *moved_r);
