#include "t.h"

#include "auth/auth_password.h"
#include "auth/auth_sasl_client.h"
#include "auth/auth_scram.h"
#include "base/buf.h"

#define BOTH "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"

static struct auth_person person = {.name = "me@here.example"};

static int set_up(void **state)
{
    AUTO(buf) struct buf yescrypt = BUF(KIB);
    AUTO(buf) struct buf scram = BUF(KIB);

    (void)state;
    if (auth_password_make(SLICE("s\xc3\xa4"
                                 "cret"),
                           &yescrypt) != ST_OK ||
        auth_scram_make(SLICE("s\xc3\xa4"
                              "cret"),
                        &scram) != ST_OK)
        return -1;
    snprintf(person.yescrypt, sizeof(person.yescrypt), "%s", yescrypt.ptr);
    snprintf(person.scram, sizeof(person.scram), "%s", scram.ptr);
    return 0;
}

static enum st look_up(void *arg, struct slice name, struct auth_person *found)
{
    (void)arg;
    if (!slice_eq(name, SLICE("me")))
        return ST_NOT_FOUND;
    *found = person;
    return ST_OK;
}

static void test_the_best_that_may_be_is_taken(void **state)
{
    static const struct {
        const char *offered;
        bool tls;
        bool bound;
        enum st st;
        const char *mechanism;
    } rows[] = {
        {BOTH, true, true, ST_OK, "SCRAM-SHA-256-PLUS"},
        {BOTH, true, false, ST_OK, "SCRAM-SHA-256"},
        {BOTH, false, false, ST_OK, "SCRAM-SHA-256"},
        {"LOGIN PLAIN", true, true, ST_OK, "PLAIN"},
        {"login", true, true, ST_OK, "LOGIN"},
        {"LOGIN PLAIN", false, false, ST_DENIED, NULL},
        {"SCRAM-SHA-256-PLUS", true, false, ST_NOT_FOUND, NULL},
        {"NTLM GSSAPI PLAINER", true, true, ST_NOT_FOUND, NULL},
        {"", true, true, ST_NOT_FOUND, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct auth_sasl_client_options options = {
            .name = SLICE("me"),
            .password = SLICE("x"),
            .offered = slice_str(rows[i].offered),
            .plain_allowed = rows[i].tls,
            .tls_exporter = rows[i].bound ? SLICE("bound") : SLICE(""),
        };
        struct auth_sasl_client *client;

        T_ROW(i, rows[i].offered);
        assert_int_equal(auth_sasl_client_new(&options, &client), rows[i].st);
        if (rows[i].st == ST_OK)
            assert_string_equal(auth_sasl_client_mechanism(client), rows[i].mechanism);
        auth_sasl_client_free(&client);
        assert_null(client);
    }
}

/* The client against our own server: how the server ends, and what the client believes. */
static enum st log_in(const struct auth_sasl_client_options *options, struct slice server_binding,
                      bool *proved_r)
{
    const struct auth_options server_options = {
        .lookup = look_up, .plain_allowed = true, .tls_exporter = server_binding};
    AUTO(buf) struct buf ours = BUF(8 * KIB);
    AUTO(buf) struct buf theirs = BUF(8 * KIB);
    struct auth_sasl_client *client;
    struct auth_sasl *server;

    assert_int_equal(auth_sasl_client_new(options, &client), ST_OK);
    assert_int_equal(
        auth_sasl_new(&server_options, slice_str(auth_sasl_client_mechanism(client)), &server),
        ST_OK);
    enum st st = ST_AGAIN;
    for (int i = 0; i < 5 && st == ST_AGAIN; i++) {
        buf_clear(&ours);
        if (auth_sasl_client_step(client, buf_slice(&theirs), &ours) != ST_OK)
            break;
        st = auth_sasl_step(server, buf_slice(&ours), &theirs);
    }
    *proved_r = auth_sasl_client_proved(client);
    auth_sasl_client_free(&client);
    auth_sasl_free(&server);
    return st;
}

static void test_it_logs_in_at_our_own_server(void **state)
{
    static const struct {
        const char *offered;
        const char *password;
        const char *client_binding;
        const char *server_binding;
        enum st st;
        bool proved;
    } rows[] = {
        {"PLAIN",
         "s\xc3\xa4"
         "cret",
         "", "", ST_OK, true},
        {"PLAIN", "wrong", "", "", ST_DENIED, true},
        {"SCRAM-SHA-256",
         "s\xc3\xa4"
         "cret",
         "", "", ST_OK, true},
        {"SCRAM-SHA-256", "wrong", "", "", ST_DENIED, false},
        {"SCRAM-SHA-256-PLUS",
         "s\xc3\xa4"
         "cret",
         "channel", "channel", ST_OK, true},
        {"SCRAM-SHA-256-PLUS",
         "s\xc3\xa4"
         "cret",
         "channel", "another", ST_DENIED, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct auth_sasl_client_options options = {
            .name = SLICE("me"),
            .password = slice_str(rows[i].password),
            .offered = slice_str(rows[i].offered),
            .plain_allowed = true,
            .tls_exporter = slice_str(rows[i].client_binding),
        };
        bool proved;

        T_ROW(i, rows[i].offered);
        assert_int_equal(log_in(&options, slice_str(rows[i].server_binding), &proved), rows[i].st);
        assert_int_equal(proved, rows[i].proved);
    }
}

static void test_a_server_that_does_not_know_the_password_is_not_believed(void **state)
{
    const struct auth_sasl_client_options options = {
        .name = SLICE("me"), .password = SLICE("secret"), .offered = SLICE("SCRAM-SHA-256")};
    AUTO(buf) struct buf out = BUF(8 * KIB);
    AUTO(buf) struct buf challenge = BUF(8 * KIB);
    struct auth_sasl_client *client;

    (void)state;
    assert_int_equal(auth_sasl_client_new(&options, &client), ST_OK);
    assert_true(auth_sasl_client_begins(client));
    assert_int_equal(auth_sasl_client_step(client, SLICE(""), &out), ST_OK);
    size_t nonce = slice_find_slice(buf_slice(&out), SLICE("r="));
    buf_putf(&challenge, "%.*sxyz,s=QUFBQUFBQUFBQUFBQUFBQQ==,i=4096",
             SLICE_ARG(slice_sub(buf_slice(&out), nonce, SIZE_MAX)));
    assert_int_equal(auth_sasl_client_step(client, buf_slice(&challenge), &out), ST_OK);
    assert_int_equal(auth_sasl_client_step(
                         client, SLICE("v=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="), &out),
                     ST_INVALID);
    assert_false(auth_sasl_client_proved(client));
    auth_sasl_client_free(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_best_that_may_be_is_taken),
        cmocka_unit_test(test_it_logs_in_at_our_own_server),
        cmocka_unit_test(test_a_server_that_does_not_know_the_password_is_not_believed),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
