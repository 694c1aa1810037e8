#include "imap/imap_cmd.h"

/* RFC 3691. */
enum st imap_cmd_unselect(struct imap_session *session, struct imap_run *run)
{
    imap_session_deselect(session);
    return ST_OK;
}
