/* Expansion of a rule (RFC 5545 section 3.3.10): period after period (a year, a month .. a second,
 * by FREQ and INTERVAL), the set of instances in each, of which BYSETPOS picks. What cannot hold an
 * instance is jumped over, and a rule that never will is known by its calendar's cycle: years come
 * in 28 kinds and repeat after 400. */
#include "base/slice.h"
#include "ical/ical_bits.h"
#include "ical/ical_rule.h"
#include "ical/ical_rule_days.h"

#include <string.h>

#define DAY_PARTS (ICAL_BYDAY | ICAL_BYMONTHDAY | ICAL_BYYEARDAY | ICAL_BYWEEKNO | ICAL_BYMONTH)
#define ALL_TYPES ((1U << 28) - 1)
#define SIXTY (ICAL_BIT(60) - 1)

/* Periods after which the calendar repeats, by FREQ: nothing in so many in a row means never. */
static const int64_t cycle[] = {INT64_MAX, INT64_MAX, INT64_MAX, 146097, 20871, 4800, 400};
static const int64_t unit_s[] = {1, 60, 3600, ICAL_DAY_S};

static unsigned bit_count(uint64_t word)
{
    return (unsigned)__builtin_popcountll(word);
}

/* Information that the rule does not have comes from DTSTART. */
static void add_date_parts(struct ical_rule *rule, struct ical_civil start, unsigned weekday)
{
    unsigned by = rule->parts & DAY_PARTS;

    if (rule->freq == ICAL_WEEKLY && (by & ICAL_BYDAY) == 0) {
        rule->parts |= ICAL_BYDAY;
        rule->weekdays = (uint8_t)(1U << weekday);
    } else if (rule->freq == ICAL_YEARLY && (by & ~(unsigned)ICAL_BYMONTH) == ICAL_BYWEEKNO) {
        rule->parts |= ICAL_BYDAY;
        rule->weekdays = (uint8_t)(1U << weekday);
    } else if (rule->freq >= ICAL_MONTHLY && (by & ~(unsigned)ICAL_BYMONTH) == 0) {
        if (rule->freq == ICAL_YEARLY && by == 0) {
            rule->parts |= ICAL_BYMONTH;
            rule->months = (uint16_t)(1U << start.month);
        }
        rule->parts |= ICAL_BYMONTHDAY;
        rule->month_days[0] = 1U << start.day;
    }
}

static void add_time_parts(struct ical_rule *rule, struct ical_civil start)
{
    if ((rule->parts & ICAL_BYHOUR) == 0 && rule->freq > ICAL_HOURLY)
        rule->hours = 1U << start.hour;
    if ((rule->parts & ICAL_BYMINUTE) == 0 && rule->freq > ICAL_MINUTELY)
        rule->minutes = ICAL_BIT(start.minute);
    if ((rule->parts & ICAL_BYSECOND) == 0 && rule->freq > ICAL_SECONDLY)
        rule->seconds = ICAL_BIT(start.second);
    rule->seconds &= SIXTY; /* no clock of ours shows the 60th */
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Whether the clock, going on by the interval, ever shows a time of a weekday that the rule allows.
 */
static bool meets_times(const struct ical_rule *rule, int64_t origin)
{
    int64_t step = gcd(rule->interval * unit_s[rule->freq], 7 * ICAL_DAY_S);
    int64_t rest = (ical_weekday(ical_day_of(origin)) * ICAL_DAY_S + ical_second_of(origin)) % step;
    unsigned days = (rule->parts & ICAL_BYDAY) != 0 ? rule->weekdays : 0x7f;
    uint64_t hours = (rule->parts & ICAL_BYHOUR) != 0 ? rule->hours : ICAL_BIT(24) - 1;
    uint64_t minutes = rule->freq >= ICAL_HOURLY            ? 1
                       : (rule->parts & ICAL_BYMINUTE) != 0 ? rule->minutes
                                                            : SIXTY;
    uint64_t seconds = rule->freq >= ICAL_MINUTELY          ? 1
                       : (rule->parts & ICAL_BYSECOND) != 0 ? rule->seconds
                                                            : SIXTY;

    for (int h = ical_bits_next(&hours, 1, 0); h >= 0 && h < 24;
         h = ical_bits_next(&hours, 1, (unsigned)h + 1))
        for (uint64_t m = minutes; m != 0; m &= m - 1)
            for (uint64_t s = seconds; s != 0; s &= s - 1)
                for (unsigned d = days; d != 0; d &= d - 1)
                    if ((__builtin_ctz(d) * ICAL_DAY_S + h * 3600 + __builtin_ctzll(m) * 60 +
                         __builtin_ctzll(s)) %
                            step ==
                        rest)
                        return true;
    return false;
}

/* Whether the days that the interval reaches include a weekday that the rule allows. */
static bool meets_weekdays(const struct ical_rule *rule, int64_t origin)
{
    int64_t step = gcd(rule->interval * unit_s[rule->freq], 7 * ICAL_DAY_S);

    if ((rule->parts & ICAL_BYDAY) == 0 || step < 7 * ICAL_DAY_S)
        return true;
    return (rule->weekdays >> ical_weekday(ical_day_of(origin)) & 1) != 0;
}

static bool meets_months(const struct ical_rule *rule, int64_t origin)
{
    int64_t step = gcd(rule->interval, 12);

    for (int64_t month = 0; month < 12; month++)
        if ((rule->months >> (month + 1) & 1) != 0 && month % step == origin % 12 % step)
            return true;
    return (rule->parts & ICAL_BYMONTH) == 0;
}

/* Whether BYSETPOS picks any of a set that is as large as the rule's can be. */
static bool meets_positions(const struct ical_rule_iter *it)
{
    static const uint64_t days_max[] = {1, 1, 1, 1, 7, 31, 366};
    uint64_t days = days_max[it->rule.freq];

    if (it->rule.freq == ICAL_WEEKLY)
        days = bit_count(it->rule.weekdays);
    else if (it->rule.freq == ICAL_MONTHLY && (it->rule.parts & ICAL_BYMONTHDAY) != 0)
        days = bit_count(it->rule.month_days[0]) + bit_count(it->rule.month_days[1]);
    uint64_t size = days * it->times_count;
    int low = ical_bits_next(it->rule.set_pos[0], ICAL_BITS366, 0);
    int from_end = ical_bits_next(it->rule.set_pos[1], ICAL_BITS366, 0);

    return (it->rule.parts & ICAL_BYSETPOS) == 0 || (low > 0 && (uint64_t)low <= size) ||
           (from_end > 0 && (uint64_t)from_end <= size);
}

static bool never(const struct ical_rule_iter *it)
{
    const struct ical_rule *rule = &it->rule;

    if (!meets_positions(it) || (rule->seconds == 0 && rule->freq > ICAL_SECONDLY))
        return true;
    if (rule->freq == ICAL_MONTHLY)
        return !meets_months(rule, it->origin);
    if (rule->freq > ICAL_DAILY)
        return false;
    int64_t origin = rule->freq == ICAL_DAILY ? it->origin * ICAL_DAY_S : it->origin;
    return !meets_weekdays(rule, origin) || (rule->freq < ICAL_DAILY && !meets_times(rule, origin));
}

static void set_origin(struct ical_rule_iter *it, struct ical_civil start)
{
    int32_t day = ical_day_of(it->start_s);
    unsigned weekday = ical_weekday(day);

    switch (it->rule.freq) {
    case ICAL_YEARLY:
        it->origin = start.year;
        break;
    case ICAL_MONTHLY:
        it->origin = start.year * 12 + start.month - 1;
        break;
    case ICAL_WEEKLY:
        it->origin = day - (int32_t)((weekday + 7 - it->rule.week_start) % 7);
        break;
    case ICAL_DAILY:
        it->origin = day;
        break;
    case ICAL_HOURLY:
    case ICAL_MINUTELY:
    case ICAL_SECONDLY:
    case ICAL_FREQ_MAX:
        it->origin = it->start_s - ical_second_of(it->start_s) % unit_s[it->rule.freq];
        break;
    }
}

void ical_rule_iter_init(struct ical_rule_iter *it, const struct ical_rule *rule,
                         struct ical_time start, int64_t until_s, uint64_t steps_max)
{
    struct ical_civil civil = ical_civil(start.local_s);

    memset(it, 0, sizeof(*it));
    assert(start.form != ICAL_DATE || rule->freq >= ICAL_DAILY);
    it->rule = *rule;
    it->start_s = start.local_s;
    it->seek_s = INT64_MIN;
    it->end_s = until_s < ICAL_LOCAL_MAX ? until_s : ICAL_LOCAL_MAX;
    it->steps_left = steps_max;
    it->counted = rule->count != 0;
    it->count_left = rule->count;
    it->first = true;
    it->year = INT32_MIN;
    if (start.form == ICAL_DATE)
        it->rule.parts &= ~(unsigned)(ICAL_BYHOUR | ICAL_BYMINUTE | ICAL_BYSECOND);
    add_date_parts(&it->rule, civil, ical_weekday(ical_day_of(start.local_s)));
    add_time_parts(&it->rule, civil);
    it->filtered = (it->rule.parts & DAY_PARTS) != 0;
    it->hours = it->rule.hours;
    it->minutes = it->rule.minutes;
    it->seconds = it->rule.seconds;
    set_origin(it, civil);
    if (it->rule.freq == ICAL_HOURLY)
        it->hours = 1;
    if (it->rule.freq <= ICAL_MINUTELY)
        it->hours = 1, it->minutes = 1;
    if (it->rule.freq == ICAL_SECONDLY)
        it->seconds = 1;
    it->times_count = bit_count(it->hours) * bit_count(it->minutes) * bit_count(it->seconds);
    if (it->times_count == 1)
        it->only_s = __builtin_ctz(it->hours) * 3600 + __builtin_ctzll(it->minutes) * 60 +
                     __builtin_ctzll(it->seconds);
    if (never(it))
        it->next_k = INT64_MAX;
}

void ical_rule_iter_horizon(struct ical_rule_iter *it, int64_t horizon_s)
{
    if (horizon_s < it->end_s)
        it->end_s = horizon_s;
}

/* The period in which a time lies, or one shortly before it. */
static int64_t period_of(const struct ical_rule_iter *it, int64_t local_s)
{
    struct ical_civil c = ical_civil(local_s);
    int64_t at = it->rule.freq == ICAL_YEARLY    ? c.year
                 : it->rule.freq == ICAL_MONTHLY ? c.year * 12 + c.month - 1
                 : it->rule.freq >= ICAL_DAILY   ? ical_day_of(local_s)
                                                 : local_s;
    int64_t step = it->rule.freq == ICAL_WEEKLY  ? 7
                   : it->rule.freq >= ICAL_DAILY ? 1
                                                 : unit_s[it->rule.freq];

    return (at - it->origin) / (step * it->rule.interval);
}

void ical_rule_iter_seek(struct ical_rule_iter *it, int64_t local_s)
{
    if (local_s > ICAL_LOCAL_MAX)
        local_s = ICAL_LOCAL_MAX;
    if (local_s <= it->start_s || it->next_k != 0)
        return;
    int64_t k = period_of(it, local_s);
    bool plain = (it->rule.parts & (unsigned)~ICAL_BYDAY) == 0 && it->rule.freq <= ICAL_WEEKLY &&
                 bit_count(it->rule.weekdays) <= 1 && it->times_count == 1 &&
                 (it->rule.freq == ICAL_WEEKLY || it->rule.parts == 0);

    it->seek_s = local_s;
    if (!it->counted) {
        it->first = false;
        it->next_k = k;
    } else if (plain && k > 1 &&
               (it->rule.freq != ICAL_WEEKLY ||
                (it->rule.weekdays >> ical_weekday(ical_day_of(it->start_s)) & 1) != 0)) {
        it->first = false; /* each period holds one */
        it->next_k = k;
        it->done = it->count_left <= (uint64_t)k;
        it->count_left -= it->done ? it->count_left : (uint64_t)k;
    }
}

/* Whether a year has days for the rule; they are then in year_bits. */
static bool load_year(struct ical_rule_iter *it, int32_t year)
{
    unsigned type;
    uint64_t any = 0;

    if (it->year == year)
        return true;
    type = ical_rule_year_type(year);
    if ((it->empty_types >> type & 1) != 0)
        return false;
    ical_rule_days(&it->rule, year, it->year_bits);
    for (size_t i = 0; i < ICAL_BITS366; i++)
        any |= it->year_bits[i];
    it->year = any != 0 ? year : INT32_MIN;
    it->year_day = ical_days(year, 1, 1);
    it->year_len = ical_leap(year) ? 366 : 365;
    if (any == 0)
        it->empty_types |= 1U << type;
    return any != 0;
}

static bool in_year(const struct ical_rule_iter *it, int64_t day)
{
    return it->year != INT32_MIN && day >= it->year_day && day < it->year_day + it->year_len;
}

/* The first day from day on that the rule allows, or INT64_MAX. */
static int64_t next_day(struct ical_rule_iter *it, int64_t day)
{
    for (int barren = 0; barren <= 400 && it->empty_types != ALL_TYPES; barren++) {
        int32_t year = in_year(it, day) ? it->year : ical_civil(day * ICAL_DAY_S).year;

        if (year > 9999 || day * ICAL_DAY_S > it->end_s)
            return INT64_MAX;
        if (load_year(it, year)) {
            int bit = ical_bits_next(it->year_bits, ICAL_BITS366, (unsigned)(day - it->year_day));

            if (bit >= 0)
                return it->year_day + bit;
        }
        day = ical_days(year + 1, 1, 1);
    }
    return INT64_MAX;
}

/* The bits of up to 31 days from day on, which may reach into the next year. */
static uint64_t bits_from(struct ical_rule_iter *it, int32_t day, unsigned count)
{
    int32_t year = in_year(it, day) ? it->year : ical_civil(day * ICAL_DAY_S).year;
    int32_t new_year = ical_days(year + 1, 1, 1);
    uint64_t bits = 0;

    if (load_year(it, year))
        bits =
            ical_bits_get(it->year_bits, (unsigned)(day - it->year_day), count, ICAL_BITS366 * 64);
    if (day + (int32_t)count > new_year && load_year(it, year + 1))
        bits |= it->year_bits[0] << (new_year - day) & (ICAL_BIT(count) - 1);
    return bits;
}

/* The number of the first period that begins at target or later. */
static int64_t period_from(const struct ical_rule_iter *it, int64_t target, int64_t step)
{
    step *= it->rule.interval;
    return (target - it->origin + step - 1) / step;
}

static bool year_period(struct ical_rule_iter *it, int64_t k)
{
    int64_t year = it->origin + k * it->rule.interval;

    if (year > 9999 || ical_days((int32_t)year, 1, 1) * ICAL_DAY_S > it->end_s) {
        it->done = true;
        return false;
    }
    if (!load_year(it, (int32_t)year))
        return false;
    it->base_day = it->year_day;
    memcpy(it->days, it->year_bits, sizeof(it->days));
    return true;
}

static bool month_period(struct ical_rule_iter *it, int64_t k)
{
    int64_t at = it->origin + k * it->rule.interval;
    int32_t year = (int32_t)(at / 12 > 10000 ? 10000 : at / 12);
    unsigned month = (unsigned)(at % 12) + 1;

    if (year > 9999 || ical_days(year, month, 1) * ICAL_DAY_S > it->end_s) {
        it->done = true;
        return false;
    }
    if (!load_year(it, year)) {
        it->next_k = period_from(it, (year + 1) * 12, 1);
        return false;
    }
    it->base_day = ical_days(year, month, 1);
    it->days[0] = ical_bits_get(it->year_bits, (unsigned)(it->base_day - it->year_day),
                                ical_month_days(year, month), ICAL_BITS366 * 64);
    return it->days[0] != 0;
}

static bool week_period(struct ical_rule_iter *it, int64_t k)
{
    int64_t day = it->origin + k * it->rule.interval * 7;

    if (day * ICAL_DAY_S > it->end_s) {
        it->done = true;
        return false;
    }
    it->base_day = (int32_t)day;
    if ((it->rule.parts & ICAL_BYMONTH) != 0) {
        it->days[0] = bits_from(it, (int32_t)day, 7);
        return it->days[0] != 0;
    }
    unsigned start = it->rule.week_start;
    it->days[0] = (it->rule.weekdays >> start | it->rule.weekdays << (7 - start)) & 0x7f;
    return it->days[0] != 0;
}

static bool day_period(struct ical_rule_iter *it, int64_t k)
{
    int64_t day = it->origin + k * it->rule.interval;

    if (day * ICAL_DAY_S > it->end_s) {
        it->done = true;
        return false;
    }
    if (it->filtered) {
        int64_t found = next_day(it, day);

        it->done = found == INT64_MAX;
        if (found != day) {
            it->next_k = it->done ? INT64_MAX : period_from(it, found, 1);
            return false;
        }
    }
    it->base_day = (int32_t)day;
    it->days[0] = 1;
    return true;
}

/* The first moment from local_s on, in the same day or at the end of it, whose hour, minute and
 * second the rule allows as far as FREQ is finer than they. */
static int64_t next_time(const struct ical_rule_iter *it, int64_t local_s)
{
    const struct ical_rule *rule = &it->rule;
    int64_t second = ical_second_of(local_s), day = local_s - second;
    uint64_t hours = rule->hours;
    int next;

    if ((rule->parts & ICAL_BYHOUR) != 0 && (hours >> (second / 3600) & 1) == 0) {
        next = ical_bits_next(&hours, 1, (unsigned)(second / 3600));
        return day + (next < 0 ? ICAL_DAY_S : next * 3600);
    }
    if (rule->freq < ICAL_HOURLY && (rule->parts & ICAL_BYMINUTE) != 0 &&
        (rule->minutes >> (second / 60 % 60) & 1) == 0) {
        next = ical_bits_next(&rule->minutes, 1, (unsigned)(second / 60 % 60));
        return day + second / 3600 * 3600 + (next < 0 ? 3600 : next * 60);
    }
    if (rule->freq < ICAL_MINUTELY && (rule->parts & ICAL_BYSECOND) != 0 &&
        (rule->seconds >> (second % 60) & 1) == 0) {
        next = ical_bits_next(&rule->seconds, 1, (unsigned)(second % 60));
        return day + second / 60 * 60 + (next < 0 ? 60 : next);
    }
    return local_s;
}

static bool time_period(struct ical_rule_iter *it, int64_t k)
{
    int64_t unit = unit_s[it->rule.freq];
    int64_t at = it->origin + k * it->rule.interval * unit, found;

    if (at > it->end_s) {
        it->done = true;
        return false;
    }
    if (it->filtered) {
        int64_t day = next_day(it, ical_day_of(at));

        if (day == INT64_MAX) {
            it->done = true;
            return false;
        }
        if (day != ical_day_of(at)) {
            it->next_k = period_from(it, day * ICAL_DAY_S, unit);
            return false;
        }
    }
    if ((found = next_time(it, at)) != at) {
        it->next_k = period_from(it, found, unit);
        return false;
    }
    it->base_day = ical_day_of(at);
    it->time_base_s = ical_second_of(at);
    it->days[0] = 1;
    return true;
}

/* Whole periods before what is sought are only counted. */
static bool pass_over(struct ical_rule_iter *it, int64_t size)
{
    int64_t first = it->base_day * ICAL_DAY_S + it->time_base_s;
    int last = -1;

    if (!it->counted)
        return false;
    for (size_t i = ICAL_BITS366; i-- > 0 && last < 0;)
        if (it->days[i] != 0)
            last = (int)(i * 64) + 63 - __builtin_clzll(it->days[i]);
    if (first <= it->start_s || first - it->time_base_s + (last + 1) * ICAL_DAY_S > it->seek_s ||
        (it->rule.parts & ICAL_BYSETPOS) != 0)
        return false;
    it->done = it->count_left <= (uint64_t)size;
    it->count_left -= it->done ? it->count_left : (uint64_t)size;
    return true;
}

/* The index of the next one that BYSETPOS picks, or size. */
static int64_t pick(const struct ical_rule_iter *it)
{
    int64_t found = it->size;

    if (it->index < 366) {
        int n = ical_bits_next(it->rule.set_pos[0], ICAL_BITS366, (unsigned)it->index + 1);

        if (n > 0 && n - 1 < found)
            found = n - 1;
    }
    int64_t left = it->size - it->index;
    int n = ical_bits_prev(it->rule.set_pos[1], left > 366 ? 366 : (unsigned)left);
    if (n > 0 && it->size - n < found)
        found = it->size - n;
    return found;
}

/* How large the period's set is; false where BYSETPOS picks none of it. */
static bool measure(struct ical_rule_iter *it)
{
    size_t words = it->rule.freq == ICAL_YEARLY ? ICAL_BITS366 : 1;

    it->size = 0;
    for (size_t i = 0; i < words; i++)
        it->size += it->rule.freq > ICAL_DAILY ? bit_count(it->days[i]) : 1;
    it->size *= it->times_count;
    it->index = 0;
    it->day_bit = -1;
    return (it->rule.parts & ICAL_BYSETPOS) == 0 || pick(it) < it->size;
}

static bool next_period(struct ical_rule_iter *it)
{
    typedef bool period_fn(struct ical_rule_iter *, int64_t);
    static period_fn *const periods[] = {time_period, time_period,  time_period, day_period,
                                         week_period, month_period, year_period};

    while (!it->done) {
        int64_t k = it->next_k;

        if (k == INT64_MAX || it->barren > cycle[it->rule.freq] || it->empty_types == ALL_TYPES)
            return false;
        if (it->steps_left-- == 0) {
            it->steps_left = 0;
            it->gave_up = true;
            return false;
        }
        it->next_k = k + 1;
        if (!periods[it->rule.freq](it, k)) {
            it->barren++;
            continue;
        }
        if (!measure(it)) {
            it->barren++;
            continue;
        }
        it->barren = 0;
        if (!pass_over(it, it->size))
            return true;
    }
    return false;
}

static int64_t second_at(const struct ical_rule_iter *it, uint64_t index)
{
    if (it->times_count == 1)
        return it->time_base_s + it->only_s;
    unsigned seconds = bit_count(it->seconds), minutes = bit_count(it->minutes);

    return it->time_base_s + ical_bits_nth(it->hours, index / seconds / minutes) * 3600 +
           ical_bits_nth(it->minutes, index / seconds % minutes) * 60 +
           ical_bits_nth(it->seconds, index % seconds);
}

/* Which bit of days is the nth. */
static int32_t nth_day(const struct ical_rule_iter *it, uint64_t n)
{
    for (unsigned i = 0; i < ICAL_BITS366; i++) {
        unsigned here = bit_count(it->days[i]);

        if (n < here)
            return (int32_t)(i * 64 + ical_bits_nth(it->days[i], n));
        n -= here;
    }
    return 0;
}

/* The next of the period's set; false: it is used up. */
static bool next_in_period(struct ical_rule_iter *it, int64_t *local_s_r)
{
    bool picks = (it->rule.parts & ICAL_BYSETPOS) != 0;

    if (picks && it->index < it->size)
        it->index = pick(it);
    if (it->index >= it->size)
        return false;
    uint64_t time = (uint64_t)it->index % it->times_count;

    if (picks)
        it->day_bit = nth_day(it, (uint64_t)it->index / it->times_count);
    else if (time == 0)
        it->day_bit = ical_bits_next(it->days, ICAL_BITS366, (unsigned)(it->day_bit + 1));
    it->index++;
    *local_s_r = (it->base_day + it->day_bit) * ICAL_DAY_S + second_at(it, time);
    return true;
}

/* The next one, whether sought or not; false: there is none. */
static bool next_any(struct ical_rule_iter *it, int64_t *local_s_r)
{
    if (it->first) {
        it->first = false;
        *local_s_r = it->start_s;
        return true;
    }
    for (;;) {
        if (!next_in_period(it, local_s_r)) {
            if (!next_period(it))
                return false;
        } else if (*local_s_r > it->start_s) {
            return true;
        }
    }
}

enum st ical_rule_iter_next(struct ical_rule_iter *it, int64_t *local_s_r)
{
    int64_t local_s;

    while (!it->done && (!it->counted || it->count_left > 0) && next_any(it, &local_s)) {
        it->done = local_s > it->end_s;
        if (it->done)
            break;
        it->count_left -= it->counted ? 1 : 0;
        if (local_s >= it->seek_s) {
            *local_s_r = local_s;
            return ST_OK;
        }
        if (it->steps_left == 0) {
            it->gave_up = true;
            break;
        }
        it->steps_left--;
    }
    return it->gave_up ? ST_TOO_BIG : ST_NOT_FOUND;
}

void ical_rule_iter_uncount(struct ical_rule_iter *it, uint64_t instances)
{
    it->count_left += it->counted ? instances : 0;
}
