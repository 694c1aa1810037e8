#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

#define FOLDER "/usr/share/zoneinfo"

/* What a case says: the properties of one or more VEVENTs, "--" between them; or whole components.
 */
struct row {
    const char *name;
    const char *text;
    const char *from, *until; /* UTC */
    const char *want;         /* kind:start/end of each row, then what else is asked for */
};

static const char kinds[] = "fetbu";

static void put_object(const char *text, struct buf *out)
{
    const char *parting = text;

    buf_put(out, SLICE("BEGIN:VCALENDAR\n"));
    if (strncmp(text, "BEGIN:", 6) == 0) {
        buf_put(out, slice_str(text));
        parting = NULL;
    }
    while (parting != NULL) {
        parting = strstr(text, "--\n");
        struct slice part = slice_str(text);

        if (parting != NULL)
            part.len = (size_t)(parting - text);
        buf_putf(out, "BEGIN:VEVENT\nUID:1\n%.*sEND:VEVENT\n", SLICE_ARG(part));
        text = parting != NULL ? parting + 3 : text;
    }
    buf_put(out, SLICE("END:VCALENDAR\n"));
}

static int64_t instant(const char *text)
{
    struct ical_time time;

    assert_int_equal(ical_time_parse(slice_str(text), &time), ST_OK);
    return time.local_s;
}

static void put_time(int64_t at_s, struct buf *out)
{
    if (at_s == INT64_MAX)
        buf_put(out, SLICE("ever"));
    else if (at_s == INT64_MIN)
        buf_put(out, SLICE("never"));
    else
        ical_time_write((struct ical_time){at_s, ICAL_FLOATING, NULL}, out);
}

static void put_rows(const struct calendar_busy_set *set, struct buf *out)
{
    for (size_t i = 0; i < set->count; i++) {
        buf_putf(out, "%s%c:", out->len > 0 ? " " : "", kinds[set->rows[i].kind]);
        put_time(set->rows[i].start_s, out);
        buf_put(out, SLICE("/"));
        put_time(set->rows[i].end_s, out);
    }
}

struct fixture {
    struct arena *arena;
    struct ical_zones *zones;
    struct ical_comp *calendar;
    struct ical_tz *tz;
    struct calendar_busy_ask ask;
    struct ical_error error;
};

static const struct slice owners[] = {{"mailto:Alice@example.org", 24}, {"al@example.org", 14}};

static void open_fixture(struct fixture *f, struct slice text)
{
    f->arena = arena_new("test", 256 * MIB);
    f->zones = ical_zones_new(FOLDER);
    f->ask =
        (struct calendar_busy_ask){.floating = ical_zones_find(f->zones, SLICE("Europe/Berlin")),
                                   .owners = owners,
                                   .owner_count = COUNT(owners),
                                   .unanswered = STORE_BUSY_TENTATIVE,
                                   .rows_max = 1000,
                                   .steps_max = ICAL_RECUR_STEPS_MAX};
    assert_int_equal(ical_parse(f->arena, text, &ical_limits_default, &f->calendar, &f->error),
                     ST_OK);
    f->tz = ical_tz_new(f->arena, f->calendar, f->zones);
}

static void close_fixture(struct fixture *f)
{
    ical_zones_free(&f->zones);
    arena_free(&f->arena);
}

static enum st expand(struct fixture *f, int64_t from_s, int64_t until_s,
                      struct calendar_busy_set *set)
{
    f->ask.from_s = from_s;
    f->ask.until_s = until_s;
    return calendar_busy_expand(f->arena, f->calendar, f->tz, &f->ask, set, &f->error);
}

#define Y2025 "20250101T000000Z", "20260101T000000Z"

static const struct row row_cases[] = {
    {"one event", "DTSTART:20250301T100000Z\nDTEND:20250301T110000Z\n", Y2025,
     "b:20250301T100000/20250301T110000"},
    {"no time, no row", "DTSTART:20250301T100000Z\n", Y2025, ""},
    {"a day is the owner's", "DTSTART;VALUE=DATE:20250301\n", Y2025,
     "b:20250228T230000/20250301T230000"},
    {"transparent", "DTSTART;VALUE=DATE:20250301\nTRANSP:TRANSPARENT\n", Y2025, ""},
    {"cancelled", "DTSTART;VALUE=DATE:20250301\nSTATUS:CANCELLED\n", Y2025, ""},
    {"tentative", "DTSTART;VALUE=DATE:20250301\nSTATUS:TENTATIVE\n", Y2025,
     "t:20250228T230000/20250301T230000"},
    {"Outlook's free", "DTSTART;VALUE=DATE:20250301\nX-MICROSOFT-CDO-BUSYSTATUS:FREE\n", Y2025, ""},
    {"Outlook's out of office", "DTSTART;VALUE=DATE:20250301\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\n",
     Y2025, "u:20250228T230000/20250301T230000"},
    {"Outlook's elsewhere",
     "DTSTART;VALUE=DATE:20250301\nX-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE\n", Y2025,
     "e:20250228T230000/20250301T230000"},
    {"who has declined is free",
     "DTSTART;VALUE=DATE:20250301\nATTENDEE;PARTSTAT=DECLINED:MAILTO:alice@Example.org\n", Y2025,
     ""},
    {"whoever else has declined",
     "DTSTART;VALUE=DATE:20250301\nATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.org\n", Y2025,
     "b:20250228T230000/20250301T230000"},
    {"a further address of the owner",
     "DTSTART;VALUE=DATE:20250301\nATTENDEE;PARTSTAT=TENTATIVE:mailto:al@example.org\n", Y2025,
     "t:20250228T230000/20250301T230000"},
    {"an address beside a principal's",
     "DTSTART;VALUE=DATE:20250301\n"
     "ATTENDEE;PARTSTAT=DELEGATED;EMAIL=al@example.org:urn:uuid:1\n",
     Y2025, ""},
    {"an invitation without an answer is as the setting says",
     "DTSTART;VALUE=DATE:20250301\nATTENDEE:mailto:al@example.org\n", Y2025,
     "t:20250228T230000/20250301T230000"},
    {"an accepted invitation",
     "DTSTART;VALUE=DATE:20250301\nATTENDEE;PARTSTAT=ACCEPTED:mailto:al@example.org\n", Y2025,
     "b:20250228T230000/20250301T230000"},
    {"overrides by their own values",
     "DTSTART:20250301T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\n--\n"
     "RECURRENCE-ID:20250302T100000Z\nDTSTART:20250302T150000Z\nDURATION:PT2H\nSTATUS:TENTATIVE\n"
     "--\nRECURRENCE-ID:20250303T100000Z\nDTSTART:20250303T100000Z\nDURATION:PT1H\n"
     "TRANSP:TRANSPARENT\n",
     Y2025,
     "b:20250301T100000/20250301T110000 t:20250302T150000/20250302T170000 "
     "b:20250304T100000/20250304T110000"},
    {"an instance that takes time in a series that does not",
     "DTSTART:20250301T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nTRANSP:TRANSPARENT\n--\n"
     "RECURRENCE-ID:20250302T100000Z\nDTSTART:20250302T150000Z\nDURATION:PT2H\n",
     Y2025, "b:20250302T150000/20250302T170000"},
    {"pieces of 7 days", "DTSTART;VALUE=DATE:20250601\nDTEND;VALUE=DATE:20250620\n", Y2025,
     "b:20250531T220000/20250607T220000 b:20250607T220000/20250614T220000 "
     "b:20250614T220000/20250619T220000"},
    {"only pieces that touch the window",
     "DTSTART;VALUE=DATE:20200101\nDTEND;VALUE=DATE:20300101\n", "20250101T000000Z",
     "20250103T000000Z", "b:20241231T230000/20250107T230000"},
    {"periods of a stored VFREEBUSY",
     "BEGIN:VFREEBUSY\nUID:1\nFREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20250301T100000Z/PT1H,"
     "20250302T100000Z/20250302T110000Z\nFREEBUSY;FBTYPE=FREE:20250303T100000Z/PT1H\n"
     "FREEBUSY;FBTYPE=X-OTHER:20250304T100000Z/PT1H\nEND:VFREEBUSY\n",
     Y2025,
     "u:20250301T100000/20250301T110000 u:20250302T100000/20250302T110000 "
     "b:20250304T100000/20250304T110000"},
    {"to-dos take no time",
     "BEGIN:VTODO\nUID:1\nDTSTART:20250301T100000Z\nDUE:20250302T100000Z\nEND:VTODO\n", Y2025, ""},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(row_cases); i++) {
        const struct row *row = &row_cases[i];
        AUTO(buf) struct buf text = BUF(MIB);
        AUTO(buf) struct buf got = BUF(MIB);
        struct calendar_busy_set set;
        struct fixture f;

        T_ROW(i, row->name);
        put_object(row->text, &text);
        open_fixture(&f, buf_slice(&text));
        assert_int_equal(expand(&f, instant(row->from), instant(row->until), &set), ST_OK);
        put_rows(&set, &got);
        T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
        close_fixture(&f);
    }
}

static const struct row reach_cases[] = {
    /* want: expanded_s first_s last_s */
    {"one event", "DTSTART:20250301T100000Z\nDTEND:20250301T110000Z\n", Y2025,
     "ever 20250301T100000 20250301T110000"},
    {"one after the window", "DTSTART:20270301T100000Z\nDTEND:20270301T110000Z\n", Y2025,
     "20260101T000000 20270301T100000 20270301T110000"},
    {"an endless series", "DTSTART:20250301T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\n", Y2025,
     "20260101T000000 20250301T100000 ever"},
    {"a series with COUNT", "DTSTART:20250301T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\n",
     Y2025, "ever 20250301T100000 20250303T110000"},
    {"one with UNTIL beyond the window",
     "DTSTART:20250301T100000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;UNTIL=20260401T100000Z\n", Y2025,
     "20260101T000000 20250301T100000 20260401T110000"},
    {"more than the limit", "DTSTART:20250301T100000Z\nDURATION:PT1M\nRRULE:FREQ=HOURLY\n", Y2025,
     "20250412T020000 20250301T100000 ever"},
    {"all at once: no progress", "DTSTART:20200101T100000Z\nDURATION:P3000D\nRRULE:FREQ=HOURLY\n",
     Y2025, "20250101T000000 20200101T100000 ever"},
    {"a rule that runs out of steps",
     "DTSTART:18000301T100000Z\nDURATION:PT1M\nRRULE:FREQ=SECONDLY;BYSECOND=0,7;COUNT=100000000\n",
     Y2025, "20250101T000000 18000301T100000 ever"},
    {"an override before its series",
     "DTSTART:20250301T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\n--\n"
     "RECURRENCE-ID:20250302T100000Z\nDTSTART:20240302T150000Z\nDURATION:PT2H\n",
     Y2025, "ever 20240301T150000 20250303T110000"},
    {"a journal without a time", "BEGIN:VJOURNAL\nUID:1\nEND:VJOURNAL\n", Y2025, "ever ever never"},
    {"a to-do without a time", "BEGIN:VTODO\nUID:1\nEND:VTODO\n", Y2025,
     "20260101T000000 never ever"},
    {"a to-do that was created", "BEGIN:VTODO\nUID:1\nCREATED:20250301T000000Z\nEND:VTODO\n", Y2025,
     "20260101T000000 20250301T000000 ever"},
    {"a to-do that was completed",
     "BEGIN:VTODO\nUID:1\nCREATED:20250301T000000Z\nCOMPLETED:20250401T000000Z\nEND:VTODO\n", Y2025,
     "ever 20250301T000000 20250401T000000"},
    {"a to-do with DUE", "BEGIN:VTODO\nUID:1\nDUE:20250301T000000Z\nEND:VTODO\n", Y2025,
     "ever 20250301T000000 20250301T000000"},
};

static void test_reach(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reach_cases); i++) {
        const struct row *row = &reach_cases[i];
        AUTO(buf) struct buf text = BUF(MIB);
        AUTO(buf) struct buf got = BUF(MIB);
        struct calendar_busy_set set;
        struct fixture f;

        T_ROW(i, row->name);
        put_object(row->text, &text);
        open_fixture(&f, buf_slice(&text));
        assert_int_equal(expand(&f, instant(row->from), instant(row->until), &set), ST_OK);
        put_time(set.expanded_s, &got);
        buf_put(&got, SLICE(" "));
        put_time(set.first_s, &got);
        buf_put(&got, SLICE(" "));
        put_time(set.last_s, &got);
        T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
        close_fixture(&f);
    }
}

static void test_broken_is_refused(void **state)
{
    AUTO(buf) struct buf text = BUF(MIB);
    struct calendar_busy_set set;
    struct fixture f;

    (void)state;
    put_object("DTSTART:20250301T100000Z\nTRANSP:TRANSPARENT\nRRULE:FREQ=NEVER\n", &text);
    open_fixture(&f, buf_slice(&text));
    assert_int_equal(expand(&f, 0, INT64_C(1000000), &set), ST_INVALID);
    assert_int_equal(f.error.line, 6);
    close_fixture(&f);
}

static unsigned draw(uint64_t below)
{
    static uint64_t seed = 5;

    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((seed >> 33) % below);
}

/* A random event: what it is made of needs no more than to be many things. */
static void put_random(struct buf *out)
{
    static const char *const rules[] = {
        "",
        "RRULE:FREQ=DAILY\n",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR\n",
        "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=30\n",
        "RRULE:FREQ=HOURLY;INTERVAL=7;COUNT=500\n",
        "RRULE:FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30\n",
        "RRULE:FREQ=YEARLY;UNTIL=20260301T000000Z\n",
    };
    static const char *const zones[] = {"", ";TZID=Europe/Berlin", ";TZID=America/New_York"};
    static const char *const lengths[] = {"PT0S", "PT30M", "PT5H", "P1D", "P20D", "P100D"};
    const char *zone = zones[draw(3)];
    unsigned month = draw(12) + 1, day = draw(28) + 1, hour = draw(24);

    buf_put(out, SLICE("BEGIN:VCALENDAR\n"));
    buf_putf(out, "BEGIN:VEVENT\nUID:1\nDTSTART%s:2024%02u%02uT%02u3000\nDURATION:%s\n%s", zone,
             month, day, hour, lengths[draw(6)], rules[draw(COUNT(rules))]);
    if (draw(3) == 0)
        buf_putf(out, "RDATE%s:2025%02u%02uT%02u3000\n", zone, draw(12) + 1, day, hour);
    buf_put(out, SLICE("END:VEVENT\n"));
    for (unsigned i = draw(3); i > 0; i--)
        buf_putf(out,
                 "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID%s%s:2024%02u%02uT%02u3000\n"
                 "DTSTART%s:2024%02u%02uT%02u1500\nDURATION:%s\nSTATUS:%s\nEND:VEVENT\n",
                 zone, draw(3) == 0 ? ";RANGE=THISANDFUTURE" : "", month, day, hour, zone,
                 draw(12) + 1, draw(28) + 1, draw(24), lengths[draw(6)],
                 draw(2) == 0 ? "TENTATIVE" : "CONFIRMED");
    buf_put(out, SLICE("END:VCALENDAR\n"));
}

static int by_row(const void *a, const void *b)
{
    const struct calendar_busy_row *x = a, *y = b;

    if (x->start_s != y->start_s)
        return x->start_s < y->start_s ? -1 : 1;
    if (x->end_s != y->end_s)
        return x->end_s < y->end_s ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->id_s > y->id_s) - (x->id_s < y->id_s);
}

/* The rows of windows side by side, each once. */
static size_t union_of_windows(struct fixture *f, int64_t from_s, int64_t until_s,
                               struct calendar_busy_row *rows, size_t max)
{
    size_t count = 0, kept = 0;

    while (from_s < until_s) {
        int64_t next_s = from_s + 1 + (int64_t)draw(60 * ICAL_DAY_S);
        struct calendar_busy_set set;

        next_s = next_s < until_s ? next_s : until_s;
        assert_int_equal(expand(f, from_s, next_s, &set), ST_OK);
        assert_true(count + set.count <= max);
        for (size_t i = 0; i < set.count; i++)
            rows[count++] = set.rows[i];
        assert_true(set.expanded_s > from_s);
        from_s = set.expanded_s;
    }
    qsort(rows, count, sizeof(*rows), by_row);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || by_row(&rows[kept - 1], &rows[i]) != 0)
            rows[kept++] = rows[i];
    return kept;
}

static void test_windows_side_by_side_give_the_rows_of_one(void **state)
{
    static struct calendar_busy_row rows[100000];

    (void)state;
    for (int round = 0; round < 400; round++) {
        AUTO(buf) struct buf text = BUF(MIB);
        struct calendar_busy_set whole;
        struct fixture f;
        int64_t from_s = instant("20240101T000000Z") + (int64_t)draw(100 * ICAL_DAY_S);
        int64_t until_s = from_s + (int64_t)draw(700 * ICAL_DAY_S);

        put_random(&text);
        open_fixture(&f, buf_slice(&text));
        f.ask.rows_max = UINT64_MAX - 1;
        assert_int_equal(expand(&f, from_s, until_s, &whole), ST_OK);
        f.ask.rows_max = (uint64_t)(round % 2 == 0 ? 20000 : 5000);
        size_t count = union_of_windows(&f, from_s, until_s, rows, COUNT(rows));
        if (count != whole.count ||
            (count > 0 && memcmp(rows, whole.rows, count * sizeof(*rows)) != 0))
            printf("# round %d: %zu rows, %zu wanted, of\n%s", round, count, whole.count, text.ptr);
        assert_int_equal(count, whole.count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(by_row(&rows[i], &whole.rows[i]), 0);
            assert_true(rows[i].start_s < rows[i].end_s);
            assert_true(rows[i].end_s - rows[i].start_s <= STORE_BUSY_ROW_S);
            assert_true(rows[i].start_s >= whole.first_s && rows[i].end_s <= whole.last_s);
        }
        close_fixture(&f);
    }
}

static int some(uint32_t *seed, unsigned below)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (int)((*seed >> 16) % below);
}

/* Rows of one kind are merged without a sort; a row outside the window, of another kind, makes them
 * take the long way. */
static void test_one_kind_is_merged_as_several_are(void **state)
{
    uint32_t seed = 6;

    for (int round = 0; round < 3000; round++) {
        struct arena *arena = arena_new("t", MIB);
        struct calendar_busy_row rows[13];
        const size_t count = (size_t)(some(&seed, 12));
        int64_t start_s = 0;
        size_t shorts, longs;

        for (size_t i = 0; i < count; i++) {
            start_s += some(&seed, 4);
            rows[i] =
                (struct calendar_busy_row){start_s, start_s + some(&seed, 6), STORE_BUSY_BUSY, 1};
        }
        rows[count] = (struct calendar_busy_row){900, 901, STORE_BUSY_TENTATIVE, 1};
        const struct calendar_busy_row *a =
            calendar_freebusy_merge(arena, rows, count, 5, 20, &shorts);
        const struct calendar_busy_row *b =
            calendar_freebusy_merge(arena, rows, count + 1, 5, 20, &longs);
        assert_int_equal(shorts, longs);
        for (size_t i = 0; i < shorts; i++) {
            assert_int_equal(a[i].start_s, b[i].start_s);
            assert_int_equal(a[i].end_s, b[i].end_s);
            assert_int_equal(a[i].kind, b[i].kind);
        }
        arena_free(&arena);
    }
}

static void test_periods_are_written(void **state)
{
    static const struct {
        int64_t start_s, end_s;
        const char *text;
    } periods[] = {
        {0, 3600, "19700101T000000Z/19700101T010000Z"},
        {1803891599, 1803891600, "20270301T085959Z/20270301T090000Z"},
        {1830297599, 1830297600, "20271231T235959Z/20280101T000000Z"},
        {-1, 0, "19691231T235959Z/19700101T000000Z"},
        {ICAL_LOCAL_MIN, ICAL_LOCAL_MAX, "00000101T000000Z/99991231T235959Z"},
    };

    for (size_t i = 0; i < COUNT(periods); i++) {
        AUTO(buf) struct buf out = BUF(KIB);

        ical_period_write(periods[i].start_s, periods[i].end_s, &out);
        assert_string_equal(out.ptr, periods[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_broken_is_refused),
        cmocka_unit_test(test_one_kind_is_merged_as_several_are),
        cmocka_unit_test(test_periods_are_written),
        cmocka_unit_test(test_windows_side_by_side_give_the_rows_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
