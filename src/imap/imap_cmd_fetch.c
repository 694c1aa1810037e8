#include "base/arena.h"
#include "base/slice.h"
#include "imap/imap_body.h"
#include "imap/imap_cmd.h"
#include "imap/imap_folder.h"
#include "imap/imap_items.h"
#include "imap/imap_select.h"
#include "imap/imap_set.h"
#include "mime/mime_date.h"
#include "mime/mime_envelope.h"
#include "mime/mime_structure.h"

#include <inttypes.h>

#define BATCH_MESSAGES_MAX 200
#define BATCH_BYTES_MAX (256 * KIB) /* of envelopes and structures, roughly */
#define BATCH_ARENA_BYTES_MAX (1 * GIB)
#define LINE_BYTES_MAX (256 * MIB) /* one message's answer without its sections */

struct fetch {
    struct imap_session *session;
    struct imap_run *run;
    struct imap_items items;
    struct imap_set seqnos;
    unsigned want; /* enum store_message_want */
    /* the batch being gathered */
    struct arena *arena;
    struct store_message *batch;
    size_t batch_count;
    size_t batch_bytes;
    size_t range;      /* in seqnos, where the next batch begins */
    uint32_t next_uid; /* and from which UID on */
    bool more;
    /* what came of it */
    uint64_t sent;
    struct imap_numbers seen; /* sequence numbers whose \Seen is to be set */
    struct buf out;
    bool begun; /* an item stands in the parenthesis */
    enum st st;
};

static enum st batch_add(void *ctx, const struct store_message *message)
{
    struct fetch *f = ctx;
    struct store_message *copy;

    if (f->batch_count == BATCH_MESSAGES_MAX || f->batch_bytes >= BATCH_BYTES_MAX)
        return ST_AGAIN;
    copy = &f->batch[f->batch_count++];
    *copy = *message;
    copy->envelope = arena_copy(f->arena, message->envelope);
    copy->structure = arena_copy(f->arena, message->structure);
    f->batch_bytes += message->envelope.len + message->structure.len;
    return ST_OK;
}

/* Gathers messages from where the last batch ended. */
static enum st batch_body(struct store_tx *tx, void *arg)
{
    struct fetch *f = arg;
    const struct imap_folder *folder = f->session->folder;
    enum st st = ST_OK;

    arena_reset(f->arena);
    f->batch = arena_many(f->arena, struct store_message, BATCH_MESSAGES_MAX);
    f->batch_count = 0;
    f->batch_bytes = 0;
    for (size_t i = f->range; i < f->seqnos.count && st == ST_OK; i++) {
        struct store_uids uids = {view_at(folder->view, f->seqnos.ranges[i].first)->uid,
                                  view_at(folder->view, f->seqnos.ranges[i].last)->uid};

        if (i == f->range && uids.first < f->next_uid)
            uids.first = f->next_uid;
        if (uids.first <= uids.last)
            st = store_message_each(tx, folder->folder_id, uids, f->want, batch_add, f);
    }
    f->more = st == ST_AGAIN;
    return f->more ? ST_OK : st;
}

static void batch_advance(struct fetch *f)
{
    const struct view *view = f->session->folder->view;

    f->next_uid = f->batch[f->batch_count - 1].uid + 1;
    while (f->range < f->seqnos.count &&
           view_at(view, f->seqnos.ranges[f->range].last)->uid < f->next_uid)
        f->range++;
}

static const struct mime_part *root_of(struct fetch *f, const struct store_message *message,
                                       struct arena *arena)
{
    const struct mime_part *root = NULL;

    if (message->structure.len == 0 ||
        mime_structure_read(arena, message->structure, &root) != ST_OK)
        return NULL;
    return root;
}

/* Items are parted by one space each. */
static void put_gap(struct fetch *f)
{
    if (f->begun)
        buf_put(&f->out, SLICE(" "));
    f->begun = true;
}

static void put_structure(struct fetch *f, const char *label, const struct mime_part *root,
                          bool extended)
{
    put_gap(f);
    buf_putf(&f->out, "%s ", label);
    if (root != NULL)
        mime_bodystructure_write(root, extended, &f->out);
    else
        buf_put(&f->out, SLICE("NIL"));
}

static void put_items(struct fetch *f, const struct store_message *message,
                      const struct mime_part *root)
{
    unsigned want = f->items.want;

    if ((want & IMAP_WANT(INTERNALDATE)) != 0) {
        struct mime_date date = {message->date_s, (int16_t)message->date_zone_min};

        put_gap(f);
        buf_put(&f->out, SLICE("INTERNALDATE \""));
        mime_internaldate_write(date, &f->out);
        buf_put(&f->out, SLICE("\""));
    }
    if ((want & IMAP_WANT(SIZE)) != 0) {
        put_gap(f);
        buf_putf(&f->out, "RFC822.SIZE %" PRIu64, message->bytes);
    }
    if ((want & IMAP_WANT(ENVELOPE)) != 0) {
        put_gap(f);
        buf_put(&f->out, SLICE("ENVELOPE "));
        buf_put(&f->out,
                message->envelope.len > 0 ? message->envelope : slice_str(MIME_ENVELOPE_NIL));
    }
    if ((want & IMAP_WANT(BODY)) != 0)
        put_structure(f, "BODY", root, false);
    if ((want & IMAP_WANT(BODYSTRUCTURE)) != 0)
        put_structure(f, "BODYSTRUCTURE", root, true);
    if ((want & IMAP_WANT(EMAILID)) != 0) {
        put_gap(f);
        buf_putf(&f->out, "EMAILID (%s)", message->guid);
    }
    if ((want & IMAP_WANT(THREADID)) != 0) {
        put_gap(f);
        buf_put(&f->out, SLICE("THREADID NIL"));
    }
}

/* "* 3 FETCH (" and the cheap items. */
static void put_head(struct fetch *f, uint32_t seqno)
{
    const struct view_entry *entry = view_at(f->session->folder->view, seqno);
    unsigned cheap = f->items.want & IMAP_WANT_CHEAP;

    imap_folder_write_entry(f->session, seqno, entry, cheap, &f->out);
    f->begun = cheap != 0;
}

/* Where the store goes away nothing is said of the section: NIL would be a wrong answer. */
static void put_section(struct fetch *f, const struct store_message *message,
                        const struct mime_part *root, const struct imap_section *section)
{
    bool begun = f->begun;
    size_t before = f->out.len;

    if (root == NULL && imap_body_wants_root(section))
        return;
    put_gap(f);
    enum st st = imap_body_write(f->session, message, root, section, &f->out);
    if (st == ST_IO && !f->session->mute) {
        f->out.len = before;
        f->begun = begun;
    }
    if (st != ST_OK && (f->st == ST_OK || st == ST_IO))
        f->st = st;
}

static void write_message(struct fetch *f, const struct store_message *message)
{
    const struct view *view = f->session->folder->view;
    uint32_t seqno = view_seqno(view, message->uid);
    struct arena *arena = arena_new("imap structure", message->structure.len * 512 + MIB);
    const struct mime_part *root = root_of(f, message, arena);

    put_head(f, seqno);
    put_items(f, message, root);
    for (const struct imap_section *s = f->items.sections; s != NULL && f->st != ST_IO; s = s->next)
        put_section(f, message, root, s);
    if (f->begun)
        buf_put(&f->out, SLICE(")\r\n"));
    else
        buf_clear(&f->out);
    if (f->out.len > 16 * KIB || f->items.sections != NULL)
        imap_session_send(f->session, &f->out);
    f->sent++;
    if (f->st != ST_IO && f->items.sets_seen && (view_at(view, seqno)->flags & STORE_SEEN) == 0)
        imap_numbers_add(&f->seen, seqno);
    arena_free(&arena);
}

static enum st fetch_batches(struct fetch *f)
{
    enum st st = ST_OK;

    f->more = f->seqnos.count > 0;
    while (f->more && st == ST_OK) {
        st = store_read(imap_store(f->session), batch_body, f);
        for (size_t i = 0; i < f->batch_count && st == ST_OK; i++) {
            if (conn_broken(f->session->conn) || f->session->mute)
                return ST_OK; /* nobody hears the rest */
            write_message(f, &f->batch[i]);
            st = f->st == ST_IO ? ST_IO : ST_OK;
        }
        if (f->more && st == ST_OK)
            batch_advance(f);
    }
    return st;
}

static void fetch_cheap(struct fetch *f)
{
    for (size_t i = 0; i < f->seqnos.count; i++)
        for (uint32_t n = f->seqnos.ranges[i].first; n <= f->seqnos.ranges[i].last; n++) {
            put_head(f, n);
            buf_put(&f->out, SLICE(")\r\n"));
            f->sent++;
            if (f->out.len > 16 * KIB)
                imap_session_send(f->session, &f->out);
        }
}

struct marking {
    struct arena *arena;
    int64_t folder_id;
    struct store_flagging flagging;
};

static enum st seen_body(struct store_tx *tx, void *arg)
{
    struct marking *marking = arg;
    struct store_folder folder;
    enum st st = store_folder_get(tx, marking->arena, marking->folder_id, &folder);

    return st == ST_OK ? store_message_flags(tx, marking->arena, &folder, &marking->flagging) : st;
}

/* One write for all whose body was sent; the client is told as the command ends. */
static enum st mark_seen(struct fetch *f)
{
    struct imap_folder *folder = f->session->folder;
    struct marking marking = {.arena = f->run->arena, .folder_id = folder->folder_id};

    if (!folder->writable || f->seen.set.count == 0)
        return ST_OK;
    marking.flagging = (struct store_flagging){
        .uids = imap_folder_uids(folder, f->run->arena, &f->seen.set),
        .op = STORE_FLAGS_ADD,
        .flags = STORE_SEEN,
        .unchanged_since = UINT64_MAX,
    };
    return store_write(imap_store(f->session), seen_body, &marking);
}

/* CHANGEDSINCE (RFC 7162 section 3.1.4.1): only what changed stays in the set. */
static void keep_changed(struct fetch *f)
{
    const struct view *view = f->session->folder->view;
    struct imap_numbers kept = {.cap = 0};

    for (size_t i = 0; i < f->seqnos.count; i++)
        for (uint32_t n = f->seqnos.ranges[i].first; n <= f->seqnos.ranges[i].last; n++)
            if (view_at(view, n)->modseq > f->items.changed_since)
                imap_numbers_add(&kept, n);
    f->seqnos.count = kept.set.count;
    f->seqnos.ranges = arena_many(f->run->arena, struct imap_range, kept.set.count + 1);
    for (size_t i = 0; i < kept.set.count; i++)
        f->seqnos.ranges[i] = kept.set.ranges[i];
    imap_numbers_fini(&kept);
}

static enum st parse(struct fetch *f, struct imap_set *uids)
{
    struct imap_parse *p = &f->run->args;
    enum st st = imap_parse_space(p);

    if (st == ST_OK)
        st = imap_parse_set(p, &f->seqnos);
    if (st == ST_OK)
        st = imap_parse_space(p);
    if (st == ST_OK)
        st = imap_items_parse(p, &f->items);
    if (st != ST_OK)
        return st;
    if (f->items.vanished &&
        (!f->run->uid || !f->session->qresync || !f->items.changed_since_given))
        return imap_parse_fail(p, "VANISHED wants UID FETCH, CHANGEDSINCE and ENABLE QRESYNC");
    uids->ranges = arena_many(f->run->arena, struct imap_range, f->seqnos.count);
    uids->count = f->seqnos.count;
    for (size_t i = 0; i < f->seqnos.count; i++)
        uids->ranges[i] = f->seqnos.ranges[i];
    if ((f->items.want & IMAP_WANT(MODSEQ)) != 0)
        f->session->condstore = true;
    if (f->run->uid)
        f->items.want |= IMAP_WANT(UID);
    return imap_folder_set(f->session->folder, p, f->run->uid, &f->seqnos);
}

static enum st run_all(struct fetch *f)
{
    enum st st = ST_OK;

    if (f->items.sections == NULL && (f->items.want & ~IMAP_WANT_CHEAP) == 0)
        fetch_cheap(f);
    else
        st = fetch_batches(f);
    imap_session_send(f->session, &f->out);
    if (st == ST_OK)
        st = mark_seen(f);
    return st == ST_OK ? f->st : st;
}

static void find_want(struct fetch *f)
{
    bool root = (f->items.want & (IMAP_WANT(BODY) | IMAP_WANT(BODYSTRUCTURE))) != 0;

    for (const struct imap_section *s = f->items.sections; s != NULL; s = s->next)
        root |= imap_body_wants_root(s);
    if (root)
        f->want |= STORE_WANT_STRUCTURE;
    if ((f->items.want & IMAP_WANT(ENVELOPE)) != 0)
        f->want |= STORE_WANT_ENVELOPE;
}

/* RFC 3501 section 6.4.5. */
enum st imap_cmd_fetch(struct imap_session *session, struct imap_run *run)
{
    struct fetch f = {.session = session, .run = run};
    struct imap_set uids;
    enum st st = parse(&f, &uids);

    if (st == ST_OK && f.items.vanished) {
        imap_set_resolve(&uids, view_uidnext(session->folder->view));
        st = imap_select_tell_vanished(session, run->arena, &uids, f.items.changed_since);
    }
    if (st != ST_OK)
        return st;
    if (f.items.changed_since_given)
        keep_changed(&f);
    find_want(&f);
    f.arena = arena_new("imap fetch", BATCH_ARENA_BYTES_MAX);
    buf_init(&f.out, LINE_BYTES_MAX);
    st = run_all(&f);
    if (st == ST_NOT_FOUND || (st == ST_OK && f.sent < imap_set_size(&f.seqnos))) {
        st = ST_NOT_FOUND;
        buf_put(&run->code, SLICE("EXPUNGEISSUED"));
        run->text = "Some of the messages were expunged meanwhile";
    }
    buf_fini(&f.out);
    imap_numbers_fini(&f.seen);
    arena_free(&f.arena);
    return st;
}
