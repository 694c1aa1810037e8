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
