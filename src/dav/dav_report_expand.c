/* expand-property (RFC 3253 section 3.8): properties, and those of what their hrefs name. */
#include "dav/dav_report.h"
#include "dav/dav_view.h"

#define RESPONSES_MAX 1000
#define DEPTH_MAX 4
#define VALUE_BYTES_MAX (256 * KIB)

struct expanding {
    struct dav_call *call;
    size_t responses_left;
};

static enum st write_resource(struct expanding *expanding, const struct dav_resource *resource,
                              const struct xml_element *asked, unsigned depth, struct buf *out);

/* The property that a DAV:property names, as an element. */
static struct xml_element *named(struct expanding *expanding, const struct xml_element *property)
{
    struct xml_element *element = arena_one(expanding->call->arena, struct xml_element);
    struct slice uri = xml_attr(property, "namespace");

    element->name = xml_attr(property, "name");
    element->uri = uri.ptr != NULL ? uri : slice_str(xml_ns_uri(XML_DAV));
    element->ns = xml_ns_find(element->uri);
    return element;
}

static enum st write_hrefs(struct expanding *expanding, const struct xml_element *value,
                           const struct xml_element *property, unsigned depth, struct buf *out)
{
    struct dav_call *call = expanding->call;
    enum st st = ST_OK;

    for (const struct xml_element *href = xml_child(value, XML_DAV, "href");
         st == ST_OK && href != NULL; href = xml_again(href)) {
        struct dav_resource resource;
        struct dav_path path;
        struct slice copy = arena_copy(call->arena, slice_trim(href->text));
        char *room = arena_text(call->arena, copy.len);

        for (size_t i = 0; i < copy.len; i++)
            room[i] = copy.ptr[i];
        if (dav_path_parse(dav_path_decode(room, copy.len), &path) != ST_OK ||
            dav_resource_find(call, &path, &resource) != ST_OK ||
            resource.rights < DAV_RIGHTS_SEE || !dav_resource_is(&resource))
            xml_write_element(out, href); /* as it is: nothing here */
        else
            st = write_resource(expanding, &resource, property, depth + 1, out);
    }
    return st;
}

static enum st write_property(struct expanding *expanding, const struct dav_resource *resource,
                              const struct xml_element *property, unsigned depth, struct buf *out)
{
    struct dav_call *call = expanding->call;
    const struct xml_element *name = named(expanding, property);
    const struct dav_prop *prop = dav_prop_find(name);
    AUTO(buf) struct buf value = BUF(VALUE_BYTES_MAX);
    struct xml_element *tree;
    struct xml_error error;

    if (prop == NULL || (prop->kinds & (1u << resource->path.kind)) == 0)
        return ST_NOT_FOUND;
    xml_write_begin(&value, prop->ns, prop->name);
    enum st st = prop->write(call, resource, &value);
    xml_write_close(&value, prop->ns, prop->name);
    if (st != ST_OK)
        return st;
    if (xml_parse(call->arena, buf_slice(&value), &xml_limits_default, &tree, &error) != ST_OK)
        return ST_NOT_FOUND;
    bool expands = xml_child(property, XML_DAV, "property") != NULL && depth < DEPTH_MAX &&
                   xml_child(tree, XML_DAV, "href") != NULL;
    if (!expands) {
        xml_write_element(out, tree);
        return ST_OK;
    }
    xml_write_open(out, prop->ns, prop->name);
    st = write_hrefs(expanding, tree, property, depth, out);
    xml_write_close(out, prop->ns, prop->name);
    return st;
}

static void write_status(const char *status, struct buf *out)
{
    xml_write_close(out, XML_DAV, "prop");
    xml_write_text_in(out, XML_DAV, "status", slice_str(status));
    xml_write_close(out, XML_DAV, "propstat");
}

static enum st write_resource(struct expanding *expanding, const struct dav_resource *resource,
                              const struct xml_element *asked, unsigned depth, struct buf *out)
{
    AUTO(buf) struct buf missing = BUF(VALUE_BYTES_MAX);
    const struct xml_element *property = xml_child(asked, XML_DAV, "property");
    enum st st = ST_OK;

    if (expanding->responses_left-- == 0)
        return ST_TOO_BIG;
    xml_write_open(out, XML_DAV, "response");
    dav_href_write(&resource->path, out);
    xml_write_open(out, XML_DAV, "propstat");
    xml_write_open(out, XML_DAV, "prop");
    for (; property != NULL; property = xml_again(property)) {
        size_t begun = out->len;
        const struct xml_element *name = named(expanding, property);

        st = write_property(expanding, resource, property, depth, out);
        if (st == ST_NOT_FOUND) {
            buf_cut(out, begun);
            xml_write_empty_name(&missing, name->uri, name->name);
        } else if (st != ST_OK) {
            return st;
        }
    }
    write_status("HTTP/1.1 200 OK", out);
    if (missing.len > 0) {
        xml_write_open(out, XML_DAV, "propstat");
        xml_write_open(out, XML_DAV, "prop");
        buf_put(out, buf_slice(&missing));
        write_status("HTTP/1.1 404 Not Found", out);
    }
    xml_write_close(out, XML_DAV, "response");
    return ST_OK;
}

struct answer {
    struct dav_list list;
    size_t next;
    struct expanding expanding;
};

static enum st write_next(struct dav_call *call, void *ctx, struct buf *out)
{
    struct answer *answer = ctx;

    if (answer->next == answer->list.count)
        return ST_OK;
    enum st st =
        write_resource(&answer->expanding, &answer->list.at[answer->next++], call->xml, 0, out);
    return st == ST_OK && answer->next < answer->list.count ? ST_AGAIN : st;
}

enum st dav_report_expand(struct dav_call *call)
{
    struct answer *answer = arena_one(call->arena, struct answer);
    enum st st = ST_OK;
    uint32_t depth;

    if (dav_depth(call, 0, &depth) != ST_OK || depth == DAV_INFINITY)
        return dav_refuse(call, 400, XML_DAV, NULL, "Depth must be 0 or 1");
    answer->expanding = (struct expanding){call, RESPONSES_MAX};
    dav_list_add(call, &answer->list, &call->target);
    if (depth == 1)
        st = dav_resource_members(call, &call->target, &answer->list);
    return st == ST_OK ? dav_multistatus(call, write_next, answer) : st;
}
