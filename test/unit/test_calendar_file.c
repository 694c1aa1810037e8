#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_file.h"
#include "ical/ical_zone.h"

#define FOLDER "/usr/share/zoneinfo"
#define ZONE(name, offset) \
    "BEGIN:VTIMEZONE\nTZID:" name \
    "\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:" offset "\nTZOFFSETTO:" offset \
    "\nEND:STANDARD\nEND:VTIMEZONE\n"
#define EVENT(uid, more) "BEGIN:VEVENT\nUID:" uid "\n" more "END:VEVENT\n"
#define FILE_OF(text) "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//a//EN\n" text "END:VCALENDAR\n"
#define IN(zone) "DTSTART;TZID=" zone ":20260101T100000\n"

struct fixture {
    struct arena *arena;
    struct ical_zones *zones;
    struct ical_comp *comps;
    struct calendar_file_object *objects;
    size_t count;
};

static struct fixture open_file(const char *text)
{
    struct fixture f = {.arena = arena_new("test", GIB), .zones = ical_zones_new(FOLDER)};
    struct ical_error error;

    assert_int_equal(ical_parse(f.arena, slice_str(text), &calendar_file_limits, &f.comps, &error),
                     ST_OK);
    calendar_file_split(f.arena, f.comps, &f.objects, &f.count);
    return f;
}

static void close_file(struct fixture *f)
{
    ical_zones_free(&f->zones);
    arena_free(&f->arena);
}

static struct slice text_of(struct fixture *f, size_t i)
{
    AUTO(buf) struct buf text = BUF(MIB);

    calendar_file_write(&f->objects[i], &text);
    assert_false(text.over);
    return arena_copy(f->arena, buf_slice(&text));
}

/* With LF alone, as the texts above. */
static void check_text(struct fixture *f, size_t i, const char *want)
{
    struct slice text = text_of(f, i);
    char *plain = arena_text(f->arena, text.len);
    size_t len = 0;

    for (size_t at = 0; at < text.len; at++)
        if (text.ptr[at] != '\r')
            plain[len++] = text.ptr[at];
    T_EQ_SLICE(((struct slice){plain, len}), slice_str(want));
}

static void components_of_one_uid_are_one_object_with_the_zones_they_name(void **state)
{
    struct fixture f = open_file(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//a//EN\nMETHOD:PUBLISH\nX-WR-CALNAME:all\n" ZONE(
            "B", "+0200") ZONE("A", "+0100") ZONE("C", "+0300") EVENT("1", IN("A"))
            EVENT("2", "DTSTART:20260101T100000Z\n")
                EVENT("1", "RECURRENCE-ID;TZID=B:20260102T100000\n" IN("A")) "END:VCALENDAR\n");

    assert_int_equal(f.count, 2);
    T_EQ_SLICE(f.objects[0].uid, SLICE("1"));
    assert_int_equal(f.objects[0].line, 30);
    check_text(&f, 0,
               FILE_OF(ZONE("A", "+0100") ZONE("B", "+0200") EVENT("1", IN("A"))
                           EVENT("1", "RECURRENCE-ID;TZID=B:20260102T100000\n" IN("A"))));
    check_text(&f, 1, FILE_OF(EVENT("2", "DTSTART:20260101T100000Z\n")));
    close_file(&f);
}

static void objects_of_several_vcalendars_keep_their_own_zones(void **state)
{
    struct fixture f = open_file(FILE_OF(ZONE("A", "+0100") EVENT("1", IN("A"))) FILE_OF(
        ZONE("A", "+0900") EVENT("2", IN("A"))) "BEGIN:VCARD\nUID:3\nEND:VCARD\n");

    assert_int_equal(f.count, 2);
    check_text(&f, 0, FILE_OF(ZONE("A", "+0100") EVENT("1", IN("A"))));
    check_text(&f, 1, FILE_OF(ZONE("A", "+0900") EVENT("2", IN("A"))));
    close_file(&f);
}

static void what_has_no_uid_stands_alone(void **state)
{
    struct fixture f =
        open_file(FILE_OF("BEGIN:VEVENT\nEND:VEVENT\nBEGIN:VEVENT\nUID:\nEND:VEVENT\n"));

    assert_int_equal(f.count, 2);
    assert_int_equal(f.objects[0].uid.len, 0);
    close_file(&f);
    f = open_file(FILE_OF(ZONE("A", "+0100")));
    assert_int_equal(f.count, 0);
    close_file(&f);
}

static void zones_named_within_an_alarm_are_kept(void **state)
{
    static const char text[] = FILE_OF(ZONE("A", "+0100") EVENT(
        "1", "BEGIN:VALARM\nTRIGGER;TZID=A:20260101T100000\nEND:VALARM\n"));
    struct fixture f = open_file(text);

    check_text(&f, 0, text);
    close_file(&f);
}

/* Long lines are folded anew, so lines of the object are not those of the file. */
static void lines_of_an_object_are_found_in_the_file(void **state)
{
    struct fixture f = open_file(FILE_OF(EVENT("0", "") ZONE("A", "+0100") EVENT(
        "1",
        "SUMMARY:0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789012345678901234567890123456789\n"
        "COMMENT:a\n b\n c\nDTSTART;TZID=A:wrong\n")));
    /* BEGIN VERSION PRODID, the zone's 8, BEGIN UID SUMMARY in 2, COMMENT, DTSTART, END, END */
    static const unsigned lines[][2] = {{1, 1},   {3, 3},   {4, 7},   {11, 7},  {12, 15},
                                        {13, 16}, {14, 17}, {15, 17}, {16, 18}, {17, 21},
                                        {18, 15}, {0, 15},  {99, 15}};

    assert_int_equal(f.count, 2);
    for (size_t i = 0; i < COUNT(lines); i++) {
        T_ROW(i, "line");
        assert_int_equal(calendar_file_line(&f.objects[1], lines[i][0]), lines[i][1]);
    }
    close_file(&f);
}

static void names_are_safe_and_their_own(void **state)
{
    static const struct {
        const char *uid;
        const char *name; /* NULL: a digest */
    } rows[] = {{"a@b", "a@b.ics"},
                {"040000008200E00074C5B7101A82E008", "040000008200E00074C5B7101A82E008.ics"},
                {"a/b", NULL},
                {"..", NULL},
                {".a", NULL},
                {"ä", NULL},
                {"a b", NULL},
                {"", NULL}};
    struct arena *arena = arena_new("test", MIB);

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice name = calendar_file_name(arena, slice_str(rows[i].uid));

        T_ROW(i, rows[i].uid);
        if (rows[i].name != NULL)
            T_EQ_SLICE(name, slice_str(rows[i].name));
        else
            assert_int_equal(name.len, 64 + 4);
    }
    arena_free(&arena);
}

static void what_differs_only_in_form_is_the_same(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {FILE_OF(EVENT("1", "SUMMARY:x\n")), FILE_OF(EVENT("1", "SUMMARY:x\n")), true},
        {FILE_OF(EVENT("1", "SUMMARY:xy\n")), FILE_OF(EVENT("1", "SUMMARY:x\r\n y\r\n")), true},
        {FILE_OF(EVENT("1", "")),
         "BEGIN:VCALENDAR\nPRODID:b\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR\n", true},
        {FILE_OF(EVENT("1", "SUMMARY:x\n")), FILE_OF(EVENT("1", "SUMMARY:y\n")), false},
        {FILE_OF(EVENT("1", "")), FILE_OF(EVENT("1", "") EVENT("1", "RECURRENCE-ID:20260101\n")),
         false},
        {FILE_OF(EVENT("1", "")), FILE_OF(EVENT("1", "") EVENT("2", "")), false},
        /* Everybody knows Berlin; nobody knows Mine. */
        {FILE_OF(ZONE("Europe/Berlin", "+0100") EVENT("1", IN("Europe/Berlin"))),
         FILE_OF(EVENT("1", IN("Europe/Berlin"))), true},
        {FILE_OF(ZONE("Mine", "+0100") EVENT("1", IN("Mine"))),
         FILE_OF(ZONE("Mine", "+0200") EVENT("1", IN("Mine"))), false},
        {"x", "y", false},
    };
    struct arena *arena = arena_new("test", GIB);
    struct ical_zones *zones = ical_zones_new(FOLDER);

    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].b);
        assert_int_equal(
            calendar_file_same(arena, zones, slice_str(rows[i].a), slice_str(rows[i].b)),
            rows[i].same);
    }
    ical_zones_free(&zones);
    arena_free(&arena);
}

/* Objects put together and taken apart again are what they were. */
static void zones_are_written_once_and_what_means_another_stands_alone(void **state)
{
    struct fixture f = open_file(
        FILE_OF(ZONE("Europe/Berlin", "+0100") EVENT("1", IN("Europe/Berlin")))
            FILE_OF(ZONE("Europe/Berlin", "+0100") ZONE("Mine", "+0100") EVENT("2", IN("Mine")))
                FILE_OF(ZONE("Mine", "+0200") EVENT("3", IN("Mine"))));
    struct calendar_merge *merge = calendar_merge_new(f.arena, f.zones);
    AUTO(buf) struct buf text = BUF(MIB);

    for (const struct ical_comp *c = f.comps; c != NULL; c = c->next)
        calendar_merge_look(merge, c);
    calendar_merge_begin(merge, SLICE("Work, and more"), SLICE(""), &text);
    assert_true(calendar_merge_put(merge, f.comps, &text));
    assert_true(calendar_merge_put(merge, f.comps->next, &text));
    assert_false(calendar_merge_put(merge, f.comps->next->next, &text));
    calendar_merge_end(&text);
    struct fixture again = open_file(text.ptr);
    assert_int_equal(again.count, 2);
    assert_null(again.comps->next);
    T_EQ_SLICE(ical_prop_value(again.comps, ICAL_NAME), SLICE("Work\\, and more"));
    assert_null(ical_comp_next(ical_comp_next(ical_comp_find(again.comps, ICAL_VTIMEZONE))));
    for (size_t i = 0; i < again.count; i++)
        assert_true(calendar_file_same(f.arena, f.zones, text_of(&again, i), text_of(&f, i)));
    close_file(&again);
    close_file(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components_of_one_uid_are_one_object_with_the_zones_they_name),
        cmocka_unit_test(objects_of_several_vcalendars_keep_their_own_zones),
        cmocka_unit_test(what_has_no_uid_stands_alone),
        cmocka_unit_test(zones_named_within_an_alarm_are_kept),
        cmocka_unit_test(lines_of_an_object_are_found_in_the_file),
        cmocka_unit_test(names_are_safe_and_their_own),
        cmocka_unit_test(what_differs_only_in_form_is_the_same),
        cmocka_unit_test(zones_are_written_once_and_what_means_another_stands_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
