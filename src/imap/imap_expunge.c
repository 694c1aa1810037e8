#include "imap/imap_expunge.h"

#include "base/slice.h"
#include "imap/imap_folder.h"
#include "log/log.h"

struct expunge {
    int64_t folder_id;
    const struct store_uid_set *uids;
    struct arena *arena;
    uint64_t count;
    uint64_t modseq;
};

static enum st body(struct store_tx *tx, void *arg)
{
    struct expunge *expunge = arg;
    struct store_folder folder;
    enum st st = store_folder_get(tx, expunge->arena, expunge->folder_id, &folder);

    expunge->count = 0;
    expunge->modseq = 0;
    if (st == ST_OK)
        st = store_message_expunge(tx, &folder, expunge->uids, true, &expunge->count,
                                   &expunge->modseq);
    return st;
}

static bool any_deleted(const struct view *view, const struct store_uid_set *uids)
{
    for (size_t i = 0; i < uids->count; i++) {
        uint32_t count = view_count(view);

        for (uint32_t n = view_lower_bound(view, uids->ranges[i].first);
             n <= count && view_at(view, n)->uid <= uids->ranges[i].last; n++)
            if ((view_at(view, n)->flags & STORE_DELETED) != 0)
                return true;
    }
    return false;
}

enum st imap_expunge(struct imap_session *session, const struct store_uid_set *uids,
                     uint64_t *count_r, uint64_t *modseq_r)
{
    struct imap_folder *folder = session->folder;
    struct expunge expunge = {
        .folder_id = folder->folder_id, .uids = uids, .arena = conn_arena(session->conn)};
    struct view *newest;
    enum st st = view_latest(imap_store(session), folder->view, &newest);

    *count_r = 0;
    *modseq_r = 0;
    if (st != ST_OK)
        return st;
    if (any_deleted(newest, uids))
        st = store_write(imap_store(session), body, &expunge);
    view_unref(&newest);
    if (st != ST_OK || expunge.count == 0)
        return st;
    *count_r = expunge.count;
    *modseq_r = expunge.modseq;
    log_event(EV_IMAP_EXPUNGED, conn_sid(session->conn), LOG_C("account", session->name),
              LOG_U("folder", (uint64_t)folder->folder_id), LOG_U("messages", expunge.count));
    return ST_OK;
}
