#include "store_t.h"

#include "log/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A relay between the store and PostgreSQL that cuts a connection at the worst moment: around a
 * COMMIT. */
enum cut {
    CUT_NONE,
    CUT_BEFORE, /* PostgreSQL never sees the COMMIT */
    CUT_DURING, /* it sees it, and nobody waits for what comes of it */
    CUT_AFTER,  /* it has committed, and nobody is told */
    CUT_BEHIND, /* the answer arrives, and nothing more */
};

static atomic_int next_cut;
static atomic_int cuts_made;
static char server_path[108];
static int relay_fd;

static bool pass(int from, int to, char *bytes, size_t cap, ssize_t *len_r)
{
    ssize_t len = *len_r = recv(from, bytes, cap, 0);

    return len > 0 && (to < 0 || send(to, bytes, (size_t)len, MSG_NOSIGNAL) == len);
}

/* The client has just said COMMIT; the last piece is in bytes. True: the connection is cut. */
static bool cut_now(int client, int server, enum cut cut, char *bytes, size_t len)
{
    char answer[65536];
    ssize_t got;

    atomic_fetch_add(&cuts_made, 1);
    if (cut == CUT_BEFORE)
        return true;
    (void)!send(server, bytes, len, MSG_NOSIGNAL);
    if (cut == CUT_DURING)
        return true;
    do {
        if (!pass(server, -1, answer, sizeof(answer), &got))
            return true;
    } while (memmem(answer, (size_t)got, "COMMIT", 7) == NULL);
    if (cut == CUT_BEHIND) {
        char *end = (char *)memmem(answer, (size_t)got, "COMMIT", 7) + 7;
        (void)!send(client, answer, (size_t)(end - answer), MSG_NOSIGNAL);
        sys_sleep_ms(20);
    }
    return true;
}

static bool relay_once(int client, int server)
{
    char bytes[65536];
    ssize_t len;
    struct pollfd fds[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};

    if (poll(fds, 2, -1) < 0)
        return false;
    if (fds[1].revents != 0)
        return pass(server, client, bytes, sizeof(bytes), &len);
    if (!pass(client, -1, bytes, sizeof(bytes), &len))
        return false;
    if (memmem(bytes, (size_t)len, "COMMIT", 7) != NULL) {
        int cut = atomic_exchange(&next_cut, CUT_NONE);
        if (cut != CUT_NONE && cut_now(client, server, (enum cut)cut, bytes, (size_t)len))
            return false;
    }
    return send(server, bytes, (size_t)len, MSG_NOSIGNAL) == len;
}

static int unix_socket(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (listens) {
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 100), 0);
    } else if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *relay(void *arg)
{
    int client = (int)(intptr_t)arg;
    int server = unix_socket(server_path, false);

    while (server >= 0 && relay_once(client, server))
        ;
    close(client);
    if (server >= 0)
        close(server);
    return NULL;
}

static void *accept_all(void *arg)
{
    int client;

    while ((client = accept(relay_fd, NULL, NULL)) >= 0) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, relay, (void *)(intptr_t)client), 0);
        pthread_detach(thread);
    }
    return NULL;
}

/* The store through the relay. */
static struct store *open_relayed(struct t_store *t, pthread_t *acceptor)
{
    AUTO(buf) struct buf why = {.bytes_max = 1000};
    char path[200];
    char where[200];
    const char *host = strstr(t->where, "host=") + 5;
    struct store_options options = {
        .where = where, .data_dir = t->dir, .connections_max = 4, .retry_ms = 20000};
    struct store *store;

    snprintf(server_path, sizeof(server_path), "%.*s/.s.PGSQL.5432", (int)strcspn(host, " "), host);
    snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", t->dir);
    snprintf(where, sizeof(where), "host=%s user=postgres dbname=%s", t->dir, t->database);
    relay_fd = unix_socket(path, true);
    assert_int_equal(pthread_create(acceptor, NULL, accept_all, NULL), 0);
    if (store_open(&options, &why, &store) != ST_OK)
        fail_msg("%s", why.ptr);
    return store;
}

struct adding {
    struct t_store *t;
    uint64_t bytes_used; /* the body's output */
    uint64_t modseq;
    int runs;
};

static enum st add_one(struct store_tx *tx, void *arg)
{
    struct adding *a = arg;

    a->runs++;
    store_touch(tx, a->t->account_id, a->t->inbox_id);
    return store_account_advance(tx, a->t->account_id, 1, 1, &a->modseq, &a->bytes_used);
}

static void test_a_commit_of_unknown_outcome_counts_exactly_once(struct t_store *t)
{
    static const struct {
        enum cut cut;
        int runs_min, runs_max;
    } rows[] = {{CUT_BEFORE, 2, 2}, {CUT_DURING, 1, 2}, {CUT_AFTER, 1, 1}, {CUT_BEHIND, 1, 1}};
    pthread_t acceptor;
    struct store *store = open_relayed(t, &acceptor);
    uint64_t count = 0;
    struct view *view;
    struct view *newer;

    for (size_t i = 0; i < COUNT(rows) * 10; i++) {
        struct adding adding = {.t = t};
        int made = atomic_load(&cuts_made);

        T_ROW(i, "a cut");
        atomic_store(&next_cut, rows[i / 10].cut);
        assert_int_equal(store_write(store, add_one, &adding), ST_OK);
        assert_int_equal(atomic_load(&cuts_made), made + 1);
        assert_in_range(adding.runs, rows[i / 10].runs_min, rows[i / 10].runs_max);
        assert_int_equal(adding.bytes_used, ++count);
        assert_int_equal(t_account_now(t).message_count, count);
    }
    /* A message under a cut: its view shows it, once. */
    assert_int_equal(view_open(store, t->account_id, t->inbox_id, &view), ST_OK);
    for (int cut = CUT_BEFORE; cut <= CUT_BEHIND; cut++) {
        struct store_message message;
        atomic_store(&next_cut, cut);
        assert_int_equal(t_try_deliver(store, t->account_id, t->inbox_id, SLICE("x"), &message),
                         ST_OK);
    }
    assert_int_equal(view_latest(store, view, &newer), ST_OK);
    assert_int_equal(view_count(newer), CUT_BEHIND);
    view_unref(&view);
    view_unref(&newer);
    store_close(&store);
    shutdown(relay_fd, SHUT_RDWR);
    pthread_join(acceptor, NULL);
    close(relay_fd);
}

/* --- two accounts, one body --- */

struct shared {
    struct store *store;
    struct t_store *t;
    int64_t account_ids[2];
    int64_t inbox_ids[2];
    struct blob_writer *writer;
    int64_t blob_id;
    int which;
    pthread_barrier_t *barrier;
};

static enum st add_bob(struct store_tx *tx, void *arg)
{
    struct shared *s = arg;
    struct store_folder inbox;
    enum st st = store_account_add(tx, SLICE("bob"), "b00102030405060708090a0b0c0d0e0f", 1,
                                   &s->account_ids[1]);

    if (st == ST_OK)
        st = store_folder_find(tx, store_tx_arena(tx), s->account_ids[1], SLICE("INBOX"), &inbox);
    s->inbox_ids[1] = inbox.folder_id;
    return st;
}

static enum st deliver_both(struct store_tx *tx, void *arg)
{
    struct shared *s = arg;
    enum st st = blob_writer_commit(tx, s->writer, SLICE("e"), SLICE("s"), &s->blob_id);

    for (int i = 0; st == ST_OK && i < 2; i++) {
        struct store_message message = {.bytes = 1, .blob_id = s->blob_id, .guid = "g"};
        st = store_message_add(tx, s->account_ids[i], s->inbox_ids[i], 0, &message);
    }
    return st;
}

static void *expunge_mine(void *arg)
{
    struct shared *s = arg;
    struct store_folder folder = {.folder_id = s->inbox_ids[s->which],
                                  .account_id = s->account_ids[s->which]};
    uint64_t count;

    pthread_barrier_wait(s->barrier);
    assert_int_equal(
        t_expunge(s->store, &folder, (struct store_uids){1, UINT32_MAX}, false, &count), ST_OK);
    assert_int_equal(count, 1);
    return NULL;
}

static void test_two_accounts_that_let_go_of_one_body_at_once_leave_none(struct t_store *t)
{
    pthread_barrier_t barrier;
    struct shared s = {.store = t->store, .t = t, .barrier = &barrier};

    s.account_ids[0] = t->account_id;
    s.inbox_ids[0] = t->inbox_id;
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(store_write(t->store, add_bob, &s), ST_OK);
    for (int i = 0; i < 100; i++) {
        struct shared each[2];
        pthread_t threads[2];

        s.writer = blob_writer_new(t->store);
        assert_int_equal(blob_writer_add(s.writer, SLICE("x")), ST_OK);
        assert_int_equal(blob_writer_end(s.writer), ST_OK);
        assert_int_equal(store_write(t->store, deliver_both, &s), ST_OK);
        blob_writer_free(&s.writer);
        for (int k = 0; k < 2; k++) {
            each[k] = s;
            each[k].which = k;
            assert_int_equal(pthread_create(&threads[k], NULL, expunge_mine, &each[k]), 0);
        }
        for (int k = 0; k < 2; k++)
            pthread_join(threads[k], NULL);
        assert_int_equal(t_count(t, S_BLOB_CHUNKS, s.blob_id), -1);
        assert_int_equal(t_count(t, S_CHUNK_GET, s.blob_id << 20), -1);
    }
    pthread_barrier_destroy(&barrier);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE_ONLY(test_a_commit_of_unknown_outcome_counts_exactly_once, "postgres"),
        T_CASE(test_two_accounts_that_let_go_of_one_body_at_once_leave_none),
    };
    return t_run(cases, COUNT(cases));
}
