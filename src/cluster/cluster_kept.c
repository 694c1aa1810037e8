#include "cluster/cluster_kept.h"

#include "base/mem.h"
#include "cluster/cluster_domain.h"
#include "cluster/cluster_journal.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define MOVE_AFTER_MS (2 * SEC_MS)

/* Whose copies they are. Kept to the end. */
struct owner {
    struct owner *next;
    char name[CLUSTER_NAME_BYTES_MAX + 1];
    struct cluster_copy_in *copies; /* by guid, those not in the store */
    bool looked;                    /* what follows is known */
    bool stored;                    /* the store may have copies of it */
    bool taken;                     /* some of its copies were taken over, and it does not know */
};

struct cluster_kept {
    struct store *store;
    char path[CLUSTER_PATH_BYTES];
    pthread_mutex_t lock; /* also while something is made durable */
    struct cluster_journal *journal;
    bool without; /* it could not be opened, or it failed */
    struct owner *owners;
    struct cluster_incoming *list; /* what is in the journal and not in the store, oldest first */
};

struct cluster_kept *cluster_kept_new(struct store *store, const char *path)
{
    struct cluster_kept *kept = mem_new(struct cluster_kept);

    kept->store = store;
    snprintf(kept->path, sizeof(kept->path), "%s", path);
    pthread_mutex_init(&kept->lock, NULL);
    return kept;
}

static struct owner *owner_of(struct cluster_kept *kept, const char *name)
{
    struct owner *owner = kept->owners;

    while (owner != NULL && strcmp(owner->name, name) != 0)
        owner = owner->next;
    if (owner != NULL)
        return owner;
    owner = mem_new(struct owner);
    snprintf(owner->name, sizeof(owner->name), "%s", name);
    owner->next = kept->owners;
    kept->owners = owner;
    return owner;
}

static enum st look(struct store_tx *tx, void *arg)
{
    struct owner *owner = arg;
    enum st st = store_shadow_has(tx, slice_str(owner->name), &owner->stored, &owner->taken);

    owner->looked = st == ST_OK;
    return st;
}

/* --- in memory: what is in the journal --- */

static void release(struct cluster_kept *kept, struct cluster_incoming *copies)
{
    DL_DELETE(kept->list, copies);
    cluster_incoming_free(&copies);
}

static void drop(struct cluster_kept *kept, struct owner *owner, struct cluster_copy_in *copy,
                 const struct cluster_incoming *now)
{
    HASH_DEL(owner->copies, copy);
    cluster_incoming_drop(copy);
    copy->gone = true;
    copy->of->live--;
    if (copy->of->live == 0 && copy->of != now)
        release(kept, copy->of);
}

/* The recipient is done with. Whether he was the last one. */
static bool remove_rcpt(struct cluster_copy_in *copy, uint64_t rcpt_no)
{
    for (size_t i = 0; i < copy->count; i++) {
        if ((uint64_t)copy->rcpts[i].rcpt_no != rcpt_no)
            continue;
        memmove(&copy->rcpts[i], &copy->rcpts[i + 1],
                (copy->count - i - 1) * sizeof(copy->rcpts[0]));
        copy->count--;
        return copy->count == 0;
    }
    return false;
}

/* What was done: of copies here at once, of those in the store when they are next moved. */
static void finish(struct cluster_kept *kept, struct owner *owner, struct cluster_incoming *copies)
{
    struct cluster_finished **at = &copies->finished;

    while (*at != NULL) {
        struct cluster_finished *done = *at;
        struct cluster_copy_in *copy;

        HASH_FIND(hh, owner->copies, done->guid.ptr, done->guid.len, copy);
        done->last = copy != NULL && done->rcpt_no != 0 && remove_rcpt(copy, done->rcpt_no);
        if (copy != NULL && (done->rcpt_no == 0 || done->last))
            drop(kept, owner, copy, copies);
        if (owner->stored || owner->taken) {
            copies->live++;
            at = &(*at)->next;
        } else {
            *at = done->next;
        }
    }
    copies->finished_tail = at;
}

static void keep(struct cluster_kept *kept, struct owner *owner, struct cluster_incoming *copies)
{
    DL_APPEND(kept->list, copies);
    copies->kept_ms = sys_mono_ms();
    buf_fini(&copies->raw);
    for (struct cluster_copy_in *copy = copies->first; copy != NULL; copy = copy->next) {
        struct cluster_copy_in *before;

        HASH_FIND_STR(owner->copies, copy->envelope.guid, before);
        if (before != NULL)
            drop(kept, owner, before, copies);
        HASH_ADD_STR(owner->copies, envelope.guid, copy);
        copies->live++;
    }
    finish(kept, owner, copies);
    if (copies->live == 0)
        release(kept, copies);
}

/* --- into the store --- */

static enum st look_at_owners(struct store_tx *tx, const struct cluster_kept *kept)
{
    enum st st = ST_OK;

    for (struct owner *owner = kept->owners; st == ST_OK && owner != NULL; owner = owner->next)
        st = look(tx, owner);
    return st;
}

static enum st move_body(struct store_tx *tx, void *arg)
{
    struct cluster_kept *kept = arg;
    enum st st = ST_OK;

    for (struct cluster_incoming *copies = kept->list; st == ST_OK && copies != NULL;
         copies = copies->next)
        st = cluster_incoming_store(tx, copies);
    return st == ST_OK ? look_at_owners(tx, kept) : st;
}

/* Lock held. */
static enum st move(struct cluster_kept *kept)
{
    enum st st = kept->list == NULL ? ST_OK : store_write(kept->store, move_body, kept);

    if (st != ST_OK) { /* what was looked at may have been undone */
        for (struct owner *owner = kept->owners; owner != NULL; owner = owner->next)
            owner->looked = false;
        return st;
    }
    for (struct owner *owner = kept->owners; owner != NULL; owner = owner->next)
        HASH_CLEAR(hh, owner->copies);
    while (kept->list != NULL) {
        cluster_incoming_stored(kept->list);
        release(kept, kept->list);
    }
    if (kept->journal != NULL)
        cluster_journal_anew(kept->journal);
    return ST_OK;
}

/* It cannot be written: everything goes into the store from now on. */
static enum st give_up_journal(struct cluster_kept *kept)
{
    cluster_journal_free(&kept->journal);
    kept->without = true;
    log_event(EV_STORE_FAILED, 0, LOG_C("what", "the journal of copies"),
              LOG_C("path", kept->path));
    return unlink(kept->path) == 0 ? ST_OK : ST_IO;
}

struct direct {
    struct cluster_kept *kept;
    struct cluster_incoming *copies;
};

static enum st direct_body(struct store_tx *tx, void *arg)
{
    const struct direct *direct = arg;
    enum st st = cluster_incoming_store(tx, direct->copies);

    return st == ST_OK ? look_at_owners(tx, direct->kept) : st;
}

/* Straight into the store, behind all that came before. What the journal held may not come back
 * then: it would be older. */
static enum st save_direct(struct cluster_kept *kept, struct cluster_incoming *copies,
                           struct buf *refused)
{
    struct direct direct = {kept, copies};
    enum st st = move(kept);

    if (st == ST_OK && kept->journal != NULL && cluster_journal_clear(kept->journal) != ST_OK)
        st = give_up_journal(kept);
    if (st == ST_OK)
        st = store_write(kept->store, direct_body, &direct);
    if (st != ST_OK)
        return st;
    cluster_incoming_stored(copies);
    for (const struct cluster_copy_in *copy = copies->first; copy != NULL; copy = copy->next)
        if (copy->refused)
            buf_putf(refused, "%s\n", copy->envelope.guid);
    return ST_OK;
}

static enum st append(struct cluster_kept *kept, const struct cluster_incoming *copies)
{
    struct slice owner = slice_str(copies->owner);
    enum st st = cluster_journal_append(kept->journal, owner, buf_slice(&copies->raw));

    if (st == ST_FULL && move(kept) == ST_OK)
        st = cluster_journal_append(kept->journal, owner, buf_slice(&copies->raw));
    return st;
}

static void open_journal(struct cluster_kept *kept)
{
    if (kept->journal != NULL || kept->without || store_is_shared(kept->store))
        return;
    kept->journal = cluster_journal_new(kept->path);
    kept->without = kept->journal == NULL;
}

/* Lock held. *copies is NULL where it is kept here. */
static enum st save(struct cluster_kept *kept, struct cluster_incoming **copies,
                    struct buf *refused)
{
    struct owner *owner = owner_of(kept, (*copies)->owner);
    enum st st = owner->looked ? ST_OK : store_read(kept->store, look, owner);

    if (st != ST_OK)
        return st;
    open_journal(kept);
    if (kept->journal == NULL || owner->taken || (*copies)->raw.over)
        return save_direct(kept, *copies, refused);
    st = append(kept, *copies);
    if (st != ST_OK)
        return save_direct(kept, *copies, refused);
    keep(kept, owner, *copies);
    *copies = NULL;
    return ST_OK;
}

enum st cluster_kept_save(struct cluster_kept *kept, struct cluster_incoming **copies,
                          struct buf *refused)
{
    size_t count = (*copies)->count;
    enum st st = ST_OK;

    /* No net_block_begin(): it would wake a thread for each short write. */
    pthread_mutex_lock(&kept->lock);
    if ((*copies)->first != NULL || (*copies)->finished != NULL)
        st = save(kept, copies, refused);
    pthread_mutex_unlock(&kept->lock);
    cluster_incoming_free(copies);
    if (st == ST_OK)
        count_add(COUNT_SHADOWS_KEPT, count - refused->len / (CLUSTER_GUID_BYTES + 1));
    return st;
}

enum st cluster_kept_move(struct cluster_kept *kept)
{
    pthread_mutex_lock(&kept->lock);
    enum st st = move(kept);
    for (struct owner *owner = kept->owners; owner != NULL; owner = owner->next)
        owner->looked = false; /* its copies may be taken over before it is back */
    pthread_mutex_unlock(&kept->lock);
    return st;
}

void cluster_kept_tick(struct cluster_kept *kept, uint64_t now_ms)
{
    pthread_mutex_lock(&kept->lock);
    if (kept->list != NULL && now_ms - kept->list->kept_ms >= MOVE_AFTER_MS)
        (void)!move(kept);
    pthread_mutex_unlock(&kept->lock);
}

/* --- after a death --- */

static enum st recover_one(void *ctx, struct slice name, struct slice bytes)
{
    struct cluster_kept *kept = ctx;
    struct cluster_incoming *copies = cluster_incoming_new(kept->store, name);
    struct owner *owner = owner_of(kept, copies->owner);
    enum st st = ST_OK;

    owner->stored = true; /* for all we know */
    while (st == ST_OK && bytes.len > 0) {
        struct cluster_frame frame;
        size_t used = 0;

        st = cluster_frame_read(bytes, CLUSTER_FRAME_BYTES_MAX, &frame, &used);
        if (st == ST_OK)
            st = cluster_incoming_take(copies, &frame, slice_sub(bytes, 0, used));
        bytes = slice_sub(bytes, used, bytes.len);
    }
    if (st == ST_OK)
        st = cluster_incoming_end(copies);
    if (st == ST_OK)
        keep(kept, owner, copies);
    else
        cluster_incoming_free(&copies);
    return st;
}

enum st cluster_kept_recover(struct cluster_kept *kept)
{
    pthread_mutex_lock(&kept->lock);
    enum st st = cluster_journal_each(kept->path, recover_one, kept);
    if (st == ST_OK)
        st = move(kept);
    pthread_mutex_unlock(&kept->lock);
    return st;
}

void cluster_kept_free(struct cluster_kept **kept)
{
    struct cluster_kept *gone = *kept;

    if (gone == NULL)
        return;
    *kept = NULL;
    if (move(gone) == ST_OK && gone->journal != NULL)
        (void)!cluster_journal_clear(gone->journal);
    for (struct owner *owner = gone->owners; owner != NULL; owner = owner->next)
        HASH_CLEAR(hh, owner->copies);
    while (gone->list != NULL)
        release(gone, gone->list);
    while (gone->owners != NULL) {
        struct owner *owner = gone->owners;

        gone->owners = owner->next;
        mem_free(owner);
    }
    cluster_journal_free(&gone->journal);
    pthread_mutex_destroy(&gone->lock);
    mem_free(gone);
}
