#include "imap/imap_list.h"

#include "base/arena.h"
#include "base/slice.h"
#include "imap/imap_match.h"
#include "imap/imap_status.h"
#include "imap/imap_utf7.h"
#include "store/store_folder.h"

#include <stdlib.h>
#include <string.h>

#define OUT_BYTES_MAX (64 * MIB)
#define PATTERN_BYTES_MAX 2000

/* A name that is a folder, or subscribed, or only leads to such. */
struct entry {
    struct slice name;
    const struct store_folder *folder; /* NULL: no such folder */
    bool subscribed;
    bool children;         /* something lies below it */
    bool subscribed_below; /* something subscribed does */
};

struct listing {
    struct imap_session *session;
    const struct imap_list *list;
    struct arena *arena;
    struct imap_slices patterns; /* with the reference before them */
    struct entry *entries;       /* in the byte order of their names */
    size_t count;
    size_t cap;
    struct buf out;
};

static void entry_add(struct listing *l, struct entry entry)
{
    if (l->count == l->cap) {
        struct entry *more = arena_many(l->arena, struct entry, l->cap * 2 + 64);

        if (l->count > 0)
            memcpy(more, l->entries, l->count * sizeof(*more));
        l->entries = more;
        l->cap = l->cap * 2 + 64;
    }
    l->entries[l->count++] = entry;
}

static int entry_cmp(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;

    return slice_cmp(left->name, right->name);
}

/* Sorts, and makes one of entries with the same name. */
static void entries_join(struct listing *l)
{
    size_t used = 0;

    if (l->count > 0)
        qsort(l->entries, l->count, sizeof(l->entries[0]), entry_cmp);
    for (size_t i = 0; i < l->count; i++) {
        struct entry *last = used > 0 ? &l->entries[used - 1] : NULL;

        if (last == NULL || !slice_eq(last->name, l->entries[i].name)) {
            l->entries[used++] = l->entries[i];
            continue;
        }
        if (last->folder == NULL)
            last->folder = l->entries[i].folder;
        last->subscribed |= l->entries[i].subscribed;
        last->children |= l->entries[i].children;
        last->subscribed_below |= l->entries[i].subscribed_below;
    }
    l->count = used;
}

/* For every name the names above it, which then know what lies below them. */
static void add_parents(struct listing *l)
{
    size_t count = l->count;

    for (size_t i = 0; i < count; i++)
        for (size_t len = l->entries[i].name.len; len > 1; len--) {
            if (l->entries[i].name.ptr[len - 1] != STORE_FOLDER_SEPARATOR)
                continue;
            entry_add(l, (struct entry){
                             .name = slice_sub(l->entries[i].name, 0, len - 1),
                             .children = l->entries[i].folder != NULL,
                             .subscribed_below = l->entries[i].subscribed,
                         });
        }
    entries_join(l);
}

static enum st gather(struct store_tx *tx, struct listing *l)
{
    int64_t account_id = l->session->account_id;
    struct store_folder *folders;
    struct slice *names;
    size_t folder_count;
    size_t name_count;
    enum st st = store_folder_list(tx, l->arena, account_id, &folders, &folder_count);

    if (st == ST_OK)
        st = store_folder_subscriptions(tx, l->arena, account_id, &names, &name_count);
    if (st != ST_OK)
        return st;
    l->count = 0;
    for (size_t i = 0; i < folder_count; i++)
        entry_add(l, (struct entry){.name = folders[i].name, .folder = &folders[i]});
    for (size_t i = 0; i < name_count; i++)
        entry_add(l, (struct entry){.name = names[i], .subscribed = true});
    entries_join(l);
    add_parents(l);
    return ST_OK;
}

static bool matches(const struct listing *l, struct slice name)
{
    for (size_t i = 0; i < l->patterns.count; i++)
        if (imap_match(l->patterns.items[i], name, STORE_FOLDER_SEPARATOR))
            return true;
    return false;
}

/* Whether the selection options want it. */
static bool selected(const struct imap_list *list, const struct entry *entry)
{
    bool below = (list->select & IMAP_LIST_RECURSIVE) != 0 && entry->subscribed_below;

    if (list->lsub)
        return entry->subscribed || entry->subscribed_below;
    if ((list->select & IMAP_LIST_SPECIAL) != 0 &&
        (entry->folder == NULL || entry->folder->special_use[0] == '\0'))
        return false;
    if ((list->select & IMAP_LIST_SUBSCRIBED) != 0)
        return entry->subscribed || below;
    return entry->folder != NULL || entry->children;
}

static void put_word(struct buf *out, size_t from, const char *word)
{
    if (out->len > from)
        buf_put(out, SLICE(" "));
    buf_put(out, slice_str(word));
}

static void put_attributes(const struct imap_list *list, const struct entry *entry, struct buf *out)
{
    size_t from = out->len;

    if (list->lsub) { /* LSUB's \Noselect: not subscribed itself */
        if (!entry->subscribed || entry->folder == NULL)
            put_word(out, from, "\\Noselect");
        return;
    }
    if (entry->folder == NULL)
        put_word(out, from, list->extended ? "\\NonExistent" : "\\Noselect");
    if (entry->children || entry->folder != NULL)
        put_word(out, from, entry->children ? "\\HasChildren" : "\\HasNoChildren");
    if (entry->subscribed && ((list->select & IMAP_LIST_SUBSCRIBED) != 0 ||
                              (list->returns & IMAP_LIST_TELL_SUBSCRIBED) != 0))
        put_word(out, from, "\\Subscribed");
    if (entry->folder != NULL && entry->folder->special_use[0] != '\0')
        put_word(out, from, entry->folder->special_use);
}

static enum st put_entry(struct store_tx *tx, struct listing *l, const struct entry *entry)
{
    const struct imap_list *list = l->list;

    buf_putf(&l->out, "* %s (", list->lsub ? "LSUB" : "LIST");
    put_attributes(list, entry, &l->out);
    buf_put(&l->out, SLICE(") \"/\" "));
    imap_utf7_write(entry->name, &l->out);
    if ((list->select & IMAP_LIST_RECURSIVE) != 0 && entry->subscribed_below)
        buf_put(&l->out, SLICE(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
    buf_put(&l->out, SLICE("\r\n"));
    if ((list->returns & IMAP_LIST_TELL_STATUS) == 0 || entry->folder == NULL)
        return ST_OK;
    return imap_status_write(tx, entry->folder, list->status, &l->out);
}

/* LSUB "%": a name above a subscribed one is told only where the pattern does not reach further. */
static bool lsub_hides(const struct listing *l, const struct entry *entry)
{
    if (!l->list->lsub || entry->subscribed)
        return false;
    for (size_t i = 0; i < l->patterns.count; i++)
        if (slice_find(l->patterns.items[i], '%') != SIZE_MAX)
            return false;
    return true;
}

static enum st body(struct store_tx *tx, void *arg)
{
    struct listing *l = arg;
    enum st st = gather(tx, l);

    buf_clear(&l->out);
    for (size_t i = 0; i < l->count && st == ST_OK; i++) {
        const struct entry *entry = &l->entries[i];

        if (selected(l->list, entry) && matches(l, entry->name) && !lsub_hides(l, entry))
            st = put_entry(tx, l, entry);
    }
    return st;
}

static void join_reference(struct listing *l)
{
    const struct imap_list *list = l->list;

    l->patterns = list->patterns;
    if (list->reference.len == 0)
        return;
    l->patterns.items = arena_many(l->arena, struct slice, list->patterns.count);
    for (size_t i = 0; i < list->patterns.count; i++) {
        struct slice pattern = list->patterns.items[i];
        char *to = arena_alloc(l->arena, 1, list->reference.len + pattern.len);

        memcpy(to, list->reference.ptr, list->reference.len);
        memcpy(to + list->reference.len, pattern.ptr, pattern.len);
        l->patterns.items[i] = (struct slice){to, list->reference.len + pattern.len};
    }
}

enum st imap_list_run(struct imap_session *session, struct imap_run *run,
                      const struct imap_list *list)
{
    struct listing l = {.session = session, .list = list, .arena = run->arena};
    enum st st;

    /* An empty pattern asks for the separator. */
    if (!list->extended && list->patterns.items[0].len == 0) {
        conn_writef(session->conn, "* %s (\\Noselect) \"/\" \"\"\r\n",
                    list->lsub ? "LSUB" : "LIST");
        return ST_OK;
    }
    join_reference(&l);
    for (size_t i = 0; i < l.patterns.count; i++)
        if (l.patterns.items[i].len > PATTERN_BYTES_MAX)
            return ST_TOO_BIG;
    buf_init(&l.out, OUT_BYTES_MAX);
    st = store_read(imap_store(session), body, &l);
    if (st == ST_OK)
        imap_session_send(session, &l.out);
    buf_fini(&l.out);
    return st;
}
