#include "calendar/calendar_rights.h"

#include "base/arena.h"
#include "base/slice.h"

void calendar_who_init(const struct directory *directory, struct arena *arena,
                       const struct directory_person *person, struct calendar_who *who_r)
{
    *who_r = (struct calendar_who){.person = person};
    directory_groups_of(directory, arena, slice_str(person->name), &who_r->groups);
}

/* By name: each may be of another snapshot of the directory. */
bool calendar_is_as_own(const struct calendar_who *who, const struct directory_person *owner)
{
    return !who->anonymous && (who->admin || owner == who->person ||
                               (who->person != NULL &&
                                slice_eq(slice_str(owner->name), slice_str(who->person->name))));
}

static bool is_for(const struct calendar_who *who, struct slice grantee)
{
    if (slice_eq(grantee, SLICE(STORE_ANYONE)))
        return true;
    if (who->anonymous)
        return false;
    if (slice_eq(grantee, SLICE("*")) ||
        (who->person != NULL && slice_eq(grantee, slice_str(who->person->name))))
        return true;
    for (size_t i = 0; i < who->groups.count; i++)
        if (slice_eq(grantee, who->groups.at[i]))
            return true;
    return false;
}

bool calendar_is_granted(const struct calendar_who *who, const struct store_calendar_grant *grant,
                         int64_t calendar_id, enum store_calendar_rights rights)
{
    return grant->rights >= rights &&
           (grant->calendar_id == 0 || grant->calendar_id == calendar_id) &&
           is_for(who, grant->grantee);
}

struct looking {
    const struct calendar_who *who;
    int64_t calendar_id;
    struct calendar_rights *rights;
};

static void raise(enum store_calendar_rights *rights, enum store_calendar_rights to)
{
    if (to > *rights)
        *rights = to;
}

static enum st look(void *ctx, const struct store_calendar_grant *grant)
{
    const struct looking *looking = ctx;

    if (!is_for(looking->who, grant->grantee))
        return ST_OK;
    raise(&looking->rights->best, grant->rights);
    if (grant->calendar_id == 0)
        raise(&looking->rights->account, grant->rights);
    if (grant->calendar_id == 0 || grant->calendar_id == looking->calendar_id)
        raise(&looking->rights->calendar, grant->rights);
    return ST_OK;
}

enum st calendar_rights(struct store_tx *tx, const struct calendar_who *who,
                        const struct directory_person *owner, int64_t calendar_id,
                        struct calendar_rights *rights_r)
{
    struct looking looking = {who, calendar_id, rights_r};

    *rights_r = (struct calendar_rights){STORE_RIGHTS_ACT, STORE_RIGHTS_ACT, STORE_RIGHTS_ACT};
    if (calendar_is_as_own(who, owner))
        return ST_OK;
    *rights_r = (struct calendar_rights){STORE_RIGHTS_NONE, STORE_RIGHTS_NONE, STORE_RIGHTS_NONE};
    return store_calendar_grants_of(tx, owner->account_id, look, &looking);
}

enum st calendar_rights_given(struct store_tx *tx, const struct calendar_who *who,
                              store_calendar_grant_fn *fn, void *ctx)
{
    enum st st = store_calendar_grants_to(tx, slice_str(who->person->name), fn, ctx);

    for (size_t i = 0; st == ST_OK && i < who->groups.count; i++)
        st = store_calendar_grants_to(tx, who->groups.at[i], fn, ctx);
    return st;
}

/* --- when somebody is busy --- */

void calendar_busy_rights_begin(const struct calendar_who *who,
                                const struct directory_person *owner,
                                struct calendar_busy_rights *rights_r)
{
    *rights_r = (struct calendar_busy_rights){.all = calendar_is_as_own(who, owner),
                                              .restricted = who->anonymous};
}

void calendar_busy_rights_add(struct calendar_busy_rights *rights, struct arena *arena,
                              const struct calendar_who *who, int64_t inbox_id,
                              const struct store_calendar_grant *grant)
{
    rights->restricted |= grant->calendar_id == inbox_id;
    if (!is_for(who, grant->grantee))
        return;
    if (grant->calendar_id == 0 || grant->calendar_id == inbox_id) {
        rights->all = true;
        return;
    }
    if (rights->count == rights->cap)
        rights->ids =
            arena_grow(arena, rights->ids, rights->count, &rights->cap, sizeof(*rights->ids));
    rights->ids[rights->count++] = grant->calendar_id;
}

void calendar_busy_rights_end(struct calendar_busy_rights *rights)
{
    rights->all |= !rights->restricted;
}
