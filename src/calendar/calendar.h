/* calendar.h: the calendars of this server, and what all that is done with them shares. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;
struct calendar;
struct calendar_connector;
struct directory;
struct directory_person;
struct ical_comp;
struct ical_zone;
struct ical_zones;
struct router_queue;
struct slice;
struct store;
struct store_tx;
struct calendar_far_lacks;
struct sys_fetcher;

struct calendar_context {
    struct store *store;
    struct router_queue *queue; /* for what goes to others; NULL: nothing does (tests) */
    const char *server_name;
};

/* Borrows what context points to. */
struct calendar *calendar_new(const struct calendar_context *context);
void calendar_free(struct calendar **calendar); /* stops the keeper first */
/* The thread that does what waits and lets the window of busytime roll. ST_IO and a sentence. */
MUST_USE enum st calendar_start(struct calendar *calendar, struct buf *why);
void calendar_stop(struct calendar *calendar);
/* There is work. Any thread; does not wait. */
void calendar_kick(struct calendar *calendar);

struct store *calendar_store(const struct calendar *calendar);
struct router_queue *calendar_queue(const struct calendar *calendar);
const char *calendar_server_name(const struct calendar *calendar);
struct calendar_connector *calendar_connector(const struct calendar *calendar);
struct ical_zones *calendar_zones(const struct calendar *calendar);
/* What asks foreign systems. */
struct sys_fetcher *calendar_fetcher(const struct calendar *calendar);
struct calendar_far_lacks *calendar_far_lacks(const struct calendar *calendar);

/* Days and floating times of an account's objects are those of this zone: the calendar's (a
 * VTIMEZONE's text or a TZID), else the account's, else the setting's; NULL: UTC. */
const struct ical_zone *calendar_zone(struct calendar *calendar, struct arena *arena,
                                      struct slice of_calendar, struct slice of_account);

/* The owner's among the addresses that organize or attend anything in the object, each once, in the
 * arena. */
struct slice *calendar_own(struct arena *arena, const struct directory *directory,
                           const struct directory_person *owner, const struct ical_comp *vcalendar,
                           size_t *count_r);

/* Makes the calendars that every account has, where they are missing: "calendar" (shown as
 * "Calendar") and the scheduling inbox "inbox". */
MUST_USE enum st calendar_ensure(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                 int64_t now_ms);
/* Expands all of an account's objects anew, where the zone of days and floating times became
 * another. The caller has taken a number of the account's change sequence. */
MUST_USE enum st calendar_roll_account(struct calendar *calendar, const struct directory *directory,
                                       struct store_tx *tx, struct arena *arena, int64_t account_id,
                                       int64_t now_ms);
