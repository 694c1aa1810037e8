/* router_text.h: a message's bytes as they go to another server (RFC 5321 sections 2.3.8, 4.5.2).
 * Pure.
 *
 * A server may take a bare CR or LF for a line's end or not; where it does, a lone dot between such
 * ends would end the message, and what follows would be commands (SMTP smuggling). So each CR LF,
 * CR and LF goes out as CR LF, and text without a line end at its end gets one. */
#pragma once
#include "base/base.h"

struct buf;

struct router_text {
    bool stuff;   /* a dot that begins a line is doubled: for DATA, not for BDAT */
    bool in_line; /* the present line has begun */
    bool cr;      /* the last byte was a CR, which is not written yet */
};

/* Appends the text for `in`, at most 2 * in.len + 2 bytes. text starts zeroed but for stuff.
 * ST_TOO_BIG: over out's ceiling. */
MUST_USE enum st router_text_feed(struct router_text *text, struct slice in, struct buf *out);
/* At the end: appends what is missing, and for DATA the line of one dot. */
MUST_USE enum st router_text_end(struct router_text *text, struct buf *out);
