#include "mime/mime_date.h"

#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_lex.h"

#include <string.h>

#define MINUTE_SEC INT64_C(60)
#define HOUR_SEC INT64_C(3600)
#define ZONE_MIN_MAX 1440
#define DAY_SEC INT64_C(86400)
#define FIRST_DAY INT64_C(-719528) /* 0000-01-01 */
#define END_DAY INT64_C(2932897)   /* 10000-01-01 */

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* A date as its writer's calendar and clock showed it. */
struct civil {
    int year;
    int month; /* 1 to 12 */
    int day;
    int hour;
    int minute;
    int second;
    int zone_min;
};

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && leap(year));
}

/* Days from 1970-01-01 to the first of January of a year from 0 on. */
static int64_t days_before(int year)
{
    int64_t past = year > 0 ? year - 1 : 0;
    int64_t leaps = year > 0 ? past / 4 - past / 100 + past / 400 + 1 : 0;

    return INT64_C(365) * year + leaps + FIRST_DAY;
}

static bool to_epoch(const struct civil *c, struct mime_date *date_r)
{
    if (c->year < 0 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days_in(c->year, c->month) || c->hour < 0 || c->hour > 23 || c->minute < 0 ||
        c->minute > 59 || c->second < 0 || c->second > 60 || c->zone_min < -ZONE_MIN_MAX ||
        c->zone_min > ZONE_MIN_MAX)
        return false;
    int64_t days = days_before(c->year) + c->day - 1;

    for (int month = 1; month < c->month; month++)
        days += days_in(c->year, month);
    date_r->epoch =
        days * DAY_SEC + c->hour * HOUR_SEC + (c->minute - c->zone_min) * MINUTE_SEC + c->second;
    date_r->zone_min = (int16_t)c->zone_min;
    return true;
}

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

/* Times outside the years 0 to 9999 show as the first or last moment of them. */
static struct civil from_epoch(struct mime_date date, int *weekday_r)
{
    const int64_t first = FIRST_DAY * DAY_SEC;
    const int64_t last = END_DAY * DAY_SEC - 1;
    int zone = (int)clamp(date.zone_min, -ZONE_MIN_MAX, ZONE_MIN_MAX);
    int64_t local = clamp(clamp(date.epoch, first, last) + zone * MINUTE_SEC, first, last);
    int64_t days = (local - first) / DAY_SEC; /* since 0000-01-01 */
    int secs = (int)((local - first) % DAY_SEC);
    struct civil c = {.year = (int)(days / 366), .month = 1, .zone_min = zone};

    while (c.year < 9999 && days_before(c.year + 1) - FIRST_DAY <= days)
        c.year++;
    int rest = (int)(days - days_before(c.year) + FIRST_DAY);
    while (rest >= days_in(c.year, c.month))
        rest -= days_in(c.year, c.month++);
    c.day = rest + 1;
    c.hour = secs / 3600;
    c.minute = secs / 60 % 60;
    c.second = secs % 60;
    *weekday_r = (int)((days + 6) % 7);
    return c;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool alpha(char c)
{
    c = mime_lex_lower(c);
    return c >= 'a' && c <= 'z';
}

/* Index of the name that a word begins with, or -1. */
static int find_name(const char *const *names, size_t count, struct slice word)
{
    for (size_t i = 0; i < count; i++)
        if (slice_istarts(word, slice_str(names[i])))
            return (int)i;
    return -1;
}

static int find_month(struct slice word)
{
    return find_name(month_names, COUNT(month_names), word);
}

/* Takes up to max digits; -1 if there is none. */
static int take_number(struct slice *rest, size_t max)
{
    int value = -1;
    size_t len = 0;

    for (; len < max && len < rest->len && digit(rest->ptr[len]); len++)
        value = (len == 0 ? 0 : value * 10) + (rest->ptr[len] - '0');
    *rest = slice_sub(*rest, len, rest->len);
    return value;
}

static struct slice take_word(struct slice *rest)
{
    size_t len = 0;

    while (len < rest->len && alpha(rest->ptr[len]))
        len++;
    struct slice word = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len, rest->len);
    return word;
}

static bool take_char(struct slice *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = slice_sub(*rest, 1, rest->len);
    return true;
}

/* Between the pieces of a date: blanks, comments, and commas, dots and dashes out of place. */
static void skip_junk(struct slice *rest, const char *junk)
{
    for (;;) {
        mime_lex_cfws(rest);
        if (rest->len == 0 || rest->ptr[0] == '\0' || strchr(junk, rest->ptr[0]) == NULL)
            return;
        *rest = slice_sub(*rest, 1, rest->len);
    }
}

/* "+0200", "+02:00", "+2", "-0000". */
static bool take_offset(struct slice *rest, int *minutes_r)
{
    int sign = rest->len > 0 && rest->ptr[0] == '-' ? -1 : 1;

    if (!take_char(rest, '+') && !take_char(rest, '-'))
        return false;
    size_t before = rest->len;
    int hours = take_number(rest, 2);
    if (hours < 0)
        return false;
    take_char(rest, ':');
    int minutes = take_number(rest, 2);
    if (minutes >= 0 && before - rest->len == 3 && minutes < 10) { /* "+130" is 1:30 */
        minutes = hours % 10 * 10 + minutes;
        hours /= 10;
    }
    *minutes_r = sign * (hours * 60 + (minutes > 0 ? minutes : 0));
    return true;
}

/* obs-zone of RFC 5322 section 4.3: the letters of the military mean nothing, so 0. */
static int named_zone(struct slice word)
{
    static const struct {
        struct slice name;
        int hours;
    } zones[] = {
        {MIME_LEX_TEXT("EST"), -5}, {MIME_LEX_TEXT("EDT"), -4}, {MIME_LEX_TEXT("CST"), -6},
        {MIME_LEX_TEXT("CDT"), -5}, {MIME_LEX_TEXT("MST"), -7}, {MIME_LEX_TEXT("MDT"), -6},
        {MIME_LEX_TEXT("PST"), -8}, {MIME_LEX_TEXT("PDT"), -7}, {MIME_LEX_TEXT("CET"), 1},
        {MIME_LEX_TEXT("CEST"), 2}, {MIME_LEX_TEXT("MET"), 1},  {MIME_LEX_TEXT("MEST"), 2},
        {MIME_LEX_TEXT("BST"), 1},  {MIME_LEX_TEXT("EET"), 2},  {MIME_LEX_TEXT("EEST"), 3},
        {MIME_LEX_TEXT("JST"), 9},
    };

    for (size_t i = 0; i < COUNT(zones); i++)
        if (slice_ieq(word, zones[i].name))
            return zones[i].hours * 60;
    return 0;
}

static void take_zone(struct slice *rest, struct civil *c)
{
    skip_junk(rest, ",");
    if (take_offset(rest, &c->zone_min))
        return;
    struct slice word = take_word(rest);

    c->zone_min = named_zone(word);
    if (word.len > 0 && c->zone_min == 0)
        take_offset(rest, &c->zone_min); /* "GMT+0100" */
}

static void take_half_day(struct slice *rest, struct civil *c)
{
    struct slice ahead = *rest;

    skip_junk(&ahead, "");
    struct slice word = take_word(&ahead);
    bool pm = slice_ieq(word, SLICE("PM"));
    if ((!pm && !slice_ieq(word, SLICE("AM"))) || c->hour < 1 || c->hour > 12)
        return;
    c->hour = c->hour % 12 + (pm ? 12 : 0);
    *rest = ahead;
}

/* hour ":" minute [":" second ["." fraction]]; obs-hour and its kin allow blanks in between. */
static bool take_clock(struct slice *rest, struct civil *c)
{
    skip_junk(rest, ",");
    c->hour = take_number(rest, 2);
    mime_lex_cfws(rest);
    if (c->hour < 0 || (!take_char(rest, ':') && !take_char(rest, '.')))
        return false;
    mime_lex_cfws(rest);
    c->minute = take_number(rest, 2);
    mime_lex_cfws(rest);
    if (take_char(rest, ':') || take_char(rest, '.')) {
        mime_lex_cfws(rest);
        c->second = take_number(rest, 2);
        if (take_char(rest, '.'))
            (void)take_number(rest, 9);
    }
    take_half_day(rest, c);
    return c->minute >= 0 && c->second >= 0;
}

/* obs-year of RFC 5322 section 4.3. */
static int take_year(struct slice *rest)
{
    size_t before = rest->len;
    int year = take_number(rest, 4);
    size_t digits = before - rest->len;

    if (digits <= 2 && year >= 0)
        return year + (year < 50 ? 2000 : 1900);
    return digits == 3 ? year + 1900 : year;
}

/* "2004-07-01T12:00:00Z" (RFC 3339), its number of the year already known to have four digits. */
static bool take_iso(struct slice *rest, struct civil *c)
{
    c->year = take_number(rest, 4);
    take_char(rest, '-');
    c->month = take_number(rest, 2);
    take_char(rest, '-');
    c->day = take_number(rest, 2);
    if (rest->len > 0 && mime_lex_lower(rest->ptr[0]) == 't')
        *rest = slice_sub(*rest, 1, rest->len);
    return take_clock(rest, c);
}

static bool take_month(struct slice *rest, struct civil *c)
{
    skip_junk(rest, "-,./");
    c->month = find_month(take_word(rest)) + 1;
    skip_junk(rest, "-,./");
    return c->month > 0;
}

/* ctime(3): "Jul  1 12:00:00 2004", or with the zone before the year as date(1) has it. */
static bool take_ctime(struct slice *rest, struct civil *c)
{
    if (!take_month(rest, c))
        return false;
    c->day = take_number(rest, 2);
    skip_junk(rest, ",");
    struct slice ahead = *rest;

    if (take_number(&ahead, 4) >= 1000) { /* "July 1, 2004 12:00" */
        c->year = take_year(rest);
        return take_clock(rest, c);
    }
    if (!take_clock(rest, c))
        return false;
    skip_junk(rest, ",");
    if (rest->len > 0 && !digit(rest->ptr[0]))
        take_zone(rest, c);
    skip_junk(rest, ",");
    c->year = take_year(rest);
    return c->year >= 0;
}

static bool four_digits(struct slice text)
{
    return text.len > 4 && take_number(&text, 4) >= 1000 && !digit(text.ptr[0]);
}

enum st mime_date_parse(struct slice text, struct mime_date *date_r)
{
    struct civil c = {0};
    bool good;

    skip_junk(&text, ",\"");
    struct slice ahead = text;
    struct slice word = take_word(&ahead);
    if (find_name(day_names, COUNT(day_names), word) >= 0 ||
        (word.len > 0 && find_month(word) < 0)) {
        text = ahead;
        skip_junk(&text, ",.");
    }
    if (text.len > 0 && alpha(text.ptr[0])) {
        good = take_ctime(&text, &c);
    } else if (four_digits(text)) {
        good = take_iso(&text, &c);
    } else {
        c.day = take_number(&text, 2);
        good = take_month(&text, &c);
        c.year = take_year(&text);
        good = good && c.year >= 0 && take_clock(&text, &c);
    }
    if (good && c.zone_min == 0)
        take_zone(&text, &c);
    return good && to_epoch(&c, date_r) ? ST_OK : ST_INVALID;
}

static int zone_hhmm(int zone_min)
{
    int minutes = zone_min < 0 ? -zone_min : zone_min;

    return minutes / 60 * 100 + minutes % 60;
}

void mime_date_write(struct mime_date date, struct buf *out)
{
    int weekday;
    struct civil c = from_epoch(date, &weekday);

    buf_putf(out, "%s, %d %s %04d %02d:%02d:%02d %c%04d", day_names[weekday], c.day,
             month_names[c.month - 1], c.year, c.hour, c.minute, c.second,
             c.zone_min < 0 ? '-' : '+', zone_hhmm(c.zone_min));
}

void mime_internaldate_write(struct mime_date date, struct buf *out)
{
    int weekday;
    struct civil c = from_epoch(date, &weekday);

    buf_putf(out, "%2d-%s-%04d %02d:%02d:%02d %c%04d", c.day, month_names[c.month - 1], c.year,
             c.hour, c.minute, c.second, c.zone_min < 0 ? '-' : '+', zone_hhmm(c.zone_min));
}

/* Exactly so many digits. */
static bool take_exact(struct slice *rest, size_t digits, int *value_r)
{
    size_t before = rest->len;

    *value_r = take_number(rest, digits);
    return before - rest->len == digits;
}

static bool take_month_year(struct slice *rest, struct civil *c)
{
    if (!take_char(rest, '-'))
        return false;
    struct slice word = take_word(rest);

    c->month = find_month(word) + 1;
    return word.len == 3 && c->month > 0 && take_char(rest, '-') && take_exact(rest, 4, &c->year);
}

enum st mime_internaldate_parse(struct slice text, struct mime_date *date_r)
{
    struct civil c = {0};
    int hhmm;

    if (!take_exact(&text, take_char(&text, ' ') ? 1 : 2, &c.day) || !take_month_year(&text, &c) ||
        !take_char(&text, ' ') || !take_exact(&text, 2, &c.hour) || !take_char(&text, ':') ||
        !take_exact(&text, 2, &c.minute) || !take_char(&text, ':') ||
        !take_exact(&text, 2, &c.second) || !take_char(&text, ' '))
        return ST_INVALID;
    int sign = text.len > 0 && text.ptr[0] == '-' ? -1 : 1;

    if ((!take_char(&text, '+') && !take_char(&text, '-')) || !take_exact(&text, 4, &hhmm) ||
        text.len > 0 || hhmm % 100 > 59)
        return ST_INVALID;
    c.zone_min = sign * (hhmm / 100 * 60 + hhmm % 100);
    return to_epoch(&c, date_r) ? ST_OK : ST_INVALID;
}

enum st mime_imap_date_parse(struct slice text, int64_t *epoch_r)
{
    struct civil c = {0};
    struct mime_date date;

    c.day = take_number(&text, 2);
    if (!take_month_year(&text, &c) || text.len > 0 || !to_epoch(&c, &date))
        return ST_INVALID;
    *epoch_r = date.epoch;
    return ST_OK;
}
