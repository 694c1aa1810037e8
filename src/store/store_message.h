/* store_message.h: messages in folders: added, copied, flagged, expunged; what changed since when.
 */
#pragma once
#include "store/store_folder.h"

enum {
    STORE_SEEN = 1 << 0,
    STORE_ANSWERED = 1 << 1,
    STORE_FLAGGED = 1 << 2,
    STORE_DELETED = 1 << 3,
    STORE_DRAFT = 1 << 4,
};
#define STORE_SYSTEM_FLAGS 31u

struct store_message {
    uint32_t uid;
    uint64_t flags; /* system flags and keyword bits */
    uint64_t modseq;
    char guid[STORE_GUID_BYTES]; /* EMAILID, the same for every copy, RFC 8474 */
    int64_t blob_id;
    uint64_t bytes;        /* RFC822.SIZE */
    int64_t date_s;        /* INTERNALDATE, seconds since 1970 */
    int32_t date_zone_min; /* its offset from UTC, minutes */
    int64_t saved_ms;
    bool oof;               /* out of store_message_add(): the account may have a reply for it */
    struct slice envelope;  /* IMAP's ENVELOPE, ready to send; only where asked for */
    struct slice structure; /* for mime_structure_read(); only where asked for */
};

/* Inclusive. */
struct store_uids {
    uint32_t first;
    uint32_t last;
};

/* Ascending and disjoint; the ranges are the caller's or an arena's. */
struct store_uid_set {
    const struct store_uids *ranges;
    size_t count;
};
extern const struct store_uid_set store_uids_all;

/* Puts one message into the folder; uid_r is its UID. Takes a number of the change sequence. quota
 * is in bytes, 0 for none; ST_FULL when it would be passed. The message's uid and modseq are
 * outputs. blob_id from blob_writer_commit() in the same transaction. */
MUST_USE enum st store_message_add(struct store_tx *tx, int64_t account_id, int64_t folder_id,
                                   uint64_t quota_bytes, struct store_message *message);

enum store_flag_op { STORE_FLAGS_SET, STORE_FLAGS_ADD, STORE_FLAGS_REMOVE };

struct store_flagging {
    struct store_uid_set uids;
    enum store_flag_op op;
    uint64_t flags;
    uint64_t unchanged_since; /* UINT64_MAX: no condition */
    /* what came of it */
    struct store_uid_set failed; /* in arena */
    uint64_t modseq;
};
/* Only messages whose flags really change get the new modseq. Those whose modseq is above
 * unchanged_since stay as they are and come back in failed (RFC 7162 section 3.1.3). */
MUST_USE enum st store_message_flags(struct store_tx *tx, struct arena *arena,
                                     const struct store_folder *folder,
                                     struct store_flagging *flagging);
/* Removes messages of the set, those with \Deleted only where deleted_only; leaves tombstones with
 * one modseq; drops bodies nobody refers to any more. */
MUST_USE enum st store_message_expunge(struct store_tx *tx, const struct store_folder *folder,
                                       const struct store_uid_set *uids, bool deleted_only,
                                       uint64_t *count_r, uint64_t *modseq_r);

struct store_copying {
    struct store_uid_set uids;
    bool move;            /* expunges them from the source in the same transaction */
    uint64_t quota_bytes; /* 0: none */
    /* what came of it: from_uids[i] became to_uids[i]; in arena */
    uint32_t *from_uids;
    uint32_t *to_uids;
    size_t count;
};
/* Copies within the account, keeping guid, body, flags and dates. ST_FULL. */
MUST_USE enum st store_message_copy(struct store_tx *tx, struct arena *arena,
                                    const struct store_folder *from, const struct store_folder *to,
                                    struct store_copying *copying);

enum store_message_want {
    STORE_WANT_ENVELOPE = 1 << 0,
    STORE_WANT_STRUCTURE = 1 << 1,
};
/* Calls fn for each message of the range in UID order; the message and its slices are valid during
 * the call. fn's status other than ST_OK ends it. fn must not wait for a peer. */
typedef enum st store_message_fn(void *ctx, const struct store_message *message);
MUST_USE enum st store_message_each(struct store_tx *tx, int64_t folder_id, struct store_uids range,
                                    unsigned want, store_message_fn *fn, void *ctx);
/* Messages with a modseq above since, in no order: flags, modseq and uid alone are set. */
MUST_USE enum st store_message_changed(struct store_tx *tx, int64_t folder_id, uint64_t since,
                                       store_message_fn *fn, void *ctx);
/* UIDs expunged with a modseq above since: uid and modseq alone are set. */
MUST_USE enum st store_message_gone(struct store_tx *tx, int64_t folder_id, uint64_t since,
                                    store_message_fn *fn, void *ctx);
