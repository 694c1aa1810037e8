#include "base/arena.h"
#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_folder.h"
#include "imap/imap_items.h"
#include "imap/imap_set.h"

#include <inttypes.h>

struct storing {
    struct imap_session *session;
    struct imap_set seqnos;
    struct imap_flags flags;
    struct arena *arena;
    struct store_flagging flagging;
    bool conditional;
    struct imap_own own;
};

/* ["(UNCHANGEDSINCE" SP modseq ")" SP] ("FLAGS" / "+FLAGS" / "-FLAGS") [".SILENT"] SP flags */
static enum st parse_how(struct imap_run *run, struct storing *storing)
{
    struct imap_parse *p = &run->args;
    struct imap_slices names;
    enum st st = ST_OK;

    storing->flagging.unchanged_since = UINT64_MAX;
    if (imap_parse_word(p, "(UNCHANGEDSINCE ")) {
        storing->conditional = true;
        st = imap_parse_number(p, INT64_MAX, &storing->flagging.unchanged_since);
        if (st == ST_OK && !imap_parse_word(p, ") "))
            st = imap_parse_fail(p, "Unexpected character");
    }
    storing->flagging.op = STORE_FLAGS_SET;
    if (imap_parse_char(p, '+'))
        storing->flagging.op = STORE_FLAGS_ADD;
    else if (imap_parse_char(p, '-'))
        storing->flagging.op = STORE_FLAGS_REMOVE;
    if (st == ST_OK && !imap_parse_word(p, "FLAGS"))
        return imap_parse_fail(p, "FLAGS expected");
    storing->own.silent = imap_parse_word(p, ".SILENT");
    if (st == ST_OK)
        st = imap_parse_space(p);
    if (st == ST_OK)
        st = imap_parse_flags(p, &names);
    if (st == ST_OK)
        st = imap_parse_end(p);
    return st == ST_OK ? imap_flags_read(p, &names, &storing->flags) : st;
}

static uint64_t flags_after(const struct storing *storing, uint64_t flags)
{
    if (storing->flagging.op == STORE_FLAGS_ADD)
        return flags | storing->flagging.flags;
    if (storing->flagging.op == STORE_FLAGS_REMOVE)
        return flags & ~storing->flagging.flags;
    return storing->flagging.flags;
}

/* Whether the view shows that the write would change nothing. */
static bool is_noop(struct storing *storing)
{
    const struct imap_folder *folder = storing->session->folder;
    bool known = true;

    storing->flagging.flags = storing->flags.system;
    for (size_t i = 0; i < storing->flags.keywords.count; i++) {
        uint64_t bit = imap_keywords_mask(&folder->keywords, storing->flags.keywords.items[i]);

        storing->flagging.flags |= bit;
        known &= bit != 0 || storing->flagging.op == STORE_FLAGS_REMOVE;
    }
    if (!known || storing->conditional)
        return false;
    for (size_t i = 0; i < storing->seqnos.count; i++)
        for (uint32_t n = storing->seqnos.ranges[i].first; n <= storing->seqnos.ranges[i].last; n++)
            if (flags_after(storing, view_at(folder->view, n)->flags) !=
                view_at(folder->view, n)->flags)
                return false;
    return true;
}

static enum st body(struct store_tx *tx, void *arg)
{
    struct storing *storing = arg;
    struct store_folder folder;
    enum st st = store_folder_get(tx, storing->arena, storing->session->folder->folder_id, &folder);

    if (st == ST_OK)
        st = imap_flags_resolve(tx, folder.account_id, &storing->flags, &storing->flagging.flags);
    if (st == ST_OK)
        st = store_message_flags(tx, storing->arena, &folder, &storing->flagging);
    return st;
}

/* Without .SILENT every message of the set is told of: those that changed by the sync, the others
 * here. A conditional STORE tells no more than what changed. */
static void tell_unchanged(struct storing *storing, bool uid, const struct view *newest)
{
    struct imap_session *session = storing->session;
    const struct view *view = session->folder->view;
    unsigned items = imap_folder_entry_items(session, uid);
    AUTO(buf) struct buf out = BUF(MIB);

    for (size_t i = 0; i < storing->seqnos.count; i++)
        for (uint32_t n = storing->seqnos.ranges[i].first; n <= storing->seqnos.ranges[i].last;
             n++) {
            const struct view_entry *entry = view_at(view, n);
            uint32_t now = view_seqno(newest, entry->uid);

            if (now == 0 || view_at(newest, now)->modseq != entry->modseq)
                continue;
            imap_folder_write_entry(session, n, entry, items, &out);
            buf_put(&out, SLICE(")\r\n"));
            if (out.len > 16 * KIB)
                imap_session_send(session, &out);
        }
    imap_session_send(session, &out);
}

/* [MODIFIED ...] (RFC 7162 section 3.1.3), and whether some were gone. */
static void tell_failed(struct storing *storing, struct imap_run *run)
{
    const struct store_uid_set *failed = &storing->flagging.failed;
    const struct view *view = storing->session->folder->view;
    AUTO(imap_numbers) struct imap_numbers numbers = {.cap = 0};

    for (size_t i = 0; i < failed->count; i++)
        for (uint32_t n = view_lower_bound(view, failed->ranges[i].first);
             n <= view_count(view) && view_at(view, n)->uid <= failed->ranges[i].last; n++)
            imap_numbers_add(&numbers, run->uid ? view_at(view, n)->uid : n);
    if (numbers.set.count == 0)
        return;
    buf_put(&run->code, SLICE("MODIFIED "));
    imap_set_write(&numbers.set, &run->code);
    run->text = "Some were changed meanwhile";
}

static enum st change(struct storing *storing, struct imap_run *run)
{
    struct imap_session *session = storing->session;
    enum st st = ST_OK;

    storing->flagging.uids = imap_folder_uids(session->folder, run->arena, &storing->seqnos);
    if (storing->seqnos.count > 0 && !is_noop(storing))
        st = store_write(imap_store(session), body, storing);
    if (st == ST_TOO_BIG)
        run->text = "No room for another keyword, or it is too long";
    return st;
}

/* RFC 3501 section 6.4.6. */
enum st imap_cmd_store(struct imap_session *session, struct imap_run *run)
{
    struct storing storing = {.session = session, .arena = run->arena};
    struct view *newest = NULL;
    enum st st = imap_parse_space(&run->args);

    if (st == ST_OK)
        st = imap_parse_set(&run->args, &storing.seqnos);
    if (st == ST_OK)
        st = imap_parse_space(&run->args);
    if (st == ST_OK)
        st = parse_how(run, &storing);
    if (st == ST_OK)
        st = imap_folder_set(session->folder, &run->args, run->uid, &storing.seqnos);
    if (st != ST_OK)
        return st;
    session->condstore |= storing.conditional;
    st = change(&storing, run);
    if (st != ST_OK)
        return st;
    tell_failed(&storing, run);
    /* It is stored; what cannot be told of it now is told with the next command. */
    if (view_latest(imap_store(session), session->folder->view, &newest) != ST_OK)
        return ST_OK;
    st = imap_folder_learn(session, storing.flagging.flags);
    if (st == ST_OK && !storing.own.silent && !storing.conditional)
        tell_unchanged(&storing, run->uid, newest);
    view_unref(&newest);
    storing.own.modseq = storing.flagging.modseq;
    storing.own.op = storing.flagging.op;
    storing.own.flags = storing.flagging.flags;
    imap_folder_sync(session,
                     &(struct imap_sync){.hold = !run->uid, .uid = run->uid, .own = &storing.own});
    return ST_OK;
}
