/* Properties of principals, and those that every resource has for access (RFC 3744, RFC 5397). */
#include "dav/dav_prop.h"

#define ADDRESS_BYTES_MAX 600

enum st dav_prop_resourcetype(const struct dav_call *call, const struct dav_resource *resource,
                              struct buf *out)
{
    enum dav_kind kind = resource->path.kind;

    if ((DAV_COLLECTIONS & (1u << kind)) != 0)
        xml_write_empty(out, XML_DAV, "collection");
    if (((1u << kind) & DAV_ALL_PRINCIPALS) != 0)
        xml_write_empty(out, XML_DAV, "principal");
    if (kind == DAV_KIND_PROXY) /* both are elements of calendarserver.org's */
        xml_write_empty(out, XML_CS,
                        resource->path.calendar.len == sizeof(DAV_PROXY_READ) - 1
                            ? DAV_PROXY_READ
                            : DAV_PROXY_WRITE);
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

/* One in somebody else's home says whose it is. */
static void write_title(const struct dav_resource *resource, struct buf *out)
{
    xml_write_text(out, resource->calendar->title);
    if (slice_eq(resource->path.person, slice_str(resource->person->name)))
        return;
    buf_put(out, SLICE(" ("));
    xml_write_text(out, slice_str(name_of(resource->person)));
    buf_put(out, SLICE(")"));
}

enum st dav_prop_displayname(const struct dav_call *call, const struct dav_resource *resource,
                             struct buf *out)
{
    static const char *const names[] = {
        [DAV_KIND_ROOT] = "Posthorse",  [DAV_KIND_PRINCIPALS] = "Principals",
        [DAV_KIND_HOMES] = "Calendars", [DAV_KIND_INBOX] = "Inbox",
        [DAV_KIND_OUTBOX] = "Outbox",   [DAV_KIND_PROXY] = "Delegates",
        [DAV_KIND_MAX] = NULL,
    };
    enum dav_kind kind = resource->path.kind;

    if (kind == DAV_KIND_PRINCIPAL || kind == DAV_KIND_HOME)
        xml_write_text(out, slice_str(name_of(resource->person)));
    else if (kind == DAV_KIND_GROUP)
        xml_write_text(out,
                       slice_str(resource->group->full_name[0] != '\0' ? resource->group->full_name
                                                                       : resource->group->name));
    else if (kind == DAV_KIND_CALENDAR)
        write_title(resource, out);
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
    dav_href_write(&resource->path, out);
    return ST_OK;
}

enum st dav_prop_alternate_uri_set(const struct dav_call *call, const struct dav_resource *resource,
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

struct addressing {
    const struct directory *directory;
    struct buf *out;
};

static void write_address(struct buf *out, struct slice local, struct slice domain)
{
    AUTO(buf) struct buf address = BUF(ADDRESS_BYTES_MAX);

    buf_putf(&address, "mailto:%.*s@%.*s", SLICE_ARG(local), SLICE_ARG(domain));
    xml_write_text_in(out, XML_DAV, "href", buf_slice(&address));
}

/* An empty domain stands for every one that is served here. */
static void write_alias(void *ctx, struct slice local, struct slice domain)
{
    const struct addressing *addressing = ctx;
    const struct slice *here;

    if (domain.len > 0)
        write_address(addressing->out, local, domain);
    for (size_t i = 0;
         domain.len == 0 && (here = directory_domain(addressing->directory, i)) != NULL; i++)
        write_address(addressing->out, local, *here);
}

enum st dav_prop_calendar_user_address_set(const struct dav_call *call,
                                           const struct dav_resource *resource, struct buf *out)
{
    struct addressing addressing = {call->directory, out};

    write_alias(&addressing, resource->path.person, SLICE(""));
    directory_aliases(call->directory, resource->path.person, write_alias, &addressing);
    dav_href_write(&resource->path, out);
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
    /* A person document says of itself that it is a room or a resource: ROOM, RESOURCE. */
    buf_put(out, resource->group != NULL ? SLICE("GROUP") : SLICE("INDIVIDUAL"));
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
