#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "ctl/ctl_args.h"
#include "ctl/ctl_help.h"
#include "ctl/ctl_table.h"

static const struct {
    const char *usage;
    size_t min, max;
} usages[] = {
    {"", 0, 0},
    {"NAME", 1, 1},
    {"[FILE]", 0, 1},
    {"NAME NEW-NAME", 2, 2},
    {"NAME [--quota SIZE] [--json]", 1, 1},
    {"--quota SIZE NAME", 1, 1},
    {"FILE|NAME [--maildir DIR] [--mbox FILE]", 1, 1},
    {"ADDRESS... [--json]", 1, SIZE_MAX},
    {"[ID...] [--from PATTERN] [--all]", 0, SIZE_MAX},
};

static void arguments_are_counted_from_the_usage(void **state)
{
    for (size_t i = 0; i < COUNT(usages); i++) {
        size_t min;
        size_t max;

        T_ROW(i, usages[i].usage);
        ctl_args_count(usages[i].usage, &min, &max);
        assert_int_equal(min, usages[i].min);
        assert_int_equal(max, usages[i].max);
    }
}

static const struct {
    const char *line; /* after "posthorse", words separated by blanks */
    const char *told; /* command, arguments, options; or the sentence after '!' */
} lines[] = {
    {"status", "status"},
    {"status --json", "status --json"},
    {"-c x.ini status", "status --config=x.ini"},
    {"status -c x.ini", "status --config=x.ini"},
    {"--config=x.ini status", "status --config=x.ini"},
    {"account add bob", "account add <bob>"},
    {"account add bob --quota 5", "account add <bob> --quota=5"},
    {"account add --quota=5 bob", "account add <bob> --quota=5"},
    {"account add -- --bob", "account add <--bob>"},
    {"account add bob --alias a --alias b", "account add <bob> --alias=a --alias=b"},
    {"store backup -", "store backup <->"},
    {"account rename a b", "account rename <a> <b>"},
    {"account add --help", "account add --help"},
    {"--help", "- --help"},
    {"account --help", "- <account> --help"},
    {"", "-"},
    {"sandbox --dir x --base-port 0", "sandbox --dir=x --base-port=0"},
    {"convert -e- alice", "convert <alice> --disable"},
    {"convert -e alice -n", "convert <alice> --enable --dry-run"},
    {"convert -f names -l -", "convert --names=names --list=-"},
    {"convert -h", "convert --headers"},
    {"convert --help", "convert --help"},
    {"status -h", "status --help"},
    {"status -e", "!status takes no option --enable"},
    {"convert -ee", "!there is no option -ee"},
    {"stats", "!there is no command stats; the nearest is status"},
    {"status now", "!too many arguments; the command is posthorse status [--json]"},
    {"acount list", "!there is no command acount list; the nearest is account list"},
    {"account ad bob", "!there is no command account ad; the nearest is account add"},
    {"account", "!account what? See posthorse account --help"},
    {"account add", "!too few arguments; the command is posthorse account add NAME"},
    {"account disable a b", "!too many arguments; the command is posthorse account disable NAME"},
    {"status --jason", "!there is no option --jason; the nearest is --json"},
    {"status -x", "!there is no option -x; the nearest is"},
    {"status --quota 5", "!status takes no option --quota"},
    {"status --json=yes", "!--json takes no value"},
    {"account add bob --quota", "!--quota wants a value: SIZE"},
};

static void tell(const struct ctl *ctl, struct buf *out)
{
    buf_putf(out, "%s", ctl->cmd != NULL ? ctl->cmd->words : "-");
    for (size_t i = 0; i < ctl->arg_count; i++)
        buf_putf(out, " <%s>", ctl->args[i]);
    for (size_t i = 0; i < ctl->given_count; i++)
        buf_putf(out, " --%s%s%s", ctl_opts[ctl->given[i].id].name,
                 ctl->given[i].value != NULL ? "=" : "",
                 ctl->given[i].value != NULL ? ctl->given[i].value : "");
}

static void a_command_line_is_read_or_refused_with_a_sentence(void **state)
{
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct ctl *ctl = mem_new(struct ctl);
        AUTO(buf) struct buf out = BUF(4 * KIB);
        char *argv[20] = {mem_copy(SLICE("posthorse"))};
        int argc = 1;
        struct slice rest = slice_str(lines[i].line);
        struct slice word;

        T_ROW(i, lines[i].line);
        ctl->arena = arena_new("test", MIB);
        while (slice_split(&rest, ' ', &word))
            if (word.len > 0)
                argv[argc++] = mem_copy(word);
        buf_put(&out, SLICE("!"));
        if (ctl_args_read(ctl, argc, argv, &out) == ST_OK) {
            buf_clear(&out);
            tell(ctl, &out);
            T_EQ_SLICE(buf_slice(&out), slice_str(lines[i].told));
        } else {
            T_EQ_SLICE(slice_sub(buf_slice(&out), 0, strlen(lines[i].told)),
                       slice_str(lines[i].told));
        }
        while (argc > 0)
            mem_free(argv[--argc]);
        arena_free(&ctl->arena);
        mem_free(ctl);
    }
}

static void what_follows_a_hook_is_passed_on_untouched(void **state)
{
    struct ctl *ctl = mem_new(struct ctl);
    AUTO(buf) struct buf why = BUF(4 * KIB);
    char *argv[] = {mem_copy(SLICE("posthorse")), mem_copy(SLICE("sandbox")),
                    mem_copy(SLICE("--dir")), mem_copy(SLICE("x"))};

    ctl->arena = arena_new("test", MIB);
    assert_int_equal(ctl_args_read(ctl, 4, argv, &why), ST_OK);
    assert_int_equal(ctl->raw_count, 3);
    assert_string_equal(ctl->raw[0], "sandbox");
    assert_string_equal(ctl->raw[2], "x");
    for (size_t i = 0; i < COUNT(argv); i++)
        mem_free(argv[i]);
    arena_free(&ctl->arena);
    mem_free(ctl);
}

/* --- texts --- */

static bool holds(const struct buf *text, const char *what)
{
    return slice_find_slice(buf_slice(text), slice_str(what)) != SIZE_MAX;
}

static void every_command_has_help_with_an_example_of_itself(void **state)
{
    AUTO(buf) struct buf all = BUF(64 * KIB);

    ctl_help_all(&all);
    for (size_t i = 0; i < ctl_cmd_count; i++) {
        AUTO(buf) struct buf out = BUF(64 * KIB);
        char example[100];

        T_ROW(i, ctl_cmds[i].words);
        ctl_help_cmd(&ctl_cmds[i], &out);
        snprintf(example, sizeof(example), "posthorse %s", ctl_cmds[i].words);
        assert_non_null(strstr(ctl_cmds[i].examples, example));
        assert_true(holds(&out, ctl_cmds[i].help));
        assert_true(holds(&all, ctl_cmds[i].words));
    }
}

static void manual_pages_name_every_command_option_and_setting(void **state)
{
    AUTO(buf) struct buf man8 = BUF(MIB);
    AUTO(buf) struct buf man5 = BUF(MIB);

    ctl_man_8(&man8);
    ctl_man_5(&man5);
    assert_false(man8.over || man5.over);
    for (size_t i = 0; i < ctl_cmd_count; i++)
        assert_true(holds(&man8, ctl_cmds[i].words));
    for (size_t i = 0; i < CTL_OPT_MAX; i++)
        assert_true(holds(&man8, ctl_opts[i].name));
    for (size_t i = 0; i < conf_field_count; i++)
        assert_true(holds(&man5, conf_fields[i].name));
}

static void columns_are_aligned_by_characters_not_bytes(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct ctl_table *table = ctl_table_new(arena, "NAME,>N,LAST");
    static const char *const cells[] = {"Dö", "7", "x", "alice", "12345", "yy"};
    AUTO(buf) struct buf out = BUF(KIB);

    for (size_t i = 0; i < COUNT(cells); i++)
        ctl_table_cell(table, cells[i]);
    ctl_table_write(table, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("NAME       N  LAST\n"
                                      "Dö         7  x\n"
                                      "alice  12345  yy\n"));
    arena_free(&arena);
}

static void quantities_are_written_for_people(void **state)
{
    char room[CTL_QUANTITY_BYTES];

    assert_string_equal(ctl_table_size(room, 0), "0 bytes");
    assert_string_equal(ctl_table_size(room, 1023), "1023 bytes");
    assert_string_equal(ctl_table_size(room, 1536), "1.5 KiB");
    assert_string_equal(ctl_table_size(room, 1023 * KIB + 1023), "1.0 MiB");
    assert_string_equal(ctl_table_size(room, 25 * GIB), "25 GiB");
    assert_string_equal(ctl_table_size(room, UINT64_MAX), "16 EiB");
    assert_string_equal(ctl_table_duration(room, 59999), "59 s");
    assert_string_equal(ctl_table_duration(room, 200 * SEC_MS), "3 min 20 s");
    assert_string_equal(ctl_table_duration(room, 51 * HOUR_MS), "2 d 3 h");
    assert_string_equal(ctl_table_number(room, 0), "0");
    assert_string_equal(ctl_table_number(room, 999), "999");
    assert_string_equal(ctl_table_number(room, 1234567), "1,234,567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_counted_from_the_usage),
        cmocka_unit_test(a_command_line_is_read_or_refused_with_a_sentence),
        cmocka_unit_test(what_follows_a_hook_is_passed_on_untouched),
        cmocka_unit_test(every_command_has_help_with_an_example_of_itself),
        cmocka_unit_test(manual_pages_name_every_command_option_and_setting),
        cmocka_unit_test(columns_are_aligned_by_characters_not_bytes),
        cmocka_unit_test(quantities_are_written_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
