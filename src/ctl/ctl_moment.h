/* ctl_moment.h: moments as people write them. */
#pragma once
#include "base/base.h"

/* "2026-12-24", "2026-12-24 17:30", "2026-12-24T17:30:00", by this machine's clock and time zone. A
 * day alone is its beginning; with end, its end, which is the beginning of the next. ST_INVALID. */
MUST_USE enum st ctl_moment_parse(const char *text, bool end, int64_t *ms_r);
