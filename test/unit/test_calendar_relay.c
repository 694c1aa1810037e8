#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_relay.h"
#include "calendar/calendar_relay_oof.h"

#define DAY_S INT64_C(86400)
#define FROM_S (INT64_C(20000) * DAY_S)
#define ARENA_BYTES (16 * MIB)

static const struct slice visited[] = {{"a.test", 6}, {"b.test", 6}};
static const struct slice attendees[] = {{"ann@x.test", 10}, {"bj\xc3\xb6rn@x.test", 13}};

static struct calendar_relay_question a_question(void)
{
    return (struct calendar_relay_question){.from_s = FROM_S,
                                            .until_s = FROM_S + DAY_S,
                                            .hops_left = 1,
                                            .visited = visited,
                                            .visited_count = COUNT(visited),
                                            .attendees = attendees,
                                            .attendee_count = COUNT(attendees),
                                            .asker = SLICE("cid@x.test"),
                                            .who = SLICE("cid"),
                                            .but_uid = SLICE("uid-1"),
                                            .from_foreign = true,
                                            .week = true,
                                            .details = true};
}

/* One after the other. */
static const struct calendar_busy_row rows[] = {
    {FROM_S, FROM_S + 3600, STORE_BUSY_BUSY, 0},
    {FROM_S + 3600, FROM_S + 7200, STORE_BUSY_TENTATIVE, 0},
};
/* As events are: they overlap, and one began before. */
static const struct calendar_busy_row events[] = {
    {FROM_S - 3600, FROM_S + 3600, STORE_BUSY_UNAVAILABLE, 0},
    {FROM_S + 600, FROM_S + 900, STORE_BUSY_BUSY, 0},
};
static const struct calendar_relay_detail details[] = {
    {{"Holiday", 7}, {"", 0}, CALENDAR_RELAY_PRIVATE},
    {{"Lunch\nlate", 10}, {"Caf\xc3\xa9", 5}, CALENDAR_RELAY_MEETING | CALENDAR_RELAY_RECURRING},
};

static const struct calendar_week week = {
    .own = true,
    .zone = {-12600, -9000, {11, 1, 0, 7200}, {3, 2, 0, 7200}},
    .hours = {{0x0f, 540, 1080}, {0x10, 540, 840}},
    .count = 2,
};

static struct calendar_relay_answer an_answer(void)
{
    return (struct calendar_relay_answer){.attendee = 1,
                                          .result = CALENDAR_CONNECTOR_KNOWN,
                                          .from_s = FROM_S,
                                          .until_s = FROM_S + DAY_S,
                                          .age_ms = 5000,
                                          .rows = rows,
                                          .count = COUNT(rows),
                                          .source = "document btex-1",
                                          .way = "b.test c.test",
                                          .why = "it is down"};
}

static void test_a_question_comes_back_as_it_was(void **state)
{
    AUTO(buf) struct buf out = BUF(MIB);
    struct arena *arena = arena_new("test", ARENA_BYTES);
    struct calendar_relay_question question = a_question();
    struct calendar_relay_question again;

    assert_int_equal(calendar_relay_question_write(&question, &out), ST_OK);
    assert_int_equal(calendar_relay_question_read(arena, buf_slice(&out), &again), ST_OK);
    assert_int_equal(again.from_s, question.from_s);
    assert_int_equal(again.until_s, question.until_s);
    assert_int_equal(again.hops_left, 1);
    assert_int_equal(again.visited_count, 2);
    T_EQ_SLICE(again.visited[1], visited[1]);
    assert_int_equal(again.attendee_count, 2);
    T_EQ_SLICE(again.attendees[0], attendees[0]);
    T_EQ_SLICE(again.attendees[1], attendees[1]);
    T_EQ_SLICE(again.asker, question.asker);
    T_EQ_SLICE(again.who, question.who);
    T_EQ_SLICE(again.but_uid, question.but_uid);
    assert_false(again.pass_busy);
    assert_true(again.from_foreign);
    assert_true(again.details);
    assert_true(again.week);
    arena_free(&arena);
}

static void check_rows(const struct calendar_relay_answer *got,
                       const struct calendar_relay_answer *want)
{
    assert_int_equal(got->count, want->count);
    assert_true((got->details == NULL) == (want->details == NULL));
    for (size_t i = 0; i < want->count; i++) {
        assert_int_equal(got->rows[i].start_s, want->rows[i].start_s);
        assert_int_equal(got->rows[i].end_s, want->rows[i].end_s);
        assert_int_equal(got->rows[i].kind, want->rows[i].kind);
        if (want->details == NULL)
            continue;
        T_EQ_SLICE(got->details[i].subject, want->details[i].subject);
        T_EQ_SLICE(got->details[i].place, want->details[i].place);
        assert_int_equal(got->details[i].flags, want->details[i].flags);
    }
}

static void check_week(const struct calendar_week *got, const struct calendar_week *want)
{
    assert_true((got == NULL) == (want == NULL));
    if (want == NULL)
        return;
    assert_int_equal(got->own, want->own);
    assert_memory_equal(&got->zone, &want->zone, sizeof(want->zone));
    assert_int_equal(got->count, want->count);
    assert_memory_equal(got->hours, want->hours, want->count * sizeof(*want->hours));
}

static void test_an_answer_comes_back_as_it_was(void **state)
{
    static const struct calendar_week never = {.count = 0};
    struct calendar_relay_answer answers[] = {
        an_answer(), an_answer(), {.attendee = 1}, an_answer(), an_answer()};

    answers[1].rows = events;
    answers[1].details = details;
    answers[2].result = CALENDAR_CONNECTOR_NOT_FOUND;
    answers[3].week = &week;
    answers[4] = answers[1];
    answers[4].week = &never;
    for (size_t i = 0; i < COUNT(answers); i++) {
        AUTO(buf) struct buf out = BUF(MIB);
        struct arena *arena = arena_new("test", ARENA_BYTES);
        struct calendar_relay_answer again;

        T_ROW(i, "answer");
        assert_int_equal(calendar_relay_answer_write(&answers[i], &out), ST_OK);
        assert_int_equal(calendar_relay_answer_read(arena, buf_slice(&out), 2, &again), ST_OK);
        assert_int_equal(again.attendee, 1);
        assert_int_equal(again.result, answers[i].result);
        assert_int_equal(again.from_s, answers[i].from_s);
        assert_int_equal(again.until_s, answers[i].until_s);
        assert_int_equal(again.age_ms, answers[i].age_ms);
        T_EQ_SLICE(slice_str(again.source), slice_str(answers[i].source));
        T_EQ_SLICE(slice_str(again.way), slice_str(answers[i].way));
        T_EQ_SLICE(slice_str(again.why), slice_str(answers[i].why));
        check_rows(&again, &answers[i]);
        check_week(again.week, answers[i].week);
        assert_int_equal(calendar_relay_answer_read(arena, buf_slice(&out), 1, &again), ST_INVALID);
        arena_free(&arena);
    }
}

static void test_what_is_cut_or_changed_in_its_kind_is_refused(void **state)
{
    AUTO(buf) struct buf out = BUF(MIB);
    struct arena *arena = arena_new("test", ARENA_BYTES);
    struct calendar_relay_question question = a_question();
    struct calendar_relay_answer answer = an_answer();

    assert_int_equal(calendar_relay_question_write(&question, &out), ST_OK);
    assert_int_equal(calendar_relay_answer_read(arena, buf_slice(&out), 2, &answer), ST_INVALID);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(
            calendar_relay_question_read(arena, slice_sub(buf_slice(&out), 0, len), &question),
            ST_INVALID);
    buf_put(&out, SLICE("x"));
    assert_int_equal(calendar_relay_question_read(arena, buf_slice(&out), &question), ST_INVALID);
    buf_clear(&out);
    answer = an_answer();
    answer.rows = events;
    answer.details = details;
    assert_int_equal(calendar_relay_answer_write(&answer, &out), ST_OK);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(
            calendar_relay_answer_read(arena, slice_sub(buf_slice(&out), 0, len), 2, &answer),
            ST_INVALID);
    arena_free(&arena);
}

/* Without the week it is whole, and with a part of one it is none. */
static void test_a_week_is_there_or_not(void **state)
{
    AUTO(buf) struct buf out = BUF(MIB);
    struct arena *arena = arena_new("test", ARENA_BYTES);
    struct calendar_relay_answer answer = an_answer();

    assert_int_equal(calendar_relay_answer_write(&answer, &out), ST_OK);
    const size_t without = out.len;
    buf_clear(&out);
    answer.week = &week;
    assert_int_equal(calendar_relay_answer_write(&answer, &out), ST_OK);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(
            calendar_relay_answer_read(arena, slice_sub(buf_slice(&out), 0, len), 2, &answer),
            len == without ? ST_OK : ST_INVALID);
    arena_free(&arena);
}

static void test_a_week_that_makes_no_sense_is_left_out(void **state)
{
    AUTO(buf) struct buf plain = BUF(MIB);
    struct calendar_relay_answer answer = an_answer();
    struct calendar_week weeks[9];

    assert_int_equal(calendar_relay_answer_write(&answer, &plain), ST_OK);
    for (size_t i = 0; i < COUNT(weeks); i++)
        weeks[i] = week;
    weeks[0].zone.standard_s = 86400;
    weeks[1].zone.to_standard.month = 13;
    weeks[2].zone.to_daylight = (struct ical_zone_change){0, 0, 0, 0};
    weeks[3].zone.to_daylight.order = 0;
    weeks[4].zone.to_standard.second = 86400;
    weeks[5].hours[1].days = 0;
    weeks[6].hours[0].days = 0x80;
    weeks[7].hours[0].until_min = 540;
    weeks[8].hours[1].until_min = 1441;
    for (size_t i = 0; i < COUNT(weeks); i++) {
        AUTO(buf) struct buf out = BUF(MIB);

        T_ROW(i, "week");
        answer.week = &weeks[i];
        assert_int_equal(calendar_relay_answer_write(&answer, &out), ST_OK);
        T_EQ_SLICE(buf_slice(&out), buf_slice(&plain));
    }
}

/* A byte of the written form is changed to each value: it is refused, or means something allowed.
 */
static void test_no_changed_byte_gives_what_is_not_allowed(void **state)
{
    AUTO(buf) struct buf out = BUF(MIB);
    AUTO(buf) struct buf again = BUF(MIB);
    struct calendar_relay_answer answer = an_answer();
    static const char values[] = {0, 1, 2, '\n', 0x7f, (char)0x80, (char)0xff};

    answer.week = &week;
    assert_int_equal(calendar_relay_answer_write(&answer, &out), ST_OK);
    for (size_t i = 0; i < out.len; i++) {
        char was = out.ptr[i];

        for (size_t j = 0; j < sizeof(values); j++) {
            struct arena *arena = arena_new("test", ARENA_BYTES);

            out.ptr[i] = values[j];
            buf_clear(&again);
            if (calendar_relay_answer_read(arena, buf_slice(&out), 2, &answer) == ST_OK) {
                assert_int_equal(calendar_relay_answer_write(&answer, &again), ST_OK);
                T_EQ_SLICE(buf_slice(&again), buf_slice(&out));
            }
            arena_free(&arena);
        }
        out.ptr[i] = was;
    }
}

static void test_what_no_reader_would_take_is_not_written(void **state)
{
    AUTO(buf) struct buf out = BUF(MIB);
    static const struct calendar_busy_row overlapping[] = {
        {FROM_S, FROM_S + 3600, STORE_BUSY_BUSY, 0}, {FROM_S, FROM_S + 60, STORE_BUSY_BUSY, 0}};
    static const struct calendar_busy_row free_row = {FROM_S, FROM_S + 60, STORE_BUSY_FREE, 0};
    struct calendar_relay_question q[8];
    struct calendar_relay_answer a[6];

    for (size_t i = 0; i < COUNT(q); i++)
        q[i] = a_question();
    for (size_t i = 0; i < COUNT(a); i++)
        a[i] = an_answer();
    q[0].until_s = q[0].from_s;
    q[1].until_s = INT64_MAX;
    q[2].from_s = INT64_MIN;
    q[3].attendee_count = 0;
    q[4].hops_left = CALENDAR_CONNECTOR_HOPS + 1;
    q[5].asker = SLICE("a\r\nb");
    q[6].who = SLICE("\xff");
    q[7].until_s = q[7].from_s + 6 * 366 * DAY_S;
    a[0].rows = overlapping;
    a[1].rows = &free_row;
    a[1].count = 1;
    a[2].until_s = a[2].from_s;
    a[3].result = CALENDAR_CONNECTOR_RESULT_MAX;
    a[4].result = CALENDAR_CONNECTOR_FRESH; /* and old */
    a[5].rows = events;                     /* one of them begins before */
    for (size_t i = 0; i < COUNT(q); i++)
        assert_int_equal(calendar_relay_question_write(&q[i], &out), ST_INVALID);
    for (size_t i = 0; i < COUNT(a); i++)
        assert_int_equal(calendar_relay_answer_write(&a[i], &out), ST_INVALID);
    assert_int_equal(out.len, 0);
}

static void test_long_texts_are_cut_at_a_character_and_a_full_body_is_told(void **state)
{
    static char longer[CALENDAR_RELAY_TEXT_BYTES_MAX + 10];
    AUTO(buf) struct buf out = BUF(4000);
    AUTO(buf) struct buf little = BUF(50);
    struct arena *arena = arena_new("test", ARENA_BYTES);
    struct calendar_relay_answer answer = an_answer();
    struct calendar_relay_answer again;

    for (size_t i = 0; i + 2 < sizeof(longer); i += 2)
        memcpy(longer + 1 + i, "\xc3\xa9", 2);
    longer[0] = 'x'; /* so that the limit is inside a character */
    answer.why = longer;
    answer.source = "not UTF-8: \xc3";
    assert_int_equal(calendar_relay_answer_write(&answer, &out), ST_OK);
    assert_int_equal(calendar_relay_answer_read(arena, buf_slice(&out), 2, &again), ST_OK);
    assert_int_equal(strlen(again.why), CALENDAR_RELAY_TEXT_BYTES_MAX - 1);
    assert_int_equal(strlen(again.source), 0);
    buf_put(&little, SLICE("before"));
    assert_int_equal(calendar_relay_answer_write(&answer, &little), ST_TOO_BIG);
    T_EQ_SLICE(buf_slice(&little), SLICE("before"));
    assert_false(little.over);
    arena_free(&arena);
}

/* --- out of office --- */

static struct calendar_relay_oof_question an_oof_question(void)
{
    return (struct calendar_relay_oof_question){
        .owner = SLICE("ann"),
        .who = SLICE("bj\xc3\xb6rn"),
        .change = true,
        .oof = {.oof = STORE_OOF_SCHEDULED,
                .oof_from_ms = -1,
                .oof_until_ms = FROM_S * 1000,
                .oof_external = true,
                .oof_inside_text = SLICE("Back\r\nsoon"),
                .oof_outside_text = SLICE("")},
    };
}

static void check_oof(const struct store_calendar_account *got,
                      const struct store_calendar_account *want)
{
    assert_int_equal(got->oof, want->oof);
    assert_int_equal(got->oof_from_ms, want->oof_from_ms);
    assert_int_equal(got->oof_until_ms, want->oof_until_ms);
    assert_int_equal(got->oof_external, want->oof_external);
    T_EQ_SLICE(got->oof_inside_text, want->oof_inside_text);
    T_EQ_SLICE(got->oof_outside_text, want->oof_outside_text);
}

static void test_out_of_office_comes_back_as_it_was(void **state)
{
    struct arena *arena = arena_new("test", ARENA_BYTES);
    struct calendar_relay_oof_question question = an_oof_question();
    struct calendar_relay_oof_question got;
    struct calendar_relay_oof_answer answer;

    for (unsigned change = 0; change < 2; change++) {
        AUTO(buf) struct buf out = BUF(MIB);

        question.change = change == 1;
        assert_int_equal(calendar_relay_oof_question_write(&question, &out), ST_OK);
        for (size_t len = 0; len < out.len; len++)
            assert_int_equal(
                calendar_relay_oof_question_read(arena, slice_sub(buf_slice(&out), 0, len), &got),
                ST_INVALID);
        assert_int_equal(calendar_relay_oof_question_read(arena, buf_slice(&out), &got), ST_OK);
        T_EQ_SLICE(got.owner, question.owner);
        T_EQ_SLICE(got.who, question.who);
        assert_int_equal(got.change, question.change);
        if (got.change)
            check_oof(&got.oof, &question.oof);
        assert_int_equal(calendar_relay_oof_answer_read(arena, buf_slice(&out), &answer),
                         ST_INVALID);
    }
    for (unsigned result = 0; result < CALENDAR_RELAY_OOF_RESULT_MAX; result++) {
        AUTO(buf) struct buf out = BUF(MIB);

        answer = (struct calendar_relay_oof_answer){result, question.oof};
        assert_int_equal(calendar_relay_oof_answer_write(&answer, &out), ST_OK);
        assert_int_equal(calendar_relay_oof_answer_read(arena, buf_slice(&out), &answer), ST_OK);
        assert_int_equal(answer.result, result);
        if (result == CALENDAR_RELAY_OOF_DONE)
            check_oof(&answer.oof, &question.oof);
    }
    arena_free(&arena);
}

static void test_out_of_office_that_makes_no_sense_is_not_written(void **state)
{
    static char longer[STORE_CALENDAR_TEXT_BYTES_MAX + 1];
    AUTO(buf) struct buf out = BUF(MIB);
    AUTO(buf) struct buf little = BUF(50);
    struct calendar_relay_oof_question q[7];
    struct calendar_relay_oof_answer a = {.oof = an_oof_question().oof};

    for (size_t i = 0; i < COUNT(q); i++)
        q[i] = an_oof_question();
    memset(longer, 'x', sizeof(longer));
    q[0].owner = SLICE("");
    q[1].who = SLICE("a\rb");
    q[2].oof.oof = STORE_OOF_SCHEDULED + 1;
    q[3].oof.oof_from_ms = INT64_MIN;
    q[4].oof.oof_until_ms = INT64_MAX;
    q[5].oof.oof_inside_text = (struct slice){longer, sizeof(longer)};
    q[6].oof.oof_outside_text = SLICE("\xff");
    for (size_t i = 0; i < COUNT(q); i++) {
        T_ROW(i, "question");
        assert_int_equal(calendar_relay_oof_question_write(&q[i], &out), ST_INVALID);
        if (i < 2)
            continue;
        a.oof = q[i].oof;
        assert_int_equal(calendar_relay_oof_answer_write(&a, &out), ST_INVALID);
    }
    assert_int_equal(out.len, 0);
    q[0] = an_oof_question();
    assert_int_equal(calendar_relay_oof_question_write(&q[0], &little), ST_TOO_BIG);
    assert_int_equal(little.len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_comes_back_as_it_was),
        cmocka_unit_test(test_an_answer_comes_back_as_it_was),
        cmocka_unit_test(test_what_is_cut_or_changed_in_its_kind_is_refused),
        cmocka_unit_test(test_a_week_is_there_or_not),
        cmocka_unit_test(test_a_week_that_makes_no_sense_is_left_out),
        cmocka_unit_test(test_no_changed_byte_gives_what_is_not_allowed),
        cmocka_unit_test(test_what_no_reader_would_take_is_not_written),
        cmocka_unit_test(test_out_of_office_comes_back_as_it_was),
        cmocka_unit_test(test_out_of_office_that_makes_no_sense_is_not_written),
        cmocka_unit_test(test_long_texts_are_cut_at_a_character_and_a_full_body_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
