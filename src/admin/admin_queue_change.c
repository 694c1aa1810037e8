#include "admin/admin_lines.h"
#include "admin/admin_queue.h"
#include "base/arena.h"
#include "base/mem.h"
#include "router/router_hand.h"

#define TEXT_BYTES_MAX 400
#define BOUNCE_STATUS "5.0.0 " /* RFC 3463 section 3.1: other, undefined */

static_assert(ADMIN_QUEUE_ROWS_MAX <= ROUTER_HAND_ROWS_MAX, "a page is a transaction");

struct changing {
    struct admin_queue_walk *walk;
    struct router_hand_work work;
    struct router_hand_counts counts;
    uint64_t messages;
    int64_t last_id;
    struct admin_lines lines;
};

static json_t *counts_json(const struct changing *c)
{
    const struct router_hand_counts *counts = &c->counts;

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "looked", (json_int_t)c->walk->looked_count,
                     "changed", (json_int_t)counts->changed, "tried", (json_int_t)counts->tried,
                     "unfit", (json_int_t)counts->unfit, "foreign", (json_int_t)counts->foreign,
                     "missing", (json_int_t)c->walk->missing_count);
}

static enum st put(struct changing *c, const char *kind)
{
    enum st st = admin_lines_put(&c->lines, json_pack("{s:o}", kind, counts_json(c)));

    return st == ST_OK ? admin_lines_flush(&c->lines) : st;
}

/* A peer that left ends it between two transactions. */
static enum st change_produce(struct admin_call *call, struct http_out *out)
{
    struct changing *c = call->mine;
    struct admin_queue_walk *walk = c->walk;
    enum st st;

    admin_lines_init(&c->lines, out);
    do {
        st = admin_queue_walk_next(walk);
        if (st == ST_OK)
            st =
                router_hand_do(call->context->queue, &c->work, walk->rows, walk->count, &c->counts);
        if (st == ST_OK && admin_lines_is_silent(&c->lines))
            st = put(c, "progress");
    } while (st == ST_OK && !walk->end);
    if (st == ST_OK)
        st = put(c, "done");
    admin_lines_fini(&c->lines);
    return st;
}

static void changing_free(void *mine)
{
    struct changing *c = mine;

    admin_queue_walk_free(&c->walk);
    mem_free(c);
}

static bool has_status(struct slice text)
{
    return text.len > 6 && text.ptr[0] == '5' && text.ptr[1] == '.' && text.ptr[2] >= '0' &&
           text.ptr[2] <= '9';
}

/* What the sender of a bounced message is told, with a status for its report. */
static enum st read_text(struct admin_call *call, struct slice *text_r)
{
    struct slice text = slice_trim(admin_arg_text(call, "text"));
    AUTO(buf) struct buf out = BUF(TEXT_BYTES_MAX + 64);

    if (text.len > TEXT_BYTES_MAX)
        return admin_refuse(call, ST_INVALID, "the text may have %d bytes", TEXT_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ')
            return admin_refuse(call, ST_INVALID, "the text may have no control characters");
    if (text.len == 0)
        text = SLICE("returned by an administrator");
    buf_putf(&out, "%s%.*s", has_status(text) ? "" : BOUNCE_STATUS, SLICE_ARG(text));
    *text_r = arena_copy(call->arena, buf_slice(&out));
    return ST_OK;
}

static enum st change(struct admin_call *call, enum router_hand what)
{
    struct changing *c = mem_new(struct changing);
    bool all = false;

    call->mine = c;
    call->release = changing_free;
    call->type = "application/x-ndjson";
    call->produce = change_produce;
    c->work.what = what;
    c->work.who = slice_cstr(call->arena, slice_str(http_request_peer(call->request)));
    enum st st = admin_queue_walk_new(call, &c->walk);
    if (st == ST_OK)
        st = admin_arg_bool(call, "all", &all);
    if (st == ST_OK)
        st = read_text(call, &c->work.text);
    if (st == ST_OK && !all && !admin_queue_walk_is_narrow(c->walk))
        st = admin_refuse(call, ST_INVALID, "say which: ids, a filter, or all");
    return st;
}

enum st admin_queue_retry(struct admin_call *call)
{
    return change(call, ROUTER_HAND_RETRY);
}

enum st admin_queue_hold(struct admin_call *call)
{
    return change(call, ROUTER_HAND_HOLD);
}

enum st admin_queue_release(struct admin_call *call)
{
    return change(call, ROUTER_HAND_RELEASE);
}

enum st admin_queue_bounce(struct admin_call *call)
{
    return change(call, ROUTER_HAND_BOUNCE);
}

enum st admin_queue_drop(struct admin_call *call)
{
    return change(call, ROUTER_HAND_DROP);
}
