#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "store/store_postgres.h"
#include "sys/sys_time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS 60000
#define KEY_LIFE_MS (INT64_C(3600) * 1000)
#define RECONNECT_FIRST_MS 50
#define RECONNECT_MAX_MS 2000

/* True when the store closes. */
static bool wait_for(const struct pg *pg, int fd, int ms)
{
    struct pollfd fds[] = {{.fd = pg->wake_fds[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    if (poll(fds, fd >= 0 ? 2 : 1, ms) < 0)
        return errno != EINTR;
    return fds[0].revents != 0;
}

static PGconn *listen_anew(struct store *store)
{
    struct pg *pg = store->handle;
    PGconn *db;

    if (pg_connect(pg->where, &db, NULL) != PG_FINE)
        return NULL;
    PGresult *res = PQexec(db, "LISTEN " PG_CHANNEL);
    bool listens = PQresultStatus(res) == PGRES_COMMAND_OK;
    PQclear(res);
    if (!listens) {
        PQfinish(db);
        return NULL;
    }
    store_tell_all(store); /* what changed meanwhile was not heard */
    return db;
}

/* "<origin> <account> <folder>..." or "<origin> *" */
static void hear(struct store *store, const char *text)
{
    const struct pg *pg = store->handle;
    struct slice rest = slice_str(text);
    struct slice word;
    char *end;

    if (!slice_split(&rest, ' ', &word) || slice_eq(word, slice_str(pg->origin)) ||
        rest.ptr == NULL)
        return;
    if (slice_eq(rest, SLICE("*"))) {
        store_tell_all(store);
        return;
    }
    for (const char *at = rest.ptr; *at != '\0'; at = end) {
        struct store_touched touched = {.account_id = strtoll(at, &end, 10)};
        touched.folder_id = strtoll(end, &end, 10);
        if (end == at)
            return; /* not one of ours */
        store_tell(store, &touched, 1);
    }
}

/* Keys of old commits are of no use to anybody. */
static void sweep_keys(PGconn *db)
{
    char sql[100];

    snprintf(sql, sizeof(sql), "DELETE FROM commit_key WHERE at_ms < %lld",
             (long long)(sys_now_ms() - KEY_LIFE_MS));
    PQclear(PQexec(db, sql));
}

/* Until the connection is lost (false) or the store closes (true). */
static bool listen_on(struct store *store, PGconn *db)
{
    const struct pg *pg = store->handle;
    uint64_t swept_ms = sys_mono_ms();

    while (PQstatus(db) == CONNECTION_OK) {
        PGnotify *notice;

        if (wait_for(pg, PQsocket(db), TICK_MS))
            return true;
        if (PQconsumeInput(db) == 0)
            return false;
        while ((notice = PQnotifies(db)) != NULL) {
            hear(store, notice->extra);
            PQfreemem(notice);
        }
        if (sys_mono_ms() - swept_ms >= 10 * MIN_MS) {
            sweep_keys(db);
            swept_ms = sys_mono_ms();
        }
    }
    return false;
}

static void *listen_thread(void *arg)
{
    struct store *store = arg;
    const struct pg *pg = store->handle;
    int pause_ms = RECONNECT_FIRST_MS;
    bool over = false;

    while (!over) {
        PGconn *db = listen_anew(store);
        if (db == NULL) {
            over = wait_for(pg, -1, pause_ms);
            pause_ms = pause_ms * 2 < RECONNECT_MAX_MS ? pause_ms * 2 : RECONNECT_MAX_MS;
            continue;
        }
        pause_ms = RECONNECT_FIRST_MS;
        over = listen_on(store, db);
        PQfinish(db);
    }
    return NULL;
}

void pg_listen_start(struct store *store)
{
    struct pg *pg = store->handle;

    if (pipe2(pg->wake_fds, O_CLOEXEC) != 0)
        abort(); /* no file descriptors when the store opens: nothing would work */
    pg->listener_runs = pthread_create(&pg->listener, NULL, listen_thread, store) == 0;
    if (!pg->listener_runs)
        abort();
}

void pg_listen_stop(struct store *store)
{
    struct pg *pg = store->handle;

    if (!pg->listener_runs)
        return;
    close(pg->wake_fds[1]);
    pthread_join(pg->listener, NULL);
    close(pg->wake_fds[0]);
}
