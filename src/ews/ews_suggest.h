/* ews_suggest.h: when could they all meet? Pure. Inside ews/. */
#pragma once
#include "ews/ews_view.h"

enum ews_quality {
    EWS_QUALITY_POOR,
    EWS_QUALITY_FAIR,
    EWS_QUALITY_GOOD,
    EWS_QUALITY_EXCELLENT,
    EWS_QUALITY_MAX,
};
/* ""; what MinimumSuggestionQuality says when it is not there: Fair. False: no such quality. */
bool ews_quality_find(struct slice name, unsigned *quality_r);
/* By the share of attendees who are free, in percent, and GoodThreshold. */
enum ews_quality ews_quality_of(unsigned free_percent, uint64_t good_threshold);

/* What is known of an attendee, over the suggestions' window. */
struct ews_attending {
    bool known;
    struct ews_times times;
};
/* <m:SuggestionsResponse>. The week of who asks, on the question's clock: what is work time. one
 * ews_attending for each mailbox. */
void ews_suggest_write(const struct ews_ask *ask, const struct ews_attending *attending,
                       const struct calendar_week *week, struct buf *out);
