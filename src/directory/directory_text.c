#include "directory/directory_text.h"

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf_ini.h"
#include "directory/directory_name.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum st directory_text_refuse(struct directory_reading *reading, const char *fmt, ...)
{
    char text[600];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buf_put(reading->why, slice_str(text));
    return ST_INVALID;
}

enum st directory_text_take(struct directory_reading *reading, void *at, const char *value)
{
    const char **text = at;

    if (strlen(value) > DIRECTORY_TEXT_BYTES_MAX)
        return directory_text_refuse(reading, "%.40s... is longer than %d bytes", value,
                                     DIRECTORY_TEXT_BYTES_MAX);
    *text = slice_cstr(reading->arena, slice_str(value));
    return ST_OK;
}

enum st directory_text_take_bool(struct directory_reading *reading, void *at, const char *value)
{
    bool *truth = at;

    *truth = strcmp(value, "yes") == 0;
    if (!*truth && strcmp(value, "no") != 0)
        return directory_text_refuse(reading, "%s is neither yes nor no", value);
    return ST_OK;
}

enum st directory_text_take_u64(struct directory_reading *reading, void *at, const char *value)
{
    if (slice_to_u64(slice_str(value), at) != ST_OK)
        return directory_text_refuse(reading, "%s is not a whole number", value);
    return ST_OK;
}

enum st directory_text_take_alias(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_aliases *aliases = at;
    struct slice alias = slice_lower(reading->arena, slice_str(value));

    if (aliases->count == DIRECTORY_ALIASES_MAX)
        return directory_text_refuse(reading, "alias %s is one too many; %d may stand here", value,
                                     DIRECTORY_ALIASES_MAX);
    if (alias.len > DIRECTORY_TEXT_BYTES_MAX || !directory_name_is_alias(alias))
        return directory_text_refuse(
            reading, "alias %s is not an address; write name, name@domain, *@domain or *", value);
    aliases->at[aliases->count++] = alias;
    return ST_OK;
}

void directory_text_append(struct directory_reading *reading, struct directory_texts *texts,
                           struct slice text)
{
    if (texts->count == texts->cap)
        texts->at = arena_grow(reading->arena, texts->at, texts->count, &texts->cap, sizeof(text));
    texts->at[texts->count++] = text;
}

enum st directory_text_take_recipient(struct directory_reading *reading, void *at,
                                      const char *value)
{
    struct slice text = slice_str(value);
    struct slice lower = slice_lower(reading->arena, text);

    if (text.len > DIRECTORY_TEXT_BYTES_MAX ||
        (!directory_name_is_address(text) && !directory_name_ok(lower)))
        return directory_text_refuse(reading, "%s is neither a name nor an address", value);
    /* The local part of an address is its own domain's business, so its case stays. */
    directory_text_append(reading, at,
                          directory_name_ok(lower) ? lower : arena_copy(reading->arena, text));
    return ST_OK;
}

enum st directory_text_take_number(struct directory_reading *reading, uint64_t *number,
                                   const char *value, uint64_t min, uint64_t max)
{
    if (directory_text_take_u64(reading, number, value) != ST_OK)
        return ST_INVALID;
    if (*number < min || *number > max)
        return directory_text_refuse(reading, "%s is not between %llu and %llu", value,
                                     (unsigned long long)min, (unsigned long long)max);
    return ST_OK;
}

enum st directory_text_take_name(struct directory_reading *reading, void *at, const char *value)
{
    const char **name = at;
    struct slice lower = slice_lower(reading->arena, slice_str(value));

    if (!directory_name_ok(lower))
        return directory_text_refuse(reading, "%s is not the name of a document", value);
    *name = lower.ptr;
    return ST_OK;
}

enum st directory_text_take_names(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_texts *names = at;
    const char *name;

    if (names->count == DIRECTORY_READERS_MAX)
        return directory_text_refuse(reading, "%s is one too many; %d may stand here", value,
                                     DIRECTORY_READERS_MAX);
    enum st st = directory_text_take_name(reading, &name, value);
    if (st == ST_OK)
        directory_text_append(reading, names, slice_str(name));
    return st;
}

/* --- what every document may say --- */

static enum st take_priority(struct directory_reading *reading, void *at, const char *value)
{
    return directory_text_take_number(reading, at, value, 0, DIRECTORY_PRIORITY_MAX);
}

/* A name, or "[role]". */
static enum st take_reader(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_texts *readers = at;
    struct slice lower = slice_lower(reading->arena, slice_str(value));
    struct slice name = lower;

    if (lower.len > 2 && lower.ptr[0] == '[' && lower.ptr[lower.len - 1] == ']')
        name = slice_sub(lower, 1, lower.len - 2);
    if (!directory_name_ok(name))
        return directory_text_refuse(
            reading,
            "%s is nobody who may read; write the name of a person, a server or a group, "
            "or [role]",
            value);
    if (readers->count == DIRECTORY_READERS_MAX)
        return directory_text_refuse(reading, "%s is one too many; %d may stand here", value,
                                     DIRECTORY_READERS_MAX);
    directory_text_append(reading, readers, lower);
    return ST_OK;
}

static const struct directory_field common_fields[] = {
    {"priority", take_priority, offsetof(struct directory_common, priority)},
    {"reader", take_reader, offsetof(struct directory_common, readers)},
    {"author", take_reader, offsetof(struct directory_common, authors)},
};

void directory_text_write_list(const char *field, const struct directory_texts *texts,
                               struct buf *body)
{
    for (size_t i = 0; i < texts->count; i++)
        buf_putf(body, "%s = %.*s\n", field, SLICE_ARG(texts->at[i]));
}

void directory_text_write_common(const struct directory_common *common, struct buf *body)
{
    if (common->priority != DIRECTORY_PRIORITY)
        buf_putf(body, "priority = %llu\n", (unsigned long long)common->priority);
    directory_text_write_list("reader", &common->readers, body);
    directory_text_write_list("author", &common->authors, body);
}

static enum st take_line(void *ctx, const char *section, const char *name, const char *value)
{
    struct directory_reading *reading = ctx;

    if (section[0] != '\0')
        return directory_text_refuse(reading, "[%s]: a document has no sections", section);
    for (size_t i = 0; i < reading->field_count; i++) {
        const struct directory_field *field = &reading->fields[i];

        if (strcmp(name, field->name) == 0)
            return field->take(reading, (char *)reading->document + field->offset, value);
    }
    for (size_t i = 0; i < COUNT(common_fields); i++) {
        const struct directory_field *field = &common_fields[i];

        if (strcmp(name, field->name) == 0)
            return field->take(reading, (char *)reading->common + field->offset, value);
    }
    return directory_text_refuse(reading, "%s is not a field of a %s", name, reading->kind);
}

enum st directory_text_read(struct directory_reading *reading, struct slice name, struct slice body)
{
    AUTO(buf) struct buf sentence = BUF(1 * KIB);
    struct buf *why = reading->why;
    int line;

    if (!directory_name_ok(name))
        return directory_text_refuse(
            reading, "the name may hold a-z, 0-9, dot, hyphen and underscore, 64 at most");
    *reading->common = (struct directory_common){.priority = DIRECTORY_PRIORITY};
    if (slice_starts(body, SLICE("\xef\xbb\xbf")))
        return directory_text_refuse(reading, "line 1: begins with a byte order mark");
    reading->why = &sentence;
    enum st st = conf_ini_each(body, take_line, reading, &line, &sentence);
    reading->why = why;
    if (st != ST_OK)
        buf_putf(why, "line %d: %.*s", line, SLICE_ARG(buf_slice(&sentence)));
    return st;
}
