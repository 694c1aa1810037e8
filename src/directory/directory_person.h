/* directory_person.h: a person document as INI text, and what it says. */
#pragma once
#include "directory/directory_name.h"
#include "directory/directory_text.h"

#define DIRECTORY_FORWARDS_MAX 100

struct directory_document {
    struct directory_person person;
    struct directory_aliases aliases;
    struct directory_common common;
    struct directory_texts servers; /* what person.servers points to */
    struct directory_texts roles;
    struct directory_texts forwards; /* what person.forwards points to */
};

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line: an unknown
 * field, a bad value. */
MUST_USE enum st directory_person_read(struct arena *arena, struct slice name, struct slice body,
                                       struct directory_document *document_r, struct buf *why);
/* The forwards and servers written are document->forwards and document->servers. */
void directory_person_write(const struct directory_document *document, struct buf *body);
