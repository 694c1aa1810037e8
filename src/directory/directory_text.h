/* directory_text.h: the INI text of a document read by a table of its fields. Inside directory/. */
#pragma once
#include "directory/directory.h"

#include "base/slice.h"

struct arena;

#define DIRECTORY_ALIASES_MAX 100
#define DIRECTORY_TEXT_BYTES_MAX \
    170 /* of a name or a verifier: what fits into a line of the document */

/* Other addresses: "x" in every domain, "x@domain", "*" or "*@domain"; lower case. */
struct directory_aliases {
    struct slice at[DIRECTORY_ALIASES_MAX];
    size_t count;
};

struct directory_reading {
    struct arena *arena; /* where what is read lives */
    void *document;
    struct buf *why;
    const char *kind;
    const struct directory_field *fields;
    size_t field_count;
};

/* Takes one value into at, the field's place in the document; ST_INVALID with a sentence in why. */
typedef enum st directory_take_fn(struct directory_reading *reading, void *at, const char *value);

struct directory_field {
    const char *name;
    directory_take_fn *take;
    size_t offset;
};

/* Reads body into reading->document. ST_INVALID: why is "line 3: sentence", or a sentence of the
 * name. */
MUST_USE enum st directory_text_read(struct directory_reading *reading, struct slice name,
                                     struct slice body);
/* Writes the sentence and gives ST_INVALID. */
enum st directory_text_refuse(struct directory_reading *reading, const char *fmt, ...) PRINTF(2, 3);

/* --- fields; the type of *at behind each --- */
directory_take_fn directory_text_take;           /* const char *: at most 170 bytes */
directory_take_fn directory_text_take_bool;      /* bool: yes or no */
directory_take_fn directory_text_take_u64;       /* uint64_t */
directory_take_fn directory_text_take_alias;     /* struct directory_aliases: one more */
directory_take_fn directory_text_take_recipient; /* struct directory_texts: a name or an address */
/* Appends to a list that lives in the reading's arena. */
void directory_text_append(struct directory_reading *reading, struct directory_texts *texts,
                           struct slice text);
