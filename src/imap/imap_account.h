/* imap_account.h: whether the session's account may use IMAP: an administrator may switch it off
 * (posthorse convert -e-) before the log-in, or while the session lasts. */
#pragma once
#include "imap/imap_session.h"

/* Watches the account from now on. ST_DENIED: IMAP is off for it. Where the store is away the
 * question is put again later. */
MUST_USE enum st imap_account_open(struct imap_session *session, int64_t account_id);
/* Asks the store again where something was told; BYE where IMAP has been switched off. Nothing
 * before imap_account_open(). */
void imap_account_look(struct imap_session *session);
/* Stops watching; may be called again. */
void imap_account_close(struct imap_session *session);
