#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "log/log.h"
#include "router/router_report.h"
#include "router/router_run.h"

#include <string.h>

#define PAGE_COUNT 500

/* Rows of the oldest envelopes, a page at a time. */
struct page {
    struct router_queue *queue;
    struct arena *arena;
    int64_t before_ms; /* what was accepted later is young */
    int64_t after_id;
    int64_t after_no;
    struct store_queued rows[PAGE_COUNT];
    size_t count;
    bool young; /* the end was met */
};

static struct slice keep(struct page *page, struct slice text)
{
    return arena_copy(page->arena, text);
}

static enum st take_row(void *ctx, const struct store_queued *row)
{
    struct page *page = ctx;
    struct store_queued *kept = &page->rows[page->count];

    if (row->envelope.accepted_ms > page->before_ms) {
        page->young = true;
        return ST_AGAIN;
    }
    *kept = *row;
    kept->envelope.sender = keep(page, row->envelope.sender);
    kept->envelope.envid = keep(page, row->envelope.envid);
    kept->envelope.message_id = keep(page, row->envelope.message_id);
    kept->envelope.origin = keep(page, row->envelope.origin);
    kept->destination = keep(page, row->destination);
    kept->rcpt.address = keep(page, row->rcpt.address);
    kept->rcpt.orcpt = keep(page, row->rcpt.orcpt);
    kept->destination = keep(page, row->destination);
    kept->rcpt.answer =
        keep(page, row->rcpt.answer.len > 0 ? row->rcpt.answer : row->destination_answer);
    page->count++;
    return ST_OK;
}

static enum st read_page(struct store_tx *tx, void *arg)
{
    struct page *page = arg;

    arena_reset(page->arena);
    page->count = 0;
    page->young = false;
    enum st st = store_queue_each(tx, page->after_id, page->after_no, PAGE_COUNT, take_row, page);
    return st == ST_AGAIN ? ST_OK : st;
}

static bool concerns(const struct page *page, const struct store_queued *row)
{
    return row->rcpt.state == STORE_RCPT_QUEUED && row->server_id == page->queue->server_id;
}

/* --- too old --- */

static enum st settle_body(struct store_tx *tx, void *arg)
{
    return store_queue_settle(tx, arg, 1);
}

/* No sender can take it up meanwhile: it would be delivered and reported. */
static enum st expire(struct page *page, const struct store_queued *row)
{
    char said[ROUTER_SAID_BYTES];
    struct store_settle settle = {.what = STORE_SETTLE_REPORT, .rcpt = row->rcpt};

    struct router_item *item = concerns(page, row) ? router_claim(page->queue, row) : NULL;
    if (item == NULL)
        return ST_OK;
    router_outcome_too_old(row->rcpt.answer, said);
    settle.rcpt.state = STORE_RCPT_FAILED;
    settle.rcpt.destination_id = page->queue->report_id;
    settle.rcpt.answer = slice_str(said);
    enum st st = store_write(page->queue->store, settle_body, &settle);
    router_release(page->queue, item, st == ST_OK);
    if (st == ST_OK && settle.found) {
        count_add(COUNT_MESSAGES_FAILED, 1);
        log_event(EV_FAILED, 0, LOG_C("guid", row->envelope.guid), LOG_S("to", row->rcpt.address),
                  LOG_S("destination", row->destination), LOG_C("answer", said));
        router_queue_look_reports(page->queue);
    }
    return st;
}

/* --- late --- */

/* The rows of one envelope from i on that are late and of whom the sender does not know. */
static enum st warn(struct page *page, size_t i, size_t count)
{
    const struct store_rcpt *rcpts[ROUTER_BATCH_MAX];
    struct store_settle list[ROUTER_BATCH_MAX];
    size_t late = 0;

    for (size_t k = i; k < i + count && late < ROUTER_BATCH_MAX; k++)
        if (concerns(page, &page->rows[k]) && !page->rows[k].rcpt.warned) {
            rcpts[late] = &page->rows[k].rcpt;
            list[late++] = (struct store_settle){STORE_SETTLE_WARNED, page->rows[k].rcpt, false};
        }
    return late == 0 ? ST_OK
                     : router_report_make(page->queue, ROUTER_DSN_DELAYED, &page->rows[i].envelope,
                                          rcpts, list, late);
}

static enum st warn_page(struct page *page)
{
    enum st st = ST_OK;
    size_t count;

    for (size_t i = 0; st == ST_OK && i < page->count; i += count) {
        for (count = 1; i + count < page->count && page->rows[i + count].envelope.envelope_id ==
                                                       page->rows[i].envelope.envelope_id;)
            count++;
        st = warn(page, i, count);
    }
    return st;
}

static enum st expire_page(struct page *page)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < page->count; i++)
        st = expire(page, &page->rows[i]);
    return st;
}

/* Every row behind *after_id that is older than age_ms, which then is behind them. */
static void each_old(struct router_queue *queue, int64_t before_ms, int64_t *after_id,
                     enum st (*fn)(struct page *page))
{
    struct page *page = mem_new(struct page);
    enum st st;

    page->queue = queue;
    page->arena = arena_new("age", 64 * MIB);
    page->before_ms = before_ms;
    page->after_id = *after_id;
    page->after_no = INT64_MAX;
    do {
        st = store_read(queue->store, read_page, page);
        if (st == ST_OK)
            st = fn(page);
        if (st == ST_OK && page->count > 0) {
            page->after_id = page->rows[page->count - 1].envelope.envelope_id;
            page->after_no = page->rows[page->count - 1].rcpt.rcpt_no;
            *after_id = page->after_id;
        }
    } while (st == ST_OK && page->count == PAGE_COUNT && !page->young && !queue->stopping);
    arena_free(&page->arena);
    mem_free(page);
}

void router_age_look(struct router_queue *queue, int64_t now_ms)
{
    const struct conf *conf = conf_get();
    int64_t from = 0;

    each_old(queue, now_ms - (int64_t)conf->queue_timeout_ms, &from, expire_page);
    if (conf->queue_warn_ms != 0 && conf->queue_warn_ms < conf->queue_timeout_ms)
        each_old(queue, now_ms - (int64_t)conf->queue_warn_ms, &queue->warn_after_id, warn_page);
}
