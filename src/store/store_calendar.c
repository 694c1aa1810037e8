#include "store/store_calendar.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"
#include "store/store_event.h"

struct store_value store_text_value(struct slice text)
{
    return text.ptr != NULL ? SV_T(text) : SV_C("");
}

enum st store_rows_close_found(struct store_rows **rows, bool found)
{
    enum st st = store_rows_close(rows);

    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

bool store_segment_ok(struct slice name)
{
    return name.len > 0 && name.len <= STORE_NAME_BYTES_MAX && store_text_ok(name, false) &&
           slice_find(name, '/') == SIZE_MAX && !slice_eq(name, SLICE(".")) &&
           !slice_eq(name, SLICE(".."));
}

enum st store_account_step(struct store_tx *tx, int64_t account_id, int64_t bytes,
                           uint64_t *modseq_r)
{
    uint64_t bytes_used;

    return store_account_advance(tx, account_id, bytes, 0, modseq_r, &bytes_used);
}

/* --- calendars --- */

static void read_calendar(struct store_rows *rows, struct arena *arena, struct store_calendar *c)
{
    *c = (struct store_calendar){
        .calendar_id = store_rows_i64(rows, 0),
        .account_id = store_rows_i64(rows, 1),
        .name = arena_copy(arena, store_rows_bytes(rows, 2)),
        .kind = (enum store_calendar_kind)store_rows_i64(rows, 3),
        .modseq = (uint64_t)store_rows_i64(rows, 4),
        .created_ms = store_rows_i64(rows, 5),
        .components = (uint64_t)store_rows_i64(rows, 6),
        .transparent = store_rows_i64(rows, 7) != 0,
        .sort = store_rows_i64(rows, 8),
        .title = arena_copy(arena, store_rows_bytes(rows, 9)),
        .description = arena_copy(arena, store_rows_bytes(rows, 10)),
        .color = arena_copy(arena, store_rows_bytes(rows, 11)),
        .zone = arena_copy(arena, store_rows_bytes(rows, 12)),
        .props = arena_copy(arena, store_rows_bytes(rows, 13)),
    };
}

static enum st read_one(struct store_rows *rows, struct arena *arena, struct store_calendar *c)
{
    bool found = store_rows_next(rows);

    if (found)
        read_calendar(rows, arena, c);
    return store_rows_close_found(&rows, found);
}

/* ST_INVALID, ST_TOO_BIG */
static enum st check_texts(const struct slice *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len > STORE_CALENDAR_TEXT_BYTES_MAX)
            return ST_TOO_BIG;
        if (!store_text_ok(texts[i], true))
            return ST_INVALID;
    }
    return ST_OK;
}

static enum st check_calendar(const struct store_calendar *c)
{
    const struct slice texts[] = {c->title, c->description, c->color, c->zone, c->props};

    return !store_segment_ok(c->name) ? ST_INVALID : check_texts(texts, COUNT(texts));
}

enum st store_calendar_add(struct store_tx *tx, const struct store_calendar *c,
                           int64_t *calendar_id_r)
{
    uint64_t modseq;
    enum st st = check_calendar(c);

    if (st == ST_OK)
        st = store_account_step(tx, c->account_id, 0, &modseq);
    if (st != ST_OK)
        return st;
    store_touch(tx, c->account_id, 0);
    st = store_get_i64(tx, S_CALENDAR_ADD, calendar_id_r, SV_I(c->account_id), SV_T(c->name),
                       SV_I(c->kind), SV_I(modseq), SV_I(c->created_ms), SV_I(c->components),
                       SV_I(c->transparent), SV_I(c->sort), store_text_value(c->title),
                       store_text_value(c->description), store_text_value(c->color),
                       store_text_value(c->zone), store_text_value(c->props));
    return st == ST_NOT_FOUND ? ST_EXISTS : st;
}

enum st store_calendar_find(struct store_tx *tx, struct arena *arena, int64_t account_id,
                            struct slice name, struct store_calendar *calendar_r)
{
    if (!store_segment_ok(name))
        return ST_NOT_FOUND;
    return read_one(store_rows_open(tx, S_CALENDAR_BY_NAME, SV_I(account_id), SV_T(name)), arena,
                    calendar_r);
}

enum st store_calendar_get(struct store_tx *tx, struct arena *arena, int64_t calendar_id,
                           struct store_calendar *calendar_r)
{
    return read_one(store_rows_open(tx, S_CALENDAR_BY_ID, SV_I(calendar_id)), arena, calendar_r);
}

enum st store_calendar_list(struct store_tx *tx, struct arena *arena, int64_t account_id,
                            struct store_calendar **calendars_r, size_t *count_r)
{
    struct store_rows *rows = store_rows_open(tx, S_CALENDAR_LIST, SV_I(account_id));
    struct store_calendar *calendars = NULL;
    size_t count = 0;
    size_t cap = 0;

    while (store_rows_next(rows)) {
        if (count == cap)
            calendars = arena_grow(arena, calendars, count, &cap, sizeof(*calendars));
        read_calendar(rows, arena, &calendars[count++]);
    }
    *calendars_r = calendars;
    *count_r = count;
    return store_rows_close(&rows);
}

enum st store_calendar_set(struct store_tx *tx, struct store_calendar *c)
{
    enum st st = check_calendar(c);

    if (st == ST_OK)
        st = store_account_step(tx, c->account_id, 0, &c->modseq);
    if (st != ST_OK)
        return st;
    store_touch(tx, c->account_id, 0);
    return store_exec(tx, S_CALENDAR_SET, NULL, SV_I(c->calendar_id), SV_I(c->modseq),
                      SV_I(c->components), SV_I(c->transparent), SV_I(c->sort),
                      store_text_value(c->title), store_text_value(c->description),
                      store_text_value(c->color), store_text_value(c->zone),
                      store_text_value(c->props));
}

enum st store_calendar_remove(struct store_tx *tx, const struct store_calendar *c)
{
    uint64_t modseq;
    int64_t bytes = 0;
    enum st st = store_account_step(tx, c->account_id, 0, &modseq);

    if (st == ST_OK)
        st = store_get_i64(tx, S_EVENT_BYTES, &bytes, SV_I(c->calendar_id));
    if (st == ST_OK)
        st = store_account_step(tx, c->account_id, -bytes, &modseq);
    if (st == ST_OK)
        st = store_exec(tx, S_BUSYTIME_DELETE_CALENDAR, NULL, SV_I(c->account_id),
                        SV_I(c->calendar_id));
    if (st == ST_OK)
        st = store_exec(tx, S_EVENT_DELETE_CALENDAR, NULL, SV_I(c->calendar_id));
    if (st == ST_OK)
        st = store_exec(tx, S_EVENT_GONE_DELETE, NULL, SV_I(c->calendar_id));
    if (st == ST_OK)
        st = store_exec(tx, S_GRANT_DELETE_CALENDAR, NULL, SV_I(c->account_id),
                        SV_I(c->calendar_id));
    if (st == ST_OK)
        st = store_exec(tx, S_CALENDAR_DELETE, NULL, SV_I(c->calendar_id));
    store_touch(tx, c->account_id, 0);
    return st;
}

/* Bodies that its tasks kept are let go of. */
static enum st end_tasks(struct store_tx *tx, int64_t account_id)
{
    struct store_rows *rows = store_rows_open(tx, S_TASK_BLOBS, SV_I(account_id));
    int64_t *blobs = NULL;
    size_t count = 0;
    size_t cap = 0;

    while (store_rows_next(rows)) {
        if (count == cap)
            blobs = arena_grow(store_tx_arena(tx), blobs, count, &cap, sizeof(*blobs));
        blobs[count++] = store_rows_i64(rows, 0);
    }
    enum st st = store_rows_close(&rows);
    if (st == ST_OK)
        st = store_exec(tx, S_TASK_DELETE_ALL, NULL, SV_I(account_id));
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = store_blob_release(tx, blobs[i]);
    return st;
}

enum st store_calendar_destroy_all(struct store_tx *tx, int64_t account_id)
{
    static const enum store_stmt all[] = {
        S_BUSYTIME_DELETE_ALL, S_EVENT_DELETE_ALL,        S_EVENT_GONE_DELETE_ALL,
        S_GRANT_DELETE_ALL,    S_CALENDAR_DELETE_ALL,     S_CALENDAR_ACCOUNT_DELETE,
        S_OOF_FORGET,          S_CALENDAR_LOG_DELETE_ALL,
    };
    enum st st = end_tasks(tx, account_id);

    for (size_t i = 0; st == ST_OK && i < COUNT(all); i++)
        st = store_exec(tx, all[i], NULL, SV_I(account_id));
    return st;
}

/* --- grants --- */

enum st store_calendar_grant(struct store_tx *tx, const struct store_calendar_grant *grant)
{
    uint64_t modseq;

    if (grant->grantee.len == 0 || grant->grantee.len > STORE_NAME_BYTES_MAX ||
        !store_text_ok(grant->grantee, false) || grant->rights > STORE_RIGHTS_ACT ||
        (grant->rights > STORE_RIGHTS_BUSY && slice_eq(grant->grantee, SLICE(STORE_ANYONE))))
        return ST_INVALID;
    enum st st = store_account_step(tx, grant->account_id, 0, &modseq);
    if (st != ST_OK)
        return st;
    store_touch(tx, grant->account_id, 0);
    if (grant->rights == STORE_RIGHTS_NONE)
        return store_exec(tx, S_GRANT_DELETE, NULL, SV_I(grant->account_id),
                          SV_I(grant->calendar_id), SV_T(grant->grantee));
    return store_exec(tx, S_GRANT_PUT, NULL, SV_I(grant->account_id), SV_I(grant->calendar_id),
                      SV_T(grant->grantee), SV_I(grant->rights));
}

static enum st tell_grants(struct store_rows *rows, store_calendar_grant_fn *fn, void *ctx)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_calendar_grant grant = {
            .account_id = store_rows_i64(rows, 0),
            .calendar_id = store_rows_i64(rows, 1),
            .grantee = store_rows_bytes(rows, 2),
            .rights = (enum store_calendar_rights)store_rows_i64(rows, 3),
        };
        told = fn(ctx, &grant);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

enum st store_calendar_grants_of(struct store_tx *tx, int64_t account_id,
                                 store_calendar_grant_fn *fn, void *ctx)
{
    return tell_grants(store_rows_open(tx, S_GRANT_OF, SV_I(account_id)), fn, ctx);
}

enum st store_calendar_grants_to(struct store_tx *tx, struct slice grantee,
                                 store_calendar_grant_fn *fn, void *ctx)
{
    return tell_grants(store_rows_open(tx, S_GRANT_TO, SV_T(grantee)), fn, ctx);
}

/* --- the account's own --- */

enum st store_calendar_account_get(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                   struct store_calendar_account *a)
{
    struct store_rows *rows = store_rows_open(tx, S_CALENDAR_ACCOUNT_GET, SV_I(account_id));

    *a = (struct store_calendar_account){.account_id = account_id};
    if (store_rows_next(rows)) {
        a->default_calendar_id = store_rows_i64(rows, 1);
        a->zone = arena_copy(arena, store_rows_bytes(rows, 2));
        a->availability = arena_copy(arena, store_rows_bytes(rows, 3));
        a->oof = (enum store_oof_state)store_rows_i64(rows, 4);
        a->oof_from_ms = store_rows_i64(rows, 5);
        a->oof_until_ms = store_rows_i64(rows, 6);
        a->oof_external = store_rows_i64(rows, 7) != 0;
        a->oof_inside_text = arena_copy(arena, store_rows_bytes(rows, 8));
        a->oof_outside_text = arena_copy(arena, store_rows_bytes(rows, 9));
    }
    return store_rows_close(&rows);
}

enum st store_calendar_account_hold(struct store_tx *tx, int64_t account_id)
{
    return store_exec(tx, S_CALENDAR_ACCOUNT_HOLD, NULL, SV_I(account_id));
}

enum st store_calendar_account_set(struct store_tx *tx, const struct store_calendar_account *a)
{
    const struct slice texts[] = {a->zone, a->availability, a->oof_inside_text,
                                  a->oof_outside_text};
    uint64_t modseq;
    enum st st = check_texts(texts, COUNT(texts));

    if (st == ST_OK)
        st = store_account_step(tx, a->account_id, 0, &modseq);
    if (st == ST_OK)
        st = store_exec(tx, S_ACCOUNT_OOF, NULL, SV_I(a->account_id), SV_I(a->oof));
    if (st != ST_OK)
        return st;
    store_touch(tx, a->account_id, 0);
    return store_exec(tx, S_CALENDAR_ACCOUNT_PUT, NULL, SV_I(a->account_id),
                      SV_I(a->default_calendar_id), store_text_value(a->zone),
                      store_text_value(a->availability), SV_I(a->oof), SV_I(a->oof_from_ms),
                      SV_I(a->oof_until_ms), SV_I(a->oof_external),
                      store_text_value(a->oof_inside_text), store_text_value(a->oof_outside_text));
}
