/* Properties of principals, and those that every resource has for access (RFC 3744, RFC 5397). */
#include "conf/conf.h"
#include "dav/dav_prop.h"

#define ADDRESS_BYTES_MAX 600

enum st dav_prop_resourcetype(const struct dav_call *call, const struct dav_resource *resource,
                              struct buf *out)
{
    enum dav_kind kind = resource->path.kind;

    if ((DAV_COLLECTIONS & (1u << kind)) != 0)
        xml_write_empty(out, XML_DAV, "collection");
    if (kind == DAV_KIND_PRINCIPAL)
        xml_write_empty(out, XML_DAV, "principal");
    if (kind == DAV_KIND_CALENDAR)
        xml_write_empty(out, XML_CALDAV, "calendar");
    if (kind == DAV_KIND_INBOX)
        xml_write_empty(out, XML_CALDAV, "schedule-inbox");
    if (kind == DAV_KIND_OUTBOX)
        xml_write_empty(out, XML_CALDAV, "schedule-outbox");
    return ST_OK;
}

static const char *name_of(const struct directory_person *person)
{
    return person->full_name[0] != '\0' ? person->full_name : person->name;
}

enum st dav_prop_displayname(const struct dav_call *call, const struct dav_resource *resource,
                             struct buf *out)
{
    static const char *const names[] = {
        [DAV_KIND_ROOT] = "Posthorse",  [DAV_KIND_PRINCIPALS] = "Principals",
        [DAV_KIND_HOMES] = "Calendars", [DAV_KIND_INBOX] = "Inbox",
        [DAV_KIND_OUTBOX] = "Outbox",   [DAV_KIND_MAX] = NULL,
    };
    enum dav_kind kind = resource->path.kind;

    if (kind == DAV_KIND_PRINCIPAL || kind == DAV_KIND_HOME)
        xml_write_text(out, slice_str(name_of(resource->person)));
    else if (kind == DAV_KIND_CALENDAR)
        xml_write_text(out, resource->calendar->title);
    else if (names[kind] != NULL)
        xml_write_text(out, slice_str(names[kind]));
    else
        return ST_NOT_FOUND;
    return ST_OK;
}

enum st dav_prop_current_user_principal(const struct dav_call *call,
                                        const struct dav_resource *resource, struct buf *out)
{
    dav_href_write_of(call->me, DAV_KIND_PRINCIPAL, out);
    return ST_OK;
}

enum st dav_prop_principal_url(const struct dav_call *call, const struct dav_resource *resource,
                               struct buf *out)
{
    dav_href_write_of(resource->person, DAV_KIND_PRINCIPAL, out);
    return ST_OK;
}

enum st dav_prop_alternate_uri_set(const struct dav_call *call, const struct dav_resource *resource,
                                   struct buf *out)
{
    return ST_OK;
}

enum st dav_prop_group_member_set(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out)
{
    return ST_OK;
}

enum st dav_prop_group_membership(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out)
{
    return ST_OK;
}

enum st dav_prop_owner(const struct dav_call *call, const struct dav_resource *resource,
                       struct buf *out)
{
    if (resource->person == NULL)
        return ST_NOT_FOUND;
    dav_href_write_of(resource->person, DAV_KIND_PRINCIPAL, out);
    return ST_OK;
}

static void write_privilege(enum xml_ns ns, const char *name, struct buf *out)
{
    xml_write_open(out, XML_DAV, "privilege");
    xml_write_empty(out, ns, name);
    xml_write_close(out, XML_DAV, "privilege");
}

enum st dav_prop_current_user_privilege_set(const struct dav_call *call,
                                            const struct dav_resource *resource, struct buf *out)
{
    static const struct {
        const char *name;
        enum dav_rights rights;
    } rows[] = {
        {"read", DAV_RIGHTS_SEE},
        {"read-current-user-privilege-set", DAV_RIGHTS_SEE},
        {"write-content", DAV_RIGHTS_WRITE},
        {"bind", DAV_RIGHTS_WRITE},
        {"unbind", DAV_RIGHTS_WRITE},
        {"write-properties", DAV_RIGHTS_OWN},
        {"write", DAV_RIGHTS_OWN},
        {"read-acl", DAV_RIGHTS_OWN},
        {"all", DAV_RIGHTS_OWN},
    };
    bool principal = resource->path.kind == DAV_KIND_PRINCIPAL;

    for (size_t i = 0; i < COUNT(rows); i++)
        if (resource->rights >= rows[i].rights && (!principal || rows[i].rights == DAV_RIGHTS_SEE))
            write_privilege(XML_DAV, rows[i].name, out);
    return ST_OK;
}

enum st dav_prop_principal_collection_set(const struct dav_call *call,
                                          const struct dav_resource *resource, struct buf *out)
{
    const struct dav_path path = {.kind = DAV_KIND_PRINCIPALS};

    dav_href_write(&path, out);
    return ST_OK;
}

enum st dav_prop_calendar_home_set(const struct dav_call *call, const struct dav_resource *resource,
                                   struct buf *out)
{
    dav_href_write_of(resource->person, DAV_KIND_HOME, out);
    return ST_OK;
}

/* --- addresses --- */

enum st dav_prop_calendar_user_address_set(const struct dav_call *call,
                                           const struct dav_resource *resource, struct buf *out)
{
    struct slice rest = slice_str(conf_get()->domains);
    struct slice domain;

    while (slice_split(&rest, ' ', &domain)) {
        AUTO(buf) struct buf address = BUF(ADDRESS_BYTES_MAX);

        if (domain.len == 0)
            continue;
        buf_putf(&address, "mailto:%s@%.*s", resource->person->name, SLICE_ARG(domain));
        xml_write_text_in(out, XML_DAV, "href", buf_slice(&address));
    }
    dav_href_write_of(resource->person, DAV_KIND_PRINCIPAL, out);
    return ST_OK;
}

enum st dav_prop_email_address_set(const struct dav_call *call, const struct dav_resource *resource,
                                   struct buf *out)
{
    AUTO(buf) struct buf address = BUF(ADDRESS_BYTES_MAX);

    buf_putf(&address, "%s@%.*s", resource->person->name,
             SLICE_ARG(directory_first_domain(call->directory)));
    xml_write_text_in(out, XML_CS, "email-address", buf_slice(&address));
    return ST_OK;
}

enum st dav_prop_calendar_user_type(const struct dav_call *call,
                                    const struct dav_resource *resource, struct buf *out)
{
    buf_put(out, SLICE("INDIVIDUAL"));
    return ST_OK;
}

enum st dav_prop_schedule_inbox_url(const struct dav_call *call,
                                    const struct dav_resource *resource, struct buf *out)
{
    dav_href_write_of(resource->person, DAV_KIND_INBOX, out);
    return ST_OK;
}

enum st dav_prop_schedule_outbox_url(const struct dav_call *call,
                                     const struct dav_resource *resource, struct buf *out)
{
    dav_href_write_of(resource->person, DAV_KIND_OUTBOX, out);
    return ST_OK;
}
