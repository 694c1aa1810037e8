/* Properties of calendars and of what is in them. */
#include "conf/conf.h"
#include "dav/dav_data.h"
#include "dav/dav_prop.h"
#include "dav/dav_tag.h"

#include <time.h>

#define DATE_BYTES 64

enum st dav_prop_creationdate(const struct dav_call *call, const struct dav_resource *resource,
                              struct buf *out)
{
    int64_t ms =
        resource->event != NULL ? resource->event->created_ms : resource->calendar->created_ms;
    char text[DATE_BYTES];
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (gmtime_r(&s, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return ST_NOT_FOUND;
    buf_put(out, slice_str(text));
    return ST_OK;
}

/* RFC 9110 section 5.6.7; the process is in the C locale. */
enum st dav_prop_getlastmodified(const struct dav_call *call, const struct dav_resource *resource,
                                 struct buf *out)
{
    char text[DATE_BYTES];
    time_t s = (time_t)(resource->event->modified_ms / 1000);
    struct tm tm;

    if (gmtime_r(&s, &tm) == NULL ||
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        return ST_NOT_FOUND;
    buf_put(out, slice_str(text));
    return ST_OK;
}

enum st dav_prop_getcontenttype(const struct dav_call *call, const struct dav_resource *resource,
                                struct buf *out)
{
    dav_type_write(resource->event, out);
    return ST_OK;
}

enum st dav_prop_getcontentlength(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out)
{
    if (resource->masked && resource->event->body.len == 0)
        return ST_NOT_FOUND; /* the length of what is hidden is nobody's business */
    buf_putf(out, "%llu", (unsigned long long)resource->event->bytes);
    return ST_OK;
}

enum st dav_prop_getetag(const struct dav_call *call, const struct dav_resource *resource,
                         struct buf *out)
{
    dav_etag_write(resource->event->modseq, out);
    return ST_OK;
}

enum st dav_prop_schedule_tag(const struct dav_call *call, const struct dav_resource *resource,
                              struct buf *out)
{
    if (resource->event->schedule_tag == 0)
        return ST_NOT_FOUND;
    dav_etag_write(resource->event->schedule_tag, out);
    return ST_OK;
}

enum st dav_prop_sync_token(const struct dav_call *call, const struct dav_resource *resource,
                            struct buf *out)
{
    dav_sync_token_write(resource->calendar, out);
    return ST_OK;
}

enum st dav_prop_getctag(const struct dav_call *call, const struct dav_resource *resource,
                         struct buf *out)
{
    buf_putf(out, "%llu", (unsigned long long)resource->calendar->modseq);
    return ST_OK;
}

static enum st write_unless_empty(struct slice text, struct buf *out)
{
    if (text.len == 0)
        return ST_NOT_FOUND;
    xml_write_text(out, text);
    return ST_OK;
}

enum st dav_prop_calendar_description(const struct dav_call *call,
                                      const struct dav_resource *resource, struct buf *out)
{
    return write_unless_empty(resource->calendar->description, out);
}

static bool is_vtimezone(struct slice zone)
{
    return slice_find(zone, ':') != SIZE_MAX;
}

enum st dav_prop_calendar_timezone(const struct dav_call *call, const struct dav_resource *resource,
                                   struct buf *out)
{
    struct slice zone = resource->calendar->zone;

    return is_vtimezone(zone) ? write_unless_empty(zone, out) : ST_NOT_FOUND;
}

enum st dav_prop_calendar_timezone_id(const struct dav_call *call,
                                      const struct dav_resource *resource, struct buf *out)
{
    struct slice zone = resource->calendar->zone;

    return is_vtimezone(zone) ? ST_NOT_FOUND : write_unless_empty(zone, out);
}

enum st dav_prop_supported_calendar_component_set(const struct dav_call *call,
                                                  const struct dav_resource *resource,
                                                  struct buf *out)
{
    for (unsigned kind = 0; kind < DAV_COMPONENTS; kind++)
        if ((resource->calendar->components & (UINT64_C(1) << kind)) != 0)
            buf_putf(out, "<C:comp name=\"%s\"/>", dav_components[kind]);
    return ST_OK;
}

enum st dav_prop_supported_calendar_data(const struct dav_call *call,
                                         const struct dav_resource *resource, struct buf *out)
{
    buf_put(out, SLICE("<C:calendar-data content-type=\"text/calendar\" version=\"2.0\"/>"));
    return ST_OK;
}

enum st dav_prop_max_resource_size(const struct dav_call *call, const struct dav_resource *resource,
                                   struct buf *out)
{
    buf_putf(out, "%llu", (unsigned long long)conf_get()->calendar_object_bytes_max);
    return ST_OK;
}

/* RFC 4791 section 7.5.1. */
enum st dav_prop_supported_collation_set(const struct dav_call *call,
                                         const struct dav_resource *resource, struct buf *out)
{
    xml_write_text_in(out, XML_CALDAV, "supported-collation", SLICE("i;ascii-casemap"));
    xml_write_text_in(out, XML_CALDAV, "supported-collation", SLICE("i;octet"));
    return ST_OK;
}

enum st dav_prop_schedule_calendar_transp(const struct dav_call *call,
                                          const struct dav_resource *resource, struct buf *out)
{
    xml_write_empty(out, XML_CALDAV, resource->calendar->transparent ? "transparent" : "opaque");
    return ST_OK;
}

enum st dav_prop_calendar_color(const struct dav_call *call, const struct dav_resource *resource,
                                struct buf *out)
{
    return write_unless_empty(resource->calendar->color, out);
}

enum st dav_prop_calendar_order(const struct dav_call *call, const struct dav_resource *resource,
                                struct buf *out)
{
    buf_putf(out, "%lld", (long long)resource->calendar->sort);
    return ST_OK;
}

/* RFC 4791 sections 5.2.6 and 5.2.7: what iCalendar can write. */
enum st dav_prop_min_date_time(const struct dav_call *call, const struct dav_resource *resource,
                               struct buf *out)
{
    buf_put(out, SLICE("00000101T000000Z"));
    return ST_OK;
}

enum st dav_prop_max_date_time(const struct dav_call *call, const struct dav_resource *resource,
                               struct buf *out)
{
    buf_put(out, SLICE("99991231T235959Z"));
    return ST_OK;
}

/* Of those that a report with CALDAV:expand shows. */
enum st dav_prop_max_instances(const struct dav_call *call, const struct dav_resource *resource,
                               struct buf *out)
{
    buf_putf(out, "%d", DAV_EXPAND_INSTANCES_MAX);
    return ST_OK;
}

enum st dav_prop_max_attendees(const struct dav_call *call, const struct dav_resource *resource,
                               struct buf *out)
{
    buf_putf(out, "%llu", (unsigned long long)conf_get()->calendar_attendees_max);
    return ST_OK;
}
