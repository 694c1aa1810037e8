#include "admin/admin_queue.h"
#include "base/arena.h"
#include "base/mem.h"
#include "router/router_hand.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX (16 * MIB)
#define LOOK_COUNT 1000 /* rows looked at in a transaction */

/* --- what is asked for --- */

static enum st read_id(struct admin_queue_walk *walk, struct slice text)
{
    if (admin_queue_id_read(text, &walk->ids[walk->id_count]) != ST_OK)
        return admin_refuse(walk->call, ST_INVALID,
                            "%.*s: not an id; write 17 for a message, 17.2 for one recipient",
                            SLICE_ARG(text));
    walk->id_count++;
    return ST_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct admin_queue_id *x = a;
    const struct admin_queue_id *y = b;

    if (x->envelope_id != y->envelope_id)
        return x->envelope_id < y->envelope_id ? -1 : 1;
    return (x->rcpt_no > y->rcpt_no) - (x->rcpt_no < y->rcpt_no);
}

/* Sorted, each once; behind that of a whole message none of its recipients. */
static void sort_ids(struct admin_queue_walk *walk)
{
    size_t kept = 0;

    qsort(walk->ids, walk->id_count, sizeof(walk->ids[0]), by_id);
    for (size_t i = 0; i < walk->id_count; i++) {
        const struct admin_queue_id *id = &walk->ids[i];
        const struct admin_queue_id *last = &walk->ids[kept - (kept > 0)];

        if (kept > 0 && last->envelope_id == id->envelope_id &&
            (last->rcpt_no == 0 || last->rcpt_no == id->rcpt_no))
            continue;
        walk->ids[kept++] = *id;
    }
    walk->id_count = kept;
}

static enum st read_ids(struct admin_queue_walk *walk)
{
    struct admin_call *call = walk->call;
    struct slice words = admin_arg_text(call, "ids");
    const json_t *list = json_object_get(call->args, "ids");
    struct slice *texts = NULL;
    struct slice word;
    size_t count = 0;
    enum st st = json_is_array(list) ? admin_arg_list(call, "ids", &texts, &count) : ST_OK;

    walk->ids = arena_many(call->arena, struct admin_queue_id, count + words.len + 1);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = read_id(walk, texts[i]);
    while (st == ST_OK && slice_split(&words, ' ', &word))
        if (word.len > 0)
            st = read_id(walk, word);
    if (walk->id_count > 0)
        sort_ids(walk);
    return st;
}

static enum st read_ages(struct admin_queue_walk *walk)
{
    struct admin_queue_filter *filter = &walk->filter;
    uint64_t older_ms = 0;
    uint64_t younger_ms = UINT64_MAX;
    int64_t now_ms = sys_now_ms();
    enum st st = admin_arg_u64(walk->call, "older_ms", &older_ms);

    if (st == ST_OK)
        st = admin_arg_u64(walk->call, "younger_ms", &younger_ms);
    filter->accepted_max_ms = older_ms > 0 ? now_ms - (int64_t)older_ms : INT64_MAX;
    filter->accepted_min_ms = younger_ms < (uint64_t)now_ms ? now_ms - (int64_t)younger_ms : 0;
    return st;
}

static enum st read_filter(struct admin_queue_walk *walk)
{
    struct admin_call *call = walk->call;
    struct slice state = admin_arg_text(call, "state");

    walk->filter = (struct admin_queue_filter){.from = admin_arg_text(call, "from"),
                                               .to = admin_arg_text(call, "to"),
                                               .destination = admin_arg_text(call, "destination"),
                                               .answer = admin_arg_text(call, "answer"),
                                               .state = STORE_RCPT_STATE_MAX};
    if (state.len > 0 && admin_queue_state_find(state, &walk->filter.state) != ST_OK)
        return admin_refuse(call, ST_INVALID,
                            "%.*s: not a state; there are queued, held, failed, delivered, "
                            "relayed, expanded",
                            SLICE_ARG(state));
    return read_ages(walk);
}

enum st admin_queue_walk_new(struct admin_call *call, struct admin_queue_walk **walk_r)
{
    struct admin_queue_walk *walk = mem_new(struct admin_queue_walk);

    walk->call = call;
    walk->arena = arena_new("queue walk", ARENA_BYTES_MAX);
    *walk_r = walk;
    if (call->context->queue == NULL)
        return admin_refuse(call, ST_DENIED, "this server has no queue");
    enum st st = read_ids(walk);
    return st == ST_OK ? read_filter(walk) : st;
}

void admin_queue_walk_free(struct admin_queue_walk **walk)
{
    if (*walk == NULL)
        return;
    arena_free(&(*walk)->arena);
    mem_free(*walk);
    *walk = NULL;
}

bool admin_queue_walk_is_narrow(const struct admin_queue_walk *walk)
{
    const struct admin_queue_filter *filter = &walk->filter;

    return walk->id_count > 0 || filter->from.len > 0 || filter->to.len > 0 ||
           filter->destination.len > 0 || filter->answer.len > 0 ||
           filter->state != STORE_RCPT_STATE_MAX || filter->accepted_min_ms > 0 ||
           filter->accepted_max_ms != INT64_MAX;
}

/* --- walking --- */

static void keep(struct arena *arena, struct slice *text)
{
    *text = arena_copy(arena, *text);
}

static void keep_row(struct admin_queue_walk *walk, const struct store_queued *row)
{
    struct store_queued *kept = &walk->rows[walk->count++];

    *kept = *row;
    keep(walk->arena, &kept->envelope.sender);
    keep(walk->arena, &kept->envelope.envid);
    keep(walk->arena, &kept->envelope.message_id);
    keep(walk->arena, &kept->envelope.origin);
    keep(walk->arena, &kept->envelope.shadow);
    keep(walk->arena, &kept->rcpt.address);
    keep(walk->arena, &kept->rcpt.orcpt);
    keep(walk->arena, &kept->rcpt.answer);
    keep(walk->arena, &kept->destination);
    keep(walk->arena, &kept->destination_answer);
}

/* ST_NOT_FOUND: the id's rows are over. ST_AGAIN: enough for now. */
static enum st take_row(void *ctx, const struct store_queued *row)
{
    struct admin_queue_walk *walk = ctx;
    const struct admin_queue_id *id = walk->id_count > 0 ? &walk->ids[walk->id_at] : NULL;
    const char *from;

    if (id != NULL && (row->envelope.envelope_id != id->envelope_id ||
                       (id->rcpt_no != 0 && row->rcpt.rcpt_no != id->rcpt_no)))
        return ST_NOT_FOUND;
    walk->after_id = row->envelope.envelope_id;
    walk->after_no = row->rcpt.rcpt_no;
    walk->looked_count++;
    if (admin_queue_filter_fits(&walk->filter, row,
                                walk->filter.answer.len == 0
                                    ? SLICE("")
                                    : admin_queue_answer(walk->call, row, walk->arena, &from)))
        keep_row(walk, row);
    return walk->count == ADMIN_QUEUE_ROWS_MAX ? ST_AGAIN : ST_OK;
}

/* How it stood before the transaction, which may be run again. */
struct stand {
    struct admin_queue_walk *walk;
    int64_t after_id;
    int64_t after_no;
    uint64_t looked_count;
};

static enum st read_rows(struct store_tx *tx, void *arg)
{
    const struct stand *stand = arg;
    struct admin_queue_walk *walk = stand->walk;

    arena_reset(walk->arena);
    walk->count = 0;
    walk->after_id = stand->after_id;
    walk->after_no = stand->after_no;
    walk->looked_count = stand->looked_count;
    enum st st = store_queue_each(tx, stand->after_id, stand->after_no, LOOK_COUNT, take_row, walk);
    walk->end = st == ST_NOT_FOUND ||
                (st == ST_OK && walk->looked_count - stand->looked_count < LOOK_COUNT);
    return st == ST_AGAIN || st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st next_rows(struct admin_queue_walk *walk)
{
    struct stand stand = {walk, walk->after_id, walk->after_no, walk->looked_count};

    return store_read(walk->call->context->store, read_rows, &stand);
}

/* walk->after_id is the id's own once it was begun. */
enum st admin_queue_walk_next(struct admin_queue_walk *walk)
{
    if (walk->id_count == 0)
        return next_rows(walk);
    const struct admin_queue_id *id = &walk->ids[walk->id_at];
    uint64_t looked = walk->looked_count;
    bool begun =
        walk->after_id == id->envelope_id && walk->after_no >= id->rcpt_no && walk->after_no > 0;

    if (!begun) {
        walk->after_id = id->envelope_id;
        walk->after_no = id->rcpt_no > 0 ? id->rcpt_no - 1 : 0;
    }
    enum st st = next_rows(walk);
    if (st == ST_OK && walk->end) {
        walk->missing_count += !begun && walk->looked_count == looked;
        walk->end = ++walk->id_at == walk->id_count;
    }
    return st;
}

/* --- telling --- */

struct slice admin_queue_answer(const struct admin_call *call, const struct store_queued *row,
                                struct arena *arena, const char **from_r)
{
    struct router_dest_look look;
    bool waits = row->rcpt.state == STORE_RCPT_QUEUED;

    *from_r = "destination";
    if (waits && router_dest_look(call->context->queue, row->destination, &look)) {
        if (look.attempts > 0 && look.answer[0] != '\0')
            return arena_copy(arena, slice_str(look.answer));
    } else if (waits && row->destination_next_ms > sys_now_ms() &&
               row->destination_answer.len > 0) {
        return row->destination_answer;
    }
    *from_r = row->rcpt.answer.len > 0 ? "recipient" : "";
    return row->rcpt.answer;
}

/* When it is tried next: not before its destination. INT64_MAX: it is not. */
static int64_t next_of(const struct admin_call *call, const struct store_queued *row)
{
    struct router_dest_look look;
    int64_t next_ms = row->rcpt.next_ms;
    int64_t dest_ms = row->destination_next_ms;

    if (row->rcpt.state == STORE_RCPT_HELD)
        return INT64_MAX;
    if (router_dest_look(call->context->queue, row->destination, &look))
        dest_ms = look.next_ms;
    return dest_ms < STORE_NEVER_MS && dest_ms > next_ms ? dest_ms : next_ms;
}

json_t *admin_queue_json(const struct admin_call *call, const struct store_queued *row,
                         struct arena *arena)
{
    const struct store_envelope *envelope = &row->envelope;
    const char *answer_of;
    struct slice answer = admin_queue_answer(call, row, arena, &answer_of);
    int64_t now_ms = sys_now_ms();
    int64_t next_ms = next_of(call, row);
    char id[64];

    snprintf(id, sizeof(id), "%lld.%lld", (long long)envelope->envelope_id,
             (long long)row->rcpt.rcpt_no);
    json_t *json = json_pack(
        "{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:s, s:I, s:o, s:s, s:I, s:o, s:b}", "id", id, "guid",
        envelope->guid, "accepted_ms", (json_int_t)envelope->accepted_ms, "age_ms",
        (json_int_t)(now_ms - envelope->accepted_ms), "from", admin_json_text(envelope->sender),
        "to", admin_json_text(row->rcpt.address), "destination", admin_json_text(row->destination),
        "state", store_rcpt_state_names[row->rcpt.state], "attempts",
        (json_int_t)row->rcpt.attempts, "answer", admin_json_text(answer), "answer_of", answer_of,
        "bytes", (json_int_t)(envelope->bytes - envelope->body_offset), "message_id",
        admin_json_text(envelope->message_id), "here",
        row->server_id == router_queue_server_id(call->context->queue));
    if (call->context->cluster != NULL)
        json_object_set_new(json, "copy", admin_json_text(envelope->shadow));
    if (next_ms != INT64_MAX)
        json_object_set_new(
            json, "next_in_ms",
            json_integer(next_ms > now_ms ? (json_int_t)(next_ms - now_ms) : (json_int_t)0));
    return json;
}
