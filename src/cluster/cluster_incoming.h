/* cluster_incoming.h: what came over a connection for copies between two SAVE: copies of messages,
 * and what their owner is done with. Inside cluster/. */
#pragma once
#include "base/buf.h"
#include "cluster/cluster_frame.h"
#include "store/store_blob.h"
#include "store/store_shadow.h"

#include <uthash.h>

#define CLUSTER_INCOMING_MAX 256 /* between two SAVE */

struct arena;
struct cluster_incoming;

/* Its texts lie in the arena of its copies. */
struct cluster_copy_in {
    struct cluster_copy_in *next;
    struct cluster_incoming *of;
    struct store_envelope envelope;
    struct store_rcpt *rcpts; /* with cluster_incoming_end() */
    size_t count;
    struct blob_packed packed;
    struct blob_writer *body;
    struct buf parts[CLUSTER_PART_CHUNK];
    bool refused; /* it was taken over */
    bool gone;    /* its owner is done with it, or it came anew */
    UT_hash_handle hh;
};

/* What the owner is done with. */
struct cluster_finished {
    struct cluster_finished *next;
    struct slice guid;
    uint64_t rcpt_no;
    bool last; /* of a copy that may have taken the place of one in the store */
};

struct cluster_incoming {
    struct cluster_incoming *prev, *next;
    struct store *store;
    char owner[CLUSTER_NAME_BYTES_MAX + 1];
    struct arena *arena;
    struct cluster_copy_in *first, **tail, *now;
    struct cluster_finished *finished, **finished_tail;
    size_t count;
    struct buf raw; /* the frames, as they came */
    const char *why;
    /* who keeps them: */
    size_t live; /* not gone, and finished */
    uint64_t kept_ms;
};

struct cluster_incoming *cluster_incoming_new(struct store *store, struct slice owner);
void cluster_incoming_free(struct cluster_incoming **copies);
/* The copy's memory but for the arena's. */
void cluster_incoming_drop(struct cluster_copy_in *copy);
/* A frame COPY, DATA or DONE, as it stood in raw. Not ST_OK: copies->why. */
MUST_USE enum st cluster_incoming_take(struct cluster_incoming *copies,
                                       const struct cluster_frame *frame, struct slice raw);
/* No more comes: all of it was sent, and it is what was told of. */
MUST_USE enum st cluster_incoming_end(struct cluster_incoming *copies);
/* Puts them into the store, but for those that are gone; may be run again. */
MUST_USE enum st cluster_incoming_store(struct store_tx *tx, struct cluster_incoming *copies);
/* After the transaction. */
void cluster_incoming_stored(struct cluster_incoming *copies);
