/* conf_ini.h: texts in INI form: settings and the documents of the directory. */
#pragma once
#include "base/base.h"

struct buf;

/* One name = value. section is "" above the first one. A status other than ST_OK is a fault; it
 * ends the reading. */
typedef enum st conf_ini_fn(void *ctx, const char *section, const char *name, const char *value);
/* Calls fn for each line of the text. At a fault *line_r is its line, counted from 1, and why,
 * where fn wrote nothing into it, gets a phrase. */
MUST_USE enum st conf_ini_each(struct slice text, conf_ini_fn *fn, void *ctx, int *line_r,
                               struct buf *why);
