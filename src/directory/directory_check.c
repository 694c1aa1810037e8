#include "directory/directory_check.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_connection.h"
#include "directory/directory_group.h"
#include "directory/directory_person.h"
#include "directory/directory_settings.h"

static enum st check_person(struct arena *arena, struct slice name, struct slice body,
                            struct directory_aliases *aliases_r, struct buf *why)
{
    struct directory_document *read = arena_one(arena, struct directory_document);
    enum st st = directory_person_read(arena, name, body, read, why);

    *aliases_r = read->aliases;
    return st;
}

static enum st check_group(struct arena *arena, struct slice name, struct slice body,
                           struct directory_aliases *aliases_r, struct buf *why)
{
    struct directory_group_document *read = arena_one(arena, struct directory_group_document);
    enum st st = directory_group_read(arena, name, body, read, why);

    *aliases_r = read->aliases;
    return st;
}

static enum st check_connection(struct arena *arena, struct slice name, struct slice body,
                                struct directory_aliases *aliases_r, struct buf *why)
{
    struct directory_connection_document *read =
        arena_one(arena, struct directory_connection_document);

    return directory_connection_read(arena, name, body, read, why);
}

static enum st check_settings(struct arena *arena, struct slice name, struct slice body,
                              struct directory_aliases *aliases_r, struct buf *why)
{
    struct directory_settings_document *read = arena_one(arena, struct directory_settings_document);

    return directory_settings_read(arena, name, body, read, why);
}

enum st directory_check(enum directory_kind kind, struct arena *arena, struct slice name,
                        struct slice body, struct directory_aliases *aliases_r, struct buf *why)
{
    static enum st (*const checks[])(struct arena *, struct slice, struct slice,
                                     struct directory_aliases *, struct buf *) = {
        [DIRECTORY_PERSON] = check_person,
        [DIRECTORY_GROUP] = check_group,
        [DIRECTORY_CONNECTION] = check_connection,
        [DIRECTORY_SETTINGS] = check_settings,
    };
    static_assert(COUNT(checks) == DIRECTORY_KIND_MAX, "one for each kind");

    aliases_r->count = 0;
    return checks[kind](arena, name, body, aliases_r, why);
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
    static const char *const names[] = {"password", "password_yescrypt", "password_scram"};

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
