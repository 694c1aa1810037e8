/* GetUserAvailability as a text (MS-OXWAVLS), written and read. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_far_data.h"
#include "ical/ical_time.h"
#include "xml/xml.h"
#include "xml/xml_write.h"

#define SOAP "http://schemas.xmlsoap.org/soap/envelope/"
#define MESSAGES "http://schemas.microsoft.com/exchange/services/2006/messages"
#define TYPES "http://schemas.microsoft.com/exchange/services/2006/types"

/* --- the request --- */

static void put_time(struct buf *out, const char *name, int64_t at_s)
{
    struct ical_civil c = ical_civil(at_s);

    buf_putf(out, "<t:%s>%04d-%02u-%02uT%02u:%02u:%02u</t:%s>", name, c.year, c.month, c.day,
             c.hour, c.minute, c.second, name);
}

/* UTC, as a zone that has no daylight time. */
static void put_zone(struct buf *out)
{
    buf_put(out, SLICE("<t:TimeZone><t:Bias>0</t:Bias>"
                       "<t:StandardTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time>"
                       "<t:DayOrder>0</t:DayOrder><t:Month>0</t:Month>"
                       "<t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime>"
                       "<t:DaylightTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time>"
                       "<t:DayOrder>0</t:DayOrder><t:Month>0</t:Month>"
                       "<t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone>\n"));
}

/* The first version that lets GetUserAvailability impersonate is 2010 SP2. */
static void put_header(struct buf *out, const char *impersonate)
{
    if (impersonate[0] == '\0') {
        buf_put(out, SLICE("<s:Header><t:RequestServerVersion Version=\"Exchange2007_SP1\"/>"
                           "</s:Header>\n"));
        return;
    }
    buf_put(out, SLICE("<s:Header><t:RequestServerVersion Version=\"Exchange2010_SP2\"/>"
                       "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>"));
    xml_write_text(out, slice_str(impersonate));
    buf_put(out, SLICE("</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
                       "</s:Header>\n"));
}

void calendar_far_ews_write(const struct calendar_far_part *part, int64_t from_s, int64_t until_s,
                            const char *impersonate, struct buf *out)
{
    buf_put(out, SLICE("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                       "<s:Envelope xmlns:s=\"" SOAP "\" xmlns:m=\"" MESSAGES "\" xmlns:t=\"" TYPES
                       "\">\n"));
    put_header(out, impersonate);
    buf_put(out, SLICE("<s:Body><m:GetUserAvailabilityRequest>\n"));
    put_zone(out);
    buf_put(out, SLICE("<m:MailboxDataArray>\n"));
    for (size_t i = 0; i < part->count; i++) {
        buf_put(out, SLICE("<t:MailboxData><t:Email><t:Address>"));
        xml_write_text(out, part->persons[i].address);
        buf_put(out, SLICE("</t:Address><t:RoutingType>SMTP</t:RoutingType></t:Email>"
                           "<t:AttendeeType>Required</t:AttendeeType>"
                           "<t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>\n"));
    }
    buf_put(out, SLICE("</m:MailboxDataArray>\n<t:FreeBusyViewOptions><t:TimeWindow>"));
    put_time(out, "StartTime", from_s);
    put_time(out, "EndTime", until_s);
    buf_putf(out,
             "</t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>%d"
             "</t:MergedFreeBusyIntervalInMinutes><t:RequestedView>FreeBusyMerged"
             "</t:RequestedView></t:FreeBusyViewOptions>\n",
             (int)(CALENDAR_FAR_EWS_INTERVAL_S / 60));
    buf_put(out, SLICE("</m:GetUserAvailabilityRequest></s:Body></s:Envelope>\n"));
}

/* --- values --- */

static bool is(const struct xml_element *element, const char *uri, const char *name)
{
    return element != NULL && slice_eq(element->uri, slice_str(uri)) &&
           slice_eq(element->name, slice_str(name));
}

static const struct xml_element *find(const struct xml_element *children, const char *uri,
                                      const char *name)
{
    while (children != NULL && !is(children, uri, name))
        children = children->next;
    return children;
}

/* The first child of that name; also of a NULL element. */
static const struct xml_element *child(const struct xml_element *element, const char *uri,
                                       const char *name)
{
    return element != NULL ? find(element->children, uri, name) : NULL;
}

static struct slice text_of(const struct xml_element *element)
{
    return element != NULL ? slice_trim(element->text) : SLICE("");
}

/* Takes exactly width digits off the front. */
static bool take_number(struct slice *text, size_t width, unsigned *number_r)
{
    uint64_t number = 0;

    if (text->len < width || slice_to_u64(slice_sub(*text, 0, width), &number) != ST_OK)
        return false;
    *number_r = (unsigned)number;
    *text = slice_sub(*text, width, SIZE_MAX);
    return true;
}

static bool take_byte(struct slice *text, char byte)
{
    if (text->len == 0 || text->ptr[0] != byte)
        return false;
    *text = slice_sub(*text, 1, SIZE_MAX);
    return true;
}

/* "Z", "+01:00", or nothing, which is UTC, the request's zone. */
static bool take_offset(struct slice *text, int64_t *east_s_r)
{
    bool east = text->len > 0 && text->ptr[0] == '+';
    unsigned hours, minutes;

    *east_s_r = 0;
    if (text->len == 0 || take_byte(text, 'Z'))
        return text->len == 0;
    if (!take_byte(text, east ? '+' : '-') || !take_number(text, 2, &hours) ||
        !take_byte(text, ':') || !take_number(text, 2, &minutes) || hours > 14 || minutes > 59)
        return false;
    *east_s_r = (int64_t)(hours * 3600 + minutes * 60) * (east ? 1 : -1);
    return text->len == 0;
}

static void skip_fraction(struct slice *text)
{
    if (!take_byte(text, '.'))
        return;
    while (text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9')
        *text = slice_sub(*text, 1, SIZE_MAX);
}

/* xs:dateTime (XML Schema part 2, section 3.2.7). */
static bool read_time(struct slice text, int64_t *at_s_r)
{
    unsigned year, month, day, hour, minute, second;
    int64_t east_s;

    if (!take_number(&text, 4, &year) || !take_byte(&text, '-') || !take_number(&text, 2, &month) ||
        !take_byte(&text, '-') || !take_number(&text, 2, &day) || !take_byte(&text, 'T') ||
        !take_number(&text, 2, &hour) || !take_byte(&text, ':') ||
        !take_number(&text, 2, &minute) || !take_byte(&text, ':') ||
        !take_number(&text, 2, &second))
        return false;
    skip_fraction(&text);
    if (month < 1 || month > 12 || day < 1 || day > ical_month_days((int32_t)year, month) ||
        hour > 24 || minute > 59 || second > 60 || !take_offset(&text, &east_s))
        return false;
    *at_s_r = (int64_t)ical_days((int32_t)year, month, day) * ICAL_DAY_S +
              (int64_t)(hour * 3600 + minute * 60 + second) - east_s;
    return true;
}

/* LegacyFreeBusyType, in the order of the digits of MergedFreeBusy. */
static const struct {
    const char *name;
    enum store_busy_kind kind;
} busy_types[] = {
    {"Free", STORE_BUSY_FREE},      {"Tentative", STORE_BUSY_TENTATIVE},
    {"Busy", STORE_BUSY_BUSY},      {"OOF", STORE_BUSY_UNAVAILABLE},
    {"NoData", STORE_BUSY_UNKNOWN}, {"WorkingElsewhere", STORE_BUSY_ELSEWHERE},
};
#define NO_DATA '4'

/* --- the answer --- */

struct reading {
    struct arena *arena;
    int64_t from_s, until_s;
    struct calendar_far_person *person;
};

static void fail(const struct reading *reading, enum calendar_hedge_answer answer, const char *why)
{
    const struct calendar_far_part one = {reading->person, 1};

    calendar_far_fail(reading->arena, &one, answer, "%s", why);
}

static void add(const struct reading *reading, int64_t start_s, int64_t end_s,
                enum store_busy_kind kind)
{
    const struct calendar_busy_row row = {start_s, end_s, kind, start_s};

    if (kind != STORE_BUSY_FREE && start_s < end_s && start_s < reading->until_s &&
        end_s > reading->from_s)
        calendar_far_add(reading->arena, reading->person, &row);
}

static bool read_event(const struct reading *reading, const struct xml_element *event)
{
    struct slice name = text_of(child(event, TYPES, "BusyType"));
    int64_t start_s, end_s;
    size_t type = 0;

    while (type < COUNT(busy_types) && !slice_eq(name, slice_str(busy_types[type].name)))
        type++;
    if (type == COUNT(busy_types) ||
        !read_time(text_of(child(event, TYPES, "StartTime")), &start_s) ||
        !read_time(text_of(child(event, TYPES, "EndTime")), &end_s))
        return false;
    add(reading, start_s, end_s, busy_types[type].kind);
    return true;
}

/* A digit for each interval; all of the window must be there, or what is missing looked free. */
static bool is_whole(const struct reading *reading, struct slice digits)
{
    int64_t wanted = (reading->until_s - reading->from_s) / CALENDAR_FAR_EWS_INTERVAL_S;

    return digits.len == (size_t)wanted || digits.len == (size_t)wanted + 1;
}

/* One digit, so many times. */
static void add_digits(const struct reading *reading, size_t first, size_t count,
                       enum store_busy_kind kind)
{
    const int64_t at_s = reading->from_s + (int64_t)first * CALENDAR_FAR_EWS_INTERVAL_S;

    add(reading, at_s, at_s + (int64_t)count * CALENDAR_FAR_EWS_INTERVAL_S, kind);
}

static size_t same_digits(struct slice digits, size_t first)
{
    size_t i = first;

    while (i < digits.len && digits.ptr[i] == digits.ptr[first])
        i++;
    return i - first;
}

static void read_digits(const struct reading *reading, struct slice digits)
{
    if (!is_whole(reading, digits)) {
        fail(reading, CALENDAR_HEDGE_GARBAGE, "EWS: MergedFreeBusy is not as long as the window.");
        return;
    }
    for (size_t i = 0, same; i < digits.len; i += same) {
        size_t type = (size_t)(unsigned char)digits.ptr[i] - '0';

        if (type >= COUNT(busy_types)) {
            fail(reading, CALENDAR_HEDGE_GARBAGE, "EWS: MergedFreeBusy has a digit unknown here.");
            return;
        }
        same = same_digits(digits, i);
        add_digits(reading, i, same, busy_types[type].kind);
    }
    calendar_far_know(reading->arena, reading->person, reading->from_s, reading->until_s);
}

static void read_events(const struct reading *reading, const struct xml_element *view,
                        struct slice digits)
{
    const struct xml_element *events = child(view, TYPES, "CalendarEventArray");

    for (const struct xml_element *event = child(events, TYPES, "CalendarEvent"); event != NULL;
         event = find(event->next, TYPES, "CalendarEvent"))
        if (!read_event(reading, event)) {
            fail(reading, CALENDAR_HEDGE_GARBAGE, "EWS: an event cannot be read.");
            return;
        }
    for (size_t i = 0, same; is_whole(reading, digits) && i < digits.len; i += same) {
        same = same_digits(digits, i);
        if (digits.ptr[i] == NO_DATA)
            add_digits(reading, i, same, STORE_BUSY_UNKNOWN);
    }
    calendar_far_know(reading->arena, reading->person, reading->from_s, reading->until_s);
}

/* Events where the view has them, else the digits: who has no right to more gets a lower view than
 * he asked for. */
static void read_view(const struct reading *reading, const struct xml_element *view)
{
    struct slice type = text_of(child(view, TYPES, "FreeBusyViewType"));
    const struct xml_element *merged = child(view, TYPES, "MergedFreeBusy");
    struct slice digits = text_of(merged);

    if (slice_eq(type, SLICE("MergedOnly")) && merged != NULL)
        read_digits(reading, digits);
    else if (slice_eq(type, SLICE("FreeBusy")) || slice_eq(type, SLICE("FreeBusyMerged")) ||
             slice_eq(type, SLICE("Detailed")) || slice_eq(type, SLICE("DetailedMerged")))
        read_events(reading, view, digits);
    else if (slice_eq(type, SLICE("None")))
        fail(reading, CALENDAR_HEDGE_BAD, "EWS: there is no data of that person.");
    else
        fail(reading, CALENDAR_HEDGE_GARBAGE, "EWS: there is no view of that person.");
}

static void read_response(const struct reading *reading, const struct xml_element *response)
{
    const struct xml_element *message = child(response, MESSAGES, "ResponseMessage");
    struct slice code = text_of(child(message, MESSAGES, "ResponseCode"));
    struct slice said = text_of(child(message, MESSAGES, "MessageText"));
    const struct calendar_far_part one = {reading->person, 1};

    if (reading->person->answer != CALENDAR_HEDGE_GOOD)
        return;
    if (message == NULL)
        fail(reading, CALENDAR_HEDGE_GARBAGE, "EWS: an answer without a ResponseMessage.");
    else if (slice_eq(xml_attr(message, "ResponseClass"), SLICE("Error")))
        calendar_far_fail(reading->arena, &one,
                          slice_eq(code, SLICE("ErrorMailRecipientNotFound"))
                              ? CALENDAR_HEDGE_UNKNOWN
                              : CALENDAR_HEDGE_BAD,
                          "EWS: %.*s: %.*s", SLICE_ARG(code), SLICE_ARG(said));
    else
        read_view(reading, child(response, MESSAGES, "FreeBusyView"));
}

static size_t count_responses(const struct xml_element *array)
{
    size_t count = 0;

    for (const struct xml_element *response = child(array, MESSAGES, "FreeBusyResponse");
         response != NULL; response = find(response->next, MESSAGES, "FreeBusyResponse"))
        count++;
    return count;
}

/* Of no namespace (SOAP 1.1 section 4.4), but there are those who give it one. */
static struct slice fault_text(const struct xml_element *fault)
{
    const struct xml_element *element = fault->children;

    while (element != NULL && !slice_eq(element->name, SLICE("faultstring")))
        element = element->next;
    return text_of(element);
}

static void read_envelope(struct reading *reading, const struct xml_element *root, unsigned status,
                          const struct calendar_far_part *part)
{
    const struct xml_element *body = is(root, SOAP, "Envelope") ? child(root, SOAP, "Body") : NULL;
    const struct xml_element *fault = child(body, SOAP, "Fault");
    const struct xml_element *array = child(child(body, MESSAGES, "GetUserAvailabilityResponse"),
                                            MESSAGES, "FreeBusyResponseArray");

    if (fault != NULL)
        calendar_far_fail(reading->arena, part, CALENDAR_HEDGE_BAD, "EWS: a fault: %.*s",
                          SLICE_ARG(fault_text(fault)));
    else if (status != 200)
        calendar_far_fail(reading->arena, part, CALENDAR_HEDGE_BAD,
                          "The foreign system answers with status %u.", status);
    else if (count_responses(array) != part->count) /* their order alone says whose they are */
        calendar_far_fail(reading->arena, part, CALENDAR_HEDGE_GARBAGE,
                          "EWS: not one answer for each person.");
    if (fault != NULL || status != 200 || count_responses(array) != part->count)
        return;
    const struct xml_element *response = child(array, MESSAGES, "FreeBusyResponse");
    for (size_t i = 0; i < part->count; i++) {
        reading->person = &part->persons[i];
        read_response(reading, response);
        response = find(response->next, MESSAGES, "FreeBusyResponse");
    }
}

void calendar_far_ews_read(struct arena *arena, struct slice text, int64_t from_s, int64_t until_s,
                           unsigned status, const struct calendar_far_part *part)
{
    const struct xml_limits limits = calendar_far_limits(text);
    struct arena *scratch = arena_new("ews", xml_limits_arena_bytes(&limits));
    struct reading reading = {.arena = arena, .from_s = from_s, .until_s = until_s};
    struct xml_element *root = NULL;
    struct xml_error error;
    bool readable = xml_parse(scratch, text, &limits, &root, &error) == ST_OK;

    if (readable)
        read_envelope(&reading, root, status, part);
    else if (status != 200)
        calendar_far_fail(arena, part, CALENDAR_HEDGE_BAD,
                          "The foreign system answers with status %u.", status);
    else
        calendar_far_fail(arena, part, CALENDAR_HEDGE_GARBAGE, "EWS: line %u: %s", error.line,
                          error.text);
    arena_free(&scratch);
}
