/* directory_kind.h: what there is to know about each kind of document, in one table. Inside
 * directory/. */
#pragma once
#include "directory/directory_text.h"

struct directory_kind_row {
    const char *name;
    size_t size; /* of what is read */
    size_t common_at;
    size_t aliases_at; /* SIZE_MAX: it has none */
    size_t roles_at;   /* SIZE_MAX: it has none */
    enum st (*read)(struct arena *arena, struct slice name, struct slice body, void *read_r,
                    struct buf *why);
};
extern const struct directory_kind_row directory_kinds[DIRECTORY_KIND_MAX];
