/* A foreign-domain document's rules over an envelope and a header, both ways. */
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "router/router_foreign.h"

static struct arena *arena;
static const struct directory *directory;
static const struct directory_foreign *foreign;

static int setup(void **state)
{
    struct directory *making = directory_new(SLICE("example.org shared.example"));

    (void)state;
    arena = arena_new("test", MIB);
    directory_add(making, SLICE("person"), SLICE("alice"), 1, SLICE("alias = al@shared.example\n"));
    directory_add(making, SLICE("person"), SLICE("bob"), 1, SLICE("alias = *@shared.example\n"));
    directory_add(making, SLICE("foreign-domain"), SLICE("btex-1"), 1,
                  SLICE("domain = BTEx\nmail_server = gate\nhost = 127.0.0.1\n"
                        "rewrite = alice@example.org alice@us.exchange.example\n"
                        "rewrite = *@sub.BTEx *@shared.example\n"
                        "rewrite = *@BTEx *@exchange.example\n"));
    directory_add(
        making, SLICE("foreign-domain"), SLICE("other-gate"), 1,
        SLICE("domain = Others\nmail_server = gate2\nrewrite = *@Others *@others.test\n"));
    directory_add(making, SLICE("foreign-domain"), SLICE("walled"), 1,
                  SLICE("domain = Walled\nmail_server = Gate\nhost = mx.walled.test\n"
                        "network = 192.0.2.0/28\nnetwork = 2001:db8::/32\n"
                        "rewrite = *@Walled *@walled.test\n"));
    directory = directory_end(making);
    assert_int_equal(directory_foreign(directory, SLICE("btex"), &foreign, 1), 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    directory_unref(&directory);
    arena_free(&arena);
    return 0;
}

static void test_addresses_go_both_ways(void **state)
{
    static const struct {
        enum directory_way way;
        const char *address;
        const char *want; /* NULL: it stays */
    } rows[] = {
        {DIRECTORY_OUT, "carl@BTEx", "carl@exchange.example"},
        {DIRECTORY_OUT, "carl@btex", "carl@exchange.example"},
        {DIRECTORY_OUT, "\"carl c\"@BTEx", "\"carl c\"@exchange.example"},
        {DIRECTORY_OUT, "alice@example.org", "alice@us.exchange.example"},
        {DIRECTORY_OUT, "bob@example.org", NULL},
        {DIRECTORY_OUT, "", NULL},
        {DIRECTORY_OUT, "carl", NULL},
        {DIRECTORY_IN, "carl@exchange.example", "carl@btex"},
        {DIRECTORY_IN, "carl@EXCHANGE.example", "carl@btex"},
        {DIRECTORY_IN, "alice@us.exchange.example", "alice@example.org"},
        {DIRECTORY_IN, "carl@BTEx", NULL},
        /* Of a domain that both share: who is ours stays ours. */
        {DIRECTORY_IN, "al@shared.example", NULL},
        {DIRECTORY_IN, "alice@shared.example", NULL},
        {DIRECTORY_IN, "carl@shared.example", "carl@sub.btex"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct router_foreign rewriting = {directory, foreign, rows[i].way};
        struct slice before = slice_str(rows[i].address);
        struct slice after;

        T_ROW(i, rows[i].address);
        assert_int_equal(router_foreign_address(&rewriting, arena, before, &after),
                         rows[i].want != NULL);
        T_EQ_SLICE(after, slice_str(rows[i].want != NULL ? rows[i].want : rows[i].address));
    }
}

static void test_networks_or_else_the_sender_tell_where_mail_comes_from(void **state)
{
    static const struct {
        const char *server;
        const char *peer;
        const char *sender;
        const char *want; /* "": nowhere foreign */
    } rows[] = {
        {"gate", "198.51.100.1", "carl@exchange.example", "btex-1"},
        {"GATE", "198.51.100.1", "carl@exchange.example", "btex-1"},
        {"gate", "127.0.0.1", "", "btex-1"}, /* its host by address */
        {"gate", "198.51.100.1", "", ""},
        {"gate", "198.51.100.1", "carl@BTEx", ""},
        {"gate", "198.51.100.1", "alice@example.org", ""},
        {"gate", "198.51.100.1", "alice@shared.example", ""}, /* one of ours */
        {"gate", "198.51.100.1", "carl@walled.test", ""},
        {"gate", "192.0.2.15", "carl@walled.test", "walled"},
        {"gate", "192.0.2.16", "carl@walled.test", ""},
        {"gate", "2001:db8::5", "", "walled"},
        {"gate", "198.51.100.1", "carl@others.test", ""},
        {"gate2", "198.51.100.1", "carl@others.test", "other-gate"},
        {"gate3", "198.51.100.1", "carl@others.test", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct directory_foreign *origin = router_foreign_origin(
            directory, rows[i].server, rows[i].peer, slice_str(rows[i].sender));

        T_ROW(i, rows[i].peer);
        assert_string_equal(origin != NULL ? origin->name : "", rows[i].want);
    }
}

struct given {
    const char *text;
    size_t step;
    enum st st;
};

static enum st give(void *ctx, router_foreign_put *put, void *put_ctx)
{
    const struct given *given = ctx;
    struct slice rest = slice_str(given->text);
    enum st st = ST_OK;

    for (; st == ST_OK && rest.len > 0; rest = slice_sub(rest, given->step, rest.len))
        st = put(put_ctx, slice_sub(rest, 0, given->step));
    return st == ST_OK ? given->st : st;
}

static enum st keep(void *ctx, struct slice text)
{
    return buf_add(ctx, text);
}

#define HEADER_IN "DKIM-Signature: v=1\r\nFrom: Al <al@shared.example>\r\nTo: Carl <carl@BTEx>,\r\n"
#define HEADER_OUT \
    "DKIM-Signature: v=1\r\nFrom: Al <al@shared.example>\r\nTo: Carl <carl@exchange.example>,\r\n"
#define BODY "\talice@example.org\r\n\r\nTo: carl@BTEx\r\n"

static void test_what_is_measured_is_what_is_sent(void **state)
{
    const struct router_foreign rewriting = {NULL, foreign, DIRECTORY_OUT};

    (void)state;
    for (size_t step = 1; step < 200; step++) {
        struct given given = {HEADER_IN BODY, step, ST_OK};
        AUTO(buf) struct buf out = BUF(MIB);
        struct mime_rewrite_facts facts;

        assert_int_equal(router_foreign_measure(&rewriting, give, &given, &facts), ST_OK);
        assert_int_equal(router_foreign_pass(&rewriting, give, &given, keep, &out), ST_OK);
        T_EQ_SLICE(buf_slice(&out), SLICE(HEADER_OUT "\talice@us.exchange.example\r\n\r\n"
                                                     "To: carl@BTEx\r\n"));
        assert_int_equal(facts.count, 2);
        assert_true(facts.signature);
        assert_int_equal(strlen(given.text) + facts.bytes_out - facts.bytes_in, out.len);
    }
}

static void test_troubles_are_told(void **state)
{
    const struct router_foreign rewriting = {NULL, foreign, DIRECTORY_OUT};
    struct given given = {"To: carl@BTEx\r\n", 7, ST_IO};
    struct given full = {HEADER_IN BODY, 7, ST_OK};
    AUTO(buf) struct buf out = BUF(20);
    struct mime_rewrite_facts facts;

    (void)state;
    assert_int_equal(router_foreign_measure(&rewriting, give, &given, &facts), ST_IO);
    assert_int_equal(router_foreign_pass(&rewriting, give, &given, keep, &out), ST_IO);
    assert_int_equal(router_foreign_pass(&rewriting, give, &full, keep, &out), ST_TOO_BIG);
}

static void test_orcpt_names_what_was_written_here(void **state)
{
    (void)state;
    T_EQ_SLICE(router_foreign_orcpt(arena, SLICE("a+b@BTEx")), SLICE("rfc822;a+2Bb@BTEx"));
    T_EQ_SLICE(router_foreign_orcpt(arena, SLICE("\xc3\xa4@BTEx")), SLICE(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_go_both_ways),
        cmocka_unit_test(test_networks_or_else_the_sender_tell_where_mail_comes_from),
        cmocka_unit_test(test_what_is_measured_is_what_is_sent),
        cmocka_unit_test(test_troubles_are_told),
        cmocka_unit_test(test_orcpt_names_what_was_written_here),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
