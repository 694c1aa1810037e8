#include "store/store_message.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"

#include <string.h>

const struct store_uid_set store_uids_all = {&(const struct store_uids){1, UINT32_MAX}, 1};

enum st store_message_add(struct store_tx *tx, int64_t account_id, int64_t folder_id,
                          uint64_t quota_bytes, struct store_message *message)
{
    uint64_t bytes_used = 0;
    int64_t uid = 0;
    enum st st = store_account_take(tx, account_id, (int64_t)message->bytes, 1, &message->modseq,
                                    &bytes_used, &message->oof);

    if (st == ST_OK && quota_bytes != 0 && bytes_used > quota_bytes)
        st = ST_FULL;
    if (st == ST_OK)
        st = store_get_i64(tx, S_FOLDER_NEXT_UIDS, &uid, SV_I(folder_id), SV_I(1),
                           SV_I(message->modseq));
    if (st == ST_OK && uid > UINT32_MAX)
        st = ST_TOO_BIG;
    if (st != ST_OK)
        return st;
    message->uid = (uint32_t)uid;
    store_touch(tx, account_id, folder_id);
    return store_exec(tx, S_MESSAGE_ADD, NULL, SV_I(folder_id), SV_I(uid), SV_I(account_id),
                      SV_C(message->guid), SV_I(message->blob_id), SV_I(message->modseq),
                      SV_I(message->flags), SV_I(message->date_s), SV_I(message->date_zone_min),
                      SV_I(message->bytes), SV_I(message->saved_ms));
}

/* A list that grows in an arena. */
struct uid_list {
    struct arena *arena;
    uint32_t *uids;
    size_t count;
    size_t cap;
};

static void list_add(struct uid_list *list, uint32_t uid)
{
    if (list->count == list->cap)
        list->uids =
            arena_grow(list->arena, list->uids, list->count, &list->cap, sizeof(*list->uids));
    list->uids[list->count++] = uid;
}

/* Ascending UIDs as ranges. */
static struct store_uid_set set_of(const struct uid_list *list)
{
    struct store_uids *ranges = arena_many(list->arena, struct store_uids, list->count + 1);
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (count > 0 && ranges[count - 1].last + 1 == list->uids[i])
            ranges[count - 1].last++;
        else
            ranges[count++] = (struct store_uids){list->uids[i], list->uids[i]};
    }
    return (struct store_uid_set){ranges, count};
}

static enum st find_failed(struct store_tx *tx, struct uid_list *failed, int64_t folder_id,
                           struct store_uids range, uint64_t unchanged_since)
{
    struct store_rows *rows =
        store_rows_open(tx, S_MESSAGE_UNCHANGED_FAIL, SV_I(folder_id), SV_I(range.first),
                        SV_I(range.last), SV_I(unchanged_since));

    while (store_rows_next(rows))
        list_add(failed, (uint32_t)store_rows_i64(rows, 0));
    return store_rows_close(&rows);
}

static enum st flag_range(struct store_tx *tx, int64_t folder_id, struct store_uids range,
                          const struct store_flagging *f, int64_t *changed_r)
{
    uint64_t keep = f->op == STORE_FLAGS_SET      ? 0
                    : f->op == STORE_FLAGS_REMOVE ? ~f->flags
                                                  : UINT64_MAX;
    uint64_t add = f->op == STORE_FLAGS_REMOVE ? 0 : f->flags;
    uint64_t limit = f->unchanged_since > INT64_MAX ? INT64_MAX : f->unchanged_since;

    return store_exec(tx, S_MESSAGE_FLAGS, changed_r, SV_I(folder_id), SV_I(range.first),
                      SV_I(range.last), SV_I(keep), SV_I(add), SV_I(f->modseq), SV_I(limit));
}

enum st store_message_flags(struct store_tx *tx, struct arena *arena,
                            const struct store_folder *folder, struct store_flagging *flagging)
{
    struct uid_list failed = {.arena = arena};
    uint64_t bytes_used;
    int64_t changed = 0;
    int64_t changed_all = 0;
    enum st st =
        store_account_advance(tx, folder->account_id, 0, 0, &flagging->modseq, &bytes_used);

    for (size_t i = 0; st == ST_OK && i < flagging->uids.count; i++) {
        struct store_uids range = flagging->uids.ranges[i];

        if (flagging->unchanged_since < INT64_MAX)
            st = find_failed(tx, &failed, folder->folder_id, range, flagging->unchanged_since);
        if (st == ST_OK)
            st = flag_range(tx, folder->folder_id, range, flagging, &changed);
        changed_all += changed;
    }
    if (st == ST_OK && changed_all > 0)
        st = store_exec(tx, S_FOLDER_CHANGED, NULL, SV_I(folder->folder_id), SV_I(flagging->modseq),
                        SV_I(0));
    flagging->failed = set_of(&failed);
    store_touch(tx, folder->account_id, folder->folder_id);
    return st;
}

struct doomed {
    uint32_t uid;
    int64_t blob_id;
    struct doomed *next;
};

static enum st find_doomed(struct store_tx *tx, int64_t folder_id, struct store_uids range,
                           bool deleted_only, struct doomed **list, uint64_t *bytes)
{
    struct arena *arena = store_tx_arena(tx);
    struct store_rows *rows =
        store_rows_open(tx, S_MESSAGE_DOOMED, SV_I(folder_id), SV_I(range.first), SV_I(range.last),
                        SV_I(deleted_only ? STORE_DELETED : 0));

    while (store_rows_next(rows)) {
        struct doomed *one = arena_one(arena, struct doomed);

        one->uid = (uint32_t)store_rows_i64(rows, 0);
        one->blob_id = store_rows_i64(rows, 1);
        one->next = *list;
        *bytes += (uint64_t)store_rows_i64(rows, 2);
        *list = one;
    }
    return store_rows_close(&rows);
}

static enum st bury(struct store_tx *tx, int64_t folder_id, const struct doomed *one,
                    uint64_t modseq)
{
    enum st st =
        store_exec(tx, S_TOMBSTONE_ADD, NULL, SV_I(folder_id), SV_I(modseq), SV_I(one->uid));

    if (st == ST_OK)
        st = store_exec(tx, S_MESSAGE_DELETE, NULL, SV_I(folder_id), SV_I(one->uid));
    return st != ST_OK ? st : store_blob_release(tx, one->blob_id);
}

enum st store_message_expunge(struct store_tx *tx, const struct store_folder *folder,
                              const struct store_uid_set *uids, bool deleted_only,
                              uint64_t *count_r, uint64_t *modseq_r)
{
    struct doomed *list = NULL;
    uint64_t bytes = 0;
    uint64_t bytes_used;
    /* First the account's row, as every writer: no two lock each other out. */
    enum st st = store_account_advance(tx, folder->account_id, 0, 0, modseq_r, &bytes_used);

    *count_r = 0;
    for (size_t i = 0; st == ST_OK && i < uids->count; i++)
        st = find_doomed(tx, folder->folder_id, uids->ranges[i], deleted_only, &list, &bytes);
    for (struct doomed *one = list; st == ST_OK && one != NULL; one = one->next) {
        st = bury(tx, folder->folder_id, one, *modseq_r);
        ++*count_r;
    }
    if (st != ST_OK || *count_r == 0)
        return st;
    store_touch(tx, folder->account_id, folder->folder_id);
    st = store_account_advance(tx, folder->account_id, -(int64_t)bytes, -(int64_t)*count_r,
                               modseq_r, &bytes_used);
    --*modseq_r; /* the number that the tombstones carry */
    return st != ST_OK ? st
                       : store_exec(tx, S_FOLDER_CHANGED, NULL, SV_I(folder->folder_id),
                                    SV_I(*modseq_r), SV_I(-(int64_t)*count_r));
}

static void read_message(struct store_rows *rows, struct store_message *message)
{
    message->uid = (uint32_t)store_rows_i64(rows, 0);
    message->flags = (uint64_t)store_rows_i64(rows, 1);
    message->modseq = (uint64_t)store_rows_i64(rows, 2);
    store_text_copy(message->guid, sizeof(message->guid), store_rows_bytes(rows, 3));
    message->blob_id = store_rows_i64(rows, 4);
    message->bytes = (uint64_t)store_rows_i64(rows, 5);
    message->date_s = store_rows_i64(rows, 6);
    message->date_zone_min = (int32_t)store_rows_i64(rows, 7);
    message->saved_ms = store_rows_i64(rows, 8);
}

enum st store_message_each(struct store_tx *tx, int64_t folder_id, struct store_uids range,
                           unsigned want, store_message_fn *fn, void *ctx)
{
    enum store_stmt stmt = (want & STORE_WANT_STRUCTURE) != 0  ? S_MESSAGE_EACH_BOTH
                           : (want & STORE_WANT_ENVELOPE) != 0 ? S_MESSAGE_EACH_ENVELOPE
                                                               : S_MESSAGE_EACH;
    struct store_rows *rows =
        store_rows_open(tx, stmt, SV_I(folder_id), SV_I(range.first), SV_I(range.last));
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_message message = {0};

        read_message(rows, &message);
        if (stmt != S_MESSAGE_EACH) {
            message.envelope = store_rows_bytes(rows, 9);
            message.structure = store_rows_bytes(rows, 10);
        }
        told = fn(ctx, &message);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

static enum st each_change(struct store_rows *rows, bool gone, store_message_fn *fn, void *ctx)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_message message = {.uid = (uint32_t)store_rows_i64(rows, 0),
                                        .modseq = (uint64_t)store_rows_i64(rows, gone ? 1 : 2)};

        if (!gone)
            message.flags = (uint64_t)store_rows_i64(rows, 1);
        told = fn(ctx, &message);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

enum st store_message_changed(struct store_tx *tx, int64_t folder_id, uint64_t since,
                              store_message_fn *fn, void *ctx)
{
    return each_change(store_rows_open(tx, S_MESSAGE_CHANGED, SV_I(folder_id), SV_I(since)), false,
                       fn, ctx);
}

enum st store_message_gone(struct store_tx *tx, int64_t folder_id, uint64_t since,
                           store_message_fn *fn, void *ctx)
{
    return each_change(store_rows_open(tx, S_TOMBSTONE_SINCE, SV_I(folder_id), SV_I(since)), true,
                       fn, ctx);
}

/* --- copying --- */

struct originals {
    struct arena *arena;
    struct store_message *messages;
    size_t count;
    size_t cap;
    uint64_t bytes;
};

static enum st gather(void *ctx, const struct store_message *message)
{
    struct originals *originals = ctx;

    if (originals->count == originals->cap)
        originals->messages = arena_grow(originals->arena, originals->messages, originals->count,
                                         &originals->cap, sizeof(*originals->messages));
    originals->messages[originals->count++] = *message;
    originals->bytes += message->bytes;
    return ST_OK;
}

static enum st copy_rows(struct store_tx *tx, const struct originals *originals,
                         const struct store_folder *to, int64_t uid_first, uint64_t modseq)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < originals->count; i++) {
        const struct store_message *m = &originals->messages[i];

        st = store_exec(tx, S_MESSAGE_ADD, NULL, SV_I(to->folder_id), SV_I(uid_first + (int64_t)i),
                        SV_I(to->account_id), SV_C(m->guid), SV_I(m->blob_id), SV_I(modseq),
                        SV_I(m->flags), SV_I(m->date_s), SV_I(m->date_zone_min), SV_I(m->bytes),
                        SV_I(m->saved_ms));
    }
    return st;
}

static enum st insert_copies(struct store_tx *tx, const struct originals *originals,
                             const struct store_folder *to, uint64_t quota_bytes,
                             int64_t *uid_first_r)
{
    uint64_t modseq = 0;
    uint64_t bytes_used = 0;
    enum st st = store_account_advance(tx, to->account_id, (int64_t)originals->bytes,
                                       (int64_t)originals->count, &modseq, &bytes_used);

    if (st == ST_OK && quota_bytes != 0 && bytes_used > quota_bytes)
        st = ST_FULL;
    if (st == ST_OK)
        st = store_get_i64(tx, S_FOLDER_NEXT_UIDS, uid_first_r, SV_I(to->folder_id),
                           SV_I(originals->count), SV_I(modseq));
    if (st == ST_OK && *uid_first_r + (int64_t)originals->count > UINT32_MAX)
        st = ST_TOO_BIG;
    store_touch(tx, to->account_id, to->folder_id);
    return st != ST_OK ? st : copy_rows(tx, originals, to, *uid_first_r, modseq);
}

/* Exactly what was copied: the target may be the same folder, and the set may be open-ended. */
static enum st remove_originals(struct store_tx *tx, const struct store_folder *from,
                                const struct store_copying *copying)
{
    struct uid_list list = {
        .arena = store_tx_arena(tx), .uids = copying->from_uids, .count = copying->count};
    struct store_uid_set set = set_of(&list);
    uint64_t expunged;
    uint64_t modseq;

    return store_message_expunge(tx, from, &set, false, &expunged, &modseq);
}

enum st store_message_copy(struct store_tx *tx, struct arena *arena,
                           const struct store_folder *from, const struct store_folder *to,
                           struct store_copying *copying)
{
    struct originals originals = {.arena = store_tx_arena(tx)};
    uint64_t modseq = 0;
    uint64_t bytes_used = 0;
    int64_t uid = 0;
    /* The account's row first, so that nothing changes between reading and writing. */
    enum st st = store_account_advance(tx, to->account_id, 0, 0, &modseq, &bytes_used);

    for (size_t i = 0; st == ST_OK && i < copying->uids.count; i++)
        st =
            store_message_each(tx, from->folder_id, copying->uids.ranges[i], 0, gather, &originals);
    copying->count = originals.count;
    if (st != ST_OK || originals.count == 0)
        return st;
    st = insert_copies(tx, &originals, to, copying->move ? 0 : copying->quota_bytes, &uid);
    if (st != ST_OK)
        return st;
    copying->from_uids = arena_many(arena, uint32_t, originals.count);
    copying->to_uids = arena_many(arena, uint32_t, originals.count);
    for (size_t i = 0; i < originals.count; i++) {
        copying->from_uids[i] = originals.messages[i].uid;
        copying->to_uids[i] = (uint32_t)(uid + (int64_t)i);
    }
    return copying->move ? remove_originals(tx, from, copying) : ST_OK;
}
