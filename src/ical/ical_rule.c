/* recur (RFC 5545 section 3.3.10): read and written. */
#include "ical/ical_rule.h"

#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_bits.h"

static const char *const freq_names[] = {"SECONDLY", "MINUTELY", "HOURLY", "DAILY",
                                         "WEEKLY",   "MONTHLY",  "YEARLY"};
static const char *const day_names[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
static_assert(COUNT(freq_names) == ICAL_FREQ_MAX, "a name for each frequency");

struct part {
    const char *name;
    bool (*read)(struct ical_rule *rule, struct slice value);
    unsigned by; /* 0: none of BYxxx */
    const char *wants;
};

static bool read_number(struct slice s, uint64_t max, uint64_t *value_r)
{
    return slice_to_u64(s, value_r) == ST_OK && *value_r >= 1 && *value_r <= max;
}

/* A comma-separated list of numbers from low (0 or 1) to high; with -1 to -high too where negative
 * is not NULL. */
static bool read_list(struct slice list, unsigned low, unsigned high, uint64_t *positive,
                      uint64_t *negative)
{
    struct slice item;

    while (slice_split(&list, ',', &item)) {
        uint64_t value;
        bool minus = slice_starts(item, SLICE("-"));

        if (minus || (negative != NULL && slice_starts(item, SLICE("+"))))
            item = slice_sub(item, 1, item.len);
        if (slice_to_u64(item, &value) != ST_OK || value < low || value > high ||
            (minus && negative == NULL))
            return false;
        ical_bits_set(minus ? negative : positive, (unsigned)value);
    }
    return true;
}

static bool read_freq(struct ical_rule *rule, struct slice value)
{
    for (size_t i = 0; i < COUNT(freq_names); i++)
        if (slice_ieq(slice_str(freq_names[i]), value)) {
            rule->freq = (enum ical_freq)i;
            return true;
        }
    return false;
}

static bool read_until(struct ical_rule *rule, struct slice value)
{
    rule->has_until = true;
    return ical_time_parse(value, &rule->until) == ST_OK;
}

static bool read_count(struct ical_rule *rule, struct slice value)
{
    return read_number(value, INT32_MAX, &rule->count);
}

static bool read_interval(struct ical_rule *rule, struct slice value)
{
    uint64_t number;

    if (!read_number(value, INT32_MAX, &number))
        return false;
    rule->interval = (uint32_t)number;
    return true;
}

static bool read_second(struct ical_rule *rule, struct slice value)
{
    return read_list(value, 0, 60, &rule->seconds, NULL);
}

static bool read_minute(struct ical_rule *rule, struct slice value)
{
    return read_list(value, 0, 59, &rule->minutes, NULL);
}

static bool read_hour(struct ical_rule *rule, struct slice value)
{
    uint64_t hours = 0;
    bool good = read_list(value, 0, 23, &hours, NULL);

    rule->hours = (uint32_t)hours;
    return good;
}

static bool read_weekday(struct slice value, unsigned *day_r)
{
    for (unsigned i = 0; i < 7; i++)
        if (slice_ieq(slice_str(day_names[i]), value)) {
            *day_r = i;
            return true;
        }
    return false;
}

/* weekdaynum = [[plus / minus] ordwk] weekday */
static bool read_day(struct ical_rule *rule, struct slice list)
{
    struct slice item;

    while (slice_split(&list, ',', &item)) {
        unsigned day;
        uint64_t bits[2] = {0};

        if (item.len < 2 || !read_weekday(slice_sub(item, item.len - 2, 2), &day))
            return false;
        item.len -= 2;
        if (item.len == 0)
            rule->weekdays |= (uint8_t)(1U << day);
        else if (!read_list(item, 1, 53, &bits[0], &bits[1]))
            return false;
        rule->nth[0][day] |= bits[0];
        rule->nth[1][day] |= bits[1];
    }
    return true;
}

static bool read_month_day(struct ical_rule *rule, struct slice value)
{
    uint64_t bits[2] = {0};
    bool good = read_list(value, 1, 31, &bits[0], &bits[1]);

    rule->month_days[0] = (uint32_t)bits[0];
    rule->month_days[1] = (uint32_t)bits[1];
    return good;
}

static bool read_year_day(struct ical_rule *rule, struct slice value)
{
    return read_list(value, 1, 366, rule->year_days[0], rule->year_days[1]);
}

static bool read_week_no(struct ical_rule *rule, struct slice value)
{
    return read_list(value, 1, 53, &rule->week_nos[0], &rule->week_nos[1]);
}

static bool read_month(struct ical_rule *rule, struct slice value)
{
    uint64_t months = 0;
    bool good = read_list(value, 1, 12, &months, NULL);

    rule->months = (uint16_t)months;
    return good;
}

static bool read_set_pos(struct ical_rule *rule, struct slice value)
{
    return read_list(value, 1, 366, rule->set_pos[0], rule->set_pos[1]);
}

static bool read_week_start(struct ical_rule *rule, struct slice value)
{
    return read_weekday(value, &rule->week_start);
}

static const struct part part_rows[] = {
    {"FREQ", read_freq, 0, "SECONDLY, MINUTELY, HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY"},
    {"UNTIL", read_until, 0, "a DATE or DATE-TIME"},
    {"COUNT", read_count, 0, "1 to 2147483647"},
    {"INTERVAL", read_interval, 0, "1 to 2147483647"},
    {"BYSECOND", read_second, ICAL_BYSECOND, "0 to 60"},
    {"BYMINUTE", read_minute, ICAL_BYMINUTE, "0 to 59"},
    {"BYHOUR", read_hour, ICAL_BYHOUR, "0 to 23"},
    {"BYDAY", read_day, ICAL_BYDAY, "weekdays (MO), with 1 to 53 or -53 to -1 before them"},
    {"BYMONTHDAY", read_month_day, ICAL_BYMONTHDAY, "1 to 31 or -31 to -1"},
    {"BYYEARDAY", read_year_day, ICAL_BYYEARDAY, "1 to 366 or -366 to -1"},
    {"BYWEEKNO", read_week_no, ICAL_BYWEEKNO, "1 to 53 or -53 to -1"},
    {"BYMONTH", read_month, ICAL_BYMONTH, "1 to 12"},
    {"BYSETPOS", read_set_pos, ICAL_BYSETPOS, "1 to 366 or -366 to -1"},
    {"WKST", read_week_start, 0, "a weekday (MO)"},
};

#define PART_FREQ 0
#define PART_UNTIL 1
#define PART_COUNT 2

static bool has_ordinals(const struct ical_rule *rule)
{
    uint64_t any = 0;

    for (size_t i = 0; i < 7; i++)
        any |= rule->nth[0][i] | rule->nth[1][i];
    return any != 0;
}

/* What RFC 5545 section 3.3.10 forbids with which frequency; NULL: nothing. */
static const char *forbidden(const struct ical_rule *rule, unsigned seen)
{
    enum ical_freq freq = rule->freq;
    unsigned by = rule->parts;

    if ((seen & 1U << PART_FREQ) == 0)
        return "FREQ is missing";
    if ((seen & 1U << PART_UNTIL) != 0 && (seen & 1U << PART_COUNT) != 0)
        return "UNTIL and COUNT cannot stand together";
    if ((by & ICAL_BYWEEKNO) != 0 && freq != ICAL_YEARLY)
        return "BYWEEKNO stands with YEARLY only";
    if ((by & ICAL_BYYEARDAY) != 0 &&
        (freq == ICAL_DAILY || freq == ICAL_WEEKLY || freq == ICAL_MONTHLY))
        return "BYYEARDAY cannot stand with DAILY, WEEKLY or MONTHLY";
    if ((by & ICAL_BYMONTHDAY) != 0 && freq == ICAL_WEEKLY)
        return "BYMONTHDAY cannot stand with WEEKLY";
    if (has_ordinals(rule) && freq != ICAL_MONTHLY && freq != ICAL_YEARLY)
        return "BYDAY has a number before a weekday, which stands with MONTHLY or YEARLY only";
    if (has_ordinals(rule) && (by & ICAL_BYWEEKNO) != 0)
        return "BYDAY has a number before a weekday, which cannot stand with BYWEEKNO";
    if (by == ICAL_BYSETPOS)
        return "BYSETPOS stands with another BY part only";
    return NULL;
}

static const struct part *find_part(struct slice name)
{
    for (size_t i = 0; i < COUNT(part_rows); i++)
        if (slice_ieq(slice_str(part_rows[i].name), name))
            return &part_rows[i];
    return NULL;
}

/* RFC 7529: of its scales and ways to skip those are understood that are meant without it. */
static enum st read_scale(struct slice name, struct slice value, struct ical_error *error)
{
    bool scale = slice_ieq(name, SLICE("RSCALE"));

    if (slice_ieq(value, scale ? SLICE("GREGORIAN") : SLICE("OMIT")))
        return ST_OK;
    ical_error_set(error, 0, "%s=%.*s (RFC 7529) is not supported, only %s.",
                   scale ? "RSCALE" : "SKIP", value.len > 40 ? 40 : (int)value.len, value.ptr,
                   scale ? "GREGORIAN" : "OMIT");
    return ST_INVALID;
}

static enum st read_part(struct ical_rule *rule, struct slice text, unsigned *seen,
                         struct ical_error *error)
{
    size_t at = slice_find(text, '=');
    struct slice name = slice_sub(text, 0, at);
    const struct part *part = find_part(name);

    if (slice_ieq(name, SLICE("RSCALE")) || slice_ieq(name, SLICE("SKIP")))
        return read_scale(name, slice_sub(text, at + 1, text.len), error);
    if (part == NULL || at == SIZE_MAX) {
        ical_error_set(error, 0, "\"%.*s\" is no part of a recurrence rule.",
                       text.len > 40 ? 40 : (int)text.len, text.ptr);
        return ST_INVALID;
    }
    if ((*seen >> (part - part_rows) & 1) != 0) {
        ical_error_set(error, 0, "%s stands twice in the rule.", part->name);
        return ST_INVALID;
    }
    *seen |= 1U << (part - part_rows);
    rule->parts |= part->by;
    if (!part->read(rule, slice_sub(text, at + 1, text.len))) {
        ical_error_set(error, 0, "%.*s: %s wants %s.", text.len > 40 ? 40 : (int)text.len, text.ptr,
                       part->name, part->wants);
        return ST_INVALID;
    }
    return ST_OK;
}

enum st ical_rule_parse(struct slice text, struct ical_rule *rule_r, struct ical_error *error_r)
{
    struct ical_rule rule = {.interval = 1};
    struct slice part;
    unsigned seen = 0;

    while (slice_split(&text, ';', &part)) {
        enum st st = part.len == 0 ? ST_OK : read_part(&rule, part, &seen, error_r);

        if (st != ST_OK)
            return st;
    }
    const char *why = forbidden(&rule, seen);

    if (why != NULL) {
        ical_error_set(error_r, 0, "%s.", why);
        return ST_INVALID;
    }
    *rule_r = rule;
    return ST_OK;
}

/* ";NAME=" before the first of a list, "," before the others. */
static void put_item(struct buf *out, const char *name, bool *first, int value)
{
    if (*first)
        buf_putf(out, ";%s=%d", name, value);
    else
        buf_putf(out, ",%d", value);
    *first = false;
}

static void put_list(struct buf *out, const char *name, const uint64_t *positive,
                     const uint64_t *negative, size_t words)
{
    bool first = true;

    for (int n = ical_bits_next(positive, words, 0); n >= 0;
         n = ical_bits_next(positive, words, (unsigned)n + 1))
        put_item(out, name, &first, n);
    for (int n = negative == NULL ? -1 : ical_bits_next(negative, words, 0); n >= 0;
         n = ical_bits_next(negative, words, (unsigned)n + 1))
        put_item(out, name, &first, -n);
}

static void put_days(struct buf *out, const struct ical_rule *rule)
{
    const char *before = ";BYDAY=";

    for (size_t day = 0; day < 7; day++) {
        if ((rule->weekdays >> day & 1) != 0) {
            buf_putf(out, "%s%s", before, day_names[day]);
            before = ",";
        }
        for (int sign = 0; sign < 2; sign++)
            for (int n = ical_bits_next(&rule->nth[sign][day], 1, 0); n >= 0;
                 n = ical_bits_next(&rule->nth[sign][day], 1, (unsigned)n + 1)) {
                buf_putf(out, "%s%d%s", before, sign != 0 ? -n : n, day_names[day]);
                before = ",";
            }
    }
}

void ical_rule_write(const struct ical_rule *rule, struct buf *out)
{
    uint64_t hours = rule->hours, months = rule->months;
    uint64_t month_days[2] = {rule->month_days[0], rule->month_days[1]};

    buf_putf(out, "FREQ=%s", freq_names[rule->freq]);
    if (rule->has_until) {
        buf_put(out, SLICE(";UNTIL="));
        ical_time_write(rule->until, out);
    }
    if (rule->count != 0)
        buf_putf(out, ";COUNT=%llu", (unsigned long long)rule->count);
    if (rule->interval != 1)
        buf_putf(out, ";INTERVAL=%u", rule->interval);
    put_list(out, "BYSECOND", &rule->seconds, NULL, 1);
    put_list(out, "BYMINUTE", &rule->minutes, NULL, 1);
    put_list(out, "BYHOUR", &hours, NULL, 1);
    put_days(out, rule);
    put_list(out, "BYMONTHDAY", &month_days[0], &month_days[1], 1);
    put_list(out, "BYYEARDAY", rule->year_days[0], rule->year_days[1], ICAL_BITS366);
    put_list(out, "BYWEEKNO", &rule->week_nos[0], &rule->week_nos[1], 1);
    put_list(out, "BYMONTH", &months, NULL, 1);
    put_list(out, "BYSETPOS", rule->set_pos[0], rule->set_pos[1], ICAL_BITS366);
    if (rule->week_start != 0)
        buf_putf(out, ";WKST=%s", day_names[rule->week_start]);
}
