/* mime_envelope.h: the IMAP ENVELOPE of a message, and IMAP strings. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

#define MIME_ENVELOPE_ADDRESSES_MAX 4096 /* of one list; more are left out */
#define MIME_ENVELOPE_NIL "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

/* The envelope structure of RFC 3501 section 7.4.2 (RFC 9051 section 7.5.2), parentheses included,
 * from a raw header block: unfolded, not decoded. Sender and Reply-To that are missing or empty
 * are From's. A mailbox without a domain has the host "", since NIL would make it a group. The
 * scratch arena needs room for 8 MiB and 16 times the header. Look at out->over afterwards. */
void mime_envelope_write(struct arena *scratch, struct slice header, struct buf *out);
/* Whether text is one well-formed envelope as mime_envelope_write() makes it. */
bool mime_envelope_check(struct slice text);

/* nstring of RFC 3501 section 9: NIL for a NULL ptr; quoted where that is allowed and short, else a
 * literal. A NUL, which neither may hold, becomes '?'. */
void mime_nstring_write(struct slice text, struct buf *out);
/* The Message-ID in such a structure, "<x@y>"; "" where there is none, or one that is no plain text
 * (RFC 5322 section 3.6.4) of at most 500 bytes. */
struct slice mime_envelope_message_id(struct slice envelope);
