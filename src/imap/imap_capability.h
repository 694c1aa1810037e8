/* imap_capability.h: what the server says it can do (RFC 3501 section 7.2.1). */
#pragma once
#include "imap/imap_session.h"

/* "CAPABILITY IMAP4rev1 ...", as it suits the session's state. */
void imap_capability_write(const struct imap_session *session, struct buf *out);
