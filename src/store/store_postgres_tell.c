#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "store/store_postgres.h"
#include "sys/sys_time.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Telling other servers what was changed here. Not inside the writers' transactions: PostgreSQL
 * lets transactions that notify commit one after the other, each with its own sync, which costs 100
 * writers two thirds of their speed. So a thread tells right after the commits, many of them at
 * once. What a crash keeps from being told is made good by the first notice of each new connection,
 * which tells the others to look at everything. */

#define NOTICE_BYTES_MAX 7000 /* PostgreSQL's limit is 8000 */
#define QUEUE_MAX 20000       /* changes; with more the others look at everything */
#define PAUSE_MS 200

struct pg_teller {
    struct store *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct store_touched *queue;
    size_t count;
    size_t cap;
    bool all;
    bool closing;
};

void pg_tell(struct pg *pg, const struct store_touched *touched, size_t count)
{
    struct pg_teller *teller = pg->teller;

    if (count == 0)
        return;
    pthread_mutex_lock(&teller->lock);
    if (teller->count + count > QUEUE_MAX) {
        teller->all = true;
        teller->count = 0;
    }
    if (!teller->all) {
        if (teller->count + count > teller->cap) {
            teller->cap = 2 * (teller->count + count);
            teller->queue = mem_grow(teller->queue, teller->cap, sizeof(*teller->queue));
        }
        memcpy(teller->queue + teller->count, touched, count * sizeof(*touched));
        teller->count += count;
    }
    pthread_cond_signal(&teller->wake);
    pthread_mutex_unlock(&teller->lock);
}

static bool notify(PGconn *db, const char *text)
{
    PGresult *res =
        PQexecParams(db, "SELECT pg_notify('" PG_CHANNEL "', $1)", 1, NULL, &text, NULL, NULL, 0);
    bool sent = PQresultStatus(res) == PGRES_TUPLES_OK;

    PQclear(res);
    return sent;
}

/* "<origin> <account> <folder>[ <account> <folder>]...": as many as fit into one notice. */
static bool notify_of(PGconn *db, const char *origin, const struct store_touched *touched,
                      size_t count)
{
    AUTO(buf) struct buf text = {.bytes_max = NOTICE_BYTES_MAX + 100};
    bool sent = true;

    for (size_t i = 0; i < count && sent; i++) {
        if (text.len == 0)
            buf_putf(&text, "%s", origin);
        buf_putf(&text, " %" PRId64 " %" PRId64, touched[i].account_id, touched[i].folder_id);
        if (text.len < NOTICE_BYTES_MAX && i + 1 < count)
            continue;
        sent = notify(db, text.ptr);
        buf_clear(&text);
    }
    return sent;
}

static bool notify_all(PGconn *db, const char *origin)
{
    AUTO(buf) struct buf text = {.bytes_max = 100};

    buf_putf(&text, "%s *", origin);
    return notify(db, text.ptr);
}

static PGconn *connect_anew(const struct pg *pg)
{
    PGconn *db;

    if (pg_connect(pg->where, &db, NULL) != PG_FINE)
        return NULL;
    /* Its transactions hold nothing that must be durable. */
    PQclear(PQexec(db, "SET synchronous_commit = off"));
    if (notify_all(db, pg->origin))
        return db;
    PQfinish(db);
    return NULL;
}

/* Takes what is to be told; false when the store closes and nothing is left. */
static bool take(struct pg_teller *teller, struct store_touched **touched_r, size_t *count_r,
                 bool *all_r)
{
    pthread_mutex_lock(&teller->lock);
    while (teller->count == 0 && !teller->all && !teller->closing)
        pthread_cond_wait(&teller->wake, &teller->lock);
    *touched_r = teller->queue;
    *count_r = teller->count;
    *all_r = teller->all;
    teller->queue = NULL;
    teller->count = 0;
    teller->cap = 0;
    teller->all = false;
    bool more = *count_r > 0 || *all_r || !teller->closing;
    pthread_mutex_unlock(&teller->lock);
    return more;
}

/* True when the store closes. */
static bool pause_and_look(struct pg_teller *teller)
{
    pthread_mutex_lock(&teller->lock);
    if (!teller->closing)
        (void)sys_cond_wait_ms(&teller->wake, &teller->lock, PAUSE_MS);
    bool closing = teller->closing;
    pthread_mutex_unlock(&teller->lock);
    return closing;
}

static void *tell_thread(void *arg)
{
    struct pg_teller *teller = arg;
    const struct pg *pg = teller->store->handle;
    struct store_touched *touched = NULL;
    size_t count;
    bool all;
    bool over = false;
    PGconn *db = NULL;

    while (!over) {
        if (db == NULL && (db = connect_anew(pg)) == NULL) {
            over = pause_and_look(teller);
            continue;
        }
        over = !take(teller, &touched, &count, &all);
        bool told = all ? notify_all(db, pg->origin) : notify_of(db, pg->origin, touched, count);
        mem_free(touched);
        if (!told) { /* the next connection begins by telling of everything */
            PQfinish(db);
            db = NULL;
        }
    }
    PQfinish(db);
    return NULL;
}

void pg_tell_start(struct store *store)
{
    struct pg *pg = store->handle;
    struct pg_teller *teller = mem_new(struct pg_teller);

    teller->store = store;
    pthread_mutex_init(&teller->lock, NULL);
    sys_cond_init(&teller->wake);
    pg->teller = teller;
    if (pthread_create(&teller->thread, NULL, tell_thread, teller) != 0)
        abort();
}

void pg_tell_stop(struct store *store)
{
    struct pg *pg = store->handle;
    struct pg_teller *teller = pg->teller;

    if (teller == NULL)
        return;
    pthread_mutex_lock(&teller->lock);
    teller->closing = true;
    pthread_cond_signal(&teller->wake);
    pthread_mutex_unlock(&teller->lock);
    pthread_join(teller->thread, NULL);
    pthread_mutex_destroy(&teller->lock);
    pthread_cond_destroy(&teller->wake);
    mem_free(teller->queue);
    mem_free(teller);
    pg->teller = NULL;
}
