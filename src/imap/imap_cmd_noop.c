#include "imap/imap_cmd.h"

/* RFC 3501 section 6.1.2. */
enum st imap_cmd_noop(struct imap_session *session, struct imap_run *run)
{
    return ST_OK;
}
