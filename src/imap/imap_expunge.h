/* imap_expunge.h: removing what is marked \Deleted, for CLOSE, EXPUNGE and UID EXPUNGE. */
#pragma once
#include "imap/imap_session.h"
#include "store/store_message.h"

/* Messages of the set that are \Deleted go. No write where the view knows of none. */
MUST_USE enum st imap_expunge(struct imap_session *session, const struct store_uid_set *uids,
                              uint64_t *count_r, uint64_t *modseq_r);
