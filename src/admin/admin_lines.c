#include "admin/admin_lines.h"

#include "sys/sys_time.h"

#include <stdlib.h>

#define TEXT_BYTES_MAX (64 * MIB) /* one object; lines are sent from FLUSH_BYTES on */
#define FLUSH_BYTES (64 * KIB)
#define SILENT_MS 200

void admin_lines_init(struct admin_lines *lines, struct http_out *out)
{
    *lines = (struct admin_lines){.out = out, .told_ms = sys_mono_ms()};
    buf_init(&lines->text, TEXT_BYTES_MAX);
}

void admin_lines_fini(struct admin_lines *lines)
{
    buf_fini(&lines->text);
}

enum st admin_lines_flush(struct admin_lines *lines)
{
    enum st st = lines->text.over ? ST_IO : http_out_add(lines->out, buf_slice(&lines->text));

    buf_clear(&lines->text);
    lines->told_ms = sys_mono_ms();
    return st;
}

enum st admin_lines_put(struct admin_lines *lines, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);

    buf_put(&lines->text, slice_str(text));
    buf_put(&lines->text, SLICE("\n"));
    free(text);
    json_decref(object);
    return lines->text.len >= FLUSH_BYTES ? admin_lines_flush(lines) : ST_OK;
}

bool admin_lines_is_silent(const struct admin_lines *lines)
{
    return sys_mono_ms() - lines->told_ms >= SILENT_MS;
}
