#include "dav/dav_view.h"

#include "base/mem.h"
#include "calendar/calendar.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#define RESPONSES_AT_ONCE 100
#define PIECE_BYTES (512 * KIB) /* about */
#define KEPT_BYTES_MAX (8 * MIB)

enum st dav_refuse_fault(struct dav_call *call, const struct dav_fault *fault)
{
    return dav_refuse(call, fault->condition != NULL ? 403 : 400, fault->ns, fault->condition,
                      fault->sentence);
}

/* --- the view --- */

static enum st refuse_zone(struct dav_call *call, const char *condition, const char *sentence)
{
    dav_refuse(call, 403, XML_CALDAV, condition, sentence);
    return ST_INVALID;
}

static const struct ical_comp *only_zone(const struct ical_comp *calendar)
{
    return calendar->id == ICAL_VCALENDAR && calendar->next == NULL && calendar->comps != NULL &&
                   calendar->comps->id == ICAL_VTIMEZONE && calendar->comps->next == NULL
               ? calendar->comps
               : NULL;
}

/* RFC 4791 section 9.8, RFC 7809 section 7.1. */
static enum st take_zone(struct dav_call *call, const struct xml_element *report)
{
    const struct xml_element *text = xml_child(report, XML_CALDAV, "timezone");
    const struct xml_element *id = xml_child(report, XML_CALDAV, "timezone-id");
    struct dav_view *view = call->view;
    struct ical_error error;
    struct ical_comp *calendar;

    if (id != NULL) {
        view->zone = ical_zones_find(calendar_zones(call->context->calendar), slice_trim(id->text));
        return view->zone != NULL ? ST_OK
                                  : refuse_zone(call, "valid-timezone", "Nobody knows this zone");
    }
    if (text == NULL)
        return ST_OK;
    if (ical_parse(call->arena, slice_trim(text->text), &ical_limits_default, &calendar, &error) !=
            ST_OK ||
        only_zone(calendar) == NULL ||
        ical_zone_vtimezone(call->arena, calendar->comps, &view->zone, &error) != ST_OK)
        return refuse_zone(call, "valid-calendar-data",
                           "CALDAV:timezone must hold a VCALENDAR with one VTIMEZONE");
    return ST_OK;
}

static enum st read_account(struct store_tx *tx, void *arg)
{
    struct dav_call *call = arg;
    struct store_calendar_account account;
    enum st st =
        store_calendar_account_get(tx, call->arena, call->target.person->account_id, &account);

    call->view->account_zone = account.zone;
    return st;
}

enum st dav_view_begin(struct dav_call *call, const struct xml_element *report)
{
    const struct xml_element *data =
        xml_child(xml_child(report, XML_DAV, "prop"), XML_CALDAV, "calendar-data");
    struct dav_view *view = call->view = mem_new(struct dav_view);
    const char *zones = http_request_header(call->request, "CalDAV-Timezones");
    struct dav_fault fault;

    view->object = arena_new("dav object", dav_data_arena_bytes());
    view->tree = arena_new("dav tree", dav_data_arena_bytes());
    view->scratch = arena_new("dav scratch", dav_data_arena_bytes());
    view->asked = data != NULL;
    if (data != NULL && dav_data_read(call->arena, data, &view->data, &fault) != ST_OK) {
        dav_refuse_fault(call, &fault);
        return ST_INVALID;
    }
    view->data.without_zones = zones != NULL && slice_ieq(slice_str(zones), SLICE("F"));
    enum st st = take_zone(call, report);
    return st == ST_OK ? store_read(call->context->store, read_account, call) : st;
}

void dav_view_free(struct dav_view **view)
{
    if (*view == NULL)
        return;
    arena_free(&(*view)->object);
    arena_free(&(*view)->tree);
    arena_free(&(*view)->scratch);
    mem_free(*view);
    *view = NULL;
}

const struct ical_zone *dav_view_zone(const struct dav_call *call,
                                      const struct store_calendar *calendar)
{
    struct dav_view *view = call->view;

    if (view->zone != NULL)
        return view->zone;
    if (view->known_calendar_id != calendar->calendar_id)
        view->known_zone =
            calendar_zone(call->context->calendar, call->arena, calendar->zone, view->account_zone);
    view->known_calendar_id = calendar->calendar_id;
    return view->known_zone;
}

/* --- calendar-data --- */

enum st dav_view_text(const struct dav_call *call, const struct dav_resource *resource,
                      struct buf *text)
{
    struct dav_view *view = call->view;
    struct ical_zones *zones = calendar_zones(call->context->calendar);
    struct ical_comp *calendar;
    struct ical_error error;

    arena_reset(view->tree);
    if (ical_parse(view->tree, resource->event->body, &ical_limits_default, &calendar, &error) !=
        ST_OK)
        return ST_NOT_FOUND;
    const struct dav_data_world world = {.arena = view->tree,
                                         .scratch = view->scratch,
                                         .vcalendar = calendar,
                                         .tz = ical_tz_new(view->tree, calendar, zones),
                                         .floating = dav_view_zone(call, resource->calendar),
                                         .zones = zones};
    return dav_data_write(&view->data, &world, text);
}

/* No property of the resource: only a report that asks for it gets it (RFC 4791 section 9.6). */
enum st dav_prop_calendar_data(const struct dav_call *call, const struct dav_resource *resource,
                               struct buf *out)
{
    AUTO(buf) struct buf text = BUF(HTTP_PIECE_BYTES_MAX);
    enum st st = ST_OK;

    if (call->view == NULL || !call->view->asked)
        return ST_NOT_FOUND;
    if (dav_data_is_plain(&call->view->data)) {
        dav_data_escape(resource->event->body, out);
        return ST_OK;
    }
    st = dav_view_text(call, resource, &text);
    if (st == ST_OK)
        dav_data_escape(buf_slice(&text), out);
    return st;
}

/* --- responses --- */

void dav_status_write(const struct dav_path *path, const char *status, const char *condition,
                      struct buf *out)
{
    xml_write_open(out, XML_DAV, "response");
    dav_href_write(path, out);
    xml_write_text_in(out, XML_DAV, "status", slice_str(status));
    if (condition != NULL) {
        xml_write_open(out, XML_DAV, "error");
        xml_write_empty(out, XML_DAV, condition);
        xml_write_close(out, XML_DAV, "error");
    }
    xml_write_close(out, XML_DAV, "response");
}

enum st dav_result_write(struct dav_call *call, const struct dav_resource *resource,
                         const struct dav_wants *wants, struct buf *out)
{
    size_t begun = out->len;
    enum st st = dav_response_write(call, resource, wants, out);

    if (st != ST_TOO_BIG && !out->over)
        return st;
    out->over = false;
    buf_cut(out, begun);
    dav_status_write(&resource->path, "HTTP/1.1 507 Insufficient Storage", NULL, out);
    return ST_OK;
}

enum st dav_results_wants(struct dav_call *call, const struct xml_element *report,
                          struct dav_results *results)
{
    if (xml_child(report, XML_DAV, "prop") == NULL &&
        xml_child(report, XML_DAV, "allprop") == NULL &&
        xml_child(report, XML_DAV, "propname") == NULL) {
        results->wants = (struct dav_wants){.missing = arena_many(call->arena, bool, 1)};
        return ST_OK;
    }
    return dav_wants_read(call, report, &results->wants);
}

enum st dav_results_add(struct dav_call *call, struct dav_results *results,
                        const struct dav_resource *of, const struct store_event *event)
{
    struct dav_resource resource = *of;
    struct store_event *copy = arena_one(call->arena, struct store_event);
    bool keep = call->view != NULL && call->view->asked &&
                results->kept_bytes + event->body.len <= KEPT_BYTES_MAX;

    if (results->list.count == DAV_RESULTS_MAX)
        return ST_TOO_BIG;
    *copy = *event;
    copy->uid = SLICE("");
    copy->body = keep ? arena_copy(call->arena, event->body) : SLICE("");
    copy->name = resource.path.object = arena_copy(call->arena, event->name);
    results->kept_bytes += copy->body.len;
    resource.path.kind = of->path.kind == DAV_KIND_INBOX ? DAV_KIND_NOTICE : DAV_KIND_OBJECT;
    resource.event = copy;
    resource.masked = dav_mask(call->arena, resource.rights, copy);
    dav_list_add(call, &results->list, &resource);
    return ST_OK;
}

struct piece {
    struct dav_call *call;
    struct dav_results *results;
    struct store_tx *tx; /* NULL: nothing is read */
    struct buf *out;
    size_t begun, first;
};

static enum st write_result(struct piece *piece, const struct dav_resource *resource)
{
    struct dav_call *call = piece->call;
    struct store_event event;

    if (resource->event == NULL && ((1u << resource->path.kind) & DAV_OBJECTS) != 0) {
        dav_status_write(&resource->path, "HTTP/1.1 404 Not Found", NULL, piece->out);
        return ST_OK;
    }
    if (piece->tx == NULL || resource->event == NULL || resource->event->body.len > 0)
        return dav_result_write(call, resource, &piece->results->wants, piece->out);
    arena_reset(call->view->object);
    enum st st = store_event_get(piece->tx, call->view->object, resource->event->event_id, &event);
    if (st == ST_NOT_FOUND) /* it went meanwhile */
        return ST_OK;
    struct dav_resource whole = *resource;
    whole.event = &event;
    whole.masked = st == ST_OK && dav_mask(call->view->object, whole.rights, &event);
    return st == ST_OK ? dav_result_write(call, &whole, &piece->results->wants, piece->out) : st;
}

static enum st write_piece(struct store_tx *tx, void *arg)
{
    struct piece *piece = arg;
    struct dav_results *results = piece->results;
    enum st st = ST_OK;

    piece->tx = tx;
    results->next = piece->first;
    buf_cut(piece->out, piece->begun);
    for (size_t i = 0; st == ST_OK && i < RESPONSES_AT_ONCE; i++) {
        if (results->next == results->list.count || piece->out->len - piece->begun > PIECE_BYTES)
            break;
        st = write_result(piece, &results->list.at[results->next++]);
    }
    return st;
}

static enum st write_some(struct dav_call *call, void *ctx, struct buf *out)
{
    struct dav_results *results = ctx;
    struct piece piece = {call, results, NULL, out, out->len, results->next};
    bool with_body = call->view != NULL && call->view->asked;
    enum st st = with_body && results->next < results->list.count
                     ? store_read(call->context->store, write_piece, &piece)
                     : write_piece(NULL, &piece);

    if (st != ST_OK || results->next < results->list.count)
        return st == ST_OK ? ST_AGAIN : st;
    buf_put(out, results->tail);
    return ST_OK;
}

enum st dav_results_reply(struct dav_call *call, struct dav_results *results)
{
    return dav_multistatus(call, write_some, results);
}
