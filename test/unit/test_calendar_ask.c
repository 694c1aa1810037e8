/* Requests for busy times, what others see of private objects, and answers that are kept. */
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_ask.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_mask.h"
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

static void an_old_answer_says_its_age_and_claims_nobody_free(void **state)
{
    static const struct {
        int64_t from_s, until_s; /* after the window's beginning */
        uint64_t age_ms;
        const char *has[4], *hasnt;
        bool gap;
    } answers[] = {
        {0, 86400, 0, {"DTSTAMP:20270301T120000Z"}, "UNKNOWN", false},
        {0, 86400, 0, {"FREEBUSY;FBTYPE=BUSY:20270301T080000Z/20270301T090000Z"}, "COMMENT", false},
        {0,
         86400,
         719000,
         {"DTSTAMP:20270301T114801Z", "COMMENT;X-POSTHORSE-AGE=PT12M:", "12 minutes ago"},
         "UNKNOWN",
         false},
        {3600,
         82800,
         1,
         {"FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:20270301T000000Z/20270301T010000Z",
          "FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:20270301T230000Z/20270302T000000Z",
          "DTSTART:20270301T000000Z", "DTEND:20270302T000000Z"},
         "minutes",
         false},
        {0,
         86400,
         0,
         {"FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:20270301T090000Z/20270301T100000Z",
          "FREEBUSY;FBTYPE=BUSY:20270301T080000Z/20270301T090000Z"},
         "COMMENT",
         true},
    };

    for (size_t i = 0; i < COUNT(answers); i++) {
        struct arena *arena = arena_new("t", GIB);
        AUTO(buf) struct buf out = BUF(MIB), unfolded = BUF(MIB);
        struct ical_error error;
        struct calendar_ask ask;
        bool icalendar;

        T_ROW(i, answers[i].has[0]);
        assert_int_equal(
            calendar_ask_read(arena, SLICE(ASK TIMES B END), 1, &ask, &icalendar, &error), ST_OK);
        const struct calendar_busy_row busy[] = {
            {ask.from_s + 28800, ask.from_s + 32400, STORE_BUSY_BUSY, 0},
            {ask.from_s + 32400, ask.from_s + 36000, STORE_BUSY_UNKNOWN, 0}};
        const struct calendar_ask_known known = {
            busy, answers[i].gap ? 2 : 1, ask.from_s + answers[i].from_s,
            ask.from_s + answers[i].until_s, answers[i].age_ms};
        ical_write(calendar_ask_answer(arena, &ask, SLICE("mailto:b@example.org"), &known,
                                       ask.from_s + 43200),
                   &out);
        for (struct slice rest = buf_slice(&out); rest.len > 0;) {
            const size_t at = slice_find_slice(rest, SLICE("\r\n "));
            buf_put(&unfolded, slice_sub(rest, 0, at));
            rest = at == SIZE_MAX ? SLICE("") : slice_sub(rest, at + 3, rest.len);
        }
        for (size_t n = 0; n < COUNT(answers[i].has) && answers[i].has[n] != NULL; n++)
            assert_non_null(strstr(unfolded.ptr, answers[i].has[n]));
        assert_null(strstr(unfolded.ptr, answers[i].hasnt));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_or_refused_with_a_sentence),
        cmocka_unit_test(an_old_answer_says_its_age_and_claims_nobody_free),
        cmocka_unit_test(a_mask_leaves_only_when_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
