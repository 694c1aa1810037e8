/* store.h: where accounts lie: one SQLite file, or a PostgreSQL service. One schema, one interface.
 *
 * Records are reached by the functions of store_account.h, store_folder.h, store_message.h,
 * store_blob.h and store_document.h, inside a body run by store_read() or store_write(). */
#pragma once
#include "base/base.h"

struct buf;
struct store;
struct store_tx;

/* A body may be run more than once before its transaction is durable (a conflict, a lost database),
 * so it sets every output anew and has no other effect than through tx. What it returns other than
 * ST_OK undoes the transaction and is returned by store_write(). */
typedef enum st store_body(struct store_tx *tx, void *arg);

struct store_options {
    const char *where;    /* "sqlite", or a PostgreSQL connection string */
    const char *data_dir; /* where the SQLite file posthorse.db lies */
    uint64_t connections_max;
    uint64_t retry_ms;       /* how long an operation goes on trying while PostgreSQL is away */
    bool create;             /* make the store if it is not there */
    const char *server_name; /* who stamps the documents changed here; NULL: "" */
};

/* Opens, locks (SQLite) and migrates. why gets a sentence; ST_CONFLICT: another process holds it,
 * ST_INVALID: made by a newer version, ST_NOT_FOUND, ST_DENIED, ST_IO. */
MUST_USE enum st store_open(const struct store_options *options, struct buf *why,
                            struct store **store_r);
void store_close(struct store **store);

/* One consistent view of the store. Short: nothing that waits for a peer belongs into body. */
MUST_USE enum st store_read(struct store *store, store_body *body, void *arg);
/* The same for what may be left for later: ST_IO after STORE_SOON_MS where PostgreSQL is away. */
#define STORE_SOON_MS 500
MUST_USE enum st store_read_soon(struct store *store, store_body *body, void *arg);
/* Returns ST_OK once the body's changes are durable; then the watchers have been told too.
 * SQLite: bodies of several threads share one commit, each undone alone if it fails.
 * ST_IO: the disk or the database failed or stayed away; nothing was changed. (PostgreSQL lost in
 * the very moment of the commit is asked for up to retry_ms whether it did; only if it stays away
 * that long, ST_IO leaves it open.) ST_FULL here, from the engine, never; quota is the records'
 * business. */
MUST_USE enum st store_write(struct store *store, store_body *body, void *arg);
/* The same for what may be left undone, as store_read_soon(); nor does it wait longer for what
 * another server has locked. */
MUST_USE enum st store_write_soon(struct store *store, store_body *body, void *arg);

/* The same for a thread that has better things to do than to wait. */
struct store_job {
    store_body *body;
    void *arg;
    /* Told the outcome, in st, on any thread; the job may be freed in it. Must not wait. */
    void (*done)(struct store_job *job);
    /* How long to go on while PostgreSQL is away; 0: as the store's options say. */
    uint64_t patience_ms;
    enum st st;
    /* the engine's */
    struct store_job *next;
    struct store_touched *touched;
    size_t touched_count;
};
/* True: it is over already, st tells, done() is not called. False: done() will be. */
MUST_USE bool store_write_begin(struct store *store, struct store_job *job);

/* fn is called after each durable change of the folder, by this server or another one, on any
 * thread, and must only note it (net_wake). Changes of an account's set of folders are told with
 * folder_id 0. STORE_FOLDER_ANY: changes by other servers may have been missed, look at everything.
 */
#define STORE_FOLDER_ANY (-1)
#define STORE_FOLDER_ACCOUNT (-2) /* the account itself: IMAP was switched off or on */
typedef void store_watch_fn(void *ctx, int64_t account_id, int64_t folder_id);
struct store_watch;
struct store_watch *store_watch_new(struct store *store, int64_t account_id, store_watch_fn *fn,
                                    void *ctx);
void store_watch_free(struct store_watch **watch); /* fn is not running and not called after this */

/* The database is out of reach, for longer than a moment; operations wait for it. Never SQLite. */
bool store_away(const struct store *store);
/* The server ends: operations wait no longer for a database that is away. */
void store_hurry(struct store *store);
/* options.retry_ms from now on. */
void store_set_retry(struct store *store, uint64_t retry_ms);
/* The root of UIDVALIDITY from now on, 0 to 255; STORE_ROOT_NONE, which it is at first: none. What
 * was given out stays as it is. */
#define STORE_ROOT_NONE (-1)
#define STORE_ROOT_MAX 255
void store_set_root(struct store *store, int root);
int store_root(const struct store *store);
bool store_is_shared(const struct store *store);          /* other servers may write (PostgreSQL) */
const char *store_server_name(const struct store *store); /* options.server_name */
const char *store_engine_name(const struct store *store);
