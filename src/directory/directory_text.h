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

#define DIRECTORY_PRIORITY 100 /* where a document does not say */
#define DIRECTORY_PRIORITY_MAX 1000000
#define DIRECTORY_READERS_MAX 1000 /* and as many authors */

/* What every document may say. */
struct directory_common {
    uint64_t priority;              /* lower first */
    struct directory_texts readers; /* names and "[roles]", lower case */
    struct directory_texts authors;
};

struct directory_reading {
    struct arena *arena; /* where what is read lives */
    void *document;
    struct buf *why;
    const char *kind;
    const struct directory_field *fields;
    size_t field_count;
    struct directory_common *common;
};

/* Takes one value into at, the field's place in the document; ST_INVALID with a sentence in why. */
typedef enum st directory_take_fn(struct directory_reading *reading, void *at, const char *value);

struct directory_field {
    const char *name;
    directory_take_fn *take;
    size_t offset;
};

/* Reads body into reading->document, and what every document may say into reading->common.
 * ST_INVALID: why is "line 3: sentence", or a sentence of the name. */
MUST_USE enum st directory_text_read(struct directory_reading *reading, struct slice name,
                                     struct slice body);
/* Writes the sentence and gives ST_INVALID. */
enum st directory_text_refuse(struct directory_reading *reading, const char *fmt, ...) PRINTF(2, 3);

/* --- fields; the type of *at behind each --- */
directory_take_fn directory_text_take;           /* const char *: at most 170 bytes */
directory_take_fn directory_text_take_bool;      /* bool: yes or no */
directory_take_fn directory_text_take_u64;       /* uint64_t */
directory_take_fn directory_text_take_alias;     /* struct directory_aliases: one more */
directory_take_fn directory_text_take_name;      /* const char *: a document's name */
directory_take_fn directory_text_take_names;     /* struct directory_texts: one name more */
directory_take_fn directory_text_take_recipient; /* struct directory_texts: a name or an address */
/* A number between min and max. */
enum st directory_text_take_number(struct directory_reading *reading, uint64_t *number,
                                   const char *value, uint64_t min, uint64_t max);
/* Writes the lines of what every document may say, where it is said. */
void directory_text_write_common(const struct directory_common *common, struct buf *body);
void directory_text_write_list(const char *field, const struct directory_texts *texts,
                               struct buf *body);
/* Appends to a list that lives in the reading's arena. */
void directory_text_append(struct directory_reading *reading, struct directory_texts *texts,
                           struct slice text);
