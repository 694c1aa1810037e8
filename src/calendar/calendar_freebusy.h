/* calendar_freebusy.h: rows of busytime as a VFREEBUSY (RFC 5545 section 3.6.4), and back. Pure. */
#pragma once
#include "base/base.h"
#include "calendar/calendar_busy.h"

/* Of rows in any order those of [from_s, until_s), cut to it, merged, so that each moment is in at
 * most one and has the strongest kind said of it (unavailable, busy, tentative, elsewhere); id_s is
 * 0. In the arena, sorted; *count_r of them. */
struct calendar_busy_row *calendar_freebusy_merge(struct arena *arena,
                                                  const struct calendar_busy_row *rows,
                                                  size_t count, int64_t from_s, int64_t until_s,
                                                  size_t *count_r);
/* A VFREEBUSY with DTSTAMP, DTSTART, DTEND and a FREEBUSY for each period, in their order, all in
 * UTC. Who works elsewhere is free. UID, ORGANIZER and ATTENDEE are the caller's to
 * add. The times must be of the years 0 to 9999. */
struct ical_comp *calendar_freebusy_comp(struct arena *arena, const struct calendar_busy_row *rows,
                                         size_t count, int64_t from_s, int64_t until_s,
                                         int64_t stamp_s);
/* The periods of a VFREEBUSY that are not FREE, as they stand there; id_s is the start. An FBTYPE
 * that nobody knows is BUSY (section 3.2.9). ST_INVALID: a period cannot be read. */
MUST_USE enum st calendar_freebusy_read(struct arena *arena, const struct ical_comp *freebusy,
                                        struct calendar_busy_row **rows_r, size_t *count_r,
                                        struct ical_error *error_r);
