#include "router/router_shadow.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "cluster/cluster_shadow_step.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router.h"
#include "router/router_plan.h"
#include "router/router_run.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define TICK_MS 100
#define LOOK_MS 500    /* how often it is looked who is to be taken over */
#define TAKE_COUNT 50  /* messages in one transaction */
#define LATE_MS SEC_MS /* how often it is looked what has no copy */
#define LATE_COUNT 32  /* copies made late at a time */
#define OWNERS_MAX 256
#define TEXT_BYTES_MAX (64 * MIB)

struct router_shadow {
    struct router_queue *queue;
    struct cluster *cluster;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    pthread_t keeper;
    pthread_t copier;
    bool keeper_runs;
    bool copier_runs;
    bool stopping;
    bool look;             /* the copier is to begin at the beginning */
    int64_t late_after_id; /* what lies before has its copy */
    size_t late_left;      /* copies under way, of LATE_COUNT */
};

/* --- taking over --- */

struct owner {
    char name[HEALTH_NAME_BYTES];
    uint64_t open;
};

struct owners {
    struct owner list[OWNERS_MAX];
    size_t count;
};

static enum st note_owner(void *ctx, struct slice name, int64_t count, int64_t open)
{
    struct owners *owners = ctx;
    struct owner *owner = &owners->list[owners->count];

    (void)count;
    if (open == 0 || owners->count == OWNERS_MAX)
        return ST_OK;
    snprintf(owner->name, sizeof(owner->name), "%.*s", SLICE_ARG(name));
    owner->open = (uint64_t)open;
    owners->count++;
    return ST_OK;
}

static enum st read_owners(struct store_tx *tx, void *arg)
{
    ((struct owners *)arg)->count = 0;
    return store_shadow_owners(tx, note_owner, arg);
}

static bool takes(const struct router_shadow *shadow, const struct owner *owner)
{
    const struct health_view *view = health_view_ref(cluster_health(shadow->cluster));
    struct slice name = slice_str(owner->name);
    uint64_t now_ms = sys_mono_ms();
    struct health_look health = health_of(view, name, now_ms);
    const struct cluster_owner_look look = {
        .absent_ms = cluster_shadow_absent_ms(shadow->cluster, name, now_ms),
        .known = health.known,
        .state = health.state,
        .state_ms = now_ms - health.since_ms,
        .seen_by_others = cluster_shadow_seen_by_others(shadow->cluster, name),
        .open = owner->open};

    health_view_unref(&view);
    return cluster_shadow_takes(&look, conf_get()->shadow_takeover_ms);
}

struct taking {
    const struct router_shadow *shadow;
    const struct directory *directory;
    struct slice owner;
    struct arena *arena;
    struct store_shadow_copy copies[TAKE_COUNT];
    size_t count;
};

static enum st destine(struct store_tx *tx, const struct taking *t, struct slice origin,
                       struct store_rcpt *rcpt)
{
    const struct router_queue *queue = t->shadow->queue;
    struct router_plan plan;

    rcpt->destination_id = queue->report_id;
    if (rcpt->state > STORE_RCPT_HELD)
        return ST_OK;
    router_plan_now(queue, t->directory, &(struct router_asked){rcpt->address, origin, NULL},
                    t->arena, &plan);
    return store_destination_need(tx, queue->server_id, slice_str(plan.key), &rcpt->destination_id);
}

static enum st take_one(struct store_tx *tx, const struct taking *t, struct store_shadow_copy *copy)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < copy->count; i++)
        st = destine(tx, t, copy->envelope.origin, &copy->rcpts[i]);
    if (st == ST_OK)
        st = store_shadow_take(tx, t->owner, &copy->envelope, sys_now_ms());
    return st == ST_OK ? store_queue_add(tx, &copy->envelope, copy->rcpts, copy->count) : st;
}

static enum st take_body(struct store_tx *tx, void *arg)
{
    struct taking *t = arg;
    int64_t after_id = 0;
    enum st st = ST_OK;

    arena_reset(t->arena);
    for (t->count = 0; st == ST_OK && t->count < TAKE_COUNT; t->count += st == ST_OK) {
        struct store_shadow_copy *copy = &t->copies[t->count];

        st = store_shadow_next(tx, t->owner, after_id, t->arena, copy);
        if (st != ST_OK)
            break;
        after_id = copy->envelope.envelope_id;
        st = take_one(tx, t, copy);
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void tell_taken(const struct taking *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct store_envelope *envelope = &t->copies[i].envelope;

        count_add(COUNT_SHADOWS_TAKEN, 1);
        log_event(EV_SHADOW_TAKEN, 0, LOG_C("guid", envelope->guid),
                  LOG_S("from", envelope->sender), LOG_U("rcpts", t->copies[i].count),
                  LOG_S("server", t->owner), LOG_S("message_id", envelope->message_id));
    }
}

/* Page by page; the owner may come back between two. */
static void take_over(struct router_shadow *shadow, const struct owner *owner)
{
    struct taking *t = mem_new(struct taking);
    uint64_t taken = 0;
    enum st st = ST_OK;

    t->shadow = shadow;
    t->owner = slice_str(owner->name);
    t->arena = arena_new("taking over", TEXT_BYTES_MAX);
    do {
        AUTO_DIRECTORY const struct directory *directory = directory_ref();

        t->directory = directory;
        t->count = 0;
        cluster_shadow_take_lock(shadow->cluster);
        bool now = takes(shadow, owner);
        if (now)
            st = cluster_shadow_gather(shadow->cluster);
        if (now && st == ST_OK)
            st = store_write(shadow->queue->store, take_body, t);
        cluster_shadow_take_unlock(shadow->cluster);
        if (st != ST_OK)
            log_event(EV_STORE_FAILED, 0, LOG_C("what", "taking copies over"));
        if (st == ST_OK)
            tell_taken(t);
        taken += t->count;
    } while (st == ST_OK && t->count == TAKE_COUNT);
    if (taken > 0) {
        log_event(EV_SHADOW_TAKEOVER, 0, LOG_C("server", owner->name), LOG_U("messages", taken));
        router_queue_look(shadow->queue, false);
    }
    arena_free(&t->arena);
    mem_free(t);
}

static void look_at_owners(struct router_shadow *shadow)
{
    struct owners *owners = mem_new(struct owners);

    if (store_read(shadow->queue->store, read_owners, owners) == ST_OK)
        for (size_t i = 0; i < owners->count; i++)
            if (takes(shadow, &owners->list[i]))
                take_over(shadow, &owners->list[i]);
    mem_free(owners);
}

static void *keeper_main(void *arg)
{
    struct router_shadow *shadow = arg;
    uint64_t look_ms = 0;

    pthread_mutex_lock(&shadow->lock);
    while (!shadow->stopping) {
        pthread_mutex_unlock(&shadow->lock);
        cluster_shadow_tick(shadow->cluster);
        if (sys_mono_ms() >= look_ms) {
            look_ms = sys_mono_ms() + LOOK_MS;
            look_at_owners(shadow);
        }
        pthread_mutex_lock(&shadow->lock);
        if (!shadow->stopping)
            sys_cond_wait_ms(&shadow->cond, &shadow->lock, TICK_MS);
    }
    pthread_mutex_unlock(&shadow->lock);
    return NULL;
}

/* --- copies made late: of reports, and of what was taken while nobody was there --- */

struct late {
    struct cluster_copy copy;
    struct router_shadow *shadow;
    struct store_shadow_copy message;
    bool *gone; /* of its recipients: done with meanwhile */
};

struct lates {
    struct router_shadow *shadow;
    struct arena *arena;
    struct late list[LATE_COUNT];
    size_t count;
    int64_t after_id;
};

static enum st read_lates(struct store_tx *tx, void *arg)
{
    struct lates *lates = arg;
    enum st st = ST_OK;

    arena_reset(lates->arena);
    lates->after_id = lates->shadow->late_after_id;
    for (lates->count = 0; st == ST_OK && lates->count < LATE_COUNT; lates->count += st == ST_OK) {
        struct store_shadow_copy *message = &lates->list[lates->count].message;

        st = store_shadow_alone(tx, lates->after_id, lates->arena, message);
        if (st == ST_OK)
            lates->after_id = message->envelope.envelope_id;
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void late_done(struct cluster_copy *copy)
{
    struct router_shadow *shadow = ((struct late *)copy)->shadow; /* its first member */

    pthread_mutex_lock(&shadow->lock);
    shadow->late_left--;
    pthread_cond_broadcast(&shadow->cond);
    pthread_mutex_unlock(&shadow->lock);
}

static enum st note_there(void *ctx, const struct store_queued *queued)
{
    const struct late *late = ctx;

    for (size_t i = 0; i < late->message.count; i++)
        if (late->message.rcpts[i].rcpt_no == queued->rcpt.rcpt_no)
            late->gone[i] = false;
    return ST_OK;
}

static enum st late_body(struct store_tx *tx, void *arg)
{
    struct late *late = arg;
    int64_t envelope_id = late->message.envelope.envelope_id;

    memset(late->gone, true, late->message.count * sizeof(late->gone[0]));
    enum st st = store_queue_get(tx, envelope_id, note_there, late);
    return st == ST_OK ? store_shadow_set(tx, envelope_id, slice_str(late->copy.server)) : st;
}

/* Its rows in memory learn of it. */
static void mark_items(struct router_queue *queue, const struct late *late)
{
    const char *server = cluster_shadow_name(queue->shadow->cluster, slice_str(late->copy.server));

    pthread_mutex_lock(&queue->lock);
    for (struct router_item *item = queue->items; item != NULL; item = item->hh.next)
        if (item->key.envelope_id == late->message.envelope.envelope_id)
            item->row.envelope.shadow = slice_str(server);
    pthread_mutex_unlock(&queue->lock);
}

static void conclude_late(struct router_shadow *shadow, struct late *late)
{
    const struct store_envelope *envelope = &late->message.envelope;
    bool kept = late->copy.st == ST_OK && late->copy.server[0] != '\0';

    if (kept)
        kept = store_write(shadow->queue->store, late_body, late) == ST_OK;
    if (kept)
        mark_items(shadow->queue, late);
    for (size_t i = 0; kept && i < late->message.count; i++)
        if (late->gone[i])
            cluster_shadow_done(shadow->cluster, slice_str(late->copy.server), envelope->guid,
                                late->message.rcpts[i].rcpt_no);
    cluster_copy_over(shadow->cluster, &late->copy, kept);
}

static void begin_late(struct lates *lates, struct late *late)
{
    struct router_shadow *shadow = lates->shadow;

    late->shadow = shadow;
    late->gone = arena_many(lates->arena, bool, late->message.count);
    late->copy = (struct cluster_copy){.envelope = late->message.envelope,
                                       .rcpts = late->message.rcpts,
                                       .count = late->message.count,
                                       .mode = CLUSTER_SHADOW_REQUIRED,
                                       .done = late_done};
    pthread_mutex_lock(&shadow->lock);
    shadow->late_left++;
    pthread_mutex_unlock(&shadow->lock);
    if (cluster_copy_begin(shadow->cluster, &late->copy))
        late_done(&late->copy);
}

/* A page of them. Whether there may be more. */
static bool make_late(struct router_shadow *shadow)
{
    struct lates *lates = mem_new(struct lates);
    bool all = true;

    lates->shadow = shadow;
    lates->arena = arena_new("late copies", TEXT_BYTES_MAX);
    if (store_read(shadow->queue->store, read_lates, lates) != ST_OK)
        lates->count = 0;
    for (size_t i = 0; i < lates->count; i++)
        begin_late(lates, &lates->list[i]);
    pthread_mutex_lock(&shadow->lock);
    while (shadow->late_left > 0)
        sys_cond_wait_ms(&shadow->cond, &shadow->lock, SEC_MS);
    pthread_mutex_unlock(&shadow->lock);
    for (size_t i = 0; i < lates->count; i++) {
        all = all && lates->list[i].copy.server[0] != '\0';
        conclude_late(shadow, &lates->list[i]);
    }
    pthread_mutex_lock(&shadow->lock);
    if (all && !shadow->look)
        shadow->late_after_id = lates->after_id;
    bool more = all && lates->count == LATE_COUNT;
    pthread_mutex_unlock(&shadow->lock);
    arena_free(&lates->arena);
    mem_free(lates);
    return more;
}

static void *copier_main(void *arg)
{
    struct router_shadow *shadow = arg;
    bool more = false;

    pthread_mutex_lock(&shadow->lock);
    while (!shadow->stopping) {
        if (shadow->look)
            shadow->late_after_id = 0;
        shadow->look = false;
        pthread_mutex_unlock(&shadow->lock);
        more = cluster_shadow_mode(shadow->cluster) != CLUSTER_SHADOW_OFF &&
               cluster_shadow_ready(shadow->cluster) && make_late(shadow);
        pthread_mutex_lock(&shadow->lock);
        if (!shadow->stopping && !more)
            sys_cond_wait_ms(&shadow->cond, &shadow->lock, LATE_MS);
    }
    pthread_mutex_unlock(&shadow->lock);
    return NULL;
}

/* --- what settling came to --- */

/* The rows are gone from the store; whoever has them in memory lets go of them. */
static void given_up(void *ctx, int64_t envelope_id, const char *guid, const char *server)
{
    const struct router_shadow *shadow = ctx;
    struct router_queue *queue = shadow->queue;
    struct router_item *item;
    struct router_item *next;

    pthread_mutex_lock(&queue->lock);
    HASH_ITER(hh, queue->items, item, next)
    if (item->key.envelope_id == envelope_id && !item->over) {
        item->given_up = true;
        if (router_window_leave(item))
            router_item_over(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
    log_event(EV_SHADOW_GIVEN_UP, 0, LOG_C("guid", guid), LOG_C("server", server));
}

static void settled(void *ctx, const char *server)
{
    struct router_shadow *shadow = ctx;

    (void)server;
    pthread_mutex_lock(&shadow->lock);
    shadow->look = true;
    pthread_cond_broadcast(&shadow->cond);
    pthread_mutex_unlock(&shadow->lock);
    router_queue_look(shadow->queue, false);
}

/* --- life --- */

static enum st unsettle(struct store_tx *tx, void *arg)
{
    (void)arg;
    return store_shadow_unsettle(tx);
}

enum st router_shadow_new(struct router_queue *queue, struct cluster *cluster, struct buf *why,
                          struct router_shadow **shadow_r)
{
    struct router_shadow *shadow = mem_new(struct router_shadow);
    const struct cluster_shadow_hooks hooks = {shadow, given_up, settled};

    shadow->queue = queue;
    shadow->cluster = cluster;
    pthread_mutex_init(&shadow->lock, NULL);
    sys_cond_init(&shadow->cond);
    cluster_shadow_hook(cluster, &hooks);
    enum st st = store_write(queue->store, unsettle, NULL);
    if (st != ST_OK)
        buf_put(why, SLICE("the queue cannot be read from the store"));
    queue->shadow = shadow;
    *shadow_r = shadow;
    return st;
}

enum st router_shadow_start(struct router_shadow *shadow)
{
    if (store_is_shared(shadow->queue->store)) /* there a dead server's queue goes by its lease */
        return ST_OK;
    shadow->keeper_runs = pthread_create(&shadow->keeper, NULL, keeper_main, shadow) == 0;
    shadow->copier_runs = pthread_create(&shadow->copier, NULL, copier_main, shadow) == 0;
    return shadow->keeper_runs && shadow->copier_runs ? ST_OK : ST_IO;
}

void router_shadow_stop(struct router_shadow *shadow)
{
    if (shadow == NULL)
        return;
    pthread_mutex_lock(&shadow->lock);
    shadow->stopping = true;
    pthread_cond_broadcast(&shadow->cond);
    pthread_mutex_unlock(&shadow->lock);
    if (shadow->copier_runs) /* it may wait for copies, which the other one ends */
        pthread_join(shadow->copier, NULL);
    if (shadow->keeper_runs)
        pthread_join(shadow->keeper, NULL);
    shadow->keeper_runs = shadow->copier_runs = false;
}

void router_shadow_free(struct router_shadow **shadow)
{
    if (*shadow == NULL)
        return;
    (*shadow)->queue->shadow = NULL;
    pthread_mutex_destroy(&(*shadow)->lock);
    pthread_cond_destroy(&(*shadow)->cond);
    mem_free(*shadow);
    *shadow = NULL;
}

/* --- for the others of router/ --- */

enum cluster_shadow_mode router_shadow_mode(const struct router_queue *queue)
{
    if (queue == NULL || store_is_shared(queue->store))
        return CLUSTER_SHADOW_OFF;
    return cluster_shadow_mode(queue->shadow != NULL ? queue->shadow->cluster : NULL);
}

bool router_shadow_begin(struct router_queue *queue, struct cluster_copy *copy)
{
    if (queue->shadow != NULL)
        return cluster_copy_begin(queue->shadow->cluster, copy);
    copy->server[0] = '\0';
    copy->st = copy->mode == CLUSTER_SHADOW_REQUIRED ? ST_AGAIN : ST_OK;
    return true;
}

void router_shadow_over(struct router_queue *queue, struct cluster_copy *copy, bool kept)
{
    if (queue->shadow != NULL)
        cluster_copy_over(queue->shadow->cluster, copy, kept);
}

void router_shadow_done(struct router_queue *queue, const struct store_envelope *envelope,
                        int64_t rcpt_no)
{
    if (queue->shadow != NULL && envelope->shadow.len > 0)
        cluster_shadow_done(queue->shadow->cluster, envelope->shadow, envelope->guid, rcpt_no);
}

bool router_shadow_sure(struct router_queue *queue, const struct store_envelope *envelope)
{
    return queue->shadow == NULL || envelope->shadow.len == 0 ||
           cluster_shadow_is_sure(queue->shadow->cluster, envelope->shadow);
}

bool router_shadow_away(struct router_queue *queue, const struct store_envelope *envelope)
{
    return queue->shadow != NULL && envelope->shadow.len > 0 &&
           cluster_shadow_is_away(queue->shadow->cluster, envelope->shadow);
}
