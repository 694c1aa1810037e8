#include "base/arena.h"
#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_find.h"
#include "imap/imap_set.h"

#include <inttypes.h>

#define BATCH_MESSAGES_MAX 200
#define BATCH_BYTES_MAX (256 * KIB)
#define BATCH_ARENA_BYTES_MAX (1 * GIB)
#define HEADER_BYTES_MAX (8 * MIB)

struct finding {
    struct imap_session *session;
    struct imap_run *run;
    struct imap_search search;
    const struct view *view;
    struct imap_numbers open;  /* sequence numbers that the view alone does not decide */
    struct imap_numbers found; /* those that fit, ascending */
    /* the batch being gathered */
    struct arena *arena;
    struct store_message *batch;
    size_t batch_count;
    size_t batch_bytes;
    size_t range;
    uint32_t next_uid;
    bool more;
    struct buf header;
    enum st st;
};

static void by_view(struct finding *f)
{
    for (uint32_t n = 1; n <= view_count(f->view); n++) {
        struct imap_candidate c = {.seqno = n, .entry = view_at(f->view, n)};
        enum imap_verdict verdict = imap_find(f->session, f->search.key, &c, &f->st);

        if (verdict == IMAP_YES)
            imap_numbers_add(&f->found, n);
        if (verdict == IMAP_UNKNOWN)
            imap_numbers_add(&f->open, n);
    }
}

static enum st batch_add(void *ctx, const struct store_message *message)
{
    struct finding *f = ctx;
    struct store_message *copy;

    if (f->batch_count == BATCH_MESSAGES_MAX || f->batch_bytes >= BATCH_BYTES_MAX)
        return ST_AGAIN;
    copy = &f->batch[f->batch_count++];
    *copy = *message;
    copy->structure = arena_copy(f->arena, message->structure);
    f->batch_bytes += message->structure.len;
    return ST_OK;
}

static enum st batch_body(struct store_tx *tx, void *arg)
{
    struct finding *f = arg;
    const struct imap_set *open = &f->open.set;
    unsigned want = f->search.key->cost == 3 ? STORE_WANT_STRUCTURE : 0;
    enum st st = ST_OK;

    arena_reset(f->arena);
    f->batch = arena_many(f->arena, struct store_message, BATCH_MESSAGES_MAX);
    f->batch_count = 0;
    f->batch_bytes = 0;
    for (size_t i = f->range; i < open->count && st == ST_OK; i++) {
        struct store_uids uids = {view_at(f->view, open->ranges[i].first)->uid,
                                  view_at(f->view, open->ranges[i].last)->uid};

        if (i == f->range && uids.first < f->next_uid)
            uids.first = f->next_uid;
        if (uids.first <= uids.last)
            st = store_message_each(tx, f->session->folder->folder_id, uids, want, batch_add, f);
    }
    f->more = st == ST_AGAIN;
    return f->more ? ST_OK : st;
}

static void batch_advance(struct finding *f)
{
    const struct imap_set *open = &f->open.set;

    f->next_uid = f->batch[f->batch_count - 1].uid + 1;
    while (f->range < open->count &&
           view_at(f->view, open->ranges[f->range].last)->uid < f->next_uid)
        f->range++;
}

static void judge(struct finding *f, const struct store_message *message, struct imap_numbers *hits)
{
    struct imap_candidate c = {.seqno = view_seqno(f->view, message->uid),
                               .message = message,
                               .header = &f->header,
                               .body_allowed = true};
    enum st st = ST_OK;

    if (c.seqno == 0)
        return;
    c.entry = view_at(f->view, c.seqno);
    if (imap_find(f->session, f->search.key, &c, &st) == IMAP_YES)
        imap_numbers_add(hits, c.seqno);
    if (st != ST_OK && st != ST_NOT_FOUND && f->st == ST_OK) /* gone meanwhile: no match */
        f->st = st;
}

static enum st by_store(struct finding *f, struct imap_numbers *hits)
{
    enum st st = ST_OK;

    f->more = f->open.set.count > 0;
    while (f->more && st == ST_OK && f->st == ST_OK && !conn_broken(f->session->conn)) {
        st = store_read(imap_store(f->session), batch_body, f);
        for (size_t i = 0; i < f->batch_count && st == ST_OK && f->st == ST_OK; i++)
            judge(f, &f->batch[i], hits);
        if (f->more && st == ST_OK)
            batch_advance(f);
    }
    return st == ST_OK ? f->st : st;
}

/* Two ascending sets with nothing in common become one. */
static void merge(struct imap_numbers *into, const struct imap_numbers *more)
{
    struct imap_numbers all = {.cap = 0};
    size_t a = 0;
    size_t b = 0;

    while (a < into->set.count || b < more->set.count) {
        bool first = b == more->set.count ||
                     (a < into->set.count && into->set.ranges[a].first < more->set.ranges[b].first);
        struct imap_range range = first ? into->set.ranges[a++] : more->set.ranges[b++];

        for (uint32_t n = range.first; n <= range.last; n++)
            imap_numbers_add(&all, n);
    }
    imap_numbers_fini(into);
    *into = all;
}

static enum st find_all(struct finding *f)
{
    AUTO(imap_numbers) struct imap_numbers hits = {.cap = 0};
    enum st st;

    by_view(f);
    if (f->open.set.count == 0)
        return f->st;
    buf_init(&f->header, HEADER_BYTES_MAX);
    f->arena = arena_new("imap search batch", BATCH_ARENA_BYTES_MAX);
    st = by_store(f, &hits);
    merge(&f->found, &hits);
    arena_free(&f->arena);
    buf_fini(&f->header);
    return st;
}

static uint32_t told(const struct finding *f, uint32_t seqno)
{
    return f->run->uid ? view_at(f->view, seqno)->uid : seqno;
}

static uint64_t highest_modseq(const struct finding *f)
{
    const struct imap_set *found = &f->found.set;
    uint64_t highest = 0;

    for (size_t i = 0; i < found->count; i++)
        for (uint32_t n = found->ranges[i].first; n <= found->ranges[i].last; n++)
            if (view_at(f->view, n)->modseq > highest)
                highest = view_at(f->view, n)->modseq;
    return highest;
}

/* RFC 3501 section 7.2.5. */
static void tell_search(const struct finding *f, struct buf *out)
{
    const struct imap_set *found = &f->found.set;

    buf_put(out, SLICE("* SEARCH"));
    for (size_t i = 0; i < found->count; i++)
        for (uint32_t n = found->ranges[i].first; n <= found->ranges[i].last; n++) {
            buf_putf(out, " %" PRIu32, told(f, n));
            if (out->len > 16 * KIB)
                imap_session_send(f->session, out);
        }
    if (f->search.modseq && found->count > 0)
        buf_putf(out, " (MODSEQ %" PRIu64 ")", highest_modseq(f));
}

static void put_all(const struct finding *f, struct buf *out)
{
    AUTO(imap_numbers) struct imap_numbers numbers = {.cap = 0};
    const struct imap_set *found = &f->found.set;

    for (size_t i = 0; i < found->count; i++)
        for (uint32_t n = found->ranges[i].first; n <= found->ranges[i].last; n++)
            imap_numbers_add(&numbers, told(f, n));
    buf_put(out, SLICE(" ALL "));
    imap_set_write(&numbers.set, out);
}

/* RFC 4731 section 3.1; the MODSEQ of section 3.2 is that of what is told. */
static void tell_esearch(const struct finding *f, struct buf *out)
{
    const struct imap_set *found = &f->found.set;
    unsigned returns = f->search.returns;
    bool any = found->count > 0;

    buf_put(out, SLICE("* ESEARCH (TAG \""));
    buf_put(out, f->run->tag);
    buf_put(out, f->run->uid ? SLICE("\") UID") : SLICE("\")"));
    if (any && (returns & IMAP_RETURN_MIN) != 0)
        buf_putf(out, " MIN %" PRIu32, told(f, found->ranges[0].first));
    if (any && (returns & IMAP_RETURN_MAX) != 0)
        buf_putf(out, " MAX %" PRIu32, told(f, found->ranges[found->count - 1].last));
    if (any && (returns & IMAP_RETURN_ALL) != 0)
        put_all(f, out);
    if ((returns & IMAP_RETURN_COUNT) != 0)
        buf_putf(out, " COUNT %" PRIu64, imap_set_size(found));
    if (f->search.modseq && any)
        buf_putf(out, " MODSEQ %" PRIu64, highest_modseq(f));
}

static void tell(struct finding *f)
{
    AUTO(buf) struct buf out = BUF(64 * MIB);

    if (f->search.esearch)
        tell_esearch(f, &out);
    else
        tell_search(f, &out);
    buf_put(&out, SLICE("\r\n"));
    imap_session_send(f->session, &out);
}

/* RFC 3501 section 6.4.4, RFC 4731. */
enum st imap_cmd_search(struct imap_session *session, struct imap_run *run)
{
    struct finding f = {.session = session, .run = run, .view = session->folder->view};
    enum st st = imap_parse_space(&run->args);

    if (st == ST_OK)
        st = imap_search_parse(&run->args, &f.search);
    if (st == ST_DENIED) {
        buf_put(&run->code, SLICE("BADCHARSET (UTF-8 US-ASCII)"));
        run->text = run->args.why;
    }
    if (st == ST_OK)
        st = imap_find_prepare(session->folder, &run->args, f.search.key);
    if (st != ST_OK)
        return st;
    session->condstore |= f.search.modseq;
    st = find_all(&f);
    if (st == ST_OK)
        tell(&f);
    imap_numbers_fini(&f.open);
    imap_numbers_fini(&f.found);
    return st;
}
