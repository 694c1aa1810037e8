/* imap_append.h: messages on their way in by APPEND (RFC 3501 section 6.3.11, RFC 3502): streamed
 * into the store while they come, put into the folder together. */
#pragma once
#include "imap/imap_session.h"

/* A further message is announced behind the one before; text is what leads to it. False: the
 * command has ended with a reply. */
bool imap_append_next(struct imap_session *session, struct slice text, uint64_t bytes);
void imap_append_data(struct imap_append *append, struct slice bytes);
/* The command is whole: text is what stands behind the last message. Replies. */
void imap_append_end(struct imap_session *session, struct slice text, struct arena *arena);
void imap_append_free(struct imap_append **append);
