#include "server/sandbox.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "sandbox") == 0)
        return sandbox_run(argc - 1, argv + 1);
    if (argc == 4 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "-c") == 0)
        return server_run(&(struct server_options){.config_path = argv[3]});
    fprintf(stderr, "posthorse: posthorse sandbox | posthorse serve -c FILE\n");
    return EX_USAGE;
}
