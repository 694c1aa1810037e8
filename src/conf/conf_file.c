#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "sys/sys_file.h"

#include <ini.h>
#include <string.h>

#define FILE_BYTES_MAX (1 * MIB)

#define LINE_BYTES_MAX 198 /* what Debian's inih takes */

struct reading {
    struct conf *conf;
    struct buf *fault; /* a sentence, once st is not ST_OK */
    enum st st;
};

static enum st take(struct reading *reading, const char *section, const char *name,
                    const char *value)
{
    if (section[0] != '\0') {
        buf_putf(reading->fault, "[%s]: settings stand in no section", section);
        return ST_INVALID;
    }
    const struct conf_field *field = conf_field_find(slice_str(name));
    if (field == NULL) {
        buf_putf(reading->fault, "%s = %s: there is no such setting; the nearest is %s", name,
                 value, conf_field_nearest(slice_str(name))->name);
        return ST_INVALID;
    }
    return conf_set(reading->conf, field, slice_str(value), reading->fault);
}

/* inih's call for each name = value. It goes on after a fault and returns the first one's line. */
static int handle(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;

    if (reading->st == ST_OK)
        reading->st = take(reading, section, name, value);
    return reading->st == ST_OK;
}

static enum st read_lines(const char *path, struct slice text, struct buf *why)
{
    struct slice rest = text;
    struct slice line;

    for (int no = 1; slice_split(&rest, '\n', &line); no++) {
        if (slice_find(line, '\0') != SIZE_MAX)
            buf_putf(why, "%s:%d: holds a NUL byte", path, no);
        else if (line.len > LINE_BYTES_MAX)
            buf_putf(why, "%s:%d: longer than %d bytes", path, no, LINE_BYTES_MAX);
        else
            continue;
        return ST_INVALID;
    }
    return ST_OK;
}

enum st conf_file_read(struct conf *conf, const char *path, struct buf *why)
{
    AUTO(buf) struct buf text;
    AUTO(buf) struct buf fault;
    struct reading reading = {.conf = conf, .fault = &fault};

    buf_init(&text, FILE_BYTES_MAX);
    buf_init(&fault, 2 * KIB);
    buf_clear(why);
    enum st st = sys_file_read(path, &text);
    if (st != ST_OK) {
        buf_putf(why, "%s: cannot be read: %s", path,
                 st == ST_NOT_FOUND ? "no such file"
                 : st == ST_DENIED  ? "no permission"
                                    : "bad file");
        return st;
    }
    st = read_lines(path, buf_slice(&text), why);
    if (st != ST_OK)
        return st;
    int line = ini_parse_string(text.len > 0 ? text.ptr : "", handle, &reading);
    if (line != 0) {
        buf_putf(why, "%s:%d: %s", path, line,
                 fault.len > 0 ? fault.ptr : "not a setting; write it as name = value");
        return ST_INVALID;
    }
    st = conf_check(conf, &fault);
    if (st != ST_OK)
        buf_putf(why, "%s: %s", path, fault.ptr);
    return st;
}
