#include "health/health.h"

#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define WATCHERS_MAX 4

/* A view with what it is made of; the view comes first, so that one is the other. */
struct view {
    struct health_view view;
    atomic_int refs;
    struct health_server servers[];
};

struct health {
    pthread_mutex_t lock;
    struct health_limits limits;
    struct health_server *servers; /* by name */
    size_t count;
    struct view *latest; /* NULL: to be made */
    struct {
        health_watch_fn *fn;
        void *ctx;
    } watchers[WATCHERS_MAX];
    size_t watcher_count;
};

struct health *health_new(const struct health_limits *limits)
{
    struct health *health = mem_new(struct health);

    pthread_mutex_init(&health->lock, NULL);
    health->limits = *limits;
    return health;
}

/* --- views --- */

static void view_drop(struct view *view)
{
    if (view != NULL && atomic_fetch_sub(&view->refs, 1) == 1)
        mem_free(view);
}

/* Under the lock, after each change. */
static void outdate(struct health *health)
{
    view_drop(health->latest);
    health->latest = NULL;
}

static struct view *view_new(const struct health *health)
{
    struct view *view =
        mem_alloc(sizeof(struct view) + health->count * sizeof(struct health_server));

    atomic_init(&view->refs, 1);
    if (health->count > 0)
        memcpy(view->servers, health->servers, health->count * sizeof(struct health_server));
    view->view = (struct health_view){view->servers, health->count, health->limits};
    return view;
}

const struct health_view *health_view_ref(struct health *health)
{
    pthread_mutex_lock(&health->lock);
    if (health->latest == NULL)
        health->latest = view_new(health);
    struct view *view = health->latest;
    atomic_fetch_add(&view->refs, 1);
    pthread_mutex_unlock(&health->lock);
    return &view->view;
}

void health_view_unref(const struct health_view **view)
{
    view_drop((struct view *)(uintptr_t)*view);
    *view = NULL;
}

/* --- servers --- */

void health_free(struct health **health)
{
    if (*health == NULL)
        return;
    outdate(*health);
    pthread_mutex_destroy(&(*health)->lock);
    mem_free((*health)->servers);
    mem_free(*health);
    *health = NULL;
}

void health_set_limits(struct health *health, const struct health_limits *limits)
{
    pthread_mutex_lock(&health->lock);
    health->limits = *limits;
    outdate(health);
    pthread_mutex_unlock(&health->lock);
}

/* Under the lock. The place of the name, or where it would be. */
static size_t place_of(const struct health *health, struct slice name, bool *found_r)
{
    size_t i = 0;

    while (i < health->count && !slice_ieq(slice_str(health->servers[i].name), name))
        i++;
    *found_r = i < health->count;
    for (i = *found_r ? i : 0; !*found_r && i < health->count; i++)
        if (slice_cmp(slice_str(health->servers[i].name), name) > 0)
            break;
    return i;
}

enum st health_add(struct health *health, struct slice server, bool self, uint64_t now_ms)
{
    bool found;
    enum st st = ST_OK;

    if (server.len >= HEALTH_NAME_BYTES)
        return ST_TOO_BIG;
    pthread_mutex_lock(&health->lock);
    size_t i = place_of(health, server, &found);
    if (!found && health->count == HEALTH_SERVERS_MAX) {
        st = ST_TOO_BIG;
    } else if (!found) {
        health->servers =
            mem_grow(health->servers, health->count + 1, sizeof(struct health_server));
        memmove(&health->servers[i + 1], &health->servers[i],
                (health->count - i) * sizeof(struct health_server));
        struct health_server *added = &health->servers[i];
        memset(added, 0, sizeof(*added));
        snprintf(added->name, sizeof(added->name), "%.*s", SLICE_ARG(server));
        added->peer = health_peer_new(now_ms);
        added->peer.self = self;
        health->count++;
        outdate(health);
    }
    pthread_mutex_unlock(&health->lock);
    return st;
}

void health_remove(struct health *health, struct slice server)
{
    bool found;

    pthread_mutex_lock(&health->lock);
    size_t i = place_of(health, server, &found);
    if (found) {
        health->count--;
        memmove(&health->servers[i], &health->servers[i + 1],
                (health->count - i) * sizeof(struct health_server));
        outdate(health);
    }
    pthread_mutex_unlock(&health->lock);
}

/* --- what happens to them --- */

/* With no lock held. */
static void tell(const struct health *health, struct slice server, const struct health_peer *was,
                 const struct health_peer *is)
{
    if (was->state == is->state)
        return;
    log_event(EV_SERVER_STATE, 0, LOG_S("server", server),
              LOG_C("state", health_state_name(is->state)),
              LOG_C("was", health_state_name(was->state)),
              LOG_U("for_ms", is->now_ms - was->since_ms), LOG_U("index", is->index));
    for (size_t i = 0; i < health->watcher_count; i++)
        health->watchers[i].fn(health->watchers[i].ctx, server, was->state, is->state);
}

enum health_state health_feed(struct health *health, struct slice server,
                              const struct health_event *event)
{
    struct health_peer was = {.state = HEALTH_UP};
    struct health_peer is = was;
    bool found;

    pthread_mutex_lock(&health->lock);
    size_t i = place_of(health, server, &found);
    if (found) {
        was = health->servers[i].peer;
        is = health_step(&health->limits, was, event);
        health->servers[i].peer = is;
        outdate(health);
    }
    pthread_mutex_unlock(&health->lock);
    tell(health, server, &was, &is);
    return is.state;
}

void health_report_failed(struct health *health, struct slice server, uint64_t now_ms)
{
    const struct health_event failed = {.kind = HEALTH_EVENT_FAILED, .now_ms = now_ms};

    health_feed(health, server, &failed);
}

void health_tick(struct health *health, uint64_t now_ms)
{
    const struct health_event passed = {.kind = HEALTH_EVENT_TIME, .now_ms = now_ms};
    const struct health_view *view = health_view_ref(health);

    for (size_t i = 0; i < view->count; i++)
        health_feed(health, slice_str(view->servers[i].name), &passed);
    health_view_unref(&view);
}

void health_watch(struct health *health, health_watch_fn *fn, void *ctx)
{
    assert(health->watcher_count < WATCHERS_MAX);
    health->watchers[health->watcher_count].fn = fn;
    health->watchers[health->watcher_count++].ctx = ctx;
}
