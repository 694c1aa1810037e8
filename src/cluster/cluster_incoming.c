#include "cluster/cluster_incoming.h"

#include "base/arena.h"
#include "base/mem.h"
#include "cluster/cluster_journal.h"
#include "cluster/cluster_rcpts.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX (64 * MIB)
#define PART_BYTES_MAX (4 * MIB)

struct cluster_incoming *cluster_incoming_new(struct store *store, struct slice owner)
{
    struct cluster_incoming *copies = mem_new(struct cluster_incoming);

    copies->store = store;
    snprintf(copies->owner, sizeof(copies->owner), "%.*s", SLICE_ARG(owner));
    copies->arena = arena_new("copies", TEXT_BYTES_MAX);
    copies->tail = &copies->first;
    copies->finished_tail = &copies->finished;
    buf_init(&copies->raw, CLUSTER_JOURNAL_RECORD_BYTES_MAX);
    return copies;
}

void cluster_incoming_drop(struct cluster_copy_in *copy)
{
    blob_writer_free(&copy->body);
    for (size_t i = 0; i < COUNT(copy->parts); i++)
        buf_fini(&copy->parts[i]);
}

void cluster_incoming_free(struct cluster_incoming **copies)
{
    struct cluster_incoming *gone = *copies;

    if (gone == NULL)
        return;
    *copies = NULL;
    for (struct cluster_copy_in *copy = gone->first; copy != NULL; copy = copy->next)
        if (!copy->gone)
            cluster_incoming_drop(copy);
    arena_free(&gone->arena);
    buf_fini(&gone->raw);
    mem_free(gone);
}

static enum st end(struct cluster_incoming *copies, enum st st, const char *why)
{
    copies->why = why;
    return st;
}

/* --- what comes --- */

static enum st take_copy(struct cluster_incoming *copies, const struct cluster_copy_frame *said)
{
    struct arena *arena = copies->arena;
    struct cluster_copy_in *copy;

    if (copies->count == CLUSTER_INCOMING_MAX)
        return end(copies, ST_TOO_BIG, "too many copies at once");
    copies->count++;
    copy = arena_one(arena, struct cluster_copy_in);
    copy->of = copies;
    copy->envelope = (struct store_envelope){.sender = arena_copy(arena, said->sender),
                                             .envid = arena_copy(arena, said->envid),
                                             .message_id = arena_copy(arena, said->message_id),
                                             .origin = arena_copy(arena, said->origin),
                                             .flags = said->flags,
                                             .bytes = said->bytes,
                                             .priority = said->priority,
                                             .accepted_ms = (int64_t)said->accepted_ms,
                                             .body_offset = said->body_offset};
    memcpy(copy->envelope.guid, said->guid.ptr, CLUSTER_GUID_BYTES);
    copy->packed = (struct blob_packed){.bytes = said->bytes, .chunk_count = said->chunk_count};
    memcpy(copy->packed.sha256, said->sha256.ptr, sizeof(copy->packed.sha256));
    copy->body = blob_writer_new(copies->store);
    for (size_t i = 0; i < COUNT(copy->parts); i++)
        buf_init(&copy->parts[i], PART_BYTES_MAX);
    copies->now = copy;
    *copies->tail = copy;
    copies->tail = &copy->next;
    return said->priority < STORE_PRIORITY_MAX
               ? ST_OK
               : end(copies, ST_INVALID, "a copy of no known priority");
}

static enum st take_data(struct cluster_incoming *copies, const struct cluster_data *data)
{
    struct buf *part;

    if (copies->now == NULL)
        return end(copies, ST_INVALID, "data of no copy");
    if (data->part == CLUSTER_PART_CHUNK) {
        enum st st = blob_writer_add_packed(copies->now->body, data->bytes);
        return st == ST_OK ? ST_OK
                           : end(copies, st,
                                 st == ST_INVALID ? "a chunk that is none" : "the store failed");
    }
    part = &copies->now->parts[data->part];
    buf_put(part, data->bytes);
    return part->over ? end(copies, ST_TOO_BIG, "a copy over the limit") : ST_OK;
}

static enum st take_done(struct cluster_incoming *copies, struct slice rest)
{
    struct slice line;

    while (slice_split(&rest, '\n', &line)) {
        struct cluster_finished *finished;

        if (line.len == 0)
            continue;
        finished = arena_one(copies->arena, struct cluster_finished);
        if (line.len < CLUSTER_GUID_BYTES + 2 ||
            slice_to_u64(slice_sub(line, CLUSTER_GUID_BYTES + 1, line.len), &finished->rcpt_no) !=
                ST_OK)
            return end(copies, ST_INVALID, "it is done with what is no message");
        finished->guid = arena_copy(copies->arena, slice_sub(line, 0, CLUSTER_GUID_BYTES));
        *copies->finished_tail = finished;
        copies->finished_tail = &finished->next;
    }
    return ST_OK;
}

enum st cluster_incoming_take(struct cluster_incoming *copies, const struct cluster_frame *frame,
                              struct slice raw)
{
    buf_put(&copies->raw, raw);
    if (frame->type == CLUSTER_COPY)
        return take_copy(copies, &frame->copy);
    if (frame->type == CLUSTER_DATA)
        return take_data(copies, &frame->data);
    if (frame->type == CLUSTER_DONE)
        return take_done(copies, frame->done.lines);
    return end(copies, ST_INVALID, "a frame that does not fit among copies");
}

/* The store would not take two of one number, and what is durable here it must take. */
static bool in_order(const struct cluster_copy_in *copy)
{
    for (size_t i = 0; i < copy->count; i++)
        if (copy->rcpts[i].rcpt_no <= (i > 0 ? copy->rcpts[i - 1].rcpt_no : 0))
            return false;
    return true;
}

enum st cluster_incoming_end(struct cluster_incoming *copies)
{
    enum st st = ST_OK;

    for (struct cluster_copy_in *copy = copies->first; st == ST_OK && copy != NULL;
         copy = copy->next) {
        st = blob_writer_end_packed(copy->body, &copy->packed);
        if (st == ST_OK)
            st = cluster_rcpts_read(buf_slice(&copy->parts[CLUSTER_PART_RCPTS]), copies->arena,
                                    &copy->rcpts, &copy->count);
        if (st == ST_OK && !in_order(copy))
            st = ST_INVALID;
    }
    return st == ST_OK ? ST_OK : end(copies, st, "a copy that is not whole");
}

/* --- into the store --- */

static enum st store_one(struct store_tx *tx, struct cluster_copy_in *copy, int64_t now_ms)
{
    enum st st = blob_writer_commit(tx, copy->body, buf_slice(&copy->parts[CLUSTER_PART_ENVELOPE]),
                                    buf_slice(&copy->parts[CLUSTER_PART_STRUCTURE]),
                                    &copy->envelope.envelope_id);

    if (st == ST_OK)
        st = store_shadow_put(tx, slice_str(copy->of->owner), &copy->envelope, copy->rcpts,
                              copy->count, now_ms);
    copy->refused = st == ST_EXISTS;
    return copy->refused ? ST_OK : st;
}

enum st cluster_incoming_store(struct store_tx *tx, struct cluster_incoming *copies)
{
    int64_t now_ms = sys_now_ms();
    enum st st = ST_OK;

    for (struct cluster_copy_in *copy = copies->first; st == ST_OK && copy != NULL;
         copy = copy->next)
        if (!copy->gone)
            st = store_one(tx, copy, now_ms);
    for (const struct cluster_finished *f = copies->finished; st == ST_OK && f != NULL; f = f->next)
        st = f->last
                 ? store_shadow_drop(tx, slice_str(copies->owner), f->guid)
                 : store_shadow_done(tx, slice_str(copies->owner), f->guid, (int64_t)f->rcpt_no);
    return st;
}

void cluster_incoming_stored(struct cluster_incoming *copies)
{
    for (struct cluster_copy_in *copy = copies->first; copy != NULL; copy = copy->next)
        if (!copy->gone)
            blob_writer_committed(copy->body);
}
