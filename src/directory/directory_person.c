#include "directory/directory_person.h"

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf_ini.h"

#include <string.h>

#define NAME_BYTES_MAX 64

struct reading {
    struct arena *arena;
    struct directory_document *document;
    struct buf *why;
};

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool directory_name_ok(struct slice name)
{
    if (name.len == 0 || name.len > NAME_BYTES_MAX || name.ptr[0] == '.' ||
        name.ptr[name.len - 1] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!name_char(name.ptr[i]))
            return false;
    return true;
}

bool directory_alias_ok(struct slice alias)
{
    size_t at = slice_find(alias, '@');

    if (alias.len > DIRECTORY_TEXT_BYTES_MAX)
        return false;
    if (at == SIZE_MAX)
        return directory_name_ok(alias);
    struct slice domain = slice_sub(alias, at + 1, alias.len);
    return directory_name_ok(slice_sub(alias, 0, at)) && domain.len <= 255 &&
           directory_name_ok(slice_sub(domain, 0, NAME_BYTES_MAX));
}

static enum st take_text(struct reading *reading, const char **at, const char *value)
{
    if (strlen(value) > DIRECTORY_TEXT_BYTES_MAX) {
        buf_putf(reading->why, "%.40s... is longer than %d bytes", value, DIRECTORY_TEXT_BYTES_MAX);
        return ST_INVALID;
    }
    *at = slice_cstr(reading->arena, slice_str(value));
    return ST_OK;
}

static enum st take_bool(struct reading *reading, bool *at, const char *value)
{
    *at = strcmp(value, "yes") == 0;
    if (!*at && strcmp(value, "no") != 0) {
        buf_putf(reading->why, "%s is neither yes nor no", value);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum st take_alias(struct reading *reading, const char *value)
{
    struct directory_document *document = reading->document;
    struct slice alias = slice_lower(reading->arena, slice_str(value));

    if (document->alias_count == DIRECTORY_ALIASES_MAX || !directory_alias_ok(alias)) {
        buf_putf(reading->why, "alias %s is not an address, or one too many", value);
        return ST_INVALID;
    }
    document->aliases[document->alias_count++] = alias;
    return ST_OK;
}

static enum st take(void *ctx, const char *section, const char *name, const char *value)
{
    struct reading *reading = ctx;
    struct directory_person *person = &reading->document->person;

    if (section[0] == '\0' && strcmp(name, "full_name") == 0)
        return take_text(reading, &person->full_name, value);
    if (strcmp(name, "password_yescrypt") == 0)
        return take_text(reading, &person->yescrypt, value);
    if (strcmp(name, "password_scram") == 0)
        return take_text(reading, &person->scram, value);
    if (strcmp(name, "quota_bytes") == 0)
        return slice_to_u64(slice_str(value), &person->quota_bytes);
    if (strcmp(name, "disabled") == 0)
        return take_bool(reading, &person->disabled, value);
    if (strcmp(name, "admin") == 0)
        return take_bool(reading, &person->admin, value);
    if (strcmp(name, "alias") == 0)
        return take_alias(reading, value);
    buf_putf(reading->why, "%s is not a field of a person", name);
    return ST_INVALID;
}

enum st directory_person_read(struct arena *arena, struct slice name, struct slice body,
                              struct directory_document *document_r, struct buf *why)
{
    struct reading reading = {.arena = arena, .document = document_r, .why = why};
    int line;

    memset(document_r, 0, sizeof(*document_r));
    document_r->person.name = slice_cstr(arena, name);
    document_r->person.full_name = "";
    document_r->person.yescrypt = "";
    document_r->person.scram = "";
    if (!directory_name_ok(name)) {
        buf_put(why, SLICE("the name may hold a-z, 0-9, dot, hyphen and underscore, 64 at most"));
        return ST_INVALID;
    }
    return conf_ini_each(body, take, &reading, &line, why);
}

void directory_person_write(const struct directory_document *document, struct buf *body)
{
    const struct directory_person *person = &document->person;

    buf_putf(body, "full_name = %s\n", person->full_name);
    for (size_t i = 0; i < document->alias_count; i++)
        buf_putf(body, "alias = %.*s\n", SLICE_ARG(document->aliases[i]));
    buf_putf(body, "password_yescrypt = %s\npassword_scram = %s\n", person->yescrypt,
             person->scram);
    buf_putf(body, "quota_bytes = %llu\n", (unsigned long long)person->quota_bytes);
    buf_putf(body, "disabled = %s\nadmin = %s\n", person->disabled ? "yes" : "no",
             person->admin ? "yes" : "no");
}
