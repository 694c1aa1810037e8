#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_known.h"
#include "calendar/calendar_usual.h"

#define HOUR_S INT64_C(3600)

static const struct calendar_busy_row busy[] = {
    {1 * HOUR_S, 2 * HOUR_S, STORE_BUSY_BUSY, 0},
    {5 * HOUR_S, 8 * HOUR_S, STORE_BUSY_TENTATIVE, 0},
};

static void put(struct calendar_known *known, const char *key, int64_t from_h, int64_t until_h,
                uint64_t now_ms)
{
    calendar_known_put(known, slice_str(key), from_h * HOUR_S, until_h * HOUR_S, busy, COUNT(busy),
                       now_ms);
}

/* "2-6 age 100: 5-6" for [from_h, until_h), or "nothing". */
static void look(struct calendar_known *known, const char *key, int64_t from_h, int64_t until_h,
                 struct buf *out)
{
    struct arena *arena = arena_new("look", MIB);
    struct calendar_known_answer answer;

    buf_clear(out);
    if (!calendar_known_get(known, slice_str(key), from_h * HOUR_S, until_h * HOUR_S, 1000, 900,
                            arena, &answer)) {
        buf_put(out, SLICE("nothing"));
    } else {
        buf_putf(out, "%lld-%lld age %llu:", (long long)(answer.from_s / HOUR_S),
                 (long long)(answer.until_s / HOUR_S), (unsigned long long)answer.age_ms);
        for (size_t i = 0; i < answer.count; i++)
            buf_putf(out, " %lld-%lld", (long long)(answer.rows[i].start_s / HOUR_S),
                     (long long)(answer.rows[i].end_s / HOUR_S));
    }
    arena_free(&arena);
}

static void test_the_last_answer_is_known_with_its_age(void **state)
{
    static const struct {
        const char *key;
        int64_t from_h, until_h;
        const char *want;
    } rows[] = {
        {"ann@x", 0, 10, "0-10 age 500: 1-2 5-8"},
        {"ANN@X", 0, 10, "0-10 age 500: 1-2 5-8"},
        {"ann@x", 6, 7, "6-7 age 500: 6-7"},
        {"ann@x", 2, 5, "2-5 age 500:"},
        {"ann@x", 6, 30, "10-30 age 400: "}, /* the one that covers more */
        {"ann@x", 8, 12, "10-12 age 400:"},  /* as much: the newer */
        {"ann@x", 40, 50, "nothing"},
        {"old@x", 0, 10, "nothing"}, /* too old */
        {"bob@x", 0, 10, "nothing"},
        {"", 0, 10, "nothing"},
    };
    struct calendar_known *known = calendar_known_new(MIB, 10);
    AUTO(buf) struct buf out = BUF(1000);

    (void)state;
    put(known, "Ann@x", 0, 9, 400);
    put(known, "ann@X", 0, 10, 500);
    calendar_known_put(known, SLICE("ann@x"), 10 * HOUR_S, 40 * HOUR_S, NULL, 0, 600);
    put(known, "old@x", 0, 10, 99);
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].key);
        look(known, rows[i].key, rows[i].from_h, rows[i].until_h, &out);
        T_EQ_SLICE(slice_trim(buf_slice(&out)), slice_trim(slice_str(rows[i].want)));
    }
    calendar_known_drop(known, SLICE("ANN@x"));
    look(known, "ann@x", 0, 10, &out);
    assert_string_equal(out.ptr, "nothing");
    calendar_known_free(&known);
    assert_null(known);
    calendar_known_free(&known);
}

/* What it says nothing of does not count, and does not make what said it before outdated. */
static void test_an_answer_with_gaps_counts_for_what_it_knows(void **state)
{
    static const struct calendar_busy_row gaps[] = {
        {2 * HOUR_S, 4 * HOUR_S, STORE_BUSY_UNKNOWN, 0},
        {6 * HOUR_S, 7 * HOUR_S, STORE_BUSY_BUSY, 0},
    };
    struct calendar_known *known = calendar_known_new(MIB, 10);
    AUTO(buf) struct buf out = BUF(1000);

    (void)state;
    put(known, "ann@x", 3, 9, 400);
    calendar_known_put(known, SLICE("ann@x"), 0, 10 * HOUR_S, gaps, COUNT(gaps), 500);
    look(known, "ann@x", 0, 10, &out);
    assert_string_equal(out.ptr, "0-10 age 500: 2-4 6-7");
    look(known, "ann@x", 3, 5, &out); /* of which it knows half */
    assert_string_equal(out.ptr, "3-5 age 600:");
    look(known, "ann@x", 3, 10, &out); /* six hours each: the newer, from where it knows */
    assert_string_equal(out.ptr, "4-10 age 500: 6-7");
    look(known, "ann@x", 2, 3, &out);
    assert_string_equal(out.ptr, "nothing");
    put(known, "ann@x", 0, 10, 550);
    look(known, "ann@x", 3, 5, &out);
    assert_string_equal(out.ptr, "3-5 age 450:");
    calendar_known_free(&known);
}

static void test_it_stays_in_its_bounds_and_forgets_who_was_not_looked_at(void **state)
{
    struct calendar_known *known = calendar_known_new(20 * KIB, 2);
    AUTO(buf) struct buf out = BUF(1000);
    char key[32];

    (void)state;
    put(known, "kept@x", 0, 10, 500);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "p%d@x", i);
        put(known, key, 0, 10, 500);
        look(known, "kept@x", 0, 10, &out);
        assert_string_equal(out.ptr, "0-10 age 500: 1-2 5-8");
        assert_true(calendar_known_figures(known).bytes <= 20 * KIB);
    }
    assert_true(calendar_known_figures(known).attendees > 10);
    look(known, "p999@x", 0, 10, &out);
    assert_string_equal(out.ptr, "0-10 age 500: 1-2 5-8");
    look(known, "p1@x", 0, 10, &out);
    assert_string_equal(out.ptr, "nothing");
    for (int i = 0; i < 100; i++) /* windows beside each other */
        put(known, "kept@x", i, i + 10, 500 + (uint64_t)i);
    look(known, "kept@x", 90, 109, &out);
    assert_string_equal(out.ptr, "99-109 age 401:");
    calendar_known_free(&known);
    known = calendar_known_new(20 * KIB, 1);
    put(known, "kept@x", 0, 10, 500); /* two rows */
    assert_int_equal(calendar_known_figures(known).attendees, 0);
    calendar_known_free(&known);
    known = calendar_known_new(1, 10);
    put(known, "kept@x", 0, 10, 500);
    assert_int_equal(calendar_known_figures(known).bytes, 0);
    calendar_known_free(&known);
}

static void test_the_usual_time_is_what_95_of_100_answers_keep(void **state)
{
    struct calendar_usual *usual = calendar_usual_new(2);

    (void)state;
    for (int i = 0; i < 4; i++)
        calendar_usual_note(usual, SLICE("a"), 10);
    assert_int_equal(calendar_usual_ms(usual, SLICE("a")), 0); /* too few */
    for (int i = 0; i < 90; i++)
        calendar_usual_note(usual, SLICE("a"), 10);
    for (int i = 0; i < 3; i++)
        calendar_usual_note(usual, SLICE("a"), 4000);
    assert_in_range(calendar_usual_ms(usual, SLICE("a")), 10, 12);
    for (int i = 0; i < 5; i++)
        calendar_usual_note(usual, SLICE("a"), 4000);
    assert_in_range(calendar_usual_ms(usual, SLICE("a")), 4000, 5000);
    for (int i = 0; i < 2000; i++) /* that was long ago */
        calendar_usual_note(usual, SLICE("a"), 1);
    assert_int_equal(calendar_usual_ms(usual, SLICE("a")), 1);
    for (uint64_t ms = 0; ms < 500000; ms += 1 + ms / 7) {
        struct calendar_usual *one = calendar_usual_new(1);

        for (int i = 0; i < 10; i++)
            calendar_usual_note(one, SLICE("s"), ms);
        assert_in_range(calendar_usual_ms(one, SLICE("s")), ms > 0 ? ms : 1, ms + ms / 8 + 1);
        calendar_usual_free(&one);
    }
    for (int i = 0; i < 10; i++) {
        calendar_usual_note(usual, SLICE("b"), 5);
        calendar_usual_note(usual, SLICE("c"), UINT64_MAX);
    }
    assert_int_equal(calendar_usual_ms(usual, SLICE("a")), 0); /* forgotten */
    assert_int_equal(calendar_usual_ms(usual, SLICE("b")), 5);
    assert_true(calendar_usual_ms(usual, SLICE("c")) > 500000);
    calendar_usual_free(&usual);
}

static void test_who_says_nothing_is_silent_until_a_word(void **state)
{
    struct calendar_usual *usual = calendar_usual_new(2);
    const struct slice a = SLICE("a");

    (void)state;
    assert_int_equal(calendar_usual_silent_ms(usual, a, 1000), 0);
    calendar_usual_asked(usual, a, 1000);
    calendar_usual_asked(usual, a, 1100);
    assert_int_equal(calendar_usual_silent_ms(usual, a, 1200), 200);
    assert_int_equal(calendar_usual_silent_ms(usual, a, 900), 0);
    calendar_usual_heard(usual, a, 1300); /* the other one waits */
    assert_int_equal(calendar_usual_silent_ms(usual, a, 1350), 50);
    calendar_usual_ended(usual, a);
    calendar_usual_ended(usual, a); /* in vain */
    assert_int_equal(calendar_usual_silent_ms(usual, a, 5000), 3700);
    calendar_usual_asked(usual, a, 6000);
    assert_int_equal(calendar_usual_silent_ms(usual, a, 6001), 4701);
    calendar_usual_heard(usual, a, 6002);
    calendar_usual_ended(usual, a);
    assert_int_equal(calendar_usual_silent_ms(usual, a, 9000), 0);
    calendar_usual_free(&usual);
}

static void test_who_was_not_asked_for_a_minute_rests(void **state)
{
    struct calendar_usual *usual = calendar_usual_new(2);
    const struct slice a = SLICE("a");

    (void)state;
    assert_true(calendar_usual_rests(usual, a, 1000));
    calendar_usual_asked(usual, a, 1000);
    assert_false(calendar_usual_rests(usual, a, 1000));
    calendar_usual_ended(usual, a);
    assert_false(calendar_usual_rests(usual, a, 1000 + CALENDAR_USUAL_REST_MS - 1));
    assert_true(calendar_usual_rests(usual, a, 1000 + CALENDAR_USUAL_REST_MS));
    assert_false(calendar_usual_rests(usual, a, 900));
    calendar_usual_free(&usual);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_answer_is_known_with_its_age),
        cmocka_unit_test(test_an_answer_with_gaps_counts_for_what_it_knows),
        cmocka_unit_test(test_it_stays_in_its_bounds_and_forgets_who_was_not_looked_at),
        cmocka_unit_test(test_the_usual_time_is_what_95_of_100_answers_keep),
        cmocka_unit_test(test_who_says_nothing_is_silent_until_a_word),
        cmocka_unit_test(test_who_was_not_asked_for_a_minute_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
