#include "base/arena.h"
#include "base/mem.h"
#include "cluster/cluster_rcpts.h"
#include "cluster/cluster_run.h"
#include "log/log.h"
#include "store/store_blob.h"
#include "store/store_shadow.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define COPIES_MAX 256 /* between two SAVE */
#define TEXT_BYTES_MAX (64 * MIB)
#define PART_BYTES_MAX (4 * MIB)
#define LIST_COUNT 4000 /* guids in a page */

/* A copy that is coming in. */
struct incoming {
    struct incoming *next;
    struct store_envelope envelope; /* its texts lie in the arena */
    struct store_rcpt *rcpts;
    size_t count;
    struct blob_packed packed;
    struct blob_writer *body;
    struct buf parts[CLUSTER_PART_CHUNK];
    bool refused; /* it was taken over */
};

/* What the owner is done with. */
struct finished {
    struct finished *next;
    struct slice guid;
    uint64_t rcpt_no;
};

struct cluster_hold {
    struct cluster *cluster;
    struct cluster_peer *peer;
    struct arena *arena; /* of what came since the last SAVE */
    struct incoming *first, **tail, *now;
    struct finished *finished, **finished_tail;
    size_t count;
    struct buf *out;
    const char *why;
};

static void begin_batch(struct cluster_hold *hold)
{
    for (struct incoming *copy = hold->first; copy != NULL; copy = copy->next) {
        blob_writer_free(&copy->body);
        for (size_t i = 0; i < COUNT(copy->parts); i++)
            buf_fini(&copy->parts[i]);
    }
    arena_reset(hold->arena);
    hold->first = hold->now = NULL;
    hold->tail = &hold->first;
    hold->finished = NULL;
    hold->finished_tail = &hold->finished;
    hold->count = 0;
}

struct cluster_hold *cluster_hold_new(struct cluster *cluster, struct cluster_peer *peer)
{
    struct cluster_hold *hold = mem_new(struct cluster_hold);

    hold->cluster = cluster;
    hold->peer = peer;
    hold->arena = arena_new("copies", TEXT_BYTES_MAX);
    begin_batch(hold);
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
    begin_batch(gone);
    arena_free(&gone->arena);
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

static enum st take_copy(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    const struct cluster_copy_frame *said = &frame->copy;
    struct incoming *copy;

    if (hold->count == COPIES_MAX)
        return end(hold, ST_TOO_BIG, "too many copies at once");
    hold->count++;
    copy = arena_one(hold->arena, struct incoming);
    copy->envelope =
        (struct store_envelope){.sender = arena_copy(hold->arena, said->sender),
                                .envid = arena_copy(hold->arena, said->envid),
                                .message_id = arena_copy(hold->arena, said->message_id),
                                .origin = arena_copy(hold->arena, said->origin),
                                .flags = said->flags,
                                .bytes = said->bytes,
                                .priority = said->priority,
                                .accepted_ms = (int64_t)said->accepted_ms,
                                .body_offset = said->body_offset};
    memcpy(copy->envelope.guid, said->guid.ptr, CLUSTER_GUID_BYTES);
    copy->packed = (struct blob_packed){.bytes = said->bytes, .chunk_count = said->chunk_count};
    memcpy(copy->packed.sha256, said->sha256.ptr, sizeof(copy->packed.sha256));
    copy->body = blob_writer_new(hold->cluster->context.store);
    for (size_t i = 0; i < COUNT(copy->parts); i++)
        buf_init(&copy->parts[i], PART_BYTES_MAX);
    hold->now = copy;
    *hold->tail = copy;
    hold->tail = &copy->next;
    return said->priority < STORE_PRIORITY_MAX
               ? ST_OK
               : end(hold, ST_INVALID, "a copy of no known priority");
}

static enum st take_data(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    const struct cluster_data *data = &frame->data;
    struct buf *part;

    if (hold->now == NULL)
        return end(hold, ST_INVALID, "data of no copy");
    if (data->part == CLUSTER_PART_CHUNK) {
        enum st st = blob_writer_add_packed(hold->now->body, data->bytes);
        return st == ST_OK
                   ? ST_OK
                   : end(hold, st, st == ST_INVALID ? "a chunk that is none" : "the store failed");
    }
    part = &hold->now->parts[data->part];
    buf_put(part, data->bytes);
    return part->over ? end(hold, ST_TOO_BIG, "a copy over the limit") : ST_OK;
}

static enum st take_done(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    struct slice rest = frame->done.lines;
    struct slice line;

    while (slice_split(&rest, '\n', &line)) {
        struct finished *finished;

        if (line.len == 0)
            continue;
        finished = arena_one(hold->arena, struct finished);
        if (line.len < CLUSTER_GUID_BYTES + 2 ||
            slice_to_u64(slice_sub(line, CLUSTER_GUID_BYTES + 1, line.len), &finished->rcpt_no) !=
                ST_OK)
            return end(hold, ST_INVALID, "it is done with what is no message");
        finished->guid = arena_copy(hold->arena, slice_sub(line, 0, CLUSTER_GUID_BYTES));
        *hold->finished_tail = finished;
        hold->finished_tail = &finished->next;
    }
    return ST_OK;
}

/* --- making it durable --- */

static enum st save_one(struct store_tx *tx, struct cluster_hold *hold, struct incoming *copy,
                        int64_t now_ms)
{
    enum st st = blob_writer_commit(tx, copy->body, buf_slice(&copy->parts[CLUSTER_PART_ENVELOPE]),
                                    buf_slice(&copy->parts[CLUSTER_PART_STRUCTURE]),
                                    &copy->envelope.envelope_id);

    if (st == ST_OK)
        st = store_shadow_put(tx, slice_str(hold->peer->name), &copy->envelope, copy->rcpts,
                              copy->count, now_ms);
    copy->refused = st == ST_EXISTS;
    return copy->refused ? ST_OK : st;
}

static enum st save_body(struct store_tx *tx, void *arg)
{
    struct cluster_hold *hold = arg;
    int64_t now_ms = sys_now_ms();
    enum st st = ST_OK;

    for (struct incoming *copy = hold->first; st == ST_OK && copy != NULL; copy = copy->next)
        st = save_one(tx, hold, copy, now_ms);
    for (const struct finished *f = hold->finished; st == ST_OK && f != NULL; f = f->next)
        st = store_shadow_done(tx, slice_str(hold->peer->name), f->guid, (int64_t)f->rcpt_no);
    return st;
}

/* All of it was sent, and it is what was told of. */
static enum st complete(struct cluster_hold *hold)
{
    enum st st = ST_OK;

    for (struct incoming *copy = hold->first; st == ST_OK && copy != NULL; copy = copy->next) {
        st = blob_writer_end_packed(copy->body, &copy->packed);
        if (st == ST_OK)
            st = cluster_rcpts_read(buf_slice(&copy->parts[CLUSTER_PART_RCPTS]), hold->arena,
                                    &copy->rcpts, &copy->count);
    }
    return st == ST_OK ? ST_OK : end(hold, st, "a copy that is not whole");
}

static enum st take_save(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    AUTO(buf) struct buf refused = BUF(CLUSTER_DATA_BYTES_MAX);
    struct cluster_frame saved = {.type = CLUSTER_SAVED, .saved = {.number = frame->save.number}};
    enum st st = complete(hold);

    if (st != ST_OK)
        return st;
    if (hold->first != NULL || hold->finished != NULL)
        st = store_write(hold->cluster->context.store, save_body, hold);
    if (st == ST_INVALID)
        return end(hold, st, "a copy that no store takes");
    for (const struct incoming *copy = hold->first; st == ST_OK && copy != NULL;
         copy = copy->next) {
        blob_writer_committed(copy->body);
        if (copy->refused)
            buf_putf(&refused, "%s\n", copy->envelope.guid);
        else
            count_add(COUNT_SHADOWS_KEPT, 1);
    }
    saved.saved.ok = st == ST_OK;
    saved.saved.refused = buf_slice(&refused);
    begin_batch(hold);
    return say(hold, &saved);
}

typedef enum st take_fn(struct cluster_hold *hold, const struct cluster_frame *frame);
static take_fn *const takers[CLUSTER_TYPE_MAX] = {
    [CLUSTER_COPIES] = take_copies, [CLUSTER_COPY] = take_copy, [CLUSTER_DATA] = take_data,
    [CLUSTER_DONE] = take_done,     [CLUSTER_SAVE] = take_save,
};

static enum st take_frame(struct cluster_hold *hold, const struct cluster_frame *frame)
{
    return takers[frame->type] != NULL
               ? takers[frame->type](hold, frame)
               : end(hold, ST_INVALID, "a frame that does not fit among copies");
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
        *used_r += used;
        if (st == ST_OK)
            st = take_frame(hold, &frame);
    }
    *why_r = hold->why;
    return st;
}
