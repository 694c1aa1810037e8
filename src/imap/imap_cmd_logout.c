#include "imap/imap_cmd.h"

/* RFC 3501 section 6.1.3. */
enum st imap_cmd_logout(struct imap_session *session, struct imap_run *run)
{
    imap_session_bye(session, NULL, "Until next time");
    return ST_OK;
}
