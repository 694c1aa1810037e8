#include "router/router.h"

#include "base/mem.h"
#include "log/log.h"
#include "store/store_message.h"

#include <stdlib.h>
#include <string.h>

struct router_work {
    struct store_job job;
    struct store *store;
    struct router_message *message;
    void (*done)(void *ctx);
    void *ctx;
    size_t count;
    struct router_target
        *order[]; /* by account, so that two transactions never wait for each other */
};

static enum st deliver_one(struct store_tx *tx, const struct router_work *work,
                           const struct router_target *target, int64_t blob_id)
{
    const struct router_message *message = work->message;
    struct store_message row = {.blob_id = blob_id,
                                .bytes = blob_writer_bytes(message->body),
                                .date_s = message->now_ms / 1000,
                                .saved_ms = message->now_ms};
    struct store_account account;
    int64_t folder_id;
    enum st st = store_account_inbox(tx, target->account_id, &folder_id);

    if (st == ST_OK && message->enforce_quota && target->quota_bytes != 0) {
        st = store_account_get(tx, target->account_id, &account);
        if (st == ST_OK && account.bytes_used + row.bytes > target->quota_bytes)
            st = ST_FULL;
    }
    if (st != ST_OK)
        return st;
    memcpy(row.guid, message->guid, sizeof(row.guid));
    return store_message_add(tx, target->account_id, folder_id, 0, &row);
}

static enum st accept_body(struct store_tx *tx, void *arg)
{
    struct router_work *work = arg;
    const struct router_message *message = work->message;
    int64_t blob_id;
    enum st st =
        blob_writer_commit(tx, message->body, message->envelope, message->structure, &blob_id);
    size_t delivered = 0;

    for (size_t i = 0; st == ST_OK && i < work->count; i++) {
        struct router_target *target = work->order[i];

        target->st = deliver_one(tx, work, target, blob_id);
        if (target->st != ST_OK && target->st != ST_FULL && target->st != ST_NOT_FOUND)
            return target->st;
        delivered += target->st == ST_OK;
    }
    /* Nobody took it: the body is not kept, and the recipients tell why. */
    return st != ST_OK ? st : delivered == 0 ? ST_DENIED : ST_OK;
}

static int by_account(const void *a, const void *b)
{
    const struct router_target *const *x = a;
    const struct router_target *const *y = b;

    return ((*x)->account_id > (*y)->account_id) - ((*x)->account_id < (*y)->account_id);
}

static void job_done(struct store_job *job)
{
    struct router_work *work = (struct router_work *)job; /* its first member */

    work->done(work->ctx);
}

struct router_work *router_accept_new(struct store *store, struct router_message *message,
                                      void (*done)(void *ctx), void *ctx)
{
    const struct router_targets *targets = message->targets;
    struct router_work *work = mem_alloc(sizeof(*work) + targets->count * sizeof(work->order[0]));

    work->job = (struct store_job){.body = accept_body, .arg = work, .done = job_done};
    work->store = store;
    work->message = message;
    work->done = done;
    work->ctx = ctx;
    for (size_t i = 0; i < targets->count; i++)
        if (targets->list[i]->kind == ROUTER_LOCAL)
            work->order[work->count++] = targets->list[i];
    qsort(work->order, work->count, sizeof(work->order[0]), by_account);
    return work;
}

bool router_accept_begin(struct router_work *work)
{
    return store_write_begin(work->store, &work->job);
}

static void tell_delivered(const struct router_work *work, uint64_t sid)
{
    for (size_t i = 0; i < work->count; i++) {
        if (work->order[i]->st != ST_OK)
            continue;
        count_add(COUNT_MESSAGES_DELIVERED, 1);
        log_event(EV_DELIVERED, sid, LOG_C("account", work->order[i]->name),
                  LOG_C("folder", "INBOX"), LOG_C("guid", work->message->guid));
    }
}

enum st router_accept_end(struct router_work **work, uint64_t sid)
{
    enum st st = (*work)->job.st;

    if (st == ST_OK) {
        blob_writer_committed((*work)->message->body);
        count_add(COUNT_MESSAGES_ACCEPTED, 1);
        tell_delivered(*work, sid);
    }
    mem_free(*work);
    *work = NULL;
    return st == ST_DENIED ? ST_OK : st; /* nobody took it: the recipients tell why */
}

enum st router_rcpt_st(const struct router_rcpt *rcpt)
{
    enum st worst = ST_OK;

    for (size_t i = 0; i < rcpt->reach.count && worst != ST_NOT_FOUND; i++)
        if (rcpt->reach.targets[i]->st != ST_OK)
            worst = rcpt->reach.targets[i]->st;
    return worst;
}
