#include "ews/ews_group.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "directory/directory.h"

#define GROUPS_MAX 100 /* in one another */
#define ADDRESS_BYTES_MAX 1024

struct walk {
    struct arena *arena;
    const struct directory *directory;
    struct slice *members;
    size_t count;
    bool more;
    const struct directory_group *groups[GROUPS_MAX]; /* seen; those from next on wait */
    size_t group_count, next;
};

static void add_address(struct walk *walk, struct slice address)
{
    for (size_t i = 0; i < walk->count; i++)
        if (slice_ieq(walk->members[i], address))
            return;
    if (walk->count == EWS_MEMBERS_MAX)
        walk->more = true;
    else
        walk->members[walk->count++] = arena_copy(walk->arena, address);
}

static void add_group(struct walk *walk, const struct directory_group *group)
{
    for (size_t i = 0; i < walk->group_count; i++)
        if (walk->groups[i] == group)
            return;
    if (walk->group_count == GROUPS_MAX)
        walk->more = true;
    else
        walk->groups[walk->group_count++] = group;
}

static bool find(const struct directory *directory, struct slice name,
                 struct directory_found *found_r)
{
    const size_t at = slice_find_last(name, '@');

    *found_r = (struct directory_found){.via = ""};
    return at == SIZE_MAX ? directory_find_name(directory, name, found_r)
                          : directory_find(directory, slice_sub(name, 0, at),
                                           slice_sub(name, at + 1, name.len), found_r);
}

static void add_member(struct walk *walk, struct slice member)
{
    AUTO(buf) struct buf address = BUF(ADDRESS_BYTES_MAX);
    struct directory_found found;

    if (find(walk->directory, member, &found) && found.group != NULL) {
        add_group(walk, found.group);
        return;
    }
    if (found.person != NULL)
        buf_putf(&address, "%s@%.*s", found.person->name,
                 SLICE_ARG(directory_first_domain(walk->directory)));
    else
        buf_put(&address, member);
    add_address(walk, buf_slice(&address));
}

bool ews_group_members(struct arena *arena, const struct directory *directory, struct slice address,
                       struct slice members_r[EWS_MEMBERS_MAX], size_t *count_r)
{
    struct walk walk = {.arena = arena, .directory = directory, .members = members_r};
    struct directory_found found;

    *count_r = 0;
    if (slice_find(address, '@') == SIZE_MAX || !find(directory, address, &found) ||
        found.group == NULL)
        return false;
    add_group(&walk, found.group);
    for (; walk.next < walk.group_count && !walk.more; walk.next++)
        for (size_t i = 0; i < walk.groups[walk.next]->member_count && !walk.more; i++)
            add_member(&walk, walk.groups[walk.next]->members[i]);
    *count_r = walk.more ? EWS_MEMBERS_MAX + 1 : walk.count;
    return true;
}
