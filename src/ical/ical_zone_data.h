/* ical_zone_data.h: what a zone is made of. Inside of ical/. */
#pragma once
#include "ical/ical_zone.h"

/* A day of every year, and the second of it on the clock before the change. */
struct ical_change {
    enum { ICAL_CHANGE_WEEK, ICAL_CHANGE_JULIAN, ICAL_CHANGE_DAY } kind;
    int32_t month, week, weekday; /* WEEK: week 5 is the last; 0 is Sunday (POSIX) */
    int32_t day;                  /* JULIAN: 1 to 365, never February 29th; DAY: 0 to 365 */
    int32_t second;               /* may be of a day before or after */
};

/* What goes on every year after the last transition. */
struct ical_tail {
    bool changes; /* false: always standard_s */
    int32_t standard_s, daylight_s;
    struct ical_change to_daylight, to_standard;
};

struct ical_transition {
    int64_t at_s; /* UTC */
    int32_t offset_s;
};

struct ical_zone {
    int32_t first_s; /* the offset before the first transition */
    size_t count;
    const struct ical_transition *transitions;
    bool has_tail;  /* false: the last offset stays */
    int64_t tail_s; /* from when on */
    struct ical_tail tail;
};
