/* mem.h: heap objects with one owner. Running out of memory aborts; the supervisor restarts. */
#pragma once
#include "base/base.h"

/* Zeroed. Free with mem_free(). */
void *mem_alloc(size_t size) __attribute__((returns_nonnull));
/* Room for count elements; the new part is not zeroed. ptr may be NULL. */
void *mem_grow(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));
void mem_free(void *ptr);
/* A NUL-terminated copy. */
char *mem_copy(struct slice src) __attribute__((returns_nonnull));
/* For a server of many threads: few arenas, and no giving back and asking again for every message.
 */
void mem_tune(void);
#define mem_new(type) ((type *)mem_alloc(sizeof(type)))
