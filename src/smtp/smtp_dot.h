/* smtp_dot.h: the text after DATA up to the line of one dot (RFC 5321 section 4.5.2). Pure.
 *
 * Only CR LF "." CR LF ends a message. Other servers end it at LF "." LF and the like, so a message
 * in which a lone dot stands between other line ends would be two messages to them: it is refused
 * whole (SMTP smuggling). A bare LF elsewhere is what a careless client sends for a line's end, and
 * becomes CR LF. */
#pragma once
#include "base/base.h"

struct smtp_dot {
    bool in_line;  /* the present line has begun */
    bool bare_end; /* the line before ended in a bare LF */
    bool smuggling;
    bool ended;
};

/* Gets the message's text, unstuffed, in runs that borrow from in. */
typedef void smtp_dot_fn(void *ctx, struct slice text);

/* Returns how many bytes it is done with; what it leaves comes again with more behind it. Sets
 * dot->ended at the end, and leaves what follows it. dot starts zeroed. */
size_t smtp_dot_feed(struct smtp_dot *dot, struct slice in, smtp_dot_fn *fn, void *ctx);
