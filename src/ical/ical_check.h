/* ical_check.h: whether an object means something: what RFC 5545, 7953 and 9074 demand of a
 * VCALENDAR beyond its grammar. Pure. */
#pragma once
#include "base/base.h"
#include "ical/ical.h"

enum ical_strictness {
    /* Lets pass what programs in use write and everybody understands alike: no PRODID or DTSTAMP, a
     * DTEND that is DTSTART, an UNTIL of another type than DTSTART, several RRULEs, alarms without
     * the texts they should show, TZIDs without their VTIMEZONE (RFC 7809), properties where the
     * RFC does not list them, values of properties that nothing is decided by. */
    ICAL_LENIENT,
    ICAL_STRICT,
};

/* The first fault found, in the order of the text within each component. ST_INVALID and *error_r,
 * or ST_OK. */
MUST_USE enum st ical_check(const struct ical_comp *vcalendar, enum ical_strictness strictness,
                            struct ical_error *error_r);
/* Whether the text is a value of that type (one, not a list). */
bool ical_value_valid(enum ical_type type, struct slice value);
