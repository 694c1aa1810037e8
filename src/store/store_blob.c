#include "store/store_blob.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "store/store_engine.h"
#include "sys/sys_hash.h"
#include "sys/sys_time.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define LEVEL 1                       /* of zstd */
#define PENDING_BYTES_MAX (512 * KIB) /* compressed chunks kept before they are written ahead */
#define STAGED_LIFE_MS (INT64_C(2) * 24 * 3600 * 1000)

struct pending {
    struct slice bytes; /* compressed */
    char *memory;       /* where they are */
    struct pending *next;
};

struct blob_writer {
    struct store *store;
    struct buf raw; /* of the chunk in the making */
    struct pending *first, **tail;
    uint64_t pending_bytes;
    uint64_t chunks_written; /* ahead, in the store */
    uint64_t chunk_count;
    uint64_t bytes;
    int64_t staged_id; /* of the row written ahead; 0: none */
    bool committed;
    bool ended;
    struct sys_sha256 hash;
    unsigned char sha256[SYS_SHA256_BYTES];
};

struct blob_writer *blob_writer_new(struct store *store)
{
    struct blob_writer *writer = mem_new(struct blob_writer);

    writer->store = store;
    writer->tail = &writer->first;
    buf_init(&writer->raw, STORE_CHUNK_BYTES);
    sys_sha256_init(&writer->hash);
    return writer;
}

uint64_t blob_writer_bytes(const struct blob_writer *writer)
{
    return writer->bytes;
}

/* The thread's contexts: they take a megabyte to make and none to use again. */
struct packer {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

static pthread_key_t packer_key;
static pthread_once_t packer_once = PTHREAD_ONCE_INIT;

static void packer_free(void *arg)
{
    struct packer *packer = arg;

    ZSTD_freeCCtx(packer->compressor);
    ZSTD_freeDCtx(packer->decompressor);
    mem_free(packer);
}

static void make_packer_key(void)
{
    if (pthread_key_create(&packer_key, packer_free) != 0)
        abort();
}

static struct packer *packer_of_thread(void)
{
    (void)pthread_once(&packer_once, make_packer_key);
    struct packer *packer = pthread_getspecific(packer_key);
    if (packer != NULL)
        return packer;
    packer = mem_new(struct packer);
    if (pthread_setspecific(packer_key, packer) != 0)
        abort();
    return packer;
}

/* memory of len bytes, which it takes over. */
static void add_pending(struct blob_writer *writer, char *memory, size_t len)
{
    struct pending *pending = mem_new(struct pending);

    pending->memory = memory;
    pending->bytes = (struct slice){memory, len};
    *writer->tail = pending;
    writer->tail = &pending->next;
    writer->pending_bytes += len;
    writer->chunk_count++;
}

static void pack(struct blob_writer *writer, struct slice raw)
{
    struct packer *packer = packer_of_thread();
    size_t cap = ZSTD_compressBound(raw.len);
    char *out = mem_grow(NULL, cap, 1); /* not zeroed */

    if (packer->compressor == NULL)
        packer->compressor = ZSTD_createCCtx();
    if (packer->compressor == NULL)
        abort();
    size_t len = ZSTD_compressCCtx(packer->compressor, out, cap, raw.ptr, raw.len, LEVEL);
    assert(ZSTD_isError(len) == 0);
    add_pending(writer, mem_grow(out, len, 1), len);
}

static void drop_pending(struct blob_writer *writer)
{
    struct pending *next;

    for (struct pending *p = writer->first; p != NULL; p = next) {
        next = p->next;
        mem_free(p->memory);
        mem_free(p);
    }
    writer->first = NULL;
    writer->tail = &writer->first;
    writer->pending_bytes = 0;
}

static enum st write_pending(struct store_tx *tx, const struct blob_writer *writer, int64_t blob_id)
{
    int64_t chunk_id = blob_id * STORE_CHUNKS_PER_BLOB + (int64_t)writer->chunks_written;
    enum st st = ST_OK;

    for (const struct pending *p = writer->first; st == ST_OK && p != NULL; p = p->next)
        st = store_exec(tx, S_CHUNK_ADD, NULL, SV_I(chunk_id++), SV_B(p->bytes));
    return st;
}

/* The row of a body that is not there yet: staged_ms tells since when. */
static enum st stage(struct store_tx *tx, void *arg)
{
    struct blob_writer *writer = arg;
    int64_t blob_id = writer->staged_id;
    enum st st = ST_OK;

    if (writer->chunks_written == 0)
        st = store_get_i64(tx, S_BLOB_ADD, &blob_id, SV_I(0), SV_B(SLICE("")), SV_I(0),
                           SV_I(sys_now_ms()), SV_B(SLICE("")), SV_B(SLICE("")));
    if (st == ST_OK)
        st = write_pending(tx, writer, blob_id);
    writer->staged_id = blob_id;
    return st;
}

static enum st write_ahead(struct blob_writer *writer)
{
    enum st st = store_write(writer->store, stage, writer);

    if (st == ST_OK) {
        writer->chunks_written = writer->chunk_count;
        drop_pending(writer);
    } else if (writer->chunks_written == 0) {
        writer->staged_id = 0;
    }
    return st;
}

enum st blob_writer_add(struct blob_writer *writer, struct slice bytes)
{
    enum st st = ST_OK;

    assert(!writer->ended);
    sys_sha256_add(&writer->hash, bytes);
    writer->bytes += bytes.len;
    while (bytes.len > 0 && st == ST_OK) {
        struct slice part = slice_sub(bytes, 0, STORE_CHUNK_BYTES - writer->raw.len);

        buf_put(&writer->raw, part);
        assert(!writer->raw.over);
        bytes = slice_sub(bytes, part.len, bytes.len);
        if (writer->raw.len == STORE_CHUNK_BYTES) {
            pack(writer, buf_slice(&writer->raw));
            buf_clear(&writer->raw);
            if (writer->pending_bytes >= PENDING_BYTES_MAX)
                st = write_ahead(writer);
        }
    }
    return st;
}

enum st blob_writer_end(struct blob_writer *writer)
{
    assert(!writer->ended);
    if (writer->raw.len > 0)
        pack(writer, buf_slice(&writer->raw));
    buf_fini(&writer->raw);
    sys_sha256_end(&writer->hash, writer->sha256);
    writer->ended = true;
    return writer->chunk_count < STORE_CHUNKS_PER_BLOB ? ST_OK : ST_TOO_BIG;
}

enum st blob_writer_commit(struct store_tx *tx, struct blob_writer *writer, struct slice envelope,
                           struct slice structure, int64_t *blob_id_r)
{
    struct slice hash = {(const char *)writer->sha256, sizeof(writer->sha256)};
    enum st st;

    assert(writer->ended);
    *blob_id_r = writer->staged_id;
    if (writer->staged_id == 0)
        st = store_get_i64(tx, S_BLOB_ADD, blob_id_r, SV_I(writer->bytes), SV_B(hash),
                           SV_I(writer->chunk_count), SV_I(0), SV_B(envelope), SV_B(structure));
    else
        st = store_exec(tx, S_BLOB_FINISH, NULL, SV_I(writer->staged_id), SV_I(writer->bytes),
                        SV_B(hash), SV_I(writer->chunk_count), SV_B(envelope), SV_B(structure));
    return st != ST_OK ? st : write_pending(tx, writer, *blob_id_r);
}

bool blob_writer_movable(const struct blob_writer *writer)
{
    return writer->chunks_written == 0;
}

void blob_writer_committed(struct blob_writer *writer)
{
    writer->committed = true;
}

/* --- packed --- */

void blob_writer_look(const struct blob_writer *writer, struct blob_packed *packed_r)
{
    assert(writer->ended);
    packed_r->bytes = writer->bytes;
    packed_r->chunk_count = writer->chunk_count;
    memcpy(packed_r->sha256, writer->sha256, sizeof(packed_r->sha256));
}

struct packed_reading {
    int64_t chunk_id;
    struct buf *out;
};

static enum st read_packed(struct store_tx *tx, void *arg)
{
    struct packed_reading *reading = arg;
    struct store_rows *rows = store_rows_open(tx, S_CHUNK_GET, SV_I(reading->chunk_id));
    bool found = store_rows_next(rows);

    buf_clear(reading->out);
    if (found)
        buf_put(reading->out, store_rows_bytes(rows, 0));
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : !found ? ST_NOT_FOUND : reading->out->over ? ST_TOO_BIG : ST_OK;
}

enum st blob_packed_each(struct store *store, int64_t blob_id, uint64_t chunk_count, blob_fn *fn,
                         void *ctx)
{
    AUTO(buf) struct buf chunk = BUF(ZSTD_COMPRESSBOUND(STORE_CHUNK_BYTES));
    struct packed_reading reading = {blob_id * STORE_CHUNKS_PER_BLOB, &chunk};
    enum st st = ST_OK;

    for (uint64_t i = 0; st == ST_OK && i < chunk_count; i++, reading.chunk_id++) {
        st = store_read(store, read_packed, &reading);
        if (st == ST_OK)
            st = fn(ctx, buf_slice(&chunk));
    }
    return st;
}

enum st blob_writer_each_packed(const struct blob_writer *writer, blob_fn *fn, void *ctx)
{
    enum st st = ST_OK;

    if (writer->chunks_written > 0)
        st = blob_packed_each(writer->store, writer->staged_id, writer->chunks_written, fn, ctx);
    for (const struct pending *p = writer->first; st == ST_OK && p != NULL; p = p->next)
        st = fn(ctx, p->bytes);
    return st;
}

struct packed_looking {
    int64_t blob_id;
    struct blob_packed *packed;
    struct buf *envelope;
    struct buf *structure;
};

static enum st look_packed(struct store_tx *tx, void *arg)
{
    const struct packed_looking *looking = arg;
    struct blob_packed *packed = looking->packed;
    struct store_rows *rows = store_rows_open(tx, S_SHADOW_BLOB, SV_I(looking->blob_id));
    bool found = store_rows_next(rows);

    buf_clear(looking->envelope);
    buf_clear(looking->structure);
    if (found) {
        struct slice sha256 = store_rows_bytes(rows, 2);

        packed->bytes = (uint64_t)store_rows_i64(rows, 0);
        packed->chunk_count = (uint64_t)store_rows_i64(rows, 1);
        found = sha256.len == sizeof(packed->sha256);
        if (found)
            memcpy(packed->sha256, sha256.ptr, sha256.len);
        buf_put(looking->envelope, store_rows_bytes(rows, 3));
        buf_put(looking->structure, store_rows_bytes(rows, 4));
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st blob_packed_look(struct store *store, int64_t blob_id, struct blob_packed *packed_r,
                         struct buf *envelope, struct buf *structure)
{
    struct packed_looking looking = {blob_id, packed_r, envelope, structure};

    return store_read(store, look_packed, &looking);
}

enum st blob_writer_add_packed(struct blob_writer *writer, struct slice chunk)
{
    if (chunk.len == 0 || chunk.len > ZSTD_COMPRESSBOUND(STORE_CHUNK_BYTES) ||
        writer->chunk_count >= (uint64_t)STORE_CHUNKS_PER_BLOB)
        return ST_INVALID;
    char *memory = mem_grow(NULL, chunk.len, 1);
    memcpy(memory, chunk.ptr, chunk.len);
    add_pending(writer, memory, chunk.len);
    return writer->pending_bytes >= PENDING_BYTES_MAX ? write_ahead(writer) : ST_OK;
}

enum st blob_writer_end_packed(struct blob_writer *writer, const struct blob_packed *packed)
{
    unsigned char none[SYS_SHA256_BYTES];

    assert(!writer->ended);
    sys_sha256_end(&writer->hash, none);
    buf_fini(&writer->raw);
    writer->ended = true;
    writer->bytes = packed->bytes;
    memcpy(writer->sha256, packed->sha256, sizeof(writer->sha256));
    return writer->chunk_count == packed->chunk_count ? ST_OK : ST_INVALID;
}

/* Nothing here waits for an answer: an expunge of thousands is sent in one go. */
enum st store_blob_release(struct store_tx *tx, int64_t blob_id)
{
    enum st st = ST_OK;

    /* Two accounts that let go of one body at the same time would each see the other's message: the
     * second waits here and then sees that it was the last. */
    if (store_is_shared(tx->store))
        st = store_exec(tx, S_BLOB_LOCK, NULL, SV_I(blob_id));
    if (st == ST_OK)
        st = store_exec(tx, S_BLOB_DELETE_UNUSED, NULL, SV_I(blob_id));
    return st != ST_OK
               ? st
               : store_exec(tx, S_CHUNK_DELETE_UNUSED, NULL, SV_I(blob_id * STORE_CHUNKS_PER_BLOB),
                            SV_I(blob_id * STORE_CHUNKS_PER_BLOB + STORE_CHUNKS_PER_BLOB - 1),
                            SV_I(blob_id));
}

static enum st unstage(struct store_tx *tx, void *arg)
{
    return store_blob_release(tx, ((struct blob_writer *)arg)->staged_id);
}

void blob_writer_free(struct blob_writer **writer)
{
    struct blob_writer *w = *writer;

    if (w == NULL)
        return;
    /* What cannot be dropped now is swept when its time is over. */
    if (w->staged_id != 0 && !w->committed)
        (void)!store_write(w->store, unstage, w);
    if (!w->ended)
        sys_sha256_end(&w->hash, w->sha256);
    drop_pending(w);
    buf_fini(&w->raw);
    mem_free(w);
    *writer = NULL;
}

struct sweeping {
    int64_t before_ms;
    uint64_t count;
};

static enum st sweep(struct store_tx *tx, void *arg)
{
    struct sweeping *sweeping = arg;
    int64_t ids[256];
    size_t count = 0;
    struct store_rows *rows = store_rows_open(tx, S_BLOB_STAGED_BEFORE, SV_I(sweeping->before_ms));

    while (count < COUNT(ids) && store_rows_next(rows))
        ids[count++] = store_rows_i64(rows, 0);
    enum st st = store_rows_close(&rows);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = store_blob_release(tx, ids[i]);
    sweeping->count = count;
    return st;
}

enum st blob_sweep(struct store *store, bool all)
{
    struct sweeping sweeping = {.before_ms = all ? INT64_MAX : sys_now_ms() - STAGED_LIFE_MS};
    uint64_t total = 0;
    enum st st;

    do {
        st = store_write(store, sweep, &sweeping);
        total += sweeping.count;
    } while (st == ST_OK && sweeping.count > 0);
    if (total > 0)
        log_event(EV_STORE_SWEPT, 0, LOG_U("bodies", total));
    return st;
}

/* --- reading --- */

struct chunk_reading {
    int64_t chunk_id;
    struct buf *out;
    size_t start; /* what out held before */
};

enum st store_chunk_unpack(struct slice packed, struct buf *out)
{
    struct packer *packer = packer_of_thread();
    unsigned long long len = ZSTD_getFrameContentSize(packed.ptr, packed.len);

    if (len > STORE_CHUNK_BYTES) /* so are the two error codes */
        return ST_IO;
    if (packer->decompressor == NULL)
        packer->decompressor = ZSTD_createDCtx();
    if (packer->decompressor == NULL)
        abort();
    char *room = buf_room(out, len);
    if (room == NULL)
        return ST_TOO_BIG;
    size_t got = ZSTD_decompressDCtx(packer->decompressor, room, len, packed.ptr, packed.len);
    if (ZSTD_isError(got) != 0 || got != len)
        return ST_IO;
    buf_grew(out, got);
    return ST_OK;
}

static enum st read_chunk(struct store_tx *tx, void *arg)
{
    struct chunk_reading *reading = arg;
    reading->out->len = reading->start; /* a body that runs again */
    struct store_rows *rows = store_rows_open(tx, S_CHUNK_GET, SV_I(reading->chunk_id));
    bool found = store_rows_next(rows);
    enum st unpacked =
        found ? store_chunk_unpack(store_rows_bytes(rows, 0), reading->out) : ST_NOT_FOUND;
    enum st st = store_rows_close(&rows);

    return st != ST_OK ? st : unpacked;
}

enum st blob_chunk_read(struct store *store, int64_t blob_id, uint64_t chunk_no, struct buf *out)
{
    struct chunk_reading reading = {.out = out, .start = out->len};

    if (chunk_no >= (uint64_t)STORE_CHUNKS_PER_BLOB)
        return ST_NOT_FOUND;
    reading.chunk_id = blob_id * STORE_CHUNKS_PER_BLOB + (int64_t)chunk_no;
    return store_read(store, read_chunk, &reading);
}

struct chunk_counting {
    int64_t blob_id;
    int64_t count;
};

static enum st count_chunks(struct store_tx *tx, void *arg)
{
    struct chunk_counting *counting = arg;

    return store_get_i64(tx, S_BLOB_CHUNKS, &counting->count, SV_I(counting->blob_id));
}

/* Whether a chunk that was not found lies behind the body's end, or the body is gone. */
static enum st check_end(struct store *store, int64_t blob_id, uint64_t chunk_no)
{
    struct chunk_counting counting = {.blob_id = blob_id};
    enum st st = store_read(store, count_chunks, &counting);

    return st != ST_OK ? st : chunk_no >= (uint64_t)counting.count ? ST_OK : ST_NOT_FOUND;
}

enum st blob_each(struct store *store, int64_t blob_id, uint64_t offset, uint64_t len, blob_fn *fn,
                  void *ctx)
{
    AUTO(buf) struct buf chunk = BUF(STORE_CHUNK_BYTES);
    enum st st = ST_OK;

    while (len > 0 && st == ST_OK) {
        buf_clear(&chunk);
        st = blob_chunk_read(store, blob_id, offset / STORE_CHUNK_BYTES, &chunk);
        if (st == ST_NOT_FOUND)
            return check_end(store, blob_id, offset / STORE_CHUNK_BYTES);
        if (st != ST_OK)
            return st;
        struct slice part = slice_sub(buf_slice(&chunk), offset % STORE_CHUNK_BYTES, len);
        bool last = chunk.len < STORE_CHUNK_BYTES;
        if (part.len > 0)
            st = fn(ctx, part);
        if (last)
            break;
        offset += part.len;
        len -= part.len;
    }
    return st;
}
