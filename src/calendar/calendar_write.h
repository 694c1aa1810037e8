/* calendar_write.h: an object put into a calendar with its busytime, inside a transaction. One way
 * for all who do. Inside calendar/. */
#pragma once
#include "calendar/calendar.h"
#include "calendar/calendar_object.h"
#include "store/store_event.h"

struct directory;

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

/* Puts the object, whose text is body, under name in the place of old (NULL: of nothing).
 * schedule_tag as in store_event. ST_INVALID: w->fault and w->error; others as store_event_put().
 */
MUST_USE enum st calendar_write(struct calendar_writing *w, const struct calendar_object *object,
                                const struct store_event *old, struct slice name, struct slice body,
                                uint64_t schedule_tag, struct store_event *event_r);
/* When an object of the owner's is busy in [from_s, until_s), wherever the window ends; the rows
 * lie in w->arena. ST_INVALID; ST_TOO_BIG: that often. */
struct calendar_busy_set;
MUST_USE enum st calendar_expand_between(struct calendar_writing *w,
                                         const struct directory *directory,
                                         const struct directory_person *owner, struct slice body,
                                         int64_t from_s, int64_t until_s,
                                         struct calendar_busy_set *set_r);
/* What calendar_write() would store of the event in the window that it has, from_s to until_s: sets
 * first_s and last_s, and until_s where a limit was met. */
MUST_USE enum st calendar_expand(struct calendar_writing *w, const struct ical_comp *vcalendar,
                                 struct store_event *event, struct store_busytime **rows_r,
                                 size_t *count_r);
/* calendar_roll() for an event with its body, with all that it needs to know of its owner looked
 * up. The caller has taken a number of the account's change sequence. */
MUST_USE enum st calendar_roll_event(struct calendar *calendar, const struct directory *directory,
                                     struct store_tx *tx, struct arena *arena,
                                     const struct store_event *event, int64_t now_ms);
/* calendar_own() of two objects, each of which may be NULL: those of one come first. */
struct slice *calendar_own_of_two(struct arena *arena, const struct directory *directory,
                                  const struct directory_person *owner, const struct ical_comp *one,
                                  const struct ical_comp *other, size_t *count_r);
/* store_write() of a body that says ST_AGAIN where somebody else changed what it looked at: it is
 * run again, and in the end ST_CONFLICT. */
MUST_USE enum st calendar_transact(struct calendar *calendar, store_body *body, void *arg);
