/* calendar_beyond.h: busytime of what repeats, where the store's rows end: they reach over a window
 * around today. */
#pragma once
#include "calendar/calendar.h"
#include "store/store_event.h"

struct directory_person;

struct calendar_beyond {
    struct calendar *calendar;
    const struct directory_person *owner;
    struct slice own_zone; /* store_calendar_account.zone */
    int64_t from_s, until_s;
};
/* Whether rows of what repeats may be missing in that time. */
bool calendar_beyond_is(int64_t from_s, int64_t until_s, int64_t now_ms);
/* Rows of the calendar's repeating events that touch the time and are not in the store, and maybe
 * some that are. */
MUST_USE enum st calendar_beyond_each(struct store_tx *tx, const struct calendar_beyond *beyond,
                                      const struct store_calendar *calendar, store_busytime_fn *fn,
                                      void *ctx);
