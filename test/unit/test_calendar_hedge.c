#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_hedge.h"

#include <string.h>

#define DEADLINE_MS 5000

/* Sources "d100 r50=1 d9~20 d9*": kind (own, direct, round), usual time, twin, silence, and whether
 * it was not asked for long; what is heard,
 * "120:0+" as time:step and + good, / a part, - bad, ? garbage, x unknown, ! away; and what is
 * done, "0:0 100:1 won 1@120". */
struct row {
    const char *what;
    const char *sources;
    const char *heard;
    const char *done;
};

static const struct row rows[] = {
    {"the first answers in time", "d100 d100", "80:0+", "0:0 won 0@80"},
    {"the first is late: the second beside it, and wins", "d100 d100", "180:1+",
     "0:0 100:1 won 1@180"},
    {"... or the first after all", "d100 d100", "110:0+ 180:1+", "0:0 100:1 won 0@110"},
    {"the first fails: the second at once", "d100 d100", "10:0- 50:1+", "0:0 10:1 won 1@50"},
    {"the first is away: the second at once", "d100 d100", "10:0! 50:1+", "0:0 10:1 won 1@50"},
    {"garbage is a failure", "d100 d100", "10:0? 50:1+", "0:0 10:1 won 1@50"},
    {"late, then bad: that brings no third one", "d100 d500 d100", "200:0- 300:1+",
     "0:0 100:1 won 1@300"},
    {"both late: the third", "d100 d300 d100", "450:2+", "0:0 100:1 400:2 won 2@450"},
    {"all fail: it is over at once", "d100 d100", "10:0- 20:1?", "0:0 10:1 over@20"},
    {"nobody answers: over at the deadline", "d100 d100", "", "0:0 100:1 over@5000"},
    {"after the deadline nothing counts", "d100", "5000:0+", "0:0 over@5000"},
    {"no source", "", "", "over@0"},
    {"a source that nobody knows", "d0 d0", "", "0:0 250:1 over@5000"},
    {"a source that is very fast", "d1 d1", "", "0:0 4:1 over@5000"},
    {"the first is silent for longer than usual: the second with it", "d100~150 d100", "30:1+",
     "0:0 0:1 won 1@30"},
    {"... and counts if it speaks after all", "d100~150 d100", "20:0+", "0:0 0:1 won 0@20"},
    {"... for no longer than usual: it has its time", "d100~50 d100", "", "0:0 100:1 over@5000"},
    {"... round after the same patience", "d100~150 r100", "", "0:0 400:1 over@5000"},
    {"... nor is it given up for a way round", "d100~150 d100 r100", "20:1- 90:0-",
     "0:0 0:1 over@90"},
    {"all are silent: all at once", "d100~150 d100~150 d100", "", "0:0 0:1 0:2 over@5000"},
    {"slow ones share half of the time", "d9000 d9000 d9000 d9000 d9000", "",
     "0:0 500:1 1000:2 1500:3 2000:4 over@5000"},
    {"two answers of one source are one", "d100 d100 d100", "10:0- 11:0- 12:0+ 50:1+",
     "0:0 10:1 won 1@50"},
    {"round, where one is not reached", "d100 r100", "10:0! 50:1+", "0:0 10:1 won 1@50"},
    {"not round where all were reached", "d100 d100 r100 r100", "10:0- 20:1?", "0:0 10:1 over@20"},
    {"... also where one was late", "d100 d100 r100", "150:0- 160:1-", "0:0 100:1 over@160"},
    {"round, where one is silent, after more patience", "d100 r100", "", "0:0 400:1 over@5000"},
    {"by itself alone", "o100", "10:0+", "0:0 won 0@10"},
    {"by itself once the others were reached", "d100 o100 r100", "10:0- 20:1+",
     "0:0 10:1 won 1@20"},
    {"own failures are no reason to go round", "o100 d100 r100", "10:0! 20:1-", "0:0 10:1 over@20"},
    {"a server that was reached goes on for one that was not", "d100 d100 r100=1 r100=2",
     "10:0- 20:1! 60:2+", "0:0 10:1 20:2 won 2@60"},
    {"... and one that was not is not asked twice", "d100 d100 r100=1 r100=2", "10:0! 20:1!",
     "0:0 10:1 over@20"},
    {"one that is silent is asked to go on", "d100 d100 r100=1", "550:2+",
     "0:0 100:1 500:2 won 2@550"},
    {"... with its time, where another failed at once", "d100 d100 r100=1 r100=2", "110:1!",
     "0:0 100:1 400:2 over@5000"},
    {"... and where it answers in it, nobody goes round", "d100 d100 r100=1 r100=2",
     "110:1! 300:0+", "0:0 100:1 won 0@300"},
    {"... but not where it turned out to be away", "d100 d100 r100=1", "150:0! 160:1!",
     "0:0 100:1 over@160"},
    {"one that does not know of the attendee goes on, and others are asked", "d100 r100 r100=1",
     "10:0x 20:1- 60:2+", "0:0 10:1 20:2 won 2@60"},
    {"a part: the others are asked at once, and one that knows all wins", "d100 d100 d100",
     "10:0/ 50:1+", "0:0 10:1 won 1@50"},
    {"a part is enough where the others are no better", "d100 d100", "10:0/ 50:1-",
     "0:0 10:1 over@50"},
    {"... or silent for longer than they usually are", "d100 d200 d300", "10:0/",
     "0:0 10:1 210:2 over@510"},
    {"a part that comes last ends the waiting", "d100 d200", "400:0/", "0:0 100:1 over@400"},
    {"a part is no reason to go round", "d100 r100", "10:0/", "0:0 over@10"},
    {"one that was not asked for long is asked with the first", "d100 d100* d100", "20:0+",
     "0:0 0:1 won 0@20"},
    {"... and counts like any other", "d100 d100* d100", "20:1+", "0:0 0:1 won 1@20"},
    {"... the third in its turn", "d100 d150* d100", "", "0:0 0:1 150:2 over@5000"},
    {"... but nobody goes round for that", "d100 r100*", "20:0+", "0:0 won 0@20"},
    {"a direct one behind the round ones", "d100 r100 d100", "10:0! 20:1! 30:2+",
     "0:0 10:1 20:2 won 2@30"},
};

static size_t read_sources(const char *text, struct calendar_hedge_step *steps)
{
    struct slice rest = slice_str(text);
    struct slice one;
    size_t count = 0;

    while (slice_split(&rest, ' ', &one)) {
        bool rests = one.len > 0 && one.ptr[one.len - 1] == '*';
        one = slice_sub(one, 0, one.len - rests);
        size_t silent_at = slice_find(one, '~');
        uint64_t silent_ms = 0;
        uint64_t twin = 0;

        if (one.len == 0)
            continue;
        if (silent_at < one.len) {
            assert_int_equal(slice_to_u64(slice_sub(one, silent_at + 1, one.len), &silent_ms),
                             ST_OK);
            one = slice_sub(one, 0, silent_at);
        }
        size_t at = slice_find(one, '=');
        steps[count] =
            (struct calendar_hedge_step){.kind = one.ptr[0] == 'o'   ? CALENDAR_HEDGE_OWN
                                                 : one.ptr[0] == 'd' ? CALENDAR_HEDGE_DIRECT
                                                                     : CALENDAR_HEDGE_DETOUR};
        assert_int_equal(slice_to_u64(slice_sub(one, 1, (at < one.len ? at : one.len) - 1),
                                      &steps[count].usual_ms),
                         ST_OK);
        if (at < one.len)
            assert_int_equal(slice_to_u64(slice_sub(one, at + 1, one.len), &twin), ST_OK);
        steps[count].silent_ms = silent_ms;
        steps[count].rests = rests;
        steps[count++].twin = twin;
    }
    return count;
}

struct heard {
    uint64_t at_ms, step;
    enum calendar_hedge_answer answer;
};

/* The next one of the text; false: there is none. */
static bool read_heard(struct slice *rest, struct heard *heard_r)
{
    static const char signs[] = "+/-?x!";
    struct slice one;

    if (!slice_split(rest, ' ', &one) || one.len == 0)
        return false;
    size_t colon = slice_find(one, ':');
    assert_int_equal(slice_to_u64(slice_sub(one, 0, colon), &heard_r->at_ms), ST_OK);
    assert_int_equal(slice_to_u64(slice_sub(one, colon + 1, one.len - colon - 2), &heard_r->step),
                     ST_OK);
    heard_r->answer = (enum calendar_hedge_answer)(strchr(signs, one.ptr[one.len - 1]) - signs);
    return true;
}

/* Does what it says until it is over. */
static void play(struct calendar_hedge *hedge, const char *text, struct buf *out)
{
    struct slice rest = slice_str(text);
    struct heard heard;
    bool more = read_heard(&rest, &heard);
    uint64_t now_ms = 0;

    for (int i = 0; i < 1000; i++) {
        const struct calendar_hedge_do act = calendar_hedge_next(hedge, now_ms);

        if (out->len > 0 && act.act != CALENDAR_HEDGE_WAIT)
            buf_put(out, SLICE(" "));
        if (act.act == CALENDAR_HEDGE_ASK) {
            buf_putf(out, "%llu:%zu", (unsigned long long)now_ms, act.step);
        } else if (act.act == CALENDAR_HEDGE_WAIT) {
            assert_true(act.at_ms > now_ms);
            if (more && heard.at_ms <= act.at_ms && heard.at_ms < DEADLINE_MS) {
                now_ms = heard.at_ms;
                calendar_hedge_hear(hedge, heard.step, heard.answer);
                more = read_heard(&rest, &heard);
            } else {
                now_ms = act.at_ms;
            }
        } else if (act.act == CALENDAR_HEDGE_WON) {
            buf_putf(out, "won %zu@%llu", act.step, (unsigned long long)now_ms);
            return;
        } else {
            buf_putf(out, "over@%llu", (unsigned long long)now_ms);
            return;
        }
    }
    fail_msg("it does not end");
}

static void test_who_is_asked_when_and_whose_answer_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct calendar_hedge_step steps[16];
        struct calendar_hedge hedge;
        AUTO(buf) struct buf out = BUF(4000);
        size_t count = read_sources(rows[i].sources, steps);

        T_ROW(i, rows[i].what);
        calendar_hedge_begin(&hedge, steps, count, 0, DEADLINE_MS);
        play(&hedge, rows[i].heard, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].done));
    }
}

static void test_all_are_asked_in_half_of_the_time_however_many_and_slow(void **state)
{
    struct calendar_hedge_step steps[CALENDAR_HEDGE_STEPS_MAX + 1];

    (void)state;
    for (size_t count = 1; count <= CALENDAR_HEDGE_STEPS_MAX + 1; count++) {
        struct calendar_hedge hedge;
        struct calendar_hedge_do act = {.act = CALENDAR_HEDGE_ASK};
        uint64_t now_ms = 777;
        size_t asked = 0;

        for (size_t i = 0; i < count; i++)
            steps[i] = (struct calendar_hedge_step){
                i % 3 == 0 ? CALENDAR_HEDGE_DIRECT : CALENDAR_HEDGE_DETOUR, 0, 100 * i, 0, false};
        calendar_hedge_begin(&hedge, steps, count, now_ms, now_ms + DEADLINE_MS);
        while (act.act != CALENDAR_HEDGE_OVER) {
            act = calendar_hedge_next(&hedge, now_ms);
            if (act.act == CALENDAR_HEDGE_ASK) {
                asked++;
                assert_true(now_ms <= 777 + DEADLINE_MS / 2);
            } else if (act.act == CALENDAR_HEDGE_WAIT) {
                now_ms = act.at_ms;
            }
        }
        assert_int_equal(asked,
                         count > CALENDAR_HEDGE_STEPS_MAX ? CALENDAR_HEDGE_STEPS_MAX : count);
        assert_int_equal(now_ms, 777 + DEADLINE_MS);
    }
}

static void test_what_is_known_is_given_within_the_allowed_age(void **state)
{
    (void)state;
    assert_int_equal(calendar_hedge_result(CALENDAR_HEDGE_WON, true, 1, 10), CALENDAR_HEDGE_FRESH);
    assert_int_equal(calendar_hedge_result(CALENDAR_HEDGE_OVER, true, 10, 10),
                     CALENDAR_HEDGE_KNOWN);
    assert_int_equal(calendar_hedge_result(CALENDAR_HEDGE_OVER, true, 11, 10),
                     CALENDAR_HEDGE_NO_DATA);
    assert_int_equal(calendar_hedge_result(CALENDAR_HEDGE_OVER, false, 0, 10),
                     CALENDAR_HEDGE_NO_DATA);
    assert_int_equal(calendar_hedge_hand_on_ms(1000, 2000), 900);
    assert_int_equal(calendar_hedge_hand_on_ms(2001, 2000), 0);
}

static void test_attendees_of_one_source_travel_together(void **state)
{
    static const char here, there;
    static const struct {
        size_t max;
        const char *want;
    } cases[] = {
        {1000, "h:0,3 t:1,5,6 t/1:2 -:4 t!:7 t!:8"},
        {2, "h:0,3 t:1,5 t/1:2 -:4 t:6 t!:7 t!:8"},
        {1, "h:0 t:1 t/1:2 h:3 -:4 t:5 t:6 t!:7 t!:8"},
    };
    const struct calendar_hedge_ask asks[] = {
        {{&here, 0}, 0, false},  {{&there, 0}, 1, false}, {{&there, 1}, 2, false},
        {{&here, 0}, 3, false},  {{NULL, 0}, 4, false},   {{&there, 0}, 5, false},
        {{&there, 0}, 6, false}, {{&there, 2}, 7, true},  {{&there, 2}, 8, true},
    };
    struct arena *arena = arena_new("groups", MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf) struct buf out = BUF(1000);
        struct calendar_hedge_group *groups;
        size_t count = calendar_hedge_groups(arena, asks, COUNT(asks), cases[i].max, &groups);

        for (size_t g = 0; g < count; g++) {
            const struct calendar_hedge_key *key = &groups[g].key;

            buf_putf(&out, "%s%s%s", g > 0 ? " " : "",
                     key->source == &here    ? "h"
                     : key->source == &there ? "t"
                                             : "-",
                     key->hops_left == 2   ? "!"
                     : key->hops_left == 1 ? "/1"
                                           : "");
            for (size_t k = 0; k < groups[g].count; k++)
                buf_putf(&out, "%c%zu", k == 0 ? ':' : ',', groups[g].attendees[k]);
        }
        T_EQ_SLICE(buf_slice(&out), slice_str(cases[i].want));
    }
    struct calendar_hedge_group *none;
    assert_int_equal(calendar_hedge_groups(arena, NULL, 0, 10, &none), 0);
    arena_free(&arena);
}

static void test_an_answer_covers_all_some_or_nothing_of_what_was_asked_for(void **state)
{
    static const struct {
        int64_t from_s, until_s;
        enum calendar_hedge_answer want;
    } covers[] = {
        {10, 20, CALENDAR_HEDGE_GOOD}, {0, 30, CALENDAR_HEDGE_GOOD},  {11, 30, CALENDAR_HEDGE_PART},
        {0, 19, CALENDAR_HEDGE_PART},  {12, 15, CALENDAR_HEDGE_PART}, {0, 10, CALENDAR_HEDGE_BAD},
        {20, 30, CALENDAR_HEDGE_BAD},  {15, 15, CALENDAR_HEDGE_BAD},  {15, 12, CALENDAR_HEDGE_BAD},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(covers); i++) {
        T_ROW(i, "covers");
        assert_int_equal(calendar_hedge_covers(covers[i].from_s, covers[i].until_s, 10, 20),
                         covers[i].want);
    }
}

static void test_the_younger_counts_and_of_one_age_the_one_that_covers_more(void **state)
{
    const struct calendar_hedge_rest part = {0, 10}, more = {0, 20}, old = {1, 30};

    (void)state;
    assert_true(calendar_hedge_is_better(&part, &old));
    assert_true(calendar_hedge_is_better(&more, &part));
    assert_false(calendar_hedge_is_better(&part, &more));
    assert_false(calendar_hedge_is_better(&part, &part));
    assert_false(calendar_hedge_is_better(&old, &part));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_asked_when_and_whose_answer_counts),
        cmocka_unit_test(test_an_answer_covers_all_some_or_nothing_of_what_was_asked_for),
        cmocka_unit_test(test_the_younger_counts_and_of_one_age_the_one_that_covers_more),
        cmocka_unit_test(test_all_are_asked_in_half_of_the_time_however_many_and_slow),
        cmocka_unit_test(test_what_is_known_is_given_within_the_allowed_age),
        cmocka_unit_test(test_attendees_of_one_source_travel_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
