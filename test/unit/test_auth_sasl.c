#include "t.h"

#include "auth/auth_cache.h"
#include "auth/auth_sasl.h"
#include "auth/auth_scram.h"
#include "auth/auth_throttle.h"
#include "base/buf.h"
#include "base/text.h"
#include "sys/sys_cert.h"
#include "sys/sys_tls.h"

#include <gsasl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLUS "SCRAM-SHA-256-PLUS"
#define SCRAM "SCRAM-SHA-256"
#define EXPORTER "0123456789abcdef0123456789abcdef"

/* The directory of these tests: alice and dora (disabled), password "right"; ivy, whose directory
 * is out of order; zoe, who has no verifiers. Names in any case. */
static struct auth_person alice;
static Gsasl *client_context;

static enum st look_up(void *arg, struct slice name, struct auth_person *person)
{
    (void)arg;
    if (slice_ieq(name, SLICE("ivy")))
        return ST_IO;
    if (!slice_ieq(name, SLICE("alice")) && !slice_ieq(name, SLICE("al")) &&
        !slice_ieq(name, SLICE("dora")) && !slice_ieq(name, SLICE("zoe")))
        return ST_NOT_FOUND;
    *person = alice; /* also known as al */
    if (slice_ieq(name, SLICE("dora"))) {
        person->disabled = true;
        memcpy(person->name, "dora", 5);
    }
    if (slice_ieq(name, SLICE("zoe")))
        *person = (struct auth_person){.name = "zoe"};
    return ST_OK;
}

static struct auth_options options_of(bool binding)
{
    struct auth_options options = {
        .lookup = look_up, .address = SLICE("192.0.2.1"), .now_ms = 1000, .plain_allowed = true};

    if (binding)
        options.tls_exporter = SLICE(EXPORTER);
    return options;
}

/* What the client believes and gives. */
struct client {
    const char *mechanism;
    const char *name;
    const char *password;
    const char *authzid;
    struct slice exporter; /* the binding's bytes, empty: it has none */
    struct slice unique;
};

struct outcome {
    enum st st;
    enum auth_why why;
    char name[AUTH_NAME_BYTES_MAX + 1];
    bool client_ok; /* the client is content with the server's proof */
};

static void set(Gsasl_session *session, Gsasl_property property, const char *value)
{
    if (value != NULL)
        assert_int_equal(gsasl_property_set(session, property, value), GSASL_OK);
}

static Gsasl_session *client_new(const struct client *client)
{
    AUTO(buf) struct buf coded = BUF(1000);
    Gsasl_session *session;

    if (client->exporter.len > 0)
        assert_int_equal(text_base64(&coded, client->exporter), ST_OK);
    assert_int_equal(gsasl_client_start(client_context, client->mechanism, &session), GSASL_OK);
    set(session, GSASL_AUTHID, client->name);
    set(session, GSASL_PASSWORD, client->password);
    set(session, GSASL_AUTHZID, client->authzid);
    set(session, GSASL_CB_TLS_EXPORTER, client->exporter.len > 0 ? coded.ptr : NULL);
    buf_clear(&coded);
    if (client->unique.len > 0)
        assert_int_equal(text_base64(&coded, client->unique), ST_OK);
    set(session, GSASL_CB_TLS_UNIQUE, client->unique.len > 0 ? coded.ptr : NULL);
    return session;
}

/* Runs both sides against each other until the server has decided. */
static struct outcome run(const struct auth_options *options, const struct client *client)
{
    struct outcome outcome = {.st = ST_AGAIN};
    Gsasl_session *session = client_new(client);
    AUTO(buf) struct buf out = BUF(4096);
    struct auth_sasl *sasl;

    assert_int_equal(auth_sasl_new(options, slice_str(client->mechanism), &sasl), ST_OK);
    for (int i = 0; i < 6 && outcome.st == ST_AGAIN; i++) {
        char *said = NULL;
        size_t len = 0;
        int rc = gsasl_step(session, out.ptr, out.len, &said, &len);

        if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
            printf("# client: %s\n", gsasl_strerror(rc));
        assert_true(rc == GSASL_OK || rc == GSASL_NEEDS_MORE);
        outcome.client_ok = rc == GSASL_OK;
        outcome.st = auth_sasl_step(sasl, (struct slice){said, len}, &out);
        gsasl_free(said);
    }
    outcome.why = auth_sasl_why(sasl);
    snprintf(outcome.name, sizeof(outcome.name), "%.*s", SLICE_ARG(auth_sasl_name(sasl)));
    auth_sasl_free(&sasl);
    assert_null(sasl);
    gsasl_finish(session);
    return outcome;
}

static void test_each_mechanism_right_and_wrong(void **state)
{
    static const struct {
        struct client client;
        enum st st;
        enum auth_why why;
    } rows[] = {
        {{"PLAIN", "alice", "right", NULL, {0}, {0}}, ST_OK, AUTH_WHY_NONE},
        {{"PLAIN", "ALICE", "right", NULL, {0}, {0}}, ST_OK, AUTH_WHY_NONE},
        {{"PLAIN", "alice", "right", "alice", {0}, {0}}, ST_OK, AUTH_WHY_NONE},
        {{"PLAIN", "alice", "right", "bob", {0}, {0}}, ST_DENIED, AUTH_WHY_AUTHZID},
        {{"PLAIN", "alice", "wrong", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_PASSWORD},
        {{"PLAIN", "nobody", "right", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_NOBODY},
        {{"PLAIN", "zoe", "right", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_NOBODY},
        {{"PLAIN", "dora", "right", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_DISABLED},
        {{"PLAIN", "ivy", "right", NULL, {0}, {0}}, ST_IO, AUTH_WHY_DIRECTORY},
        {{SCRAM, "alice", "right", NULL, {0}, {0}}, ST_OK, AUTH_WHY_NONE},
        {{SCRAM, "Alice", "right", NULL, {0}, {0}}, ST_OK, AUTH_WHY_NONE},
        {{SCRAM, "alice", "right", "alice", {0}, {0}}, ST_OK, AUTH_WHY_NONE},
        {{SCRAM, "alice", "right", "bob", {0}, {0}}, ST_DENIED, AUTH_WHY_AUTHZID},
        {{SCRAM, "alice", "wrong", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_PASSWORD},
        {{SCRAM, "nobody", "right", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_NOBODY},
        {{SCRAM, "zoe", "right", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_NOBODY},
        {{SCRAM, "dora", "right", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_DISABLED},
        {{SCRAM, "dora", "wrong", NULL, {0}, {0}}, ST_DENIED, AUTH_WHY_DISABLED},
        {{SCRAM, "ivy", "right", NULL, {0}, {0}}, ST_IO, AUTH_WHY_DIRECTORY},
        {{PLUS, "alice", "right", NULL, {EXPORTER, 32}, {0}}, ST_OK, AUTH_WHY_NONE},
        {{PLUS, "alice", "wrong", NULL, {EXPORTER, 32}, {0}}, ST_DENIED, AUTH_WHY_PASSWORD},
        {{PLUS, "nobody", "right", NULL, {EXPORTER, 32}, {0}}, ST_DENIED, AUTH_WHY_NOBODY},
        {{PLUS, "dora", "right", NULL, {EXPORTER, 32}, {0}}, ST_DENIED, AUTH_WHY_DISABLED},
        {{PLUS, "alice", "right", NULL, {"another connection's bytes 0123", 32}, {0}},
         ST_DENIED,
         AUTH_WHY_BINDING},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct auth_options options = options_of(rows[i].client.exporter.len > 0);
        struct outcome outcome;

        T_ROW(i, rows[i].client.mechanism);
        outcome = run(&options, &rows[i].client);
        if (outcome.st != rows[i].st || outcome.why != rows[i].why)
            printf("# %s: %d %s\n", rows[i].client.name, (int)outcome.st,
                   auth_why_name(outcome.why));
        assert_int_equal(outcome.st, rows[i].st);
        assert_int_equal(outcome.why, rows[i].why);
        if (outcome.st == ST_OK)
            assert_string_equal(outcome.name, "alice");
        if (outcome.st == ST_OK)
            assert_true(outcome.client_ok);
        else
            assert_int_not_equal(outcome.name[0], '\0');
    }
}

/* One step with these bytes, begun afresh. */
static enum st first_step(const struct auth_options *options, const char *mechanism,
                          struct slice said, struct buf *out, enum auth_why *why_r)
{
    struct auth_sasl *sasl;

    assert_int_equal(auth_sasl_new(options, slice_str(mechanism), &sasl), ST_OK);
    enum st st = auth_sasl_step(sasl, said, out);
    *why_r = auth_sasl_why(sasl);
    auth_sasl_free(&sasl);
    return st;
}

static void test_a_stripped_plus_is_refused(void **state)
{
    const struct auth_options bound = options_of(true);
    const struct auth_options unbound = options_of(false);
    AUTO(buf) struct buf out = BUF(4096);
    enum auth_why why;

    (void)state;
    assert_int_equal(first_step(&bound, SCRAM, SLICE("y,,n=alice,r=abc"), &out, &why), ST_DENIED);
    assert_int_equal(why, AUTH_WHY_BINDING);
    assert_int_equal(first_step(&unbound, SCRAM, SLICE("y,,n=alice,r=abc"), &out, &why), ST_AGAIN);
    assert_int_equal(first_step(&bound, SCRAM, SLICE("n,,n=alice,r=abc"), &out, &why), ST_AGAIN);
    assert_int_equal(first_step(&bound, PLUS, SLICE("n,,n=alice,r=abc"), &out, &why), ST_DENIED);
    assert_int_equal(first_step(&bound, PLUS, SLICE("y,,n=alice,r=abc"), &out, &why), ST_DENIED);
    assert_int_not_equal(first_step(&bound, PLUS, SLICE("p=tls-unique,,n=alice,r=abc"), &out, &why),
                         ST_AGAIN);
    assert_int_equal(first_step(&bound, PLUS, SLICE("p=tls-exporter,,n=alice,r=abc"), &out, &why),
                     ST_AGAIN);
}

static void test_prompt_comes_before_a_late_first_message(void **state)
{
    const struct auth_options options = options_of(false);
    AUTO(buf) struct buf out = BUF(4096);
    struct auth_sasl *sasl;

    (void)state;
    assert_int_equal(auth_sasl_new(&options, SLICE("plain"), &sasl), ST_OK);
    assert_int_equal(auth_sasl_step(sasl, SLICE(""), &out), ST_AGAIN);
    assert_int_equal(out.len, 0);
    assert_int_equal(auth_sasl_step(sasl, SLICE("\0alice\0right"), &out), ST_OK);
    auth_sasl_free(&sasl);
    assert_int_equal(auth_sasl_new(&options, SLICE("plain"), &sasl), ST_OK);
    assert_int_equal(auth_sasl_step(sasl, SLICE(""), &out), ST_AGAIN);
    assert_int_equal(auth_sasl_step(sasl, SLICE(""), &out), ST_INVALID);
    auth_sasl_free(&sasl);
}

static void test_what_is_malformed_is_refused(void **state)
{
    static char huge[5000];
    const struct {
        const char *mechanism;
        struct slice said;
    } rows[] = {
        {"PLAIN", SLICE("alice")},
        {"PLAIN", SLICE("alice\0right")},
        {"PLAIN", SLICE("\0\0")},
        {"PLAIN", SLICE("\0\0right")},
        {"PLAIN", SLICE("\0alice\0")},
        {"PLAIN", SLICE("\0alice\0right\0more")},
        {"PLAIN", {huge, sizeof(huge)}},
        {SCRAM, SLICE("x")},
        {SCRAM, SLICE("n,,")},
        {SCRAM, SLICE("n,,n=,r=abc")},
        {SCRAM, SLICE("n,,r=abc,n=alice")},
        {SCRAM, SLICE("n,,m=must,n=alice,r=abc")},
        {SCRAM, SLICE("n,,n=al=ice,r=abc")},
        {SCRAM, SLICE("p=tls-exporter,,n=alice,r=abc")},
        {SCRAM, SLICE("n,,n=alice\0,r=abc")},
        {SCRAM, {huge, sizeof(huge)}},
    };
    const struct auth_options options = options_of(false);
    AUTO(buf) struct buf out = BUF(4096);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum auth_why why;
        enum st st;

        T_ROW(i, rows[i].mechanism);
        st = first_step(&options, rows[i].mechanism, rows[i].said, &out, &why);
        if (st != ST_INVALID)
            printf("# %d %s\n", (int)st, auth_why_name(why));
        assert_true(st == ST_INVALID || st == ST_DENIED);
        assert_int_equal(out.len, 0);
    }
}

static struct slice salt_of(const struct auth_options *options, const char *first, struct buf *out)
{
    enum auth_why why;

    assert_int_equal(first_step(options, SCRAM, slice_str(first), out, &why), ST_AGAIN);
    size_t at = slice_find_slice(buf_slice(out), SLICE(",s="));
    assert_true(at < out->len);
    return slice_sub(buf_slice(out), at, SIZE_MAX);
}

static void test_scram_says_nothing_of_who_is_there(void **state)
{
    static const char *const rows[][2] = {
        {"n,,n=alice,r=abc", "n,a=bob,n=Alice,r=abc"},
        {"n,,n=nobody,r=abc", "n,a=bob,n=Nobody,r=abc"},
        {"n,,n=dora,r=abc", "n,,n=dora,r=abcd"},
        {"n,,n=zoe,r=abc", "n,,n=ZOE,r=abc"},
    };
    const struct auth_options options = options_of(false);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf one = BUF(4096);
        AUTO(buf) struct buf two = BUF(4096);

        T_ROW(i, rows[i][0]);
        struct slice salt = salt_of(&options, rows[i][0], &one);
        T_EQ_SLICE(salt_of(&options, rows[i][1], &two), salt);
        assert_int_equal(salt.len, sizeof(",s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096") - 1);
    }
}

static void test_every_refusal_costs_what_a_wrong_password_costs(void **state)
{
    static const char *const names[] = {"alice", "nobody", "dora", "zoe", "\xff", "a\xc2\xadlice"};
    struct auth_options options = options_of(false);
    struct auth_person person;

    (void)state;
    options.cache = auth_cache_new();
    for (size_t i = 0; i < COUNT(names); i++) {
        uint64_t before = auth_password_derivations();

        T_ROW(i, names[i]);
        assert_int_equal(auth_login(&options, slice_str(names[i]), SLICE("wrong"), &person, NULL),
                         ST_DENIED);
        assert_true(auth_password_derivations() == before + 1);
    }
    auth_cache_free(&options.cache);
}

static void test_cache_spares_the_second_derivation(void **state)
{
    struct auth_options options = options_of(false);
    struct auth_person person;
    enum auth_why why;

    (void)state;
    options.cache = auth_cache_new();
    assert_int_equal(auth_login(&options, SLICE("alice"), SLICE("right"), &person, &why), ST_OK);
    uint64_t before = auth_password_derivations();
    assert_int_equal(auth_login(&options, SLICE("ALICE"), SLICE("right"), &person, &why), ST_OK);
    assert_string_equal(person.name, "alice");
    assert_true(auth_password_derivations() == before);
    assert_int_equal(auth_login(&options, SLICE("alice"), SLICE("wrong"), &person, &why),
                     ST_DENIED);
    assert_true(auth_password_derivations() == before + 1);
    options.now_ms += AUTH_CACHE_AGE_MS + 1;
    assert_int_equal(auth_login(&options, SLICE("alice"), SLICE("right"), &person, &why), ST_OK);
    assert_true(auth_password_derivations() == before + 2);
    auth_cache_free(&options.cache);
}

static void test_throttled_even_with_the_right_password(void **state)
{
    static const struct auth_throttle_limits limits = {
        .window_ms = 60000, .address_failures_max = 100, .name_failures_max = 3, .entries_max = 64};
    static const char *const names[] = {"alice", "nobody"};
    static const char *const mechanisms[] = {"PLAIN", SCRAM, PLUS};

    (void)state;
    for (size_t i = 0; i < COUNT(names) * COUNT(mechanisms); i++) {
        const char *mechanism = mechanisms[i % COUNT(mechanisms)];
        const char *name = names[i / COUNT(mechanisms)];
        struct auth_options options = options_of(true);
        struct client client = {mechanism, name, "wrong", NULL, {0}, {0}};

        T_ROW(i, mechanism);
        if (i % COUNT(mechanisms) == 2)
            client.exporter = SLICE(EXPORTER);
        options.throttle = auth_throttle_new(&limits);
        for (int k = 0; k < 3; k++)
            assert_int_not_equal(run(&options, &client).why, AUTH_WHY_THROTTLED);
        uint64_t before = auth_password_derivations();
        client.password = "right";
        struct outcome outcome = run(&options, &client);
        assert_int_equal(outcome.st, ST_DENIED);
        assert_int_equal(outcome.why, AUTH_WHY_THROTTLED);
        assert_string_equal(outcome.name, name);
        assert_true(auth_password_derivations() == before);
        options.now_ms += 200000;
        assert_int_equal(run(&options, &client).why,
                         name[0] == 'a' ? AUTH_WHY_NONE : AUTH_WHY_NOBODY);
        auth_throttle_free(&options.throttle);
    }
}

static void test_other_names_of_a_person_share_the_count(void **state)
{
    static const struct auth_throttle_limits limits = {
        .window_ms = 60000, .name_failures_max = 3, .entries_max = 64};
    struct auth_options options = options_of(false);
    struct auth_person person;
    enum auth_why why;

    (void)state;
    options.throttle = auth_throttle_new(&limits);
    for (int i = 0; i < 3; i++)
        assert_int_equal(auth_login(&options, SLICE("al"), SLICE("wrong"), &person, &why),
                         ST_DENIED);
    uint64_t before = auth_password_derivations();
    assert_int_equal(auth_login(&options, SLICE("alice"), SLICE("right"), &person, &why),
                     ST_DENIED);
    assert_int_equal(auth_login(&options, SLICE("al"), SLICE("right"), &person, &why), ST_DENIED);
    assert_int_equal(why, AUTH_WHY_THROTTLED);
    assert_true(auth_password_derivations() == before);
    auth_throttle_free(&options.throttle);
}

static void test_mechanisms_fit_the_connection(void **state)
{
    struct auth_options options = options_of(true);
    AUTO(buf) struct buf out = BUF(1000);
    struct auth_sasl *sasl;

    (void)state;
    assert_int_equal(auth_sasl_mechanisms(&options, " ", &out), ST_OK);
    T_EQ_SLICE(buf_slice(&out), SLICE(" " PLUS " " SCRAM " PLAIN"));
    options = options_of(false);
    options.plain_allowed = false;
    buf_clear(&out);
    assert_int_equal(auth_sasl_mechanisms(&options, " AUTH=", &out), ST_OK);
    T_EQ_SLICE(buf_slice(&out), SLICE(" AUTH=" SCRAM));
    assert_int_equal(auth_sasl_new(&options, SLICE("PLAIN"), &sasl), ST_DENIED);
    assert_int_equal(auth_sasl_new(&options, SLICE(PLUS), &sasl), ST_NOT_FOUND);
    assert_int_equal(auth_sasl_new(&options, SLICE("CRAM-MD5"), &sasl), ST_NOT_FOUND);
    assert_int_equal(auth_sasl_new(&options, SLICE(""), &sasl), ST_NOT_FOUND);
    assert_null(sasl);
}

static void test_login_refuses_what_cannot_be(void **state)
{
    static char huge[AUTH_PASSWORD_BYTES_MAX + 1];
    const struct auth_options options = options_of(false);
    const struct slice rows[][2] = {
        {SLICE(""), SLICE("right")},        {SLICE("alice"), SLICE("")},
        {SLICE("ali\0ce"), SLICE("right")}, {SLICE("alice"), SLICE("ri\0ght")},
        {{huge, 256}, SLICE("right")},      {SLICE("alice"), {huge, sizeof(huge)}},
    };
    struct auth_person person;
    enum auth_why why;

    (void)state;
    memset(huge, 'x', sizeof(huge));
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, "");
        assert_int_equal(auth_login(&options, rows[i][0], rows[i][1], &person, &why), ST_INVALID);
        assert_int_equal(why, AUTH_WHY_MALFORMED);
    }
    assert_int_equal(auth_login(&options, SLICE("ivy"), SLICE("x"), &person, &why), ST_IO);
}

/* A TLS connection within this process, and what binds each end to it. */
struct bound {
    int fds[2];
    struct sys_tls *ends[2];
    struct buf exporter[2];
    struct buf unique[2];
};

static void bound_init(struct bound *bound, struct sys_tls_server *server,
                       struct sys_tls_client *client)
{
    enum st st[2] = {ST_AGAIN, ST_AGAIN};
    bool want_write;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bound->fds), 0);
    bound->ends[0] = sys_tls_new(server, bound->fds[0]);
    bound->ends[1] = sys_tls_connect(client, bound->fds[1], "localhost", true);
    for (int i = 0; i < 100; i++)
        if (st[i % 2] == ST_AGAIN)
            st[i % 2] = sys_tls_handshake(bound->ends[i % 2], &want_write);
    for (int i = 0; i < 2; i++) {
        buf_init(&bound->exporter[i], AUTH_BINDING_BYTES_MAX);
        buf_init(&bound->unique[i], AUTH_BINDING_BYTES_MAX);
        assert_int_equal(st[i], ST_OK);
        assert_int_equal(
            sys_tls_channel_binding(bound->ends[i], SYS_TLS_EXPORTER, &bound->exporter[i]), ST_OK);
        assert_int_equal(sys_tls_channel_binding(bound->ends[i], SYS_TLS_UNIQUE, &bound->unique[i]),
                         ST_OK);
    }
}

static void bound_fini(struct bound *bound)
{
    for (int i = 0; i < 2; i++) {
        sys_tls_free(&bound->ends[i]);
        buf_fini(&bound->exporter[i]);
        buf_fini(&bound->unique[i]);
        close(bound->fds[i]);
    }
}

static struct outcome run_bound(const struct bound *server, const struct bound *client, bool unique)
{
    struct auth_options options = options_of(false);
    struct client who = {PLUS, "alice", "right", NULL, {0}, {0}};

    options.tls_exporter = buf_slice(&server->exporter[0]);
    options.tls_unique = buf_slice(&server->unique[0]);
    if (unique)
        who.unique = buf_slice(&client->unique[1]);
    else
        who.exporter = buf_slice(&client->exporter[1]);
    return run(&options, &who);
}

static void test_plus_binds_to_the_real_tls_connection(void **state)
{
    static const char *const names[] = {"localhost"};
    char cert[] = "/tmp/test_sasl_cert.XXXXXX";
    char key[] = "/tmp/test_sasl_key.XXXXXX";
    struct sys_tls_server *server;
    struct sys_tls_client *client;
    struct bound one;
    struct bound other;
    AUTO(buf) struct buf why = BUF(1000);

    (void)state;
    close(mkstemp(cert));
    close(mkstemp(key));
    assert_int_equal(sys_cert_make_selfsigned(names, 1, 1, cert, key), ST_OK);
    /* TLS 1.2, as it has both kinds of binding. */
    assert_int_equal(sys_tls_server_new(cert, key, "NORMAL:-VERS-ALL:+VERS-TLS1.2", &why, &server),
                     ST_OK);
    assert_int_equal(sys_tls_client_new(cert, "NORMAL", &why, &client), ST_OK);
    bound_init(&one, server, client);
    bound_init(&other, server, client);
    for (int unique = 0; unique < 2; unique++) {
        assert_int_equal(run_bound(&one, &one, unique).st, ST_OK);
        struct outcome relayed = run_bound(&one, &other, unique);
        assert_int_equal(relayed.st, ST_DENIED);
        assert_int_equal(relayed.why, AUTH_WHY_BINDING);
    }
    bound_fini(&one);
    bound_fini(&other);
    sys_tls_server_free(&server);
    sys_tls_client_free(&client);
    unlink(cert);
    unlink(key);
}

static struct {
    struct auth_options options;
    atomic_int right;
    atomic_int wrong;
} crowd;

static void *log_in_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 6; i++) {
        struct auth_person person;
        bool right = i % 3 != 0;
        enum st st = auth_login(&crowd.options, SLICE("alice"),
                                right ? SLICE("right") : SLICE("wrong"), &person, NULL);

        atomic_fetch_add(&crowd.right, st == ST_OK);
        atomic_fetch_add(&crowd.wrong, st == ST_DENIED);
    }
    return NULL;
}

static void test_many_threads_log_in_at_once(void **state)
{
    static const struct auth_throttle_limits limits = {.window_ms = 60000,
                                                       .address_failures_max = 1000,
                                                       .name_failures_max = 1000,
                                                       .entries_max = 64};
    pthread_t threads[8];

    (void)state;
    crowd.options = options_of(false);
    crowd.options.cache = auth_cache_new();
    crowd.options.throttle = auth_throttle_new(&limits);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_in_often, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.right, 4 * COUNT(threads));
    assert_int_equal(crowd.wrong, 2 * COUNT(threads));
    auth_cache_free(&crowd.options.cache);
    auth_throttle_free(&crowd.options.throttle);
}

static int make_alice(void **state)
{
    AUTO(buf) struct buf text = BUF(AUTH_VERIFIER_BYTES_MAX);

    (void)state;
    memcpy(alice.name, "alice", 6);
    if (auth_password_make(SLICE("right"), &text) != ST_OK)
        return 1;
    memcpy(alice.yescrypt, text.ptr, text.len + 1);
    buf_clear(&text);
    if (auth_scram_make(SLICE("right"), &text) != ST_OK)
        return 1;
    memcpy(alice.scram, text.ptr, text.len + 1);
    if (gsasl_init(&client_context) != GSASL_OK)
        return 1;
    return 0;
}

static int drop_alice(void **state)
{
    (void)state;
    gsasl_done(client_context);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_mechanism_right_and_wrong),
        cmocka_unit_test(test_a_stripped_plus_is_refused),
        cmocka_unit_test(test_prompt_comes_before_a_late_first_message),
        cmocka_unit_test(test_what_is_malformed_is_refused),
        cmocka_unit_test(test_scram_says_nothing_of_who_is_there),
        cmocka_unit_test(test_every_refusal_costs_what_a_wrong_password_costs),
        cmocka_unit_test(test_cache_spares_the_second_derivation),
        cmocka_unit_test(test_throttled_even_with_the_right_password),
        cmocka_unit_test(test_other_names_of_a_person_share_the_count),
        cmocka_unit_test(test_mechanisms_fit_the_connection),
        cmocka_unit_test(test_login_refuses_what_cannot_be),
        cmocka_unit_test(test_plus_binds_to_the_real_tls_connection),
        cmocka_unit_test(test_many_threads_log_in_at_once),
    };
    return cmocka_run_group_tests(tests, make_alice, drop_alice);
}
