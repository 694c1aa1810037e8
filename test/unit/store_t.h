/* store_t.h: stores for tests: each case runs on a new one, on SQLite and on PostgreSQL. */
#pragma once
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/store.h"
#include "store/store_account.h"
#include "store/store_blob.h"
#include "store/store_document.h"
#include "store/store_engine.h"
#include "store/store_folder.h"
#include "store/store_message.h"
#include "store/store_view.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

struct t_store {
    const char *engine; /* "sqlite" or "postgres" */
    struct store *store;
    struct arena *arena;
    char dir[64];    /* of the SQLite file */
    char where[256]; /* for store_open() */
    char database[32];
    int64_t account_id; /* of alice, once t_alice() was called */
    int64_t inbox_id;
};

/* A new store, where t->engine says. */
void t_store_new(struct t_store *t);
void t_store_open(struct t_store *t);                  /* the same one again */
struct store *t_store_second(const struct t_store *t); /* as another server would open it */
void t_store_close(struct t_store *t);
void t_store_free(struct t_store *t);
enum st t_store_try(const struct t_store *t, uint64_t retry_ms, struct buf *why,
                    struct store **store_r);
bool t_is_postgres(const struct t_store *t);

/* SQL as an administrator of PostgreSQL would run it, in the store's database. */
void t_admin(const struct t_store *t, const char *sql);
/* SQL in a transaction of the store, whichever engine. */
void t_sql(struct t_store *t, const char *sql);
/* The first column of the first row; for questions that no statement asks. */
int64_t t_count(struct t_store *t, enum store_stmt stmt, int64_t a);

void t_alice(struct t_store *t); /* makes the account */
/* One message with these bytes as its body. */
struct store_message t_deliver(struct t_store *t, int64_t folder_id, struct slice body);
enum st t_try_deliver(struct store *store, int64_t account_id, int64_t folder_id, struct slice body,
                      struct store_message *message);
int64_t t_folder(struct t_store *t, const char *name); /* made where it is missing */
struct store_folder t_folder_now(struct t_store *t, int64_t folder_id);

/* One operation of the records in a transaction of its own; safe from several threads where arena
 * is the thread's (copies and failed flags need one). */
enum st t_folder_add(struct t_store *t, const char *name);
enum st t_folder_remove(struct t_store *t, const char *name);
enum st t_folder_rename(struct t_store *t, const char *from, const char *to);
enum st t_subscribe(struct t_store *t, const char *name, bool on);
enum st t_keyword(struct t_store *t, const char *name, unsigned *bit_r);
enum st t_flags(struct store *store, struct arena *arena, const struct store_folder *folder,
                struct store_flagging *flagging);
enum st t_expunge(struct store *store, const struct store_folder *folder, struct store_uids range,
                  bool deleted_only, uint64_t *count_r);
enum st t_copy(struct store *store, struct arena *arena, const struct store_folder *from,
               const struct store_folder *to, struct store_copying *copying);
struct store_account t_account_now(struct t_store *t);
/* Names with a blank between them. */
const char *t_folders(struct t_store *t);
const char *t_subscriptions(struct t_store *t);
/* "uid:flags" of each message, in order, e.g. "1:0 3:9". */
const char *t_messages(struct t_store *t, int64_t folder_id);
/* UIDs of tombstones above since, e.g. "2 4". */
const char *t_gone(struct t_store *t, int64_t folder_id, uint64_t since);

/* The case on both engines. Each gets a new store with alice in it. */
struct t_case {
    const char *name;
    void (*run)(struct t_store *t);
    const char *only; /* one engine's name, or NULL */
};
#define T_CASE(name) \
    { \
#        name, name, NULL \
    }
#define T_CASE_ONLY(name, engine) \
    { \
#        name, name, engine \
    }
int t_run(const struct t_case *cases, size_t count);
