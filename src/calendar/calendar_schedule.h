/* calendar_schedule.h: scheduling messages on their way: from a change of an object to tasks, and
 * from a task into the recipients' calendars or, for those who have none here, the mail. */
#pragma once
#include "calendar/calendar_itip.h"
#include "calendar/calendar_work.h"

struct directory;
struct directory_person;

struct calendar_outgoing {
    int64_t account_id;
    struct slice sender; /* its owner: "mailto:..." */
    const struct calendar_itip_messages *messages;
    int64_t now_ms;
};
/* Leaves tasks for the messages; those that say the same to many are one task. In a transaction. */
MUST_USE enum st calendar_schedule_send(struct calendar_round *round, struct store_tx *tx,
                                        struct arena *arena,
                                        const struct calendar_outgoing *outgoing);
/* Who has that calendar user address and an account in this store; NULL: nobody. */
const struct directory_person *calendar_schedule_person(const struct directory *directory,
                                                        struct slice address);

/* One message for one account here, in a transaction of the caller's. */
struct calendar_arrival {
    struct calendar_round *round;
    const struct directory *directory;
    const struct directory_person *person; /* whose account it is */
    struct slice address;                  /* that it was sent to */
    struct slice sender;
    const struct calendar_itip_policy *policy;
    bool known_only; /* it may change what has an ORGANIZER here, and add nothing */
    const struct ical_comp *message;
    struct slice text; /* of message */
    int64_t now_ms;
    struct arena *arena;                   /* for all that is made of it */
    enum calendar_itip_verdict *verdict_r; /* NULL: nobody asks */
};
/* What becomes of it is on record. ST_OK, also where nothing does. ST_INVALID: it is no iTIP
 * message, *error_r. */
MUST_USE enum st calendar_schedule_arrive(struct store_tx *tx, const struct calendar_arrival *a,
                                          struct ical_error *error_r);

/* A message that a->person sent (its a->message) did not arrive: his object says so, as a new
 * version that clients see, its schedule tag as it was. Nothing where it is gone. Errors as above,
 * and those of storing. */
MUST_USE enum st calendar_schedule_undelivered(struct store_tx *tx,
                                               const struct calendar_arrival *a,
                                               const struct calendar_itip_failure *failure,
                                               struct ical_error *error_r);

/* The topic (store_task.h) of a message to one recipient: "" of what is not done together. text: of
 * message. */
struct slice calendar_schedule_topic(struct arena *arena, const struct ical_comp *message,
                                     struct slice text, struct slice rcpt);
/* REPLYs of one topic. */
struct calendar_reply {
    const struct ical_comp *message;
    struct slice text;
    struct slice sender;
};
/* calendar_schedule_arrive() for each, in order, with one look at the object and one change of it;
 * common says what is the same. One that is no REPLY to the object is on record and harms no other.
 * Anything but ST_OK: the object cannot be read or stored, whoever is to blame. */
MUST_USE enum st calendar_schedule_replies(struct store_tx *tx,
                                           const struct calendar_arrival *common,
                                           const struct calendar_reply *replies, size_t count,
                                           struct ical_error *error_r);
/* Does what waits of the task's topic, the task last or with others; ST_INVALID: not together.
 * Inside calendar/. */
MUST_USE enum st calendar_replies_work(struct calendar_round *round, const struct store_task *task,
                                       const struct directory *directory,
                                       const struct directory_person *person);
