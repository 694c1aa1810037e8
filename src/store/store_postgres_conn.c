#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "store/store_postgres.h"
#include "sys/sys_time.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#define OID_BYTES 17
#define OID_INT 20
#define OID_TEXT 25
#define VERSION_MIN 130000

/* Rows that are read. While they arrive the connection belongs to them; where another statement
 * needs it, what is left of them is read into memory (parked). */
struct pg_rows {
    struct pg_conn *conn;
    PGresult *now;
    struct parked *first, **tail;
    bool done; /* nothing more arrives */
};

struct parked {
    PGresult *result;
    struct parked *next;
};

/* --- faults --- */

static enum pg_fault fault_of_state(const char *state)
{
    static const struct {
        const char *start;
        enum pg_fault fault;
    } states[] = {
        {"40001", PG_CONFLICT}, /* serialization failure */
        {"40P01", PG_CONFLICT}, /* deadlock */
        {"55P03", PG_CONFLICT}, /* a lock was not had in time */
        {"57014", PG_RACE},     /* cancelled by an administrator, or over the time limit */
        {"23503", PG_RACE},     /* foreign key */
        {"23505", PG_RACE},     /* unique */
        {"08", PG_LOST},        /* connection */
        {"57P0", PG_LOST},      /* the server stops, crashed or is not up yet */
        {"53300", PG_LOST},     /* too many connections */
        {"25006", PG_LOST},     /* a standby: the connection string is tried anew */
        {"25P03", PG_LOST},     /* idle for too long in a transaction */
    };

    if (state == NULL) /* libpq's own: the connection broke */
        return PG_LOST;
    for (size_t i = 0; i < COUNT(states); i++)
        if (strncmp(state, states[i].start, strlen(states[i].start)) == 0)
            return states[i].fault;
    return PG_REFUSED;
}

/* The first fault of a transaction is the one that tells what to do. A lost connection outweighs
 * it, for nothing else works on it. */
static void note_fault(struct pg_conn *conn, enum pg_fault fault)
{
    if (conn->fault == PG_FINE || fault == PG_LOST)
        conn->fault = fault;
}

/* The first line of the first message. */
static void note_why(struct pg_conn *conn, const char *message)
{
    struct slice rest = slice_str(message);
    struct slice line;

    if (conn->why[0] == '\0' && slice_split(&rest, '\n', &line))
        store_text_copy(conn->why, sizeof(conn->why), slice_trim(line));
}

static void note_lost(struct pg_conn *conn)
{
    note_why(conn, PQerrorMessage(conn->db));
    if (PQstatus(conn->db) == CONNECTION_BAD)
        note_fault(conn, PG_LOST);
    else
        note_fault(conn, PG_REFUSED);
}

static void log_refusal(const char *why, const char *state)
{
    struct slice text = slice_trim(slice_str(why));

    log_event(EV_STORE_FAILED, 0, LOG_C("engine", "postgres"), LOG_S("why", text),
              LOG_C("code", state != NULL ? state : "none"));
}

static void note_result(struct pg_conn *conn, const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_FATAL_ERROR)
        return; /* PGRES_PIPELINE_ABORTED follows one */
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    enum pg_fault fault = PQstatus(conn->db) == CONNECTION_BAD ? PG_LOST : fault_of_state(state);
    note_why(conn, PQresultErrorMessage(res));
    if (fault == PG_REFUSED)
        log_refusal(PQresultErrorMessage(res), state);
    note_fault(conn, fault);
}

/* --- connecting --- */

static const char session_sql[] =
    /* A server that hangs inside a transaction holds up the others no longer than its lease. What
     * else it had sent must have given up by then, or it gets the row next and keeps it as long
     * again: the wait for a row is two locks, the tuple's and its transaction's. */
    "SET lock_timeout = '8s'; SET idle_in_transaction_session_timeout = '20s'; "
    "SET statement_timeout = '5min'; "
    /* 250 is a promise: it is not said for what only lies in PostgreSQL's memory. */
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') IN ('off', 'local')";

static void ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

/* The wait for a synchronous standby was ended (by pg_cancel_backend(), or by the time limit):
 * PostgreSQL says so in a warning, and that it has committed. */
static void hear_notice(void *arg, const PGresult *res)
{
    struct pg_conn *conn = arg;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (!conn->committing || severity == NULL || strcmp(severity, "WARNING") != 0)
        return;
    note_why(conn, PQresultErrorMessage(res));
    conn->unsure = true;
}

static enum pg_fault check_server(PGconn *db, struct buf *why)
{
    const char *encoding = PQparameterStatus(db, "server_encoding");

    if (PQserverVersion(db) >= VERSION_MIN && encoding != NULL && strcmp(encoding, "UTF8") == 0)
        return PG_FINE;
    if (why != NULL)
        buf_putf(why,
                 "PostgreSQL %d with a database in %s: posthorse needs version %d or newer and a "
                 "database in UTF8",
                 PQserverVersion(db) / 10000, encoding != NULL ? encoding : "an unknown encoding",
                 VERSION_MIN / 10000);
    return PG_REFUSED;
}

enum pg_fault pg_connect(const char *where, PGconn **db_r, struct buf *why)
{
    /* What stands before dbname yields to what the connection string says. */
    static const char *const names[] = {"connect_timeout",  "keepalives",
                                        "keepalives_idle",  "keepalives_interval",
                                        "keepalives_count", "tcp_user_timeout",
                                        "dbname",           "client_encoding",
                                        "application_name", NULL};
    const char *values[] = {"5", "1", "10", "5", "3", "20000", where, "UTF8", "posthorse", NULL};
    PGconn *db = PQconnectdbParams(names, values, 1);
    enum pg_fault fault = PQstatus(db) == CONNECTION_OK ? PG_FINE : PG_LOST;

    *db_r = NULL;
    if (fault == PG_FINE)
        fault = check_server(db, why);
    if (fault == PG_FINE) {
        PQsetNoticeReceiver(db, ignore_notice, NULL);
        PGresult *res = PQexec(db, session_sql);
        if (PQresultStatus(res) != PGRES_TUPLES_OK)
            fault = PG_LOST;
        PQclear(res);
    }
    if (fault == PG_FINE) {
        *db_r = db;
        return fault;
    }
    if (why != NULL && fault == PG_LOST) {
        struct slice text = slice_trim(slice_str(PQerrorMessage(db)));
        buf_put(why, text);
    }
    PQfinish(db);
    return fault;
}

enum pg_fault pg_conn_open(struct pg_conn *conn, const char *where, struct buf *why)
{
    enum pg_fault fault = pg_connect(where, &conn->db, why);

    if (fault == PG_FINE && PQenterPipelineMode(conn->db) == 0)
        fault = PG_LOST;
    if (fault != PG_FINE)
        pg_conn_close(conn);
    else
        PQsetNoticeReceiver(conn->db, hear_notice, conn);
    return fault;
}

void pg_conn_close(struct pg_conn *conn)
{
    assert(conn->reading == NULL);
    PQfinish(conn->db);
    conn->db = NULL;
    conn->ahead_count = 0;
    memset(conn->prepared, 0, sizeof(conn->prepared));
}

/* --- the pipeline --- */

static void take_command(struct pg_conn *conn, enum pg_ahead kind)
{
    PGresult *res;

    while ((res = PQgetResult(conn->db)) != NULL) {
        note_result(conn, res);
        const char *count = PQcmdTuples(res);
        conn->changed = 0;
        for (; *count != '\0'; count++)
            conn->changed = conn->changed * 10 + (*count - '0');
        if (kind == PG_AHEAD_KEY && PQresultStatus(res) == PGRES_COMMAND_OK)
            conn->key_was_there = conn->changed == 0;
        if (kind == PG_AHEAD_COMMIT && PQresultStatus(res) == PGRES_COMMAND_OK)
            conn->committed = strcmp(PQcmdStatus(res), "COMMIT") == 0;
        PQclear(res);
        if (PQstatus(conn->db) == CONNECTION_BAD)
            break;
    }
}

static void take_sync(struct pg_conn *conn)
{
    PGresult *res = PQgetResult(conn->db);

    if (res == NULL || PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
        if (res != NULL)
            note_result(conn, res);
        note_fault(conn, PG_LOST); /* out of step: nothing more can be said on it */
    }
    PQclear(res);
}

/* Looks at the results of everything that was sent ahead. */
static void settle(struct pg_conn *conn)
{
    for (size_t i = 0; i < conn->ahead_count && conn->fault != PG_LOST; i++) {
        if (conn->ahead[i] == PG_AHEAD_SYNC)
            take_sync(conn);
        else
            take_command(conn, conn->ahead[i]);
        if (PQstatus(conn->db) == CONNECTION_BAD)
            note_fault(conn, PG_LOST);
    }
    conn->ahead_count = 0;
}

static void went_ahead(struct pg_conn *conn, enum pg_ahead kind, int sent)
{
    if (sent == 0) {
        note_lost(conn);
        return;
    }
    assert(conn->ahead_count < PG_AHEAD_MAX);
    conn->ahead[conn->ahead_count++] = (unsigned char)kind;
}

static void sync_up(struct pg_conn *conn)
{
    if (conn->fault != PG_LOST)
        went_ahead(conn, PG_AHEAD_SYNC, PQpipelineSync(conn->db));
}

/* Keeps room for the handful of commands that one step sends. */
static void make_room(struct pg_conn *conn)
{
    if (conn->ahead_count < PG_AHEAD_MAX - 16)
        return;
    sync_up(conn);
    settle(conn);
}

static void command(struct pg_conn *conn, enum pg_ahead kind, const char *sql)
{
    if (conn->fault != PG_LOST)
        went_ahead(conn, kind, PQsendQueryParams(conn->db, sql, 0, NULL, NULL, NULL, NULL, 1));
}

void pg_conn_command(struct pg_conn *conn, const char *sql)
{
    command(conn, PG_AHEAD_COMMAND, sql);
}

/* --- statements --- */

static Oid oid_of(const struct store_value *value)
{
    return value->type == SV_INT_TYPE     ? OID_INT
           : value->type == SV_TEXT_TYPE  ? OID_TEXT
           : value->type == SV_BYTES_TYPE ? OID_BYTES
                                          : 0;
}

/* The highest number of a $parameter. */
static unsigned params_of(const char *sql)
{
    unsigned max = 0;

    for (; *sql != '\0'; sql++) {
        unsigned no = 0;

        if (*sql != '$')
            continue;
        while (sql[1] >= '0' && sql[1] <= '9')
            no = no * 10 + (unsigned)(*++sql - '0');
        max = no > max ? no : max;
    }
    return max;
}

static void prepare(struct pg_conn *conn, enum store_stmt stmt, const struct store_value *values,
                    size_t count)
{
    Oid types[STORE_PARAMS_MAX] = {0};
    char name[16];
    unsigned params = params_of(store_stmt_sql[stmt]);

    assert(params <= count);
    for (size_t i = 0; i < params; i++)
        types[i] = oid_of(&values[i]);
    snprintf(name, sizeof(name), "s%d", (int)stmt);
    conn->param_count[stmt] = (unsigned char)params;
    went_ahead(conn, PG_AHEAD_COMMAND,
               PQsendPrepare(conn->db, name, store_stmt_sql[stmt], (int)params, types));
    conn->prepared[stmt] = true;
}

/* 1: sent; 0: not. The caller keeps account of its result. */
static int send_statement(struct pg_conn *conn, enum store_stmt stmt,
                          const struct store_value *values, size_t count)
{
    int64_t numbers[STORE_PARAMS_MAX];
    const char *ptrs[STORE_PARAMS_MAX];
    int lengths[STORE_PARAMS_MAX];
    int formats[STORE_PARAMS_MAX];
    char name[16];

    if (!conn->prepared[stmt])
        prepare(conn, stmt, values, count);
    if (conn->fault == PG_LOST)
        return 0;
    for (size_t i = 0; i < conn->param_count[stmt]; i++) {
        const struct store_value *value = &values[i];

        assert(value->bytes.len <= 1 * GIB);
        numbers[i] = (int64_t)htobe64((uint64_t)value->number);
        formats[i] = 1;
        ptrs[i] = value->bytes.len > 0 ? value->bytes.ptr : "";
        lengths[i] = (int)value->bytes.len;
        if (value->type == SV_INT_TYPE) {
            ptrs[i] = (const char *)&numbers[i];
            lengths[i] = sizeof(numbers[i]);
        } else if (value->type == SV_NULL_TYPE) {
            ptrs[i] = NULL;
        }
    }
    snprintf(name, sizeof(name), "s%d", (int)stmt);
    return PQsendQueryPrepared(conn->db, name, conn->param_count[stmt], ptrs, lengths, formats, 1);
}

static void send_key(struct pg_conn *conn)
{
    const struct store_value values[] = {
        SV_B(((struct slice){(const char *)conn->key, PG_KEY_BYTES})), SV_I(sys_now_ms())};

    conn->keyed = true;
    int sent = send_statement(conn, S_COMMIT_KEY_ADD, values, COUNT(values));
    went_ahead(conn, PG_AHEAD_KEY, sent);
}

static PGresult *fetch(struct pg_conn *conn)
{
    PGresult *res;

    while (conn->fault != PG_LOST && (res = PQgetResult(conn->db)) != NULL) {
        if (PQntuples(res) > 0)
            return res;
        note_result(conn, res);
        PQclear(res);
    }
    conn->reading->done = true;
    conn->reading = NULL;
    if (conn->fault != PG_LOST)
        take_sync(conn);
    return NULL;
}

/* Another statement wants the connection. */
static void park(struct pg_conn *conn)
{
    struct pg_rows *rows = conn->reading;
    PGresult *res;

    while (conn->reading != NULL && (res = fetch(conn)) != NULL) {
        struct parked *parked = mem_new(struct parked);
        parked->result = res;
        *rows->tail = parked;
        rows->tail = &parked->next;
    }
}

/* What comes before each statement. False: the transaction is lost already. */
static bool ready_for(struct pg_conn *conn, enum store_stmt stmt)
{
    bool writes = store_stmt_sql[stmt][0] != 'S'; /* not a SELECT */

    park(conn);
    make_room(conn);
    if (writes && conn->key != NULL && !conn->keyed)
        send_key(conn);
    conn->wrote = conn->wrote || writes;
    return conn->fault == PG_FINE;
}

enum st pg_exec(struct store_tx *tx, enum store_stmt stmt, const struct store_value *values,
                size_t count, int64_t *changed_r)
{
    struct pg_conn *conn = tx->conn;

    if (!ready_for(conn, stmt))
        return ST_IO;
    int sent = send_statement(conn, stmt, values, count);
    went_ahead(conn, PG_AHEAD_COMMAND, sent);
    if (changed_r != NULL) {
        sync_up(conn);
        settle(conn);
        *changed_r = conn->changed;
    }
    return conn->fault == PG_FINE ? ST_OK : ST_IO;
}

void pg_rows_open(struct store_rows *rows, enum store_stmt stmt, const struct store_value *values,
                  size_t count)
{
    struct pg_conn *conn = rows->tx->conn;
    int sent = ready_for(conn, stmt) ? send_statement(conn, stmt, values, count) : 0;

    if (sent == 0 || PQpipelineSync(conn->db) == 0) {
        if (conn->fault == PG_FINE)
            note_lost(conn);
        rows->st = ST_IO;
        return;
    }
    struct pg_rows *mine = mem_new(struct pg_rows);
    mine->conn = conn;
    mine->tail = &mine->first;
    settle(conn);
    conn->reading = mine;
    if (conn->fault == PG_FINE)
        PQsetSingleRowMode(conn->db);
    rows->handle = mine;
    rows->row = -1;
}

bool pg_rows_next(struct store_rows *rows)
{
    struct pg_rows *mine = rows->handle;

    if (mine->now != NULL && ++rows->row < PQntuples(mine->now))
        return true;
    PQclear(mine->now);
    mine->now = NULL;
    rows->row = 0;
    if (mine->first != NULL) {
        struct parked *parked = mine->first;
        mine->now = parked->result;
        mine->first = parked->next;
        if (mine->first == NULL)
            mine->tail = &mine->first;
        mem_free(parked);
    } else if (!mine->done) {
        mine->now = fetch(mine->conn);
    }
    if (mine->now == NULL && mine->conn->fault != PG_FINE)
        rows->st = ST_IO;
    return mine->now != NULL;
}

int64_t pg_rows_i64(struct store_rows *rows, int col)
{
    const struct pg_rows *mine = rows->handle;
    uint64_t number;

    if (PQgetisnull(mine->now, rows->row, col) != 0)
        return 0;
    assert(PQgetlength(mine->now, rows->row, col) == (int)sizeof(number)); /* cast to BIGINT */
    memcpy(&number, PQgetvalue(mine->now, rows->row, col), sizeof(number));
    return (int64_t)be64toh(number);
}

struct slice pg_rows_bytes(struct store_rows *rows, int col)
{
    const struct pg_rows *mine = rows->handle;

    return (struct slice){PQgetvalue(mine->now, rows->row, col),
                          (size_t)PQgetlength(mine->now, rows->row, col)};
}

/* What is left is read and forgotten: cancelling would undo the transaction. */
void pg_rows_close(struct store_rows *rows)
{
    struct pg_rows *mine = rows->handle;

    while (pg_rows_next(rows))
        rows->row = PQntuples(mine->now);
    mem_free(mine);
    rows->handle = NULL;
}

/* Statements behind one another need the simple protocol, which the pipeline does not speak. */
enum st pg_script(struct store_tx *tx, const char *sql)
{
    struct pg_conn *conn = tx->conn;

    park(conn);
    sync_up(conn);
    settle(conn);
    if (conn->fault != PG_FINE)
        return ST_IO;
    conn->wrote = true;
    if (PQexitPipelineMode(conn->db) == 0) {
        note_lost(conn);
        return ST_IO;
    }
    PGresult *res = PQexec(conn->db, sql);
    note_result(conn, res);
    PQclear(res);
    if (PQenterPipelineMode(conn->db) == 0)
        note_fault(conn, PG_LOST);
    return conn->fault == PG_FINE ? ST_OK : ST_IO;
}

/* --- transactions --- */

/* A statement that was to be prepared behind a fault was passed over. */
static void forget_prepared(struct pg_conn *conn)
{
    pg_conn_command(conn, "DEALLOCATE ALL");
    sync_up(conn);
    memset(conn->prepared, 0, sizeof(conn->prepared));
}

void pg_conn_begin(struct pg_conn *conn, const unsigned char *key)
{
    settle(conn); /* how the one before ended; only a lost connection matters */
    if (conn->fault != PG_FINE && conn->fault != PG_LOST) {
        conn->fault = PG_FINE;
        forget_prepared(conn);
    }
    if (conn->fault == PG_FINE)
        conn->why[0] = '\0';
    conn->key = key;
    conn->keyed = false;
    conn->key_was_there = false;
    conn->wrote = false;
    conn->committed = false;
    conn->unsure = false;
    pg_conn_command(conn, key == NULL ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                      : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
}

void pg_conn_ask_key(struct pg_conn *conn)
{
    send_key(conn);
    sync_up(conn);
    settle(conn);
}

void pg_conn_touch_key(struct pg_conn *conn)
{
    const struct store_value values[] = {
        SV_B(((struct slice){(const char *)conn->key, PG_KEY_BYTES})), SV_I(sys_now_ms())};
    int sent = send_statement(conn, S_COMMIT_KEY_TOUCH, values, COUNT(values));

    went_ahead(conn, PG_AHEAD_COMMAND, sent);
}

bool pg_conn_commit(struct pg_conn *conn)
{
    park(conn);
    make_room(conn);
    command(conn, PG_AHEAD_COMMIT, "COMMIT");
    sync_up(conn);
    conn->committing = true;
    settle(conn);
    conn->committing = false;
    if (conn->unsure)
        note_fault(conn, PG_CONFLICT);
    return conn->committed && !conn->unsure;
}

void pg_conn_end(struct pg_conn *conn)
{
    park(conn);
    make_room(conn);
    if (conn->fault == PG_LOST)
        return;
    pg_conn_command(conn, "ROLLBACK");
    sync_up(conn);
}
