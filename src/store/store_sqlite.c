#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "store/store_engine.h"
#include "sys/sys_file.h"
#include "sys/sys_time.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READERS_MAX 8
#define BATCH_MAX 1000                 /* bodies in one commit */
#define WAL_CHECKPOINT_BYTES (8 * MIB) /* the log is folded into the file beside the writers */
#define WAL_RESTART_BYTES (512 * MIB)  /* ... and writers wait for that */
#define CHECKPOINT_MS 200
#define BUSY_MS 10000
#define FULL_CHECKPOINT_WAIT_MS 200
#define FULL_CHECKPOINT_PAUSE_MS 5000

/* One connection with its prepared statements. */
struct lite_conn {
    sqlite3 *db;
    sqlite3_stmt *stmts[S_MAX];
    sqlite3_stmt *controls[8];
    struct lite_conn *next_free;
};

struct lite {
    struct lite_conn writer;
    struct lite_conn readers[READERS_MAX];
    struct lite_conn *free_readers;
    pthread_mutex_t read_lock;
    pthread_cond_t reader_freed;
    pthread_mutex_t write_lock; /* the queue */
    pthread_cond_t lead_wanted; /* the writer thread is to go on */
    bool leading;               /* a thread runs a batch, or the writer was asked to */
    bool writer_leads;
    struct store_job *first, *last;
    pthread_t writer_thread;
    bool writer_runs;
    pthread_mutex_t file_lock; /* the writer's connection: a batch or a full checkpoint */
    pthread_t checkpointer;
    bool checkpointer_runs;
    pthread_mutex_t close_lock;
    pthread_cond_t closes;
    atomic_bool closing;
    int lock_fd;
    char path[PATH_MAX];
};

static enum st fault(sqlite3 *db, const char *what)
{
    int code = sqlite3_extended_errcode(db);

    log_event(EV_STORE_FAILED, 0, LOG_C("engine", "sqlite"), LOG_C("what", what),
              LOG_C("why", sqlite3_errmsg(db)), LOG_I("code", code));
    return ST_IO;
}

/* The statements around bodies, prepared as the others are. */
enum control {
    CONTROL_BEGIN_READ,
    CONTROL_BEGIN_WRITE,
    CONTROL_COMMIT,
    CONTROL_ROLLBACK,
    CONTROL_SAVEPOINT,
    CONTROL_RELEASE,
    CONTROL_ROLLBACK_TO,
    CONTROL_MAX,
};

static const char *const control_sql[] = {
    [CONTROL_BEGIN_READ] = "BEGIN",
    [CONTROL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [CONTROL_COMMIT] = "COMMIT",
    [CONTROL_ROLLBACK] = "ROLLBACK",
    [CONTROL_SAVEPOINT] = "SAVEPOINT b",
    [CONTROL_RELEASE] = "RELEASE b",
    [CONTROL_ROLLBACK_TO] = "ROLLBACK TO b",
};
static_assert(COUNT(control_sql) == CONTROL_MAX, "one text for each");

static enum st run_sql(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? ST_OK : fault(db, sql);
}

/* --- connections --- */

static enum st conn_open(struct lite *lite, struct lite_conn *conn, bool writer)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);

    if (sqlite3_open_v2(lite->path, &conn->db, flags, NULL) != SQLITE_OK)
        return fault(conn->db, lite->path);
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_busy_timeout(conn->db, BUSY_MS);
    /* Pages of 8 KiB: a body of the usual size needs no overflow pages, and a large one half as
     * many log frames. The log keeps its room for the next round, within reason. */
    return run_sql(
        conn->db,
        writer ? "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                 "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 268435456; "
                 "PRAGMA cache_size = -24576; PRAGMA temp_store = MEMORY"
               : "PRAGMA query_only = 1; PRAGMA cache_size = -2048");
}

static void conn_close(struct lite_conn *conn)
{
    for (size_t i = 0; i < S_MAX; i++)
        sqlite3_finalize(conn->stmts[i]);
    for (size_t i = 0; i < CONTROL_MAX; i++)
        sqlite3_finalize(conn->controls[i]);
    sqlite3_close(conn->db);
    *conn = (struct lite_conn){0};
}

/* $1 is a name to SQLite; ?1 is a number. */
static sqlite3_stmt *stmt_of(struct lite_conn *conn, enum store_stmt id)
{
    if (conn->stmts[id] != NULL)
        return conn->stmts[id];
    char *sql = mem_copy(slice_str(store_stmt_sql[id]));
    for (char *c = sql; *c != '\0'; c++)
        if (*c == '$')
            *c = '?';
    if (sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &conn->stmts[id], NULL) !=
        SQLITE_OK) {
        (void)!fault(conn->db, sql);
        conn->stmts[id] = NULL;
    }
    mem_free(sql);
    return conn->stmts[id];
}

static void bind(sqlite3_stmt *stmt, const struct store_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_value *value = &values[i];
        int no = (int)i + 1;

        if (value->type == SV_INT_TYPE)
            sqlite3_bind_int64(stmt, no, value->number);
        else if (value->type == SV_TEXT_TYPE)
            sqlite3_bind_text64(stmt, no, value->bytes.len > 0 ? value->bytes.ptr : "",
                                value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
        else if (value->type == SV_BYTES_TYPE)
            sqlite3_bind_blob64(stmt, no, value->bytes.len > 0 ? value->bytes.ptr : "",
                                value->bytes.len, SQLITE_STATIC);
        else
            sqlite3_bind_null(stmt, no);
    }
}

static enum st lite_exec(struct store_tx *tx, enum store_stmt id, const struct store_value *values,
                         size_t count, int64_t *changed_r)
{
    struct lite_conn *conn = tx->conn;
    sqlite3_stmt *stmt = stmt_of(conn, id);
    int code;

    if (stmt == NULL)
        return ST_IO;
    bind(stmt, values, count);
    do
        code = sqlite3_step(stmt);
    while (code == SQLITE_ROW);
    enum st st = code == SQLITE_DONE ? ST_OK : fault(conn->db, store_stmt_sql[id]);
    if (st == ST_OK && changed_r != NULL)
        *changed_r = sqlite3_changes64(conn->db);
    sqlite3_reset(stmt);
    return st;
}

static void lite_rows_open(struct store_rows *rows, enum store_stmt id,
                           const struct store_value *values, size_t count)
{
    struct lite_conn *conn = rows->tx->conn;
    sqlite3_stmt *stmt = stmt_of(conn, id);

    if (stmt == NULL) {
        rows->st = ST_IO;
        return;
    }
    assert(!sqlite3_stmt_busy(stmt)); /* a statement does not run inside itself */
    bind(stmt, values, count);
    rows->handle = stmt;
}

static bool lite_rows_next(struct store_rows *rows)
{
    struct lite_conn *conn = rows->tx->conn;

    if (rows->row != 0) /* SQLite would begin again */
        return false;
    int code = sqlite3_step(rows->handle);
    rows->row = code != SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        rows->st = fault(conn->db, sqlite3_sql(rows->handle));
    return code == SQLITE_ROW;
}

static int64_t lite_rows_i64(struct store_rows *rows, int col)
{
    return sqlite3_column_int64(rows->handle, col);
}

static struct slice lite_rows_bytes(struct store_rows *rows, int col)
{
    const void *ptr = sqlite3_column_blob(rows->handle, col);

    return (struct slice){ptr != NULL ? ptr : "", (size_t)sqlite3_column_bytes(rows->handle, col)};
}

static void lite_rows_close(struct store_rows *rows)
{
    sqlite3_reset(rows->handle);
    rows->handle = NULL;
}

static enum st lite_script(struct store_tx *tx, const char *sql)
{
    return run_sql(((struct lite_conn *)tx->conn)->db, sql);
}

static enum st run_control(struct lite_conn *conn, enum control control)
{
    sqlite3_stmt **stmt = &conn->controls[control];

    if (*stmt == NULL && sqlite3_prepare_v3(conn->db, control_sql[control], -1,
                                            SQLITE_PREPARE_PERSISTENT, stmt, NULL) != SQLITE_OK)
        return fault(conn->db, control_sql[control]);
    enum st st = sqlite3_step(*stmt) == SQLITE_DONE ? ST_OK : fault(conn->db, control_sql[control]);
    sqlite3_reset(*stmt);
    return st;
}

/* --- reading --- */

static enum st lite_read(struct store *store, store_body *body, void *arg, uint64_t patience_ms)
{
    struct lite *lite = store->handle;

    pthread_mutex_lock(&lite->read_lock);
    while (lite->free_readers == NULL)
        pthread_cond_wait(&lite->reader_freed, &lite->read_lock);
    struct lite_conn *conn = lite->free_readers;
    lite->free_readers = conn->next_free;
    pthread_mutex_unlock(&lite->read_lock);

    struct store_tx tx = {.store = store, .conn = conn};
    enum st st = conn->db != NULL ? ST_OK : conn_open(lite, conn, false);
    if (st != ST_OK)
        conn_close(conn); /* the next reader tries anew */
    if (st == ST_OK)
        st = run_control(conn, CONTROL_BEGIN_READ);
    if (st == ST_OK) {
        st = body(&tx, arg);
        if (st == ST_OK)
            st = tx.st;
        (void)!run_control(conn, CONTROL_COMMIT);
    }
    store_tx_fini(&tx);

    pthread_mutex_lock(&lite->read_lock);
    conn->next_free = lite->free_readers;
    lite->free_readers = conn;
    pthread_cond_signal(&lite->reader_freed);
    pthread_mutex_unlock(&lite->read_lock);
    return st;
}

/* --- writing: bodies of several threads share one commit --- */

static void run_job(struct store *store, struct store_job *job, bool alone)
{
    struct lite *lite = store->handle;
    struct store_tx tx = {.store = store, .conn = &lite->writer};

    job->st = alone ? ST_OK : run_control(&lite->writer, CONTROL_SAVEPOINT);
    if (job->st != ST_OK)
        return;
    job->st = job->body(&tx, job->arg);
    if (job->st == ST_OK)
        job->st = tx.st;
    job->touched = tx.touched;
    job->touched_count = tx.touched_count;
    tx.touched = NULL;
    store_tx_fini(&tx);
    count_add(COUNT_STORE_WRITES, 1);
    if (sqlite3_get_autocommit(lite->writer.db) !=
        0) { /* SQLite itself undid the whole transaction */
        job->st = ST_IO;
        return;
    }
    if (alone)
        return;
    if (job->st != ST_OK)
        (void)!run_control(&lite->writer, CONTROL_ROLLBACK_TO);
    (void)!run_control(&lite->writer, CONTROL_RELEASE);
}

/* Runs the jobs in one transaction. What could not be made durable is ST_IO for all of them. */
static void run_batch(struct store *store, struct store_job *jobs)
{
    struct lite *lite = store->handle;
    struct lite_conn *writer = &lite->writer;
    bool alone = jobs->next == NULL;
    bool all_failed = true;

    pthread_mutex_lock(&lite->file_lock);
    enum st st = run_control(writer, CONTROL_BEGIN_WRITE);
    for (struct store_job *job = jobs; st == ST_OK && job != NULL; job = job->next) {
        run_job(store, job, alone);
        all_failed = all_failed && job->st != ST_OK;
        if (sqlite3_get_autocommit(writer->db) != 0)
            st = ST_IO;
    }
    if (st == ST_OK)
        st = run_control(writer, all_failed ? CONTROL_ROLLBACK : CONTROL_COMMIT);
    if (sqlite3_get_autocommit(writer->db) == 0)
        (void)!run_control(writer, CONTROL_ROLLBACK);
    pthread_mutex_unlock(&lite->file_lock);
    count_add(COUNT_STORE_COMMITS, st == ST_OK && !all_failed);
    for (struct store_job *job = jobs; st != ST_OK && job != NULL; job = job->next)
        job->st = ST_IO;
}

/* Takes up to BATCH_MAX jobs off the queue. Under write_lock. */
static struct store_job *take_batch(struct lite *lite)
{
    struct store_job *jobs = lite->first;
    struct store_job *end = jobs;

    for (int n = 1; n < BATCH_MAX && end->next != NULL; n++)
        end = end->next;
    lite->first = end->next;
    if (lite->first == NULL)
        lite->last = NULL;
    end->next = NULL;
    return jobs;
}

/* Runs a batch and tells its jobs, but not own, whose thread this is. */
static void lead(struct store *store, struct store_job *jobs, const struct store_job *own)
{
    struct store_job *next;

    run_batch(store, jobs);
    for (struct store_job *job = jobs; job != NULL; job = next) {
        next = job->next; /* once told, it may be gone */
        if (job->st == ST_OK)
            store_tell(store, job->touched, job->touched_count);
        mem_free(job->touched);
        job->touched = NULL;
        if (job != own)
            job->done(job);
    }
}

/* A thread that finds nobody leading commits its own job at once: a lone writer switches to no
 * other thread. What gathers meanwhile is the writer thread's, a batch at a time, until nothing
 * waits; so many writers share each sync, and none of their threads waits for it. */
static bool lite_write(struct store *store, struct store_job *job)
{
    struct lite *lite = store->handle;

    job->next = NULL;
    pthread_mutex_lock(&lite->write_lock);
    if (lite->leading) {
        if (lite->last != NULL)
            lite->last->next = job;
        else
            lite->first = job;
        lite->last = job;
        pthread_mutex_unlock(&lite->write_lock);
        return false;
    }
    lite->leading = true;
    pthread_mutex_unlock(&lite->write_lock);
    lead(store, job, job);
    pthread_mutex_lock(&lite->write_lock);
    lite->leading = lite->first != NULL;
    lite->writer_leads = lite->leading;
    if (lite->leading)
        pthread_cond_signal(&lite->lead_wanted);
    pthread_mutex_unlock(&lite->write_lock);
    return true;
}

static void *writer_thread(void *arg)
{
    struct store *store = arg;
    struct lite *lite = store->handle;

    pthread_mutex_lock(&lite->write_lock);
    while (!atomic_load(&lite->closing)) {
        if (!lite->writer_leads) {
            pthread_cond_wait(&lite->lead_wanted, &lite->write_lock);
            continue;
        }
        struct store_job *jobs = take_batch(lite);
        pthread_mutex_unlock(&lite->write_lock);
        lead(store, jobs, NULL);
        pthread_mutex_lock(&lite->write_lock);
        lite->leading = lite->first != NULL;
        lite->writer_leads = lite->leading;
    }
    pthread_mutex_unlock(&lite->write_lock);
    return NULL;
}

/* --- folding the log into the file --- */

static uint64_t wal_bytes(const struct lite *lite)
{
    char path[PATH_MAX + 8];
    struct stat info;

    snprintf(path, sizeof(path), "%s-wal", lite->path);
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* True once the store closes. */
static bool wait_to_close(struct lite *lite, uint64_t ms)
{
    pthread_mutex_lock(&lite->close_lock);
    if (!lite->closing)
        (void)sys_cond_wait_ms(&lite->closes, &lite->close_lock, ms);
    bool closing = lite->closing;
    pthread_mutex_unlock(&lite->close_lock);
    return closing;
}

/* A reader that takes long (a backup) must not hold the writers up with it. */
static void full_checkpoint(struct lite *lite, int *frames, int *done)
{
    pthread_mutex_lock(&lite->file_lock);
    sqlite3_busy_timeout(lite->writer.db, FULL_CHECKPOINT_WAIT_MS);
    sqlite3_wal_checkpoint_v2(lite->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, frames, done);
    sqlite3_busy_timeout(lite->writer.db, BUSY_MS);
    pthread_mutex_unlock(&lite->file_lock);
}

/* Works beside the writers. Only where the log has grown very long do they wait for it. */
static void *checkpoint_thread(void *arg)
{
    struct lite *lite = arg;
    struct lite_conn conn = {0};
    uint64_t next_full_ms = 0;
    int frames = 0;
    int done = 0;

    if (conn_open(lite, &conn, true) != ST_OK) {
        conn_close(&conn);
        return NULL;
    }
    while (!wait_to_close(lite, CHECKPOINT_MS)) {
        uint64_t bytes = wal_bytes(lite);
        if (bytes < WAL_CHECKPOINT_BYTES)
            continue;
        if (bytes > WAL_RESTART_BYTES && frames > 0 && done < frames &&
            sys_mono_ms() >= next_full_ms) {
            full_checkpoint(lite, &frames, &done);
            next_full_ms = sys_mono_ms() + FULL_CHECKPOINT_PAUSE_MS;
        } else {
            sqlite3_wal_checkpoint_v2(conn.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
        }
    }
    conn_close(&conn);
    return NULL;
}

/* --- life --- */

static enum st take_lock(struct lite *lite, const char *data_dir, struct buf *why)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/posthorse.lock", data_dir);
    lite->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lite->lock_fd < 0) {
        buf_putf(why, "%s: %s", path, strerror(errno));
        return sys_errno_st(errno);
    }
    if (flock(lite->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        buf_putf(why, "%s: a server is running on this folder; stop it first", data_dir);
        return ST_CONFLICT;
    }
    return ST_OK;
}

static enum st open_files(struct lite *lite, const struct store_options *options, struct buf *why)
{
    enum st st = take_lock(lite, options->data_dir, why);

    if (st != ST_OK)
        return st;
    if (!options->create && !sys_file_exists(lite->path)) {
        buf_putf(why, "%s: there is no store; `posthorse init` makes one", lite->path);
        return ST_NOT_FOUND;
    }
    /* SQLite would let everybody read it; its other files get the same mode as this one. */
    int fd = open(lite->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    st = conn_open(lite, &lite->writer, true);
    if (st != ST_OK)
        buf_putf(why, "%s: cannot be opened: %s", lite->path,
                 lite->writer.db != NULL ? sqlite3_errmsg(lite->writer.db) : "no memory");
    return st;
}

static enum st lite_open(struct store *store, const struct store_options *options, struct buf *why)
{
    struct lite *lite = mem_new(struct lite);

    store->handle = lite;
    lite->lock_fd = -1;
    pthread_mutex_init(&lite->read_lock, NULL);
    pthread_mutex_init(&lite->write_lock, NULL);
    pthread_mutex_init(&lite->file_lock, NULL);
    pthread_mutex_init(&lite->close_lock, NULL);
    pthread_cond_init(&lite->reader_freed, NULL);
    pthread_cond_init(&lite->lead_wanted, NULL);
    sys_cond_init(&lite->closes);
    for (size_t i = 0; i < READERS_MAX; i++) {
        lite->readers[i].next_free = lite->free_readers;
        lite->free_readers = &lite->readers[i];
    }
    snprintf(lite->path, sizeof(lite->path), "%s/posthorse.db", options->data_dir);
    enum st st = open_files(lite, options, why);
    if (st != ST_OK)
        return st;
    lite->writer_runs = pthread_create(&lite->writer_thread, NULL, writer_thread, store) == 0;
    if (!lite->writer_runs)
        return ST_IO;
    lite->checkpointer_runs =
        pthread_create(&lite->checkpointer, NULL, checkpoint_thread, lite) == 0;
    return ST_OK;
}

static void lite_close(struct store *store)
{
    struct lite *lite = store->handle;

    pthread_mutex_lock(&lite->close_lock);
    lite->closing = true;
    pthread_cond_signal(&lite->closes);
    pthread_mutex_unlock(&lite->close_lock);
    pthread_mutex_lock(&lite->write_lock); /* the writer thread looks at closing under it */
    pthread_cond_signal(&lite->lead_wanted);
    pthread_mutex_unlock(&lite->write_lock);
    if (lite->writer_runs)
        pthread_join(lite->writer_thread, NULL);
    if (lite->checkpointer_runs)
        pthread_join(lite->checkpointer, NULL);
    for (size_t i = 0; i < READERS_MAX; i++)
        conn_close(&lite->readers[i]);
    conn_close(&lite->writer);
    if (lite->lock_fd >= 0)
        close(lite->lock_fd);
    mem_free(lite);
}

const struct store_engine store_sqlite = {
    .name = "sqlite",
    .type_id = "INTEGER PRIMARY KEY AUTOINCREMENT", /* no id comes back after its row is gone */
    .type_bytes = "BLOB",
    .type_text = "TEXT",
    .table_end = "WITHOUT ROWID",
    .chunk_packed = "",
    .open = lite_open,
    .close = lite_close,
    .read = lite_read,
    .write = lite_write,
    .exec = lite_exec,
    .rows_open = lite_rows_open,
    .rows_next = lite_rows_next,
    .rows_i64 = lite_rows_i64,
    .rows_bytes = lite_rows_bytes,
    .rows_close = lite_rows_close,
    .script = lite_script,
};
