/* ical_rule.h: recurrence rules (RFC 5545 section 3.3.10), read, written and expanded. Pure.
 *
 * Expansion knows local clocks only; zones, RDATE, EXDATE and overrides are ical_recur.h's. */
#pragma once
#include "base/base.h"
#include "ical/ical_time.h"

struct buf;
struct ical_error;

enum ical_freq {
    ICAL_SECONDLY,
    ICAL_MINUTELY,
    ICAL_HOURLY,
    ICAL_DAILY,
    ICAL_WEEKLY,
    ICAL_MONTHLY,
    ICAL_YEARLY,
    ICAL_FREQ_MAX,
};

enum ical_by { /* bits of ical_rule.parts */
               ICAL_BYSECOND = 1,
               ICAL_BYMINUTE = 2,
               ICAL_BYHOUR = 4,
               ICAL_BYDAY = 8,
               ICAL_BYMONTHDAY = 16,
               ICAL_BYYEARDAY = 32,
               ICAL_BYWEEKNO = 64,
               ICAL_BYMONTH = 128,
               ICAL_BYSETPOS = 256,
};

#define ICAL_BITS366 6 /* words of 64 bits, for numbers 0 to 366 */

/* Sets are bits: bit n stands for n. Of those with two rows the second counts from the end, so that
 * bit 1 stands for -1. */
struct ical_rule {
    enum ical_freq freq;
    uint32_t interval; /* 1 or more */
    uint64_t count;    /* 0: no COUNT */
    bool has_until;
    struct ical_time until; /* form ICAL_DATE, ICAL_FLOATING or ICAL_UTC */
    unsigned week_start;    /* 0 is Monday */
    unsigned parts;         /* which of the following the rule has */
    uint64_t seconds, minutes;
    uint32_t hours;
    uint8_t weekdays;       /* bit 0 is Monday: those without an ordinal */
    uint64_t nth[2][7];     /* for each weekday its ordinals, 1 to 53 */
    uint32_t month_days[2]; /* 1 to 31 */
    uint64_t year_days[2][ICAL_BITS366];
    uint64_t week_nos[2]; /* 1 to 53 */
    uint16_t months;      /* 1 to 12 */
    uint64_t set_pos[2][ICAL_BITS366];
};

/* ST_INVALID, and why in *error_r (line 0): not of the grammar, a combination that RFC 5545
 * forbids, or RSCALE and SKIP (RFC 7529) other than GREGORIAN and OMIT, which would mean other
 * days. An empty part (a ';' too many) is passed over. */
MUST_USE enum st ical_rule_parse(struct slice text, struct ical_rule *rule_r,
                                 struct ical_error *error_r);
void ical_rule_write(const struct ical_rule *rule, struct buf *out);

/* Where an expansion stands. Only its functions look inside; it holds no memory. */
struct ical_rule_iter {
    struct ical_rule rule; /* with what DTSTART adds to it */
    int64_t start_s, end_s;
    uint64_t count_left;
    uint64_t steps_left;
    bool first, done, gave_up, counted, filtered;
    int64_t seek_s;
    /* the period */
    int64_t next_k;   /* the number of the one after it; DTSTART lies in 0 */
    int64_t origin;   /* year, month, day or second at which period 0 begins */
    int64_t barren;   /* periods in a row without an instance */
    int32_t base_day; /* the day of bit 0 of days */
    uint64_t days[ICAL_BITS366];
    int64_t time_base_s; /* of HOURLY and below: where in its day the period begins */
    uint64_t seconds, minutes;
    uint32_t hours;
    uint32_t times_count;
    int32_t only_s;      /* the second of the period, where there is but one */
    int64_t size, index; /* of the set; what comes next */
    int32_t day_bit;
    /* the year whose days are known */
    int32_t year, year_day, year_len;
    uint64_t year_bits[ICAL_BITS366];
    uint32_t empty_types; /* kinds of years without a day */
};

/* start_s: DTSTART on its clock; a day of DATE is its midnight, and the rule's times are then not
 * looked at (RFC 5545 section 3.3.10). until_s: UNTIL on the same clock, both it and what comes
 * after horizon_s are left out. DTSTART is the first instance even where it does not fit the rule
 * (section 3.8.5.3). No more than steps_max periods are looked at. The rule must not be finer than
 * days for a DATE. */
void ical_rule_iter_init(struct ical_rule_iter *iter, const struct ical_rule *rule,
                         struct ical_time start, int64_t until_s, uint64_t steps_max);
/* Passes over what is before local_s, quickly where the rule has no COUNT. Only right after init.
 */
void ical_rule_iter_seek(struct ical_rule_iter *iter, int64_t local_s);
/* Passes over nothing but gives the end: nothing after horizon_s is wanted. */
void ical_rule_iter_horizon(struct ical_rule_iter *iter, int64_t horizon_s);
/* The next instance, later than the one before. ST_NOT_FOUND: there is none up to the horizon;
 * ST_TOO_BIG: steps_max periods were looked at. */
MUST_USE enum st ical_rule_iter_next(struct ical_rule_iter *iter, int64_t *local_s_r);
/* So many instances that were given, or passed over, do not count (they fell into gaps of a zone).
 */
void ical_rule_iter_uncount(struct ical_rule_iter *iter, uint64_t instances);
