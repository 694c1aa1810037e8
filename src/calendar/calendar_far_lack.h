/* calendar_far_lack.h: which foreign systems have no free-busy-query (RFC 4791 section 7.10), so
 * that each is asked once in a while and not each time. In memory, bounded; any thread. */
#pragma once
#include "base/base.h"

#define CALENDAR_FAR_LACK_MS HOUR_MS /* then it may have learnt it */
#define CALENDAR_FAR_LACK_MAX 64     /* then the oldest goes */

struct calendar_far_lacks;

struct calendar_far_lacks *calendar_far_lacks_new(void);
void calendar_far_lacks_free(struct calendar_far_lacks **lacks); /* NULL is fine */

/* url: the document's. now_ms: any clock that does not go back. */
bool calendar_far_lacks_query(struct calendar_far_lacks *lacks, const char *url, uint64_t now_ms);
void calendar_far_lack_note(struct calendar_far_lacks *lacks, const char *url, bool lacking,
                            uint64_t now_ms);
