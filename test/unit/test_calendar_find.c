#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_find.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(3600)
#define MONDAY (INT64_C(1764547200)) /* 2025-12-01 00:00 UTC */
#define PEOPLE_MAX 4

/* Rows "9-10b 12.5-13t": hours behind Monday's midnight UTC; b busy, t tentative, u unavailable, e
 * elsewhere, ? unknown. People are separated by |; "+" before one's rows: has_hours; "@9-12": known
 * of that part only. Found: starts in hours. */
struct row {
    const char *what;
    const char *zone;
    const char *people;
    double from, until, length;
    size_t count_max;
    const char *found;
};

static const struct row rows[] = {
    {"nobody has anything: from eight to six, Monday to Friday", NULL, "", 0, 168, 10, 9,
     "8 32 56 80 104"},
    {"not before the beginning", NULL, "", 9.25, 24, 1, 3, "9.5 10.5 11.5"},
    {"not behind the end", NULL, "", 8, 10, 1, 9, "8 9"},
    {"one", NULL, "8-9b 10-12b", 0, 24, 1, 3, "9 12 13"},
    {"two", NULL, "8-9b 10-12b|9-10b 13-17b", 0, 24, 1, 3, "12 17"},
    {"it begins at half hours", NULL, "8-9.2b", 0, 24, 1, 2, "9.5 10.5"},
    {"exactly what is left", NULL, "8-9b 10.5-18b", 0, 24, 1.5, 2, "9"},
    {"a moment too little is left", NULL, "8-9b 10.49-18b", 0, 24, 1.5, 2, ""},
    {"tentative is busy, away is busy, elsewhere is not", NULL, "8-9t 9-10u 10-11e", 0, 24, 1, 2,
     "10 11"},
    {"weekend", NULL, "8-9b", 96, 168, 1, 99, "104 105 106 107 108 109 110 111 112 113"},
    {"one who is known of in part", NULL, "@10-12", 0, 48, 1, 9, "10 11"},
    {"one who is known of but in the middle", NULL, "@8-12 9-11?", 0, 48, 1, 9, "8 11"},
    {"one's own hours beside the usual ones", NULL, "+0-9u 12-24u|10-11b", 0, 24, 1, 9, "9 11"},
    {"all have their own: at night, if they like", NULL, "+0-20u|+0-19u 22-24u", 0, 24, 1, 9,
     "20 21"},
    {"longer than a day of work: hours do not count", NULL, "3-4b", 0, 48, 12, 9, "4 16 28"},
    {"Berlin's eight", "Europe/Berlin", "", 0, 24, 5, 9, "7 12"},
    {"a zone of half hours", "Asia/Kolkata", "", 0, 24, 2, 2, "2.5 4.5"},
    {"Berlin, the days of the change to summer time", "Europe/Berlin", "", 2832, 2880, 10, 9,
     "2862"},
    {"as many as wanted", NULL, "", 0, 168, 1, 1, "8"},
    {"none wanted", NULL, "", 0, 168, 1, 0, ""},
    {"a window that is over before it begins", NULL, "", 10, 9, 1, 9, ""},
};

static int64_t at(double hours)
{
    return MONDAY + (int64_t)(hours * (double)HOUR + (hours < 0 ? -0.5 : 0.5));
}

static enum store_busy_kind kind_of(char letter)
{
    return letter == 't'   ? STORE_BUSY_TENTATIVE
           : letter == 'u' ? STORE_BUSY_UNAVAILABLE
           : letter == 'e' ? STORE_BUSY_ELSEWHERE
           : letter == '?' ? STORE_BUSY_UNKNOWN
                           : STORE_BUSY_BUSY;
}

static void read_person(struct arena *arena, struct slice text, double from, double until,
                        struct calendar_find_person *person)
{
    struct calendar_busy_row *list = arena_many(arena, struct calendar_busy_row, 20);
    struct slice word;

    *person = (struct calendar_find_person){.rows = list, .from_s = at(from), .until_s = at(until)};
    if (slice_starts(text, SLICE("+"))) {
        person->has_hours = true;
        text = slice_sub(text, 1, SIZE_MAX);
    }
    while (slice_split(&text, ' ', &word) && word.len > 0) {
        const bool known = word.ptr[0] == '@';
        char *end;
        const double begin = strtod(word.ptr + known, &end);
        const double last = strtod(end + 1, &end);

        if (known) {
            person->from_s = at(begin);
            person->until_s = at(last);
        } else {
            list[person->count++] =
                (struct calendar_busy_row){at(begin), at(last), kind_of(*end), 0};
        }
    }
}

static void check(struct arena *arena, struct ical_zones *zones, const struct row *row)
{
    struct calendar_find_person people[PEOPLE_MAX];
    struct calendar_find_ask ask = {.from_s = at(row->from),
                                    .until_s = at(row->until),
                                    .length_s = at(row->length) - MONDAY,
                                    .step_s = HOUR / 2,
                                    .people = people,
                                    .day_from_s = 8 * HOUR,
                                    .day_until_s = 18 * HOUR};
    struct slice rest = slice_str(row->people);
    struct slice person;
    int64_t starts[100];
    AUTO(buf) struct buf found = BUF(KIB);

    if (row->zone != NULL)
        assert_non_null(ask.zone = ical_zones_find(zones, slice_str(row->zone)));
    while (rest.len > 0 && slice_split(&rest, '|', &person))
        read_person(arena, person, row->from, row->until, &people[ask.count++]);
    const size_t count = calendar_find(arena, &ask, starts, row->count_max);
    for (size_t i = 0; i < count; i++)
        buf_putf(&found, "%s%g", i > 0 ? " " : "", (double)(starts[i] - MONDAY) / (double)HOUR);
    buf_put(&found, SLICE(""));
    if (!slice_eq(buf_slice(&found), slice_str(row->found)))
        fail_msg("%s: found \"%.*s\"", row->what, SLICE_ARG(buf_slice(&found)));
}

static void test_the_first_times_at_which_all_are_free(void **state)
{
    struct arena *arena = arena_new("test", 16 * MIB);
    struct ical_zones *zones = ical_zones_new("/usr/share/zoneinfo");

    for (size_t i = 0; i < COUNT(rows); i++)
        check(arena, zones, &rows[i]);
    ical_zones_free(&zones);
    arena_free(&arena);
}

/* Whatever people have: all are free at what is found, and nothing earlier was passed over. */
static bool fits(const struct calendar_find_ask *ask, int64_t start_s)
{
    const int64_t end_s = start_s + ask->length_s;
    const int64_t second = start_s - MONDAY - (start_s - MONDAY) / ICAL_DAY_S * ICAL_DAY_S;

    if (start_s < ask->from_s || end_s > ask->until_s || second % ask->step_s != 0)
        return false;
    if (second < ask->day_from_s || second + ask->length_s > ask->day_until_s ||
        (start_s - MONDAY) / ICAL_DAY_S % 7 >= 5)
        return false;
    for (size_t p = 0; p < ask->count; p++)
        for (size_t i = 0; i < ask->people[p].count; i++)
            if (ask->people[p].rows[i].start_s < end_s && ask->people[p].rows[i].end_s > start_s)
                return false;
    return true;
}

static void test_what_is_found_is_what_trying_every_time_finds(void **state)
{
    struct calendar_busy_row list[PEOPLE_MAX][12];
    unsigned seed = 1;

    for (unsigned round = 0; round < 500; round++) {
        struct calendar_find_person people[PEOPLE_MAX];
        struct calendar_find_ask ask = {.from_s = MONDAY,
                                        .until_s = MONDAY + 9 * ICAL_DAY_S,
                                        .length_s = (1 + round % 7) * HOUR / 2,
                                        .step_s = HOUR / 4,
                                        .people = people,
                                        .count = round % (PEOPLE_MAX + 1),
                                        .day_from_s = 8 * HOUR,
                                        .day_until_s = 18 * HOUR};
        struct arena *arena = arena_new("test", 16 * MIB);
        int64_t starts[200];

        for (size_t p = 0; p < ask.count; p++) {
            people[p] = (struct calendar_find_person){list[p], COUNT(list[p]), ask.from_s,
                                                      ask.until_s, false};
            for (size_t i = 0; i < COUNT(list[p]); i++) {
                const int64_t start_s = MONDAY + rand_r(&seed) % (9 * 96) * (HOUR / 4);

                list[p][i] = (struct calendar_busy_row){
                    start_s, start_s + 600 * (1 + rand_r(&seed) % 40), STORE_BUSY_BUSY, 0};
            }
        }
        const size_t count = calendar_find(arena, &ask, starts, COUNT(starts));
        size_t next = 0;
        for (int64_t at_s = MONDAY; at_s < ask.until_s; at_s += HOUR / 4) {
            if (!fits(&ask, at_s) || (next > 0 && at_s < starts[next - 1] + ask.length_s))
                continue;
            assert_true(next < count);
            assert_int_equal(starts[next++], at_s);
        }
        assert_int_equal(next, count);
        arena_free(&arena);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_times_at_which_all_are_free),
        cmocka_unit_test(test_what_is_found_is_what_trying_every_time_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
