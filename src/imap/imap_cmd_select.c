#include "imap/imap_cmd.h"
#include "imap/imap_select.h"

/* RFC 3501 section 6.3.1. */
enum st imap_cmd_select(struct imap_session *session, struct imap_run *run)
{
    return imap_select(session, run, true);
}
