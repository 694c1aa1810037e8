#include "t.h"

#include "base/buf.h"
#include "base/slice.h"
#include "ctl/ctl_freebusy.h"
#include "ical/ical_time.h"

#include <string.h>

#define HOUR INT64_C(3600)
#define MONDAY (INT64_C(20759) * ICAL_DAY_S) /* 2026-11-02 */

static struct ctl_freebusy_row row(double from, double until, enum ctl_agenda_kind kind)
{
    return (struct ctl_freebusy_row){MONDAY + (int64_t)(from * (double)HOUR),
                                     MONDAY + (int64_t)(until * (double)HOUR), kind, false};
}

static void check(const struct ctl_freebusy *freebusy, const char *want)
{
    AUTO(buf) struct buf out = BUF(MIB);

    ctl_freebusy_draw(freebusy, &out);
    T_EQ_SLICE(buf_slice(&out), slice_str(want));
}

static void each_has_a_line_and_all_have_one(void **state)
{
    const struct ctl_freebusy_row alice[] = {row(9, 10, CTL_AGENDA_BUSY),
                                             row(9.5, 9.75, CTL_AGENDA_AWAY),
                                             row(19.25, 19.5, CTL_AGENDA_TENTATIVE)};
    const struct ctl_freebusy_row bob[] = {row(10, 11, CTL_AGENDA_ELSEWHERE)};
    const struct ctl_freebusy_person people[] = {
        {"alice", alice, COUNT(alice), MONDAY, MONDAY + ICAL_DAY_S},
        {"bob", bob, COUNT(bob), MONDAY, MONDAY + ICAL_DAY_S},
        {"carol", NULL, 0, 0, 0}};

    check(&(struct ctl_freebusy){"CET", MONDAY, MONDAY + ICAL_DAY_S, people, 2, 80, false},
          "CET  ▓ away  █ busy  ▒ tentative  ▚ elsewhere  · free  ? nobody can say\n"
          "Mon 2 November 2026\n"
          "       8   9   10  11  12  13  14  15  16  17  18  19\n"
          "alice │····██▓█·····································▒··│\n"
          "bob   │········▚▚▚▚····································│\n"
          "all   │····██▓█▚▚▚▚·································▒··│\n");
    check(&(struct ctl_freebusy){"CET", MONDAY + 9 * HOUR, MONDAY + 12 * HOUR + 1800, people, 3, 80,
                                 false},
          "CET  ▓ away  █ busy  ▒ tentative  ▚ elsewhere  · free  ? nobody can say\n"
          "Mon 2 November 2026\n"
          "       9   10  11  12\n"
          "alice │██▓█··········  │\n"
          "bob   │····▚▚▚▚······  │\n"
          "carol │??????????????  │\n"
          "all   │██▓█▚▚▚▚??????  │\n");
}

static void what_is_known_of_a_part_is_shown_of_that(void **state)
{
    const struct ctl_freebusy_person person = {"日本語", NULL, 0, MONDAY + 10 * HOUR,
                                               MONDAY + 34 * HOUR};

    check(&(struct ctl_freebusy){"UTC", MONDAY, MONDAY + 2 * ICAL_DAY_S, &person, 1, 20, false},
          "UTC  ▓ away  █ busy  ▒ tentative  ▚ elsewhere  · free  ? nobody can say\n"
          "Mon 2 November 2026\n"
          "        8  11 14 17\n"
          "日本語 │??········│\n"
          "Tue 3 November 2026\n"
          "        8  11 14 17\n"
          "日本語 │··????????│\n");
}

static void gaps_in_what_is_known_are_shown(void **state)
{
    struct ctl_freebusy_row rows[] = {row(9, 9.5, CTL_AGENDA_FREE), row(10, 11, CTL_AGENDA_BUSY),
                                      row(10.75, 11.5, CTL_AGENDA_FREE),
                                      row(20, 21, CTL_AGENDA_FREE)};
    const struct ctl_freebusy_person person = {"a", rows, COUNT(rows), MONDAY, MONDAY + ICAL_DAY_S};

    rows[0].unknown = rows[2].unknown = rows[3].unknown = true;
    check(&(struct ctl_freebusy){"UTC", MONDAY, MONDAY + ICAL_DAY_S, &person, 1, 80, false},
          "UTC  ▓ away  █ busy  ▒ tentative  ▚ elsewhere  · free  ? nobody can say\n"
          "Mon 2 November 2026\n"
          "     8   9   10  11  12  13  14  15  16  17\n"
          "a   │····??··████??··························│\n");
}

static void whole_days_and_nights_do_not_widen_it(void **state)
{
    const struct ctl_freebusy_row rows[] = {row(0, 24, CTL_AGENDA_BUSY), row(0, 9, CTL_AGENDA_AWAY),
                                            row(17, 24, CTL_AGENDA_AWAY)};
    const struct ctl_freebusy_row late[] = {row(22, 24, CTL_AGENDA_BUSY)};
    const struct ctl_freebusy_row over[] = {row(23, 25, CTL_AGENDA_BUSY)};
    struct ctl_freebusy_person person = {"a", rows, 3, MONDAY, MONDAY + ICAL_DAY_S};
    struct ctl_freebusy freebusy = {"UTC", MONDAY, MONDAY + ICAL_DAY_S, &person, 1, 18, true};
    AUTO(buf) struct buf out = BUF(MIB);

    ctl_freebusy_draw(&freebusy, &out);
    assert_non_null(strstr(out.ptr, "8  11 14 17\na"));
    assert_non_null(strstr(out.ptr, "\033[36m█\033[0m"));
    person.rows = late;
    person.count = 1;
    freebusy.colors = false;
    buf_clear(&out);
    ctl_freebusy_draw(&freebusy, &out);
    assert_non_null(strstr(out.ptr, "│··············██│\n"));
    person.rows = over;
    freebusy.until_s += ICAL_DAY_S;
    person.until_s += ICAL_DAY_S;
    buf_clear(&out);
    ctl_freebusy_draw(&freebusy, &out);
    assert_non_null(strstr(out.ptr, "│·······················█│\n"));
    assert_non_null(strstr(out.ptr, "│█·······················│\n"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_a_line_and_all_have_one),
        cmocka_unit_test(what_is_known_of_a_part_is_shown_of_that),
        cmocka_unit_test(gaps_in_what_is_known_are_shown),
        cmocka_unit_test(whole_days_and_nights_do_not_widen_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
