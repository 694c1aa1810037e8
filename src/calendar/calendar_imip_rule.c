/* A recurrence rule in words (RFC 5545 section 3.3.10): those that people make. */
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_imip.h"
#include "ical/ical_rule.h"

static const char *const day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};
static const char *const month_names[] = {"",        "January",  "February", "March",  "April",
                                          "May",     "June",     "July",     "August", "September",
                                          "October", "November", "December"};

/* A list's part: nothing, a comma or "and" before it. */
static void put_part(struct buf *out, size_t at, size_t count, const char *text)
{
    buf_putf(out, "%s%s", at == 0 ? "" : at + 1 == count ? " and " : ", ", text);
}

static void put_weekdays(unsigned weekdays, struct buf *out)
{
    size_t count = 0;
    size_t at = 0;

    if (weekdays == 0x1f) {
        buf_put(out, SLICE(" on weekdays"));
        return;
    }
    for (unsigned i = 0; i < 7; i++)
        count += weekdays >> i & 1;
    buf_put(out, SLICE(" on "));
    for (unsigned i = 0; i < 7; i++)
        if ((weekdays >> i & 1) != 0)
            put_part(out, at++, count, day_names[i]);
}

static const char *ordinal(unsigned n)
{
    return n % 10 == 1 && n != 11   ? "st"
           : n % 10 == 2 && n != 12 ? "nd"
           : n % 10 == 3 && n != 13 ? "rd"
                                    : "th";
}

static void put_nth(unsigned n, bool from_end, struct buf *out)
{
    if (from_end && n == 1)
        buf_put(out, SLICE("last"));
    else
        buf_putf(out, "%u%s%s", n, ordinal(n), from_end ? " to last" : "");
}

/* The one bit that is set, or 0. */
static unsigned only_bit(uint64_t bits)
{
    for (unsigned i = 1; i < 64; i++)
        if (bits == UINT64_C(1) << i)
            return i;
    return 0;
}

/* "on the 2nd Tuesday": one ordinal of one day. False: it is more than that. */
static bool put_nth_day(const struct ical_rule *rule, struct buf *out)
{
    unsigned found = 0;
    unsigned n = 0;
    unsigned day = 0;
    bool from_end = false;

    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < 7; i++)
            if (rule->nth[side][i] != 0) {
                found++;
                n = only_bit(rule->nth[side][i]);
                from_end = side == 1;
                day = i;
            }
    if (found != 1 || n == 0 || rule->weekdays != 0)
        return false;
    buf_put(out, SLICE(" on the "));
    put_nth(n, from_end, out);
    buf_putf(out, " %s", day_names[day]);
    return true;
}

static bool put_month_day(const struct ical_rule *rule, struct buf *out)
{
    bool from_end = rule->month_days[1] != 0;
    unsigned day = only_bit(rule->month_days[from_end ? 1 : 0]);

    if (day == 0 || (from_end && rule->month_days[0] != 0))
        return false;
    if (from_end) {
        buf_put(out, SLICE(" on the "));
        put_nth(day, true, out);
        buf_put(out, SLICE(" day"));
    } else {
        buf_putf(out, " on day %u", day);
    }
    return true;
}

static bool put_month(const struct ical_rule *rule, struct buf *out)
{
    unsigned month = only_bit(rule->months);

    if (month == 0 || month > 12)
        return false;
    buf_putf(out, " of %s", month_names[month]);
    return true;
}

static bool has_nth(const struct ical_rule *rule)
{
    for (unsigned i = 0; i < 7; i++)
        if ((rule->nth[0][i] | rule->nth[1][i]) != 0)
            return true;
    return false;
}

/* Which days of the period. False: there are no simple words for it. */
static bool put_days(const struct ical_rule *rule, struct buf *out)
{
    bool yearly = rule->freq == ICAL_YEARLY;

    switch (rule->parts) {
    case 0:
        return true;
    case ICAL_BYDAY:
        if (rule->freq == ICAL_MONTHLY)
            return put_nth_day(rule, out);
        if (has_nth(rule) || yearly)
            return false;
        put_weekdays(rule->weekdays, out);
        return true;
    case ICAL_BYMONTHDAY:
        return rule->freq == ICAL_MONTHLY && put_month_day(rule, out);
    case ICAL_BYMONTH:
        return yearly && only_bit(rule->months) != 0; /* its day is that of the start */
    case ICAL_BYMONTH | ICAL_BYMONTHDAY:
        return yearly && put_month_day(rule, out) && put_month(rule, out);
    case ICAL_BYMONTH | ICAL_BYDAY:
        return yearly && put_nth_day(rule, out) && put_month(rule, out);
    default:
        return false;
    }
}

static bool put_rule(const struct ical_rule *rule, struct buf *out)
{
    static const char *const periods[] = {[ICAL_DAILY] = "day",
                                          [ICAL_WEEKLY] = "week",
                                          [ICAL_MONTHLY] = "month",
                                          [ICAL_YEARLY] = "year"};

    if (rule->freq < ICAL_DAILY)
        return false;
    if (rule->interval == 1)
        buf_putf(out, "every %s", periods[rule->freq]);
    else
        buf_putf(out, "every %u %ss", (unsigned)rule->interval, periods[rule->freq]);
    if (!put_days(rule, out))
        return false;
    if (rule->count > 0)
        buf_putf(out, ", %llu times", (unsigned long long)rule->count);
    if (rule->has_until) {
        struct ical_civil end = ical_civil(rule->until.local_s);

        buf_putf(out, ", until %u %s %d", end.day, month_names[end.month], (int)end.year);
    }
    return true;
}

void calendar_imip_rule(struct slice text, struct buf *out)
{
    struct ical_rule rule;
    struct ical_error error;
    size_t before = out->len;

    if (ical_rule_parse(slice_trim(text), &rule, &error) == ST_OK && put_rule(&rule, out))
        return;
    buf_cut(out, before);
    buf_putf(out, "by the rule %.*s", (int)(text.len < 400 ? text.len : 400), text.ptr);
}
