#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ical/ical.h"
#include "ical/ical_time.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new("test", 64 * MIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct ical_comp *parse(struct slice text)
{
    struct ical_comp *comp;
    struct ical_error error;

    if (ical_parse(arena, text, &ical_limits_default, &comp, &error) != ST_OK)
        fail_msg("line %u: %s", error.line, error.text);
    return comp;
}

static const char kept[] =
    "BEGIN:VCALENDAR\r\n"
    "VERSION:2.0\r\n"
    "x-First;X-P=a,\"b;c\",d:value:with;things,in it\r\n"
    "BEGIN:VEVENT\r\n"
    "UID:1\r\n"
    "ATTENDEE;CN=\"Bob, Jr.\";ROLE=CHAIR:mailto:bob@example.com\r\n"
    "X-QUOTED;A=\"needless\":x\r\n"
    "BEGIN:VALARM\r\n"
    "ACTION:DISPLAY\r\n"
    "END:VALARM\r\n"
    "END:VEVENT\r\n"
    "BEGIN:X-UNKNOWN\r\n"
    "SOME_THING:1\r\n"
    "END:X-UNKNOWN\r\n"
    "END:VCALENDAR\r\n";

static void test_what_is_not_known_is_written_back_as_it_was(void **state)
{
    AUTO(buf) struct buf out = BUF(64 * KIB);
    const struct ical_comp *comp = parse(slice_str(kept));

    (void)state;
    ical_write(comp, &out);
    T_EQ_SLICE(buf_slice(&out), slice_str(kept));
    buf_clear(&out);
    ical_write(ical_comp_copy(arena, comp), &out);
    T_EQ_SLICE(buf_slice(&out), slice_str(kept));
}

static void test_values_and_parameters_are_found(void **state)
{
    const struct ical_comp *calendar = parse(slice_str(kept));
    const struct ical_comp *event = ical_comp_find(calendar, ICAL_VEVENT);
    const struct ical_prop *attendee = ical_prop_find(event, ICAL_ATTENDEE);
    const struct ical_prop *first = ical_prop_find_name(calendar, SLICE("X-FIRST"));

    (void)state;
    T_EQ_SLICE(ical_prop_value(event, ICAL_UID), SLICE("1"));
    T_EQ_SLICE(ical_param_text(attendee, "cn"), SLICE("Bob, Jr."));
    T_EQ_SLICE(attendee->value, SLICE("mailto:bob@example.com"));
    assert_int_equal(attendee->line, 6);
    assert_int_equal(ical_param_find(first, "X-P")->count, 3);
    T_EQ_SLICE(ical_param_find(first, "X-P")->values[1].text, SLICE("b;c"));
    assert_null(ical_prop_find(event, ICAL_DTSTART));
    assert_int_equal(ical_comp_find(event, ICAL_VALARM)->line, 8);
}

static void test_lines_are_unfolded_wherever_they_are_cut(void **state)
{
    static const char whole[] =
        "BEGIN:VCALENDAR\r\nSUMMARY;X=\"a b\":Gr\xc3\xbc\xc3\x9f"
        "e\r\nEND:VCALENDAR\r\n";

    (void)state;
    for (size_t at = 1; at < sizeof(whole) - 1; at++) {
        AUTO(buf) struct buf text = BUF(KIB);
        AUTO(buf) struct buf out = BUF(KIB);

        if (whole[at - 1] == '\r' || whole[at - 1] == '\n' || whole[at] == '\r')
            continue;
        buf_putf(&text, "%.*s%s%s", (int)at, whole, at % 2 == 0 ? "\r\n " : "\n\t", whole + at);
        ical_write(parse(buf_slice(&text)), &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(whole));
    }
}

static void test_lines_are_folded_at_75_octets_and_not_in_a_character(void **state)
{
    (void)state;
    for (size_t lead = 0; lead < 8; lead++) {
        AUTO(buf) struct buf text = BUF(KIB);
        AUTO(buf) struct buf out = BUF(4 * KIB);
        struct slice rest, line;

        buf_putf(&text, "BEGIN:A\nSUMMARY:%.*s", (int)lead, "12345678");
        for (int i = 0; i < 60; i++)
            buf_put(&text, i % 3 == 0 ? SLICE("\xf0\x9f\x90\x8e") : SLICE("\xc3\xbc"));
        buf_put(&text, SLICE("\nEND:A\n"));
        ical_write(parse(buf_slice(&text)), &out);
        rest = buf_slice(&out);
        size_t longest = 0;
        while (slice_split(&rest, '\n', &line)) {
            longest = line.len > longest ? line.len : longest;
            assert_true(line.len <= 76); /* with its CR */
            assert_true(line.len == 0 ||
                        ((unsigned char)line.ptr[line.ptr[0] == ' '] & 0xc0) != 0x80);
        }
        assert_true(longest >= 73);
        struct ical_comp *again = parse(buf_slice(&out));
        T_EQ_SLICE(ical_prop_value(again, ICAL_SUMMARY),
                   ical_prop_value(parse(buf_slice(&text)), ICAL_SUMMARY));
    }
}

static void test_parameters_of_rfc_6868(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);
    struct ical_comp *comp =
        parse(SLICE("BEGIN:A\nX;P=George Herman ^'Babe^' Ruth^n^^ ^x^:1\nEND:A\n"));

    (void)state;
    T_EQ_SLICE(ical_param_text(comp->props, "P"), SLICE("George Herman \"Babe\" Ruth\n^ ^x^"));
    ical_write_prop(comp->props, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("X;P=George Herman ^'Babe^' Ruth^n^^ ^^x^^:1\r\n"));
}

static void test_what_is_no_icalendar_is_refused_with_line_and_reason(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *why;
    } rows[] = {
        {"", 0, "There is no component."},
        {"\r\n\r\n", 0, "There is no component."},
        {"SUMMARY:x\n", 1, "SUMMARY stands outside of any component."},
        {"BEGIN:A\nBEGIN:B\nEND:A\n", 3, "END:A cannot close B, which began in line 2."},
        {"BEGIN:A\nEND:A\nEND:A\n", 3, "END:A closes nothing."},
        {"BEGIN:A\n\nBEGIN:B\n", 3, "B is not closed."},
        {"BEGIN:\nEND:\n", 1, "BEGIN names no component: \"\"."},
        {"BEGIN:A\nSUMMARY\nEND:A\n", 2, "After SUMMARY and its parameters there is no colon."},
        {"BEGIN:A\nX: a\n b\nY;Z:1\nEND:A\n", 4, "A parameter is no name with '=' behind it."},
        {"BEGIN:A\nY;Z=\"1:2\nEND:A\n", 2,
         "A parameter's value begins with a quote and has no end."},
        {"BEGIN:A\nY;Z=a\"b\":1\nEND:A\n", 2, "After Y and its parameters there is no colon."},
        {"BEGIN:A\n:1\nEND:A\n", 2, "The line does not begin with a name: \":1\"."},
        {"<html>\n", 1, "The line does not begin with a name: \"<html>\"."},
        {"BEGIN:A\nX:a\x01\nEND:A\n", 2, "There is a control character (0x01)."},
        {"BEGIN:A\nX:a\rb\nEND:A\n", 2, "There is a control character (0x0D)."},
        {"BEGIN:A\nX:\xff\nEND:A\n", 2, "The text is not UTF-8 (0xFF)."},
        {"BEGIN:A\nX:\xed\xa0\x80\nEND:A\n", 2, "The text is not UTF-8 (0xED)."},
        {"BEGIN:A\nX:\xc3\n Y\nEND:A\n", 2, "The text is not UTF-8 (0xC3)."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ical_comp *comp;
        struct ical_error error;

        T_ROW(i, rows[i].text);
        assert_int_equal(
            ical_parse(arena, slice_str(rows[i].text), &ical_limits_default, &comp, &error),
            ST_INVALID);
        assert_string_equal(error.text, rows[i].why);
        assert_int_equal(error.line, rows[i].line);
    }
}

static void test_each_limit_is_told(void **state)
{
    static const struct {
        struct ical_limits limits;
        const char *why;
    } rows[] = {
        {{10, 100, 100, 100, 100}, "The text is longer than 10 bytes."},
        {{1000, 3, 100, 100, 100}, "There are more than 3 lines."},
        {{1000, 100, 8, 100, 100}, "The line is longer than 8 bytes."},
        {{1000, 100, 100, 2, 100}, "There are more than 2 parameters."},
        {{1000, 100, 100, 100, 1}, "Components lie more than 1 deep."},
    };
    struct slice text = SLICE("BEGIN:A\nBEGIN:B\nX;P=1;Q=2,3:123456789\nEND:B\nEND:A\n");
    struct ical_comp *comp;
    struct ical_error error;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].why);
        assert_int_equal(ical_parse(arena, text, &rows[i].limits, &comp, &error), ST_TOO_BIG);
        assert_string_equal(error.text, rows[i].why);
    }
}

/* As much as the limits allow fits into the arena that is asked for. */
static void test_an_arena_of_the_told_size_suffices(void **state)
{
    static const char *const lines[] = {"A:\n", "A;B=:\n", "A;B=,,,,,,,,,,,,,,,,:\n",
                                        "BEGIN:A\nEND:A\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct ical_limits limits = {40000, 20000, 1000, 9000, 10};
        struct arena *tight = arena_new("tight", ical_limits_arena_bytes(&limits));
        AUTO(buf) struct buf text = BUF(MIB);
        struct ical_comp *comp;
        struct ical_error error;

        buf_put(&text, SLICE("BEGIN:A\n"));
        while (text.len + strlen(lines[i]) + 10 < limits.bytes_max)
            buf_put(&text, slice_str(lines[i]));
        buf_put(&text, SLICE("END:A\n"));
        (void)!ical_parse(tight, buf_slice(&text), &limits, &comp, &error);
        arena_free(&tight);
    }
}

static void test_the_tree_is_edited(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);
    struct ical_comp *calendar = ical_comp_new(arena, ICAL_VCALENDAR);
    struct ical_comp *event = ical_comp_new(arena, ICAL_VEVENT);
    struct ical_comp *gone = ical_comp_new(arena, ICAL_VTODO);

    (void)state;
    ical_comp_add(calendar, event);
    ical_comp_add(calendar, gone);
    ical_comp_remove(gone);
    ical_comp_add(calendar, ical_comp_new(arena, ICAL_VJOURNAL));
    ical_prop_add(arena, event, ICAL_SUMMARY, SLICE("a\r\nATTENDEE:b"));
    ical_prop_set(arena, event, ICAL_SEQUENCE, SLICE("1"));
    ical_prop_set(arena, event, ICAL_SEQUENCE, SLICE("2"));
    ical_prop_add(arena, event, ICAL_EXDATE, SLICE("x"));
    ical_prop_remove_all(event, ICAL_EXDATE);
    struct ical_prop *attendee = ical_prop_add(arena, event, ICAL_ATTENDEE, SLICE("mailto:a"));
    ical_param_set(arena, attendee, "CN", SLICE("A \"B\" C;\nD"));
    ical_param_set(arena, attendee, "RSVP", SLICE("TRUE"));
    ical_param_set(arena, attendee, "ROLE", SLICE("CHAIR"));
    ical_param_remove(attendee, "rsvp");
    ical_write(calendar, &out);
    T_EQ_SLICE(buf_slice(&out),
               SLICE("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:a  ATTENDEE:b\r\nSEQUENCE:2\r\n"
                     "ATTENDEE;CN=\"A ^'B^' C;^nD\";ROLE=CHAIR:mailto:a\r\nEND:VEVENT\r\n"
                     "BEGIN:VJOURNAL\r\nEND:VJOURNAL\r\nEND:VCALENDAR\r\n"));
}

static void test_text_goes_there_and_back(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);

    (void)state;
    T_EQ_SLICE(ical_text_decode(arena, SLICE("a\\nb\\Nc\\,d\\;e\\\\f\\x\\")),
               SLICE("a\nb\nc,d;e\\f\\x\\"));
    ical_text_encode(SLICE("a\r\nb,c;d\\e"), &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("a\\nb\\,c\\;d\\\\e"));
}

static void test_times_and_durations_go_there_and_back(void **state)
{
    static const char *const times[] = {"00000101", "20240229", "99991231T235959Z",
                                        "19691231T235959", "20250101T000000"};
    static const char *const no_times[] = {"",
                                           "2025010",
                                           "20250229",
                                           "20251301",
                                           "20250100",
                                           "20250101T",
                                           "20250101T240000",
                                           "20250101T236000",
                                           "20250101T000061",
                                           "20250101T000000z",
                                           "20250101t000000",
                                           "2025-01-01"};
    static const struct {
        const char *text;
        int32_t days;
        int64_t seconds;
    } durations[] = {
        {"P15DT5H0M20S", 15, 18020},
        {"P7W", 49, 0},
        {"-PT15M", 0, -900},
        {"+P1D", 1, 0},
        {"PT0S", 0, 0},
        {"PT36H", 0, 129600},
        {"PT1H30S", 0, 3630},
        {"P0D", 0, 0},
    };
    static const char *const no_durations[] = {
        "",    "P",      "PT",    "P1DT",          "1D",   "P1",    "PT1D",
        "P1H", "PT1S1M", "P1D1W", "P99999999999D", "P-1D", "PT1M1M"};
    AUTO(buf) struct buf out = BUF(KIB);
    struct ical_time time;
    struct ical_duration duration;

    (void)state;
    for (size_t i = 0; i < COUNT(times); i++, buf_clear(&out)) {
        assert_int_equal(ical_time_parse(slice_str(times[i]), &time), ST_OK);
        ical_time_write(time, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(times[i]));
    }
    for (size_t i = 0; i < COUNT(no_times); i++)
        assert_int_equal(ical_time_parse(slice_str(no_times[i]), &time), ST_INVALID);
    for (size_t i = 0; i < COUNT(durations); i++) {
        T_ROW(i, durations[i].text);
        assert_int_equal(ical_duration_parse(slice_str(durations[i].text), &duration), ST_OK);
        assert_int_equal(duration.days, durations[i].days);
        assert_int_equal(duration.seconds, durations[i].seconds);
    }
    for (size_t i = 0; i < COUNT(no_durations); i++) {
        T_ROW(i, no_durations[i]);
        assert_int_equal(ical_duration_parse(slice_str(no_durations[i]), &duration), ST_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_known_is_written_back_as_it_was),
        cmocka_unit_test(test_values_and_parameters_are_found),
        cmocka_unit_test(test_lines_are_unfolded_wherever_they_are_cut),
        cmocka_unit_test(test_lines_are_folded_at_75_octets_and_not_in_a_character),
        cmocka_unit_test(test_parameters_of_rfc_6868),
        cmocka_unit_test(test_what_is_no_icalendar_is_refused_with_line_and_reason),
        cmocka_unit_test(test_each_limit_is_told),
        cmocka_unit_test(test_an_arena_of_the_told_size_suffices),
        cmocka_unit_test(test_the_tree_is_edited),
        cmocka_unit_test(test_text_goes_there_and_back),
        cmocka_unit_test(test_times_and_durations_go_there_and_back),
    };

    return cmocka_run_group_tests_name("ical_parse", tests, set_up, tear_down);
}
