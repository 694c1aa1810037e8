/* dav_view.h: objects as a report wants them: with calendar-data, in a zone, as a list of
 * responses. Inside dav/. */
#pragma once
#include "dav/dav_data.h"
#include "dav/dav_multistatus.h"
#include "dav/dav_prop.h"

#define DAV_RESULTS_MAX 100000 /* responses of one report: about half of the call's arena */

struct dav_view {
    bool asked; /* for calendar-data */
    struct dav_data data;
    const struct ical_zone *zone; /* that the request names; NULL: the calendar's */
    struct slice account_zone;
    int64_t known_calendar_id; /* the last one whose zone was looked up */
    const struct ical_zone *known_zone;
    /* Each is reset on the way: an object as it is stored, its tree, what is made of that. */
    struct arena *object, *tree, *scratch;
};

/* Makes call->view from the calendar-data of a DAV:prop, the header CalDAV-Timezones and a
 * CALDAV:timezone or timezone-id of the report (NULL: a GET). ST_INVALID: replied. */
MUST_USE enum st dav_view_begin(struct dav_call *call, const struct xml_element *report);
void dav_view_free(struct dav_view **view);
/* Appends the object's text as the view wants it. ST_NOT_FOUND: it cannot be read any more. */
MUST_USE enum st dav_view_text(const struct dav_call *call, const struct dav_resource *resource,
                               struct buf *text);
/* For days and floating times of what lies in the calendar. */
const struct ical_zone *dav_view_zone(const struct dav_call *call,
                                      const struct store_calendar *calendar);

/* The responses of a report. In the call's arena. */
struct dav_results {
    struct dav_wants wants;
    struct dav_list list; /* of objects; event NULL: 404 */
    size_t next;
    size_t kept_bytes; /* of bodies that lie in the arena */
    struct slice tail; /* XML behind the last response */
};
/* Wants of a report; one that asks for nothing gets hrefs. ST_INVALID. */
MUST_USE enum st dav_results_wants(struct dav_call *call, const struct xml_element *report,
                                   struct dav_results *results);
/* of: the calendar it is in. The body is kept where it is small and wanted. ST_TOO_BIG:
 * DAV_RESULTS_MAX. */
MUST_USE enum st dav_results_add(struct dav_call *call, struct dav_results *results,
                                 const struct dav_resource *of, const struct store_event *event);
MUST_USE enum st dav_results_reply(struct dav_call *call, struct dav_results *results);

/* A response that has only a status ("HTTP/1.1 404 Not Found"); condition, of DAV:, may be NULL. */
void dav_status_write(const struct dav_path *path, const char *status, const char *condition,
                      struct buf *out);
/* A response with the properties, or one of 507 where they do not fit. */
MUST_USE enum st dav_result_write(struct dav_call *call, const struct dav_resource *resource,
                                  const struct dav_wants *wants, struct buf *out);
/* Replies with what a pure part says is wrong. */
enum st dav_refuse_fault(struct dav_call *call, const struct dav_fault *fault);
