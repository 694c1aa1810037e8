#include "imap/imap_cmd.h"
#include "imap/imap_copy.h"

/* RFC 3501 section 6.4.7. */
enum st imap_cmd_copy(struct imap_session *session, struct imap_run *run)
{
    return imap_copy(session, run, false);
}
