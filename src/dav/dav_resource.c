#include "dav/dav_call.h"

#include <string.h>

#define HREF_BYTES_MAX 4096

/* --- hrefs --- */

void dav_href_write(const struct dav_path *path, struct buf *out)
{
    xml_write_open(out, XML_DAV, "href");
    dav_path_write(path, out); /* nothing in it needs escaping */
    xml_write_close(out, XML_DAV, "href");
}

void dav_href_write_of(const struct directory_person *person, enum dav_kind kind, struct buf *out)
{
    struct dav_path path = {.kind = kind, .person = slice_str(person->name)};

    if (kind == DAV_KIND_INBOX)
        path.calendar = SLICE("inbox");
    if (kind == DAV_KIND_OUTBOX)
        path.calendar = SLICE("outbox");
    dav_href_write(&path, out);
}

/* --- finding --- */

static bool is_open_to_all(enum dav_kind kind)
{
    return kind == DAV_KIND_ROOT || kind == DAV_KIND_PRINCIPALS || kind == DAV_KIND_HOMES;
}

enum st dav_resource_find(struct dav_call *call, const struct dav_path *path,
                          struct dav_resource *resource_r)
{
    struct dav_resource resource = {.path = *path};

    if (!is_open_to_all(path->kind)) {
        resource.person = directory_login(call->directory, path->person);
        if (resource.person == NULL || !slice_eq(slice_str(resource.person->name), path->person))
            return ST_NOT_FOUND; /* other ways to write the name are no paths */
        if (path->kind != DAV_KIND_PRINCIPAL && resource.person != call->me)
            return ST_DENIED;
    }
    *resource_r = resource;
    return ST_OK;
}

/* --- members --- */

void dav_list_add(struct dav_call *call, struct dav_list *list, const struct dav_resource *resource)
{
    if (list->count == list->cap)
        list->at = arena_grow(call->arena, list->at, list->count, &list->cap, sizeof(*list->at));
    list->at[list->count++] = *resource;
}

static void add(struct dav_call *call, struct dav_list *list, enum dav_kind kind, bool mine,
                const char *calendar)
{
    struct dav_resource resource = {.path.kind = kind};

    if (mine) {
        resource.person = call->me;
        resource.path.person = slice_str(call->me->name);
        resource.path.calendar = slice_str(calendar);
    }
    dav_list_add(call, list, &resource);
}

enum st dav_resource_members(struct dav_call *call, const struct dav_resource *resource,
                             struct dav_list *list)
{
    switch ((int)resource->path.kind) {
    case DAV_KIND_ROOT:
        add(call, list, DAV_KIND_PRINCIPALS, false, NULL);
        add(call, list, DAV_KIND_HOMES, false, NULL);
        break;
    case DAV_KIND_PRINCIPALS: /* the others are found by a search, not in a list */
        add(call, list, DAV_KIND_PRINCIPAL, true, NULL);
        break;
    case DAV_KIND_HOMES:
        add(call, list, DAV_KIND_HOME, true, NULL);
        break;
    case DAV_KIND_HOME:
        add(call, list, DAV_KIND_INBOX, true, "inbox");
        add(call, list, DAV_KIND_OUTBOX, true, "outbox");
        break;
    default:
        break;
    }
    return ST_OK;
}
