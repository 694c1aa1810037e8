/* Groups, and the groups of those whom somebody lets read or act for all of his calendars
 * (calendarserver.org's caldav-proxy): for Apple's clients, which know delegates in no other way.
 */
#include "dav/dav_acl.h"

#define DELEGATES_MAX 200

void dav_principal_write(struct slice name, struct buf *out)
{
    const struct dav_path path = {.kind = DAV_KIND_PRINCIPAL, .person = name};

    dav_href_write(&path, out);
}

static bool is_write(const struct dav_path *proxy)
{
    return slice_eq(proxy->calendar, SLICE(DAV_PROXY_WRITE));
}

/* Whether a grant is one of those that make somebody a member of the proxy. */
static bool is_delegate(const struct dav_path *proxy, const struct store_calendar_grant *grant)
{
    if (grant->calendar_id != 0 || slice_eq(grant->grantee, SLICE("*")) ||
        slice_eq(grant->grantee, SLICE(STORE_ANYONE)))
        return false;
    return is_write(proxy) ? grant->rights >= STORE_RIGHTS_WRITE
                           : grant->rights == STORE_RIGHTS_READ;
}

/* --- changing them --- */

enum st dav_set_members(struct dav_setting *setting, const struct xml_element *element)
{
    struct dav_delegates *delegates = arena_one(setting->arena, struct dav_delegates);
    const struct dav_resource *proxy = &setting->call->target;
    const struct xml_element *href = xml_child(element, XML_DAV, "href");

    if (proxy->path.kind != DAV_KIND_PROXY)
        return ST_DENIED;
    delegates->at = arena_many(setting->arena, struct slice, DELEGATES_MAX);
    for (; href != NULL; href = xml_again(href)) {
        struct slice name =
            dav_principal_read(setting->arena, setting->call->directory, href->text);

        if (delegates->count == DELEGATES_MAX)
            return ST_TOO_BIG;
        if (name.len == 0 || slice_eq(name, slice_str(proxy->person->name)))
            return ST_INVALID;
        delegates->at[delegates->count++] = name;
    }
    setting->delegates = delegates;
    return ST_OK;
}

static bool is_in(const struct dav_delegates *delegates, struct slice name)
{
    for (size_t i = 0; i < delegates->count; i++)
        if (slice_eq(delegates->at[i], name))
            return true;
    return false;
}

enum st dav_delegates_store(struct store_tx *tx, struct arena *arena,
                            const struct dav_resource *proxy, const struct dav_delegates *delegates)
{
    struct store_calendar_grant grant = {.account_id = proxy->person->account_id};
    struct dav_grants grants;
    enum st st = dav_grants_read(tx, arena, grant.account_id, &grants);

    for (size_t i = 0; st == ST_OK && i < grants.count; i++) {
        if (!is_delegate(&proxy->path, &grants.at[i]) || is_in(delegates, grants.at[i].grantee))
            continue;
        grant.grantee = grants.at[i].grantee;
        grant.rights = STORE_RIGHTS_NONE;
        st = store_calendar_grant(tx, &grant);
    }
    for (size_t i = 0; st == ST_OK && i < delegates->count; i++) {
        grant.grantee = delegates->at[i];
        grant.rights = is_write(&proxy->path) ? STORE_RIGHTS_ACT : STORE_RIGHTS_READ;
        st = store_calendar_grant(tx, &grant);
    }
    return st;
}

/* --- properties --- */

struct loading {
    const struct dav_call *call;
    int64_t account_id;
    struct dav_grants grants;
    const char **owners; /* of grants, by their accounts */
};

static enum st load_of(struct store_tx *tx, void *arg)
{
    struct loading *loading = arg;

    return dav_grants_read(tx, loading->call->arena, loading->account_id, &loading->grants);
}

static enum st note_given(void *ctx, const struct store_calendar_grant *grant)
{
    struct dav_grants *grants = ctx;

    if (grant->calendar_id != 0 || grant->rights < STORE_RIGHTS_READ)
        return ST_OK;
    if (grants->count == grants->cap)
        grants->at =
            arena_grow(grants->arena, grants->at, grants->count, &grants->cap, sizeof(*grants->at));
    grants->at[grants->count] = *grant;
    grants->at[grants->count++].grantee = SLICE("-"); /* whoever; but not everybody */
    return ST_OK;
}

/* What was given to who asks, and by whom. */
static enum st load_to(struct store_tx *tx, void *arg)
{
    struct loading *loading = arg;
    struct arena *arena = loading->call->arena;
    struct store_account account;

    loading->grants = (struct dav_grants){.arena = arena};
    enum st st = calendar_rights_given(tx, &loading->call->who, note_given, &loading->grants);
    loading->owners = arena_many(arena, const char *, loading->grants.count + 1);
    for (size_t i = 0; st == ST_OK && i < loading->grants.count; i++) {
        st = store_account_get(tx, loading->grants.at[i].account_id, &account);
        if (st == ST_OK)
            loading->owners[i] = slice_cstr(arena, slice_str(account.name));
        if (st == ST_NOT_FOUND)
            st = ST_OK;
    }
    return st;
}

static enum st write_proxies(const struct dav_call *call, struct slice name, bool proxies,
                             struct buf *out)
{
    struct loading loading = {.call = call};
    struct dav_path path = {.kind = DAV_KIND_PROXY, .calendar = name};
    enum st st = store_read(call->context->store, load_to, &loading);

    for (size_t i = 0; st == ST_OK && i < loading.grants.count; i++) {
        bool again = false;

        for (size_t j = 0; j < i; j++)
            again |= loading.grants.at[j].account_id == loading.grants.at[i].account_id &&
                     is_delegate(&path, &loading.grants.at[j]);
        if (again || loading.owners[i] == NULL || !is_delegate(&path, &loading.grants.at[i]))
            continue;
        path.person = slice_str(loading.owners[i]);
        if (proxies)
            dav_href_write(&path, out);
        else
            dav_principal_write(path.person, out);
    }
    return st;
}

enum st dav_prop_calendar_proxy_read_for(const struct dav_call *call,
                                         const struct dav_resource *resource, struct buf *out)
{
    return resource->person == call->me ? write_proxies(call, SLICE(DAV_PROXY_READ), false, out)
                                        : ST_NOT_FOUND;
}

enum st dav_prop_calendar_proxy_write_for(const struct dav_call *call,
                                          const struct dav_resource *resource, struct buf *out)
{
    return resource->person == call->me ? write_proxies(call, SLICE(DAV_PROXY_WRITE), false, out)
                                        : ST_NOT_FOUND;
}

static enum st write_delegates(const struct dav_call *call, const struct dav_resource *proxy,
                               struct buf *out)
{
    struct loading loading = {.call = call, .account_id = proxy->person->account_id};
    enum st st = store_read(call->context->store, load_of, &loading);

    for (size_t i = 0; st == ST_OK && i < loading.grants.count; i++)
        if (is_delegate(&proxy->path, &loading.grants.at[i]))
            dav_principal_write(loading.grants.at[i].grantee, out);
    return st;
}

/* Members that are addresses elsewhere are no principals. */
static void write_members(const struct dav_call *call, const struct directory_group *group,
                          struct buf *out)
{
    struct directory_found found;

    for (size_t i = 0; i < group->member_count; i++)
        if (directory_find_name(call->directory, group->members[i], &found))
            dav_principal_write(
                slice_str(found.person != NULL ? found.person->name : found.group->name), out);
}

/* Whom somebody lets act for him is between them. */
enum st dav_prop_group_member_set(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out)
{
    if (resource->path.kind == DAV_KIND_GROUP)
        write_members(call, resource->group, out);
    if (resource->path.kind == DAV_KIND_PROXY)
        return resource->rights == DAV_RIGHTS_OWN ? write_delegates(call, resource, out)
                                                  : ST_NOT_FOUND;
    return ST_OK;
}

enum st dav_prop_group_membership(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out)
{
    struct directory_texts groups;
    enum st st = ST_OK;

    if (resource->path.kind == DAV_KIND_PROXY)
        return ST_OK;
    directory_groups_of(call->directory, call->arena, resource->path.person, &groups);
    for (size_t i = 0; i < groups.count; i++)
        if (directory_group(call->directory, groups.at[i]) != NULL)
            dav_principal_write(groups.at[i], out);
    if (resource->person != call->me)
        return ST_OK;
    st = write_proxies(call, SLICE(DAV_PROXY_READ), true, out);
    return st == ST_OK ? write_proxies(call, SLICE(DAV_PROXY_WRITE), true, out) : st;
}
