/* PUT and DELETE of an object (RFC 4791 section 5.3.2, RFC 6638 section 3.2.10). */
#include "dav/dav_put.h"

#include "calendar/calendar_put.h"
#include "dav/dav_tag.h"
#include "sys/sys_time.h"

#include <string.h>

#define CONDITION_BYTES_MAX (4 * KIB)
#define TAG_BYTES_MAX 64

static enum st refuse_condition(struct dav_call *call, const char *header)
{
    AUTO(buf) struct buf why = BUF(KIB);

    buf_putf(&why, "%s does not hold: the object is another one by now, or not there", header);
    return dav_refuse(call, 412, XML_DAV, NULL, why.ptr);
}

/* Looks at the tags against what was found, and has the transaction look again that it is still
 * that. False: replied. */
static bool take_conditions(struct dav_call *call, struct calendar_put *put)
{
    const struct store_event *event = call->target.event;
    const char *match = http_request_header(call->request, "If-Match");
    const char *none = http_request_header(call->request, "If-None-Match");
    const char *schedule = http_request_header(call->request, "If-Schedule-Tag-Match");

    if (match != NULL && (event == NULL || !dav_etag_in(slice_str(match), event->modseq)))
        return refuse_condition(call, "If-Match") != ST_OK;
    if (none != NULL && event != NULL && dav_etag_in(slice_str(none), event->modseq))
        return refuse_condition(call, "If-None-Match") != ST_OK;
    if (schedule != NULL &&
        (event == NULL || !dav_etag_in(slice_str(schedule), event->schedule_tag)))
        return refuse_condition(call, "If-Schedule-Tag-Match") != ST_OK;
    put->if_none = none != NULL && event == NULL;
    if ((match != NULL || none != NULL) && event != NULL)
        put->if_etag = match != NULL && slice_eq(slice_trim(slice_str(match)), SLICE("*"))
                           ? CALENDAR_ANY /* it says nothing of what the client has seen */
                           : event->modseq;
    if (schedule != NULL)
        put->if_schedule_tag = event->schedule_tag;
    return true;
}

enum st dav_refuse_object(struct dav_call *call, enum calendar_fault fault,
                          const struct ical_error *error, const struct dav_path *other)
{
    AUTO(buf) struct buf element = BUF(CONDITION_BYTES_MAX);
    AUTO(buf) struct buf why = BUF(KIB);
    const char *name = calendar_fault_element(fault);
    bool conflict = fault == CALENDAR_UID_CONFLICT || fault == CALENDAR_UNIQUE_SCHEDULING;

    xml_write_open(&element, XML_CALDAV, name);
    if (other != NULL)
        dav_href_write(other, &element);
    xml_write_close(&element, XML_CALDAV, name);
    if (error->line > 0)
        buf_putf(&why, "Line %u: %s", error->line, error->text);
    else
        buf_put(&why, slice_str(error->text));
    return dav_refuse_xml(call, conflict ? 409 : 403, buf_slice(&element),
                          why.len > 0 ? why.ptr : "The object is not one that can be stored");
}

/* RFC 6638 section 6.2: who may write, but not send in the owner's name. */
static enum st refuse_sending(struct dav_call *call)
{
    AUTO(buf) struct buf element = BUF(CONDITION_BYTES_MAX);

    xml_write_open(&element, XML_DAV, "need-privileges");
    xml_write_open(&element, XML_DAV, "resource");
    dav_href_write_of(call->target.person, DAV_KIND_OUTBOX, &element);
    xml_write_open(&element, XML_DAV, "privilege");
    xml_write_empty(&element, XML_CALDAV, "schedule-send");
    xml_write_close(&element, XML_DAV, "privilege");
    xml_write_close(&element, XML_DAV, "resource");
    xml_write_close(&element, XML_DAV, "need-privileges");
    return dav_refuse_xml(call, 403, buf_slice(&element),
                          "Others would be told of this in the name of the calendar's owner, which "
                          "only the owner and delegates may do");
}

/* What lies in another calendar than this is for its owner alone to know of. */
static enum st refuse_put(struct dav_call *call, const struct calendar_put *put)
{
    struct dav_path path = call->target.path;
    bool owns = call->target.rights == DAV_RIGHTS_OWN;
    bool known = put->conflict[0] != '\0' &&
                 (owns || slice_eq(call->target.calendar->name, slice_str(put->conflict_calendar)));

    path.object = slice_str(put->conflict);
    if (owns)
        path.calendar = slice_str(put->conflict_calendar);
    return dav_refuse_object(call, put->fault, &put->error, known ? &path : NULL);
}

static void add_tags(struct dav_call *call, const struct calendar_put *put)
{
    AUTO(buf) struct buf tag = BUF(TAG_BYTES_MAX);

    if (!put->changed) { /* RFC 4791 section 5.3.4 */
        dav_etag_write(put->etag, &tag);
        http_reply_header(call->request, "ETag", tag.ptr);
    }
    if (put->schedule_tag == 0)
        return;
    buf_clear(&tag);
    dav_etag_write(put->schedule_tag, &tag);
    http_reply_header(call->request, "Schedule-Tag", tag.ptr);
}

/* What is there now, which may be something else than was given (RFC 8144 section 3). */
static enum st reply_object(struct dav_call *call, bool created)
{
    enum st st = dav_resource_find(call, &call->target.path, &call->target);

    if (st != ST_OK || call->target.event == NULL)
        return st == ST_OK ? ST_NOT_FOUND : st;
    AUTO(buf) struct buf where = BUF(4 * KIB);
    dav_path_write(&call->target.path, &where);
    http_reply_header(call->request, "Content-Location", where.ptr);
    http_reply_header(call->request, "Preference-Applied", "return=representation");
    dav_object_headers(call, call->target.event);
    return dav_object_reply(call, created ? 201 : 200);
}

static enum st run(struct dav_call *call, struct calendar_put *put)
{
    if (call->target.masked)
        return dav_refuse_rights(call, &call->target.path, "write-content");
    if (!take_conditions(call, put))
        return ST_OK;
    enum st st = calendar_put(call->context->calendar, put);
    if (st == ST_INVALID)
        return refuse_put(call, put);
    if (st == ST_DENIED)
        return refuse_sending(call);
    if (st == ST_CONFLICT)
        return refuse_condition(call, "A condition");
    if (st != ST_OK)
        return st;
    if (put->body.ptr != NULL && dav_prefers(call, "return=representation"))
        return reply_object(call, put->created);
    if (put->body.ptr != NULL)
        add_tags(call, put);
    http_reply(call->request, put->body.ptr != NULL && put->created ? 201 : 204, NULL, SLICE(""));
    return ST_OK;
}

static struct calendar_put put_of(struct dav_call *call)
{
    return (struct calendar_put){.owner = call->target.person,
                                 .calendar_id = call->target.calendar->calendar_id,
                                 .name = call->target.path.object,
                                 .others = call->target.rights < DAV_RIGHTS_ACT,
                                 .now_ms = sys_now_ms()};
}

static bool is_icalendar(struct dav_call *call)
{
    const char *type = http_request_header(call->request, "Content-Type");
    struct slice media = slice_str(type);

    return type == NULL || slice_ieq(slice_trim(slice_sub(media, 0, slice_find(media, ';'))),
                                     SLICE("text/calendar"));
}

enum st dav_method_put(struct dav_call *call)
{
    struct calendar_put put;

    if (call->target.calendar == NULL)
        return dav_refuse(call, 409, XML_DAV, NULL, "There is no such calendar");
    if (!is_icalendar(call))
        return dav_refuse(call, 403, XML_CALDAV, "supported-calendar-data",
                          "Calendars hold text/calendar");
    put = put_of(call);
    put.body = call->body.len > 0 ? buf_slice(&call->body) : SLICE("");
    return run(call, &put);
}

enum st dav_delete_object(struct dav_call *call)
{
    const char *reply = http_request_header(call->request, "Schedule-Reply");
    struct calendar_put put = put_of(call);

    /* RFC 6638 section 8.1; and what lies in the inbox is a copy, whose end tells nobody. */
    put.quiet = call->target.path.kind == DAV_KIND_NOTICE ||
                (reply != NULL && slice_ieq(slice_trim(slice_str(reply)), SLICE("F")));
    return run(call, &put);
}
