/* GetServerTimeZones: the zones that Windows has names for, each as it is in this year. */
#include "calendar/calendar.h"
#include "ews/ews_call.h"
#include "ews/ews_time.h"
#include "sys/sys_time.h"

#define IDS_MAX 500

struct listing {
    struct ews_call *call;
    bool full;
    int32_t year;
    int64_t now_s;
};

static void write_id(const struct listing *l, struct slice id, const char *period, struct buf *out)
{
    buf_put(out, SLICE("trule:Microsoft/Registry/"));
    xml_write_value(out, id);
    buf_putf(out, "/%d-%s", l->year, period);
}

/* An xs:duration: "-PT60M" is an hour before Greenwich. */
static void write_minutes(int32_t seconds, struct buf *out)
{
    buf_putf(out, "%sPT%dM", seconds < 0 ? "-" : "", (seconds < 0 ? -seconds : seconds) / 60);
}

static void write_period(const struct listing *l, struct slice id, const char *period,
                         int32_t east_s, struct buf *out)
{
    buf_put(out, SLICE("<t:Period Bias=\""));
    write_minutes(-east_s, out);
    buf_putf(out, "\" Name=\"%s\" Id=\"", period);
    write_id(l, id, period, out);
    buf_put(out, SLICE("\"/>"));
}

static void write_to(const struct listing *l, struct slice id, const char *period, struct buf *out)
{
    buf_put(out, SLICE("<t:To Kind=\"Period\">"));
    write_id(l, id, period, out);
    buf_put(out, SLICE("</t:To>"));
}

static void write_change(const struct listing *l, struct slice id, const char *period,
                         const struct ical_zone_change *change, struct buf *out)
{
    xml_write_open(out, XML_EWST, "RecurringDayTransition");
    write_to(l, id, period, out);
    xml_write_open(out, XML_EWST, "TimeOffset");
    write_minutes(change->second, out);
    xml_write_close(out, XML_EWST, "TimeOffset");
    buf_putf(
        out, "<t:Month>%u</t:Month><t:DayOfWeek>%s</t:DayOfWeek><t:Occurrence>%d</t:Occurrence>",
        change->month, ews_weekdays[change->weekday], change->order == 5 ? -1 : (int)change->order);
    xml_write_close(out, XML_EWST, "RecurringDayTransition");
}

static void write_rules(const struct listing *l, struct slice id, const struct ical_zone *zone,
                        struct buf *out)
{
    struct ical_zone_year year;

    ical_zone_year(zone, l->now_s, &year);
    const bool changes = year.to_daylight.month != 0;
    xml_write_open(out, XML_EWST, "Periods");
    write_period(l, id, "Standard", year.standard_s, out);
    if (changes)
        write_period(l, id, "Daylight", year.daylight_s, out);
    xml_write_close(out, XML_EWST, "Periods");
    buf_put(out, SLICE("<t:TransitionsGroups><t:TransitionsGroup Id=\"0\">"));
    if (changes) {
        write_change(l, id, "Daylight", &year.to_daylight, out);
        write_change(l, id, "Standard", &year.to_standard, out);
    } else {
        xml_write_open(out, XML_EWST, "Transition");
        write_to(l, id, "Standard", out);
        xml_write_close(out, XML_EWST, "Transition");
    }
    buf_put(out, SLICE("</t:TransitionsGroup></t:TransitionsGroups><t:Transitions><t:Transition>"
                       "<t:To Kind=\"Group\">0</t:To></t:Transition></t:Transitions>"));
}

static void write_zone(void *ctx, struct slice id)
{
    const struct listing *l = ctx;
    struct buf *out = &l->call->out;
    const struct ical_zone *zone = ical_zones_find(calendar_zones(l->call->context->calendar), id);

    if (zone == NULL)
        return;
    buf_put(out, SLICE("<t:TimeZoneDefinition Id=\""));
    xml_write_value(out, id);
    buf_put(out, SLICE("\" Name=\""));
    xml_write_value(out, id);
    buf_put(out, SLICE("\">"));
    if (l->full)
        write_rules(l, id, zone, out);
    xml_write_close(out, XML_EWST, "TimeZoneDefinition");
}

static bool is_windows(struct slice id)
{
    return ical_zones_windows(id).len > 0;
}

void ews_run_zones(struct ews_call *call)
{
    static const struct ews_fault unknown = {"ErrorTimeZone", "There is no zone of that name"};
    const struct xml_element *first = ews_child(ews_child(call->asked, "Ids"), "Id");
    struct slice full = xml_attr(call->asked, "ReturnFullTimeZoneData");
    struct listing l = {.call = call,
                        .full = !slice_ieq(full, SLICE("false")) && !slice_eq(full, SLICE("0")),
                        .now_s = sys_now_ms() / 1000};
    bool known = true;
    size_t count = 0;

    l.year = ical_civil(l.now_s).year;
    for (const struct xml_element *at = first; at != NULL; at = ews_again(at))
        known &= is_windows(slice_trim(at->text)) && count++ < IDS_MAX;
    buf_put(&call->out, SLICE("<m:GetServerTimeZonesResponse><m:ResponseMessages>"));
    ews_message_open(&call->out, "GetServerTimeZonesResponseMessage", known ? NULL : &unknown);
    if (known) {
        xml_write_open(&call->out, XML_EWS, "TimeZoneDefinitions");
        for (const struct xml_element *at = first; at != NULL; at = ews_again(at))
            write_zone(&l, slice_trim(at->text));
        if (first == NULL)
            ical_zones_windows_each(write_zone, &l);
        xml_write_close(&call->out, XML_EWS, "TimeZoneDefinitions");
    }
    buf_put(&call->out, SLICE("</m:GetServerTimeZonesResponseMessage></m:ResponseMessages>"
                              "</m:GetServerTimeZonesResponse>"));
}
