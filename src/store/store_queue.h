/* store_queue.h: the queue: messages on their way elsewhere, and who still has to get them.
 *
 * An envelope is one message's; its id is its body's. Each recipient not yet done with is a row of
 * its own, under the destination it goes to; the last one takes envelope and body with it. A
 * destination belongs to one server, which holds it by a lease. */
#pragma once
#include "store/store_account.h"

struct arena;

enum store_rcpt_state {
    STORE_RCPT_QUEUED,
    STORE_RCPT_HELD,      /* by an administrator */
    STORE_RCPT_FAILED,    /* over; the sender is still to be told */
    STORE_RCPT_DELIVERED, /* over, put into a mailbox; the sender wants to know */
    STORE_RCPT_RELAYED,   /* over, handed to a server that tells no sender */
    STORE_RCPT_EXPANDED,  /* over, became the members of a group */
    STORE_RCPT_STATE_MAX,
};
extern const char *const store_rcpt_state_names[STORE_RCPT_STATE_MAX];

enum {
    STORE_ENVELOPE_UTF8 = 1 << 0,     /* SMTPUTF8 was asked for */
    STORE_ENVELOPE_8BIT = 1 << 1,     /* the body is not 7bit */
    STORE_ENVELOPE_RET_HDRS = 1 << 2, /* RET=HDRS, RFC 3461 section 4.3 */
    STORE_ENVELOPE_RET_FULL = 1 << 3,
    STORE_ENVELOPE_REPORT = 1 << 4, /* a delivery report of ours */
    STORE_ENVELOPE_LAST = 1 << 5,   /* the postmaster's: of what becomes of it nobody is told */
};

enum { STORE_PRIORITY_HIGH, STORE_PRIORITY_NORMAL, STORE_PRIORITY_LOW, STORE_PRIORITY_MAX };

#define STORE_ANSWER_BYTES_MAX 500
/* When a row that is not to be tried comes up: never. */
#define STORE_NEVER_MS INT64_C(9000000000000000)

struct store_envelope {
    int64_t envelope_id; /* the body's */
    char guid[STORE_GUID_BYTES];
    struct slice sender; /* "" : the null sender */
    struct slice envid;  /* xtext as it came, RFC 3461 section 4.4; "" */
    struct slice message_id;
    struct slice origin; /* who gave it: "smtp 192.0.2.1", "submission alice" */
    uint64_t flags;
    uint64_t bytes;       /* of the body */
    uint64_t body_offset; /* what lies before is for mailboxes here (Return-Path), not for others */
    uint64_t priority;
    int64_t accepted_ms;
    struct slice shadow; /* the server that has a copy of it; "": none */
};

struct store_rcpt {
    int64_t envelope_id;
    int64_t rcpt_no;
    int64_t destination_id;
    struct slice address;
    struct slice orcpt; /* "rfc822;xtext", RFC 3461 section 4.2; "" */
    uint64_t notify;    /* bits of the router's; 0: nothing was said */
    enum store_rcpt_state state;
    bool warned; /* the sender was told that it is late */
    uint64_t attempts;
    int64_t next_ms;
    struct slice answer; /* the last one; "" before the first try */
};

struct store_destination {
    int64_t destination_id;
    struct slice name;
    uint64_t attempts; /* failures of the destination itself since its last success */
    int64_t next_ms;   /* not before */
    struct slice answer;
};

/* --- servers --- */

/* The id that stands for the server's name from now on; its lease begins. */
MUST_USE enum st store_server_enter(struct store_tx *tx, struct slice name, int64_t lease_until_ms,
                                    int64_t *server_id_r);
/* ST_NOT_FOUND: another server has taken its destinations over; it enters anew. */
MUST_USE enum st store_server_renew(struct store_tx *tx, int64_t server_id, int64_t lease_until_ms);
/* Takes the destinations over of servers whose lease ended before now_ms; how many in *count_r.
 * They cannot renew it any more: they learn that what they know of their destinations is void. */
MUST_USE enum st store_server_take_over(struct store_tx *tx, int64_t server_id, int64_t now_ms,
                                        int64_t *count_r);

/* --- destinations --- */

/* The server's destination of this name, made where it is missing; it may be tried at once. */
MUST_USE enum st store_destination_need(struct store_tx *tx, int64_t server_id, struct slice name,
                                        int64_t *destination_id_r);
typedef enum st store_destination_fn(void *ctx, const struct store_destination *destination);
/* Those of the server that may be tried at now_ms, in the order of their ids from behind after_id,
 * at most limit; fn's slices are valid during the call. */
MUST_USE enum st store_destination_due(struct store_tx *tx, int64_t server_id, int64_t now_ms,
                                       int64_t after_id, uint64_t limit, store_destination_fn *fn,
                                       void *ctx);
/* Those of the server with rows whose last try failed, at most limit, in the order of their ids. */
MUST_USE enum st store_destination_down(struct store_tx *tx, int64_t server_id, uint64_t limit,
                                        store_destination_fn *fn, void *ctx);
/* Keeps what a try found: attempts, next_ms, answer. */
MUST_USE enum st store_destination_set(struct store_tx *tx,
                                       const struct store_destination *destination);
/* At the server's start: those nothing is queued for go, the others may be tried at once. */
MUST_USE enum st store_destination_reset(struct store_tx *tx, int64_t server_id);
/* What is queued for the one is queued for the other. The first is due again a quarter of an hour
 * later, and goes when it is merged then and nothing was added to it. */
MUST_USE enum st store_destination_merge(struct store_tx *tx, int64_t from_id, int64_t to_id,
                                         int64_t now_ms);

/* --- rows --- */

/* Queues the message: blob_id from blob_writer_commit() in the same transaction is its envelope_id.
 * The rcpts' envelope_id and rcpt_no are set here. */
MUST_USE enum st store_queue_add(struct store_tx *tx, const struct store_envelope *envelope,
                                 struct store_rcpt *rcpts, size_t count);

/* More recipients of a message that is queued. */
MUST_USE enum st store_queue_more(struct store_tx *tx, const struct store_envelope *envelope,
                                  struct store_rcpt *rcpts, size_t count);

struct store_queued {
    struct store_envelope envelope;
    struct store_rcpt rcpt;
    /* only from store_queue_each() and store_queue_get(): the destination's */
    struct slice destination;
    struct slice destination_answer;
    int64_t destination_next_ms;
    int64_t server_id;
};
typedef enum st store_queue_fn(void *ctx, const struct store_queued *queued);
/* Rows of the destination that are due, the most urgent first, then the longest due; fn's slices
 * are valid during the call; its status other than ST_OK ends it. */
MUST_USE enum st store_queue_due(struct store_tx *tx, int64_t destination_id, int64_t now_ms,
                                 uint64_t limit, store_queue_fn *fn, void *ctx);
/* The earliest next_ms after now_ms of the destination's rows; STORE_NEVER_MS where there is none,
 * but soon while rows may wait for another server (store_shadow.h). */
MUST_USE enum st store_queue_next(struct store_tx *tx, int64_t destination_id, int64_t now_ms,
                                  int64_t *next_ms_r);
/* All rows behind (after_id, after_no) in order, at most limit. */
MUST_USE enum st store_queue_each(struct store_tx *tx, int64_t after_id, int64_t after_no,
                                  uint64_t limit, store_queue_fn *fn, void *ctx);
/* The rows of one envelope. */
MUST_USE enum st store_queue_get(struct store_tx *tx, int64_t envelope_id, store_queue_fn *fn,
                                 void *ctx);
/* How many rows are queued; of the destination where it is not 0. */
MUST_USE enum st store_queue_count(struct store_tx *tx, int64_t destination_id, int64_t *count_r);

/* The same, but no further than max: what a person wants to know of a long queue. */
MUST_USE enum st store_queue_count_up_to(struct store_tx *tx, int64_t destination_id, uint64_t max,
                                         int64_t *count_r);
struct store_queue_totals {
    int64_t recipients; /* rows, whatever their state */
    int64_t held;
    int64_t messages;
    int64_t bytes;
    int64_t oldest_ms; /* when the oldest was accepted; 0: nothing is queued */
};
/* Reads as much as there is: a fraction of a second for each million rows. */
MUST_USE enum st store_queue_totals(struct store_tx *tx, struct store_queue_totals *totals_r);

enum store_settle_what {
    STORE_SETTLE_DONE,   /* the row goes */
    STORE_SETTLE_LATER,  /* tried in vain: next_ms, attempts and answer are kept */
    STORE_SETTLE_REPORT, /* over, the sender is to be told: state, answer, destination_id */
    STORE_SETTLE_MOVE,   /* it goes by another destination now: destination_id, next_ms */
    STORE_SETTLE_WARNED, /* the sender was told that it is late */
    STORE_SETTLE_HOLD,
    STORE_SETTLE_RELEASE, /* held or not: tried again at next_ms */
};
struct store_settle {
    enum store_settle_what what;
    struct store_rcpt rcpt; /* envelope_id, rcpt_no, and what the kind above names */
    bool found;             /* out: the row was there, and in a state that allows it */
};
/* Changes rows of one envelope; with the last of them go envelope and body. Rows that are gone
 * already (an administrator was quicker) are passed over. */
MUST_USE enum st store_queue_settle(struct store_tx *tx, struct store_settle *list, size_t count);

/* Notes that the message with this guid is in the store; *new_r (may be NULL): it was not noted
 * before. */
MUST_USE enum st store_guid_claim(struct store_tx *tx, struct slice guid, int64_t now_ms,
                                  bool *new_r);
/* The same for a key of the caller's: *new_r: nobody claimed it within window_ms before now_ms; the
 * claim is now_ms's then. At the same time one alone gets it. */
MUST_USE enum st store_claim(struct store_tx *tx, struct slice key, int64_t now_ms,
                             int64_t window_ms, bool *new_r);
/* When it was claimed; ST_NOT_FOUND. */
MUST_USE enum st store_claimed(struct store_tx *tx, struct slice key, int64_t *at_ms_r);
/* Forgets at most max claims and noted guids from before before_ms. Reads all there are. */
MUST_USE enum st store_claim_sweep(struct store_tx *tx, int64_t before_ms, int64_t max,
                                   int64_t *count_r);
/* Notes that another server of the domain handed the message over for the recipient: guid is what
 * it calls the message, address as it gave it. *new_r: it was not noted before. */
MUST_USE enum st store_handed_claim(struct store_tx *tx, struct slice guid, struct slice address,
                                    int64_t now_ms, bool *new_r);
/* Forgets what was noted before that time; *count_r: how much. */
MUST_USE enum st store_handed_sweep(struct store_tx *tx, int64_t before_ms, int64_t *count_r);
/* Where copies of the message lie in the account: fn per folder. */
typedef enum st store_guid_fn(void *ctx, struct slice folder, int64_t uid);
MUST_USE enum st store_guid_find(struct store_tx *tx, int64_t account_id, struct slice guid,
                                 store_guid_fn *fn, void *ctx);
