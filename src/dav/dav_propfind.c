/* PROPFIND (RFC 4918 section 9.1). */
#include "dav/dav_multistatus.h"
#include "dav/dav_prop.h"

#define RESPONSES_AT_ONCE 100

struct finding {
    struct dav_wants wants;
    struct dav_list list;
    size_t next;
};

static enum st write_some(struct dav_call *call, void *ctx, struct buf *out)
{
    struct finding *finding = ctx;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < RESPONSES_AT_ONCE; i++) {
        if (finding->next == finding->list.count)
            return ST_OK;
        st = dav_response_write(call, &finding->list.at[finding->next++], &finding->wants, out);
    }
    return st == ST_OK ? ST_AGAIN : st;
}

enum st dav_method_propfind(struct dav_call *call)
{
    struct finding *finding = arena_one(call->arena, struct finding);
    uint32_t depth;

    if (dav_depth(call, DAV_INFINITY, &depth) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL, "Depth must be 0, 1 or infinity");
    if (depth == DAV_INFINITY)
        return dav_refuse(call, 403, XML_DAV, "propfind-finite-depth",
                          "Depth must be 0 or 1 (a request without the header asks for infinity)");
    if (call->xml != NULL && !xml_is(call->xml, XML_DAV, "propfind"))
        return dav_refuse(call, 400, XML_DAV, NULL, "The body must be a DAV:propfind");
    if (dav_wants_read(call, call->xml, &finding->wants) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL,
                          "A DAV:propfind holds DAV:prop, DAV:allprop or DAV:propname");
    dav_list_add(call, &finding->list, &call->target);
    enum st st = ST_OK;
    if (depth == 1)
        st = dav_resource_members(call, &call->target, &finding->list);
    return st == ST_OK ? dav_multistatus(call, write_some, finding) : st;
}
