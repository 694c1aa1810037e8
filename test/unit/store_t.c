#include "store_t.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

bool t_is_postgres(const struct t_store *t)
{
    return strcmp(t->engine, "postgres") == 0;
}

static const char *admin_string(void)
{
    const char *where = getenv("POSTHORSE_TEST_POSTGRES");

    if (where == NULL) {
        printf("Bail out! run me as: test/pg.py %s\n", "PROGRAM");
        exit(1);
    }
    return where;
}

static void run_admin(const char *where, const char *sql)
{
    PGconn *db = PQconnectdb(where);
    PGresult *res = PQexec(db, sql);

    if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    PQclear(res);
    PQfinish(db);
}

void t_admin(const struct t_store *t, const char *sql)
{
    run_admin(t->where, sql);
}

enum st t_store_try(const struct t_store *t, uint64_t retry_ms, struct buf *why,
                    struct store **store_r)
{
    const struct store_options options = {.where = t->where,
                                          .data_dir = t->dir,
                                          .connections_max = 16,
                                          .retry_ms = retry_ms,
                                          .create = true,
                                          .server_name = "here"};

    return store_open(&options, why, store_r);
}

struct store *t_store_second(const struct t_store *t)
{
    AUTO(buf) struct buf why = BUF(4000);
    struct store *store;

    if (t_store_try(t, 30000, &why, &store) != ST_OK)
        fail_msg("store_open: %s", why.ptr);
    return store;
}

void t_store_open(struct t_store *t)
{
    t->store = t_store_second(t);
}

void t_store_new(struct t_store *t)
{
    static int number;
    char sql[100];

    /* In memory: what is tested here is not the disk's speed. */
    snprintf(t->dir, sizeof(t->dir), "%s/posthorse-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->where, sizeof(t->where), "sqlite");
    if (t_is_postgres(t)) {
        snprintf(t->database, sizeof(t->database), "t%d_%d", (int)getpid(), number++);
        snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'",
                 t->database);
        run_admin(admin_string(), sql);
        snprintf(t->where, sizeof(t->where), "%s dbname=%s", admin_string(), t->database);
    }
    t->arena = arena_new("test", 1 * GIB);
    t_store_open(t);
}

void t_store_close(struct t_store *t)
{
    store_close(&t->store);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    return remove(path);
}

void t_store_free(struct t_store *t)
{
    char sql[100];

    t_store_close(t);
    arena_free(&t->arena);
    nftw(t->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    if (!t_is_postgres(t))
        return;
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", t->database);
    run_admin(admin_string(), sql);
}

static enum st run_script(struct store_tx *tx, void *arg)
{
    return store_script(tx, arg);
}

void t_sql(struct t_store *t, const char *sql)
{
    assert_int_equal(store_write(t->store, run_script, (void *)(uintptr_t)sql), ST_OK);
}

struct counting {
    enum store_stmt stmt;
    int64_t a;
    int64_t count;
};

static enum st count_one(struct store_tx *tx, void *arg)
{
    struct counting *counting = arg;
    enum st st = store_get_i64(tx, counting->stmt, &counting->count, SV_I(counting->a));

    if (st == ST_NOT_FOUND)
        counting->count = -1;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

int64_t t_count(struct t_store *t, enum store_stmt stmt, int64_t a)
{
    struct counting counting = {.stmt = stmt, .a = a};

    assert_int_equal(store_read(t->store, count_one, &counting), ST_OK);
    return counting.count;
}

static enum st add_alice(struct store_tx *tx, void *arg)
{
    struct t_store *t = arg;
    struct store_folder inbox;
    enum st st = store_account_add(tx, SLICE("alice"), "000102030405060708090a0b0c0d0e0f",
                                   sys_now_ms(), &t->account_id);

    if (st == ST_OK)
        st = store_folder_find(tx, t->arena, t->account_id, SLICE("INBOX"), &inbox);
    t->inbox_id = inbox.folder_id;
    return st;
}

void t_alice(struct t_store *t)
{
    assert_int_equal(store_write(t->store, add_alice, t), ST_OK);
}

struct delivering {
    int64_t account_id;
    int64_t folder_id;
    struct blob_writer *writer;
    struct store_message *message;
};

static enum st deliver(struct store_tx *tx, void *arg)
{
    struct delivering *d = arg;
    enum st st = blob_writer_commit(tx, d->writer, SLICE("envelope"), SLICE("structure"),
                                    &d->message->blob_id);

    return st != ST_OK ? st : store_message_add(tx, d->account_id, d->folder_id, 0, d->message);
}

enum st t_try_deliver(struct store *store, int64_t account_id, int64_t folder_id, struct slice body,
                      struct store_message *message)
{
    struct delivering d = {account_id, folder_id, blob_writer_new(store), message};
    enum st st = blob_writer_add(d.writer, body);

    *message = (struct store_message){.bytes = body.len, .date_s = 1700000000, .saved_ms = 7};
    sys_guid(message->guid);
    if (st == ST_OK)
        st = blob_writer_end(d.writer);
    if (st == ST_OK)
        st = store_write(store, deliver, &d);
    if (st == ST_OK)
        blob_writer_committed(d.writer);
    blob_writer_free(&d.writer);
    return st;
}

struct store_message t_deliver(struct t_store *t, int64_t folder_id, struct slice body)
{
    struct store_message message;

    assert_int_equal(t_try_deliver(t->store, t->account_id, folder_id, body, &message), ST_OK);
    return message;
}

struct folder_making {
    struct t_store *t;
    struct slice name;
    char guid[33];
    int64_t folder_id;
};

static enum st make_folder(struct store_tx *tx, void *arg)
{
    struct folder_making *m = arg;
    struct store_folder folder;
    enum st st = store_folder_find(tx, m->t->arena, m->t->account_id, m->name, &folder);

    m->folder_id = folder.folder_id;
    if (st != ST_NOT_FOUND)
        return st;
    return store_folder_add(tx, m->t->account_id,
                            &(struct store_new_folder){m->name, m->guid, SLICE(""), sys_now_ms()},
                            &m->folder_id);
}

int64_t t_folder(struct t_store *t, const char *name)
{
    struct folder_making making = {.t = t, .name = slice_str(name)};

    sys_guid(making.guid);
    assert_int_equal(store_write(t->store, make_folder, &making), ST_OK);
    return making.folder_id;
}

struct folder_reading {
    struct t_store *t;
    int64_t folder_id;
    struct store_folder folder;
};

static enum st read_folder(struct store_tx *tx, void *arg)
{
    struct folder_reading *reading = arg;

    return store_folder_get(tx, reading->t->arena, reading->folder_id, &reading->folder);
}

struct store_folder t_folder_now(struct t_store *t, int64_t folder_id)
{
    struct folder_reading reading = {.t = t, .folder_id = folder_id};

    assert_int_equal(store_read(t->store, read_folder, &reading), ST_OK);
    return reading.folder;
}

/* --- operations --- */

struct op {
    enum { ADD, REMOVE, RENAME, SUBSCRIBE, UNSUBSCRIBE, KEYWORD, FLAGS, EXPUNGE, COPY } kind;
    int64_t account_id;
    struct slice name;
    struct slice to;
    char guid[33];
    struct arena *arena;
    struct store_folder folder;
    struct store_folder target;
    struct store_uids range;
    bool deleted_only;
    uint64_t count;
    unsigned bit;
    struct store_flagging *flagging;
    struct store_copying *copying;
};

static enum st run_folder_op(struct store_tx *tx, struct op *op)
{
    int64_t folder_id;

    switch (op->kind) {
    case ADD:
        return store_folder_add(
            tx, op->account_id,
            &(struct store_new_folder){op->name, op->guid, SLICE(""), sys_now_ms()}, &folder_id);
    case REMOVE:
        return store_folder_remove(tx, op->account_id, op->name);
    case RENAME:
        return store_folder_rename(tx, op->account_id, op->name, op->to, op->guid, sys_now_ms());
    case SUBSCRIBE:
    case UNSUBSCRIBE:
        return store_folder_subscribe(tx, op->account_id, op->name, op->kind == SUBSCRIBE);
    case KEYWORD:
        return store_keyword_add(tx, op->account_id, op->name, &op->bit);
    case FLAGS:
    case EXPUNGE:
    case COPY:
        break;
    }
    return ST_INVALID;
}

static enum st run_op(struct store_tx *tx, void *arg)
{
    struct op *op = arg;
    const struct store_uid_set set = {&op->range, 1};
    uint64_t modseq;

    if (op->kind == FLAGS)
        return store_message_flags(tx, op->arena, &op->folder, op->flagging);
    if (op->kind == EXPUNGE)
        return store_message_expunge(tx, &op->folder, &set, op->deleted_only, &op->count, &modseq);
    if (op->kind == COPY)
        return store_message_copy(tx, op->arena, &op->folder, &op->target, op->copying);
    return run_folder_op(tx, op);
}

static enum st run_named(struct t_store *t, struct op *op, const char *name)
{
    op->account_id = t->account_id;
    op->name = slice_str(name);
    sys_guid(op->guid);
    return store_write(t->store, run_op, op);
}

enum st t_folder_add(struct t_store *t, const char *name)
{
    return run_named(t, &(struct op){.kind = ADD}, name);
}

enum st t_folder_remove(struct t_store *t, const char *name)
{
    return run_named(t, &(struct op){.kind = REMOVE}, name);
}

enum st t_folder_rename(struct t_store *t, const char *from, const char *to)
{
    return run_named(t, &(struct op){.kind = RENAME, .to = slice_str(to)}, from);
}

enum st t_subscribe(struct t_store *t, const char *name, bool on)
{
    return run_named(t, &(struct op){.kind = on ? SUBSCRIBE : UNSUBSCRIBE}, name);
}

enum st t_keyword(struct t_store *t, const char *name, unsigned *bit_r)
{
    struct op op = {.kind = KEYWORD};
    enum st st = run_named(t, &op, name);

    *bit_r = op.bit;
    return st;
}

enum st t_flags(struct store *store, struct arena *arena, const struct store_folder *folder,
                struct store_flagging *flagging)
{
    struct op op = {.kind = FLAGS, .folder = *folder, .flagging = flagging, .arena = arena};

    return store_write(store, run_op, &op);
}

enum st t_expunge(struct store *store, const struct store_folder *folder, struct store_uids range,
                  bool deleted_only, uint64_t *count_r)
{
    struct op op = {
        .kind = EXPUNGE, .folder = *folder, .range = range, .deleted_only = deleted_only};
    enum st st = store_write(store, run_op, &op);

    *count_r = op.count;
    return st;
}

enum st t_copy(struct store *store, struct arena *arena, const struct store_folder *from,
               const struct store_folder *to, struct store_copying *copying)
{
    struct op op = {
        .kind = COPY, .folder = *from, .target = *to, .copying = copying, .arena = arena};

    return store_write(store, run_op, &op);
}

/* --- questions --- */

struct question {
    struct t_store *t;
    int64_t folder_id;
    uint64_t since;
    struct store_account account;
    struct buf text;
};

static void put_word(struct buf *out, struct slice word)
{
    buf_putf(out, "%s%.*s", out->len > 0 ? " " : "", SLICE_ARG(word));
}

static enum st ask_account(struct store_tx *tx, void *arg)
{
    struct question *q = arg;

    return store_account_get(tx, q->t->account_id, &q->account);
}

static enum st ask_folders(struct store_tx *tx, void *arg)
{
    struct question *q = arg;
    struct store_folder *folders;
    size_t count;
    enum st st = store_folder_list(tx, q->t->arena, q->t->account_id, &folders, &count);

    buf_clear(&q->text);
    for (size_t i = 0; i < count; i++)
        put_word(&q->text, folders[i].name);
    return st;
}

static enum st ask_subscriptions(struct store_tx *tx, void *arg)
{
    struct question *q = arg;
    struct slice *names;
    size_t count;
    enum st st = store_folder_subscriptions(tx, q->t->arena, q->t->account_id, &names, &count);

    buf_clear(&q->text);
    for (size_t i = 0; i < count; i++)
        put_word(&q->text, names[i]);
    return st;
}

static enum st put_message(void *ctx, const struct store_message *message)
{
    struct buf *out = ctx;

    buf_putf(out, "%s%u:%llx", out->len > 0 ? " " : "", message->uid,
             (unsigned long long)message->flags);
    return ST_OK;
}

static enum st put_gone(void *ctx, const struct store_message *message)
{
    struct buf *out = ctx;

    buf_putf(out, "%s%u", out->len > 0 ? " " : "", message->uid);
    return ST_OK;
}

static enum st ask_messages(struct store_tx *tx, void *arg)
{
    struct question *q = arg;

    buf_clear(&q->text);
    return store_message_each(tx, q->folder_id, (struct store_uids){1, UINT32_MAX}, 0, put_message,
                              &q->text);
}

static enum st ask_gone(struct store_tx *tx, void *arg)
{
    struct question *q = arg;

    buf_clear(&q->text);
    return store_message_gone(tx, q->folder_id, q->since, put_gone, &q->text);
}

static const char *answer(struct question *q, store_body *body)
{
    buf_init(&q->text, 1 * MIB);
    assert_int_equal(store_read(q->t->store, body, q), ST_OK);
    const char *text = slice_cstr(q->t->arena, buf_slice(&q->text));
    buf_fini(&q->text);
    return text;
}

struct store_account t_account_now(struct t_store *t)
{
    struct question q = {.t = t};

    (void)answer(&q, ask_account);
    return q.account;
}

const char *t_folders(struct t_store *t)
{
    return answer(&(struct question){.t = t}, ask_folders);
}

const char *t_subscriptions(struct t_store *t)
{
    return answer(&(struct question){.t = t}, ask_subscriptions);
}

const char *t_messages(struct t_store *t, int64_t folder_id)
{
    return answer(&(struct question){.t = t, .folder_id = folder_id}, ask_messages);
}

const char *t_gone(struct t_store *t, int64_t folder_id, uint64_t since)
{
    return answer(&(struct question){.t = t, .folder_id = folder_id, .since = since}, ask_gone);
}

struct running {
    const struct t_case *one;
    struct t_store t;
};

static void run_one(void **state)
{
    struct running *running = *state;

    t_store_new(&running->t);
    t_alice(&running->t);
    running->one->run(&running->t);
    t_store_free(&running->t);
}

/* A case that failed leaves its store open, and nothing on the disk. */
static int remove_dir(void **state)
{
    const struct running *running = *state;

    nftw(running->t.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

int t_run(const struct t_case *cases, size_t count)
{
    static const char *const engines[] = {"sqlite", "postgres"};
    struct CMUnitTest *tests = mem_alloc(2 * count * sizeof(*tests));
    struct running *runs = mem_alloc(2 * count * sizeof(*runs));
    char(*names)[200] = mem_alloc(2 * count * sizeof(*names));
    size_t used = 0;

    (void)admin_string();
    for (size_t i = 0; i < 2 * count; i++) {
        const struct t_case *one = &cases[i / 2];
        if (one->only != NULL && strcmp(one->only, engines[i % 2]) != 0)
            continue;
        snprintf(names[used], sizeof(names[used]), "%s: %s", engines[i % 2], one->name);
        runs[used] = (struct running){.one = one, .t = {.engine = engines[i % 2]}};
        tests[used] = (struct CMUnitTest){names[used], run_one, NULL, remove_dir, &runs[used]};
        used++;
    }
    int failed = _cmocka_run_group_tests("store", tests, used, NULL, NULL);
    mem_free(tests);
    mem_free(runs);
    mem_free(names);
    return failed;
}
