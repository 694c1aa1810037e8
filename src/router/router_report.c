#include "router/router_report.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "log/log.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"
#include "router/router_dsn_text.h"
#include "router/router_run.h"
#include "router/router_shadow.h"
#include "router/router_task.h"
#include "store/store_blob.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define HEADER_BYTES_MAX (64 * KIB)
#define STRUCTURE_BYTES_MAX (1 * MIB)
#define RETURN_PATH "Return-Path: <>\r\n"

struct report {
    struct router_queue *queue;
    enum router_dsn_kind kind;
    const struct store_envelope *envelope;
    const struct store_rcpt *const *rcpts;
    struct store_settle *list;
    size_t count;
    struct arena *arena;
    struct router_targets targets;
    struct slice to;
    bool to_postmaster; /* nobody else is there to tell */
    struct blob_writer *body;
    struct mime_scan *scan;
    bool failed; /* the store takes no more */
    bool left;   /* tasks for the sender's calendar */
    struct buf header;
};

/* --- the text --- */

static void put_text(void *ctx, struct slice text)
{
    struct report *r = ctx;

    mime_scan_feed(r->scan, text);
    r->failed = r->failed || blob_writer_add(r->body, text) != ST_OK;
}

static enum st put_original(void *ctx, struct slice text)
{
    put_text(ctx, text);
    return ((struct report *)ctx)->failed ? ST_IO : ST_OK;
}

/* ST_AGAIN ends the reading: the header is whole. */
static enum st keep_header(void *ctx, struct slice text)
{
    struct report *r = ctx;

    buf_put(&r->header, slice_sub(text, 0, r->header.bytes_max - r->header.len));
    size_t end = slice_find_slice(buf_slice(&r->header), SLICE("\r\n\r\n"));
    if (end == SIZE_MAX)
        return r->header.len == r->header.bytes_max ? ST_AGAIN : ST_OK;
    r->header.len = end + 2;
    return ST_AGAIN;
}

static enum st each_of_original(struct report *r, blob_fn *fn)
{
    const struct store_envelope *envelope = r->envelope;

    return blob_each(r->queue->store, envelope->envelope_id, envelope->body_offset,
                     envelope->bytes - envelope->body_offset, fn, r);
}

/* "550 5.1.1 mx.example.net [192.0.2.1]: text", each part but the text may be missing. */
static void read_answer(struct report *r, struct slice answer, struct router_dsn_rcpt *rcpt)
{
    char status[ROUTER_DSN_STATUS_BYTES];
    struct slice rest = answer;
    struct slice word;
    struct slice enhanced = SLICE("");
    uint64_t code = 0;

    if (slice_split(&rest, ' ', &word) && word.len == 3 && slice_to_u64(word, &code) == ST_OK)
        answer = rest;
    rest = answer;
    if (slice_split(&rest, ' ', &word) && word.len >= 5 && word.len < 12 && word.ptr[1] == '.') {
        enhanced = word;
        answer = rest;
    }
    int digit = enhanced.len > 0 ? enhanced.ptr[0] - '0' : 0;
    router_dsn_status(code != 0 ? (int)code : digit * 100, enhanced, status);
    rcpt->status = arena_copy(r->arena, slice_str(status));
    size_t colon = slice_find_slice(answer, SLICE("]: "));
    if (code != 0 && colon != SIZE_MAX) {
        rcpt->remote = slice_sub(answer, 0, slice_find(answer, ' '));
        answer = slice_sub(answer, colon + 3, SIZE_MAX);
    }
    AUTO(buf) struct buf text = BUF(2000);
    if (code != 0)
        buf_putf(&text, "smtp; %u %.*s%s%.*s", (unsigned)code, SLICE_ARG(enhanced),
                 enhanced.len > 0 ? " " : "", SLICE_ARG(answer));
    else
        buf_put(&text, answer);
    rcpt->diagnostic = arena_copy(r->arena, buf_slice(&text));
}

static struct router_dsn_rcpt *rcpts_of(struct report *r, int64_t now_ms)
{
    struct router_dsn_rcpt *rcpts = arena_many(r->arena, struct router_dsn_rcpt, r->count);

    for (size_t i = 0; i < r->count; i++) {
        rcpts[i] = (struct router_dsn_rcpt){
            .address = r->rcpts[i]->address, .orcpt = r->rcpts[i]->orcpt, .tried_ms = now_ms};
        if (r->kind == ROUTER_DSN_DELAYED)
            rcpts[i].until_ms = r->envelope->accepted_ms + (int64_t)conf_get()->queue_timeout_ms;
        read_answer(r, r->rcpts[i]->answer, &rcpts[i]);
        if (r->kind != ROUTER_DSN_FAILED && r->kind != ROUTER_DSN_DELAYED)
            rcpts[i].status = SLICE("");
    }
    return rcpts;
}

static struct slice postmaster(struct report *r, const struct directory *directory)
{
    AUTO(buf) struct buf text = BUF(400);

    buf_putf(&text, "postmaster@%.*s", SLICE_ARG(directory_first_domain(directory)));
    return arena_copy(r->arena, buf_slice(&text));
}

static enum st write_text(struct report *r, const struct directory *directory, const char *guid)
{
    AUTO(buf) struct buf words = BUF(ROUTER_DSN_TEXT_BYTES_MAX);
    const struct conf *conf = conf_get();
    char boundary[SYS_GUID_HEX + 1];
    enum router_ret ret = (r->envelope->flags & STORE_ENVELOPE_RET_HDRS) != 0   ? ROUTER_RET_HDRS
                          : (r->envelope->flags & STORE_ENVELOPE_RET_FULL) != 0 ? ROUTER_RET_FULL
                                                                                : ROUTER_RET_UNSAID;
    uint64_t bytes = r->envelope->bytes - r->envelope->body_offset;

    sys_guid(boundary);
    router_dsn_text_read(r->kind, &words);
    enum st st = each_of_original(r, keep_header);
    if (st != ST_OK && st != ST_AGAIN)
        return st;
    const struct router_dsn dsn = {
        .kind = r->kind,
        .mta = slice_str(r->queue->server_name),
        .from_name = SLICE("Mail Delivery System"),
        .from = postmaster(r, directory),
        .to = r->to,
        .envid = r->envelope->envid,
        .guid = slice_str(guid),
        .boundary = slice_str(boundary),
        .words = buf_slice(&words),
        .arrived_ms = r->envelope->accepted_ms,
        .now_ms = sys_now_ms(),
        .rcpts = rcpts_of(r, sys_now_ms()),
        .rcpt_count = r->count,
        .header = buf_slice(&r->header),
        .whole = router_dsn_whole(r->kind, ret, bytes, conf->dsn_body_bytes_max),
        .eight_bit = true};
    put_text(r, SLICE(RETURN_PATH));
    router_dsn_begin(&dsn, put_text, r);
    st = dsn.whole ? each_of_original(r, put_original) : ST_OK;
    router_dsn_end(&dsn, put_text, r);
    return st != ST_OK ? st : r->failed ? ST_IO : blob_writer_end(r->body);
}

/* --- whom it goes to --- */

static enum st settle_body(struct store_tx *tx, void *arg)
{
    struct report *r = arg;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && r->kind == ROUTER_DSN_FAILED && i < r->count; i++)
        st = router_task_leave_failed(tx, r->envelope, r->rcpts[i], sys_now_ms(), &r->left);
    return st == ST_OK ? store_queue_settle(tx, r->list, r->count) : st;
}

static bool resolve(struct report *r, const struct directory *directory, struct slice address)
{
    struct slice local, domain;
    struct router_reach reach;

    directory_name_split(address, &local, &domain);
    if (domain.len == 0)
        return false;
    enum router_verdict verdict = router_resolve(directory, local, domain, &r->targets, &reach);
    r->to = address;
    return verdict == ROUTER_OK || verdict == ROUTER_FOREIGN;
}

/* The sender; of what has none (a report that could not be delivered itself) the postmaster, once.
 */
static bool find_reader(struct report *r, const struct directory *directory)
{
    const struct store_envelope *envelope = r->envelope;
    bool nameless = envelope->sender.len == 0;
    bool wanted = false;

    for (size_t i = 0; i < r->count; i++)
        wanted = wanted || router_dsn_wanted(r->kind, (unsigned)r->rcpts[i]->notify,
                                             envelope->sender.len == 0);
    if (wanted && resolve(r, directory, envelope->sender))
        return true;
    if (r->kind != ROUTER_DSN_FAILED || (!nameless && !wanted) ||
        (envelope->flags & STORE_ENVELOPE_LAST) != 0)
        return false;
    r->to_postmaster = true;
    return resolve(r, directory, postmaster(r, directory));
}

static enum st store_report(struct report *r, const struct mime_part *root, char *guid)
{
    AUTO(buf) struct buf structure = BUF(STRUCTURE_BYTES_MAX);
    AUTO(buf) struct buf message_id = BUF(400);
    struct router_rcpt rcpt = {.address = r->to, .notify = ROUTER_NOTIFY_NEVER};
    struct router_message message = {.body = r->body,
                                     .envelope = root->envelope,
                                     .now_ms = sys_now_ms(),
                                     .sender = SLICE(""),
                                     .origin = SLICE(ROUTER_ORIGIN_REPORT),
                                     .flags = STORE_ENVELOPE_REPORT |
                                              (r->to_postmaster ? STORE_ENVELOPE_LAST : 0),
                                     .body_offset = sizeof(RETURN_PATH) - 1,
                                     .rcpts = &rcpt,
                                     .rcpt_count = 1,
                                     .targets = &r->targets,
                                     .also = settle_body,
                                     .also_arg = r};

    memcpy(message.guid, guid, sizeof(message.guid));
    buf_putf(&message_id, "<%s@%s>", guid, r->queue->server_name);
    message.message_id = buf_slice(&message_id);
    mime_structure_write(root, &structure);
    message.structure = buf_slice(&structure);
    return router_accept(r->queue->store, r->queue, &message);
}

static enum st make(struct report *r, const struct directory *directory)
{
    char guid[STORE_GUID_BYTES];

    sys_guid(guid);
    r->body = blob_writer_new(r->queue->store);
    r->scan = mime_scan_new(NULL);
    buf_init(&r->header, HEADER_BYTES_MAX);
    enum st st = write_text(r, directory, guid);
    if (st == ST_OK)
        st = store_report(r, mime_scan_end(r->scan), guid);
    if (st == ST_OK)
        log_event(EV_REPORTED, 0, LOG_C("guid", r->envelope->guid), LOG_S("to", r->to),
                  LOG_C("kind", router_dsn_kind_name(r->kind)), LOG_C("report", guid));
    buf_fini(&r->header);
    mime_scan_free(&r->scan);
    blob_writer_free(&r->body);
    return st;
}

static enum st end_unreported(struct report *r)
{
    for (size_t i = 0; i < r->count; i++)
        log_event(EV_DROPPED, 0, LOG_C("guid", r->envelope->guid),
                  LOG_S("from", r->envelope->sender), LOG_S("to", r->rcpts[i]->address),
                  LOG_C("kind", router_dsn_kind_name(r->kind)),
                  LOG_S("answer", r->rcpts[i]->answer));
    return store_write(r->queue->store, settle_body, r);
}

enum st router_report_make(struct router_queue *queue, enum router_dsn_kind kind,
                           const struct store_envelope *envelope,
                           const struct store_rcpt *const *rcpts, struct store_settle *list,
                           size_t count)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct arena *arena = arena_new("report", 64 * MIB);
    struct report r = {.queue = queue,
                       .kind = kind,
                       .envelope = envelope,
                       .rcpts = rcpts,
                       .list = list,
                       .count = count,
                       .arena = arena};

    r.targets.arena = arena;
    enum st st = find_reader(&r, directory) ? make(&r, directory) : end_unreported(&r);
    arena_free(&arena);
    if (st == ST_OK && r.left)
        router_queue_tell_tasks(queue);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (list[i].what == STORE_SETTLE_DONE)
            router_shadow_done(queue, envelope, list[i].rcpt.rcpt_no);
    return st;
}

/* --- the queue's --- */

static enum router_dsn_kind kind_of(enum store_rcpt_state state)
{
    return state == STORE_RCPT_DELIVERED  ? ROUTER_DSN_DELIVERED
           : state == STORE_RCPT_RELAYED  ? ROUTER_DSN_RELAYED
           : state == STORE_RCPT_EXPANDED ? ROUTER_DSN_EXPANDED
                                          : ROUTER_DSN_FAILED;
}

/* Those of the batch in one state. */
static enum st report_state(struct router_queue *queue, const struct router_item *batch,
                            enum store_rcpt_state state)
{
    const struct store_rcpt *rcpts[ROUTER_BATCH_MAX];
    struct store_settle list[ROUTER_BATCH_MAX];
    const struct store_envelope *envelope = &batch->row.envelope;
    size_t count = 0;

    for (const struct router_item *item = batch; item != NULL; item = item->next)
        if (item->row.rcpt.state == state) {
            rcpts[count] = &item->row.rcpt;
            list[count++] = (struct store_settle){STORE_SETTLE_DONE, item->row.rcpt, false};
        }
    return count == 0 ? ST_OK
                      : router_report_make(queue, kind_of(state), envelope, rcpts, list, count);
}

void router_report(struct router_queue *queue, struct router_item *batch)
{
    struct router_dest *dest = batch->dest;
    enum st st = ST_OK;

    for (int state = STORE_RCPT_FAILED; st == ST_OK && state < STORE_RCPT_STATE_MAX; state++)
        st = report_state(queue, batch, (enum store_rcpt_state)state);
    pthread_mutex_lock(&queue->lock);
    if (st != ST_OK)
        router_dest_due(queue, dest, sys_now_ms() + (int64_t)SEC_MS);
    while (batch != NULL) {
        struct router_item *item = batch;

        batch = item->next;
        router_item_over(queue, item); /* of some of them the sender may have been told */
    }
    pthread_mutex_unlock(&queue->lock);
}
