/* directory_names.h: who has which name and which alias: the snapshot's tables. Inside directory/.
 *
 * Persons and groups share one space of names. */
#pragma once
#include "directory/directory_text.h"

/* A person or a group. */
struct directory_entry {
    const char *name;                    /* lower case */
    const struct directory_group *group; /* NULL: a person */
    struct directory_person *person;     /* NULL: a group */
    struct directory_entry *next;        /* of the persons, in the order of names */
};

struct directory_row;

struct directory_names {
    struct directory_row *rows; /* open addressing; row_max is a power of 2 */
    size_t row_max;
    size_t row_count;
    struct directory_entry *first, **tail; /* persons */
    size_t person_count;
    size_t group_count;
};

void directory_names_clear(struct directory_names *names);
/* Both live in the arena, as their copies and all their texts do; false, logged: the name is taken.
 * Aliases that are taken are logged and left out. */
bool directory_names_add_person(struct directory_names *names, struct arena *arena,
                                const struct directory_person *person,
                                const struct directory_aliases *aliases);
bool directory_names_add_group(struct directory_names *names, struct arena *arena,
                               const struct directory_group *group,
                               const struct directory_aliases *aliases);

/* Calls fn with the key of each of the entry's aliases. */
typedef void directory_names_fn(void *ctx, struct slice key);
void directory_names_aliases(const struct directory_names *names,
                             const struct directory_entry *entry, directory_names_fn *fn,
                             void *ctx);

/* The persons are in the order of their names again. */
void directory_names_sort(struct directory_names *names);

/* Without case; NULL: nobody. */
struct directory_entry *directory_names_find(const struct directory_names *names,
                                             struct slice name);
/* The alias "local@domain", or with an empty domain "local". */
struct directory_entry *directory_names_find_alias(const struct directory_names *names,
                                                   struct slice local, struct slice domain);
