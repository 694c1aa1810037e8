/* ctl.h: the command line of posthorse. */
#pragma once
#include "base/base.h"

/* What src/main.c provides; each returns an exit status of sysexits.h. */
struct ctl_hooks {
    int (*serve)(const char *config_path);
    int (*sandbox)(int argc, char **argv); /* argv[0] is "sandbox" */
};

/* Runs the command that the arguments name; returns the process's exit status. */
int ctl_main(int argc, char **argv, const struct ctl_hooks *hooks);
