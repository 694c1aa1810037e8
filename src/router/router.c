#include "router/router.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router_plan.h"
#include "router/router_shadow.h"
#include "router/router_task.h"
#include "store/store_message.h"
#include "store/store_queue.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN_BYTES_MAX 1000
#define SPOOL_AFTER_MS 2000 /* the store is given so long before the spool takes a message */

/* A recipient that stays in the queue. */
struct row {
    struct store_rcpt rcpt;
    const struct router_rcpt *given;
    struct router_target *target; /* NULL: a report on what was given */
    size_t at;                    /* in work->rcpts; SIZE_MAX: it was taken before */
    struct router_dest *dest;     /* NULL: the reports' */
    const char *why;              /* of the plan */
};

struct router_work {
    struct store_job job;
    struct store *store;
    struct router_queue *queue;
    struct router_message *message;
    void (*done)(void *ctx);
    void *ctx;
    struct cluster_copy copy;   /* on a second server */
    bool copying;               /* it is waited for */
    bool copied;                /* it was begun */
    enum router_task_what what; /* it may be for calendars */
    bool left;                  /* tasks, for the calendars */
    struct row *rows;
    struct store_rcpt *rcpts; /* of rows, for store_queue_add() */
    size_t row_count;
    size_t rcpt_count;
    size_t count;
    struct router_target
        *order[]; /* by account, so that two transactions never wait for each other */
};

static enum st deliver_one(struct store_tx *tx, struct router_work *work,
                           const struct router_target *target, int64_t blob_id)
{
    const struct router_message *message = work->message;
    struct store_message row = {.blob_id = blob_id,
                                .bytes = blob_writer_bytes(message->body),
                                .date_s = message->now_ms / 1000,
                                .saved_ms = message->now_ms};
    const struct router_task task = {.account_id = target->account_id,
                                     .what = work->what,
                                     .sender = message->sender,
                                     .address = message->rcpts[target->rcpt].address,
                                     .origin = message->origin};
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
    st = store_message_add(tx, target->account_id, folder_id, 0, &row);
    return st == ST_OK ? router_task_leave(tx, &task, &row, &work->left) : st;
}

static struct store_envelope envelope_of(const struct router_message *message, int64_t blob_id)
{
    static const uint64_t ret_flags[] = {
        [ROUTER_RET_FULL] = STORE_ENVELOPE_RET_FULL, [ROUTER_RET_HDRS] = STORE_ENVELOPE_RET_HDRS};
    struct store_envelope envelope = {.envelope_id = blob_id,
                                      .sender = message->sender,
                                      .envid = message->envid,
                                      .message_id = message->message_id,
                                      .origin = message->origin,
                                      .flags = message->flags | ret_flags[message->ret],
                                      .bytes = blob_writer_bytes(message->body),
                                      .body_offset = message->body_offset,
                                      .priority = message->priority > 0   ? STORE_PRIORITY_HIGH
                                                  : message->priority < 0 ? STORE_PRIORITY_LOW
                                                                          : STORE_PRIORITY_NORMAL,
                                      .accepted_ms = message->now_ms};

    memcpy(envelope.guid, message->guid, sizeof(envelope.guid));
    return envelope;
}

/* With the copy, which was made before it was known who is passed over; where they do not, one is
 * made anew. */
static bool rows_agree(const struct router_work *work)
{
    return work->rcpt_count == work->row_count;
}

static enum st queue_rows(struct store_tx *tx, struct router_work *work, int64_t blob_id)
{
    struct store_envelope envelope = envelope_of(work->message, blob_id);
    int64_t server_id = router_queue_server_id(work->queue);
    enum st st = ST_OK;

    if (rows_agree(work))
        envelope.shadow = slice_str(work->copy.server);
    for (size_t i = 0; st == ST_OK && i < work->row_count; i++) {
        const struct row *row = &work->rows[i];

        if (row->at == SIZE_MAX)
            continue;
        struct store_rcpt *rcpt = &work->rcpts[row->at];
        *rcpt = row->rcpt;
        rcpt->destination_id = row->dest == NULL ? router_queue_report_id(work->queue)
                                                 : router_dest_id(work->queue, row->dest);
        if (rcpt->destination_id == 0)
            st = store_destination_need(tx, server_id, router_dest_key(row->dest),
                                        &rcpt->destination_id);
    }
    return st == ST_OK ? store_queue_add(tx, &envelope, work->rcpts, work->rcpt_count) : st;
}

/* The sender's own copy. */
static enum st keep_copy(struct store_tx *tx, const struct router_work *work, int64_t blob_id)
{
    const struct router_message *message = work->message;
    struct store_message row = {.blob_id = blob_id,
                                .bytes = blob_writer_bytes(message->body),
                                .date_s = message->now_ms / 1000,
                                .saved_ms = message->now_ms};

    memcpy(row.guid, message->guid, sizeof(row.guid));
    return router_submission_keep(tx, message->submission, &row);
}

static enum st deliver_all(struct store_tx *tx, struct router_work *work, int64_t blob_id,
                           size_t *delivered_r)
{
    const struct router_submission *submission = work->message->submission;
    int64_t keep_id = submission != NULL ? submission->account_id : 0;
    enum st st = ST_OK;

    *delivered_r = 0;
    for (size_t i = 0; i < work->count && st == ST_OK; i++) {
        struct router_target *target = work->order[i];

        if (keep_id != 0 && keep_id <= target->account_id) { /* in the order of accounts too */
            st = keep_copy(tx, work, blob_id);
            keep_id = 0;
        }
        if (st != ST_OK)
            return st;
        if (target->known)
            continue;
        target->st = deliver_one(tx, work, target, blob_id);
        if (target->st != ST_OK && target->st != ST_FULL && target->st != ST_NOT_FOUND)
            return target->st;
        *delivered_r += target->st == ST_OK;
    }
    return keep_id != 0 ? keep_copy(tx, work, blob_id) : ST_OK;
}

/* What another server hands over once more: who was taken before, and whom only such recipients
 * lead to. ST_EXISTS: all of them. */
static enum st claim_rcpts(struct store_tx *tx, const struct router_message *message)
{
    size_t new_count = 0;

    if (message->xguid.len == 0)
        return ST_OK;
    for (size_t i = 0; i < message->targets->count; i++)
        message->targets->list[i]->known = true;
    for (size_t i = 0; i < message->rcpt_count; i++) {
        struct router_rcpt *rcpt = &message->rcpts[i];
        bool new = false;
        enum st st = store_handed_claim(tx, message->xguid, rcpt->address, message->now_ms, &new);

        if (st != ST_OK)
            return st;
        rcpt->known = !new;
        new_count += new;
        for (size_t j = 0; new &&j < rcpt->reach.count; j++)
            rcpt->reach.targets[j]->known = false;
    }
    return new_count > 0 ? ST_OK : ST_EXISTS;
}

/* The places of the rows that are to be queued. */
static void place_rows(struct router_work *work)
{
    work->rcpt_count = 0;
    for (size_t i = 0; i < work->row_count; i++) {
        struct row *row = &work->rows[i];
        bool known = row->target != NULL ? row->target->known : row->given->known;

        row->at = known ? SIZE_MAX : work->rcpt_count++;
    }
}

static enum st accept_body(struct store_tx *tx, void *arg)
{
    struct router_work *work = arg;
    const struct router_message *message = work->message;
    int64_t blob_id;
    size_t delivered = 0;
    enum st st = claim_rcpts(tx, message);

    work->left = false;
    if (st != ST_OK)
        return st;
    place_rows(work);
    st = blob_writer_commit(tx, message->body, message->envelope, message->structure, &blob_id);
    if (st == ST_OK && message->claim)
        st = store_guid_claim(tx, slice_str(message->guid), message->now_ms, NULL);
    if (st == ST_OK && message->submission != NULL)
        st = router_submission_claim(tx, message->submission, message->now_ms);
    if (st == ST_OK)
        st = deliver_all(tx, work, blob_id, &delivered);
    /* Nobody took it: the body is not kept, and the recipients tell why. */
    if (st == ST_OK && delivered == 0 && work->rcpt_count == 0)
        st = ST_DENIED;
    if (st == ST_OK && work->rcpt_count > 0)
        st = queue_rows(tx, work, blob_id);
    return st == ST_OK && message->also != NULL ? message->also(tx, message->also_arg) : st;
}

/* All of it as it came; it is resolved when it moves on. */
static enum st spool_body(struct store_tx *tx, void *arg)
{
    struct router_work *work = arg;
    const struct router_message *message = work->message;
    int64_t blob_id;
    enum st st =
        blob_writer_commit(tx, message->body, message->envelope, message->structure, &blob_id);

    if (st == ST_OK && message->submission != NULL)
        st = router_submission_claim(tx, message->submission, message->now_ms);
    if (st != ST_OK)
        return st;
    AUTO(buf) struct buf origin = BUF(ORIGIN_BYTES_MAX);
    struct store_envelope envelope = envelope_of(message, blob_id);
    buf_put(&origin, message->origin);
    if (message->submission != NULL)
        router_submission_pack(message->submission, &origin);
    if (!origin.over)
        envelope.origin = buf_slice(&origin);
    place_rows(work);
    for (size_t i = 0; i < work->row_count; i++)
        work->rcpts[i] = work->rows[i].rcpt;
    return store_queue_add(tx, &envelope, work->rcpts, work->row_count);
}

static void job_done(struct store_job *job)
{
    struct router_work *work = (struct router_work *)job; /* its first member */

    work->done(work->ctx);
}

/* --- what is queued --- */

static enum router_failover failover_of(const char *name)
{
    return strcmp(name, "off") == 0   ? ROUTER_FAILOVER_OFF
           : strcmp(name, "all") == 0 ? ROUTER_FAILOVER_ALL
                                      : ROUTER_FAILOVER_LAST_HOP;
}

struct router_question router_question_now(const struct router_queue *queue,
                                           const struct directory *directory, struct slice address,
                                           struct slice origin, const struct health_view *servers)
{
    const struct conf *conf = conf_get();
    struct slice rest = origin;
    struct slice from = SLICE("");
    struct slice word;

    if (slice_split(&rest, ' ', &word) && slice_eq(word, SLICE(ROUTER_HANDED_OVER)))
        (void)slice_split(&rest, ' ', &from);
    return (struct router_question){.directory = directory,
                                    .health = router_queue_health(queue),
                                    .address = address,
                                    .tls = router_tls_find(conf->smtp_out_tls),
                                    .mx_port = (uint16_t)conf->smtp_out_port,
                                    .now_ms = sys_now_ms(),
                                    .server_name = router_queue_server_name(queue),
                                    .servers = servers,
                                    .mono_ms = sys_mono_ms(),
                                    .failover = failover_of(conf->cluster_failover),
                                    .pass_busy = conf->cluster_pass_busy,
                                    .from = from,
                                    .again = slice_eq(rest, SLICE(ROUTER_AGAIN))};
}

void router_plan_now(const struct router_queue *queue, const struct directory *directory,
                     const struct router_asked *asked, struct arena *arena,
                     struct router_plan *plan_r)
{
    struct health *health = router_queue_servers(queue);
    const struct health_view *servers = health != NULL ? health_view_ref(health) : NULL;
    struct router_question question =
        router_question_now(queue, directory, asked->address, asked->origin, servers);

    question.queued_as = asked->queued_as;
    router_plan(&question, arena, plan_r);
    health_view_unref(&servers);
}

bool router_ends_here(const struct router_queue *queue, const struct router_targets *targets,
                      struct slice origin)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    bool ends = true;

    for (size_t i = 0; ends && i < targets->count; i++) {
        const struct router_target *target = targets->list[i];
        struct router_plan plan;

        if (target->kind == ROUTER_LOCAL)
            continue;
        router_plan_now(queue, directory, &(struct router_asked){target->address, origin, NULL},
                        targets->arena, &plan);
        ends = router_plan_ends(&plan);
    }
    return ends;
}

static void add_remote(struct router_work *work, const struct directory *directory,
                       struct router_target *target)
{
    const struct router_rcpt *given = &work->message->rcpts[target->rcpt];
    struct row *row = &work->rows[work->row_count++];
    struct router_plan plan;

    router_plan_now(work->queue, directory,
                    &(struct router_asked){target->address, work->message->origin, NULL},
                    work->message->targets->arena, &plan);
    row->rcpt = (struct store_rcpt){.address = target->address,
                                    .orcpt = given->orcpt,
                                    .notify = given->notify,
                                    .answer = SLICE("")};
    if (target->expanded) /* RFC 3461 section 5.2.7.3: the group's own report tells of success */
        row->rcpt.notify &= ~(uint64_t)ROUTER_NOTIFY_SUCCESS;
    row->given = given;
    row->target = target;
    row->dest = router_dest_ref(work->queue, slice_str(plan.key));
    row->why = plan.why;
}

/* The sender wants to know: what became of the recipient here is reported. */
static void add_report(struct router_work *work, const struct router_rcpt *given)
{
    enum store_rcpt_state state = STORE_RCPT_STATE_MAX;

    if (given->refused != NULL)
        state = STORE_RCPT_FAILED;
    else if ((given->notify & ROUTER_NOTIFY_SUCCESS) == 0 || work->message->sender.len == 0)
        return;
    for (size_t i = 0; i < given->reach.count; i++) {
        if (given->reach.targets[i]->expanded)
            state = STORE_RCPT_EXPANDED;
        else if (given->reach.targets[i]->kind == ROUTER_LOCAL && state != STORE_RCPT_EXPANDED)
            state = STORE_RCPT_DELIVERED;
    }
    if (state == STORE_RCPT_STATE_MAX)
        return;
    work->rows[work->row_count++] = (struct row){.given = given,
                                                 .rcpt = {.address = given->address,
                                                          .orcpt = given->orcpt,
                                                          .notify = given->notify,
                                                          .state = state,
                                                          .answer = slice_str(given->refused)}};
}

static void add_given(struct router_work *work)
{
    const struct router_message *message = work->message;
    int64_t destination_id = router_spool_destination_id(message->spool);

    for (size_t i = 0; i < message->targets->count; i++)
        message->targets->list[i]->st = ST_OK; /* not what the store said before it went away */
    for (size_t i = 0; i < message->rcpt_count; i++)
        work->rows[work->row_count++] = (struct row){.given = &message->rcpts[i],
                                                     .rcpt = {.destination_id = destination_id,
                                                              .address = message->rcpts[i].address,
                                                              .orcpt = message->rcpts[i].orcpt,
                                                              .notify = message->rcpts[i].notify,
                                                              .answer = SLICE("")}};
}

static void add_rows(struct router_work *work)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct router_message *message = work->message;
    size_t max = message->targets->count + message->rcpt_count;

    work->rows = mem_alloc(max * sizeof(work->rows[0]));
    work->rcpts = mem_alloc(max * sizeof(work->rcpts[0]));
    if (message->spool != NULL) {
        add_given(work);
        return;
    }
    for (size_t i = 0; i < message->targets->count; i++)
        if (message->targets->list[i]->kind == ROUTER_REMOTE)
            add_remote(work, directory, message->targets->list[i]);
    for (size_t i = 0; i < message->rcpt_count; i++)
        add_report(work, &message->rcpts[i]);
}

struct router_work *router_accept_new(struct store *store, struct router_queue *queue,
                                      struct router_message *message, void (*done)(void *ctx),
                                      void *ctx)
{
    const struct router_targets *targets = message->targets;
    struct router_work *work = mem_alloc(sizeof(*work) + targets->count * sizeof(work->order[0]));

    work->job = (struct store_job){.body = accept_body, .arg = work, .done = job_done};
    if (message->spool != NULL)
        work->job.body = spool_body;
    else if (message->xguid.len > 0) /* the other server keeps it meanwhile */
        work->job.patience_ms = SPOOL_AFTER_MS;
    else if (message->claim && blob_writer_movable(message->body))
        work->job.patience_ms = SPOOL_AFTER_MS;
    work->store = message->spool != NULL ? router_spool_store(message->spool) : store;
    work->queue = queue;
    work->message = message;
    work->done = done;
    work->ctx = ctx;
    for (size_t i = 0; i < targets->count; i++)
        if (targets->list[i]->kind == ROUTER_LOCAL && message->spool == NULL)
            work->order[work->count++] = targets->list[i];
    router_targets_by_account(work->order, work->count);
    work->what = work->count > 0 ? router_task_what(message->structure) : ROUTER_TASK_NOTHING;
    if (queue != NULL)
        add_rows(work);
    return work;
}

/* --- its copy --- */

static void copy_done(struct cluster_copy *copy)
{
    struct router_work *work =
        (struct router_work *)((char *)copy - offsetof(struct router_work, copy));

    work->done(work->ctx);
}

/* Numbered as store_queue_add() does. */
static bool begin_copy(struct router_work *work, enum cluster_shadow_mode mode)
{
    const struct router_message *message = work->message;

    for (size_t i = 0; i < work->row_count; i++) {
        work->rcpts[i] = work->rows[i].rcpt;
        work->rcpts[i].rcpt_no = (int64_t)i + 1;
    }
    work->copying = work->copied = true;
    work->copy = (struct cluster_copy){.envelope = envelope_of(message, 0),
                                       .rcpts = work->rcpts,
                                       .count = work->row_count,
                                       .body = message->body,
                                       .mime_envelope = message->envelope,
                                       .mime_structure = message->structure,
                                       .mode = mode,
                                       .done = copy_done};
    return router_shadow_begin(work->queue, &work->copy);
}

/* With its copy, or without where that will do. */
static bool begin_store(struct router_work *work)
{
    const char *guid = work->message->guid;

    work->copying = false;
    if (work->copied && work->copy.st != ST_OK) {
        log_event(EV_SHADOW_REFUSED, 0, LOG_C("guid", guid));
        work->job.st = work->copy.st;
        return true;
    }
    if (work->copied && work->copy.server[0] == '\0')
        log_event(EV_SHADOW_MISSED, 0, LOG_C("guid", guid));
    return store_write_begin(work->store, &work->job);
}

bool router_accept_begin(struct router_work *work)
{
    enum cluster_shadow_mode mode = work->message->copy && work->message->spool == NULL
                                        ? router_shadow_mode(work->queue)
                                        : CLUSTER_SHADOW_OFF;

    if (mode != CLUSTER_SHADOW_OFF && !begin_copy(work, mode))
        return false;
    return begin_store(work);
}

bool router_accept_again(struct router_work *work)
{
    return work->copying ? begin_store(work) : true;
}

void router_log_queued(uint64_t sid, const char *guid, const struct store_rcpt *rcpt,
                       struct slice destination, const char *why)
{
    char id[64];

    snprintf(id, sizeof(id), "%lld.%lld", (long long)rcpt->envelope_id, (long long)rcpt->rcpt_no);
    log_event(EV_QUEUED, sid, LOG_C("guid", guid), LOG_S("to", rcpt->address), LOG_C("id", id),
              LOG_S("destination", destination), LOG_C("why", why));
}

static void tell_delivered(const struct router_work *work, uint64_t sid)
{
    const struct router_submission *submission = work->message->submission;

    if (submission != NULL && submission->uid != 0)
        log_event(EV_DELIVERED, sid, LOG_C("account", submission->account),
                  LOG_C("folder", "\\Sent"), LOG_C("guid", work->message->guid));
    for (size_t i = 0; i < work->count; i++) {
        if (work->order[i]->st != ST_OK || work->order[i]->known)
            continue;
        count_add(COUNT_MESSAGES_DELIVERED, 1);
        log_event(EV_DELIVERED, sid, LOG_C("account", work->order[i]->name),
                  LOG_C("folder", "INBOX"), LOG_C("guid", work->message->guid));
    }
    for (size_t i = 0; i < work->row_count; i++)
        if (work->rows[i].dest != NULL && work->rows[i].at != SIZE_MAX)
            router_log_queued(sid, work->message->guid, &work->rcpts[work->rows[i].at],
                              router_dest_key(work->rows[i].dest), work->rows[i].why);
}

/* The destinations learn of their rows. */
static void let_go(struct router_work *work, bool queued)
{
    bool reports = false;

    for (size_t i = 0; i < work->row_count; i++) {
        struct row *row = &work->rows[i];
        bool kept = queued && row->at != SIZE_MAX;

        if (row->dest == NULL) {
            reports = reports || kept;
            continue;
        }
        if (kept)
            router_dest_set_id(work->queue, row->dest, work->rcpts[row->at].destination_id);
        router_dest_unref(work->queue, &row->dest, kept);
    }
    if (work->message->spool != NULL && queued)
        router_spool_look(work->message->spool);
    else if (reports && queued)
        router_queue_look_reports(work->queue);
    mem_free(work->rows);
    mem_free(work->rcpts);
}

enum st router_accept_end(struct router_work **work, uint64_t sid)
{
    enum st st = (*work)->job.st;

    if (st == ST_OK) {
        blob_writer_committed((*work)->message->body);
        count_add(COUNT_MESSAGES_ACCEPTED, 1);
        tell_delivered(*work, sid);
        if ((*work)->left && (*work)->queue != NULL)
            router_queue_tell_tasks((*work)->queue);
    }
    if ((*work)->copied)
        router_shadow_over((*work)->queue, &(*work)->copy, st == ST_OK && rows_agree(*work));
    let_go(*work, st == ST_OK);
    mem_free(*work);
    *work = NULL;
    return st == ST_DENIED ? ST_OK : st; /* nobody took it: the recipients tell why */
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;
};

static void note_over(void *ctx)
{
    struct waiting *waiting = ctx;

    pthread_mutex_lock(&waiting->lock);
    waiting->over = true;
    pthread_cond_signal(&waiting->cond);
    pthread_mutex_unlock(&waiting->lock);
}

enum st router_accept(struct store *store, struct router_queue *queue,
                      struct router_message *message)
{
    struct waiting waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct router_work *work = router_accept_new(store, queue, message, note_over, &waiting);

    if (!router_accept_begin(work)) {
        pthread_mutex_lock(&waiting.lock);
        while (!waiting.over)
            pthread_cond_wait(&waiting.cond, &waiting.lock);
        pthread_mutex_unlock(&waiting.lock);
    }
    return router_accept_end(&work, 0);
}

enum st router_rcpt_st(const struct router_rcpt *rcpt)
{
    enum st worst = ST_OK;

    for (size_t i = 0; i < rcpt->reach.count && worst != ST_NOT_FOUND; i++)
        if (rcpt->reach.targets[i]->st != ST_OK)
            worst = rcpt->reach.targets[i]->st;
    return worst;
}
