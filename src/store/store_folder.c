#include "store/store_folder.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"
#include "store/store_message.h"
#include "store/store_uidvalidity.h"

#include <stdlib.h>
#include <string.h>

static const struct slice inbox = {"INBOX", 5};

/* INBOX is INBOX in any case, as the first level too (RFC 3501 section 5.1). */
static struct slice canonical(struct arena *arena, struct slice name)
{
    if (slice_ieq(name, inbox))
        return inbox;
    if (name.len <= 5 || name.ptr[5] != STORE_FOLDER_SEPARATOR || !slice_istarts(name, inbox))
        return name;
    struct slice copy = arena_copy(arena, name);
    char *start = slice_cstr(arena, copy);
    memcpy(start, inbox.ptr, inbox.len);
    return (struct slice){start, copy.len};
}

static int folder_rank(struct slice a, struct slice b)
{
    bool a_inbox = slice_eq(a, inbox);
    bool b_inbox = slice_eq(b, inbox);

    return a_inbox || b_inbox ? b_inbox - a_inbox : slice_cmp(a, b);
}

static int folder_cmp(const void *a, const void *b)
{
    return folder_rank(((const struct store_folder *)a)->name,
                       ((const struct store_folder *)b)->name);
}

static int name_cmp(const void *a, const void *b)
{
    return folder_rank(*(const struct slice *)a, *(const struct slice *)b);
}

static void read_folder(struct store_rows *rows, struct arena *arena, struct store_folder *folder)
{
    folder->folder_id = store_rows_i64(rows, 0);
    folder->account_id = store_rows_i64(rows, 1);
    folder->name = arena_copy(arena, store_rows_bytes(rows, 2));
    store_text_copy(folder->guid, sizeof(folder->guid), store_rows_bytes(rows, 3));
    folder->uidvalidity = (uint32_t)store_rows_i64(rows, 4);
    folder->uidnext = (uint32_t)store_rows_i64(rows, 5);
    folder->recent_uid = (uint32_t)store_rows_i64(rows, 6);
    folder->modseq = (uint64_t)store_rows_i64(rows, 7);
    folder->message_count = (uint64_t)store_rows_i64(rows, 8);
    store_text_copy(folder->special_use, sizeof(folder->special_use), store_rows_bytes(rows, 9));
    folder->subscribed = store_rows_i64(rows, 10) != 0;
}

static enum st read_one(struct store_rows *rows, struct arena *arena, struct store_folder *folder)
{
    bool found = store_rows_next(rows);

    if (found)
        read_folder(rows, arena, folder);
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st store_folder_find(struct store_tx *tx, struct arena *arena, int64_t account_id,
                          struct slice name, struct store_folder *folder_r)
{
    if (!store_text_ok(name, false))
        return ST_NOT_FOUND;
    return read_one(
        store_rows_open(tx, S_FOLDER_BY_NAME, SV_I(account_id), SV_T(canonical(arena, name))),
        arena, folder_r);
}

enum st store_folder_get(struct store_tx *tx, struct arena *arena, int64_t folder_id,
                         struct store_folder *folder_r)
{
    return read_one(store_rows_open(tx, S_FOLDER_BY_ID, SV_I(folder_id)), arena, folder_r);
}

enum st store_folder_list(struct store_tx *tx, struct arena *arena, int64_t account_id,
                          struct store_folder **folders_r, size_t *count_r)
{
    struct store_rows *rows = store_rows_open(tx, S_FOLDER_LIST, SV_I(account_id));
    struct store_folder *folders = NULL;
    size_t count = 0;
    size_t cap = 0;

    while (store_rows_next(rows)) {
        if (count == cap)
            folders = arena_grow(arena, folders, count, &cap, sizeof(*folders));
        read_folder(rows, arena, &folders[count++]);
    }
    if (count > 0)
        qsort(folders, count, sizeof(*folders), folder_cmp);
    *folders_r = folders;
    *count_r = count;
    return store_rows_close(&rows);
}

enum st store_folder_name_check(struct slice name)
{
    struct slice rest = name;
    struct slice level;
    size_t depth = 0;

    if (name.len > STORE_FOLDER_BYTES_MAX)
        return ST_TOO_BIG;
    while (slice_split(&rest, STORE_FOLDER_SEPARATOR, &level)) {
        if (level.len == 0)
            return ST_INVALID;
        if (++depth > STORE_FOLDER_DEPTH_MAX)
            return ST_TOO_BIG;
    }
    return store_text_ok(name, false) ? ST_OK : ST_INVALID;
}

/* Writers of one account's folders queue here, so that what they look at stays as it is. */
static enum st lock_account(struct store_tx *tx, int64_t account_id)
{
    uint64_t modseq;
    uint64_t bytes_used;

    return store_account_advance(tx, account_id, 0, 0, &modseq, &bytes_used);
}

static enum st add_one(struct store_tx *tx, int64_t account_id,
                       const struct store_new_folder *folder, int64_t *folder_id_r)
{
    uint64_t modseq;
    uint64_t bytes_used;
    uint32_t uidvalidity = 0;
    enum st st = store_account_advance(tx, account_id, 0, 0, &modseq, &bytes_used);

    if (st == ST_OK)
        st = store_uidvalidity_next(tx, account_id, folder->now_ms, &uidvalidity);
    if (st != ST_OK)
        return st;
    st = store_get_i64(tx, S_FOLDER_ADD, folder_id_r, SV_I(account_id), SV_T(folder->name),
                       SV_C(folder->guid), SV_I(uidvalidity), SV_I(modseq),
                       SV_T(folder->special_use));
    store_touch(tx, account_id, 0);
    return st == ST_NOT_FOUND ? ST_EXISTS : st;
}

/* The parents that are missing; all of them are made. */
static enum st add_parents(struct store_tx *tx, int64_t account_id,
                           const struct store_new_folder *child)
{
    char guid[STORE_GUID_BYTES];
    struct store_new_folder parent = {
        .guid = guid, .special_use = SLICE(""), .now_ms = child->now_ms};
    struct store_folder found;
    int64_t folder_id;
    enum st st = ST_OK;
    unsigned level = 0;

    for (size_t i = 0; i < child->name.len && st == ST_OK; i++) {
        if (child->name.ptr[i] != STORE_FOLDER_SEPARATOR)
            continue;
        parent.name = slice_sub(child->name, 0, i);
        store_guid_derive(child->guid, 0x10000 + ++level, guid);
        st = store_folder_find(tx, store_tx_arena(tx), account_id, parent.name, &found);
        if (st == ST_NOT_FOUND)
            st = add_one(tx, account_id, &parent, &folder_id);
    }
    return st;
}

enum st store_folder_add(struct store_tx *tx, int64_t account_id,
                         const struct store_new_folder *folder, int64_t *folder_id_r)
{
    struct store_new_folder named = *folder;

    named.name = canonical(store_tx_arena(tx), folder->name);
    enum st st = store_folder_name_check(named.name);
    if (st == ST_OK)
        st = lock_account(tx, account_id);
    if (st == ST_OK)
        st = add_parents(tx, account_id, &named);
    return st != ST_OK ? st : add_one(tx, account_id, &named, folder_id_r);
}

enum st store_folder_destroy(struct store_tx *tx, const struct store_folder *folder)
{
    uint64_t count;
    uint64_t modseq;
    enum st st = store_message_expunge(tx, folder, &store_uids_all, false, &count, &modseq);

    if (st == ST_OK)
        st = store_exec(tx, S_TOMBSTONE_DELETE_ALL, NULL, SV_I(folder->folder_id));
    if (st == ST_OK)
        st = store_exec(tx, S_FOLDER_DELETE, NULL, SV_I(folder->folder_id));
    store_touch(tx, folder->account_id, folder->folder_id);
    store_touch(tx, folder->account_id, 0);
    return st;
}

enum st store_folder_remove(struct store_tx *tx, int64_t account_id, struct slice name)
{
    struct store_folder folder;
    enum st st = lock_account(tx, account_id);

    if (st == ST_OK)
        st = store_folder_find(tx, store_tx_arena(tx), account_id, name, &folder);
    if (st == ST_OK && slice_eq(folder.name, inbox))
        st = ST_DENIED;
    return st != ST_OK ? st : store_folder_destroy(tx, &folder);
}

/* RFC 3501 section 6.3.5: INBOX's messages go to a new folder; INBOX stays, empty. */
static enum st rename_inbox(struct store_tx *tx, const struct store_folder *from,
                            const struct store_new_folder *to)
{
    struct arena *arena = store_tx_arena(tx);
    struct store_copying copying = {.uids = store_uids_all, .move = true};
    struct store_folder target;
    int64_t folder_id;
    enum st st = store_folder_add(tx, from->account_id, to, &folder_id);

    if (st == ST_OK)
        st = store_folder_get(tx, arena, folder_id, &target);
    return st != ST_OK ? st : store_message_copy(tx, arena, from, &target, &copying);
}

/* from/x becomes to/x. */
static enum st rename_one(struct store_tx *tx, const struct store_folder *folder, size_t from_len,
                          struct slice to)
{
    struct arena *arena = store_tx_arena(tx);
    struct store_folder other;
    struct slice tail = slice_sub(folder->name, from_len, folder->name.len);
    char *name = arena_alloc(arena, 1, to.len + tail.len + 1);

    memcpy(name, to.ptr, to.len);
    memcpy(name + to.len, tail.ptr, tail.len);
    struct slice whole = {name, to.len + tail.len};
    enum st st = store_folder_name_check(whole);
    if (st != ST_OK)
        return st;
    /* A folder below a removed one stays, and may stand where this one is to go. */
    st = store_folder_find(tx, arena, folder->account_id, whole, &other);
    if (st != ST_NOT_FOUND)
        return st == ST_OK ? ST_EXISTS : st;
    return store_exec(tx, S_FOLDER_RENAME, NULL, SV_I(folder->folder_id), SV_T(whole));
}

static bool is_below(struct slice name, struct slice top)
{
    return name.len > top.len && name.ptr[top.len] == STORE_FOLDER_SEPARATOR &&
           slice_starts(name, top);
}

enum st store_folder_rename(struct store_tx *tx, int64_t account_id, struct slice from,
                            struct slice to, const char *guid, int64_t now_ms)
{
    struct arena *arena = store_tx_arena(tx);
    struct store_folder folder;
    struct store_folder other;
    struct store_folder *all;
    size_t count;

    to = canonical(arena, to);
    struct store_new_folder target = {to, guid, SLICE(""), now_ms};
    enum st st = store_folder_name_check(to);
    if (st == ST_OK)
        st = lock_account(tx, account_id);
    if (st == ST_OK)
        st = store_folder_find(tx, arena, account_id, from, &folder);
    if (st == ST_OK && store_folder_find(tx, arena, account_id, to, &other) == ST_OK)
        st = ST_EXISTS;
    if (st == ST_OK && is_below(to, folder.name))
        st = ST_INVALID;
    if (st != ST_OK)
        return st;
    if (slice_eq(folder.name, inbox))
        return rename_inbox(tx, &folder, &target);
    st = add_parents(tx, account_id, &target);
    if (st == ST_OK)
        st = store_folder_list(tx, arena, account_id, &all, &count);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (slice_eq(all[i].name, folder.name) || is_below(all[i].name, folder.name))
            st = rename_one(tx, &all[i], folder.name.len, to);
    store_touch(tx, account_id, 0);
    return st;
}

enum st store_folder_subscribe(struct store_tx *tx, int64_t account_id, struct slice name, bool on)
{
    name = canonical(store_tx_arena(tx), name);
    enum st st = store_folder_name_check(name);

    if (st == ST_OK)
        st = store_exec(tx, on ? S_SUBSCRIPTION_ADD : S_SUBSCRIPTION_DELETE, NULL, SV_I(account_id),
                        SV_T(name));
    store_touch(tx, account_id, 0);
    return st;
}

enum st store_folder_subscriptions(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                   struct slice **names_r, size_t *count_r)
{
    struct store_rows *rows = store_rows_open(tx, S_SUBSCRIPTION_LIST, SV_I(account_id));
    struct slice *names = NULL;
    size_t count = 0;
    size_t cap = 0;

    while (store_rows_next(rows)) {
        if (count == cap)
            names = arena_grow(arena, names, count, &cap, sizeof(*names));
        names[count++] = arena_copy(arena, store_rows_bytes(rows, 0));
    }
    if (count > 0)
        qsort(names, count, sizeof(*names), name_cmp);
    *names_r = names;
    *count_r = count;
    return store_rows_close(&rows);
}

enum st store_folder_status(struct store_tx *tx, const struct store_folder *folder,
                            struct store_folder_status *status_r)
{
    struct store_rows *rows =
        store_rows_open(tx, S_FOLDER_STATUS, SV_I(folder->folder_id), SV_I(folder->recent_uid));

    *status_r = (struct store_folder_status){0};
    if (store_rows_next(rows))
        *status_r = (struct store_folder_status){.messages = (uint64_t)store_rows_i64(rows, 0),
                                                 .recent = (uint64_t)store_rows_i64(rows, 1),
                                                 .unseen = (uint64_t)store_rows_i64(rows, 2),
                                                 .bytes = (uint64_t)store_rows_i64(rows, 3)};
    return store_rows_close(&rows);
}

enum st store_folder_recent_set(struct store_tx *tx, int64_t folder_id, uint32_t uid)
{
    return store_exec(tx, S_FOLDER_RECENT, NULL, SV_I(folder_id), SV_I(uid));
}
