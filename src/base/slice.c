#include "base/slice.h"

#include "base/arena.h"

#include <string.h>
#include <strings.h>

struct slice slice_str(const char *str)
{
    return str != NULL ? (struct slice){str, strlen(str)} : SLICE("");
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + ('a' - 'A'));
    return c;
}

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return slice_eq(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_istarts(struct slice s, struct slice prefix)
{
    return slice_ieq(slice_sub(s, 0, prefix.len), prefix);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

size_t slice_find(struct slice s, char byte)
{
    const char *at = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;

    return at != NULL ? (size_t)(at - s.ptr) : SIZE_MAX;
}

size_t slice_find_last(struct slice s, char byte)
{
    const char *at = s.len > 0 ? memrchr(s.ptr, byte, s.len) : NULL;

    return at == NULL ? SIZE_MAX : (size_t)(at - s.ptr);
}

size_t slice_find_slice(struct slice s, struct slice needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len > 0 ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;

    return at != NULL ? (size_t)(at - s.ptr) : SIZE_MAX;
}

struct slice slice_sub(struct slice s, size_t start, size_t len)
{
    if (start > s.len)
        start = s.len;
    if (len > s.len - start)
        len = s.len - start;
    return (struct slice){start > 0 ? s.ptr + start : s.ptr, len}; /* ptr may be NULL */
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && blank(s.ptr[0]))
        s = slice_sub(s, 1, s.len - 1);
    while (s.len > 0 && blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool slice_split(struct slice *rest, char sep, struct slice *part_r)
{
    if (rest->ptr == NULL)
        return false;
    size_t at = slice_find(*rest, sep);

    if (at == SIZE_MAX) {
        *part_r = *rest;
        *rest = (struct slice){NULL, 0};
    } else {
        *part_r = slice_sub(*rest, 0, at);
        *rest = slice_sub(*rest, at + 1, rest->len);
    }
    return true;
}

enum st slice_to_u64(struct slice s, uint64_t *value_r)
{
    uint64_t value = 0;

    if (s.len == 0)
        return ST_INVALID;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return ST_INVALID;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return ST_INVALID;
    }
    *value_r = value;
    return ST_OK;
}

char *slice_cstr(struct arena *arena, struct slice s)
{
    char *str = arena_text(arena, s.len);

    if (s.len > 0)
        memcpy(str, s.ptr, s.len);
    return str;
}

struct slice slice_lower(struct arena *arena, struct slice s)
{
    char *str = slice_cstr(arena, s);

    for (size_t i = 0; i < s.len; i++)
        str[i] = lower(str[i]);
    return (struct slice){str, s.len};
}

#define EDITS_BYTES_MAX 48

/* Levenshtein's distance, both cut to EDITS_BYTES_MAX. */
size_t slice_edits(struct slice a, struct slice b)
{
    size_t row[EDITS_BYTES_MAX + 1];

    a = slice_sub(a, 0, EDITS_BYTES_MAX);
    b = slice_sub(b, 0, EDITS_BYTES_MAX);
    for (size_t k = 0; k <= b.len; k++)
        row[k] = k;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t least = diagonal + (a.ptr[i - 1] != b.ptr[k - 1]);

            diagonal = row[k];
            if (row[k] + 1 < least)
                least = row[k] + 1;
            if (row[k - 1] + 1 < least)
                least = row[k - 1] + 1;
            row[k] = least;
        }
    }
    return row[b.len];
}
