/* GET and HEAD of an object (RFC 9110 section 9.3.1); a body is no longer than an object may be. */
#include "dav/dav_call.h"
#include "dav/dav_tag.h"

#define TAG_BYTES_MAX 128

static void add_headers(struct dav_call *call, const struct store_event *event)
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

enum st dav_method_get(struct dav_call *call)
{
    const struct store_event *event = call->target.event;
    const char *match = http_request_header(call->request, "If-Match");
    const char *none = http_request_header(call->request, "If-None-Match");
    AUTO(buf) struct buf type = BUF(TAG_BYTES_MAX);

    if (match != NULL && !dav_etag_in(slice_str(match), event->modseq))
        return dav_refuse(call, 412, XML_DAV, NULL, "The object is another one by now");
    add_headers(call, event);
    if (none != NULL && dav_etag_in(slice_str(none), event->modseq)) {
        http_reply(call->request, 304, NULL, SLICE(""));
        return ST_OK;
    }
    dav_type_write(event, &type);
    http_reply(call->request, 200, type.ptr, event->body);
    return ST_OK;
}
