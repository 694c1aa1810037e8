#include "store/store_account.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"
#include "store/store_message.h"
#include "store/store_uidvalidity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *special_use;
} first_folders[] = {{"INBOX", ""},      {"Archive", "\\Archive"}, {"Drafts", "\\Drafts"},
                     {"Junk", "\\Junk"}, {"Sent", "\\Sent"},       {"Trash", "\\Trash"}};

void store_text_copy(char *out, size_t cap, struct slice text)
{
    snprintf(out, cap, "%.*s", (int)(text.len < cap ? text.len : cap - 1), text.ptr);
}

/* The guid of the n'th of several things made with one. */
void store_guid_derive(const char *guid, unsigned n, char out[STORE_GUID_BYTES])
{
    uint32_t tail = (uint32_t)strtoul(guid + STORE_GUID_BYTES - 9, NULL, 16);

    memcpy(out, guid, STORE_GUID_BYTES);
    snprintf(out + STORE_GUID_BYTES - 9, 9, "%08x", tail + n);
}

static bool name_ok(struct slice name)
{
    return name.len > 0 && name.len <= STORE_NAME_BYTES_MAX && store_text_ok(name, false);
}

enum st store_account_add(struct store_tx *tx, struct slice name, const char *guid, int64_t now_ms,
                          int64_t *account_id_r)
{
    char folder_guid[STORE_GUID_BYTES];
    int64_t folder_id;

    if (!name_ok(name))
        return ST_INVALID;
    enum st st =
        store_get_i64(tx, S_ACCOUNT_ADD, account_id_r, SV_T(name), SV_C(guid), SV_I(now_ms));
    if (st == ST_NOT_FOUND)
        return ST_EXISTS;
    for (size_t i = 0; st == ST_OK && i < COUNT(first_folders); i++) {
        store_guid_derive(guid, (unsigned)i + 1, folder_guid);
        st = store_folder_add(
            tx, *account_id_r,
            &(struct store_new_folder){slice_str(first_folders[i].name), folder_guid,
                                       slice_str(first_folders[i].special_use), now_ms},
            &folder_id);
        if (st == ST_OK)
            st = store_folder_subscribe(tx, *account_id_r, slice_str(first_folders[i].name), true);
    }
    return st;
}

static void read_row(struct store_rows *rows, struct store_account *account)
{
    account->account_id = store_rows_i64(rows, 0);
    store_text_copy(account->guid, sizeof(account->guid), store_rows_bytes(rows, 1));
    store_text_copy(account->name, sizeof(account->name), store_rows_bytes(rows, 2));
    account->modseq = (uint64_t)store_rows_i64(rows, 3);
    account->bytes_used = (uint64_t)store_rows_i64(rows, 4);
    account->message_count = (uint64_t)store_rows_i64(rows, 5);
    account->imap_off = store_rows_i64(rows, 6) != 0;
}

static enum st read_account(struct store_rows *rows, struct store_account *account)
{
    bool found = store_rows_next(rows);

    if (found)
        read_row(rows, account);
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st store_account_each(struct store_tx *tx, store_account_fn *fn, void *ctx)
{
    struct store_rows *rows = store_rows_open(tx, S_ACCOUNT_LIST, SV_NONE);
    struct store_account account;
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        read_row(rows, &account);
        told = fn(ctx, &account);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

/* INBOX is made with the account and never becomes another folder, so what was read once holds as
 * long as the account; who writes to one that is gone learns it from store_account_advance(). */
enum st store_account_inbox(struct store_tx *tx, int64_t account_id, int64_t *folder_id_r)
{
    struct store *store = tx->store;
    struct store_inbox *slot = &store->inboxes[(uint64_t)account_id % STORE_INBOXES];

    pthread_mutex_lock(&store->inbox_lock);
    *folder_id_r = slot->account_id == account_id ? slot->folder_id : 0;
    pthread_mutex_unlock(&store->inbox_lock);
    if (*folder_id_r != 0)
        return ST_OK;
    enum st st = store_get_i64(tx, S_ACCOUNT_INBOX, folder_id_r, SV_I(account_id));
    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&store->inbox_lock);
    *slot = (struct store_inbox){account_id, *folder_id_r};
    pthread_mutex_unlock(&store->inbox_lock);
    return ST_OK;
}

enum st store_account_find(struct store_tx *tx, struct slice name, struct store_account *account_r)
{
    if (!store_text_ok(name, false))
        return ST_NOT_FOUND;
    return read_account(store_rows_open(tx, S_ACCOUNT_BY_NAME, SV_T(name)), account_r);
}

enum st store_account_get(struct store_tx *tx, int64_t account_id, struct store_account *account_r)
{
    return read_account(store_rows_open(tx, S_ACCOUNT_BY_ID, SV_I(account_id)), account_r);
}

enum st store_account_rename(struct store_tx *tx, int64_t account_id, struct slice name)
{
    int64_t changed;
    uint64_t modseq;
    uint64_t bytes_used;

    if (!name_ok(name))
        return ST_INVALID;
    enum st st = store_account_advance(tx, account_id, 0, 0, &modseq, &bytes_used);
    if (st == ST_OK)
        st = store_exec(tx, S_ACCOUNT_RENAME, &changed, SV_I(account_id), SV_T(name));
    return st != ST_OK ? st : changed == 1 ? ST_OK : ST_EXISTS;
}

enum st store_account_imap_set(struct store_tx *tx, int64_t account_id, bool on, int64_t now_ms,
                               bool *changed_r, bool *raised_r)
{
    int64_t changed = 0;
    uint64_t modseq;
    uint64_t bytes_used;
    enum st st = store_account_advance(tx, account_id, 0, 0, &modseq, &bytes_used);

    if (st == ST_OK)
        st = store_exec(tx, S_ACCOUNT_IMAP_OFF, &changed, SV_I(account_id), SV_I(!on));
    *changed_r = changed > 0;
    *raised_r = *changed_r && on && store_root(tx->store) != STORE_ROOT_NONE;
    if (st == ST_OK && *raised_r)
        st = store_uidvalidity_raise(tx, account_id, now_ms);
    store_touch(tx, account_id, STORE_FOLDER_ACCOUNT);
    return st;
}

enum st store_account_remove(struct store_tx *tx, int64_t account_id)
{
    struct arena *arena = store_tx_arena(tx);
    struct store_folder *folders;
    size_t count = 0;
    uint64_t modseq;
    uint64_t bytes_used;
    enum st st = store_account_advance(tx, account_id, 0, 0, &modseq, &bytes_used);

    if (st == ST_OK)
        st = store_folder_list(tx, arena, account_id, &folders, &count);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = store_folder_destroy(tx, &folders[i]);
    if (st == ST_OK)
        st = store_calendar_destroy_all(tx, account_id);
    if (st == ST_OK)
        st = store_exec(tx, S_SUBSCRIPTION_DELETE_ALL, NULL, SV_I(account_id));
    if (st == ST_OK)
        st = store_exec(tx, S_KEYWORD_DELETE_ALL, NULL, SV_I(account_id));
    if (st == ST_OK)
        st = store_exec(tx, S_ACCOUNT_EPOCH_FLOOR, NULL, SV_I(account_id));
    if (st == ST_OK)
        st = store_exec(tx, S_ACCOUNT_DELETE, NULL, SV_I(account_id));
    store_touch(tx, account_id, 0);
    return st;
}

enum st store_account_advance(struct store_tx *tx, int64_t account_id, int64_t bytes,
                              int64_t messages, uint64_t *modseq_r, uint64_t *bytes_used_r)
{
    struct store_rows *rows =
        store_rows_open(tx, S_ACCOUNT_ADVANCE, SV_I(account_id), SV_I(bytes), SV_I(messages));
    bool found = store_rows_next(rows);

    if (found) {
        *modseq_r = (uint64_t)store_rows_i64(rows, 0);
        *bytes_used_r = (uint64_t)store_rows_i64(rows, 1);
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st store_keywords_get(struct store_tx *tx, int64_t account_id,
                           struct store_keywords *keywords_r)
{
    struct store_rows *rows = store_rows_open(tx, S_KEYWORD_LIST, SV_I(account_id));

    memset(keywords_r, 0, sizeof(*keywords_r));
    while (store_rows_next(rows)) {
        int64_t bit = store_rows_i64(rows, 0);
        if (bit >= STORE_KEYWORD_FIRST && bit <= STORE_KEYWORD_MAX)
            store_text_copy(keywords_r->names[bit], sizeof(keywords_r->names[bit]),
                            store_rows_bytes(rows, 1));
    }
    return store_rows_close(&rows);
}

/* The name's bit, or the lowest free one; 0: not there, and none is free. */
static unsigned find_bit(const struct store_keywords *keywords, struct slice name, bool *found_r)
{
    unsigned bit_free = 0;

    *found_r = false;
    for (unsigned bit = STORE_KEYWORD_MAX; bit >= STORE_KEYWORD_FIRST; bit--) {
        if (keywords->names[bit][0] == '\0')
            bit_free = bit;
        if (slice_ieq(slice_str(keywords->names[bit]), name)) {
            *found_r = true;
            return bit;
        }
    }
    return bit_free;
}

enum st store_keyword_add(struct store_tx *tx, int64_t account_id, struct slice name,
                          unsigned *bit_r)
{
    struct store_keywords *keywords = arena_one(store_tx_arena(tx), struct store_keywords);
    uint64_t modseq;
    uint64_t bytes_used;
    bool found;

    if (name.len == 0 || name.len > STORE_KEYWORD_BYTES_MAX)
        return ST_TOO_BIG;
    if (!store_text_ok(name, false))
        return ST_INVALID;
    enum st st = store_keywords_get(tx, account_id, keywords);
    *bit_r = find_bit(keywords, name, &found);
    if (st != ST_OK || found)
        return st;
    /* The account's row is locked and the names are looked at again, so no two servers take one bit
     * or give one name two of them. */
    st = store_account_advance(tx, account_id, 0, 0, &modseq, &bytes_used);
    if (st == ST_OK)
        st = store_keywords_get(tx, account_id, keywords);
    *bit_r = find_bit(keywords, name, &found);
    if (st != ST_OK || found)
        return st;
    if (*bit_r == 0)
        return ST_TOO_BIG;
    return store_exec(tx, S_KEYWORD_ADD, NULL, SV_I(account_id), SV_I(*bit_r), SV_T(name));
}
