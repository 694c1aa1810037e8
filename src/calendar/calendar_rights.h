/* calendar_rights.h: what somebody may do with another's calendars: grants to a name, to a group it
 * is in at any depth, and to everybody. */
#pragma once
#include "directory/directory.h"
#include "store/store_calendar.h"

/* Who wants it. */
struct calendar_who {
    const struct directory_person *person; /* NULL: somebody from outside, no groups */
    struct directory_texts groups;
    bool anonymous; /* nobody logged in: grants to STORE_ANYONE alone count */
    bool admin;     /* reads all that its owner does */
};
/* Texts in arena. */
void calendar_who_init(const struct directory *directory, struct arena *arena,
                       const struct directory_person *person, struct calendar_who *who_r);

struct calendar_rights {
    enum store_calendar_rights account;  /* on every calendar of the account */
    enum store_calendar_rights calendar; /* on the one asked about; at least that of the account */
    enum store_calendar_rights best;     /* the most on any */
};
/* On the account of owner and its calendar of that id (0: none in particular); all is
 * STORE_RIGHTS_ACT of one's own. What ST_OK is not is the store's. */
MUST_USE enum st calendar_rights(struct store_tx *tx, const struct calendar_who *who,
                                 const struct directory_person *owner, int64_t calendar_id,
                                 struct calendar_rights *rights_r);

/* Whether who may all that the owner may: he is that one, or an administrator. */
bool calendar_is_as_own(const struct calendar_who *who, const struct directory_person *owner);
/* Whether a grant on another's account gives him at least these rights on its calendar. */
bool calendar_is_granted(const struct calendar_who *who, const struct store_calendar_grant *grant,
                         int64_t calendar_id, enum store_calendar_rights rights);

/* What others gave to somebody by name or group, but not to everybody: fn as in
 * store_calendar_grants_to(). */
MUST_USE enum st calendar_rights_given(struct store_tx *tx, const struct calendar_who *who,
                                       store_calendar_grant_fn *fn, void *ctx);

/* Who may learn when the owner is busy. Everybody who logged in, unless there are grants on the
 * scheduling inbox: then those who have one there or on the account, and by a grant on a calendar
 * what is in that one. Without a log-in those grants alone count that are to STORE_ANYONE. */
struct calendar_busy_rights {
    bool all;
    bool restricted; /* there are grants on the inbox */
    int64_t *ids;    /* of the calendars that may be known of where not all; in arena */
    size_t count, cap;
};
/* First begin, then add with each grant of the account, in any order, then end. */
void calendar_busy_rights_begin(const struct calendar_who *who,
                                const struct directory_person *owner,
                                struct calendar_busy_rights *rights_r);
void calendar_busy_rights_add(struct calendar_busy_rights *rights, struct arena *arena,
                              const struct calendar_who *who, int64_t inbox_id,
                              const struct store_calendar_grant *grant);
void calendar_busy_rights_end(struct calendar_busy_rights *rights);
