/* dav_call.h: one request on its way: who asks, for what, with which body. Inside dav/. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_rights.h"
#include "dav/dav.h"
#include "dav/dav_path.h"
#include "directory/directory.h"
#include "http/http.h"
#include "store/store_event.h"
#include "xml/xml.h"
#include "xml/xml_write.h"

#define DAV_XML_TYPE "application/xml; charset=utf-8"
#define DAV_INFINITY UINT32_MAX

struct calendar_connector_lookup;
struct dav_call;
struct dav_view;

enum dav_body { DAV_BODY_NONE, DAV_BODY_XML, DAV_BODY_DATA };

/* What who asks may do with a resource; each includes those before it. */
enum dav_rights {
    DAV_RIGHTS_NOBODY, /* without a log-in */
    DAV_RIGHTS_BUSY,   /* when it makes busy, by a query alone */
    DAV_RIGHTS_SEE,    /* that it is there */
    DAV_RIGHTS_READ,
    DAV_RIGHTS_WRITE,
    DAV_RIGHTS_ACT, /* in the owner's name */
    DAV_RIGHTS_OWN,
};

struct dav_method {
    const char *name;
    unsigned kinds; /* of resources that it is legal on */
    enum dav_body body;
    enum dav_rights rights; /* that it needs */
    bool may_be_new;        /* the resource need not be there, but what it is to be in */
    /* Replies. Other than ST_OK: it has not, and the reply is that st's. */
    enum st (*run)(struct dav_call *call);
};
extern const struct dav_method dav_methods[];

#define DAV_METHOD(name, kinds, body, rights, new, handler) \
    MUST_USE enum st dav_method_##handler(struct dav_call *call);
#include "dav/dav_method.def"

/* What a path names, found. */
struct dav_resource {
    struct dav_path path; /* in the call's arena */
    /* Whose it is; NULL: nobody's. Of a calendar that is shared into another's home, its owner. */
    const struct directory_person *person;
    const struct directory_group *group; /* of GROUP */
    enum dav_rights rights;              /* of who asks */
    struct store_calendar *calendar;     /* of calendars and what is in them; NULL: not there */
    struct store_event *event;           /* of objects; NULL: not there */
    bool masked;                         /* the event is private, and who asks is not its owner */
};

struct dav_list {
    struct dav_resource *at;
    size_t count, cap;
};

struct dav_call {
    const struct dav_context *context;
    struct http_request *request;
    const struct dav_method *method;
    struct arena *arena;
    struct buf body;
    const struct directory *directory;
    const struct directory_person *me; /* who asks; NULL: not known, where no log-in is needed */
    struct calendar_who who;           /* the same, with the groups */
    struct dav_resource target;
    struct xml_element *xml;                  /* the body; NULL: there is none */
    struct dav_view *view;                    /* of a report that shows objects; else NULL */
    struct calendar_connector_lookup *lookup; /* when people are busy; else NULL */
    uint64_t begun_ms;
    unsigned refs;
};

/* --- life; the functions of an http_service --- */

void dav_call_begin(void *ctx, struct http_request *request); /* ctx: struct dav_context */
void dav_call_upload(void *ctx, struct http_request *request, struct slice bytes);
void dav_call_answer(void *ctx, struct http_request *request);
void dav_call_done(void *ctx, struct http_request *request);
/* For what outlives done(): a reply in pieces. */
struct dav_call *dav_call_ref(struct dav_call *call);
void dav_call_unref(void *call);

/* --- refusals --- */

/* Replies with the status and a DAV:error (RFC 4918 section 16) that names the precondition; NULL:
 * the sentence alone. Returns ST_OK: replied. */
enum st dav_refuse(struct dav_call *call, unsigned status, enum xml_ns ns, const char *condition,
                   const char *sentence);
/* The same with a condition that has something in it. */
enum st dav_refuse_xml(struct dav_call *call, unsigned status, struct slice condition_xml,
                       const char *sentence);
/* RFC 3744 section 7.1.1. */
enum st dav_refuse_rights(struct dav_call *call, const struct dav_path *path,
                          const char *privilege);

/* --- looking at the request --- */

/* "0", "1", "infinity"; otherwise where there is no header. ST_INVALID: something else. */
MUST_USE enum st dav_depth(struct dav_call *call, uint32_t otherwise, uint32_t *depth_r);
/* Whether the header Prefer asks for it (RFC 7240), as "return=minimal". */
bool dav_prefers(struct dav_call *call, const char *what);

/* --- who asks (dav_auth.c) --- */

/* Fills call->me; false: replied. */
bool dav_auth(struct dav_call *call, struct directory_auth *auth);

/* GET of an .ifb (dav_freebusy.c); call->me NULL: nobody logged in. */
MUST_USE enum st dav_freebusy_get(struct dav_call *call);

/* --- rights (dav_rights.c) --- */

/* Of who asks, on what lies in the owner's account: a calendar of that id, or 0. */
MUST_USE enum st dav_rights_find(const struct dav_call *call, struct store_tx *tx,
                                 const struct directory_person *owner, enum dav_kind kind,
                                 int64_t calendar_id, enum dav_rights *rights_r);
/* Whether others than the owner see only when it is; the body, where there is one, becomes that,
 * in arena. To be used on every object that goes out or is searched. */
bool dav_mask(struct arena *arena, enum dav_rights rights, struct store_event *event);
/* Appends the calendars that others share with the home's owner by name or group. */
MUST_USE enum st dav_shared_add(struct dav_call *call, struct store_tx *tx,
                                const struct dav_resource *home, struct dav_list *list);
/* The owner and the calendar's name that a name in another's home stands for. */
bool dav_shared_read(const struct directory *directory, struct slice name,
                     const struct directory_person **owner_r, struct slice *calendar_r);

/* --- resources (dav_resource.c) --- */

/* Finds what the path names, with the body of an object where with_body, and what who asks may do
 * with it. ST_NOT_FOUND: it is not there, or nothing of what it would be in. ST_AGAIN: the account
 * is on another server. */
MUST_USE enum st dav_resource_find(struct dav_call *call, const struct dav_path *path,
                                   struct dav_resource *resource_r);
/* Whether it is there. */
bool dav_resource_is(const struct dav_resource *resource);
/* Its members that who asks may see, one level, appended to the list that is in the arena. */
void dav_list_add(struct dav_call *call, struct dav_list *list,
                  const struct dav_resource *resource);
MUST_USE enum st dav_resource_members(struct dav_call *call, const struct dav_resource *resource,
                                      struct dav_list *list);
/* Writes <D:href>. */
void dav_href_write(const struct dav_path *path, struct buf *out);
/* The same of a person's principal, home, inbox or outbox. */
void dav_href_write_of(const struct directory_person *person, enum dav_kind kind, struct buf *out);
