/* directory_check.h: what an editor of documents asks: is the text good, and which of it is secret.
 * Pure. */
#pragma once
#include "directory/directory_text.h"

struct directory_checked {
    struct directory_aliases aliases; /* of a person or a group */
    struct directory_common common;
};

/* Reads the text as the snapshot would; what it says lives in arena. ST_INVALID with a sentence in
 * why that names the line. */
MUST_USE enum st directory_check(enum directory_kind kind, struct arena *arena, struct slice name,
                                 struct slice body, struct directory_checked *checked_r,
                                 struct buf *why);

#define DIRECTORY_MASK "********"
/* The text with a mask for each password and verifier. */
void directory_check_hide(struct slice body, struct buf *out);
/* The text with what stood in `old` where the mask stands. ST_INVALID: nothing stood there; why
 * names the line. */
MUST_USE enum st directory_check_unhide(struct slice body, struct slice old, struct buf *out,
                                        struct buf *why);
