#include "ctl/ctl.h"
#include "server/sandbox.h"
#include "server/server.h"

static int serve(const char *config_path)
{
    return server_run(&(struct server_options){.config_path = config_path});
}

int main(int argc, char **argv)
{
    const struct ctl_hooks hooks = {.serve = serve, .sandbox = sandbox_run};

    return ctl_main(argc, argv, &hooks);
}
