/* store_busy.h: what says when people are busy, of several accounts at once: few statements, as
 * each of them is a way to the database and back. */
#pragma once
#include "store/store_calendar.h"
#include "store/store_event.h"

#define STORE_BUSY_IDS_MAX 12 /* at once */

/* Of accounts, or of calendars. No two the same; 1 to STORE_BUSY_IDS_MAX. */
struct store_busy_ids {
    int64_t ids[STORE_BUSY_IDS_MAX];
    size_t count;
};

/* number is the account's in the list. Texts are valid during the call; other than ST_OK ends it.
 * Of a calendar account_id, calendar_id, kind and transparent are set, zone only where with_zones.
 */
typedef enum st store_busy_calendar_fn(void *ctx, size_t number, const struct store_calendar *c);
MUST_USE enum st store_busy_calendars(struct store_tx *tx, const struct store_busy_ids *accounts,
                                      bool with_zones, store_busy_calendar_fn *fn, void *ctx);
typedef enum st store_busy_grant_fn(void *ctx, size_t number,
                                    const struct store_calendar_grant *grant);
MUST_USE enum st store_busy_grants(struct store_tx *tx, const struct store_busy_ids *accounts,
                                   store_busy_grant_fn *fn, void *ctx);
/* Of those that have a row: zone, availability, oof, oof_from_ms and oof_until_ms are set. */
typedef enum st store_busy_account_fn(void *ctx, size_t number,
                                      const struct store_calendar_account *account);
MUST_USE enum st store_busy_settings(struct store_tx *tx, const struct store_busy_ids *accounts,
                                     store_busy_account_fn *fn, void *ctx);
/* As store_busytime_each(), in any order, without id_s; event_id and calendar_id only where
 * with_ids. */
typedef enum st store_busy_row_fn(void *ctx, size_t number, const struct store_busytime *row);
struct store_busy_window {
    int64_t from_s, until_s;
    bool with_ids;
};
MUST_USE enum st store_busy_rows(struct store_tx *tx, const struct store_busy_ids *accounts,
                                 const struct store_busy_window *window, store_busy_row_fn *fn,
                                 void *ctx);
/* The VEVENTs of those calendars that store_event_between() tells, in any order: calendar_id, uid
 * and body are set; number is the calendar's. */
typedef enum st store_busy_event_fn(void *ctx, size_t number, const struct store_event *event);
MUST_USE enum st store_busy_events(struct store_tx *tx, const struct store_busy_ids *calendars,
                                   int64_t from_s, int64_t until_s, store_busy_event_fn *fn,
                                   void *ctx);
