#include "conf/conf_ini.h"

#include "base/buf.h"
#include "base/slice.h"

#include <string.h>

#define LINE_BYTES_MAX 198

struct reading {
    conf_ini_fn *fn;
    void *ctx;
    struct buf *why;
    char section[LINE_BYTES_MAX + 1];
};

static enum st refuse(struct reading *reading, const char *what)
{
    buf_put(reading->why, slice_str(what));
    return ST_INVALID;
}

/* What stands before a comment: a semicolon behind a blank. */
static struct slice without_comment(struct slice line)
{
    if (slice_find(line, ';') == SIZE_MAX)
        return line;
    for (size_t i = 1; i < line.len; i++)
        if (line.ptr[i] == ';' && (line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t'))
            return slice_sub(line, 0, i);
    return line;
}

/* Puts the text at *room with a NUL behind, and *room behind that. */
static const char *put(char **room, struct slice text)
{
    char *at = *room;

    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    at[text.len] = '\0';
    *room += text.len + 1;
    return at;
}

static enum st take_section(struct reading *reading, struct slice text)
{
    size_t end = slice_find(text, ']');
    char *room = reading->section;

    if (end == SIZE_MAX)
        return refuse(reading, "[ without ]");
    put(&room, slice_sub(text, 1, end - 1));
    return ST_OK;
}

static enum st take_setting(struct reading *reading, struct slice text)
{
    char line[LINE_BYTES_MAX + 1]; /* both and a NUL behind each: the = makes room for one */
    char *room = line;
    size_t at = 0;

    while (at < text.len && text.ptr[at] != '=' && text.ptr[at] != ':')
        at++;
    if (at == text.len)
        return refuse(reading, "not a setting; write it as name = value");
    const char *name = put(&room, slice_trim(slice_sub(text, 0, at)));
    const char *value = put(&room, slice_trim(slice_sub(text, at + 1, text.len)));
    return reading->fn(reading->ctx, reading->section, name, value);
}

static enum st take_line(struct reading *reading, struct slice line)
{
    struct slice text = slice_trim(line);

    if (slice_find(line, '\0') != SIZE_MAX)
        return refuse(reading, "holds a NUL byte");
    if (line.len > LINE_BYTES_MAX) {
        buf_putf(reading->why, "longer than %d bytes", LINE_BYTES_MAX);
        return ST_INVALID;
    }
    if (text.len == 0 || text.ptr[0] == ';' || text.ptr[0] == '#')
        return ST_OK;
    if (text.ptr != line.ptr)
        return refuse(reading, "begins with a blank");
    text = without_comment(text);
    return text.ptr[0] == '[' ? take_section(reading, text) : take_setting(reading, text);
}

enum st conf_ini_each(struct slice text, conf_ini_fn *fn, void *ctx, int *line_r, struct buf *why)
{
    struct reading reading = {.fn = fn, .ctx = ctx, .why = why};
    enum st st = ST_OK;
    struct slice line;

    if (slice_starts(text, SLICE("\xef\xbb\xbf")))
        text = slice_sub(text, 3, text.len);
    for (*line_r = 0; st == ST_OK && slice_split(&text, '\n', &line); ++*line_r)
        st = take_line(&reading, line);
    return st == ST_OK ? ST_OK : ST_INVALID;
}
