/* calendar_detail.h: what somebody who may read another's calendars is told of the events that make
 * him busy. */
#pragma once
#include "calendar/calendar_busytime.h"

#define CALENDAR_DETAILS_MAX 10000 /* of one person in one answer */

struct calendar_detail {
    int64_t start_s, end_s; /* as the event says: not cut to the window */
    enum store_busy_kind kind;
    bool told; /* the rest is known; else it is a time of the rows, which another has to know */
    struct slice subject, place;
    bool meeting, recurring, exception, private;
};

struct calendar_detail_ask {
    const struct calendar_who *who;       /* asks */
    const struct directory_person *owner; /* whose account is in this store */
    int64_t from_s, until_s;
    struct slice but_uid;                 /* as in struct calendar_busytime_ask */
    size_t bytes_max;                     /* of the arena, about */
    const struct calendar_busy_row *rows; /* what calendar_busytime() said to the same question */
    size_t count;
};
/* Events of the calendars that who asks may read, and what is left of the rows, by start; in arena,
 * never NULL. A private event (CLASS) is told without subject and place, to its owner too: others
 * may see what he shows. ST_DENIED: who asks may read no calendar. ST_TOO_BIG: more than
 * CALENDAR_DETAILS_MAX, or over bytes_max. *bytes_r: what it took of the arena, about. */
MUST_USE enum st calendar_detail(struct calendar *calendar, struct arena *arena,
                                 const struct calendar_detail_ask *ask,
                                 struct calendar_detail **details_r, size_t *count_r,
                                 size_t *bytes_r);
/* The parts of the rows that no detail of at least their kind covers, appended to the list as ones
 * that are not told. rows as calendar_freebusy_merge() gives them. Pure. */
void calendar_detail_rest(struct arena *arena, const struct calendar_busy_row *rows, size_t count,
                          struct calendar_detail **details, size_t *detail_count);
