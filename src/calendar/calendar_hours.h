/* calendar_hours.h: the hours in which somebody works, by what his availability (RFC 7953) says of
 * a week. Pure. */
#pragma once
#include "ical/ical_zone_year.h"

struct arena;
struct ical_zone;
struct ical_zones;

#define CALENDAR_HOURS_MAX 14

struct calendar_hours {
    unsigned days; /* bit 0 is Monday */
    unsigned from_min, until_min;
};
/* Those of the week that at_s is in, on the zone's clock (NULL: UTC): the times that availability
 * (a VCALENDAR's text) gives. Where it is empty or cannot be read: 8 to 17 on weekdays. Days with
 * the same times are one. Gives how many, CALENDAR_HOURS_MAX at most. */
size_t calendar_hours(struct arena *arena, struct slice availability, struct ical_zones *zones,
                      const struct ical_zone *zone, int64_t at_s,
                      struct calendar_hours hours_r[CALENDAR_HOURS_MAX]);

/* His week as others are told of it, who may know no such zone. */
struct calendar_week {
    bool own; /* his availability says so; else it is what is usual */
    struct ical_zone_year zone;
    struct calendar_hours hours[CALENDAR_HOURS_MAX];
    size_t count;
};
/* Arguments as above; nothing of *week_r is in arena. */
void calendar_week(struct arena *arena, struct slice availability, struct ical_zones *zones,
                   const struct ical_zone *zone, int64_t at_s, struct calendar_week *week_r);
/* Whether it is one of seven days, and the zone's rules are ones. */
bool calendar_week_is_sound(const struct calendar_week *week);
