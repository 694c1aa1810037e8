#include "imap/imap_mailbox.h"

#include "base/slice.h"

enum st imap_mailbox_parse(struct imap_run *run, struct slice *name_r)
{
    enum st st = imap_parse_space(&run->args);

    if (st == ST_OK)
        st = imap_parse_mailbox(&run->args, name_r);
    if (st == ST_DENIED)
        run->text = run->args.why;
    return st;
}

enum st imap_mailbox_parse_only(struct imap_run *run, struct slice *name_r)
{
    enum st st = imap_mailbox_parse(run, name_r);

    return st == ST_OK ? imap_parse_end(&run->args) : st;
}

enum st imap_mailbox_reply(struct imap_run *run, enum st st)
{
    if (st == ST_INVALID) {
        run->text = "No mailbox can have this name";
        return ST_DENIED;
    }
    if (st == ST_TOO_BIG)
        run->text = "The name is too long, or has too many levels";
    return st;
}

struct lookup {
    int64_t account_id;
    struct arena *arena;
    struct slice name;
    bool on;
    struct store_folder *folder;
};

static enum st find_body(struct store_tx *tx, void *arg)
{
    struct lookup *lookup = arg;

    return store_folder_find(tx, lookup->arena, lookup->account_id, lookup->name, lookup->folder);
}

enum st imap_mailbox_find(struct imap_session *session, struct imap_run *run, struct slice name,
                          struct store_folder *folder_r)
{
    struct lookup lookup = {session->account_id, run->arena, name, false, folder_r};

    return store_read(imap_store(session), find_body, &lookup);
}

static enum st subscribe_body(struct store_tx *tx, void *arg)
{
    struct lookup *lookup = arg;
    struct store_folder folder;
    enum st st = ST_OK;

    /* RFC 3501 section 6.3.6 lets a server see that the mailbox exists. */
    if (lookup->on)
        st = store_folder_find(tx, lookup->arena, lookup->account_id, lookup->name, &folder);
    if (st == ST_OK)
        st = store_folder_subscribe(tx, lookup->account_id, lookup->name, lookup->on);
    return st;
}

enum st imap_mailbox_subscribe(struct imap_session *session, struct imap_run *run, bool on)
{
    struct lookup lookup = {session->account_id, run->arena, SLICE(""), on, NULL};
    enum st st = imap_mailbox_parse_only(run, &lookup.name);

    if (st != ST_OK)
        return st;
    return imap_mailbox_reply(run, store_write(imap_store(session), subscribe_body, &lookup));
}
