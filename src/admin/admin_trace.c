#include "admin/admin_lines.h"
#include "admin/admin_queue.h"
#include "base/arena.h"
#include "base/mem.h"
#include "log/log_line.h"
#include "log/log_trace.h"
#include "store/store_account.h"

#include <stdio.h>
#include <string.h>

#define GUIDS_MAX 1000
#define ACCOUNTS_MAX 1000
#define IDS_MAX 1000
#define VALUE_BYTES_MAX (8 * KIB)
#define RECENT_DEFAULT 20
#define RECENT_MAX 200
#define RECENT_LINE_BYTES 400 /* lines are seldom longer */
#define GUID_LEN (STORE_GUID_BYTES - 1)

/* A message of which lines are looked for. */
struct traced {
    char guid[STORE_GUID_BYTES];
    char about[STORE_GUID_BYTES]; /* of a report: the message it speaks of; "" */
};

/* A recipient on its way by a destination: what is told of that concerns the message. */
struct waiting {
    struct waiting *next;
    struct slice to;
    struct slice destination;
    size_t message;
};

struct tracing {
    struct admin_call *call;
    struct arena *arena;
    struct admin_lines lines;
    struct slice what; /* the Message-ID without brackets, or a guid */
    struct traced list[GUIDS_MAX];
    size_t count;
    char from[LOG_TRACE_NAME_BYTES]; /* the file that names one first; "" */
    struct buf value;
    struct waiting *waiting;
    struct slice accounts[ACCOUNTS_MAX]; /* it was delivered to */
    size_t account_count;
    int64_t ids[IDS_MAX]; /* it was queued under */
    size_t id_count;
    uint64_t line_count;
    bool more; /* a limit was met */
};

/* --- which messages --- */

static size_t find_guid(const struct tracing *t, struct slice guid)
{
    for (size_t i = 0; i < t->count; i++)
        if (slice_eq(guid, slice_str(t->list[i].guid)))
            return i;
    return SIZE_MAX;
}

static void add_guid(struct tracing *t, struct slice guid, const char *about)
{
    if (guid.len != GUID_LEN || find_guid(t, guid) != SIZE_MAX)
        return;
    if (t->count == GUIDS_MAX) {
        t->more = true;
        return;
    }
    struct traced *traced = &t->list[t->count++];
    memcpy(traced->guid, guid.ptr, GUID_LEN);
    snprintf(traced->about, sizeof(traced->about), "%s", about);
}

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr("0123456789abcdef", text.ptr[i], 16) == NULL)
            return false;
    return true;
}

/* What stands behind " guid=" in the line, unread otherwise: most lines are of other messages. */
static struct slice guid_of(struct slice line)
{
    size_t at = slice_find_slice(line, SLICE(" guid="));

    return at == SIZE_MAX ? SLICE("") : slice_sub(line, at + sizeof(" guid=") - 1, GUID_LEN);
}

static struct slice get(struct tracing *t, struct slice line, const char *key)
{
    (void)log_line_get(line, slice_str(key), &t->value);
    return buf_slice(&t->value);
}

/* "<x@y>" and "x@y" are the same. */
static struct slice bare(struct slice id)
{
    if (id.len > 2 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>')
        return slice_sub(id, 1, id.len - 2);
    return id;
}

/* The first pass: whose Message-ID it is, or what another server of the domain calls it, and the
 * reports about them, which come after. */
static enum st find_line(void *ctx, struct slice line, const char *file)
{
    struct tracing *t = ctx;

    if (slice_find_slice(line, t->what) != SIZE_MAX &&
        (slice_eq(bare(get(t, line, "message_id")), t->what) ||
         slice_eq(get(t, line, "xguid"), t->what)))
        add_guid(t, guid_of(line), "");
    size_t about = t->count == 0 ? SIZE_MAX : find_guid(t, guid_of(line));
    if (about == SIZE_MAX)
        return ST_OK;
    if (t->from[0] == '\0')
        snprintf(t->from, sizeof(t->from), "%s", file);
    if (slice_find_slice(line, SLICE(" event=reported ")) != SIZE_MAX ||
        slice_find_slice(line, SLICE(" event=oof_replied ")) != SIZE_MAX)
        add_guid(t, get(t, line, "report"), t->list[about].guid);
    return ST_OK;
}

/* A guid, or the Message-ID of a report of ours, whose left half is one. */
static void begin_with_guid(struct tracing *t)
{
    struct slice guid = slice_sub(t->what, 0, slice_find(t->what, '@'));

    if (guid.len == GUID_LEN && is_hex(guid))
        add_guid(t, guid, "");
}

/* --- destinations that its recipients wait for --- */

static void wait_for(struct tracing *t, struct slice line, size_t message)
{
    struct waiting *waiting = arena_one(t->arena, struct waiting);

    waiting->to = arena_copy(t->arena, get(t, line, "to"));
    waiting->destination = arena_copy(t->arena, get(t, line, "destination"));
    waiting->message = message;
    waiting->next = t->waiting;
    t->waiting = waiting;
}

static void wait_no_more(struct tracing *t, struct slice line, size_t message)
{
    struct slice to = get(t, line, "to");

    for (struct waiting **at = &t->waiting; *at != NULL; at = &(*at)->next)
        if ((*at)->message == message && slice_eq((*at)->to, to)) {
            *at = (*at)->next;
            return;
        }
}

/* SIZE_MAX: no recipient waits for it. */
static size_t who_waits(const struct tracing *t, struct slice destination)
{
    for (const struct waiting *w = t->waiting; w != NULL; w = w->next)
        if (slice_eq(w->destination, destination))
            return w->message;
    return SIZE_MAX;
}

/* --- what lines say besides --- */

static void note_account(struct tracing *t, struct slice name)
{
    for (size_t i = 0; i < t->account_count; i++)
        if (slice_eq(t->accounts[i], name))
            return;
    if (t->account_count == ACCOUNTS_MAX)
        t->more = true;
    else
        t->accounts[t->account_count++] = arena_copy(t->arena, name);
}

static void note_id(struct tracing *t, struct slice text)
{
    struct admin_queue_id id;

    if (admin_queue_id_read(text, &id) != ST_OK)
        return;
    for (size_t i = 0; i < t->id_count; i++)
        if (t->ids[i] == id.envelope_id)
            return;
    if (t->id_count == IDS_MAX)
        t->more = true;
    else
        t->ids[t->id_count++] = id.envelope_id;
}

static void note(struct tracing *t, struct slice line, size_t message)
{
    struct slice event = arena_copy(t->arena, get(t, line, "event"));

    if (slice_eq(event, SLICE("delivered")) || slice_eq(event, SLICE("imap_appended"))) {
        note_account(t, get(t, line, "account"));
    } else if (slice_eq(event, SLICE("queued"))) {
        note_id(t, get(t, line, "id"));
        wait_for(t, line, message);
    } else if (slice_eq(event, SLICE("sent")) || slice_eq(event, SLICE("failed")) ||
               slice_eq(event, SLICE("dropped"))) {
        wait_no_more(t, line, message);
    }
}

/* --- the second pass --- */

static json_t *fields_json(struct slice line, struct buf *value)
{
    json_t *json = json_object();
    struct slice key;

    while (log_line_next(&line, &key, value)) {
        AUTO(buf) struct buf name = BUF(200);
        int64_t at_ms = 0;

        buf_put(&name, key);
        if (name.len == 0)
            continue;
        if (slice_eq(key, SLICE("ts")) && log_line_time(buf_slice(value), &at_ms) == ST_OK)
            json_object_set_new(json, "at_ms", json_integer((json_int_t)at_ms));
        json_object_set_new(json, name.ptr, admin_json_text(buf_slice(value)));
    }
    return json;
}

static enum st put_line(struct tracing *t, struct slice line, size_t message)
{
    const struct traced *traced = &t->list[message];
    json_t *json = fields_json(line, &t->value);

    t->line_count++;
    json_object_set_new(json, "message", json_string(traced->guid));
    if (traced->about[0] != '\0')
        json_object_set_new(json, "about", json_string(traced->about));
    return admin_lines_put(&t->lines, json_pack("{s:o}", "event", json));
}

static enum st tell_line(void *ctx, struct slice line, const char *file)
{
    struct tracing *t = ctx;
    struct slice guid = guid_of(line);
    size_t message = guid.len > 0 ? find_guid(t, guid) : SIZE_MAX;

    (void)file;
    if (message != SIZE_MAX)
        note(t, line, message);
    else if (guid.len == 0 && t->waiting != NULL &&
             slice_find_slice(line, SLICE(" event=destination_")) != SIZE_MAX)
        message = who_waits(t, get(t, line, "destination"));
    return message != SIZE_MAX ? put_line(t, line, message) : ST_OK;
}

/* --- where it lies now --- */

struct lying {
    struct tracing *t;
    json_t *list;
    struct slice account;
    const struct traced *message;
};

static enum st take_place(void *ctx, struct slice folder, int64_t uid)
{
    const struct lying *lying = ctx;

    json_t *json =
        json_pack("{s:o, s:o, s:I, s:s}", "account", admin_json_text(lying->account), "folder",
                  admin_json_text(folder), "uid", (json_int_t)uid, "message", lying->message->guid);

    if (lying->message->about[0] != '\0')
        json_object_set_new(json, "about", json_string(lying->message->about));
    json_array_append_new(lying->list, json);
    return ST_OK;
}

static enum st read_account(struct store_tx *tx, void *arg)
{
    struct lying *lying = arg;
    const struct tracing *t = lying->t;
    struct store_account account;
    enum st st = store_account_find(tx, lying->account, &account);

    json_array_clear(lying->list);
    for (size_t i = 0; st == ST_OK && i < t->count; i++) {
        lying->message = &t->list[i];
        st = store_guid_find(tx, account.account_id, slice_str(t->list[i].guid), take_place, lying);
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st take_queued(void *ctx, const struct store_queued *row)
{
    const struct lying *lying = ctx;
    struct tracing *t = lying->t;

    if (find_guid(t, slice_str(row->envelope.guid)) != SIZE_MAX)
        json_array_append_new(lying->list, admin_queue_json(t->call, row, t->arena));
    return ST_OK;
}

static enum st read_queue(struct store_tx *tx, void *arg)
{
    const struct lying *lying = arg;
    const struct tracing *t = lying->t;
    enum st st = ST_OK;

    json_array_clear(lying->list);
    for (size_t i = 0; st == ST_OK && i < t->id_count; i++)
        st = store_queue_get(tx, t->ids[i], take_queued, arg);
    return st;
}

static enum st put_all(struct tracing *t, const char *kind, const json_t *list)
{
    enum st st = ST_OK;
    size_t i;
    json_t *json;

    json_array_foreach(list, i, json)
    {
        if (st == ST_OK)
            st = admin_lines_put(&t->lines, json_pack("{s:O}", kind, json));
    }
    return st;
}

static enum st tell_where(struct tracing *t)
{
    struct store *store = t->call->context->store;
    struct lying lying = {.t = t, .list = json_array()};
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < t->account_count; i++) {
        lying.account = t->accounts[i];
        st = store_read(store, read_account, &lying);
        if (st == ST_OK)
            st = put_all(t, "lies", lying.list);
    }
    if (st == ST_OK && t->call->context->queue != NULL)
        st = store_read(store, read_queue, &lying);
    if (st == ST_OK && t->call->context->queue != NULL)
        st = put_all(t, "queued", lying.list);
    json_decref(lying.list);
    return st;
}

/* --- the call --- */

static enum st trace_produce(struct admin_call *call, struct http_out *out)
{
    struct tracing *t = call->mine;

    admin_lines_init(&t->lines, out);
    enum st st = log_trace_each(t->from, tell_line, t);
    if (st == ST_OK)
        st = tell_where(t);
    if (st == ST_OK)
        st = admin_lines_put(&t->lines, json_pack("{s:{s:I, s:I, s:b}}", "end", "events",
                                                  (json_int_t)t->line_count, "messages",
                                                  (json_int_t)t->count, "more", t->more));
    if (st == ST_OK)
        st = admin_lines_flush(&t->lines);
    admin_lines_fini(&t->lines);
    return st;
}

static void tracing_free(void *mine)
{
    struct tracing *t = mine;

    buf_fini(&t->value);
    arena_free(&t->arena);
    mem_free(t);
}

enum st admin_trace(struct admin_call *call)
{
    struct tracing *t = mem_new(struct tracing);
    struct slice what;

    call->mine = t;
    call->release = tracing_free;
    call->type = "application/x-ndjson";
    t->call = call;
    t->arena = arena_new("trace", 256 * MIB);
    buf_init(&t->value, VALUE_BYTES_MAX);
    enum st st = admin_arg_need(call, "message", &what);
    if (st != ST_OK)
        return st;
    if (!log_trace_is_on())
        return admin_refuse(call, ST_DENIED, "no record of messages is kept: trace_days is 0");
    t->what = bare(what);
    begin_with_guid(t);
    st = log_trace_each("", find_line, t);
    if (st == ST_OK && t->from[0] == '\0')
        st = admin_refuse(call, ST_NOT_FOUND,
                          "%.*s: the record of the last days (trace_days) knows no such message",
                          SLICE_ARG(slice_sub(what, 0, 500)));
    call->produce = trace_produce;
    return st;
}

/* --- the last lines --- */

struct recent {
    json_t *events;
    uint64_t count_max;
    struct buf value;
};

static enum st take_recent(void *ctx, struct slice line, const char *file)
{
    struct recent *recent = ctx;

    (void)file;
    json_array_append_new(recent->events, fields_json(line, &recent->value));
    if (json_array_size(recent->events) > recent->count_max)
        json_array_remove(recent->events, 0);
    return ST_OK;
}

enum st admin_trace_recent(struct admin_call *call)
{
    struct recent recent = {.count_max = RECENT_DEFAULT};
    enum st st = admin_arg_u64(call, "limit", &recent.count_max);

    if (st != ST_OK)
        return st;
    if (recent.count_max == 0 || recent.count_max > RECENT_MAX)
        return admin_refuse(call, ST_INVALID, "limit is 1 to %d", RECENT_MAX);
    if (!log_trace_is_on())
        return admin_refuse(call, ST_DENIED, "no record of messages is kept: trace_days is 0");
    recent.events = json_array();
    buf_init(&recent.value, VALUE_BYTES_MAX);
    st = log_trace_tail(recent.count_max * RECENT_LINE_BYTES, take_recent, &recent);
    buf_fini(&recent.value);
    call->reply = json_pack("{s:o}", "events", recent.events);
    return st;
}
