#include "imap/imap_cmd.h"
#include "imap/imap_mailbox.h"

/* RFC 3501 section 6.3.7. */
enum st imap_cmd_unsubscribe(struct imap_session *session, struct imap_run *run)
{
    return imap_mailbox_subscribe(session, run, false);
}
