#include "auth/auth_throttle.h"

#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <string.h>

/* A set-associative table per kind of key; in a full set the key with the fewest failures goes. */
#define WAYS 8
#define KEY_BYTES 16
#define NETWORK_BYTES 8 /* of an IPv6 address */

struct entry {
    unsigned char key[KEY_BYTES];
    uint64_t window_ms; /* when the present window began; a multiple of the window's length */
    unsigned present;   /* failures in it; both 0: the entry is free */
    unsigned before;    /* failures in the one before it */
};

struct table {
    struct entry *entries;
    size_t sets;
    unsigned failures_max;
};

struct auth_throttle {
    pthread_mutex_t lock;
    unsigned char secret[SYS_SHA256_BYTES]; /* so that nobody can aim at a set */
    uint64_t window_ms;
    uint64_t now_ms; /* the latest seen */
    struct table addresses;
    struct table names;
};

static void table_init(struct table *table, size_t entries, unsigned failures_max)
{
    table->sets = entries < WAYS ? 1 : entries / WAYS;
    table->entries = mem_alloc(table->sets * WAYS * sizeof(struct entry));
    table->failures_max = failures_max;
}

struct auth_throttle *auth_throttle_new(const struct auth_throttle_limits *limits)
{
    struct auth_throttle *throttle = mem_new(struct auth_throttle);

    assert(limits->window_ms > 0 && limits->window_ms < UINT64_MAX / 1000);
    assert(limits->entries_max < SIZE_MAX / sizeof(struct entry));
    pthread_mutex_init(&throttle->lock, NULL);
    sys_random(throttle->secret, sizeof(throttle->secret));
    throttle->window_ms = limits->window_ms;
    table_init(&throttle->addresses, limits->entries_max, limits->address_failures_max);
    table_init(&throttle->names, limits->entries_max, limits->name_failures_max);
    return throttle;
}

void auth_throttle_free(struct auth_throttle **throttle)
{
    if (*throttle == NULL)
        return;
    pthread_mutex_destroy(&(*throttle)->lock);
    mem_free((*throttle)->addresses.entries);
    mem_free((*throttle)->names.entries);
    mem_free(*throttle);
    *throttle = NULL;
}

static void hash(const struct auth_throttle *throttle, struct slice text,
                 unsigned char key[KEY_BYTES])
{
    unsigned char full[SYS_SHA256_BYTES];

    sys_hmac_sha256((struct slice){(const char *)throttle->secret, sizeof(throttle->secret)}, &text,
                    1, full);
    memcpy(key, full, KEY_BYTES);
}

static void address_key(const struct auth_throttle *throttle, struct slice address,
                        unsigned char key[KEY_BYTES])
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr parsed;

    if (address.len < sizeof(text)) {
        memcpy(text, address.ptr, address.len);
        text[address.len] = '\0';
        if (inet_pton(AF_INET6, text, &parsed) == 1 && !IN6_IS_ADDR_V4MAPPED(&parsed))
            address = (struct slice){(const char *)&parsed, NETWORK_BYTES};
    }
    hash(throttle, address, key);
}

static void name_key(const struct auth_throttle *throttle, struct slice name,
                     unsigned char key[KEY_BYTES])
{
    char lower[256];
    size_t len = name.len < sizeof(lower) ? name.len : sizeof(lower);

    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)name.ptr[i]);
    hash(throttle, (struct slice){lower, len}, key);
}

static struct entry *set_of(struct table *table, const unsigned char key[])
{
    uint64_t n;

    memcpy(&n, key, sizeof(n));
    return table->entries + (n % table->sets) * WAYS;
}

static struct entry *find(struct table *table, const unsigned char key[])
{
    struct entry *set = set_of(table, key);

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].present + set[i].before > 0 && memcmp(set[i].key, key, KEY_BYTES) == 0)
            return &set[i];
    return NULL;
}

/* Time moves on under an entry: its present window becomes the one before, or is over. */
static void settle(const struct auth_throttle *throttle, struct entry *entry)
{
    uint64_t window = throttle->now_ms - throttle->now_ms % throttle->window_ms;

    if (entry->window_ms >= window)
        return;
    entry->before = window - entry->window_ms == throttle->window_ms ? entry->present : 0;
    entry->present = 0;
    entry->window_ms = window;
}

/* Failures within the last window's length, a thousand for each. */
static uint64_t weight(const struct auth_throttle *throttle, struct entry *entry)
{
    settle(throttle, entry);
    uint64_t left = throttle->window_ms - throttle->now_ms % throttle->window_ms;

    return (uint64_t)entry->present * 1000 + entry->before * (left * 1000 / throttle->window_ms);
}

static bool below(const struct auth_throttle *throttle, struct table *table,
                  const unsigned char key[])
{
    struct entry *entry = find(table, key);

    return table->failures_max == 0 || entry == NULL ||
           weight(throttle, entry) < (uint64_t)table->failures_max * 1000;
}

static struct entry *lightest(const struct auth_throttle *throttle, struct entry set[])
{
    struct entry *least = &set[0];

    for (size_t i = 1; i < WAYS; i++)
        if (weight(throttle, &set[i]) < weight(throttle, least))
            least = &set[i];
    return least;
}

static void count(const struct auth_throttle *throttle, struct table *table,
                  const unsigned char key[])
{
    struct entry *entry = find(table, key);

    if (table->failures_max == 0)
        return;
    if (entry == NULL) {
        entry = lightest(throttle, set_of(table, key));
        *entry = (struct entry){0};
        memcpy(entry->key, key, KEY_BYTES);
    }
    settle(throttle, entry);
    if (entry->present < UINT32_MAX / 2)
        entry->present++;
}

static void move_on(struct auth_throttle *throttle, uint64_t now_ms)
{
    if (now_ms > throttle->now_ms)
        throttle->now_ms = now_ms;
}

bool auth_throttle_ok(struct auth_throttle *throttle, struct slice address, struct slice name,
                      uint64_t now_ms)
{
    unsigned char by_address[KEY_BYTES];
    unsigned char by_name[KEY_BYTES];

    address_key(throttle, address, by_address);
    name_key(throttle, name, by_name);
    pthread_mutex_lock(&throttle->lock);
    move_on(throttle, now_ms);
    bool ok = (address.len == 0 || below(throttle, &throttle->addresses, by_address)) &&
              (name.len == 0 || below(throttle, &throttle->names, by_name));
    pthread_mutex_unlock(&throttle->lock);
    return ok;
}

void auth_throttle_fail(struct auth_throttle *throttle, struct slice address, struct slice name,
                        uint64_t now_ms)
{
    unsigned char by_address[KEY_BYTES];
    unsigned char by_name[KEY_BYTES];

    address_key(throttle, address, by_address);
    name_key(throttle, name, by_name);
    pthread_mutex_lock(&throttle->lock);
    move_on(throttle, now_ms);
    if (address.len > 0)
        count(throttle, &throttle->addresses, by_address);
    if (name.len > 0)
        count(throttle, &throttle->names, by_name);
    pthread_mutex_unlock(&throttle->lock);
}

void auth_throttle_success(struct auth_throttle *throttle, struct slice name)
{
    unsigned char key[KEY_BYTES];

    name_key(throttle, name, key);
    pthread_mutex_lock(&throttle->lock);
    struct entry *entry = find(&throttle->names, key);
    if (entry != NULL)
        *entry = (struct entry){0};
    pthread_mutex_unlock(&throttle->lock);
}
