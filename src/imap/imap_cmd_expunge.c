#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_expunge.h"
#include "imap/imap_folder.h"
#include "imap/imap_set.h"

#include <inttypes.h>

/* UID EXPUNGE's set (RFC 4315 section 2.1). */
static enum st parse_uids(struct imap_session *session, struct imap_run *run,
                          struct store_uid_set *uids_r)
{
    struct imap_set set;
    enum st st = imap_parse_space(&run->args);

    if (st == ST_OK)
        st = imap_parse_set(&run->args, &set);
    if (st == ST_OK)
        st = imap_parse_end(&run->args);
    if (st == ST_OK)
        st = imap_folder_set(session->folder, &run->args, true, &set);
    if (st == ST_OK)
        *uids_r = imap_folder_uids(session->folder, run->arena, &set);
    return st;
}

/* RFC 3501 section 6.4.3; the messages are told of as the command ends. */
enum st imap_cmd_expunge(struct imap_session *session, struct imap_run *run)
{
    struct store_uid_set uids = store_uids_all;
    uint64_t count = 0;
    uint64_t modseq = 0;
    enum st st = run->uid ? parse_uids(session, run, &uids) : imap_parse_end(&run->args);

    if (st == ST_OK)
        st = imap_expunge(session, &uids, &count, &modseq);
    /* RFC 7162 section 3.2.7; only what has been told counts, and all will be. */
    if (st == ST_OK && count > 0 && session->condstore)
        buf_putf(&run->code, "HIGHESTMODSEQ %" PRIu64, modseq);
    return st;
}
