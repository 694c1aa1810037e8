#include "conf/conf_ini.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#include <ini.h>

#define LINE_BYTES_MAX 198 /* what Debian's inih takes */

struct reading {
    conf_ini_fn *fn;
    void *ctx;
    enum st st;
};

/* inih goes on after a fault and returns the first one's line. */
static int handle(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;

    if (reading->st == ST_OK)
        reading->st = reading->fn(reading->ctx, section, name, value);
    return reading->st == ST_OK;
}

/* What inih would misread: it cuts long lines and ends at a NUL. */
static enum st check_lines(struct slice text, int *line_r, struct buf *why)
{
    struct slice rest = text;
    struct slice line;

    for (*line_r = 1; slice_split(&rest, '\n', &line); ++*line_r) {
        if (slice_find(line, '\0') != SIZE_MAX)
            buf_put(why, SLICE("holds a NUL byte"));
        else if (line.len > LINE_BYTES_MAX)
            buf_putf(why, "longer than %d bytes", LINE_BYTES_MAX);
        else
            continue;
        return ST_INVALID;
    }
    return ST_OK;
}

enum st conf_ini_each(struct slice text, conf_ini_fn *fn, void *ctx, int *line_r, struct buf *why)
{
    struct reading reading = {.fn = fn, .ctx = ctx};
    enum st st = check_lines(text, line_r, why);

    if (st != ST_OK)
        return st;
    char *copy = mem_copy(text);
    int line = ini_parse_string(copy, handle, &reading);
    mem_free(copy);
    if (line == 0)
        return ST_OK;
    *line_r = line;
    if (why->len == 0)
        buf_put(why, SLICE("not a setting; write it as name = value"));
    return ST_INVALID;
}
