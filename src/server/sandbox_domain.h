/* sandbox_domain.h: a sandbox of several servers: one domain, and beside it another mail system.
 * Inside server/. */
#pragma once
#include "base/base.h"

struct sandbox_options;

/* Runs until SIGTERM or SIGINT, then ends all of them. where: the setting `store`. A code of
 * sysexits.h. */
int sandbox_domain_run(const struct sandbox_options *options, const char *where);
