#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router.h"
#include "router/router_client.h"
#include "router/router_hosts.h"
#include "router/router_judge.h"
#include "router/router_local.h"
#include "router/router_run.h"
#include "store/store_blob.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define KEPT_MS INT64_C(300000) /* a connection's age, after which hosts are looked up anew */
#define KEPT_MESSAGES 1000

/* One attempt for one message. */
struct attempt {
    struct router_sender *sender;
    struct router_queue *queue;
    struct router_dest *dest;
    struct arena *arena;
    struct router_plan plan;
    struct router_item **items; /* not yet decided on */
    size_t count;
    struct router_item *done, **done_tail; /* decided on */
    struct router_answer last;             /* the most telling answer of the hosts themselves */
    bool opened;
    char host[256]; /* that answered last */
};

static uint32_t random_u32(void)
{
    uint32_t n;

    sys_random(&n, sizeof(n));
    return n;
}

/* --- what becomes of a recipient --- */

static void fail(struct router_item *item, int64_t report_id, const char *why)
{
    item->settle = (struct store_settle){.what = STORE_SETTLE_REPORT, .rcpt = item->row.rcpt};
    item->settle.rcpt.state = STORE_RCPT_FAILED;
    item->settle.rcpt.destination_id = report_id;
    snprintf(item->said, sizeof(item->said), "%s", why);
    item->settle.rcpt.answer = slice_str(item->said);
}

/* "550 5.1.1 mx.example.net: No such user" or, where nothing was said, "4.4.1 mx.example.net: ...".
 */
static void say(struct router_item *item, const char *host)
{
    const struct router_answer *answer = &item->answer;
    char code[8] = "";

    if (answer->code != 0)
        snprintf(code, sizeof(code), "%u ", (unsigned)answer->code);
    snprintf(item->said, sizeof(item->said), "%s%s%s%s%s%s", code, answer->enhanced,
             answer->enhanced[0] != '\0' ? " " : "", host, host[0] != '\0' ? ": " : "",
             answer->text);
}

static bool too_old(const struct router_item *item, int64_t now_ms)
{
    return now_ms - item->row.envelope.accepted_ms >= (int64_t)conf_get()->queue_timeout_ms;
}

static void later(struct attempt *a, struct router_item *item, int64_t now_ms)
{
    const struct router_pace_limits limits = router_dest_limits(a->dest);
    const struct conf *conf = conf_get();
    const struct router_pace_limits row_limits = {limits.connections_max, conf->queue_retry_min_ms,
                                                  conf->queue_retry_max_ms};
    struct store_rcpt *rcpt = &item->settle.rcpt;

    if (too_old(item, now_ms)) {
        char why[ROUTER_SAID_BYTES];
        snprintf(why, sizeof(why), "5.4.7 given up after its time; the last answer was: %.400s",
                 item->said);
        fail(item, a->queue->report_id, why);
        return;
    }
    item->settle = (struct store_settle){.what = STORE_SETTLE_LATER, .rcpt = item->row.rcpt};
    rcpt->attempts = item->row.rcpt.attempts + 1;
    rcpt->next_ms = now_ms + (int64_t)router_retry_ms(rcpt->attempts, random_u32(), &row_limits);
    rcpt->answer = slice_str(item->said);
}

static void sent(struct attempt *a, struct router_item *item)
{
    bool tells = a->sender->client != NULL && router_client_has(a->sender->client, ROUTER_PEER_DSN);

    item->settle = (struct store_settle){.what = STORE_SETTLE_DONE, .rcpt = item->row.rcpt};
    if ((item->row.rcpt.notify & ROUTER_NOTIFY_SUCCESS) == 0 || tells)
        return;
    fail(item, a->queue->report_id, item->said);
    item->settle.rcpt.state = STORE_RCPT_RELAYED;
}

static void log_outcome(const struct attempt *a, const struct router_item *item, int64_t now_ms)
{
    enum store_settle_what what = item->settle.what;
    bool failed = what == STORE_SETTLE_REPORT && item->settle.rcpt.state == STORE_RCPT_FAILED;
    enum log_id event = failed ? EV_FAILED : what == STORE_SETTLE_LATER ? EV_DEFERRED : EV_SENT;

    count_add(failed                       ? COUNT_MESSAGES_FAILED
              : what == STORE_SETTLE_LATER ? COUNT_MESSAGES_DEFERRED
                                           : COUNT_MESSAGES_SENT,
              1);
    log_event(event, 0, LOG_C("guid", item->row.envelope.guid), LOG_S("to", item->row.rcpt.address),
              LOG_C("destination", a->dest->key), LOG_C("answer", item->said),
              LOG_U("attempts", item->row.rcpt.attempts + 1),
              LOG_I("age_ms", now_ms - item->row.envelope.accepted_ms));
}

static void decide(struct attempt *a, struct router_item *item, enum router_fate fate)
{
    int64_t now_ms = sys_now_ms();

    say(item, a->host);
    switch (fate) {
    case ROUTER_FATE_DONE:
        sent(a, item);
        break;
    case ROUTER_FATE_FAILED: {
        char why[ROUTER_SAID_BYTES];
        snprintf(why, sizeof(why), "%s", item->said);
        fail(item, a->queue->report_id, why);
        break;
    }
    case ROUTER_FATE_LATER:
    case ROUTER_FATE_NEXT_HOP:
        later(a, item, now_ms);
        break;
    }
    log_outcome(a, item, now_ms);
    item->next = NULL;
    *a->done_tail = item;
    a->done_tail = &item->next;
}

/* --- a transaction --- */

struct body {
    struct store *store;
    const struct store_envelope *envelope;
};

static enum st give_body(void *ctx, router_client_put *put, void *put_ctx)
{
    const struct body *body = ctx;
    const struct store_envelope *envelope = body->envelope;

    return blob_each(body->store, envelope->envelope_id, envelope->body_offset,
                     envelope->bytes - envelope->body_offset, put, put_ctx);
}

static struct slice notify_text(struct arena *arena, uint64_t notify)
{
    static const struct {
        uint64_t bit;
        const char *word;
    } words[] = {{ROUTER_NOTIFY_NEVER, "NEVER"},
                 {ROUTER_NOTIFY_SUCCESS, "SUCCESS"},
                 {ROUTER_NOTIFY_FAILURE, "FAILURE"},
                 {ROUTER_NOTIFY_DELAY, "DELAY"}};
    char text[40] = "";

    for (size_t i = 0; i < COUNT(words); i++)
        if ((notify & words[i].bit) != 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
                     text[0] != '\0' ? "," : "", words[i].word);
    return arena_copy(arena, slice_str(text));
}

static void transact(struct attempt *a, struct router_answer *results)
{
    const struct store_envelope *envelope = &a->items[0]->row.envelope;
    struct router_client_rcpt *rcpts = arena_many(a->arena, struct router_client_rcpt, a->count);
    struct body body = {a->queue->store, envelope};
    const struct router_client_message message = {
        .sender = envelope->sender,
        .size_bytes = envelope->bytes - envelope->body_offset,
        .eight_bit = (envelope->flags & STORE_ENVELOPE_8BIT) != 0,
        .utf8 = (envelope->flags & STORE_ENVELOPE_UTF8) != 0,
        .ret = (envelope->flags & STORE_ENVELOPE_RET_HDRS) != 0   ? SLICE("HDRS")
               : (envelope->flags & STORE_ENVELOPE_RET_FULL) != 0 ? SLICE("FULL")
                                                                  : SLICE(""),
        .envid = envelope->envid,
        .body = give_body,
        .body_ctx = &body};

    for (size_t i = 0; i < a->count; i++)
        rcpts[i] = (struct router_client_rcpt){
            .address = a->items[i]->row.rcpt.address,
            .notify = notify_text(a->arena, a->items[i]->row.rcpt.notify),
            .orcpt = a->items[i]->row.rcpt.orcpt};
    router_client_send(a->sender->client, &message, rcpts, a->count, results);
    a->sender->client_sent++;
}

static void feel(struct attempt *a, const struct router_answer *answer)
{
    const struct router_pace_limits limits = router_dest_limits(a->dest);
    struct router_queue *queue = a->queue;
    bool up = false;

    pthread_mutex_lock(&queue->lock);
    if (router_judge_destination(answer, true) == ROUTER_DEST_GOOD)
        up = router_pace_good(&a->dest->pace, &limits, sys_now_ms());
    else
        router_pace_busy(&a->dest->pace, &limits, sys_now_ms(), random_u32());
    pthread_mutex_unlock(&queue->lock);
    if (up)
        log_event(EV_DESTINATION_UP, 0, LOG_C("destination", a->dest->key));
}

/* Sends on the connection there is; who is decided on is done with. */
static void send_on(struct attempt *a)
{
    struct router_answer *results = arena_many(a->arena, struct router_answer, a->count);
    size_t left = 0;

    snprintf(a->host, sizeof(a->host), "%s", a->sender->client_host);
    transact(a, results);
    feel(a, &results[0]);
    for (size_t i = 0; i < a->count; i++) {
        struct router_item *item = a->items[i];
        enum router_fate fate = router_judge(&results[i], false);

        if (fate != ROUTER_FATE_NEXT_HOP || item->answer.kind == ROUTER_UNSETTLED ||
            router_judge_tells_more(&results[i], &item->answer))
            item->answer = results[i];
        if (fate == ROUTER_FATE_NEXT_HOP)
            a->items[left++] = item;
        else
            decide(a, item, fate);
    }
    a->count = left;
}

/* --- connections --- */

void router_sender_hang_up(struct router_sender *sender)
{
    router_client_quit(&sender->client);
    sender->client_host[0] = '\0';
    sender->client_sent = 0;
}

/* The connection of the last message, if it is of use for this one. */
static bool can_go_on(struct router_sender *sender, const struct router_dest *dest)
{
    if (sender->client == NULL)
        return false;
    if (sender->last == dest && sender->client_sent < KEPT_MESSAGES &&
        sys_now_ms() - sender->client_since_ms < KEPT_MS && router_client_alive(sender->client))
        return true;
    router_sender_hang_up(sender);
    return false;
}

static bool open_host(struct attempt *a, const struct router_hop *hop,
                      const struct router_host *host)
{
    const struct conf *conf = conf_get();
    const struct router_client_options options = {.own_name = a->queue->server_name,
                                                  .tls = hop->tls,
                                                  .implicit_tls = hop->tls_first,
                                                  .tls_client = a->queue->tls,
                                                  .user = hop->user,
                                                  .password = hop->password,
                                                  .connect_ms = conf->smtp_out_connect_timeout_ms,
                                                  .reply_ms = conf->smtp_out_timeout_ms,
                                                  .end_ms = 2 * conf->smtp_out_timeout_ms,
                                                  .stop_fd = a->queue->stop_fds[0]};
    struct router_answer answer;

    a->sender->client =
        router_client_open(&options, host->name, host->address, host->port, &answer);
    if (a->sender->client != NULL) {
        snprintf(a->sender->client_host, sizeof(a->sender->client_host), "%s [%s]", host->name,
                 host->address);
        a->sender->client_since_ms = sys_now_ms();
        router_health_up(a->queue->health, host->name, host->port);
        return true;
    }
    if (a->last.kind == ROUTER_UNSETTLED || router_judge_tells_more(&answer, &a->last)) {
        a->last = answer;
        snprintf(a->host, sizeof(a->host), "%s [%s]", host->name, host->address);
    }
    int64_t now_ms = sys_now_ms();
    router_health_down(a->queue->health, host->name, host->port, now_ms,
                       now_ms + (int64_t)conf->queue_retry_min_ms);
    return false;
}

/* Nobody can take it: what is left is decided on. */
static void refuse_all(struct attempt *a, const struct router_answer *answer)
{
    for (size_t i = 0; i < a->count; i++) {
        a->items[i]->answer = *answer;
        decide(a, a->items[i], ROUTER_FATE_FAILED);
    }
    a->count = 0;
}

static void try_hop(struct attempt *a, const struct router_hop *hop)
{
    struct router_host *hosts = arena_many(a->arena, struct router_host, ROUTER_HOSTS_MAX);
    struct router_answer answer;
    size_t count = 0;
    enum st st = router_hosts(a->queue->dns, a->arena, hop, a->plan.domain, a->queue->server_name,
                              random_u32(), hosts, &count, &answer);

    if (st == ST_DENIED) {
        refuse_all(a, &answer);
        return;
    }
    if (st != ST_OK && a->last.kind == ROUTER_UNSETTLED)
        a->last = answer;
    for (size_t i = 0; st == ST_OK && i < count && a->count > 0 && !a->queue->stopping; i++) {
        router_sender_hang_up(a->sender);
        if (!open_host(a, hop, &hosts[i]))
            continue;
        a->opened = true;
        send_on(a);
    }
}

/* --- an attempt that came to nothing --- */

static enum st keep_dest(struct store_tx *tx, void *arg)
{
    return store_destination_set(tx, arg);
}

/* Nobody was there: the messages stay as they are and wait for the destination. */
static void go_down(struct attempt *a)
{
    const struct router_pace_limits limits = router_dest_limits(a->dest);
    struct router_queue *queue = a->queue;
    struct router_dest *dest = a->dest;

    pthread_mutex_lock(&queue->lock);
    bool was_up = dest->pace.attempts == 0;
    router_pace_down(&dest->pace, &limits, sys_now_ms(), random_u32());
    a->items[0]->answer = a->last;
    say(a->items[0], a->host);
    snprintf(dest->answer, sizeof(dest->answer), "%.500s", a->items[0]->said);
    struct store_destination row = {.destination_id = dest->id,
                                    .attempts = dest->pace.attempts,
                                    .next_ms = dest->pace.next_ms,
                                    .answer = arena_copy(a->arena, slice_str(dest->answer))};
    for (size_t i = 0; i < a->count; i++)
        router_item_forget(queue, a->items[i]);
    dest->more = true;
    bool down = dest->pace.attempts > 0;
    pthread_mutex_unlock(&queue->lock);
    if (down && was_up)
        log_event(EV_DESTINATION_DOWN, 0, LOG_C("destination", dest->key),
                  LOG_S("answer", row.answer));
    if (down && store_write(queue->store, keep_dest, &row) != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "queue destination"));
}

static void give_up(struct attempt *a)
{
    if (a->count == 0)
        return;
    if (!a->opened) {
        go_down(a);
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i]->answer.kind == ROUTER_UNSETTLED)
            a->items[i]->answer = a->last;
        decide(a, a->items[i], router_judge(&a->items[i]->answer, true));
    }
}

static void attempt(struct attempt *a)
{
    if (can_go_on(a->sender, a->dest)) {
        a->opened = true;
        send_on(a);
    }
    for (size_t i = 0; i < a->plan.hop_count && a->count > 0 && !a->queue->stopping; i++)
        try_hop(a, &a->plan.hops[i]);
    give_up(a);
    router_settle(a->queue, a->done);
}

/* --- which way --- */

static void move(struct router_queue *queue, struct router_item *item, const char *key)
{
    item->settle = (struct store_settle){.what = STORE_SETTLE_MOVE, .rcpt = item->row.rcpt};
    item->settle.rcpt.next_ms = 0;
    snprintf(item->moved_key, sizeof(item->moved_key), "%s", key);
    log_event(EV_REROUTED, 0, LOG_C("guid", item->row.envelope.guid),
              LOG_S("to", item->row.rcpt.address), LOG_C("by", key));
    item->next = NULL;
    router_settle(queue, item);
}

/* Keeps those that go by this destination; the others are given away. */
static void sort_out(struct attempt *a, const struct directory *directory,
                     struct router_item *batch)
{
    struct router_item *next;

    for (struct router_item *item = batch; item != NULL; item = next) {
        struct router_plan plan;

        next = item->next;
        router_plan_now(a->queue, directory, item->row.rcpt.address, a->arena, &plan);
        if (plan.way == ROUTER_WAY_SEND && strcmp(plan.key, a->dest->key) == 0) {
            if (a->count == 0)
                a->plan = plan;
            a->items[a->count++] = item;
        } else if (plan.way == ROUTER_WAY_SEND) {
            move(a->queue, item, plan.key);
        } else if (plan.way == ROUTER_WAY_HERE) {
            router_local(a->queue, directory, item);
        } else {
            router_answer_say(&item->answer, ROUTER_NO_FEATURE, ROUTER_STAGE_CONNECT, plan.why);
            snprintf(item->answer.enhanced, sizeof(item->answer.enhanced), "5.1.3");
            decide(a, item, ROUTER_FATE_FAILED);
        }
    }
}

void router_send(struct router_sender *sender, struct router_dest *dest, struct router_item *batch)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct arena *arena = arena_new("send", 16 * MIB);
    struct attempt a = {.sender = sender, .queue = sender->queue, .dest = dest, .arena = arena};

    a.done_tail = &a.done;
    a.items = arena_many(arena, struct router_item *, ROUTER_BATCH_MAX);
    sort_out(&a, directory, batch);
    if (a.count > 0) {
        pthread_mutex_lock(&sender->queue->lock);
        dest->connections_max = a.plan.connections_max;
        dest->retry_max_ms = a.plan.fixed ? conf_get()->queue_probe_ms : 0;
        pthread_mutex_unlock(&sender->queue->lock);
        attempt(&a);
    } else {
        router_settle(a.queue, a.done);
    }
    arena_free(&arena);
}
