/* ctl_args.h: the arguments of a command line, matched with the tables. Pure: prints nothing. */
#pragma once
#include "ctl/ctl_cmd.h"

struct buf;

/* Fills ctl->cmd, args, given and raw. ST_INVALID with a sentence that names the nearest command or
 * option. With --help among the options, missing arguments are no fault; ctl->cmd is then NULL
 * where words name no command, and ctl->args holds the words. */
MUST_USE enum st ctl_args_read(struct ctl *ctl, int argc, char **argv, struct buf *why);

/* How many arguments besides options a usage wants: "NAME [FILE] [--json]" is 1 to 2, "ID..." 1 to
 * SIZE_MAX. */
void ctl_args_count(const char *usage, size_t *min_r, size_t *max_r);
/* What -letter means for the command, NULL while none is known: its own option, or else the first
 * that is written so. NULL: nothing. */
const struct ctl_opt *ctl_args_letter(const struct ctl_cmd *cmd, const char *letter);
/* Whether the usage names the option; those for all commands always. */
bool ctl_args_allows(const char *usage, enum ctl_opt_id id);
