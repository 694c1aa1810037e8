/* ical_zone_year.h: what a time zone does in one year, as two rules: for those who have no tz
 * database, or another one. Pure. */
#pragma once
#include "base/base.h"

struct ical_zone;

/* What a zone does in the year of an instant. */
struct ical_zone_year {
    int32_t standard_s, daylight_s; /* east of Greenwich; the same where clocks do not change */
    struct ical_zone_change {
        unsigned month;   /* from 1; 0: clocks do not change */
        unsigned order;   /* of the weekday in the month; 5: the last */
        unsigned weekday; /* 0 is Sunday */
        int32_t second;   /* of the day, by the clock before the change */
    } to_standard, to_daylight;
};
/* zone NULL: UTC. A year that changes clocks other than twice is told as if it never did. */
void ical_zone_year(const struct ical_zone *zone, int64_t utc_s, struct ical_zone_year *year_r);
