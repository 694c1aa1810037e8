#include "base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t size)
{
    void *ptr = calloc(1, size > 0 ? size : 1);

    if (ptr == NULL)
        abort();
    return ptr;
}

void *mem_grow(void *ptr, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        abort();
    ptr = realloc(ptr, bytes > 0 ? bytes : 1);
    if (ptr == NULL)
        abort();
    return ptr;
}

void mem_free(void *ptr)
{
    free(ptr);
}

char *mem_copy(struct slice src)
{
    char *str = mem_alloc(src.len + 1);

    if (src.len > 0)
        memcpy(str, src.ptr, src.len);
    return str;
}

void mem_tune(void)
{
    mallopt(M_ARENA_MAX, 4);
    mallopt(M_TRIM_THRESHOLD, (int)(4 * MIB));
    mallopt(M_TOP_PAD, (int)(256 * KIB));
}
