#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_availability.h"
#include "calendar/calendar_freebusy.h"
#include "calendar/calendar_range.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#define FOLDER "/usr/share/zoneinfo"

struct fixture {
    struct arena *arena;
    struct ical_zones *zones;
    const struct ical_zone *floating;
    struct ical_comp *calendar;
    struct ical_tz *tz;
    struct ical_error error;
};

static void open_fixture(struct fixture *f, const char *text)
{
    AUTO(buf) struct buf object = BUF(MIB);

    buf_putf(&object, "BEGIN:VCALENDAR\n%sEND:VCALENDAR\n", text);
    f->arena = arena_new("test", 256 * MIB);
    f->zones = ical_zones_new(FOLDER);
    f->floating = ical_zones_find(f->zones, SLICE("Europe/Berlin"));
    assert_int_equal(
        ical_parse(f->arena, buf_slice(&object), &ical_limits_default, &f->calendar, &f->error),
        ST_OK);
    f->tz = ical_tz_new(f->arena, f->calendar, f->zones);
}

static void close_fixture(struct fixture *f)
{
    ical_zones_free(&f->zones);
    arena_free(&f->arena);
}

static int64_t instant(const char *text)
{
    struct ical_time time;

    assert_int_equal(ical_time_parse(slice_str(text), &time), ST_OK);
    return time.local_s;
}

/* A component, and ranges of which each says whether it overlaps: "from/until+" or "-", hours of
 * 2025-03-10 to 2025-03-12, an empty one for none. */
struct overlap_row {
    const char *name, *comp, *props, *ranges;
};

static int64_t hour(struct slice text, int64_t none)
{
    uint64_t hours, minutes = 0;
    struct slice part;

    if (text.len == 0)
        return none;
    assert_true(slice_split(&text, ':', &part));
    assert_int_equal(slice_to_u64(part, &hours), ST_OK);
    if (text.ptr != NULL)
        assert_int_equal(slice_to_u64(text, &minutes), ST_OK);
    return instant("20250310T000000Z") + (int64_t)(hours * 3600 + minutes * 60);
}

static const struct overlap_row overlap_rows[] = {
    {"VEVENT with DTEND", "VEVENT", "DTSTART:20250310T100000Z\nDTEND:20250310T120000Z\n",
     "9/10- 9/11+ 11/13+ 12/13- 10:30/11+ /+ 12/- /10- 11/+ /11+"},
    {"VEVENT with DURATION", "VEVENT", "DTSTART:20250310T100000Z\nDURATION:PT2H\n",
     "9/10- 9/11+ 12/13-"},
    {"VEVENT without an end", "VEVENT", "DTSTART:20250310T100000Z\n", "9/10- 10/11+ 11/12-"},
    {"VEVENT of a day", "VEVENT", "DTSTART;VALUE=DATE:20250311\n",
     "22/23- 23/24+ 46/47+ 47/48- 0/23- 0/24+"},
    {"VEVENT, the rule", "VEVENT",
     "DTSTART:20250301T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE:20250311T100000Z\n",
     "9/10- 10/11+ 34/35- 11/58- 11/59+"},
    {"VTODO with DTSTART and DURATION", "VTODO", "DTSTART:20250310T100000Z\nDURATION:PT2H\n",
     "9/10- 9/11+ 12/13+ 12:01/13-"},
    {"VTODO with DTSTART and DUE", "VTODO", "DTSTART:20250310T100000Z\nDUE:20250310T120000Z\n",
     "9/10- 9/11+ 12/13- 11/12+"},
    {"VTODO with DTSTART alone", "VTODO", "DTSTART:20250310T100000Z\n", "9/10- 10/11+ 11/12-"},
    {"VTODO with DUE alone", "VTODO", "DUE:20250310T100000Z\n", "9/10+ 10/11- 8/9-"},
    {"VTODO with COMPLETED and CREATED", "VTODO",
     "COMPLETED:20250310T120000Z\nCREATED:20250310T100000Z\n",
     "8/9- 9/10+ 11/11:30+ 12/13+ 13/14-"},
    {"VTODO with COMPLETED", "VTODO", "COMPLETED:20250310T120000Z\n",
     "11/12+ 12/13+ 13/14- 10/11-"},
    {"VTODO with CREATED", "VTODO", "CREATED:20250310T100000Z\n", "9/10- 9/11+ 13/14+"},
    {"VTODO with nothing", "VTODO", "", "1/2+"},
    {"VJOURNAL with a time", "VJOURNAL", "DTSTART:20250310T100000Z\n", "9/10- 10/11+ 11/12-"},
    {"VJOURNAL with a day", "VJOURNAL", "DTSTART;VALUE=DATE:20250311\n", "22/23- 23/24+ 47/48-"},
    {"VJOURNAL with nothing", "VJOURNAL", "", "1/2-"},
    {"VFREEBUSY with its range", "VFREEBUSY", "DTSTART:20250310T100000Z\nDTEND:20250310T120000Z\n",
     "9/10- 9/11+ 12/13+ 13/14-"},
    {"VFREEBUSY with periods", "VFREEBUSY",
     "FREEBUSY:20250310T100000Z/PT1H,20250310T140000Z/PT1H\n", "9/10- 10/11+ 11/14- 13/15+"},
    {"VFREEBUSY with nothing", "VFREEBUSY", "", "1/2-"},
    {"an alarm before the start", "VEVENT",
     "DTSTART:20250310T100000Z\nDURATION:PT2H\nRRULE:FREQ=DAILY;COUNT=2\n"
     "BEGIN:VALARM\nTRIGGER:-PT15M\nEND:VALARM\n",
     "9/10+ 10/11- 9:45/9:46+ 9/9:45- 33/34+ 57/58-"},
    {"an alarm after the end", "VEVENT",
     "DTSTART:20250310T100000Z\nDURATION:PT2H\n"
     "BEGIN:VALARM\nTRIGGER;RELATED=END:PT15M\nEND:VALARM\n",
     "10/12- 12/13+"},
    {"an alarm days before", "VEVENT",
     "DTSTART:20250320T100000Z\nDURATION:PT2H\nBEGIN:VALARM\nTRIGGER:-P10D\nEND:VALARM\n",
     "9/10- 10/11+"},
    {"an alarm that repeats", "VEVENT",
     "DTSTART:20250310T100000Z\nDURATION:PT2H\n"
     "BEGIN:VALARM\nTRIGGER:PT0S\nREPEAT:3\nDURATION:PT1H\nEND:VALARM\n",
     "9/10- 10/11+ 12/13+ 12:30/12:59- 13/14+ 13:01/20-"},
    {"an alarm at a time", "VEVENT",
     "DTSTART:20250410T100000Z\nBEGIN:VALARM\nTRIGGER;VALUE=DATE-TIME:20250310T100000Z\n"
     "END:VALARM\n",
     "9/10- 10/11+"},
    {"an alarm of a to-do", "VTODO",
     "DUE:20250310T100000Z\nBEGIN:VALARM\nTRIGGER;RELATED=END:-PT30M\nEND:VALARM\n",
     "9/10+ 10/11-"},
};

static void check_ranges(const struct overlap_row *row)
{
    AUTO(buf) struct buf text = BUF(MIB);
    struct slice rest = slice_str(row->ranges), item, from;
    struct fixture f;

    buf_putf(&text, "BEGIN:%s\nUID:1\n%sEND:%s\n", row->comp, row->props, row->comp);
    open_fixture(&f, text.ptr);
    const struct ical_comp *comp = f.calendar->comps;
    if (comp->comps != NULL)
        comp = comp->comps;
    while (slice_split(&rest, ' ', &item)) {
        bool want = item.ptr[item.len - 1] == '+', got;
        struct slice until = slice_sub(item, 0, item.len - 1);

        assert_true(slice_split(&until, '/', &from));
        struct calendar_range range = {hour(from, INT64_MIN), hour(until, INT64_MAX)};
        assert_int_equal(calendar_range_overlaps(f.arena, f.calendar, comp, f.tz, f.floating,
                                                 ICAL_RECUR_STEPS_MAX, range, &got, &f.error),
                         ST_OK);
        if (got != want)
            printf("# %.*s\n", SLICE_ARG(item));
        assert_int_equal(got, want);
    }
    close_fixture(&f);
}

static void test_tables_of_rfc_4791(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(overlap_rows); i++) {
        T_ROW(i, overlap_rows[i].name);
        check_ranges(&overlap_rows[i]);
    }
}

static bool overlaps(struct fixture *f, const struct ical_comp *comp, const char *from,
                     const char *until)
{
    struct calendar_range range = {instant(from), instant(until)};
    bool got;

    assert_int_equal(calendar_range_overlaps(f->arena, f->calendar, comp, f->tz, f->floating,
                                             ICAL_RECUR_STEPS_MAX, range, &got, &f->error),
                     ST_OK);
    return got;
}

static void test_an_override_stands_for_itself(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f,
                 "BEGIN:VEVENT\nUID:1\nDTSTART:20250310T100000Z\nDURATION:PT1H\n"
                 "RRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT\n"
                 "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20250311T100000Z\n"
                 "DTSTART:20250320T100000Z\nDURATION:PT1H\nEND:VEVENT\n"
                 "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20250312T100000Z\n"
                 "DTSTART:20250312T120000Z\nDURATION:PT1H\nEND:VEVENT\n");
    const struct ical_comp *master = f.calendar->comps;
    const struct ical_comp *one = master->next, *future = one->next;

    assert_true(overlaps(&f, master, "20250310T000000Z", "20250311T000000Z"));
    assert_false(overlaps(&f, master, "20250311T000000Z", "20250321T000000Z"));
    assert_true(overlaps(&f, one, "20250320T000000Z", "20250321T000000Z"));
    assert_false(overlaps(&f, one, "20250311T000000Z", "20250312T000000Z"));
    assert_true(overlaps(&f, future, "20250312T120000Z", "20250312T130000Z"));
    assert_false(overlaps(&f, future, "20250312T100000Z", "20250312T110000Z"));
    close_fixture(&f);
}

static void test_dates_of_properties(void **state)
{
    struct calendar_range day = {instant("20250310T230000Z"), instant("20250311T230000Z")};
    struct fixture f;

    (void)state;
    open_fixture(&f,
                 "BEGIN:VTODO\nUID:1\nCOMPLETED:20250311T100000Z\nDUE;VALUE=DATE:20250312\n"
                 "DTSTART;VALUE=DATE:20250311\nSUMMARY:20250311\nEND:VTODO\n");
    const struct ical_prop *prop = f.calendar->comps->props->next;
    assert_true(calendar_range_has(f.tz, f.floating, prop, day));
    prop = prop->next;
    assert_false(calendar_range_has(f.tz, f.floating, prop, day));
    prop = prop->next;
    assert_true(calendar_range_has(f.tz, f.floating, prop, day));
    close_fixture(&f);
}

static const char kinds[] = "fetbu";

static void put_rows(const struct calendar_busy_row *rows, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_putf(out, "%s%c:", i > 0 ? " " : "", kinds[rows[i].kind]);
        ical_time_write((struct ical_time){rows[i].start_s, ICAL_FLOATING, NULL}, out);
        buf_put(out, SLICE("/"));
        ical_time_write((struct ical_time){rows[i].end_s, ICAL_FLOATING, NULL}, out);
    }
}

#define WORK \
    "BEGIN:VAVAILABILITY\nUID:a\nBEGIN:AVAILABLE\nUID:b\nDTSTART;TZID=Europe/Berlin:" \
    "20250303T090000\nDTEND;TZID=Europe/Berlin:20250303T170000\n" \
    "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\nEND:AVAILABLE\nEND:VAVAILABILITY\n"

/* What a VCALENDAR says of Tuesday to Thursday, 11th to 13th of March 2025, UTC. */
static const struct {
    const char *name, *text, *want;
} availability_rows[] = {
    {"nothing", "", ""},
    {"working hours", WORK,
     "u:20250311T000000/20250311T080000 u:20250311T160000/20250312T080000 "
     "u:20250312T160000/20250313T000000"},
    {"only until its end",
     "BEGIN:VAVAILABILITY\nUID:a\nDTSTART:20250311T100000Z\nDURATION:P1D\nBUSYTYPE:BUSY\n"
     "END:VAVAILABILITY\n",
     "b:20250311T100000/20250312T100000"},
    {"an AVAILABLE outside of its VAVAILABILITY says nothing",
     "BEGIN:VAVAILABILITY\nUID:a\nDTSTART:20250311T100000Z\nDTEND:20250311T120000Z\n"
     "BEGIN:AVAILABLE\nUID:b\nDTSTART:20250311T110000Z\nDTEND:20250311T180000Z\nEND:AVAILABLE\n"
     "END:VAVAILABILITY\n",
     "u:20250311T100000/20250311T110000"},
    {"a higher priority decides",
     WORK "BEGIN:VAVAILABILITY\nUID:c\nPRIORITY:1\nDTSTART:20250312T000000Z\nDURATION:P1D\n"
          "BUSYTYPE:BUSY-TENTATIVE\nBEGIN:AVAILABLE\nUID:d\nDTSTART:20250312T180000Z\n"
          "DURATION:PT1H\nEND:AVAILABLE\nEND:VAVAILABILITY\n",
     "u:20250311T000000/20250311T080000 u:20250311T160000/20250312T000000 "
     "t:20250312T000000/20250312T180000 t:20250312T190000/20250313T000000"},
    {"1 is higher than 2, and 0 the lowest",
     "BEGIN:VAVAILABILITY\nUID:a\nPRIORITY:1\nBUSYTYPE:BUSY\nDTSTART:20250311T000000Z\n"
     "DURATION:PT6H\nEND:VAVAILABILITY\n"
     "BEGIN:VAVAILABILITY\nUID:b\nPRIORITY:2\nBUSYTYPE:BUSY-TENTATIVE\nDTSTART:20250311T000000Z\n"
     "DURATION:PT12H\nEND:VAVAILABILITY\n"
     "BEGIN:VAVAILABILITY\nUID:c\nDTSTART:20250311T000000Z\nDURATION:P1D\nEND:VAVAILABILITY\n",
     "b:20250311T000000/20250311T060000 t:20250311T060000/20250311T120000 "
     "u:20250311T120000/20250312T000000"},
    {"of one priority each gives time",
     "BEGIN:VAVAILABILITY\nUID:a\nBEGIN:AVAILABLE\nUID:b\nDTSTART:20250311T080000Z\nDURATION:PT2H\n"
     "END:AVAILABLE\nEND:VAVAILABILITY\n"
     "BEGIN:VAVAILABILITY\nUID:c\nBUSYTYPE:BUSY\nBEGIN:AVAILABLE\nUID:d\nDTSTART:20250311T090000Z\n"
     "DURATION:PT2H\nEND:AVAILABLE\nEND:VAVAILABILITY\n",
     "b:20250311T000000/20250311T080000 b:20250311T110000/20250313T000000"},
    {"of one priority BUSY counts before BUSY-UNAVAILABLE before BUSY-TENTATIVE",
     "BEGIN:VAVAILABILITY\nUID:a\nBUSYTYPE:BUSY-TENTATIVE\nDTSTART:20250311T000000Z\n"
     "DURATION:P1D\nEND:VAVAILABILITY\n"
     "BEGIN:VAVAILABILITY\nUID:b\nDTSTART:20250311T060000Z\nDURATION:PT12H\nEND:VAVAILABILITY\n"
     "BEGIN:VAVAILABILITY\nUID:c\nBUSYTYPE:BUSY\nDTSTART:20250311T080000Z\nDURATION:PT2H\n"
     "END:VAVAILABILITY\n",
     "t:20250311T000000/20250311T060000 u:20250311T060000/20250311T080000 "
     "b:20250311T080000/20250311T100000 u:20250311T100000/20250311T180000 "
     "t:20250311T180000/20250312T000000"},
    {"an AVAILABLE with an override",
     "BEGIN:VAVAILABILITY\nUID:a\nBEGIN:AVAILABLE\nUID:b\nDTSTART:20250311T080000Z\nDURATION:PT2H\n"
     "RRULE:FREQ=DAILY\nEND:AVAILABLE\n"
     "BEGIN:AVAILABLE\nUID:b\nRECURRENCE-ID:20250312T080000Z\nDTSTART:20250312T120000Z\n"
     "DURATION:PT1H\nEND:AVAILABLE\nEND:VAVAILABILITY\n",
     "u:20250311T000000/20250311T080000 u:20250311T100000/20250312T120000 "
     "u:20250312T130000/20250313T000000"},
};

static void test_availability(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(availability_rows); i++) {
        AUTO(buf) struct buf got = BUF(MIB);
        struct calendar_busy_row *rows;
        struct fixture f;
        size_t count;

        T_ROW(i, availability_rows[i].name);
        open_fixture(&f, availability_rows[i].text);
        assert_int_equal(calendar_availability(
                             f.arena, f.calendar, f.tz, f.floating, instant("20250311T000000Z"),
                             instant("20250313T000000Z"), 1000, &rows, &count, &f.error),
                         ST_OK);
        put_rows(rows, count, &got);
        T_EQ_SLICE(buf_slice(&got), slice_str(availability_rows[i].want));
        close_fixture(&f);
    }
}

static void test_absurd_availability_is_refused(void **state)
{
    struct calendar_busy_row *rows;
    struct fixture f;
    size_t count;

    (void)state;
    open_fixture(&f,
                 "BEGIN:VAVAILABILITY\nUID:a\nBEGIN:AVAILABLE\nUID:b\n"
                 "DTSTART:20250311T080000Z\nDURATION:PT2H\nRRULE:FREQ=SECONDLY\n"
                 "END:AVAILABLE\nEND:VAVAILABILITY\n");
    assert_int_equal(calendar_availability(f.arena, f.calendar, f.tz, f.floating,
                                           instant("20250311T000000Z"), instant("20250313T000000Z"),
                                           1000, &rows, &count, &f.error),
                     ST_TOO_BIG);
    assert_int_equal(f.error.line, 4);
    close_fixture(&f);
}

static void test_freebusy_is_written_and_read(void **state)
{
    int64_t from_s = instant("20250311T000000Z"), until_s = instant("20250312T000000Z");
    const struct calendar_busy_row rows[] = {
        {from_s + 36000, from_s + 39600, STORE_BUSY_BUSY, 1},
        {from_s + 39600, from_s + 43200, STORE_BUSY_BUSY, 2},
        {from_s + 38000, from_s + 50000, STORE_BUSY_TENTATIVE, 3},
        {from_s - 1000, from_s + 1000, STORE_BUSY_UNAVAILABLE, 4},
        {from_s + 60000, from_s + 70000, STORE_BUSY_ELSEWHERE, 5},
        {until_s, until_s + 1000, STORE_BUSY_BUSY, 6},
    };
    AUTO(buf) struct buf text = BUF(MIB);
    AUTO(buf) struct buf got = BUF(MIB);
    struct calendar_busy_row *back;
    struct fixture f;
    size_t count;

    (void)state;
    open_fixture(&f, "");
    const struct ical_comp *comp =
        calendar_freebusy_comp(f.arena, rows, COUNT(rows), from_s, until_s, from_s);
    ical_write(comp, &text);
    T_EQ_SLICE(buf_slice(&text),
               SLICE("BEGIN:VFREEBUSY\r\nDTSTAMP:20250311T000000Z\r\nDTSTART:20250311T000000Z\r\n"
                     "DTEND:20250312T000000Z\r\n"
                     "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20250311T000000Z/20250311T001640Z\r\n"
                     "FREEBUSY;FBTYPE=BUSY:20250311T100000Z/20250311T120000Z\r\n"
                     "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20250311T120000Z/20250311T135320Z\r\n"
                     "END:VFREEBUSY\r\n"));
    assert_int_equal(calendar_freebusy_read(f.arena, comp, &back, &count, &f.error), ST_OK);
    put_rows(back, count, &got);
    T_EQ_SLICE(buf_slice(&got), SLICE("u:20250311T000000/20250311T001640 "
                                      "b:20250311T100000/20250311T120000 "
                                      "t:20250311T120000/20250311T135320"));
    close_fixture(&f);
}

static void test_each_period_has_a_line(void **state)
{
    static struct calendar_busy_row rows[250];
    struct fixture f;
    size_t lines = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] =
            (struct calendar_busy_row){(int64_t)i * 100, (int64_t)i * 100 + 50, STORE_BUSY_BUSY, 0};
    open_fixture(&f, "");
    const struct ical_comp *comp = calendar_freebusy_comp(f.arena, rows, COUNT(rows), 0, 100000, 0);
    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_FREEBUSY); prop != NULL;
         prop = ical_prop_next(prop))
        lines++;
    assert_int_equal(lines, COUNT(rows));
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_of_rfc_4791),
        cmocka_unit_test(test_an_override_stands_for_itself),
        cmocka_unit_test(test_dates_of_properties),
        cmocka_unit_test(test_availability),
        cmocka_unit_test(test_absurd_availability_is_refused),
        cmocka_unit_test(test_freebusy_is_written_and_read),
        cmocka_unit_test(test_each_period_has_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
