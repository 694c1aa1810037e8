#include "base/slice.h"
#include "ical/ical_zone_data.h"

/* The instant of a change in a year, where clocks were offset_s ahead. */
static int64_t change_at(const struct ical_change *change, int32_t year, int32_t offset_s)
{
    int32_t day;

    if (change->kind == ICAL_CHANGE_WEEK) {
        unsigned month = (unsigned)change->month;
        int32_t first = ical_days(year, month, 1);
        int32_t weekday = (change->weekday + 6) % 7; /* from Monday */
        int32_t into = (weekday + 7 - (int32_t)ical_weekday(first)) % 7 + 7 * (change->week - 1);

        if (into >= (int32_t)ical_month_days(year, month))
            into -= 7;
        day = first + into;
    } else {
        day = ical_days(year, 1, 1) + change->day;
        if (change->kind == ICAL_CHANGE_JULIAN)
            day -= change->day >= 60 && ical_leap(year) ? 0 : 1;
    }
    return day * ICAL_DAY_S + change->second - offset_s;
}

static struct ical_span tail_span(const struct ical_zone *zone, int64_t utc_s)
{
    const struct ical_tail *tail = &zone->tail;
    struct ical_span span = {zone->tail_s, INT64_MAX, tail->standard_s};

    if (!tail->changes)
        return span;
    int32_t year = ical_civil(utc_s + tail->standard_s).year;
    bool south = change_at(&tail->to_standard, year, 0) < change_at(&tail->to_daylight, year, 0);

    span.from_s = INT64_MIN;
    for (int32_t i = 0; i < 6; i++) { /* two changes in each of three years, in order */
        bool to_standard = (i % 2 == 0) == south;
        int64_t at = to_standard
                         ? change_at(&tail->to_standard, year - 1 + i / 2, tail->daylight_s)
                         : change_at(&tail->to_daylight, year - 1 + i / 2, tail->standard_s);

        if (at > utc_s) {
            span.until_s = at;
            break;
        }
        span.from_s = at;
        span.offset_s = to_standard ? tail->standard_s : tail->daylight_s;
    }
    if (span.from_s < zone->tail_s)
        span.from_s = zone->tail_s;
    return span;
}

struct ical_span ical_zone_span(const struct ical_zone *zone, int64_t utc_s)
{
    size_t low = 0, high = zone->count;

    if (zone->has_tail && utc_s >= zone->tail_s)
        return tail_span(zone, utc_s);
    while (low < high) { /* the number of transitions up to utc_s */
        size_t middle = (low + high) / 2;

        if (zone->transitions[middle].at_s <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    struct ical_span span = {
        .from_s = low > 0 ? zone->transitions[low - 1].at_s : INT64_MIN,
        .until_s = low < zone->count ? zone->transitions[low].at_s : INT64_MAX,
        .offset_s = low > 0 ? zone->transitions[low - 1].offset_s : zone->first_s,
    };
    if (zone->has_tail && span.until_s > zone->tail_s)
        span.until_s = zone->tail_s;
    return span;
}

int64_t ical_zone_local(const struct ical_zone *zone, int64_t utc_s)
{
    return utc_s + ical_zone_span(zone, utc_s).offset_s;
}

int64_t ical_zone_utc(const struct ical_zone *zone, int64_t local_s, bool *gap_r)
{
    int64_t before = local_s - ical_zone_span(zone, local_s - ICAL_DAY_S).offset_s;
    int64_t after = local_s - ical_zone_span(zone, local_s + ICAL_DAY_S).offset_s;

    if (gap_r != NULL)
        *gap_r = false;
    if (before + ical_zone_span(zone, before).offset_s == local_s)
        return before;
    if (after + ical_zone_span(zone, after).offset_s == local_s)
        return after;
    if (gap_r != NULL)
        *gap_r = true;
    return before;
}

void ical_zone_cursor_init(struct ical_zone_cursor *cursor, const struct ical_zone *zone)
{
    *cursor = (struct ical_zone_cursor){.zone = zone};
}

int64_t ical_zone_cursor_utc(struct ical_zone_cursor *cursor, int64_t local_s, bool *gap_r)
{
    int64_t utc_s = local_s - cursor->span.offset_s;

    if (gap_r != NULL)
        *gap_r = false;
    if (cursor->zone == NULL)
        return local_s;
    if (utc_s < cursor->span.until_s && utc_s - ICAL_DAY_S >= cursor->span.from_s)
        return utc_s;
    utc_s = ical_zone_utc(cursor->zone, local_s, gap_r);
    cursor->span = ical_zone_span(cursor->zone, utc_s);
    return utc_s;
}

int64_t ical_time_utc(struct ical_time time, const struct ical_zone *floating)
{
    const struct ical_zone *zone =
        time.form == ICAL_ZONED && time.zone != NULL ? time.zone : floating;

    return time.form == ICAL_UTC || zone == NULL ? time.local_s
                                                 : ical_zone_utc(zone, time.local_s, NULL);
}

struct ical_time ical_time_add(struct ical_time time, struct ical_duration duration)
{
    time.local_s += duration.days * ICAL_DAY_S;
    if (time.form != ICAL_ZONED || time.zone == NULL)
        time.local_s += duration.seconds;
    else if (duration.seconds != 0)
        time.local_s = ical_zone_local(time.zone, ical_zone_utc(time.zone, time.local_s, NULL) +
                                                      duration.seconds);
    return time;
}
