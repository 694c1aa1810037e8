#include "router/router_local.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "log/log.h"
#include "router/router.h"
#include "router/router_plan.h"
#include "router/router_run.h"
#include "router/router_shadow.h"
#include "router/router_task.h"
#include "store/store_blob.h"
#include "store/store_message.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define STRUCTURE_BYTES_MAX (4 * MIB)

struct local {
    struct router_queue *queue;
    struct router_item *item;
    struct router_targets targets;
    struct store_rcpt *rcpts; /* of the remote ones */
    const char **keys;
    const char **whys;
    size_t rcpt_count;
    int64_t now_ms;
    enum router_task_what what; /* it may be for calendars */
    bool left;                  /* tasks */
    /* Who had it handed it over before it died: it was taken then, and this is the copy of it. */
    bool new;
};

static enum st deliver(struct store_tx *tx, struct local *local, const struct router_target *target)
{
    const struct store_envelope *envelope = &local->item->row.envelope;
    struct store_message row = {.blob_id = envelope->envelope_id,
                                .bytes = envelope->bytes,
                                .date_s = local->now_ms / 1000,
                                .saved_ms = local->now_ms};
    const struct router_task task = {.account_id = target->account_id,
                                     .what = local->what,
                                     .sender = envelope->sender,
                                     .address = local->item->row.rcpt.address,
                                     .origin = envelope->origin};
    int64_t folder_id;
    enum st st = store_account_inbox(tx, target->account_id, &folder_id);

    memcpy(row.guid, envelope->guid, sizeof(row.guid));
    if (st == ST_OK)
        st = store_message_add(tx, target->account_id, folder_id, 0, &row);
    return st == ST_OK ? router_task_leave(tx, &task, &row, &local->left) : st;
}

static enum st local_body(struct store_tx *tx, void *arg)
{
    struct local *local = arg;
    const struct store_queued *row = &local->item->row;
    struct store_settle done = {.what = STORE_SETTLE_DONE, .rcpt = row->rcpt};
    enum st st = store_handed_claim(tx, slice_str(row->envelope.guid), row->rcpt.address,
                                    local->now_ms, &local->new);

    local->left = false;
    if (st == ST_OK && !local->new)
        return store_queue_settle(tx, &done, 1);
    for (size_t i = 0; st == ST_OK && i < local->targets.count; i++)
        if (local->targets.list[i]->kind == ROUTER_LOCAL)
            st = deliver(tx, local, local->targets.list[i]);
    for (size_t i = 0; st == ST_OK && i < local->rcpt_count; i++)
        st = store_destination_need(tx, local->queue->server_id, slice_str(local->keys[i]),
                                    &local->rcpts[i].destination_id);
    if (st == ST_OK && local->rcpt_count > 0)
        st = store_queue_more(tx, &local->item->row.envelope, local->rcpts, local->rcpt_count);
    return st == ST_OK ? store_queue_settle(tx, &done, 1) : st;
}

static void add_remote(struct local *local, const struct directory *directory,
                       const struct router_target *target)
{
    struct router_plan plan;

    router_plan_now(local->queue, directory,
                    &(struct router_asked){target->address, local->item->row.envelope.origin, NULL},
                    local->targets.arena, &plan);
    local->keys[local->rcpt_count] = plan.key;
    local->whys[local->rcpt_count] = plan.why;
    local->rcpts[local->rcpt_count++] = (struct store_rcpt){.address = target->address,
                                                            .orcpt = local->item->row.rcpt.orcpt,
                                                            .notify = local->item->row.rcpt.notify,
                                                            .answer = SLICE("")};
}

static void tell(const struct local *local)
{
    const struct store_queued *row = &local->item->row;

    log_event(EV_REROUTED, 0, LOG_C("guid", row->envelope.guid), LOG_S("to", row->rcpt.address),
              LOG_C("by", "here"));
    for (size_t i = 0; i < local->targets.count; i++)
        if (local->targets.list[i]->kind == ROUTER_LOCAL)
            log_event(EV_DELIVERED, 0, LOG_C("account", local->targets.list[i]->name),
                      LOG_C("folder", "INBOX"), LOG_C("guid", row->envelope.guid));
    for (size_t i = 0; i < local->rcpt_count; i++)
        router_log_queued(0, row->envelope.guid, &local->rcpts[i], slice_str(local->keys[i]),
                          local->whys[i]);
}

/* What is done is done with; otherwise it is read again in a moment. */
static void conclude(struct local *local, enum st st)
{
    struct router_queue *queue = local->queue;
    struct router_item *item = local->item;

    if (!local->new)
        local->targets.count = local->rcpt_count = 0;
    if (st == ST_OK)
        tell(local);
    if (st == ST_OK && local->left)
        router_queue_tell_tasks(queue);
    if (st == ST_OK && local->rcpt_count == 0) /* else its copy stands for those it became */
        router_shadow_done(queue, &item->row.envelope, item->key.rcpt_no);
    pthread_mutex_lock(&queue->lock);
    if (st != ST_OK)
        router_dest_due(queue, item->dest, sys_now_ms() + (int64_t)SEC_MS);
    for (size_t i = 0; st == ST_OK && i < local->rcpt_count; i++) {
        struct router_dest *dest = router_dest_find(queue, slice_str(local->keys[i]));
        if (dest->id == 0)
            dest->id = local->rcpts[i].destination_id;
        dest->more = true;
        router_dest_kick(queue, dest, sys_now_ms());
    }
    if (st == ST_OK)
        router_item_over(queue, item);
    else
        router_item_forget(queue, item);
    pthread_mutex_unlock(&queue->lock);
}

/* What cannot be read now is read again when the message is. */
static enum st look_at_parts(struct local *local)
{
    AUTO(buf) struct buf envelope = BUF(STRUCTURE_BYTES_MAX);
    AUTO(buf) struct buf structure = BUF(STRUCTURE_BYTES_MAX);
    struct blob_packed packed;
    enum st st = blob_packed_look(local->queue->store, local->item->row.envelope.envelope_id,
                                  &packed, &envelope, &structure);

    local->what = st == ST_OK ? router_task_what(buf_slice(&structure)) : ROUTER_TASK_NOTHING;
    return st;
}

static void nobody(struct router_queue *queue, struct router_item *item)
{
    snprintf(item->outcome.said, sizeof(item->outcome.said), "550 5.1.1 no such mailbox any more");
    item->settle = (struct store_settle){.what = STORE_SETTLE_REPORT, .rcpt = item->row.rcpt};
    item->settle.rcpt.state = STORE_RCPT_FAILED;
    item->settle.rcpt.destination_id = queue->report_id;
    item->settle.rcpt.answer = slice_str(item->outcome.said);
    log_event(EV_FAILED, 0, LOG_C("guid", item->row.envelope.guid),
              LOG_S("to", item->row.rcpt.address), LOG_C("answer", item->outcome.said));
    router_settle(queue, item);
}

void router_local(struct router_queue *queue, const struct directory *directory,
                  struct router_item *item)
{
    struct arena *arena = arena_new("local", 256 * MIB);
    struct local local = {.queue = queue, .item = item, .now_ms = sys_now_ms()};
    struct slice name, domain;
    struct router_reach reach;

    item->next = NULL;
    local.targets.arena = arena;
    directory_name_split(item->row.rcpt.address, &name, &domain);
    enum router_verdict verdict =
        domain.len == 0 ? ROUTER_NOBODY
                        : router_resolve(directory, name, domain, &local.targets, &reach);
    if (verdict != ROUTER_OK && verdict != ROUTER_FOREIGN) {
        nobody(queue, item);
        arena_free(&arena);
        return;
    }
    local.rcpts = arena_many(arena, struct store_rcpt, local.targets.count);
    local.keys = arena_many(arena, const char *, local.targets.count);
    local.whys = arena_many(arena, const char *, local.targets.count);
    router_targets_by_account(local.targets.list, local.targets.count);
    for (size_t i = 0; i < local.targets.count; i++)
        if (local.targets.list[i]->kind == ROUTER_REMOTE)
            add_remote(&local, directory, local.targets.list[i]);
    enum st st = look_at_parts(&local);
    conclude(&local, st == ST_OK ? store_write(queue->store, local_body, &local) : st);
    arena_free(&arena);
}
