/* dav_path.h: which resource a path names, and a resource's path. Pure. Inside dav/. */
#pragma once
#include "base/base.h"

struct buf;

#define DAV_ROOT "/dav/"
#define DAV_NAME_BYTES_MAX 255 /* of a segment, decoded */

/* Groups of those who may read, or act for, all of somebody's calendars (calendarserver.org's
 * caldav-proxy). */
#define DAV_PROXY_READ "calendar-proxy-read"
#define DAV_PROXY_WRITE "calendar-proxy-write"

enum dav_kind {
    DAV_KIND_NONE,       /* nothing can be there */
    DAV_KIND_WELL_KNOWN, /* /.well-known/caldav (RFC 6764 section 5) */
    DAV_KIND_ROOT,       /* / and /dav/ */
    DAV_KIND_PRINCIPALS, /* /dav/principals/ */
    DAV_KIND_PRINCIPAL,  /* /dav/principals/NAME/ */
    DAV_KIND_GROUP,      /* /dav/principals/NAME/ too: which it is, the directory knows */
    DAV_KIND_PROXY,      /* /dav/principals/NAME/calendar-proxy-read/, -write/ */
    DAV_KIND_HOMES,      /* /dav/calendars/ */
    DAV_KIND_HOME,       /* /dav/calendars/NAME/ */
    DAV_KIND_CALENDAR,   /* /dav/calendars/NAME/CAL/ */
    DAV_KIND_INBOX,      /* /dav/calendars/NAME/inbox/ */
    DAV_KIND_OUTBOX,     /* /dav/calendars/NAME/outbox/ */
    DAV_KIND_OBJECT,     /* /dav/calendars/NAME/CAL/OBJ */
    DAV_KIND_NOTICE,     /* /dav/calendars/NAME/inbox/OBJ */
    DAV_KIND_FREEBUSY,   /* /freebusy/NAME.ifb; NAME may be an address */
    DAV_KIND_MAX,
};
#define DAV_IN(kind) (1u << DAV_KIND_##kind)
#define DAV_ALL_PRINCIPALS (DAV_IN(PRINCIPAL) | DAV_IN(GROUP) | DAV_IN(PROXY))
#define DAV_COLLECTIONS \
    (DAV_IN(ROOT) | DAV_IN(PRINCIPALS) | DAV_ALL_PRINCIPALS | DAV_IN(HOMES) | DAV_IN(HOME) | \
     DAV_IN(CALENDAR) | DAV_IN(INBOX) | DAV_IN(OUTBOX))
#define DAV_CALENDARS (DAV_IN(CALENDAR) | DAV_IN(INBOX))
#define DAV_GUARDED (DAV_CALENDARS | DAV_IN(HOME)) /* have an ACL of their own */
#define DAV_OBJECTS (DAV_IN(OBJECT) | DAV_IN(NOTICE))
#define DAV_STORED (DAV_CALENDARS | DAV_OBJECTS)
#define DAV_ANY (DAV_COLLECTIONS | DAV_IN(OBJECT) | DAV_IN(NOTICE))

/* Slices into the path; those that the kind has not are empty. */
struct dav_path {
    enum dav_kind kind;
    struct slice person;   /* whose principal or home it is */
    struct slice calendar; /* of PROXY: DAV_PROXY_READ or DAV_PROXY_WRITE */
    struct slice object;
    bool bare; /* the root as "/": a reply names what was asked for (RFC 4918 section 9.1) */
};

/* path is decoded but for "%2F" and "%00". A collection's final '/' may be missing. ST_INVALID: a
 * segment that no resource can have: empty, ".", "..", too long, not UTF-8, or with a control
 * character, "%2F" or "%00" in it. ST_NOT_FOUND: kind is NONE. */
MUST_USE enum st dav_path_parse(struct slice path, struct dav_path *path_r);
/* Decodes as such a path is: "%2F" and "%00" stay. For hrefs in bodies; their scheme and authority
 * are passed over. In the text itself; gives what is left of it. */
struct slice dav_path_decode(char *text, size_t len);
/* Appends the path, percent-encoded (RFC 3986); collections end with '/'. */
void dav_path_write(const struct dav_path *path, struct buf *out);
