/* calendar_busytime.h: when a person is busy, for those who may know it: rows of all calendars that
 * make busy, times that are not available, and a scheduled absence. */
#pragma once
#include "calendar/calendar.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_hours.h"
#include "calendar/calendar_rights.h"

struct calendar_detail;

struct calendar_busytime_ask {
    const struct calendar_who *who;       /* asks */
    const struct directory_person *owner; /* whose account is in this store */
    int64_t from_s, until_s;
    int64_t calendar_id;  /* only what is in this one, though it be transparent; 0: all of them */
    struct slice but_uid; /* a meeting that does not count, as it is to be moved; "": all do */
};
/* Rows as calendar_freebusy_merge() gives them, in arena. ST_DENIED: who asks may not know.
 * ST_TOO_BIG: too many rows. */
MUST_USE enum st calendar_busytime(struct calendar *calendar, struct arena *arena,
                                   const struct calendar_busytime_ask *ask,
                                   struct calendar_busy_row **rows_r, size_t *count_r);

/* Several people at once, in one transaction: all are seen as they were at one moment. Of a few
 * hundred and more, without their events, the halves are read beside each other, each as it is at
 * one moment. */
struct calendar_busytime_many {
    const struct calendar_who *who;
    const struct directory_person *const *owners;
    size_t count;
    int64_t from_s, until_s;
    int64_t calendar_id;
    struct slice but_uid;
    size_t detail_bytes_max; /* of the events of all, about; 0: nobody asks for them */
    bool weeks;              /* are wanted too, those that from_s is in */
    uint64_t patience_ms;    /* with a store that is away; 0: as long as others who read */
};
struct calendar_busytime_found {
    enum st st; /* as calendar_busytime() returns it, of this one alone */
    struct calendar_busy_row *rows;
    size_t count;
    /* calendar_detail.h. NULL: who asks may read no calendar of his, or there is too much of it. */
    struct calendar_detail *events;
    size_t event_count;
    const struct calendar_week *week; /* NULL: not wanted, or only some calendars may be known of */
};
void calendar_busytime_many(struct calendar *calendar, struct arena *arena,
                            const struct calendar_busytime_many *ask,
                            struct calendar_busytime_found *found /* ask->count */);
