/* calendar_hedge.h: when the next source is asked, and whose answer counts. Pure: the sources in
 * their order, how long each usually takes, a deadline, and what was heard give what to do next.
 *
 * A source that does not answer within its usual time brings out the next one beside it, at once
 * where an earlier question waits for longer than that already, and so does one that fails; the
 * first good answer counts, whoever gives it. Who has a part of one in hand asks the others, too,
 * but waits for none longer than it usually takes. Whatever the usual times say, the last source is
 * asked before half of the time is over, so that it has time to go on asking. */
#pragma once
#include "base/base.h"

struct arena;

#define CALENDAR_HEDGE_STEPS_MAX 128
#define CALENDAR_HEDGE_USUAL_MS 250   /* of a source nobody knows yet */
#define CALENDAR_HEDGE_USUAL_MIN_MS 4 /* no earlier, however fast the source is */
#define CALENDAR_HEDGE_PATIENCE 4     /* times that is waited before a detour is tried */

enum calendar_hedge_kind {
    CALENDAR_HEDGE_OWN,    /* by this server itself: going round does not help */
    CALENDAR_HEDGE_DIRECT, /* a server that can answer by itself */
    CALENDAR_HEDGE_DETOUR, /* asked only while not every direct one was reached and knew */
};

struct calendar_hedge_step {
    enum calendar_hedge_kind kind;
    size_t twin; /* of a detour: the direct step of the same server, plus 1; 0: none. It is asked to
                  * go on where it cannot answer by itself or is late with it. */
    uint64_t usual_ms;  /* 95 of 100 answers come within it; 0: it is not known */
    uint64_t silent_ms; /* so long it has owed an answer, to others too, without a word; 0: it does
                         * not. Later than usual: the next, if direct, is asked with it */
    bool rests;         /* nobody asked it for long: it is asked with the one before it, so that
                         * its connections are there and its usual time is known when it counts */
};

enum calendar_hedge_answer {
    CALENDAR_HEDGE_GOOD,
    CALENDAR_HEDGE_PART,    /* good for a part of the window alone: counts where nobody has more */
    CALENDAR_HEDGE_BAD,     /* it was reached, and cannot answer: its far side is down, say */
    CALENDAR_HEDGE_GARBAGE, /* it was reached, and nobody can read what it said */
    CALENDAR_HEDGE_UNKNOWN, /* it was reached, and does not know of the attendee (any more, or yet)
                             */
    CALENDAR_HEDGE_AWAY,    /* it was not reached, or fell silent */
    CALENDAR_HEDGE_ANSWER_MAX,
};

/* A question about one attendee, under way. */
struct calendar_hedge {
    const struct calendar_hedge_step *steps;
    size_t count;
    uint64_t start_ms, deadline_ms; /* of the monotonic clock */
    size_t asked, given_up;         /* how many, and whose turn is over: late or failed */
    size_t out;                     /* asked, and silent so far */
    size_t direct_left;             /* direct ones that did not speak for the attendee yet */
    size_t won;                     /* SIZE_MAX: none */
    bool has_part;                  /* somebody answered of a part */
    struct calendar_hedge_mark {
        uint64_t late_ms;  /* from when on the next one is asked beside it */
        uint64_t round_ms; /* ... a detour */
        bool asked, answered, given_up;
        enum calendar_hedge_answer answer;
    } marks[CALENDAR_HEDGE_STEPS_MAX];
};

enum calendar_hedge_act {
    CALENDAR_HEDGE_ASK,  /* step; then ask again what to do */
    CALENDAR_HEDGE_WAIT, /* for an answer, or until at_ms */
    CALENDAR_HEDGE_WON,  /* step's answer counts; the others are let go */
    CALENDAR_HEDGE_OVER, /* nobody answered of all in time, or nobody is left */
};
struct calendar_hedge_do {
    enum calendar_hedge_act act;
    size_t step;
    uint64_t at_ms;
};

/* steps must stay; at most CALENDAR_HEDGE_STEPS_MAX of them count. */
void calendar_hedge_begin(struct calendar_hedge *hedge, const struct calendar_hedge_step *steps,
                          size_t count, uint64_t now_ms, uint64_t deadline_ms);
struct calendar_hedge_do calendar_hedge_next(struct calendar_hedge *hedge, uint64_t now_ms);
/* What an answer is that covers [from_s, until_s), where [asked_from_s, asked_until_s) was asked
 * for: GOOD all of it, PART some, BAD nothing. */
enum calendar_hedge_answer calendar_hedge_covers(int64_t from_s, int64_t until_s,
                                                 int64_t asked_from_s, int64_t asked_until_s);
/* What a step's source said; a second answer of one, and any after a good one, are passed over. */
void calendar_hedge_hear(struct calendar_hedge *hedge, size_t step,
                         enum calendar_hedge_answer answer);
/* The deadline, from its own start, that a question handed on has: time for the answer to come back
 * is kept. */
uint64_t calendar_hedge_hand_on_ms(uint64_t now_ms, uint64_t deadline_ms);

/* What an attendee gets in the end. */
enum calendar_hedge_result {
    CALENDAR_HEDGE_FRESH,
    CALENDAR_HEDGE_KNOWN, /* the last known answer, to be marked with its age */
    CALENDAR_HEDGE_NO_DATA,
};
/* known: there is a last known answer, known_age_ms old. Of an OVER or WON. */
enum calendar_hedge_result calendar_hedge_result(enum calendar_hedge_act act, bool known,
                                                 uint64_t known_age_ms, uint64_t age_max_ms);

/* What there is where no answer is good: a part (age 0), or one that was known. */
struct calendar_hedge_rest {
    uint64_t age_ms;
    int64_t known_s; /* so much of the window it covers */
};
/* Whether a counts rather than b: it is younger, or of one age and covers more. */
bool calendar_hedge_is_better(const struct calendar_hedge_rest *a,
                              const struct calendar_hedge_rest *b);

/* --- many attendees in one question --- */

/* What makes two questions go the same way: compared byte for byte by its members. */
struct calendar_hedge_key {
    const void *source; /* the document's, or the server's; NULL: this store */
    unsigned hops_left;
};

/* An attendee (any number that the caller gives) that is to be asked for now. */
struct calendar_hedge_ask {
    struct calendar_hedge_key key;
    size_t attendee;
    bool each; /* its source takes one at a time */
};

struct calendar_hedge_group {
    struct calendar_hedge_key key;
    const size_t *attendees; /* in the order they were given */
    size_t count;
};

/* Asks of one key in groups of at most together_max, which is at least 1; in the order of each
 * one's first. In arena; returns how many. */
size_t calendar_hedge_groups(struct arena *arena, const struct calendar_hedge_ask *asks,
                             size_t count, size_t together_max,
                             struct calendar_hedge_group **groups_r);
