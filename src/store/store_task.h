/* store_task.h: durable work for the calendars: taken up again after a kill, done once. And the
 * record of what was decided. */
#pragma once
#include "store/store_account.h"

struct arena;

enum store_task_kind {
    /* An iTIP message (body) of the account, from sender to rcpt, addresses with a line end between
     * them. */
    STORE_TASK_ITIP = 1,
    /* A delivered mail (blob_id) of sender to the address rcpt. It may be iMIP; body: its guid, a
     * blank, and its envelope's origin. */
    STORE_TASK_MAIL = 2,
    STORE_TASK_OOF = 3, /* It may want an out of office reply; body: its guid. */
    /* A scheduling message of the account, whose address is sender, did not reach rcpt, addresses
     * with a line end between them. body: the answer ("550 5.1.1 no such user") and, where there is
     * no mail (blob_id), a line end and the message. */
    STORE_TASK_BOUNCE = 4,
    STORE_TASK_REPORT = 5, /* A delivered report of a failure, about iMIP; otherwise as MAIL. */
};

struct store_task {
    int64_t task_id;
    int64_t account_id;
    enum store_task_kind kind;
    int64_t next_ms; /* not before */
    uint64_t attempts;
    int64_t blob_id; /* kept as long as the task; 0: none */
    struct slice sender, rcpt;
    struct slice body;
    struct slice topic; /* those of one topic may be done together, by who has locked its account;
                           "": it is done alone */
};

MUST_USE enum st store_task_add(struct store_tx *tx, const struct store_task *task,
                                int64_t *task_id_r);
/* The task, in arena. ST_NOT_FOUND: somebody did it. */
MUST_USE enum st store_task_get(struct store_tx *tx, struct arena *arena, int64_t task_id,
                                struct store_task *task_r);
/* Ends it, in the transaction that does its work, before the work: from then on nobody else does
 * it. ST_NOT_FOUND: somebody did it. */
MUST_USE enum st store_task_done(struct store_tx *tx, const struct store_task *task);
/* The same for a part of it: rest is left to be done of its rcpt. */
MUST_USE enum st store_task_rest(struct store_tx *tx, const struct store_task *task,
                                 struct slice rest);
/* The first cap of those of a topic, as they were added, in arena; count 0: there is none. The
 * account that they are for is locked (store_account_advance()): who does one of them alone locks
 * it first, too. */
MUST_USE enum st store_task_topic(struct store_tx *tx, struct arena *arena, struct slice topic,
                                  struct store_task *tasks, size_t cap, size_t *count_r);
/* Ends these, all that store_task_topic() gave. ST_AGAIN: there are others among them now. */
MUST_USE enum st store_task_topic_done(struct store_tx *tx, const struct store_task *tasks,
                                       size_t count);
MUST_USE enum st store_task_later(struct store_tx *tx, int64_t task_id, int64_t next_ms);
/* Ids of those due at now_ms, the longest due first; when the next one is: INT64_MAX: none. */
MUST_USE enum st store_task_due(struct store_tx *tx, int64_t now_ms, int64_t *ids, size_t cap,
                                size_t *count_r, int64_t *next_ms_r);

#define STORE_CALENDAR_LOG_MAX 2000 /* lines an account */
struct store_calendar_line {
    int64_t line_id;
    int64_t at_ms;
    struct slice uid;
    struct slice text; /* a sentence */
};
/* The oldest lines go. */
MUST_USE enum st store_calendar_log(struct store_tx *tx, int64_t account_id,
                                    const struct store_calendar_line *line);
MUST_USE enum st store_calendar_log_many(struct store_tx *tx, int64_t account_id,
                                         const struct store_calendar_line *lines, size_t count);
typedef enum st store_calendar_line_fn(void *ctx, const struct store_calendar_line *line);
/* The last limit lines, oldest first. */
MUST_USE enum st store_calendar_log_each(struct store_tx *tx, int64_t account_id, uint64_t limit,
                                         store_calendar_line_fn *fn, void *ctx);

/* Whether nobody has had an out of office reply of the account since since_ms; if so, it is noted
 * for now_ms (RFC 3834 section 2, RFC 5230 section 4.2). sender in lower case. ST_EXISTS: he has.
 */
MUST_USE enum st store_oof_claim(struct store_tx *tx, int64_t account_id, struct slice sender,
                                 int64_t since_ms, int64_t now_ms);
/* Forgets all, when a new text was set. */
MUST_USE enum st store_oof_forget(struct store_tx *tx, int64_t account_id);
