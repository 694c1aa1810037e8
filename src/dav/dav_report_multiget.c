/* calendar-multiget (RFC 4791 section 7.9). */
#include "dav/dav_report.h"
#include "dav/dav_view.h"

#define HREFS_AT_ONCE 100
#define PIECE_BYTES (512 * KIB)

struct multiget {
    struct dav_wants wants;
    const struct xml_element *next;
    struct dav_resource calendar; /* the last one that was looked for */
};

struct piece {
    struct dav_call *call;
    struct multiget *multiget;
    const struct xml_element *first, *end; /* hrefs of one calendar */
    struct buf *out;
    size_t begun;
};

/* What the href names, if it may be asked here; in view->object. */
static bool read_href(struct dav_call *call, const struct xml_element *href, struct dav_path *path)
{
    const struct dav_path *target = &call->target.path;
    struct slice text = slice_trim(href->text);
    char *room = arena_text(call->view->object, text.len);

    for (size_t i = 0; i < text.len; i++)
        room[i] = text.ptr[i];
    return dav_path_parse(dav_path_decode(room, text.len), path) == ST_OK &&
           ((1u << path->kind) & DAV_OBJECTS) != 0 && slice_eq(path->person, target->person) &&
           (target->calendar.len == 0 || slice_eq(path->calendar, target->calendar)) &&
           (target->object.len == 0 || slice_eq(path->object, target->object));
}

static void write_not_found(const struct xml_element *href, struct buf *out)
{
    xml_write_open(out, XML_DAV, "response");
    xml_write_text_in(out, XML_DAV, "href", href->text);
    xml_write_text_in(out, XML_DAV, "status", SLICE("HTTP/1.1 404 Not Found"));
    xml_write_close(out, XML_DAV, "response");
}

static enum st write_one(struct piece *piece, struct store_tx *tx, const struct xml_element *href)
{
    struct dav_call *call = piece->call;
    struct dav_resource object = piece->multiget->calendar;
    struct store_event event;

    arena_reset(call->view->object);
    if (!read_href(call, href, &object.path))
        return ST_NOT_FOUND;
    enum st st = store_event_find(tx, call->view->object, object.calendar->calendar_id,
                                  object.path.object, &event);
    object.event = &event;
    object.masked = st == ST_OK && dav_mask(call->view->object, object.rights, &event);
    return st == ST_OK ? dav_result_write(call, &object, &piece->multiget->wants, piece->out) : st;
}

static enum st write_piece(struct store_tx *tx, void *arg)
{
    struct piece *piece = arg;
    const struct xml_element *href = piece->first;
    enum st st = ST_OK;

    buf_cut(piece->out, piece->begun);
    for (; st == ST_OK && href != piece->end; href = xml_again(href)) {
        if (piece->out->len - piece->begun > PIECE_BYTES)
            break;
        st = write_one(piece, tx, href);
        if (st == ST_NOT_FOUND) {
            write_not_found(href, piece->out);
            st = ST_OK;
        }
    }
    piece->multiget->next = href;
    return st;
}

/* The calendar the object is in, into multiget->calendar. */
static enum st find_calendar(struct dav_call *call, struct multiget *multiget,
                             const struct dav_path *object)
{
    struct dav_path path = *object;

    if (multiget->calendar.calendar != NULL &&
        slice_eq(multiget->calendar.path.calendar, object->calendar))
        return ST_OK;
    path.kind = object->kind == DAV_KIND_NOTICE ? DAV_KIND_INBOX : DAV_KIND_CALENDAR;
    path.person = call->target.path.person;
    path.calendar = arena_copy(call->arena, object->calendar);
    path.object = SLICE("");
    enum st st = dav_resource_find(call, &path, &multiget->calendar);
    if (st == ST_OK &&
        (multiget->calendar.calendar == NULL || multiget->calendar.rights < DAV_RIGHTS_READ))
        st = ST_NOT_FOUND;
    if (st != ST_OK)
        multiget->calendar.calendar = NULL;
    return st;
}

/* Those at the front that are of the same calendar as the first. */
static const struct xml_element *end_of_run(struct dav_call *call, const struct multiget *multiget)
{
    const struct xml_element *href = multiget->next;
    struct dav_path path;

    for (size_t i = 0; href != NULL && i < HREFS_AT_ONCE; i++, href = xml_again(href)) {
        arena_reset(call->view->object);
        if (read_href(call, href, &path) &&
            !slice_eq(path.calendar, multiget->calendar.path.calendar))
            break;
    }
    return href;
}

static enum st write_some(struct dav_call *call, void *ctx, struct buf *out)
{
    struct multiget *multiget = ctx;
    struct piece piece = {
        .call = call, .multiget = multiget, .first = multiget->next, .out = out, .begun = out->len};
    struct dav_path path;
    enum st st = ST_NOT_FOUND;

    if (multiget->next == NULL)
        return ST_OK;
    arena_reset(call->view->object);
    if (read_href(call, multiget->next, &path))
        st = find_calendar(call, multiget, &path);
    if (st == ST_OK) {
        piece.end = end_of_run(call, multiget);
        st = store_read(call->context->store, write_piece, &piece);
    } else if (st == ST_NOT_FOUND) {
        write_not_found(multiget->next, out);
        multiget->next = xml_again(multiget->next);
        st = ST_OK;
    }
    return st == ST_OK && multiget->next != NULL ? ST_AGAIN : st;
}

enum st dav_report_multiget(struct dav_call *call)
{
    struct multiget *multiget = arena_one(call->arena, struct multiget);
    struct dav_results wanted = {.next = 0};

    multiget->next = xml_child(call->xml, XML_DAV, "href");
    if (multiget->next == NULL)
        return dav_refuse(call, 400, XML_DAV, NULL, "A multiget names hrefs");
    if (dav_results_wants(call, call->xml, &wanted) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL,
                          "A report asks for DAV:prop, DAV:allprop or DAV:propname");
    multiget->wants = wanted.wants;
    enum st st = dav_view_begin(call, call->xml);
    if (st != ST_OK)
        return http_replied(call->request) ? ST_OK : st;
    return dav_multistatus(call, write_some, multiget);
}
