#include "ical/ical_rule_days.h"

#include "ical/ical_bits.h"

#include <string.h>

#define EVERY_SEVENTH UINT64_C(0x8102040810204081) /* bits 0, 7 .. 63 */

unsigned ical_rule_year_type(int32_t year)
{
    unsigned near = ical_leap(year) ? 1 : ical_leap(year - 1) ? 2 : ical_leap(year + 1) ? 3 : 0;

    return ical_weekday(ical_days(year, 1, 1)) * 4 + near;
}

/* The days of a span of len days beginning with the weekday first that are the nth weekday of it,
 * by the rule's ordinals. */
static void put_ordinals(const struct ical_rule *rule, unsigned first, unsigned len, uint64_t *bits)
{
    for (unsigned day = 0; day < 7; day++) {
        unsigned low = (day + 7 - first) % 7;
        unsigned last = (len - 1 - low) / 7 + 1; /* how many there are */

        for (int n = ical_bits_next(&rule->nth[0][day], 1, 0); n >= 0 && (unsigned)n <= last;
             n = ical_bits_next(&rule->nth[0][day], 1, (unsigned)n + 1))
            ical_bits_set(bits, low + 7 * ((unsigned)n - 1));
        for (int n = ical_bits_next(&rule->nth[1][day], 1, 0); n >= 0 && (unsigned)n <= last;
             n = ical_bits_next(&rule->nth[1][day], 1, (unsigned)n + 1))
            ical_bits_set(bits, low + 7 * (last - (unsigned)n));
    }
}

/* The weekdays without ordinals, in a span of up to 64 days beginning with the weekday first. */
static uint64_t plain_weekdays(const struct ical_rule *rule, unsigned first)
{
    uint64_t bits = 0;

    for (unsigned day = 0; day < 7; day++)
        if ((rule->weekdays >> day & 1) != 0)
            bits |= EVERY_SEVENTH << ((day + 7 - first) % 7);
    return bits;
}

static bool by_month(const struct ical_rule *rule)
{
    return rule->freq == ICAL_MONTHLY || (rule->parts & ICAL_BYMONTH) != 0;
}

/* What BYMONTHDAY and, where it counts in months, BYDAY leave of a month of len days. */
static uint64_t month_bits(const struct ical_rule *rule, unsigned first, unsigned len)
{
    uint64_t bits = ICAL_BIT(len) - 1;

    if ((rule->parts & ICAL_BYMONTHDAY) != 0) {
        uint64_t allowed = rule->month_days[0] >> 1;
        uint64_t from_end = rule->month_days[1];

        for (int n = ical_bits_next(&from_end, 1, 0); n >= 0 && (unsigned)n <= len;
             n = ical_bits_next(&from_end, 1, (unsigned)n + 1))
            allowed |= ICAL_BIT(len - (unsigned)n);
        bits &= allowed;
    }
    if ((rule->parts & ICAL_BYDAY) != 0 && by_month(rule)) {
        uint64_t allowed = plain_weekdays(rule, first);

        put_ordinals(rule, first, len, &allowed);
        bits &= allowed;
    }
    return bits;
}

static void put_bits(uint64_t *bits, unsigned at, uint64_t what)
{
    bits[at / 64] |= what << (at % 64);
    if (at % 64 != 0 && at / 64 + 1 < ICAL_BITS366)
        bits[at / 64 + 1] |= what >> (64 - at % 64);
}

static void keep(uint64_t *bits, const uint64_t *allowed)
{
    for (size_t i = 0; i < ICAL_BITS366; i++)
        bits[i] &= allowed[i];
}

static void keep_year_days(const struct ical_rule *rule, unsigned len, uint64_t *bits)
{
    uint64_t allowed[ICAL_BITS366] = {0};

    for (int n = ical_bits_next(rule->year_days[0], ICAL_BITS366, 0); n >= 0 && (unsigned)n <= len;
         n = ical_bits_next(rule->year_days[0], ICAL_BITS366, (unsigned)n + 1))
        ical_bits_set(allowed, (unsigned)n - 1);
    for (int n = ical_bits_next(rule->year_days[1], ICAL_BITS366, 0); n >= 0 && (unsigned)n <= len;
         n = ical_bits_next(rule->year_days[1], ICAL_BITS366, (unsigned)n + 1))
        ical_bits_set(allowed, len - (unsigned)n);
    keep(bits, allowed);
}

/* BYDAY that counts in years, or counts nothing. */
static void keep_weekdays(const struct ical_rule *rule, unsigned first, unsigned len,
                          uint64_t *bits)
{
    uint64_t allowed[ICAL_BITS366];

    for (unsigned i = 0; i < ICAL_BITS366; i++)
        allowed[i] = plain_weekdays(rule, (first + i * 64) % 7);
    if (rule->freq == ICAL_YEARLY)
        put_ordinals(rule, first, len, allowed);
    keep(bits, allowed);
}

/* Where week 1 begins, days from January 1st, and how many weeks there are (section 3.3.10: week 1
 * is the first with four days in the year). first: January 1st's weekday. */
static int week_one(const struct ical_rule *rule, int first, int len, int *weeks_r)
{
    int into = (first + 7 - (int)rule->week_start) % 7;
    int next = (into + len) % 7;
    int start = into <= 3 ? -into : 7 - into;

    *weeks_r = (len + (next <= 3 ? -next : 7 - next) - start) / 7;
    return start;
}

static bool has_week(const struct ical_rule *rule, int week, int weeks)
{
    return (rule->week_nos[0] >> week & 1) != 0 ||
           (rule->week_nos[1] >> (weeks + 1 - week) & 1) != 0;
}

/* Days that belong to the last week of the year before, or the first of the one after, go by
 * these. */
static void keep_weeks(const struct ical_rule *rule, int32_t year, int first, int len,
                       uint64_t *bits)
{
    uint64_t allowed[ICAL_BITS366] = {0};
    int before_len = ical_leap(year - 1) ? 366 : 365;
    int weeks, other;
    int start = week_one(rule, first, len, &weeks);

    (void)week_one(rule, (first + 7 - before_len % 7) % 7, before_len, &other);
    for (int day = 0; day < start; day++)
        if (has_week(rule, other, other))
            ical_bits_set(allowed, (unsigned)day);
    (void)week_one(rule, (first + len) % 7, ical_leap(year + 1) ? 366 : 365, &other);
    for (int week = 1; week <= weeks + 1; week++) {
        if (week <= weeks ? !has_week(rule, week, weeks) : !has_week(rule, 1, other))
            continue;
        for (int day = start + 7 * (week - 1); day < start + 7 * week; day++)
            if (day >= 0 && day < len)
                ical_bits_set(allowed, (unsigned)day);
    }
    keep(bits, allowed);
}

void ical_rule_days(const struct ical_rule *rule, int32_t year, uint64_t bits[ICAL_BITS366])
{
    unsigned first = ical_weekday(ical_days(year, 1, 1));
    unsigned len = ical_leap(year) ? 366 : 365;
    unsigned at = 0;

    memset(bits, 0, ICAL_BITS366 * sizeof(*bits));
    for (unsigned month = 1; month <= 12; month++) {
        unsigned days = ical_month_days(year, month);

        if ((rule->parts & ICAL_BYMONTH) == 0 || (rule->months >> month & 1) != 0)
            put_bits(bits, at, month_bits(rule, (first + at) % 7, days));
        at += days;
    }
    if ((rule->parts & ICAL_BYYEARDAY) != 0)
        keep_year_days(rule, len, bits);
    if ((rule->parts & ICAL_BYWEEKNO) != 0)
        keep_weeks(rule, year, (int)first, (int)len, bits);
    if ((rule->parts & ICAL_BYDAY) != 0 && !by_month(rule))
        keep_weekdays(rule, first, len, bits);
}
