/* directory_person.h: a person document as INI text, and what it says. */
#pragma once
#include "directory/directory.h"

#include "base/slice.h"

struct arena;

#define DIRECTORY_ALIASES_MAX 100
#define DIRECTORY_TEXT_BYTES_MAX \
    170 /* of a name or a verifier: what fits into a line of the document */

struct directory_document {
    struct directory_person person;
    struct slice
        aliases[DIRECTORY_ALIASES_MAX]; /* "x" in every domain, or "x@domain"; lower case */
    size_t alias_count;
};

/* Everything read lives in arena. ST_INVALID with a sentence in why: an unknown field, a bad value.
 */
MUST_USE enum st directory_person_read(struct arena *arena, struct slice name, struct slice body,
                                       struct directory_document *document_r, struct buf *why);
void directory_person_write(const struct directory_document *document, struct buf *body);
/* Whether it can be a person's name: 1 to 64 of a-z 0-9 . - _ ; not a dot at either end. */
bool directory_name_ok(struct slice name);
/* Whether it can be an alias: a name or name@domain, in lower case. */
bool directory_alias_ok(struct slice alias);
