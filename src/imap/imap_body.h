/* imap_body.h: sections of messages, streamed from the store to the client (RFC 3501 section
 * 6.4.5, BODY[...]). */
#pragma once
#include "imap/imap_items.h"
#include "imap/imap_session.h"
#include "mime/mime_part.h"
#include "store/store_message.h"

/* "BODY[1.2] {123}\r\n...", sent with what stands in out before it. root may be NULL where
 * imap_body_wants_root() says no. ST_NOT_FOUND: the body is gone, and NIL was sent. ST_IO: it
 * cannot be had now, out is as it was; where it breaks off in the middle the session is mute and
 * ends. */
MUST_USE enum st imap_body_write(struct imap_session *session, const struct store_message *message,
                                 const struct mime_part *root, const struct imap_section *section,
                                 struct buf *out);
bool imap_body_wants_root(const struct imap_section *section);
