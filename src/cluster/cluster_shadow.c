#include "base/mem.h"
#include "cluster/cluster_kept.h"
#include "cluster/cluster_shadow_run.h"
#include "cluster/cluster_shadow_step.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct cluster_shadows *cluster_shadows_new(struct cluster *cluster)
{
    struct cluster_shadows *shadows = mem_new(struct cluster_shadows);

    shadows->cluster = cluster;
    shadows->tail = &shadows->first;
    pthread_mutex_init(&shadows->lock, NULL);
    return shadows;
}

void cluster_shadow_hook(struct cluster *cluster, const struct cluster_shadow_hooks *hooks)
{
    cluster->shadows->hooks = *hooks;
}

enum cluster_shadow_mode cluster_shadow_mode(const struct cluster *cluster)
{
    static const struct {
        const char *word;
        enum cluster_shadow_mode mode;
    } words[] = {{"off", CLUSTER_SHADOW_OFF},
                 {"preferred", CLUSTER_SHADOW_PREFERRED},
                 {"required", CLUSTER_SHADOW_REQUIRED}};
    const char *said = conf_get()->shadow;

    if (cluster != NULL && store_is_shared(cluster->context.store))
        return CLUSTER_SHADOW_OFF;
    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(said, words[i].word) == 0)
            return words[i].mode;
    if (cluster == NULL)
        return CLUSTER_SHADOW_OFF;
    pthread_mutex_lock(&cluster->shadows->lock);
    bool alone = cluster->shadows->partner_count == 0;
    pthread_mutex_unlock(&cluster->shadows->lock);
    return alone ? CLUSTER_SHADOW_OFF : CLUSTER_SHADOW_AUTO;
}

/* --- who is the partner --- */

static enum health_state state_of(const struct health_view *view, const char *name)
{
    return health_of(view, slice_str(name), sys_mono_ms()).state;
}

void shadow_choose(struct cluster_shadows *shadows)
{
    const struct health_view *view = health_view_ref(shadows->cluster->context.health);
    struct shadow_partner *best = NULL;

    for (struct shadow_partner *p = shadows->partners; p != NULL; p = p->next) {
        if (!p->ready || !p->listed)
            continue;
        if (best == NULL || state_of(view, p->name) < state_of(view, best->name) ||
            (state_of(view, p->name) == state_of(view, best->name) && p->order < best->order))
            best = p;
    }
    health_view_unref(&view);
    shadows->chosen = best;
}

void shadow_wake(const struct shadow_partner *partner)
{
    const uint64_t one = 1;

    if (write(partner->wake_fd, &one, sizeof(one)) != sizeof(one))
        return; /* it is awake already */
}

static void stop_partner(struct cluster_shadows *shadows, struct shadow_partner *partner)
{
    const uint64_t one = 1;

    if (!partner->runs)
        return;
    if (write(partner->stop_fd, &one, sizeof(one)) == sizeof(one))
        pthread_join(partner->thread, NULL);
    close(partner->stop_fd);
    close(partner->wake_fd);
    pthread_mutex_lock(&shadows->lock);
    partner->runs = false;
    pthread_mutex_unlock(&shadows->lock);
}

static void start_partner(struct shadow_partner *partner)
{
    partner->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    partner->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    partner->runs = partner->stop_fd >= 0 && partner->wake_fd >= 0 &&
                    pthread_create(&partner->thread, NULL, shadow_partner_main, partner) == 0;
    if (partner->runs)
        return;
    if (partner->stop_fd >= 0)
        close(partner->stop_fd);
    if (partner->wake_fd >= 0)
        close(partner->wake_fd);
    log_event(EV_CLUSTER_TROUBLE, 0, LOG_C("why", "no thread for copies can be started"));
}

static struct shadow_partner *partner_of(struct cluster_shadows *shadows, struct slice name)
{
    struct shadow_partner *p = shadows->partners;

    while (p != NULL && !slice_eq(slice_str(p->name), name))
        p = p->next;
    if (p != NULL)
        return p;
    p = mem_new(struct shadow_partner);
    p->shadows = shadows;
    p->stream.fd = -1;
    snprintf(p->name, sizeof(p->name), "%.*s", SLICE_ARG(name));
    buf_init(&p->finished, CLUSTER_DATA_BYTES_MAX);
    p->next = shadows->partners;
    shadows->partners = p;
    return p;
}

static enum st forget_body(struct store_tx *tx, void *arg)
{
    return store_shadow_forget(tx, slice_str(((const struct shadow_partner *)arg)->name));
}

/* It is of the cluster no more: whatever it has is not ours to rely on. */
static void leave_partner(struct cluster_shadows *shadows, struct shadow_partner *partner)
{
    stop_partner(shadows, partner);
    if (store_write(shadows->cluster->context.store, forget_body, partner) == ST_OK &&
        shadows->hooks.settled != NULL)
        shadows->hooks.settled(shadows->hooks.ctx, partner->name);
}

/* Lock held. */
static size_t list_partners(struct cluster_shadows *shadows,
                            const struct directory_cluster *cluster)
{
    struct slice self = slice_str(shadows->cluster->context.server_name);
    size_t count = cluster != NULL ? cluster->server_count : 0;
    size_t at = 0;
    size_t listed = 0;

    for (struct shadow_partner *p = shadows->partners; p != NULL; p = p->next)
        p->listed = false;
    while (at < count && !slice_ieq(cluster->servers[at], self))
        at++;
    for (size_t i = 1; i < count; i++) {
        struct slice name = cluster->servers[(at + i) % count];
        struct shadow_partner *partner;

        if (slice_ieq(name, self))
            continue;
        partner = partner_of(shadows, name);
        partner->listed = true;
        partner->order = i;
        listed++;
    }
    return listed;
}

/* Those who have copies and are not in the cluster (any more) are remembered as partners too, so
 * that they are left. */
static enum st note_unsettled(void *ctx, struct slice server, int64_t count)
{
    (void)count;
    (void)partner_of(ctx, server);
    return ST_OK;
}

static enum st unsettled_body(struct store_tx *tx, void *arg)
{
    return store_shadow_unsettled(tx, note_unsettled, arg);
}

static void look_at_partners(struct cluster_shadows *shadows)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct directory_cluster *cluster =
        directory_cluster_of(directory, slice_str(shadows->cluster->context.server_name));
    struct shadow_partner *all;

    pthread_mutex_lock(&shadows->lock);
    bool first = shadows->partners == NULL;
    shadows->partner_count = list_partners(shadows, cluster);
    all = shadows->partners;
    pthread_mutex_unlock(&shadows->lock);
    if (first && cluster != NULL &&
        store_read(shadows->cluster->context.store, unsettled_body, shadows) != ST_OK)
        return;
    for (struct shadow_partner *p = all; p != NULL; p = p->next) {
        if (p->listed && !p->runs)
            start_partner(p);
        else if (!p->listed && (p->runs || cluster != NULL) && p->order != SIZE_MAX) {
            leave_partner(shadows, p);
            p->order = SIZE_MAX;
        }
    }
}

/* --- copies --- */

void shadow_end(struct cluster_copy *copy, enum st st, const char *server,
                struct cluster_copy **over)
{
    copy->st = st;
    copy->stage = CLUSTER_COPY_ENDED;
    snprintf(copy->server, sizeof(copy->server), "%s", server);
    copy->next = *over;
    *over = copy;
}

void shadow_tell(struct cluster_copy *over)
{
    while (over != NULL) {
        struct cluster_copy *copy = over;

        over = copy->next;
        if (copy->server[0] != '\0')
            count_add(COUNT_SHADOWS_MADE, 1);
        else
            count_add(copy->st == ST_OK ? COUNT_SHADOWS_MISSED : COUNT_SHADOWS_REFUSED, 1);
        copy->done(copy);
    }
}

/* Somebody who is listed may still be there. */
static bool within_reach(const struct cluster_shadows *shadows)
{
    const struct health_view *view = health_view_ref(shadows->cluster->context.health);
    bool any = false;

    for (const struct shadow_partner *p = shadows->partners; p != NULL; p = p->next) {
        struct health_look look = health_of(view, slice_str(p->name), sys_mono_ms());

        any = any || (p->listed && look.known && look.state != HEALTH_DOWN);
    }
    health_view_unref(&view);
    return any;
}

/* What becomes of one whose time is over, or that can have no copy: ST_AGAIN, or ST_OK. */
static enum st without(const struct cluster_copy *copy, bool reach)
{
    if (copy->mode == CLUSTER_SHADOW_PREFERRED)
        return ST_OK;
    return copy->mode == CLUSTER_SHADOW_AUTO && !reach ? ST_OK : ST_AGAIN;
}

static uint64_t patience_ms(enum cluster_shadow_mode mode)
{
    const struct conf *conf = conf_get();

    return mode == CLUSTER_SHADOW_PREFERRED ? conf->shadow_preferred_ms : conf->shadow_timeout_ms;
}

bool cluster_copy_begin(struct cluster *cluster, struct cluster_copy *copy)
{
    struct cluster_shadows *shadows = cluster->shadows;

    copy->server[0] = '\0';
    copy->next = NULL;
    copy->stage = CLUSTER_COPY_WAITS;
    copy->deadline_ms = sys_mono_ms() + patience_ms(copy->mode);
    pthread_mutex_lock(&shadows->lock);
    HASH_ADD_STR(shadows->active, envelope.guid, copy);
    if (shadows->chosen == NULL && (shadows->partner_count == 0 || !within_reach(shadows))) {
        copy->st = without(copy, false);
        copy->stage = CLUSTER_COPY_ENDED;
        pthread_mutex_unlock(&shadows->lock);
        count_add(copy->st == ST_OK ? COUNT_SHADOWS_MISSED : COUNT_SHADOWS_REFUSED, 1);
        return true;
    }
    *shadows->tail = copy;
    shadows->tail = &copy->next;
    if (shadows->chosen != NULL)
        shadow_wake(shadows->chosen);
    pthread_mutex_unlock(&shadows->lock);
    return false;
}

/* Lock held. */
static void add_done(struct cluster_shadows *shadows, struct slice server, const char *guid,
                     int64_t rcpt_no)
{
    struct shadow_partner *p = shadows->partners;

    while (p != NULL && !slice_eq(slice_str(p->name), server))
        p = p->next;
    if (p == NULL || !p->ready)
        return; /* it is told when it is settled with */
    buf_putf(&p->finished, "%s %lld\n", guid, (long long)rcpt_no);
    if (p->finished.over) {
        buf_clear(&p->finished); /* it does not come by; settled later */
        return;
    }
    if (rcpt_no != 0 || p->finished.len > CLUSTER_DATA_BYTES_MAX / 2)
        shadow_wake(p);
}

void cluster_copy_over(struct cluster *cluster, struct cluster_copy *copy, bool kept)
{
    struct cluster_shadows *shadows = cluster->shadows;

    pthread_mutex_lock(&shadows->lock);
    HASH_DEL(shadows->active, copy);
    if (copy->server[0] != '\0' && (!kept || copy->count == 0))
        add_done(shadows, slice_str(copy->server), copy->envelope.guid, 0);
    pthread_mutex_unlock(&shadows->lock);
}

void cluster_shadow_done(struct cluster *cluster, struct slice server, const char *guid,
                         int64_t rcpt_no)
{
    if (cluster == NULL || server.len == 0)
        return;
    pthread_mutex_lock(&cluster->shadows->lock);
    add_done(cluster->shadows, server, guid, rcpt_no);
    pthread_mutex_unlock(&cluster->shadows->lock);
}

bool cluster_shadow_ready(struct cluster *cluster)
{
    pthread_mutex_lock(&cluster->shadows->lock);
    bool ready = cluster->shadows->chosen != NULL;
    pthread_mutex_unlock(&cluster->shadows->lock);
    return ready;
}

const char *cluster_shadow_name(struct cluster *cluster, struct slice server)
{
    pthread_mutex_lock(&cluster->shadows->lock);
    const char *name = partner_of(cluster->shadows, server)->name;
    pthread_mutex_unlock(&cluster->shadows->lock);
    return name;
}

/* --- we were away ourselves --- */

bool cluster_shadow_is_sure(struct cluster *cluster, struct slice server)
{
    struct cluster_shadows *shadows = cluster->shadows;

    pthread_mutex_lock(&shadows->lock);
    bool sure =
        cluster_shadow_sure(sys_mono_ms() - shadows->ticked_ms, conf_get()->shadow_takeover_ms);
    for (const struct shadow_partner *p = shadows->partners; p != NULL; p = p->next)
        if ((p->doubtful || p->settling) && slice_eq(slice_str(p->name), server))
            sure = false;
    pthread_mutex_unlock(&shadows->lock);
    return sure;
}

bool cluster_shadow_is_away(struct cluster *cluster, struct slice server)
{
    struct cluster_shadows *shadows = cluster->shadows;
    uint64_t now_ms = sys_mono_ms();
    bool away = false;

    pthread_mutex_lock(&shadows->lock);
    for (const struct shadow_partner *p = shadows->partners; p != NULL; p = p->next)
        if (!p->ready && slice_eq(slice_str(p->name), server))
            away = !cluster_shadow_sure(now_ms - p->lost_ms, conf_get()->shadow_takeover_ms);
    pthread_mutex_unlock(&shadows->lock);
    return away;
}

static enum st unsettle_body(struct store_tx *tx, void *arg)
{
    return store_shadow_unsettle(tx);
}

/* Was the process stopped, or the machine asleep, everybody is settled with anew. */
static void look_at_clock(struct cluster_shadows *shadows, uint64_t now_ms)
{
    bool away = shadows->ticked_ms != 0 &&
                !cluster_shadow_sure(now_ms - shadows->ticked_ms, conf_get()->shadow_takeover_ms);

    if (away && store_write(shadows->cluster->context.store, unsettle_body, NULL) != ST_OK)
        return; /* with the next tick */
    pthread_mutex_lock(&shadows->lock);
    for (struct shadow_partner *p = shadows->partners; p != NULL; p = p->next)
        p->doubtful = p->doubtful || away;
    shadows->ticked_ms = now_ms;
    pthread_mutex_unlock(&shadows->lock);
}

/* --- time --- */

/* Those that wait and those that were sent and not answered; what is being written ends soon. */
static void end_late(struct cluster_shadows *shadows, uint64_t now_ms, bool reach,
                     struct cluster_copy **over)
{
    struct cluster_copy **at = &shadows->first;

    while (*at != NULL) {
        struct cluster_copy *copy = *at;
        enum st st = without(copy, reach);

        if (now_ms < copy->deadline_ms && (st != ST_OK || copy->mode != CLUSTER_SHADOW_AUTO)) {
            at = &copy->next;
            continue;
        }
        *at = copy->next;
        shadow_end(copy, st, "", over);
    }
    shadows->tail = at;
}

static void end_late_of(struct shadow_partner *partner, uint64_t now_ms, bool reach,
                        struct cluster_copy **over)
{
    for (size_t b = 0; b < SHADOW_BATCHES; b++) {
        struct shadow_batch *batch = &partner->batches[b];

        for (size_t i = 0; batch->number != 0 && i < batch->count; i++) {
            struct cluster_copy *copy = batch->slots[i].copy;

            if (copy == NULL || copy->stage != CLUSTER_COPY_SENT || now_ms < copy->deadline_ms)
                continue;
            batch->slots[i].copy = NULL; /* it is told that it is not wanted once it has it */
            shadow_end(copy, without(copy, reach), "", over);
        }
    }
}

void cluster_shadow_tick(struct cluster *cluster)
{
    struct cluster_shadows *shadows = cluster->shadows;
    struct cluster_copy *over = NULL;
    uint64_t now_ms = sys_mono_ms();

    look_at_clock(shadows, now_ms);
    look_at_partners(shadows);
    pthread_mutex_lock(&shadows->lock);
    bool reach = within_reach(shadows);
    shadow_choose(shadows);
    end_late(shadows, now_ms, reach, &over);
    for (struct shadow_partner *p = shadows->partners; p != NULL; p = p->next) {
        end_late_of(p, now_ms, reach, &over);
        if (p->runs && (p->finished.len > 0 || (p == shadows->chosen && shadows->first != NULL)))
            shadow_wake(p);
    }
    pthread_mutex_unlock(&shadows->lock);
    shadow_tell(over);
    cluster_kept_tick(cluster->kept, now_ms);
}

enum st cluster_shadow_gather(struct cluster *cluster)
{
    return cluster != NULL ? cluster_kept_move(cluster->kept) : ST_OK;
}

void cluster_shadows_stop(struct cluster_shadows *shadows)
{
    struct cluster_copy *over = NULL;

    pthread_mutex_lock(&shadows->lock);
    shadows->stopping = true;
    pthread_mutex_unlock(&shadows->lock);
    for (struct shadow_partner *p = shadows->partners; p != NULL; p = p->next)
        stop_partner(shadows, p);
    pthread_mutex_lock(&shadows->lock);
    shadows->chosen = NULL;
    shadows->partner_count = 0; /* what comes now finds nobody */
    while (shadows->first != NULL) {
        struct cluster_copy *copy = shadows->first;

        shadows->first = copy->next;
        shadow_end(copy, ST_AGAIN, "", &over);
    }
    shadows->tail = &shadows->first;
    pthread_mutex_unlock(&shadows->lock);
    shadow_tell(over);
}

void cluster_shadows_free(struct cluster_shadows **shadows)
{
    struct cluster_shadows *gone = *shadows;

    if (gone == NULL)
        return;
    *shadows = NULL;
    while (gone->partners != NULL) {
        struct shadow_partner *p = gone->partners;

        gone->partners = p->next;
        buf_fini(&p->finished);
        mem_free(p);
    }
    pthread_mutex_destroy(&gone->lock);
    mem_free(gone);
}

/* --- for who takes over --- */

void cluster_shadow_take_lock(struct cluster *cluster)
{
    pthread_mutex_lock(&cluster->take_lock);
}

void cluster_shadow_take_unlock(struct cluster *cluster)
{
    pthread_mutex_unlock(&cluster->take_lock);
}

uint64_t cluster_shadow_absent_ms(struct cluster *cluster, struct slice owner, uint64_t now_ms)
{
    const struct cluster_peer *peer = cluster_peer_get(cluster, owner);
    uint64_t left_ms = cluster->opened_ms;

    if (peer == NULL)
        return now_ms - left_ms;
    pthread_mutex_lock(&cluster->lock);
    bool here = peer->holdings > 0;
    if (peer->left_ms > left_ms)
        left_ms = peer->left_ms;
    pthread_mutex_unlock(&cluster->lock);
    return here || now_ms < left_ms ? 0 : now_ms - left_ms;
}

/* A line of its view: "name state milliseconds index". */
static bool view_has(struct slice lines, struct slice owner)
{
    struct slice line;

    while (slice_split(&lines, '\n', &line)) {
        struct slice name;
        struct slice state;

        if (slice_split(&line, ' ', &name) && slice_split(&line, ' ', &state) &&
            slice_ieq(name, owner))
            return !slice_eq(state, slice_str(health_state_name(HEALTH_DOWN)));
    }
    return false;
}

bool cluster_shadow_seen_by_others(struct cluster *cluster, struct slice owner)
{
    uint64_t now_ms = sys_mono_ms();
    bool seen = false;

    pthread_mutex_lock(&cluster->lock);
    for (const struct cluster_peer *p = cluster->peers; p != NULL; p = p->next)
        seen =
            seen || (p->connected && now_ms - p->view_ms < 3 * SEC_MS &&
                     !slice_ieq(slice_str(p->name), owner) && view_has(buf_slice(&p->view), owner));
    pthread_mutex_unlock(&cluster->lock);
    return seen;
}
