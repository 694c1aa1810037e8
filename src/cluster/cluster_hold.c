#include "base/mem.h"
#include "cluster/cluster_kept.h"
#include "cluster/cluster_run.h"
#include "store/store_shadow.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define LIST_COUNT 4000 /* guids in a page */

struct cluster_hold {
    struct cluster *cluster;
    struct cluster_peer *peer;
    struct cluster_incoming *copies; /* what came since the last SAVE; NULL: nothing */
    struct buf *out;
    const char *why;
};

struct cluster_hold *cluster_hold_new(struct cluster *cluster, struct cluster_peer *peer)
{
    struct cluster_hold *hold = mem_new(struct cluster_hold);

    hold->cluster = cluster;
    hold->peer = peer;
    pthread_mutex_lock(&cluster->take_lock); /* what is being taken over is in the answer */
    pthread_mutex_lock(&cluster->lock);
    peer->holdings++;
    pthread_mutex_unlock(&cluster->lock);
    pthread_mutex_unlock(&cluster->take_lock);
    return hold;
}

void cluster_hold_free(struct cluster_hold **hold)
{
    struct cluster_hold *gone = *hold;

    if (gone == NULL)
        return;
    *hold = NULL;
    cluster_incoming_free(&gone->copies);
    (void)!cluster_kept_move(gone->cluster->kept); /* else with the next tick */
    pthread_mutex_lock(&gone->cluster->lock);
    gone->peer->holdings--;
    gone->peer->left_ms = sys_mono_ms();
    pthread_mutex_unlock(&gone->cluster->lock);
    mem_free(gone);
}

static enum st end(struct cluster_hold *hold, enum st st, const char *why)
{
    hold->why = why;
    return st;
}

static enum st say(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    enum st st = cluster_frame_write(frame, hold->out);

    return st == ST_OK ? ST_OK : end(hold, st, "it does not read");
}

/* --- what there is --- */

struct listing {
    struct cluster_hold *hold;
    struct buf lines;
    char after[CLUSTER_GUID_BYTES + 1];
    size_t count;
};

static enum st list_one(void *ctx, struct slice guid, bool taken)
{
    struct listing *listing = ctx;

    buf_putf(&listing->lines, "%.*s %s\n", SLICE_ARG(guid), taken ? "taken" : "held");
    snprintf(listing->after, sizeof(listing->after), "%.*s", SLICE_ARG(guid));
    listing->count++;
    return ST_OK;
}

static enum st list_body(struct store_tx *tx, void *arg)
{
    struct listing *listing = arg;
    char after[sizeof(listing->after)];

    memcpy(after, listing->after, sizeof(after));
    buf_clear(&listing->lines);
    listing->count = 0;
    return store_shadow_each(tx, slice_str(listing->hold->peer->name), slice_str(after), LIST_COUNT,
                             list_one, listing);
}

static enum st take_copies(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    struct listing listing = {.hold = hold};
    struct cluster_frame page = {.type = CLUSTER_HELD, .held = {.more = 1}};
    enum st st = ST_OK;

    if (frame->copies.protocol != CLUSTER_PROTOCOL)
        return end(hold, ST_INVALID, "it speaks another version of the protocol");
    if (cluster_kept_move(hold->cluster->kept) != ST_OK)
        return end(hold, ST_IO, "the store failed");
    buf_init(&listing.lines, CLUSTER_DATA_BYTES_MAX);
    while (st == ST_OK && page.held.more == 1) {
        st = store_read(hold->cluster->context.store, list_body, &listing);
        if (st != ST_OK) {
            (void)end(hold, st, "the store failed");
            break;
        }
        page.held.more = listing.count == LIST_COUNT;
        page.held.lines = buf_slice(&listing.lines);
        st = say(hold, &page);
    }
    buf_fini(&listing.lines);
    return st;
}

/* --- what comes --- */

static enum st take_save(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    AUTO(buf) struct buf refused = BUF(CLUSTER_DATA_BYTES_MAX);
    struct cluster_frame saved = {.type = CLUSTER_SAVED, .saved = {.number = frame->save.number}};
    enum st st = ST_OK;

    if (hold->copies != NULL) {
        st = cluster_incoming_end(hold->copies);
        if (st != ST_OK)
            return end(hold, st, hold->copies->why);
        st = cluster_kept_save(hold->cluster->kept, &hold->copies, &refused);
    }
    if (st == ST_INVALID)
        return end(hold, st, "a copy that no store takes");
    saved.saved.ok = st == ST_OK;
    saved.saved.refused = buf_slice(&refused);
    return say(hold, &saved);
}

/* raw: the frame as it came. */
static enum st take_frame(struct cluster_hold *hold, const struct cluster_frame *frame,
                          struct slice raw)
{
    if (frame->type == CLUSTER_COPIES)
        return take_copies(hold, frame);
    if (frame->type == CLUSTER_SAVE)
        return take_save(hold, frame);
    if (hold->copies == NULL)
        hold->copies =
            cluster_incoming_new(hold->cluster->context.store, slice_str(hold->peer->name));
    enum st st = cluster_incoming_take(hold->copies, frame, raw);
    return st == ST_OK ? ST_OK : end(hold, st, hold->copies->why);
}

enum st cluster_hold_input(struct cluster_hold *hold, struct slice in, size_t *used_r,
                           struct buf *out, const char **why_r)
{
    struct cluster_frame frame;
    enum st st = ST_OK;
    size_t used = 0;

    hold->out = out;
    *used_r = 0;
    while (st == ST_OK) {
        st = cluster_frame_read(slice_sub(in, *used_r, in.len), CLUSTER_FRAME_BYTES_MAX, &frame,
                                &used);
        if (st == ST_AGAIN)
            return ST_OK;
        if (st != ST_OK)
            (void)end(hold, st, "what came is no frame, or over the limit");
        if (st == ST_OK)
            st = take_frame(hold, &frame, slice_sub(in, *used_r, used));
        *used_r += used;
    }
    *why_r = hold->why;
    return st;
}
