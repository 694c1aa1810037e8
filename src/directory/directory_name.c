#include "directory/directory_name.h"

#include "base/arena.h"
#include "base/slice.h"

#include <string.h>

#define NAME_BYTES_MAX 64
#define DOMAIN_BYTES_MAX 255
#define LABEL_BYTES_MAX 63

static bool lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool name_char(char c)
{
    return lower_or_digit(c) || c == '.' || c == '-' || c == '_';
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

static bool beyond_ascii(char c)
{
    return ((unsigned char)c & 0x80) != 0;
}

static bool label_ok(struct slice label)
{
    if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];

        if (!lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_' &&
            !beyond_ascii(c))
            return false;
    }
    return true;
}

bool directory_name_is_domain(struct slice domain)
{
    struct slice rest = domain;
    struct slice label;

    if (domain.len == 0 || domain.len > DOMAIN_BYTES_MAX)
        return false;
    while (slice_split(&rest, '.', &label))
        if (!label_ok(label))
            return false;
    return true;
}

void directory_name_split(struct slice address, struct slice *local_r, struct slice *domain_r)
{
    size_t at = SIZE_MAX;

    for (size_t i = 0; i < address.len; i++)
        if (address.ptr[i] == '@')
            at = i;
    *local_r = slice_sub(address, 0, at);
    *domain_r = at == SIZE_MAX ? SLICE("") : slice_sub(address, at + 1, address.len);
}

bool directory_name_is_catch_all(struct slice alias)
{
    return slice_eq(alias, SLICE("*")) || slice_starts(alias, SLICE("*@"));
}

bool directory_name_is_alias(struct slice alias)
{
    struct slice local;
    struct slice domain;

    directory_name_split(alias, &local, &domain);
    if (!directory_name_ok(local) && !slice_eq(local, SLICE("*")))
        return false;
    return local.len == alias.len || directory_name_is_domain(domain);
}

/* RFC 5321 section 4.1.2: Dot-string; atext of RFC 5322 section 3.2.3. */
static bool dot_string(struct slice local)
{
    if (local.len == 0 || local.len > NAME_BYTES_MAX || local.ptr[0] == '.' ||
        local.ptr[local.len - 1] == '.')
        return false;
    for (size_t i = 0; i < local.len; i++) {
        char c = local.ptr[i];

        if (c == '.' && local.ptr[i - 1] == '.')
            return false;
        if (!name_char(c) && !(c >= 'A' && c <= 'Z') && !beyond_ascii(c) &&
            (c == '\0' || strchr("!#$%&'*+/=?^`{|}~", c) == NULL))
            return false;
    }
    return true;
}

bool directory_name_is_address(struct slice address)
{
    struct slice local;
    struct slice domain;

    directory_name_split(address, &local, &domain);
    return local.len < address.len && dot_string(local) && directory_name_is_domain(domain);
}

static size_t quote(char *out, struct slice local)
{
    size_t len = 0;

    out[len++] = '"';
    for (size_t i = 0; i < local.len; i++) {
        if (local.ptr[i] == '"' || local.ptr[i] == '\\')
            out[len++] = '\\';
        out[len++] = local.ptr[i];
    }
    out[len++] = '"';
    return len;
}

struct slice directory_name_join(struct arena *arena, struct slice local, struct slice domain)
{
    char *text = arena_many(arena, char, 2 * local.len + domain.len + 4);
    size_t len = local.len;

    if (dot_string(local))
        memcpy(text, local.ptr, local.len);
    else
        len = quote(text, local);
    text[len++] = '@';
    if (domain.len > 0)
        memcpy(text + len, domain.ptr, domain.len);
    return (struct slice){text, len + domain.len};
}
