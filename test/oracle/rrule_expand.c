/* rrule_expand: one expansion a line of input, "DTSTART RRULE FROM MAX": DTSTART and FROM are DATE
 * or DATE-TIME, "-" for no FROM. One line of output each: the instances from FROM on, at most MAX
 * of them, "+" behind them where there may be more; or "! " and why the rule was refused. With
 * "bench": the nanoseconds of a line instead. */
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_rule.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define STEPS_MAX 2000000

static void expand(struct slice line, struct buf *out)
{
    struct slice start_text = {0}, rule_text = {0}, from_text = {0}, max_text = {0};
    struct ical_time start, from;
    struct ical_rule rule;
    struct ical_rule_iter iter;
    struct ical_error error;
    uint64_t max = 0;
    int64_t local_s;
    enum st st = ST_OK;

    if (!slice_split(&line, ' ', &start_text) || !slice_split(&line, ' ', &rule_text) ||
        !slice_split(&line, ' ', &from_text) || !slice_split(&line, ' ', &max_text) ||
        ical_time_parse(start_text, &start) != ST_OK || slice_to_u64(max_text, &max) != ST_OK) {
        buf_put(out, SLICE("! the line is not understood\n"));
        return;
    }
    if (ical_rule_parse(rule_text, &rule, &error) != ST_OK) {
        buf_putf(out, "! %s\n", error.text);
        return;
    }
    ical_rule_iter_init(&iter, &rule, start, rule.has_until ? rule.until.local_s : INT64_MAX,
                        STEPS_MAX);
    if (ical_time_parse(from_text, &from) == ST_OK)
        ical_rule_iter_seek(&iter, from.local_s);
    for (; max > 0 && (st = ical_rule_iter_next(&iter, &local_s)) == ST_OK; max--) {
        ical_time_write((struct ical_time){local_s, start.form, NULL}, out);
        buf_put(out, SLICE(" "));
    }
    buf_put(out, st == ST_TOO_BIG ? SLICE("gave-up\n") : st == ST_OK ? SLICE("+\n") : SLICE("\n"));
}

int main(int argc, char **argv)
{
    char line[4096];
    bool bench = argc > 1 && strcmp(argv[1], "bench") == 0;

    while (fgets(line, sizeof(line), stdin) != NULL) {
        AUTO(buf) struct buf out = BUF(64 * MIB);
        uint64_t began = sys_mono_us();
        int rounds = bench ? 1000 : 1;

        for (int i = 0; i < rounds; i++) {
            buf_clear(&out);
            expand(slice_trim(slice_str(line)), &out);
        }
        if (bench)
            printf("%8llu ns %s", (unsigned long long)(sys_mono_us() - began), line);
        else
            fwrite(out.ptr, 1, out.len, stdout);
        fflush(stdout);
    }
    return 0;
}
