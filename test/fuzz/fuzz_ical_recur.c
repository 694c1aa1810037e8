/* Recurrence: each input is an object (or the properties of an event). Its instances come in order
 * and in the window; a rule is written as it is read, and seeking finds what counting finds. What a
 * rule costs is bounded, or libFuzzer's time-out tells. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_rule.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ical_limits limits = {20000, 500, 5000, 500, 5};

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_rule(struct slice text)
{
    AUTO(buf) struct buf written = BUF(MIB);
    AUTO(buf) struct buf again = BUF(MIB);
    struct ical_time start = {INT64_C(1700000000), ICAL_FLOATING, NULL};
    struct ical_rule_iter slow, fast;
    struct ical_rule rule;
    struct ical_error error;
    int64_t want = 0, got = 0, before = INT64_MIN;
    enum st st = ST_OK;

    if (ical_rule_parse(text, &rule, &error) != ST_OK)
        return;
    ical_rule_write(&rule, &written);
    must(ical_rule_parse(buf_slice(&written), &rule, &error) == ST_OK);
    ical_rule_write(&rule, &again);
    must(slice_eq(buf_slice(&written), buf_slice(&again)));
    ical_rule_iter_init(&slow, &rule, start, INT64_MAX, 5000);
    for (int i = 0; i < 50 && (st = ical_rule_iter_next(&slow, &want)) == ST_OK; i++) {
        must(want > before);
        before = want;
    }
    if (st != ST_OK)
        return;
    ical_rule_iter_init(&fast, &rule, start, INT64_MAX, 100000);
    ical_rule_iter_seek(&fast, want);
    must(ical_rule_iter_next(&fast, &got) == ST_OK && got == want);
}

static void expand(struct arena *arena, const struct ical_comp *parent, struct slice uid,
                   struct ical_tz *tz)
{
    struct ical_window window = {INT64_C(1700000000), INT64_C(1800000000), NULL, 100, 2000};
    struct ical_instance instance;
    struct ical_recur *recur;
    struct ical_error error;
    int64_t before = INT64_MIN;
    enum st st = ical_recur_new(arena, parent, uid, tz, &window, &recur, &error);

    must(st == ST_OK || st == ST_NOT_FOUND || error.text[0] != '\0');
    if (st != ST_OK)
        return;
    while ((st = ical_recur_next(recur, &instance)) == ST_OK) {
        must(instance.start_s < window.until_s && instance.end_s >= instance.start_s);
        must(instance.start_s >= window.from_s || instance.end_s > window.from_s);
        must(instance.start_s + 2 * ICAL_DAY_S >= before); /* but for gaps in order */
        before = instance.start_s;
    }
    must(st == ST_NOT_FOUND || st == ST_TOO_BIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena =
        arena_new("fuzz", ical_limits_arena_bytes(&limits) + ICAL_TZ_BYTES_MAX + 16 * MIB);
    AUTO(buf) struct buf text = BUF(MIB);
    struct slice input = {(const char *)data, size};
    struct ical_comp *calendar;
    struct ical_error error = {0};

    if (slice_istarts(input, SLICE("BEGIN:VCALENDAR")))
        buf_put(&text, input);
    else
        buf_putf(&text, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n%.*s\nEND:VEVENT\nEND:VCALENDAR\n",
                 SLICE_ARG(input));
    if (ical_parse(arena, buf_slice(&text), &limits, &calendar, &error) == ST_OK) {
        struct ical_tz *tz = ical_tz_new(arena, calendar, NULL);
        const struct ical_comp *event = ical_comp_find(calendar, ICAL_VEVENT);

        if (event != NULL) {
            expand(arena, calendar, ical_prop_value(event, ICAL_UID), tz);
            check_rule(ical_prop_value(event, ICAL_RRULE));
        }
    }
    arena_free(&arena);
    return 0;
}
