/* dav_prop.h: properties: the table, which ones a request wants, and writing them. Inside dav/. */
#pragma once
#include "dav/dav_call.h"

enum { DAV_PROP_ALL = 1u << 0 };

struct dav_prop {
    enum xml_ns ns;
    const char *name;
    unsigned kinds; /* of resources that have it */
    unsigned flags;
    /* Writes the value, what stands between the tags. ST_NOT_FOUND: this one has it not. */
    enum st (*write)(const struct dav_call *call, const struct dav_resource *resource,
                     struct buf *out);
};
extern const struct dav_prop dav_props[];
extern const size_t dav_prop_count;

#define DAV_PROP(id, ns, name, kinds, flags) \
    MUST_USE enum st dav_prop_##id(const struct dav_call *call, \
                                   const struct dav_resource *resource, struct buf *out);
#include "dav/dav_prop.def"

/* One that a request names; prop NULL: nobody knows it. */
struct dav_want {
    struct slice uri;
    struct slice name;
    const struct dav_prop *prop;
};

struct dav_wants {
    const struct dav_want *at;
    size_t count;
    bool *missing;   /* room for dav_response_write(), one for each */
    bool names_only; /* DAV:propname */
    bool minimal;    /* what a resource has not is left out (RFC 8144 section 2.1) */
};

/* From a DAV:propfind, or a report with DAV:prop, DAV:allprop or DAV:propname in it; NULL: allprop.
 * ST_INVALID: none of them. */
MUST_USE enum st dav_wants_read(struct dav_call *call, const struct xml_element *element,
                                struct dav_wants *wants_r);
/* Appends a DAV:response with the resource's properties (RFC 4918 section 14.24). */
MUST_USE enum st dav_response_write(const struct dav_call *call,
                                    const struct dav_resource *resource,
                                    const struct dav_wants *wants, struct buf *out);
