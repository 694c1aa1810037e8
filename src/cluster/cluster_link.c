#include "cluster/cluster_run.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "log/log.h"
#include "store/store_document_seen.h"
#include "sys/sys_cert.h"
#include "sys/sys_hash.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define PEM_BYTES_MAX (64 * KIB)

void cluster_link_init(struct cluster_link *link, struct cluster *cluster, bool client)
{
    memset(link, 0, sizeof(*link));
    link->cluster = cluster;
    link->client = client;
    link->heard_ms = sys_mono_ms();
    buf_init(&link->out, CLUSTER_LINK_OUT_BYTES);
    buf_init(&link->renew_key, PEM_BYTES_MAX);
}

void cluster_link_fini(struct cluster_link *link)
{
    if (link->renew_key.ptr != NULL)
        sys_secret_wipe(link->renew_key.ptr, link->renew_key.cap);
    buf_fini(&link->renew_key);
    buf_fini(&link->out);
    mem_free(link->batch);
    link->batch = NULL;
}

static enum st end(struct cluster_link *link, enum st st, const char *why)
{
    if (link->why[0] == '\0')
        snprintf(link->why, sizeof(link->why), "%s", why);
    return st;
}

static void say(struct cluster_link *link, const struct cluster_frame *frame)
{
    if (cluster_frame_write(frame, &link->out) != ST_OK)
        link->out.over = true; /* the other reads nothing: seen by cluster_link_input() */
}

bool cluster_link_allowed(struct cluster_link *link)
{
    if (!cluster_is_revoked(link->cluster, link->name, link->issued_ms))
        return true;
    (void)end(link, ST_DENIED, "its certificate was revoked");
    return false;
}

/* --- what we say --- */

static enum st read_seen(struct store_tx *tx, void *arg)
{
    struct cluster_peer *peer = arg;
    int64_t epoch = 0;
    int64_t sequence = 0;
    enum st st = store_document_seen_get(tx, slice_str(peer->name), &epoch, &sequence);

    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&peer->cluster->lock);
    if (!peer->seen_read && peer->seen_epoch == 0) {
        peer->seen_epoch = (uint64_t)epoch;
        peer->seen = (uint64_t)sequence;
    }
    pthread_mutex_unlock(&peer->cluster->lock);
    return ST_OK;
}

/* What was seen of its documents before this start; where the store fails all are told again. */
static void remember_seen(struct cluster_link *link)
{
    struct cluster *cluster = link->cluster;

    pthread_mutex_lock(&cluster->lock);
    bool done = link->peer->seen_read;
    pthread_mutex_unlock(&cluster->lock);
    if (done)
        return;
    enum st st = store_read(cluster->context.store, read_seen, link->peer);
    pthread_mutex_lock(&cluster->lock);
    link->peer->seen_read = st == ST_OK || st == ST_NOT_FOUND;
    pthread_mutex_unlock(&cluster->lock);
}

void cluster_link_hello(struct cluster_link *link)
{
    struct cluster *cluster = link->cluster;
    struct cluster_frame frame = {.type = CLUSTER_HELLO,
                                  .hello = {.protocol = CLUSTER_PROTOCOL,
                                            .epoch = cluster->epoch,
                                            .documents_epoch = cluster->documents_epoch,
                                            .authority = atomic_load(&cluster->authority),
                                            .name = slice_str(cluster->context.server_name),
                                            .version = SLICE(POSTHORSE_VERSION)}};

    remember_seen(link);
    pthread_mutex_lock(&cluster->lock);
    frame.hello.seen = link->peer->seen;
    frame.hello.seen_epoch = link->peer->seen_epoch;
    pthread_mutex_unlock(&cluster->lock);
    say(link, &frame);
}

void cluster_link_ping(struct cluster_link *link, bool view)
{
    const struct cluster_frame frame = {.type = CLUSTER_PING,
                                        .ping = {.number = ++link->ping, .view = view}};

    link->ping_us = sys_mono_us();
    count_add(COUNT_CLUSTER_PINGS, 1);
    say(link, &frame);
}

void cluster_link_renew(struct cluster_link *link)
{
    AUTO(buf) struct buf request = BUF(PEM_BYTES_MAX);
    struct cluster_frame frame = {.type = CLUSTER_RENEW};

    if (link->renew_key.len > 0 || sys_cert_make_request(link->cluster->context.server_name,
                                                         &link->renew_key, &request) != ST_OK)
        return;
    frame.renew.request = buf_slice(&request);
    say(link, &frame);
}

enum st cluster_link_push(struct cluster_link *link, bool *more_r)
{
    int64_t after = link->sent;

    *more_r = false;
    if (!link->greeted || link->out.len > CLUSTER_LINK_PUSH_BYTES ||
        link->sent >= (int64_t)atomic_load(&link->cluster->documents))
        return ST_OK;
    enum st st = cluster_sync_write(link->cluster->context.store, after, &link->out, &link->sent);
    if (st != ST_OK)
        return end(link, st, "the store failed");
    *more_r = link->sent > after && link->sent < (int64_t)atomic_load(&link->cluster->documents);
    return ST_OK;
}

/* --- what we are told --- */

struct validating {
    const struct cluster_link *link;
    const struct cluster_hello *hello;
    int64_t valid;
};

static enum st validate(struct store_tx *tx, void *arg)
{
    struct validating *v = arg;

    return store_document_seen_valid(tx, slice_str(v->link->cluster->context.server_name),
                                     (int64_t)v->hello->seen_epoch, (int64_t)v->hello->seen,
                                     &v->valid);
}

/* Where our documents go on for it. */
static enum st begin_telling(struct cluster_link *link, const struct cluster_hello *hello)
{
    struct validating v = {.link = link, .hello = hello};
    const enum st st = store_read(link->cluster->context.store, validate, &v);
    struct cluster_frame from = {.type = CLUSTER_FROM};

    if (st != ST_OK)
        return end(link, st, "the store failed");
    link->sent = v.valid;
    pthread_mutex_lock(&link->cluster->lock);
    link->peer->their_seen = (uint64_t)v.valid;
    pthread_mutex_unlock(&link->cluster->lock);
    from.from.sequence = (uint64_t)v.valid;
    say(link, &from);
    return ST_OK;
}

static enum st take_hello(struct cluster_link *link, const struct cluster_frame *frame)
{
    const struct cluster_hello *hello = &frame->hello;
    struct cluster *cluster = link->cluster;
    struct cluster_peer *peer = link->peer;
    bool first = !link->greeted;

    if (!slice_eq(hello->name, slice_str(link->name)))
        return end(link, ST_DENIED, "it says another name than its certificate");
    pthread_mutex_lock(&cluster->lock);
    peer->epoch = hello->epoch;
    atomic_store(&peer->authority, hello->authority == 1);
    snprintf(peer->version, sizeof(peer->version), "%.*s", SLICE_ARG(hello->version));
    pthread_mutex_unlock(&cluster->lock);
    link->their_epoch = hello->documents_epoch;
    link->greeted = true;
    if (first && !link->client)
        cluster_link_hello(link);
    return begin_telling(link, hello);
}

/* Its number for what we have: in another epoch than before it may be less. */
static enum st take_from(struct cluster_link *link, const struct cluster_frame *frame)
{
    struct cluster_peer *peer = link->peer;

    pthread_mutex_lock(&link->cluster->lock);
    if (peer->seen_epoch != link->their_epoch || peer->seen < frame->from.sequence)
        peer->seen = frame->from.sequence;
    peer->seen_epoch = link->their_epoch;
    pthread_mutex_unlock(&link->cluster->lock);
    return ST_OK;
}

static enum st take_ping(struct cluster_link *link, const struct cluster_frame *frame)
{
    struct cluster *cluster = link->cluster;
    AUTO(buf) struct buf lines = BUF(CLUSTER_VIEW_BYTES_MAX);
    const struct cluster_frame pong = {
        .type = CLUSTER_PONG,
        .pong = {.number = frame->ping.number,
                 .epoch = cluster->epoch,
                 .index = atomic_load(&cluster->index),
                 .threshold = conf_get()->server_availability_threshold,
                 .restricted = cluster_restricted(cluster),
                 .documents = atomic_load(&cluster->documents)}};
    struct cluster_frame view = {.type = CLUSTER_VIEW};

    say(link, &pong);
    if (frame->ping.view == 1) {
        cluster_view_write(cluster->context.health, sys_mono_ms(), &lines);
        view.view.lines = buf_slice(&lines);
        say(link, &view);
    }
    return ST_OK;
}

static enum st take_pong(struct cluster_link *link, const struct cluster_frame *frame)
{
    const struct cluster_pong *pong = &frame->pong;
    uint64_t now_us = sys_mono_us();
    struct health_event event = {.kind = HEALTH_EVENT_PONG,
                                 .now_ms = sys_mono_ms(),
                                 .epoch = pong->epoch,
                                 .index = (unsigned)pong->index,
                                 .threshold = (unsigned)pong->threshold,
                                 .restricted = pong->restricted == 1};

    count_add(COUNT_CLUSTER_PONGS, 1);
    link->heard_ms = event.now_ms;
    event.rtt_us = pong->number == link->ping ? now_us - link->ping_us : 0;
    pthread_mutex_lock(&link->cluster->lock);
    link->peer->documents = pong->documents;
    if (event.rtt_us > 0)
        link->peer->rtt_us = event.rtt_us;
    event.rtt_us = link->peer->rtt_us;
    pthread_mutex_unlock(&link->cluster->lock);
    health_feed(link->cluster->context.health, slice_str(link->peer->name), &event);
    return ST_OK;
}

static enum st take_document(struct cluster_link *link, const struct cluster_frame *frame)
{
    if (link->batch == NULL)
        link->batch = mem_new(struct cluster_batch);
    cluster_batch_add(link->batch, &frame->document);
    return ST_OK;
}

static enum st take_seen(struct cluster_link *link, const struct cluster_frame *frame)
{
    pthread_mutex_lock(&link->cluster->lock);
    link->peer->their_seen = frame->seen.sequence;
    pthread_mutex_unlock(&link->cluster->lock);
    return ST_OK;
}

static enum st take_view(struct cluster_link *link, const struct cluster_frame *frame)
{
    pthread_mutex_lock(&link->cluster->lock);
    buf_clear(&link->peer->view);
    buf_put(&link->peer->view, frame->view.lines);
    link->peer->view_ms = sys_mono_ms();
    pthread_mutex_unlock(&link->cluster->lock);
    return ST_OK;
}

static enum st take_renew(struct cluster_link *link, const struct cluster_frame *frame)
{
    struct cluster *cluster = link->cluster;
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf why = BUF(CLUSTER_WHY_BYTES);
    struct cluster_frame member = {.type = CLUSTER_MEMBER};
    enum st st = cluster_domain_sign(cluster->context.data_dir, frame->renew.request, link->name,
                                     cluster_issue_ms(cluster, link->name),
                                     conf_get()->cluster_certificate_ms, &cert, &why);

    if (st != ST_OK)
        return end(link, st, why.ptr);
    log_event(EV_DOMAIN_RENEWED, 0, LOG_C("server", link->name));
    member.member.certificate = buf_slice(&cert);
    say(link, &member);
    return ST_OK;
}

static enum st take_member(struct cluster_link *link, const struct cluster_frame *frame)
{
    struct cluster *cluster = link->cluster;
    AUTO(buf) struct buf why = BUF(CLUSTER_WHY_BYTES);

    if (link->renew_key.len == 0)
        return end(link, ST_INVALID, "it sent a certificate that was not asked for");
    enum st st = cluster_domain_keep(cluster->context.data_dir, cluster->context.server_name,
                                     frame->member.certificate, buf_slice(&link->renew_key),
                                     SLICE(""), &why);
    sys_secret_wipe(link->renew_key.ptr, link->renew_key.len);
    buf_clear(&link->renew_key);
    if (st == ST_OK)
        st = cluster_load_tls(cluster, &why);
    if (st != ST_OK)
        return end(link, st, why.ptr);
    atomic_store(&cluster->renew, false);
    log_event(EV_DOMAIN_RENEWED, 0, LOG_C("server", cluster->context.server_name),
              LOG_C("by", link->name));
    return ST_OK;
}

static enum st take_refused(struct cluster_link *link, const struct cluster_frame *frame)
{
    char why[CLUSTER_WHY_BYTES];

    snprintf(why, sizeof(why), "it refuses: %.*s", SLICE_ARG(frame->refused.why));
    return end(link, ST_DENIED, why);
}

enum side { CLIENT = 1, SERVER = 2, BOTH = 3 };

/* Who may be told what. */
static const struct {
    enum st (*take)(struct cluster_link *link, const struct cluster_frame *frame);
    enum side side;
} rows[CLUSTER_TYPE_MAX] = {
    [CLUSTER_HELLO] = {take_hello, BOTH},       [CLUSTER_PING] = {take_ping, SERVER},
    [CLUSTER_PONG] = {take_pong, CLIENT},       [CLUSTER_DOCUMENT] = {take_document, BOTH},
    [CLUSTER_SEEN] = {take_seen, BOTH},         [CLUSTER_VIEW] = {take_view, CLIENT},
    [CLUSTER_RENEW] = {take_renew, SERVER},     [CLUSTER_MEMBER] = {take_member, CLIENT},
    [CLUSTER_REFUSED] = {take_refused, CLIENT}, [CLUSTER_FROM] = {take_from, BOTH},
};

static bool legal(const struct cluster_link *link, enum cluster_type type)
{
    if (rows[type].take == NULL || (rows[type].side & (link->client ? CLIENT : SERVER)) == 0)
        return false;
    return link->greeted || type == CLUSTER_HELLO || type == CLUSTER_REFUSED;
}

/* What is in the batch becomes durable, and the other is told. */
static enum st merge(struct cluster_link *link, uint64_t reached)
{
    struct cluster_frame seen = {.type = CLUSTER_SEEN};
    uint64_t new_count;

    if (link->batch == NULL || link->batch->count == 0)
        return ST_OK;
    link->batch->epoch = link->their_epoch;
    link->batch->reached = reached;
    enum st st =
        cluster_batch_merge(link->cluster->context.store, link->batch, link->name, &new_count);
    if (st != ST_OK)
        return end(link, st, "the store failed");
    pthread_mutex_lock(&link->cluster->lock);
    if (reached > link->peer->seen && link->peer->seen_epoch == link->their_epoch)
        link->peer->seen = reached;
    pthread_mutex_unlock(&link->cluster->lock);
    seen.seen.sequence = reached;
    say(link, &seen);
    return ST_OK;
}

static enum st take_frame(struct cluster_link *link, const struct cluster_frame *frame)
{
    char why[100];

    if (legal(link, frame->type))
        return rows[frame->type].take(link, frame);
    snprintf(why, sizeof(why), "%s does not fit here", cluster_type_name(frame->type));
    return end(link, ST_INVALID, why);
}

enum st cluster_link_input(struct cluster_link *link, struct slice in, size_t *used_r)
{
    struct cluster_frame frame;
    uint64_t reached = 0;
    enum st st = ST_OK;
    size_t used = 0;

    *used_r = 0;
    if (!cluster_link_allowed(link))
        return ST_DENIED;
    while (st == ST_OK) {
        st = cluster_frame_read(slice_sub(in, *used_r, in.len), CLUSTER_FRAME_BYTES_MAX, &frame,
                                &used);
        if (st != ST_OK)
            break;
        *used_r += used;
        st = take_frame(link, &frame);
        if (frame.type == CLUSTER_DOCUMENT)
            reached = frame.document.sequence;
        if (st == ST_OK && link->batch != NULL && link->batch->count == CLUSTER_BATCH_MAX)
            st = merge(link, reached);
    }
    if (st != ST_AGAIN)
        return end(link, st, "what came is no frame, or over the limit");
    st = merge(link, reached);
    return st == ST_OK && link->out.over ? end(link, ST_TOO_BIG, "it does not read") : st;
}
