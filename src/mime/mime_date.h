/* mime_date.h: dates in mail headers (RFC 5322) and in IMAP (RFC 3501), read and written. */
#pragma once
#include "base/base.h"

struct buf;

struct mime_date {
    int64_t epoch;    /* seconds since 1970-01-01 00:00 UTC */
    int16_t zone_min; /* minutes east of Greenwich that the writer's clock showed */
};

/* date-time of RFC 5322 section 3.3 with the obsolete forms of 4.3 and what mailers send besides:
 * no zone (taken as UTC), no seconds, dashes, full month names, ctime(3), ISO 8601, AM/PM,
 * "GMT+0100", a trailing comment. ST_INVALID if there is no date in it. */
MUST_USE enum st mime_date_parse(struct slice text, struct mime_date *date_r);
/* "Wed, 17 Jul 1996 02:44:25 -0700". */
void mime_date_write(struct mime_date date, struct buf *out);
/* date-time of RFC 3501 section 9, without its quotes: "17-Jul-1996 02:44:25 -0700", the day
 * two wide. Strict. */
MUST_USE enum st mime_internaldate_parse(struct slice text, struct mime_date *date_r);
void mime_internaldate_write(struct mime_date date, struct buf *out);
/* date-text of RFC 3501 section 9, "1-Jul-1996", as midnight UTC in epoch seconds. Strict. */
MUST_USE enum st mime_imap_date_parse(struct slice text, int64_t *epoch_r);
