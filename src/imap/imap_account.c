#include "imap/imap_account.h"

#include "base/mem.h"
#include "store/store_account.h"

#include <stdatomic.h>

struct imap_account {
    struct store_watch *watch;
    struct net *net;
    uint64_t conn_id;
    int64_t account_id;
    atomic_bool stale; /* what was read of it may not hold any more */
};

/* On whatever thread made the change. */
static void changed(void *ctx, int64_t account_id, int64_t folder_id)
{
    struct imap_account *account = ctx;

    (void)account_id;
    if (folder_id != STORE_FOLDER_ACCOUNT && folder_id != STORE_FOLDER_ANY)
        return;
    atomic_store(&account->stale, true);
    if (folder_id == STORE_FOLDER_ACCOUNT)
        net_wake(account->net, account->conn_id);
}

struct reading {
    int64_t account_id;
    struct store_account row;
};

static enum st read_body(struct store_tx *tx, void *arg)
{
    struct reading *reading = arg;

    return store_account_get(tx, reading->account_id, &reading->row);
}

/* An account that is gone is noticed by whatever is done with it. */
static bool is_off(struct imap_session *session)
{
    struct imap_account *account = session->account;
    struct store *store = imap_store(session);
    struct reading reading = {.account_id = account->account_id};

    if (store_away(store) || !atomic_exchange(&account->stale, false))
        return false;
    enum st st = store_read_soon(store, read_body, &reading);
    if (st == ST_IO)
        atomic_store(&account->stale, true);
    return st == ST_OK && reading.row.imap_off;
}

enum st imap_account_open(struct imap_session *session, int64_t account_id)
{
    struct imap_account *account = mem_new(struct imap_account);

    account->net = conn_net(session->conn);
    account->conn_id = conn_id(session->conn);
    account->account_id = account_id;
    atomic_init(&account->stale, true);
    account->watch = store_watch_new(imap_store(session), account_id, changed, account);
    session->account = account;
    if (!is_off(session))
        return ST_OK;
    imap_account_close(session);
    return ST_DENIED;
}

void imap_account_look(struct imap_session *session)
{
    if (session->account != NULL && is_off(session))
        imap_session_bye(session, "UNAVAILABLE", "IMAP was switched off for this account");
}

void imap_account_close(struct imap_session *session)
{
    if (session->account == NULL)
        return;
    store_watch_free(&session->account->watch);
    mem_free(session->account);
    session->account = NULL;
}
