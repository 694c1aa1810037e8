#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"

#define FOLDER "/usr/share/zoneinfo"

/* What a case says: the properties of one or more components, "--" between them. */
struct row {
    const char *name;
    const char *text;
    const char *from, *until; /* UTC */
    const char *want;         /* "start/end" in UTC, and "!" and SUMMARY where there is one */
};

#define BERLIN \
    "BEGIN:VTIMEZONE\nTZID:Home\nBEGIN:DAYLIGHT\nDTSTART:19810329T020000\n" \
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT\n" \
    "BEGIN:STANDARD\nDTSTART:19961027T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\n" \
    "TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n"

static void put_object(const char *text, struct buf *out)
{
    const char *parting;

    buf_put(out, SLICE("BEGIN:VCALENDAR\n" BERLIN));
    do {
        parting = strstr(text, "--\n");
        struct slice part = slice_str(text);

        if (parting != NULL)
            part.len = (size_t)(parting - text);
        buf_putf(out, "BEGIN:VEVENT\nUID:1\n%.*sEND:VEVENT\n", SLICE_ARG(part));
        text = parting + 3;
    } while (parting != NULL);
    buf_put(out, SLICE("END:VCALENDAR\n"));
}

static int64_t instant(const char *text)
{
    struct ical_time time;

    assert_int_equal(ical_time_parse(slice_str(text), &time), ST_OK);
    return time.local_s;
}

static void put_instances(struct ical_recur *recur, struct buf *out)
{
    struct ical_instance instance;
    enum st st;

    while ((st = ical_recur_next(recur, &instance)) == ST_OK) {
        struct slice summary = ical_prop_value(instance.comp, ICAL_SUMMARY);

        buf_put(out, out->len > 0 ? SLICE(" ") : SLICE(""));
        ical_time_write((struct ical_time){instance.start_s, ICAL_FLOATING, NULL}, out);
        buf_put(out, SLICE("/"));
        ical_time_write((struct ical_time){instance.end_s, ICAL_FLOATING, NULL}, out);
        if (summary.len > 0)
            buf_putf(out, "!%.*s", SLICE_ARG(summary));
    }
    if (st == ST_TOO_BIG)
        buf_put(out, SLICE(" .."));
}

static void check_row(const struct row *row, const char *floating)
{
    AUTO(buf) struct buf text = BUF(MIB);
    AUTO(buf) struct buf got = BUF(MIB);
    struct arena *arena = arena_new("test", 64 * MIB);
    struct ical_zones *zones = ical_zones_new(FOLDER);
    struct ical_comp *calendar;
    struct ical_recur *recur;
    struct ical_error error;
    struct ical_window window = {.from_s = instant(row->from),
                                 .until_s = instant(row->until),
                                 .floating = ical_zones_find(zones, slice_str(floating)),
                                 .instances_max = 40,
                                 .steps_max = ICAL_RECUR_STEPS_MAX};

    put_object(row->text, &text);
    assert_int_equal(ical_parse(arena, buf_slice(&text), &ical_limits_default, &calendar, &error),
                     ST_OK);
    struct ical_tz *tz = ical_tz_new(arena, calendar, zones);
    enum st st = ical_recur_new(arena, calendar, SLICE("1"), tz, &window, &recur, &error);

    if (st == ST_OK)
        put_instances(recur, &got);
    else if (st == ST_INVALID)
        buf_putf(&got, "line %u: %s", error.line, error.text);
    T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
    ical_zones_free(&zones);
    arena_free(&arena);
}

#define Y2025 "20250101T000000Z", "20260101T000000Z"
#define NY "DTSTART;TZID=America/New_York:"

static const struct row rows[] = {
    {"one event", "DTSTART:20250301T100000Z\nDTEND:20250301T110000Z\n", Y2025,
     "20250301T100000/20250301T110000"},
    {"one event outside of the window", "DTSTART:20240301T100000Z\n", Y2025, ""},
    {"an event without an end takes no time", "DTSTART:20250301T100000Z\n", Y2025,
     "20250301T100000/20250301T100000"},
    {"one that reaches into the window",
     "DTSTART:20241231T230000Z\nDURATION:PT2H\nRRULE:FREQ=YEARLY;COUNT=2\n", Y2025,
     "20241231T230000/20250101T010000 20251231T230000/20260101T010000"},
    {"one that ends where the window begins", "DTSTART:20241231T230000Z\nDURATION:PT1H\n", Y2025,
     ""},
    {"a day is the reader's day", "DTSTART;VALUE=DATE:20250301\n", Y2025,
     "20250228T230000/20250301T230000"},
    {"days across the change have 23 hours",
     "DTSTART;VALUE=DATE:20250330\nRRULE:FREQ=DAILY;COUNT=2\n", Y2025,
     "20250329T230000/20250330T220000 20250330T220000/20250331T220000"},
    {"floating times are the reader's", "DTSTART:20250701T100000\nDURATION:PT1H\n", Y2025,
     "20250701T080000/20250701T090000"},
    {"an exact length by DTEND, a nominal one by DURATION",
     "DTSTART;TZID=Europe/Berlin:20250328T120000\nDTEND;TZID=Europe/Berlin:20250329T120000\n"
     "RRULE:FREQ=DAILY;COUNT=2\n",
     Y2025, "20250328T110000/20250329T110000 20250329T110000/20250330T110000"},
    {"a nominal length",
     "DTSTART;TZID=Europe/Berlin:20250328T120000\nDURATION:P1D\nRRULE:FREQ=DAILY;COUNT=2\n", Y2025,
     "20250328T110000/20250329T110000 20250329T110000/20250330T100000"},
    {"the zone of the object comes first",
     "DTSTART;TZID=Home:20250329T120000\nRRULE:FREQ=DAILY;COUNT=2\n", Y2025,
     "20250329T110000/20250329T110000 20250330T100000/20250330T100000"},
    {"Windows' zones", "DTSTART;TZID=Pacific Standard Time:20250701T120000\n", Y2025,
     "20250701T190000/20250701T190000"},
    {"what Windows shows people of a zone",
     "DTSTART;TZID=\"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna\":"
     "20250701T120000\n",
     Y2025, "20250701T100000/20250701T100000"},
    {"older Windows", "DTSTART;TZID=\"(GMT-08:00) Pacific Time (US & Canada)\":20250701T120000\n",
     Y2025, "20250701T190000/20250701T190000"},
    {"zones with something before them",
     "DTSTART;TZID=/example.org/20250101_1/Europe/Berlin:20250701T120000\n", Y2025,
     "20250701T100000/20250701T100000"},
    {"a zone that nobody knows is the reader's", "DTSTART;TZID=Nowhere:20250701T120000\n", Y2025,
     "20250701T100000/20250701T100000"},
    {"a gap is read with the offset before it, RFC 5545 section 3.3.5",
     NY "20250308T023000\nRRULE:FREQ=DAILY;COUNT=3\n", Y2025,
     "20250308T073000/20250308T073000 20250309T073000/20250309T073000 "
     "20250310T063000/20250310T063000"},
    {"a fold is the first", NY "20251102T013000\n", Y2025, "20251102T053000/20251102T053000"},
    {"hours of a gap are none", NY "20250309T003000\nRRULE:FREQ=HOURLY;COUNT=3\n", Y2025,
     "20250309T053000/20250309T053000 20250309T063000/20250309T063000 "
     "20250309T073000/20250309T073000"},
    {"hours of a gap before the window do not count either",
     NY "20250308T003000\nRRULE:FREQ=HOURLY;COUNT=290\n", "20250320T040000Z", "20260101T000000Z",
     "20250320T043000/20250320T043000 20250320T053000/20250320T053000 "
     "20250320T063000/20250320T063000"},
    {"two that the gap puts on one another are one",
     NY "20250309T023000\nRRULE:FREQ=DAILY;BYHOUR=2,3;COUNT=3\n", Y2025,
     "20250309T073000/20250309T073000 20250310T063000/20250310T063000"},
    {"UNTIL is an instant", NY "20250101T090000\nRRULE:FREQ=DAILY;UNTIL=20250103T140000Z\n", Y2025,
     "20250101T140000/20250101T140000 20250102T140000/20250102T140000 "
     "20250103T140000/20250103T140000"},
    {"UNTIL a day, for a time", NY "20250101T230000\nRRULE:FREQ=DAILY;UNTIL=20250102\n", Y2025,
     "20250102T040000/20250102T040000 20250103T040000/20250103T040000"},
    {"EXDATE in another zone, EXDATE of a day",
     NY "20250101T090000\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20250102T140000Z\n"
        "EXDATE;VALUE=DATE:20250103\n",
     Y2025, "20250101T140000/20250101T140000 20250104T140000/20250104T140000"},
    {"EXDATE of DTSTART; COUNT counts it",
     "DTSTART:20250101T090000Z\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE:20250101T090000Z\n", Y2025,
     "20250102T090000/20250102T090000"},
    {"RDATE, doubled, with a period",
     "DTSTART:20250101T090000Z\nDURATION:PT1H\nRDATE:20250105T090000Z,20250101T090000Z\n"
     "RDATE;VALUE=PERIOD:20250103T090000Z/PT3H,20250104T090000Z/20250104T093000Z\n",
     Y2025,
     "20250101T090000/20250101T100000 20250103T090000/20250103T120000 "
     "20250104T090000/20250104T093000 20250105T090000/20250105T100000"},
    {"two rules, and EXRULE",
     "DTSTART:20250101T090000Z\nRRULE:FREQ=DAILY;COUNT=3\nRRULE:FREQ=DAILY;INTERVAL=2;COUNT=3\n"
     "EXRULE:FREQ=DAILY;INTERVAL=4;COUNT=1\n",
     Y2025,
     "20250102T090000/20250102T090000 20250103T090000/20250103T090000 "
     "20250105T090000/20250105T090000"},
    {"an override, moved and in the window, one moved out of it",
     "DTSTART:20250101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\n--\n"
     "RECURRENCE-ID:20250102T090000Z\nDTSTART:20250103T120000Z\nSUMMARY:moved\n--\n"
     "RECURRENCE-ID:20250104T090000Z\nDTSTART:20270103T120000Z\nSUMMARY:away\n",
     Y2025,
     "20250101T090000/20250101T100000 20250103T090000/20250103T100000 "
     "20250103T120000/20250103T120000!moved"},
    {"an override whose instance is before the window",
     "DTSTART:20241230T090000Z\nRRULE:FREQ=DAILY;COUNT=2\n--\nRECURRENCE-ID:20241230T090000Z\n"
     "DTSTART:20250103T120000Z\nSUMMARY:later\n",
     Y2025, "20250103T120000/20250103T120000!later"},
    {"overrides alone", "RECURRENCE-ID:20250102T090000Z\nDTSTART:20250102T100000Z\nSUMMARY:a\n",
     Y2025, "20250102T100000/20250102T100000!a"},
    {"RECURRENCE-ID in UTC of a zoned series",
     NY "20250101T090000\nRRULE:FREQ=DAILY;COUNT=2\n--\nRECURRENCE-ID:20250102T140000Z\n"
        "DTSTART;TZID=America/New_York:20250102T100000\nSUMMARY:a\n",
     Y2025, "20250101T140000/20250101T140000 20250102T150000/20250102T150000!a"},
    {"this and the future, on the local clock across the change, with an override in it",
     "DTSTART;TZID=Europe/Berlin:20250326T100000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=6\n--\n"
     "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20250328T100000\n"
     "DTSTART;TZID=Europe/Berlin:20250328T120000\nDURATION:PT2H\nSUMMARY:f\n--\n"
     "RECURRENCE-ID;TZID=Europe/Berlin:20250329T100000\n"
     "DTSTART;TZID=Europe/Berlin:20250329T080000\nSUMMARY:o\n",
     Y2025,
     "20250326T090000/20250326T100000 20250327T090000/20250327T100000 "
     "20250328T110000/20250328T130000!f 20250329T070000/20250329T070000!o "
     "20250330T100000/20250330T120000!f 20250331T100000/20250331T120000!f"},
    {"two of this and the future, one back over the others",
     "DTSTART:20250101T100000Z\nRRULE:FREQ=WEEKLY;COUNT=5\n--\n"
     "RECURRENCE-ID;RANGE=THISANDFUTURE:20250108T100000Z\nDTSTART:20250109T100000Z\nSUMMARY:a\n--\n"
     "RECURRENCE-ID;RANGE=THISANDFUTURE:20250122T100000Z\nDTSTART:20250113T100000Z\nSUMMARY:b\n",
     Y2025,
     "20250101T100000/20250101T100000 20250109T100000/20250109T100000!a "
     "20250113T100000/20250113T100000!b 20250116T100000/20250116T100000!a "
     "20250120T100000/20250120T100000!b"},
    {"this and the future, begun long before the window",
     "DTSTART:20000101T100000Z\nRRULE:FREQ=WEEKLY;BYDAY=SA\n--\n"
     "RECURRENCE-ID;RANGE=THISANDFUTURE:20010106T100000Z\nDTSTART:20010107T110000Z\nSUMMARY:a\n",
     "20250101T000000Z", "20250115T000000Z",
     "20250105T110000/20250105T110000!a 20250112T110000/20250112T110000!a"},
    {"a rule that begins long before the window", "DTSTART:19700101T100000Z\nRRULE:FREQ=MINUTELY\n",
     "20250101T100000Z", "20250101T100200Z",
     "20250101T100000/20250101T100000 20250101T100100/20250101T100100"},
    {"no more than was asked for", "DTSTART:20250101T100000Z\nRRULE:FREQ=SECONDLY\n",
     "20250101T100000Z", "20250101T100100Z", NULL},
    {"hours of a day", "DTSTART;VALUE=DATE:20250101\nRRULE:FREQ=HOURLY\n", Y2025,
     "line 20: RRULE goes by hours, minutes or seconds, but DTSTART is a DATE."},
    {"a rule that is none", "DTSTART:20250101T100000Z\nRRULE:FREQ=NEVER\n", Y2025,
     "line 20: FREQ=NEVER: FREQ wants SECONDLY, MINUTELY, HOURLY, DAILY, WEEKLY, MONTHLY or "
     "YEARLY."},
    {"an EXDATE that is none",
     "DTSTART:20250101T100000Z\nRRULE:FREQ=DAILY\nEXDATE:20250101T100000Z,x\n", Y2025,
     "line 21: EXDATE has a date that cannot be read."},
};

static void test_instances(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].name);
        if (rows[i].want != NULL)
            check_row(&rows[i], "Europe/Berlin");
    }
}

static void test_no_more_instances_than_asked_for(void **state)
{
    struct row row = {"", "DTSTART:20250101T100000Z\nRRULE:FREQ=SECONDLY\n", Y2025, NULL};
    AUTO(buf) struct buf want = BUF(MIB);

    (void)state;
    for (int i = 0; i < 40; i++)
        buf_putf(&want, "%s20250101T1000%02d/20250101T1000%02d", i > 0 ? " " : "", i, i);
    buf_put(&want, SLICE(" .."));
    row.want = want.ptr;
    check_row(&row, "Europe/Berlin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_no_more_instances_than_asked_for),
    };

    return cmocka_run_group_tests_name("ical_recur", tests, NULL, NULL);
}
