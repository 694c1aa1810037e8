/* ctl_help.h: help texts and manual pages, written from the tables. Pure. */
#pragma once
#include "base/base.h"

struct buf;
struct ctl_cmd;

void ctl_help_all(struct buf *out);
/* The commands whose words begin with the group's name; false: there are none. */
bool ctl_help_group(const char *group, struct buf *out);
void ctl_help_cmd(const struct ctl_cmd *cmd, struct buf *out);
/* posthorse(8) and posthorse.ini(5) in mdoc(7). */
void ctl_man_8(struct buf *out);
void ctl_man_5(struct buf *out);
