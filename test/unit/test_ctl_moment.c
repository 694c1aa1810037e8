#include "t.h"

#include "ctl/ctl_moment.h"

#include <stdlib.h>
#include <time.h>

static void moments_are_read_by_the_machines_zone(void **state)
{
    static const struct {
        const char *text;
        bool end;
        int64_t want_s; /* -1: it is none */
    } rows[] = {
        {"2026-12-24", false, 1798066800},
        {"2026-12-24", true, 1798153200},
        {"2026-12-31", true, 1798758000},
        {"2026-12-24 17:30", false, 1798129800},
        {"2026-12-24 17:30", true, 1798129800},
        {"2026-12-24T17:30", false, 1798129800},
        {"2026-12-24T17:30:01", false, 1798129801},
        {"2026-07-01 12:00", false, 1782900000}, /* daylight saving */
        {"2026-10-25", true, 1792969200},        /* a day of 25 hours */
        {"2024-02-29", false, 1709161200},
        {"2026-02-29", false, -1},
        {"2026-02-31", true, -1},
        {"2026-13-01", false, -1},
        {"2026-12-24 25:00", false, -1},
        {"2026-12-24 x", false, -1},
        {"24.12.2026", false, -1},
        {"tomorrow", false, -1},
        {"", false, -1},
    };

    (void)state;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 0;

        T_ROW(i, rows[i].text);
        assert_int_equal(ctl_moment_parse(rows[i].text, rows[i].end, &ms),
                         rows[i].want_s < 0 ? ST_INVALID : ST_OK);
        if (rows[i].want_s >= 0)
            assert_int_equal(ms, rows[i].want_s * 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(moments_are_read_by_the_machines_zone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
