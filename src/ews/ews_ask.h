/* ews_ask.h: what a GetUserAvailabilityRequest asks. Pure. Inside ews/. */
#pragma once
#include "ews/ews_xml.h"

struct ical_zone;
struct ical_zones;

#define EWS_MAILBOXES_MAX 100
#define EWS_WINDOW_DAYS_MAX 62
#define EWS_INTERVAL_MIN_DEFAULT 30

enum ews_view {
    EWS_VIEW_NONE, /* of a reply: nothing is known */
    EWS_VIEW_MERGED_ONLY,
    EWS_VIEW_FREE_BUSY,
    EWS_VIEW_FREE_BUSY_MERGED,
    EWS_VIEW_DETAILED,
    EWS_VIEW_DETAILED_MERGED,
    EWS_VIEW_MAX,
};
const char *ews_view_name(enum ews_view view);
bool ews_view_is_merged(enum ews_view view);   /* has digits */
bool ews_view_has_events(enum ews_view view);  /* has times */
bool ews_view_is_detailed(enum ews_view view); /* subject and place too */

enum ews_attendee {
    EWS_ATTENDEE_REQUIRED,
    EWS_ATTENDEE_ORGANIZER,
    EWS_ATTENDEE_OPTIONAL,
    EWS_ATTENDEE_ROOM,
    EWS_ATTENDEE_RESOURCE,
};

struct ews_mailbox {
    struct slice address;
    enum ews_attendee type;
    bool exclude_conflicts; /* no suggestion may conflict with it */
};

/* When could they all meet? */
struct ews_suggestions_ask {
    uint64_t good_threshold; /* percent below which a time is poor, less 50 */
    uint64_t by_day_max;     /* suggestions of a day in working hours */
    uint64_t outside_max;    /* and outside */
    uint64_t meeting_min;    /* how long it is */
    unsigned quality_min;    /* enum ews_quality */
    int64_t from_s, until_s;
    int64_t current_s; /* when the meeting is now; INT64_MIN: it is not */
};

struct ews_ask {
    const struct ical_zone *zone; /* of the answer's times; NULL: UTC */
    struct ews_mailbox *mailboxes;
    size_t count;
    enum ews_view view; /* NONE: only suggestions are wanted */
    int64_t from_s, until_s;
    uint64_t interval_min;
    bool suggestions_wanted;
    struct ews_suggestions_ask suggestions;
};
/* header may be NULL: a TimeZoneContext in it names the zone where the request has none. All in
 * arena. False: *fault_r. */
bool ews_ask_read(struct arena *arena, const struct xml_element *header,
                  const struct xml_element *request, struct ical_zones *zones,
                  struct ews_ask *ask_r, struct ews_fault *fault_r);
