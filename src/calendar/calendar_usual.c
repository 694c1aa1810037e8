#include "calendar/calendar_usual.h"

#include "base/mem.h"
#include "base/slice.h"

#include <pthread.h>
#include <string.h>
#include <uthash.h>

#define BUCKETS 136   /* eight to each doubling, up to 2^19 ms */
#define KNOWN_MIN 5   /* answers before anything is said */
#define COUNT_MAX 256 /* then all counts are halved, so that the latest count most */
#define USUAL_PERCENT 95
#define NAME_BYTES_MAX 300

struct source {
    UT_hash_handle hh; /* in the order of their last note */
    unsigned counts[BUCKETS];
    unsigned count;
    unsigned out;      /* questions */
    uint64_t owes_ms;  /* since when it owes a word; 0: it does not */
    uint64_t asked_ms; /* the last one; 0: none */
    size_t name_len;
    char name[NAME_BYTES_MAX];
};

struct calendar_usual {
    pthread_mutex_t lock;
    struct source *sources;
    size_t sources_max;
};

struct calendar_usual *calendar_usual_new(size_t sources_max)
{
    struct calendar_usual *usual = mem_new(struct calendar_usual);

    pthread_mutex_init(&usual->lock, NULL);
    usual->sources_max = sources_max;
    return usual;
}

static void forget(struct calendar_usual *usual, struct source *source)
{
    HASH_DEL(usual->sources, source);
    mem_free(source);
}

void calendar_usual_free(struct calendar_usual **usual)
{
    if (*usual == NULL)
        return;
    while ((*usual)->sources != NULL)
        forget(*usual, (*usual)->sources);
    pthread_mutex_destroy(&(*usual)->lock);
    mem_free(*usual);
    *usual = NULL;
}

/* --- buckets: 0 to 7 ms each its own, then eight to each doubling --- */

static uint64_t top_of(size_t bucket)
{
    return bucket < 8 ? bucket : (8 + bucket % 8 + 1) * (UINT64_C(1) << (bucket / 8 - 1)) - 1;
}

static size_t bucket_of(uint64_t ms)
{
    size_t bucket = 0;

    while (bucket < BUCKETS - 1 && top_of(bucket) < ms)
        bucket++;
    return bucket;
}

/* Under the lock. */
static struct source *find(struct calendar_usual *usual, struct slice name)
{
    struct source *source;
    size_t len = name.len < NAME_BYTES_MAX ? name.len : NAME_BYTES_MAX;

    HASH_FIND(hh, usual->sources, name.ptr, len, source);
    return source;
}

static struct source *make(struct calendar_usual *usual, struct slice name)
{
    struct source *source = mem_new(struct source);

    if (HASH_COUNT(usual->sources) >= usual->sources_max && usual->sources != NULL)
        forget(usual, usual->sources);
    source->name_len = name.len < NAME_BYTES_MAX ? name.len : NAME_BYTES_MAX;
    memcpy(source->name, name.ptr, source->name_len);
    return source;
}

/* Under the lock; it is the latest noted. */
static struct source *touch(struct calendar_usual *usual, struct slice name)
{
    struct source *found = find(usual, name);

    if (found != NULL)
        HASH_DEL(usual->sources, found);
    else
        found = make(usual, name);
    HASH_ADD_KEYPTR(hh, usual->sources, found->name, found->name_len, found);
    return found;
}

void calendar_usual_note(struct calendar_usual *usual, struct slice source, uint64_t took_ms)
{
    pthread_mutex_lock(&usual->lock);
    struct source *found = touch(usual, source);
    found->counts[bucket_of(took_ms)]++;
    found->count++;
    if (found->count >= COUNT_MAX) {
        found->count = 0;
        for (size_t i = 0; i < BUCKETS; i++) {
            found->counts[i] /= 2;
            found->count += found->counts[i];
        }
    }
    pthread_mutex_unlock(&usual->lock);
}

uint64_t calendar_usual_ms(struct calendar_usual *usual, struct slice source)
{
    unsigned seen = 0;
    uint64_t ms = 0;

    pthread_mutex_lock(&usual->lock);
    const struct source *found = find(usual, source);
    for (size_t i = 0; found != NULL && found->count >= KNOWN_MIN && ms == 0 && i < BUCKETS; i++) {
        seen += found->counts[i];
        if (seen * 100 >= found->count * USUAL_PERCENT)
            ms = top_of(i) > 0 ? top_of(i) : 1;
    }
    pthread_mutex_unlock(&usual->lock);
    return ms;
}

/* --- silence --- */

void calendar_usual_asked(struct calendar_usual *usual, struct slice source, uint64_t now_ms)
{
    pthread_mutex_lock(&usual->lock);
    struct source *found = touch(usual, source);
    found->out++;
    found->asked_ms = now_ms;
    if (found->owes_ms == 0)
        found->owes_ms = now_ms;
    pthread_mutex_unlock(&usual->lock);
}

void calendar_usual_heard(struct calendar_usual *usual, struct slice source, uint64_t now_ms)
{
    pthread_mutex_lock(&usual->lock);
    struct source *found = find(usual, source);
    if (found != NULL)
        found->owes_ms = found->out > 1 ? now_ms : 0;
    pthread_mutex_unlock(&usual->lock);
}

void calendar_usual_ended(struct calendar_usual *usual, struct slice source)
{
    pthread_mutex_lock(&usual->lock);
    struct source *found = find(usual, source);
    if (found != NULL && found->out > 0)
        found->out--;
    pthread_mutex_unlock(&usual->lock);
}

bool calendar_usual_rests(struct calendar_usual *usual, struct slice source, uint64_t now_ms)
{
    pthread_mutex_lock(&usual->lock);
    const struct source *found = find(usual, source);
    bool rests = found == NULL || found->asked_ms == 0 ||
                 (now_ms > found->asked_ms && now_ms - found->asked_ms >= CALENDAR_USUAL_REST_MS);
    pthread_mutex_unlock(&usual->lock);
    return rests;
}

uint64_t calendar_usual_silent_ms(struct calendar_usual *usual, struct slice source,
                                  uint64_t now_ms)
{
    pthread_mutex_lock(&usual->lock);
    const struct source *found = find(usual, source);
    uint64_t owes_ms = found != NULL ? found->owes_ms : 0;
    pthread_mutex_unlock(&usual->lock);
    return owes_ms > 0 && now_ms > owes_ms ? now_ms - owes_ms : 0;
}
