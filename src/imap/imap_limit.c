#include "imap/imap_limit.h"

#include "base/mem.h"

#include <pthread.h>

#define BUCKETS 1024

struct count {
    struct count *next;
    int64_t account_id;
    uint64_t connections;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct count *buckets[BUCKETS];

/* Where the account's count hangs, or would. */
static struct count **place(int64_t account_id)
{
    struct count **at = &buckets[(uint64_t)account_id % BUCKETS];

    while (*at != NULL && (*at)->account_id != account_id)
        at = &(*at)->next;
    return at;
}

bool imap_limit_take(int64_t account_id, uint64_t max)
{
    bool taken;

    pthread_mutex_lock(&lock);
    struct count **at = place(account_id);
    if (*at == NULL) {
        *at = mem_new(struct count);
        (*at)->account_id = account_id;
    }
    taken = (*at)->connections < max;
    if (taken)
        (*at)->connections++;
    pthread_mutex_unlock(&lock);
    return taken;
}

void imap_limit_release(int64_t account_id)
{
    pthread_mutex_lock(&lock);
    struct count **at = place(account_id);
    struct count *count = *at;
    assert(count != NULL && count->connections > 0);
    if (--count->connections == 0) {
        *at = count->next;
        mem_free(count);
    }
    pthread_mutex_unlock(&lock);
}
