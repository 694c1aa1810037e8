/* sandbox.h: a server to try and to test with: everything it needs in one folder. */
#pragma once
#include "base/base.h"

/* posthorse sandbox [--dir DIR] [--store sqlite|postgres] [--base-port N] [--accounts FILE]
 * argv[0] is "sandbox". Returns a code of sysexits.h. */
int sandbox_run(int argc, char **argv);
