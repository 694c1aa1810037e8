/* admin_person.h: persons made, changed and removed: document and account in one transaction.
 *
 * directory_open() was called with the store: names and aliases are checked against its snapshot.
 * why gets one sentence for every status but ST_OK. */
#pragma once
#include "directory/directory_person.h"

struct store;

struct admin_person {
    struct slice name; /* lower case; checked by directory_name_ok() */
    struct slice full_name;
    struct slice password; /* empty: no log-in until one is set */
    const struct slice *aliases;
    size_t alias_count;
    const struct slice *servers; /* that hold the account; none: whoever has the store */
    size_t server_count;
    uint64_t quota_bytes; /* 0: the setting's */
    bool admin;
    enum directory_person_kind kind;
};

#define ADMIN_PERSONS_MAX 1000 /* in one transaction */

/* All of them or none; why names the one at fault. ST_INVALID, ST_EXISTS. */
MUST_USE enum st admin_person_add(struct store *store, const struct admin_person *persons,
                                  size_t count, struct buf *why);
/* fn changes the document of the person; may be called again. ST_NOT_FOUND. */
typedef enum st admin_person_fn(void *ctx, struct arena *arena, struct directory_document *document,
                                struct buf *why);
MUST_USE enum st admin_person_change(struct store *store, struct slice name, admin_person_fn *fn,
                                     void *ctx, struct buf *why);
MUST_USE enum st admin_person_password(struct store *store, struct slice name,
                                       struct slice password, struct buf *why);
MUST_USE enum st admin_person_rename(struct store *store, struct slice name, struct slice to,
                                     struct buf *why);
/* With all mail. */
MUST_USE enum st admin_person_remove(struct store *store, struct slice name, struct buf *why);

/* Whether the person or group `name` may be called so: nobody of the other kind is, and no alias
 * is. ST_INVALID, ST_EXISTS. */
MUST_USE enum st admin_person_name_check(struct slice name, bool group, struct buf *why);
/* Whether the person or group `self` may have the alias. ST_INVALID, ST_EXISTS: somebody else has
 * it. */
MUST_USE enum st admin_person_alias_check(struct slice alias, struct slice self, struct buf *why);
/* Text for a line of a document: no control characters, nothing the INI reader would cut. */
bool admin_person_text_ok(struct slice text);

/* One change of a name or an alias at a time, whatever the document: held while the change is
 * checked and made. */
void admin_person_lock(void);
void admin_person_unlock(void);
