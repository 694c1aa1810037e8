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
    struct directory_room room;      /* what person.room points to */
    unsigned room_lines;             /* how much of room is said */
};

/* "person", "room", "resource"; false: another word. */
bool directory_person_kind_find(struct slice word, enum directory_person_kind *kind_r);

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line: an unknown
 * field, a bad value. */
MUST_USE enum st directory_person_read(struct arena *arena, struct slice name, struct slice body,
                                       struct directory_document *document_r, struct buf *why);
/* The forwards, servers and room written are those of the document, not of its person. */
void directory_person_write(const struct directory_document *document, struct buf *body);
