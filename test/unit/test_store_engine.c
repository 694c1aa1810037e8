#include "store_t.h"

#include "log/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writers that count: each acknowledged write adds exactly one to the account's message_count, so a
 * write that was lost or done twice shows. */
struct counter {
    struct store *store;
    int64_t account_id;
    int steps;
    int fail_every;
    uint64_t bytes_seen; /* what the body read back */
    int64_t acknowledged;
    int64_t failed;
    int64_t refused; /* ST_IO */
    uint64_t until_ms;
};

static enum st count_up(struct store_tx *tx, void *arg)
{
    struct counter *c = arg;
    uint64_t modseq;
    enum st st = store_account_advance(tx, c->account_id, 1, 1, &modseq, &c->bytes_seen);

    if (st == ST_OK && c->fail_every > 0 && (c->acknowledged + c->failed) % c->fail_every == 0)
        st = ST_DENIED;
    return st;
}

static void count_once(struct counter *c)
{
    enum st st = store_write(c->store, count_up, c);

    if (st == ST_OK)
        c->acknowledged++;
    else if (st == ST_DENIED)
        c->failed++;
    else
        c->refused++;
}

static void *count_steps(void *arg)
{
    struct counter *c = arg;

    for (int i = 0; i < c->steps; i++)
        count_once(c);
    while (sys_mono_ms() < c->until_ms)
        count_once(c);
    return NULL;
}

static void run_counters(struct counter *counters, pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_steps, &counters[i]), 0);
}

/* How many writes were acknowledged. */
static int64_t join_counters(struct counter *counters, pthread_t *threads, size_t count)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += counters[i].acknowledged;
    }
    return sum;
}

static void test_a_failing_body_among_many_undoes_only_itself(struct t_store *t)
{
    struct counter counters[64];
    pthread_t threads[64];
    int64_t failed = 0;

    for (size_t i = 0; i < 64; i++)
        counters[i] = (struct counter){
            .store = t->store, .account_id = t->account_id, .steps = 30, .fail_every = 5};
    run_counters(counters, threads, 64);
    int64_t sum = join_counters(counters, threads, 64);
    for (size_t i = 0; i < 64; i++) {
        failed += counters[i].failed;
        assert_int_equal(counters[i].refused, 0);
    }
    assert_int_equal(sum + failed, 64 * 30);
    assert_int_equal(failed, 64 * 6);
    assert_int_equal(t_account_now(t).message_count, sum);
    assert_int_equal(t_account_now(t).bytes_used, sum);
}

static atomic_int arrived;

static void *arrive_and_count(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    return count_steps(arg);
}

/* Takes until all the others wait. */
static enum st hold_up(struct store_tx *tx, void *arg)
{
    while (atomic_load(&arrived) < 64)
        sys_sleep_ms(1);
    sys_sleep_ms(200);
    return count_up(tx, arg);
}

static void *write_slowly(void *arg)
{
    struct counter *c = arg;

    assert_int_equal(store_write(c->store, hold_up, c), ST_OK);
    return NULL;
}

static void test_writers_that_wait_share_one_commit(struct t_store *t)
{
    struct counter counters[64];
    pthread_t threads[64];
    pthread_t slow;
    struct counter first = {.store = t->store, .account_id = t->account_id};
    uint64_t commits = count_of(COUNT_STORE_COMMITS);

    atomic_store(&arrived, 0);
    assert_int_equal(pthread_create(&slow, NULL, write_slowly, &first), 0);
    sys_sleep_ms(50); /* it leads */
    for (size_t i = 0; i < 64; i++) {
        counters[i] = (struct counter){.store = t->store, .account_id = t->account_id, .steps = 1};
        assert_int_equal(pthread_create(&threads[i], NULL, arrive_and_count, &counters[i]), 0);
    }
    assert_int_equal(join_counters(counters, threads, 64), 64);
    pthread_join(slow, NULL);
    assert_true(count_of(COUNT_STORE_COMMITS) - commits <= 4);
    assert_int_equal(t_account_now(t).message_count, 65);
}

static enum st spoil(struct store_tx *tx, void *arg)
{
    return store_script(tx, "INSERT INTO keyword (account_id, bit, name) VALUES (1, NULL, 'x')");
}

static void test_a_statement_that_fails_undoes_its_body_and_the_store_lives_on(struct t_store *t)
{
    assert_int_equal(store_write(t->store, spoil, NULL), ST_IO);
    (void)t_deliver(t, t->inbox_id, SLICE("x"));
    assert_string_equal(t_messages(t, t->inbox_id), "1:0");
}

/* --- opening --- */

static void test_nobody_else_may_read_the_files(struct t_store *t)
{
    static const char *const names[] = {"posthorse.db", "posthorse.db-wal", "posthorse.db-shm"};

    for (size_t i = 0; i < COUNT(names); i++) {
        char path[200];
        struct stat info;

        snprintf(path, sizeof(path), "%s/%s", t->dir, names[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 077, 0);
    }
}

static void test_a_store_of_a_newer_version_is_refused_in_a_sentence(struct t_store *t)
{
    AUTO(buf) struct buf why = BUF(4000);
    struct store *store;

    t_sql(t, "UPDATE meta SET value = '99' WHERE name = 'schema_version'");
    t_store_close(t);
    assert_int_equal(t_store_try(t, 1000, &why, &store), ST_INVALID);
    assert_null(store);
    assert_non_null(strstr(why.ptr, "made by a newer version of posthorse (schema 99"));
}

static void test_a_second_opener_of_a_folder_is_refused(struct t_store *t)
{
    AUTO(buf) struct buf why = BUF(4000);
    struct store *store;

    assert_int_equal(t_store_try(t, 1000, &why, &store), ST_CONFLICT);
    assert_non_null(strstr(why.ptr, "a server is running on this folder"));
    t_store_close(t);
    t_store_open(t);
    assert_string_equal(t_folders(t), "INBOX Archive Drafts Junk Sent Trash");
}

static void test_what_cannot_be_opened_is_told_why(struct t_store *t)
{
    static const struct {
        const char *where;
        const char *dir;
        bool create;
        enum st st;
        const char *why;
    } rows[] = {
        {"sqlite", "/nowhere/at/all", true, ST_NOT_FOUND, "/nowhere/at/all"},
        {"sqlite", "/dev", false, ST_NOT_FOUND, "there is no store"},
        {"sqlight", "/tmp", true, ST_INVALID, "neither \"sqlite\" nor a connection string"},
        {"host=/nowhere dbname=x", "/tmp", true, ST_IO, "/nowhere"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf why = BUF(4000);
        struct store *store;
        struct store_options options = {.where = rows[i].where,
                                        .data_dir = rows[i].dir,
                                        .connections_max = 2,
                                        .retry_ms = 100,
                                        .create = rows[i].create};
        T_ROW(i, rows[i].where);
        assert_int_equal(store_open(&options, &why, &store), rows[i].st);
        assert_non_null(strstr(why.ptr, rows[i].why));
    }
    (void)remove("/dev/posthorse.lock");
}

static void *open_and_close(void *arg)
{
    struct store *store = t_store_second(arg);

    store_close(&store);
    return NULL;
}

static void test_servers_that_start_together_make_one_schema(struct t_store *t)
{
    struct t_store fresh = {.engine = t->engine};
    pthread_t threads[4];

    t_store_new(&fresh);
    t_store_close(&fresh);
    t_admin(&fresh, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &fresh), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    t_store_open(&fresh);
    t_alice(&fresh);
    t_store_free(&fresh);
}

/* --- a full disk --- */

static void limit_files(uint64_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes > 0 ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_full_disk_refuses_and_the_store_lives_on(struct t_store *t)
{
    char *noise = mem_alloc(64 * KIB);
    struct store_message message;
    int stored = 0;
    int refused = 0;

    signal(SIGXFSZ, SIG_IGN);
    sys_random(noise, 64 * KIB);
    limit_files(3 * MIB);
    for (int i = 0; i < 100; i++) {
        enum st st = t_try_deliver(t->store, t->account_id, t->inbox_id,
                                   (struct slice){noise, 64 * KIB}, &message);
        assert_true(st == ST_OK || st == ST_IO);
        stored += st == ST_OK;
        refused += st == ST_IO;
    }
    assert_true(stored > 10);
    assert_true(refused > 10);
    assert_int_equal(t_account_now(t).message_count, stored); /* reading goes on */
    limit_files(0);
    message = t_deliver(t, t->inbox_id, SLICE("room again"));
    assert_int_equal(message.uid, stored + 1);
    assert_int_equal(t_account_now(t).message_count, stored + 1);
    t_store_close(t);
    t_store_open(t);
    assert_int_equal(t_account_now(t).message_count, stored + 1);
    mem_free(noise);
}

/* --- PostgreSQL in bad days --- */

static void signal_server(int number)
{
    pid_t pid = (pid_t)strtol(getenv("POSTHORSE_TEST_PG_PID"), NULL, 10);

    assert_true(pid > 1);
    assert_int_equal(kill(pid, number), 0);
}

#define WRITERS 8

static void start_writers(struct t_store *t, struct counter *counters, pthread_t *threads,
                          uint64_t ms)
{
    for (size_t i = 0; i < WRITERS; i++)
        counters[i] = (struct counter){
            .store = t->store, .account_id = t->account_id, .until_ms = sys_mono_ms() + ms};
    run_counters(counters, threads, WRITERS);
}

static void check_writers(struct t_store *t, struct counter *counters, pthread_t *threads)
{
    int64_t sum = join_counters(counters, threads, WRITERS);

    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(counters[i].refused, 0);
    assert_true(sum > 100);
    assert_int_equal(t_account_now(t).message_count, sum);
}

static void test_a_crashing_server_loses_and_doubles_no_acknowledged_write(struct t_store *t)
{
    struct counter counters[WRITERS];
    pthread_t threads[WRITERS];
    uint64_t reconnects = count_of_event(EV_STORE_RECONNECTED);

    start_writers(t, counters, threads, 6000);
    for (int i = 0; i < 4; i++) {
        sys_sleep_ms(1000);
        signal_server(SIGUSR1);
    }
    check_writers(t, counters, threads);
    assert_true(count_of_event(EV_STORE_RECONNECTED) > reconnects);
    assert_true(count_of_event(EV_STORE_RECONNECTED) <= reconnects + 8);
}

static void test_terminated_backends_lose_and_double_no_acknowledged_write(struct t_store *t)
{
    struct counter counters[WRITERS];
    pthread_t threads[WRITERS];

    start_writers(t, counters, threads, 4000);
    for (int i = 0; i < 150; i++) {
        sys_sleep_ms(15);
        t_admin(t,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()");
    }
    check_writers(t, counters, threads);
}

static void test_a_server_that_stays_away_is_told_in_time_and_found_again(struct t_store *t)
{
    AUTO(buf) struct buf why = BUF(4000);
    struct store *impatient;
    struct counter c = {.account_id = t->account_id};

    assert_int_equal(t_store_try(t, 500, &why, &impatient), ST_OK);
    c.store = impatient;
    count_once(&c);
    signal_server(SIGUSR2);
    sys_sleep_ms(300);
    uint64_t start_ms = sys_mono_ms();
    count_once(&c);
    assert_int_equal(c.refused, 1);
    assert_true(sys_mono_ms() - start_ms >= 450);
    assert_true(sys_mono_ms() - start_ms < 5000);
    signal_server(SIGUSR1);
    c.store = t->store; /* this one waits for it */
    count_once(&c);
    c.store = impatient;
    count_once(&c);
    assert_int_equal(c.acknowledged, 3);
    assert_int_equal(t_account_now(t).message_count, 3);
    store_close(&impatient);
}

static void test_durable_means_durable_where_the_database_says_otherwise(struct t_store *t)
{
    char sql[120];

    t_store_close(t);
    snprintf(sql, sizeof(sql), "ALTER DATABASE %s SET synchronous_commit = off", t->database);
    t_admin(t, sql);
    t_store_open(t);
    t_sql(t,
          "DO $$ BEGIN IF current_setting('synchronous_commit') <> 'on' THEN "
          "RAISE EXCEPTION 'not durable'; END IF; END $$");
}

static void test_a_pool_of_one_serves_many_threads(struct t_store *t)
{
    struct store_options options = {
        .where = t->where, .data_dir = t->dir, .connections_max = 1, .retry_ms = 30000};
    AUTO(buf) struct buf why = BUF(4000);
    struct counter counters[8];
    pthread_t threads[8];
    struct store *narrow;

    assert_int_equal(store_open(&options, &why, &narrow), ST_OK);
    for (size_t i = 0; i < 8; i++)
        counters[i] = (struct counter){.store = narrow, .account_id = t->account_id, .steps = 20};
    run_counters(counters, threads, 8);
    assert_int_equal(join_counters(counters, threads, 8), 160);
    assert_int_equal(t_account_now(t).message_count, 160);
    store_close(&narrow);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_a_failing_body_among_many_undoes_only_itself),
        T_CASE_ONLY(test_writers_that_wait_share_one_commit, "sqlite"),
        T_CASE(test_a_statement_that_fails_undoes_its_body_and_the_store_lives_on),
        T_CASE_ONLY(test_nobody_else_may_read_the_files, "sqlite"),
        T_CASE(test_a_store_of_a_newer_version_is_refused_in_a_sentence),
        T_CASE_ONLY(test_a_second_opener_of_a_folder_is_refused, "sqlite"),
        T_CASE_ONLY(test_what_cannot_be_opened_is_told_why, "sqlite"),
        T_CASE_ONLY(test_servers_that_start_together_make_one_schema, "postgres"),
        T_CASE_ONLY(test_a_full_disk_refuses_and_the_store_lives_on, "sqlite"),
        T_CASE_ONLY(test_a_pool_of_one_serves_many_threads, "postgres"),
        T_CASE_ONLY(test_durable_means_durable_where_the_database_says_otherwise, "postgres"),
        T_CASE_ONLY(test_terminated_backends_lose_and_double_no_acknowledged_write, "postgres"),
        T_CASE_ONLY(test_a_crashing_server_loses_and_doubles_no_acknowledged_write, "postgres"),
        T_CASE_ONLY(test_a_server_that_stays_away_is_told_in_time_and_found_again, "postgres"),
    };
    return t_run(cases, COUNT(cases));
}
