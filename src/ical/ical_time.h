/* ical_time.h: dates, times, durations and periods of iCalendar (RFC 5545 section 3.3), and the
 * arithmetic of days. Pure.
 *
 * A time is kept as its own clock shows it: seconds since 1970-01-01 00:00 on that clock. Which
 * instant that is, its zone says (ical_zone.h). Years are 0 to 9999. */
#pragma once
#include "base/base.h"

struct buf;
struct ical_zone;

#define ICAL_DAY_S INT64_C(86400)
/* 0000-01-01 00:00:00 and 9999-12-31 23:59:59. */
#define ICAL_LOCAL_MIN (INT64_C(-719528) * ICAL_DAY_S)
#define ICAL_LOCAL_MAX (INT64_C(2932897) * ICAL_DAY_S - 1)

enum ical_form {
    ICAL_DATE,     /* a day; local_s is its midnight */
    ICAL_FLOATING, /* whatever clock the reader has */
    ICAL_UTC,
    ICAL_ZONED, /* by zone; NULL: a zone that nobody knows, read as floating */
};

struct ical_time {
    int64_t local_s;
    enum ical_form form;
    const struct ical_zone *zone; /* of ICAL_ZONED; borrowed */
};

/* Days are nominal (a day may have 23 hours), seconds exact. Both have the same sign. */
struct ical_duration {
    int32_t days;
    int64_t seconds;
};

struct ical_period {
    struct ical_time start;
    bool by_duration;
    struct ical_time end;          /* of the same form as start */
    struct ical_duration duration; /* where by_duration */
};

struct ical_civil {
    int32_t year;
    uint8_t month, day; /* from 1 */
    uint8_t hour, minute, second;
};

/* Days since 1970-01-01 in the Gregorian calendar, which is taken to have been always. */
int32_t ical_days(int32_t year, unsigned month, unsigned day);
bool ical_leap(int32_t year);
unsigned ical_month_days(int32_t year, unsigned month);
struct ical_civil ical_civil(int64_t local_s);
/* 0 is Monday. */
unsigned ical_weekday(int32_t day);
/* Day and second of the day, also before 1970. */
int32_t ical_day_of(int64_t local_s);
int32_t ical_second_of(int64_t local_s);

/* All refuse with ST_INVALID what is not exactly the form, and leave *_r as it was. */

/* DATE or DATE-TIME, told apart by what is written: the form is ICAL_DATE, ICAL_FLOATING or
 * ICAL_UTC. A 60th second becomes the 59th (RFC 5545 section 3.3.12). */
MUST_USE enum st ical_time_parse(struct slice text, struct ical_time *time_r);
void ical_time_write(struct ical_time time, struct buf *out);
/* Start and end in UTC: "20270301T080000Z/20270301T090000Z" (section 3.3.9). */
void ical_period_write(int64_t start_s, int64_t end_s, struct buf *out);
/* dur-value; weeks become days. At most 100 years. */
MUST_USE enum st ical_duration_parse(struct slice text, struct ical_duration *duration_r);
/* period-explicit or period-start; an end must be of the start's form and not before it, a duration
 * not negative. */
MUST_USE enum st ical_period_parse(struct slice text, struct ical_period *period_r);
/* utc-offset: seconds east of Greenwich, less than a day. */
MUST_USE enum st ical_offset_parse(struct slice text, int32_t *seconds_r);
void ical_offset_write(int32_t seconds, struct buf *out);
