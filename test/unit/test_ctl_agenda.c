#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_agenda.h"
#include "ical/ical_time.h"

#define HOUR INT64_C(3600)
#define MONDAY (INT64_C(20759) * ICAL_DAY_S) /* 2026-11-02 */

static struct ctl_agenda_item item(int hour, int minutes, enum ctl_agenda_kind kind,
                                   const char *summary)
{
    return (struct ctl_agenda_item){.start_s = MONDAY + hour * HOUR,
                                    .end_s = MONDAY + hour * HOUR + minutes * INT64_C(60),
                                    .kind = kind,
                                    .summary = summary,
                                    .location = "there",
                                    .calendar = "work"};
}

static void check(const struct ctl_agenda *agenda, const char *want)
{
    struct arena *arena = arena_new("test", MIB);
    AUTO(buf) struct buf out = BUF(MIB);

    ctl_agenda_draw(agenda, arena, &out);
    T_EQ_SLICE(buf_slice(&out), slice_str(want));
    arena_free(&arena);
}

static void days_stand_side_by_side(void **state)
{
    struct ctl_agenda_item items[] = {
        item(0, 24 * 60, CTL_AGENDA_FREE, "Feast"),
        item(9, 60, CTL_AGENDA_BUSY, "One"),
        item(9, 90, CTL_AGENDA_TENTATIVE, "Two"),
        item(34, 15, CTL_AGENDA_AWAY, "日本語 is long"),
    };

    items[0].all_day = true;
    items[3].start_s += 900;
    items[3].end_s += 900;
    check(
        &(struct ctl_agenda){"alice", "UTC", MONDAY, 2, MONDAY + 10 * HOUR, items, 4, 30, false},
        "alice  2 November – 3 November 2026, UTC   ▓ away █ busy ▒ tentative ▚ elsewhere ░ free\n"
        "      ┌──────────┬──────────┐\n"
        "      │●Mon 2    │ Tue 3    │\n"
        "      ├──────────┼──────────┤\n"
        "      │░Feast    │          │\n"
        "      ├──────────┼──────────┤\n"
        "08:00 │          │          │\n"
        "      │          │          │\n"
        "09:00 │█One ▒Two │          │\n"
        "      │█ther▒ther│          │\n"
        "10:00▸│     ▒    │▓10:15 日 │\n"
        "      │          │          │\n"
        "11:00 │          │          │\n"
        "      │          │          │\n"
        "12:00 │          │          │\n"
        "      │          │          │\n"
        "13:00 │          │          │\n"
        "      │          │          │\n"
        "14:00 │          │          │\n"
        "      │          │          │\n"
        "15:00 │          │          │\n"
        "      │          │          │\n"
        "16:00 │          │          │\n"
        "      │          │          │\n"
        "17:00 │          │          │\n"
        "      │          │          │\n"
        "      └──────────┴──────────┘\n");
}

static void days_stand_below_one_another_where_it_is_narrow(void **state)
{
    struct ctl_agenda_item items[] = {
        item(9, 60, CTL_AGENDA_BUSY, "One"),
        item(23, 120, CTL_AGENDA_TENTATIVE, "Night"),
    };

    items[1].hidden = true;
    check(&(struct ctl_agenda){"bob", "UTC", MONDAY, 2, 0, items, 2, 28, false},
          "bob  2 November – 3 November 2026, UTC   ▓ away █ busy ▒ tentative ▚ elsewhere ░ free\n"
          " Mon 2 November   ▕······┊··█··┊·····┊····▒▏\n"
          "  09:00–10:00  █ One, there  (work)\n"
          "  23:00–       ▒ Night, there  (work\n"
          " Tue 3 November   ▕▒·····┊·····┊·····┊·····▏\n"
          "       –01:00  ▒ Night, there  (work\n");
}

static void colors_are_there_only_where_they_are_wanted(void **state)
{
    struct ctl_agenda_item items[] = {item(9, 60, CTL_AGENDA_BUSY, "One")};
    struct arena *arena = arena_new("test", MIB);

    for (int colors = 0; colors < 2; colors++) {
        AUTO(buf) struct buf out = BUF(MIB);

        ctl_agenda_draw(&(struct ctl_agenda){"a", "UTC", MONDAY, 1, 0, items, 1, 80, colors == 1},
                        arena, &out);
        assert_int_equal(strchr(out.ptr, '\033') != NULL, colors);
    }
    arena_free(&arena);
}

/* Many at once, at any width: no line is wider than the terminal, nothing is drawn over. */
static void every_width_holds(void **state)
{
    struct ctl_agenda_item items[40];
    struct arena *arena = arena_new("test", 64 * MIB);

    for (int i = 0; i < 40; i++)
        items[i] = item(i % 7, 30 + 60 * (i % 11), (enum ctl_agenda_kind)(i % 5), "ä日 text");
    for (unsigned columns = 1; columns < 250; columns++) {
        AUTO(buf) struct buf out = BUF(4 * MIB);
        struct slice rest, line;

        arena_reset(arena);
        ctl_agenda_draw(
            &(struct ctl_agenda){"a", "UTC", MONDAY, 7, MONDAY, items, 40, columns, false}, arena,
            &out);
        assert_false(out.over);
        rest = buf_slice(&out);
        assert_true(slice_split(&rest, '\n', &line)); /* the heading says what it has to */
        while (slice_split(&rest, '\n', &line))
            assert_true(ctl_agenda_width(line) <= (columns < 46 ? 46 : columns));
    }
    arena_free(&arena);
}

static void widths_and_cuts(void **state)
{
    assert_int_equal(ctl_agenda_width(SLICE("aä日e\xcc\x81")), 5);
    T_EQ_SLICE(ctl_agenda_cut(SLICE("aä日b"), 3), SLICE("aä"));
    T_EQ_SLICE(ctl_agenda_cut(SLICE("aä日b"), 4), SLICE("aä日"));
    T_EQ_SLICE(ctl_agenda_cut(SLICE("ab"), 5), SLICE("ab"));
    T_EQ_SLICE(ctl_agenda_cut(SLICE("\xff\xe6"), 1), SLICE("\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_stand_side_by_side),
        cmocka_unit_test(days_stand_below_one_another_where_it_is_narrow),
        cmocka_unit_test(colors_are_there_only_where_they_are_wanted),
        cmocka_unit_test(every_width_holds),
        cmocka_unit_test(widths_and_cuts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
