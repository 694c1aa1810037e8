/* What a room answers: an invitation, when the room is taken, its rules, the answer. */
#include "itip_t.h"
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_room.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#define HOUR_S 3600
#define DAY_OF(d) (ITIP_T_NOW + (31 + (d)-1) * ICAL_DAY_S) /* of February */
#define EVENT \
    "UID:1\nDTSTART:20260210T100000Z\nDTEND:20260210T110000Z\n" \
    "ORGANIZER:mailto:o@example.org\nATTENDEE;CUTYPE=ROOM:mailto:room@example.org\n"
#define DAILY EVENT "RRULE:FREQ=DAILY;COUNT=5\n"

static const struct calendar_room_busy busy[] = {
    {DAY_OF(1), DAY_OF(1) + HOUR_S, false},
    {DAY_OF(10) + 9 * HOUR_S, DAY_OF(10) + 10 * HOUR_S, false},
    {DAY_OF(10) + 11 * HOUR_S, DAY_OF(10) + 12 * HOUR_S, false},
    {DAY_OF(12) + 8 * HOUR_S, DAY_OF(12) + 18 * HOUR_S, false},
    {DAY_OF(12) + 9 * HOUR_S, DAY_OF(12) + 9 * HOUR_S + 60, false},
    {DAY_OF(20) + 10 * HOUR_S, DAY_OF(20) + 11 * HOUR_S, true},
};

static const struct calendar_room_rules open = {.recurring = true, .instances_max = 100};
static const struct calendar_room_rules partly = {
    .recurring = true, .instances_max = 100, .partly = true, .conflicts_max = 2};
static const struct calendar_room_rules strict = {.instances_max = 100,
                                                  .duration_max_s = 2 * HOUR_S,
                                                  .ahead_max_s = 60 * ICAL_DAY_S,
                                                  .capacity = 2,
                                                  .open_s = 9 * HOUR_S,
                                                  .close_s = 17 * HOUR_S,
                                                  .weekdays = 0x1f,
                                                  .tentative_is_free = true};

static const struct row {
    const char *name, *object;
    const struct calendar_room_rules *rules;
    const char *want; /* PARTSTAT, how many conflict, why */
} rows[] = {
    {"free between two others", EVENT, &open, "ACCEPTED 0 "},
    {"taken", "UID:1\nDTSTART:20260210T103000Z\nDURATION:PT1H\n", &open,
     "DECLINED 1 2026-02-10 10:30: taken from 2026-02-10 11:00 to 2026-02-10 12:00."},
    {"taken by a long one behind a short one", "UID:1\nDTSTART:20260212T100000Z\nDURATION:PT1H\n",
     &open, "DECLINED 1 2026-02-12 10:00: taken from 2026-02-12 08:00 to 2026-02-12 18:00."},
    {"a series with a conflict", DAILY, &open,
     "DECLINED 1 1 of 5 instances cannot be had; the first: 2026-02-12 10:00: taken from "
     "2026-02-12 "
     "08:00 to 2026-02-12 18:00."},
    {"a series but for one", DAILY, &partly,
     "ACCEPTED 1 1 of 5 instances are declined; the first: 2026-02-12 10:00: taken from 2026-02-12 "
     "08:00 to 2026-02-12 18:00."},
    {"no series", DAILY, &strict, "DECLINED 0 Series are not taken."},
    {"a tentative booking counts", "UID:1\nDTSTART:20260220T100000Z\nDURATION:PT1H\n", &open,
     "DECLINED 1 2026-02-20 10:00: taken from 2026-02-20 10:00 to 2026-02-20 11:00."},
    {"or not", "UID:1\nDTSTART:20260220T100000Z\nDURATION:PT1H\n", &strict, "ACCEPTED 0 "},
    {"too long", "UID:1\nDTSTART:20260211T100000Z\nDURATION:PT3H\n", &strict,
     "DECLINED 1 2026-02-11 10:00: it lasts longer than 120 minutes."},
    {"too far ahead", "UID:1\nDTSTART:20260501T100000Z\nDURATION:PT1H\n", &strict,
     "DECLINED 1 2026-05-01 10:00: it is more than 60 days ahead."},
    {"too late in the day", "UID:1\nDTSTART:20260211T163000Z\nDURATION:PT1H\n", &strict,
     "DECLINED 1 2026-02-11 16:30: it is outside the hours in which the room can be had."},
    {"on a Sunday", "UID:1\nDTSTART:20260215T100000Z\nDURATION:PT1H\n", &strict,
     "DECLINED 1 2026-02-15 10:00: it is outside the hours in which the room can be had."},
    {"too many", EVENT "ATTENDEE:mailto:a@b\nATTENDEE:mailto:b@b\nATTENDEE:mailto:c@b\n", &strict,
     "DECLINED 0 3 are invited, and there is room for 2."},
    {"without end", EVENT "RRULE:FREQ=WEEKLY;BYDAY=TU\n", &open,
     "DECLINED 0 The series has more than 100 instances."},
};

static void a_room_answers(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf got = BUF(MIB);
        struct calendar_room_answer answer;
        struct ical_error error = {0};
        struct itip_t t;

        T_ROW(i, rows[i].name);
        itip_t_init(&t, "room@example.org");
        assert_int_equal(calendar_room_answer(t.arena, itip_t_object(t.arena, rows[i].object),
                                              t.zones, busy, COUNT(busy), rows[i].rules, ITIP_T_NOW,
                                              &answer, &error),
                         ST_OK);
        buf_putf(&got, "%.*s %zu %.*s", SLICE_ARG(answer.partstat), answer.conflicts,
                 SLICE_ARG(answer.why));
        T_EQ_SLICE(buf_slice(&got), slice_str(rows[i].want));
        itip_t_fini(&t);
    }
}

static void what_it_declines_of_a_series_goes_into_the_reply(void **state)
{
    struct calendar_room_answer answer;
    struct calendar_itip_sent sent;
    struct ical_error error = {0};
    struct ical_comp *store;
    struct itip_t t;

    itip_t_init(&t, "room@example.org");
    struct ical_comp *object = itip_t_object(t.arena, DAILY);
    assert_int_equal(calendar_room_answer(t.arena, object, t.zones, busy, COUNT(busy), &partly,
                                          ITIP_T_NOW, &answer, &error),
                     ST_OK);
    assert_int_equal(calendar_room_set(&t.world, object, &answer, &store, &error), ST_OK);
    assert_int_equal(calendar_itip_outgoing(&t.world, object, store, &sent, &error), ST_OK);
    assert_int_equal(sent.messages.count, 1);
    struct slice text = itip_t_text(t.arena, sent.messages.at[0].vcalendar, true);
    assert_true(slice_find_slice(text, SLICE("PARTSTAT=ACCEPTED:mailto:room")) != SIZE_MAX);
    assert_true(slice_find_slice(text, SLICE("PARTSTAT=DECLINED:mailto:room")) != SIZE_MAX);
    assert_true(slice_find_slice(text, SLICE("RECURRENCE-ID:20260212T100000Z")) != SIZE_MAX);
    itip_t_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_answers),
        cmocka_unit_test(what_it_declines_of_a_series_goes_into_the_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
