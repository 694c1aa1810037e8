/* calendar_busytime.h: when a person is busy, for those who may know it: rows of all calendars that
 * make busy, times that are not available, and a scheduled absence. */
#pragma once
#include "calendar/calendar.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_hours.h"
#include "calendar/calendar_rights.h"

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

/* Several people at once, in one transaction: all are seen as they were at one moment. */
struct calendar_busytime_many {
    const struct calendar_who *who;
    const struct directory_person *const *owners;
    size_t count;
    int64_t from_s, until_s;
    int64_t calendar_id;
    struct slice but_uid;
    bool weeks; /* are wanted too, those that from_s is in */
};
struct calendar_busytime_found {
    enum st st; /* as calendar_busytime() returns it, of this one alone */
    struct calendar_busy_row *rows;
    size_t count;
    const struct calendar_week *week; /* NULL: not wanted, or only some calendars may be known of */
};
void calendar_busytime_many(struct calendar *calendar, struct arena *arena,
                            const struct calendar_busytime_many *ask,
                            struct calendar_busytime_found *found /* ask->count */);
