/* mime_keep.h: copies into an arena within a budget, so that a hostile header cannot fill it. */
#pragma once
#include "base/base.h"

struct arena;

struct mime_keep {
    struct arena *arena;
    size_t bytes_left;
};

/* Zeroed memory, or NULL once the budget is used up. */
void *mime_keep_alloc(struct mime_keep *keep, size_t size);
/* A copy; a slice with a NULL ptr when the budget does not allow it. */
struct slice mime_keep_copy(struct mime_keep *keep, struct slice src);
/* The same in lower case (ASCII). */
struct slice mime_keep_lower(struct mime_keep *keep, struct slice src);
