#include "t.h"

#include "router/router.h"
#include "router/router_health.h"
#include "router/router_outcome.h"

#define NOW_MS INT64_C(1000000)

static const struct router_terms terms = {.attempts = 2,
                                          .accepted_ms = NOW_MS - 1000,
                                          .now_ms = NOW_MS,
                                          .timeout_ms = DAY_MS,
                                          .retry_min_ms = 30 * SEC_MS,
                                          .retry_max_ms = HOUR_MS,
                                          .random = UINT32_MAX / 2};

static struct router_answer answer_of(enum router_answer_kind kind, enum router_stage stage,
                                      uint16_t code, const char *text)
{
    struct router_answer answer = {0};

    router_answer_say(&answer, kind, stage, text);
    answer.code = code;
    return answer;
}

/* One host after the other; its name tells which it was. */
struct step {
    enum router_answer_kind kind; /* UNSETTLED: no more steps */
    enum router_stage stage;
    uint16_t code;
    bool opened;
};

#define NOBODY \
    { \
        ROUTER_NO_CONNECTION, ROUTER_STAGE_CONNECT, 0, false \
    }
#define GREETS_421 \
    { \
        ROUTER_ANSWERED, ROUTER_STAGE_GREETING, 421, false \
    }
#define SAYS(stage, code) \
    { \
        ROUTER_ANSWERED, ROUTER_STAGE_##stage, code, true \
    }
#define CUTS(stage) \
    { \
        ROUTER_CUT, ROUTER_STAGE_##stage, 0, true \
    }
#define LACKS \
    { \
        ROUTER_NO_FEATURE, ROUTER_STAGE_MAIL, 553, true \
    }

static const struct {
    const char *what;
    struct step steps[3];
    enum router_outcome_what outcome;
    const char *said; /* its begin */
} cases[] = {
    {"taken", {SAYS(END, 250)}, ROUTER_OUTCOME_DONE, "250 h0: "},
    {"taken by the second", {NOBODY, SAYS(END, 250)}, ROUTER_OUTCOME_DONE, "250 h1: "},
    {"nobody there", {NOBODY, NOBODY}, ROUTER_OUTCOME_WAITS, "h0: "},
    {"a greeting tells more", {NOBODY, GREETS_421}, ROUTER_OUTCOME_WAITS, "421 h1: "},
    {"not now", {SAYS(RCPT, 451)}, ROUTER_OUTCOME_LATER, "451 h0: "},
    {"its own words under its own name",
     {SAYS(RCPT, 451), CUTS(MAIL)},
     ROUTER_OUTCOME_LATER,
     "451 h0: "},
    {"not now, nor there", {SAYS(RCPT, 451), GREETS_421}, ROUTER_OUTCOME_LATER, "451 h0: "},
    {"of the message before of itself", {GREETS_421, CUTS(RCPT)}, ROUTER_OUTCOME_LATER, "h1: "},
    {"refused", {SAYS(RCPT, 550)}, ROUTER_OUTCOME_FAILED, "550 h0: "},
    {"refused by the second",
     {SAYS(RCPT, 451), SAYS(RCPT, 550)},
     ROUTER_OUTCOME_FAILED,
     "550 h1: "},
    {"in doubt", {CUTS(END)}, ROUTER_OUTCOME_LATER, "h0: "},
    {"lacking, all of them", {LACKS, LACKS}, ROUTER_OUTCOME_FAILED, "553 h0: "},
    {"the one lacks, the other is away", {LACKS, NOBODY}, ROUTER_OUTCOME_LATER, "553 h0: "},
    {"the one is away, the other lacks", {NOBODY, LACKS}, ROUTER_OUTCOME_LATER, "553 h1: "},
    {"the one is cut, the other lacks", {CUTS(MAIL), LACKS}, ROUTER_OUTCOME_LATER, "553 h1: "},
};

static void run(const struct step steps[3], const struct router_terms *given,
                struct router_outcome *outcome)
{
    static const char *const names[] = {"h0", "h1", "h2"};
    struct router_heard heard = {0};
    enum router_fate fate = ROUTER_FATE_NEXT_HOP;

    for (size_t i = 0; i < 3 && steps[i].kind != ROUTER_UNSETTLED; i++) {
        struct router_answer answer =
            answer_of(steps[i].kind, steps[i].stage, steps[i].code, "some text");

        assert_int_equal(fate, ROUTER_FATE_NEXT_HOP);
        fate = router_outcome_hear(&heard, &answer, names[i], steps[i].opened);
    }
    router_outcome(&heard, fate, given, outcome);
}

static void test_the_answers_of_an_attempt_make_its_outcome(void **state)
{
    struct router_outcome outcome;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        T_ROW(i, cases[i].what);
        run(cases[i].steps, &terms, &outcome);
        assert_int_equal(outcome.what, cases[i].outcome);
        assert_true(slice_starts(slice_str(outcome.said), slice_str(cases[i].said)));
        if (outcome.what != ROUTER_OUTCOME_LATER)
            continue;
        assert_int_equal(outcome.attempts, 3);
        assert_in_range(outcome.next_ms, NOW_MS + 119990, NOW_MS + 120010);
    }
}

static void test_what_is_deferred_after_its_time_has_failed(void **state)
{
    static const struct step not_now[3] = {SAYS(RCPT, 451)};
    static const struct step nobody[3] = {NOBODY};
    struct router_terms old = terms;
    struct router_outcome outcome;

    (void)state;
    old.accepted_ms = NOW_MS - (int64_t)DAY_MS;
    run(not_now, &old, &outcome);
    assert_int_equal(outcome.what, ROUTER_OUTCOME_FAILED);
    assert_string_equal(outcome.said,
                        "5.4.7 given up after its time; the last answer was: 451 h0: some text");
    old.accepted_ms++;
    run(not_now, &old, &outcome);
    assert_int_equal(outcome.what, ROUTER_OUTCOME_LATER);
    old.accepted_ms--;
    run(nobody, &old, &outcome); /* its age is looked at elsewhere */
    assert_int_equal(outcome.what, ROUTER_OUTCOME_WAITS);
}

static void test_success_is_told_where_the_peer_tells_it_not(void **state)
{
    static const struct step taken[3] = {SAYS(END, 250)};
    struct router_terms asked = terms;
    struct router_outcome outcome;

    (void)state;
    asked.notify = ROUTER_NOTIFY_SUCCESS | ROUTER_NOTIFY_FAILURE;
    run(taken, &asked, &outcome);
    assert_int_equal(outcome.what, ROUTER_OUTCOME_RELAYED);
    asked.peer_tells = true;
    run(taken, &asked, &outcome);
    assert_int_equal(outcome.what, ROUTER_OUTCOME_DONE);
    asked.notify = ROUTER_NOTIFY_FAILURE;
    asked.peer_tells = false;
    run(taken, &asked, &outcome);
    assert_int_equal(outcome.what, ROUTER_OUTCOME_DONE);
}

static void test_a_long_text_ends_with_a_whole_character(void **state)
{
    char last[ROUTER_SAID_BYTES] = "x";
    char said[ROUTER_SAID_BYTES];

    (void)state;
    for (size_t i = 0; i < 220; i++)
        memcpy(last + 1 + 2 * i, "\xc3\xa9", 3);
    router_outcome_too_old(slice_str(last), said);
    assert_int_equal((unsigned char)said[strlen(said) - 1], 0xa9);
    assert_int_equal(router_answer_fit(SLICE("\xc3\xa9"), 1).len, 0);
    assert_int_equal(router_answer_fit(SLICE("\xc3\xa9"), 2).len, 2);
}

static void test_a_connection_lost_on_the_way_counts(void **state)
{
    const struct router_answer answers[] = {
        answer_of(ROUTER_ANSWERED, ROUTER_STAGE_RCPT, 550, ""),
        answer_of(ROUTER_CUT, ROUTER_STAGE_BODY, 0, ""),
    };

    (void)state;
    assert_int_equal(router_outcome_pressure(answers, 1), ROUTER_DEST_GOOD);
    assert_int_equal(router_outcome_pressure(answers, 2), ROUTER_DEST_BUSY);
}

static void test_a_destination_goes_down_once_and_comes_up_once(void **state)
{
    static const struct router_pace_limits limits = {20, 30 * SEC_MS, HOUR_MS};
    struct router_pace pace = {0};

    (void)state;
    assert_int_equal(router_outcome_press(&pace, ROUTER_DEST_DOWN, &limits, NOW_MS, 0),
                     ROUTER_TURN_DOWN);
    assert_int_equal(router_outcome_press(&pace, ROUTER_DEST_DOWN, &limits, NOW_MS + 90000, 0),
                     ROUTER_TURN_NONE);
    assert_int_equal(pace.attempts, 2);
    assert_int_equal(router_outcome_press(&pace, ROUTER_DEST_GOOD, &limits, NOW_MS + 99000, 0),
                     ROUTER_TURN_UP);
    assert_int_equal(router_outcome_press(&pace, ROUTER_DEST_GOOD, &limits, NOW_MS + 99000, 0),
                     ROUTER_TURN_NONE);
}

static void test_a_host_that_does_not_open_comes_later(void **state)
{
    struct router_health *health = router_health_new();
    int64_t since_ms;

    (void)state;
    router_outcome_host(health, "h0", 25, false, NOW_MS, 30000);
    assert_true(router_health_is_down(health, "h0", 25, NOW_MS + 29999, &since_ms));
    assert_false(router_health_is_down(health, "h0", 25, NOW_MS + 30000, &since_ms));
    router_outcome_host(health, "h0", 25, true, NOW_MS + 1, 30000);
    assert_false(router_health_is_down(health, "h0", 25, NOW_MS + 1, &since_ms));
    router_health_free(&health);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_answers_of_an_attempt_make_its_outcome),
        cmocka_unit_test(test_what_is_deferred_after_its_time_has_failed),
        cmocka_unit_test(test_success_is_told_where_the_peer_tells_it_not),
        cmocka_unit_test(test_a_long_text_ends_with_a_whole_character),
        cmocka_unit_test(test_a_connection_lost_on_the_way_counts),
        cmocka_unit_test(test_a_destination_goes_down_once_and_comes_up_once),
        cmocka_unit_test(test_a_host_that_does_not_open_comes_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
