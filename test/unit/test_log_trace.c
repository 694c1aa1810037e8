#include "t.h"

#include "base/buf.h"
#include "log/log.h"
#include "log/log_line.h"
#include "log/log_trace.h"

#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY (INT64_C(86400) * 1000)
#define START (INT64_C(1767312000) * 1000) /* 2026-01-02 */

static char folder[100];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/posthorse-trace-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    log_trace_close();
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(int64_t now_ms, const char *line)
{
    log_trace_write(slice_str(line), now_ms);
}

static enum st gather(void *ctx, struct slice line, const char *file)
{
    buf_putf(ctx, "%s %.*s;", file, SLICE_ARG(line));
    return ST_OK;
}

static void check_record(const char *from, const char *want)
{
    AUTO(buf) struct buf got = BUF(1 << 20);

    assert_int_equal(log_trace_each(from, gather, &got), ST_OK);
    assert_string_equal(buf_slice(&got).ptr, want);
}

static void test_each_day_has_its_file_and_the_oldest_go(void **state)
{
    const struct log_trace_limits limits = {.days = 2, .bytes_max = MIB};

    (void)state;
    assert_int_equal(log_trace_open(folder, &limits, START), ST_OK);
    put(START, "a\n");
    put(START + DAY - 1, "b\n");
    put(START + DAY, "c\n");
    put(START + DAY - 1000, "back\n"); /* a clock set back */
    check_record("",
                 "trace-2026-01-02.log a;trace-2026-01-02.log b;trace-2026-01-03.log c;"
                 "trace-2026-01-03.log back;");
    put(START + 2 * DAY, "d\n");
    check_record("", "trace-2026-01-03.log c;trace-2026-01-03.log back;trace-2026-01-04.log d;");
    check_record("trace-2026-01-04.log", "trace-2026-01-04.log d;");
    put(START + 9 * DAY, "e\n");
    check_record("", "trace-2026-01-11.log e;");
}

static void check_tail(size_t bytes, const char *want)
{
    AUTO(buf) struct buf got = BUF(1 << 20);

    assert_int_equal(log_trace_tail(bytes, gather, &got), ST_OK);
    assert_string_equal(got.len > 0 ? got.ptr : "", want);
}

static void test_the_tail_is_whole_lines_of_the_newest_file(void **state)
{
    const struct log_trace_limits limits = {.days = 2, .bytes_max = MIB};

    (void)state;
    assert_int_equal(log_trace_open(folder, &limits, START), ST_OK);
    check_tail(100, "");
    put(START, "older\n");
    put(START + DAY, "c\n");
    put(START + DAY, "back\n");
    check_tail(4, "");
    check_tail(5, "trace-2026-01-03.log back;");
    check_tail(6, "trace-2026-01-03.log back;");
    check_tail(7, "trace-2026-01-03.log c;trace-2026-01-03.log back;");
    check_tail(1000, "trace-2026-01-03.log c;trace-2026-01-03.log back;");
}

static uint64_t bytes_now(size_t *files_r)
{
    char path[400];
    struct stat info;
    uint64_t bytes = 0;
    DIR *dir = opendir(folder);

    *files_r = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        assert_int_equal(stat(path, &info), 0);
        bytes += (uint64_t)info.st_size;
        *files_r += 1;
    }
    closedir(dir);
    return bytes;
}

static enum st count(void *ctx, struct slice line, const char *file)
{
    int *last = ctx;
    int number;

    assert_int_equal(sscanf(line.ptr, "%d", &number), 1);
    assert_true(*last == -1 || number == *last + 1); /* none is missing in between */
    *last = number;
    return ST_OK;
}

static void test_a_long_day_is_cut_and_stays_under_its_ceiling(void **state)
{
    const struct log_trace_limits limits = {.days = 2, .bytes_max = MIB};
    char line[1000];
    size_t files;
    int last = -1;

    (void)state;
    assert_int_equal(log_trace_open(folder, &limits, START), ST_OK);
    for (int i = 0; i < 5000; i++) {
        snprintf(line, sizeof(line), "%08d%990s\n", i, "");
        put(START, line);
    }
    assert_in_range(bytes_now(&files), MIB / 2, MIB + MIB / 8);
    assert_in_range(files, 7, 9);
    assert_int_equal(log_trace_each("", count, &last), ST_OK);
    assert_int_equal(last, 4999);
    log_trace_close();
    assert_int_equal(log_trace_open(folder, &limits, START), ST_OK); /* goes on in the last part */
    put(START, "00005000\n");
    last = -1;
    assert_int_equal(log_trace_each("", count, &last), ST_OK);
    assert_int_equal(last, 5000);
}

static void test_no_days_are_no_record(void **state)
{
    const struct log_trace_limits none = {.days = 0, .bytes_max = MIB};
    const struct log_trace_limits two = {.days = 2, .bytes_max = MIB};

    (void)state;
    assert_int_equal(log_trace_open(folder, &two, START), ST_OK);
    assert_true(log_trace_is_on());
    put(START, "a\n");
    log_trace_limit(&none, START);
    assert_false(log_trace_is_on());
    put(START, "b\n");
    check_record("", "");
    log_trace_limit(&two, START);
    put(START, "c\n");
    check_record("", "trace-2026-01-02.log c;");
}

static void test_marked_events_are_kept_whatever_the_level(void **state)
{
    const struct log_trace_limits limits = {.days = 20000, .bytes_max = MIB};
    AUTO(buf) struct buf got = BUF(1 << 20);
    int pipe_fds[2];
    char line[4096];

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    log_open(pipe_fds[1]);
    assert_int_equal(log_trace_open(folder, &limits, START), ST_OK);
    log_level_set(LOG_ERROR);
    log_event(EV_DELIVERED, 1, LOG_C("account", "a b"), LOG_C("guid", "g1"));
    log_event(EV_SESSION_OPEN, 1, LOG_NONE);
    log_level_set(LOG_INFO);
    log_event(EV_AUTH_OK, 1, LOG_C("user", "alice"));
    log_event(EV_SENT, 1, LOG_C("guid", "g2"));
    ssize_t len = read(pipe_fds[0], line, sizeof(line) - 1);
    log_open(STDERR_FILENO);
    line[len > 0 ? len : 0] = '\0';
    assert_null(strstr(line, "delivered"));
    assert_non_null(strstr(line, "auth_ok"));
    assert_non_null(strstr(line, "sent"));
    assert_int_equal(log_trace_each("", gather, &got), ST_OK);
    assert_non_null(strstr(got.ptr, "event=delivered sid=1 account=\"a b\" guid=g1;"));
    assert_non_null(strstr(got.ptr, "event=sent sid=1 guid=g2;"));
    assert_null(strstr(got.ptr, "auth_ok"));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void test_what_cannot_be_written_is_said(void **state)
{
    const struct log_trace_limits limits = {.days = 2, .bytes_max = MIB};

    (void)state;
    assert_int_not_equal(log_trace_open("/dev/null/x", &limits, START), ST_OK);
    put(START, "a\n");
}

static void test_a_line_is_read_as_it_was_meant(void **state)
{
    static const char text[] =
        "ts=2026-01-02T03:04:05.678Z level=info event=sent to=\"a b=\\\"c\\\\\\x0d\\x0a\" "
        "n=7 none=\"\" torn=\"x";
    static const struct {
        const char *key;
        const char *value;
    } want[] = {{"ts", "2026-01-02T03:04:05.678Z"},
                {"level", "info"},
                {"event", "sent"},
                {"to", "a b=\"c\\\r\n"},
                {"n", "7"},
                {"none", ""}};
    struct slice rest = slice_str(text);
    AUTO(buf) struct buf value = BUF(1000);
    struct slice key;
    int64_t at_ms;

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_true(log_line_next(&rest, &key, &value));
        T_EQ_SLICE(key, slice_str(want[i].key));
        T_EQ_SLICE(buf_slice(&value), slice_str(want[i].value));
    }
    assert_false(log_line_next(&rest, &key, &value));
    assert_true(log_line_get(slice_str(text), SLICE("n"), &value));
    T_EQ_SLICE(buf_slice(&value), SLICE("7"));
    assert_false(log_line_get(slice_str(text), SLICE("m"), &value));
    assert_int_equal(log_line_time(SLICE("2026-01-02T03:04:05.678Z"), &at_ms), ST_OK);
    assert_int_equal(at_ms, START + (3 * 3600 + 4 * 60 + 5) * 1000 + 678);
    assert_int_equal(log_line_time(SLICE("2026-01-02"), &at_ms), ST_INVALID);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_day_has_its_file_and_the_oldest_go, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_tail_is_whole_lines_of_the_newest_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_day_is_cut_and_stays_under_its_ceiling, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_no_days_are_no_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_marked_events_are_kept_whatever_the_level, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_written_is_said, set_up, tear_down),
        cmocka_unit_test(test_a_line_is_read_as_it_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
