#include "t.h"

#include "base/buf.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define DEFAULT "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"
#define ROUNDS_MAX 100000

static char folder[] = "/tmp/test_tls.XXXXXX";
static char cert_file[64];
static char key_file[64];
static char other_cert_file[64];
static char other_key_file[64];

/* Both ends of one connection, each over a non-blocking socket. */
struct pair {
    int fds[2];
    struct sys_tls *server;
    struct sys_tls *client;
};

static struct sys_tls_server *server_new(const char *priorities)
{
    AUTO(buf) struct buf why = BUF(1000);
    struct sys_tls_server *server;

    if (sys_tls_server_new(cert_file, key_file, priorities, &why, &server) != ST_OK)
        fail_msg("%s", why.ptr);
    return server;
}

static struct sys_tls_client *client_new(const char *trust_file)
{
    AUTO(buf) struct buf why = BUF(1000);
    struct sys_tls_client *client;

    if (sys_tls_client_new(trust_file, DEFAULT, &why, &client) != ST_OK)
        fail_msg("%s", why.ptr);
    return client;
}

static void sockets(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void pair_init(struct pair *pair, struct sys_tls_server *server,
                      struct sys_tls_client *client, const char *host)
{
    sockets(pair->fds);
    pair->server = sys_tls_new(server, pair->fds[0]);
    pair->client = sys_tls_connect(client, pair->fds[1], host, host != NULL);
}

static void pair_fini(struct pair *pair)
{
    sys_tls_free(&pair->server);
    sys_tls_free(&pair->client);
    close(pair->fds[0]);
    close(pair->fds[1]);
}

/* Both sides in turn until each is done or has failed. */
static void shake(struct pair *pair, enum st *server_r, enum st *client_r)
{
    bool want_write;

    *server_r = *client_r = ST_AGAIN;
    for (int i = 0; i < ROUNDS_MAX && (*server_r == ST_AGAIN || *client_r == ST_AGAIN); i++) {
        if (*client_r == ST_AGAIN)
            *client_r = sys_tls_handshake(pair->client, &want_write);
        if (*client_r != ST_AGAIN && *client_r != ST_OK)
            shutdown(pair->fds[1], SHUT_WR);
        if (*server_r == ST_AGAIN)
            *server_r = sys_tls_handshake(pair->server, &want_write);
    }
}

static void shake_ok(struct pair *pair)
{
    enum st server;
    enum st client;

    shake(pair, &server, &client);
    if (server != ST_OK || client != ST_OK)
        fail_msg("server: %s, client: %s", sys_tls_error(pair->server),
                 sys_tls_error(pair->client));
}

static void say(struct sys_tls *from, struct sys_tls *to, struct slice text)
{
    char got[1000];
    size_t len;

    assert_int_equal(sys_tls_send(from, text, &len), ST_OK);
    assert_int_equal(len, text.len);
    assert_int_equal(sys_tls_recv(to, got, sizeof(got), &len), ST_OK);
    T_EQ_SLICE(((struct slice){got, len}), text);
}

static void test_both_versions_talk_and_name_themselves(void **state)
{
    static const struct {
        const char *priorities;
        const char *clause;
    } rows[] = {{TLS13, "tls TLS_AES_"}, {TLS12, "tls TLS_ECDHE_ECDSA_WITH_"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sys_tls_server *server = server_new(rows[i].priorities);
        struct sys_tls_client *client = client_new(cert_file);
        AUTO(buf) struct buf text = BUF(1000);
        struct pair pair;
        char got[3];
        size_t len;

        T_ROW(i, rows[i].priorities);
        pair_init(&pair, server, client, "mail.example");
        shake_ok(&pair);
        say(pair.client, pair.server, SLICE("a001 NOOP\r\n"));
        say(pair.server, pair.client, SLICE("a001 OK\r\n"));
        assert_int_equal(sys_tls_recv(pair.server, got, 3, &len), ST_AGAIN);
        assert_int_equal(sys_tls_send(pair.client, SLICE("12345"), &len), ST_OK);
        assert_int_equal(sys_tls_recv(pair.server, got, 3, &len), ST_OK);
        assert_int_equal(sys_tls_pending(pair.server), 2);
        assert_int_equal(sys_tls_clause(pair.server, &text), ST_OK);
        assert_true(slice_starts(buf_slice(&text), slice_str(rows[i].clause)));
        assert_true(slice_find_slice(buf_slice(&text), SLICE(" group ")) < text.len);
        assert_string_equal(sys_tls_error(pair.server), "");
        pair_fini(&pair);
        sys_tls_server_free(&server);
        sys_tls_client_free(&client);
        assert_null(server);
    }
}

static void test_bindings_are_the_same_on_both_sides(void **state)
{
    static const struct {
        const char *priorities;
        enum sys_tls_binding type;
        size_t len; /* 0: none */
    } rows[] = {
        {TLS13, SYS_TLS_EXPORTER, 32},
        {TLS12, SYS_TLS_EXPORTER, 32},
        {TLS13, SYS_TLS_SERVER_END_POINT, 32},
        {TLS12, SYS_TLS_SERVER_END_POINT, 32},
        {TLS13, SYS_TLS_UNIQUE, 0},
        {TLS12, SYS_TLS_UNIQUE, 12},
        {TLS12 ":%NO_SESSION_HASH", SYS_TLS_EXPORTER, 0},
        {TLS12 ":%NO_SESSION_HASH", SYS_TLS_UNIQUE, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sys_tls_server *server = server_new(rows[i].priorities);
        struct sys_tls_client *client = client_new(cert_file);
        enum st want = rows[i].len > 0 ? ST_OK : ST_NOT_FOUND;
        AUTO(buf) struct buf ours = BUF(100);
        AUTO(buf) struct buf theirs = BUF(100);
        struct pair pair;

        T_ROW(i, rows[i].priorities);
        pair_init(&pair, server, client, "mail.example");
        shake_ok(&pair);
        assert_int_equal(sys_tls_channel_binding(pair.server, rows[i].type, &ours), want);
        assert_int_equal(sys_tls_channel_binding(pair.client, rows[i].type, &theirs), want);
        T_EQ_SLICE(buf_slice(&ours), buf_slice(&theirs));
        assert_int_equal(ours.len, rows[i].len);
        pair_fini(&pair);
        sys_tls_server_free(&server);
        sys_tls_client_free(&client);
    }
}

/* Connects to `first`, then with what that gave to `second`: was it resumed? */
static bool resumes(struct sys_tls_server *first, struct sys_tls_server *second)
{
    struct sys_tls_client *client = client_new(cert_file);
    AUTO(buf) struct buf saved = BUF(64 * KIB);
    struct pair pair;

    pair_init(&pair, first, client, "mail.example");
    shake_ok(&pair);
    assert_false(sys_tls_resumed(pair.server));
    say(pair.server, pair.client, SLICE("hello"));
    assert_int_equal(sys_tls_session_save(pair.client, &saved), ST_OK);
    assert_int_not_equal(saved.len, 0);
    pair_fini(&pair);

    pair_init(&pair, second, client, "mail.example");
    assert_int_equal(sys_tls_session_use(pair.client, buf_slice(&saved)), ST_OK);
    shake_ok(&pair);
    say(pair.client, pair.server, SLICE("hello again"));
    bool resumed = sys_tls_resumed(pair.server);
    assert_true(resumed == sys_tls_resumed(pair.client));
    pair_fini(&pair);
    sys_tls_client_free(&client);
    return resumed;
}

static void test_tickets_resume_here_and_after_a_reload(void **state)
{
    static const char *const rows[] = {TLS13, TLS12};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sys_tls_server *first = server_new(rows[i]);
        struct sys_tls_server *stranger = server_new(rows[i]);
        struct sys_tls_server *reloaded = server_new(rows[i]);

        T_ROW(i, rows[i]);
        sys_tls_server_keep_tickets(reloaded, first);
        assert_true(resumes(first, first));
        assert_true(resumes(first, reloaded));
        assert_false(resumes(first, stranger));
        sys_tls_server_free(&first);
        sys_tls_server_free(&stranger);
        sys_tls_server_free(&reloaded);
    }
}

static void test_connections_outlive_their_server_object(void **state)
{
    struct sys_tls_server *server = server_new(DEFAULT);
    struct sys_tls_client *client = client_new(cert_file);
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "mail.example");
    sys_tls_server_free(&server);
    sys_tls_client_free(&client);
    shake_ok(&pair);
    say(pair.client, pair.server, SLICE("still here"));
    pair_fini(&pair);
}

static void test_refused_files_are_told_in_a_sentence(void **state)
{
    char text_file[80];
    char empty_file[80];
    const struct {
        const char *cert;
        const char *key;
        const char *priorities;
        enum st st;
        const char *says;
    } rows[] = {
        {"/nowhere/cert.pem", key_file, DEFAULT, ST_NOT_FOUND,
         "certificate file /nowhere/cert.pem: is not there"},
        {cert_file, "/nowhere/key.pem", DEFAULT, ST_NOT_FOUND,
         "key file /nowhere/key.pem: is not there"},
        {folder, key_file, DEFAULT, ST_IO, ": cannot be read"},
        {empty_file, key_file, DEFAULT, ST_INVALID, ": is empty"},
        {text_file, key_file, DEFAULT, ST_INVALID, ": holds no PEM certificate ("},
        {key_file, key_file, DEFAULT, ST_INVALID, ": holds no PEM certificate ("},
        {cert_file, text_file, DEFAULT, ST_INVALID, ": holds no PEM private key"},
        {cert_file, other_key_file, DEFAULT, ST_INVALID, ": is not the key of the first"},
        {cert_file, key_file, "NORMAL:+RUBBISH", ST_INVALID,
         "TLS priorities \"NORMAL:+RUBBISH\": not understood from position 8 on, \"+RUBBISH\""},
    };

    (void)state;
    snprintf(text_file, sizeof(text_file), "%s/text", folder);
    snprintf(empty_file, sizeof(empty_file), "%s/empty", folder);
    assert_int_equal(sys_file_write(text_file, SLICE("no certificate\n"), 0600), ST_OK);
    assert_int_equal(sys_file_write(empty_file, SLICE(""), 0600), ST_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sys_tls_server *server;
        AUTO(buf) struct buf why = BUF(1000);

        T_ROW(i, rows[i].says);
        assert_int_equal(
            sys_tls_server_new(rows[i].cert, rows[i].key, rows[i].priorities, &why, &server),
            rows[i].st);
        assert_null(server);
        printf("# %s\n", why.ptr);
        assert_true(slice_find_slice(buf_slice(&why), slice_str(rows[i].says)) < why.len);
    }
}

static void test_client_verifies_name_and_trust(void **state)
{
    static const struct {
        const char *host;
        bool trusted;
        bool ok;
    } rows[] = {
        {"mail.example", true, true},   {"MX.example", true, true}, {"127.0.0.1", true, true},
        {"other.example", true, false}, {"127.0.0.2", true, false}, {"2001:db8::1", true, true},
        {"mail.example", false, false},
    };
    struct sys_tls_server *server = server_new(DEFAULT);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sys_tls_client *client = client_new(rows[i].trusted ? cert_file : other_cert_file);
        struct pair pair;
        enum st by_server;
        enum st by_client;

        T_ROW(i, rows[i].host);
        pair_init(&pair, server, client, rows[i].host);
        shake(&pair, &by_server, &by_client);
        assert_int_equal(by_client, rows[i].ok ? ST_OK : ST_INVALID);
        if (!rows[i].ok) {
            printf("# client: %s; server: %s\n", sys_tls_error(pair.client),
                   sys_tls_error(pair.server));
            assert_string_not_equal(sys_tls_error(pair.client), "");
        }
        pair_fini(&pair);
        sys_tls_client_free(&client);
    }
    sys_tls_server_free(&server);
}

static void test_not_tls_is_refused_with_a_reason(void **state)
{
    static const char *const rows[] = {"EHLO example.com\r\n", "GET / HTTP/1.1\r\n\r\n",
                                       "\x16\x03\x01\xff\xff\xff\xff\xff\xff\xff", "\x80\x80\x01"};
    struct sys_tls_server *server = server_new(DEFAULT);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool want_write;
        int fds[2];

        T_ROW(i, "");
        sockets(fds);
        struct sys_tls *tls = sys_tls_new(server, fds[0]);
        assert_int_equal(sys_tls_handshake(tls, &want_write), ST_AGAIN);
        assert_false(want_write);
        assert_int_equal(write(fds[1], rows[i], strlen(rows[i])), strlen(rows[i]));
        shutdown(fds[1], SHUT_WR);
        enum st st = sys_tls_handshake(tls, &want_write);
        printf("# %d %s\n", (int)st, sys_tls_error(tls));
        assert_true(st == ST_INVALID || st == ST_IO);
        assert_string_not_equal(sys_tls_error(tls), "");
        sys_tls_free(&tls);
        close(fds[0]);
        close(fds[1]);
    }
    sys_tls_server_free(&server);
}

static void test_goodbye_and_a_cut_are_told_apart(void **state)
{
    struct sys_tls_server *server = server_new(DEFAULT);
    struct sys_tls_client *client = client_new(cert_file);
    struct pair pair;
    char got[10];
    size_t len = 1;

    (void)state;
    pair_init(&pair, server, client, NULL);
    shake_ok(&pair);
    sys_tls_bye(pair.client);
    sys_tls_bye(pair.client);
    assert_int_equal(sys_tls_recv(pair.server, got, sizeof(got), &len), ST_OK);
    assert_int_equal(len, 0);
    pair_fini(&pair);

    pair_init(&pair, server, client, NULL);
    shake_ok(&pair);
    shutdown(pair.fds[1], SHUT_RDWR);
    assert_int_equal(sys_tls_recv(pair.server, got, sizeof(got), &len), ST_IO);
    assert_string_not_equal(sys_tls_error(pair.server), "");
    assert_int_equal(sys_tls_send(pair.server, SLICE("x"), &len), ST_IO); /* and no SIGPIPE */
    pair_fini(&pair);
    sys_tls_server_free(&server);
    sys_tls_client_free(&client);
}

static void test_a_full_socket_loses_and_doubles_nothing(void **state)
{
    enum { BYTES = 1000000 };
    struct sys_tls_server *server = server_new(DEFAULT);
    struct sys_tls_client *client = client_new(cert_file);
    char *sent = test_malloc(BYTES);
    struct pair pair;
    size_t out = 0;
    size_t in = 0;
    size_t full = 0;

    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (char)(i * 31 + i / 251);
    pair_init(&pair, server, client, NULL);
    assert_int_equal(setsockopt(pair.fds[0], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    shake_ok(&pair);
    while (in < BYTES) {
        char got[1777];
        size_t len;
        enum st st = ST_OK;

        while (st == ST_OK && out < BYTES) {
            st = sys_tls_send(pair.server, (struct slice){sent + out, BYTES - out}, &len);
            out += len;
        }
        assert_true(st == ST_OK || st == ST_AGAIN);
        full += st == ST_AGAIN;
        while ((st = sys_tls_recv(pair.client, got, sizeof(got), &len)) == ST_OK) {
            assert_true(len > 0 && len <= BYTES - in);
            assert_memory_equal(got, sent + in, len);
            in += len;
        }
        assert_int_equal(st, ST_AGAIN);
    }
    assert_int_equal(out, BYTES);
    assert_true(full > 10);
    pair_fini(&pair);
    test_free(sent);
    sys_tls_server_free(&server);
    sys_tls_client_free(&client);
}

/* Carries what is there, one byte at a time, and says how many. */
static size_t carry_byte(int from, int to)
{
    char byte;

    if (read(from, &byte, 1) != 1)
        return 0;
    assert_int_equal(write(to, &byte, 1), 1);
    return 1;
}

static void test_bytes_that_come_one_by_one_are_enough(void **state)
{
    static const char *const rows[] = {TLS13, TLS12};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sys_tls_server *server = server_new(rows[i]);
        struct sys_tls_client *client = client_new(cert_file);
        enum st st[2] = {ST_AGAIN, ST_AGAIN};
        int near[2];
        int far[2];
        bool want_write;

        T_ROW(i, rows[i]);
        sockets(near);
        sockets(far);
        struct sys_tls *ours = sys_tls_new(server, near[0]);
        struct sys_tls *theirs = sys_tls_connect(client, far[0], "mail.example", true);
        for (int k = 0; k < ROUNDS_MAX && (st[0] == ST_AGAIN || st[1] == ST_AGAIN); k++) {
            if (st[0] == ST_AGAIN)
                st[0] = sys_tls_handshake(ours, &want_write);
            if (st[1] == ST_AGAIN)
                st[1] = sys_tls_handshake(theirs, &want_write);
            carry_byte(near[1], far[1]);
            carry_byte(far[1], near[1]);
        }
        assert_int_equal(st[0], ST_OK);
        assert_int_equal(st[1], ST_OK);
        sys_tls_free(&ours);
        sys_tls_free(&theirs);
        for (int k = 0; k < 2; k++) {
            close(near[k]);
            close(far[k]);
        }
        sys_tls_server_free(&server);
        sys_tls_client_free(&client);
    }
}

static void test_selfsigned_files_are_what_was_asked(void **state)
{
    static const char *const empty[] = {""};
    struct stat info;
    int64_t expiry_ms;

    (void)state;
    assert_int_equal(stat(key_file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(sys_cert_expiry_ms(cert_file, &expiry_ms), ST_OK);
    int64_t left = expiry_ms - sys_now_ms();
    assert_true(left > (int64_t)(30 * DAY_MS - MIN_MS) && left <= (int64_t)(30 * DAY_MS));
    assert_int_equal(sys_cert_expiry_ms(key_file, &expiry_ms), ST_INVALID);
    assert_int_equal(sys_cert_expiry_ms("/nowhere", &expiry_ms), ST_NOT_FOUND);
    assert_int_equal(sys_cert_make_selfsigned(empty, 0, 1, "/nowhere", "/nowhere"), ST_INVALID);
    assert_int_equal(sys_cert_make_selfsigned(empty, 1, 1, "/nowhere", "/nowhere"), ST_INVALID);
}

#if defined(WITH_ASAN) || defined(WITH_TSAN)
#    define MEMORY_IS_OURS 0 /* shadow memory and quarantine would be measured */
#else
#    define MEMORY_IS_OURS 1
#endif

static long own_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");

    if (file == NULL)
        return -1;
    while (kib < 0 && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "Pss:", 4) == 0)
            kib = strtol(line + 4, NULL, 10);
    fclose(file);
    return kib;
}

/* The clients of the memory test: a process of their own, so that the parent's memory is the
 * server's alone. */
static void be_clients(int fds[][2], size_t count)
{
    struct sys_tls_client *client = client_new(cert_file);

    for (size_t i = 0; i < count; i++) {
        struct sys_tls *tls = sys_tls_connect(client, fds[i][1], "mail.example", true);
        bool want_write;
        size_t len;

        if (sys_tls_handshake(tls, &want_write) != ST_OK ||
            sys_tls_send(tls, SLICE("a001 IDLE\r\n"), &len) != ST_OK)
            _exit(1);
    }
    pause();
    _exit(0);
}

static void test_an_idle_connection_is_small(void **state)
{
    enum { WARM = 20, ALL = 220, KIB_MAX = 30 };
    static struct sys_tls *tls[ALL];
    static int fds[ALL][2];
    struct sys_tls_server *server = server_new(DEFAULT);
    long before = 0;

    (void)state;
    for (size_t i = 0; i < ALL; i++)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        be_clients(fds, ALL);
    for (size_t i = 0; i < ALL; i++) {
        char got[100];
        bool want_write;
        size_t len;

        if (i == WARM)
            before = own_kib();
        close(fds[i][1]);
        tls[i] = sys_tls_new(server, fds[i][0]);
        assert_int_equal(sys_tls_handshake(tls[i], &want_write), ST_OK);
        assert_int_equal(sys_tls_recv(tls[i], got, sizeof(got), &len), ST_OK);
        assert_int_equal(len, 11);
    }
    long each = (own_kib() - before) / (ALL - WARM);
    printf("# %ld KiB for each idle connection%s\n", each,
           MEMORY_IS_OURS ? "" : " (a sanitizer's memory included: not judged)");
    assert_true(!MEMORY_IS_OURS || (before > 0 && each < KIB_MAX));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (size_t i = 0; i < ALL; i++) {
        sys_tls_free(&tls[i]);
        close(fds[i][0]);
    }
    sys_tls_server_free(&server);
}

static int make_files(void **state)
{
    static const char *const names[] = {"mail.example", "mx.example", "127.0.0.1", "2001:db8::1"};

    (void)state;
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", folder);
    snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    snprintf(other_cert_file, sizeof(other_cert_file), "%s/other.pem", folder);
    snprintf(other_key_file, sizeof(other_key_file), "%s/otherkey.pem", folder);
    if (sys_cert_make_selfsigned(names, COUNT(names), 30, cert_file, key_file) != ST_OK)
        return 1;
    return sys_cert_make_selfsigned(names, COUNT(names), 30, other_cert_file, other_key_file) !=
           ST_OK;
}

static int drop_files(void **state)
{
    static const char *const names[] = {"cert.pem",     "key.pem", "other.pem",
                                        "otherkey.pem", "text",    "empty"};
    char path[80];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions_talk_and_name_themselves),
        cmocka_unit_test(test_bindings_are_the_same_on_both_sides),
        cmocka_unit_test(test_tickets_resume_here_and_after_a_reload),
        cmocka_unit_test(test_connections_outlive_their_server_object),
        cmocka_unit_test(test_refused_files_are_told_in_a_sentence),
        cmocka_unit_test(test_client_verifies_name_and_trust),
        cmocka_unit_test(test_not_tls_is_refused_with_a_reason),
        cmocka_unit_test(test_goodbye_and_a_cut_are_told_apart),
        cmocka_unit_test(test_a_full_socket_loses_and_doubles_nothing),
        cmocka_unit_test(test_bytes_that_come_one_by_one_are_enough),
        cmocka_unit_test(test_selfsigned_files_are_what_was_asked),
        cmocka_unit_test(test_an_idle_connection_is_small),
    };
    return cmocka_run_group_tests(tests, make_files, drop_files);
}
