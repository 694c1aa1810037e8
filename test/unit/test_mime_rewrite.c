#include "t.h"

#include "base/buf.h"
#include "mime/mime_rewrite.h"

static void keep(void *ctx, struct slice text)
{
    buf_put(ctx, text);
}

/* *@BTEx is *@exchange.example; the quoted "a b"@BTEx too. */
static bool rename_one(void *ctx, struct slice local, struct slice domain, struct buf *out)
{
    bool quote = slice_find(local, ' ') != SIZE_MAX || slice_find(local, '@') != SIZE_MAX;

    (void)ctx;
    if (!slice_ieq(domain, SLICE("BTEx")))
        return false;
    buf_putf(out, "%s%.*s%s@exchange.example", quote ? "\"" : "", SLICE_ARG(local),
             quote ? "\"" : "");
    return true;
}

static void mend(struct slice in, size_t step, struct buf *out, struct mime_rewrite_facts *facts_r)
{
    struct mime_rewrite *rewrite = mime_rewrite_new(rename_one, NULL);

    for (size_t at = 0; at < in.len; at += step)
        mime_rewrite_feed(rewrite, slice_sub(in, at, step), keep, out);
    mime_rewrite_end(rewrite, keep, out);
    *facts_r = *mime_rewrite_facts(rewrite);
    mime_rewrite_free(&rewrite);
    assert_null(rewrite);
}

static void test_addresses_are_rewritten_and_nothing_else(void **state)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: as it came */
        size_t count;
    } rows[] = {
        {"", NULL, 0},
        {"\r\nTo: a@BTEx\r\n", NULL, 0},
        {"To: a@BTEx\r\n\r\nTo: b@BTEx\r\n", "To: a@exchange.example\r\n\r\nTo: b@BTEx\r\n", 1},
        {"To: a@BTEx", "To: a@exchange.example", 1},
        {"To:a@btex\nCc: b@other\n\nc@BTEx", "To:a@exchange.example\nCc: b@other\n\nc@BTEx", 1},
        {"tO \t: <a@BTEx>\r\n", "tO \t: <a@exchange.example>\r\n", 1},
        {"From: \"a@BTEx\" <a@BTEx> (a@BTEx)\r\n",
         "From: \"a@BTEx\" <a@exchange.example> (a@BTEx)\r\n", 1},
        {"From: =?utf-8?Q?a=40BTEx?= <a@BTEx>\r\n",
         "From: =?utf-8?Q?a=40BTEx?= <a@exchange.example>\r\n", 1},
        {"To: a@BTEx,\r\n\tB <b@BTEx> ,\r\n c@other\r\nSubject: a@BTEx\r\n",
         "To: a@exchange.example,\r\n\tB <b@exchange.example> ,\r\n c@other\r\nSubject: a@BTEx\r\n",
         2},
        {"Cc: Friends: a@BTEx, <b@BTEx>;, c@BTEx\r\n",
         "Cc: Friends: a@exchange.example, <b@exchange.example>;, c@exchange.example\r\n", 3},
        {"To: a (one, two)@(three) BTEx (four)\r\n",
         "To: a (one, two)@(three) exchange.example (four)\r\n", 1},
        {"To: <@x,@y:a@BTEx>\r\n", "To: <@x,@y:a@exchange.example>\r\n", 1},
        {"To: \"a b\"@BTEx, \"c@d\"@BTEx\r\n",
         "To: \"a b\"@exchange.example, \"c@d\"@exchange.example\r\n", 2},
        {"To: a . b@BTEx\r\n", "To: a.b@exchange.example\r\n", 1},
        {"To: a@BTEx b@BTEx\r\n", NULL, 0},
        {"To: <a@BTEx\r\n", "To: <a@exchange.example\r\n", 1},
        {"To: (a@BTEx\r\n", NULL, 0},
        {"To: (x)@BTEx, @BTEx, a@, a, <>, \"a@BTEx\r\n", NULL, 0},
        {"To: undisclosed-recipients:;\r\n", NULL, 0},
        {"Resent-From: a@BTEx\r\nresent-bcc: b@BTEx\r\nResent-Date: c@BTEx\r\n",
         "Resent-From: a@exchange.example\r\nresent-bcc: b@exchange.example\r\nResent-Date: "
         "c@BTEx\r\n",
         2},
        {"Sender: a@BTEx\r\nReply-To: b@BTEx\r\nBcc: c@BTEx\r\nTos: d@BTEx\r\nT o: e@BTEx\r\n",
         "Sender: a@exchange.example\r\nReply-To: b@exchange.example\r\nBcc: c@exchange.example\r\n"
         "Tos: d@BTEx\r\nT o: e@BTEx\r\n",
         3},
        {" To: a@BTEx\r\nnonsense a@BTEx\r\n:a@BTEx\r\n", NULL, 0},
        {"To:\r\n a@BTEx\r\n \r\n , b@BTEx\r\n\r\n",
         "To:\r\n a@exchange.example\r\n \r\n , b@exchange.example\r\n\r\n", 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice in = slice_str(rows[i].in);

        T_ROW(i, rows[i].in);
        for (size_t step = 1; step <= in.len + 1; step++) {
            AUTO(buf) struct buf out = BUF(MIB);
            struct mime_rewrite_facts facts;

            mend(in, step, &out, &facts);
            T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want ? rows[i].want : rows[i].in));
            assert_int_equal(facts.count, rows[i].count);
            assert_int_equal(out.len - in.len, facts.bytes_out - facts.bytes_in);
        }
    }
}

static void test_what_is_beyond_the_bounds_passes(void **state)
{
    AUTO(buf) struct buf in = BUF(MIB);
    AUTO(buf) struct buf out = BUF(MIB);
    struct mime_rewrite_facts facts;

    (void)state;
    buf_put(&in, SLICE("To: a@BTEx"));
    while (in.len <= MIME_REWRITE_FIELD_BYTES_MAX)
        buf_put(&in, SLICE(",\r\n someone@BTEx"));
    buf_put(&in, SLICE("\r\nCc: "));
    for (size_t i = 0; i < MIME_REWRITE_COUNT_MAX + 2; i++)
        buf_put(&in, SLICE("b@BTEx,"));
    buf_put(&in, SLICE("\r\n\r\n"));
    mend(buf_slice(&in), 1000, &out, &facts);
    assert_int_equal(facts.count, MIME_REWRITE_COUNT_MAX);
    assert_true(slice_find_slice(buf_slice(&out), SLICE("\r\n someone@BTEx,")) != SIZE_MAX);
    assert_true(slice_find_slice(buf_slice(&out), SLICE(",b@BTEx,b@BTEx,\r\n")) != SIZE_MAX);
}

static void test_signatures_are_seen(void **state)
{
    AUTO(buf) struct buf out = BUF(MIB);
    struct mime_rewrite_facts facts;

    (void)state;
    mend(SLICE("A: b\r\nDKIM-Signature: v=1\r\nTo: a@BTEx\r\n\r\n"), 3, &out, &facts);
    assert_true(facts.signature && facts.over && !facts.eight_bit);
    mend(SLICE("A: b\r\n\r\nDKIM-Signature: v=1\r\n"), 3, &out, &facts);
    assert_false(facts.signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_rewritten_and_nothing_else),
        cmocka_unit_test(test_what_is_beyond_the_bounds_passes),
        cmocka_unit_test(test_signatures_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
