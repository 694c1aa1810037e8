#include "imap/imap_cmd.h"
#include "imap/imap_expunge.h"
#include "imap/imap_folder.h"

/* RFC 3501 section 6.4.2: expunges without telling, where the folder is open for writing. */
enum st imap_cmd_close(struct imap_session *session, struct imap_run *run)
{
    enum st st = ST_OK;
    uint64_t count;
    uint64_t modseq;

    if (imap_folder_writable(session->folder))
        st = imap_expunge(session, &store_uids_all, &count, &modseq);
    if (st == ST_OK)
        imap_session_deselect(session);
    return st;
}
