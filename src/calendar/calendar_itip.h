/* calendar_itip.h: scheduling (RFC 5546, RFC 6638) decided: which messages a change of a calendar
 * object sends, and what a message that comes changes. Pure: values in, values out.
 *
 * Objects and messages are VCALENDARs of one UID (RFC 4791 section 4.1). None that is given is
 * changed; what is made lies in the arena and shares slices with what was given. Each component is
 * kept by its RECURRENCE-ID, and of two the one with the higher SEQUENCE counts, then the one with
 * the later DTSTAMP; so messages that come twice, late or in another order end in the same object.
 * What must be known for that and is said nowhere in RFC 5546 stands in X-POSTHORSE-... (below). */
#pragma once
#include "base/base.h"
#include "calendar/calendar_object.h"
#include "ical/ical.h"

struct arena;
struct ical_zone;
struct ical_zones;

/* Parameters of ATTENDEE and properties that we keep in stored objects. */
#define CALENDAR_ITIP_REPLIED "X-POSTHORSE-REPLIED"     /* DTSTAMP of the last REPLY */
#define CALENDAR_ITIP_ANSWERED "X-POSTHORSE-ANSWERED"   /* SEQUENCE that PARTSTAT answers */
#define CALENDAR_ITIP_SINCE "X-POSTHORSE-SINCE"         /* SEQUENCE that first invited him */
#define CALENDAR_ITIP_FOLLOWS "X-POSTHORSE-FOLLOWS"     /* PARTSTAT is that of the series */
#define CALENDAR_ITIP_COUNTERED "X-POSTHORSE-COUNTERED" /* DTSTAMP of the last COUNTER */
#define CALENDAR_ITIP_RESET "X-POSTHORSE-RESET"         /* answers to a lower SEQUENCE are void */
#define CALENDAR_ITIP_SPLIT "X-POSTHORSE-SPLIT"         /* SEQUENCE that split the series here */
#define CALENDAR_ITIP_ADDED "X-POSTHORSE-ADDED"         /* came by ADD: the series needs an RDATE */
#define CALENDAR_ITIP_LEFT "X-POSTHORSE-LEFT"           /* an instance the attendee took out */
#define CALENDAR_ITIP_HIDDEN "X-POSTHORSE-HIDDEN"       /* the object is a memory, not shown */

/* Components times different invitations of one change: more is ST_TOO_BIG. */
#define CALENDAR_ITIP_WORK_MAX 100000

enum calendar_itip_method {
    CALENDAR_ITIP_NONE, /* no METHOD, or one that is unknown */
    CALENDAR_ITIP_PUBLISH,
    CALENDAR_ITIP_REQUEST,
    CALENDAR_ITIP_REPLY,
    CALENDAR_ITIP_ADD,
    CALENDAR_ITIP_CANCEL,
    CALENDAR_ITIP_REFRESH,
    CALENDAR_ITIP_COUNTER,
    CALENDAR_ITIP_DECLINECOUNTER,
    CALENDAR_ITIP_METHOD_MAX,
};
const char *calendar_itip_method_name(enum calendar_itip_method method); /* "" of NONE */
enum calendar_itip_method calendar_itip_method(const struct ical_comp *vcalendar);

enum calendar_itip_role {
    CALENDAR_ITIP_NOBODY, /* no ORGANIZER, the owner is not in it, or SCHEDULE-AGENT is not SERVER
                           */
    CALENDAR_ITIP_ORGANIZER,
    CALENDAR_ITIP_ATTENDEE,
};

/* For whom, when and where something is decided. */
struct calendar_itip_world {
    struct arena *arena;
    struct ical_zones *zones;         /* for TZIDs without VTIMEZONE; may be NULL */
    const struct ical_zone *floating; /* the owner's zone; NULL: UTC */
    const struct slice *own;          /* the owner's addresses: "mailto:a@example.org",
                                         "a@example.org" or a URL; in any case */
    size_t own_count;
    int64_t now_s;
};

struct calendar_itip_message {
    enum calendar_itip_method method;
    struct slice recipient;            /* in lower case, with its scheme: "mailto:a@example.org" */
    const struct ical_comp *vcalendar; /* messages that say the same share it and are neighbours;
                                          only to be written, or copied with ical_comp_copy() */
};
struct calendar_itip_messages {
    struct calendar_itip_message *at;
    size_t count, cap;
};

struct calendar_itip_sent {
    enum calendar_itip_role role;
    enum calendar_fault fault; /* of RFC 6638 section 3.2.4 */
    struct ical_comp *store;   /* what to store in place of the new object; NULL: it is deleted */
    struct ical_comp *memory;  /* of a deleted invitation: to be stored unseen, and given to
                                  calendar_itip_incoming(): no late message brings it back */
    struct calendar_itip_messages messages;
};

/* The owner stores `after` in place of `before`; NULL: there was none, it is deleted (RFC 6638
 * section 3.2). Messages go to everybody with SCHEDULE-AGENT=SERVER that the change concerns. An
 * attendee's SEQUENCE, DTSTAMP and what is said of other attendees are put back silently; other
 * changes of what the organizer owns are refused. ST_DENIED: sent_r->fault and *error_r;
 * ST_INVALID: a date cannot be read; ST_TOO_BIG: CALENDAR_ITIP_WORK_MAX. */
MUST_USE enum st calendar_itip_outgoing(const struct calendar_itip_world *world,
                                        const struct ical_comp *before,
                                        const struct ical_comp *after,
                                        struct calendar_itip_sent *sent_r,
                                        struct ical_error *error_r);

/* The organizer stores `after` made of a copy that may be older than the last answers, since its
 * ETag was not asked for (RFC 6638 section 3.2.10): *after_r is a copy of it with the PARTSTATs
 * that replies set in `before` and what they changed with them, and with the overrides that hold
 * nothing else; but whom SCHEDULE-FORCE-SEND=REQUEST asks anew is asked (section 3.2.8). Answers
 * that the change makes void become so in calendar_itip_outgoing(). ST_INVALID as above. */
MUST_USE enum st calendar_itip_keep_answers(const struct calendar_itip_world *world,
                                            const struct ical_comp *before,
                                            const struct ical_comp *after,
                                            struct ical_comp **after_r, struct ical_error *error_r);

/* What became of messages: sets SCHEDULE-STATUS (RFC 6638 section 7.3) of ATTENDEEs and ORGANIZER
 * of a stored object, in place. */
struct calendar_itip_delivery {
    struct slice address; /* as in calendar_itip_message */
    struct slice status;  /* "1.2" */
};
void calendar_itip_delivered(struct arena *arena, struct ical_comp *vcalendar,
                             const struct calendar_itip_delivery *deliveries, size_t count);

/* A message of the owner's that did not reach these. */
struct calendar_itip_failure {
    const struct ical_comp *message;
    struct slice *rcpts; /* as in calendar_itip_message */
    size_t count;
    struct slice status; /* "5.1" */
};
/* The status for those who did not say anything since (SCHEDULE-STATUS 2.x is a reply's): a copy of
 * stored; NULL: it says so already, or was sent anew with a higher SEQUENCE. ST_INVALID: a date
 * cannot be read. */
MUST_USE enum st calendar_itip_undelivered(const struct calendar_itip_world *world,
                                           const struct ical_comp *stored,
                                           const struct calendar_itip_failure *failure,
                                           struct ical_comp **store_r, struct ical_error *error_r);

struct calendar_itip_policy {
    bool uninvited;  /* take what is for somebody else (came by a list), too */
    bool crashers;   /* put a stranger's REPLY on the list of attendees */
    bool any_sender; /* the sender needs not be organizer, attendee or their SENT-BY */
};

enum calendar_itip_verdict {
    CALENDAR_ITIP_APPLIED,   /* result->store is new */
    CALENDAR_ITIP_NOTED,     /* no change of the meeting; it is for a person, or answered */
    CALENDAR_ITIP_DUPLICATE, /* known already */
    CALENDAR_ITIP_STALE,     /* something newer is known */
    CALENDAR_ITIP_UNKNOWN,   /* no such object */
    CALENDAR_ITIP_STRANGER,  /* the owner is not invited, or the sender is no attendee */
    CALENDAR_ITIP_FORGED,    /* the sender may not say that */
    CALENDAR_ITIP_IGNORED,   /* PUBLISH, an unknown method, nothing to schedule in it */
};
const char *calendar_itip_verdict_name(enum calendar_itip_verdict verdict);

struct calendar_itip_result {
    enum calendar_itip_verdict verdict;
    enum calendar_itip_method method;
    struct ical_comp *store; /* where not NULL: to be stored, without METHOD */
    bool hidden;             /* store is a memory of a CANCEL that came first: not to be shown */
    bool inbox;              /* a copy belongs into the scheduling inbox */
    bool changed_time;       /* store's instances may be others: ask again who is free */
    struct calendar_itip_messages answers;
    struct ical_error line; /* for the record: a sentence */
};

/* A message for the owner from `sender`, whom the caller believes (logged in, or the From of a mail
 * that passed its checks; RFC 6047 section 2.3). stored: the object with that UID, or its memory,
 * or NULL. The message may be hostile. ST_INVALID and *error_r: it is no iTIP message. */
MUST_USE enum st calendar_itip_incoming(const struct calendar_itip_world *world,
                                        const struct calendar_itip_policy *policy,
                                        const struct ical_comp *stored,
                                        const struct ical_comp *message, struct slice sender,
                                        struct calendar_itip_result *result_r,
                                        struct ical_error *error_r);

/* Several REPLYs for one stored object, one after another. */
struct calendar_itip_hearing;
/* stored as for calendar_itip_incoming(). ST_INVALID: a date in it cannot be read. */
MUST_USE enum st calendar_itip_hearing_new(const struct calendar_itip_world *world,
                                           const struct calendar_itip_policy *policy,
                                           const struct ical_comp *stored,
                                           struct calendar_itip_hearing **hearing_r,
                                           struct ical_error *error_r);
/* What calendar_itip_incoming() would say, had what those before it made been stored.
 * result_r->store, where there is one, is the same object each time, with all that came so far.
 * ST_INVALID and *error_r: it is no REPLY to this object; the others are not harmed. */
MUST_USE enum st calendar_itip_hear(struct calendar_itip_hearing *hearing,
                                    const struct ical_comp *message, struct slice sender,
                                    struct calendar_itip_result *result_r,
                                    struct ical_error *error_r);

/* What a recipient can hold. */
struct calendar_itip_holds {
    bool this_and_future; /* RANGE=THISANDFUTURE */
    bool rdate_period;    /* RDATE;VALUE=PERIOD */
    bool many_rules;      /* more than one RRULE, and EXRULE */
    bool rdate;           /* RDATE at all */
};
/* A series with what the recipient cannot hold becomes instances, each by itself with its own time
 * and RECURRENCE-ID, from from_s on to until_s, at most instances_max. *out_r is vcalendar itself
 * where it can be held. ST_TOO_BIG: there are more; *out_r holds the first. ST_INVALID: a date or
 * rule cannot be read. */
MUST_USE enum st calendar_itip_series(const struct calendar_itip_world *world,
                                      const struct ical_comp *vcalendar,
                                      const struct calendar_itip_holds *holds, int64_t from_s,
                                      int64_t until_s, uint64_t instances_max,
                                      const struct ical_comp **out_r, struct ical_error *error_r);
