#include "directory/directory_names.h"

#include "base/arena.h"
#include "log/log.h"

#include <string.h>
#include <utlist.h>

#define KEY_BYTES_MAX 400

struct directory_alias {
    UT_hash_handle hh;
    const char *key; /* "local@domain", or "local" for every domain */
    struct directory_entry *entry;
};

void directory_names_clear(struct directory_names *names)
{
    HASH_CLEAR(hh, names->entries);
    HASH_CLEAR(hh, names->aliases);
    *names = (struct directory_names){.entries = NULL};
    names->tail = &names->first;
}

static void refuse(const struct directory_entry *entry, struct slice alias, const char *why)
{
    log_event(EV_DIRECTORY_REFUSED, 0, LOG_C("kind", entry->group != NULL ? "group" : "person"),
              LOG_C("name", entry->name), LOG_S("alias", alias), LOG_C("why", why));
}

static void add_alias(struct directory_names *names, struct arena *arena, struct slice key,
                      struct directory_entry *entry)
{
    struct directory_alias *alias;

    HASH_FIND(hh, names->aliases, key.ptr, key.len, alias);
    if (alias != NULL) {
        refuse(entry, key, "another one has it");
        return;
    }
    alias = arena_one(arena, struct directory_alias);
    alias->key = slice_cstr(arena, key);
    alias->entry = entry;
    HASH_ADD_KEYPTR(hh, names->aliases, alias->key, key.len, alias);
}

static bool add(struct directory_names *names, struct arena *arena, struct directory_entry *entry,
                const struct directory_aliases *aliases)
{
    struct directory_entry *other;
    size_t len = strlen(entry->name);

    HASH_FIND(hh, names->entries, entry->name, len, other);
    if (other != NULL) {
        refuse(entry, SLICE(""), "a person has the name");
        return false;
    }
    HASH_ADD_KEYPTR(hh, names->entries, entry->name, len, entry);
    for (size_t i = 0; i < aliases->count; i++)
        add_alias(names, arena, aliases->at[i], entry);
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
    if (!add(names, arena, entry, aliases))
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
    return add(names, arena, entry, aliases);
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
    struct directory_entry *entry;
    char room[KEY_BYTES_MAX];
    struct slice key = key_of(room, name, SLICE(""));

    HASH_FIND(hh, names->entries, key.ptr, key.len, entry);
    return entry;
}

struct directory_entry *directory_names_find_alias(const struct directory_names *names,
                                                   struct slice local, struct slice domain)
{
    struct directory_alias *alias;
    char room[KEY_BYTES_MAX];
    struct slice key = key_of(room, local, domain);

    HASH_FIND(hh, names->aliases, key.ptr, key.len, alias);
    return alias != NULL ? alias->entry : NULL;
}
