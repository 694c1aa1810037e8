/* Looking up in a snapshot. */
#include "base/arena.h"
#include "base/slice.h"
#include "directory/directory.h"
#include "directory/directory_data.h"
#include "directory/directory_person.h"

#include <string.h>

bool directory_domain_is_local(const struct directory *directory, struct slice domain)
{
    for (size_t i = 0; i < directory->domain_count; i++)
        if (slice_ieq(directory->domains[i], domain))
            return true;
    return false;
}

struct slice directory_first_domain(const struct directory *directory)
{
    return directory->domain_count > 0 ? directory->domains[0] : SLICE("localhost");
}

const struct directory_person *directory_login(const struct directory *directory, struct slice name)
{
    size_t at = slice_find(name, '@');
    const struct directory_entry *entry = NULL;

    if (at == SIZE_MAX)
        entry = directory_names_find(&directory->names, name);
    else if (directory_domain_is_local(directory, slice_sub(name, at + 1, name.len)))
        entry = directory_names_find(&directory->names, slice_sub(name, 0, at));
    return entry != NULL ? entry->person : NULL;
}

/* True, where entry is somebody. */
static bool found(const struct directory_entry *entry, const char *via,
                  struct directory_found *found_r)
{
    if (entry == NULL)
        return false;
    *found_r = (struct directory_found){entry->person, entry->group, via};
    return true;
}

bool directory_find_name(const struct directory *directory, struct slice name,
                         struct directory_found *found_r)
{
    const struct directory_names *names = &directory->names;

    return found(directory_names_find(names, name), "direct", found_r) ||
           found(directory_names_find_alias(names, name, SLICE("")), "alias", found_r);
}

static bool find_exact(const struct directory *directory, struct slice local, struct slice domain,
                       struct directory_found *found_r)
{
    const struct directory_entry *entry =
        directory_names_find_alias(&directory->names, local, domain);

    if (slice_eq(local, SLICE("*")))
        return false; /* a catch-all is nobody's address */
    return found(entry, "alias", found_r) || (directory_domain_is_local(directory, domain) &&
                                              directory_find_name(directory, local, found_r));
}

/* name+detail is name's. */
static bool find_own(const struct directory *directory, struct slice local, struct slice domain,
                     struct directory_found *found_r)
{
    size_t plus = slice_find(local, '+');

    return find_exact(directory, local, domain, found_r) ||
           (plus != SIZE_MAX && plus > 0 &&
            find_exact(directory, slice_sub(local, 0, plus), domain, found_r));
}

static bool find_catch_all(const struct directory *directory, struct slice domain,
                           struct directory_found *found_r)
{
    const struct directory_names *names = &directory->names;
    const struct directory_entry *entry = directory_names_find_alias(names, SLICE("*"), domain);

    if (entry == NULL && directory_domain_is_local(directory, domain))
        entry = directory_names_find_alias(names, SLICE("*"), SLICE(""));
    return found(entry, "catch-all", found_r);
}

bool directory_find(const struct directory *directory, struct slice local, struct slice domain,
                    struct directory_found *found_r)
{
    if (find_own(directory, local, domain, found_r))
        return true;
    if (!slice_ieq(local, SLICE("postmaster")) || !directory_domain_is_local(directory, domain))
        return find_catch_all(directory, domain, found_r);
    *found_r = (struct directory_found){directory->postmaster, NULL, "postmaster"};
    return directory->postmaster != NULL;
}

const struct directory_person *directory_postmaster(const struct directory *directory)
{
    return directory->postmaster;
}

bool directory_owns(const struct directory *directory, const struct directory_person *person,
                    struct slice local, struct slice domain)
{
    struct directory_found owner;

    return find_own(directory, local, domain, &owner) && owner.person != NULL &&
           strcmp(owner.person->name, person->name) == 0;
}

const char *directory_owner(const struct directory *directory, struct slice alias)
{
    const struct directory_names *names = &directory->names;
    const struct directory_entry *entry = NULL;
    struct directory_found owner;
    struct slice local;
    struct slice domain;

    directory_name_split(alias, &local, &domain);
    if (directory_name_is_catch_all(alias))
        entry = directory_names_find_alias(names, local, domain);
    else if (find_exact(directory, local,
                        domain.len > 0 ? domain : directory_first_domain(directory), &owner))
        return owner.person != NULL ? owner.person->name : owner.group->name;
    return entry != NULL ? entry->name : NULL;
}

struct telling {
    directory_alias_fn *fn;
    void *ctx;
};

static void tell_alias(void *ctx, struct slice key)
{
    const struct telling *telling = ctx;
    struct slice local;
    struct slice domain;

    if (directory_name_is_catch_all(key))
        return;
    directory_name_split(key, &local, &domain);
    telling->fn(telling->ctx, local, domain);
}

void directory_aliases(const struct directory *directory, struct slice name, directory_alias_fn *fn,
                       void *ctx)
{
    const struct directory_entry *entry = directory_names_find(&directory->names, name);
    struct telling telling = {fn, ctx};

    if (entry != NULL)
        directory_names_aliases(&directory->names, entry, tell_alias, &telling);
}

const struct directory_group *directory_group(const struct directory *directory, struct slice name)
{
    const struct directory_entry *entry = directory_names_find(&directory->names, name);

    return entry != NULL && slice_eq(slice_str(entry->name), name) ? entry->group : NULL;
}

static bool has_text(const struct directory_texts *texts, struct slice text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (slice_eq(texts->at[i], text))
            return true;
    return false;
}

static void add_groups(const struct directory *directory, struct arena *arena, struct slice name,
                       struct directory_texts *groups)
{
    const struct directory_texts none = {.count = 0};
    struct directory_who who = {.name = name};

    directory_members_who(directory->members, arena, name, &none, &who);
    for (size_t i = 0; i < who.groups.count; i++) {
        if (has_text(groups, who.groups.at[i]))
            continue;
        if (groups->count == groups->cap)
            groups->at =
                arena_grow(arena, groups->at, groups->count, &groups->cap, sizeof(*groups->at));
        groups->at[groups->count++] = who.groups.at[i];
    }
}

void directory_groups_of(const struct directory *directory, struct arena *arena, struct slice name,
                         struct directory_texts *groups_r)
{
    *groups_r = (struct directory_texts){.count = 0};
    add_groups(directory, arena, name, groups_r);
    for (size_t i = 0; i < directory->domain_count; i++)
        add_groups(directory, arena, directory_name_join(arena, name, directory->domains[i]),
                   groups_r);
}

const struct slice *directory_domain(const struct directory *directory, size_t at)
{
    return at < directory->domain_count ? &directory->domains[at] : NULL;
}

size_t directory_connections(const struct directory *directory, struct slice domain,
                             const struct directory_connection **list_r, size_t max)
{
    return directory_match_find(directory->connections, domain, list_r, max);
}

const struct directory_server *directory_server(const struct directory *directory,
                                                struct slice name)
{
    return directory_elsewhere_server(&directory->elsewhere, name);
}

void directory_server_each(const struct directory *directory, directory_server_fn *fn, void *ctx)
{
    directory_elsewhere_each(&directory->elsewhere, fn, ctx);
}

const struct directory_cluster *directory_cluster_of(const struct directory *directory,
                                                     struct slice server)
{
    return directory_elsewhere_cluster(&directory->elsewhere, server);
}

size_t directory_foreign(const struct directory *directory, struct slice domain,
                         const struct directory_foreign **list_r, size_t max)
{
    return directory_elsewhere_foreign(directory->elsewhere.foreigns, domain, list_r, max);
}

size_t directory_foreign_shared(const struct directory *directory, struct slice domain,
                                const struct directory_foreign **list_r, size_t max)
{
    return directory_elsewhere_foreign(directory->elsewhere.shared, domain, list_r, max);
}

size_t directory_foreign_gateway(const struct directory *directory, struct slice server,
                                 const struct directory_foreign **list_r, size_t max)
{
    return directory_elsewhere_foreign(directory->elsewhere.gateways, server, list_r, max);
}

bool directory_foreign_is_seen_by(const struct directory_foreign *foreign, struct slice server)
{
    for (size_t i = 0; i < foreign->seen_by_count; i++)
        if (slice_ieq(foreign->seen_by[i], server))
            return true;
    return !foreign->guarded;
}

bool directory_foreign_rewrite(const struct directory_foreign *foreign, enum directory_way way,
                               struct arena *arena, struct slice *local, struct slice *domain)
{
    return directory_rule_rewrite(way == DIRECTORY_OUT ? foreign->out : foreign->in, arena, local,
                                  domain);
}

bool directory_rewrite(const struct directory *directory, enum directory_rewrite kind,
                       struct arena *arena, struct slice *local, struct slice *domain)
{
    return directory_rule_rewrite(&directory->rules[kind], arena, local, domain);
}

static const char *const tls_names[] = {
    [DIRECTORY_TLS_SETTING] = "setting",
    [DIRECTORY_TLS_NONE] = "none",
    [DIRECTORY_TLS_OPPORTUNISTIC] = "opportunistic",
    [DIRECTORY_TLS_REQUIRED] = "required",
    [DIRECTORY_TLS_VERIFIED] = "verified",
};
static_assert(COUNT(tls_names) == DIRECTORY_TLS_MAX, "one name for each");

enum st directory_tls_find(struct slice name, enum directory_tls *tls_r)
{
    for (size_t i = DIRECTORY_TLS_NONE; i < COUNT(tls_names); i++)
        if (slice_eq(slice_str(tls_names[i]), name)) {
            *tls_r = (enum directory_tls)i;
            return ST_OK;
        }
    return ST_INVALID;
}

void directory_each(const struct directory *directory, directory_fn *fn, void *ctx)
{
    for (const struct directory_entry *entry = directory->names.first; entry != NULL;
         entry = entry->next)
        fn(ctx, entry->person);
}
