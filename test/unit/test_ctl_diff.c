#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_diff.h"

static void test_it_writes_what_diff_u_writes(void **state)
{
    static const struct {
        const char *old;
        const char *now;
        const char *hunks;
    } rows[] = {
        {"", "", ""},
        {"a\nb\n", "a\nb\n", ""},
        {"a\nb\n", "a\nb", ""}, /* the last line's end is no matter */
        {"", "a\n", "@@ -0,0 +1,1 @@\n+a\n"},
        {"a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
        {"a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
        {"1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n6\n7\n", "@@ -4,3 +4,4 @@\n 4\n 5\n 6\n+7\n"},
        {"0\n1\n2\n3\n4\n5\n6\n7\n8\n", "x\n1\n2\n3\n4\n5\n6\n7\n9\n",
         "@@ -1,4 +1,4 @@\n-0\n+x\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-8\n+9\n"},
        {"0\n1\n2\n3\n4\n5\n6\n7\n", "x\n1\n2\n3\n4\n5\n6\ny\n",
         "@@ -1,8 +1,8 @@\n-0\n+x\n 1\n 2\n 3\n 4\n 5\n 6\n-7\n+y\n"},
        {"a\na\nb\n", "a\nb\nb\n", "@@ -1,3 +1,3 @@\n a\n-a\n+b\n b\n"},
        {"a\n\nb\n", "\na\nb\n", "@@ -1,3 +1,3 @@\n-a\n \n+a\n b\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new("test", MIB);
        AUTO(buf) struct buf out = BUF(KIB);
        AUTO(buf) struct buf expected = BUF(KIB);

        T_ROW(i, rows[i].old);
        if (rows[i].hunks[0] != '\0')
            buf_putf(&expected, "--- x\n+++ y\n%s", rows[i].hunks);
        ctl_diff(arena, slice_str(rows[i].old), slice_str(rows[i].now), "x", "y", &out);
        T_EQ_SLICE(buf_slice(&out), buf_slice(&expected));
        arena_free(&arena);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_writes_what_diff_u_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
