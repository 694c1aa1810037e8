#include "calendar/calendar_far_lack.h"

#include "base/mem.h"
#include "base/slice.h"

#include <pthread.h>
#include <string.h>

struct lack {
    char *url;
    uint64_t until_ms;
};

struct calendar_far_lacks {
    pthread_mutex_t lock;
    struct lack known[CALENDAR_FAR_LACK_MAX]; /* the oldest first */
    size_t count;
};

struct calendar_far_lacks *calendar_far_lacks_new(void)
{
    struct calendar_far_lacks *lacks = mem_new(struct calendar_far_lacks);

    pthread_mutex_init(&lacks->lock, NULL);
    return lacks;
}

void calendar_far_lacks_free(struct calendar_far_lacks **lacks)
{
    if (*lacks == NULL)
        return;
    for (size_t i = 0; i < (*lacks)->count; i++)
        mem_free((*lacks)->known[i].url);
    pthread_mutex_destroy(&(*lacks)->lock);
    mem_free(*lacks);
    *lacks = NULL;
}

/* Under the lock: its place, or count. */
static size_t place_of(const struct calendar_far_lacks *lacks, const char *url)
{
    size_t i = 0;

    while (i < lacks->count && strcmp(lacks->known[i].url, url) != 0)
        i++;
    return i;
}

static void take_out(struct calendar_far_lacks *lacks, size_t i)
{
    mem_free(lacks->known[i].url);
    lacks->count--;
    memmove(&lacks->known[i], &lacks->known[i + 1], (lacks->count - i) * sizeof(lacks->known[0]));
}

bool calendar_far_lacks_query(struct calendar_far_lacks *lacks, const char *url, uint64_t now_ms)
{
    pthread_mutex_lock(&lacks->lock);
    const size_t i = place_of(lacks, url);
    const bool lacking = i < lacks->count && now_ms < lacks->known[i].until_ms;
    pthread_mutex_unlock(&lacks->lock);
    return lacking;
}

void calendar_far_lack_note(struct calendar_far_lacks *lacks, const char *url, bool lacking,
                            uint64_t now_ms)
{
    pthread_mutex_lock(&lacks->lock);
    const size_t i = place_of(lacks, url);
    if (i < lacks->count)
        take_out(lacks, i);
    if (lacking && lacks->count == CALENDAR_FAR_LACK_MAX)
        take_out(lacks, 0);
    if (lacking)
        lacks->known[lacks->count++] =
            (struct lack){mem_copy(slice_str(url)), now_ms + CALENDAR_FAR_LACK_MS};
    pthread_mutex_unlock(&lacks->lock);
}
