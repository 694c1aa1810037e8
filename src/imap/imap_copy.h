/* imap_copy.h: COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851, RFC 4315). */
#pragma once
#include "imap/imap_session.h"

MUST_USE enum st imap_copy(struct imap_session *session, struct imap_run *run, bool move);
