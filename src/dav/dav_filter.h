/* dav_filter.h: which calendar objects a CALDAV:filter lets through (RFC 4791 section 9.7). Pure.
 * Inside dav/. */
#pragma once
#include "calendar/calendar_range.h"
#include "ical/ical.h"
#include "store/store_event.h"
#include "xml/xml.h"

#define DAV_FILTER_PARTS_MAX 200 /* of one filter: comp-, prop-, param-filters */

/* Why a request's body was refused: the precondition, and a sentence. Literals. */
struct dav_fault {
    enum xml_ns ns;
    const char *condition; /* NULL: only the sentence */
    const char *sentence;
};

struct dav_text_match {
    struct slice text;
    bool asked, octet, negate;
};

struct dav_param_filter {
    struct dav_param_filter *next;
    const char *name;
    bool absent; /* CALDAV:is-not-defined */
    struct dav_text_match text;
};

struct dav_prop_filter {
    struct dav_prop_filter *next;
    struct slice name;
    bool absent, has_range;
    struct calendar_range range;
    struct dav_text_match text;
    struct dav_param_filter *params;
};

struct dav_comp_filter {
    struct dav_comp_filter *next;
    struct slice name;
    enum ical_comp_id id;
    bool absent, has_range;
    struct calendar_range range;
    struct dav_prop_filter *props;
    struct dav_comp_filter *comps;
};

/* Reads a CALDAV:filter; what is in it stays borrowed. ST_INVALID: *fault_r. */
MUST_USE enum st dav_filter_read(struct arena *arena, const struct xml_element *filter,
                                 struct dav_comp_filter **filter_r, struct dav_fault *fault_r);
/* "20060104T000000Z" in start and end, one of which may be missing (RFC 4791 section 9.9). */
MUST_USE enum st dav_range_read(const struct xml_element *element, bool both,
                                struct calendar_range *range_r, struct dav_fault *fault_r);

/* What the store's row alone says, whatever zone floating times are of. */
enum dav_look { DAV_LOOK_NO, DAV_LOOK_YES, DAV_LOOK_INSIDE };
enum dav_look dav_filter_look(const struct dav_comp_filter *filter, const struct store_event *row);
/* What lies outside of it, by its row, does not match. False: there is no such window. */
bool dav_filter_window(const struct dav_comp_filter *filter, struct calendar_range *window_r);

struct dav_match {
    struct arena *scratch; /* reset on the way */
    const struct ical_comp *vcalendar;
    struct ical_tz *tz;
    const struct ical_zone *floating; /* NULL: UTC */
    uint64_t ranges_left; /* time ranges still looked at; then all of them count as overlapping */
};
#define DAV_MATCH_RANGES_MAX 1000
bool dav_filter_match(const struct dav_comp_filter *filter, struct dav_match *match);
