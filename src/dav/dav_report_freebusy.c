/* free-busy-query (RFC 4791 section 7.10). */
#include "calendar/calendar_ask.h"
#include "calendar/calendar_busytime.h"
#include "calendar/calendar_freebusy.h"
#include "dav/dav_filter.h"
#include "dav/dav_report.h"
#include "ical/ical.h"
#include "sys/sys_time.h"

#define REPLY_BYTES_MAX (32 * MIB)

static enum st reply(struct dav_call *call, const struct calendar_busytime_ask *ask,
                     const struct calendar_busy_row *rows, size_t count)
{
    AUTO(buf) struct buf text = BUF(REPLY_BYTES_MAX);
    struct ical_comp *vcalendar = ical_comp_new(call->arena, ICAL_VCALENDAR);

    (void)ical_prop_add(call->arena, vcalendar, ICAL_VERSION, SLICE("2.0"));
    (void)ical_prop_add(call->arena, vcalendar, ICAL_PRODID, SLICE("-//Posthorse//Posthorse//EN"));
    ical_comp_add(vcalendar, calendar_freebusy_comp(call->arena, rows, count, ask->from_s,
                                                    ask->until_s, sys_now_ms() / 1000));
    ical_write(vcalendar, &text);
    if (text.over)
        return ST_TOO_BIG;
    http_reply(call->request, 200, "text/calendar; charset=utf-8; component=VFREEBUSY",
               buf_slice(&text));
    return ST_OK;
}

enum st dav_report_freebusy(struct dav_call *call)
{
    const struct store_calendar *calendar = call->target.calendar;
    const struct xml_element *element = xml_child(call->xml, XML_CALDAV, "time-range");
    struct calendar_busy_row *rows;
    struct calendar_range range;
    struct dav_fault fault;
    size_t count;

    if (element == NULL || dav_range_read(element, true, &range, &fault) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL,
                          "A free-busy-query has a CALDAV:time-range with start and end");
    if (range.end_s - range.start_s > CALENDAR_ASK_S_MAX)
        return dav_refuse(call, 403, XML_DAV, "number-of-matches-within-limits",
                          "Nobody is asked about more than five years");
    const struct calendar_busytime_ask ask = {.who = &call->who,
                                              .owner = call->target.person,
                                              .from_s = range.start_s,
                                              .until_s = range.end_s,
                                              .calendar_id =
                                                  calendar != NULL ? calendar->calendar_id : 0};
    enum st st = calendar_busytime(call->context->calendar, call->arena, &ask, &rows, &count);
    return st == ST_OK ? reply(call, &ask, rows, count) : st;
}
