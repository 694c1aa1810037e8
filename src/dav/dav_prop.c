#include "dav/dav_prop.h"

const struct dav_prop dav_props[] = {
#define ALL DAV_PROP_ALL
#define DAV_PROP(id, ns, name, kinds, flags, set) \
    {XML_##ns, name, kinds, flags, dav_prop_##id, set},
#include "dav/dav_prop.def"
#undef ALL
};

/* --- which ones --- */

const struct dav_prop *dav_prop_find(const struct xml_element *element)
{
    for (size_t i = 0; i < COUNT(dav_props); i++)
        if (xml_is(element, dav_props[i].ns, dav_props[i].name))
            return &dav_props[i];
    return NULL;
}

struct wanting {
    struct dav_call *call;
    struct dav_want *at;
    size_t count, cap;
};

static void add(struct wanting *wanting, struct dav_want want)
{
    for (size_t i = 0; want.prop != NULL && i < wanting->count; i++)
        if (wanting->at[i].prop == want.prop)
            return;
    if (wanting->count == wanting->cap)
        wanting->at = arena_grow(wanting->call->arena, wanting->at, wanting->count, &wanting->cap,
                                 sizeof(*wanting->at));
    wanting->at[wanting->count++] = want;
}

static void add_named(struct wanting *wanting, const struct xml_element *prop)
{
    const struct xml_element *element = prop != NULL ? prop->children : NULL;

    for (; element != NULL; element = element->next)
        add(wanting, (struct dav_want){element->uri, element->name, dav_prop_find(element)});
}

static void add_known(struct wanting *wanting, bool all)
{
    for (size_t i = 0; i < COUNT(dav_props); i++)
        if (all || (dav_props[i].flags & DAV_PROP_ALL) != 0)
            add(wanting, (struct dav_want){slice_str(xml_ns_uri(dav_props[i].ns)),
                                           slice_str(dav_props[i].name), &dav_props[i]});
}

enum st dav_wants_read(struct dav_call *call, const struct xml_element *element,
                       struct dav_wants *wants_r)
{
    struct wanting wanting = {.call = call};
    const struct xml_element *prop = xml_child(element, XML_DAV, "prop");
    bool names = xml_child(element, XML_DAV, "propname") != NULL;
    bool all = element == NULL || xml_child(element, XML_DAV, "allprop") != NULL;

    *wants_r = (struct dav_wants){.names_only = names};
    if ((prop != NULL) + names + all != 1)
        return ST_INVALID;
    add_named(&wanting, prop);
    if (prop == NULL)
        add_known(&wanting, names);
    add_named(&wanting, xml_child(element, XML_DAV, "include"));
    wants_r->at = wanting.at;
    wants_r->count = wanting.count;
    wants_r->missing = arena_many(call->arena, bool, wanting.count + 1);
    /* What was not named is not missed. */
    wants_r->minimal = prop == NULL || dav_prefers(call, "return=minimal");
    return ST_OK;
}

/* --- a response --- */

static void write_status(const char *status, struct buf *out)
{
    xml_write_close(out, XML_DAV, "prop");
    xml_write_text_in(out, XML_DAV, "status", slice_str(status));
    xml_write_close(out, XML_DAV, "propstat");
}

static void begin_propstat(struct buf *out)
{
    xml_write_open(out, XML_DAV, "propstat");
    xml_write_open(out, XML_DAV, "prop");
}

/* One that is nothing to us, as a client left it. */
static enum st write_dead(const struct dav_wants *wants, const struct dav_want *want,
                          const struct xml_element *dead, struct buf *out)
{
    while (dead != NULL && !(slice_eq(dead->uri, want->uri) && slice_eq(dead->name, want->name)))
        dead = dead->next;
    if (dead == NULL)
        return ST_NOT_FOUND;
    if (wants->names_only)
        xml_write_empty_name(out, dead->uri, dead->name);
    else
        xml_write_element(out, dead);
    return ST_OK;
}

/* Takes it back where the value is not there. */
static enum st write_one(const struct dav_call *call, const struct dav_resource *resource,
                         const struct dav_wants *wants, const struct dav_prop *prop,
                         struct buf *out)
{
    size_t begun = out->len;

    if ((prop->kinds & (1u << resource->path.kind)) == 0)
        return ST_NOT_FOUND;
    xml_write_open(out, prop->ns, prop->name);
    size_t value = out->len;
    enum st st = prop->write(call, resource, out);
    bool empty = out->len == value || wants->names_only;
    if (st != ST_OK || empty)
        buf_cut(out, begun);
    if (st == ST_OK && empty)
        xml_write_empty(out, prop->ns, prop->name);
    else if (st == ST_OK)
        xml_write_close(out, prop->ns, prop->name);
    return st;
}

static void write_missing(const struct dav_wants *wants, const bool *missing, struct buf *out)
{
    begin_propstat(out);
    for (size_t i = 0; i < wants->count; i++)
        if (missing[i])
            xml_write_empty_name(out, wants->at[i].uri, wants->at[i].name);
    write_status("HTTP/1.1 404 Not Found", out);
}

/* Only calendars keep any. */
static const struct xml_element *dead_of(const struct dav_call *call,
                                         const struct dav_resource *resource)
{
    return resource->path.kind == DAV_KIND_CALENDAR && resource->calendar != NULL
               ? dav_dead_read(call->arena, resource->calendar->props)
               : NULL;
}

enum st dav_response_write(const struct dav_call *call, const struct dav_resource *resource,
                           const struct dav_wants *wants, struct buf *out)
{
    bool *missing = wants->missing;
    const struct xml_element *dead = dead_of(call, resource);
    size_t missing_count = 0;

    xml_write_open(out, XML_DAV, "response");
    dav_href_write(&resource->path, out);
    size_t begun = out->len;
    begin_propstat(out);
    for (size_t i = 0; i < wants->count; i++) {
        const struct dav_want *want = &wants->at[i];
        enum st st = want->prop != NULL ? write_one(call, resource, wants, want->prop, out)
                                        : write_dead(wants, want, dead, out);

        if (st != ST_OK && st != ST_NOT_FOUND)
            return st;
        missing[i] = st == ST_NOT_FOUND;
        missing_count += missing[i];
    }
    if (missing_count < wants->count || wants->minimal || wants->count == 0)
        write_status("HTTP/1.1 200 OK", out);
    else
        buf_cut(out, begun);
    if (missing_count > 0 && !wants->minimal)
        write_missing(wants, missing, out);
    xml_write_close(out, XML_DAV, "response");
    return ST_OK;
}
