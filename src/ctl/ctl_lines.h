/* ctl_lines.h: line ends: files have LF, messages have CR LF. Pure; fed at any split. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

struct ctl_lines {
    bool cr; /* the last byte was CR */
};

/* LF without a CR before it becomes CR LF; look at out->over afterwards. */
void ctl_lines_to_crlf(struct ctl_lines *lines, struct slice in, struct buf *out);
/* CR LF becomes LF; a CR that stands alone stays. A CR at the end is held back. */
void ctl_lines_to_lf(struct ctl_lines *lines, struct slice in, struct buf *out);
void ctl_lines_to_lf_end(struct ctl_lines *lines, struct buf *out);

/* Lines that somebody wrote, for a terminal: ended in LF, other control characters as '?'. */
const char *ctl_lines_text(struct arena *arena, struct slice text);
