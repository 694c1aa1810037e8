#include "store/store_dump.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "store/store_engine.h"
#include "sys/sys_hash.h"

#include <endian.h>
#include <string.h>

#define MAGIC "posthorse store dump 1\n"
#define COLUMNS_MAX 17
#define KEYS_MAX 4
#define OUT_BYTES (256 * KIB)
#define ROW_BYTES_MAX (64 * MIB)
#define BATCH_BYTES_MAX (4 * MIB)
#define BATCH_ROWS_MAX 2000
#define END_MARK 0

/* columns: i a number, t text, b bytes. The first keys of them are the key, none of them bytes. */
static const struct table {
    const char *name;
    enum store_stmt select;
    enum store_stmt insert;
    const char *columns;
    int keys;
} tables[] = {
    {"meta", S_DUMP_META, S_META_PUT, "tt", 1},
    {"document", S_DUMP_DOCUMENT, S_DOCUMENT_PUT, "ttitttitii", 2},
    {"document_history", S_DUMP_DOCUMENT_HISTORY, S_RESTORE_DOCUMENT_HISTORY, "ttitttitii", 4},
    {"document_counter", S_DUMP_DOCUMENT_COUNTER, S_DOCUMENT_COUNTER_PUT, "ii", 1},
    {"account", S_DUMP_ACCOUNT, S_RESTORE_ACCOUNT, "ittiiiiiiii", 1},
    {"keyword", S_DUMP_KEYWORD, S_KEYWORD_ADD, "iit", 2},
    {"folder", S_DUMP_FOLDER, S_RESTORE_FOLDER, "iittiiiiit", 1},
    {"subscription", S_DUMP_SUBSCRIPTION, S_SUBSCRIPTION_ADD, "it", 2},
    {"blob", S_DUMP_BLOB, S_RESTORE_BLOB, "iibiibb", 1},
    {"chunk", S_DUMP_CHUNK, S_CHUNK_ADD, "ib", 1},
    {"message", S_DUMP_MESSAGE, S_MESSAGE_ADD, "iiitiiiiiii", 2},
    {"tombstone", S_DUMP_TOMBSTONE, S_TOMBSTONE_ADD, "iii", 3},
    {"calendar", S_DUMP_CALENDAR, S_RESTORE_CALENDAR, "iitiiiiiittttt", 1},
    {"calendar_grant", S_DUMP_GRANT, S_GRANT_PUT, "iiti", 3},
    {"calendar_account", S_DUMP_CALENDAR_ACCOUNT, S_CALENDAR_ACCOUNT_PUT, "iittiiiitt", 1},
    {"event", S_DUMP_EVENT, S_RESTORE_EVENT, "iiittiiiiiiiiiiib", 1},
    {"event_gone", S_DUMP_EVENT_GONE, S_EVENT_GONE_ADD, "iti", 2},
    {"busytime", S_DUMP_BUSYTIME, S_BUSYTIME_ADD, "iiiiiii", 4},
    {"calendar_task", S_DUMP_TASK, S_RESTORE_TASK, "iiiiiittbt", 1},
    {"calendar_log", S_DUMP_CALENDAR_LOG, S_RESTORE_CALENDAR_LOG, "iiitt", 1},
    {"oof_replied", S_DUMP_OOF, S_RESTORE_OOF, "iti", 2},
    {"server", S_DUMP_SERVER, S_RESTORE_SERVER, "iti", 1},
    {"destination", S_DUMP_DESTINATION, S_RESTORE_DESTINATION, "iitiit", 1},
    {"envelope", S_DUMP_ENVELOPE, S_ENVELOPE_ADD, "itttttiiiiiit", 1},
    {"rcpt", S_DUMP_RCPT, S_RESTORE_RCPT, "iiittiiiiiit", 2},
    {"shadow", S_DUMP_SHADOW, S_RESTORE_SHADOW, "ittttttiiiiiii", 1},
    {"shadow_rcpt", S_DUMP_SHADOW_RCPT, S_SHADOW_RCPT_ADD, "iittiit", 2},
    {"shadow_taken", S_DUMP_SHADOW_TAKEN, S_SHADOW_TAKEN_ADD, "tti", 2},
};

/* --- writing --- */

struct dumping {
    store_dump_write_fn *write;
    store_dump_progress_fn *progress;
    void *ctx;
    struct sys_sha256 hash;
    struct buf out;
    uint64_t rows;
    uint64_t bytes;
    bool begun;
    enum st told; /* what write said */
};

static enum st flush(struct dumping *d)
{
    struct slice bytes = buf_slice(&d->out);

    if (d->told != ST_OK || bytes.len == 0)
        return d->told;
    sys_sha256_add(&d->hash, bytes);
    d->told = d->write(d->ctx, bytes);
    d->bytes += bytes.len;
    buf_clear(&d->out);
    if (d->progress != NULL)
        d->progress(d->ctx, d->rows, d->bytes);
    return d->told;
}

static void put_number(struct buf *out, uint64_t number)
{
    uint64_t big = htobe64(number);

    buf_put(out, (struct slice){(const char *)&big, sizeof(big)});
}

static void put_bytes(struct buf *out, struct slice bytes)
{
    uint32_t big = htobe32((uint32_t)bytes.len);

    buf_put(out, (struct slice){(const char *)&big, sizeof(big)});
    buf_put(out, bytes);
}

static void put_byte(struct buf *out, unsigned byte)
{
    char c = (char)byte;

    buf_put(out, (struct slice){&c, 1});
}

static enum st dump_row(struct dumping *d, struct store_rows *rows, size_t table)
{
    const char *columns = tables[table].columns;

    put_byte(&d->out, (unsigned)table + 1);
    for (int col = 0; columns[col] != '\0'; col++) {
        if (columns[col] == 'i')
            put_number(&d->out, (uint64_t)store_rows_i64(rows, col));
        else
            put_bytes(&d->out, store_rows_bytes(rows, col));
    }
    d->rows++;
    if (d->out.over)
        return ST_IO;
    return d->out.len >= OUT_BYTES ? flush(d) : ST_OK;
}

/* Where the next page begins: behind the last row's key. */
struct page_key {
    struct store_value values[KEYS_MAX];
    struct buf text[KEYS_MAX];
};

static void key_init(struct page_key *key, const struct table *table)
{
    for (int i = 0; i < KEYS_MAX; i++) {
        buf_init(&key->text[i], 64 * KIB);
        key->values[i] = i >= table->keys           ? SV_NONE
                         : table->columns[i] == 'i' ? SV_I(INT64_MIN)
                                                    : SV_C("");
    }
}

static void key_of_row(struct page_key *key, const struct table *table, struct store_rows *rows)
{
    for (int i = 0; i < table->keys; i++) {
        if (table->columns[i] == 'i') {
            key->values[i] = SV_I(store_rows_i64(rows, i));
            continue;
        }
        buf_clear(&key->text[i]);
        buf_put(&key->text[i], store_rows_bytes(rows, i));
        key->values[i] = SV_T(buf_slice(&key->text[i]));
    }
}

static enum st dump_page(struct store_tx *tx, struct dumping *d, size_t table, struct page_key *key,
                         bool *more_r)
{
    const struct table *t = &tables[table];
    struct store_rows *rows = store_rows_open_values(tx, t->select, key->values, (size_t)t->keys);
    enum st told = ST_OK;

    *more_r = false;
    while (told == ST_OK && store_rows_next(rows)) {
        *more_r = true;
        key_of_row(key, t, rows);
        told = dump_row(d, rows, table);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

static enum st dump_table(struct store_tx *tx, struct dumping *d, size_t table)
{
    struct page_key key;
    enum st st = ST_OK;
    bool more = true;

    key_init(&key, &tables[table]);
    while (st == ST_OK && more)
        st = dump_page(tx, d, table, &key, &more);
    for (int i = 0; i < KEYS_MAX; i++)
        buf_fini(&key.text[i]);
    return st;
}

static enum st dump_all(struct store_tx *tx, void *arg)
{
    struct dumping *d = arg;
    enum st st = ST_OK;

    if (d->begun) /* the connection was lost; what was written cannot be taken back */
        return ST_IO;
    d->begun = true;
    buf_put(&d->out, SLICE(MAGIC));
    put_byte(&d->out, (unsigned)store_schema_version());
    for (size_t i = 0; st == ST_OK && i < COUNT(tables); i++)
        st = dump_table(tx, d, i);
    return st;
}

enum st store_dump(struct store *store, store_dump_write_fn *write, void *ctx,
                   store_dump_progress_fn *progress)
{
    struct dumping d = {.write = write, .ctx = ctx, .progress = progress};
    unsigned char digest[SYS_SHA256_BYTES];

    buf_init(&d.out, ROW_BYTES_MAX);
    sys_sha256_init(&d.hash);
    enum st st = store_read(store, dump_all, &d);
    put_byte(&d.out, END_MARK);
    put_number(&d.out, d.rows);
    if (st == ST_OK)
        st = flush(&d);
    sys_sha256_end(&d.hash, digest);
    buf_fini(&d.out);
    return st != ST_OK ? st : write(ctx, (struct slice){(const char *)digest, sizeof(digest)});
}

/* --- reading --- */

struct restoring {
    store_dump_read_fn *read;
    store_dump_progress_fn *progress;
    void *ctx;
    struct store *store;
    struct sys_sha256 hash;
    struct buf in;    /* read and not taken */
    size_t taken;     /* of in */
    struct buf batch; /* whole rows as they stand in the dump */
    uint64_t batch_rows;
    uint64_t rows;
    uint64_t bytes;
    bool ended;
    const char *what; /* is wrong */
};

/* Makes len bytes stand at in.ptr + taken. */
static enum st need(struct restoring *r, size_t len)
{
    while (r->in.len - r->taken < len) {
        size_t got = 0;

        buf_drop(&r->in, r->taken);
        r->taken = 0;
        char *room = buf_room(&r->in, OUT_BYTES);
        enum st st = room == NULL ? ST_TOO_BIG : r->read(r->ctx, room, OUT_BYTES, &got);
        if (st != ST_OK)
            return st;
        if (got == 0) {
            r->what = "the dump is cut off";
            return ST_INVALID;
        }
        buf_grew(&r->in, got);
    }
    return ST_OK;
}

static enum st take(struct restoring *r, size_t len, struct slice *bytes_r)
{
    enum st st = need(r, len);

    if (st != ST_OK)
        return st;
    *bytes_r = (struct slice){r->in.ptr + r->taken, len};
    r->taken += len;
    r->bytes += len;
    sys_sha256_add(&r->hash, *bytes_r);
    return ST_OK;
}

static uint64_t number_of(struct slice bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes.len; i++)
        number = number << 8 | (unsigned char)bytes.ptr[i];
    return number;
}

/* Copies one column of a row to the batch. */
static enum st take_column(struct restoring *r, char column)
{
    struct slice bytes;
    enum st st = take(r, column == 'i' ? 8 : 4, &bytes);

    if (st == ST_OK)
        buf_put(&r->batch, bytes);
    if (st != ST_OK || column == 'i')
        return st;
    uint64_t len = number_of(bytes);
    if (len > ROW_BYTES_MAX / 2) {
        r->what = "the dump is damaged";
        return ST_INVALID;
    }
    st = take(r, len, &bytes);
    if (st == ST_OK)
        buf_put(&r->batch, bytes);
    return st;
}

static enum st take_row(struct restoring *r)
{
    struct slice byte;
    enum st st = take(r, 1, &byte);

    if (st != ST_OK)
        return st;
    size_t table = (unsigned char)byte.ptr[0];
    r->ended = table == END_MARK;
    if (r->ended)
        return ST_OK;
    if (table > COUNT(tables)) {
        r->what = "the dump is damaged";
        return ST_INVALID;
    }
    buf_put(&r->batch, byte);
    const char *columns = tables[table - 1].columns;
    for (; st == ST_OK && *columns != '\0'; columns++)
        st = take_column(r, *columns);
    r->batch_rows++;
    return st == ST_OK && r->batch.over ? ST_TOO_BIG : st;
}

static struct slice cut(struct slice *rest, size_t len)
{
    struct slice bytes = slice_sub(*rest, 0, len);

    assert(bytes.len == len);
    *rest = slice_sub(*rest, len, rest->len);
    return bytes;
}

static enum st insert_row(struct store_tx *tx, struct slice *rest)
{
    struct store_value values[COLUMNS_MAX];
    const struct table *table = &tables[(unsigned char)cut(rest, 1).ptr[0] - 1];
    size_t count = 0;

    for (const char *column = table->columns; *column != '\0'; column++) {
        uint64_t number = number_of(cut(rest, *column == 'i' ? 8 : 4));

        if (*column == 'i')
            values[count++] = SV_I(number);
        else if (*column == 't')
            values[count++] = SV_T(cut(rest, number));
        else
            values[count++] = SV_B(cut(rest, number));
    }
    return store_exec_values(tx, table->insert, NULL, values, count);
}

static enum st insert_batch(struct store_tx *tx, void *arg)
{
    const struct restoring *r = arg;
    struct slice rest = buf_slice(&r->batch);
    enum st st = ST_OK;

    while (st == ST_OK && rest.len > 0)
        st = insert_row(tx, &rest);
    return st;
}

static enum st write_batch(struct restoring *r)
{
    enum st st = r->batch_rows > 0 ? store_write(r->store, insert_batch, r) : ST_OK;

    if (st == ST_IO)
        r->what = "the store cannot be written";
    r->rows += r->batch_rows;
    r->batch_rows = 0;
    buf_clear(&r->batch);
    if (r->progress != NULL)
        r->progress(r->ctx, r->rows, r->bytes);
    return st;
}

static enum st take_rows(struct restoring *r)
{
    enum st st = ST_OK;

    while (st == ST_OK && !r->ended) {
        st = take_row(r);
        if (st == ST_OK &&
            (r->ended || r->batch.len >= BATCH_BYTES_MAX || r->batch_rows >= BATCH_ROWS_MAX))
            st = write_batch(r);
    }
    return st;
}

static enum st take_head(struct restoring *r)
{
    struct slice head;
    enum st st = take(r, sizeof(MAGIC) - 1, &head);

    if (st == ST_OK && !slice_eq(head, SLICE(MAGIC)))
        st = ST_INVALID;
    if (st == ST_INVALID)
        r->what = "this is no dump of a posthorse store";
    if (st == ST_OK)
        st = take(r, 1, &head);
    if (st == ST_OK && (unsigned char)head.ptr[0] != (unsigned)store_schema_version()) {
        r->what = "the dump was made by another version of posthorse; restore it with that one";
        st = ST_INVALID;
    }
    return st;
}

/* The end was read up to its digest. */
static enum st check_end(struct restoring *r, uint64_t count,
                         const unsigned char digest[SYS_SHA256_BYTES])
{
    enum st st = need(r, SYS_SHA256_BYTES);

    if (st != ST_OK)
        return st;
    if (count == r->rows && memcmp(r->in.ptr + r->taken, digest, SYS_SHA256_BYTES) == 0)
        return ST_OK;
    r->what = "the dump is damaged: its end does not fit what came before";
    return ST_INVALID;
}

static enum st begin(struct store_tx *tx, void *arg)
{
    int64_t rows = 0;
    enum st st = store_get_i64(tx, S_RESTORE_EMPTY, &rows, SV_NONE);

    if (st == ST_OK && rows != 0)
        return ST_EXISTS;
    return st != ST_OK ? st
                       : store_exec(tx, S_META_PUT, NULL, SV_C(STORE_META_RESTORING), SV_C("1"));
}

static enum st finish(struct store_tx *tx, void *arg)
{
    const char *script = tx->store->engine->after_restore;
    enum st st = script != NULL ? store_script(tx, script) : ST_OK;

    return st != ST_OK ? st : store_exec(tx, S_META_DELETE, NULL, SV_C(STORE_META_RESTORING));
}

static enum st restore_rows(struct restoring *r, uint64_t *count_r)
{
    struct slice count;
    enum st st = take_head(r);

    if (st == ST_OK)
        st = store_write(r->store, begin, r);
    if (st == ST_EXISTS)
        r->what = "the store is not empty; restore into a new one";
    if (st == ST_OK)
        st = take_rows(r);
    if (st == ST_OK)
        st = take(r, 8, &count);
    if (st == ST_OK)
        *count_r = number_of(count);
    return st;
}

static enum st restore(struct restoring *r)
{
    unsigned char digest[SYS_SHA256_BYTES];
    uint64_t count = 0;

    sys_sha256_init(&r->hash);
    enum st st = restore_rows(r, &count);
    sys_sha256_end(&r->hash, digest);
    if (st == ST_OK)
        st = check_end(r, count, digest);
    return st != ST_OK ? st : store_write(r->store, finish, r);
}

enum st store_restore(struct store *store, store_dump_read_fn *read, void *ctx,
                      store_dump_progress_fn *progress, struct buf *why)
{
    struct restoring r = {.store = store, .read = read, .ctx = ctx, .progress = progress};

    buf_init(&r.in, ROW_BYTES_MAX);
    buf_init(&r.batch, ROW_BYTES_MAX + BATCH_BYTES_MAX);
    enum st st = restore(&r);
    if (st != ST_OK)
        buf_putf(why, "%s", r.what != NULL ? r.what : "the dump or the store cannot be read");
    buf_fini(&r.in);
    buf_fini(&r.batch);
    return st;
}
