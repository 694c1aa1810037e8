#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_folder.h"

static enum st done(struct imap_session *session, struct imap_run *run, struct slice line)
{
    if (session->folder != NULL)
        atomic_store(&session->folder->idle, false);
    if (slice_ieq(line, SLICE("DONE")))
        return ST_OK;
    run->text = "DONE expected";
    return ST_INVALID;
}

/* RFC 2177. From now on a change wakes the connection; what had changed before is told at once. */
enum st imap_cmd_idle(struct imap_session *session, struct imap_run *run)
{
    conn_write(session->conn, SLICE("+ Idling\r\n"));
    if (session->folder != NULL) {
        atomic_store(&session->folder->idle, true);
        imap_folder_sync(session, &(struct imap_sync){.hold = false});
    }
    imap_session_hold(session, run, done);
    return ST_AGAIN;
}
