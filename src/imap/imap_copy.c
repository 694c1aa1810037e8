#include "imap/imap_copy.h"

#include "base/slice.h"
#include "imap/imap_folder.h"
#include "imap/imap_login.h"
#include "imap/imap_mailbox.h"
#include "imap/imap_set.h"
#include "log/log.h"

#include <inttypes.h>

struct copy {
    struct arena *arena;
    int64_t account_id;
    int64_t from_id;
    struct slice to_name;
    struct store_folder to;
    struct store_copying copying;
    bool no_target;
};

static enum st body(struct store_tx *tx, void *arg)
{
    struct copy *copy = arg;
    struct store_folder from;
    enum st st = store_folder_get(tx, copy->arena, copy->from_id, &from);

    copy->no_target = false;
    if (st == ST_OK) {
        st = store_folder_find(tx, copy->arena, copy->account_id, copy->to_name, &copy->to);
        copy->no_target = st == ST_NOT_FOUND;
    }
    if (st == ST_OK && copy->copying.move && copy->to.folder_id == copy->from_id)
        return ST_DENIED;
    return st == ST_OK ? store_message_copy(tx, copy->arena, &from, &copy->to, &copy->copying) : st;
}

static void put_uids(const uint32_t *uids, size_t count, struct buf *out)
{
    AUTO(imap_numbers) struct imap_numbers numbers = {.cap = 0};

    for (size_t i = 0; i < count; i++)
        imap_numbers_add(&numbers, uids[i]);
    imap_set_write(&numbers.set, out);
}

/* COPYUID; of a MOVE it goes before the expunges (RFC 6851 section 4.3). */
static void tell(struct imap_session *session, struct imap_run *run, const struct copy *copy)
{
    const struct store_copying *copying = &copy->copying;

    if (copying->count == 0) {
        run->text = "No such messages";
        return;
    }
    buf_putf(&run->code, "COPYUID %" PRIu32 " ", copy->to.uidvalidity);
    put_uids(copying->from_uids, copying->count, &run->code);
    buf_put(&run->code, SLICE(" "));
    put_uids(copying->to_uids, copying->count, &run->code);
    if (!copying->move)
        return;
    conn_write(session->conn, SLICE("* OK ["));
    imap_session_send(session, &run->code);
    conn_write(session->conn, SLICE("] Moved\r\n"));
    log_event(EV_IMAP_EXPUNGED, conn_sid(session->conn), LOG_C("account", session->name),
              LOG_U("folder", (uint64_t)copy->from_id), LOG_U("messages", copying->count),
              LOG_S("moved_to", copy->to_name));
}

enum st imap_copy(struct imap_session *session, struct imap_run *run, bool move)
{
    struct copy copy = {.arena = run->arena,
                        .account_id = session->account_id,
                        .from_id = session->folder->folder_id};
    struct imap_set set;
    enum st st = imap_parse_space(&run->args);

    if (st == ST_OK)
        st = imap_parse_set(&run->args, &set);
    if (st == ST_OK)
        st = imap_mailbox_parse_only(run, &copy.to_name);
    if (st == ST_OK)
        st = imap_folder_set(session->folder, &run->args, run->uid, &set);
    if (st != ST_OK)
        return st;
    copy.copying.uids = imap_folder_uids(session->folder, run->arena, &set);
    copy.copying.move = move;
    copy.copying.quota_bytes = imap_login_quota(session);
    st = store_write(imap_store(session), body, &copy);
    if (copy.no_target)
        buf_put(&run->code, SLICE("TRYCREATE"));
    if (st == ST_OK)
        tell(session, run, &copy);
    if (st == ST_OK && copy.copying.count < imap_set_size(&set) && copy.copying.count > 0)
        run->text = "Done but for messages that were expunged meanwhile";
    return st;
}
