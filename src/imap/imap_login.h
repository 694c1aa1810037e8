/* imap_login.h: a session becomes an account's: the directory, the failures, the limits. */
#pragma once
#include "directory/directory_auth.h"
#include "imap/imap_session.h"

/* The client is who it says: from now on the session is that account's. ST_NOT_FOUND: the account
 * does not lie here; ST_TOO_BIG: it has too many connections; run's code and text are set. */
MUST_USE enum st imap_login_done(struct imap_session *session, struct imap_run *run,
                                 struct slice mechanism, struct slice name);
/* The client is refused: logs, sets run's code and text, returns the st to reply with. */
MUST_USE enum st imap_login_failed(struct imap_session *session, struct imap_run *run,
                                   struct slice mechanism, struct slice name, enum auth_why why);
void imap_login_end(struct imap_session *session);
/* Bytes the account may hold, 0: no limit. */
uint64_t imap_login_quota(const struct imap_session *session);
