/* dav_prop.h: properties: the table, which ones a request wants, and writing them. Inside dav/. */
#pragma once
#include "dav/dav_call.h"

enum { DAV_PROP_ALL = 1u << 0 };

/* What is about to be changed or made. */
struct dav_setting {
    struct arena *arena;
    struct store_calendar *calendar; /* NULL: it is none */
    bool making;
    /* Of PROPPATCH: */
    struct dav_call *call;
    struct store_tx *tx;
    struct store_calendar_account *account; /* of the inbox: what its owner says for all */
    bool account_changed;
    const struct dav_delegates *delegates; /* of a proxy: whom it has from now on */
    const char *condition; /* what CALDAV precondition a value missed that was refused */
};

struct dav_prop {
    enum xml_ns ns;
    const char *name;
    unsigned kinds; /* of resources that have it */
    unsigned flags;
    /* Writes the value, what stands between the tags. ST_NOT_FOUND: this one has it not. */
    enum st (*write)(const struct dav_call *call, const struct dav_resource *resource,
                     struct buf *out);
    /* Takes a new value into the calendar; element NULL: it is removed. ST_INVALID: no such value;
     * ST_DENIED: only at the making. */
    enum st (*set)(struct dav_setting *setting, const struct xml_element *element);
};
extern const struct dav_prop dav_props[];

#define DAV_PROP(id, ns, name, kinds, flags, set) \
    MUST_USE enum st dav_prop_##id(const struct dav_call *call, \
                                   const struct dav_resource *resource, struct buf *out);
#include "dav/dav_prop.def"

enum st dav_set_resourcetype(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_displayname(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_description(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_timezone(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_timezone_id(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_components(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_transp(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_color(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_order(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_default_calendar(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_availability(struct dav_setting *setting, const struct xml_element *element);
enum st dav_set_members(struct dav_setting *setting, const struct xml_element *element);

/* NULL: nobody knows it. */
const struct dav_prop *dav_prop_find(const struct xml_element *element);

/* --- properties that are nothing to us: kept as XML in store_calendar.props --- */

#define DAV_DEAD_BYTES_MAX (64 * KIB) /* of one calendar */
/* The kept elements, linked by next; NULL: none. */
const struct xml_element *dav_dead_read(struct arena *arena, struct slice props);
/* props with the element in the place of its namesake; value false: without it. ST_TOO_BIG. */
MUST_USE enum st dav_dead_set(struct dav_setting *setting, const struct xml_element *element,
                              bool value);

/* --- changing (dav_proppatch.c) --- */

/* Applies the DAV:set and DAV:remove in element to setting; all or nothing counts, but each is
 * looked at. Appends the propstat elements that tell what became of each. ST_OK: all were taken. */
MUST_USE enum st dav_props_change(struct dav_setting *setting, const struct xml_element *element,
                                  struct buf *propstats);

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
