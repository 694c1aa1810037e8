/* ical_recur.h: the instances of a component: RRULE, RDATE, EXDATE, EXRULE (RFC 2445), overrides by
 * RECURRENCE-ID and RANGE=THISANDFUTURE (RFC 5545 sections 3.8.4.4 and 3.8.5), as instants in a
 * window. Pure. */
#pragma once
#include "base/base.h"
#include "ical/ical_time.h"

struct arena;
struct ical_comp;
struct ical_error;
struct ical_tz;
struct ical_zone;

#define ICAL_RECUR_STEPS_MAX 200000 /* a good steps_max: milliseconds at most */

struct ical_instance {
    const struct ical_comp *comp; /* what describes it: the master or an override */
    struct ical_time start;       /* as its clock shows it */
    int64_t start_s, end_s;       /* instants; a day of DATE is one of the zone floating */
    struct ical_time id;          /* what RECURRENCE-ID says of it: where the rule put it */
    int64_t id_s;
};

struct ical_window {
    int64_t from_s, until_s; /* instants; what touches [from_s, until_s), or begins in it */
    const struct ical_zone *floating; /* for DATE and floating times; NULL: UTC */
    uint64_t instances_max;           /* given at most */
    uint64_t steps_max;               /* periods of each rule looked at */
};

struct ical_recur;

/* The components of parent (a VCALENDAR, or a VAVAILABILITY for its AVAILABLE) that have this UID
 * and are a VEVENT, VTODO, VJOURNAL or AVAILABLE: one without RECURRENCE-ID, or overrides alone.
 * The result lies in the arena: at most 600 bytes a rule and override, 64 a date. Limits of the
 * window and of ical_parse() bound that. ST_NOT_FOUND: no component, or none with a time;
 * ST_INVALID and why in *error_r: a date or rule cannot be read, or is finer than days for a DATE.
 */
MUST_USE enum st ical_recur_new(struct arena *arena, const struct ical_comp *parent,
                                struct slice uid, struct ical_tz *tz,
                                const struct ical_window *window, struct ical_recur **recur_r,
                                struct ical_error *error_r);
/* The next instance by start_s. ST_NOT_FOUND: that was all; ST_TOO_BIG: instances_max were given or
 * a rule took steps_max: there may be more.
 *
 * A local time that a zone leaves out is taken with the offset before the gap, where the rule goes
 * by days or more; hours, minutes and seconds that the clock leaves out are no instances (RFC 5545
 * section 3.3.10 says both). What would fall together is one. */
MUST_USE enum st ical_recur_next(struct ical_recur *recur, struct ical_instance *instance_r);
/* Whether the component has more than one instance: a rule, RDATE or override. */
bool ical_recur_repeats(const struct ical_recur *recur);
/* Whether a rule took steps_max on the way to the instance that was given last, or to the end: what
 * was given before is whole. */
bool ical_recur_gave_up(const struct ical_recur *recur);
