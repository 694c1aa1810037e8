#include "store/store_view.h"

#include "base/arena.h"
#include "base/mem.h"
#include "log/log.h"
#include "store/store_engine.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define PART_ENTRIES 512
#define ARENA_BYTES_MAX (1 * GIB)

/* A run of entries, shared by all versions in which it is the same. */
struct part {
    atomic_int refs;
    uint32_t count;
    struct view_entry entries[PART_ENTRIES];
};

struct view {
    atomic_int refs;
    struct view_folder *folder;
    uint64_t modseq;
    uint32_t uidnext;
    uint32_t uidvalidity;
    uint32_t count;
    bool gone;
    uint32_t part_count;
    struct part_ref {
        struct part *part;
        uint32_t before; /* entries in the parts before it */
    } parts[];
};

/* What is held of a folder while any version of it is. */
struct view_folder {
    UT_hash_handle hh;
    int64_t folder_id;
    int64_t account_id;
    uint32_t views;                /* versions alive; under store_views' lock */
    atomic_ullong stale;           /* grows with each change that was told */
    atomic_ullong fresh;           /* what stale was when latest was read; written under lock */
    _Atomic(struct view *) latest; /* holds no reference of its own; written under lock */
    pthread_mutex_t lock;          /* one reader of changes at a time */
    struct store_views *owner;
};

struct store_views {
    pthread_mutex_t lock;
    struct view_folder *folders;
};

struct store_views *store_views_new(void)
{
    struct store_views *views = mem_new(struct store_views);

    pthread_mutex_init(&views->lock, NULL);
    return views;
}

void store_views_free(struct store_views **views)
{
    if (*views == NULL)
        return;
    assert((*views)->folders == NULL);
    mem_free(*views);
    *views = NULL;
}

void store_views_stale(struct store_views *views, int64_t folder_id)
{
    struct view_folder *folder;

    pthread_mutex_lock(&views->lock);
    HASH_FIND(hh, views->folders, &folder_id, sizeof(folder_id), folder);
    if (folder != NULL)
        atomic_fetch_add(&folder->stale, 1);
    pthread_mutex_unlock(&views->lock);
}

void store_views_all_stale(struct store_views *views)
{
    pthread_mutex_lock(&views->lock);
    for (struct view_folder *f = views->folders; f != NULL; f = f->hh.next)
        atomic_fetch_add(&f->stale, 1);
    pthread_mutex_unlock(&views->lock);
}

/* --- references --- */

static void part_unref(struct part *part)
{
    if (atomic_fetch_sub(&part->refs, 1) == 1)
        mem_free(part);
}

struct view *view_ref(struct view *view)
{
    atomic_fetch_add(&view->refs, 1);
    return view;
}

static void folder_free(struct view_folder *folder)
{
    pthread_mutex_destroy(&folder->lock);
    mem_free(folder);
}

/* The folder's entry, with one more version promised; made where there is none. */
static struct view_folder *folder_hold(struct store_views *views, int64_t account_id,
                                       int64_t folder_id)
{
    struct view_folder *folder;

    pthread_mutex_lock(&views->lock);
    HASH_FIND(hh, views->folders, &folder_id, sizeof(folder_id), folder);
    if (folder == NULL) {
        folder = mem_new(struct view_folder);
        folder->folder_id = folder_id;
        folder->account_id = account_id;
        folder->owner = views;
        pthread_mutex_init(&folder->lock, NULL);
        HASH_ADD(hh, views->folders, folder_id, sizeof(folder_id), folder);
    }
    folder->views++;
    pthread_mutex_unlock(&views->lock);
    return folder;
}

static void folder_drop(struct view_folder *folder)
{
    struct store_views *views = folder->owner;

    pthread_mutex_lock(&views->lock);
    bool last = --folder->views == 0;
    if (last)
        HASH_DEL(views->folders, folder);
    pthread_mutex_unlock(&views->lock);
    if (last)
        folder_free(folder);
}

static void view_free(struct view *view)
{
    for (uint32_t i = 0; i < view->part_count; i++)
        part_unref(view->parts[i].part);
    mem_free(view);
    count_add(COUNT_VIEWS, -1);
}

/* latest holds no reference, so the last unref and a reader that takes a new one exclude each other
 * by the folder's lock. */
void view_unref(struct view **view_ptr)
{
    struct view *view = *view_ptr;
    struct view_folder *folder;
    bool last;

    *view_ptr = NULL;
    if (view == NULL)
        return;
    folder = view->folder;
    pthread_mutex_lock(&folder->lock);
    last = atomic_fetch_sub(&view->refs, 1) == 1;
    if (last && folder->latest == view)
        folder->latest = NULL;
    pthread_mutex_unlock(&folder->lock);
    if (!last)
        return;
    view_free(view);
    folder_drop(folder);
}

/* --- looking --- */

uint32_t view_count(const struct view *view)
{
    return view->count;
}

uint64_t view_modseq(const struct view *view)
{
    return view->modseq;
}

uint32_t view_uidnext(const struct view *view)
{
    return view->uidnext;
}

uint32_t view_uidvalidity(const struct view *view)
{
    return view->uidvalidity;
}

bool view_folder_gone(const struct view *view)
{
    return view->gone;
}

const struct view_entry *view_at(const struct view *view, uint32_t seqno)
{
    uint32_t low = 0;
    uint32_t high = view->part_count;

    assert(seqno >= 1 && seqno <= view->count);
    while (high - low > 1) { /* the last part with before < seqno */
        uint32_t mid = low + (high - low) / 2;
        if (view->parts[mid].before < seqno)
            low = mid;
        else
            high = mid;
    }
    return &view->parts[low].part->entries[seqno - 1 - view->parts[low].before];
}

uint32_t view_lower_bound(const struct view *view, uint32_t uid)
{
    uint32_t low = 1;
    uint32_t high = view->count + 1;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (view_at(view, mid)->uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

uint32_t view_seqno(const struct view *view, uint32_t uid)
{
    uint32_t seqno = view_lower_bound(view, uid);

    return seqno <= view->count && view_at(view, seqno)->uid == uid ? seqno : 0;
}

/* --- the difference of two versions --- */

struct cursor {
    const struct view *view;
    uint32_t part;
    uint32_t at; /* in the part */
};

static const struct view_entry *cursor_entry(const struct cursor *c)
{
    return c->part < c->view->part_count ? &c->view->parts[c->part].part->entries[c->at] : NULL;
}

static uint32_t cursor_seqno(const struct cursor *c)
{
    return c->view->parts[c->part].before + c->at + 1;
}

static void cursor_step(struct cursor *c)
{
    if (++c->at == c->view->parts[c->part].part->count) {
        c->part++;
        c->at = 0;
    }
}

static bool skip_shared(struct cursor *a, struct cursor *b)
{
    if (a->at != 0 || b->at != 0 || a->part >= a->view->part_count ||
        b->part >= b->view->part_count ||
        a->view->parts[a->part].part != b->view->parts[b->part].part)
        return false;
    a->part++;
    b->part++;
    return true;
}

void view_diff(const struct view *older, const struct view *newer, const struct view_diff_fns *fns,
               void *ctx)
{
    struct cursor a = {.view = older};
    struct cursor b = {.view = newer};

    for (;;) {
        if (skip_shared(&a, &b))
            continue;
        const struct view_entry *old_entry = cursor_entry(&a);
        const struct view_entry *new_entry = cursor_entry(&b);

        if (old_entry == NULL && new_entry == NULL)
            return;
        if (new_entry == NULL || (old_entry != NULL && old_entry->uid < new_entry->uid)) {
            if (fns->expunged != NULL)
                fns->expunged(ctx, cursor_seqno(&a), old_entry);
            cursor_step(&a);
        } else if (old_entry == NULL || new_entry->uid < old_entry->uid) {
            if (fns->added != NULL)
                fns->added(ctx, cursor_seqno(&b), new_entry);
            cursor_step(&b);
        } else {
            bool differs =
                old_entry->flags != new_entry->flags || old_entry->modseq != new_entry->modseq;
            if (differs && fns->changed != NULL)
                fns->changed(ctx, cursor_seqno(&b), new_entry);
            cursor_step(&a);
            cursor_step(&b);
        }
    }
}

/* --- making versions --- */

/* What changed since a version, by UID; flags and modseq of a gone one do not matter. */
struct change {
    struct view_entry entry;
    bool gone;
};

struct reading {
    struct arena *arena;
    struct view_folder *folder;
    uint64_t since;
    bool from_scratch;
    struct store_folder row;
    struct change *changes;
    size_t count;
    size_t cap;
};

static struct change *add_change(struct reading *reading, uint32_t uid)
{
    if (reading->count == reading->cap)
        reading->changes = arena_grow(reading->arena, reading->changes, reading->count,
                                      &reading->cap, sizeof(*reading->changes));
    /* A body that runs again finds what its first run left here. */
    reading->changes[reading->count] = (struct change){.entry = {.uid = uid}};
    return &reading->changes[reading->count++];
}

static enum st note_change(void *ctx, const struct store_message *message)
{
    struct change *change = add_change(ctx, message->uid);

    change->entry.flags = message->flags;
    change->entry.modseq = message->modseq;
    return ST_OK;
}

static enum st note_gone(void *ctx, const struct store_message *message)
{
    add_change(ctx, message->uid)->gone = true;
    return ST_OK;
}

static enum st read_all(struct store_tx *tx, struct reading *reading)
{
    struct store_rows *rows =
        store_rows_open(tx, S_MESSAGE_VIEW, SV_I(reading->folder->folder_id), SV_I(0));

    while (store_rows_next(rows)) {
        struct change *change = add_change(reading, (uint32_t)store_rows_i64(rows, 0));
        change->entry.flags = (uint64_t)store_rows_i64(rows, 1);
        change->entry.modseq = (uint64_t)store_rows_i64(rows, 2);
    }
    return store_rows_close(&rows);
}

static enum st read_changes(struct store_tx *tx, void *arg)
{
    struct reading *reading = arg;
    int64_t folder_id = reading->folder->folder_id;

    reading->count = 0;
    enum st st = store_folder_get(tx, reading->arena, folder_id, &reading->row);
    if (st != ST_OK || (!reading->from_scratch && reading->row.modseq == reading->since))
        return st;
    if (reading->from_scratch)
        return read_all(tx, reading);
    st = store_message_changed(tx, folder_id, reading->since, note_change, reading);
    return st != ST_OK ? st : store_message_gone(tx, folder_id, reading->since, note_gone, reading);
}

static int change_cmp(const void *a, const void *b)
{
    const struct change *x = a;
    const struct change *y = b;

    return (x->entry.uid > y->entry.uid) - (x->entry.uid < y->entry.uid);
}

/* A version in the making. */
struct making {
    struct view *view;
    uint32_t part_cap;
    struct part *open; /* the part that entries are added to; not in view->parts yet */
};

static void put_part(struct making *making, struct part *part)
{
    if (making->view->part_count == making->part_cap) {
        making->part_cap = making->part_cap == 0 ? 2 : 2 * making->part_cap;
        making->view = mem_grow(making->view, 1,
                                sizeof(struct view) + making->part_cap * sizeof(struct part_ref));
    }
    making->view->parts[making->view->part_count++] = (struct part_ref){part, making->view->count};
    making->view->count += part->count;
}

static void close_part(struct making *making)
{
    struct part *part = making->open;

    making->open = NULL;
    if (part == NULL)
        return;
    /* Most folders are small: no part is larger than what it holds. */
    part =
        mem_grow(part, 1, offsetof(struct part, entries) + part->count * sizeof(struct view_entry));
    put_part(making, part);
}

static void put_entry(struct making *making, const struct view_entry *entry)
{
    if (making->open != NULL && making->open->count == PART_ENTRIES)
        close_part(making);
    if (making->open == NULL) {
        making->open = mem_new(struct part);
        making->open->refs = 1;
    }
    making->open->entries[making->open->count++] = *entry;
}

static uint32_t last_uid(const struct part *part)
{
    return part->entries[part->count - 1].uid;
}

/* The older part with the changes that fall into it; new UIDs beyond it too where it is the last.
 */
static size_t merge_part(struct making *making, const struct part *part, bool last,
                         const struct reading *reading, size_t at)
{
    uint32_t i = 0;

    while (i < part->count ||
           (at < reading->count && (last || reading->changes[at].entry.uid <= last_uid(part)))) {
        const struct change *change = at < reading->count ? &reading->changes[at] : NULL;
        const struct view_entry *old_entry = i < part->count ? &part->entries[i] : NULL;

        if (change == NULL || (old_entry != NULL && old_entry->uid < change->entry.uid)) {
            put_entry(making, old_entry);
            i++;
            continue;
        }
        if (old_entry != NULL && old_entry->uid == change->entry.uid)
            i++;
        if (!change->gone)
            put_entry(making, &change->entry);
        at++;
    }
    return at;
}

static void merge(struct making *making, const struct view *older, const struct reading *reading)
{
    size_t at = 0;
    uint32_t part_count = older != NULL ? older->part_count : 0;

    for (uint32_t i = 0; i < part_count; i++) {
        struct part *part = older->parts[i].part;
        bool last = i + 1 == part_count;
        bool touched =
            at < reading->count && (last || reading->changes[at].entry.uid <= last_uid(part));

        if (!touched) {
            close_part(making);
            atomic_fetch_add(&part->refs, 1);
            put_part(making, part);
            continue;
        }
        /* A full last part stays as it is when messages are only added behind it. */
        if (last && part->count == PART_ENTRIES &&
            reading->changes[at].entry.uid > last_uid(part)) {
            atomic_fetch_add(&part->refs, 1);
            close_part(making);
            put_part(making, part);
            break;
        }
        at = merge_part(making, part, last, reading, at);
    }
    for (; at < reading->count; at++)
        if (!reading->changes[at].gone)
            put_entry(making, &reading->changes[at].entry);
    close_part(making);
}

static struct view *make_view(struct view_folder *folder, const struct view *older,
                              struct reading *reading)
{
    struct making making = {.view = mem_new(struct view)};

    if (reading->count > 1)
        qsort(reading->changes, reading->count, sizeof(*reading->changes), change_cmp);
    making.view->refs = 1;
    making.view->folder = folder;
    making.view->modseq = reading->row.modseq;
    making.view->uidnext = reading->row.uidnext;
    making.view->uidvalidity = reading->row.uidvalidity;
    merge(&making, reading->from_scratch ? NULL : older, reading);
    count_add(COUNT_VIEWS, 1);
    return making.view;
}

/* The folder was removed: the last version goes on, marked. */
static struct view *make_gone(struct view_folder *folder, const struct view *older)
{
    struct making making = {.view = mem_new(struct view)};
    struct reading nothing = {.count = 0};

    making.view->refs = 1;
    making.view->folder = folder;
    making.view->modseq = older->modseq;
    making.view->uidnext = older->uidnext;
    making.view->uidvalidity = older->uidvalidity;
    making.view->gone = true;
    merge(&making, older, &nothing);
    count_add(COUNT_VIEWS, 1);
    return making.view;
}

/* Under folder->lock. older: a version to build on, or NULL. */
static enum st refresh(struct store *store, struct view_folder *folder, struct view *older,
                       struct view **view_r)
{
    struct reading reading = {.folder = folder, .from_scratch = older == NULL};
    uint64_t stale = atomic_load(&folder->stale);

    reading.arena = arena_new("view", ARENA_BYTES_MAX);
    reading.since = older != NULL ? older->modseq : 0;
    enum st st = store_read(store, read_changes, &reading);
    if (st == ST_OK && older != NULL && reading.row.modseq == older->modseq) {
        *view_r = view_ref(older);
    } else if (st == ST_OK) {
        *view_r = make_view(folder, older, &reading);
    } else if (st == ST_NOT_FOUND && older != NULL) {
        *view_r = older->gone ? view_ref(older) : make_gone(folder, older);
        st = ST_OK;
    }
    if (st == ST_OK) {
        folder->latest = *view_r;
        folder->fresh = stale;
    }
    arena_free(&reading.arena);
    return st;
}

enum st view_open(struct store *store, int64_t account_id, int64_t folder_id, struct view **view_r)
{
    struct view_folder *folder = folder_hold(store->views, account_id, folder_id);
    struct view *older;

    *view_r = NULL;
    pthread_mutex_lock(&folder->lock);
    older = folder->latest;
    enum st st = ST_OK;
    if (older != NULL && !older->gone && folder->fresh == atomic_load(&folder->stale) &&
        !store_is_shared(store))
        *view_r = view_ref(older);
    else
        st = refresh(store, folder, older, view_r);
    bool is_new = *view_r != NULL && *view_r != older;
    bool gone = *view_r != NULL && (*view_r)->gone;
    pthread_mutex_unlock(&folder->lock);
    if (!is_new) /* the version counted its folder in when it was made */
        folder_drop(folder);
    if (gone) {
        view_unref(view_r);
        return ST_NOT_FOUND;
    }
    return st;
}

enum st view_latest(struct store *store, struct view *view, struct view **newer_r)
{
    struct view_folder *folder = view->folder;
    enum st st = ST_OK;

    /* fresh is looked at before latest, since refresh() sets it after: otherwise a version that a
     * refresh replaces in between would pass for the newest, and an IDLE client miss its wake. */
    if (folder->fresh == atomic_load(&folder->stale) && folder->latest == view) {
        *newer_r = view_ref(view);
        return ST_OK;
    }
    (void)folder_hold(folder->owner, folder->account_id, folder->folder_id);
    pthread_mutex_lock(&folder->lock);
    struct view *latest = folder->latest;
    if (latest != NULL && folder->fresh == atomic_load(&folder->stale))
        *newer_r = view_ref(latest);
    else
        st = refresh(store, folder, latest != NULL ? latest : view, newer_r);
    bool is_new = st == ST_OK && *newer_r != latest && *newer_r != view;
    pthread_mutex_unlock(&folder->lock);
    if (!is_new)
        folder_drop(folder);
    return st;
}
