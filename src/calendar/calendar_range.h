/* calendar_range.h: whether what is in a calendar object overlaps a time range (RFC 4791 section
 * 9.9). Pure. */
#pragma once
#include "base/base.h"
#include "ical/ical_recur.h"

struct ical_prop;

struct calendar_range {
    int64_t start_s, end_s; /* INT64_MIN, INT64_MAX: the range has none */
};

/* Whether an instance that comp describes (a VEVENT, VTODO, VJOURNAL of the VCALENDAR vcalendar:
 * the master or one override), a VFREEBUSY, or an alarm (a VALARM of one of these) overlaps the
 * range. floating: the zone of days and floating times, NULL: UTC. An expansion that meets
 * steps_max or 100,000 instances counts as overlapping. ST_INVALID and why in *error_r: a date or
 * rule cannot be read. */
MUST_USE enum st calendar_range_overlaps(struct arena *arena, const struct ical_comp *vcalendar,
                                         const struct ical_comp *comp, struct ical_tz *tz,
                                         const struct ical_zone *floating, uint64_t steps_max,
                                         struct calendar_range range, bool *overlaps_r,
                                         struct ical_error *error_r);
/* Whether a property that is a DATE or DATE-TIME lies in the range (a day: touches it). What is
 * neither does not. */
bool calendar_range_has(struct ical_tz *tz, const struct ical_zone *floating,
                        const struct ical_prop *prop, struct calendar_range range);
