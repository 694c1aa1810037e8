/* ical_zone.h: time zones: which instant a clock's time is, and back. From a VTIMEZONE (RFC 5545
 * section 3.6.5) or from the system's tz database (RFC 8536), found by the names that are seen in
 * TZID.
 *
 * Instants are seconds since 1970-01-01 00:00 UTC without leap seconds. Zones never change. */
#pragma once
#include "base/base.h"
#include "ical/ical_time.h"

struct arena;
struct ical_comp;
struct ical_error;
struct ical_prop;
struct ical_zone;
struct ical_zones;

/* From from_s on, before until_s, clocks are offset_s ahead of UTC. */
struct ical_span {
    int64_t from_s, until_s;
    int32_t offset_s;
};

struct ical_span ical_zone_span(const struct ical_zone *zone, int64_t utc_s);
int64_t ical_zone_local(const struct ical_zone *zone, int64_t utc_s);
/* A time that the clock shows twice is the first; one that it leaves out is read with the offset
 * before the gap, so 02:30 is 03:30 (RFC 5545 section 3.3.5). *gap_r, which may be NULL: whether it
 * was left out. */
int64_t ical_zone_utc(const struct ical_zone *zone, int64_t local_s, bool *gap_r);

/* Many times of one zone that are near one another: nearly all cost a comparison. */
struct ical_zone_cursor {
    const struct ical_zone *zone; /* NULL: UTC */
    struct ical_span span;
};
void ical_zone_cursor_init(struct ical_zone_cursor *cursor, const struct ical_zone *zone);
int64_t ical_zone_cursor_utc(struct ical_zone_cursor *cursor, int64_t local_s, bool *gap_r);

/* A zone in the arena. TZif of version 2 or later, with its footer; ST_INVALID: it is none. */
MUST_USE enum st ical_zone_tzif(struct arena *arena, struct slice bytes,
                                const struct ical_zone **zone_r);
/* A VTIMEZONE that ical_check() has let pass, or any: ST_INVALID and why in *error_r where its
 * rules cannot be read, ST_TOO_BIG where they change the clocks more than 2,000 times. Rules
 * without an end that are not "every year, that weekday of that month" are followed to 2100. */
MUST_USE enum st ical_zone_vtimezone(struct arena *arena, const struct ical_comp *vtimezone,
                                     const struct ical_zone **zone_r, struct ical_error *error_r);

/* The zones of a folder of TZif files ("/usr/share/zoneinfo"), each read when it is first asked for
 * and kept. Any thread may ask. */
struct ical_zones *ical_zones_new(const char *folder);
void ical_zones_free(struct ical_zones **zones);
/* By a name of the tz database, by what Windows calls a zone or shows people of it ("(UTC+01:00)
 * Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"), and by any with something before it
 * ("/example.org/20250101_1/Europe/Berlin"). NULL: nobody knows it. */
const struct ical_zone *ical_zones_find(struct ical_zones *zones, struct slice tzid);
/* The name of the tz database for either of Windows'; the empty slice: there is none. */
struct slice ical_zones_windows(struct slice name);
/* Calls fn with what Windows calls each zone, sorted. */
typedef void ical_zones_fn(void *ctx, struct slice name);
void ical_zones_windows_each(ical_zones_fn *fn, void *ctx);

/* The zones of one object: its VTIMEZONEs first (ICAL_TZ_MAX of them), then zones, which may be
 * NULL. Made in the arena as they are asked for, ICAL_TZ_BYTES_MAX at most and 64 bytes for each
 * name; one thread. */
#define ICAL_TZ_MAX 64
#define ICAL_TZ_BYTES_MAX (12 * MIB)
struct ical_tz;
struct ical_tz *ical_tz_new(struct arena *arena, const struct ical_comp *vcalendar,
                            struct ical_zones *zones);
const struct ical_zone *ical_tz_find(struct ical_tz *tz, struct slice tzid);
/* A DATE or DATE-TIME of a property's value, with the zone of its TZID. */
MUST_USE enum st ical_tz_time(struct ical_tz *tz, const struct ical_prop *prop, struct slice value,
                              struct ical_time *time_r);
/* The instant. Floating times, days and times of unknown zones are those of the zone floating;
 * NULL: UTC. */
int64_t ical_time_utc(struct ical_time time, const struct ical_zone *floating);
/* Nominal days first, then exact seconds (RFC 5545 section 3.3.6). */
struct ical_time ical_time_add(struct ical_time time, struct ical_duration duration);
