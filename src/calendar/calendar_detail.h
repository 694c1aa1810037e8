/* calendar_detail.h: what somebody who may read another's calendars is told of the events that make
 * him busy. */
#pragma once
#include "calendar/calendar.h"
#include "calendar/calendar_busy.h"

#define CALENDAR_DETAILS_MAX 10000 /* of one person in one answer */

struct calendar_detail {
    int64_t start_s, end_s; /* as the event says: not cut to the window */
    enum store_busy_kind kind;
    bool told; /* the rest is known; else it is a time of the rows, which another has to know */
    struct slice subject, place;
    bool meeting, recurring, exception, private;
};

struct calendar_detail_ask {
    struct calendar *calendar;
    const struct directory *directory;
    struct arena *arena; /* for all that is told */
    int64_t from_s, until_s;
    struct slice but_uid; /* as in struct calendar_busytime_ask */
    size_t bytes_max;     /* of the arena, about */
    size_t bytes;         /* what all persons so far took of it */
};
struct calendar_detail_person {
    const struct directory_person *owner; /* whose account is in this store */
    const struct calendar_busy_row *rows; /* what calendar_busytime() said to the same question */
    size_t row_count;
    struct calendar_detail *details; /* output: by start; NULL: there is too much of it */
    size_t count;                    /* output */
};
/* One that who asks may read. */
struct calendar_detail_calendar {
    int64_t calendar_id;
    const struct ical_zone *floating;
    size_t person; /* whose it is: the number in the list */
};
/* Events of the calendars, and what is left of the rows, of all persons in few statements. A
 * private event (CLASS) is told without subject and place, to its owner too: others may see what he
 * shows. Too much: more than CALENDAR_DETAILS_MAX, or over bytes_max. Fails as the store does. */
MUST_USE enum st calendar_detail_read(struct store_tx *tx, struct calendar_detail_ask *ask,
                                      struct calendar_detail_person *persons, size_t person_count,
                                      const struct calendar_detail_calendar *calendars,
                                      size_t calendar_count);
/* The parts of the rows that no detail of at least their kind covers, appended to the list as ones
 * that are not told. rows as calendar_freebusy_merge() gives them. Pure. */
void calendar_detail_rest(struct arena *arena, const struct calendar_busy_row *rows, size_t count,
                          struct calendar_detail **details, size_t *detail_count);
