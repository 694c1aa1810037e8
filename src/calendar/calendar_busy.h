/* calendar_busy.h: what an event says of its owner's time: the rows of busytime of a calendar
 * object, and how far in time the object reaches. Pure. */
#pragma once
#include "base/base.h"
#include "store/store_event.h"

struct arena;
struct ical_comp;
struct ical_error;
struct ical_tz;
struct ical_zone;

struct calendar_busy_row {
    int64_t start_s, end_s;
    enum store_busy_kind kind;
    int64_t id_s; /* the instance: its RECURRENCE-ID as an instant, of a single event its start */
};

struct calendar_busy_ask {
    int64_t from_s, until_s;          /* rows that touch [from_s, until_s) */
    const struct ical_zone *floating; /* the owner's, for days and floating times; NULL: UTC */
    const struct slice *owners;       /* the owner's addresses, with or without "mailto:" */
    size_t owner_count;
    enum store_busy_kind unanswered; /* an invitation without an answer (NEEDS-ACTION) */
    uint64_t rows_max; /* about: of an instance that begins before all of them are full, all rows */
    uint64_t steps_max; /* ICAL_RECUR_STEPS_MAX */
};

struct calendar_busy_set {
    struct calendar_busy_row *rows; /* by start_s, end_s, kind, id_s; none twice; in the arena */
    size_t count;
    /* Nothing is missing before it: ask.until_s, INT64_MAX where the object has nothing later, less
     * where a limit was met; where that is not after ask.from_s, there is no progress: refuse it.
     */
    int64_t expanded_s;
    /* calendar_busy_bounds(); INT64_MAX and INT64_MIN where nothing has a time */
    int64_t first_s, last_s;
};

/* The object's VEVENTs (one UID; those of the first one count) in the window, overrides by their
 * own values, and the FREEBUSY periods of a stored VFREEBUSY. Nothing comes of TRANSP:TRANSPARENT,
 * STATUS:CANCELLED, an owner's PARTSTAT DECLINED or DELEGATED, X-MICROSOFT-CDO-BUSYSTATUS:FREE and
 * of what takes no time (RFC 4791 section 7.10). Rows begin 7 days after one another from the start
 * of their instance, so that two windows side by side give the rows of both in one.
 * ST_INVALID and why in *error_r: a date or rule cannot be read. */
MUST_USE enum st calendar_busy_expand(struct arena *arena, const struct ical_comp *vcalendar,
                                      struct ical_tz *tz, const struct calendar_busy_ask *ask,
                                      struct calendar_busy_set *set_r, struct ical_error *error_r);

/* What the event says of its owner, who has these addresses. */
enum store_busy_kind calendar_busy_kind(const struct ical_comp *event,
                                        const struct calendar_busy_ask *ask);

/* The first start and the last end of anything in the object: VEVENT, VTODO (also by COMPLETED and
 * CREATED), VJOURNAL, VFREEBUSY; alarms not. What overlaps a time range by RFC 4791 section 9.9
 * lies in [first_s, last_s], but more may. INT64_MIN, INT64_MAX: a rule without an end or longer
 * than the limits, a VTODO without a time. Of asks only floating, rows_max (instances looked at)
 * and steps_max count. ST_NOT_FOUND: nothing with a time (a VJOURNAL without DTSTART); ST_INVALID
 * as above. */
MUST_USE enum st calendar_busy_bounds(struct arena *arena, const struct ical_comp *vcalendar,
                                      struct ical_tz *tz, const struct calendar_busy_ask *ask,
                                      int64_t *first_s_r, int64_t *last_s_r,
                                      struct ical_error *error_r);
