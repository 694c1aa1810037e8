#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "conf/conf_ini.h"
#include "sys/sys_file.h"

#define FILE_BYTES_MAX (1 * MIB)
#define FAULT_BYTES_MAX (2 * KIB)

struct reading {
    struct conf *conf;
    struct buf *fault;
};

static enum st take(void *ctx, const char *section, const char *name, const char *value)
{
    struct reading *reading = ctx;

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

static enum st read_text(const char *path, struct buf *text, struct buf *why)
{
    enum st st = sys_file_read(path, text);

    if (st != ST_OK)
        buf_putf(why, "%s: cannot be read: %s", path,
                 st == ST_NOT_FOUND ? "no such file"
                 : st == ST_DENIED  ? "no permission"
                                    : "bad file");
    return st;
}

enum st conf_file_read(struct conf *conf, const char *path, struct buf *why)
{
    AUTO(buf) struct buf text = BUF(FILE_BYTES_MAX);
    AUTO(buf) struct buf fault = BUF(FAULT_BYTES_MAX);
    struct reading reading = {.conf = conf, .fault = &fault};
    int line = 0;

    buf_clear(why);
    enum st st = read_text(path, &text, why);
    if (st != ST_OK)
        return st;
    st = conf_ini_each(buf_slice(&text), take, &reading, &line, &fault);
    if (st != ST_OK) {
        buf_putf(why, "%s:%d: %s", path, line, fault.ptr);
        return st;
    }
    st = conf_check(conf, &fault);
    if (st != ST_OK)
        buf_putf(why, "%s: %s", path, fault.ptr);
    return st;
}
