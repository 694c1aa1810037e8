#include "store/store_shadow.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"

/* --- on the holder --- */

static enum st drop(struct store_tx *tx, int64_t blob_id)
{
    enum st st = store_exec(tx, S_SHADOW_RCPT_DELETE_ALL, NULL, SV_I(blob_id));

    if (st == ST_OK)
        st = store_exec(tx, S_SHADOW_DELETE, NULL, SV_I(blob_id));
    return st == ST_OK ? store_blob_release(tx, blob_id) : st;
}

static enum st add_rcpts(struct store_tx *tx, int64_t blob_id, const struct store_rcpt *rcpts,
                         size_t count)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = store_exec(tx, S_SHADOW_RCPT_ADD, NULL, SV_I(blob_id), SV_I(rcpts[i].rcpt_no),
                        SV_T(rcpts[i].address), SV_T(rcpts[i].orcpt), SV_I(rcpts[i].notify),
                        SV_I(rcpts[i].state), SV_T(rcpts[i].answer));
    return st;
}

enum st store_shadow_put(struct store_tx *tx, struct slice owner,
                         const struct store_envelope *envelope, const struct store_rcpt *rcpts,
                         size_t count, int64_t now_ms)
{
    struct slice guid = slice_str(envelope->guid);
    int64_t blob_id = 0;
    int64_t taken_ms = 0;

    if (!store_text_ok(owner, false))
        return ST_INVALID;
    enum st st = store_get_i64(tx, S_SHADOW_TAKEN_HAS, &taken_ms, SV_T(owner), SV_T(guid));
    if (st == ST_OK) {
        st = store_blob_release(tx, envelope->envelope_id);
        return st == ST_OK ? ST_EXISTS : st;
    }
    if (st != ST_NOT_FOUND)
        return st;
    st = store_get_i64(tx, S_SHADOW_FIND, &blob_id, SV_T(owner), SV_T(guid));
    if (st == ST_OK)
        st = drop(tx, blob_id);
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    st = store_exec(tx, S_SHADOW_ADD, NULL, SV_I(envelope->envelope_id), SV_T(owner), SV_T(guid),
                    SV_T(envelope->sender), SV_T(envelope->envid), SV_T(envelope->message_id),
                    SV_T(envelope->origin), SV_I(envelope->flags), SV_I(envelope->bytes),
                    SV_I(envelope->priority), SV_I(envelope->accepted_ms),
                    SV_I(envelope->body_offset), SV_I(count), SV_I(now_ms));
    return st == ST_OK ? add_rcpts(tx, envelope->envelope_id, rcpts, count) : st;
}

enum st store_shadow_done(struct store_tx *tx, struct slice owner, struct slice guid,
                          int64_t rcpt_no)
{
    int64_t blob_id = 0;
    int64_t changed = 0;
    int64_t left = 0;
    enum st st = ST_OK;

    if (rcpt_no == 0)
        st = store_exec(tx, S_SHADOW_TAKEN_DELETE, NULL, SV_T(owner), SV_T(guid));
    if (st == ST_OK)
        st = store_get_i64(tx, S_SHADOW_FIND, &blob_id, SV_T(owner), SV_T(guid));
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    if (rcpt_no == 0)
        return drop(tx, blob_id);
    st = store_exec(tx, S_SHADOW_RCPT_DELETE, &changed, SV_I(blob_id), SV_I(rcpt_no));
    if (st != ST_OK || changed == 0)
        return st;
    st = store_get_i64(tx, S_SHADOW_COUNTDOWN, &left, SV_I(blob_id), SV_I(changed));
    return st == ST_OK && left == 0 ? drop(tx, blob_id) : st;
}

enum st store_shadow_drop(struct store_tx *tx, struct slice owner, struct slice guid)
{
    int64_t blob_id = 0;
    enum st st = store_get_i64(tx, S_SHADOW_FIND, &blob_id, SV_T(owner), SV_T(guid));

    return st == ST_OK ? drop(tx, blob_id) : st == ST_NOT_FOUND ? ST_OK : st;
}

enum st store_shadow_has(struct store_tx *tx, struct slice owner, bool *held_r, bool *taken_r)
{
    int64_t count = 0;
    enum st st = store_get_i64(tx, S_SHADOW_HAS, &count, SV_T(owner));

    *held_r = count > 0;
    count = 0;
    if (st == ST_OK)
        st = store_get_i64(tx, S_SHADOW_HAS_TAKEN, &count, SV_T(owner));
    *taken_r = count > 0;
    return st;
}

enum st store_shadow_each(struct store_tx *tx, struct slice owner, struct slice after_guid,
                          uint64_t limit, store_shadow_fn *fn, void *ctx)
{
    struct store_rows *rows =
        store_rows_open(tx, S_SHADOW_EACH, SV_T(owner), SV_T(after_guid), SV_I(limit));
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows))
        told = fn(ctx, store_rows_bytes(rows, 0), store_rows_i64(rows, 1) != 0);
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : told;
}

enum st store_shadow_owners(struct store_tx *tx, store_shadow_owner_fn *fn, void *ctx)
{
    struct store_rows *rows = store_rows_open(tx, S_SHADOW_OWNERS, SV_NONE);
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows))
        told = fn(ctx, store_rows_bytes(rows, 0), store_rows_i64(rows, 1), store_rows_i64(rows, 2));
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : told;
}

static void read_envelope(struct store_rows *rows, struct arena *arena, struct store_envelope *e)
{
    *e = (struct store_envelope){.envelope_id = store_rows_i64(rows, 0),
                                 .sender = arena_copy(arena, store_rows_bytes(rows, 2)),
                                 .envid = arena_copy(arena, store_rows_bytes(rows, 3)),
                                 .message_id = arena_copy(arena, store_rows_bytes(rows, 4)),
                                 .origin = arena_copy(arena, store_rows_bytes(rows, 5)),
                                 .flags = (uint64_t)store_rows_i64(rows, 6),
                                 .bytes = (uint64_t)store_rows_i64(rows, 7),
                                 .priority = (uint64_t)store_rows_i64(rows, 8),
                                 .accepted_ms = store_rows_i64(rows, 9),
                                 .body_offset = (uint64_t)store_rows_i64(rows, 10),
                                 .shadow = SLICE("")};
    store_text_copy(e->guid, sizeof(e->guid), store_rows_bytes(rows, 1));
}

enum st store_shadow_list(struct store_tx *tx, int64_t after_id, uint64_t limit,
                          struct arena *arena, store_shadow_list_fn *fn, void *ctx)
{
    struct store_rows *rows = store_rows_open(tx, S_SHADOW_LIST, SV_I(after_id), SV_I(limit));
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_envelope envelope;

        read_envelope(rows, arena, &envelope);
        told = fn(ctx, &envelope, arena_copy(arena, store_rows_bytes(rows, 11)),
                  (uint64_t)store_rows_i64(rows, 12));
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : told;
}

static enum st read_rcpts(struct store_tx *tx, enum store_stmt stmt, struct arena *arena,
                          struct store_shadow_copy *copy)
{
    struct store_rows *rows = store_rows_open(tx, stmt, SV_I(copy->envelope.envelope_id));
    size_t cap = 0;
    bool sound = true;

    copy->rcpts = NULL;
    copy->count = 0;
    while (store_rows_next(rows)) {
        int64_t state = store_rows_i64(rows, 4);

        if (copy->count == cap)
            copy->rcpts = arena_grow(arena, copy->rcpts, copy->count, &cap, sizeof(*copy->rcpts));
        copy->rcpts[copy->count++] =
            (struct store_rcpt){.envelope_id = copy->envelope.envelope_id,
                                .rcpt_no = store_rows_i64(rows, 0),
                                .address = arena_copy(arena, store_rows_bytes(rows, 1)),
                                .orcpt = arena_copy(arena, store_rows_bytes(rows, 2)),
                                .notify = (uint64_t)store_rows_i64(rows, 3),
                                .state = (enum store_rcpt_state)state,
                                .answer = arena_copy(arena, store_rows_bytes(rows, 5))};
        sound = sound && state >= 0 && state < STORE_RCPT_STATE_MAX;
    }
    enum st st = store_rows_close(&rows);
    return st == ST_OK && !sound ? ST_IO : st;
}

static enum st read_copy(struct store_tx *tx, struct store_rows *rows, enum store_stmt rcpts,
                         struct arena *arena, struct store_shadow_copy *copy)
{
    bool found = store_rows_next(rows);

    if (found)
        read_envelope(rows, arena, &copy->envelope);
    enum st st = store_rows_close(&rows);
    if (st != ST_OK)
        return st;
    return found ? read_rcpts(tx, rcpts, arena, copy) : ST_NOT_FOUND;
}

enum st store_shadow_next(struct store_tx *tx, struct slice owner, int64_t after_id,
                          struct arena *arena, struct store_shadow_copy *copy_r)
{
    return read_copy(tx, store_rows_open(tx, S_SHADOW_NEXT, SV_T(owner), SV_I(after_id)),
                     S_SHADOW_RCPTS, arena, copy_r);
}

enum st store_shadow_take(struct store_tx *tx, struct slice owner,
                          const struct store_envelope *envelope, int64_t now_ms)
{
    struct store_value id = SV_I(envelope->envelope_id);
    enum st st = store_exec(tx, S_SHADOW_RCPT_DELETE_ALL, NULL, id);

    if (st == ST_OK)
        st = store_exec(tx, S_SHADOW_DELETE, NULL, id);
    return st != ST_OK ? st
                       : store_exec(tx, S_SHADOW_TAKEN_ADD, NULL, SV_T(owner), SV_C(envelope->guid),
                                    SV_I(now_ms));
}

/* --- on the owner --- */

enum st store_shadow_unsettle(struct store_tx *tx)
{
    return store_exec(tx, S_SHADOW_UNSETTLED_FILL, NULL, SV_NONE);
}

enum st store_shadow_unsettle_one(struct store_tx *tx, struct slice server)
{
    return store_exec(tx, S_SHADOW_UNSETTLED_ADD, NULL, SV_T(server));
}

static enum st each_server(struct store_rows *rows, bool counted, store_shadow_server_fn *fn,
                           void *ctx)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows))
        told = fn(ctx, store_rows_bytes(rows, 0), counted ? store_rows_i64(rows, 1) : 0);
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : told;
}

enum st store_shadow_unsettled(struct store_tx *tx, store_shadow_server_fn *fn, void *ctx)
{
    return each_server(store_rows_open(tx, S_SHADOW_UNSETTLED_EACH, SV_NONE), false, fn, ctx);
}

enum st store_shadow_settled(struct store_tx *tx, struct slice server)
{
    return store_exec(tx, S_SHADOW_UNSETTLED_DELETE, NULL, SV_T(server));
}

enum st store_shadow_owed(struct store_tx *tx, store_shadow_server_fn *fn, void *ctx)
{
    return each_server(store_rows_open(tx, S_SHADOW_OWED, SV_NONE), true, fn, ctx);
}

enum st store_shadow_forget(struct store_tx *tx, struct slice server)
{
    enum st st = store_exec(tx, S_SHADOW_FORGET, NULL, SV_T(server));

    return st == ST_OK ? store_shadow_settled(tx, server) : st;
}

enum st store_shadow_known(struct store_tx *tx, struct slice server, struct slice guid,
                           int64_t *envelope_id_r)
{
    return store_get_i64(tx, S_SHADOW_KNOWN, envelope_id_r, SV_T(server), SV_T(guid));
}

enum st store_shadow_give_up(struct store_tx *tx, int64_t envelope_id)
{
    enum st st = store_exec(tx, S_RCPT_DELETE_ALL, NULL, SV_I(envelope_id));

    if (st == ST_OK)
        st = store_exec(tx, S_ENVELOPE_DELETE, NULL, SV_I(envelope_id));
    return st == ST_OK ? store_blob_release(tx, envelope_id) : st;
}

enum st store_shadow_set(struct store_tx *tx, int64_t envelope_id, struct slice server)
{
    return store_exec(tx, S_SHADOW_SET, NULL, SV_I(envelope_id), SV_T(server));
}

enum st store_shadow_alone(struct store_tx *tx, int64_t after_id, struct arena *arena,
                           struct store_shadow_copy *copy_r)
{
    return read_copy(tx, store_rows_open(tx, S_SHADOW_ALONE, SV_I(after_id), SV_I(1)),
                     S_SHADOW_ALONE_RCPTS, arena, copy_r);
}
