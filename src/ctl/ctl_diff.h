/* ctl_diff.h: what differs between two texts, as `diff -u` writes it. Pure. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

/* Appends nothing where they are equal. Names stand behind --- and +++. Texts with more than some
 * thousand lines that differ are shown as replaced as a whole. */
void ctl_diff(struct arena *arena, struct slice old, struct slice now, const char *old_name,
              const char *now_name, struct buf *out);
