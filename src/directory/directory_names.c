#include "directory/directory_names.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"

#include <string.h>
#include <utlist.h>

#define KEY_BYTES_MAX 400
#define ROWS_MIN 64

/* A name or an alias and whose it is; names and aliases share the table, not the space. */
struct directory_row {
    const char *key; /* a name; "local@domain", or "local" for every domain; NULL: free */
    struct directory_entry *entry;
    uint32_t hash;
    uint16_t len;
    bool alias;
};

void directory_names_clear(struct directory_names *names)
{
    mem_free(names->rows);
    *names = (struct directory_names){.rows = NULL};
    names->tail = &names->first;
}

static void refuse(const struct directory_entry *entry, struct slice alias, const char *why)
{
    log_event(EV_DIRECTORY_REFUSED, 0, LOG_C("kind", entry->group != NULL ? "group" : "person"),
              LOG_C("name", entry->name), LOG_S("alias", alias), LOG_C("why", why));
}

/* FNV-1a; who writes documents of the domain needs no collisions to slow its servers. */
static uint32_t hash_of(struct slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The key's row, or the free one where it belongs. */
static struct directory_row *row_of(const struct directory_names *names, uint32_t hash,
                                    struct slice key, bool alias)
{
    size_t at = hash & (names->row_max - 1);
    struct directory_row *row = &names->rows[at];

    while (row->key != NULL && (row->hash != hash || row->alias != alias || row->len != key.len ||
                                memcmp(row->key, key.ptr, key.len) != 0)) {
        at = (at + 1) & (names->row_max - 1);
        row = &names->rows[at];
    }
    return row;
}

static struct directory_entry *find(const struct directory_names *names, struct slice key,
                                    bool alias)
{
    return names->row_count > 0 && key.len > 0 ? row_of(names, hash_of(key), key, alias)->entry
                                               : NULL;
}

/* Twice as many rows; three quarters of them are used at most. */
static void grow(struct directory_names *names)
{
    struct directory_names larger = *names;

    larger.row_max = names->row_max > 0 ? 2 * names->row_max : ROWS_MIN;
    larger.rows = mem_alloc(larger.row_max * sizeof(*larger.rows));
    for (size_t i = 0; i < names->row_max; i++) {
        const struct directory_row *row = &names->rows[i];

        if (row->key != NULL)
            *row_of(&larger, row->hash, (struct slice){row->key, row->len}, row->alias) = *row;
    }
    mem_free(names->rows);
    names->rows = larger.rows;
    names->row_max = larger.row_max;
}

/* The key is the arena's; false: somebody has it. */
static bool add_key(struct directory_names *names, struct slice key, bool alias,
                    struct directory_entry *entry)
{
    if (names->row_count >= names->row_max / 4 * 3)
        grow(names);
    uint32_t hash = hash_of(key);
    struct directory_row *row = row_of(names, hash, key, alias);
    if (row->key != NULL)
        return false;
    *row = (struct directory_row){key.ptr, entry, hash, (uint16_t)key.len, alias};
    names->row_count++;
    return true;
}

static bool add(struct directory_names *names, struct directory_entry *entry,
                const struct directory_aliases *aliases)
{
    if (!add_key(names, slice_str(entry->name), false, entry)) {
        refuse(entry, SLICE(""), "a person has the name");
        return false;
    }
    for (size_t i = 0; i < aliases->count; i++)
        if (!add_key(names, aliases->at[i], true, entry))
            refuse(entry, aliases->at[i], "another one has it");
    return true;
}

bool directory_names_add_person(struct directory_names *names, struct arena *arena,
                                const struct directory_person *person,
                                const struct directory_aliases *aliases)
{
    struct directory_entry *entry = arena_one(arena, struct directory_entry);

    entry->name = person->name;
    entry->person = arena_one(arena, struct directory_person);
    *entry->person = *person;
    if (!add(names, entry, aliases))
        return false;
    *names->tail = entry;
    names->tail = &entry->next;
    names->person_count++;
    return true;
}

bool directory_names_add_group(struct directory_names *names, struct arena *arena,
                               const struct directory_group *group,
                               const struct directory_aliases *aliases)
{
    struct directory_entry *entry = arena_one(arena, struct directory_entry);
    struct directory_group *copy = arena_one(arena, struct directory_group);

    *copy = *group;
    entry->name = group->name;
    entry->group = copy;
    names->group_count++;
    return add(names, entry, aliases);
}

void directory_names_aliases(const struct directory_names *names,
                             const struct directory_entry *entry, directory_names_fn *fn, void *ctx)
{
    for (size_t i = 0; i < names->row_max; i++) {
        const struct directory_row *row = &names->rows[i];

        if (row->key != NULL && row->alias && row->entry == entry)
            fn(ctx, (struct slice){row->key, row->len});
    }
}

static int compare_names(const struct directory_entry *a, const struct directory_entry *b)
{
    return strcmp(a->name, b->name);
}

void directory_names_sort(struct directory_names *names)
{
    LL_SORT(names->first, compare_names);
    names->tail = &names->first;
    while (*names->tail != NULL)
        names->tail = &(*names->tail)->next;
}

static struct slice key_of(char key[KEY_BYTES_MAX], struct slice local, struct slice domain)
{
    size_t len = 0;

    if (local.len + domain.len + 1 >= KEY_BYTES_MAX)
        return SLICE("");
    for (size_t i = 0; i < local.len; i++)
        key[len++] = local.ptr[i];
    if (domain.len > 0)
        key[len++] = '@';
    for (size_t i = 0; i < domain.len; i++)
        key[len++] = domain.ptr[i];
    for (size_t i = 0; i < len; i++)
        if (key[i] >= 'A' && key[i] <= 'Z')
            key[i] = (char)(key[i] + ('a' - 'A'));
    return (struct slice){key, len};
}

struct directory_entry *directory_names_find(const struct directory_names *names, struct slice name)
{
    char room[KEY_BYTES_MAX];

    return find(names, key_of(room, name, SLICE("")), false);
}

struct directory_entry *directory_names_find_alias(const struct directory_names *names,
                                                   struct slice local, struct slice domain)
{
    char room[KEY_BYTES_MAX];

    return find(names, key_of(room, local, domain), true);
}
