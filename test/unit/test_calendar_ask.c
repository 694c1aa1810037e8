/* Requests for busy times, what others see of private objects, and answers that are kept. */
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_ask.h"
#include "calendar/calendar_mask.h"
#include "calendar/calendar_merge.h"
#include "ical/ical.h"

#define HEAD "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n"
#define ASK HEAD "METHOD:REQUEST\nBEGIN:VFREEBUSY\nUID:1\nORGANIZER:mailto:a@example.org\n"
#define TIMES "DTSTART:20270301T000000Z\nDTEND:20270302T000000Z\n"
#define B "ATTENDEE:mailto:b@example.org\n"
#define END "END:VFREEBUSY\nEND:VCALENDAR\n"

static const struct {
    const char *text;
    enum st st;
    bool icalendar;
    size_t count; /* of attendees */
    const char *why;
} rows[] = {
    {ASK TIMES B END, ST_OK, true, 1, ""},
    {ASK TIMES B "ATTENDEE:MAILTO:B@example.org\n" END, ST_OK, true, 1, ""},
    {ASK TIMES B "ATTENDEE:mailto:c@example.org\n" END, ST_OK, true, 2, ""},
    {ASK TIMES B "ATTENDEE:mailto:c@example.org\nATTENDEE:mailto:d@example.org\n" END, ST_TOO_BIG,
     true, 2, "these are more than 2 people"},
    {ASK TIMES END, ST_INVALID, true, 0, "nobody is asked for"},
    {ASK "DTSTART:20270301T000000Z\n" B END, ST_INVALID, true, 0, "there is no DTEND"},
    {ASK "DTSTART:20270301T000000\nDTEND:20270302T000000Z\n" B END, ST_INVALID, true, 0,
     "DTSTART must be a time in UTC"},
    {ASK "DTSTART:20270301T000000Z\nDTEND:20270301T000000Z\n" B END, ST_INVALID, true, 0,
     "DTEND is not after DTSTART"},
    {ASK "DTSTART:20270301T000000Z\nDTEND:20370301T000000Z\n" B END, ST_INVALID, true, 0,
     "DTEND is more than five years after DTSTART"},
    {HEAD "METHOD:REPLY\nBEGIN:VFREEBUSY\nUID:1\n" END, ST_INVALID, true, 0,
     "only METHOD:REQUEST with one VFREEBUSY is taken here"},
    {HEAD "METHOD:REQUEST\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR\n", ST_INVALID, true, 0,
     "only METHOD:REQUEST with one VFREEBUSY is taken here"},
    {"BEGIN:VEVENT\nUID:1\nEND:VEVENT\n", ST_INVALID, false, 0, "it is not one VCALENDAR"},
};

static void a_request_is_read_or_refused_with_a_sentence(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new("t", GIB);
        struct calendar_ask ask;
        struct ical_error error = {0};
        bool icalendar;

        T_ROW(i, rows[i].why);
        assert_int_equal(
            calendar_ask_read(arena, slice_str(rows[i].text), 2, &ask, &icalendar, &error),
            rows[i].st);
        assert_int_equal(icalendar, rows[i].icalendar);
        assert_int_equal(ask.attendee_count, rows[i].count);
        assert_string_equal(error.text, rows[i].why);
        arena_free(&arena);
    }
}

static struct ical_comp *parse(struct arena *arena, const char *text)
{
    struct ical_comp *comps = NULL;
    struct ical_error error;

    assert_int_equal(ical_parse(arena, slice_str(text), &ical_limits_default, &comps, &error),
                     ST_OK);
    return comps;
}

static void a_mask_leaves_only_when_it_is(void **state)
{
    struct arena *arena = arena_new("t", GIB);
    AUTO(buf) struct buf out = BUF(MIB);

    ical_write(calendar_mask(arena, parse(arena, HEAD "BEGIN:VEVENT\nUID:1\nCLASS:PRIVATE\n"
                                                      "DTSTART:20270301T100000Z\nSUMMARY:x\n"
                                                      "LOCATION:x\nX-Y:x\nATTENDEE:mailto:x\n"
                                                      "RRULE:FREQ=DAILY\nBEGIN:VALARM\n"
                                                      "END:VALARM\nEND:VEVENT\nEND:VCALENDAR\n")),
               &out);
    T_EQ_SLICE(buf_slice(&out),
               SLICE("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:t\r\nBEGIN:VEVENT\r\nUID:1\r\n"
                     "CLASS:PRIVATE\r\nDTSTART:20270301T100000Z\r\nRRULE:FREQ=DAILY\r\n"
                     "SUMMARY:Busy\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"));
    arena_free(&arena);
}

#define MEETING(b, c) \
    HEAD "BEGIN:VEVENT\nUID:1\nATTENDEE;PARTSTAT=" b ":mailto:b@example.org\nATTENDEE;PARTSTAT=" c \
         ":mailto:c@example.org\nEND:VEVENT\nEND:VCALENDAR\n"

static void who_answered_keeps_the_answer(void **state)
{
    struct arena *arena = arena_new("t", GIB);
    AUTO(buf) struct buf out = BUF(MIB);

    ical_write(calendar_merge(arena,
                              parse(arena, MEETING("ACCEPTED;X-POSTHORSE-REPLIED=20270101T000000Z",
                                                   "TENTATIVE")),
                              parse(arena, MEETING("NEEDS-ACTION", "NEEDS-ACTION"))),
               &out);
    assert_true(slice_find_slice(buf_slice(&out), SLICE("PARTSTAT=ACCEPTED:mailto:b@")) !=
                SIZE_MAX);
    assert_true(slice_find_slice(buf_slice(&out), SLICE("PARTSTAT=NEEDS-ACTION:mailto:c@")) !=
                SIZE_MAX);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_or_refused_with_a_sentence),
        cmocka_unit_test(a_mask_leaves_only_when_it_is),
        cmocka_unit_test(who_answered_keeps_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
