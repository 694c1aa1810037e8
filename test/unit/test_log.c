#include "t.h"

#include "base/buf.h"
#include "log/log.h"

#include <unistd.h>

static void test_no_value_can_forge_a_line_or_a_field(void **state)
{
    int pipe_fds[2];
    char line[4096];

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    log_open(pipe_fds[1]);
    log_event(EV_SMTP_REFUSED, 31, LOG_C("from", "a b=\"c\"\r\nlevel=error"), LOG_C("to", "<a@b>"),
              LOG_U("n", 7), LOG_I("d", -7), LOG_C("none", ""));
    ssize_t len = read(pipe_fds[0], line, sizeof(line) - 1);
    log_open(STDERR_FILENO);
    assert_true(len > 0);
    line[len] = '\0';
    const char *want =
        " level=info event=smtp_refused sid=1f from=\"a b=\\\"c\\\"\\x0d\\x0alevel=error\" "
        "to=<a@b> n=7 d=-7 "
        "none=\"\"\n";
    assert_string_equal(strstr(line, " level="), want);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void test_events_are_counted_even_when_not_written(void **state)
{
    AUTO(buf) struct buf out = BUF(1 << 20);
    uint64_t before = count_of_event(EV_SESSION_OPEN);

    (void)state;
    log_level_set(LOG_ERROR);
    log_event(EV_SESSION_OPEN, 1, LOG_NONE);
    log_level_set(LOG_INFO);
    assert_int_equal(count_of_event(EV_SESSION_OPEN), before + 1);
    count_add(COUNT_SESSIONS, 2);
    count_add(COUNT_SESSIONS, -1);
    count_write(&out);
    assert_non_null(strstr(out.ptr, "\nposthorse_sessions 1\n"));
    assert_non_null(
        strstr(out.ptr, "posthorse_events_total{event=\"session_open\",level=\"debug\"} "));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_value_can_forge_a_line_or_a_field),
        cmocka_unit_test(test_events_are_counted_even_when_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
