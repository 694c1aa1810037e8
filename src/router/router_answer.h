/* router_answer.h: how another server answered, or why there is no answer. */
#pragma once
#include "router/router_reply.h"

#define ROUTER_ANSWER_TEXT_BYTES 512

enum router_answer_kind {
    ROUTER_UNSETTLED,     /* nothing is known yet; never given out */
    ROUTER_ANSWERED,      /* code, enhanced and text are the server's */
    ROUTER_NO_CONNECTION, /* refused, unreachable, or not made in time */
    ROUTER_CUT,           /* the connection broke, or we are stopping */
    ROUTER_TIMED_OUT,
    ROUTER_GARBAGE,    /* what came is no SMTP, or came before it was asked for */
    ROUTER_NO_TLS,     /* TLS is required and could not be had; text says why */
    ROUTER_NO_AUTH,    /* the log-in failed; the code is the server's where it gave one */
    ROUTER_NO_FEATURE, /* the message needs what the server does not do; code and enhanced are ours,
                          nothing of the message was sent */
    ROUTER_NO_BODY,    /* the message's body could not be read here; nothing was delivered */
    ROUTER_ANSWER_MAX,
};

/* How far it had come. */
enum router_stage {
    ROUTER_STAGE_CONNECT,
    ROUTER_STAGE_GREETING,
    ROUTER_STAGE_EHLO,
    ROUTER_STAGE_STARTTLS,
    ROUTER_STAGE_AUTH,
    ROUTER_STAGE_MAIL,
    ROUTER_STAGE_RCPT,
    ROUTER_STAGE_DATA,
    ROUTER_STAGE_BODY,
    ROUTER_STAGE_END, /* the whole message was sent: after CUT, TIMED_OUT or GARBAGE the server may
                         have taken it or not */
    ROUTER_STAGE_MAX,
};

struct router_answer {
    enum router_answer_kind kind;
    enum router_stage stage;
    uint16_t code;                        /* 200 to 599; 0: none */
    char enhanced[ROUTER_ENHANCED_BYTES]; /* "5.1.1"; "" where there is none */
    /* One line of UTF-8 without control characters: the server's (its lines joined by blanks, cut
     * to what fits) or a phrase of ours. */
    char text[ROUTER_ANSWER_TEXT_BYTES];
};

/* Whether the server said 2yz; 5yz (or we would for it: NO_FEATURE). All else may be better later.
 */
bool router_answer_positive(const struct router_answer *answer);
bool router_answer_permanent(const struct router_answer *answer);

/* As much of the text of UTF-8 as bytes_max takes, without half a character. */
struct slice router_answer_fit(struct slice text, size_t bytes_max);

/* kind, stage and a phrase of ours; no code. */
void router_answer_say(struct router_answer *answer, enum router_answer_kind kind,
                       enum router_stage stage, const char *text);
/* The server's reply. */
void router_answer_take(struct router_answer *answer, enum router_answer_kind kind,
                        enum router_stage stage, const struct router_reply *reply);
