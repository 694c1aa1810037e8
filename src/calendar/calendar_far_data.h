/* calendar_far_data.h: what the ways to ask a foreign system share: the question under way, and
 * their texts, written and read purely. */
#pragma once
#include "calendar/calendar_far.h"
#include "xml/xml.h"

struct buf;
struct ical_zone;
struct ical_zones;
struct sys_fetcher;

/* What is known of one person so far; the rows are as they were read. */
struct calendar_far_person {
    struct slice address;
    enum calendar_hedge_answer answer;
    struct calendar_busy_row *rows;
    size_t count, cap;
    struct calendar_busy_row *known; /* times that were told of; their kinds mean nothing */
    size_t known_count, known_cap;
    int64_t from_s, until_s; /* the first and the last of them; rows elsewhere do not count */
    uint64_t age_ms;         /* the system remembered it; 0: it is new */
    const char *why;
};

struct calendar_far_run {
    const struct calendar_far_ask *ask;
    struct calendar *calendar;
    struct sys_fetcher *fetcher;
    const char *trust_file;
    struct arena *arena; /* the persons' rows and sentences live in it */
    struct calendar_far_person *persons;
    size_t bytes_left; /* of what may be answered */
};

#define CALENDAR_FAR_WHY_BYTES 400

/* Some persons of a question, who share an answer. */
struct calendar_far_part {
    struct calendar_far_person *persons;
    size_t count;
};

/* The answer for all of the part, with a sentence. */
void calendar_far_fail(struct arena *arena, const struct calendar_far_part *part,
                       enum calendar_hedge_answer answer, const char *fmt, ...) PRINTF(4, 5);
/* Adds a row; more than CALENDAR_FAR_ROWS_MAX make it GARBAGE. */
void calendar_far_add(struct arena *arena, struct calendar_far_person *person,
                      const struct calendar_busy_row *row);

/* What is in [from_s, until_s) is known, too, but where rows are UNKNOWN. More than
 * CALENDAR_FAR_ROWS_MAX of them make it GARBAGE. */
void calendar_far_know(struct arena *arena, struct calendar_far_person *person, int64_t from_s,
                       int64_t until_s);
/* All is read of one who is GOOD: rows are now those of calendar_freebusy_merge() of what is known
 * of [from_s, until_s), UNKNOWN where something else is between. PART and BAD (nothing is known)
 * with a sentence. */
void calendar_far_settle(struct arena *arena, struct calendar_far_person *person, int64_t from_s,
                         int64_t until_s);

struct calendar_far_message {
    const char *method, *url;
    const char *const *headers;
    size_t header_count;
    struct slice body;
};
/* Asks; true: an answer came, with its status and body. Otherwise the part has failed. */
bool calendar_far_fetch(struct calendar_far_run *run, const struct calendar_far_part *part,
                        const struct calendar_far_message *message, unsigned *status_r,
                        struct buf *body);
/* BAD for the part, by a status that is no answer; UNKNOWN where 404 or 410 say of a person's URL
 * that there is none. */
void calendar_far_refused(struct calendar_far_run *run, const struct calendar_far_part *part,
                          unsigned status, bool of_person);
/* The URL for a person: the document's, by the halves of the address. */
const char *calendar_far_url(const struct calendar_far_run *run,
                             const struct calendar_far_person *person);

/* The ways: each answers for all persons of the run. */
void calendar_far_ews(struct calendar_far_run *run);
void calendar_far_caldav(struct calendar_far_run *run);
void calendar_far_ifb(struct calendar_far_run *run);
/* By the person's events, where the server has no free-busy-query. */
void calendar_far_query(struct calendar_far_run *run, struct calendar_far_person *person,
                        const char *url);

/* --- texts, pure --- */

/* For an answer in XML of that length. */
struct xml_limits calendar_far_limits(struct slice text);

/* An iCalendar text with a VFREEBUSY or more (RFC 5545 section 3.6.4): GOOD and its rows, and what
 * they are known of: DTSTART and DTEND say it, without them it is what was asked for; periods of
 * CALENDAR_FREEBUSY_UNKNOWN are rows that are UNKNOWN. BAD: nothing of [from_s, until_s); GARBAGE.
 */
void calendar_far_ifb_read(struct arena *arena, struct slice text, int64_t from_s, int64_t until_s,
                           struct calendar_far_person *person);

/* Adds the rows of a calendar object; days and floating times are those of floating (NULL: UTC). */
struct calendar_far_zones {
    struct ical_zones *known;
    const struct ical_zone *floating;
};
void calendar_far_event_read(struct arena *arena, struct slice text,
                             const struct calendar_far_zones *zones, int64_t from_s,
                             int64_t until_s, struct calendar_far_person *person);

/* The request to a scheduling outbox (RFC 6638 section 5). organizer is without "mailto:". */
struct calendar_far_request {
    struct slice organizer;
    const char *uid;
    int64_t stamp_s, from_s, until_s;
};
void calendar_far_caldav_write(struct arena *arena, const struct calendar_far_request *request,
                               const struct calendar_far_part *part, struct buf *out);
/* CALDAV:schedule-response (RFC 6638 section 10.2), whatever order it is in. */
void calendar_far_caldav_read(struct arena *arena, struct slice text, int64_t from_s,
                              int64_t until_s, const struct calendar_far_part *part);

/* GetUserAvailability (MS-OXWAVLS section 2.2.4.1) in UTC, for 100 persons and 42 days at most;
 * the times are multiples of CALENDAR_FAR_EWS_INTERVAL_S. impersonate: an address whose rights
 * count (MS-OXWSCDATA, ExchangeImpersonation); "": the user's. */
#define CALENDAR_FAR_EWS_INTERVAL_S INT64_C(900)
#define CALENDAR_FAR_EWS_PERSONS_MAX 100
void calendar_far_ews_write(const struct calendar_far_part *part, int64_t from_s, int64_t until_s,
                            const char *impersonate, struct buf *out);
/* Its answer, in the order of the persons: those who are GOOD so far get more rows, or why they are
 * not any more. status is HTTP's: a fault may come with any. */
void calendar_far_ews_read(struct arena *arena, struct slice text, int64_t from_s, int64_t until_s,
                           unsigned status, const struct calendar_far_part *part);
