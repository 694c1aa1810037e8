#include "imap/imap_cmd.h"
#include "imap/imap_mailbox.h"

/* RFC 3501 section 6.3.6. */
enum st imap_cmd_subscribe(struct imap_session *session, struct imap_run *run)
{
    return imap_mailbox_subscribe(session, run, true);
}
