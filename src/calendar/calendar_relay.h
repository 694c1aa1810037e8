/* calendar_relay.h: a free/busy question that one server hands to another, and the answer about one
 * attendee, as bytes and back: the bodies of cluster_ask.h. Pure.
 *
 * Numbers are 8 bytes, the highest first; texts a length of 4 bytes and the bytes; lists their
 * count and the elements. What is too short, too long, out of its limits or not UTF-8 is refused as
 * a whole; doc/protocol/cluster.md tells the fields. */
#pragma once
#include "calendar/calendar_busy.h"
#include "calendar/calendar_connector.h"
#include "calendar/calendar_hours.h"

struct arena;
struct buf;

#define CALENDAR_RELAY_ATTENDEES_MAX 1000
#define CALENDAR_RELAY_VISITED_MAX 16
#define CALENDAR_RELAY_ADDRESS_BYTES_MAX 1000
#define CALENDAR_RELAY_NAME_BYTES_MAX 1000 /* of a person's document, and of a server's */
#define CALENDAR_RELAY_TEXT_BYTES_MAX 1000 /* what is said to people; a subject, a place */
#define CALENDAR_RELAY_WAY_BYTES_MAX 5000

struct calendar_relay_question {
    int64_t from_s, until_s;     /* CALENDAR_ASK_S_MAX apart at most, of the years 0 to 9999 */
    unsigned hops_left;          /* CALENDAR_CONNECTOR_HOPS at most */
    const struct slice *visited; /* the servers it came by, the one that asks too */
    size_t visited_count;
    const struct slice *attendees; /* addresses, as the asked server knows them; at least one */
    size_t attendee_count;
    struct slice asker;   /* address; "": none */
    struct slice who;     /* name of the document of the person who asks; "": none */
    struct slice but_uid; /* a meeting that does not count; "": all do */
    bool pass_busy;
    bool from_foreign;
    bool details; /* wanted too */
    bool week;    /* likewise */
};

enum {
    CALENDAR_RELAY_MEETING = 1 << 0,
    CALENDAR_RELAY_RECURRING = 1 << 1,
    CALENDAR_RELAY_EXCEPTION = 1 << 2,
    CALENDAR_RELAY_PRIVATE = 1 << 3,
    CALENDAR_RELAY_TOLD = 1 << 4, /* an event that may be read, not a time alone */
    CALENDAR_RELAY_FLAGS = (1 << 5) - 1,
};
/* Of the row of the same number. */
struct calendar_relay_detail {
    struct slice subject, place; /* "" where the asker may not see them */
    unsigned flags;
};

/* Of one attendee. */
struct calendar_relay_answer {
    size_t attendee; /* its number in the question */
    enum calendar_connector_result result;
    int64_t from_s, until_s; /* what the rows are known of; both 0 without rows: of nothing */
    uint64_t age_ms;         /* 0 unless KNOWN */
    /* In order of their starts; without details as calendar_freebusy_merge() gives them, otherwise
     * such that touch what is known. id_s is not told. */
    const struct calendar_busy_row *rows;
    const struct calendar_relay_detail *details; /* NULL: none */
    size_t count;
    const struct calendar_week *week; /* NULL: not asked for, or not known */
    const char *source, *way, *why;   /* as in calendar_connector_answer */
};

/* Appends it. Texts for people (source, way, why, subject, place) that are too long are cut, such
 * that are not UTF-8 left out, and so is a week that is not sound. ST_INVALID: what no reader would
 * take; ST_TOO_BIG: out's ceiling; out is as it was then. */
MUST_USE enum st calendar_relay_question_write(const struct calendar_relay_question *question,
                                               struct buf *out);
MUST_USE enum st calendar_relay_answer_write(const struct calendar_relay_answer *answer,
                                             struct buf *out);
/* Everything in arena, which needs room for eight times the bytes of in. ST_INVALID: it is none.
 * attendee_count: of the question. */
MUST_USE enum st calendar_relay_question_read(struct arena *arena, struct slice in,
                                              struct calendar_relay_question *question_r);
MUST_USE enum st calendar_relay_answer_read(struct arena *arena, struct slice in,
                                            size_t attendee_count,
                                            struct calendar_relay_answer *answer_r);
