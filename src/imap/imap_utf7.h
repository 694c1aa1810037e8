/* imap_utf7.h: mailbox names on the wire, modified UTF-7 (RFC 3501 section 5.1.3), and UTF-8. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

/* To UTF-8, in the arena or as it was. UTF-8 in the raw name passes. ST_INVALID: not canonical
 * (printing ASCII encoded, bits left over, two runs side by side), or no Unicode. */
MUST_USE enum st imap_utf7_decode(struct arena *arena, struct slice name, struct slice *utf8_r);
/* From UTF-8; bytes that are none become U+FFFD. */
void imap_utf7_encode(struct slice utf8, struct buf *out);
/* The encoded name as an IMAP string: an atom where it may be, quoted otherwise. */
void imap_utf7_write(struct slice utf8, struct buf *out);
