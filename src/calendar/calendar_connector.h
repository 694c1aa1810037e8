/* calendar_connector.h: when are these people free? Asks this store, the domain's other servers and
 * foreign systems, each attendee by a plan of its own (calendar_connector_plan.h), all within one
 * deadline (calendar_hedge.h); where nobody answers, the last known answer counts for a while
 * (calendar_known.h). Nobody's failure is another's. */
#pragma once
#include "calendar/calendar_busy.h"
#include "calendar/calendar_connector_plan.h"
#include "calendar/calendar_rights.h"

struct calendar;
struct calendar_connector;
struct calendar_detail;
struct calendar_week;
struct cluster;
struct health;

struct calendar_connector *calendar_connector_new(struct calendar *calendar);
/* Before any question: this server is one of a domain. It answers the others from now on, and asks
 * them. */
void calendar_connector_use_cluster(struct calendar_connector *connector, struct cluster *cluster);
/* The server ends: what is asked of others comes to nothing within a second. Does not wait. NULL is
 * fine. */
void calendar_connector_hurry(struct calendar_connector *connector);
/* After calendar_connector_hurry(), which it calls. No question is out any more, or will be; those
 * under way come to their end. NULL is fine. */
void calendar_connector_stop(struct calendar_connector *connector);
void calendar_connector_free(struct calendar_connector **connector); /* NULL is fine */

/* What would be if a source did not answer: it is not asked. */
struct calendar_connector_if {
    struct slice server; /* a server's or a document's name */
    bool hung;           /* it says nothing; false: nobody reaches it */
};

/* Told on the thread that waits; attendee is its number in the question. */
typedef void calendar_connector_tell_fn(void *ctx, size_t attendee, uint64_t after_ms,
                                        const char *text);

struct calendar_connector_ask {
    const struct calendar_who *who; /* asks; NULL: somebody from outside, who sees what everybody
                                     * of the organisation does */
    struct slice asker;             /* the address that a foreign system is told; "": none */
    const struct slice *attendees;  /* addresses, with or without mailto: */
    size_t count;
    int64_t from_s, until_s;
    struct slice but_uid; /* a meeting that does not count; "": all do */
    bool details;         /* subject and place too, of those who let the asker see them */
    bool week;            /* in which hours they work, too */
    bool from_foreign;    /* as in calendar_connector_question */
    uint64_t deadline_ms; /* of sys_mono_ms(); 0: the setting freebusy_deadline_ms from now */
    /* of a question that another server handed on; 0 otherwise */
    const struct slice *visited;
    size_t visited_count;
    unsigned hops_left;
    /* for those who want to know how; NULL and 0: nobody does */
    calendar_connector_tell_fn *tell;
    void *tell_ctx;
    const struct calendar_connector_if *ifs;
    size_t if_count;
};

enum calendar_connector_result {
    CALENDAR_CONNECTOR_FRESH,
    CALENDAR_CONNECTOR_KNOWN,     /* nobody answers: it is age_ms old */
    CALENDAR_CONNECTOR_NO_DATA,   /* nobody answers, and nothing is known */
    CALENDAR_CONNECTOR_DENIED,    /* who asks may not know */
    CALENDAR_CONNECTOR_NOT_FOUND, /* nobody has the address */
    CALENDAR_CONNECTOR_IS_GROUP,
    CALENDAR_CONNECTOR_NO_WAY, /* it is of a system that no document is for */
    CALENDAR_CONNECTOR_BAD_ASK,
    CALENDAR_CONNECTOR_RESULT_MAX,
};
const char *calendar_connector_result_name(enum calendar_connector_result result); /* "fresh" */

struct calendar_connector_answer {
    size_t attendee; /* its number */
    enum calendar_connector_result result;
    const struct calendar_busy_row *rows; /* as calendar_freebusy_merge() gives them */
    size_t count;
    /* Where details were asked for and may be told: the same as events (calendar_detail.h). */
    const struct calendar_detail *events; /* NULL: they are not known */
    size_t event_count;
    const struct calendar_week *week; /* (calendar_hours.h); NULL: not asked for, or not known */
    int64_t from_s, until_s;          /* what they are known of: the window, or a part of it */
    uint64_t age_ms;                  /* 0 unless KNOWN */
    uint64_t took_ms;
    const char *source; /* "this server", "server mail2.example", "document btex-1"; "": none */
    const char *way;    /* the servers it came by, the nearest first: "mail2 mail3"; "": none */
    const char *why;    /* a sentence for people; "" */
};

/* A question and its answers. */
struct calendar_connector_lookup;
/* The question is read at once; strings in it must stay. Never NULL. Any thread, which then is the
 * one to go on. */
struct calendar_connector_lookup *
calendar_connector_begin(struct calendar_connector *connector,
                         const struct calendar_connector_ask *ask);
/* Waits for the next attendee that has an answer, in the order in which they come; NULL: all had
 * theirs. Lives until calendar_connector_end(). */
const struct calendar_connector_answer *
calendar_connector_next(struct calendar_connector_lookup *lookup);
/* Whether calendar_connector_next() says something at once. */
bool calendar_connector_ready(const struct calendar_connector_lookup *lookup);
/* Waits for one attendee's. */
const struct calendar_connector_answer *
calendar_connector_get(struct calendar_connector_lookup *lookup, size_t attendee);
void calendar_connector_end(struct calendar_connector_lookup **lookup); /* sets *lookup to NULL */
