#include "auth/auth_cache.h"

#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <pthread.h>
#include <string.h>

/* A set-associative table: a key may stand in one of a few places, the oldest of which gives way.
 */
#define WAYS 4
#define SETS (AUTH_CACHE_ENTRIES_MAX / WAYS)

struct entry {
    unsigned char key[SYS_SHA256_BYTES];
    uint64_t added_ms;
    bool used;
};

struct auth_cache {
    pthread_mutex_t lock;
    unsigned char secret[SYS_SHA256_BYTES];
    struct entry entries[SETS][WAYS];
};

struct auth_cache *auth_cache_new(void)
{
    struct auth_cache *cache = mem_new(struct auth_cache);

    pthread_mutex_init(&cache->lock, NULL);
    sys_random(cache->secret, sizeof(cache->secret));
    return cache;
}

void auth_cache_free(struct auth_cache **cache)
{
    if (*cache == NULL)
        return;
    pthread_mutex_destroy(&(*cache)->lock);
    sys_secret_wipe(*cache, sizeof(**cache));
    mem_free(*cache);
    *cache = NULL;
}

/* A NUL ends name and password, neither of which holds one, so no two triples run into another. */
static void key_of(const struct auth_cache *cache, struct slice name, struct slice password,
                   const char *verifier, unsigned char out[SYS_SHA256_BYTES])
{
    const struct slice parts[] = {name, {"", 1}, password, {"", 1}, slice_str(verifier)};

    sys_hmac_sha256((struct slice){(const char *)cache->secret, sizeof(cache->secret)}, parts,
                    COUNT(parts), out);
}

static struct entry *set_of(struct auth_cache *cache, const unsigned char key[])
{
    return cache->entries[(((size_t)key[0] << 8) | key[1]) % SETS];
}

static struct entry *find(struct entry set[], const unsigned char key[])
{
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used && memcmp(set[i].key, key, SYS_SHA256_BYTES) == 0)
            return &set[i];
    return NULL;
}

bool auth_cache_has(struct auth_cache *cache, struct slice name, struct slice password,
                    const char *verifier, uint64_t now_ms)
{
    unsigned char key[SYS_SHA256_BYTES];

    key_of(cache, name, password, verifier, key);
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(set_of(cache, key), key);
    if (entry != NULL && now_ms > entry->added_ms + AUTH_CACHE_AGE_MS) {
        entry->used = false;
        entry = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    return entry != NULL;
}

static struct entry *oldest(struct entry set[])
{
    struct entry *least = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].used)
            return &set[i];
        if (set[i].added_ms < least->added_ms)
            least = &set[i];
    }
    return least;
}

void auth_cache_add(struct auth_cache *cache, struct slice name, struct slice password,
                    const char *verifier, uint64_t now_ms)
{
    unsigned char key[SYS_SHA256_BYTES];

    key_of(cache, name, password, verifier, key);
    pthread_mutex_lock(&cache->lock);
    struct entry *set = set_of(cache, key);
    struct entry *entry = find(set, key);
    if (entry == NULL)
        entry = oldest(set);
    memcpy(entry->key, key, sizeof(key));
    entry->added_ms = now_ms;
    entry->used = true;
    pthread_mutex_unlock(&cache->lock);
}
