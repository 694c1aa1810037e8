/* recur [libical]: what it costs to expand a daily event with 50 exceptions over 2 years: the
 * object is parsed before, its instances are counted, both must find as many. Prints the
 * microseconds of one expansion, ours or libical's. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recur_libical.h"

#define OURS 20000 /* expansions, some tenths of a second */
#define THEIRS 20
#define FROM_S INT64_C(1735689600)  /* 2025-01-01 */
#define UNTIL_S INT64_C(1798761600) /* 2027-01-01 */

static void put_object(struct buf *out)
{
    buf_put(out, SLICE("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\n"
                       "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20250101T000000Z\r\n"
                       "DTSTART:20250101T090000Z\r\nDTEND:20250101T100000Z\r\n"
                       "RRULE:FREQ=DAILY\r\n"));
    for (int i = 0; i < 50; i++) {
        buf_put(out, SLICE("EXDATE:"));
        ical_time_write((struct ical_time){FROM_S + 32400 + i * 14 * ICAL_DAY_S, ICAL_UTC, NULL},
                        out);
        buf_put(out, SLICE("\r\n"));
    }
    buf_put(out, SLICE("END:VEVENT\r\nEND:VCALENDAR\r\n"));
}

static unsigned expand(struct arena *arena, const struct ical_comp *calendar)
{
    struct ical_window window = {FROM_S, UNTIL_S, NULL, 100000, ICAL_RECUR_STEPS_MAX};
    struct ical_tz *tz = ical_tz_new(arena, calendar, NULL);
    struct ical_instance instance;
    struct ical_recur *recur;
    struct ical_error error;
    unsigned count = 0;

    if (ical_recur_new(arena, calendar, SLICE("1"), tz, &window, &recur, &error) != ST_OK)
        abort();
    while (ical_recur_next(recur, &instance) == ST_OK)
        count++;
    return count;
}

static double ours(const struct ical_comp *calendar, unsigned *count_r)
{
    struct arena *arena = arena_new("recur", 64 * MIB);
    uint64_t began = sys_mono_us();

    for (int i = 0; i < OURS; i++) {
        arena_reset(arena);
        *count_r = expand(arena, calendar);
    }
    double took = (double)(sys_mono_us() - began) / OURS;
    arena_free(&arena);
    return took;
}

static double theirs(const char *text, unsigned *count_r)
{
    void *calendar = recur_libical_parse(text);
    uint64_t began = sys_mono_us();

    for (int i = 0; i < THEIRS; i++)
        *count_r = recur_libical_expand(calendar, FROM_S, UNTIL_S);
    double took = (double)(sys_mono_us() - began) / THEIRS;
    recur_libical_free(calendar);
    return took;
}

int main(int argc, char **argv)
{
    AUTO(buf) struct buf text = BUF(MIB);
    struct arena *arena = arena_new("object", 64 * MIB);
    struct ical_comp *calendar;
    struct ical_error error;
    unsigned our_count = 0, their_count = 0;
    double we, they;

    put_object(&text);
    if (ical_parse(arena, buf_slice(&text), &ical_limits_default, &calendar, &error) != ST_OK)
        abort();
    they = theirs(text.ptr, &their_count);
    we = ours(calendar, &our_count);
    arena_free(&arena);
    if (our_count != their_count) {
        fprintf(stderr, "%u instances of ours, %u of libical's\n", our_count, their_count);
        return 1;
    }
    printf("{\"us\": %.1f}\n", argc > 1 && strcmp(argv[1], "libical") == 0 ? they : we);
    return 0;
}
