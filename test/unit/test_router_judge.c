#include "t.h"

#include "router/router_judge.h"

#define A ROUTER_ANSWERED
#define DONE ROUTER_FATE_DONE
#define NEXT ROUTER_FATE_NEXT_HOP
#define LATER ROUTER_FATE_LATER
#define FAILED ROUTER_FATE_FAILED
#define GOOD ROUTER_DEST_GOOD
#define BUSY ROUTER_DEST_BUSY

static const struct {
    const char *what;
    enum router_answer_kind kind;
    enum router_stage stage;
    uint16_t code;
    const char *enhanced;
    enum router_fate fate;      /* other hops are left */
    enum router_fate last_fate; /* none is */
    enum router_pressure pressure;
} cases[] = {
    {"taken", A, ROUTER_STAGE_END, 250, "2.0.0", DONE, DONE, GOOD},
    {"4yz at the end", A, ROUTER_STAGE_END, 451, "4.3.0", NEXT, LATER, GOOD},
    {"5yz at the end", A, ROUTER_STAGE_END, 554, "5.7.1", FAILED, FAILED, GOOD},
    {"421 at the end", A, ROUTER_STAGE_END, 421, "", NEXT, LATER, BUSY},
    {"4yz to DATA", A, ROUTER_STAGE_DATA, 451, "", NEXT, LATER, GOOD},
    {"5yz to DATA", A, ROUTER_STAGE_DATA, 554, "", FAILED, FAILED, GOOD},
    {"4yz to RCPT", A, ROUTER_STAGE_RCPT, 450, "4.2.1", NEXT, LATER, GOOD},
    {"421 to RCPT", A, ROUTER_STAGE_RCPT, 421, "", NEXT, LATER, BUSY},
    {"5yz to RCPT", A, ROUTER_STAGE_RCPT, 550, "5.1.1", FAILED, FAILED, GOOD},
    {"too many recipients, of old", A, ROUTER_STAGE_RCPT, 552, "", NEXT, LATER, GOOD},
    {"too many recipients", A, ROUTER_STAGE_RCPT, 552, "5.5.3", NEXT, LATER, GOOD},
    {"mailbox full for good", A, ROUTER_STAGE_RCPT, 552, "5.2.2", FAILED, FAILED, GOOD},
    {"552 at the end", A, ROUTER_STAGE_END, 552, "", FAILED, FAILED, GOOD},
    {"4yz to MAIL", A, ROUTER_STAGE_MAIL, 452, "", NEXT, LATER, BUSY},
    {"5yz to MAIL", A, ROUTER_STAGE_MAIL, 550, "", FAILED, FAILED, GOOD},
    {"5yz to the log-in", ROUTER_NO_AUTH, ROUTER_STAGE_AUTH, 535, "5.7.8", NEXT, LATER, BUSY},
    {"5yz for a greeting", A, ROUTER_STAGE_GREETING, 554, "", NEXT, LATER, BUSY},
    {"421 for a greeting", A, ROUTER_STAGE_GREETING, 421, "", NEXT, LATER, BUSY},
    {"5yz to EHLO", A, ROUTER_STAGE_EHLO, 550, "", NEXT, LATER, BUSY},
    {"no TLS", ROUTER_NO_TLS, ROUTER_STAGE_STARTTLS, 0, "", NEXT, LATER, BUSY},
    {"cut at MAIL", ROUTER_CUT, ROUTER_STAGE_MAIL, 0, "", NEXT, LATER, BUSY},
    {"cut in the body", ROUTER_CUT, ROUTER_STAGE_BODY, 0, "", NEXT, LATER, BUSY},
    {"silence in the body", ROUTER_TIMED_OUT, ROUTER_STAGE_BODY, 0, "", NEXT, LATER, BUSY},
    {"garbage to RCPT", ROUTER_GARBAGE, ROUTER_STAGE_RCPT, 0, "", NEXT, LATER, BUSY},
    {"cut at the end: in doubt", ROUTER_CUT, ROUTER_STAGE_END, 0, "", LATER, LATER, BUSY},
    {"silence at the end", ROUTER_TIMED_OUT, ROUTER_STAGE_END, 0, "", LATER, LATER, BUSY},
    {"garbage at the end", ROUTER_GARBAGE, ROUTER_STAGE_END, 0, "", LATER, LATER, BUSY},
    {"a missing feature", ROUTER_NO_FEATURE, ROUTER_STAGE_MAIL, 553, "5.6.7", NEXT, FAILED, GOOD},
    {"our own body unread", ROUTER_NO_BODY, ROUTER_STAGE_MAIL, 0, "", LATER, LATER, GOOD},
};

static void test_each_answer_has_its_fate_and_its_pressure(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct router_answer answer = {
            .kind = cases[i].kind, .stage = cases[i].stage, .code = cases[i].code};

        T_ROW(i, cases[i].what);
        snprintf(answer.enhanced, sizeof(answer.enhanced), "%s", cases[i].enhanced);
        assert_int_equal(router_judge(&answer, false), cases[i].fate);
        assert_int_equal(router_judge(&answer, true), cases[i].last_fate);
        assert_int_equal(router_judge_destination(&answer, true), cases[i].pressure);
        assert_int_equal(router_judge_destination(&answer, false), ROUTER_DEST_DOWN);
    }
}

/* Whatever comes: with no hop left nothing is passed on, and only 2yz is done. */
static void test_no_answer_goes_to_a_hop_that_is_not_there(void **state)
{
    (void)state;
    for (int kind = ROUTER_ANSWERED; kind < ROUTER_ANSWER_MAX; kind++)
        for (int stage = 0; stage < ROUTER_STAGE_MAX; stage++)
            for (uint16_t code = 0; code < 600; code += 50) {
                const struct router_answer answer = {.kind = (enum router_answer_kind)kind,
                                                     .stage = (enum router_stage)stage,
                                                     .code = code};

                assert_int_not_equal(router_judge(&answer, true), ROUTER_FATE_NEXT_HOP);
                assert_true((router_judge(&answer, false) == ROUTER_FATE_DONE) ==
                            (kind == ROUTER_ANSWERED && code / 100 == 2));
            }
}

static void test_what_was_said_of_the_message_tells_more(void **state)
{
    const struct router_answer refused = {A, ROUTER_STAGE_RCPT, 451, "", ""};
    const struct router_answer greeting = {A, ROUTER_STAGE_GREETING, 421, "", ""};
    const struct router_answer cut = {ROUTER_CUT, ROUTER_STAGE_MAIL, 0, "", ""};

    (void)state;
    assert_true(router_judge_tells_more(&refused, &greeting));
    assert_true(router_judge_tells_more(&refused, &cut));
    assert_true(router_judge_tells_more(&greeting, &cut));
    assert_false(router_judge_tells_more(&greeting, &refused));
    assert_false(router_judge_tells_more(&cut, &greeting));
    assert_false(router_judge_tells_more(&refused, &refused));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_answer_has_its_fate_and_its_pressure),
        cmocka_unit_test(test_no_answer_goes_to_a_hop_that_is_not_there),
        cmocka_unit_test(test_what_was_said_of_the_message_tells_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
