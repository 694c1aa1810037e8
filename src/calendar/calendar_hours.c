#include "calendar/calendar_hours.h"

#include "base/slice.h"
#include "calendar/calendar_availability.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#define DAYS 7
#define WEEKDAYS 0x1f /* Monday to Friday */
#define FROM_MIN (8 * 60)
#define UNTIL_MIN (17 * 60)
#define MINUTE_S 60
#define AVAILABLE_MAX 1000

struct week {
    struct calendar_hours *hours;
    size_t count;
};

static void add(struct week *week, unsigned day, int64_t from_s, int64_t until_s)
{
    const unsigned from_min = (unsigned)(from_s / MINUTE_S);
    const unsigned until_min = (unsigned)(until_s / MINUTE_S);

    if (from_min >= until_min)
        return;
    for (size_t i = 0; i < week->count; i++)
        if (week->hours[i].from_min == from_min && week->hours[i].until_min == until_min) {
            week->hours[i].days |= 1u << day;
            return;
        }
    if (week->count < CALENDAR_HOURS_MAX)
        week->hours[week->count++] = (struct calendar_hours){1u << day, from_min, until_min};
}

static int64_t local(const struct ical_zone *zone, int64_t utc_s)
{
    return zone != NULL ? ical_zone_local(zone, utc_s) : utc_s;
}

static int64_t utc(const struct ical_zone *zone, int64_t local_s)
{
    return zone != NULL ? ical_zone_utc(zone, local_s, NULL) : local_s;
}

/* What the rows, sorted and disjoint, leave of a day. */
static void add_day(struct week *week, unsigned day, int64_t day_s, const struct ical_zone *zone,
                    const struct calendar_busy_row *rows, size_t count)
{
    int64_t free_s = 0;

    for (size_t i = 0; i < count; i++) {
        const int64_t start_s = local(zone, rows[i].start_s) - day_s;
        const int64_t end_s = local(zone, rows[i].end_s) - day_s;

        if (end_s <= 0 || start_s >= ICAL_DAY_S)
            continue;
        if (start_s > free_s)
            add(week, day, free_s, start_s);
        free_s = end_s;
    }
    add(week, day, free_s, ICAL_DAY_S);
}

struct reading {
    struct arena *arena;
    struct ical_zones *zones;
    const struct ical_zone *zone;
    int64_t monday_s; /* on its clock */
    struct calendar_busy_row *rows;
    size_t count;
};

static enum st read_rows(struct reading *r, struct slice availability)
{
    struct ical_comp *vcalendar = NULL;
    struct ical_error error;

    if (availability.len == 0)
        return ST_NOT_FOUND;
    enum st st = ical_parse(r->arena, availability, &ical_limits_default, &vcalendar, &error);
    if (st != ST_OK)
        return st;
    return calendar_availability(r->arena, vcalendar, ical_tz_new(r->arena, vcalendar, r->zones),
                                 r->zone, utc(r->zone, r->monday_s),
                                 utc(r->zone, r->monday_s + DAYS * ICAL_DAY_S), AVAILABLE_MAX,
                                 &r->rows, &r->count, &error);
}

size_t calendar_hours(struct arena *arena, struct slice availability, struct ical_zones *zones,
                      const struct ical_zone *zone, int64_t at_s,
                      struct calendar_hours hours_r[CALENDAR_HOURS_MAX])
{
    const int32_t today = ical_day_of(local(zone, at_s));
    const int64_t monday_s = (today - (int64_t)ical_weekday(today)) * ICAL_DAY_S;
    struct reading r = {arena, zones, zone, monday_s, NULL, 0};
    struct week week = {hours_r, 0};

    if (read_rows(&r, availability) != ST_OK) {
        hours_r[0] = (struct calendar_hours){WEEKDAYS, FROM_MIN, UNTIL_MIN};
        return 1;
    }
    for (unsigned day = 0; day < DAYS; day++)
        add_day(&week, day, monday_s + day * ICAL_DAY_S, zone, r.rows, r.count);
    return week.count;
}

void calendar_week(struct arena *arena, struct slice availability, struct ical_zones *zones,
                   const struct ical_zone *zone, int64_t at_s, struct calendar_week *week_r)
{
    *week_r = (struct calendar_week){.own = availability.len > 0};
    ical_zone_year(zone, at_s, &week_r->zone);
    week_r->count = calendar_hours(arena, availability, zones, zone, at_s, week_r->hours);
}

static bool change_ok(const struct ical_zone_change *change)
{
    if (change->month == 0)
        return change->order == 0 && change->weekday == 0 && change->second == 0;
    return change->month <= 12 && change->order >= 1 && change->order <= 5 &&
           change->weekday < DAYS && change->second >= 0 && change->second < ICAL_DAY_S;
}

static bool zone_ok(const struct ical_zone_year *zone)
{
    return zone->standard_s > -ICAL_DAY_S && zone->standard_s < ICAL_DAY_S &&
           zone->daylight_s > -ICAL_DAY_S && zone->daylight_s < ICAL_DAY_S &&
           change_ok(&zone->to_standard) && change_ok(&zone->to_daylight) &&
           (zone->to_standard.month == 0) == (zone->to_daylight.month == 0);
}

bool calendar_week_is_sound(const struct calendar_week *week)
{
    if (week->count > CALENDAR_HOURS_MAX || !zone_ok(&week->zone))
        return false;
    for (size_t i = 0; i < week->count; i++)
        if (week->hours[i].days == 0 || week->hours[i].days >= 1u << DAYS ||
            week->hours[i].from_min >= week->hours[i].until_min ||
            week->hours[i].until_min > ICAL_DAY_S / MINUTE_S)
            return false;
    return true;
}
