/* dav_data.h: what a CALDAV:calendar-data asks of an object, and the object's text as asked for
 * (RFC 4791 section 9.6). Pure. Inside dav/. */
#pragma once
#include "dav/dav_filter.h"

struct buf;

#define DAV_EXPAND_INSTANCES_MAX 10000 /* of one object */

/* Which parts of a component. */
struct dav_select {
    struct dav_select *next;
    struct slice name; /* the component's */
    bool all_props, all_comps;
    const struct xml_element *props; /* CALDAV:prop, the first; NULL: none */
    struct dav_select *comps;
};

struct dav_data {
    const struct dav_select *select; /* NULL: everything */
    bool expand, limit;              /* CALDAV:expand, CALDAV:limit-recurrence-set */
    struct calendar_range range;     /* of either */
    bool without_zones; /* those that the system has too are left out (RFC 7809 section 3.1.3) */
};

/* element: CALDAV:calendar-data, which stays borrowed. ST_INVALID: *fault_r. */
MUST_USE enum st dav_data_read(struct arena *arena, const struct xml_element *element,
                               struct dav_data *data_r, struct dav_fault *fault_r);
/* Whether the object goes out as it is stored. */
bool dav_data_is_plain(const struct dav_data *data);

/* Arenas of DAV_OBJECT_BYTES_MAX: of one object, and of one instance. */
size_t dav_data_arena_bytes(void);
struct dav_data_world {
    struct arena *arena;   /* the object lies in it */
    struct arena *scratch; /* reset on the way */
    const struct ical_comp *vcalendar;
    struct ical_tz *tz;
    const struct ical_zone *floating; /* NULL: UTC */
    struct ical_zones *zones;         /* the system's; NULL: none */
};
/* Appends the object's iCalendar text. ST_TOO_BIG: out, or too many instances. */
MUST_USE enum st dav_data_write(const struct dav_data *data, const struct dav_data_world *world,
                                struct buf *out);
/* Appends an iCalendar text escaped, its lines ended by LF: XML would make that of CR LF anyway
 * (RFC 4791 section 9.6). */
void dav_data_escape(struct slice text, struct buf *out);
