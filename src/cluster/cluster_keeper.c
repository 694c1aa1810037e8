#include "cluster/cluster_keeper.h"

#include "base/mem.h"
#include "cluster/cluster_text.h"
#include "conf/conf.h"
#include "log/log.h"
#include "store/store_document_seen.h"
#include "sys/sys_cert.h"
#include "sys/sys_hash.h"
#include "sys/sys_load.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define TICK_MS_MAX 100
#define PURGE_EVERY_MS HOUR_MS
#define RENEW_LOOK_MS 1000
#define RENEW_WARN_MS (10 * MIN_MS) /* how often it is told that nobody renews */
#define LOOK_DOCUMENTS 1000
#define PEM_BYTES_MAX (64 * KIB)
#define DOCUMENT_BYTES_MAX CLUSTER_BODY_BYTES_MAX
#define LOAD_SAMPLES 8

struct listed {
    char name[CLUSTER_NAME_BYTES_MAX + 1];
    char address[CLUSTER_ADDRESS_BYTES];
};

/* What the documents say. */
struct reading {
    struct cluster *cluster;
    int64_t after; /* versions behind it are new to us */
    int64_t reached;
    bool ours; /* one of them is of a kind that we read */
    struct listed *servers;
    size_t server_count;
    struct cluster_revoked *revoked;
    size_t revoked_count;
};

struct keeper {
    struct cluster *cluster;
    int64_t reached;    /* of the documents */
    uint64_t purged_ms; /* tombstones were looked at */
    unsigned samples[LOAD_SAMPLES];
    size_t sample_count;
    uint64_t sample_ms;
    uint64_t renew_ms; /* when to look next */
    uint64_t warned_ms;
};

/* --- documents --- */

static enum st look_at_kind(void *ctx, const struct store_document *document)
{
    struct reading *reading = ctx;

    reading->reached = document->sequence;
    if (slice_eq(document->kind, SLICE("server")) ||
        slice_eq(document->kind, SLICE(CLUSTER_REVOCATION)))
        reading->ours = true;
    return ST_OK;
}

static void take_server(struct reading *reading, const struct store_document *document)
{
    AUTO(buf) struct buf address = BUF(CLUSTER_ADDRESS_BYTES - 1);

    if (slice_eq(document->name, slice_str(reading->cluster->context.server_name)) ||
        document->name.len > CLUSTER_NAME_BYTES_MAX || reading->server_count == HEALTH_SERVERS_MAX)
        return;
    cluster_text_get(document->body, "cluster", &address);
    if (address.len == 0)
        return;
    reading->servers = mem_grow(reading->servers, reading->server_count + 1, sizeof(struct listed));
    struct listed *listed = &reading->servers[reading->server_count++];
    snprintf(listed->name, sizeof(listed->name), "%.*s", SLICE_ARG(document->name));
    snprintf(listed->address, sizeof(listed->address), "%s", address.ptr);
}

static void take_revocation(struct reading *reading, const struct store_document *document)
{
    int64_t before_ms = cluster_text_before_ms(document->body);

    if (before_ms == 0 || document->name.len > CLUSTER_NAME_BYTES_MAX)
        return;
    reading->revoked =
        mem_grow(reading->revoked, reading->revoked_count + 1, sizeof(struct cluster_revoked));
    struct cluster_revoked *revoked = &reading->revoked[reading->revoked_count++];
    snprintf(revoked->name, sizeof(revoked->name), "%.*s", SLICE_ARG(document->name));
    revoked->before_ms = before_ms;
}

static enum st take_document(void *ctx, const struct store_document *document)
{
    if (slice_eq(document->kind, SLICE("server")))
        take_server(ctx, document);
    else if (slice_eq(document->kind, SLICE(CLUSTER_REVOCATION)))
        take_revocation(ctx, document);
    return ST_OK;
}

/* All documents are read only where one of ours is among the new ones. */
static enum st read_documents(struct store_tx *tx, void *arg)
{
    struct reading *reading = arg;
    int64_t last = 0;
    enum st st = store_document_last(tx, &last);

    reading->reached = reading->after <= last ? reading->after : 0;
    reading->ours = reading->reached == 0;
    reading->server_count = 0;
    reading->revoked_count = 0;
    while (st == ST_OK && reading->reached < last && !reading->ours) {
        int64_t before = reading->reached;

        st = store_document_since(tx, before, LOOK_DOCUMENTS, look_at_kind, reading);
        if (reading->reached == before)
            break;
    }
    if (st == ST_OK && reading->ours)
        st = store_document_each(tx, take_document, reading);
    reading->reached = last;
    return st;
}

static void use_address(struct cluster_peer *peer, const char *address)
{
    if (strcmp(peer->address, address) == 0 && peer->runs == (address[0] != '\0'))
        return;
    cluster_peer_stop(peer);
    pthread_mutex_lock(&peer->cluster->lock);
    snprintf(peer->address, sizeof(peer->address), "%s", address);
    peer->resolved[0] = '\0';
    pthread_mutex_unlock(&peer->cluster->lock);
    if (address[0] != '\0' && cluster_peer_start(peer) != ST_OK)
        log_event(EV_CLUSTER_TROUBLE, 0, LOG_C("server", peer->name),
                  LOG_C("why", "no thread can be started for it"));
}

/* Marks those that the documents name. */
static void list_servers(struct cluster *cluster, const struct reading *reading)
{
    for (struct cluster_peer *peer = cluster_peer_next(cluster, NULL); peer != NULL;
         peer = cluster_peer_next(cluster, peer)) {
        bool listed = false;

        for (size_t i = 0; i < reading->server_count; i++)
            listed = listed || strcmp(reading->servers[i].name, peer->name) == 0;
        pthread_mutex_lock(&cluster->lock);
        peer->listed = listed;
        pthread_mutex_unlock(&cluster->lock);
    }
}

static void use_servers(struct cluster *cluster, const struct reading *reading)
{
    for (size_t i = 0; i < reading->server_count; i++) {
        struct cluster_peer *peer = cluster_peer_get(cluster, slice_str(reading->servers[i].name));

        if (peer != NULL)
            use_address(peer, reading->servers[i].address);
    }
    list_servers(cluster, reading);
    for (struct cluster_peer *peer = cluster_peer_next(cluster, NULL); peer != NULL;
         peer = cluster_peer_next(cluster, peer))
        if (!peer->listed)
            use_address(peer, "");
}

static void use_revoked(struct cluster *cluster, struct reading *reading)
{
    pthread_mutex_lock(&cluster->lock);
    struct cluster_revoked *gone = cluster->revoked;
    cluster->revoked = reading->revoked;
    cluster->revoked_count = reading->revoked_count;
    pthread_mutex_unlock(&cluster->lock);
    reading->revoked = NULL;
    mem_free(gone);
}

/* False: the store could not be read; with the next tick. */
static bool look_at_documents(struct keeper *keeper)
{
    struct cluster *cluster = keeper->cluster;
    struct reading reading = {.cluster = cluster, .after = keeper->reached};

    enum st st = store_read(cluster->context.store, read_documents, &reading);
    if (st != ST_OK) {
        pthread_mutex_lock(&cluster->lock);
        cluster->dirty = true;
        pthread_mutex_unlock(&cluster->lock);
    } else {
        keeper->reached = reading.reached;
        atomic_store(&cluster->documents, (unsigned long long)reading.reached);
        if (reading.ours) {
            use_revoked(cluster, &reading);
            use_servers(cluster, &reading);
        }
        cluster_session_wake_all(cluster);
    }
    mem_free(reading.servers);
    mem_free(reading.revoked);
    return st == ST_OK;
}

/* --- our own document --- */

/* A field of it: host:port of a listener. */
struct own_field {
    const char *name;
    char address[CLUSTER_ADDRESS_BYTES]; /* "": left as it is */
};

struct own {
    struct cluster *cluster;
    struct own_field fields[2];
    struct buf *body;
    bool same;
};

static void set_fields(struct own *own, struct slice body)
{
    AUTO(buf) struct buf before = BUF(DOCUMENT_BYTES_MAX);

    buf_put(own->body, body);
    for (size_t i = 0; i < COUNT(own->fields); i++) {
        AUTO(buf) struct buf address = BUF(CLUSTER_ADDRESS_BYTES - 1);
        const struct own_field *field = &own->fields[i];

        cluster_text_get(body, field->name, &address);
        if (field->address[0] == '\0' || slice_eq(buf_slice(&address), slice_str(field->address)))
            continue;
        own->same = false;
        buf_clear(&before);
        buf_put(&before, buf_slice(own->body));
        buf_clear(own->body);
        cluster_text_set(buf_slice(&before), field->name, field->address, own->body);
    }
}

static enum st take_own(void *ctx, const struct store_document *document)
{
    set_fields(ctx, document->body);
    return ST_OK;
}

static enum st write_own(struct store_tx *tx, void *arg)
{
    struct own *own = arg;
    struct slice name = slice_str(own->cluster->context.server_name);

    own->same = true;
    buf_clear(own->body);
    enum st st = store_document_get(tx, SLICE("server"), name, take_own, own);
    if (st == ST_NOT_FOUND)
        set_fields(own, SLICE(""));
    if ((st != ST_OK && st != ST_NOT_FOUND) || own->same)
        return st;
    const struct store_document document = {.kind = SLICE("server"),
                                            .name = name,
                                            .modified_ms = sys_now_ms(),
                                            .body = buf_slice(own->body)};
    return store_document_put(tx, &document);
}

/* Under which the others reach a listener of this server: it may listen everywhere, and then the
 * server's name is meant. */
static void set_address(const struct cluster *cluster, const char *setting, const char *listening,
                        char address[CLUSTER_ADDRESS_BYTES])
{
    const char *colon = strrchr(listening, ':');

    if (setting[0] != '\0')
        snprintf(address, CLUSTER_ADDRESS_BYTES, "%s", setting);
    else if (colon != NULL &&
             (strncmp(listening, "0.0.0.0:", 8) == 0 || strncmp(listening, "[::]:", 5) == 0))
        snprintf(address, CLUSTER_ADDRESS_BYTES, "%s%s", cluster->context.server_name, colon);
    else
        snprintf(address, CLUSTER_ADDRESS_BYTES, "%s", listening);
}

static void tell_own_address(struct cluster *cluster)
{
    AUTO(buf) struct buf body = BUF(DOCUMENT_BYTES_MAX);
    struct own own = {.cluster = cluster, .fields = {{"cluster", ""}, {"smtp", ""}}, .body = &body};

    set_address(cluster, conf_get()->cluster_address, cluster->context.listening,
                own.fields[0].address);
    if (cluster->context.transfer[0] != '\0')
        set_address(cluster, conf_get()->transfer_address, cluster->context.transfer,
                    own.fields[1].address);
    if (store_write(cluster->context.store, write_own, &own) != ST_OK)
        log_event(EV_CLUSTER_TROUBLE, 0,
                  LOG_C("why", "this server's own document cannot be written"));
}

/* --- how this server is --- */

static unsigned smooth(struct keeper *keeper, unsigned index)
{
    unsigned sum = 0;
    size_t count;

    keeper->samples[keeper->sample_count++ % LOAD_SAMPLES] = index;
    count = keeper->sample_count < LOAD_SAMPLES ? keeper->sample_count : LOAD_SAMPLES;
    for (size_t i = 0; i < count; i++)
        sum += keeper->samples[i];
    return (unsigned)((sum + count / 2) / count);
}

static void look_at_self(struct keeper *keeper, uint64_t now_ms)
{
    struct cluster *cluster = keeper->cluster;
    const struct conf *conf = conf_get();
    struct health_load load = {.threads_busy = count_of(COUNT_THREADS_BUSY),
                               .threads_max = conf->threads_max};

    if (now_ms < keeper->sample_ms)
        return;
    keeper->sample_ms = now_ms + conf->cluster_ping_ms;
    sys_load(&load.running, &load.processors);
    unsigned index = smooth(keeper, health_index(&load));
    count_add(COUNT_AVAILABILITY, (int64_t)index - (int64_t)count_of(COUNT_AVAILABILITY));
    atomic_store(&cluster->index, index);
    const struct health_event event = {.kind = HEALTH_EVENT_PONG,
                                       .now_ms = now_ms,
                                       .epoch = cluster->epoch,
                                       .index = index,
                                       .threshold = (unsigned)conf->server_availability_threshold,
                                       .restricted = cluster_restricted(cluster)};
    health_feed(cluster->context.health, slice_str(cluster->context.server_name), &event);
    health_tick(cluster->context.health, now_ms);
}

/* --- our certificate --- */

static void renew_here(struct cluster *cluster)
{
    const char *name = cluster->context.server_name;
    AUTO(buf) struct buf key = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf request = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf why = BUF(2 * CLUSTER_PATH_BYTES);
    enum st st = sys_cert_make_request(name, &key, &request);

    if (st == ST_OK)
        st = cluster_domain_sign(cluster->context.data_dir, buf_slice(&request), name,
                                 cluster_issue_ms(cluster, name),
                                 conf_get()->cluster_certificate_ms, &cert, &why);
    if (st == ST_OK)
        st = cluster_domain_keep(cluster->context.data_dir, name, buf_slice(&cert), buf_slice(&key),
                                 SLICE(""), &why);
    if (key.ptr != NULL)
        sys_secret_wipe(key.ptr, key.len);
    if (st == ST_OK)
        st = cluster_load_tls(cluster, &why);
    if (st == ST_OK)
        log_event(EV_DOMAIN_RENEWED, 0, LOG_C("server", name), LOG_C("by", name));
    else
        log_event(EV_CLUSTER_TROUBLE, 0, LOG_S("why", buf_slice(&why)));
}

/* A third of its life before it ends a certificate is renewed. */
static void look_at_certificate(struct keeper *keeper, uint64_t now_ms)
{
    struct cluster *cluster = keeper->cluster;

    if (now_ms < keeper->renew_ms)
        return;
    keeper->renew_ms = now_ms + RENEW_LOOK_MS;
    pthread_mutex_lock(&cluster->lock);
    int64_t left_ms = cluster->ends_ms - sys_now_ms();
    int64_t life_ms = cluster->ends_ms - cluster->issued_ms;
    pthread_mutex_unlock(&cluster->lock);
    bool due = left_ms < life_ms / 3;
    bool here = atomic_load(&cluster->authority);
    if (due && here)
        renew_here(cluster);
    atomic_store(&cluster->renew, due && !here);
    if (due && !here && left_ms < life_ms / 6 &&
        (keeper->warned_ms == 0 || now_ms - keeper->warned_ms > RENEW_WARN_MS)) {
        keeper->warned_ms = now_ms;
        log_event(EV_DOMAIN_EXPIRING, 0, LOG_I("left_ms", left_ms));
    }
}

/* --- removed documents --- */

/* Up to which of our documents every other server has them. */
static int64_t seen_by_all(struct cluster *cluster)
{
    uint64_t least = atomic_load(&cluster->documents);

    pthread_mutex_lock(&cluster->lock);
    for (const struct cluster_peer *peer = cluster->peers; peer != NULL; peer = peer->next)
        if (peer->listed && peer->their_seen < least)
            least = peer->their_seen;
    pthread_mutex_unlock(&cluster->lock);
    return (int64_t)least;
}

struct purging {
    int64_t before_ms;
    int64_t sequence;
    int64_t count;
};

static enum st purge(struct store_tx *tx, void *arg)
{
    struct purging *purging = arg;

    return store_document_seen_purge(tx, purging->before_ms, purging->sequence, &purging->count);
}

static void look_at_tombstones(struct keeper *keeper, uint64_t now_ms)
{
    uint64_t keep_ms = conf_get()->directory_tombstone_ms;
    struct purging purging = {.before_ms = sys_now_ms() - (int64_t)keep_ms,
                              .sequence = seen_by_all(keeper->cluster)};

    if (now_ms < keeper->purged_ms + (keep_ms < PURGE_EVERY_MS ? keep_ms : PURGE_EVERY_MS))
        return;
    keeper->purged_ms = now_ms;
    if (store_write(keeper->cluster->context.store, purge, &purging) == ST_OK && purging.count > 0)
        log_event(EV_TOMBSTONES_PURGED, 0, LOG_I("count", purging.count));
}

/* --- the thread --- */

/* False: it is to end. *dirty_r: documents changed. */
static bool await(struct cluster *cluster, bool *dirty_r)
{
    uint64_t ms = conf_get()->cluster_ping_ms;

    pthread_mutex_lock(&cluster->lock);
    if (!cluster->dirty && !cluster->stopping)
        sys_cond_wait_ms(&cluster->changed, &cluster->lock, ms < TICK_MS_MAX ? ms : TICK_MS_MAX);
    *dirty_r = cluster->dirty;
    cluster->dirty = false;
    bool go_on = !cluster->stopping;
    pthread_mutex_unlock(&cluster->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct keeper *keeper = arg;
    struct cluster *cluster = keeper->cluster;
    bool dirty;

    while (await(cluster, &dirty)) {
        uint64_t now_ms = sys_mono_ms();

        if (dirty)
            (void)look_at_documents(keeper);
        look_at_self(keeper, now_ms);
        look_at_certificate(keeper, now_ms);
        look_at_tombstones(keeper, now_ms);
        cluster_asks_tick(cluster->asks, now_ms);
    }
    mem_free(keeper);
    return NULL;
}

enum st cluster_keeper_start(struct cluster *cluster)
{
    struct keeper *keeper = mem_new(struct keeper);

    keeper->cluster = cluster;
    tell_own_address(cluster);
    /* Who is revoked is known before anybody is let in. */
    if (look_at_documents(keeper))
        cluster->keeper_runs = pthread_create(&cluster->keeper, NULL, run, keeper) == 0;
    if (!cluster->keeper_runs)
        mem_free(keeper);
    return cluster->keeper_runs ? ST_OK : ST_IO;
}

void cluster_keeper_stop(struct cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->stopping = true;
    pthread_cond_signal(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
    if (cluster->keeper_runs)
        pthread_join(cluster->keeper, NULL);
    cluster->keeper_runs = false;
    for (struct cluster_peer *peer = cluster_peer_next(cluster, NULL); peer != NULL;
         peer = cluster_peer_next(cluster, peer))
        cluster_peer_stop(peer);
}
