/* dav_tag.h: how versions, kinds and types of objects are written in HTTP and XML, and read. Pure.
 * Inside dav/. */
#pragma once
#include "store/store_event.h"

struct buf;

#define DAV_COMPONENTS 3
extern const char *const dav_components[DAV_COMPONENTS]; /* by enum store_event_kind */

/* "123" with its quotes, an entity tag (RFC 9110 section 8.8.3). */
void dav_etag_write(uint64_t modseq, struct buf *out);
/* The tag of If-Match and its like, one of a list: whether the list has it, or is "*". */
bool dav_etag_in(struct slice list, uint64_t modseq);
/* RFC 6578 section 6.2: which calendar, and the highest number of its changes that is known. */
void dav_sync_token_write(const struct store_calendar *calendar, struct buf *out);
/* ST_INVALID: it is none of that calendar. */
MUST_USE enum st dav_sync_token_read(struct slice token, const struct store_calendar *calendar,
                                     uint64_t *modseq_r);
/* text/calendar with what it holds (RFC 5545 section 8.1). */
void dav_type_write(const struct store_event *event, struct buf *out);
