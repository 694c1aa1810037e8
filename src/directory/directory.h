/* directory.h: the domain's documents as an immutable snapshot: who is who, and who has which
 * address.
 *
 * Log-in and recipient look-up read the snapshot in memory; no query. A change of a document makes
 * a new snapshot; readers of the old one go on undisturbed. */
#pragma once
#include "base/base.h"

struct directory;
struct store;
struct buf;

#define DIRECTORY_NAME_BYTES_MAX 255

struct directory_person {
    const char *name; /* log-in name and account name, lower case */
    const char *full_name;
    const char *yescrypt; /* "" : no password, cannot log in with PLAIN */
    const char *scram;    /* "SCRAM-SHA-256$..." or "" */
    uint64_t quota_bytes; /* 0: the setting's */
    bool disabled;        /* cannot log in; mail is still taken */
    bool admin;
    int64_t account_id; /* the account in this store; 0: none here */
};

/* The newest snapshot, with a reference; never NULL after directory_open(). */
const struct directory *directory_ref(void);
void directory_unref(const struct directory **directory);
static inline void directory_cleanup(const struct directory **directory)
{
    directory_unref(directory);
}
/* AUTO_DIRECTORY const struct directory *dir = directory_ref(); */
#define AUTO_DIRECTORY __attribute__((cleanup(directory_cleanup)))

/* By log-in name: "alice" or "alice@example.test" with a domain served here; without case. NULL. */
const struct directory_person *directory_login(const struct directory *directory,
                                               struct slice name);
/* By mail address (local part, domain): a person's own name, an alias, name+detail; postmaster
 * always reaches somebody. Without case. NULL: nobody. */
const struct directory_person *directory_address(const struct directory *directory,
                                                 struct slice local, struct slice domain);
/* Whether the person may send as this address (its own, or one of its aliases). */
bool directory_owns(const struct directory *directory, const struct directory_person *person,
                    struct slice local, struct slice domain);
bool directory_domain_is_local(const struct directory *directory, struct slice domain);

/* --- life --- */

/* Makes the first snapshot. From then on a change of a document in the store, by any server, has
 * the next directory_ref() make a new one; conf_get() is looked at then too. */
MUST_USE enum st directory_open(struct store *store);
void directory_close(void);
void directory_reload(void); /* the settings changed */

/* Calls fn for each person in the order of their names. */
typedef void directory_fn(void *ctx, const struct directory_person *person);
void directory_each(const struct directory *directory, directory_fn *fn, void *ctx);

/* The first of the domains served here. */
struct slice directory_first_domain(const struct directory *directory);
