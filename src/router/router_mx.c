#include "router/router_mx.h"

#include "base/slice.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const struct sys_dns_mx *a = left;
    const struct sys_dns_mx *b = right;

    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    return slice_cmp(slice_str(a->host), slice_str(b->host));
}

/* splitmix64, Sebastiano Vigna's: a seed's next number. */
static uint64_t next(uint64_t *seed)
{
    uint64_t n = *seed += UINT64_C(0x9e3779b97f4a7c15);

    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

/* Fisher and Yates. */
static void shuffle(struct sys_dns_mx list[], size_t count, uint64_t *seed)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = next(seed) % i;
        struct sys_dns_mx held = list[j];

        list[j] = list[i - 1];
        list[i - 1] = held;
    }
}

static bool is_listed(const struct sys_dns_mx list[], size_t count, const char *host)
{
    for (size_t i = 0; i < count; i++)
        if (slice_ieq(slice_str(list[i].host), slice_str(host)))
            return true;
    return false;
}

/* Drops roots (a null MX beside others means nothing) and, of a sorted list, each host's second. */
static size_t drop_useless(struct sys_dns_mx list[], size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (list[i].host[0] != '\0' && !is_listed(list, kept, list[i].host))
            list[kept++] = list[i];
    return kept;
}

/* How many of the sorted list are better than ourselves. */
static size_t count_better(const struct sys_dns_mx list[], size_t count, struct slice own_name)
{
    size_t own = 0;

    while (own < count && !slice_ieq(slice_str(list[own].host), own_name))
        own++;
    if (own == count)
        return count;
    while (own > 0 && list[own - 1].preference == list[own].preference)
        own--;
    return own;
}

enum router_mx router_mx_order(struct sys_dns_mx list[], size_t *count, struct slice own_name,
                               uint64_t seed)
{
    size_t same;

    if (*count == 0)
        return ROUTER_MX_NONE;
    qsort(list, *count, sizeof(list[0]), compare);
    *count = drop_useless(list, *count);
    if (*count == 0)
        return ROUTER_MX_NULL;
    *count = count_better(list, *count, own_name);
    if (*count == 0)
        return ROUTER_MX_LOOP;
    for (size_t i = 0; i < *count; i += same) {
        for (same = 1; i + same < *count && list[i + same].preference == list[i].preference;)
            same++;
        shuffle(list + i, same, &seed);
    }
    return ROUTER_MX_HOSTS;
}
