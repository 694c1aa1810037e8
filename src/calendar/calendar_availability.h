/* calendar_availability.h: when somebody is not to be had at all: VAVAILABILITY (RFC 7953). Pure.
 */
#pragma once
#include "base/base.h"
#include "calendar/calendar_busy.h"

/* The times of [from_s, until_s) that the VAVAILABILITYs of a VCALENDAR say are not available: each
 * takes its whole time by its BUSYTYPE but for its AVAILABLEs; those of a higher PRIORITY (1 is the
 * highest, 0 the lowest) decide over those of a lower one, and where several of one priority meet,
 * a time is free that any of them gives, else the stronger BUSYTYPE counts. Rows are cut to the
 * window, sorted, disjoint; id_s is 0. The AVAILABLEs of one VAVAILABILITY give instances_max times
 * at most.
 * ST_INVALID and why in *error_r: a date or rule cannot be read; ST_TOO_BIG: over a limit. */
MUST_USE enum st calendar_availability(struct arena *arena, const struct ical_comp *vcalendar,
                                       struct ical_tz *tz, const struct ical_zone *floating,
                                       int64_t from_s, int64_t until_s, uint64_t instances_max,
                                       struct calendar_busy_row **rows_r, size_t *count_r,
                                       struct ical_error *error_r);
