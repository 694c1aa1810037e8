/* sandbox_postgres.h: a PostgreSQL of the sandbox's own, from Debian's package. */
#pragma once
#include "base/base.h"

struct buf;
struct sandbox_postgres;

/* Makes a cluster in dir/postgres where there is none, starts it on a unix socket there as an
 * unprivileged user, makes the database. where gets the connection string. Returns EX_OK, or a code
 * of sysexits.h after one sentence on standard error. */
int sandbox_postgres_start(const char *dir, struct sandbox_postgres **postgres_r,
                           struct buf *where);
void sandbox_postgres_stop(struct sandbox_postgres **postgres); /* NULL is fine */
