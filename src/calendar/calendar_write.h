/* calendar_write.h: an object put into a calendar with its busytime, inside a transaction. One way
 * for all who do. Inside calendar/. */
#pragma once
#include "calendar/calendar.h"
#include "calendar/calendar_object.h"
#include "store/store_event.h"

struct directory;
struct directory_person;

struct calendar_writing {
    struct calendar *calendar;
    struct store_tx *tx;
    struct arena *arena;
    int64_t account_id;
    int64_t calendar_id;
    struct slice own_zone;   /* store_calendar_account.zone */
    struct slice zone;       /* store_calendar.zone */
    const struct slice *own; /* the owner's addresses in the object */
    size_t own_count;
    uint64_t quota_bytes;
    int64_t now_ms;
    enum calendar_fault fault; /* out */
    struct ical_error error;   /* out */
};

/* The owner's among the addresses that organize or attend anything in the object, each once, in the
 * arena. */
struct slice *calendar_own(struct arena *arena, const struct directory *directory,
                           const struct directory_person *owner, const struct ical_comp *vcalendar,
                           size_t *count_r);

/* Puts the object, whose text is body, under name in the place of old (NULL: of nothing).
 * schedule_tag as in store_event. ST_INVALID: w->fault and w->error; others as store_event_put().
 */
MUST_USE enum st calendar_write(struct calendar_writing *w, const struct calendar_object *object,
                                const struct store_event *old, struct slice name, struct slice body,
                                uint64_t schedule_tag, struct store_event *event_r);
/* When an object of the owner's is busy in [from_s, until_s), wherever the window ends; the rows
 * lie in w->arena. ST_INVALID; ST_TOO_BIG: that often. */
struct calendar_busy_set;
MUST_USE enum st calendar_expand(struct calendar_writing *w, const struct directory *directory,
                                 const struct directory_person *owner, struct slice body,
                                 int64_t from_s, int64_t until_s, struct calendar_busy_set *set_r);
/* Its busytime for the window as it is now; the object stays. */
MUST_USE enum st calendar_roll(struct calendar_writing *w, const struct store_event *event);
