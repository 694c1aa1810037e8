#include "t.h"

#include "smtp/smtp_cmd.h"

#include <strings.h>

static void test_the_table_is_in_order(void **state)
{
    (void)state;
    assert_true(smtp_cmd_count > 10);
    for (size_t i = 1; i < smtp_cmd_count; i++)
        assert_true(strcmp(smtp_cmds[i - 1].verb, smtp_cmds[i].verb) < 0);
}

static void test_every_row_is_found_in_any_case(void **state)
{
    char lower[16];

    (void)state;
    for (size_t i = 0; i < smtp_cmd_count; i++) {
        size_t len = strlen(smtp_cmds[i].verb);

        T_ROW(i, smtp_cmds[i].verb);
        assert_true(len < sizeof(lower));
        for (size_t j = 0; j <= len; j++)
            lower[j] = smtp_cmds[i].verb[j] == '\0' ? '\0' : (char)(smtp_cmds[i].verb[j] | 0x20);
        assert_ptr_equal(smtp_cmd_find(slice_str(smtp_cmds[i].verb)), &smtp_cmds[i]);
        assert_ptr_equal(smtp_cmd_find(slice_str(lower)), &smtp_cmds[i]);
        assert_null(smtp_cmd_find((struct slice){lower, len - 1}));
        assert_true(smtp_cmds[i].states != 0 && smtp_cmds[i].kinds != 0);
        assert_non_null(smtp_cmds[i].run);
    }
}

static void test_what_is_no_verb_is_not_found(void **state)
{
    static const struct slice rows[] = {
        {"", 0},  {"\0", 1},   {"NOOP\0", 5},   {"NOOPX", 5},
        {"A", 1}, {"ZZZZ", 4}, {"\xff\xfe", 2}, {"EXPN", 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_null(smtp_cmd_find(rows[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_in_order),
        cmocka_unit_test(test_every_row_is_found_in_any_case),
        cmocka_unit_test(test_what_is_no_verb_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
