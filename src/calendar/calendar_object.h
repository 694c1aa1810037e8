/* calendar_object.h: whether a text is an object that a calendar may hold (RFC 4791 section 4.1),
 * and what it says of itself. Pure. */
#pragma once
#include "base/base.h"
#include "ical/ical.h"
#include "store/store_event.h"

struct arena;

enum calendar_fault {
    CALENDAR_FINE,
#define FAULT(name, element) CALENDAR_##name,
#include "calendar/calendar_fault.def"
    CALENDAR_FAULT_MAX,
};
const char *calendar_fault_element(enum calendar_fault fault); /* "" of CALENDAR_FINE */

struct calendar_limits {
    uint64_t bytes_max;     /* of the text */
    uint64_t attendees_max; /* of each component */
};

struct calendar_object {
    struct ical_comp *vcalendar;
    struct slice uid;
    enum store_event_kind kind;
    uint64_t flags; /* STORE_EVENT_PRIVATE, _REPEATS */
};

/* How large an arena must be for the object and what is decided of it. */
size_t calendar_object_arena_bytes(const struct calendar_limits *limits);

/* One VCALENDAR without METHOD whose components but for VTIMEZONE are of one kind and UID, one of
 * them at most without RECURRENCE-ID, and have two with the same RECURRENCE-ID nowhere. ST_INVALID:
 * *fault_r and *error_r say what is wrong. The object lies in arena. */
MUST_USE enum st calendar_object_read(struct arena *arena, struct slice text,
                                      const struct calendar_limits *limits,
                                      struct calendar_object *object_r,
                                      enum calendar_fault *fault_r, struct ical_error *error_r);
/* Whether any component has a CLASS other than PUBLIC. */
bool calendar_object_private(const struct ical_comp *vcalendar);
