#include "imap/imap_cmd.h"
#include "imap/imap_mailbox.h"
#include "imap/imap_status.h"

struct status {
    struct arena *arena;
    int64_t account_id;
    struct slice name;
    unsigned want;
    struct buf out;
};

static enum st body(struct store_tx *tx, void *arg)
{
    struct status *status = arg;
    struct store_folder folder;
    enum st st = store_folder_find(tx, status->arena, status->account_id, status->name, &folder);

    buf_clear(&status->out);
    return st == ST_OK ? imap_status_write(tx, &folder, status->want, &status->out) : st;
}

/* RFC 3501 section 6.3.10. */
enum st imap_cmd_status(struct imap_session *session, struct imap_run *run)
{
    struct status status = {.arena = run->arena, .account_id = session->account_id};
    enum st st = imap_mailbox_parse(run, &status.name);

    if (st == ST_OK)
        st = imap_parse_space(&run->args);
    if (st == ST_OK)
        st = imap_status_parse(&run->args, &status.want);
    if (st == ST_OK)
        st = imap_parse_end(&run->args);
    if (st != ST_OK)
        return st;
    session->condstore |= imap_status_wants_modseq(status.want);
    buf_init(&status.out, 16 * KIB);
    st = store_read(imap_store(session), body, &status);
    if (st == ST_OK)
        imap_session_send(session, &status.out);
    buf_fini(&status.out);
    return st;
}
