#include "directory/directory_visible.h"

#include "base/arena.h"
#include "directory/directory_group.h"

#include <uthash.h>

/* One name, and the groups that have it as a member. */
struct directory_members {
    UT_hash_handle hh;
    struct slice name;
    const struct directory_group_document **groups;
    size_t count;
    size_t cap;
};

static bool has(const struct directory_texts *texts, struct slice text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (slice_eq(texts->at[i], text))
            return true;
    return false;
}

static bool names(const struct directory_texts *readers, const struct directory_who *who)
{
    for (size_t i = 0; i < readers->count; i++) {
        struct slice reader = readers->at[i];
        bool fits = reader.ptr[0] == '[' ? has(&who->roles, slice_sub(reader, 1, reader.len - 2))
                                         : slice_eq(reader, who->name) || has(&who->groups, reader);

        if (fits)
            return true;
    }
    return false;
}

bool directory_visible(const struct directory_texts *readers, const struct directory_texts *authors,
                       const struct directory_who *who)
{
    return (readers->count == 0 && authors->count == 0) || names(readers, who) ||
           names(authors, who);
}

/* --- who is in which groups --- */

static void add_member(struct directory_members **table, struct arena *arena,
                       const struct directory_group_document *group, struct slice name)
{
    struct directory_members *entry;

    HASH_FIND(hh, *table, name.ptr, name.len, entry);
    if (entry == NULL) {
        entry = arena_one(arena, struct directory_members);
        entry->name = name;
        HASH_ADD_KEYPTR(hh, *table, entry->name.ptr, entry->name.len, entry);
    }
    if (entry->count == entry->cap)
        entry->groups =
            arena_grow(arena, entry->groups, entry->count, &entry->cap, sizeof(*entry->groups));
    entry->groups[entry->count++] = group;
}

void directory_members_add(struct directory_members **table, struct arena *arena,
                           const struct directory_group_document *group)
{
    for (size_t i = 0; i < group->members.count; i++)
        add_member(table, arena, group, group->members.at[i]);
}

void directory_members_clear(struct directory_members **table)
{
    HASH_CLEAR(hh, *table);
}

static void append(struct arena *arena, struct directory_texts *texts, struct slice text)
{
    if (has(texts, text))
        return;
    if (texts->count == texts->cap)
        texts->at = arena_grow(arena, texts->at, texts->count, &texts->cap, sizeof(text));
    texts->at[texts->count++] = text;
}

static void append_all(struct arena *arena, struct directory_texts *texts,
                       const struct directory_texts *more)
{
    for (size_t i = 0; i < more->count; i++)
        append(arena, texts, more->at[i]);
}

/* Adds the groups that name is a member of, with their roles. */
static void join(const struct directory_members *table, struct arena *arena, struct slice name,
                 struct directory_who *who)
{
    const struct directory_members *entry;

    HASH_FIND(hh, table, name.ptr, name.len, entry);
    for (size_t i = 0; entry != NULL && i < entry->count; i++) {
        append(arena, &who->groups, slice_str(entry->groups[i]->group.name));
        append_all(arena, &who->roles, &entry->groups[i]->roles);
    }
}

void directory_members_who(const struct directory_members *table, struct arena *arena,
                           struct slice name, const struct directory_texts *roles,
                           struct directory_who *who_r)
{
    *who_r = (struct directory_who){.name = name};
    if (roles != NULL)
        append_all(arena, &who_r->roles, roles);
    join(table, arena, name, who_r);
    for (size_t i = 0; i < who_r->groups.count; i++)
        join(table, arena, who_r->groups.at[i], who_r);
}

static bool is_open(const struct directory_common *common)
{
    return common->readers.count == 0 && common->authors.count == 0;
}

/* Whether the reader saw what said `before`. */
static bool saw(const struct directory_members *table, struct arena *arena,
                const struct directory_common *before, struct slice reader)
{
    struct directory_who who;

    if (reader.ptr[0] == '[')
        return has(&before->readers, reader) || has(&before->authors, reader);
    directory_members_who(table, arena, reader, NULL, &who);
    return directory_visible(&before->readers, &before->authors, &who);
}

bool directory_visible_widens(const struct directory_members *table, struct arena *arena,
                              const struct directory_common *before,
                              const struct directory_common *now, struct slice *by_r)
{
    const struct directory_texts *lists[] = {&now->readers, &now->authors};

    *by_r = SLICE("everybody");
    if (is_open(before))
        return false;
    if (is_open(now))
        return true;
    for (size_t k = 0; k < COUNT(lists); k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            if (!saw(table, arena, before, lists[k]->at[i])) {
                *by_r = lists[k]->at[i];
                return true;
            }
    return false;
}
