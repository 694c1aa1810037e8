#include "ctl/ctl_cmd.h"

int ctl_cmd_init(struct ctl *ctl)
{
    return ctl_fail(EX_UNAVAILABLE, "not yet");
}
