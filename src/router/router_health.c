#include "router/router_health.h"

#include "base/mem.h"
#include "base/slice.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define HOSTS_MAX 10000
#define KEY_BYTES 300

struct host {
    UT_hash_handle hh;
    char *key; /* "host:port" */
    int64_t since_ms;
    int64_t until_ms;
};

struct router_health {
    pthread_mutex_t lock;
    struct host *hosts; /* the longest known first */
};

struct router_health *router_health_new(void)
{
    struct router_health *health = mem_new(struct router_health);

    pthread_mutex_init(&health->lock, NULL);
    return health;
}

static void drop(struct router_health *health, struct host *host)
{
    HASH_DEL(health->hosts, host);
    mem_free(host->key);
    mem_free(host);
}

void router_health_free(struct router_health **health)
{
    struct host *host;
    struct host *next;

    if (*health == NULL)
        return;
    HASH_ITER(hh, (*health)->hosts, host, next)
    drop(*health, host);
    pthread_mutex_destroy(&(*health)->lock);
    mem_free(*health);
    *health = NULL;
}

/* Lock held. */
static struct host *find(const struct router_health *health, const char *name, uint16_t port,
                         char key[KEY_BYTES])
{
    struct host *host;

    snprintf(key, KEY_BYTES, "%s:%u", name, (unsigned)port);
    HASH_FIND(hh, health->hosts, key, strlen(key), host);
    return host;
}

void router_health_down(struct router_health *health, const char *name, uint16_t port,
                        int64_t now_ms, int64_t until_ms)
{
    char key[KEY_BYTES];

    pthread_mutex_lock(&health->lock);
    struct host *host = find(health, name, port, key);
    if (host == NULL) {
        if (HASH_COUNT(health->hosts) >= HOSTS_MAX)
            drop(health, health->hosts);
        host = mem_new(struct host);
        host->key = mem_copy(slice_str(key));
        host->since_ms = now_ms;
        HASH_ADD_KEYPTR(hh, health->hosts, host->key, strlen(host->key), host);
    }
    host->until_ms = until_ms;
    pthread_mutex_unlock(&health->lock);
}

void router_health_up(struct router_health *health, const char *name, uint16_t port)
{
    char key[KEY_BYTES];

    pthread_mutex_lock(&health->lock);
    struct host *host = find(health, name, port, key);
    if (host != NULL)
        drop(health, host);
    pthread_mutex_unlock(&health->lock);
}

bool router_health_is_down(const struct router_health *health, const char *name, uint16_t port,
                           int64_t now_ms, int64_t *since_ms_r)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&health->lock;
    char key[KEY_BYTES];

    pthread_mutex_lock(lock);
    const struct host *host = find(health, name, port, key);
    bool down = host != NULL && host->until_ms > now_ms;
    if (down)
        *since_ms_r = host->since_ms;
    pthread_mutex_unlock(lock);
    return down;
}
