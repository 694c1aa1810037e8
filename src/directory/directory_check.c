#include "directory/directory_check.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_kind.h"

#include <string.h>

enum st directory_check(enum directory_kind kind, struct arena *arena, struct slice name,
                        struct slice body, struct directory_checked *checked_r, struct buf *why)
{
    const struct directory_kind_row *row = &directory_kinds[kind];
    void *read = arena_alloc(arena, 1, row->size);
    enum st st = row->read(arena, name, body, read, why);

    *checked_r = (struct directory_checked){.aliases = {.count = 0}};
    if (st != ST_OK)
        return st;
    memcpy(&checked_r->common, (char *)read + row->common_at, sizeof(checked_r->common));
    if (row->aliases_at != SIZE_MAX)
        memcpy(&checked_r->aliases, (char *)read + row->aliases_at, sizeof(checked_r->aliases));
    return ST_OK;
}

/* --- secrets --- */

/* "name = value" or "name: value", as INI has it. False: the line is none. */
static bool split_line(struct slice line, struct slice *name_r, struct slice *value_r)
{
    size_t at = 0;

    while (at < line.len && line.ptr[at] != '=' && line.ptr[at] != ':')
        at++;
    *name_r = slice_trim(slice_sub(line, 0, at));
    *value_r = slice_trim(slice_sub(line, at + 1, line.len));
    return at < line.len;
}

static bool is_secret(struct slice line, struct slice *name_r, struct slice *value_r)
{
    static const char *const names[] = {"password", "calendar_password", "password_yescrypt",
                                        "password_scram"};

    if (!split_line(line, name_r, value_r) || value_r->len == 0)
        return false;
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_eq(slice_str(names[i]), *name_r))
            return true;
    return false;
}

static void put_line(struct buf *out, struct slice line)
{
    buf_put(out, line);
    buf_put(out, SLICE("\n"));
}

void directory_check_hide(struct slice body, struct buf *out)
{
    struct slice line;
    struct slice name;
    struct slice value;

    while (slice_split(&body, '\n', &line)) {
        if (line.len == 0 && body.ptr == NULL)
            break; /* behind the last line's end */
        if (is_secret(line, &name, &value))
            buf_putf(out, "%.*s = " DIRECTORY_MASK "\n", SLICE_ARG(name));
        else
            put_line(out, line);
    }
}

/* The last line that gives the name a value, which is the one that counts. */
static struct slice find_line(struct slice body, struct slice name)
{
    struct slice found = SLICE("");
    struct slice line;
    struct slice other;
    struct slice value;

    while (slice_split(&body, '\n', &line))
        if (is_secret(line, &other, &value) && slice_eq(other, name))
            found = line;
    return found;
}

enum st directory_check_unhide(struct slice body, struct slice old, struct buf *out,
                               struct buf *why)
{
    struct slice line;
    struct slice name;
    struct slice value;

    for (int number = 1; slice_split(&body, '\n', &line); number++) {
        if (line.len == 0 && body.ptr == NULL)
            break;
        if (is_secret(line, &name, &value) && slice_eq(value, SLICE(DIRECTORY_MASK))) {
            line = find_line(old, name);
            if (line.len == 0) {
                buf_putf(why, "line %d: " DIRECTORY_MASK " stands for a %.*s that is not there",
                         number, SLICE_ARG(name));
                return ST_INVALID;
            }
        }
        put_line(out, line);
    }
    return ST_OK;
}
