/* ews_time.h: times and time zones as EWS writes them. Pure. Inside ews/.
 *
 * A zone of a question is two rules (SerializableTimeZone): minutes west of Greenwich, and on which
 * day of which month the clocks change. It is made into one of ical_zone.h. */
#pragma once
#include "ical/ical_zone.h"
#include "ical/ical_zone_year.h"

struct buf;
struct xml_element;

/* xs:dateTime; without an offset it is of the zone (NULL: UTC). A fraction of a second is dropped.
 * ST_INVALID. */
MUST_USE enum st ews_time_read(struct slice text, const struct ical_zone *zone, int64_t *utc_s_r);
/* A zone's clock, for many times that are near one another. */
struct ews_clock {
    const struct ical_zone *zone; /* NULL: UTC */
    struct ical_span span;
    int64_t day_s;  /* the midnight that date is of */
    char date[11];  /* "2026-11-23T" */
    char offset[6]; /* "+01:00", or "Z" */
    size_t offset_len;
};
void ews_clock_init(struct ews_clock *clock, const struct ical_zone *zone);
#define EWS_TIME_BYTES_MAX 25
/* Writes "2026-11-23T09:00:00+01:00" by the clock, "Z" where that is UTC; gives its length. */
size_t ews_clock_tell(struct ews_clock *clock, int64_t utc_s, char text[EWS_TIME_BYTES_MAX]);
/* The same, once. */
void ews_time_write(const struct ical_zone *zone, int64_t utc_s, struct buf *out);

/* The zone of a TimeZone element, in arena. ST_INVALID: its rules make no sense. */
MUST_USE enum st ews_zone_read(struct arena *arena, const struct xml_element *element,
                               const struct ical_zone **zone_r);

/* <t:TimeZone> (SerializableTimeZone). */
void ews_zone_write(const struct ical_zone_year *year, struct buf *out);
extern const char *const ews_weekdays[7]; /* "Sunday" is the first */
