/* store_event.h: calendar objects (RFC 4791 section 4.1), what changed since when, and who is busy
 * when. */
#pragma once
#include "store/store_calendar.h"

#define STORE_EVENT_UID_BYTES_MAX 1000
#define STORE_EVENT_FOREVER INT64_MAX
/* No row of busytime is longer; longer times are several rows, so that what is in a window is found
 * from this much before it. */
#define STORE_BUSY_ROW_S (INT64_C(7) * 24 * 3600)

enum store_event_kind { STORE_EVENT = 0, STORE_TODO = 1, STORE_JOURNAL = 2 };
#define STORE_COMPONENTS_ALL 7u

enum {
    STORE_EVENT_PRIVATE = 1 << 0, /* CLASS other than PUBLIC */
    STORE_EVENT_REPEATS = 1 << 1, /* it is not in all of [first_s, last_s] */
};
/* The calendar_id of objects that nobody sees: what is remembered of invitations that were deleted
 * or cancelled, so that a late message does not bring them back. */
#define STORE_EVENT_UNSEEN 0

#define STORE_SCHEDULE_TAG_NEW UINT64_MAX /* for store_event_put(): becomes the modseq */

struct store_event {
    int64_t event_id;
    int64_t calendar_id;
    int64_t account_id;
    struct slice name; /* the last segment of its address */
    struct slice uid;
    enum store_event_kind kind;
    uint64_t modseq;       /* its ETag */
    uint64_t schedule_tag; /* RFC 6638 section 3.2.10; 0: it has none */
    uint64_t flags;
    int64_t first_s, last_s; /* it begins and ends; STORE_EVENT_FOREVER: without end */
    int64_t from_s, until_s; /* its rows of busytime are all of them in [from_s, until_s) */
    int64_t created_ms, modified_ms;
    uint64_t bytes;    /* of body */
    struct slice body; /* the VCALENDAR; only where it says so below */
};

enum store_busy_kind {
    STORE_BUSY_FREE = 0,      /* no row */
    STORE_BUSY_ELSEWHERE = 1, /* working elsewhere: not busy */
    STORE_BUSY_TENTATIVE = 2,
    STORE_BUSY_BUSY = 3,
    STORE_BUSY_UNAVAILABLE = 4, /* out of office */
    STORE_BUSY_UNKNOWN = 5,     /* nobody can say: of answers about others, never stored */
    STORE_BUSY_KIND_MAX,
};
struct store_busytime {
    int64_t event_id;       /* output */
    int64_t calendar_id;    /* output */
    int64_t start_s, end_s; /* at most STORE_BUSY_ROW_S apart */
    enum store_busy_kind kind;
    int64_t id_s; /* the instance: the instant that RECURRENCE-ID would name */
};

/* Puts the object under its name, in the place of old (NULL: of nothing), with its busytime. Takes
 * a number of the change sequence. Set: calendar_id, account_id, name, uid, kind, schedule_tag,
 * flags, first_s to until_s, modified_ms, body; event_id, modseq, created_ms and bytes are outputs.
 * quota as for store_message_add(). ST_AGAIN: what is there is not old any more; ST_CONFLICT:
 * another object of the calendar has this uid; ST_INVALID: name or uid; ST_TOO_BIG: the uid;
 * ST_FULL. */
MUST_USE enum st store_event_put(struct store_tx *tx, uint64_t quota_bytes,
                                 const struct store_event *old, struct store_event *event,
                                 const struct store_busytime *rows, size_t count);
/* Many at once in a calendar of an account whose events make nobody busy (an inbox): those of add,
 * whose names are free, come; those of gone, which store_event_each() gave in this transaction, go.
 * The account's row is locked. Outputs and errors as store_event_put()'s, but for event_id. */
MUST_USE enum st store_event_exchange(struct store_tx *tx, uint64_t quota_bytes,
                                      struct store_event *add, size_t add_count,
                                      const struct store_event *gone, size_t gone_count);
/* Only its busytime and from_s, until_s, first_s, last_s (which its rows begin between): nobody's
 * copy changes, no number is taken. */
MUST_USE enum st store_event_expand(struct store_tx *tx, const struct store_event *event,
                                    const struct store_busytime *rows, size_t count);
/* Leaves its name as gone, with the number taken. ST_AGAIN: it is not that any more. */
MUST_USE enum st store_event_remove(struct store_tx *tx, const struct store_event *event);

/* With body; texts in arena. ST_NOT_FOUND. */
MUST_USE enum st store_event_find(struct store_tx *tx, struct arena *arena, int64_t calendar_id,
                                  struct slice name, struct store_event *event_r);
/* The account's object of this uid in a plain calendar, the oldest where there are several; else
 * what is remembered of it, under STORE_EVENT_UNSEEN. */
MUST_USE enum st store_event_find_uid(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                      struct slice uid, struct store_event *event_r);
MUST_USE enum st store_event_get(struct store_tx *tx, struct arena *arena, int64_t event_id,
                                 struct store_event *event_r);

/* The event's texts are valid during the call; what fn returns other than ST_OK ends it. fn must
 * not wait for a peer. */
typedef enum st store_event_fn(void *ctx, const struct store_event *event);
/* All of a calendar as they were made; body where with_body. */
MUST_USE enum st store_event_each(struct store_tx *tx, int64_t calendar_id, bool with_body,
                                  store_event_fn *fn, void *ctx);
/* With a modseq above since, by modseq, limit at most; without body. */
MUST_USE enum st store_event_changed(struct store_tx *tx, int64_t calendar_id, uint64_t since,
                                     uint64_t limit, store_event_fn *fn, void *ctx);
/* Removed with a modseq above since and not there again: name and modseq alone are set. */
MUST_USE enum st store_event_gone(struct store_tx *tx, int64_t calendar_id, uint64_t since,
                                  uint64_t limit, store_event_fn *fn, void *ctx);
/* All but the keep newest by modseq, the newest first, limit at most; without body. */
MUST_USE enum st store_event_beyond(struct store_tx *tx, int64_t calendar_id, uint64_t keep,
                                    uint64_t limit, store_event_fn *fn, void *ctx);
/* What is remembered under STORE_EVENT_UNSEEN beyond the keep newest of each account, and what was
 * changed before changed_ms and ended before ended_s; by account, the oldest first, limit at most;
 * without body. */
MUST_USE enum st store_event_unseen(struct store_tx *tx, uint64_t keep, int64_t changed_ms,
                                    int64_t ended_s, uint64_t limit, store_event_fn *fn, void *ctx);
/* Those of the calendar that may be in [from_s, until_s): first_s < until_s and last_s >= from_s;
 * with body. */
MUST_USE enum st store_event_between(struct store_tx *tx, int64_t calendar_id, int64_t from_s,
                                     int64_t until_s, store_event_fn *fn, void *ctx);
/* Those of any account whose until_s is below and whose from_s is before since_s, the lowest first,
 * limit at most; with body. */
MUST_USE enum st store_event_unexpanded(struct store_tx *tx, int64_t below_s, int64_t since_s,
                                        uint64_t limit, store_event_fn *fn, void *ctx);
/* Those of one account whose rows of busytime end before until_s though they go on; with body. */
MUST_USE enum st store_event_behind(struct store_tx *tx, int64_t account_id, int64_t until_s,
                                    store_event_fn *fn, void *ctx);

typedef enum st store_busytime_fn(void *ctx, const struct store_busytime *row);
/* Rows that touch [from_s, until_s), by start; those of transparent calendars too. */
MUST_USE enum st store_busytime_each(struct store_tx *tx, int64_t account_id, int64_t from_s,
                                     int64_t until_s, store_busytime_fn *fn, void *ctx);
