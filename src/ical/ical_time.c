#include "ical/ical_time.h"

#include "base/buf.h"
#include "base/slice.h"

#include <string.h>

#define YEAR_MAX 9999
#define DATE_BYTES 8 /* 20270301 */
#define TIME_BYTES 16

/* Howard Hinnant's days_from_civil: years begin in March, so the leap day is the last. */
int32_t ical_days(int32_t year, unsigned month, unsigned day)
{
    int32_t y = month <= 2 ? year - 1 : year;
    int32_t era = (y >= 0 ? y : y - 399) / 400;
    int32_t of_era = y - era * 400;
    int32_t of_year = (153 * ((int32_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int32_t)day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool ical_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

unsigned ical_month_days(int32_t year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && ical_leap(year) ? 1U : 0U);
}

int32_t ical_day_of(int64_t local_s)
{
    return (int32_t)((local_s >= 0 ? local_s : local_s - (ICAL_DAY_S - 1)) / ICAL_DAY_S);
}

int32_t ical_second_of(int64_t local_s)
{
    return (int32_t)(local_s - ical_day_of(local_s) * ICAL_DAY_S);
}

unsigned ical_weekday(int32_t day)
{
    int32_t rest = (day + 3) % 7; /* 1970-01-01 was a Thursday */

    return (unsigned)(rest < 0 ? rest + 7 : rest);
}

struct ical_civil ical_civil(int64_t local_s)
{
    int32_t second = ical_second_of(local_s);
    int32_t z = ical_day_of(local_s) + 719468;
    int32_t era = (z >= 0 ? z : z - 146096) / 146097;
    int32_t of_era = z - era * 146097;
    int32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int32_t month = (5 * of_year + 2) / 153;

    return (struct ical_civil){
        .year = year + era * 400 + (month >= 10),
        .month = (uint8_t)(month < 10 ? month + 3 : month - 9),
        .day = (uint8_t)(of_year - (153 * month + 2) / 5 + 1),
        .hour = (uint8_t)(second / 3600),
        .minute = (uint8_t)(second / 60 % 60),
        .second = (uint8_t)(second % 60),
    };
}

/* Exactly so many digits at an index; false where there are fewer. */
static bool digits(struct slice s, size_t at, size_t count, int32_t *value_r)
{
    int32_t value = 0;

    if (at + count > s.len)
        return false;
    for (size_t i = at; i < at + count; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        value = value * 10 + (s.ptr[i] - '0');
    }
    *value_r = value;
    return true;
}

/* date-fullyear date-month date-mday */
static bool parse_date(struct slice s, int64_t *local_s_r)
{
    int32_t year, month, day;

    if (!digits(s, 0, 4, &year) || !digits(s, 4, 2, &month) || !digits(s, 6, 2, &day) ||
        month < 1 || month > 12 || day < 1 || day > (int32_t)ical_month_days(year, (unsigned)month))
        return false;
    *local_s_r = ical_days(year, (unsigned)month, (unsigned)day) * ICAL_DAY_S;
    return true;
}

enum st ical_time_parse(struct slice s, struct ical_time *time_r)
{
    struct ical_time time = {.form = ICAL_DATE};
    int32_t hour, minute, second;

    if (!parse_date(s, &time.local_s))
        return ST_INVALID;
    if (s.len == 8) {
        *time_r = time;
        return ST_OK;
    }
    if (s.ptr[8] != 'T' || !digits(s, 9, 2, &hour) || !digits(s, 11, 2, &minute) ||
        !digits(s, 13, 2, &second) || hour > 23 || minute > 59 || second > 60 ||
        (s.len != 15 && (s.len != 16 || s.ptr[15] != 'Z')))
        return ST_INVALID;
    time.local_s += hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
    time.form = s.len == 16 ? ICAL_UTC : ICAL_FLOATING;
    *time_r = time;
    return ST_OK;
}

static char *put_two(char *at, unsigned value)
{
    *at++ = (char)('0' + value / 10 % 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

/* The format has room for ICAL_LOCAL_MIN to ICAL_LOCAL_MAX. */
static char *put_date(char *at, struct ical_civil c)
{
    const unsigned year = (unsigned)(c.year < 0 ? 0 : c.year > YEAR_MAX ? YEAR_MAX : c.year);

    at = put_two(put_two(at, year / 100), year % 100);
    return put_two(put_two(at, c.month), c.day);
}

static char *put_clock(char *at, unsigned second)
{
    *at++ = 'T';
    at = put_two(at, second / 3600);
    return put_two(put_two(at, second / 60 % 60), second % 60);
}

/* Answers are full of times: no format is read for them. */
void ical_time_write(struct ical_time time, struct buf *out)
{
    char text[TIME_BYTES];
    char *at = put_date(text, ical_civil(time.local_s));

    if (time.form != ICAL_DATE)
        at = put_clock(at, (unsigned)ical_second_of(time.local_s));
    if (time.form == ICAL_UTC)
        *at++ = 'Z';
    buf_put(out, (struct slice){text, (size_t)(at - text)});
}

void ical_period_write(int64_t start_s, int64_t end_s, struct buf *out)
{
    const bool one_day = ical_day_of(start_s) == ical_day_of(end_s);
    char text[TIME_BYTES + 1 + TIME_BYTES];
    char *at = put_clock(put_date(text, ical_civil(start_s)), (unsigned)ical_second_of(start_s));

    *at++ = 'Z';
    *at++ = '/';
    if (one_day) {
        memcpy(at, text, DATE_BYTES);
        at += DATE_BYTES;
    } else {
        at = put_date(at, ical_civil(end_s));
    }
    at = put_clock(at, (unsigned)ical_second_of(end_s));
    *at++ = 'Z';
    buf_put(out, (struct slice){text, (size_t)(at - text)});
}

/* 1*DIGIT and the letter behind them. */
static bool take_unit(struct slice *rest, int64_t *value_r, char *unit_r)
{
    int64_t value = 0;
    size_t len = 0;

    for (; len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9'; len++) {
        value = value * 10 + (rest->ptr[len] - '0');
        if (value > 100 * 366 * ICAL_DAY_S)
            return false;
    }
    if (len == 0 || len == rest->len)
        return false;
    *value_r = value;
    *unit_r = rest->ptr[len];
    *rest = slice_sub(*rest, len + 1, rest->len);
    return true;
}

/* dur-time without its "T": hours, minutes, seconds in this order. RFC 5545 wants no unit left out
 * between two; some do. */
static bool parse_clock(struct slice rest, int64_t *seconds_r)
{
    const char *order = "HMS";
    int64_t value;
    char unit;

    if (rest.len == 0)
        return false;
    while (rest.len > 0) {
        if (!take_unit(&rest, &value, &unit))
            return false;
        while (*order != '\0' && *order != unit)
            order++;
        if (*order == '\0')
            return false;
        *seconds_r += value * (unit == 'H' ? 3600 : unit == 'M' ? 60 : 1);
        order++;
    }
    return true;
}

enum st ical_duration_parse(struct slice s, struct ical_duration *duration_r)
{
    bool negative = slice_starts(s, SLICE("-"));
    int64_t days = 0, seconds = 0, value;
    char unit;

    if (negative || slice_starts(s, SLICE("+")))
        s = slice_sub(s, 1, s.len);
    if (!slice_starts(s, SLICE("P")) || s.len < 3)
        return ST_INVALID;
    s = slice_sub(s, 1, s.len);
    for (const char *order = "WD"; s.len > 0 && s.ptr[0] != 'T'; order++) {
        if (!take_unit(&s, &value, &unit))
            return ST_INVALID;
        if (unit != *order)
            order++;
        if (*order == '\0' || unit != *order)
            return ST_INVALID;
        days += value * (unit == 'W' ? 7 : 1);
        if (order[1] == '\0' && s.len > 0 && s.ptr[0] != 'T')
            return ST_INVALID;
    }
    if (s.len > 0 && !parse_clock(slice_sub(s, 1, s.len), &seconds))
        return ST_INVALID;
    if (days > 36600 || seconds > 36600 * ICAL_DAY_S)
        return ST_INVALID;
    duration_r->days = (int32_t)(negative ? -days : days);
    duration_r->seconds = negative ? -seconds : seconds;
    return ST_OK;
}

enum st ical_period_parse(struct slice s, struct ical_period *period_r)
{
    struct ical_period period = {0};
    size_t at = slice_find(s, '/');

    if (at == SIZE_MAX || ical_time_parse(slice_sub(s, 0, at), &period.start) != ST_OK ||
        period.start.form == ICAL_DATE)
        return ST_INVALID;
    s = slice_sub(s, at + 1, s.len);
    period.by_duration = ical_duration_parse(s, &period.duration) == ST_OK;
    if (period.by_duration) {
        period.end = period.start;
        if (period.duration.days < 0 || period.duration.seconds < 0)
            return ST_INVALID;
    } else if (ical_time_parse(s, &period.end) != ST_OK || period.end.form != period.start.form ||
               period.end.local_s < period.start.local_s) {
        return ST_INVALID;
    }
    *period_r = period;
    return ST_OK;
}

enum st ical_offset_parse(struct slice s, int32_t *seconds_r)
{
    int32_t hours, minutes, seconds = 0;
    bool negative = slice_starts(s, SLICE("-"));

    if ((!negative && !slice_starts(s, SLICE("+"))) || !digits(s, 1, 2, &hours) ||
        !digits(s, 3, 2, &minutes) || (s.len != 5 && (s.len != 7 || !digits(s, 5, 2, &seconds))) ||
        hours > 23 || minutes > 59 || seconds > 59)
        return ST_INVALID;
    seconds += hours * 3600 + minutes * 60;
    *seconds_r = negative ? -seconds : seconds;
    return ST_OK;
}

void ical_offset_write(int32_t seconds, struct buf *out)
{
    int32_t value = seconds < 0 ? -seconds : seconds;

    buf_putf(out, "%c%02d%02d", seconds < 0 ? '-' : '+', value / 3600, value / 60 % 60);
    if (value % 60 != 0)
        buf_putf(out, "%02d", value % 60);
}
