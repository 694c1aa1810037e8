#include "t.h"

#include "base/arena.h"
#include "calendar/calendar_detail.h"
#include "ews/ews_html.h"
#include "ews/ews_suggest.h"
#include "ews/ews_time.h"
#include "http/http_route.h"
#include "ical/ical_zone.h"
#include "xml/xml.h"

#include <stdlib.h>
#include <string.h>

#define NS \
    " xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\"" \
    " xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\""
#define MONDAY INT64_C(1795392000) /* 2026-11-23 00:00 UTC */
#define HOUR INT64_C(3600)

struct fixture {
    struct arena *arena;
    struct ical_zones *zones;
};

static int open_fixture(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->arena = arena_new("test", 256 * MIB);
    f->zones = ical_zones_new("/usr/share/zoneinfo");
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;

    ical_zones_free(&f->zones);
    arena_free(&f->arena);
    test_free(f);
    return 0;
}

static struct xml_element *parse(struct fixture *f, const char *text)
{
    struct xml_element *root = NULL;
    struct xml_error error;

    assert_int_equal(xml_parse(f->arena, slice_str(text), &xml_limits_default, &root, &error),
                     ST_OK);
    return root;
}

/* --- times --- */

static void times_are_read_as_clients_write_them(void **state)
{
    struct fixture *f = *state;
    const struct ical_zone *berlin = ical_zones_find(f->zones, SLICE("Europe/Berlin"));
    static const struct {
        const char *text;
        int64_t utc_s; /* INT64_MIN: refused */
    } rows[] = {
        {"2026-11-23T00:00:00", MONDAY - HOUR},   {"2026-11-23T00:00:00Z", MONDAY},
        {"2026-11-23T00:00:00.0000000Z", MONDAY}, {" 2026-11-23T01:00:00+01:00 ", MONDAY},
        {"2026-11-22T19:30:00-04:30", MONDAY},    {"2026-11-23", INT64_MIN},
        {"2026-11-23T24:00:00", INT64_MIN},       {"2026-02-30T00:00:00", INT64_MIN},
        {"2026-11-23T00:00:00+15:00", INT64_MIN}, {"2026-11-23T00:00:00 Z", INT64_MIN},
        {"0000-11-23T00:00:00", INT64_MIN},       {"", INT64_MIN},
        {"2026-11-23T00:00:00Zx", INT64_MIN},     {"99999-01-01T00:00:00", INT64_MIN},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t utc_s = INT64_MIN;
        enum st st = ews_time_read(slice_str(rows[i].text), berlin, &utc_s);

        assert_int_equal(st, rows[i].utc_s != INT64_MIN ? ST_OK : ST_INVALID);
        assert_int_equal(utc_s, rows[i].utc_s);
    }
}

static void times_are_told_with_their_offset(void **state)
{
    struct fixture *f = *state;
    AUTO(buf) struct buf out = BUF(KIB);

    ews_time_write(NULL, MONDAY, &out);
    ews_time_write(ical_zones_find(f->zones, SLICE("Europe/Berlin")), MONDAY, &out);
    ews_time_write(ical_zones_find(f->zones, SLICE("America/St_Johns")), MONDAY, &out);
    assert_string_equal(out.ptr,
                        "2026-11-23T00:00:00Z2026-11-23T01:00:00+01:00"
                        "2026-11-22T20:30:00-03:30");
}

/* --- zones --- */

#define RULE(name, bias, time, order, month, day) \
    "<t:" name "><t:Bias>" bias "</t:Bias><t:Time>" time "</t:Time><t:DayOrder>" order \
    "</t:DayOrder><t:Month>" month "</t:Month><t:DayOfWeek>" day "</t:DayOfWeek></t:" name ">"
#define ZONE(bias, standard, daylight) \
    "<t:TimeZone" NS "><t:Bias>" bias "</t:Bias>" standard daylight "</t:TimeZone>"

static void zones_are_read_as_clients_write_them(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        int32_t winter_s, summer_s; /* 1: refused */
    } rows[] = {
        /* sipe; exchangelib's UTC; davmail; SOGo; Berlin; an offset alone */
        {ZONE("0", RULE("StandardTime", "0", "00:00:00", "0", "0", "Sunday"),
              RULE("DaylightTime", "0", "00:00:00", "0", "0", "Sunday")),
         0, 0},
        {ZONE("0", RULE("StandardTime", "0", "00:00:00", "1", "1", "Monday"),
              RULE("DaylightTime", "0", "00:00:00", "5", "12", "Sunday")),
         0, 0},
        {ZONE("0", RULE("StandardTime", "0", "02:00:00", "1", "3", "Sunday"),
              RULE("DaylightTime", "0", "02:00:00", "1", "10", "Sunday")),
         0, 0},
        {ZONE("0", RULE("StandardTime", "0", "02:00:00", "1", "11", "Sunday"),
              RULE("DaylightTime", "-60", "02:00:00", "2", "3", "Sunday")),
         0, 3600},
        {ZONE("-60", RULE("StandardTime", "0", "03:00:00", "5", "10", "Sunday"),
              RULE("DaylightTime", "-60", "02:00:00", "5", "3", "Sunday")),
         3600, 7200},
        {ZONE("-330", "", ""), 19800, 19800},
        {ZONE("x", "", ""), 1, 1},
        {ZONE("1440", "", ""), 1, 1},
        {ZONE("-1000", RULE("StandardTime", "-1000", "00:00:00", "0", "0", "Sunday"), ""), 1, 1},
        {ZONE("0", RULE("StandardTime", "0", "25:00:00", "1", "11", "Sunday"),
              RULE("DaylightTime", "-60", "02:00:00", "2", "3", "Sunday")),
         1, 1},
        {ZONE("0", RULE("StandardTime", "0", "02:00:00", "1", "13", "Sunday"), ""), 1, 1},
        {ZONE("0", RULE("StandardTime", "0", "02:00:00", "6", "11", "Sunday"), ""), 1, 1},
        {ZONE("0", RULE("StandardTime", "0", "02:00:00", "1", "11", "Someday"), ""), 1, 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct ical_zone *zone = NULL;
        enum st st = ews_zone_read(f->arena, parse(f, rows[i].text), &zone);

        assert_int_equal(st, rows[i].winter_s == 1 ? ST_INVALID : ST_OK);
        if (st != ST_OK)
            continue;
        assert_int_equal(ical_zone_span(zone, MONDAY).offset_s, rows[i].winter_s);
        assert_int_equal(ical_zone_span(zone, MONDAY + 210 * 24 * HOUR).offset_s, rows[i].summer_s);
    }
}

/* What is told of a zone, read again, is the same clock in that year. */
static void zones_survive_the_way_there_and_back(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin", "America/New_York",   "Australia/Sydney", "America/Santiago",
        "Asia/Kolkata",  "Europe/Dublin",      "Pacific/Auckland", "America/St_Johns",
        "Etc/UTC",       "Australia/Lord_Howe"};
    struct fixture *f = *state;
    const int64_t from_s = ical_days(2026, 1, 1) * ICAL_DAY_S;

    for (size_t i = 0; i < COUNT(names); i++) {
        const struct ical_zone *zone = ical_zones_find(f->zones, slice_str(names[i]));
        const struct ical_zone *again = NULL;
        AUTO(buf) struct buf text = BUF(4 * KIB);
        struct ical_zone_year year;

        ical_zone_year(zone, MONDAY, &year);
        buf_put(&text, SLICE("<x" NS ">"));
        ews_zone_write(&year, &text);
        buf_put(&text, SLICE("</x>"));
        struct xml_element *root = parse(f, text.ptr);
        assert_int_equal(ews_zone_read(f->arena, root->children, &again), ST_OK);
        for (int64_t at_s = from_s; at_s < from_s + 365 * ICAL_DAY_S; at_s += 1800)
            if (ical_zone_span(zone, at_s).offset_s != ical_zone_span(again, at_s).offset_s)
                fail_msg("%s is another at %lld", names[i], (long long)at_s);
    }
}

/* --- digits --- */

static char brute(const struct ews_times *times, int64_t start_s, int64_t end_s, int64_t until_s)
{
    static const char digit[] = "00123";
    char most = '0';

    for (int64_t at_s = start_s; at_s < end_s; at_s += 60) {
        if (at_s < until_s && (at_s < times->from_s || at_s >= times->until_s))
            most = '4';
        for (size_t i = 0; i < times->count; i++)
            if (times->rows[i].start_s <= at_s && at_s < times->rows[i].end_s && at_s < until_s &&
                digit[times->rows[i].kind] > most)
                most = digit[times->rows[i].kind];
    }
    return most;
}

static void digits_are_those_of_every_minute(void **state)
{
    unsigned seed = 1;

    for (int round = 0; round < 2000; round++) {
        static const uint64_t intervals[] = {5, 15, 30, 60, 1440, 7};
        const uint64_t interval_min = intervals[rand_r(&seed) % 6];
        const int64_t from_s = MONDAY, until_s = MONDAY + (1 + rand_r(&seed) % 3000) * 60;
        struct calendar_busy_row rows[8];
        struct ews_times times = {rows, (size_t)(rand_r(&seed) % 8), from_s, until_s};
        int64_t at_s = from_s - 3 * HOUR;
        char digits[700];

        for (size_t i = 0; i < times.count; i++) {
            at_s += rand_r(&seed) % 200 * 60;
            rows[i].start_s = at_s;
            at_s += (1 + rand_r(&seed) % 200) * 60;
            rows[i].end_s = at_s;
            rows[i].kind = (enum store_busy_kind)(1 + rand_r(&seed) % 4);
        }
        if (rand_r(&seed) % 4 == 0)
            times.from_s += rand_r(&seed) % 100 * 60;
        if (rand_r(&seed) % 4 == 0)
            times.until_s -= rand_r(&seed) % 100 * 60;
        const size_t count = ews_digits_count(from_s, until_s, interval_min);
        ews_digits(&times, from_s, until_s, interval_min, digits);
        for (size_t i = 0; i < count; i++) {
            const int64_t start_s = from_s + (int64_t)(i * interval_min) * 60;
            const char wanted =
                times.from_s >= times.until_s
                    ? '4'
                    : brute(&times, start_s, start_s + (int64_t)interval_min * 60, until_s);

            if (digits[i] != wanted)
                fail_msg("round %d digit %zu is %c, not %c", round, i, digits[i], wanted);
        }
    }
}

/* --- requests --- */

#define REQUEST(zone, boxes, options) \
    "<m:GetUserAvailabilityRequest" NS ">" zone "<m:MailboxDataArray>" boxes \
    "</m:MailboxDataArray>" options "</m:GetUserAvailabilityRequest>"
#define BOX \
    "<t:MailboxData><t:Email><t:Address>a@b.test</t:Address></t:Email><t:AttendeeType>Required" \
    "</t:AttendeeType></t:MailboxData>"
#define OPTIONS(from, until, interval, view) \
    "<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>" from "</t:StartTime><t:EndTime>" until \
    "</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>" interval \
    "</t:MergedFreeBusyIntervalInMinutes><t:RequestedView>" view \
    "</t:RequestedView></t:FreeBusyViewOptions>"
#define GOOD OPTIONS("2026-11-23T00:00:00", "2026-11-24T00:00:00", "30", "DetailedMerged")

static void bad_requests_have_the_protocols_own_errors(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *code;
    } rows[] = {
        {REQUEST("", BOX, GOOD), NULL},
        {REQUEST("", "", GOOD), "ErrorMailboxDataArrayEmpty"},
        {REQUEST("", BOX, ""), "ErrorInvalidFreeBusyViewType"},
        {REQUEST("<t:TimeZone><t:Bias>99999</t:Bias></t:TimeZone>", BOX, GOOD), "ErrorTimeZone"},
        {REQUEST("", BOX, OPTIONS("2026-11-24T00:00:00", "2026-11-23T00:00:00", "30", "FreeBusy")),
         "ErrorInvalidTimeInterval"},
        {REQUEST("", BOX, OPTIONS("2026-11-24T00:00:00", "2026-11-24T00:00:00", "30", "FreeBusy")),
         "ErrorInvalidTimeInterval"},
        {REQUEST("", BOX, OPTIONS("never", "2026-11-24T00:00:00", "30", "FreeBusy")),
         "ErrorInvalidTimeInterval"},
        {REQUEST("", BOX, OPTIONS("2026-11-23T00:00:00", "2027-01-24T00:00:00", "30", "FreeBusy")),
         NULL},
        {REQUEST("", BOX, OPTIONS("2026-11-23T00:00:00", "2027-01-24T00:00:01", "30", "FreeBusy")),
         "ErrorTimeIntervalTooBig"},
        {REQUEST("", BOX, OPTIONS("2026-11-23T00:00:00", "2026-11-24T00:00:00", "4", "FreeBusy")),
         "ErrorInvalidMergedFreeBusyInterval"},
        {REQUEST("", BOX,
                 OPTIONS("2026-11-23T00:00:00", "2026-11-24T00:00:00", "1441", "FreeBusy")),
         "ErrorInvalidMergedFreeBusyInterval"},
        {REQUEST("", BOX, OPTIONS("2026-11-23T00:00:00", "2026-11-24T00:00:00", "-5", "FreeBusy")),
         "ErrorInvalidMergedFreeBusyInterval"},
        {REQUEST("", BOX, OPTIONS("2026-11-23T00:00:00", "2026-11-24T00:00:00", "30", "None")),
         "ErrorInvalidFreeBusyViewType"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ews_fault fault = {NULL, NULL};
        struct ews_ask ask;
        bool ok = ews_ask_read(f->arena, NULL, parse(f, rows[i].text), f->zones, &ask, &fault);

        assert_int_equal(ok, rows[i].code == NULL);
        if (rows[i].code != NULL)
            assert_string_equal(fault.code, rows[i].code);
    }
}

static void too_many_mailboxes_are_refused(void **state)
{
    struct fixture *f = *state;
    AUTO(buf) struct buf text = BUF(MIB);
    struct ews_fault fault = {NULL, NULL};
    struct ews_ask ask;

    for (size_t count = 100; count <= 101; count++) {
        buf_clear(&text);
        buf_put(&text, SLICE("<m:GetUserAvailabilityRequest" NS "><m:MailboxDataArray>"));
        for (size_t i = 0; i < count; i++)
            buf_put(&text, SLICE(BOX));
        buf_put(&text, SLICE("</m:MailboxDataArray>" GOOD "</m:GetUserAvailabilityRequest>"));
        assert_int_equal(ews_ask_read(f->arena, NULL, parse(f, text.ptr), f->zones, &ask, &fault),
                         count == 100);
    }
    assert_string_equal(fault.code, "ErrorMailboxDataArrayTooBig");
}

static void a_zone_of_the_header_counts_where_the_request_has_none(void **state)
{
    struct fixture *f = *state;
    struct ews_fault fault = {NULL, NULL};
    struct ews_ask ask;

    assert_true(ews_ask_read(
        f->arena,
        parse(f, "<h" NS "><t:TimeZoneContext><t:TimeZoneDefinition Id=\"W. Europe Standard "
                 "Time\"/></t:TimeZoneContext></h>"),
        parse(f, REQUEST("", BOX, GOOD)), f->zones, &ask, &fault));
    assert_int_equal(ask.from_s, MONDAY - HOUR);
    assert_false(ews_ask_read(
        f->arena,
        parse(f, "<h" NS "><t:TimeZoneContext><t:TimeZoneDefinition Id=\"Middle Earth Standard "
                 "Time\"/></t:TimeZoneContext></h>"),
        parse(f, REQUEST("", BOX, GOOD)), f->zones, &ask, &fault));
    assert_string_equal(fault.code, "ErrorTimeZone");
}

/* --- answers --- */

static void who_does_not_answer_is_not_free(void **state)
{
    const struct ews_ask ask = {.view = EWS_VIEW_FREE_BUSY_MERGED,
                                .from_s = MONDAY,
                                .until_s = MONDAY + 2 * HOUR,
                                .interval_min = 30};
    const struct ews_told told = {.view = EWS_VIEW_FREE_BUSY_MERGED};
    AUTO(buf) struct buf out = BUF(MIB);

    ews_view_write(&ask, &told, &out);
    assert_non_null(strstr(out.ptr, "<t:MergedFreeBusy>4444</t:MergedFreeBusy>"));
    assert_non_null(strstr(out.ptr,
                           "<t:StartTime>2026-11-23T00:00:00Z</t:StartTime><t:EndTime>"
                           "2026-11-23T02:00:00Z</t:EndTime><t:BusyType>NoData<"));
}

static void qualities_follow_the_threshold(void **state)
{
    assert_int_equal(ews_quality_of(100, 25), EWS_QUALITY_EXCELLENT);
    assert_int_equal(ews_quality_of(75, 25), EWS_QUALITY_GOOD);
    assert_int_equal(ews_quality_of(74, 25), EWS_QUALITY_FAIR);
    assert_int_equal(ews_quality_of(50, 25), EWS_QUALITY_FAIR);
    assert_int_equal(ews_quality_of(49, 25), EWS_QUALITY_POOR);
}

static void suggestions_avoid_who_is_busy(void **state)
{
    struct ews_mailbox boxes[] = {{SLICE("a@b.test"), EWS_ATTENDEE_REQUIRED, true},
                                  {SLICE("c@b.test"), EWS_ATTENDEE_REQUIRED, false}};
    const struct ews_ask ask = {.mailboxes = boxes,
                                .count = 2,
                                .suggestions_wanted = true,
                                .suggestions = {.good_threshold = 25,
                                                .by_day_max = 3,
                                                .meeting_min = 60,
                                                .quality_min = EWS_QUALITY_GOOD,
                                                .from_s = MONDAY,
                                                .until_s = MONDAY + 24 * HOUR}};
    const struct calendar_busy_row rows[] = {
        {MONDAY + 9 * HOUR, MONDAY + 11 * HOUR, STORE_BUSY_BUSY, 0}};
    const struct ews_attending attending[] = {{true, {rows, 1, MONDAY, MONDAY + 24 * HOUR}},
                                              {true, {NULL, 0, MONDAY, MONDAY + 24 * HOUR}}};
    const struct calendar_week week = {.hours = {{0x1f, 8 * 60, 17 * 60}}, .count = 1};
    AUTO(buf) struct buf out = BUF(MIB);

    ews_suggest_write(&ask, attending, &week, &out);
    const char *first = strstr(out.ptr, "<t:MeetingTime>");
    assert_non_null(first);
    assert_memory_equal(first, "<t:MeetingTime>2026-11-23T08:00:00Z", 35);
    const char *second = strstr(first + 1, "<t:MeetingTime>");
    assert_memory_equal(second, "<t:MeetingTime>2026-11-23T11:00:00Z", 35);
    assert_null(strstr(out.ptr, "T09:00:00Z"));
}

/* --- details --- */

static void what_no_detail_covers_stays_a_time(void **state)
{
    struct fixture *f = *state;
    const struct calendar_busy_row rows[] = {
        {MONDAY, MONDAY + 4 * HOUR, STORE_BUSY_BUSY, 0},
        {MONDAY + 6 * HOUR, MONDAY + 7 * HOUR, STORE_BUSY_TENTATIVE, 0}};
    struct calendar_detail *details = arena_many(f->arena, struct calendar_detail, 2);
    size_t count = 2;

    details[0] =
        (struct calendar_detail){MONDAY + HOUR, MONDAY + 2 * HOUR, STORE_BUSY_BUSY, .told = true};
    details[1] = (struct calendar_detail){MONDAY + 3 * HOUR, MONDAY + 5 * HOUR,
                                          STORE_BUSY_TENTATIVE, .told = true};
    calendar_detail_rest(f->arena, rows, 2, &details, &count);
    assert_int_equal(count, 5);
    assert_int_equal(details[2].start_s, MONDAY);
    assert_int_equal(details[2].end_s, MONDAY + HOUR);
    assert_int_equal(details[3].start_s, MONDAY + 2 * HOUR); /* tentative does not cover busy */
    assert_int_equal(details[3].end_s, MONDAY + 4 * HOUR);
    assert_int_equal(details[4].start_s, MONDAY + 6 * HOUR);
    assert_false(details[4].told);
}

static void working_hours_are_what_availability_leaves(void **state)
{
    struct fixture *f = *state;
    const struct ical_zone *berlin = ical_zones_find(f->zones, SLICE("Europe/Berlin"));
    struct calendar_hours hours[CALENDAR_HOURS_MAX];
    static const char text[] =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VAVAILABILITY\r\nUID:1\r\n"
        "DTSTAMP:20260101T000000Z\r\nBEGIN:AVAILABLE\r\nUID:2\r\nDTSTAMP:20260101T000000Z\r\n"
        "DTSTART;TZID=Europe/Berlin:20260105T090000\r\nDTEND;TZID=Europe/Berlin:20260105T123000\r\n"
        "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\nEND:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n";

    assert_int_equal(calendar_hours(f->arena, SLICE(""), f->zones, berlin, MONDAY, hours), 1);
    assert_int_equal(hours[0].days, 0x1f);
    assert_int_equal(hours[0].from_min, 480);
    assert_int_equal(
        calendar_hours(f->arena, slice_str(text), f->zones, berlin, MONDAY + 30 * HOUR, hours), 1);
    assert_int_equal(hours[0].days, 0x5);
    assert_int_equal(hours[0].from_min, 540);
    assert_int_equal(hours[0].until_min, 750);
}

/* --- the rest --- */

static void html_is_read_as_words(void **state)
{
    static const struct {
        const char *html, *words;
    } rows[] = {
        {"<html><head><title>x</title><style>p{}</style></head><body><p>In &amp;<br>out</p>"
         "</body></html>",
         "In &\nout\n"},
        {"<div>one  two</div><div>three&nbsp;&#228;&#x20AC;</div>",
         "one two\nthree \xc3\xa4\xe2\x82\xac\n"},
        {"<p>a < b</p>", "a < b\n"},
        {"<p>a<!-- no --> b</p>&bogus;&#xd800;", "a b\n&bogus;&#xd800;"},
        {"<p>x<script>if (a<b) {}</script>y", "xy"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(KIB);

        assert_true(ews_html_is(slice_str(rows[i].html)));
        ews_html_words(slice_str(rows[i].html), &out);
        assert_string_equal(out.ptr, rows[i].words);
    }
    assert_false(ews_html_is(SLICE("5 < 6 and 7 > 3, <alice@example.test>")));
}

static void routes_take_what_is_below_them(void **state)
{
    assert_true(http_route_takes("/ews", "/EWS/Exchange.asmx"));
    assert_true(http_route_takes("/ews", "/ews"));
    assert_false(http_route_takes("/ews", "/ewsx"));
    assert_true(http_route_takes("", "/anything"));
    assert_false(http_route_takes("/autodiscover", "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_clients_write_them),
        cmocka_unit_test(times_are_told_with_their_offset),
        cmocka_unit_test(zones_are_read_as_clients_write_them),
        cmocka_unit_test(zones_survive_the_way_there_and_back),
        cmocka_unit_test(digits_are_those_of_every_minute),
        cmocka_unit_test(bad_requests_have_the_protocols_own_errors),
        cmocka_unit_test(too_many_mailboxes_are_refused),
        cmocka_unit_test(a_zone_of_the_header_counts_where_the_request_has_none),
        cmocka_unit_test(who_does_not_answer_is_not_free),
        cmocka_unit_test(qualities_follow_the_threshold),
        cmocka_unit_test(suggestions_avoid_who_is_busy),
        cmocka_unit_test(what_no_detail_covers_stays_a_time),
        cmocka_unit_test(working_hours_are_what_availability_leaves),
        cmocka_unit_test(html_is_read_as_words),
        cmocka_unit_test(routes_take_what_is_below_them),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
