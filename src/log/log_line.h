/* log_line.h: a line that log_event() wrote, read again. Pure. */
#pragma once
#include "base/base.h"

struct buf;

/* Takes the next field off the front of *rest. value gets what was meant, the quotes and escapes
 * taken off; what does not fit its ceiling is left out. False: there is none, or it is torn. */
bool log_line_next(struct slice *rest, struct slice *key_r, struct buf *value);
/* The value of one field; false: the line has it not. */
bool log_line_get(struct slice line, struct slice key, struct buf *value);
/* The time of the line's ts field in milliseconds since 1970; ST_INVALID. */
MUST_USE enum st log_line_time(struct slice ts, int64_t *at_ms_r);
