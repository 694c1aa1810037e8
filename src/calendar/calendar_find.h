/* calendar_find.h: when several people have time for something: the first times at which all of
 * them are free. Pure. */
#pragma once
#include "base/base.h"
#include "calendar/calendar_busy.h"

struct ical_zone;

struct calendar_find_person {
    const struct calendar_busy_row *rows; /* in any order; who works elsewhere has time */
    size_t count;
    int64_t from_s, until_s; /* what rows are known of; outside of it nobody can say, and where they
                              * are UNKNOWN */
    bool has_hours;          /* rows say when the person is not at work */
};

struct calendar_find_ask {
    int64_t from_s, until_s; /* it begins and ends there */
    int64_t length_s;        /* 1 or more */
    int64_t step_s;          /* it begins at multiples of it on the zone's clock; 1 or more */
    const struct calendar_find_person *people;
    size_t count;
    /* Hours of those whose own nobody knows: Monday to Friday on this clock, in seconds of the day.
     * They do not count for what is longer than they are. */
    const struct ical_zone *zone; /* NULL: UTC */
    int64_t day_from_s, day_until_s;
};

/* The starts of the first count_max times, each after the end of the one before; how many there
 * are. Memory from the arena: 300 bytes for each row and each day. */
size_t calendar_find(struct arena *arena, const struct calendar_find_ask *ask, int64_t *starts_r,
                     size_t count_max);
