/* admin_calendar.h: an account's calendars as the calls about them find them. Inside admin/. */
#pragma once
#include "admin/admin_call.h"
#include "calendar/calendar.h"
#include "store/store_event.h"

struct admin_calendar {
    struct admin_call *call;
    struct calendar *calendar; /* the server's */
    struct slice name;         /* the account's */
    struct slice only;         /* the calendar that is meant; empty: all, or the usual one */
    struct arena *arena;       /* of one run of a body */
    struct store_account account;
    struct store_calendar_account settings;
    struct store_calendar *calendars; /* all that are meant */
    size_t count;
};

/* Reads the arguments name and, unless it is NULL, the one called key, which may be missing. call's
 * mine and release are taken, unless the caller has its own: then it calls
 * admin_calendar_release(). */
MUST_USE enum st admin_calendar_new(struct admin_call *call, const char *key,
                                    struct admin_calendar **of_r);
void admin_calendar_release(void *mine);
/* In a body: the account, its settings and calendars, in the arena, which is reset. ST_NOT_FOUND
 * with a sentence. */
MUST_USE enum st admin_calendar_find(struct store_tx *tx, struct admin_calendar *of);
/* In a body that writes: the same, and a number of the change sequence is taken; an account that
 * never had calendars gets those that all have. */
MUST_USE enum st admin_calendar_find_to_change(struct store_tx *tx, struct admin_calendar *of);
/* admin_calendar_new() with the argument "calendar", and what it means was found: for a call that
 * produces its answer afterwards. */
MUST_USE enum st admin_calendar_begin(struct admin_call *call);
/* Where things go if nobody says where; NULL: the account has no calendars. */
const struct store_calendar *admin_calendar_usual(const struct admin_calendar *of);

/* Calls fn for each object of the calendars that are meant, body included, outside of any
 * transaction; those that go meanwhile are left out. What fn returns other than ST_OK ends it. */
typedef enum st admin_calendar_fn(void *ctx, const struct store_calendar *calendar,
                                  const struct store_event *event);
MUST_USE enum st admin_calendar_each(struct admin_calendar *of, admin_calendar_fn *fn, void *ctx);
