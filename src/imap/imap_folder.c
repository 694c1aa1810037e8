#include "imap/imap_folder.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "imap/imap_items.h"
#include "imap/imap_set.h"

#include <inttypes.h>

/* On whatever thread made the change. */
static void changed(void *ctx, int64_t account_id, int64_t folder_id)
{
    struct imap_folder *folder = ctx;

    (void)account_id;
    bool ours = folder_id == folder->folder_id || folder_id == STORE_FOLDER_ANY;

    if (ours && atomic_load(&folder->idle))
        net_wake(folder->net, folder->conn_id);
}

struct keywords_read {
    int64_t account_id;
    struct store_keywords *keywords;
};

static enum st keywords_body(struct store_tx *tx, void *arg)
{
    struct keywords_read *read = arg;

    return store_keywords_get(tx, read->account_id, read->keywords);
}

static enum st learn(struct imap_session *session, struct imap_keywords *keywords, bool *more_r)
{
    struct keywords_read read = {session->account_id, mem_new(struct store_keywords)};
    enum st st = store_read(imap_store(session), keywords_body, &read);

    *more_r = st == ST_OK && imap_keywords_learn(keywords, read.keywords);
    mem_free(read.keywords);
    return st;
}

enum st imap_folder_learn(struct imap_session *session, uint64_t flags)
{
    struct imap_folder *folder = session->folder;
    uint64_t keywords = flags & ~(uint64_t)STORE_SYSTEM_FLAGS;
    bool more = false;
    enum st st = ST_OK;

    if ((keywords & ~folder->keywords.known) != 0)
        st = learn(session, &folder->keywords, &more);
    if (more)
        imap_folder_tell_flags(session);
    return st;
}

enum st imap_folder_open(struct imap_session *session, const struct store_folder *from,
                         bool writable)
{
    struct imap_keywords keywords = {.known = 0};
    struct view *view;
    bool more;
    enum st st = view_open(imap_store(session), session->account_id, from->folder_id, &view);

    if (st == ST_OK)
        st = learn(session, &keywords, &more);
    if (st != ST_OK) {
        view_unref(&view);
        return st;
    }

    struct imap_folder *folder = mem_new(struct imap_folder);
    folder->folder_id = from->folder_id;
    folder->view = view;
    folder->keywords = keywords;
    folder->writable = writable;
    folder->recent_uid = from->recent_uid;
    folder->claimed_uid = writable ? view_uidnext(view) - 1 : UINT32_MAX;
    folder->net = conn_net(session->conn);
    folder->conn_id = conn_id(session->conn);
    folder->watch = store_watch_new(imap_store(session), session->account_id, changed, folder);
    session->folder = folder;
    session->state = IMAP_SELECTED;
    return ST_OK;
}

struct claim {
    int64_t folder_id;
    uint32_t uid;
};

static enum st claim_body(struct store_tx *tx, void *arg)
{
    const struct claim *claim = arg;

    return store_folder_recent_set(tx, claim->folder_id, claim->uid);
}

/* What came while the folder was open is no longer \Recent to others. If that cannot be written,
 * they see it as \Recent once more, which harms nobody. */
static void claim_recent(struct imap_session *session, const struct imap_folder *folder)
{
    struct claim claim = {folder->folder_id, view_uidnext(folder->view) - 1};

    if (folder->writable && claim.uid > folder->claimed_uid && !view_folder_gone(folder->view))
        if (store_write_soon(imap_store(session), claim_body, &claim) != ST_OK)
            return;
}

void imap_folder_close(struct imap_session *session)
{
    struct imap_folder *folder = session->folder;

    if (folder == NULL)
        return;
    store_watch_free(&folder->watch);
    claim_recent(session, folder);
    view_unref(&folder->view);
    imap_keywords_fini(&folder->keywords);
    mem_free(folder);
    session->folder = NULL;
    session->state = IMAP_AUTH;
}

bool imap_folder_writable(const struct imap_folder *folder)
{
    return folder->writable;
}

uint32_t imap_folder_recent_count(const struct imap_folder *folder)
{
    if (folder->recent_uid == UINT32_MAX)
        return 0;
    return view_count(folder->view) + 1 - view_lower_bound(folder->view, folder->recent_uid + 1);
}

void imap_folder_tell_flags(struct imap_session *session)
{
    const struct imap_folder *folder = session->folder;
    uint64_t all = STORE_SYSTEM_FLAGS | folder->keywords.known;
    AUTO(buf) struct buf out = BUF(64 * KIB);

    buf_put(&out, SLICE("* FLAGS "));
    imap_flags_write(&folder->keywords, all, false, &out);
    buf_put(&out, SLICE("\r\n* OK [PERMANENTFLAGS "));
    if (folder->writable) {
        imap_flags_write(&folder->keywords, all, false, &out);
        out.len--; /* the parenthesis moves behind what says that new ones may be made */
        buf_put(&out, SLICE(" \\*)] Flags kept\r\n"));
    } else {
        buf_put(&out, SLICE("()] Read-only\r\n"));
    }
    imap_session_send(session, &out);
}

unsigned imap_folder_entry_items(const struct imap_session *session, bool uid)
{
    unsigned what = IMAP_WANT(FLAGS);

    if (uid || session->qresync)
        what |= IMAP_WANT(UID);
    if (session->condstore)
        what |= IMAP_WANT(MODSEQ);
    return what;
}

void imap_folder_write_entry(const struct imap_session *session, uint32_t seqno,
                             const struct view_entry *entry, unsigned what, struct buf *out)
{
    const struct imap_folder *folder = session->folder;
    const char *gap = "";

    buf_putf(out, "* %" PRIu32 " FETCH (", seqno);
    if ((what & IMAP_WANT(UID)) != 0) {
        buf_putf(out, "UID %" PRIu32, entry->uid);
        gap = " ";
    }
    if ((what & IMAP_WANT(FLAGS)) != 0) {
        buf_put(out, slice_str(gap));
        buf_put(out, SLICE("FLAGS "));
        imap_flags_write(&folder->keywords, entry->flags, entry->uid > folder->recent_uid, out);
        gap = " ";
    }
    if ((what & IMAP_WANT(MODSEQ)) != 0)
        buf_putf(out, "%sMODSEQ (%" PRIu64 ")", gap, entry->modseq);
}

static void set_to_seqnos(const struct view *view, struct imap_set *set)
{
    size_t used = 0;

    for (size_t i = 0; i < set->count; i++) {
        struct imap_range range = {view_lower_bound(view, set->ranges[i].first), view_count(view)};

        if (set->ranges[i].last < UINT32_MAX)
            range.last = view_lower_bound(view, set->ranges[i].last + 1) - 1;
        if (range.first <= range.last)
            set->ranges[used++] = range;
    }
    set->count = used;
}

enum st imap_folder_set(const struct imap_folder *folder, struct imap_parse *p, bool uid,
                        struct imap_set *set)
{
    const struct view *view = folder->view;
    uint32_t count = view_count(view);

    if (uid) {
        imap_set_resolve(set, count > 0 ? view_at(view, count)->uid : 0);
        set_to_seqnos(view, set);
        return ST_OK;
    }
    imap_set_resolve(set, count);
    if (set->count > 0 && set->ranges[set->count - 1].last > count)
        return imap_parse_fail(p, "No message has this number");
    return ST_OK;
}

struct store_uid_set imap_folder_uids(const struct imap_folder *folder, struct arena *arena,
                                      const struct imap_set *seqnos)
{
    struct store_uids *ranges = arena_many(arena, struct store_uids, seqnos->count + 1);

    for (size_t i = 0; i < seqnos->count; i++) {
        ranges[i].first = view_at(folder->view, seqnos->ranges[i].first)->uid;
        ranges[i].last = view_at(folder->view, seqnos->ranges[i].last)->uid;
    }
    return (struct store_uid_set){ranges, seqnos->count};
}
