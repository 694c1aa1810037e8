#include "t.h"

#include "health/health.h"

static const struct health_limits limits = {.suspect_ms = 400, .down_ms = 800, .steady_ms = 1000};

/* One line of a server's life: an event, and the state that comes of it. */
struct row {
    char kind; /* 'p'ong, 'm'issed, 'f'ailed, 't'ime */
    uint64_t now_ms;
    uint64_t epoch;
    unsigned index;
    unsigned threshold;
    bool restricted;
    enum health_state want;
};

static struct health_event event_of(const struct row *row)
{
    static const char kinds[] = {[HEALTH_EVENT_PONG] = 'p',
                                 [HEALTH_EVENT_MISSED] = 'm',
                                 [HEALTH_EVENT_FAILED] = 'f',
                                 [HEALTH_EVENT_TIME] = 't'};
    struct health_event event = {.now_ms = row->now_ms,
                                 .epoch = row->epoch,
                                 .index = row->index,
                                 .threshold = row->threshold,
                                 .restricted = row->restricted};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i] == row->kind)
            event.kind = (enum health_event_kind)i;
    return event;
}

static struct health_peer live(struct health_peer peer, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct health_event event = event_of(&rows[i]);
        struct health_peer next = health_step(&limits, peer, &event);

        if (next.state != rows[i].want)
            printf("# row %zu: got %s, want %s\n", i, health_state_name(next.state),
                   health_state_name(rows[i].want));
        assert_int_equal(next.state, rows[i].want);
        assert_int_equal(next.since_ms, next.state == peer.state ? peer.since_ms : next.now_ms);
        peer = next;
    }
    return peer;
}

#define LIVE(rows) live(health_peer_new(1000), (rows), COUNT(rows))

static void test_a_new_server_is_suspect_until_it_has_answered_twice(void **state)
{
    static const struct row rows[] = {
        {'t', 1000, 0, 0, 0, false, HEALTH_SUSPECT},
        {'p', 1010, 5, 90, 0, false, HEALTH_SUSPECT},
        {'p', 1160, 5, 90, 0, false, HEALTH_UP},
    };

    (void)state;
    LIVE(rows);
}

static void test_one_that_never_answers_is_down(void **state)
{
    static const struct row rows[] = {
        {'f', 1001, 0, 0, 0, false, HEALTH_SUSPECT},
        {'t', 1799, 0, 0, 0, false, HEALTH_SUSPECT},
        {'t', 1800, 0, 0, 0, false, HEALTH_DOWN},
    };

    (void)state;
    LIVE(rows);
}

static void test_silence_makes_suspect_then_down(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 0, false, HEALTH_SUSPECT}, {'p', 1150, 5, 90, 0, false, HEALTH_UP},
        {'t', 1549, 0, 0, 0, false, HEALTH_UP},       {'t', 1550, 0, 0, 0, false, HEALTH_SUSPECT},
        {'t', 1949, 0, 0, 0, false, HEALTH_SUSPECT},  {'t', 1950, 0, 0, 0, false, HEALTH_DOWN},
        {'t', 99999, 0, 0, 0, false, HEALTH_DOWN},
    };

    (void)state;
    LIVE(rows);
}

static void test_a_failed_connection_makes_suspect_at_once(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 0, false, HEALTH_SUSPECT}, {'p', 1150, 5, 90, 0, false, HEALTH_UP},
        {'f', 1160, 0, 0, 0, false, HEALTH_SUSPECT},  {'p', 1300, 5, 90, 0, false, HEALTH_SUSPECT},
        {'p', 1450, 5, 90, 0, false, HEALTH_UP},      {'m', 1460, 0, 0, 0, false, HEALTH_UP},
    };

    (void)state;
    LIVE(rows);
}

static void test_one_success_does_not_bring_it_back(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 0, false, HEALTH_SUSPECT}, {'p', 1150, 5, 90, 0, false, HEALTH_UP},
        {'t', 1950, 0, 0, 0, false, HEALTH_DOWN},     {'p', 2000, 5, 90, 0, false, HEALTH_DOWN},
        {'p', 2150, 5, 90, 0, false, HEALTH_DOWN},    {'m', 2300, 0, 0, 0, false, HEALTH_DOWN},
        {'p', 2400, 5, 90, 0, false, HEALTH_DOWN},    {'p', 2700, 5, 90, 0, false, HEALTH_DOWN},
        {'p', 3000, 5, 90, 0, false, HEALTH_DOWN},    {'p', 3300, 5, 90, 0, false, HEALTH_DOWN},
        {'p', 3400, 5, 90, 0, false, HEALTH_UP},
    };

    (void)state;
    LIVE(rows);
}

/* Answers every 100 ms from begin to end; returns how many it took to be up, 0: never. */
static unsigned answer(struct health_peer *peer, uint64_t begin_ms, uint64_t end_ms, uint64_t epoch)
{
    unsigned count = 0;

    for (uint64_t ms = begin_ms; ms <= end_ms; ms += 100) {
        const struct row row = {'p', ms, epoch, 90, 0, false, HEALTH_UP};
        struct health_event event = event_of(&row);

        *peer = health_step(&limits, *peer, &event);
        count++;
        if (peer->state == HEALTH_UP)
            return count;
    }
    return 0;
}

static void test_a_flapping_server_must_be_steady_for_longer_each_time(void **state)
{
    static const unsigned wants[] = {11, 21, 41, 81, 161, 161, 161};
    struct health_peer peer = health_peer_new(0);
    uint64_t now_ms = 0;

    (void)state;
    assert_int_equal(answer(&peer, 0, 1000, 7), 2);
    for (size_t i = 0; i < COUNT(wants); i++) {
        now_ms = peer.now_ms + 900;
        const struct row silence = {'t', now_ms, 0, 0, 0, false, HEALTH_DOWN};
        struct health_event event = event_of(&silence);
        peer = health_step(&limits, peer, &event);
        assert_int_equal(peer.state, HEALTH_DOWN);
        T_ROW(i, "fall");
        assert_int_equal(answer(&peer, now_ms, now_ms + 60000, 7), wants[i]);
    }
    for (uint64_t ms = 0; ms <= 6 * HEALTH_FLAP_MS; ms += 100)
        assert_int_equal(answer(&peer, peer.now_ms + 100, peer.now_ms + 100, 7), 1);
    assert_int_equal(peer.flaps, 0);
}

static void test_a_restart_counts_as_a_fall_but_not_as_an_absence(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 0, false, HEALTH_SUSPECT}, {'p', 1150, 5, 90, 0, false, HEALTH_UP},
        {'p', 1300, 6, 90, 0, false, HEALTH_UP},      {'t', 2100, 0, 0, 0, false, HEALTH_DOWN},
        {'p', 2200, 6, 90, 0, false, HEALTH_DOWN},    {'p', 2500, 6, 90, 0, false, HEALTH_DOWN},
        {'p', 2800, 6, 90, 0, false, HEALTH_DOWN},    {'p', 3100, 6, 90, 0, false, HEALTH_DOWN},
        {'p', 3300, 6, 90, 0, false, HEALTH_DOWN},    {'p', 3600, 6, 90, 0, false, HEALTH_DOWN},
        {'p', 3900, 6, 90, 0, false, HEALTH_DOWN},    {'p', 4200, 6, 90, 0, false, HEALTH_UP},
    };

    (void)state;
    struct health_peer peer = LIVE(rows);
    assert_int_equal(peer.epoch, 6);
}

static void test_a_late_answer_of_an_earlier_epoch_says_nothing(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 9, 90, 0, false, HEALTH_SUSPECT}, {'p', 1150, 9, 90, 0, false, HEALTH_UP},
        {'p', 1500, 8, 90, 0, true, HEALTH_UP},       {'p', 1549, 8, 90, 0, false, HEALTH_UP},
        {'p', 1550, 8, 90, 0, false, HEALTH_SUSPECT}, {'p', 1950, 8, 90, 0, false, HEALTH_DOWN},
    };

    (void)state;
    LIVE(rows);
}

static void test_a_clock_that_steps_back_stands_still(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 0, false, HEALTH_SUSPECT}, {'p', 1150, 5, 90, 0, false, HEALTH_UP},
        {'t', 3, 0, 0, 0, false, HEALTH_UP},          {'p', 7, 5, 90, 0, false, HEALTH_UP},
        {'t', 1549, 0, 0, 0, false, HEALTH_UP},       {'t', 1550, 0, 0, 0, false, HEALTH_SUSPECT},
    };

    (void)state;
    LIVE(rows);
}

static void test_busy_begins_at_the_threshold_and_ends_well_above_it(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 50, false, HEALTH_SUSPECT}, {'p', 1100, 5, 51, 50, false, HEALTH_UP},
        {'p', 1200, 5, 50, 50, false, HEALTH_BUSY},    {'p', 1300, 5, 55, 50, false, HEALTH_BUSY},
        {'p', 1400, 5, 56, 50, false, HEALTH_UP},      {'p', 1500, 5, 51, 50, false, HEALTH_UP},
        {'p', 1600, 5, 100, 100, false, HEALTH_BUSY},  {'p', 1700, 5, 0, 0, false, HEALTH_UP},
        {'p', 1800, 5, 0, 1, false, HEALTH_BUSY},      {'f', 1900, 0, 0, 0, false, HEALTH_SUSPECT},
    };

    (void)state;
    LIVE(rows);
}

static void test_restricted_goes_before_everything_but_down(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 0, true, HEALTH_RESTRICTED},
        {'p', 1100, 5, 10, 50, true, HEALTH_RESTRICTED},
        {'t', 1500, 0, 0, 0, false, HEALTH_RESTRICTED},
        {'t', 1900, 0, 0, 0, false, HEALTH_DOWN},
        {'p', 2000, 5, 90, 0, false, HEALTH_DOWN},
    };

    (void)state;
    LIVE(rows);
}

static void test_this_server_is_never_out_of_its_own_reach(void **state)
{
    static const struct row rows[] = {
        {'p', 1000, 5, 90, 0, false, HEALTH_UP},
        {'t', 99000, 0, 0, 0, false, HEALTH_UP},
        {'f', 99001, 0, 0, 0, false, HEALTH_UP},
        {'p', 99002, 5, 10, 20, false, HEALTH_BUSY},
        {'p', 99003, 5, 10, 20, true, HEALTH_RESTRICTED},
    };

    (void)state;
    struct health_peer peer = health_peer_new(1000);
    peer.self = true;
    live(peer, rows, COUNT(rows));
}

static void test_availability_index(void **state)
{
    static const struct {
        struct health_load load;
        unsigned want;
    } cases[] = {
        {{0, 0, 0, 0}, 100},
        {{1, 2, 0, 256}, 100},
        {{2, 2, 0, 256}, 100},
        {{4, 2, 0, 256}, 84},
        {{3, 2, 0, 256}, 92},
        {{64, 1, 0, 256}, 0},
        {{6400, 1, 0, 256}, 0},
        {{1, 1, 128, 256}, 50},
        {{1, 1, 256, 256}, 0},
        {{1, 1, 300, 256}, 0},
        {{8, 1, 25, 100}, 50},
        {{8, 1, 75, 100}, 25},
        {{UINT64_MAX / 4, 1, 0, 0}, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        T_ROW(i, "load");
        assert_int_equal(health_index(&cases[i].load), cases[i].want);
    }
}

/* --- the table --- */

static unsigned told;

static void note(void *ctx, struct slice server, enum health_state from, enum health_state to)
{
    (void)ctx;
    (void)from;
    T_EQ_SLICE(server, SLICE("b.test"));
    assert_int_equal(to, told == 0 ? HEALTH_UP : HEALTH_SUSPECT);
    told++;
}

static void test_views_do_not_change_and_know_that_time_passes(void **state)
{
    const struct health_event pong = {HEALTH_EVENT_PONG, 1000, 5, 77, 0, false, 300};
    struct health *health = health_new(&limits);

    (void)state;
    told = 0;
    health_watch(health, note, NULL);
    assert_int_equal(health_add(health, SLICE("b.test"), false, 1000), ST_OK);
    assert_int_equal(health_add(health, SLICE("a.test"), true, 1000), ST_OK);
    assert_int_equal(health_add(health, SLICE("B.test"), false, 1000), ST_OK);
    health_feed(health, SLICE("b.test"), &pong);
    assert_int_equal(health_feed(health, SLICE("b.test"), &pong), HEALTH_UP);
    const struct health_view *view = health_view_ref(health);
    assert_int_equal(view->count, 2);
    assert_string_equal(view->servers[0].name, "a.test");
    health_report_failed(health, SLICE("b.test"), 1001);
    health_report_failed(health, SLICE("nobody.test"), 1001);
    struct health_look look = health_of(view, SLICE("B.TEST"), 1100);
    assert_true(look.known && look.state == HEALTH_UP && look.index == 77);
    assert_int_equal(health_of(view, SLICE("b.test"), 1800).state, HEALTH_DOWN);
    assert_false(health_of(view, SLICE("nobody.test"), 1100).known);
    health_view_unref(&view);
    assert_int_equal(told, 2);
    health_remove(health, SLICE("b.test"));
    view = health_view_ref(health);
    assert_int_equal(view->count, 1);
    health_view_unref(&view);
    health_free(&health);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_server_is_suspect_until_it_has_answered_twice),
        cmocka_unit_test(test_one_that_never_answers_is_down),
        cmocka_unit_test(test_silence_makes_suspect_then_down),
        cmocka_unit_test(test_a_failed_connection_makes_suspect_at_once),
        cmocka_unit_test(test_one_success_does_not_bring_it_back),
        cmocka_unit_test(test_a_flapping_server_must_be_steady_for_longer_each_time),
        cmocka_unit_test(test_a_restart_counts_as_a_fall_but_not_as_an_absence),
        cmocka_unit_test(test_a_late_answer_of_an_earlier_epoch_says_nothing),
        cmocka_unit_test(test_a_clock_that_steps_back_stands_still),
        cmocka_unit_test(test_busy_begins_at_the_threshold_and_ends_well_above_it),
        cmocka_unit_test(test_restricted_goes_before_everything_but_down),
        cmocka_unit_test(test_this_server_is_never_out_of_its_own_reach),
        cmocka_unit_test(test_availability_index),
        cmocka_unit_test(test_views_do_not_change_and_know_that_time_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
