/* router_judge.h: what an answer means for a message, and for the destination it came from. Pure.
 *
 * What a server says of itself (greeting, EHLO, TLS, log-in) never ends a message: it goes to the
 * next hop, and to later. What it says of the message or the recipient does (RFC 5321 section
 * 4.2.1): 5yz is final, 4yz is not. */
#pragma once
#include "router/router_answer.h"

enum router_fate {
    ROUTER_FATE_DONE,     /* another server has it now */
    ROUTER_FATE_NEXT_HOP, /* the next one may do better, in this same attempt */
    ROUTER_FATE_LATER,
    ROUTER_FATE_FAILED, /* its sender is told */
};
/* last: there is no other hop; then it is never ROUTER_FATE_NEXT_HOP. */
enum router_fate router_judge(const struct router_answer *answer, bool last);

enum router_pressure {
    ROUTER_DEST_GOOD, /* it takes mail, or refuses it for reasons of its own */
    ROUTER_DEST_BUSY, /* it has a connection, or a message, too many */
    ROUTER_DEST_DOWN, /* nobody there */
};
/* opened: a connection was there to send on. */
enum router_pressure router_judge_destination(const struct router_answer *answer, bool opened);

/* Of two answers to one attempt the one that tells more: what a server said before what it did not.
 */
bool router_judge_tells_more(const struct router_answer *a, const struct router_answer *b);
