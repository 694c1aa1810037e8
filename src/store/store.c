#include "store/store.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "net/net.h"
#include "store/store_engine.h"

#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define TX_BYTES_MAX (1 * GIB)

const char *const store_stmt_sql[] = {
#define STMT(name, sql) sql,
#include "store/store_stmt.def"
};

struct store_watch {
    struct store *store;
    int64_t account_id;
    store_watch_fn *fn;
    void *ctx;
    struct store_watch *prev, *next;
};

struct store_watched {
    UT_hash_handle hh;
    int64_t account_id;
    struct store_watch *list;
};

enum st store_open(const struct store_options *options, struct buf *why, struct store **store_r)
{
    struct store *store = mem_new(struct store);

    store->engine = strcmp(options->where, "sqlite") == 0 ? &store_sqlite : &store_postgres;
    if (options->server_name != NULL)
        snprintf(store->server_name, sizeof(store->server_name), "%s", options->server_name);
    pthread_mutex_init(&store->watch_lock, NULL);
    pthread_mutex_init(&store->inbox_lock, NULL);
    store->inboxes = mem_alloc(STORE_INBOXES * sizeof(store->inboxes[0]));
    store->views = store_views_new();
    atomic_init(&store->root, STORE_ROOT_NONE);
    enum st st = store->engine->open(store, options, why);
    if (st == ST_OK)
        st = store_migrate(store, why);
    store->migrated = st == ST_OK;
    *store_r = store;
    if (st != ST_OK)
        store_close(store_r);
    return st;
}

void store_close(struct store **store)
{
    if (*store == NULL)
        return;
    (*store)->engine->close(*store);
    assert((*store)->watched == NULL);
    store_views_free(&(*store)->views);
    pthread_mutex_destroy(&(*store)->watch_lock);
    pthread_mutex_destroy(&(*store)->inbox_lock);
    mem_free((*store)->inboxes);
    mem_free(*store);
    *store = NULL;
}

enum st store_read(struct store *store, store_body *body, void *arg)
{
    return store->engine->read(store, body, arg, 0);
}

enum st store_read_soon(struct store *store, store_body *body, void *arg)
{
    return store->engine->read(store, body, arg, STORE_SOON_MS);
}

enum st store_read_within(struct store *store, store_body *body, void *arg, uint64_t patience_ms)
{
    assert(patience_ms > 0);
    return store->engine->read(store, body, arg, patience_ms);
}

bool store_write_begin(struct store *store, struct store_job *job)
{
    net_block_begin();
    bool over = store->engine->write(store, job);
    net_block_end();
    return over;
}

/* A thread that waits for its job. */
struct waiter {
    struct store_job job;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
};

static void tell_waiter(struct store_job *job)
{
    struct waiter *waiter = (struct waiter *)job; /* its first member */

    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    pthread_cond_signal(&waiter->told);
    pthread_mutex_unlock(&waiter->lock);
}

static enum st write_within(struct store *store, store_body *body, void *arg, uint64_t patience_ms)
{
    struct waiter waiter = {
        .job = {.body = body, .arg = arg, .done = tell_waiter, .patience_ms = patience_ms},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .told = PTHREAD_COND_INITIALIZER};

    if (store_write_begin(store, &waiter.job))
        return waiter.job.st;
    net_block_begin();
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.done)
        pthread_cond_wait(&waiter.told, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    net_block_end();
    return waiter.job.st;
}

enum st store_write(struct store *store, store_body *body, void *arg)
{
    return write_within(store, body, arg, 0);
}

enum st store_write_soon(struct store *store, store_body *body, void *arg)
{
    return write_within(store, body, arg, STORE_SOON_MS);
}

bool store_away(const struct store *store)
{
    return store->engine->away != NULL && store->engine->away(store);
}

void store_hurry(struct store *store)
{
    if (store->engine->hurry != NULL)
        store->engine->hurry(store);
}

void store_set_retry(struct store *store, uint64_t retry_ms)
{
    if (store->engine->set_retry != NULL)
        store->engine->set_retry(store, retry_ms);
}

const char *store_server_name(const struct store *store)
{
    return store->server_name;
}

void store_set_root(struct store *store, int root)
{
    assert(root >= STORE_ROOT_NONE && root <= STORE_ROOT_MAX);
    atomic_store(&store->root, root);
}

int store_root(const struct store *store)
{
    return atomic_load(&store->root);
}

bool store_is_shared(const struct store *store)
{
    return store->engine->shared;
}

const char *store_engine_name(const struct store *store)
{
    return store->engine->name;
}

/* --- statements --- */

enum st store_exec_values(struct store_tx *tx, enum store_stmt stmt, int64_t *changed_r,
                          const struct store_value *values, size_t count)
{
    assert(count <= STORE_PARAMS_MAX);
    if (changed_r != NULL)
        *changed_r = 0;
    if (tx->st == ST_OK)
        tx->st = tx->store->engine->exec(tx, stmt, values, count, changed_r);
    return tx->st;
}

struct store_rows *store_rows_open_values(struct store_tx *tx, enum store_stmt stmt,
                                          const struct store_value *values, size_t count)
{
    struct store_rows *rows = mem_new(struct store_rows);

    assert(count <= STORE_PARAMS_MAX);
    rows->tx = tx;
    rows->st = tx->st;
    if (rows->st == ST_OK)
        tx->store->engine->rows_open(rows, stmt, values, count);
    return rows;
}

bool store_rows_next(struct store_rows *rows)
{
    return rows->st == ST_OK && rows->handle != NULL && rows->tx->store->engine->rows_next(rows);
}

int64_t store_rows_i64(struct store_rows *rows, int col)
{
    return rows->tx->store->engine->rows_i64(rows, col);
}

struct slice store_rows_bytes(struct store_rows *rows, int col)
{
    return rows->tx->store->engine->rows_bytes(rows, col);
}

enum st store_rows_close(struct store_rows **rows)
{
    enum st st;

    if ((*rows)->handle != NULL)
        (*rows)->tx->store->engine->rows_close(*rows);
    st = (*rows)->st;
    if (st != ST_OK)
        (*rows)->tx->st = st;
    mem_free(*rows);
    *rows = NULL;
    return st;
}

enum st store_get_i64_values(struct store_tx *tx, enum store_stmt stmt, int64_t *value_r,
                             const struct store_value *values, size_t count)
{
    struct store_rows *rows = store_rows_open_values(tx, stmt, values, count);
    bool found = store_rows_next(rows);

    if (found)
        *value_r = store_rows_i64(rows, 0);
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st store_script(struct store_tx *tx, const char *sql)
{
    if (tx->st == ST_OK)
        tx->st = tx->store->engine->script(tx, sql);
    return tx->st;
}

/* --- text --- */

bool store_text_ok(struct slice s, bool controls)
{
    for (size_t i = 0; i < s.len;) {
        uint32_t point;
        size_t len = utf8_point(slice_sub(s, i, s.len), &point);

        if (len == 0 || len == SIZE_MAX || point == 0 ||
            (!controls && (point < ' ' || point == 0x7f)))
            return false;
        i += len;
    }
    return true;
}

/* --- telling of changes --- */

void store_touch(struct store_tx *tx, int64_t account_id, int64_t folder_id)
{
    for (size_t i = 0; i < tx->touched_count; i++)
        if (tx->touched[i].folder_id == folder_id && tx->touched[i].account_id == account_id)
            return;
    tx->touched = mem_grow(tx->touched, tx->touched_count + 1, sizeof(*tx->touched));
    tx->touched[tx->touched_count++] = (struct store_touched){account_id, folder_id};
}

struct arena *store_tx_arena(struct store_tx *tx)
{
    if (tx->arena == NULL)
        tx->arena = arena_new("store transaction", TX_BYTES_MAX);
    return tx->arena;
}

void store_tx_fini(struct store_tx *tx)
{
    arena_free(&tx->arena);
    mem_free(tx->touched);
    tx->touched = NULL;
    tx->touched_count = 0;
}

struct store_watch *store_watch_new(struct store *store, int64_t account_id, store_watch_fn *fn,
                                    void *ctx)
{
    struct store_watch *watch = mem_new(struct store_watch);
    struct store_watched *watched;

    *watch = (struct store_watch){.store = store, .account_id = account_id, .fn = fn, .ctx = ctx};
    pthread_mutex_lock(&store->watch_lock);
    HASH_FIND(hh, store->watched, &account_id, sizeof(account_id), watched);
    if (watched == NULL) {
        watched = mem_new(struct store_watched);
        watched->account_id = account_id;
        HASH_ADD(hh, store->watched, account_id, sizeof(account_id), watched);
    }
    DL_APPEND(watched->list, watch);
    pthread_mutex_unlock(&store->watch_lock);
    return watch;
}

void store_watch_free(struct store_watch **watch)
{
    struct store *store;
    struct store_watched *watched;

    if (*watch == NULL)
        return;
    store = (*watch)->store;
    pthread_mutex_lock(&store->watch_lock);
    HASH_FIND(hh, store->watched, &(*watch)->account_id, sizeof((*watch)->account_id), watched);
    assert(watched != NULL);
    DL_DELETE(watched->list, *watch);
    if (watched->list == NULL) {
        HASH_DEL(store->watched, watched);
        mem_free(watched);
    }
    pthread_mutex_unlock(&store->watch_lock);
    mem_free(*watch);
    *watch = NULL;
}

void store_tell_all(struct store *store)
{
    struct store_watched *watched;
    struct store_watched *next;
    struct store_watch *watch;

    store_views_all_stale(store->views);
    pthread_mutex_lock(&store->watch_lock);
    HASH_ITER(hh, store->watched, watched, next)
    {
        DL_FOREACH(watched->list, watch)
        watch->fn(watch->ctx, watched->account_id, STORE_FOLDER_ANY);
    }
    pthread_mutex_unlock(&store->watch_lock);
}

void store_tell(struct store *store, const struct store_touched *touched, size_t count)
{
    for (size_t i = 0; i < count; i++)
        store_views_stale(store->views, touched[i].folder_id);
    pthread_mutex_lock(&store->watch_lock);
    for (size_t i = 0; i < count && store->watched != NULL; i++) {
        struct store_watched *watched;
        struct store_watch *watch;

        HASH_FIND(hh, store->watched, &touched[i].account_id, sizeof(touched[i].account_id),
                  watched);
        if (watched != NULL)
            DL_FOREACH(watched->list, watch)
        watch->fn(watch->ctx, touched[i].account_id, touched[i].folder_id);
    }
    pthread_mutex_unlock(&store->watch_lock);
}
