/* Requests over HTTP, against a server that follows a script. */
#include "t.h"

#include "base/buf.h"
#include "router_peer.h"
#include "sys/sys_cert.h"
#include "sys/sys_fetch.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define GET "request:GET /x HTTP/1.1\n"
#define OK "S:HTTP/1.1 200 OK\nS:Content-Length: 2\nS:\nR:ok\n"
#define LOGIN .user = "u", .password = "p"
#define PATIENCE_MS 20000
#define SHORT_MS 500

static char folder[] = "/tmp/posthorse-fetch-XXXXXX";
static char cert[80], key[80], other_cert[80], other_key[80];
static struct sys_tls_server *tls, *other_tls; /* of 127.0.0.1, of other.example */

struct row {
    const char *name;
    const char *script; /* after the log-in of TLS, where there is one */
    enum st st;
    unsigned status;
    const char *said; /* the answer's body, or what why holds */
    const char *method, *body, *user, *password, *host, *trust;
    enum sys_fetch_auth auth;
    bool secure, other;
    uint64_t ms;
};

#define ROW(n, sc, s, code, text) \
    .name = (n), .script = sc, .st = (s), .status = (code), .said = (text)
#define LINES \
    "R:X: \nfill:80000\nS:\n" \
    "R:X: \nfill:80000\nS:\n"
static const struct row rows[] = {
    {ROW("an answer", GET "hasnt:Authorization\nhasnt:Expect\n" OK, ST_OK, 200, "ok")},
    {ROW("a body", "request:REPORT /x HTTP/1.1\nhas:Content-Length: 4\nhas:body\nhas:X-A: b\n" OK,
         ST_OK, 200, "ok"),
     .method = "REPORT", .body = "body"},
    {ROW("not found", GET "S:HTTP/1.1 404 No\nS:Content-Length: 0\nS:\n", ST_OK, 404, "")},
    {ROW("a log-in", GET "has:Authorization: Basic dTpw\n" OK, ST_OK, 200, "ok"), LOGIN},
    {ROW("a log-in that is refused is not tried again",
         GET "S:HTTP/1.1 401 No\nS:WWW-Authenticate: Basic\nS:Content-Length: 2\nS:\nR:no\nhang\n",
         ST_OK, 401, "no"),
     LOGIN},
    {ROW("NTLM: three legs on one connection",
         "request:POST /x\nhas:Authorization: NTLM TlRMTVNTUAAB\nhas:Content-Length: 0\n"
         "S:HTTP/1.1 401 No\nS:Content-Length: 0\n"
         "S:WWW-Authenticate: NTLM TlRMTVNTUAACAAAAAAAAACgAAAABggAAU3J2Tm9uY2UAAAAAAAAAAA==\nS:\n"
         "request:POST /x\nhas:Authorization: NTLM TlRMTVNTUAAD\nhas:body\n" OK,
         ST_OK, 200, "ok"),
     LOGIN, .method = "POST", .body = "body", .auth = SYS_FETCH_NTLM},
    {ROW("chunks", GET "S:HTTP/1.1 200 OK\nS:Transfer-Encoding: chunked\nS:\nS:2\nS:ok\nS:0\nS:\n",
         ST_OK, 200, "ok")},
    {ROW("a redirect on the host",
         GET "S:HTTP/1.1 302 There\nS:Location: /y\nS:Content-Length: 0\nS:\nrequest:GET /y\n" OK,
         ST_OK, 200, "ok")},
    {ROW("a redirect keeps method, body and log-in",
         "request:POST /x\nS:HTTP/1.1 301 There\nS:Location: /y\nS:Content-Length: 0\nS:\n"
         "request:POST /y\nhas:body\nhas:Authorization: Basic dTpw\n" OK,
         ST_OK, 200, "ok"),
     LOGIN, .method = "POST", .body = "body"},
    {ROW("no redirect to another host",
         GET
         "S:HTTP/1.1 302 There\nS:Location: http://localhost/y\nS:Content-Length: 0\nS:\nhang\n",
         ST_OK, 302, "")},
    {ROW("no redirect out of TLS",
         GET
         "S:HTTP/1.1 302 There\nS:Location: http://127.0.0.1/y\nS:Content-Length: 0\nS:\nhang\n",
         ST_OK, 302, ""),
     .secure = true, .trust = cert},
    {ROW("no redirect to another port",
         GET
         "S:HTTP/1.1 302 There\nS:Location: http://127.0.0.1:1/y\nS:Content-Length: 0\nS:\nhang\n",
         ST_OK, 302, "")},
    {ROW("no redirect to a file",
         GET
         "S:HTTP/1.1 302 There\nS:Location: file:///etc/passwd\nS:Content-Length: 0\nS:\nhang\n",
         ST_OK, 302, "")},
#define AGAIN "S:HTTP/1.1 307 There\nS:Location: /x\nS:Content-Length: 0\nS:\n"
    {ROW("no more than three redirects", GET AGAIN GET AGAIN GET AGAIN GET AGAIN "hang\n", ST_OK,
         307, "")},
    {ROW("TLS", GET OK, ST_OK, 200, "ok"), .secure = true, .trust = cert},
    {ROW("TLS: the name", GET OK, ST_OK, 200, "ok"), .secure = true, .trust = cert,
     .host = "localhost"},
    {ROW("a stranger's certificate", "", ST_DENIED, 0, "ertificate"), .secure = true, .trust = ""},
    {ROW("a certificate for another name", "", ST_DENIED, 0, "ertificate"), .secure = true,
     .trust = other_cert, .other = true},
    {ROW("no TLS there", "badtls\n", ST_IO, 0, ""), .secure = true, .trust = cert},
    {ROW("100 MB", GET "S:HTTP/1.1 200 OK\nS:Content-Length: 100000000\nS:\nfill:100000000\n",
         ST_TOO_BIG, 200, "larger than 1048576 bytes")},
    {ROW("100 MB, unannounced", GET "S:HTTP/1.1 200 OK\nS:\nfill:100000000\n", ST_TOO_BIG, 200,
         "larger than")},
    {ROW("a header without end", GET "S:HTTP/1.1 200 OK\nR:X: \nfill:100000000\n", ST_TOO_BIG, 200,
         "header is too large")},
    {ROW("header lines without end", GET "S:HTTP/1.1 200 OK\n" LINES LINES LINES LINES "hang\n",
         ST_TOO_BIG, 200, "header is too large")},
    {ROW("silence", GET "hang\n", ST_AGAIN, 0, "no answer in time"), .ms = SHORT_MS},
    {ROW("a trickle", GET "S:HTTP/1.1 200 OK\nS:Content-Length: 100000\nS:\ndrip\n", ST_AGAIN, 200,
         "no answer in time"),
     .ms = SHORT_MS},
    {ROW("a trickle of a header", GET "R:HTTP/1.1 200 OK\\r\\nX: \ndrip\n", ST_AGAIN, 200,
         "no answer in time"),
     .ms = SHORT_MS},
    {ROW("TLS that hangs", "hang\n", ST_AGAIN, 0, "no answer in time"), .secure = true,
     .trust = cert, .ms = SHORT_MS},
    {ROW("no HTTP", GET "S:220 mail.example ESMTP\n", ST_INVALID, 0, "")},
    {ROW("cut off", GET "S:HTTP/1.1 200 OK\nS:Content-Length: 100\nS:\nR:some\n", ST_IO, 200, "")},
    {ROW("closed without a word", GET, ST_IO, 0, "")},
};

static struct sys_fetch_request request_of(const struct row *row, const char *url)
{
    static const char *const headers[] = {"X-A: b"};

    return (struct sys_fetch_request){
        .method = row->method != NULL ? row->method : "GET",
        .url = url,
        .headers = headers,
        .header_count = COUNT(headers),
        .body = slice_str(row->body),
        .auth = row->auth,
        .user = row->user != NULL ? row->user : "",
        .password = row->password != NULL ? row->password : "",
        .trust_file = row->trust != NULL ? row->trust : "",
        .deadline_ms = sys_mono_ms() + (row->ms > 0 ? row->ms : PATIENCE_MS),
    };
}

static void run_row(const struct row *row)
{
    AUTO(buf) struct buf script = BUF(64 * KIB), url = BUF(KIB), answer = BUF(MIB), why = BUF(KIB);
    struct sys_fetcher *fetcher = sys_fetcher_new();
    uint16_t port;
    unsigned status;

    if (row->secure && strcmp(row->script, "badtls\n") != 0 && strcmp(row->script, "hang\n") != 0)
        buf_putf(&script, "%s\n", row->st == ST_DENIED ? "tls?\nhang" : "tls");
    buf_put(&script, slice_str(row->script));
    struct router_peer_server *peer =
        router_peer_start(script.ptr, row->other ? other_tls : tls, &port);
    buf_putf(&url, "%s://%s:%u/x", row->secure ? "https" : "http",
             row->host != NULL ? row->host : "127.0.0.1", port);
    uint64_t begun_ms =
        sys_mono_ms(); /* before the deadline is set: the time between counts, too */
    const struct sys_fetch_request request = request_of(row, url.ptr);
    enum st st = sys_fetch(fetcher, &request, &status, &answer, &why);
    printf("# %d %u %s\n", (int)st, status, why.ptr != NULL ? why.ptr : "");
    sys_fetcher_free(&fetcher); /* ends the connection, for which "hang" waits */
    router_peer_end(&peer);
    assert_int_equal(st, row->st);
    if (st != ST_AGAIN) /* how far it came is a matter of time */
        assert_int_equal(status, row->status);
    if (st == ST_OK)
        T_EQ_SLICE(answer.len > 0 ? buf_slice(&answer) : SLICE(""), slice_str(row->said));
    else
        assert_non_null(strstr(why.ptr, row->said));
    if (st == ST_AGAIN) /* libcurl's clock may be a millisecond ahead */
        assert_true(sys_mono_ms() - begun_ms + 2 >= SHORT_MS);
}

static void an_answer_or_why_there_is_none(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].name);
        run_row(&rows[i]);
    }
}

static void a_connection_is_used_again_and_a_dead_one_replaced(void **state)
{
    struct sys_fetcher *fetcher = sys_fetcher_new();
    uint16_t port;
    struct router_peer_server *peer =
        router_peer_start("tls\n" GET OK GET OK "close\naccept\ntls\n" GET OK, tls, &port);
    AUTO(buf) struct buf url = BUF(KIB);

    buf_putf(&url, "https://127.0.0.1:%u/x", port);
    for (unsigned i = 0; i < 3; i++) {
        const struct row row = {.trust = cert};
        const struct sys_fetch_request request = request_of(&row, url.ptr);
        AUTO(buf) struct buf answer = BUF(MIB), why = BUF(KIB);
        unsigned status;

        assert_int_equal(sys_fetch(fetcher, &request, &status, &answer, &why), ST_OK);
        assert_int_equal(status, 200);
    }
    router_peer_end(&peer);
    sys_fetcher_free(&fetcher);
}

struct stopped {
    struct sys_fetcher *fetcher;
    const char *url;
    uint64_t ms;
};

static void *fetch_until_stopped(void *arg)
{
    struct stopped *stopped = arg;
    const struct row row = {0};
    const struct sys_fetch_request request = request_of(&row, stopped->url);
    AUTO(buf) struct buf answer = BUF(MIB), why = BUF(KIB);
    unsigned status;

    assert_int_equal(sys_fetch(stopped->fetcher, &request, &status, &answer, &why), ST_IO);
    assert_string_equal(why.ptr, "this server is stopping");
    return NULL;
}

/* The far sides take the connections and say nothing. */
static void who_waits_is_let_go_when_all_is_to_stop(void **state)
{
    struct sys_fetcher *fetcher = sys_fetcher_new();
    uint16_t ports[2];
    const int fds[2] = {router_peer_silent(&ports[0]), router_peer_silent(&ports[1])};
    char urls[2][60];
    struct stopped stopped[2];
    pthread_t threads[2];

    for (size_t i = 0; i < 2; i++) {
        snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u/x", ports[i]);
        stopped[i] = (struct stopped){.fetcher = fetcher, .url = urls[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_until_stopped, &stopped[i]), 0);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(poll(&(struct pollfd){.fd = fds[i], .events = POLLIN}, 1, PATIENCE_MS), 1);
    const uint64_t begun_ms = sys_mono_ms();
    sys_fetcher_stop(fetcher);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(sys_mono_ms() - begun_ms < PATIENCE_MS / 2);
    (void)fetch_until_stopped(&stopped[0]);
    for (size_t i = 0; i < 2; i++)
        close(fds[i]);
    sys_fetcher_free(&fetcher);
}

static void what_is_not_sent_at_all(void **state)
{
    static const struct {
        const char *url, *user, *why;
        enum st st;
    } cases[] = {
        {"http://192.0.2.1/", "u", "without TLS", ST_DENIED},
        {"http://127.0.0.1.example/", "u", "without TLS", ST_DENIED},
        {"http://[2001:db8::1]/", "u", "without TLS", ST_DENIED},
        {"http://u:p@127.0.0.1/", "", "no URL", ST_INVALID},
        {"file:///etc/passwd", "", "", ST_INVALID},
        {"http://127.0.0.1:1/", "u", "", ST_IO},
        {"http://localhost:1/", "u", "", ST_IO},
        {"http://[::1]:1/", "u", "", ST_IO},
    };
    struct sys_fetcher *fetcher = sys_fetcher_new();

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct row row = {.user = cases[i].user};
        const struct sys_fetch_request request = request_of(&row, cases[i].url);
        AUTO(buf) struct buf answer = BUF(MIB), why = BUF(KIB);
        unsigned status;

        T_ROW(i, cases[i].url);
        assert_int_equal(sys_fetch(fetcher, &request, &status, &answer, &why), cases[i].st);
        assert_non_null(strstr(why.ptr, cases[i].why));
    }
    sys_fetcher_free(&fetcher);
}

static void make_cert(const char *const names[], size_t count, char cert_r[80], char key_r[80],
                      struct sys_tls_server **server_r)
{
    AUTO(buf) struct buf why = BUF(KIB);

    snprintf(cert_r, 80, "%s/%s.crt", folder, names[0]);
    snprintf(key_r, 80, "%s/%s.key", folder, names[0]);
    assert_int_equal(sys_cert_make_selfsigned(names, count, 1, cert_r, key_r), ST_OK);
    assert_int_equal(sys_tls_server_new(cert_r, key_r, "NORMAL", &why, server_r), ST_OK);
}

static int set_up(void **state)
{
    static const char *const names[] = {"localhost", "127.0.0.1"}, *const others[] = {"o.example"};

    assert_non_null(mkdtemp(folder));
    make_cert(names, COUNT(names), cert, key, &tls);
    make_cert(others, COUNT(others), other_cert, other_key, &other_tls);
    return 0;
}

static int tear_down(void **state)
{
    sys_tls_server_free(&tls);
    sys_tls_server_free(&other_tls);
    unlink(cert);
    unlink(key);
    unlink(other_cert);
    unlink(other_key);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_or_why_there_is_none),
        cmocka_unit_test(a_connection_is_used_again_and_a_dead_one_replaced),
        cmocka_unit_test(who_waits_is_let_go_when_all_is_to_stop),
        cmocka_unit_test(what_is_not_sent_at_all),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
