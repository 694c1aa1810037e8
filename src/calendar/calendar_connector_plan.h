/* calendar_connector_plan.h: whom to ask when somebody is free: this store, the servers that hold
 * the account, or a foreign system, by this server or by those that are its calendar servers. Pure:
 * the directory's snapshot, what is known of servers and the time give the questions, in order,
 * each with its reason. It is made for each attendee, at every server that a question comes to.
 *
 * A server that is asked directly answers by its own means: it is handed no hops. Only when one of
 * those was not reached are others asked to go round (detours); they are handed the hops that are
 * left. So a far side that is down costs one question to each of its calendar servers, and a path
 * through a third server is found nevertheless. */
#pragma once
#include "calendar/calendar_hedge.h"
#include "directory/directory.h"
#include "health/health_rank.h"

struct arena;

#define CALENDAR_CONNECTOR_STEPS_MAX 100
#define CALENDAR_CONNECTOR_DETOURS_MAX 16                     /* servers that are looked at */
#define CALENDAR_CONNECTOR_HOPS 2                             /* of a question that begins here */
#define CALENDAR_CONNECTOR_EWS_WINDOW_S (42 * INT64_C(86400)) /* more is an error to Exchange */

struct calendar_connector_question {
    const struct directory *directory;
    const struct health_view *servers; /* NULL: nothing is known */
    uint64_t mono_ms;                  /* now, of servers' clock */
    const char *server_name;           /* this server's; NULL: it has none */
    struct slice address;              /* the attendee's: local@domain, without mailto: */
    int64_t from_s, until_s;
    const struct slice *visited; /* the servers the question came by; this one is not among them */
    size_t visited_count;
    unsigned hops_left; /* 0: only what this server can answer by itself */
    bool pass_busy;     /* a busy server comes behind others */
    bool from_foreign;  /* a foreign system asks: it is told of persons here, not of others' */
    bool explain;       /* the candidates are wanted too */
};

enum calendar_connector_end {
    CALENDAR_CONNECTOR_ASK,      /* the steps, in order; none: no data */
    CALENDAR_CONNECTOR_NOBODY,   /* nobody has the address */
    CALENDAR_CONNECTOR_GROUP,    /* it is a group's: its members are to be asked for */
    CALENDAR_CONNECTOR_STRANGER, /* of a domain that no document is for */
    CALENDAR_CONNECTOR_INVALID,  /* the window ends before it begins, or it is no address */
};

enum calendar_connector_way {
    CALENDAR_CONNECTOR_HERE,    /* busytime of account_id in this store */
    CALENDAR_CONNECTOR_FOREIGN, /* foreign->calendar, by this server */
    CALENDAR_CONNECTOR_SERVER,  /* another server of the domain, with hops_left and visited */
};

/* A question. Steps of two attendees with the same key go to the same source. */
struct calendar_connector_step {
    enum calendar_connector_way way;
    int64_t account_id;
    const struct directory_foreign *foreign;
    const struct directory_server *server;
    unsigned hops_left; /* to hand on */
    struct calendar_hedge_key key;
    struct slice address; /* the attendee's, as the source writes it */
    bool each;            /* the source takes one attendee in a question */
    const char *why;
};

struct calendar_connector_plan {
    enum calendar_connector_end end;
    const struct calendar_connector_step *steps;
    struct calendar_hedge_step *hedge; /* one for each; usual_ms is the caller's to fill in */
    size_t step_count;
    const struct slice *visited; /* to hand on: the question's, and this server */
    size_t visited_count;
    const struct health_candidate *candidates; /* in the order looked at */
    size_t candidate_count;
    const char *why;
};

/* Everything lives in arena, or as long as the snapshot. */
void calendar_connector_plan(const struct calendar_connector_question *question,
                             struct arena *arena, struct calendar_connector_plan *plan_r);
