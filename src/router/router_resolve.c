#include "router/router_resolve.h"

#include "base/arena.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "directory/directory_name.h"

#include <stdio.h>
#include <stdlib.h>

/* The tables lie in the arena and go with it. Every function that adds to one has `targets`. */
#undef uthash_malloc
#undef uthash_free
#define uthash_malloc(size) arena_alloc(targets->arena, 1, (size))
#define uthash_free(ptr, size) ((void)(ptr), (void)(size))

#define ROUNDS 4                      /* look-ups at most, in times of what they may lead to */
#define TOGETHER_MAX ((size_t)100000) /* of a transaction, beyond group_members_max */
#define VIA_BYTES_MAX 120

/* A group or a person with forwards that was looked at, and in which resolution last. */
struct router_visit {
    UT_hash_handle hh;
    const void *document;
    uint64_t seen;
};

/* How the resolution came to a place. */
struct way {
    const char *via;
    bool expanded;
    bool forwarded;
};

/* A group or a person with forwards whose list is still to be followed. */
struct step {
    struct step *next;
    const struct slice *list;
    size_t count;
    struct way way;
};

struct resolving {
    const struct directory *directory;
    struct router_targets *targets;
    struct router_reach *reach;
    size_t reach_cap;
    struct step *first, **tail;
    size_t looked_count;
    size_t max;
    bool no_store; /* somebody is known whose account is not here */
    bool too_many;
};

/* --- targets --- */

/* Notes that the recipient leads to the target, once. */
static void link_target(struct resolving *r, struct router_target *target)
{
    struct router_reach *reach = r->reach;

    if (target->seen == r->targets->serial)
        return;
    target->seen = r->targets->serial;
    if (reach->count == r->max) {
        r->too_many = true;
        return;
    }
    if (reach->count == r->reach_cap)
        reach->targets = arena_grow(r->targets->arena, reach->targets, reach->count, &r->reach_cap,
                                    sizeof(struct router_target *));
    reach->targets[reach->count++] = target;
}

static struct router_target *append(struct resolving *r, const struct router_target *like)
{
    struct router_targets *targets = r->targets;
    struct router_target *target = arena_one(targets->arena, struct router_target);

    *target = *like;
    if (targets->count == targets->cap)
        targets->list = arena_grow(targets->arena, targets->list, targets->count, &targets->cap,
                                   sizeof(struct router_target *));
    targets->list[targets->count++] = target;
    return target;
}

static struct router_target base_target(const struct resolving *r, const struct way *way)
{
    return (struct router_target){.rcpt = r->targets->rcpt_count,
                                  .via = way->via,
                                  .expanded = way->expanded,
                                  .forwarded = way->forwarded};
}

static void lose(struct resolving *r, struct slice text)
{
    if (r->reach->lost_count++ == 0)
        r->reach->lost = slice_cstr(r->targets->arena, text);
}

static void take_address(struct resolving *r, struct slice local, struct slice domain,
                         const struct way *way)
{
    struct router_targets *targets = r->targets;
    struct router_target like = base_target(r, way);
    struct router_target *target;
    struct slice lower = slice_lower(targets->arena, domain);
    struct slice text = directory_name_join(targets->arena, local, lower);

    HASH_FIND(hh, targets->addresses, text.ptr, text.len, target);
    if (target == NULL) {
        like.kind = ROUTER_REMOTE;
        like.address = text;
        like.domain = lower;
        target = append(r, &like);
        HASH_ADD_KEYPTR(hh, targets->addresses, target->address.ptr, target->address.len, target);
    }
    link_target(r, target);
}

static void take_account(struct resolving *r, const struct directory_person *person,
                         const struct way *way)
{
    struct router_targets *targets = r->targets;
    struct router_target like = base_target(r, way);
    struct router_target *target;

    if (person->account_id == 0 && person->server_count > 0) {
        take_address(r, slice_str(person->name), directory_first_domain(r->directory), way);
        return;
    }
    if (person->account_id == 0) {
        r->no_store = true;
        lose(r, slice_str(person->name));
        return;
    }
    HASH_FIND(hh, targets->accounts, &person->account_id, sizeof(person->account_id), target);
    if (target == NULL) {
        like.kind = ROUTER_LOCAL;
        like.account_id = person->account_id;
        like.quota_bytes = person->quota_bytes != 0 ? person->quota_bytes : conf_get()->quota_bytes;
        like.name = slice_cstr(targets->arena, slice_str(person->name));
        target = append(r, &like);
        HASH_ADD(hh, targets->accounts, account_id, sizeof(target->account_id), target);
    }
    link_target(r, target);
}

/* --- following --- */

/* True the first time in this resolution. */
static bool visit(struct resolving *r, const void *document)
{
    struct router_targets *targets = r->targets;
    struct router_visit *v;

    HASH_FIND(hh, targets->visits, &document, sizeof(document), v);
    if (v == NULL) {
        v = arena_one(targets->arena, struct router_visit);
        v->document = document;
        HASH_ADD(hh, targets->visits, document, sizeof(v->document), v);
    }
    bool first = v->seen != targets->serial;
    v->seen = targets->serial;
    return first;
}

static const char *via(struct resolving *r, const char *what, const char *name)
{
    char text[VIA_BYTES_MAX];

    snprintf(text, sizeof(text), "%s %s", what, name);
    return slice_cstr(r->targets->arena, slice_str(text));
}

static void follow_later(struct resolving *r, const struct slice *list, size_t count,
                         struct way way)
{
    struct step *step = arena_one(r->targets->arena, struct step);

    *step = (struct step){.list = list, .count = count, .way = way};
    *r->tail = step;
    r->tail = &step->next;
}

static void take_person(struct resolving *r, const struct directory_person *person,
                        const struct way *way)
{
    if (person->forward_count == 0 || person->forward_keep)
        take_account(r, person, way);
    if (person->forward_count > 0 && visit(r, person))
        follow_later(r, person->forwards, person->forward_count,
                     (struct way){via(r, "forward of", person->name), way->expanded, true});
}

static void take_found(struct resolving *r, const struct directory_found *found,
                       const struct way *way)
{
    if (found->person != NULL)
        take_person(r, found->person, way);
    else if (visit(r, found->group))
        follow_later(r, found->group->members, found->group->member_count,
                     (struct way){via(r, "group", found->group->name), true, way->forwarded});
}

/* Whoever of the domain is not here lives in a foreign system that has it too. */
static bool is_shared(const struct resolving *r, struct slice domain)
{
    const struct directory_foreign *first;

    return domain.len > 0 && directory_foreign_shared(r->directory, domain, &first, 1) > 0;
}

/* A group's member or a person's forward: a name or an address. */
static void take_text(struct resolving *r, struct slice text, const struct way *way)
{
    struct directory_found found;
    struct slice local;
    struct slice domain;

    r->targets->looked_count++;
    if (++r->looked_count > ROUNDS * r->max) {
        r->too_many = true;
        return;
    }
    directory_name_split(text, &local, &domain);
    bool known = domain.len == 0 ? directory_find_name(r->directory, local, &found)
                                 : directory_find(r->directory, local, domain, &found);
    if (known)
        take_found(r, &found, way);
    else if (domain.len == 0 ||
             (directory_domain_is_local(r->directory, domain) && !is_shared(r, domain)))
        lose(r, text);
    else
        take_address(r, local, domain, way);
}

static void follow_all(struct resolving *r)
{
    for (const struct step *step = r->first; step != NULL; step = step->next)
        for (size_t i = 0; i < step->count && !r->too_many; i++)
            take_text(r, step->list[i], &step->way);
}

/* --- one recipient --- */

static void begin(struct resolving *r)
{
    struct router_targets *targets = r->targets;

    r->tail = &r->first;
    r->max = conf_get()->group_members_max;
    targets->serial++;
    targets->undo_count = targets->count;
    targets->undo_linked = targets->linked_count;
    targets->looked_count++;
    *r->reach = (struct router_reach){.lost = ""};
}

/* What the directory says of the address as it now stands. */
static enum router_verdict look_up(struct resolving *r, struct slice local, struct slice domain,
                                   bool rewritten)
{
    struct directory_found found;
    struct way way = {.via = rewritten ? "rewritten" : "direct"};

    if (directory_find(r->directory, local, domain, &found)) {
        if (!rewritten)
            way.via = found.via;
        take_found(r, &found, &way);
        follow_all(r);
        return ROUTER_OK;
    }
    bool ours = directory_domain_is_local(r->directory, domain);
    if (ours && !is_shared(r, domain))
        return ROUTER_NOBODY;
    take_address(r, local, domain, &way);
    return ours ? ROUTER_OK : ROUTER_FOREIGN;
}

static enum router_verdict judge(const struct resolving *r, enum router_verdict verdict)
{
    const struct router_targets *targets = r->targets;

    if (verdict == ROUTER_NOBODY)
        return verdict;
    if (r->too_many)
        return ROUTER_TOO_MANY;
    if (r->reach->count == 0)
        return r->no_store ? ROUTER_NO_STORE : ROUTER_EMPTY;
    if (targets->rcpt_count > 0 && targets->linked_count + r->reach->count > r->max + TOGETHER_MAX)
        return ROUTER_LATER;
    return verdict;
}

static void drop_new(struct router_targets *targets)
{
    while (targets->count > targets->undo_count) {
        struct router_target *target = targets->list[--targets->count];

        if (target->kind == ROUTER_LOCAL)
            HASH_DEL(targets->accounts, target);
        else
            HASH_DEL(targets->addresses, target);
    }
}

void router_resolve_undo(struct router_targets *targets)
{
    assert(targets->rcpt_count > 0);
    drop_new(targets);
    targets->linked_count = targets->undo_linked;
    targets->rcpt_count--;
}

/* RFC 5321 section 4.5.1: postmaster is always taken; what led nowhere leads to whoever reads that
 * mail. */
static enum router_verdict save_postmaster(struct resolving *r, struct slice local,
                                           struct slice domain, enum router_verdict verdict)
{
    const struct directory_person *person = directory_postmaster(r->directory);

    if (!slice_ieq(local, SLICE("postmaster")) || person == NULL ||
        !directory_domain_is_local(r->directory, domain) ||
        (verdict != ROUTER_NOBODY && verdict != ROUTER_EMPTY && verdict != ROUTER_NO_STORE))
        return verdict;
    take_account(r, person, &(struct way){.via = "postmaster"});
    return judge(r, ROUTER_OK);
}

enum router_verdict router_resolve(const struct directory *directory, struct slice local,
                                   struct slice domain, struct router_targets *targets,
                                   struct router_reach *reach_r)
{
    struct resolving r = {.directory = directory, .targets = targets, .reach = reach_r};
    struct slice new_local = local;
    struct slice new_domain = domain;

    begin(&r);
    /* Refused recipients cost memory too, until the transaction ends. */
    if (targets->looked_count > ROUNDS * (r.max + TOGETHER_MAX))
        return ROUTER_LATER;
    bool local_first = directory_domain_is_local(directory, domain);
    bool rewritten = directory_rewrite(directory, DIRECTORY_REWRITE_RECIPIENT, targets->arena,
                                       &new_local, &new_domain);
    enum router_verdict verdict = judge(&r, look_up(&r, new_local, new_domain, rewritten));
    verdict = save_postmaster(&r, local, domain, verdict);
    /* An address of ours that a rule sends elsewhere is the rule's doing, not the sender's. */
    if (verdict == ROUTER_FOREIGN && rewritten && local_first)
        verdict = ROUTER_OK;
    if (verdict != ROUTER_OK && verdict != ROUTER_FOREIGN) {
        drop_new(targets);
        return verdict;
    }
    targets->rcpt_count++;
    targets->linked_count += reach_r->count;
    return verdict;
}

static int by_account(const void *a, const void *b)
{
    const struct router_target *const *x = a;
    const struct router_target *const *y = b;

    return ((*x)->account_id > (*y)->account_id) - ((*x)->account_id < (*y)->account_id);
}

void router_targets_by_account(struct router_target **list, size_t count)
{
    qsort(list, count, sizeof(list[0]), by_account);
}
