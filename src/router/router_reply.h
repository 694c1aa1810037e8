/* router_reply.h: an SMTP server's reply (RFC 5321 section 4.2) with its enhanced status code
 * (RFC 2034, RFC 3463), as the bytes come in. Pure.
 *
 * A server may be hostile: what is kept of a reply is bounded, and its text holds neither control
 * characters nor anything that is not UTF-8 (each such byte has become '?'). */
#pragma once
#include "base/base.h"

#define ROUTER_REPLY_LINES_MAX 100
#define ROUTER_REPLY_LINE_BYTES_MAX 2000   /* of a line; the rest of it is cut off */
#define ROUTER_REPLY_BYTES_MAX (256 * KIB) /* of a reply, what is cut off counted too */
#define ROUTER_REPLY_TEXT_BYTES_MAX 8000
#define ROUTER_ENHANCED_BYTES 12 /* "5.123.123" and a NUL, and room */

struct router_reply {
    uint16_t code;                        /* 200 to 599 */
    char enhanced[ROUTER_ENHANCED_BYTES]; /* "5.1.1"; "" where there is none, or none that fits */
    unsigned lines;                       /* read so far */
    size_t text_len;
    char text[ROUTER_REPLY_TEXT_BYTES_MAX]; /* without codes; '\n' stands between lines */
    size_t bytes;                           /* taken so far */
    size_t line_len;                        /* of the line that is not whole yet */
    char line[ROUTER_REPLY_LINE_BYTES_MAX];
};

/* Before the first byte of each reply. */
void router_reply_init(struct router_reply *reply);
/* Takes bytes of `in`, *used_r of them, the reply's last line end included and nothing behind it.
 * ST_OK: whole. ST_AGAIN: all of `in` was used and more is wanted. ST_INVALID: not a reply, or one
 * without end; what comes after it cannot be understood. A line may end in a bare LF. */
MUST_USE enum st router_reply_feed(struct router_reply *reply, struct slice in, size_t *used_r);
/* The text; "" where there is none. */
struct slice router_reply_text(const struct router_reply *reply);
