/* calendar-query (RFC 4791 section 7.8). */
#include "calendar/calendar.h"
#include "dav/dav_report.h"
#include "dav/dav_view.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

struct query {
    struct dav_call *call;
    struct dav_comp_filter *filter;
    struct dav_list calendars;
    struct dav_results *results;
    struct store_tx *tx;
    /* of the calendar that is looked at */
    const struct dav_resource *calendar;
    bool full; /* more match than are told */
};

/* What cannot be read any more does not match. */
static bool matches(struct query *query, const struct store_event *event)
{
    struct dav_view *view = query->call->view;
    struct ical_zones *zones = calendar_zones(query->call->context->calendar);
    struct ical_comp *calendar;
    struct ical_error error;
    enum dav_look look = dav_filter_look(query->filter, event);

    if (look != DAV_LOOK_INSIDE)
        return look == DAV_LOOK_YES;
    arena_reset(view->tree);
    if (ical_parse(view->tree, event->body, &ical_limits_default, &calendar, &error) != ST_OK)
        return false;
    struct dav_match match = {.scratch = view->scratch,
                              .vcalendar = calendar,
                              .tz = ical_tz_new(view->tree, calendar, zones),
                              .floating = dav_view_zone(query->call, query->calendar->calendar),
                              .ranges_left = DAV_MATCH_RANGES_MAX};
    return dav_filter_match(query->filter, &match);
}

static enum st look_at(void *ctx, const struct store_event *row)
{
    struct query *query = ctx;
    struct store_event event = *row;

    arena_reset(query->call->view->object);
    (void)!dav_mask(query->call->view->object, query->calendar->rights, &event);
    if (!matches(query, &event))
        return ST_OK;
    enum st st = dav_results_add(query->call, query->results, query->calendar, &event);
    query->full = st == ST_TOO_BIG;
    return st;
}

static enum st look_through(struct store_tx *tx, void *arg)
{
    struct query *query = arg;
    struct calendar_range window;
    bool has_window = dav_filter_window(query->filter, &window);
    enum st st = ST_OK;

    query->results->list.count = 0;
    query->results->kept_bytes = 0;
    for (size_t i = 0; st == ST_OK && i < query->calendars.count; i++) {
        query->calendar = &query->calendars.at[i];
        int64_t calendar_id = query->calendar->calendar->calendar_id;
        if (has_window)
            st = store_event_between(tx, calendar_id, window.start_s, window.end_s, look_at, query);
        else
            st = store_event_each(tx, calendar_id, true, look_at, query);
    }
    return st == ST_TOO_BIG && query->full ? ST_OK : st;
}

static enum st find_calendars(struct query *query, uint32_t depth)
{
    struct dav_call *call = query->call;
    struct dav_list members = {NULL, 0, 0};

    if (call->target.path.kind != DAV_KIND_HOME) {
        if (depth > 0)
            dav_list_add(call, &query->calendars, &call->target);
        return ST_OK;
    }
    if (depth < DAV_INFINITY)
        return ST_OK;
    enum st st = dav_resource_members(call, &call->target, &members);
    for (size_t i = 0; st == ST_OK && i < members.count; i++)
        if (members.at[i].path.kind == DAV_KIND_CALENDAR)
            dav_list_add(call, &query->calendars, &members.at[i]);
    return st;
}

/* An object by itself: it is there, with its body. */
static enum st look_at_target(struct query *query)
{
    struct dav_resource calendar = query->call->target;

    query->calendar = &calendar;
    calendar.path.kind = calendar.path.kind == DAV_KIND_NOTICE ? DAV_KIND_INBOX : DAV_KIND_CALENDAR;
    return look_at(query, query->call->target.event);
}

static enum st run(struct query *query, uint32_t depth)
{
    struct dav_call *call = query->call;

    if (call->target.event != NULL)
        return look_at_target(query);
    enum st st = find_calendars(query, depth);
    return st == ST_OK ? store_read(call->context->store, look_through, query) : st;
}

/* Those that are told are some of them (RFC 4791 section 7.8). */
static void tell_full(struct query *query)
{
    AUTO(buf) struct buf tail = BUF(4 * KIB);

    dav_status_write(&query->call->target.path, "HTTP/1.1 507 Insufficient Storage",
                     "number-of-matches-within-limits", &tail);
    query->results->tail = arena_copy(query->call->arena, buf_slice(&tail));
}

enum st dav_report_query(struct dav_call *call)
{
    struct query query = {.call = call, .results = arena_one(call->arena, struct dav_results)};
    struct dav_fault fault;
    uint32_t depth;

    if (dav_depth(call, 1, &depth) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL, "Depth must be 0, 1 or infinity");
    if (dav_results_wants(call, call->xml, query.results) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL,
                          "A report asks for DAV:prop, DAV:allprop or DAV:propname");
    if (dav_filter_read(call->arena, xml_child(call->xml, XML_CALDAV, "filter"), &query.filter,
                        &fault) != ST_OK)
        return dav_refuse_fault(call, &fault);
    enum st st = dav_view_begin(call, call->xml);
    if (st != ST_OK)
        return http_replied(call->request) ? ST_OK : st;
    st = run(&query, depth);
    if (query.full)
        tell_full(&query);
    return st == ST_OK || query.full ? dav_results_reply(call, query.results) : st;
}
