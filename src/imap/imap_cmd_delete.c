#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_folder.h"
#include "imap/imap_mailbox.h"

struct removal {
    int64_t account_id;
    struct slice name;
};

static enum st body(struct store_tx *tx, void *arg)
{
    const struct removal *removal = arg;

    return store_folder_remove(tx, removal->account_id, removal->name);
}

/* RFC 3501 section 6.3.4. A session that removes the folder it has selected is told to select
 * another (RFC 7162 section 3.2.11). */
enum st imap_cmd_delete(struct imap_session *session, struct imap_run *run)
{
    struct removal removal = {session->account_id, SLICE("")};
    struct store_folder folder = {.folder_id = 0};
    enum st st = imap_mailbox_parse_only(run, &removal.name);

    if (st == ST_OK)
        st = imap_mailbox_find(session, run, removal.name, &folder);
    if (st == ST_OK)
        st = imap_mailbox_reply(run, store_write(imap_store(session), body, &removal));
    if (st == ST_OK && session->folder != NULL && session->folder->folder_id == folder.folder_id) {
        imap_session_deselect(session);
        conn_write(session->conn, SLICE("* OK [CLOSED] The selected mailbox was removed\r\n"));
    }
    return st;
}
