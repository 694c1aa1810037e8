#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_mailbox.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

struct renaming {
    int64_t account_id;
    struct slice from;
    struct slice to;
    char guid[SYS_GUID_HEX + 1];
    int64_t now_ms;
};

static enum st body(struct store_tx *tx, void *arg)
{
    const struct renaming *renaming = arg;

    return store_folder_rename(tx, renaming->account_id, renaming->from, renaming->to,
                               renaming->guid, renaming->now_ms);
}

/* RFC 3501 section 6.3.5. */
enum st imap_cmd_rename(struct imap_session *session, struct imap_run *run)
{
    struct renaming renaming = {.account_id = session->account_id, .now_ms = sys_now_ms()};
    enum st st = imap_mailbox_parse(run, &renaming.from);

    if (st == ST_OK)
        st = imap_mailbox_parse_only(run, &renaming.to);
    if (st != ST_OK)
        return st;
    sys_guid(renaming.guid);
    return imap_mailbox_reply(run, store_write(imap_store(session), body, &renaming));
}
