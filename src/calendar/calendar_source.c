#include "calendar/calendar_source.h"

#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <string.h>

#define SOURCES_MAX 512 /* then one that rests makes room */
#define WAITING_MAX 16384
#define WAITING_EACH_MAX 4096 /* for one source: who hangs leaves room for the others' */
#define IDLE_MS 20000
#define STACK_BYTES (512 * KIB)

struct source {
    char *name;
    unsigned out, waiting;
    bool fails;
};

struct waiting {
    struct waiting *next;
    struct calendar_job job;
};

struct calendar_sources {
    unsigned threads_max, each_max;
    pthread_mutex_t lock;
    pthread_cond_t wanted; /* a job came, one ended, or all is to stop */
    pthread_cond_t ended;  /* a thread did */
    struct source sources[SOURCES_MAX];
    size_t source_count;
    struct waiting *first, **last;
    size_t waiting_count;
    unsigned threads, idle;
    bool stopping;
};

struct calendar_sources *calendar_sources_new(unsigned threads_max, unsigned each_max)
{
    struct calendar_sources *sources = mem_new(struct calendar_sources);

    sources->threads_max = threads_max;
    sources->each_max = each_max;
    sources->last = &sources->first;
    pthread_mutex_init(&sources->lock, NULL);
    sys_cond_init(&sources->wanted);
    sys_cond_init(&sources->ended);
    return sources;
}

/* Under the lock. NULL: there are too many, all of them at work. */
static struct source *source_of(struct calendar_sources *sources, const char *name)
{
    struct source *rests = NULL;

    for (size_t i = 0; i < sources->source_count; i++) {
        if (strcmp(sources->sources[i].name, name) == 0)
            return &sources->sources[i];
        if (sources->sources[i].out == 0 && sources->sources[i].waiting == 0 &&
            !sources->sources[i].fails)
            rests = &sources->sources[i];
    }
    if (sources->source_count < SOURCES_MAX)
        rests = &sources->sources[sources->source_count++];
    if (rests != NULL) {
        mem_free(rests->name);
        *rests = (struct source){.name = mem_copy(slice_str(name))};
    }
    return rests;
}

/* Under the lock: the first whose source has a place, taken out; NULL: none. */
static struct waiting *take(struct calendar_sources *sources)
{
    for (struct waiting **at = &sources->first; *at != NULL; at = &(*at)->next) {
        struct waiting *waiting = *at;
        struct source *source = source_of(sources, waiting->job.source);

        if (!sources->stopping && source != NULL && source->out >= sources->each_max)
            continue;
        *at = waiting->next;
        if (sources->last == &waiting->next)
            sources->last = at;
        sources->waiting_count--;
        if (source != NULL && source->waiting > 0)
            source->waiting--;
        return waiting;
    }
    return NULL;
}

static void count_out(struct calendar_sources *sources, const char *name, bool begins)
{
    struct source *source = source_of(sources, name);

    if (source != NULL && begins)
        source->out++;
    else if (source != NULL && source->out > 0)
        source->out--;
}

/* Under the lock, which is given back meanwhile. */
static void work(struct calendar_sources *sources, struct waiting *waiting)
{
    const struct calendar_job job = waiting->job;
    const bool drop = sources->stopping || sys_mono_ms() >= job.deadline_ms;
    char *name = mem_copy(slice_str(job.source)); /* the job's may go with it */

    mem_free(waiting);
    if (!drop)
        count_out(sources, name, true);
    pthread_mutex_unlock(&sources->lock);
    (drop ? job.drop : job.run)(job.ctx);
    pthread_mutex_lock(&sources->lock);
    if (!drop)
        count_out(sources, name, false);
    mem_free(name);
    pthread_cond_signal(&sources->wanted); /* for the next one of the same source */
}

static void *serve(void *arg)
{
    struct calendar_sources *sources = arg;
    bool rested = false;

    pthread_mutex_lock(&sources->lock);
    for (;;) {
        struct waiting *waiting = take(sources);

        if (waiting != NULL) {
            work(sources, waiting);
            rested = false;
            continue;
        }
        if (sources->stopping || rested)
            break;
        sources->idle++;
        rested = !sys_cond_wait_ms(&sources->wanted, &sources->lock, IDLE_MS);
        sources->idle--;
    }
    sources->threads--;
    pthread_cond_broadcast(&sources->ended);
    pthread_mutex_unlock(&sources->lock);
    return NULL;
}

/* Under the lock. */
static void wake(struct calendar_sources *sources)
{
    pthread_attr_t attr;
    pthread_t thread;

    if (sources->idle > 0) /* those that wait for a place at their source keep it from nothing */
        pthread_cond_signal(&sources->wanted);
    if (sources->waiting_count <= sources->idle || sources->threads >= sources->threads_max)
        return; /* or one that ends its job takes it */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, serve, sources) == 0)
        sources->threads++;
    pthread_attr_destroy(&attr);
}

void calendar_source_run(struct calendar_sources *sources, const struct calendar_job *job)
{
    pthread_mutex_lock(&sources->lock);
    struct source *source = source_of(sources, job->source);
    bool full = sources->stopping || sources->waiting_count == WAITING_MAX ||
                (source != NULL && source->waiting == WAITING_EACH_MAX);
    if (!full) {
        struct waiting *waiting = mem_new(struct waiting);

        waiting->job = *job;
        *sources->last = waiting;
        sources->last = &waiting->next;
        sources->waiting_count++;
        if (source != NULL)
            source->waiting++;
        wake(sources);
        full = sources->threads == 0; /* no thread is to be had at all */
        if (full)
            mem_free(take(sources));
    }
    pthread_mutex_unlock(&sources->lock);
    if (full)
        job->drop(job->ctx);
}

void calendar_source_tell(struct calendar_sources *sources, const char *name, bool works,
                          const char *why)
{
    pthread_mutex_lock(&sources->lock);
    struct source *source = source_of(sources, name);
    const bool changed = source != NULL && source->fails == works && !sources->stopping;
    if (changed)
        source->fails = !works;
    pthread_mutex_unlock(&sources->lock);
    if (changed && works)
        log_event(EV_FREEBUSY_SOURCE_BACK, 0, LOG_C("source", name));
    else if (changed)
        log_event(EV_FREEBUSY_SOURCE_FAILS, 0, LOG_C("source", name), LOG_C("why", why));
}

void calendar_sources_hurry(struct calendar_sources *sources)
{
    pthread_mutex_lock(&sources->lock);
    sources->stopping = true;
    pthread_cond_broadcast(&sources->wanted);
    pthread_mutex_unlock(&sources->lock);
}

void calendar_sources_stop(struct calendar_sources *sources)
{
    calendar_sources_hurry(sources);
    pthread_mutex_lock(&sources->lock);
    while (sources->threads > 0)
        (void)sys_cond_wait_ms(&sources->ended, &sources->lock, IDLE_MS);
    pthread_mutex_unlock(&sources->lock);
}

void calendar_sources_free(struct calendar_sources **sources)
{
    if (*sources == NULL)
        return;
    for (size_t i = 0; i < (*sources)->source_count; i++)
        mem_free((*sources)->sources[i].name);
    pthread_cond_destroy(&(*sources)->ended);
    pthread_cond_destroy(&(*sources)->wanted);
    pthread_mutex_destroy(&(*sources)->lock);
    mem_free(*sources);
    *sources = NULL;
}
