/* router_outcome.h: what becomes of each recipient of a message in one attempt, and what the
 * attempt tells of the destination and of its hosts. Pure; the queue decides by it, and so does the
 * simulation of the queue. */
#pragma once
#include "router/router_judge.h"
#include "router/router_pace.h"

struct router_health;

#define ROUTER_SAID_BYTES 900

/* What the hosts tried in one attempt said of one recipient. Zeroed: none was tried yet. */
struct router_heard {
    struct router_answer answer; /* the most telling one */
    const char *host;            /* whose it is, borrowed; NULL: nobody's */
    bool opened;                 /* there was a connection to send on */
    bool hope;                   /* at least one of the hosts may take the message later */
};

/* The next host's answer. opened: it is about the message; not: there was no connection to send on.
 * ROUTER_FATE_NEXT_HOP: ask the next host, where there is one; all else ends the attempt. */
enum router_fate router_outcome_hear(struct router_heard *heard, const struct router_answer *answer,
                                     const char *host, bool opened);

/* What is to be known of the recipient and of the time. */
struct router_terms {
    uint64_t attempts; /* before this one */
    uint64_t notify;   /* ROUTER_NOTIFY_* */
    bool peer_tells;   /* the server that took it sends the delivery reports (RFC 3461) */
    int64_t accepted_ms;
    int64_t now_ms;
    uint64_t timeout_ms; /* from accepted_ms on */
    uint64_t retry_min_ms;
    uint64_t retry_max_ms;
    uint32_t random;
};

enum router_outcome_what {
    ROUTER_OUTCOME_DONE,
    ROUTER_OUTCOME_RELAYED, /* done; the sender is told that nothing more will be told */
    ROUTER_OUTCOME_LATER,   /* attempts, next_ms */
    ROUTER_OUTCOME_FAILED,  /* the sender is told */
    ROUTER_OUTCOME_WAITS,   /* nobody was there: it stays as it is until the destination is tried */
};

struct router_outcome {
    enum router_outcome_what what;
    uint64_t attempts;
    int64_t next_ms;
    /* "550 5.1.1 mx.example.net [192.0.2.1]: No such user"; where nothing was said, without a code.
     */
    char said[ROUTER_SAID_BYTES];
};

/* fate: what router_outcome_hear() gave last; ROUTER_FATE_NEXT_HOP where no host is left. A message
 * that needs what no host can do fails once each of them could be asked. */
void router_outcome(const struct router_heard *heard, enum router_fate fate,
                    const struct router_terms *terms, struct router_outcome *outcome_r);

/* What is said of a recipient given up after its time; last: the answer known last. */
void router_outcome_too_old(struct slice last, char said_r[ROUTER_SAID_BYTES]);

/* How a destination took a message, by what it answered for its recipients (at least one): a
 * connection lost on the way counts, whatever was said of some of them before. */
enum router_pressure router_outcome_pressure(const struct router_answer answers[], size_t count);

enum router_turn {
    ROUTER_TURN_NONE,
    ROUTER_TURN_UP,   /* it was left alone until now */
    ROUTER_TURN_DOWN, /* it is left alone from now on */
};
/* Presses the destination less or more. */
enum router_turn router_outcome_press(struct router_pace *pace, enum router_pressure pressure,
                                      const struct router_pace_limits *limits, int64_t now_ms,
                                      uint32_t random);

/* Whether a connection could be opened to the host; where not, others come before it for rest_ms.
 */
void router_outcome_host(struct router_health *health, const char *host, uint16_t port, bool opened,
                         int64_t now_ms, uint64_t rest_ms);
