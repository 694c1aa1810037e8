#include "store/store_check.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "store/store_blob.h"
#include "store/store_engine.h"
#include "store/store_folder.h"
#include "store/store_message.h"
#include "sys/sys_hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BATCH_TEXT_BYTES_MAX (1 * MIB)
#define BATCH_BLOBS_MAX 200
#define WHERE_BYTES_MAX 2000

/* One step: a body that notes what it finds, and where it came to. A body may be run again, so what
 * it found is told only when it has ended well. */
struct checking {
    const struct store_check *check;
    struct store *store;
    struct store_tx *tx;
    struct buf found; /* sentences, each with its newline */
    uint64_t faults;
    uint64_t done;
    uint64_t total;
    int64_t from; /* where the next batch begins; INT64_MAX: there is none */
    int64_t blobs[BATCH_BLOBS_MAX];
    size_t blob_count;
    /* of the account being looked at */
    struct arena *arena;
    char where[WHERE_BYTES_MAX];
    int64_t account_id;
    int64_t modseq;
    int64_t uidvalidity;
    uint64_t keyword_bits;
};

/* Names may hold anything; a sentence is one line. */
static void put_clean(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        bool control = (unsigned char)*text < ' ' || *text == 0x7f;
        buf_put(out, control ? SLICE("?") : (struct slice){text, 1});
    }
}

static PRINTF(2, 3) void found(struct checking *c, const char *fmt, ...)
{
    char text[WHERE_BYTES_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (c->where[0] != '\0') {
        put_clean(&c->found, c->where);
        buf_put(&c->found, SLICE(": "));
    }
    put_clean(&c->found, text);
    buf_put(&c->found, SLICE("\n"));
}

static enum st tell(struct checking *c, enum st st)
{
    struct slice rest = buf_slice(&c->found);
    struct slice line;

    while (st == ST_OK && slice_split(&rest, '\n', &line) && line.len > 0) {
        char sentence[2 * WHERE_BYTES_MAX];
        store_text_copy(sentence, sizeof(sentence), line);
        c->check->fault(c->check->ctx, sentence);
        c->faults++;
    }
    if (st == ST_OK && c->found.over)
        c->check->fault(c->check->ctx, "more faults were found here than are told at once");
    return st;
}

static enum st step(struct checking *c, store_body *body)
{
    buf_clear(&c->found);
    c->where[0] = '\0';
    enum st st = tell(c, store_read(c->store, body, c));
    if (c->check->progress != NULL)
        c->check->progress(c->check->ctx, c->done, c->total);
    return st;
}

/* --- a folder --- */

static enum st check_count(struct checking *c, const struct store_folder *folder)
{
    int64_t count = 0;
    enum st st = store_get_i64(c->tx, S_CHECK_FOLDER_COUNT, &count, SV_I(folder->folder_id));

    if (st == ST_OK && count != (int64_t)folder->message_count)
        found(c, "it holds %" PRId64 " messages but its counter says %" PRIu64, count,
              folder->message_count);
    return st;
}

static enum st check_message_range(struct checking *c, const struct store_folder *folder)
{
    struct store_rows *rows =
        store_rows_open(c->tx, S_CHECK_MESSAGE_RANGE, SV_I(folder->folder_id),
                        SV_I(folder->uidnext), SV_I(folder->modseq), SV_I(c->account_id));

    while (store_rows_next(rows)) {
        int64_t uid = store_rows_i64(rows, 0);
        int64_t modseq = store_rows_i64(rows, 1);

        if (uid < 1 || uid >= folder->uidnext)
            found(c,
                  "message UID %" PRId64 " is not below UIDNEXT %" PRIu32
                  ", so its UID would be given to another message",
                  uid, folder->uidnext);
        if (modseq > (int64_t)folder->modseq)
            found(c,
                  "message UID %" PRId64 " has modseq %" PRId64
                  ", beyond the folder's highest %" PRIu64 ", so clients miss the change",
                  uid, modseq, folder->modseq);
        if (store_rows_i64(rows, 2) != c->account_id)
            found(c, "message UID %" PRId64 " is marked as account %" PRId64 "'s", uid,
                  store_rows_i64(rows, 2));
    }
    return store_rows_close(&rows);
}

static enum st check_tombstones(struct checking *c, const struct store_folder *folder)
{
    struct store_rows *rows =
        store_rows_open(c->tx, S_CHECK_TOMBSTONE_RANGE, SV_I(folder->folder_id),
                        SV_I(folder->uidnext), SV_I(folder->modseq));

    while (store_rows_next(rows))
        found(c,
              "the tombstone of UID %" PRId64 " with modseq %" PRId64 " is beyond UIDNEXT %" PRIu32
              " or the folder's highest modseq %" PRIu64,
              store_rows_i64(rows, 0), store_rows_i64(rows, 1), folder->uidnext, folder->modseq);
    enum st st = store_rows_close(&rows);
    if (st != ST_OK)
        return st;
    rows = store_rows_open(c->tx, S_CHECK_UID_TWICE, SV_I(folder->folder_id));
    while (store_rows_next(rows))
        found(c, "message UID %" PRId64 " is there and has a tombstone too",
              store_rows_i64(rows, 0));
    return store_rows_close(&rows);
}

static enum st check_bodies(struct checking *c, const struct store_folder *folder)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_MESSAGE_BLOB, SV_I(folder->folder_id));

    while (store_rows_next(rows)) {
        int64_t uid = store_rows_i64(rows, 0);
        int64_t blob_id = store_rows_i64(rows, 1);

        if (store_rows_i64(rows, 3) == 0)
            found(c, "message UID %" PRId64 " has no body: body %" PRId64 " is not there", uid,
                  blob_id);
        else if (store_rows_i64(rows, 5) != 0)
            found(c, "message UID %" PRId64 " has body %" PRId64 ", which was never finished", uid,
                  blob_id);
        else
            found(c,
                  "message UID %" PRId64 " is said to have %" PRId64 " bytes, its body %" PRId64
                  " %" PRId64,
                  uid, store_rows_i64(rows, 2), blob_id, store_rows_i64(rows, 4));
    }
    return store_rows_close(&rows);
}

static enum st check_flags(struct checking *c, const struct store_folder *folder)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_FLAGS, SV_I(folder->folder_id));
    uint64_t used = 0;

    while (store_rows_next(rows))
        used |= (uint64_t)store_rows_i64(rows, 0);
    used &= ~(c->keyword_bits | STORE_SYSTEM_FLAGS);
    for (unsigned bit = 0; bit < 64; bit++)
        if ((used >> bit & 1) != 0)
            found(c, "messages carry flag bit %u, which no keyword names", bit);
    return store_rows_close(&rows);
}

static enum st check_folder(struct checking *c, const struct store_folder *folder)
{
    static enum st (*const checks[])(struct checking *, const struct store_folder *) = {
        check_count, check_message_range, check_tombstones, check_bodies, check_flags};
    enum st st = ST_OK;

    if (store_folder_name_check(folder->name) != ST_OK)
        found(c, "its name cannot be a folder's");
    if ((int64_t)folder->modseq > c->modseq)
        found(c, "its highest modseq %" PRIu64 " is beyond the account's %" PRId64, folder->modseq,
              c->modseq);
    if (folder->uidvalidity == 0 || folder->uidvalidity > c->uidvalidity)
        found(c, "its UIDVALIDITY %" PRIu32 " was never given out: the account's last is %" PRId64,
              folder->uidvalidity, c->uidvalidity);
    if (folder->uidnext == 0)
        found(c, "its UIDNEXT is 0");
    for (size_t i = 0; st == ST_OK && i < COUNT(checks); i++)
        st = checks[i](c, folder);
    return st;
}

/* --- an account --- */

static void check_together(struct checking *c, const struct store_folder *folders, size_t count)
{
    bool inbox = false;

    for (size_t i = 0; i < count; i++) {
        inbox = inbox || slice_eq(folders[i].name, SLICE("INBOX"));
        for (size_t k = 0; k < i; k++)
            if (folders[i].uidvalidity == folders[k].uidvalidity)
                found(c, "folders %.*s and %.*s have the same UIDVALIDITY %" PRIu32,
                      SLICE_ARG(folders[k].name), SLICE_ARG(folders[i].name),
                      folders[i].uidvalidity);
    }
    if (!inbox)
        found(c, "it has no INBOX");
}

static enum st check_sums(struct checking *c, int64_t bytes_used, int64_t message_count)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_ACCOUNT_SUMS, SV_I(c->account_id));

    if (store_rows_next(rows)) {
        int64_t count = store_rows_i64(rows, 0);
        int64_t bytes = store_rows_i64(rows, 1);

        if (count != message_count)
            found(c, "it holds %" PRId64 " messages but its total says %" PRId64, count,
                  message_count);
        if (bytes != bytes_used)
            found(c, "its messages take %" PRId64 " bytes but its total says %" PRId64, bytes,
                  bytes_used);
    }
    enum st st = store_rows_close(&rows);
    if (st != ST_OK)
        return st;
    rows = store_rows_open(c->tx, S_CHECK_MESSAGE_GUIDS, SV_I(c->account_id));
    while (store_rows_next(rows))
        found(c, "messages with the guid %.*s have %" PRId64 " different bodies",
              SLICE_ARG(store_rows_bytes(rows, 0)), store_rows_i64(rows, 1));
    return store_rows_close(&rows);
}

static enum st check_folders(struct checking *c, const char *account_name)
{
    struct store_folder *folders;
    size_t count;
    enum st st = store_folder_list(c->tx, c->arena, c->account_id, &folders, &count);

    if (st == ST_OK)
        check_together(c, folders, count);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        snprintf(c->where, sizeof(c->where), "account %s, folder %.*s", account_name,
                 SLICE_ARG(folders[i].name));
        st = check_folder(c, &folders[i]);
    }
    return st;
}

/* The next account, in one consistent read. */
static enum st check_account(struct store_tx *tx, void *arg)
{
    struct checking *c = arg;
    struct store_keywords *keywords;
    char name[STORE_NAME_BYTES_MAX + 1] = "";

    c->tx = tx;
    buf_clear(&c->found);
    arena_reset(c->arena);
    c->where[0] = '\0';
    struct store_rows *rows = store_rows_open(tx, S_CHECK_ACCOUNTS, SV_I(c->from));
    bool there = store_rows_next(rows);
    int64_t bytes_used = there ? store_rows_i64(rows, 5) : 0;
    int64_t message_count = there ? store_rows_i64(rows, 6) : 0;
    if (there) {
        c->account_id = store_rows_i64(rows, 0);
        store_text_copy(name, sizeof(name), store_rows_bytes(rows, 2));
        c->modseq = store_rows_i64(rows, 3);
        c->uidvalidity = store_rows_i64(rows, 4);
    }
    enum st st = store_rows_close(&rows);
    c->account_id = there ? c->account_id : INT64_MAX;
    if (st != ST_OK || !there)
        return st;
    snprintf(c->where, sizeof(c->where), "account %s", name);
    keywords = arena_one(c->arena, struct store_keywords);
    st = store_keywords_get(tx, c->account_id, keywords);
    c->keyword_bits = 0;
    for (unsigned bit = 0; bit < 64; bit++)
        c->keyword_bits |= (uint64_t)(keywords->names[bit][0] != '\0') << bit;
    if (st == ST_OK)
        st = check_sums(c, bytes_used, message_count);
    return st != ST_OK ? st : check_folders(c, name);
}

/* --- the store as a whole --- */

static enum st check_pairs(struct checking *c, enum store_stmt stmt, const char *fmt_kind)
{
    struct store_rows *rows = store_rows_open(c->tx, stmt, SV_NONE);

    while (store_rows_next(rows))
        found(c, "%s %" PRId64 ", which is not there (%" PRId64 ")", fmt_kind,
              store_rows_i64(rows, 0), store_rows_i64(rows, 1));
    return store_rows_close(&rows);
}

static enum st check_guids(struct checking *c, enum store_stmt stmt, const char *kind)
{
    struct store_rows *rows = store_rows_open(c->tx, stmt, SV_NONE);

    while (store_rows_next(rows))
        found(c, "%" PRId64 " %s have the same guid %.*s", store_rows_i64(rows, 1), kind,
              SLICE_ARG(store_rows_bytes(rows, 0)));
    return store_rows_close(&rows);
}

static enum st check_orphan_folders(struct checking *c)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_ORPHAN_FOLDERS, SV_NONE);

    while (store_rows_next(rows))
        found(c, "folder %" PRId64 " belongs to account %" PRId64 ", which is not there",
              store_rows_i64(rows, 0), store_rows_i64(rows, 1));
    return store_rows_close(&rows);
}

static enum st check_sqlite(struct checking *c)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_SQLITE, SV_NONE);

    while (store_rows_next(rows)) {
        struct slice text = store_rows_bytes(rows, 0);
        if (!slice_eq(text, SLICE("ok")))
            found(c, "the file is damaged: %.*s", SLICE_ARG(text));
    }
    return store_rows_close(&rows);
}

static enum st check_queue(struct checking *c)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_QUEUE_COUNT, SV_NONE);

    while (store_rows_next(rows))
        found(c,
              "envelope %" PRId64 " has %" PRId64
              " queued recipients but its counter says %" PRId64,
              store_rows_i64(rows, 0), store_rows_i64(rows, 2), store_rows_i64(rows, 1));
    enum st st = store_rows_close(&rows);
    if (st != ST_OK)
        return st;
    rows = store_rows_open(c->tx, S_CHECK_QUEUE_BODIES, SV_NONE);
    while (store_rows_next(rows))
        found(c, "envelope %" PRId64 " of %" PRId64 " queued recipients has no body",
              store_rows_i64(rows, 0), store_rows_i64(rows, 1));
    return store_rows_close(&rows);
}

/* Copies of other servers' messages. */
static enum st check_shadows(struct checking *c)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_SHADOW_COUNT, SV_NONE);

    while (store_rows_next(rows))
        found(c, "copy %" PRId64 " has %" PRId64 " recipients but its counter says %" PRId64,
              store_rows_i64(rows, 0), store_rows_i64(rows, 2), store_rows_i64(rows, 1));
    enum st st = store_rows_close(&rows);
    if (st != ST_OK)
        return st;
    rows = store_rows_open(c->tx, S_CHECK_SHADOW_BODIES, SV_NONE);
    while (store_rows_next(rows))
        found(c, "copy %" PRId64 " of %" PRId64 " recipients has no body", store_rows_i64(rows, 0),
              store_rows_i64(rows, 1));
    return store_rows_close(&rows);
}

static enum st check_documents(struct checking *c)
{
    struct store_rows *rows = store_rows_open(c->tx, S_CHECK_DOCUMENTS, SV_NONE);

    while (store_rows_next(rows)) {
        struct slice kind = store_rows_bytes(rows, 0);
        struct slice name = store_rows_bytes(rows, 1);

        found(c, "the %.*s %.*s has %" PRId64 " former versions that are newer than itself",
              SLICE_ARG(kind), SLICE_ARG(name), store_rows_i64(rows, 2));
    }
    enum st st = store_rows_close(&rows);
    if (st != ST_OK)
        return st;
    rows = store_rows_open(c->tx, S_CHECK_DOCUMENT_SEQ, SV_NONE);
    while (store_rows_next(rows)) {
        struct slice kind = store_rows_bytes(rows, 0);
        struct slice name = store_rows_bytes(rows, 1);

        found(c, "a version of the %.*s %.*s has the number %" PRId64 ", which was not given out",
              SLICE_ARG(kind), SLICE_ARG(name), store_rows_i64(rows, 2));
    }
    return store_rows_close(&rows);
}

static enum st check_whole(struct store_tx *tx, void *arg)
{
    static const struct {
        enum store_stmt stmt;
        const char *what;
    } pairs[] = {
        {S_CHECK_ORPHAN_MESSAGES, "messages lie in folder"},
        {S_CHECK_ORPHAN_TOMBSTONES, "tombstones lie in folder"},
        {S_CHECK_ORPHAN_KEYWORDS, "keywords are named for account"},
        {S_CHECK_ORPHAN_SUBSCRIPTIONS, "subscriptions are kept for account"},
        {S_CHECK_QUEUE_ORPHANS, "queued recipients belong to envelope"},
        {S_CHECK_QUEUE_DESTINATIONS, "queued recipients go to destination"},
        {S_CHECK_SHADOW_ORPHANS, "recipients of a copy belong to copy"},
    };
    struct checking *c = arg;
    int64_t total = 0;

    c->tx = tx;
    buf_clear(&c->found);
    enum st st = store_get_i64(tx, S_CHECK_TOTAL, &total, SV_NONE);
    c->total = (uint64_t)total;
    if (st == ST_OK && !store_is_shared(c->store))
        st = check_sqlite(c);
    if (st == ST_OK)
        st = check_guids(c, S_CHECK_ACCOUNT_GUIDS, "accounts");
    if (st == ST_OK)
        st = check_guids(c, S_CHECK_FOLDER_GUIDS, "folders");
    if (st == ST_OK)
        st = check_orphan_folders(c);
    if (st == ST_OK)
        st = check_documents(c);
    for (size_t i = 0; st == ST_OK && i < COUNT(pairs); i++)
        st = check_pairs(c, pairs[i].stmt, pairs[i].what);
    if (st == ST_OK)
        st = check_shadows(c);
    return st != ST_OK ? st : check_queue(c);
}

/* --- bodies --- */

static void check_blob_row(struct checking *c, struct store_rows *rows, int64_t blob_id)
{
    int64_t bytes = store_rows_i64(rows, 1);
    int64_t chunks = store_rows_i64(rows, 2);
    int64_t present = store_rows_i64(rows, 7);
    int64_t want = (bytes + (int64_t)STORE_CHUNK_BYTES - 1) / (int64_t)STORE_CHUNK_BYTES;

    if (store_rows_i64(rows, 3) != 0)
        return; /* in the making, or left over by a crash and swept in time */
    if (chunks != want)
        found(c,
              "body %" PRId64 " of %" PRId64 " bytes should have %" PRId64
              " chunks, its row says %" PRId64,
              blob_id, bytes, want, chunks);
    if (present < chunks)
        found(c, "body %" PRId64 " lacks %" PRId64 " of its %" PRId64 " chunks", blob_id,
              chunks - present, chunks);
    if (store_rows_i64(rows, 8) > present)
        found(c, "body %" PRId64 " has chunks beyond its last", blob_id);
    if (store_rows_i64(rows, 4) != SYS_SHA256_BYTES)
        found(c, "body %" PRId64 " has no digest", blob_id);
    if (store_rows_i64(rows, 5) == 0 || store_rows_i64(rows, 6) == 0)
        found(c, "body %" PRId64 " lacks its envelope or structure", blob_id);
    if (store_rows_i64(rows, 9) == 0)
        found(c, "body %" PRId64 " belongs to no message and no envelope", blob_id);
}

static enum st check_blobs(struct store_tx *tx, void *arg)
{
    struct checking *c = arg;

    c->blob_count = 0;
    buf_clear(&c->found);
    struct store_rows *rows = store_rows_open(tx, S_CHECK_BLOBS, SV_I(c->from));
    while (c->blob_count < BATCH_BLOBS_MAX && store_rows_next(rows)) {
        c->blobs[c->blob_count] = store_rows_i64(rows, 0);
        check_blob_row(c, rows, c->blobs[c->blob_count++]);
    }
    return store_rows_close(&rows);
}

struct digesting {
    struct checking *c;
    int64_t blob_id;
    struct buf chunk;
};

/* Unpacks what lies there; the digest in out. */
static enum st digest_chunks(struct store_tx *tx, struct digesting *d, int64_t count,
                             uint64_t *bytes, unsigned char out[SYS_SHA256_BYTES])
{
    struct sys_sha256 hash;
    enum st st = ST_OK;

    sys_sha256_init(&hash);
    for (int64_t i = 0; st == ST_OK && i < count; i++) {
        struct store_rows *rows =
            store_rows_open(tx, S_CHUNK_GET, SV_I(d->blob_id * STORE_CHUNKS_PER_BLOB + i));

        buf_clear(&d->chunk);
        if (store_rows_next(rows) &&
            store_chunk_unpack(store_rows_bytes(rows, 0), &d->chunk) != ST_OK)
            found(d->c, "body %" PRId64 "'s chunk %" PRId64 " cannot be unpacked", d->blob_id, i);
        st = store_rows_close(&rows);
        sys_sha256_add(&hash, buf_slice(&d->chunk));
        *bytes += d->chunk.len;
    }
    sys_sha256_end(&hash, out);
    return st;
}

static enum st check_digest(struct store_tx *tx, void *arg)
{
    struct digesting *d = arg;
    unsigned char want[SYS_SHA256_BYTES] = {0};
    unsigned char got[SYS_SHA256_BYTES];
    uint64_t bytes = 0;

    buf_clear(&d->c->found);
    struct store_rows *rows = store_rows_open(tx, S_CHECK_BLOB_DIGEST, SV_I(d->blob_id));
    bool there = store_rows_next(rows);
    int64_t size = there ? store_rows_i64(rows, 1) : 0;
    int64_t chunks = there ? store_rows_i64(rows, 2) : 0;
    struct slice stored = there ? store_rows_bytes(rows, 0) : SLICE("");
    if (stored.len == sizeof(want))
        memcpy(want, stored.ptr, sizeof(want));
    enum st st = store_rows_close(&rows);
    if (st != ST_OK || !there || chunks < 0 || chunks > STORE_CHUNKS_PER_BLOB)
        return st; /* gone meanwhile, or told already */
    st = digest_chunks(tx, d, chunks, &bytes, got);
    if (st == ST_OK && bytes != (uint64_t)size)
        found(d->c, "body %" PRId64 " has %" PRIu64 " bytes in its chunks, its row says %" PRId64,
              d->blob_id, bytes, size);
    else if (st == ST_OK && memcmp(want, got, sizeof(want)) != 0)
        found(d->c, "body %" PRId64 " is not what was stored: its digest differs", d->blob_id);
    return st;
}

static enum st step_digest(struct checking *c, int64_t blob_id)
{
    struct digesting d = {.c = c, .blob_id = blob_id};

    buf_init(&d.chunk, STORE_CHUNK_BYTES);
    c->where[0] = '\0';
    enum st st = tell(c, store_read(c->store, check_digest, &d));
    buf_fini(&d.chunk);
    return st;
}

static enum st check_chunks(struct store_tx *tx, void *arg)
{
    struct checking *c = arg;
    int64_t last = INT64_MAX;
    int64_t told = -1;

    buf_clear(&c->found);
    struct store_rows *rows = store_rows_open(tx, S_CHECK_CHUNKS, SV_I(c->from));
    while (store_rows_next(rows)) {
        last = store_rows_i64(rows, 0);
        int64_t blob_id = last / STORE_CHUNKS_PER_BLOB;
        if (store_rows_i64(rows, 1) == 0 && blob_id != told)
            found(c, "chunks are there of body %" PRId64 ", which is not", told = blob_id);
    }
    c->account_id = last; /* where the next batch begins */
    return store_rows_close(&rows);
}

/* --- all of it --- */

static enum st each_account(struct checking *c)
{
    enum st st = ST_OK;

    for (c->from = INT64_MIN; st == ST_OK; c->from = c->account_id) {
        st = step(c, check_account);
        if (c->account_id == INT64_MAX)
            break;
        c->done++;
    }
    return st;
}

static enum st each_blob(struct checking *c)
{
    enum st st = ST_OK;

    for (c->from = INT64_MIN; st == ST_OK;) {
        st = step(c, check_blobs);
        if (st != ST_OK || c->blob_count == 0)
            break;
        for (size_t i = 0; c->check->deep && st == ST_OK && i < c->blob_count; i++)
            st = step_digest(c, c->blobs[i]);
        c->done += c->blob_count;
        c->from = c->blobs[c->blob_count - 1];
    }
    return st;
}

static enum st each_chunk(struct checking *c)
{
    enum st st = ST_OK;

    for (c->from = INT64_MIN; st == ST_OK; c->from = c->account_id) {
        st = step(c, check_chunks);
        if (c->account_id == INT64_MAX)
            break;
    }
    return st;
}

enum st store_check(struct store *store, const struct store_check *check, uint64_t *faults_r)
{
    struct checking c = {.check = check, .store = store};

    buf_init(&c.found, BATCH_TEXT_BYTES_MAX);
    c.arena = arena_new("store check", 1 * GIB);
    enum st st = step(&c, check_whole);
    if (st == ST_OK)
        st = each_account(&c);
    if (st == ST_OK)
        st = each_blob(&c);
    if (st == ST_OK)
        st = each_chunk(&c);
    arena_free(&c.arena);
    buf_fini(&c.found);
    *faults_r = c.faults;
    return st;
}
