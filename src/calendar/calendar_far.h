/* calendar_far.h: one question to a foreign system about some of its people's free time, over HTTP:
 * EWS, CalDAV, or a VFREEBUSY to fetch, as the foreign-domain document says. */
#pragma once
#include "calendar/calendar_busy.h"
#include "calendar/calendar_hedge.h"

struct arena;
struct calendar;
struct directory_calendar;

#define CALENDAR_FAR_BYTES_MAX (16 * MIB) /* of an answer, whatever is asked for */
#define CALENDAR_FAR_ROWS_MAX 20000       /* of a person; more is garbage */

struct calendar_far_ask {
    const struct directory_calendar *calendar; /* way, URL, log-in; the way is not NONE */
    struct slice asker;            /* address; "": nobody. Whom a CalDAV outbox is told where the
                                    * document has no user */
    const struct slice *addresses; /* local@domain, as the foreign system writes them */
    size_t count;
    int64_t from_s, until_s; /* of the years 0 to 9999 */
    uint64_t deadline_ms;    /* sys_mono_ms() */
    size_t bytes_max;        /* of all that it answers */
};

struct calendar_far_answer {
    enum calendar_hedge_answer answer;
    struct calendar_busy_row *rows; /* as calendar_freebusy_merge() */
    size_t count;
    int64_t from_s, until_s; /* what the rows are known of: the window, or a part of it, but where
                              * they are UNKNOWN */
    uint64_t age_ms; /* with BAD: they are what the system itself remembers of then; else 0 */
    const char *why; /* a sentence, or "" */
};

/* Room that calendar_far_ask() takes of an arena, at most. */
size_t calendar_far_arena_bytes(const struct calendar_far_ask *ask);
/* Sets all of answers[ask->count], in arena; never fails as a whole. Waits until the deadline at
 * most; any thread.
 *   GOOD     the rows
 *   PART     the rows of a part of the window; of the rest nothing is known
 *   UNKNOWN  the system knows nobody of the address
 *   BAD      it answers that it cannot or may not say, or only what it remembers (age_ms), or is
 *            not to be trusted (TLS)
 *   GARBAGE  nobody can read what it said, or it is larger than bytes_max
 *   AWAY     not reached, or silent until the deadline */
void calendar_far_ask(struct calendar *calendar, struct arena *arena,
                      const struct calendar_far_ask *ask, struct calendar_far_answer *answers);
