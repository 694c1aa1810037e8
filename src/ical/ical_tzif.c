/* TZif (RFC 8536): the files of the tz database, and the TZ string in their footer. */
#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical_zone_data.h"

#define HEADER_BYTES 44
#define TIMES_MAX 10000

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t be32(const char *ptr)
{
    const unsigned char *p = (const unsigned char *)ptr;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const char *ptr)
{
    return (int64_t)((uint64_t)be32(ptr) << 32 | be32(ptr + 4));
}

/* Takes a header off the front. */
static bool take_header(struct slice *rest, struct counts *counts)
{
    if (rest->len < HEADER_BYTES || !slice_starts(*rest, SLICE("TZif")))
        return false;
    const char *at = rest->ptr + 20;

    *counts = (struct counts){be32(at),      be32(at + 4),  be32(at + 8),
                              be32(at + 12), be32(at + 16), be32(at + 20)};
    *rest = slice_sub(*rest, HEADER_BYTES, rest->len);
    return counts->time <= TIMES_MAX && counts->type >= 1 && counts->type <= 256 &&
           counts->chars <= 4096 && counts->leap <= 1000 && counts->isut <= 256 &&
           counts->isstd <= 256;
}

static size_t block_bytes(const struct counts *c, size_t time_bytes)
{
    return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) +
           c->isstd + c->isut;
}

static bool take_char(struct slice *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = slice_sub(*rest, 1, rest->len);
    return true;
}

static bool take_number(struct slice *rest, int32_t max, int32_t *value_r)
{
    size_t len = 0;
    int32_t value = 0;

    for (; len < rest->len && len < 4 && rest->ptr[len] >= '0' && rest->ptr[len] <= '9'; len++)
        value = value * 10 + (rest->ptr[len] - '0');
    *rest = slice_sub(*rest, len, rest->len);
    *value_r = value;
    return len > 0 && value <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool take_clock(struct slice *rest, int32_t *second_r)
{
    bool negative = take_char(rest, '-');
    int32_t hours, minutes = 0, seconds = 0;

    if (!negative)
        take_char(rest, '+');
    if (!take_number(rest, 167, &hours) ||
        (take_char(rest, ':') && !take_number(rest, 59, &minutes)) ||
        (take_char(rest, ':') && !take_number(rest, 59, &seconds)))
        return false;
    seconds += hours * 3600 + minutes * 60;
    *second_r = negative ? -seconds : seconds;
    return true;
}

/* "CET" or "<+0330>" */
static bool take_name(struct slice *rest)
{
    size_t len = 0;

    if (take_char(rest, '<')) {
        len = slice_find(*rest, '>');
        *rest = slice_sub(*rest, len == SIZE_MAX ? 0 : len, rest->len);
        return take_char(rest, '>');
    }
    while (len < rest->len && ((rest->ptr[len] >= 'A' && rest->ptr[len] <= 'Z') ||
                               (rest->ptr[len] >= 'a' && rest->ptr[len] <= 'z')))
        len++;
    *rest = slice_sub(*rest, len, rest->len);
    return len >= 3;
}

/* ",M3.2.0/2", ",J60/0", ",59" */
static bool take_change(struct slice *rest, struct ical_change *change)
{
    change->second = 7200;
    if (!take_char(rest, ','))
        return false;
    if (take_char(rest, 'M')) {
        change->kind = ICAL_CHANGE_WEEK;
        if (!take_number(rest, 12, &change->month) || change->month < 1 || !take_char(rest, '.') ||
            !take_number(rest, 5, &change->week) || change->week < 1 || !take_char(rest, '.') ||
            !take_number(rest, 6, &change->weekday))
            return false;
    } else {
        change->kind = take_char(rest, 'J') ? ICAL_CHANGE_JULIAN : ICAL_CHANGE_DAY;
        if (!take_number(rest, 365, &change->day) ||
            (change->kind == ICAL_CHANGE_JULIAN && change->day < 1))
            return false;
    }
    return !take_char(rest, '/') || take_clock(rest, &change->second);
}

/* POSIX offsets count westward. */
static bool parse_tail(struct slice text, struct ical_tail *tail)
{
    int32_t west;

    if (!take_name(&text) || !take_clock(&text, &west))
        return false;
    tail->standard_s = -west;
    tail->changes = text.len > 0;
    if (!tail->changes)
        return true;
    if (!take_name(&text))
        return false;
    tail->daylight_s = tail->standard_s + 3600;
    if (text.len > 0 && text.ptr[0] != ',') {
        if (!take_clock(&text, &west))
            return false;
        tail->daylight_s = -west;
    }
    return take_change(&text, &tail->to_daylight) && take_change(&text, &tail->to_standard) &&
           text.len == 0;
}

/* The data block of 64-bit times. */
static bool read_block(struct arena *arena, struct slice block, const struct counts *c,
                       struct ical_zone *zone)
{
    struct ical_transition *transitions = arena_many(arena, struct ical_transition, c->time + 1);
    const char *types = block.ptr + c->time * 8;
    const char *infos = types + c->time;

    for (size_t i = 0; i < c->time; i++) {
        unsigned char type = (unsigned char)types[i];

        transitions[i].at_s = be64(block.ptr + i * 8);
        if (type >= c->type || (i > 0 && transitions[i].at_s <= transitions[i - 1].at_s))
            return false;
        transitions[i].offset_s = (int32_t)be32(infos + type * 6);
    }
    for (size_t i = 0; i < c->type; i++) {
        int32_t offset = (int32_t)be32(infos + i * 6);

        if (offset <= -ICAL_DAY_S * 2 || offset >= ICAL_DAY_S * 2)
            return false;
    }
    zone->first_s = (int32_t)be32(infos);
    zone->count = c->time;
    zone->transitions = transitions;
    zone->tail_s = c->time > 0 ? transitions[c->time - 1].at_s : INT64_MIN;
    return true;
}

enum st ical_zone_tzif(struct arena *arena, struct slice bytes, const struct ical_zone **zone_r)
{
    struct ical_zone *zone = arena_one(arena, struct ical_zone);
    struct counts c;

    if (bytes.len < 5 || bytes.ptr[4] < '2' || !take_header(&bytes, &c) ||
        bytes.len < block_bytes(&c, 4))
        return ST_INVALID;
    bytes = slice_sub(bytes, block_bytes(&c, 4), bytes.len);
    if (!take_header(&bytes, &c) || bytes.len < block_bytes(&c, 8) ||
        !read_block(arena, bytes, &c, zone))
        return ST_INVALID;
    bytes = slice_sub(bytes, block_bytes(&c, 8), bytes.len);
    if (!take_char(&bytes, '\n') || slice_find(bytes, '\n') == SIZE_MAX)
        return ST_INVALID;
    bytes = slice_sub(bytes, 0, slice_find(bytes, '\n'));
    zone->has_tail = bytes.len > 0;
    if (zone->has_tail && !parse_tail(bytes, &zone->tail))
        return ST_INVALID;
    *zone_r = zone;
    return ST_OK;
}
