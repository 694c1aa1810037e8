/* COPY and MOVE of an object (RFC 4918 sections 9.8 and 9.9). */
#include "calendar/calendar_move.h"
#include "dav/dav_put.h"
#include "dav/dav_tag.h"
#include "sys/sys_time.h"

/* Whether the URI is one of this host, or has none. */
static bool is_here(struct dav_call *call, struct slice uri)
{
    struct slice host = slice_str(http_request_header(call->request, "Host"));
    size_t colon = slice_find_slice(uri, SLICE("://"));

    if (colon == SIZE_MAX)
        return uri.len > 0 && uri.ptr[0] == '/';
    struct slice rest = slice_sub(uri, colon + 3, uri.len);
    return slice_ieq(slice_sub(rest, 0, slice_find(rest, '/')), host);
}

/* Where the header says it is to go. False: replied. */
static bool read_destination(struct dav_call *call, struct dav_path *path)
{
    struct slice uri = slice_trim(slice_str(http_request_header(call->request, "Destination")));
    char *room = arena_text(call->arena, uri.len);

    if (uri.len == 0)
        return dav_refuse(call, 400, XML_DAV, NULL, "The header Destination is missing") != ST_OK;
    if (!is_here(call, uri))
        return dav_refuse(call, 502, XML_DAV, NULL, "The destination is on another host") != ST_OK;
    for (size_t i = 0; i < uri.len; i++)
        room[i] = uri.ptr[i];
    if (dav_path_parse(dav_path_decode(room, uri.len), path) != ST_OK ||
        path->kind != DAV_KIND_OBJECT)
        return dav_refuse(call, 403, XML_CALDAV, "calendar-collection-location-ok",
                          "Objects lie in calendars") != ST_OK;
    return true;
}

static bool same_place(const struct dav_resource *a, const struct dav_resource *b)
{
    return a->calendar->calendar_id == b->calendar->calendar_id &&
           slice_eq(a->path.object, b->path.object);
}

static struct calendar_place place_of(const struct dav_resource *resource)
{
    return (struct calendar_place){resource->person, resource->calendar->calendar_id,
                                   resource->path.object};
}

static enum st run(struct dav_call *call, struct calendar_move *move)
{
    enum st st = calendar_move(call->context->calendar, move);

    switch ((int)st) {
    case ST_OK:
        http_reply(call->request, move->created ? 201 : 204, NULL, SLICE(""));
        return ST_OK;
    case ST_INVALID:
        return dav_refuse_object(call, move->fault, &move->error, NULL);
    case ST_EXISTS:
        return dav_refuse(call, 412, XML_DAV, NULL,
                          "Something is there already, and Overwrite is F");
    case ST_CONFLICT:
        return dav_refuse(call, 412, XML_DAV, NULL, "The object is another one by now");
    case ST_DENIED:
        return dav_refuse(call, 403, XML_DAV, NULL,
                          "A meeting stays in its owner's calendars; nothing takes its place");
    default:
        return st;
    }
}

static enum st copy_or_move(struct dav_call *call, bool copy)
{
    const char *match = http_request_header(call->request, "If-Match");
    const char *overwrite = http_request_header(call->request, "Overwrite");
    struct dav_resource to = {.rights = DAV_RIGHTS_NOBODY};
    struct dav_path path;

    if (match != NULL && !dav_etag_in(slice_str(match), call->target.event->modseq))
        return dav_refuse(call, 412, XML_DAV, NULL, "The object is another one by now");
    if (call->target.masked)
        return dav_refuse(call, 403, XML_DAV, NULL, "The event is private");
    if (!read_destination(call, &path))
        return ST_OK;
    enum st st = dav_resource_find(call, &path, &to);
    if (st == ST_OK && to.rights < DAV_RIGHTS_WRITE)
        return dav_refuse_rights(call, &path, "bind");
    if (st == ST_NOT_FOUND || (st == ST_OK && to.calendar == NULL))
        return dav_refuse(call, 409, XML_DAV, NULL, "There is no such calendar to put it into");
    if (st != ST_OK)
        return st;
    if (same_place(&call->target, &to))
        return dav_refuse(call, 403, XML_DAV, NULL, "It is there already");
    struct calendar_move move = {
        .from = place_of(&call->target),
        .to = place_of(&to),
        .copy = copy,
        .overwrite = overwrite == NULL || !slice_ieq(slice_trim(slice_str(overwrite)), SLICE("F")),
        .if_etag = call->target.event->modseq,
        .now_ms = sys_now_ms()};
    return run(call, &move);
}

enum st dav_method_copy(struct dav_call *call)
{
    return copy_or_move(call, true);
}

enum st dav_method_move(struct dav_call *call)
{
    return copy_or_move(call, false);
}
