/* store_engine.h: what an engine provides, and what the records' files use of it. Inside store/. */
#pragma once
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct store_rows;
struct store_views;

enum store_stmt {
#define STMT(name, sql) S_##name,
#include "store/store_stmt.def"
    S_MAX,
};
extern const char *const store_stmt_sql[]; /* parameters are written $1, $2, ... */

struct store_value {
    enum { SV_NULL_TYPE, SV_INT_TYPE, SV_TEXT_TYPE, SV_BYTES_TYPE } type;
    int64_t number;
    struct slice bytes;
};
#define SV_I(n) ((struct store_value){SV_INT_TYPE, (int64_t)(n), {NULL, 0}})
#define SV_T(s) ((struct store_value){SV_TEXT_TYPE, 0, (s)})
#define SV_C(cstr) ((struct store_value){SV_TEXT_TYPE, 0, slice_str(cstr)})
#define SV_B(s) ((struct store_value){SV_BYTES_TYPE, 0, (s)})
#define SV_NONE ((struct store_value){SV_NULL_TYPE, 0, {NULL, 0}})

#define STORE_PARAMS_MAX 17

/* Runs a statement that returns no rows. changed_r: rows touched; may be NULL. */
#define store_exec(tx, stmt, changed_r, ...) \
    store_exec_values((tx), (stmt), (changed_r), (const struct store_value[]){__VA_ARGS__}, \
                      COUNT(((const struct store_value[]){__VA_ARGS__})))
MUST_USE enum st store_exec_values(struct store_tx *tx, enum store_stmt stmt, int64_t *changed_r,
                                   const struct store_value *values, size_t count);
/* Runs a statement that returns rows: open, next until false, close, which returns how it went.
 * Columns count from 0; bytes are valid until the next call of next or close. Other statements may
 * run meanwhile, but not the same one again. */
#define store_rows_open(tx, stmt, ...) \
    store_rows_open_values((tx), (stmt), (const struct store_value[]){__VA_ARGS__}, \
                           COUNT(((const struct store_value[]){__VA_ARGS__})))
struct store_rows *store_rows_open_values(struct store_tx *tx, enum store_stmt stmt,
                                          const struct store_value *values, size_t count);
bool store_rows_next(struct store_rows *rows);
int64_t store_rows_i64(struct store_rows *rows, int col);
struct slice store_rows_bytes(struct store_rows *rows, int col);
MUST_USE enum st store_rows_close(struct store_rows **rows);
/* The first row's first column; ST_NOT_FOUND where there is no row. */
#define store_get_i64(tx, stmt, value_r, ...) \
    store_get_i64_values((tx), (stmt), (value_r), (const struct store_value[]){__VA_ARGS__}, \
                         COUNT(((const struct store_value[]){__VA_ARGS__})))
MUST_USE enum st store_get_i64_values(struct store_tx *tx, enum store_stmt stmt, int64_t *value_r,
                                      const struct store_value *values, size_t count);
/* Statements that are not in the table (migrations), separated by semicolons. */
MUST_USE enum st store_script(struct store_tx *tx, const char *sql);

/* Notes a change that watchers and views are told of once it is durable. folder_id 0: the account's
 * set of folders. */
void store_touch(struct store_tx *tx, int64_t account_id, int64_t folder_id);

/* Memory until the body ends. */
struct arena *store_tx_arena(struct store_tx *tx);

/* Ends the rows: ST_NOT_FOUND where there was none (found false). */
MUST_USE enum st store_rows_close_found(struct store_rows **rows, bool found);
/* A text that nobody set is an empty one, not NULL. */
struct store_value store_text_value(struct slice text);
/* The last segment of an address: 1 to 255 bytes of UTF-8, no '/' and no control character. */
bool store_segment_ok(struct slice name);
/* store_account_advance() for a delivery: *oof_r: out of office is on, or will be. */
MUST_USE enum st store_account_take(struct store_tx *tx, int64_t account_id, int64_t bytes,
                                    int64_t messages, uint64_t *modseq_r, uint64_t *bytes_used_r,
                                    bool *oof_r);
/* store_account_advance() where nobody asks for more than the number. */
MUST_USE enum st store_account_step(struct store_tx *tx, int64_t account_id, int64_t bytes,
                                    uint64_t *modseq_r);
/* The account's calendars with all that belongs to them. */
MUST_USE enum st store_calendar_destroy_all(struct store_tx *tx, int64_t account_id);

struct store_folder;
/* The folder with its messages, tombstones and the bodies nobody else has. */
MUST_USE enum st store_folder_destroy(struct store_tx *tx, const struct store_folder *folder);
/* Drops the body with its chunks unless a message refers to it. */
MUST_USE enum st store_blob_release(struct store_tx *tx, int64_t blob_id);
/* Valid UTF-8 (RFC 3629) without NUL: what both engines take as text and give back the same.
 * controls: other control characters may be in it. */
bool store_text_ok(struct slice s, bool controls);
void store_text_copy(char *out, size_t cap, struct slice text);
/* ST_OK, ST_INVALID, ST_TOO_BIG: whether a folder may have this name. */
MUST_USE enum st store_folder_name_check(struct slice name);
/* Appends what a stored chunk holds. ST_IO: it cannot be unpacked. */
MUST_USE enum st store_chunk_unpack(struct slice packed, struct buf *out);
#define STORE_CHUNKS_PER_BLOB (INT64_C(1) << 20) /* chunk_id = blob_id * this + number; 128 GiB */
void store_guid_derive(const char *guid, unsigned n, char out[33]);

/* --- the engines' side --- */

struct store_touched {
    int64_t account_id;
    int64_t folder_id;
};

struct store_tx {
    struct store *store;
    void *conn; /* the engine's */
    enum st st; /* the first failure of a statement */
    struct arena *arena;
    struct store_touched *touched;
    size_t touched_count;
};

struct store_rows {
    struct store_tx *tx;
    enum st st;
    void *handle; /* the engine's */
    int row;      /* the engine's */
};

struct store_engine {
    const char *name;
    bool shared;
    /* What @ID@, @BYTES@, @TEXT@, @END@ and @PACKED@ mean in a migration. */
    const char *type_id, *type_bytes, *type_text, *table_end, *chunk_packed;
    const char *after_restore; /* SQL, or NULL */
    enum st (*open)(struct store *store, const struct store_options *options, struct buf *why);
    void (*close)(struct store *store);
    bool (*away)(const struct store *store);                   /* NULL: never */
    void (*hurry)(struct store *store);                        /* NULL: it never waits */
    void (*set_retry)(struct store *store, uint64_t retry_ms); /* NULL: nothing to retry */
    /* patience_ms: as a job's. */
    enum st (*read)(struct store *store, store_body *body, void *arg, uint64_t patience_ms);
    /* As store_write_begin(). */
    bool (*write)(struct store *store, struct store_job *job);
    /* changed_r NULL: nobody waits for it; a failure may be told by a later statement or the end.
     */
    enum st (*exec)(struct store_tx *tx, enum store_stmt stmt, const struct store_value *values,
                    size_t count, int64_t *changed_r);
    void (*rows_open)(struct store_rows *rows, enum store_stmt stmt,
                      const struct store_value *values, size_t count);
    bool (*rows_next)(struct store_rows *rows);
    int64_t (*rows_i64)(struct store_rows *rows, int col);
    struct slice (*rows_bytes)(struct store_rows *rows, int col);
    void (*rows_close)(struct store_rows *rows);
    enum st (*script)(struct store_tx *tx, const char *sql);
};
extern const struct store_engine store_sqlite, store_postgres;

struct store_inbox {
    int64_t account_id;
    int64_t folder_id;
};
#define STORE_INBOXES 16384 /* remembered, by account_id */

struct store {
    const struct store_engine *engine;
    void *handle; /* the engine's */
    pthread_mutex_t watch_lock;
    struct store_watched *watched; /* by account */
    struct store_views *views;
    bool migrated;   /* the schema is there */
    atomic_int root; /* of UIDVALIDITY, or STORE_ROOT_NONE */
    char server_name[256];
    pthread_mutex_t inbox_lock;
    struct store_inbox *inboxes;
};

/* Tells watchers and views; after the transaction is durable. */
void store_tell(struct store *store, const struct store_touched *touched, size_t count);
/* Changes may have been missed: all views are stale and all watchers are told. */
void store_tell_all(struct store *store);
void store_tx_fini(struct store_tx *tx);

/* The schema this program works with. */
int store_schema_version(void);
#define STORE_META_RESTORING "restoring" /* a row of meta while store_restore() is not done */
/* Brings the schema up to date. why as for store_open(). */
MUST_USE enum st store_migrate(struct store *store, struct buf *why);

/* store_view.c's part of the store. */
struct store_views *store_views_new(void);
void store_views_free(struct store_views **views);
void store_views_stale(struct store_views *views, int64_t folder_id);
void store_views_all_stale(struct store_views *views);
