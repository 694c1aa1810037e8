/* calendar_source.h: the threads that ask other servers and foreign systems for free time, so many
 * at a time of each, and whether each of them works. Inside calendar/. */
#pragma once
#include "base/base.h"

struct calendar_sources;

/* At most so many threads in all, and so many for one source; a source that hangs holds no more. */
struct calendar_sources *calendar_sources_new(unsigned threads_max, unsigned each_max);
/* Nothing begins any more; jobs that did not are dropped. Does not wait. */
void calendar_sources_hurry(struct calendar_sources *sources);
/* Waits for those that ask; jobs that did not begin are dropped. Nothing begins any more. */
void calendar_sources_stop(struct calendar_sources *sources);
void calendar_sources_free(struct calendar_sources **sources); /* stopped; NULL is fine */

struct calendar_job {
    const char *source;   /* its name: "server mail2.example"; stays as long as the job */
    uint64_t deadline_ms; /* of sys_mono_ms(): later it is not begun */
    void (*run)(void *ctx);
    void (*drop)(void *ctx); /* instead of run: it was not begun; on any thread */
    void *ctx;
};
/* Runs it on a thread as soon as there is one and its source has less than each_max at work. */
void calendar_source_run(struct calendar_sources *sources, const struct calendar_job *job);
/* The source answered, or not: logged once for each change, while questions may begin. */
void calendar_source_tell(struct calendar_sources *sources, const char *source, bool works,
                          const char *why);
