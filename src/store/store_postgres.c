#include "store/store_postgres.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

/* How a write meets its rivals: transactions are READ COMMITTED, and every body that changes an
 * account begins by taking the account's row (store_account_advance). So two writers of one account
 * stand in line there, and what the second reads afterwards is what the first has committed. The
 * exceptions lock nothing because they need nothing: documents and subscriptions are single
 * upserts, store_folder_recent_set() is one guarded update, and a body in the making (store_blob.c)
 * belongs to its writer alone. A body that two accounts share is locked by its own row before it is
 * looked at whether anybody still wants it (store_blob_release). */

#define BACKOFF_FIRST_MS 2
#define AWAY_MS 300 /* what lasts longer is no mere moment */
#define BACKOFF_MAX_MS 500
#define RACES_MAX 5
#define ERROR_BYTES_MAX 2000
#define SOON_LOCKS "SET LOCAL lock_timeout = 500"                          /* STORE_SOON_MS */
#define MIGRATION_LOCK "SELECT pg_advisory_xact_lock(8104728250164114805)" /* "postHors" */

/* One operation with all its tries. */
struct trying {
    const struct pg *pg;
    uint64_t deadline_ms;
    uint64_t backoff_ms;
    unsigned races;
    bool soon;    /* what may be left undone waits for no lock longer than for the database */
    bool unknown; /* the last try's connection was lost during its COMMIT */
    unsigned char key[PG_KEY_BYTES];
    struct store_tx tx; /* of the last run of the body */
};

/* --- the pool --- */

static void tell_down(struct pg *pg, struct slice why)
{
    if (atomic_exchange(&pg->down, true))
        return;
    atomic_store(&pg->down_since_ms, sys_mono_ms());
    log_event(EV_STORE_FAILED, 0, LOG_C("engine", "postgres"), LOG_C("what", "connection lost"),
              LOG_S("why", why));
}

static void tell_up(struct pg *pg)
{
    if (!atomic_load(&pg->down) || !atomic_exchange(&pg->down, false))
        return;
    log_event(EV_STORE_RECONNECTED, 0,
              LOG_U("after_ms", sys_mono_ms() - atomic_load(&pg->down_since_ms)));
}

/* A free connection, open or not; NULL when none became free in time. */
static struct pg_conn *pool_take(struct pg *pg, uint64_t deadline_ms)
{
    struct pg_conn *conn;

    pthread_mutex_lock(&pg->lock);
    while (pg->free_conns == NULL) {
        uint64_t now_ms = sys_mono_ms();
        if (now_ms >= deadline_ms)
            break;
        (void)sys_cond_wait_ms(&pg->freed, &pg->lock, deadline_ms - now_ms);
    }
    conn = pg->free_conns;
    if (conn != NULL)
        pg->free_conns = conn->next_free;
    pthread_mutex_unlock(&pg->lock);
    return conn;
}

/* Lost ones are closed; the others, made before the loss, are then looked at with suspicion. */
static void pool_give(struct pg *pg, struct pg_conn *conn)
{
    if (conn->db != NULL && conn->fault == PG_LOST) {
        tell_down(pg, slice_str(conn->why));
        pg_conn_close(conn);
        atomic_compare_exchange_strong(&pg->generation, &(unsigned long long){conn->generation},
                                       conn->generation + 1);
    }
    pthread_mutex_lock(&pg->lock);
    conn->next_free = pg->free_conns;
    pg->free_conns = conn;
    pthread_cond_signal(&pg->freed);
    pthread_mutex_unlock(&pg->lock);
}

static enum pg_fault pool_connect(struct pg *pg, struct pg_conn *conn)
{
    AUTO(buf) struct buf why = BUF(ERROR_BYTES_MAX);
    uint64_t generation = atomic_load(&pg->generation);

    if (conn->db != NULL && conn->generation == generation)
        return PG_FINE;
    if (conn->db != NULL)
        pg_conn_close(conn);
    conn->fault = PG_FINE;
    conn->generation = generation;
    conn->why[0] = '\0';
    enum pg_fault fault = pg_conn_open(conn, pg->where, &why);
    if (fault == PG_FINE)
        tell_up(pg);
    else
        tell_down(pg, buf_slice(&why));
    return fault;
}

/* --- trying --- */

static void trying_init(struct trying *trying, struct pg *pg, uint64_t patience_ms)
{
    uint64_t retry_ms = patience_ms != 0 ? patience_ms : atomic_load(&pg->retry_ms);

    *trying = (struct trying){
        .pg = pg, .backoff_ms = BACKOFF_FIRST_MS, .deadline_ms = sys_mono_ms() + retry_ms};
}

/* Waits before the next try; false when there is to be none. Half of the wait is chance, so that
 * those who met do not meet again. */
static bool try_again(struct trying *trying, enum pg_fault fault)
{
    uint64_t now_ms = sys_mono_ms();
    uint64_t chance;

    if (fault == PG_REFUSED || (fault == PG_RACE && ++trying->races > RACES_MAX) ||
        now_ms >= trying->deadline_ms ||
        (atomic_load(&trying->pg->hurry) && atomic_load(&trying->pg->down)))
        return false;
    count_add(COUNT_STORE_RETRIES, 1);
    sys_random(&chance, sizeof(chance));
    uint64_t wait_ms = trying->backoff_ms / 2 + chance % (trying->backoff_ms / 2 + 1);
    if (wait_ms > trying->deadline_ms - now_ms)
        wait_ms = trying->deadline_ms - now_ms;
    sys_sleep_ms(wait_ms);
    trying->backoff_ms *= 2;
    if (trying->backoff_ms > BACKOFF_MAX_MS)
        trying->backoff_ms = BACKOFF_MAX_MS;
    return true;
}

static void tx_renew(struct trying *trying, struct store *store, struct pg_conn *conn)
{
    store_tx_fini(&trying->tx);
    trying->tx = (struct store_tx){.store = store, .conn = conn};
}

/* --- reading --- */

static enum st read_once(struct store *store, struct pg_conn *conn, struct trying *trying,
                         store_body *body, void *arg)
{
    tx_renew(trying, store, conn);
    pg_conn_begin(conn, NULL);
    enum st st = body(&trying->tx, arg);
    if (st == ST_OK)
        st = trying->tx.st;
    pg_conn_end(conn);
    return st;
}

static enum st pg_read(struct store *store, store_body *body, void *arg, uint64_t patience_ms)
{
    struct pg *pg = store->handle;
    struct trying trying;
    enum pg_fault fault;
    enum st st;

    trying_init(&trying, pg, patience_ms);
    do {
        struct pg_conn *conn = pool_take(pg, trying.deadline_ms);
        st = ST_IO;
        if (conn == NULL)
            break;
        fault = pool_connect(pg, conn);
        if (fault == PG_FINE) {
            st = read_once(store, conn, &trying, body, arg);
            fault = conn->fault;
        }
        pool_give(pg, conn);
    } while (st != ST_OK && fault != PG_FINE && try_again(&trying, fault));
    store_tx_fini(&trying.tx);
    return st;
}

/* --- writing --- */

/* True: the commit whose outcome was unknown had succeeded. */
static bool had_committed(struct pg_conn *conn, struct trying *trying)
{
    pg_conn_ask_key(conn);
    if (conn->fault != PG_FINE)
        return false;
    trying->unknown = conn->key_was_there;
    return conn->key_was_there;
}

static void begin_write(struct store *store, struct pg_conn *conn, struct trying *trying)
{
    if (!trying->unknown)
        sys_random(trying->key, sizeof(trying->key));
    pg_conn_begin(conn, trying->key);
    if (trying->soon)
        pg_conn_command(conn, SOON_LOCKS);
    if (store->migrated)
        return;
    conn->keyed = true; /* there is no table for it yet; migrations may run twice */
    trying->unknown = false;
    pg_conn_command(conn, MIGRATION_LOCK);
}

static enum st commit(struct pg_conn *conn, struct trying *trying)
{
    if (pg_conn_commit(conn)) {
        count_add(COUNT_STORE_COMMITS, 1);
        return ST_OK;
    }
    trying->unknown = conn->fault == PG_LOST || conn->unsure;
    return ST_IO;
}

/* It had succeeded, but perhaps without the standby that was to have it too: this commit comes
 * behind it, and is acknowledged when the standby has both. */
static enum st commit_behind(struct pg_conn *conn, struct trying *trying)
{
    pg_conn_touch_key(conn);
    enum st st = commit(conn, trying);
    if (st != ST_OK) {
        trying->unknown = true;
        pg_conn_end(conn);
    }
    return st;
}

static enum st write_once(struct store *store, struct pg_conn *conn, struct trying *trying,
                          store_body *body, void *arg)
{
    begin_write(store, conn, trying);
    if (trying->unknown) {
        if (had_committed(conn, trying))
            return commit_behind(conn, trying);
        if (conn->fault != PG_FINE) {
            pg_conn_end(conn);
            return ST_IO;
        }
    }
    tx_renew(trying, store, conn);
    count_add(COUNT_STORE_WRITES, 1);
    enum st st = body(&trying->tx, arg);
    if (st == ST_OK)
        st = trying->tx.st;
    if (st == ST_OK && conn->fault != PG_FINE)
        st = ST_IO;
    if (st == ST_OK && conn->wrote)
        st = commit(conn, trying);
    if (conn->fault == PG_RACE && trying->races == RACES_MAX)
        log_event(EV_STORE_FAILED, 0, LOG_C("engine", "postgres"), LOG_C("why", conn->why));
    if (st != ST_OK || !conn->wrote)
        pg_conn_end(conn);
    return st;
}

/* Waits for the database: other writers have connections of their own. */
static bool pg_write(struct store *store, struct store_job *job)
{
    struct pg *pg = store->handle;
    struct trying trying;
    enum pg_fault fault;
    enum st st;

    trying_init(&trying, pg, job->patience_ms);
    trying.soon = job->patience_ms > 0;
    do {
        struct pg_conn *conn = pool_take(pg, trying.deadline_ms);
        st = ST_IO;
        if (conn == NULL)
            break;
        fault = pool_connect(pg, conn);
        if (fault == PG_FINE) {
            st = write_once(store, conn, &trying, job->body, job->arg);
            fault = conn->fault;
        }
        pool_give(pg, conn);
    } while (st != ST_OK && fault != PG_FINE && try_again(&trying, fault));
    if (trying.unknown && st != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("engine", "postgres"),
                  LOG_C("what", "whether a commit succeeded could not be found out in time"));
    if (st == ST_OK) {
        store_tell(store, trying.tx.touched, trying.tx.touched_count);
        pg_tell(pg, trying.tx.touched, trying.tx.touched_count);
    }
    store_tx_fini(&trying.tx);
    job->st = st;
    return true;
}

/* --- life --- */

static enum st check_string(const char *where, struct buf *why)
{
    char *error = NULL;
    PQconninfoOption *options = PQconninfoParse(where, &error);
    enum st st = options != NULL ? ST_OK : ST_INVALID;

    if (st != ST_OK)
        buf_putf(why, "store: neither \"sqlite\" nor a connection string of PostgreSQL: %s",
                 error != NULL ? error : "no memory");
    PQfreemem(error);
    PQconninfoFree(options);
    return st;
}

/* Whether anything is there at all. */
static enum st check_schema(struct pg *pg, const struct store_options *options, struct buf *why)
{
    PGconn *db;
    enum pg_fault fault = pg_connect(pg->where, &db, why);

    if (fault != PG_FINE)
        return fault == PG_REFUSED ? ST_INVALID : ST_IO;
    PGresult *res = PQexec(db, "SELECT to_regclass('meta') IS NOT NULL");
    bool known = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1;
    bool there = known && PQgetvalue(res, 0, 0)[0] == 't';
    PQclear(res);
    if (!known)
        buf_putf(why, "PostgreSQL: %s", PQerrorMessage(db));
    else if (!there && !options->create)
        buf_putf(why, "the database holds no store; `posthorse init` makes one");
    PQfinish(db);
    return !known ? ST_IO : there || options->create ? ST_OK : ST_NOT_FOUND;
}

static enum st pg_open(struct store *store, const struct store_options *options, struct buf *why)
{
    struct pg *pg = mem_new(struct pg);

    store->handle = pg;
    pg->where = mem_copy(slice_str(options->where));
    pg->conns_max = options->connections_max > 0 ? options->connections_max : 1;
    atomic_store(&pg->retry_ms, options->retry_ms);
    pthread_mutex_init(&pg->lock, NULL);
    sys_cond_init(&pg->freed);
    sys_guid(pg->origin);
    pg->conns = mem_alloc(pg->conns_max * sizeof(*pg->conns));
    for (uint64_t i = pg->conns_max; i-- > 0;) {
        pg->conns[i].next_free = pg->free_conns;
        pg->free_conns = &pg->conns[i];
    }
    enum st st = check_string(pg->where, why);
    if (st == ST_OK)
        st = check_schema(pg, options, why);
    if (st == ST_OK) {
        pg_listen_start(store);
        pg_tell_start(store);
    }
    return st;
}

static void pg_close(struct store *store)
{
    struct pg *pg = store->handle;

    pg_tell_stop(store);
    pg_listen_stop(store);
    for (uint64_t i = 0; i < pg->conns_max; i++)
        pg_conn_close(&pg->conns[i]);
    pthread_mutex_destroy(&pg->lock);
    pthread_cond_destroy(&pg->freed);
    mem_free(pg->conns);
    mem_free(pg->where);
    mem_free(pg);
}

static bool pg_away(const struct store *store)
{
    const struct pg *pg = store->handle;

    return atomic_load(&pg->down) && sys_mono_ms() - atomic_load(&pg->down_since_ms) > AWAY_MS;
}

static void pg_hurry(struct store *store)
{
    struct pg *pg = store->handle;

    atomic_store(&pg->hurry, true);
}

static void pg_set_retry(struct store *store, uint64_t retry_ms)
{
    struct pg *pg = store->handle;

    atomic_store(&pg->retry_ms, retry_ms);
}

const struct store_engine store_postgres = {
    .name = "postgres",
    .shared = true,
    .type_id = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
    .type_bytes = "BYTEA",
    .type_text = "TEXT COLLATE \"C\"",
    .table_end = "",
    /* Rows came with their ids; the next ids come after them. */
    .after_restore =
        "SELECT setval(pg_get_serial_sequence('account', 'account_id'), "
        "(SELECT COALESCE(MAX(account_id), 0) + 1 FROM account), false); "
        "SELECT setval(pg_get_serial_sequence('folder', 'folder_id'), "
        "(SELECT COALESCE(MAX(folder_id), 0) + 1 FROM folder), false); "
        "SELECT setval(pg_get_serial_sequence('server', 'server_id'), "
        "(SELECT COALESCE(MAX(server_id), 0) + 1 FROM server), false); "
        "SELECT setval(pg_get_serial_sequence('destination', 'destination_id'), "
        "(SELECT COALESCE(MAX(destination_id), 0) + 1 FROM destination), false); "
        "SELECT setval(pg_get_serial_sequence('blob', 'blob_id'), "
        "(SELECT COALESCE(MAX(blob_id), 0) + 1 FROM blob), false); "
        "SELECT setval(pg_get_serial_sequence('calendar', 'calendar_id'), "
        "(SELECT COALESCE(MAX(calendar_id), 0) + 1 FROM calendar), false); "
        "SELECT setval(pg_get_serial_sequence('event', 'event_id'), "
        "(SELECT COALESCE(MAX(event_id), 0) + 1 FROM event), false); "
        "SELECT setval(pg_get_serial_sequence('calendar_task', 'task_id'), "
        "(SELECT COALESCE(MAX(task_id), 0) + 1 FROM calendar_task), false); "
        "SELECT setval(pg_get_serial_sequence('calendar_log', 'line_id'), "
        "(SELECT COALESCE(MAX(line_id), 0) + 1 FROM calendar_log), false)",
    .chunk_packed = "; ALTER TABLE chunk ALTER COLUMN data SET STORAGE EXTERNAL",
    .open = pg_open,
    .away = pg_away,
    .hurry = pg_hurry,
    .set_retry = pg_set_retry,
    .close = pg_close,
    .read = pg_read,
    .write = pg_write,
    .exec = pg_exec,
    .rows_open = pg_rows_open,
    .rows_next = pg_rows_next,
    .rows_i64 = pg_rows_i64,
    .rows_bytes = pg_rows_bytes,
    .rows_close = pg_rows_close,
    .script = pg_script,
};
