/* calendar_ask.h: a request for the busy times of several people (RFC 5546 section 3.3.2) and the
 * answer for each. Pure. */
#pragma once
#include "base/base.h"

struct arena;
struct calendar_busy_row;
struct ical_comp;
struct ical_error;

#define CALENDAR_ASK_S_MAX (INT64_C(5) * 366 * 86400)

#define CALENDAR_ASK_AGE "X-POSTHORSE-AGE" /* parameter of COMMENT, a DURATION */

struct calendar_ask {
    struct slice organizer; /* as written */
    const struct slice *attendees;
    size_t attendee_count;
    int64_t from_s, until_s;
    struct slice uid;
    struct slice but_uid; /* X-CALENDARSERVER-MASK-UID: a meeting that is to be moved; "" */
};
/* One VCALENDAR with METHOD:REQUEST and one VFREEBUSY that has ORGANIZER, DTSTART and DTEND in UTC
 * (CALENDAR_ASK_S_MAX apart at most), UID, DTSTAMP, and an ATTENDEE or more, no two the same.
 * Slices into arena. ST_INVALID and *error_r; *method_r: the text was iCalendar, so that it is no
 * message rather than no data. ST_TOO_BIG: more than attendees_max. */
MUST_USE enum st calendar_ask_read(struct arena *arena, struct slice text, size_t attendees_max,
                                   struct calendar_ask *ask_r, bool *method_r,
                                   struct ical_error *error_r);
/* What is known of one attendee. */
struct calendar_ask_known {
    const struct calendar_busy_row *rows;
    size_t count;
    int64_t from_s, until_s; /* of this part of what was asked, but where rows are UNKNOWN */
    uint64_t age_ms;         /* 0: it was just learnt */
};
/* The VCALENDAR with METHOD:REPLY that tells it (RFC 5546 section 3.3.3). It is of the whole window
 * that was asked for; what nothing is known of has the FBTYPE CALENDAR_FREEBUSY_UNKNOWN, which who
 * does not know it takes for BUSY (RFC 5545 section 3.2.9), so that nobody is said to be free then.
 * What is old has a DTSTAMP of that time, and a COMMENT whose X-POSTHORSE-AGE is the age as a
 * DURATION.
 */
struct ical_comp *calendar_ask_answer(struct arena *arena, const struct calendar_ask *ask,
                                      struct slice attendee, const struct calendar_ask_known *known,
                                      int64_t now_s);
/* The same with METHOD:PUBLISH for anybody (RFC 5546 section 3.3.1): of ask->organizer himself. */
struct ical_comp *calendar_ask_publish(struct arena *arena, const struct calendar_ask *ask,
                                       const struct calendar_ask_known *known, int64_t now_s);
