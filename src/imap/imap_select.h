/* imap_select.h: SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2, RFC 7162). */
#pragma once
#include "imap/imap_session.h"

MUST_USE enum st imap_select(struct imap_session *session, struct imap_run *run, bool writable);
/* "* VANISHED (EARLIER) ..." with what went after the modseq, only UIDs of known unless that is
 * NULL (RFC 7162 section 3.2.6). */
MUST_USE enum st imap_select_tell_vanished(struct imap_session *session, struct arena *arena,
                                           const struct imap_set *known, uint64_t since);
