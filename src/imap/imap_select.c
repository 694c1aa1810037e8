#include "imap/imap_select.h"

#include "base/arena.h"
#include "base/slice.h"
#include "imap/imap_folder.h"
#include "imap/imap_items.h"
#include "imap/imap_mailbox.h"
#include "imap/imap_set.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* QRESYNC (uidvalidity modseq [known-uids [seq-match-data]]) */
struct resync {
    bool given;
    uint64_t uidvalidity;
    uint64_t modseq;
    bool known_given;
    struct imap_set known;
};

static enum st parse_seq_match(struct imap_parse *p)
{
    struct imap_set ignored; /* what it would save we know from the tombstones */
    enum st st = imap_parse_expect(p, '(');

    if (st == ST_OK)
        st = imap_parse_set(p, &ignored);
    if (st == ST_OK)
        st = imap_parse_space(p);
    if (st == ST_OK)
        st = imap_parse_set(p, &ignored);
    return st == ST_OK ? imap_parse_expect(p, ')') : st;
}

static enum st parse_resync(struct imap_parse *p, struct resync *resync)
{
    enum st st = imap_parse_expect(p, '(');

    resync->given = true;
    if (st == ST_OK)
        st = imap_parse_number(p, UINT32_MAX, &resync->uidvalidity);
    if (st == ST_OK)
        st = imap_parse_space(p);
    if (st == ST_OK)
        st = imap_parse_number(p, INT64_MAX, &resync->modseq);
    if (st == ST_OK && imap_parse_char(p, ' ') && !imap_parse_peek(p, '(')) {
        resync->known_given = true;
        st = imap_parse_set(p, &resync->known);
        if (st == ST_OK && imap_parse_char(p, ' ') && !imap_parse_peek(p, '('))
            return imap_parse_fail(p, "Parenthesis expected");
    }
    if (st == ST_OK && imap_parse_peek(p, '('))
        st = parse_seq_match(p);
    return st == ST_OK ? imap_parse_expect(p, ')') : st;
}

static enum st parse_params(struct imap_session *session, struct imap_parse *p,
                            struct resync *resync)
{
    enum st st = imap_parse_space(p);

    if (st == ST_OK)
        st = imap_parse_expect(p, '(');
    do {
        if (st != ST_OK)
            return st;
        if (imap_parse_word(p, "CONDSTORE"))
            session->condstore = true;
        else if (imap_parse_word(p, "QRESYNC "))
            st = parse_resync(p, resync);
        else
            return imap_parse_fail(p, "Unknown SELECT parameter");
    } while (imap_parse_char(p, ' '));
    if (resync->given && !session->qresync)
        return imap_parse_fail(p, "ENABLE QRESYNC first");
    return st == ST_OK ? imap_parse_expect(p, ')') : st;
}

struct opening {
    struct arena *arena;
    int64_t account_id;
    struct slice name;
    struct store_folder folder;
};

static enum st find_body(struct store_tx *tx, void *arg)
{
    struct opening *opening = arg;

    return store_folder_find(tx, opening->arena, opening->account_id, opening->name,
                             &opening->folder);
}

/* This session is the one that sees the new messages as \Recent. */
static enum st claim_body(struct store_tx *tx, void *arg)
{
    struct opening *opening = arg;
    enum st st = find_body(tx, arg);

    if (st == ST_OK)
        st = store_folder_recent_set(tx, opening->folder.folder_id, opening->folder.uidnext - 1);
    return st;
}

/* Where the claim cannot be written, as on a full disk or behind a server that hangs with the
 * folder's row, the folder is still there to be read, and its messages are \Recent once more. */
static enum st find(struct imap_session *session, struct opening *opening, bool writable)
{
    enum st st = store_read(imap_store(session), find_body, opening);

    if (st != ST_OK || !writable || opening->folder.recent_uid + 1 >= opening->folder.uidnext)
        return st;
    st = store_write_soon(imap_store(session), claim_body, opening);
    return st == ST_IO ? store_read(imap_store(session), find_body, opening) : st;
}

static uint32_t first_unseen(const struct view *view)
{
    for (uint32_t n = 1; n <= view_count(view); n++)
        if ((view_at(view, n)->flags & STORE_SEEN) == 0)
            return n;
    return 0;
}

static void tell(struct imap_session *session, const struct store_folder *folder)
{
    const struct view *view = session->folder->view;
    uint32_t unseen = first_unseen(view);
    AUTO(buf) struct buf out = BUF(4 * KIB);

    imap_folder_tell_flags(session);
    buf_putf(&out, "* %" PRIu32 " EXISTS\r\n* %" PRIu32 " RECENT\r\n", view_count(view),
             imap_folder_recent_count(session->folder));
    if (unseen > 0)
        buf_putf(&out, "* OK [UNSEEN %" PRIu32 "] First unseen\r\n", unseen);
    buf_putf(&out,
             "* OK [UIDVALIDITY %" PRIu32
             "] UIDs valid\r\n"
             "* OK [UIDNEXT %" PRIu32
             "] Predicted next UID\r\n"
             "* OK [HIGHESTMODSEQ %" PRIu64
             "] Highest\r\n"
             "* OK [MAILBOXID (%s)] Ok\r\n",
             view_uidvalidity(view), view_uidnext(view), view_modseq(view), folder->guid);
    imap_session_send(session, &out);
}

struct gone {
    struct imap_session *session;
    struct resync *resync;
    uint32_t *uids; /* in the arena of the command */
    size_t count;
    size_t cap;
    struct arena *arena;
};

static enum st gone_add(void *ctx, const struct store_message *message)
{
    struct gone *gone = ctx;

    if (gone->resync->known_given && !imap_set_has(&gone->resync->known, message->uid))
        return ST_OK;
    if (gone->count == gone->cap) {
        uint32_t *more = arena_many(gone->arena, uint32_t, gone->cap * 2 + 64);

        if (gone->count > 0)
            memcpy(more, gone->uids, gone->count * sizeof(*more));
        gone->uids = more;
        gone->cap = gone->cap * 2 + 64;
    }
    gone->uids[gone->count++] = message->uid;
    return ST_OK;
}

static enum st gone_body(struct store_tx *tx, void *arg)
{
    struct gone *gone = arg;

    gone->count = 0;
    return store_message_gone(tx, gone->session->folder->folder_id, gone->resync->modseq, gone_add,
                              gone);
}

static int uid_cmp(const void *a, const void *b)
{
    const uint32_t *left = a;
    const uint32_t *right = b;

    return *left < *right ? -1 : *left > *right;
}

enum st imap_select_tell_vanished(struct imap_session *session, struct arena *arena,
                                  const struct imap_set *known, uint64_t since)
{
    struct resync resync = {.modseq = since, .known_given = known != NULL};
    struct gone gone = {.session = session, .resync = &resync, .arena = arena};
    AUTO(imap_numbers) struct imap_numbers numbers = {.cap = 0};
    AUTO(buf) struct buf out = BUF(16 * MIB);
    enum st st;

    if (known != NULL)
        resync.known = *known;
    st = store_read(imap_store(session), gone_body, &gone);
    if (st != ST_OK || gone.count == 0)
        return st;
    qsort(gone.uids, gone.count, sizeof(gone.uids[0]), uid_cmp);
    for (size_t i = 0; i < gone.count; i++)
        if (view_seqno(session->folder->view, gone.uids[i]) == 0)
            imap_numbers_add(&numbers, gone.uids[i]);
    buf_put(&out, SLICE("* VANISHED (EARLIER) "));
    imap_set_write(&numbers.set, &out);
    buf_put(&out, SLICE("\r\n"));
    if (numbers.set.count > 0)
        imap_session_send(session, &out);
    return ST_OK;
}

/* RFC 7162 section 3.2.5: what has vanished and what has changed since the client was here. */
static enum st tell_since(struct imap_session *session, struct imap_run *run, struct resync *resync)
{
    const struct view *view = session->folder->view;
    AUTO(buf) struct buf out = BUF(MIB);
    enum st st;

    if (!resync->given || resync->uidvalidity != view_uidvalidity(view))
        return ST_OK;
    imap_set_resolve(&resync->known, UINT32_MAX);
    st = imap_select_tell_vanished(session, run->arena, resync->known_given ? &resync->known : NULL,
                                   resync->modseq);
    if (st != ST_OK)
        return st;
    for (uint32_t n = 1; n <= view_count(view); n++) {
        const struct view_entry *entry = view_at(view, n);

        if (entry->modseq <= resync->modseq ||
            (resync->known_given && !imap_set_has(&resync->known, entry->uid)))
            continue;
        imap_folder_write_entry(session, n, entry, IMAP_WANT_CHEAP, &out);
        buf_put(&out, SLICE(")\r\n"));
        if (out.len > 16 * KIB)
            imap_session_send(session, &out);
    }
    imap_session_send(session, &out);
    return ST_OK;
}

enum st imap_select(struct imap_session *session, struct imap_run *run, bool writable)
{
    struct opening opening = {.arena = run->arena, .account_id = session->account_id};
    struct resync resync = {.given = false};
    enum st st = imap_mailbox_parse(run, &opening.name);

    if (st == ST_OK && run->args.rest.len > 0)
        st = parse_params(session, &run->args, &resync);
    if (st == ST_OK)
        st = imap_parse_end(&run->args);
    if (st == ST_INVALID)
        return st;
    /* Whether the new one can be had or not, the old one is left (section 6.3.1). */
    if (session->folder != NULL) {
        imap_session_deselect(session);
        conn_write(session->conn, SLICE("* OK [CLOSED] Previous mailbox is left\r\n"));
    }
    if (st == ST_OK)
        st = find(session, &opening, writable);
    if (st == ST_OK)
        st = imap_folder_open(session, &opening.folder, writable);
    if (st == ST_OK) {
        tell(session, &opening.folder);
        st = tell_since(session, run, &resync);
        if (st != ST_OK)
            imap_session_deselect(session);
    }
    if (st == ST_OK)
        buf_put(&run->code, writable ? SLICE("READ-WRITE") : SLICE("READ-ONLY"));
    return st;
}
