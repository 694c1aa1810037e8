#include "router/router.h"

#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "store/store_message.h"

#include <stdlib.h>
#include <string.h>

enum router_verdict router_resolve(const struct directory *directory, struct slice local,
                                   struct slice domain, int64_t *account_id_r,
                                   uint64_t *quota_bytes_r, const char **name_r)
{
    const struct directory_person *person = directory_address(directory, local, domain);

    if (person == NULL)
        return directory_domain_is_local(directory, domain) || domain.len == 0 ? ROUTER_NOBODY
                                                                               : ROUTER_FOREIGN;
    if (person->account_id == 0)
        return ROUTER_NO_STORE;
    *account_id_r = person->account_id;
    *quota_bytes_r = person->quota_bytes != 0 ? person->quota_bytes : conf_get()->quota_bytes;
    *name_r = person->name;
    return ROUTER_LOCAL;
}

struct accepting {
    const struct router_message *message;
    struct router_rcpt **order; /* by account, so that two transactions never wait for each other */
    size_t count;
};

static enum st deliver_one(struct store_tx *tx, const struct accepting *accepting,
                           struct router_rcpt *rcpt, int64_t blob_id)
{
    const struct router_message *message = accepting->message;
    struct store_message row = {.blob_id = blob_id,
                                .bytes = blob_writer_bytes(message->body),
                                .date_s = message->now_ms / 1000,
                                .saved_ms = message->now_ms};
    struct store_account account;
    int64_t folder_id;
    enum st st = store_account_inbox(tx, rcpt->account_id, &folder_id);

    if (st == ST_OK && message->enforce_quota && rcpt->quota_bytes != 0) {
        st = store_account_get(tx, rcpt->account_id, &account);
        if (st == ST_OK && account.bytes_used + row.bytes > rcpt->quota_bytes)
            st = ST_FULL;
    }
    if (st != ST_OK)
        return st;
    memcpy(row.guid, message->guid, sizeof(row.guid));
    return store_message_add(tx, rcpt->account_id, folder_id, 0, &row);
}

static enum st accept_body(struct store_tx *tx, void *arg)
{
    struct accepting *accepting = arg;
    const struct router_message *message = accepting->message;
    int64_t blob_id;
    enum st st =
        blob_writer_commit(tx, message->body, message->envelope, message->structure, &blob_id);
    size_t delivered = 0;

    for (size_t i = 0; st == ST_OK && i < accepting->count; i++) {
        struct router_rcpt *rcpt = accepting->order[i];

        if (i > 0 && rcpt->account_id == accepting->order[i - 1]->account_id) {
            rcpt->st = accepting->order[i - 1]->st; /* two addresses of one account: one copy */
            continue;
        }
        rcpt->st = deliver_one(tx, accepting, rcpt, blob_id);
        if (rcpt->st != ST_OK && rcpt->st != ST_FULL && rcpt->st != ST_NOT_FOUND)
            return rcpt->st;
        delivered += rcpt->st == ST_OK;
    }
    /* Nobody took it: the body is not kept, and the recipients tell why. */
    return st != ST_OK ? st : delivered == 0 ? ST_DENIED : ST_OK;
}

static int by_account(const void *a, const void *b)
{
    const struct router_rcpt *const *x = a;
    const struct router_rcpt *const *y = b;

    return ((*x)->account_id > (*y)->account_id) - ((*x)->account_id < (*y)->account_id);
}

enum st router_accept(struct store *store, const struct router_message *message,
                      struct router_rcpt *rcpts, size_t count, uint64_t sid)
{
    struct accepting accepting = {.message = message, .count = count};

    accepting.order = mem_alloc(count * sizeof(struct router_rcpt *));
    for (size_t i = 0; i < count; i++)
        accepting.order[i] = &rcpts[i];
    qsort(accepting.order, count, sizeof(struct router_rcpt *), by_account);
    enum st st = store_write(store, accept_body, &accepting);
    mem_free(accepting.order);
    if (st == ST_OK) {
        blob_writer_committed(message->body);
        count_add(COUNT_MESSAGES_ACCEPTED, 1);
    }
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        if (rcpts[i].st != ST_OK)
            continue;
        count_add(COUNT_MESSAGES_DELIVERED, 1);
        log_event(EV_DELIVERED, sid, LOG_C("account", rcpts[i].name), LOG_C("folder", "INBOX"),
                  LOG_C("guid", message->guid));
    }
    return st == ST_DENIED ? ST_OK : st;
}
