/* sandbox.h: servers to try and to test with: everything they need in one folder. */
#pragma once
#include "base/base.h"

#define SANDBOX_SERVERS_MAX 12

struct sandbox_options {
    const char *dir;
    const char *store; /* "sqlite" or "postgres" */
    const char *accounts;
    const char *settings; /* a file with more lines for posthorse.ini, or NULL */
    unsigned base_port;   /* 0: whatever is free */
    unsigned servers;
    unsigned revive_s; /* when one of several that died is started anew; 0: never */
};

/* posthorse sandbox [--dir DIR] [--servers N] [--store sqlite|postgres] [--base-port N]
 * [--accounts FILE] [--settings FILE] [--revive SECONDS]. argv[0] is "sandbox". Returns a code of
 * sysexits.h. */
int sandbox_run(int argc, char **argv);
