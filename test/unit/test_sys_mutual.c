#include "t.h"

#include "base/buf.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS_MAX 100000

static char folder[] = "/tmp/test_mutual.XXXXXX";

/* What the rows of a table name. */
enum member { A, B, NOBODY, FOREIGN, EXPIRED, PRETENDER };
static const char *const members[] = {
    [A] = "a.test",       [B] = "b.test",       [NOBODY] = NULL,
    [FOREIGN] = "f.test", [EXPIRED] = "e.test", [PRETENDER] = "p.test"};

static char path_room[8][100];

static const char *path(size_t room, const char *name, const char *ending)
{
    if (name == NULL)
        return NULL;
    snprintf(path_room[room], sizeof(path_room[room]), "%s/%s.%s", folder, name, ending);
    return path_room[room];
}

struct authority {
    struct buf cert;
    struct buf key;
};

static void authority_init(struct authority *authority, const char *name)
{
    authority->cert = BUF(64 * KIB);
    authority->key = BUF(64 * KIB);
    assert_int_equal(sys_cert_make_authority(name, 30, &authority->cert, &authority->key), ST_OK);
    assert_int_equal(sys_file_write(path(0, name, "pem"), buf_slice(&authority->cert), 0600),
                     ST_OK);
}

/* Its files: certificate, what is shown as its authority, key. */
static void make_member(const struct authority *authority, const char *name, int64_t issued_ms,
                        const struct authority *shown)
{
    const struct sys_cert_authority pems = {buf_slice(&authority->cert),
                                            buf_slice(&authority->key)};
    AUTO(buf) struct buf key = BUF(64 * KIB);
    AUTO(buf) struct buf request = BUF(64 * KIB);
    AUTO(buf) struct buf pem = BUF(64 * KIB);

    assert_int_equal(sys_cert_make_request("whatever", &key, &request), ST_OK);
    assert_int_equal(sys_cert_sign(&pems, buf_slice(&request), name, issued_ms, HOUR_MS, &pem),
                     ST_OK);
    if (shown != NULL)
        buf_put(&pem, buf_slice(&shown->cert));
    buf_put(&pem, buf_slice(&key));
    assert_int_equal(sys_file_write(path(0, name, "pem"), buf_slice(&pem), 0600), ST_OK);
}

static struct authority ours;
static struct authority theirs;

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    authority_init(&ours, "ours");
    authority_init(&theirs, "theirs");
    make_member(&ours, members[A], sys_now_ms(), NULL);
    make_member(&ours, members[B], sys_now_ms(), NULL);
    make_member(&theirs, members[FOREIGN], sys_now_ms(), NULL);
    make_member(&ours, members[EXPIRED], sys_now_ms() - (int64_t)HOUR_MS - 2000, NULL);
    make_member(&theirs, members[PRETENDER], sys_now_ms(), &ours);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"ours",   "theirs", "a.test", "b.test",
                                        "f.test", "e.test", "p.test"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(path(0, names[i], "pem"));
    buf_fini(&ours.cert);
    buf_fini(&ours.key);
    buf_fini(&theirs.cert);
    buf_fini(&theirs.key);
    return rmdir(folder);
}

/* Both ends of one connection. */
struct pair {
    int fds[2];
    struct sys_tls_server *from_server;
    struct sys_tls_client *from_client;
    struct sys_tls *server;
    struct sys_tls *client;
};

static void pair_init(struct pair *pair, const char *server, const char *client, bool trust)
{
    AUTO(buf) struct buf why = BUF(1000);

    if (sys_tls_server_new_mutual(path(0, server, "pem"), path(1, "ours", "pem"), &why,
                                  &pair->from_server) != ST_OK ||
        sys_tls_client_new_mutual(path(2, client, "pem"), trust ? path(1, "ours", "pem") : NULL,
                                  &why, &pair->from_client) != ST_OK)
        fail_msg("%s", why.ptr);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->fds), 0);
    pair->server = sys_tls_new(pair->from_server, pair->fds[0]);
    pair->client = sys_tls_connect(pair->from_client, pair->fds[1], NULL, false);
}

static void pair_fini(struct pair *pair)
{
    sys_tls_free(&pair->server);
    sys_tls_free(&pair->client);
    sys_tls_server_free(&pair->from_server);
    sys_tls_client_free(&pair->from_client);
    close(pair->fds[0]);
    close(pair->fds[1]);
}

/* How the server knows the client afterwards. */
enum known { REFUSED, STRANGER, MEMBER };

static enum known shake(struct pair *pair)
{
    AUTO(buf) struct buf pem = BUF(64 * KIB);
    enum st server = ST_AGAIN;
    enum st client = ST_AGAIN;
    bool want_write;

    for (int i = 0; i < ROUNDS_MAX && (server == ST_AGAIN || client == ST_AGAIN); i++) {
        if (client == ST_AGAIN)
            client = sys_tls_handshake(pair->client, &want_write);
        if (client != ST_AGAIN && client != ST_OK)
            shutdown(pair->fds[1], SHUT_WR);
        if (server == ST_AGAIN)
            server = sys_tls_handshake(pair->server, &want_write);
    }
    if (server != ST_OK || client != ST_OK)
        return REFUSED;
    return sys_tls_peer_pem(pair->server, &pem) == ST_OK ? MEMBER : STRANGER;
}

static void test_only_members_of_the_authority_meet(void **state)
{
    static const struct {
        const char *what;
        enum member server;
        enum member client;
        bool trust;
        enum known want;
    } cases[] = {
        {"two members", A, B, true, MEMBER},
        {"a client that has yet to join", A, NOBODY, false, STRANGER},
        {"a foreign client, which shows only what was asked for", A, FOREIGN, false, STRANGER},
        {"a foreign server", FOREIGN, B, true, REFUSED},
        {"a client whose certificate has ended", A, EXPIRED, true, REFUSED},
        {"a server whose certificate has ended", EXPIRED, B, true, REFUSED},
        {"a client that shows our authority beside a foreign one's signature", A, PRETENDER, false,
         STRANGER},
        {"a server that does", PRETENDER, B, true, REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pair pair;

        T_ROW(i, cases[i].what);
        pair_init(&pair, members[cases[i].server], members[cases[i].client], cases[i].trust);
        assert_int_equal(shake(&pair), cases[i].want);
        pair_fini(&pair);
    }
}

static void test_each_side_knows_the_others_name(void **state)
{
    AUTO(buf) struct buf pem = BUF(64 * KIB);
    AUTO(buf) struct buf words = BUF(100);
    struct sys_cert_look look;
    struct pair pair;

    (void)state;
    pair_init(&pair, "a.test", "b.test", true);
    assert_int_not_equal(shake(&pair), REFUSED);
    assert_int_equal(sys_tls_peer_pem(pair.server, &pem), ST_OK);
    assert_int_equal(sys_cert_look(buf_slice(&pem), &look), ST_OK);
    assert_string_equal(look.name, "b.test");
    assert_false(look.authority);
    assert_in_range(sys_now_ms() - look.issued_ms, 0, 600000);
    buf_clear(&pem);
    assert_int_equal(sys_tls_peer_pem(pair.client, &pem), ST_OK);
    assert_int_equal(sys_cert_look(buf_slice(&pem), &look), ST_OK);
    assert_string_equal(look.name, "a.test");
    assert_int_equal(sys_tls_clause(pair.server, &words), ST_OK);
    assert_true(slice_starts(buf_slice(&words), SLICE("tls TLS_AES_"))); /* TLS 1.3 */
    pair_fini(&pair);
    pair_init(&pair, "a.test", NULL, false);
    assert_int_not_equal(shake(&pair), REFUSED);
    buf_clear(&pem);
    assert_int_equal(sys_tls_peer_pem(pair.server, &pem), ST_NOT_FOUND);
    pair_fini(&pair);
}

static void test_the_fingerprint_tells_the_right_domain(void **state)
{
    static const struct {
        const char *what;
        enum member server;
        const char *authority;
        enum st want;
    } cases[] = {
        {"the domain that was meant", A, "ours", ST_OK},
        {"another domain", A, "theirs", ST_DENIED},
        {"one that shows the authority without its signature", PRETENDER, "ours", ST_DENIED},
        {"one whose certificate has ended", EXPIRED, "ours", ST_DENIED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf) struct buf authority = BUF(64 * KIB);
        AUTO(buf) struct buf shown = BUF(64 * KIB);
        struct sys_cert_look look;
        struct pair pair;

        T_ROW(i, cases[i].what);
        assert_int_equal(sys_file_read(path(3, cases[i].authority, "pem"), &authority), ST_OK);
        assert_int_equal(sys_cert_look(buf_slice(&authority), &look), ST_OK);
        assert_true(look.authority);
        pair_init(&pair, members[cases[i].server], NULL, false);
        assert_int_not_equal(shake(&pair), REFUSED);
        struct slice print = {(const char *)look.print, sizeof(look.print)};
        assert_int_equal(sys_tls_peer_authority(pair.client, print, &shown), cases[i].want);
        if (cases[i].want == ST_OK)
            T_EQ_SLICE(buf_slice(&shown), buf_slice(&authority));
        pair_fini(&pair);
    }
}

static void test_a_request_is_signed_only_if_it_is_one(void **state)
{
    const struct sys_cert_authority pems = {buf_slice(&ours.cert), buf_slice(&ours.key)};
    const struct sys_cert_authority mixed = {SLICE("no PEM"), buf_slice(&ours.key)};
    AUTO(buf) struct buf key = BUF(64 * KIB);
    AUTO(buf) struct buf request = BUF(64 * KIB);
    AUTO(buf) struct buf pem = BUF(64 * KIB);

    (void)state;
    assert_int_equal(sys_cert_make_request("", &key, &request), ST_INVALID);
    assert_int_equal(sys_cert_make_request("x", &key, &request), ST_OK);
    assert_int_equal(sys_cert_sign(&pems, SLICE("x"), "x", 0, HOUR_MS, &pem), ST_INVALID);
    assert_int_equal(sys_cert_sign(&pems, SLICE(""), "x", 0, HOUR_MS, &pem), ST_INVALID);
    assert_int_equal(sys_cert_sign(&pems, buf_slice(&request), "", 0, HOUR_MS, &pem), ST_INVALID);
    assert_int_equal(sys_cert_sign(&mixed, buf_slice(&request), "x", 0, HOUR_MS, &pem), ST_DENIED);
    char *middle = request.ptr + request.len / 2;
    *middle = *middle == 'A' ? 'B' : 'A';
    assert_int_equal(sys_cert_sign(&pems, buf_slice(&request), "x", 0, HOUR_MS, &pem), ST_INVALID);
    assert_int_equal(pem.len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_members_of_the_authority_meet),
        cmocka_unit_test(test_each_side_knows_the_others_name),
        cmocka_unit_test(test_the_fingerprint_tells_the_right_domain),
        cmocka_unit_test(test_a_request_is_signed_only_if_it_is_one),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
