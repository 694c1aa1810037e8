#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ical/ical_check.h"

#define OBJECT(body) "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n" body "END:VCALENDAR\n"
#define EVENT(body) OBJECT("BEGIN:VEVENT\nUID:1\nDTSTAMP:20250101T000000Z\n" body "END:VEVENT\n")
#define TODO(body) OBJECT("BEGIN:VTODO\nUID:1\nDTSTAMP:20250101T000000Z\n" body "END:VTODO\n")
#define ALARM(body) EVENT("DTSTART:20250101T000000Z\nBEGIN:VALARM\n" body "END:VALARM\n")
#define ZONE(body) OBJECT("BEGIN:VTIMEZONE\n" body "END:VTIMEZONE\n")
#define STANDARD \
    "BEGIN:STANDARD\nDTSTART:20250101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0000\nEND:" \
    "STANDARD\n"
#define BUSY(body) \
    OBJECT("BEGIN:VFREEBUSY\nUID:1\nDTSTAMP:20250101T000000Z\n" body "END:VFREEBUSY\n")
#define AVAILABILITY(body) \
    OBJECT("BEGIN:VAVAILABILITY\nUID:1\nDTSTAMP:20250101T000000Z\n" body "END:VAVAILABILITY\n")
#define AVAILABLE(body) \
    AVAILABILITY("BEGIN:AVAILABLE\nUID:2\nDTSTAMP:20250101T000000Z\n" body "END:AVAILABLE\n")

static const struct row {
    const char *text;
    const char *strict;  /* why it is refused; NULL: it is not */
    const char *lenient; /* the same, in a lenient check */
} rows[] = {
    {EVENT("DTSTART:20250101T000000Z\n"), NULL, NULL},
    {EVENT(""), "VEVENT has no DTSTART.", "VEVENT has no DTSTART."},
    {"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nMETHOD:CANCEL\nBEGIN:VEVENT\nUID:1\n"
     "DTSTAMP:20250101T000000Z\nEND:VEVENT\nEND:VCALENDAR\n",
     NULL, NULL},
    {OBJECT(""), "VCALENDAR has no component.", "VCALENDAR has no component."},
    {"BEGIN:VEVENT\nEND:VEVENT\n", "VEVENT is no VCALENDAR.", "VEVENT is no VCALENDAR."},
    {"BEGIN:VCALENDAR\nPRODID:x\nEND:VCALENDAR\n", "VCALENDAR has no VERSION.",
     "VCALENDAR has no VERSION."},
    {"BEGIN:VCALENDAR\nVERSION:1.0\nPRODID:x\nEND:VCALENDAR\n", "VERSION must be 2.0.",
     "VERSION must be 2.0."},
    {"BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:X\nEND:X\nEND:VCALENDAR\n", "VCALENDAR has no PRODID.",
     NULL},
    {OBJECT("CALSCALE:HEBREW\n"), "CALSCALE must be GREGORIAN.", "CALSCALE must be GREGORIAN."},
    {OBJECT("BEGIN:VALARM\nEND:VALARM\n"), "VALARM does not belong there.",
     "VALARM does not belong there."},
    {OBJECT("BEGIN:X-ANY\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20250101T000000Z\nDTSTART:20250101\n"
            "END:VEVENT\nEND:X-ANY\n"),
     "DTSTART:20250101 is not of type DATE-TIME.", "DTSTART:20250101 is not of type DATE-TIME."},
    {OBJECT("BEGIN:VEVENT\nDTSTART:20250101T000000Z\nEND:VEVENT\n"), "VEVENT has no UID.",
     "VEVENT has no UID."},
    {EVENT("UID:2\nDTSTART:20250101T000000Z\n"), "UID stands there twice.",
     "UID stands there twice."},
    {EVENT("DTSTART;VALUE=DATE:20250101\nDTEND;VALUE=DATE:20250102\n"), NULL, NULL},
    {EVENT("DTSTART;VALUE=DATE:20250101\nDTEND:20250102T000000Z\n"),
     "DTEND and DTSTART must both be a DATE or both a DATE-TIME.",
     "DTEND and DTSTART must both be a DATE or both a DATE-TIME."},
    {EVENT("DTSTART:20250102T000000Z\nDTEND:20250101T000000Z\n"),
     "DTEND must be later than DTSTART.", "DTEND must be later than DTSTART."},
    {EVENT("DTSTART:20250102T000000Z\nDTEND:20250102T000000Z\n"),
     "DTEND must be later than DTSTART.", NULL},
    {EVENT("DTSTART:20250102T000000Z\nDTEND:20250102T000000\n"),
     "DTEND and DTSTART must both be floating or neither.", NULL},
    {EVENT("DTSTART:20250101T000000Z\nDTEND:20250102T000000Z\nDURATION:PT1H\n"),
     "DURATION cannot stand with DTEND or DUE.", "DURATION cannot stand with DTEND or DUE."},
    {EVENT("DTSTART:20250101T000000Z\nDURATION:-PT1H\n"), "DURATION must not be negative.",
     "DURATION must not be negative."},
    {EVENT("DTSTART;VALUE=DATE:20250101\nDURATION:PT1H\n"),
     "DURATION must be days or weeks, as DTSTART is a DATE.", NULL},
    {EVENT("DTSTART;VALUE=PERIOD:20250101\n"), "DTSTART cannot be of the type that VALUE names.",
     "DTSTART cannot be of the type that VALUE names."},
    {EVENT("DTSTART:yesterday\n"), "DTSTART:yesterday is not of type DATE-TIME.",
     "DTSTART:yesterday is not of type DATE-TIME."},
    {EVENT("DTSTART:20250101T000000Z\nSTATUS:MAYBE\n"),
     "STATUS:MAYBE is none of TENTATIVE CONFIRMED CANCELLED.", NULL},
    {EVENT("DTSTART:20250101T000000Z\nPRIORITY:10\n"), "PRIORITY is a number out of its range.",
     "PRIORITY is a number out of its range."},
    {EVENT("DTSTART:20250101T000000Z\nGEO:1.5;-2.25\n"), NULL, NULL},
    {EVENT("DTSTART:20250101T000000Z\nGEO:1.5\n"), "GEO is not two numbers.", NULL},
    {EVENT("DTSTART:20250101T000000Z\nATTENDEE:bob\n"), "ATTENDEE:bob is not of type CAL-ADDRESS.",
     "ATTENDEE:bob is not of type CAL-ADDRESS."},
    {EVENT("DTSTART:20250101T000000Z\nATTENDEE:/dav/principals/bob/\n"), NULL, NULL},
    {EVENT("DTSTART:20250101T000000Z\nDUE:20250101T000000Z\n"),
     "DUE does not belong into this component.", NULL},
    {EVENT("DTSTART;TZID=A:20250101T000000\n"), "DTSTART has a TZID without its VTIMEZONE.", NULL},
    {EVENT("DTSTART;TZID=A:20250101T000000Z\n"), "DTSTART is in UTC and has a TZID.", NULL},
    {EVENT("DTSTART:20250101T000000Z\nRRULE:FREQ=DAILY\nRRULE:FREQ=DAILY\n"),
     "RRULE stands there twice.", NULL},
    {EVENT("DTSTART:20250101T000000Z\nRRULE:FREQ=DAILY;UNTIL=20250101\n"),
     "RRULE has an UNTIL of another kind than DTSTART asks for.", NULL},
    {EVENT("DTSTART:20250101T000000Z\nRRULE:FREQ=DAILY;INTERVAL=0\n"),
     "INTERVAL=0: INTERVAL wants 1 to 2147483647.", "INTERVAL=0: INTERVAL wants 1 to 2147483647."},
    {EVENT("DTSTART;VALUE=DATE:20250101\nRRULE:FREQ=HOURLY\n"),
     "RRULE goes by hours, minutes or seconds, but DTSTART is a DATE.",
     "RRULE goes by hours, minutes or seconds, but DTSTART is a DATE."},
    {EVENT("DTSTART:20250101T000000Z\nRDATE:20250102T000000Z,x\n"),
     "RDATE:x is not of type DATE-TIME.", "RDATE:x is not of type DATE-TIME."},
    {EVENT("DTSTART:20250101T000000Z\nRDATE;VALUE=PERIOD:20250102T000000Z/PT1H\n"), NULL, NULL},
    {EVENT("DTSTART:20250101T000000Z\nX-ANY;VALUE=WHATEVER:\n"), NULL, NULL},
    {TODO(""), NULL, NULL},
    {TODO("DUE:20250101T000000Z\n"), NULL, NULL},
    {TODO("DURATION:P1D\n"), "DURATION stands with DTSTART only.",
     "DURATION stands with DTSTART only."},
    {TODO("PERCENT-COMPLETE:101\n"), "PERCENT-COMPLETE is a number out of its range.", NULL},
    {TODO("RRULE:FREQ=DAILY\n"), "RRULE stands with DTSTART only.",
     "RRULE stands with DTSTART only."},
    {ALARM("ACTION:DISPLAY\nTRIGGER:-PT5M\nDESCRIPTION:x\n"), NULL, NULL},
    {ALARM("ACTION:DISPLAY\nTRIGGER:-PT5M\n"), "VALARM that shows a text has no DESCRIPTION.",
     NULL},
    {ALARM("ACTION:DISPLAY\n"), "VALARM has no TRIGGER.", "VALARM has no TRIGGER."},
    {ALARM("ACTION:AUDIO\nTRIGGER;VALUE=DATE-TIME:20250101T000000\n"), "TRIGGER must be in UTC.",
     NULL},
    {ALARM("ACTION:AUDIO\nTRIGGER:-PT5M\nREPEAT:2\n"),
     "VALARM must have both DURATION and REPEAT or neither.", NULL},
    {ALARM("ACTION:EMAIL\nTRIGGER:-PT5M\nDESCRIPTION:x\nSUMMARY:x\n"),
     "VALARM that sends mail has no ATTENDEE.", NULL},
    {ZONE("TZID:A\n" STANDARD), NULL, NULL},
    {ZONE(STANDARD), "VTIMEZONE has no TZID.", "VTIMEZONE has no TZID."},
    {ZONE("TZID:A\n"), "VTIMEZONE has neither STANDARD nor DAYLIGHT.",
     "VTIMEZONE has neither STANDARD nor DAYLIGHT."},
    {ZONE("TZID:A\nBEGIN:STANDARD\nDTSTART:20250101T000000\nTZOFFSETTO:+1\nTZOFFSETFROM:+0100\n"
          "END:STANDARD\n"),
     "TZOFFSETTO:+1 is not of type UTC-OFFSET.", "TZOFFSETTO:+1 is not of type UTC-OFFSET."},
    {BUSY("FREEBUSY:20250101T000000Z/PT1H,20250102T000000Z/20250102T010000Z\n"), NULL, NULL},
    {BUSY("FREEBUSY:20250101T000000/PT1H\n"), "FREEBUSY must be in UTC.",
     "FREEBUSY must be in UTC."},
    {BUSY("FREEBUSY:20250101T000000Z\n"), "FREEBUSY:20250101T000000Z is not of type PERIOD.",
     "FREEBUSY:20250101T000000Z is not of type PERIOD."},
    {AVAILABILITY("BUSYTYPE:BUSY\n"), NULL, NULL},
    {AVAILABILITY("BUSYTYPE:LAZY\n"),
     "BUSYTYPE:LAZY is none of BUSY BUSY-UNAVAILABLE BUSY-TENTATIVE.", NULL},
    {AVAILABILITY("DURATION:P1D\n"), "DURATION stands with DTSTART only.",
     "DURATION stands with DTSTART only."},
    {AVAILABLE("DTSTART:20250101T090000Z\nDTEND:20250101T170000Z\nRRULE:FREQ=WEEKLY\n"), NULL,
     NULL},
    {AVAILABLE(""), "AVAILABLE has no DTSTART.", "AVAILABLE has no DTSTART."},
    {OBJECT("BEGIN:AVAILABLE\nEND:AVAILABLE\n"), "AVAILABLE does not belong there.",
     "AVAILABLE does not belong there."},
};

static void check_row(const struct row *row, enum ical_strictness strictness, const char *want)
{
    struct arena *arena = arena_new("test", MIB);
    struct ical_comp *comp;
    struct ical_error error = {0};
    enum st st;

    assert_int_equal(ical_parse(arena, slice_str(row->text), &ical_limits_default, &comp, &error),
                     ST_OK);
    st = ical_check(comp, strictness, &error);
    T_EQ_SLICE(slice_str(st == ST_OK ? NULL : error.text), slice_str(want));
    assert_true(st == ST_OK || error.line > 0);
    arena_free(&arena);
}

static void test_a_strict_check_wants_what_the_rfcs_want(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].text);
        check_row(&rows[i], ICAL_STRICT, rows[i].strict);
    }
}

static void test_a_lenient_check_lets_pass_what_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].text);
        check_row(&rows[i], ICAL_LENIENT, rows[i].lenient);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_strict_check_wants_what_the_rfcs_want),
        cmocka_unit_test(test_a_lenient_check_lets_pass_what_is_understood),
    };

    return cmocka_run_group_tests_name("ical_check", tests, NULL, NULL);
}
