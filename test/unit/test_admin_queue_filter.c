#include "t.h"

#include "admin/admin_queue_filter.h"

static void test_a_star_is_any_text_and_case_does_not_count(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool fits;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything", true},
        {"a", "A", true},
        {"a", "ab", false},
        {"a*", "ab", true},
        {"*b", "ab", true},
        {"*b", "abc", false},
        {"a*c", "abc", true},
        {"a*c", "ac", true},
        {"a*c", "abcd", false},
        {"*@example.net", "x@EXAMPLE.net", true},
        {"*@example.net", "x@sub.example.net", false},
        {"**a**", "xxayy", true},
        {"*aab*", "aaaaaab", true},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-c-b", false},
        {"?", "x", false},
        {"[ab]", "a", false},
        {"*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        T_ROW(i, cases[i].pattern);
        assert_int_equal(admin_glob(slice_str(cases[i].pattern), slice_str(cases[i].text)),
                         cases[i].fits);
    }
}

static void test_ids_are_a_message_or_one_of_its_recipients(void **state)
{
    static const struct {
        const char *text;
        enum st st;
        int64_t envelope_id;
        int64_t rcpt_no;
    } cases[] = {
        {"17", ST_OK, 17, 0},
        {"17.2", ST_OK, 17, 2},
        {"9223372036854775807.1", ST_OK, INT64_MAX, 1},
        {"", ST_INVALID, 0, 0},
        {"0", ST_INVALID, 0, 0},
        {"17.", ST_INVALID, 0, 0},
        {"17.0", ST_INVALID, 0, 0},
        {".2", ST_INVALID, 0, 0},
        {"17.2.3", ST_INVALID, 0, 0},
        {"-1", ST_INVALID, 0, 0},
        {"9223372036854775808", ST_INVALID, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct admin_queue_id id;

        T_ROW(i, cases[i].text);
        assert_int_equal(admin_queue_id_read(slice_str(cases[i].text), &id), cases[i].st);
        if (cases[i].st != ST_OK)
            continue;
        assert_int_equal(id.envelope_id, cases[i].envelope_id);
        assert_int_equal(id.rcpt_no, cases[i].rcpt_no);
    }
}

#define ANY \
    { \
        .accepted_max_ms = INT64_MAX, .state = STORE_RCPT_STATE_MAX \
    }
#define WITH(...) \
    { \
        .accepted_max_ms = INT64_MAX, .state = STORE_RCPT_STATE_MAX, __VA_ARGS__ \
    }

static void test_all_that_a_filter_says_must_fit(void **state)
{
    const struct store_queued row = {
        .envelope = {.sender = SLICE("alice@example.test"), .accepted_ms = 1000},
        .rcpt = {.address = SLICE("Bob@example.net"), .state = STORE_RCPT_HELD},
        .destination = SLICE("domain example.net")};
    const struct {
        struct admin_queue_filter filter;
        bool fits;
    } cases[] = {
        {ANY, true},
        {WITH(.from = SLICE("alice@*")), true},
        {WITH(.from = SLICE("bob@*")), false},
        {WITH(.from = SLICE("<>")), false},
        {WITH(.to = SLICE("bob@*")), true},
        {WITH(.to = SLICE("bob")), false},
        {WITH(.destination = SLICE("example.net")), true},
        {WITH(.destination = SLICE("domain *")), true},
        {WITH(.destination = SLICE("example")), false},
        {WITH(.answer = SLICE("45*")), true},
        {WITH(.answer = SLICE("5*")), false},
        {WITH(.from = SLICE("alice@*"), .answer = SLICE("5*")), false},
        {{.accepted_max_ms = 1000, .state = STORE_RCPT_STATE_MAX}, true},
        {{.accepted_max_ms = 999, .state = STORE_RCPT_STATE_MAX}, false},
        {WITH(.accepted_min_ms = 1000), true},
        {WITH(.accepted_min_ms = 1001), false},
        {{.accepted_max_ms = INT64_MAX, .state = STORE_RCPT_HELD}, true},
        {{.accepted_max_ms = INT64_MAX, .state = STORE_RCPT_QUEUED}, false},
    };
    struct store_queued report = row;
    const struct admin_queue_filter nobody = WITH(.from = SLICE("<>"));

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        T_ROW(i, "filter");
        assert_int_equal(admin_queue_filter_fits(&cases[i].filter, &row, SLICE("451 later")),
                         cases[i].fits);
    }
    report.envelope.sender = SLICE("");
    assert_true(admin_queue_filter_fits(&nobody, &report, SLICE("")));
}

static void test_states_have_their_names(void **state)
{
    enum store_rcpt_state found;

    (void)state;
    assert_int_equal(admin_queue_state_find(SLICE("Held"), &found), ST_OK);
    assert_int_equal(found, STORE_RCPT_HELD);
    assert_int_equal(admin_queue_state_find(SLICE("bad"), &found), ST_INVALID);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_star_is_any_text_and_case_does_not_count),
        cmocka_unit_test(test_ids_are_a_message_or_one_of_its_recipients),
        cmocka_unit_test(test_all_that_a_filter_says_must_fit),
        cmocka_unit_test(test_states_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
