#include "admin/admin_queue.h"
#include "base/arena.h"
#include "store/store_blob.h"

#define HEADER_BYTES_MAX (64 * KIB)

struct showing {
    struct admin_call *call;
    struct admin_queue_id id;
    struct arena *arena;
    struct store_envelope envelope;
    json_t *recipients;
    struct buf header;
};

static enum st take_envelope(struct showing *showing, const struct store_envelope *envelope)
{
    struct arena *arena = showing->arena;

    showing->envelope = *envelope;
    showing->envelope.sender = arena_copy(arena, envelope->sender);
    showing->envelope.envid = arena_copy(arena, envelope->envid);
    showing->envelope.message_id = arena_copy(arena, envelope->message_id);
    showing->envelope.origin = arena_copy(arena, envelope->origin);
    showing->envelope.shadow = arena_copy(arena, envelope->shadow);
    return ST_OK;
}

static enum st take_row(void *ctx, const struct store_queued *row)
{
    struct showing *showing = ctx;

    if (showing->id.rcpt_no != 0 && row->rcpt.rcpt_no != showing->id.rcpt_no)
        return ST_OK;
    if (json_array_size(showing->recipients) == 0)
        (void)!take_envelope(showing, &row->envelope);
    json_t *json = admin_queue_json(showing->call, row, showing->arena);
    json_object_set_new(json, "orcpt", admin_json_text(row->rcpt.orcpt));
    json_object_set_new(json, "notify", json_integer((json_int_t)row->rcpt.notify));
    json_object_set_new(json, "warned", json_boolean(row->rcpt.warned));
    json_array_append_new(showing->recipients, json);
    return ST_OK;
}

static enum st read_rows(struct store_tx *tx, void *arg)
{
    struct showing *showing = arg;

    arena_reset(showing->arena);
    json_array_clear(showing->recipients);
    return store_queue_get(tx, showing->id.envelope_id, take_row, showing);
}

/* The message's rows by the argument id. */
static enum st find(struct admin_call *call, struct showing *showing)
{
    struct slice text;
    enum st st = admin_arg_need(call, "id", &text);

    if (st != ST_OK)
        return st;
    if (call->context->queue == NULL || admin_queue_id_read(text, &showing->id) != ST_OK)
        return admin_refuse(call, ST_INVALID,
                            "%.*s: not an id; write 17 for a message, 17.2 for one recipient",
                            SLICE_ARG(text));
    st = store_read(call->context->store, read_rows, showing);
    if (st == ST_OK && json_array_size(showing->recipients) == 0)
        return admin_refuse(call, ST_NOT_FOUND, "%.*s: nothing is queued under this id",
                            SLICE_ARG(text));
    return st;
}

/* ST_AGAIN ends the reading: the header is whole. */
static enum st take_header(void *ctx, struct slice bytes)
{
    struct buf *header = ctx;

    buf_put(header, slice_sub(bytes, 0, header->bytes_max - header->len));
    size_t end = slice_find_slice(buf_slice(header), SLICE("\r\n\r\n"));
    if (end != SIZE_MAX)
        header->len = end + 2;
    return end != SIZE_MAX || header->len == header->bytes_max ? ST_AGAIN : ST_OK;
}

static json_t *envelope_json(const struct store_envelope *envelope)
{
    static const char *const priorities[] = {"high", "normal", "low"};
    static_assert(COUNT(priorities) == STORE_PRIORITY_MAX, "one name for each");

    return json_pack(
        "{s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:b, s:b, s:b}", "id",
        (json_int_t)envelope->envelope_id, "guid", envelope->guid, "accepted_ms",
        (json_int_t)envelope->accepted_ms, "from", admin_json_text(envelope->sender), "origin",
        admin_json_text(envelope->origin), "copy", admin_json_text(envelope->shadow), "message_id",
        admin_json_text(envelope->message_id), "envid", admin_json_text(envelope->envid), "bytes",
        (json_int_t)(envelope->bytes - envelope->body_offset), "priority",
        envelope->priority < STORE_PRIORITY_MAX ? priorities[envelope->priority] : "?", "utf8",
        (envelope->flags & STORE_ENVELOPE_UTF8) != 0, "eight_bit",
        (envelope->flags & STORE_ENVELOPE_8BIT) != 0, "report",
        (envelope->flags & STORE_ENVELOPE_REPORT) != 0);
}

static enum st show(struct admin_call *call, struct showing *showing)
{
    enum st st = find(call, showing);

    if (st != ST_OK)
        return st;
    const struct store_envelope *envelope = &showing->envelope;
    st = blob_each(call->context->store, envelope->envelope_id, envelope->body_offset,
                   envelope->bytes - envelope->body_offset, take_header, &showing->header);
    if (st != ST_OK && st != ST_AGAIN)
        return st;
    call->reply = envelope_json(envelope);
    json_object_set(call->reply, "recipients", showing->recipients);
    json_object_set_new(call->reply, "header", admin_json_text(buf_slice(&showing->header)));
    return ST_OK;
}

enum st admin_queue_show(struct admin_call *call)
{
    struct showing showing = {.call = call,
                              .arena = arena_new("queue show", 64 * MIB),
                              .recipients = json_array(),
                              .header = BUF(HEADER_BYTES_MAX)};
    enum st st = show(call, &showing);

    buf_fini(&showing.header);
    json_decref(showing.recipients);
    arena_free(&showing.arena);
    return st;
}

/* --- the message itself --- */

static enum st send_bytes(void *ctx, struct slice bytes)
{
    return http_out_add(ctx, bytes);
}

static enum st export_produce(struct admin_call *call, struct http_out *out)
{
    const struct store_envelope *envelope = call->mine;

    return blob_each(call->context->store, envelope->envelope_id, envelope->body_offset,
                     envelope->bytes - envelope->body_offset, send_bytes, out);
}

enum st admin_queue_export(struct admin_call *call)
{
    struct showing showing = {
        .call = call, .arena = arena_new("queue export", 64 * MIB), .recipients = json_array()};
    struct store_envelope *envelope = arena_one(call->arena, struct store_envelope);
    enum st st = find(call, &showing);

    *envelope = showing.envelope;
    json_decref(showing.recipients);
    arena_free(&showing.arena);
    call->mine = envelope;
    call->bytes = envelope->bytes - envelope->body_offset;
    call->type = "message/rfc822";
    if (st == ST_OK)
        call->produce = export_produce;
    return st;
}
