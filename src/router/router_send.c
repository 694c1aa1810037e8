#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "cluster/cluster.h"
#include "cluster/cluster_fellow.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router.h"
#include "router/router_client.h"
#include "router/router_foreign.h"
#include "router/router_hosts.h"
#include "router/router_journal.h"
#include "router/router_judge.h"
#include "router/router_local.h"
#include "router/router_run.h"
#include "router/router_shadow.h"
#include "store/store_blob.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define KEPT_MS INT64_C(300000) /* a connection's age, after which hosts are looked up anew */
#define KEPT_MESSAGES 1000
/* A server known to be down is only tried where nobody else is left: not long, for it is tried
 * again as soon as it is up. */
#define DOWN_CONNECT_MS 2000
#define SLOW_MS 1000 /* a connection that took so long may have begun in another world */
#define HELD_MS 3000 /* by then who has copies is back in touch, or dead */
#define HELD_EVERY_MS 60000

/* One attempt for one message. */
struct attempt {
    struct router_sender *sender;
    struct router_queue *queue;
    struct router_dest *dest;
    struct arena *arena;
    uint64_t began_ms;
    struct router_plan plan;
    /* The connection leads to a foreign system, and this server is its gateway; NULL: not so. */
    const struct directory_foreign *foreign;
    struct router_item **items; /* not yet decided on */
    size_t count;
    struct router_item *done, **done_tail; /* decided on */
};

static uint32_t random_u32(void)
{
    uint32_t n;

    sys_random(&n, sizeof(n));
    return n;
}

/* --- what becomes of a recipient --- */

static struct router_terms terms_of(const struct attempt *a, const struct router_item *item,
                                    int64_t now_ms)
{
    const struct router_client *client = a->sender->client;
    const struct conf *conf = conf_get();

    return (struct router_terms){.attempts = item->row.rcpt.attempts,
                                 .notify = item->row.rcpt.notify,
                                 .peer_tells =
                                     client != NULL && router_client_has(client, ROUTER_PEER_DSN),
                                 .accepted_ms = item->row.envelope.accepted_ms,
                                 .now_ms = now_ms,
                                 .timeout_ms = conf->queue_timeout_ms,
                                 .retry_min_ms = conf->queue_retry_min_ms,
                                 .retry_max_ms = conf->queue_retry_max_ms,
                                 .random = random_u32()};
}

static struct store_settle settle_of(const struct attempt *a, const struct router_item *item)
{
    const struct router_outcome *outcome = &item->outcome;
    struct store_settle settle = {.what = STORE_SETTLE_DONE, .rcpt = item->row.rcpt};
    struct store_rcpt *rcpt = &settle.rcpt;

    rcpt->answer = slice_str(outcome->said);
    if (outcome->what == ROUTER_OUTCOME_LATER) {
        settle.what = STORE_SETTLE_LATER;
        rcpt->attempts = outcome->attempts;
        rcpt->next_ms = outcome->next_ms;
    } else if (outcome->what != ROUTER_OUTCOME_DONE) {
        settle.what = STORE_SETTLE_REPORT;
        rcpt->state =
            outcome->what == ROUTER_OUTCOME_FAILED ? STORE_RCPT_FAILED : STORE_RCPT_RELAYED;
        rcpt->destination_id = a->queue->report_id;
    }
    return settle;
}

static void log_outcome(const struct attempt *a, const struct router_item *item, int64_t now_ms)
{
    enum router_outcome_what what = item->outcome.what;
    enum log_id event = what == ROUTER_OUTCOME_FAILED  ? EV_FAILED
                        : what == ROUTER_OUTCOME_LATER ? EV_DEFERRED
                                                       : EV_SENT;

    count_add(what == ROUTER_OUTCOME_FAILED  ? COUNT_MESSAGES_FAILED
              : what == ROUTER_OUTCOME_LATER ? COUNT_MESSAGES_DEFERRED
                                             : COUNT_MESSAGES_SENT,
              1);
    log_event(event, 0, LOG_C("guid", item->row.envelope.guid), LOG_S("to", item->row.rcpt.address),
              LOG_C("destination", a->dest->key), LOG_C("answer", item->outcome.said),
              LOG_U("attempts", item->row.rcpt.attempts + 1),
              LOG_I("age_ms", now_ms - item->row.envelope.accepted_ms));
}

/* Not for whom nobody was there: go_down(). */
static void decide(struct attempt *a, struct router_item *item, enum router_fate fate)
{
    int64_t now_ms = sys_now_ms();
    const struct router_terms terms = terms_of(a, item, now_ms);

    router_outcome(&item->heard, fate, &terms, &item->outcome);
    item->settle = settle_of(a, item);
    log_outcome(a, item, now_ms);
    item->next = NULL;
    *a->done_tail = item;
    a->done_tail = &item->next;
}

/* --- a transaction --- */

struct body {
    struct store *store;
    const struct store_envelope *envelope;
    const struct router_foreign *rewriting; /* NULL: as it is */
};

static enum st give_stored(void *ctx, router_client_put *put, void *put_ctx)
{
    const struct body *body = ctx;
    const struct store_envelope *envelope = body->envelope;

    return blob_each(body->store, envelope->envelope_id, envelope->body_offset,
                     envelope->bytes - envelope->body_offset, put, put_ctx);
}

static enum st give_body(void *ctx, router_client_put *put, void *put_ctx)
{
    const struct body *body = ctx;

    if (body->rewriting == NULL)
        return give_stored(ctx, put, put_ctx);
    return router_foreign_pass(body->rewriting, give_stored, ctx, put, put_ctx);
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

/* As the foreign system's people write it. ORCPT keeps what was written here (RFC 3461 section
 * 5.2.1 b), so that its reports name that. */
static void rewrite_rcpt(const struct attempt *a, const struct router_foreign *rewriting,
                         struct router_client_rcpt *rcpt)
{
    struct slice before = rcpt->address;

    if (router_foreign_address(rewriting, a->arena, before, &rcpt->address) && rcpt->orcpt.len == 0)
        rcpt->orcpt = router_foreign_orcpt(a->arena, before);
}

/* SIZE, and what the server must be able to take, are told of the text as it will be sent. */
static void rewrite_message(const struct attempt *a, const struct body *body,
                            struct router_client_message *message, struct router_client_rcpt *rcpts,
                            struct mime_rewrite_facts *facts_r)
{
    *facts_r = (struct mime_rewrite_facts){.count = 0};
    (void)router_foreign_address(body->rewriting, a->arena, message->sender, &message->sender);
    message->utf8 = message->utf8 || !utf8_ascii(message->sender);
    for (size_t i = 0; i < a->count; i++) {
        rewrite_rcpt(a, body->rewriting, &rcpts[i]);
        message->utf8 = message->utf8 || !utf8_ascii(rcpts[i].address);
    }
    /* What cannot be read now cannot be read when it is sent, and is told of then. */
    if (router_foreign_measure(body->rewriting, give_stored, message->body_ctx, facts_r) != ST_OK)
        return;
    message->size_bytes += facts_r->bytes_out - facts_r->bytes_in;
    message->utf8 = message->utf8 || facts_r->eight_bit;
    message->eight_bit = message->eight_bit || facts_r->eight_bit;
}

static void log_rewritten(const struct attempt *a, const struct mime_rewrite_facts *facts,
                          const struct router_client_message *message,
                          const struct router_answer *results)
{
    bool taken = false;

    for (size_t i = 0; i < a->count; i++)
        taken = taken || router_answer_positive(&results[i]);
    if (!taken)
        return;
    log_event(EV_FOREIGN_REWRITTEN, 0, LOG_C("guid", a->items[0]->row.envelope.guid),
              LOG_C("document", a->foreign->name), LOG_C("way", "out"),
              LOG_S("from", a->items[0]->row.envelope.sender), LOG_S("as", message->sender),
              LOG_U("addresses", facts->count), LOG_U("signed", facts->signature));
}

/* A number of the class (RFC 6710 section 2). */
static int priority_of(const struct store_envelope *envelope)
{
    return envelope->priority == STORE_PRIORITY_HIGH  ? 1
           : envelope->priority == STORE_PRIORITY_LOW ? -1
                                                      : 0;
}

static void transact(struct attempt *a, struct router_answer *results)
{
    const struct store_envelope *envelope = &a->items[0]->row.envelope;
    struct router_client_rcpt *rcpts = arena_many(a->arena, struct router_client_rcpt, a->count);
    const struct router_foreign rewriting = {.foreign = a->foreign, .way = DIRECTORY_OUT};
    struct body body = {a->queue->store, envelope, a->foreign != NULL ? &rewriting : NULL};
    struct mime_rewrite_facts facts;
    struct router_client_message message = {
        .sender = envelope->sender,
        .size_bytes = envelope->bytes - envelope->body_offset,
        .eight_bit = (envelope->flags & STORE_ENVELOPE_8BIT) != 0,
        .utf8 = (envelope->flags & STORE_ENVELOPE_UTF8) != 0,
        .ret = (envelope->flags & STORE_ENVELOPE_RET_HDRS) != 0   ? SLICE("HDRS")
               : (envelope->flags & STORE_ENVELOPE_RET_FULL) != 0 ? SLICE("FULL")
                                                                  : SLICE(""),
        .envid = envelope->envid,
        .guid = slice_str(envelope->guid),
        .priority = priority_of(envelope),
        .body = give_body,
        .body_ctx = &body};

    for (size_t i = 0; i < a->count; i++)
        rcpts[i] = (struct router_client_rcpt){
            .address = a->items[i]->row.rcpt.address,
            .notify = notify_text(a->arena, a->items[i]->row.rcpt.notify),
            .orcpt = a->items[i]->row.rcpt.orcpt};
    if (body.rewriting != NULL)
        rewrite_message(a, &body, &message, rcpts, &facts);
    router_client_send(a->sender->client, &message, rcpts, a->count, results);
    a->sender->client_sent++;
    if (body.rewriting != NULL)
        log_rewritten(a, &facts, &message, results);
}

static void feel(struct attempt *a, const struct router_answer *results)
{
    enum router_pressure pressure = router_outcome_pressure(results, a->count);
    struct router_queue *queue = a->queue;

    pthread_mutex_lock(&queue->lock);
    const struct router_pace_limits limits = router_dest_limits(a->dest);
    enum router_turn turn =
        router_outcome_press(&a->dest->pace, pressure, &limits, sys_now_ms(), random_u32());
    pthread_mutex_unlock(&queue->lock);
    if (turn == ROUTER_TURN_UP)
        log_event(EV_DESTINATION_UP, 0, LOG_C("destination", a->dest->key));
}

/* Those that the server has just taken go into the journal before anything else. */
static void note_taken(struct attempt *a)
{
    struct router_journal_entry *list =
        arena_many(a->arena, struct router_journal_entry, ROUTER_BATCH_MAX);
    size_t count = 0;

    for (struct router_item *item = a->done; item != NULL; item = item->next) {
        enum router_outcome_what what = item->outcome.what;

        if (item->noted || (what != ROUTER_OUTCOME_DONE && what != ROUTER_OUTCOME_RELAYED))
            continue;
        item->noted = true;
        list[count++] = (struct router_journal_entry){.envelope_id = item->key.envelope_id,
                                                      .rcpt_no = item->key.rcpt_no,
                                                      .relayed = what == ROUTER_OUTCOME_RELAYED};
    }
    if (count > 0)
        router_journal_note(a->queue->journal, list, count);
}

/* Lock held. A destination that was away comes back, and who has a copy is out of touch: it was us
 * who were cut off, and that one may say in a moment that it took the message over. Once in a
 * while, and not for long: it may as well be dead. */
static bool wait_for_holder(struct attempt *a)
{
    uint64_t now_ms = sys_mono_ms();
    bool was_away = a->dest->pace.attempts > 0 || now_ms - a->began_ms >= SLOW_MS;

    if (!was_away || !router_shadow_away(a->queue, &a->items[0]->row.envelope))
        return false;
    if (a->dest->held_ms == 0 || now_ms - a->dest->held_ms > HELD_EVERY_MS)
        a->dest->held_ms = now_ms;
    return now_ms - a->dest->held_ms < HELD_MS;
}

/* While the connection was made another server may have taken the message over. False: nothing is
 * left to be sent now. */
static bool still_ours(struct attempt *a)
{
    struct router_queue *queue = a->queue;
    bool sure = router_shadow_sure(queue, &a->items[0]->row.envelope);
    size_t left = 0;

    pthread_mutex_lock(&queue->lock);
    bool waits = !sure || wait_for_holder(a);
    for (size_t i = 0; i < a->count; i++) {
        struct router_item *item = a->items[i];

        if (item->given_up)
            router_item_over(queue, item);
        else if (waits)
            router_item_forget(queue, item);
        else
            a->items[left++] = item;
    }
    a->count = left;
    if (waits)
        router_dest_due(queue, a->dest, sys_now_ms() + (int64_t)SEC_MS);
    pthread_mutex_unlock(&queue->lock);
    return left > 0;
}

/* Sends on the connection there is; who is decided on is done with. */
static void send_on(struct attempt *a)
{
    struct router_answer *results = arena_many(a->arena, struct router_answer, a->count);
    const char *host = slice_cstr(a->arena, slice_str(a->sender->client_host));
    size_t left = 0;

    if (!still_ours(a))
        return;
    transact(a, results);
    feel(a, results);
    for (size_t i = 0; i < a->count; i++) {
        struct router_item *item = a->items[i];
        enum router_fate fate = router_outcome_hear(&item->heard, &results[i], host, true);

        if (fate == ROUTER_FATE_NEXT_HOP)
            a->items[left++] = item;
        else
            decide(a, item, fate);
    }
    a->count = left;
    note_taken(a);
}

/* --- connections --- */

void router_sender_hang_up(struct router_sender *sender)
{
    router_client_quit(&sender->client);
    sender->last = NULL;
    sender->client_host[0] = '\0';
    sender->client_foreign[0] = '\0';
    sender->client_sent = 0;
}

static const char *foreign_name(const struct directory_foreign *foreign)
{
    return foreign != NULL ? foreign->name : "";
}

/* The document that the kept connection goes by must still be one of the plan's. */
static bool find_foreign(struct attempt *a)
{
    for (size_t i = 0; i < a->plan.hop_count; i++) {
        a->foreign = a->plan.hops[i].foreign;
        if (strcmp(foreign_name(a->foreign), a->sender->client_foreign) == 0)
            return true;
    }
    router_sender_hang_up(a->sender);
    return false;
}

/* A server of the domain that the connection is to is still the first to be asked, and trusted. */
static bool still_meant(const struct attempt *a)
{
    const struct cluster_fellow *fellow = router_client_fellow(a->sender->client);
    const char *server = a->plan.hop_count > 0 ? a->plan.hops[0].server : NULL;

    if (fellow == NULL || server == NULL)
        return fellow == NULL && server == NULL;
    return strcmp(fellow->name, server) == 0 &&
           cluster_fellow_doubt(a->queue->cluster, fellow) == NULL;
}

/* The connection of the last message, if it is of use for this one. */
static bool can_go_on(const struct attempt *a)
{
    struct router_sender *sender = a->sender;

    if (sender->client == NULL)
        return false;
    if (sender->last == a->dest && conf_get()->smtp_out_cache_ms > 0 && still_meant(a) &&
        sender->client_sent < KEPT_MESSAGES && sys_now_ms() - sender->client_since_ms < KEPT_MS &&
        router_client_alive(sender->client))
        return true;
    router_sender_hang_up(sender);
    return false;
}

/* There was no connection to send on. */
static void hear_all(struct attempt *a, const struct router_answer *answer, const char *host)
{
    for (size_t i = 0; i < a->count; i++)
        (void)router_outcome_hear(&a->items[i]->heard, answer, host, false);
}

/* How the domain's servers are is known to the cluster, and plans are made of it. */
static void tell_health(const struct attempt *a, const struct router_hop *hop,
                        enum router_answer_kind kind)
{
    if (hop->server != NULL && a->queue->cluster != NULL && !a->queue->stopping &&
        kind != ROUTER_ANSWERED)
        health_report_failed(cluster_health(a->queue->cluster), slice_str(hop->server),
                             sys_mono_ms());
}

/* The connection, given up where it is to a server of the domain that goes down meanwhile. */
static struct router_client *connect_host(struct attempt *a, const struct router_host *host,
                                          struct router_client_options *options,
                                          struct router_answer *answer)
{
    struct router_queue *queue = a->queue;
    struct router_client *client;

    if (options->server == NULL || queue->servers == NULL)
        return router_client_open(options, host->name, host->address, host->port, answer);
    pthread_mutex_lock(&queue->lock);
    const struct health_view *view = health_view_ref(queue->servers);
    enum health_state state = health_of(view, slice_str(options->server), sys_mono_ms()).state;
    health_view_unref(&view);
    if (state == HEALTH_DOWN && options->connect_ms > DOWN_CONNECT_MS)
        options->connect_ms = DOWN_CONNECT_MS;
    options->stop_fd =
        router_opening_begin(&a->sender->opening, queue->stop_fds[0], options->server, state);
    pthread_mutex_unlock(&queue->lock);
    client = router_client_open(options, host->name, host->address, host->port, answer);
    pthread_mutex_lock(&queue->lock);
    bool gone = router_opening_end(&a->sender->opening);
    pthread_mutex_unlock(&queue->lock);
    if (gone && client == NULL)
        router_answer_say(answer, ROUTER_NO_CONNECTION, ROUTER_STAGE_CONNECT,
                          "it went down meanwhile");
    return client;
}

static bool open_host(struct attempt *a, const struct router_hop *hop,
                      const struct router_host *host)
{
    const struct conf *conf = conf_get();
    struct router_client_options options = {.own_name = a->queue->server_name,
                                            .tls = hop->tls,
                                            .implicit_tls = hop->tls_first,
                                            .tls_client = a->queue->tls,
                                            .server = hop->server,
                                            .cluster = a->queue->cluster,
                                            .user = hop->user,
                                            .password = hop->password,
                                            .connect_ms = conf->smtp_out_connect_timeout_ms,
                                            .reply_ms = conf->smtp_out_timeout_ms,
                                            .end_ms = 2 * conf->smtp_out_timeout_ms,
                                            .stop_fd = a->queue->stop_fds[0]};
    struct router_answer answer;

    a->sender->client = connect_host(a, host, &options, &answer);
    if (a->sender->client != NULL) {
        snprintf(a->sender->client_host, sizeof(a->sender->client_host), "%s [%s]", host->name,
                 host->address);
        snprintf(a->sender->client_foreign, sizeof(a->sender->client_foreign), "%s",
                 foreign_name(hop->foreign));
        a->foreign = hop->foreign;
        a->sender->client_since_ms = sys_now_ms();
        a->sender->last = a->dest;
    } else {
        char name[sizeof(a->sender->client_host)];
        snprintf(name, sizeof(name), "%s [%s]", host->name, host->address);
        hear_all(a, &answer, slice_cstr(a->arena, slice_str(name)));
        tell_health(a, hop, answer.kind);
    }
    router_outcome_host(a->queue->health, host->name, host->port, a->sender->client != NULL,
                        sys_now_ms(), conf->queue_retry_min_ms);
    return a->sender->client != NULL;
}

/* Nobody can take it: what is left is decided on. */
static void refuse_all(struct attempt *a, const struct router_answer *answer)
{
    for (size_t i = 0; i < a->count; i++) {
        a->items[i]->heard = (struct router_heard){.answer = *answer};
        decide(a, a->items[i], ROUTER_FATE_FAILED);
    }
    a->count = 0;
}

static void try_hop(struct attempt *a, const struct router_hop *hop)
{
    struct router_host *hosts = arena_many(a->arena, struct router_host, ROUTER_HOSTS_MAX);
    struct router_answer answer;
    size_t count = 0;

    if (hop->server != NULL && a->queue->cluster == NULL) {
        router_answer_say(&answer, ROUTER_NO_TLS, ROUTER_STAGE_CONNECT,
                          "this server is of no domain");
        hear_all(a, &answer, NULL);
        return;
    }
    enum st st = router_hosts(a->queue->dns, a->arena, hop, a->plan.domain, a->queue->server_name,
                              random_u32(), hosts, &count, &answer);

    if (st == ST_DENIED) {
        refuse_all(a, &answer);
        return;
    }
    if (st != ST_OK)
        hear_all(a, &answer, NULL);
    for (size_t i = 0; st == ST_OK && i < count && a->count > 0 && !a->queue->stopping; i++) {
        router_sender_hang_up(a->sender);
        if (open_host(a, hop, &hosts[i]))
            send_on(a);
    }
}

/* --- an attempt that came to nothing --- */

static enum st keep_dest(struct store_tx *tx, void *arg)
{
    return store_destination_set(tx, arg);
}

/* Nobody was there. */
static void go_down(struct attempt *a, struct slice answer)
{
    struct router_queue *queue = a->queue;
    struct router_dest *dest = a->dest;

    pthread_mutex_lock(&queue->lock);
    const struct router_pace_limits limits = router_dest_limits(dest);
    enum router_turn turn =
        router_outcome_press(&dest->pace, ROUTER_DEST_DOWN, &limits, sys_now_ms(), random_u32());
    snprintf(dest->answer, sizeof(dest->answer), "%.*s", SLICE_ARG(answer));
    struct store_destination row = {.destination_id = dest->id,
                                    .attempts = dest->pace.attempts,
                                    .next_ms = dest->pace.next_ms,
                                    .answer = arena_copy(a->arena, answer)};
    bool down = dest->pace.attempts > 0;
    pthread_mutex_unlock(&queue->lock);
    if (turn == ROUTER_TURN_DOWN)
        log_event(EV_DESTINATION_DOWN, 0, LOG_C("destination", dest->key),
                  LOG_S("answer", row.answer));
    if (down && store_write(queue->store, keep_dest, &row) != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "queue destination"));
}

/* The messages stay as they are and wait for the destination. */
static void leave_waiting(struct attempt *a)
{
    pthread_mutex_lock(&a->queue->lock);
    for (size_t i = 0; i < a->count; i++)
        router_item_forget(a->queue, a->items[i]);
    a->dest->more = true;
    pthread_mutex_unlock(&a->queue->lock);
}

static void give_up(struct attempt *a)
{
    struct router_outcome outcome;

    if (a->count == 0)
        return;
    if (a->items[0]->heard.opened) { /* what is left was sent on every connection there was */
        for (size_t i = 0; i < a->count; i++)
            decide(a, a->items[i], ROUTER_FATE_NEXT_HOP);
        return;
    }
    if (!a->queue->stopping) { /* else it was us who cut it short */
        const struct router_terms terms = terms_of(a, a->items[0], sys_now_ms());
        router_outcome(&a->items[0]->heard, ROUTER_FATE_NEXT_HOP, &terms, &outcome);
        go_down(a, router_answer_fit(slice_str(outcome.said), STORE_ANSWER_BYTES_MAX));
    }
    leave_waiting(a);
}

/* Servers of the domain that want nothing now, or none that is known. */
static void hear_nobody(struct attempt *a)
{
    struct router_answer answer = {.code = 0};

    router_answer_say(&answer, ROUTER_NO_CONNECTION, ROUTER_STAGE_CONNECT, a->plan.why);
    hear_all(a, &answer, NULL);
}

static void attempt(struct attempt *a)
{
    if (a->plan.hop_count == 0)
        hear_nobody(a);
    else if (can_go_on(a) && find_foreign(a))
        send_on(a);
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
        router_plan_now(
            a->queue, directory,
            &(struct router_asked){item->row.rcpt.address, item->row.envelope.origin, a->dest->key},
            a->arena, &plan);
        if (plan.way == ROUTER_WAY_SEND && strcmp(plan.key, a->dest->key) == 0) {
            if (a->count == 0)
                a->plan = plan;
            a->items[a->count++] = item;
        } else if (plan.way == ROUTER_WAY_SEND) {
            move(a->queue, item, plan.key);
        } else if (plan.way == ROUTER_WAY_HERE) {
            router_local(a->queue, directory, item);
        } else {
            struct router_answer *answer = &item->heard.answer;
            router_answer_say(answer, ROUTER_NO_FEATURE, ROUTER_STAGE_CONNECT, plan.why);
            snprintf(answer->enhanced, sizeof(answer->enhanced), "5.1.3");
            decide(a, item, ROUTER_FATE_FAILED);
        }
    }
}

/* Another server may have taken the message over: it waits until that is settled. */
static bool put_back(struct router_queue *queue, struct router_dest *dest,
                     struct router_item *batch)
{
    if (router_shadow_sure(queue, &batch->row.envelope))
        return false;
    pthread_mutex_lock(&queue->lock);
    router_items_forget(queue, &batch);
    router_dest_due(queue, dest, sys_now_ms() + (int64_t)SEC_MS);
    pthread_mutex_unlock(&queue->lock);
    return true;
}

void router_send(struct router_sender *sender, struct router_dest *dest, struct router_item *batch)
{
    if (put_back(sender->queue, dest, batch))
        return;
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct arena *arena = arena_new("send", 16 * MIB);
    struct attempt a = {.sender = sender,
                        .queue = sender->queue,
                        .dest = dest,
                        .arena = arena,
                        .began_ms = sys_mono_ms()};

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
