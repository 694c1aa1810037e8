#include "t.h"

#include "base/buf.h"
#include "smtp/smtp_dot.h"

static const char *const samples[] = {
    "",
    ".\r\nrest",
    "a\r\n.\r\nNOOP\r\n",
    "Subject: x\r\n\r\n..\r\n...\r\n.a\r\n\r\n.\r\n",
    "bare\nlines\n\n..dot\n\r\n.\r\n",
    "a\rb\r\r\nc\r\n.\r\n",
    "one\n.\ntwo\r\n.\r\n",
    "one\n.\r\ntwo\r\n.\r\n",
    "one\r\n.\ntwo\r\n.\r\n",
    "one\r.\rtwo\r\n.\r\n",
    "one\r\n.\rtwo\r\n.\r\n",
    "one\r.\r\ntwo\r\n.\r\n",
    "one\r\n.\r\r\ntwo\r\n.\r\n",
    "one\r\n\r.\r\n.\r\n",
    "never ended\r\n.",
    "never ended\r\n.\r",
};

static void keep(void *ctx, struct slice text)
{
    buf_put(ctx, text);
}

struct outcome {
    struct buf text;
    struct smtp_dot dot;
    size_t used;
};

/* Feeds as a session does: what is left comes again with the next piece behind it. */
static void feed(struct outcome *outcome, struct slice all, size_t until)
{
    while (!outcome->dot.ended && !outcome->dot.smuggling) {
        size_t used =
            smtp_dot_feed(&outcome->dot, slice_sub(all, outcome->used, until - outcome->used), keep,
                          &outcome->text);

        outcome->used += used;
        if (used == 0 || outcome->used == until)
            return;
    }
}

static void same(const struct outcome *got, const struct outcome *want)
{
    assert_int_equal(got->dot.smuggling, want->dot.smuggling);
    if (want->dot.smuggling) /* nothing of it counts */
        return;
    assert_int_equal(got->dot.ended, want->dot.ended);
    if (want->dot.ended)
        assert_int_equal(got->used, want->used);
    T_EQ_SLICE(buf_slice(&got->text), buf_slice(&want->text));
}

static void test_the_text_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        struct slice all = slice_str(samples[i]);
        struct outcome want = {.text = BUF(MIB)};

        T_ROW(i, "cut");
        feed(&want, all, all.len);
        for (size_t cut = 0; cut <= all.len; cut++) {
            struct outcome got = {.text = BUF(MIB)};

            feed(&got, all, cut);
            feed(&got, all, all.len);
            same(&got, &want);
            buf_fini(&got.text);
        }
        struct outcome got = {.text = BUF(MIB)};
        for (size_t until = 0; until <= all.len; until++)
            feed(&got, all, until);
        same(&got, &want);
        buf_fini(&got.text);
        buf_fini(&want.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_is_the_same_however_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
