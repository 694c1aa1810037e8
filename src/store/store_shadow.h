/* store_shadow.h: copies of messages on a second server, so that nothing strands with the first.
 *
 * On the owner an envelope names the server that has a copy of it. Until that server has told after
 * a start what it took over meanwhile, it is "unsettled", and its envelopes are not due
 * (store_queue_due()). On the holder a copy is a body with its envelope and the recipients that the
 * owner still has to serve; one that was taken over is remembered until its owner knows. */
#pragma once
#include "store/store_queue.h"

struct arena;

/* --- on the holder --- */

/* Keeps a copy: envelope->envelope_id is its body's, from blob_writer_commit() in the same
 * transaction; of the rcpts rcpt_no, address, orcpt, notify, state and answer are kept. One of the
 * same owner and guid that is there already goes. ST_EXISTS: it was taken over; nothing is
 * kept, nor is the body. */
MUST_USE enum st store_shadow_put(struct store_tx *tx, struct slice owner,
                                  const struct store_envelope *envelope,
                                  const struct store_rcpt *rcpts, size_t count, int64_t now_ms);
/* The owner is done with the recipient (the copy goes with the last one), or with all of the
 * message (rcpt_no 0): then what is remembered of its having been taken over goes too. What is not
 * there is passed over. */
MUST_USE enum st store_shadow_done(struct store_tx *tx, struct slice owner, struct slice guid,
                                   int64_t rcpt_no);
/* The copy goes; what is remembered of its having been taken over stays. */
MUST_USE enum st store_shadow_drop(struct store_tx *tx, struct slice owner, struct slice guid);
/* Whether there are copies of the owner's, and whether some are remembered as taken over. */
MUST_USE enum st store_shadow_has(struct store_tx *tx, struct slice owner, bool *held_r,
                                  bool *taken_r);
/* What there is of the owner's, in the order of the guids from behind after_guid, at most limit;
 * fn's status other than ST_OK ends it. */
typedef enum st store_shadow_fn(void *ctx, struct slice guid, bool taken);
MUST_USE enum st store_shadow_each(struct store_tx *tx, struct slice owner, struct slice after_guid,
                                   uint64_t limit, store_shadow_fn *fn, void *ctx);
/* How many copies of each owner; open: recipients in them that may have to be taken over. */
typedef enum st store_shadow_owner_fn(void *ctx, struct slice owner, int64_t count, int64_t open);
MUST_USE enum st store_shadow_owners(struct store_tx *tx, store_shadow_owner_fn *fn, void *ctx);

/* Each copy whose body's id is behind after_id, in that order, at most limit, with its owner and
 * how many recipients are open; texts live in arena. fn's status other than ST_OK ends it. */
typedef enum st store_shadow_list_fn(void *ctx, const struct store_envelope *envelope,
                                     struct slice owner, uint64_t rcpt_count);
MUST_USE enum st store_shadow_list(struct store_tx *tx, int64_t after_id, uint64_t limit,
                                   struct arena *arena, store_shadow_list_fn *fn, void *ctx);

struct store_shadow_copy {
    struct store_envelope envelope; /* envelope_id: the body's */
    struct store_rcpt *rcpts;
    size_t count;
};
/* The owner's first copy with recipients behind after_id; its texts lie in arena. ST_NOT_FOUND:
 * there is none. */
MUST_USE enum st store_shadow_next(struct store_tx *tx, struct slice owner, int64_t after_id,
                                   struct arena *arena, struct store_shadow_copy *copy_r);
/* The copy is one no more, and that it was taken is remembered; its body stays: the caller gives it
 * an envelope in the same transaction. */
MUST_USE enum st store_shadow_take(struct store_tx *tx, struct slice owner,
                                   const struct store_envelope *envelope, int64_t now_ms);

/* --- on the owner --- */

/* At the start: everybody who has a copy is unsettled. */
MUST_USE enum st store_shadow_unsettle(struct store_tx *tx);
/* The same for one server. */
MUST_USE enum st store_shadow_unsettle_one(struct store_tx *tx, struct slice server);
/* fn is called for each server that is not settled. */
typedef enum st store_shadow_server_fn(void *ctx, struct slice server, int64_t count);
MUST_USE enum st store_shadow_unsettled(struct store_tx *tx, store_shadow_server_fn *fn, void *ctx);
MUST_USE enum st store_shadow_settled(struct store_tx *tx, struct slice server);
/* How many copies of ours each server has. */
MUST_USE enum st store_shadow_owed(struct store_tx *tx, store_shadow_server_fn *fn, void *ctx);
/* The server has none of ours any more, and is settled. */
MUST_USE enum st store_shadow_forget(struct store_tx *tx, struct slice server);
/* The envelope of this guid whose copy the server has. ST_NOT_FOUND: it is done. */
MUST_USE enum st store_shadow_known(struct store_tx *tx, struct slice server, struct slice guid,
                                    int64_t *envelope_id_r);
/* Another server took the message over: envelope, recipients and body go. */
MUST_USE enum st store_shadow_give_up(struct store_tx *tx, int64_t envelope_id);
/* The server has a copy of the envelope now. */
MUST_USE enum st store_shadow_set(struct store_tx *tx, int64_t envelope_id, struct slice server);
/* The first envelope behind after_id of which nobody has a copy; as store_shadow_next(). */
MUST_USE enum st store_shadow_alone(struct store_tx *tx, int64_t after_id, struct arena *arena,
                                    struct store_shadow_copy *copy_r);
