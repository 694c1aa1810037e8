#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

static struct arena *arena;
static struct ical_zones *zones;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new("test", 64 * MIB);
    zones = ical_zones_new("/usr/share/zoneinfo");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ical_zones_free(&zones);
    arena_free(&arena);
    return 0;
}

static const struct ical_zone *vtimezone(const char *observances)
{
    AUTO(buf) struct buf text = BUF(64 * KIB);
    struct ical_comp *comp;
    struct ical_error error;
    const struct ical_zone *zone = NULL;

    buf_putf(&text, "BEGIN:VTIMEZONE\nTZID:x\n%sEND:VTIMEZONE\n", observances);
    if (ical_parse(arena, buf_slice(&text), &ical_limits_default, &comp, &error) != ST_OK ||
        ical_zone_vtimezone(arena, comp, &zone, &error) != ST_OK)
        fail_msg("%s", error.text);
    return zone;
}

#define OBSERVANCE(kind, start, rule, from, to) \
    "BEGIN:" kind "\nDTSTART:" start "\n" rule "TZOFFSETFROM:" from "\nTZOFFSETTO:" to \
    "\nEND:" kind "\n"

/* As programs write them; each must say what the tz database says, from the year on. */
static const struct {
    const char *name, *zone;
    int32_t year;
    const char *observances;
} rows[] = {
    {"Outlook: from 1601 on", "Europe/Berlin", 1997,
     OBSERVANCE("STANDARD", "16010101T030000", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\n", "+0200",
                "+0100") OBSERVANCE("DAYLIGHT", "16010101T020000",
                                    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\n", "+0100", "+0200")},
    {"Google: from 1970 on", "America/New_York", 2007,
     OBSERVANCE("DAYLIGHT", "19700308T020000", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\n", "-0500",
                "-0400") OBSERVANCE("STANDARD", "19701101T020000",
                                    "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\n", "-0400", "-0500")},
    {"Apple: rules that follow one another", "America/New_York", 1990,
     OBSERVANCE("DAYLIGHT", "19870405T020000",
                "RRULE:FREQ=YEARLY;UNTIL=20060402T070000Z;BYMONTH=4;BYDAY=1SU\n", "-0500", "-0400")
         OBSERVANCE("DAYLIGHT", "20070311T020000", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\n",
                    "-0500", "-0400")
             OBSERVANCE("STANDARD", "19671029T020000",
                        "RRULE:FREQ=YEARLY;UNTIL=20061029T060000Z;BYMONTH=10;BYDAY=-1SU\n", "-0400",
                        "-0500")
                 OBSERVANCE("STANDARD", "20071104T020000",
                            "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\n", "-0400", "-0500")},
    {"Evolution: days of the month, followed to 2100", "America/New_York", 2007,
     OBSERVANCE("DAYLIGHT", "20070311T020000",
                "RRULE:FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU\n", "-0500",
                "-0400") OBSERVANCE("STANDARD", "20071104T020000",
                                    "RRULE:FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=1,2,3,4,5,6,7;BYDAY="
                                    "SU\n",
                                    "-0400", "-0500")},
    {"summer over the turn of the year", "Australia/Sydney", 2009,
     OBSERVANCE("STANDARD", "20080406T030000", "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU\n", "+1100",
                "+1000") OBSERVANCE("DAYLIGHT", "20081005T020000",
                                    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=1SU\n", "+1000", "+1100")},
    {"no summer", "Asia/Tokyo", 1970,
     OBSERVANCE("STANDARD", "19700101T000000", "", "+0900", "+0900")},
    {"dates", "Asia/Kolkata", 1970,
     OBSERVANCE("STANDARD", "19450101T000000", "RDATE:19460101T000000,19470101T000000\n", "+0630",
                "+0530")},
};

static void test_vtimezones_say_what_the_tz_database_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct ical_zone *own = vtimezone(rows[i].observances);
        const struct ical_zone *theirs = ical_zones_find(zones, slice_str(rows[i].zone));
        int64_t from_s = ical_days(rows[i].year, 1, 2) * ICAL_DAY_S;
        int64_t until_s = ical_days(2100, 1, 1) * ICAL_DAY_S;

        T_ROW(i, rows[i].name);
        assert_non_null(theirs);
        for (int64_t at = from_s; at < until_s; at += 23 * 3600 + 601)
            if (ical_zone_local(own, at) != ical_zone_local(theirs, at) ||
                ical_zone_utc(own, at, NULL) != ical_zone_utc(theirs, at, NULL))
                fail_msg("%s differs at %lld", rows[i].zone, (long long)at);
    }
}

static void test_spans_are_where_nothing_changes(void **state)
{
    static const char *const names[] = {"Europe/Berlin",     "Australia/Lord_Howe", "Asia/Tehran",
                                        "Africa/Casablanca", "Pacific/Apia",        "UTC",
                                        "Asia/Gaza"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct ical_zone *zone = ical_zones_find(zones, slice_str(names[i]));
        struct ical_zone_cursor cursor;
        int64_t at = -3000000000;

        T_ROW(i, names[i]);
        assert_non_null(zone);
        ical_zone_cursor_init(&cursor, zone);
        for (size_t k = 0; k < 400 && at < INT64_C(9000000000); k++) {
            struct ical_span span = ical_zone_span(zone, at);

            assert_true(span.from_s <= at && at < span.until_s);
            for (int64_t step = -90000; step <= 90000; step += 900) {
                int64_t local_s = (span.from_s > INT64_MIN / 2 ? span.from_s : at) + step;

                assert_int_equal(ical_zone_cursor_utc(&cursor, local_s, NULL),
                                 ical_zone_utc(zone, local_s, NULL));
            }
            if (span.until_s == INT64_MAX)
                break;
            assert_int_equal(ical_zone_span(zone, span.until_s).from_s, span.until_s);
            assert_int_equal(ical_zone_span(zone, span.until_s - 1).from_s, span.from_s);
            at = span.until_s;
        }
    }
}

static void test_names_lead_to_zones(void **state)
{
    static const struct {
        const char *name, *same;
    } names[] = {
        {"W. Europe Standard Time", "Europe/Berlin"},
        {"w. europe standard time", "Europe/Berlin"},
        {"UTC", "Etc/UTC"},
        {"/citadel.org/20210210_1/America/Argentina/Salta", "America/Argentina/Salta"},
        {"/freeassociation.sourceforge.net/Tzfile/Europe/London", "Europe/London"},
        {"/x/Tokyo Standard Time", "Asia/Tokyo"},
        {"/Europe/Berlin", "Europe/Berlin"},
    };
    static const char *const nowhere[] = {"",
                                          "Europe",
                                          "../../../etc/passwd",
                                          "Europe/../UTC",
                                          "/etc/passwd",
                                          "posix/Europe/Berlin",
                                          "zone.tab",
                                          "Europe/Berlin/",
                                          "Europe//Berlin",
                                          "UTC\n",
                                          "/",
                                          "////////",
                                          "Nowhere",
                                          "right/UTC",
                                          "tzdata.zi"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct ical_zone *one = ical_zones_find(zones, slice_str(names[i].name));
        const struct ical_zone *other = ical_zones_find(zones, slice_str(names[i].same));

        T_ROW(i, names[i].name);
        assert_non_null(one);
        assert_non_null(other);
        for (int64_t at = 0; at < 4000000000; at += 5000000)
            assert_int_equal(ical_zone_local(one, at), ical_zone_local(other, at));
    }
    for (size_t i = 0; i < COUNT(nowhere); i++) {
        T_ROW(i, nowhere[i]);
        assert_null(ical_zones_find(zones, slice_str(nowhere[i])));
    }
}

/* Each name of the table has a file. */
static void test_windows_names_are_all_known(void **state)
{
    static const char *const names[] = {
#define ICAL_WINDOWS(name, zone) name,
#include "ical/ical_windows.def"
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        T_ROW(i, names[i]);
        assert_true(ical_zones_windows(slice_str(names[i])).len > 0);
        assert_non_null(ical_zones_find(zones, slice_str(names[i])));
    }
}

static void test_hostile_vtimezones_are_bounded(void **state)
{
    static const char *const texts[] = {
        OBSERVANCE("STANDARD", "20250101T000000", "RRULE:FREQ=SECONDLY\n", "+0000", "+0100"),
        OBSERVANCE("STANDARD", "00000101T000000", "RRULE:FREQ=DAILY;BYMONTH=2\n", "+0000", "+0100"),
        OBSERVANCE("STANDARD", "yesterday", "", "+0000", "+0100"),
        OBSERVANCE("STANDARD", "20250101T000000", "", "+0000", "east"),
        OBSERVANCE("STANDARD", "20250101T000000", "RRULE:x\n", "+0000", "+0100"),
        OBSERVANCE("STANDARD", "20250101T000000", "RDATE:x\n", "+0000", "+0100"),
        "",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(buf) struct buf text = BUF(64 * KIB);
        struct ical_comp *comp;
        struct ical_error error;
        const struct ical_zone *zone;

        T_ROW(i, texts[i]);
        buf_putf(&text, "BEGIN:VTIMEZONE\nTZID:x\n%sEND:VTIMEZONE\n", texts[i]);
        assert_int_equal(ical_parse(arena, buf_slice(&text), &ical_limits_default, &comp, &error),
                         ST_OK);
        assert_int_equal(ical_zone_vtimezone(arena, comp, &zone, &error),
                         i < 2 ? ST_TOO_BIG : ST_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vtimezones_say_what_the_tz_database_says),
        cmocka_unit_test(test_spans_are_where_nothing_changes),
        cmocka_unit_test(test_names_lead_to_zones),
        cmocka_unit_test(test_windows_names_are_all_known),
        cmocka_unit_test(test_hostile_vtimezones_are_bounded),
    };

    return cmocka_run_group_tests_name("ical_zone", tests, set_up, tear_down);
}
