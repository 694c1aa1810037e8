#include "router/router_spool.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "log/log.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"
#include "router/router.h"
#include "store/store_blob.h"
#include "store/store_queue.h"
#include "sys/sys_time.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MS 500
#define PAGE_COUNT 1000
#define STRUCTURE_BYTES_MAX (4 * MIB)

struct router_spool {
    struct store *main;
    struct store *store;
    struct router_queue *queue;
    int64_t destination_id;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool started;
    bool stopping;
    bool filled; /* there may be something in it */
};

/* --- life --- */

static enum st enter(struct store_tx *tx, void *arg)
{
    struct router_spool *spool = arg;
    int64_t server_id = 0;
    enum st st = store_server_enter(tx, SLICE("spool"), 0, &server_id);

    return st != ST_OK
               ? st
               : store_destination_need(tx, server_id, SLICE("spool"), &spool->destination_id);
}

static enum st open_store(struct router_spool *spool, const char *data_dir, struct buf *why)
{
    char dir[4096];
    const struct store_options options = {.where = "sqlite", .data_dir = dir, .create = true};

    snprintf(dir, sizeof(dir), "%s/spool", data_dir);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        buf_putf(why, "%s cannot be made: %s", dir, strerror(errno));
        return ST_IO;
    }
    enum st st = store_open(&options, why, &spool->store);
    return st == ST_OK ? store_write(spool->store, enter, spool) : st;
}

enum st router_spool_new(const char *data_dir, struct store *main, struct buf *why,
                         struct router_spool **spool_r)
{
    struct router_spool *spool = mem_new(struct router_spool);

    spool->main = main;
    spool->filled = true;
    pthread_mutex_init(&spool->lock, NULL);
    sys_cond_init(&spool->cond);
    enum st st = open_store(spool, data_dir, why);
    if (st != ST_OK)
        router_spool_free(&spool);
    *spool_r = spool;
    return st;
}

void router_spool_free(struct router_spool **spool)
{
    if (*spool == NULL)
        return;
    store_close(&(*spool)->store);
    pthread_mutex_destroy(&(*spool)->lock);
    pthread_cond_destroy(&(*spool)->cond);
    mem_free(*spool);
    *spool = NULL;
}

bool router_spool_wanted(const struct router_spool *spool)
{
    return spool != NULL && store_away(spool->main);
}

struct store *router_spool_store(const struct router_spool *spool)
{
    return spool->store;
}

int64_t router_spool_destination_id(const struct router_spool *spool)
{
    return spool->destination_id;
}

void router_spool_look(struct router_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->filled = true;
    pthread_cond_signal(&spool->cond);
    pthread_mutex_unlock(&spool->lock);
}

/* --- moving one message --- */

struct moving {
    struct router_spool *spool;
    struct arena *arena;
    struct store_envelope envelope;
    struct store_rcpt *given;
    struct router_rcpt *rcpts;
    size_t count;
    size_t cap;
    struct router_targets targets;
    struct blob_writer *body;
    struct mime_scan *scan;
};

static enum st take_row(void *ctx, const struct store_queued *row)
{
    struct moving *m = ctx;

    if (m->count > 0 && row->envelope.envelope_id != m->envelope.envelope_id)
        return ST_AGAIN;
    if (m->count == 0) {
        m->envelope = row->envelope;
        m->envelope.sender = arena_copy(m->arena, row->envelope.sender);
        m->envelope.envid = arena_copy(m->arena, row->envelope.envid);
        m->envelope.message_id = arena_copy(m->arena, row->envelope.message_id);
        m->envelope.origin = arena_copy(m->arena, row->envelope.origin);
    }
    if (m->count == m->cap)
        m->given = arena_grow(m->arena, m->given, m->count, &m->cap, sizeof(*m->given));
    struct store_rcpt *given = &m->given[m->count++];
    *given = row->rcpt;
    given->address = arena_copy(m->arena, row->rcpt.address);
    given->orcpt = arena_copy(m->arena, row->rcpt.orcpt);
    return ST_OK;
}

/* The oldest message with all its recipients. */
static enum st read_first(struct store_tx *tx, void *arg)
{
    struct moving *m = arg;
    int64_t after_id = 0;
    int64_t after_no = 0;
    size_t had;
    enum st st;

    arena_reset(m->arena);
    m->given = NULL;
    m->count = m->cap = 0;
    do {
        had = m->count;
        st = store_queue_each(tx, after_id, after_no, PAGE_COUNT, take_row, m);
        if (m->count > 0) {
            after_id = m->envelope.envelope_id;
            after_no = m->given[m->count - 1].rcpt_no;
        }
    } while (st == ST_OK && m->count - had == PAGE_COUNT);
    return st == ST_AGAIN ? ST_OK : st;
}

static enum st copy_bytes(void *ctx, struct slice bytes)
{
    struct moving *m = ctx;

    mime_scan_feed(m->scan, bytes);
    return blob_writer_add(m->body, bytes);
}

/* Who is nobody by now, is told of to the sender. */
static void resolve(struct moving *m)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();

    m->rcpts = arena_many(m->arena, struct router_rcpt, m->count);
    memset(&m->targets, 0, sizeof(m->targets));
    m->targets.arena = m->arena;
    for (size_t i = 0; i < m->count; i++) {
        struct router_rcpt *rcpt = &m->rcpts[i];
        struct slice address = m->given[i].address, local, domain;

        directory_name_split(address, &local, &domain);
        if (domain.len == 0)
            domain = directory_first_domain(directory);
        *rcpt = (struct router_rcpt){
            .address = address, .orcpt = m->given[i].orcpt, .notify = (uint8_t)m->given[i].notify};
        enum router_verdict verdict =
            router_resolve(directory, local, domain, &m->targets, &rcpt->reach);
        if (verdict != ROUTER_OK && verdict != ROUTER_FOREIGN)
            rcpt->refused = "550 5.1.1 no such mailbox any more";
    }
}

static enum st claim(struct store_tx *tx, void *arg)
{
    const struct moving *m = arg;
    bool new = false;
    enum st st = store_guid_claim(tx, slice_str(m->envelope.guid), m->envelope.accepted_ms, &new);

    return st == ST_OK && !new ? ST_EXISTS : st;
}

static enum st put(struct moving *m)
{
    AUTO(buf) struct buf structure = BUF(STRUCTURE_BYTES_MAX);
    const struct mime_part *root = mime_scan_end(m->scan);
    static const int8_t priorities[STORE_PRIORITY_MAX] = {1, 0, -1};

    mime_structure_write(root, &structure);
    resolve(m);
    struct router_submission submission;
    struct slice origin = m->envelope.origin;
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    bool submitted =
        router_submission_unpack(directory, m->envelope.message_id, &origin, &submission);
    struct router_message message = {.body = m->body,
                                     .envelope = root->envelope,
                                     .structure = buf_slice(&structure),
                                     .now_ms = m->envelope.accepted_ms,
                                     .sender = m->envelope.sender,
                                     .message_id = m->envelope.message_id,
                                     .origin = origin,
                                     .flags = m->envelope.flags,
                                     .body_offset = m->envelope.body_offset,
                                     .envid = m->envelope.envid,
                                     .priority =
                                         priorities[m->envelope.priority % STORE_PRIORITY_MAX],
                                     .rcpts = m->rcpts,
                                     .rcpt_count = m->count,
                                     .targets = &m->targets,
                                     .submission = submitted ? &submission : NULL,
                                     .also = claim,
                                     .also_arg = m};
    memcpy(message.guid, m->envelope.guid, sizeof(message.guid));
    return router_accept(m->spool->main, m->spool->queue, &message);
}

static enum st drop(struct store_tx *tx, void *arg)
{
    const struct moving *m = arg;
    struct store_settle done = {.what = STORE_SETTLE_DONE};
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < m->count; i++) {
        done.rcpt = m->given[i];
        st = store_queue_settle(tx, &done, 1);
    }
    return st;
}

/* ST_NOT_FOUND: the spool is empty. */
static enum st move_one(struct router_spool *spool)
{
    struct moving m = {.spool = spool, .arena = arena_new("spool", 256 * MIB)};
    enum st st = store_read(spool->store, read_first, &m);

    if (st == ST_OK && m.count == 0)
        st = ST_NOT_FOUND;
    if (st == ST_OK) {
        m.body = blob_writer_new(spool->main);
        m.scan = mime_scan_new(NULL);
        st = blob_each(spool->store, m.envelope.envelope_id, 0, m.envelope.bytes, copy_bytes, &m);
        if (st == ST_OK)
            st = blob_writer_end(m.body);
        if (st == ST_OK)
            st = put(&m);
        if (st == ST_OK || st == ST_EXISTS) {
            log_event(EV_SPOOL_MOVED, 0, LOG_C("guid", m.envelope.guid),
                      LOG_C("new", st == ST_OK ? "yes" : "no"));
            st = store_write(spool->store, drop, &m);
        }
        mime_scan_free(&m.scan);
        blob_writer_free(&m.body);
    }
    arena_free(&m.arena);
    return st;
}

/* --- the thread --- */

static enum st ask(struct store_tx *tx, void *arg)
{
    int64_t count;

    (void)arg;
    return store_queue_count(tx, 0, &count);
}

static void *mover_main(void *arg)
{
    struct router_spool *spool = arg;

    pthread_mutex_lock(&spool->lock);
    while (!spool->stopping) {
        bool filled = spool->filled;

        spool->filled = false;
        pthread_mutex_unlock(&spool->lock);
        /* Nobody else may ask the store while mail goes here: this finds out that it is back. */
        enum st st = store_away(spool->main) ? store_read(spool->main, ask, NULL) : ST_OK;
        if (st == ST_OK && filled)
            st = move_one(spool);
        pthread_mutex_lock(&spool->lock);
        if (filled && st != ST_NOT_FOUND)
            spool->filled = true;
        if (!spool->stopping && (st != ST_OK || !spool->filled))
            sys_cond_wait_ms(&spool->cond, &spool->lock, LOOK_MS);
    }
    pthread_mutex_unlock(&spool->lock);
    return NULL;
}

enum st router_spool_start(struct router_spool *spool, struct router_queue *queue)
{
    spool->queue = queue;
    spool->started = pthread_create(&spool->thread, NULL, mover_main, spool) == 0;
    return spool->started ? ST_OK : ST_IO;
}

void router_spool_stop(struct router_spool *spool)
{
    if (spool == NULL || !spool->started)
        return;
    pthread_mutex_lock(&spool->lock);
    spool->stopping = true;
    pthread_cond_signal(&spool->cond);
    pthread_mutex_unlock(&spool->lock);
    pthread_join(spool->thread, NULL);
    spool->started = false;
}
