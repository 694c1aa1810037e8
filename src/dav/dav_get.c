/* GET and HEAD of an object (RFC 9110 section 9.3.1); a body is no longer than an object may be. */
#include "dav/dav_put.h"
#include "dav/dav_tag.h"
#include "dav/dav_view.h"

#define TAG_BYTES_MAX 128

void dav_object_headers(struct dav_call *call, const struct store_event *event)
{
    AUTO(buf) struct buf tag = BUF(TAG_BYTES_MAX);

    dav_etag_write(event->modseq, &tag);
    http_reply_header(call->request, "ETag", tag.ptr);
    if (event->schedule_tag == 0)
        return;
    buf_clear(&tag);
    dav_etag_write(event->schedule_tag, &tag);
    http_reply_header(call->request, "Schedule-Tag", tag.ptr);
}

/* RFC 7809 section 3.1.3: without the zones that everybody knows. */
static enum st reply_without_zones(struct dav_call *call, unsigned status, const char *type)
{
    AUTO(buf) struct buf text = BUF(HTTP_PIECE_BYTES_MAX);
    enum st st = dav_view_begin(call, NULL);

    if (st == ST_OK)
        st = dav_view_text(call, &call->target, &text);
    if (st == ST_OK)
        http_reply(call->request, status, type, buf_slice(&text));
    return st;
}

enum st dav_object_reply(struct dav_call *call, unsigned status)
{
    const char *zones = http_request_header(call->request, "CalDAV-Timezones");
    AUTO(buf) struct buf type = BUF(TAG_BYTES_MAX);

    dav_type_write(call->target.event, &type);
    if (zones != NULL && slice_ieq(slice_str(zones), SLICE("F")))
        return reply_without_zones(call, status, type.ptr);
    http_reply(call->request, status, type.ptr, call->target.event->body);
    return ST_OK;
}

enum st dav_method_get(struct dav_call *call)
{
    if (call->target.path.kind == DAV_KIND_FREEBUSY)
        return dav_freebusy_get(call);
    const struct store_event *event = call->target.event;
    const char *match = http_request_header(call->request, "If-Match");
    const char *none = http_request_header(call->request, "If-None-Match");

    if (match != NULL && !dav_etag_in(slice_str(match), event->modseq))
        return dav_refuse(call, 412, XML_DAV, NULL, "The object is another one by now");
    dav_object_headers(call, event);
    if (none != NULL && dav_etag_in(slice_str(none), event->modseq)) {
        http_reply(call->request, 304, NULL, SLICE(""));
        return ST_OK;
    }
    return dav_object_reply(call, 200);
}
