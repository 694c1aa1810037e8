#include "imap/imap_cmd.h"
#include "imap/imap_copy.h"

/* RFC 6851. */
enum st imap_cmd_move(struct imap_session *session, struct imap_run *run)
{
    return imap_copy(session, run, true);
}
