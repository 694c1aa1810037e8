/* store_calendar.h: calendars, who else may use them, and what an account says of itself to those
 * who invite it. */
#pragma once
#include "store/store_account.h"

#define STORE_CALENDAR_TEXT_BYTES_MAX (64 * KIB) /* of description, zone, availability, a reply */

struct arena;

enum store_calendar_kind {
    STORE_CALENDAR_PLAIN = 0,
    STORE_CALENDAR_INBOX = 1, /* scheduling messages that came in, RFC 6638 section 2.2 */
};

struct store_calendar {
    int64_t calendar_id;
    int64_t account_id;
    struct slice name; /* the last segment of its address, compared byte for byte */
    enum store_calendar_kind kind;
    uint64_t modseq; /* the highest of its events and what is gone, and of its own properties */
    int64_t created_ms;
    uint64_t components; /* bits 1 << enum store_event_kind: what may be put into it */
    bool transparent;    /* its events make nobody busy, RFC 6638 section 9.1 */
    int64_t sort;        /* calendar-order of clients */
    struct slice title, description, color;
    struct slice zone;  /* a VTIMEZONE or a TZID; "" */
    struct slice props; /* what clients keep here that is nothing to us; "" */
};

/* Takes a number of the change sequence. name must be free (ST_EXISTS), 1 to 255 bytes of UTF-8
 * without '/' and control characters, no "." or ".." (ST_INVALID); ST_TOO_BIG: a text. */
MUST_USE enum st store_calendar_add(struct store_tx *tx, const struct store_calendar *calendar,
                                    int64_t *calendar_id_r);
/* Texts lie in arena. ST_NOT_FOUND. */
MUST_USE enum st store_calendar_find(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                     struct slice name, struct store_calendar *calendar_r);
MUST_USE enum st store_calendar_get(struct store_tx *tx, struct arena *arena, int64_t calendar_id,
                                    struct store_calendar *calendar_r);
/* All of the account, by sort, then as they were made. */
MUST_USE enum st store_calendar_list(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                     struct store_calendar **calendars_r, size_t *count_r);
/* components, transparent, sort and the texts become what calendar says. */
MUST_USE enum st store_calendar_set(struct store_tx *tx, struct store_calendar *calendar);
/* With its events, their busytime and its grants. */
MUST_USE enum st store_calendar_remove(struct store_tx *tx, const struct store_calendar *calendar);

/* What somebody else may do; each includes those before it. */
enum store_calendar_rights {
    STORE_RIGHTS_NONE = 0,
    STORE_RIGHTS_BUSY = 1,  /* see when it is busy */
    STORE_RIGHTS_READ = 2,  /* see events */
    STORE_RIGHTS_WRITE = 3, /* change events */
    STORE_RIGHTS_ACT = 4,   /* invite and answer in the owner's name; of whole accounts alone */
};
#define STORE_ANYONE "**" /* those too who did not log in; STORE_RIGHTS_BUSY is all they get */
struct store_calendar_grant {
    int64_t account_id;   /* whose */
    int64_t calendar_id;  /* 0: every calendar of the account */
    struct slice grantee; /* a person's or group's name, lower case; "*": all who logged in */
    enum store_calendar_rights rights;
};
/* STORE_RIGHTS_NONE takes it back. Takes a number of the change sequence. ST_INVALID. */
MUST_USE enum st store_calendar_grant(struct store_tx *tx,
                                      const struct store_calendar_grant *grant);
typedef enum st store_calendar_grant_fn(void *ctx, const struct store_calendar_grant *grant);
/* By calendar and grantee; the grant's texts are valid during the call. */
MUST_USE enum st store_calendar_grants_of(struct store_tx *tx, int64_t account_id,
                                          store_calendar_grant_fn *fn, void *ctx);
/* What one name was given, by anybody. */
MUST_USE enum st store_calendar_grants_to(struct store_tx *tx, struct slice grantee,
                                          store_calendar_grant_fn *fn, void *ctx);

enum store_oof_state { STORE_OOF_OFF = 0, STORE_OOF_ON = 1, STORE_OOF_SCHEDULED = 2 };

/* One row for an account that ever said any of it; else all is 0 and "". */
struct store_calendar_account {
    int64_t account_id;
    int64_t default_calendar_id;       /* where invitations go; 0: the first */
    struct slice zone;                 /* of days and floating times, a TZID */
    struct slice availability;         /* a VCALENDAR with VAVAILABILITY (RFC 7953) */
    enum store_oof_state oof;          /* out of office */
    int64_t oof_from_ms, oof_until_ms; /* of STORE_OOF_SCHEDULED */
    bool oof_external;                 /* people of other domains get an answer, too */
    struct slice oof_inside_text, oof_outside_text;
};
/* Texts lie in arena. */
MUST_USE enum st store_calendar_account_get(struct store_tx *tx, struct arena *arena,
                                            int64_t account_id,
                                            struct store_calendar_account *account_r);
/* Until the transaction ends nobody changes what is read of it from here on. */
MUST_USE enum st store_calendar_account_hold(struct store_tx *tx, int64_t account_id);
/* Takes a number of the change sequence. ST_INVALID, ST_TOO_BIG. */
MUST_USE enum st store_calendar_account_set(struct store_tx *tx,
                                            const struct store_calendar_account *account);
