/* Properties for access control (RFC 3744 section 5). */
#include "dav/dav_acl.h"

enum st dav_prop_current_user_privilege_set(const struct dav_call *call,
                                            const struct dav_resource *resource, struct buf *out)
{
    for (size_t i = 1; i < DAV_PRIVILEGE_MAX; i++) {
        const struct dav_privilege_row *row = &dav_privileges[i];
        bool changes = row->rights > DAV_RIGHTS_READ;

        if (resource->rights < row->rights || (row->kinds & (1u << resource->path.kind)) == 0 ||
            (resource->masked && changes) ||
            (i == DAV_PRIVILEGE_ALL && resource->path.kind == DAV_KIND_PRINCIPAL))
            continue;
        xml_write_open(out, XML_DAV, "privilege");
        xml_write_empty(out, row->ns, row->name);
        xml_write_close(out, XML_DAV, "privilege");
    }
    return ST_OK;
}

static void write_parts(enum dav_kind kind, enum dav_privilege of, unsigned depth, struct buf *out)
{
    static const unsigned depth_max = 4;

    for (size_t i = 1; i < DAV_PRIVILEGE_MAX && depth < depth_max; i++) {
        const struct dav_privilege_row *row = &dav_privileges[i];

        if (row->part_of != of || (row->kinds & (1u << kind)) == 0)
            continue;
        xml_write_open(out, XML_DAV, "supported-privilege");
        xml_write_open(out, XML_DAV, "privilege");
        xml_write_empty(out, row->ns, row->name);
        xml_write_close(out, XML_DAV, "privilege");
        if (row->abstract)
            xml_write_empty(out, XML_DAV, "abstract");
        buf_putf(out, "<D:description xml:lang=\"en\">%s</D:description>", row->name);
        write_parts(kind, (enum dav_privilege)i, depth + 1, out);
        xml_write_close(out, XML_DAV, "supported-privilege");
    }
}

enum st dav_prop_supported_privilege_set(const struct dav_call *call,
                                         const struct dav_resource *resource, struct buf *out)
{
    write_parts(resource->path.kind, DAV_PRIVILEGE_NONE, 0, out);
    return ST_OK;
}

enum st dav_prop_acl_restrictions(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out)
{
    xml_write_empty(out, XML_DAV, "grant-only");
    xml_write_empty(out, XML_DAV, "no-invert");
    return ST_OK;
}

enum st dav_prop_inherited_acl_set(const struct dav_call *call, const struct dav_resource *resource,
                                   struct buf *out)
{
    if (resource->path.kind == DAV_KIND_CALENDAR)
        dav_href_write_of(resource->person, DAV_KIND_HOME, out);
    return ST_OK;
}

/* --- DAV:acl --- */

enum origin { OWN, PROTECTED, INHERITED };

struct writing {
    const struct dav_call *call;
    const struct dav_resource *resource;
    struct buf *out;
};

static void begin_ace(const struct writing *w, struct slice grantee)
{
    xml_write_open(w->out, XML_DAV, "ace");
    xml_write_open(w->out, XML_DAV, "principal");
    if (grantee.len == 0) {
        xml_write_open(w->out, XML_DAV, "property");
        xml_write_empty(w->out, XML_DAV, "owner");
        xml_write_close(w->out, XML_DAV, "property");
    } else if (slice_eq(grantee, SLICE("*"))) {
        xml_write_empty(w->out, XML_DAV, "authenticated");
    } else if (slice_eq(grantee, SLICE(STORE_ANYONE))) {
        xml_write_empty(w->out, XML_DAV, "all");
    } else {
        dav_principal_write(grantee, w->out);
    }
    xml_write_close(w->out, XML_DAV, "principal");
    xml_write_open(w->out, XML_DAV, "grant");
}

static void write_privilege(const struct writing *w, enum dav_privilege privilege)
{
    xml_write_open(w->out, XML_DAV, "privilege");
    xml_write_empty(w->out, dav_privileges[privilege].ns, dav_privileges[privilege].name);
    xml_write_close(w->out, XML_DAV, "privilege");
}

static void end_ace(const struct writing *w, enum origin origin)
{
    xml_write_close(w->out, XML_DAV, "grant");
    if (origin == PROTECTED)
        xml_write_empty(w->out, XML_DAV, "protected");
    if (origin == INHERITED) {
        xml_write_open(w->out, XML_DAV, "inherited");
        dav_href_write_of(w->resource->person, DAV_KIND_HOME, w->out);
        xml_write_close(w->out, XML_DAV, "inherited");
    }
    xml_write_close(w->out, XML_DAV, "ace");
}

static void write_grant(const struct writing *w, const struct store_calendar_grant *grant)
{
    static const enum dav_privilege given[] = {DAV_PRIVILEGE_READ, DAV_PRIVILEGE_WRITE_CONTENT,
                                               DAV_PRIVILEGE_BIND, DAV_PRIVILEGE_UNBIND};
    bool inherited = grant->calendar_id == 0 && w->resource->path.kind != DAV_KIND_HOME;
    bool delegate = grant->rights == STORE_RIGHTS_ACT;
    size_t count = grant->rights >= STORE_RIGHTS_WRITE ? COUNT(given) : 1;

    begin_ace(w, grant->grantee);
    if (grant->rights == STORE_RIGHTS_BUSY)
        write_privilege(w, DAV_PRIVILEGE_READ_FREE_BUSY);
    for (size_t i = 0; grant->rights > STORE_RIGHTS_BUSY && i < count; i++)
        write_privilege(w, given[i]);
    end_ace(w, inherited ? INHERITED : delegate ? PROTECTED : OWN);
}

/* Who may ask when the owner is busy; who may put invitations there is no question. */
static void write_inbox(const struct writing *w, const struct dav_grants *grants)
{
    size_t named = 0;

    begin_ace(w, SLICE("*"));
    write_privilege(w, DAV_PRIVILEGE_SCHEDULE_DELIVER_INVITE);
    write_privilege(w, DAV_PRIVILEGE_SCHEDULE_DELIVER_REPLY);
    end_ace(w, PROTECTED);
    for (size_t i = 0; i < grants->count; i++) {
        if (grants->at[i].calendar_id != w->resource->calendar->calendar_id)
            continue;
        named++;
        if (slice_eq(grants->at[i].grantee, slice_str(w->resource->person->name)))
            continue;
        begin_ace(w, grants->at[i].grantee);
        write_privilege(w, DAV_PRIVILEGE_SCHEDULE_QUERY_FREEBUSY);
        end_ace(w, OWN);
    }
    if (named > 0)
        return;
    begin_ace(w, SLICE("*"));
    write_privilege(w, DAV_PRIVILEGE_SCHEDULE_QUERY_FREEBUSY);
    end_ace(w, OWN);
}

struct loading {
    const struct dav_call *call;
    int64_t account_id;
    struct dav_grants grants;
};

static enum st load(struct store_tx *tx, void *arg)
{
    struct loading *loading = arg;

    return dav_grants_read(tx, loading->call->arena, loading->account_id, &loading->grants);
}

enum st dav_prop_acl(const struct dav_call *call, const struct dav_resource *resource,
                     struct buf *out)
{
    struct loading loading = {.call = call, .account_id = resource->person->account_id};
    const struct writing w = {call, resource, out};
    int64_t calendar_id = resource->calendar != NULL ? resource->calendar->calendar_id : 0;

    if (resource->rights < DAV_RIGHTS_OWN)
        return ST_NOT_FOUND;
    enum st st = store_read(call->context->store, load, &loading);
    if (st != ST_OK)
        return st;
    begin_ace(&w, SLICE(""));
    write_privilege(&w, DAV_PRIVILEGE_ALL);
    end_ace(&w, PROTECTED);
    if (resource->path.kind == DAV_KIND_INBOX) {
        write_inbox(&w, &loading.grants);
        return ST_OK;
    }
    for (size_t i = 0; i < loading.grants.count; i++)
        if (loading.grants.at[i].calendar_id == calendar_id ||
            loading.grants.at[i].calendar_id == 0)
            write_grant(&w, &loading.grants.at[i]);
    return ST_OK;
}
