/* directory_group.h: a group document as INI text, and what it says.
 *
 *   full_name = Sales
 *   member = alice                (a person or another group)
 *   member = bob@example.net      (an address, here or anywhere)
 *   role = directory-readers      (what its members are, for readers and authors)
 *   alias = shop@example.org */
#pragma once
#include "directory/directory_text.h"

struct directory_group_document {
    struct directory_group group;
    struct directory_common common;
    struct directory_texts roles;
    struct directory_aliases aliases;
    struct directory_texts members; /* what group.members points to */
};

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line. */
MUST_USE enum st directory_group_read(struct arena *arena, struct slice name, struct slice body,
                                      struct directory_group_document *document_r, struct buf *why);
