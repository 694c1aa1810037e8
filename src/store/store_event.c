#include "store/store_event.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"

/* --- reading --- */

static struct store_event read_event(struct store_rows *rows)
{
    return (struct store_event){
        .event_id = store_rows_i64(rows, 0),
        .calendar_id = store_rows_i64(rows, 1),
        .account_id = store_rows_i64(rows, 2),
        .name = store_rows_bytes(rows, 3),
        .uid = store_rows_bytes(rows, 4),
        .kind = (enum store_event_kind)store_rows_i64(rows, 5),
        .modseq = (uint64_t)store_rows_i64(rows, 6),
        .schedule_tag = (uint64_t)store_rows_i64(rows, 7),
        .flags = (uint64_t)store_rows_i64(rows, 8),
        .first_s = store_rows_i64(rows, 9),
        .last_s = store_rows_i64(rows, 10),
        .from_s = store_rows_i64(rows, 11),
        .until_s = store_rows_i64(rows, 12),
        .created_ms = store_rows_i64(rows, 13),
        .modified_ms = store_rows_i64(rows, 14),
        .bytes = (uint64_t)store_rows_i64(rows, 15),
        .body = store_rows_bytes(rows, 16),
    };
}

static enum st read_one(struct store_rows *rows, struct arena *arena, struct store_event *event_r)
{
    bool found = store_rows_next(rows);

    if (found) {
        *event_r = read_event(rows);
        event_r->name = arena_copy(arena, event_r->name);
        event_r->uid = arena_copy(arena, event_r->uid);
        event_r->body = arena_copy(arena, event_r->body);
    }
    return store_rows_close_found(&rows, found);
}

static enum st tell(struct store_rows *rows, store_event_fn *fn, void *ctx)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_event event = read_event(rows);
        told = fn(ctx, &event);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

enum st store_event_find(struct store_tx *tx, struct arena *arena, int64_t calendar_id,
                         struct slice name, struct store_event *event_r)
{
    if (!store_segment_ok(name))
        return ST_NOT_FOUND;
    return read_one(store_rows_open(tx, S_EVENT_BY_NAME, SV_I(calendar_id), SV_T(name)), arena,
                    event_r);
}

enum st store_event_find_uid(struct store_tx *tx, struct arena *arena, int64_t account_id,
                             struct slice uid, struct store_event *event_r)
{
    if (!store_text_ok(uid, true))
        return ST_NOT_FOUND;
    return read_one(store_rows_open(tx, S_EVENT_BY_UID, SV_I(account_id), SV_T(uid)), arena,
                    event_r);
}

enum st store_event_get(struct store_tx *tx, struct arena *arena, int64_t event_id,
                        struct store_event *event_r)
{
    return read_one(store_rows_open(tx, S_EVENT_BY_ID, SV_I(event_id)), arena, event_r);
}

enum st store_event_each(struct store_tx *tx, int64_t calendar_id, bool with_body,
                         store_event_fn *fn, void *ctx)
{
    enum store_stmt stmt = with_body ? S_EVENT_EACH_BODY : S_EVENT_EACH;

    return tell(store_rows_open(tx, stmt, SV_I(calendar_id)), fn, ctx);
}

enum st store_event_changed(struct store_tx *tx, int64_t calendar_id, uint64_t since,
                            uint64_t limit, store_event_fn *fn, void *ctx)
{
    return tell(store_rows_open(tx, S_EVENT_CHANGED, SV_I(calendar_id), SV_I(since), SV_I(limit)),
                fn, ctx);
}

enum st store_event_beyond(struct store_tx *tx, int64_t calendar_id, uint64_t keep, uint64_t limit,
                           store_event_fn *fn, void *ctx)
{
    return tell(store_rows_open(tx, S_EVENT_BEYOND, SV_I(calendar_id), SV_I(keep), SV_I(limit)), fn,
                ctx);
}

enum st store_event_unseen(struct store_tx *tx, uint64_t keep, int64_t changed_ms, int64_t ended_s,
                           uint64_t limit, store_event_fn *fn, void *ctx)
{
    return tell(store_rows_open(tx, S_EVENT_UNSEEN, SV_I(keep), SV_I(changed_ms), SV_I(ended_s),
                                SV_I(limit)),
                fn, ctx);
}

enum st store_event_gone(struct store_tx *tx, int64_t calendar_id, uint64_t since, uint64_t limit,
                         store_event_fn *fn, void *ctx)
{
    struct store_rows *rows =
        store_rows_open(tx, S_EVENT_GONE_SINCE, SV_I(calendar_id), SV_I(since), SV_I(limit));
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_event event = {.calendar_id = calendar_id,
                                    .name = store_rows_bytes(rows, 0),
                                    .modseq = (uint64_t)store_rows_i64(rows, 1)};
        told = fn(ctx, &event);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

enum st store_event_between(struct store_tx *tx, int64_t calendar_id, int64_t from_s,
                            int64_t until_s, store_event_fn *fn, void *ctx)
{
    return tell(
        store_rows_open(tx, S_EVENT_BETWEEN, SV_I(calendar_id), SV_I(from_s), SV_I(until_s)), fn,
        ctx);
}

enum st store_event_unexpanded(struct store_tx *tx, int64_t below_s, int64_t since_s,
                               uint64_t limit, store_event_fn *fn, void *ctx)
{
    return tell(store_rows_open(tx, S_EVENT_UNEXPANDED, SV_I(below_s), SV_I(since_s), SV_I(limit)),
                fn, ctx);
}

enum st store_event_behind(struct store_tx *tx, int64_t account_id, int64_t until_s,
                           store_event_fn *fn, void *ctx)
{
    return tell(store_rows_open(tx, S_EVENT_BEHIND, SV_I(account_id), SV_I(until_s)), fn, ctx);
}

/* --- busytime --- */

static enum st add_row(struct store_tx *tx, const struct store_event *event,
                       const struct store_busytime *row)
{
    assert(row->end_s >= row->start_s && row->end_s - row->start_s <= STORE_BUSY_ROW_S);
    return store_exec(tx, S_BUSYTIME_ADD, NULL, SV_I(event->account_id), SV_I(row->start_s),
                      SV_I(event->event_id), SV_I(row->end_s), SV_I(event->calendar_id),
                      SV_I(row->kind), SV_I(row->id_s));
}

static enum st delete_row(struct store_tx *tx, const struct store_event *event,
                          const struct store_busytime *row)
{
    return store_exec(tx, S_BUSYTIME_DELETE_ROW, NULL, SV_I(event->account_id), SV_I(row->start_s),
                      SV_I(event->event_id), SV_I(row->end_s));
}

/* An event's rows begin between first_s and last_s. */
static enum st delete_rows(struct store_tx *tx, const struct store_event *event)
{
    return store_exec(tx, S_BUSYTIME_DELETE, NULL, SV_I(event->account_id), SV_I(event->first_s),
                      SV_I(event->last_s < event->until_s ? event->last_s : event->until_s),
                      SV_I(event->event_id));
}

struct row_list {
    struct store_busytime *at;
    size_t count;
    size_t cap;
};

static enum st read_rows(struct store_tx *tx, const struct store_event *event,
                         struct row_list *list)
{
    struct arena *arena = store_tx_arena(tx);
    struct store_rows *rows =
        store_rows_open(tx, S_BUSYTIME_OF, SV_I(event->account_id), SV_I(event->first_s),
                        SV_I(event->last_s < event->until_s ? event->last_s : event->until_s),
                        SV_I(event->event_id), SV_I(event->calendar_id));

    while (store_rows_next(rows)) {
        if (list->count == list->cap)
            list->at = arena_grow(arena, list->at, list->count, &list->cap, sizeof(*list->at));
        list->at[list->count++] =
            (struct store_busytime){.start_s = store_rows_i64(rows, 0),
                                    .end_s = store_rows_i64(rows, 1),
                                    .kind = (enum store_busy_kind)store_rows_i64(rows, 2),
                                    .id_s = store_rows_i64(rows, 3)};
    }
    return store_rows_close(&rows);
}

static int order(const struct store_busytime *a, const struct store_busytime *b)
{
    if (a->start_s != b->start_s)
        return a->start_s < b->start_s ? -1 : 1;
    return a->end_s < b->end_s ? -1 : a->end_s > b->end_s;
}

static bool in_order(const struct store_busytime *rows, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (order(&rows[i - 1], &rows[i]) >= 0)
            return false;
    return true;
}

/* Writes only the rows that differ; both lists are in order. */
static enum st change_rows(struct store_tx *tx, const struct store_event *event,
                           const struct row_list *was, const struct store_busytime *is,
                           size_t is_count)
{
    enum st st = ST_OK;
    size_t from = 0;
    size_t to = 0;

    while (st == ST_OK && (from < was->count || to < is_count)) {
        int way = from == was->count ? 1 : to == is_count ? -1 : order(&was->at[from], &is[to]);
        bool same =
            way == 0 && was->at[from].kind == is[to].kind && was->at[from].id_s == is[to].id_s;

        if (way <= 0 && !same)
            st = delete_row(tx, event, &was->at[from]);
        if (st == ST_OK && way >= 0 && !same)
            st = add_row(tx, event, &is[to]);
        from += way <= 0;
        to += way >= 0;
    }
    return st;
}

/* Of an event that had rows, or was not there (old NULL), or lies in another calendar now. */
static enum st set_rows(struct store_tx *tx, const struct store_event *old,
                        const struct store_event *event, const struct store_busytime *rows,
                        size_t count)
{
    struct row_list was = {NULL, 0, 0};
    enum st st = ST_OK;

    if (old != NULL && old->calendar_id == event->calendar_id && in_order(rows, count)) {
        st = read_rows(tx, old, &was);
        return st != ST_OK ? st : change_rows(tx, event, &was, rows, count);
    }
    if (old != NULL)
        st = delete_rows(tx, old);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = add_row(tx, event, &rows[i]);
    return st;
}

enum st store_event_expand(struct store_tx *tx, const struct store_event *event,
                           const struct store_busytime *rows, size_t count)
{
    struct store_event old;
    enum st st = read_one(store_rows_open(tx, S_EVENT_HEAD, SV_I(event->event_id)),
                          store_tx_arena(tx), &old);

    if (st == ST_OK)
        st = store_exec(tx, S_EVENT_SPAN, NULL, SV_I(event->event_id), SV_I(event->from_s),
                        SV_I(event->until_s), SV_I(event->first_s), SV_I(event->last_s));
    return st != ST_OK ? st : set_rows(tx, &old, event, rows, count);
}

enum st store_busytime_each(struct store_tx *tx, int64_t account_id, int64_t from_s,
                            int64_t until_s, store_busytime_fn *fn, void *ctx)
{
    int64_t reach_s = from_s < INT64_MIN + STORE_BUSY_ROW_S ? INT64_MIN : from_s - STORE_BUSY_ROW_S;
    struct store_rows *rows = store_rows_open(tx, S_BUSYTIME_EACH, SV_I(account_id), SV_I(from_s),
                                              SV_I(until_s), SV_I(reach_s));
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_busytime row = {
            .event_id = store_rows_i64(rows, 0),
            .calendar_id = store_rows_i64(rows, 1),
            .start_s = store_rows_i64(rows, 2),
            .end_s = store_rows_i64(rows, 3),
            .kind = (enum store_busy_kind)store_rows_i64(rows, 4),
            .id_s = store_rows_i64(rows, 5),
        };
        told = fn(ctx, &row);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

/* --- changing --- */

static enum st calendar_changed(struct store_tx *tx, const struct store_event *event)
{
    store_touch(tx, event->account_id, 0);
    return store_exec(tx, S_CALENDAR_CHANGED, NULL, SV_I(event->calendar_id), SV_I(event->modseq));
}

static enum st check_uid(struct store_tx *tx, const struct store_event *event)
{
    int64_t other;
    enum st st = store_get_i64(tx, S_EVENT_UID_TAKEN, &other, SV_I(event->account_id),
                               SV_T(event->uid), SV_I(event->calendar_id), SV_T(event->name));

    return st == ST_OK ? ST_CONFLICT : st == ST_NOT_FOUND ? ST_OK : st;
}

#define EVENT_VALUES(event) \
    SV_I((event)->calendar_id), SV_I((event)->account_id), SV_T((event)->name), \
        SV_T((event)->uid), SV_I((event)->kind), SV_I((event)->modseq), \
        SV_I((event)->schedule_tag), SV_I((event)->flags), SV_I((event)->first_s), \
        SV_I((event)->last_s), SV_I((event)->from_s), SV_I((event)->until_s), \
        SV_I((event)->created_ms), SV_I((event)->modified_ms), SV_I((event)->bytes), \
        SV_B((event)->body)

static enum st insert(struct store_tx *tx, struct store_event *event)
{
    event->created_ms = event->modified_ms;
    enum st st = store_get_i64(tx, S_EVENT_ADD, &event->event_id, EVENT_VALUES(event));

    if (st == ST_NOT_FOUND)
        return ST_AGAIN;
    return st != ST_OK ? st
                       : store_exec(tx, S_EVENT_GONE_BACK, NULL, SV_I(event->calendar_id),
                                    SV_T(event->name));
}

static enum st update(struct store_tx *tx, const struct store_event *old, struct store_event *event)
{
    int64_t changed = 0;

    event->event_id = old->event_id;
    event->created_ms = old->created_ms;
    enum st st = store_exec(tx, S_EVENT_SET, &changed, SV_I(event->event_id), SV_T(event->uid),
                            SV_I(event->kind), SV_I(event->modseq), SV_I(event->schedule_tag),
                            SV_I(event->flags), SV_I(event->first_s), SV_I(event->last_s),
                            SV_I(event->from_s), SV_I(event->until_s), SV_I(event->modified_ms),
                            SV_I(event->bytes), SV_B(event->body), SV_I(old->modseq));
    if (st == ST_OK && changed == 0)
        st = ST_AGAIN;
    return st;
}

static enum st check_names(const struct store_event *event)
{
    if (event->uid.len > STORE_EVENT_UID_BYTES_MAX)
        return ST_TOO_BIG;
    return store_segment_ok(event->name) && event->uid.len > 0 && store_text_ok(event->uid, true)
               ? ST_OK
               : ST_INVALID;
}

enum st store_event_put(struct store_tx *tx, uint64_t quota_bytes, const struct store_event *old,
                        struct store_event *event, const struct store_busytime *rows, size_t count)
{
    int64_t bytes = (int64_t)event->body.len - (old != NULL ? (int64_t)old->bytes : 0);
    uint64_t bytes_used;

    /* First the account's row, as every writer. */
    enum st st = check_names(event);
    if (st == ST_OK)
        st = store_account_advance(tx, event->account_id, bytes, 0, &event->modseq, &bytes_used);
    if (st == ST_OK && quota_bytes != 0 && bytes > 0 && bytes_used > quota_bytes)
        st = ST_FULL;
    if (st == ST_OK)
        st = check_uid(tx, event);
    if (st != ST_OK)
        return st;
    event->bytes = event->body.len;
    if (event->schedule_tag == STORE_SCHEDULE_TAG_NEW)
        event->schedule_tag = event->modseq;
    st = old != NULL ? update(tx, old, event) : insert(tx, event);
    if (st == ST_OK)
        st = set_rows(tx, old, event, rows, count);
    return st != ST_OK ? st : calendar_changed(tx, event);
}

enum st store_event_remove(struct store_tx *tx, const struct store_event *event)
{
    struct store_event gone = *event;
    int64_t changed = 0;
    enum st st = store_account_step(tx, event->account_id, -(int64_t)event->bytes, &gone.modseq);

    if (st == ST_OK)
        st = store_exec(tx, S_EVENT_DELETE, &changed, SV_I(event->event_id), SV_I(event->modseq));
    if (st == ST_OK && changed == 0)
        st = ST_AGAIN;
    if (st == ST_OK)
        st = delete_rows(tx, event);
    if (st == ST_OK && event->calendar_id != STORE_EVENT_UNSEEN)
        st = store_exec(tx, S_EVENT_GONE_ADD, NULL, SV_I(event->calendar_id), SV_T(event->name),
                        SV_I(gone.modseq));
    return st != ST_OK ? st : calendar_changed(tx, &gone);
}

/* --- many at once --- */

/* The first of count numbers of the change sequence. */
static enum st take_numbers(struct store_tx *tx, int64_t account_id, int64_t bytes, size_t count,
                            uint64_t *first_r, uint64_t *bytes_used_r)
{
    struct store_rows *rows =
        store_rows_open(tx, S_ACCOUNT_ADVANCE_BY, SV_I(account_id), SV_I(bytes), SV_I(count));
    bool found = store_rows_next(rows);

    if (found) {
        *first_r = (uint64_t)store_rows_i64(rows, 0) - count + 1;
        *bytes_used_r = (uint64_t)store_rows_i64(rows, 1);
    }
    return store_rows_close_found(&rows, found);
}

static enum st add_one(struct store_tx *tx, struct store_event *event, uint64_t modseq)
{
    event->modseq = modseq;
    event->created_ms = event->modified_ms;
    if (event->schedule_tag == STORE_SCHEDULE_TAG_NEW)
        event->schedule_tag = modseq;
    enum st st = store_exec(tx, S_EVENT_ADD, NULL, EVENT_VALUES(event));
    return st != ST_OK ? st
                       : store_exec(tx, S_EVENT_GONE_BACK, NULL, SV_I(event->calendar_id),
                                    SV_T(event->name));
}

static enum st drop_one(struct store_tx *tx, const struct store_event *event, uint64_t modseq)
{
    enum st st = store_exec(tx, S_EVENT_DELETE, NULL, SV_I(event->event_id), SV_I(event->modseq));

    return st != ST_OK ? st
                       : store_exec(tx, S_EVENT_GONE_ADD, NULL, SV_I(event->calendar_id),
                                    SV_T(event->name), SV_I(modseq));
}

enum st store_event_exchange(struct store_tx *tx, uint64_t quota_bytes, struct store_event *add,
                             size_t add_count, const struct store_event *gone, size_t gone_count)
{
    size_t count = add_count + gone_count;
    int64_t bytes = 0;
    uint64_t first = 0;
    uint64_t bytes_used = 0;
    enum st st = ST_OK;

    if (count == 0)
        return ST_OK;
    for (size_t i = 0; st == ST_OK && i < add_count; i++) {
        add[i].bytes = add[i].body.len;
        bytes += (int64_t)add[i].bytes;
        st = check_names(&add[i]);
    }
    for (size_t i = 0; i < gone_count; i++)
        bytes -= (int64_t)gone[i].bytes;
    struct store_event last = add_count > 0 ? add[0] : gone[0];
    if (st == ST_OK)
        st = take_numbers(tx, last.account_id, bytes, count, &first, &bytes_used);
    if (st == ST_OK && quota_bytes != 0 && bytes > 0 && bytes_used > quota_bytes)
        st = ST_FULL;
    for (size_t i = 0; st == ST_OK && i < gone_count; i++)
        st = drop_one(tx, &gone[i], first + i);
    for (size_t i = 0; st == ST_OK && i < add_count; i++)
        st = add_one(tx, &add[i], first + gone_count + i);
    last.modseq = first + count - 1;
    return st != ST_OK ? st : calendar_changed(tx, &last);
}
