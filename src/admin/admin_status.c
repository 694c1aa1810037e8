#include "admin/admin_call.h"
#include "base/arena.h"
#include "cluster/cluster_shadow.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router_hand.h"
#include "store/store.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define VALUE_BYTES_MAX 4096

static void count_person(void *ctx, const struct directory_person *person)
{
    uint64_t *count = ctx;

    *count += 1;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* When this process began, by the clock that never steps. */
static uint64_t started_ms;

__attribute__((constructor)) static void note_start(void)
{
    started_ms = sys_mono_ms();
}

/* --- the queue --- */

/* Counting reads as much as there is. Where that takes a while it is done anew once a hundred times
 * as long has passed as it took: a million messages are counted now and then. */
#define COUNT_SHARE 100
#define COUNT_QUICK_MS 50 /* so long a count is always made anew */
#define DOWN_MAX 100
#define DOWN_ROWS_MAX 10000 /* a destination's recipients are not counted further */

static struct {
    pthread_mutex_t lock;
    struct store_queue_totals totals;
    uint64_t at_ms; /* 0: never */
    uint64_t took_ms;
} counted = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum st totals_body(struct store_tx *tx, void *arg)
{
    return store_queue_totals(tx, arg);
}

static enum st count_queue(struct store *store, json_t *queue)
{
    enum st st = ST_OK;

    pthread_mutex_lock(&counted.lock);
    uint64_t begun_ms = sys_mono_ms();
    if (counted.at_ms == 0 || counted.took_ms < COUNT_QUICK_MS ||
        begun_ms - counted.at_ms >= COUNT_SHARE * counted.took_ms) {
        st = store_read(store, totals_body, &counted.totals);
        counted.at_ms = sys_mono_ms();
        counted.took_ms = counted.at_ms - begun_ms;
    }
    const struct store_queue_totals totals = counted.totals;
    json_object_set_new(queue, "counted_ms_ago", number(sys_mono_ms() - counted.at_ms));
    pthread_mutex_unlock(&counted.lock);
    json_object_set_new(queue, "recipients", json_integer(totals.recipients));
    json_object_set_new(queue, "held", json_integer(totals.held));
    json_object_set_new(queue, "messages", json_integer(totals.messages));
    json_object_set_new(queue, "bytes", json_integer(totals.bytes));
    if (totals.oldest_ms != 0)
        json_object_set_new(queue, "oldest_ms", json_integer(sys_now_ms() - totals.oldest_ms));
    return st;
}

struct downs {
    struct admin_call *call;
    struct router_down *list;
    size_t count;
    int64_t rows[DOWN_MAX];
};

static bool is_known(const struct downs *downs, const struct store_destination *destination)
{
    struct router_dest_look look;

    return router_dest_look(downs->call->context->queue, destination->name, &look);
}

/* Of those that are not at work only the store knows. */
static enum st take_down(void *ctx, const struct store_destination *destination)
{
    struct downs *downs = ctx;
    struct arena *arena = downs->call->arena;

    if (is_known(downs, destination))
        return ST_OK;
    struct router_down *down = &downs->list[downs->count++];
    *down = (struct router_down){slice_cstr(arena, destination->name),
                                 destination->destination_id,
                                 {destination->attempts, destination->next_ms, 0, ""}};
    snprintf(down->look.answer, sizeof(down->look.answer), "%.*s", SLICE_ARG(destination->answer));
    return downs->count < DOWN_MAX ? ST_OK : ST_AGAIN;
}

static enum st downs_body(struct store_tx *tx, void *arg)
{
    struct downs *downs = arg;
    struct router_queue *queue = downs->call->context->queue;
    enum st st = ST_OK;

    downs->count = router_down_list(queue, downs->call->arena, downs->list, DOWN_MAX);
    if (downs->count < DOWN_MAX)
        st = store_destination_down(tx, router_queue_server_id(queue), DOWN_MAX, take_down, downs);
    if (st == ST_AGAIN)
        st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < downs->count; i++)
        st = store_queue_count_up_to(tx, downs->list[i].destination_id, DOWN_ROWS_MAX + 1,
                                     &downs->rows[i]);
    return st;
}

static json_t *down_json(const struct router_down *down, int64_t rows)
{
    int64_t left_ms = down->look.next_ms - sys_now_ms();

    return json_pack(
        "{s:o, s:I, s:I, s:o, s:I, s:b}", "destination", admin_json_text(slice_str(down->key)),
        "attempts", (json_int_t)down->look.attempts, "next_in_ms",
        (json_int_t)(left_ms > 0 ? left_ms : 0), "answer",
        admin_json_text(slice_str(down->look.answer)), "recipients",
        (json_int_t)(rows > DOWN_ROWS_MAX ? DOWN_ROWS_MAX : rows), "more", rows > DOWN_ROWS_MAX);
}

static enum st put_queue(struct admin_call *call)
{
    struct downs downs = {.call = call,
                          .list = arena_many(call->arena, struct router_down, DOWN_MAX)};
    json_t *list = json_array();
    json_t *queue = json_pack("{s:o}", "down", list);

    json_object_set_new(call->reply, "queue", queue);
    enum st st = count_queue(call->context->store, queue);
    if (st == ST_OK)
        st = store_read(call->context->store, downs_body, &downs);
    for (size_t i = 0; st == ST_OK && i < downs.count; i++)
        if (downs.rows[i] > 0)
            json_array_append_new(list, down_json(&downs.list[i], downs.rows[i]));
    return st;
}

/* --- copies --- */

struct shadows {
    json_t *held;
    json_t *owed;
    json_t *unsettled;
    int64_t open;
};

static enum st add_held(void *ctx, struct slice owner, int64_t count, int64_t open)
{
    struct shadows *shadows = ctx;

    shadows->open += open;
    json_array_append_new(shadows->held,
                          json_pack("{s:o, s:I, s:I}", "server", admin_json_text(owner), "messages",
                                    (json_int_t)count, "recipients", (json_int_t)open));
    return ST_OK;
}

static enum st add_owed(void *ctx, struct slice server, int64_t count)
{
    const struct shadows *shadows = ctx;

    json_array_append_new(shadows->owed, json_pack("{s:o, s:I}", "server", admin_json_text(server),
                                                   "messages", (json_int_t)count));
    return ST_OK;
}

static enum st add_unsettled(void *ctx, struct slice server, int64_t count)
{
    const struct shadows *shadows = ctx;

    (void)count;
    json_array_append_new(shadows->unsettled, admin_json_text(server));
    return ST_OK;
}

static enum st shadows_body(struct store_tx *tx, void *arg)
{
    struct shadows *shadows = arg;

    json_array_clear(shadows->held);
    json_array_clear(shadows->owed);
    json_array_clear(shadows->unsettled);
    shadows->open = 0;
    enum st st = store_shadow_owners(tx, add_held, shadows);
    if (st == ST_OK)
        st = store_shadow_owed(tx, add_owed, shadows);
    return st == ST_OK ? store_shadow_unsettled(tx, add_unsettled, shadows) : st;
}

static enum st put_shadows(struct admin_call *call)
{
    static const char *const modes[] = {
        [CLUSTER_SHADOW_OFF] = "off",
        [CLUSTER_SHADOW_PREFERRED] = "preferred",
        [CLUSTER_SHADOW_AUTO] = "required, while another server is within reach",
        [CLUSTER_SHADOW_REQUIRED] = "required",
    };
    struct shadows shadows = {json_array(), json_array(), json_array(), 0};
    enum st st = cluster_shadow_gather(call->context->cluster);

    if (st == ST_OK)
        st = store_read(call->context->store, shadows_body, &shadows);

    json_object_set_new(call->reply, "shadow",
                        json_pack("{s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "mode",
                                  modes[cluster_shadow_mode(call->context->cluster)], "held",
                                  shadows.held, "owed", shadows.owed, "unsettled",
                                  shadows.unsettled, "held_recipients", (json_int_t)shadows.open,
                                  "made", number(count_of(COUNT_SHADOWS_MADE)), "missed",
                                  number(count_of(COUNT_SHADOWS_MISSED)), "refused",
                                  number(count_of(COUNT_SHADOWS_REFUSED)), "taken",
                                  number(count_of(COUNT_SHADOWS_TAKEN))));
    return st;
}

enum st admin_status(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct admin_context *context = call->context;
    uint64_t persons = 0;

    directory_each(directory, count_person, &persons);
    call->reply = json_pack(
        "{s:s, s:s, s:i, s:o, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
        POSTHORSE_VERSION, "server_name", context->server_name, "pid", (int)getpid(), "uptime_ms",
        number(sys_mono_ms() - started_ms), "store", store_engine_name(context->store), "config",
        context->config_path, "persons", number(persons), "sessions",
        number(count_of(COUNT_SESSIONS)), "sessions_total", number(count_of(COUNT_SESSIONS_TOTAL)),
        "threads", number(count_of(COUNT_THREADS)), "threads_busy",
        number(count_of(COUNT_THREADS_BUSY)), "messages_accepted",
        number(count_of(COUNT_MESSAGES_ACCEPTED)), "messages_delivered",
        number(count_of(COUNT_MESSAGES_DELIVERED)), "store_commits",
        number(count_of(COUNT_STORE_COMMITS)));
    if (call->reply == NULL)
        return ST_IO;
    json_object_set_new(call->reply, "messages_sent", number(count_of(COUNT_MESSAGES_SENT)));
    json_object_set_new(call->reply, "messages_deferred",
                        number(count_of(COUNT_MESSAGES_DEFERRED)));
    json_object_set_new(call->reply, "messages_failed", number(count_of(COUNT_MESSAGES_FAILED)));
    enum st st = put_shadows(call);
    return call->context->queue == NULL || st != ST_OK ? st : put_queue(call);
}

/* --- settings --- */

enum st admin_config_show(struct admin_call *call)
{
    const struct conf *conf = conf_get();
    json_t *settings = json_array();
    AUTO(buf) struct buf value = BUF(VALUE_BYTES_MAX);

    for (size_t i = 0; i < conf_field_count; i++) {
        const struct conf_field *field = &conf_fields[i];

        buf_clear(&value);
        conf_value_write(conf, field, &value);
        json_array_append_new(
            settings, json_pack("{s:s, s:o, s:b, s:b}", "name", field->name, "value",
                                admin_json_text(buf_slice(&value)), "changed",
                                !conf_same(conf, &conf_defaults, field), "reload", field->reload));
    }
    call->reply = json_pack("{s:o}", "settings", settings);
    return ST_OK;
}

enum st admin_config_reload(struct admin_call *call)
{
    if (call->context->reload == NULL)
        return admin_refuse(call, ST_DENIED, "this server cannot read its settings again");
    call->context->reload(call->context->reload_arg);
    return ST_OK;
}
