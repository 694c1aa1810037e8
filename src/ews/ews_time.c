#include "ews/ews_time.h"

#include "base/buf.h"
#include "base/slice.h"
#include "ews/ews_xml.h"
#include "ical/ical.h"

#include <string.h>

#define TEXT_BYTES_MAX 2048
#define MINUTE_S 60
#define DAY_MINUTES 1440
#define LAST 5 /* of its kind in a month */

const char *const ews_weekdays[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                     "Thursday", "Friday", "Saturday"};

/* --- times --- */

/* Exactly count digits; -1: they are not there. */
static int digits(struct slice *text, size_t count)
{
    uint64_t value = 0;

    if (text->len < count || slice_to_u64(slice_sub(*text, 0, count), &value) != ST_OK)
        return -1;
    *text = slice_sub(*text, count, text->len);
    return (int)value;
}

static bool take(struct slice *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = slice_sub(*text, 1, text->len);
    return true;
}

/* "hh:mm:ss" with a fraction; the second of the day, or -1. */
static int32_t read_clock(struct slice *text)
{
    const int hour = digits(text, 2);
    const int minute = take(text, ':') ? digits(text, 2) : -1;
    const int second = take(text, ':') ? digits(text, 2) : -1;

    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return -1;
    if (take(text, '.'))
        while (text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9')
            (void)take(text, text->ptr[0]);
    return hour * 3600 + minute * MINUTE_S + second;
}

/* "", "Z", "+01:00"; *there_r: there is one. */
static enum st read_offset(struct slice text, bool *there_r, int32_t *offset_s_r)
{
    const bool minus = text.len > 0 && text.ptr[0] == '-';

    *offset_s_r = 0;
    *there_r = text.len > 0;
    if (text.len == 0 || slice_eq(text, SLICE("Z")))
        return ST_OK;
    if (!take(&text, '+') && !take(&text, '-'))
        return ST_INVALID;
    const int hour = digits(&text, 2);
    const int minute = take(&text, ':') ? digits(&text, 2) : -1;
    if (hour < 0 || hour > 14 || minute < 0 || minute > 59 || text.len > 0)
        return ST_INVALID;
    *offset_s_r = (minus ? -1 : 1) * (hour * 3600 + minute * MINUTE_S);
    return ST_OK;
}

enum st ews_time_read(struct slice text, const struct ical_zone *zone, int64_t *utc_s_r)
{
    bool there = false;
    int32_t offset_s = 0;

    text = slice_trim(text);
    const int year = digits(&text, 4);
    const int month = take(&text, '-') ? digits(&text, 2) : -1;
    const int day = take(&text, '-') ? digits(&text, 2) : -1;
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > (int)ical_month_days(year, (unsigned)month) || !take(&text, 'T'))
        return ST_INVALID;
    const int32_t second = read_clock(&text);
    if (second < 0 || read_offset(text, &there, &offset_s) != ST_OK)
        return ST_INVALID;
    const int64_t local_s =
        ical_days(year, (unsigned)month, (unsigned)day) * ICAL_DAY_S + (int64_t)second;
    *utc_s_r = there          ? local_s - offset_s
               : zone != NULL ? ical_zone_utc(zone, local_s, NULL)
                              : local_s;
    return ST_OK;
}

static void put_two(char *to, unsigned number)
{
    to[0] = (char)('0' + number / 10 % 10);
    to[1] = (char)('0' + number % 10);
}

void ews_clock_init(struct ews_clock *clock, const struct ical_zone *zone)
{
    *clock = (struct ews_clock){.zone = zone, .day_s = INT64_MIN};
}

/* Offsets are told in whole minutes. */
static void enter_span(struct ews_clock *clock, int64_t utc_s)
{
    clock->span = clock->zone != NULL ? ical_zone_span(clock->zone, utc_s)
                                      : (struct ical_span){INT64_MIN, INT64_MAX, 0};
    clock->span.offset_s = clock->span.offset_s / MINUTE_S * MINUTE_S;
    const int32_t offset_s = clock->span.offset_s;
    const unsigned minutes = (unsigned)(offset_s < 0 ? -offset_s : offset_s) / MINUTE_S;
    clock->offset[0] = (char)(minutes == 0 ? 'Z' : offset_s < 0 ? '-' : '+');
    clock->offset[3] = ':';
    put_two(clock->offset + 1, minutes / 60);
    put_two(clock->offset + 4, minutes % 60);
    clock->offset_len = minutes == 0 ? 1 : sizeof(clock->offset);
}

static void enter_day(struct ews_clock *clock, int64_t local_s)
{
    const struct ical_civil civil = ical_civil(local_s);

    clock->day_s = ical_day_of(local_s) * ICAL_DAY_S;
    put_two(clock->date, (unsigned)civil.year / 100);
    put_two(clock->date + 2, (unsigned)civil.year % 100);
    clock->date[4] = clock->date[7] = '-';
    put_two(clock->date + 5, civil.month);
    put_two(clock->date + 8, civil.day);
    clock->date[10] = 'T';
}

size_t ews_clock_tell(struct ews_clock *clock, int64_t utc_s, char text[EWS_TIME_BYTES_MAX])
{
    if (utc_s >= clock->span.until_s || utc_s < clock->span.from_s)
        enter_span(clock, utc_s);
    const int64_t local_s = utc_s + clock->span.offset_s;
    if (clock->day_s == INT64_MIN || local_s < clock->day_s || local_s >= clock->day_s + ICAL_DAY_S)
        enter_day(clock, local_s);
    const unsigned second = (unsigned)(local_s - clock->day_s);
    memcpy(text, clock->date, sizeof(clock->date));
    put_two(text + 11, second / 3600);
    put_two(text + 14, second / MINUTE_S % 60);
    put_two(text + 17, second % MINUTE_S);
    text[13] = text[16] = ':';
    memcpy(text + 19, clock->offset, clock->offset_len);
    return 19 + clock->offset_len;
}

void ews_time_write(const struct ical_zone *zone, int64_t utc_s, struct buf *out)
{
    struct ews_clock clock;
    char text[EWS_TIME_BYTES_MAX];

    ews_clock_init(&clock, zone);
    const size_t len = ews_clock_tell(&clock, utc_s, text);
    buf_put(out, (struct slice){text, len});
}

/* --- the zone of a question --- */

struct rule {
    int32_t bias_min;
    int32_t second;
    uint64_t order, month;
    unsigned weekday;
    bool dated; /* order is the day of the month */
};

static enum st read_bias(const struct xml_element *element, int32_t *bias_min_r)
{
    struct slice text = ews_text(element, "Bias");
    const bool minus = text.len > 0 && text.ptr[0] == '-';
    uint64_t minutes = 0;

    if (slice_to_u64(slice_sub(text, minus, text.len), &minutes) != ST_OK || minutes >= DAY_MINUTES)
        return ST_INVALID;
    *bias_min_r = minus ? -(int32_t)minutes : (int32_t)minutes;
    return ST_OK;
}

static enum st read_weekday(struct slice name, unsigned *weekday_r)
{
    for (unsigned i = 0; i < COUNT(ews_weekdays); i++)
        if (slice_ieq(name, slice_str(ews_weekdays[i]))) {
            *weekday_r = i;
            return ST_OK;
        }
    return ST_INVALID;
}

static enum st read_rule(const struct xml_element *element, struct rule *rule_r)
{
    struct slice time = ews_text(element, "Time");

    *rule_r = (struct rule){.dated = ews_child(element, "Year") != NULL};
    if (element == NULL)
        return ST_OK;
    if (read_bias(element, &rule_r->bias_min) != ST_OK ||
        slice_to_u64(ews_text(element, "Month"), &rule_r->month) != ST_OK || rule_r->month > 12 ||
        slice_to_u64(ews_text(element, "DayOrder"), &rule_r->order) != ST_OK)
        return ST_INVALID;
    if (rule_r->month == 0 || rule_r->order == 0) {
        rule_r->month = 0;
        return ST_OK;
    }
    rule_r->second = read_clock(&time);
    if (rule_r->second < 0 || time.len > 0 || rule_r->order > (rule_r->dated ? 31 : LAST))
        return ST_INVALID;
    return rule_r->dated ? ST_OK : read_weekday(ews_text(element, "DayOfWeek"), &rule_r->weekday);
}

/* The day of 1970 on which it begins. */
static unsigned first_day(const struct rule *rule)
{
    const unsigned month = (unsigned)rule->month, days = ical_month_days(1970, month);
    const unsigned weekday = (rule->weekday + 6) % 7; /* from Monday */
    unsigned day = 1;

    if (rule->dated)
        return rule->order < days ? (unsigned)rule->order : days;
    while (ical_weekday(ical_days(1970, month, day)) != weekday)
        day++;
    day += 7 * ((unsigned)rule->order - 1);
    while (day > days)
        day -= 7;
    return day;
}

static void write_offset(struct buf *out, const char *name, int32_t east_min)
{
    buf_putf(out, "%s:", name);
    ical_offset_write(east_min * MINUTE_S, out);
    buf_put(out, SLICE("\r\n"));
}

static void write_observance(struct buf *out, const char *name, const struct rule *rule,
                             int32_t from_min, int32_t to_min)
{
    static const char *const days[7] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};

    buf_putf(out, "BEGIN:%s\r\n", name);
    if (rule == NULL)
        buf_put(out, SLICE("DTSTART:19700101T000000\r\n"));
    else
        buf_putf(out, "DTSTART:1970%02u%02uT%02d%02d%02d\r\nRRULE:FREQ=YEARLY;BYMONTH=%u;",
                 (unsigned)rule->month, first_day(rule), rule->second / 3600,
                 rule->second / MINUTE_S % 60, rule->second % MINUTE_S, (unsigned)rule->month);
    if (rule != NULL && rule->dated)
        buf_putf(out, "BYMONTHDAY=%u\r\n", first_day(rule));
    else if (rule != NULL)
        buf_putf(out, "BYDAY=%d%s\r\n", rule->order == LAST ? -1 : (int)rule->order,
                 days[rule->weekday]);
    write_offset(out, "TZOFFSETFROM", from_min);
    write_offset(out, "TZOFFSETTO", to_min);
    buf_putf(out, "END:%s\r\n", name);
}

static enum st make_zone(struct arena *arena, struct slice text, const struct ical_zone **zone_r)
{
    struct ical_comp *vcalendar = NULL;
    struct ical_error error;
    enum st st =
        ical_parse(arena, arena_copy(arena, text), &ical_limits_default, &vcalendar, &error);

    return st == ST_OK ? ical_zone_vtimezone(arena, vcalendar->comps, zone_r, &error) : st;
}

enum st ews_zone_read(struct arena *arena, const struct xml_element *element,
                      const struct ical_zone **zone_r)
{
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);
    struct rule standard, daylight;
    int32_t bias_min = 0;

    if (read_bias(element, &bias_min) != ST_OK ||
        read_rule(ews_child(element, "StandardTime"), &standard) != ST_OK ||
        read_rule(ews_child(element, "DaylightTime"), &daylight) != ST_OK)
        return ST_INVALID;
    const int32_t standard_min = -(bias_min + standard.bias_min);
    const int32_t daylight_min = -(bias_min + daylight.bias_min);
    if (standard_min <= -DAY_MINUTES || standard_min >= DAY_MINUTES ||
        daylight_min <= -DAY_MINUTES || daylight_min >= DAY_MINUTES)
        return ST_INVALID;
    const bool changes = standard.month != 0 && daylight.month != 0 && standard_min != daylight_min;
    buf_put(&text, SLICE("BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:asked\r\n"));
    write_observance(&text, "STANDARD", changes ? &standard : NULL,
                     changes ? daylight_min : standard_min, standard_min);
    if (changes)
        write_observance(&text, "DAYLIGHT", &daylight, standard_min, daylight_min);
    buf_put(&text, SLICE("END:VTIMEZONE\r\nEND:VCALENDAR\r\n"));
    return make_zone(arena, buf_slice(&text), zone_r);
}

/* --- the zone of an answer --- */

static void write_change(struct buf *out, const char *name, int32_t bias_s,
                         const struct ical_zone_change *change)
{
    xml_write_open(out, XML_EWST, name);
    buf_putf(out,
             "<t:Bias>%d</t:Bias><t:Time>%02d:%02d:%02d</t:Time><t:DayOrder>%u</t:DayOrder>"
             "<t:Month>%u</t:Month><t:DayOfWeek>%s</t:DayOfWeek>",
             bias_s / MINUTE_S, change->second / 3600, change->second / MINUTE_S % 60,
             change->second % MINUTE_S, change->order, change->month,
             ews_weekdays[change->weekday]);
    xml_write_close(out, XML_EWST, name);
}

void ews_zone_write(const struct ical_zone_year *year, struct buf *out)
{
    xml_write_open(out, XML_EWST, "TimeZone");
    buf_putf(out, "<t:Bias>%d</t:Bias>", -year->standard_s / MINUTE_S);
    write_change(out, "StandardTime", 0, &year->to_standard);
    write_change(out, "DaylightTime", year->standard_s - year->daylight_s, &year->to_daylight);
    xml_write_close(out, XML_EWST, "TimeZone");
}
