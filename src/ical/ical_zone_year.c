#include "ical/ical_zone_year.h"

#include "ical/ical.h"
#include "ical/ical_zone.h"

#define LAST 5 /* of its kind in a month */

static int32_t offset_at(const struct ical_zone *zone, int64_t utc_s)
{
    return zone != NULL ? ical_zone_span(zone, utc_s).offset_s : 0;
}

static struct ical_zone_change change_at(int64_t local_s)
{
    const struct ical_civil civil = ical_civil(local_s);
    const bool last = civil.day + 7u > ical_month_days(civil.year, civil.month);

    return (struct ical_zone_change){
        .month = civil.month,
        .order = last ? LAST : (civil.day - 1u) / 7 + 1,
        .weekday = (ical_weekday(ical_day_of(local_s)) + 1) % 7,
        .second = ical_second_of(local_s),
    };
}

void ical_zone_year(const struct ical_zone *zone, int64_t utc_s, struct ical_zone_year *year_r)
{
    const int32_t now_s = offset_at(zone, utc_s);
    const struct ical_civil civil = ical_civil(utc_s);
    int64_t at_s = ical_days(civil.year, 1, 1) * ICAL_DAY_S;
    const int64_t end_s = ical_days(civil.year + 1, 1, 1) * ICAL_DAY_S;
    struct ical_zone_year year = {.standard_s = now_s, .daylight_s = now_s};
    size_t changes = 0;

    while (zone != NULL) {
        const struct ical_span span = ical_zone_span(zone, at_s);

        if (span.until_s >= end_s)
            break;
        const int32_t to_s = offset_at(zone, span.until_s);
        const bool forward = to_s > span.offset_s;
        *(forward ? &year.to_daylight : &year.to_standard) =
            change_at(span.until_s + span.offset_s);
        year.daylight_s = forward ? to_s : span.offset_s;
        year.standard_s = forward ? span.offset_s : to_s;
        changes++;
        at_s = span.until_s;
    }
    if (changes != 2 || year.to_daylight.month == 0 || year.to_standard.month == 0)
        year = (struct ical_zone_year){.standard_s = now_s, .daylight_s = now_s};
    *year_r = year;
}
