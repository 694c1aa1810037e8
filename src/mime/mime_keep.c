#include "mime/mime_keep.h"

#include "base/arena.h"
#include "mime/mime_lex.h"

#include <string.h>

#define ROUND_BYTES 32 /* what an arena may add to each piece */

void *mime_keep_alloc(struct mime_keep *keep, size_t size)
{
    if (keep->bytes_left < ROUND_BYTES || size > keep->bytes_left - ROUND_BYTES)
        return NULL;
    keep->bytes_left -= size + ROUND_BYTES;
    return arena_alloc(keep->arena, 1, size);
}

struct slice mime_keep_copy(struct mime_keep *keep, struct slice src)
{
    char *ptr = mime_keep_alloc(keep, src.len + 1);

    if (ptr == NULL)
        return (struct slice){NULL, 0};
    if (src.len > 0)
        memcpy(ptr, src.ptr, src.len);
    return (struct slice){ptr, src.len};
}

struct slice mime_keep_lower(struct mime_keep *keep, struct slice src)
{
    char *ptr = mime_keep_alloc(keep, src.len + 1);

    if (ptr == NULL)
        return (struct slice){NULL, 0};
    for (size_t i = 0; i < src.len; i++)
        ptr[i] = mime_lex_lower(src.ptr[i]);
    return (struct slice){ptr, src.len};
}
