/* store_postgres.h: the parts of the PostgreSQL engine among themselves. Inside store_postgres*.c.
 *
 * Everything runs in libpq's pipeline mode: commands whose results nobody waits for (BEGIN,
 * inserts, the end of a read) are sent ahead and looked at with the next answer that is needed, so
 * a transaction costs about one round trip for each question it asks. */
#pragma once
#include "store/store_engine.h"

#include <libpq-fe.h>

#define PG_AHEAD_MAX 256 /* commands sent whose results were not looked at */
#define PG_KEY_BYTES 16
#define PG_CHANNEL "posthorse"

enum pg_fault {
    PG_FINE,
    PG_CONFLICT, /* another transaction was in the way: run the body again */
    PG_RACE, /* a constraint was hurt, perhaps by a concurrent transaction: again, a few times */
    PG_LOST, /* the connection or the server's role: connect anew, run the body again */
    PG_REFUSED,
};

enum pg_ahead { PG_AHEAD_COMMAND, PG_AHEAD_KEY, PG_AHEAD_COMMIT, PG_AHEAD_SYNC };

struct pg_rows;

struct pg_conn {
    PGconn *db;
    bool prepared[S_MAX];
    unsigned char param_count[S_MAX];
    unsigned char ahead[PG_AHEAD_MAX]; /* enum pg_ahead */
    size_t ahead_count;
    struct pg_rows *reading;  /* the rows that arrive now */
    enum pg_fault fault;      /* the first since pg_conn_begin() */
    int64_t changed;          /* rows touched by the last command looked at */
    const unsigned char *key; /* of the transaction under way; NULL: a read */
    bool keyed;               /* the key was sent */
    bool key_was_there;
    bool wrote;
    bool committing;
    bool committed;
    bool unsure; /* it is committed here, but perhaps not on the standby that was to have it too */
    char why[160];       /* it was lost */
    uint64_t generation; /* of the pool when it was made */
    struct pg_conn *next_free;
};

struct pg {
    char *where;
    atomic_ullong retry_ms; /* how long an operation goes on trying */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct pg_conn *conns;
    struct pg_conn *free_conns;
    uint64_t conns_max;
    atomic_ullong generation; /* connections of an older one are made anew before they are used */
    atomic_bool hurry;        /* the server ends */
    atomic_bool down;         /* an incident was logged and is not over */
    atomic_ullong down_since_ms;
    char origin[33]; /* tells own notices from other servers' */
    struct pg_teller *teller;
    pthread_t listener;
    bool listener_runs;
    int wake_fds[2]; /* closing the second one ends the listener */
};

/* --- store_postgres_conn.c: one connection --- */

/* why: appended to, where not NULL. PG_FINE, PG_LOST or PG_REFUSED (the store cannot be there). */
enum pg_fault pg_connect(const char *where, PGconn **db_r, struct buf *why);
enum pg_fault pg_conn_open(struct pg_conn *conn, const char *where, struct buf *why);
void pg_conn_close(struct pg_conn *conn);
/* Begins a transaction without waiting for it. key: of a write, PG_KEY_BYTES that live until its
 * end; NULL: a read. */
void pg_conn_begin(struct pg_conn *conn, const unsigned char *key);
/* Sends the key and waits; afterwards key_was_there tells whether it had been committed before. */
void pg_conn_ask_key(struct pg_conn *conn);
/* The key was there: sends a change of it, so that the commit that follows is one. */
void pg_conn_touch_key(struct pg_conn *conn);
/* Commits and waits. Where fault is PG_LOST afterwards, or unsure is set, the outcome is unknown.
 */
bool pg_conn_commit(struct pg_conn *conn);
void pg_conn_end(struct pg_conn *conn); /* undoes what is under way, without waiting */
/* One command without parameters or rows, ahead of the others. */
void pg_conn_command(struct pg_conn *conn, const char *sql);

enum st pg_exec(struct store_tx *tx, enum store_stmt stmt, const struct store_value *values,
                size_t count, int64_t *changed_r);
void pg_rows_open(struct store_rows *rows, enum store_stmt stmt, const struct store_value *values,
                  size_t count);
bool pg_rows_next(struct store_rows *rows);
int64_t pg_rows_i64(struct store_rows *rows, int col);
struct slice pg_rows_bytes(struct store_rows *rows, int col);
void pg_rows_close(struct store_rows *rows);
enum st pg_script(struct store_tx *tx, const char *sql);

/* --- store_postgres_tell.c: telling other servers --- */

void pg_tell_start(struct store *store);
void pg_tell_stop(struct store *store);
/* After the commit; does not wait. */
void pg_tell(struct pg *pg, const struct store_touched *touched, size_t count);

/* --- store_postgres_listen.c: what other servers changed --- */

void pg_listen_start(struct store *store);
void pg_listen_stop(struct store *store);
