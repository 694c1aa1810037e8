/* conf_ini.h: texts in INI form: settings and the documents of the directory. */
#pragma once
#include "base/base.h"

struct buf;

/* One name = value. section is "" above the first one. A status other than ST_OK is a fault; it
 * ends the reading. */
typedef enum st conf_ini_fn(void *ctx, const char *section, const char *name, const char *value);
/* Calls fn for each line "name = value" or "name: value" of the text, at most 198 bytes long, with
 * the blanks around both cut off. Lines that begin with ; or # are comments, and so is what stands
 * behind a blank and a semicolon. At a fault *line_r is its line, counted from 1, and why, where fn
 * wrote nothing into it, gets a phrase. A line that begins with a blank is a fault: to some readers
 * of this form it is more of the line before. */
MUST_USE enum st conf_ini_each(struct slice text, conf_ini_fn *fn, void *ctx, int *line_r,
                               struct buf *why);
