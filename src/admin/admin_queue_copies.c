#include "admin/admin_lines.h"
#include "base/arena.h"
#include "base/mem.h"
#include "cluster/cluster_shadow.h"
#include "store/store_shadow.h"
#include "sys/sys_time.h"

#define PAGE_COUNT 100

struct copies {
    struct admin_lines lines;
    struct arena *arena; /* of a page */
    json_t *page;
    int64_t after_id; /* what came before the page */
    int64_t last_id;
    uint64_t limit;
    uint64_t count;
};

static enum st take_copy(void *ctx, const struct store_envelope *envelope, struct slice owner,
                         uint64_t rcpt_count)
{
    struct copies *copies = ctx;

    copies->last_id = envelope->envelope_id;
    json_array_append_new(copies->page,
                          json_pack("{s:o, s:s, s:I, s:I, s:o, s:o, s:I, s:I}", "owner",
                                    admin_json_text(owner), "guid", envelope->guid, "accepted_ms",
                                    (json_int_t)envelope->accepted_ms, "age_ms",
                                    (json_int_t)(sys_now_ms() - envelope->accepted_ms), "from",
                                    admin_json_text(envelope->sender), "message_id",
                                    admin_json_text(envelope->message_id), "bytes",
                                    (json_int_t)(envelope->bytes - envelope->body_offset),
                                    "recipients", (json_int_t)rcpt_count));
    return ST_OK;
}

static enum st read_page(struct store_tx *tx, void *arg)
{
    struct copies *copies = arg;
    uint64_t left = copies->limit - copies->count;

    json_array_clear(copies->page);
    arena_reset(copies->arena);
    return store_shadow_list(tx, copies->after_id, left < PAGE_COUNT ? left : PAGE_COUNT,
                             copies->arena, take_copy, copies);
}

static enum st put_page(struct copies *copies)
{
    enum st st = ST_OK;
    size_t i;
    json_t *copy;

    json_array_foreach(copies->page, i, copy)
    {
        if (st == ST_OK)
            st = admin_lines_put(&copies->lines, json_incref(copy));
    }
    copies->after_id = copies->last_id;
    copies->count += json_array_size(copies->page);
    return st;
}

static enum st copies_produce(struct admin_call *call, struct http_out *out)
{
    struct copies *copies = call->mine;
    enum st st;

    admin_lines_init(&copies->lines, out);
    do {
        st = cluster_shadow_gather(call->context->cluster);
        if (st == ST_OK)
            st = store_read(call->context->store, read_page, copies);
        if (st == ST_OK)
            st = put_page(copies);
    } while (st == ST_OK && json_array_size(copies->page) == PAGE_COUNT);
    if (st == ST_OK)
        st = admin_lines_put(&copies->lines, json_pack("{s:{s:I}}", "summary", "messages",
                                                       (json_int_t)copies->count));
    if (st == ST_OK)
        st = admin_lines_flush(&copies->lines);
    admin_lines_fini(&copies->lines);
    return st;
}

static void copies_free(void *mine)
{
    struct copies *copies = mine;

    json_decref(copies->page);
    arena_free(&copies->arena);
    mem_free(copies);
}

enum st admin_queue_copies(struct admin_call *call)
{
    struct copies *copies = mem_new(struct copies);

    copies->page = json_array();
    copies->arena = arena_new("queue copies", 64 * MIB);
    copies->limit = UINT64_MAX;
    call->mine = copies;
    call->release = copies_free;
    call->type = "application/x-ndjson";
    call->produce = copies_produce;
    return admin_arg_u64(call, "limit", &copies->limit);
}
