#include "t.h"

#include "router/router_reply.h"

static const char *const samples[] = {
    "",
    "250 ok\r\n250 next\r\n",
    "250-a\r\n250-b\r\n250 c\r\nrest",
    "550-5.1.1 no\r\n550 5.1.1 body \xc3\xa4\xff\r\n",
    "250\r\n",
    "250-\n250 x\n",
    "25",
    "250-a\r\n550 b\r\n",
    "hello\r\n",
    "\r\n",
};

struct outcome {
    struct router_reply reply;
    size_t used;
    enum st st;
};

static void begin(struct outcome *outcome)
{
    router_reply_init(&outcome->reply);
    outcome->used = 0;
    outcome->st = ST_AGAIN;
}

static void feed(struct outcome *outcome, struct slice all, size_t until)
{
    size_t used;

    if (outcome->st != ST_AGAIN)
        return;
    outcome->st = router_reply_feed(&outcome->reply,
                                    slice_sub(all, outcome->used, until - outcome->used), &used);
    outcome->used += used;
}

static void same(const struct outcome *got, const struct outcome *want)
{
    assert_int_equal(got->st, want->st);
    if (want->st != ST_INVALID)
        assert_int_equal(got->used, want->used);
    assert_int_equal(got->reply.code, want->reply.code);
    assert_int_equal(got->reply.lines, want->reply.lines);
    assert_string_equal(got->reply.enhanced, want->reply.enhanced);
    T_EQ_SLICE(router_reply_text(&got->reply), router_reply_text(&want->reply));
}

static void test_the_reply_is_the_same_however_it_is_cut(void **state)
{
    static struct outcome want;
    static struct outcome got;

    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        struct slice all = slice_str(samples[i]);

        T_ROW(i, samples[i]);
        begin(&want);
        feed(&want, all, all.len);
        for (size_t cut = 0; cut <= all.len; cut++) {
            begin(&got);
            feed(&got, all, cut);
            feed(&got, all, all.len);
            same(&got, &want);
        }
        begin(&got);
        for (size_t until = 0; until <= all.len; until++)
            feed(&got, all, until);
        same(&got, &want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reply_is_the_same_however_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
