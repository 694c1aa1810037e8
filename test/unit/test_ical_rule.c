#include "t.h"

#include "base/buf.h"
#include "ical/ical.h"
#include "ical/ical_rule.h"
#include "sys/sys_time.h"

#define STEPS_MAX 100000

/* The first max instances, "20250101T000000 ..", " .." behind them where there are more, " gave up"
 * where the steps did not suffice. Times of day that are DTSTART's are left out. */
static void expand(const char *start_text, const char *text, size_t max, struct buf *out)
{
    struct ical_rule rule;
    struct ical_rule_iter iter;
    struct ical_error error;
    struct ical_time start;
    int64_t local_s;
    enum st st = ST_OK;

    assert_int_equal(ical_time_parse(slice_str(start_text), &start), ST_OK);
    if (ical_rule_parse(slice_str(text), &rule, &error) != ST_OK)
        fail_msg("%s", error.text);
    ical_rule_iter_init(&iter, &rule, start, rule.has_until ? rule.until.local_s : INT64_MAX,
                        STEPS_MAX);
    for (size_t i = 0; st == ST_OK && i < max; i++) {
        st = ical_rule_iter_next(&iter, &local_s);
        if (st != ST_OK)
            break;
        struct ical_time time = {local_s, ICAL_FLOATING, NULL};

        if (ical_second_of(local_s) == ical_second_of(start.local_s))
            time.form = ICAL_DATE;
        if (out->len > 0)
            buf_put(out, SLICE(" "));
        ical_time_write(time, out);
    }
    if (st == ST_TOO_BIG)
        buf_put(out, SLICE(" gave up"));
    else if (st == ST_OK && ical_rule_iter_next(&iter, &local_s) == ST_OK)
        buf_put(out, SLICE(" .."));
}

struct row {
    const char *start, *rule, *want;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf got = BUF(64 * KIB);
        size_t max = 0;
        const char *want = rows[i].want;

        for (const char *c = want; *c != '\0'; c++)
            max += *c == ' ';
        max += strstr(want, " ..") != NULL ? 0 : 1;
        T_ROW(i, rows[i].rule);
        expand(rows[i].start, rows[i].rule, max, &got);
        T_EQ_SLICE(buf_slice(&got), slice_str(want));
    }
}

/* RFC 5545 section 3.8.5.3, in its order; times on New York's clock. */
static const struct row rfc_rows[] = {
    {"19970902T090000", "FREQ=DAILY;COUNT=10",
     "19970902 19970903 19970904 19970905 19970906 19970907 19970908 19970909 19970910 "
     "19970911"},
    {"19970902T090000", "FREQ=DAILY;UNTIL=19970907T000000",
     "19970902 19970903 19970904 19970905 19970906"},
    {"19970902T090000", "FREQ=DAILY;INTERVAL=2", "19970902 19970904 19970906 19970908 .."},
    {"19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5",
     "19970902 19970912 19970922 19971002 19971012"},
    {"19980101T090000", "FREQ=YEARLY;UNTIL=19980103T140000;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
     "19980101 19980102 19980103"},
    {"19980101T090000", "FREQ=DAILY;UNTIL=19980103T140000;BYMONTH=1", "19980101 19980102 19980103"},
    {"19970902T090000", "FREQ=WEEKLY;COUNT=10",
     "19970902 19970909 19970916 19970923 19970930 19971007 19971014 19971021 19971028 "
     "19971104"},
    {"19970902T090000", "FREQ=WEEKLY;UNTIL=19970930T000000", "19970902 19970909 19970916 19970923"},
    {"19970902T090000", "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
     "19970902 19970916 19970930 19971014 19971028 19971111 .."},
    {"19970902T090000", "FREQ=WEEKLY;UNTIL=19971007T000000;WKST=SU;BYDAY=TU,TH",
     "19970902 19970904 19970909 19970911 19970916 19970918 19970923 19970925 19970930 "
     "19971002"},
    {"19970902T090000", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
     "19970902 19970904 19970909 19970911 19970916 19970918 19970923 19970925 19970930 "
     "19971002"},
    {"19970901T090000", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000;WKST=SU;BYDAY=MO,WE,FR",
     "19970901 19970903 19970905 19970915 19970917 19970919 19970929 19971001 19971003 "
     "19971013 19971015 19971017 19971027 19971029 19971031 19971110 19971112 19971114 "
     "19971124 19971126 19971128 19971208 19971210 19971212 19971222"},
    {"19970902T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
     "19970902 19970904 19970916 19970918 19970930 19971002 19971014 19971016"},
    {"19970905T090000", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
     "19970905 19971003 19971107 19971205 19980102 19980206 19980306 19980403 19980501 "
     "19980605"},
    {"19970905T090000", "FREQ=MONTHLY;UNTIL=19971224T000000;BYDAY=1FR",
     "19970905 19971003 19971107 19971205"},
    {"19970907T090000", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
     "19970907 19970928 19971102 19971130 19980104 19980125 19980301 19980329 19980503 "
     "19980531"},
    {"19970922T090000", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
     "19970922 19971020 19971117 19971222 19980119 19980216"},
    {"19970928T090000", "FREQ=MONTHLY;BYMONTHDAY=-3",
     "19970928 19971029 19971128 19971229 19980129 19980226 .."},
    {"19970902T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
     "19970902 19970915 19971002 19971015 19971102 19971115 19971202 19971215 19980102 "
     "19980115"},
    {"19970930T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
     "19970930 19971001 19971031 19971101 19971130 19971201 19971231 19980101 19980131 "
     "19980201"},
    {"19970910T090000", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
     "19970910 19970911 19970912 19970913 19970914 19970915 19990310 19990311 19990312 "
     "19990313"},
    {"19970902T090000", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
     "19970902 19970909 19970916 19970923 19970930 19971104 19971111 19971118 19971125 "
     "19980106 .."},
    {"19970610T090000", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
     "19970610 19970710 19980610 19980710 19990610 19990710 20000610 20000710 20010610 "
     "20010710"},
    {"19970310T090000", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
     "19970310 19990110 19990210 19990310 20010110 20010210 20010310 20030110 20030210 "
     "20030310"},
    {"19970101T090000", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
     "19970101 19970410 19970719 20000101 20000409 20000718 20030101 20030410 20030719 "
     "20060101"},
    {"19970519T090000", "FREQ=YEARLY;BYDAY=20MO", "19970519 19980518 19990517 .."},
    {"19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "19970512 19980511 19990517 .."},
    {"19970313T090000", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
     "19970313 19970320 19970327 19980305 19980312 19980319 19980326 19990304 .."},
    {"19970605T090000", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
     "19970605 19970612 19970619 19970626 19970703 19970710 19970717 19970724 19970731 "
     "19970807 19970814 19970821 19970828 19980604 .."},
    /* With EXDATE:19970902T090000 in the RFC: DTSTART is not a Friday the 13th. */
    {"19970902T090000", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
     "19970902 19980213 19980313 19981113 19990813 20001013 .."},
    {"19970913T090000", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
     "19970913 19971011 19971108 19971213 19980110 19980207 19980307 19980411 19980509 "
     "19980613 .."},
    {"19961105T090000", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
     "19961105 20001107 20041102 .."},
    {"19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
     "19970904 19971007 19971106"},
    {"19970929T090000", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
     "19970929 19971030 19971127 19971230 19980129 19980226 19980330 .."},
    {"19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000",
     "19970902 19970902T120000 19970902T150000"},
    {"19970902T090000", "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
     "19970902 19970902T091500 19970902T093000 19970902T094500 19970902T100000 "
     "19970902T101500"},
    {"19970902T090000", "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
     "19970902 19970902T103000 19970902T120000 19970902T133000"},
    {"19970902T090000", "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
     "19970902 19970902T092000 19970902T094000 19970902T100000 19970902T102000 "
     "19970902T104000 19970902T110000 .."},
    {"19970902T090000", "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
     "19970902 19970902T092000 19970902T094000 19970902T100000 19970902T102000 "
     "19970902T104000 19970902T110000 .."},
    {"19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
     "19970805 19970810 19970819 19970824"},
    {"19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
     "19970805 19970817 19970819 19970831"},
    /* RFC 7529: said of what is meant anyway */
    {"20070115T090000", "RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=15,30;SKIP=OMIT;COUNT=3",
     "20070115 20070130 20070215"},
    {"20070115T090000", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
     "20070115 20070130 20070215 20070315 20070330"},
};

static void test_examples_of_rfc_5545(void **state)
{

    (void)state;
    check_rows(rfc_rows, COUNT(rfc_rows));
}

static void test_days_that_not_every_month_has(void **state)
{
    static const struct row rows[] = {
        {"20250131", "FREQ=MONTHLY", "20250131 20250331 20250531 20250731 20250831 20251031 .."},
        {"20240229", "FREQ=YEARLY", "20240229 20280229 20320229 .."},
        {"18960229", "FREQ=YEARLY", "18960229 19040229 19080229 .."},
        {"20250101", "FREQ=YEARLY;BYYEARDAY=366", "20250101 20281231 20321231 .."},
        {"20240229", "FREQ=YEARLY;BYMONTHDAY=29;BYMONTH=2;BYDAY=FR",
         "20240229 20360229 20640229 .."},
        {"20250101", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=TH", "20250101 20261231 20321230 .."},
        {"20250101", "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", "20250101 20251229 20270104 .."},
        {"20250101", "FREQ=YEARLY;BYWEEKNO=20", "20250101 20250514 20260513 .."},
        {"20250101T233000", "FREQ=DAILY;COUNT=3", "20250101 20250102 20250103"},
        {"20250101T000000", "FREQ=MINUTELY;BYSECOND=60", "20250101"},
        {"20250101", "FREQ=DAILY;BYHOUR=8;COUNT=2", "20250101 20250102"},
    };

    (void)state;
    check_rows(rows, COUNT(rows));
}

/* Nothing but DTSTART, known at once: not one of them takes more than the steps of a few
 * milliseconds, and none gives up. */
static void test_what_never_comes_is_known_soon(void **state)
{
    static const char *const rows[] = {
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30,31",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31;BYSETPOS=-1",
        "FREQ=DAILY;BYMONTH=4,6,9,11;BYMONTHDAY=31",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
        "FREQ=HOURLY;INTERVAL=7;BYDAY=MO,SA;BYHOUR=18",
        "FREQ=SECONDLY;INTERVAL=60;BYSECOND=1",
        "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3;BYMINUTE=7",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=5",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;BYMONTH=4",
        "FREQ=HOURLY;BYDAY=MO;BYSETPOS=-3",
        "FREQ=SECONDLY;BYMONTH=7;BYSETPOS=67,213",
        "FREQ=MONTHLY;BYMONTHDAY=1,2;BYSETPOS=3",
        "FREQ=YEARLY;BYWEEKNO=10;BYMONTH=7",
        "FREQ=YEARLY;BYYEARDAY=100;BYMONTH=7",
        "FREQ=YEARLY;BYMONTH=2;BYDAY=5MO;BYMONTHDAY=1",
        "FREQ=YEARLY;INTERVAL=100;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYSETPOS=2",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf got = BUF(64 * KIB);
        uint64_t began = sys_mono_us();

        expand("20250108T000000", rows[i], 2, &got);
        printf("# %llu us %s\n", (unsigned long long)(sys_mono_us() - began), rows[i]);
        T_EQ_SLICE(buf_slice(&got), SLICE("20250108"));
    }
}

static void test_steps_are_bounded(void **state)
{
    struct ical_rule rule;
    struct ical_rule_iter iter;
    struct ical_error error;
    int64_t local_s;

    (void)state;
    assert_int_equal(
        ical_rule_parse(SLICE("FREQ=SECONDLY;COUNT=2000000000;BYSECOND=0,1"), &rule, &error),
        ST_OK);
    ical_rule_iter_init(&iter, &rule, (struct ical_time){0, ICAL_UTC, NULL}, INT64_MAX, 1000);
    ical_rule_iter_seek(&iter, INT64_C(1700000000));
    assert_int_equal(ical_rule_iter_next(&iter, &local_s), ST_TOO_BIG);
}

static void test_seeking_finds_what_counting_finds(void **state)
{
    static const char *const rows[] = {
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;INTERVAL=3;COUNT=200",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,SU",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,SU;COUNT=150",
        "FREQ=WEEKLY;COUNT=100",
        "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=25",
        "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=2,-1",
        "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO,FR",
        "FREQ=HOURLY;INTERVAL=5;COUNT=3000",
        "FREQ=HOURLY;INTERVAL=5;BYHOUR=3,4;COUNT=300",
        "FREQ=MINUTELY;INTERVAL=61;BYDAY=TU",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int64_t ahead = 0; ahead < 900; ahead += 37) {
            struct ical_time start;
            struct ical_rule_iter slow, fast;
            struct ical_rule rule;
            struct ical_error error;
            int64_t want, got;

            assert_int_equal(ical_time_parse(SLICE("20250108T101500"), &start), ST_OK);
            assert_int_equal(ical_rule_parse(slice_str(rows[i]), &rule, &error), ST_OK);
            ical_rule_iter_init(&slow, &rule, start, INT64_MAX, STEPS_MAX);
            ical_rule_iter_init(&fast, &rule, start, INT64_MAX, STEPS_MAX);
            int64_t from_s = start.local_s + ahead * ICAL_DAY_S + 3600;

            ical_rule_iter_seek(&fast, from_s);
            enum st st;
            while ((st = ical_rule_iter_next(&slow, &want)) == ST_OK && want < from_s)
                ;
            if (st != ical_rule_iter_next(&fast, &got) || (st == ST_OK && got != want))
                fail_msg("%s, %lld days ahead", rows[i], (long long)ahead);
        }
}

static void test_what_is_no_rule_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "FREQ is missing."},
        {"COUNT=1", "FREQ is missing."},
        {"FREQ=FORTNIGHTLY",
         "FREQ=FORTNIGHTLY: FREQ wants SECONDLY, MINUTELY, HOURLY, DAILY, "
         "WEEKLY, MONTHLY or YEARLY."},
        {"FREQ=DAILY;FREQ=DAILY", "FREQ stands twice in the rule."},
        {"FREQ=DAILY;COUNT=1;UNTIL=20250101", "UNTIL and COUNT cannot stand together."},
        {"FREQ=DAILY;COUNT=0", "COUNT=0: COUNT wants 1 to 2147483647."},
        {"FREQ=DAILY;INTERVAL=0", "INTERVAL=0: INTERVAL wants 1 to 2147483647."},
        {"FREQ=DAILY;INTERVAL=-1", "INTERVAL=-1: INTERVAL wants 1 to 2147483647."},
        {"FREQ=DAILY;UNTIL=tomorrow", "UNTIL=tomorrow: UNTIL wants a DATE or DATE-TIME."},
        {"FREQ=DAILY;BYHOUR=24", "BYHOUR=24: BYHOUR wants 0 to 23."},
        {"FREQ=DAILY;BYHOUR=", "BYHOUR=: BYHOUR wants 0 to 23."},
        {"FREQ=DAILY;BYMONTH=1,,2", "BYMONTH=1,,2: BYMONTH wants 1 to 12."},
        {"FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0: BYMONTHDAY wants 1 to 31 or -31 to -1."},
        {"FREQ=MONTHLY;BYDAY=54MO",
         "BYDAY=54MO: BYDAY wants weekdays (MO), with 1 to 53 or -53 "
         "to -1 before them."},
        {"FREQ=WEEKLY;BYDAY=1MO",
         "BYDAY has a number before a weekday, which stands with MONTHLY "
         "or YEARLY only."},
        {"FREQ=YEARLY;BYWEEKNO=3;BYDAY=1MO",
         "BYDAY has a number before a weekday, which cannot stand with BYWEEKNO."},
        {"FREQ=MONTHLY;BYWEEKNO=3", "BYWEEKNO stands with YEARLY only."},
        {"FREQ=DAILY;BYYEARDAY=3", "BYYEARDAY cannot stand with DAILY, WEEKLY or MONTHLY."},
        {"FREQ=WEEKLY;BYMONTHDAY=3", "BYMONTHDAY cannot stand with WEEKLY."},
        {"FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS stands with another BY part only."},
        {"RSCALE=CHINESE;FREQ=YEARLY",
         "RSCALE=CHINESE (RFC 7529) is not supported, only GREGORIAN."},
        {"FREQ=YEARLY;SKIP=FORWARD", "SKIP=FORWARD (RFC 7529) is not supported, only OMIT."},
        {"FREQ=YEARLY;X-FOO=1", "\"X-FOO=1\" is no part of a recurrence rule."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ical_rule rule;
        struct ical_error error;

        T_ROW(i, rows[i].text);
        assert_int_equal(ical_rule_parse(slice_str(rows[i].text), &rule, &error), ST_INVALID);
        assert_string_equal(error.text, rows[i].why);
    }
}

static void test_rules_are_written_as_they_were_read(void **state)
{
    static const char *const rows[] = {
        "FREQ=DAILY",
        "FREQ=WEEKLY;UNTIL=20250101T000000Z;INTERVAL=2;BYDAY=MO,SU;WKST=SU",
        "FREQ=MONTHLY;COUNT=3;BYDAY=1MO,-1MO,FR;BYMONTHDAY=1,31,-1",
        ("FREQ=YEARLY;BYSECOND=0,60;BYMINUTE=0,59;BYHOUR=0,23;BYYEARDAY=1,366,-366;BYMONTH=1,12;"
         "BYSETPOS=1,366,-366"),
        "FREQ=YEARLY;UNTIL=20250101;BYWEEKNO=1,53,-1,-53",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(4 * KIB);
        struct ical_rule rule;
        struct ical_error error;

        T_ROW(i, rows[i]);
        assert_int_equal(ical_rule_parse(slice_str(rows[i]), &rule, &error), ST_OK);
        ical_rule_write(&rule, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_rfc_5545),
        cmocka_unit_test(test_days_that_not_every_month_has),
        cmocka_unit_test(test_what_never_comes_is_known_soon),
        cmocka_unit_test(test_steps_are_bounded),
        cmocka_unit_test(test_seeking_finds_what_counting_finds),
        cmocka_unit_test(test_what_is_no_rule_is_refused_with_the_reason),
        cmocka_unit_test(test_rules_are_written_as_they_were_read),
    };

    return cmocka_run_group_tests_name("ical_rule", tests, NULL, NULL);
}
