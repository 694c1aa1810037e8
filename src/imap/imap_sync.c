#include "base/slice.h"
#include "imap/imap_folder.h"
#include "imap/imap_items.h"
#include "imap/imap_set.h"

#include <inttypes.h>

#define BATCH_BYTES (16 * KIB)

struct telling {
    struct imap_session *session;
    const struct imap_sync *how;
    struct view *older;
    struct view *newer;
    bool adopt; /* the client moves on to the newer numbers */
    unsigned items;
    uint32_t expunged;
    uint32_t added;
    uint64_t flags; /* all that appear in what is told */
    struct imap_numbers vanished;
    struct buf out;
};

static void send_full(struct telling *t)
{
    if (t->out.len >= BATCH_BYTES)
        imap_session_send(t->session, &t->out);
}

static void count_expunged(void *ctx, uint32_t seqno, const struct view_entry *entry)
{
    struct telling *t = ctx;

    t->expunged++;
}

static void count_others(void *ctx, uint32_t seqno, const struct view_entry *entry)
{
    struct telling *t = ctx;

    t->flags |= entry->flags;
}

static void count_added(void *ctx, uint32_t seqno, const struct view_entry *entry)
{
    struct telling *t = ctx;

    t->flags |= entry->flags;
    t->added++;
}

static void tell_expunged(void *ctx, uint32_t old_seqno, const struct view_entry *entry)
{
    struct telling *t = ctx;

    if (t->session->qresync)
        imap_numbers_add(&t->vanished, entry->uid);
    else
        buf_putf(&t->out, "* %" PRIu32 " EXPUNGE\r\n", old_seqno - t->expunged);
    t->expunged++;
    send_full(t);
}

static uint64_t flags_after(const struct imap_own *own, uint64_t flags)
{
    if (own->op == STORE_FLAGS_ADD)
        return flags | own->flags;
    if (own->op == STORE_FLAGS_REMOVE)
        return flags & ~own->flags;
    return own->flags;
}

/* What a silent STORE did as asked is not told, but for its MODSEQ (RFC 7162 section 3.1.3). */
static bool as_asked(const struct telling *t, const struct view_entry *entry)
{
    const struct imap_own *own = t->how->own;
    uint32_t seqno;

    if (own == NULL || !own->silent || entry->modseq != own->modseq)
        return false;
    seqno = view_seqno(t->older, entry->uid);
    return seqno != 0 && flags_after(own, view_at(t->older, seqno)->flags) == entry->flags;
}

static void tell_changed(void *ctx, uint32_t new_seqno, const struct view_entry *entry)
{
    struct telling *t = ctx;
    unsigned items = t->items;

    if (as_asked(t, entry)) {
        if (!t->session->condstore)
            return;
        items &= ~IMAP_WANT(FLAGS);
    }
    uint32_t seqno = t->adopt ? new_seqno : view_seqno(t->older, entry->uid);
    imap_folder_write_entry(t->session, seqno, entry, items, &t->out);
    buf_put(&t->out, SLICE(")\r\n"));
    send_full(t);
}

static void tell_vanished(struct telling *t)
{
    AUTO(buf) struct buf set = BUF(16 * MIB);

    if (t->vanished.set.count == 0)
        return;
    imap_set_write(&t->vanished.set, &set);
    buf_put(&t->out, SLICE("* VANISHED "));
    imap_session_send(t->session, &t->out);
    imap_session_send(t->session, &set);
    buf_put(&t->out, SLICE("\r\n"));
}

static void tell(struct telling *t)
{
    struct imap_folder *folder = t->session->folder;

    t->expunged = 0;
    if (t->adopt) {
        view_diff(t->older, t->newer, &(struct view_diff_fns){.expunged = tell_expunged}, t);
        tell_vanished(t);
        view_unref(&folder->view);
        folder->view = view_ref(t->newer);
        if (t->added > 0)
            buf_putf(&t->out, "* %" PRIu32 " EXISTS\r\n* %" PRIu32 " RECENT\r\n",
                     view_count(t->newer), imap_folder_recent_count(folder));
    }
    imap_session_send(t->session, &t->out);
    view_diff(t->older, t->newer, &(struct view_diff_fns){.changed = tell_changed}, t);
    imap_session_send(t->session, &t->out);
}

void imap_folder_sync(struct imap_session *session, const struct imap_sync *how)
{
    static const struct view_diff_fns counting = {count_expunged, count_others, count_added};
    struct telling t = {.session = session, .how = how, .older = session->folder->view};

    /* Where the store is away, nothing can be told now; the command's own reply says it. */
    if (view_latest(imap_store(session), t.older, &t.newer) != ST_OK)
        return;
    if (view_folder_gone(t.newer)) {
        imap_session_bye(session, NULL, "The selected mailbox was removed");
    } else if (view_uidvalidity(t.newer) != view_uidvalidity(t.older)) {
        /* It may not change while a mailbox is selected (RFC 3501 section 2.3.1.1). */
        imap_session_bye(session, NULL, "The selected mailbox has a new UIDVALIDITY");
    } else if (t.newer != t.older) {
        t.older = view_ref(t.older);
        buf_init(&t.out, MIB);
        t.items = imap_folder_entry_items(session, how->uid);
        view_diff(t.older, t.newer, &counting, &t);
        t.adopt = !how->hold || t.expunged == 0;
        if (imap_folder_learn(session, t.flags) == ST_OK)
            tell(&t);
        buf_fini(&t.out);
        imap_numbers_fini(&t.vanished);
        view_unref(&t.older);
    }
    view_unref(&t.newer);
}
