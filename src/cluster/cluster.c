#include "cluster/cluster.h"

#include "auth/auth_throttle.h"
#include "base/mem.h"
#include "cluster/cluster_keeper.h"
#include "cluster/cluster_kept.h"
#include "cluster/cluster_run.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/net.h"
#include "store/store_document_seen.h"
#include "sys/sys_cert.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <stdio.h>
#include <string.h>

#define PEERS_MAX (HEALTH_SERVERS_MAX - 1)
#define JOIN_WINDOW_MS MIN_MS
#define JOIN_FAILURES_MAX 10
#define JOIN_ENTRIES_MAX 1000
#define PEM_BYTES_MAX (64 * KIB)

/* --- who is who --- */

struct cluster_peer *cluster_peer_get(struct cluster *cluster, struct slice name)
{
    struct cluster_peer **at = &cluster->peers;
    struct cluster_peer *peer = NULL;
    size_t count = 0;

    if (name.len == 0 || name.len > CLUSTER_NAME_BYTES_MAX)
        return NULL;
    pthread_mutex_lock(&cluster->lock);
    for (; *at != NULL && slice_cmp(slice_str((*at)->name), name) < 0; at = &(*at)->next)
        ;
    if (*at != NULL && slice_eq(slice_str((*at)->name), name))
        peer = *at;
    for (const struct cluster_peer *each = cluster->peers; each != NULL; each = each->next)
        count++;
    if (peer == NULL && count < PEERS_MAX) {
        peer = mem_new(struct cluster_peer);
        peer->cluster = cluster;
        snprintf(peer->name, sizeof(peer->name), "%.*s", SLICE_ARG(name));
        buf_init(&peer->view, CLUSTER_VIEW_BYTES_MAX);
        peer->next = *at;
        *at = peer;
    }
    pthread_mutex_unlock(&cluster->lock);
    return peer;
}

struct cluster_peer *cluster_peer_next(struct cluster *cluster, const struct cluster_peer *peer)
{
    pthread_mutex_lock(&cluster->lock);
    struct cluster_peer *next = peer != NULL ? peer->next : cluster->peers;
    pthread_mutex_unlock(&cluster->lock);
    return next;
}

static int64_t revoked_before(struct cluster *cluster, const char *name)
{
    int64_t before_ms = 0;

    pthread_mutex_lock(&cluster->lock);
    for (size_t i = 0; i < cluster->revoked_count; i++)
        if (strcmp(cluster->revoked[i].name, name) == 0)
            before_ms = cluster->revoked[i].before_ms;
    pthread_mutex_unlock(&cluster->lock);
    return before_ms;
}

bool cluster_is_revoked(struct cluster *cluster, const char *name, int64_t issued_ms)
{
    int64_t before_ms = revoked_before(cluster, name);

    return before_ms > 0 && issued_ms <= before_ms;
}

int64_t cluster_issue_ms(struct cluster *cluster, const char *name)
{
    int64_t before_ms = revoked_before(cluster, name);
    int64_t now_ms = sys_now_ms();

    return now_ms > before_ms ? now_ms : before_ms + 1;
}

enum st cluster_tls_name(const struct sys_tls *tls, char name[CLUSTER_NAME_BYTES_MAX + 1],
                         int64_t *issued_ms_r)
{
    AUTO(buf) struct buf pem = BUF(PEM_BYTES_MAX);
    struct sys_cert_look look;
    enum st st = sys_tls_peer_pem(tls, &pem);

    static_assert(sizeof(look.name) == CLUSTER_NAME_BYTES_MAX + 1, "a name is a name");
    if (st == ST_OK)
        st = sys_cert_look(buf_slice(&pem), &look);
    if (st != ST_OK)
        return st;
    memcpy(name, look.name, sizeof(look.name));
    *issued_ms_r = look.issued_ms;
    return name[0] != '\0' ? ST_OK : ST_INVALID;
}

bool cluster_restricted(const struct cluster *cluster)
{
    const struct conf *conf = conf_get();

    (void)cluster;
    return conf_restriction() != CONF_OPEN ||
           (conf->server_max_users > 0 && count_of(COUNT_SESSIONS) >= conf->server_max_users);
}

/* --- certificates --- */

enum st cluster_load_tls(struct cluster *cluster, struct buf *why)
{
    char member[CLUSTER_PATH_BYTES];
    char authority[CLUSTER_PATH_BYTES];
    struct sys_tls_server *tls = NULL;
    struct cluster_domain_look look;

    cluster_domain_path(cluster->context.data_dir, CLUSTER_FILE_MEMBER, member);
    cluster_domain_path(cluster->context.data_dir, CLUSTER_FILE_AUTHORITY, authority);
    enum st st = cluster_domain_look(cluster->context.data_dir, &look, why);
    if (st == ST_OK)
        st = sys_tls_server_new_mutual(member, authority, why, &tls);
    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&cluster->lock);
    struct sys_tls_server *gone = cluster->tls_before;
    cluster->tls_before = cluster->tls;
    cluster->tls = tls;
    atomic_store(&cluster->authority, look.authority);
    cluster->issued_ms = look.issued_ms;
    cluster->ends_ms = look.ends_ms;
    pthread_mutex_unlock(&cluster->lock);
    net_tls_use_for(cluster->context.net, &proto_cluster, tls);
    net_tls_use_for(cluster->context.net, cluster->context.proto_transfer, tls);
    sys_tls_server_free(&gone);
    return ST_OK;
}

/* --- life --- */

static void documents_changed(void *ctx, int64_t account_id, int64_t folder_id)
{
    struct cluster *cluster = ctx;

    (void)account_id;
    (void)folder_id;
    pthread_mutex_lock(&cluster->lock);
    cluster->dirty = true;
    pthread_cond_signal(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
}

static enum st check_name(const struct cluster_context *context, struct buf *why)
{
    struct cluster_domain_look look;
    enum st st = cluster_domain_look(context->data_dir, &look, why);

    if (st == ST_OK && strcmp(look.server, context->server_name) != 0) {
        buf_putf(why,
                 "server_name = %s: this server joined the domain as %s; give it that name again, "
                 "or remove %s/domain and join anew",
                 context->server_name, look.server, context->data_dir);
        st = ST_INVALID;
    }
    return st;
}

enum st cluster_open(const struct cluster_context *context, struct buf *why,
                     struct cluster **cluster_r)
{
    const struct auth_throttle_limits limits = {.window_ms = JOIN_WINDOW_MS,
                                                .address_failures_max = JOIN_FAILURES_MAX,
                                                .entries_max = JOIN_ENTRIES_MAX};
    char path[CLUSTER_PATH_BYTES];
    uint64_t epoch = 0;
    enum st st = check_name(context, why);

    *cluster_r = NULL;
    if (st == ST_OK)
        st = cluster_domain_epoch(context->data_dir, &epoch);
    if (st != ST_OK)
        return st;
    struct cluster *cluster = mem_new(struct cluster);
    cluster->context = *context;
    cluster->epoch = epoch;
    cluster->dirty = true;
    atomic_init(&cluster->index, 100);
    pthread_mutex_init(&cluster->lock, NULL);
    pthread_mutex_init(&cluster->take_lock, NULL);
    sys_cond_init(&cluster->changed);
    cluster->opened_ms = sys_mono_ms();
    cluster->shadows = cluster_shadows_new(cluster);
    cluster->asks = cluster_asks_new(cluster);
    cluster_domain_path(context->data_dir, CLUSTER_FILE_COPIES, path);
    cluster->kept = cluster_kept_new(context->store, path);
    cluster->throttle = auth_throttle_new(&limits);
    *cluster_r = cluster;
    return ST_OK;
}

static enum st begin_epoch(struct store_tx *tx, void *arg)
{
    struct cluster *cluster = arg;
    uint64_t random;

    sys_random(&random, sizeof(random));
    cluster->documents_epoch = random / 4 + 1;
    return store_document_seen_begin(tx, slice_str(cluster->context.server_name),
                                     (int64_t)cluster->documents_epoch);
}

enum st cluster_start(struct cluster *cluster, struct buf *why)
{
    enum st st = cluster_load_tls(cluster, why);

    if (st == ST_OK && cluster_kept_recover(cluster->kept) != ST_OK) {
        buf_put(why, SLICE("copies of other servers' messages cannot be put into the store"));
        st = ST_IO;
    }
    if (st == ST_OK)
        st = health_add(cluster->context.health, slice_str(cluster->context.server_name), true,
                        sys_mono_ms());
    if (st != ST_OK)
        return st;
    st = store_write(cluster->context.store, begin_epoch, cluster);
    if (st != ST_OK) {
        buf_put(why, SLICE("the cluster's documents cannot be read"));
        return st;
    }
    cluster->watch = store_watch_new(cluster->context.store, STORE_DOCUMENTS_ACCOUNT,
                                     documents_changed, cluster);
    st = cluster_keeper_start(cluster);
    if (st != ST_OK)
        buf_put(why, SLICE("the cluster's documents cannot be read"));
    return st;
}

void cluster_stop(struct cluster *cluster)
{
    if (cluster == NULL)
        return;
    store_watch_free(&cluster->watch);
    cluster_asks_stop(cluster->asks);
    cluster_asked_stop(cluster);
    cluster_shadows_stop(cluster->shadows);
    cluster_keeper_stop(cluster);
}

void cluster_free(struct cluster **cluster)
{
    struct cluster *gone = *cluster;

    if (gone == NULL)
        return;
    *cluster = NULL;
    cluster_asks_free(&gone->asks);
    while (gone->peers != NULL) {
        struct cluster_peer *peer = gone->peers;

        gone->peers = peer->next;
        buf_fini(&peer->view);
        mem_free(peer);
    }
    net_tls_use_for(gone->context.net, &proto_cluster, NULL);
    net_tls_use_for(gone->context.net, gone->context.proto_transfer, NULL);
    sys_tls_server_free(&gone->tls);
    sys_tls_server_free(&gone->tls_before);
    auth_throttle_free(&gone->throttle);
    cluster_shadows_free(&gone->shadows);
    cluster_kept_free(&gone->kept);
    pthread_mutex_destroy(&gone->take_lock);
    pthread_mutex_destroy(&gone->lock);
    pthread_cond_destroy(&gone->changed);
    mem_free(gone->revoked);
    mem_free(gone);
}

void cluster_reload(struct cluster *cluster)
{
    const struct conf *conf = conf_get();
    const struct health_limits limits = {.suspect_ms = conf->cluster_suspect_ms,
                                         .down_ms = conf->cluster_down_ms,
                                         .steady_ms = conf->cluster_steady_ms};

    if (cluster != NULL)
        health_set_limits(cluster->context.health, &limits);
}

/* --- looking --- */

uint64_t cluster_epoch(const struct cluster *cluster)
{
    return cluster->epoch;
}

uint64_t cluster_documents(const struct cluster *cluster)
{
    return atomic_load(&cluster->documents);
}

struct health *cluster_health(const struct cluster *cluster)
{
    return cluster->context.health;
}

void cluster_each(struct cluster *cluster, cluster_each_fn *fn, void *ctx)
{
    uint64_t now_ms = sys_mono_ms();

    pthread_mutex_lock(&cluster->lock);
    for (const struct cluster_peer *peer = cluster->peers; peer != NULL; peer = peer->next) {
        const struct cluster_look look = {
            .name = peer->name,
            .address = peer->address,
            .version = peer->version,
            .why = peer->connected ? "" : peer->why,
            .view = peer->view.len > 0 ? peer->view.ptr : "",
            .view_age_ms = peer->view_ms > 0 ? now_ms - peer->view_ms : 0,
            .epoch = peer->epoch,
            .rtt_us = peer->rtt_us,
            .documents = peer->documents,
            .seen = peer->seen,
            .their_seen = peer->their_seen,
            .connected = peer->connected,
        };

        if (peer->listed || peer->connected)
            fn(ctx, &look);
    }
    pthread_mutex_unlock(&cluster->lock);
}
