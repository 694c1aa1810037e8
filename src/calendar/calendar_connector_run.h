/* calendar_connector_run.h: what the connector's files share. Inside calendar/.
 *
 * A look-up has a board: threads that ask other servers and systems leave there what they heard.
 * Some of them come when nobody waits any more, so the board lives as long as its last question. */
#pragma once
#include "calendar/calendar_connector.h"
#include "calendar/calendar_known.h"
#include "calendar/calendar_source.h"
#include "calendar/calendar_usual.h"
#include "cluster/cluster.h"

#include <pthread.h>

#define CALENDAR_SOURCE_HERE "this server"

struct calendar_connector {
    struct calendar *calendar;
    struct cluster *cluster; /* NULL: this server is of no domain */
    struct calendar_known *known;
    struct calendar_usual *usual;
    struct calendar_sources *sources;
};

/* What a source said of an attendee. */
struct calendar_said {
    const struct calendar_said *next;
    size_t attendee, step;
    enum calendar_hedge_answer answer;
    bool denied; /* with GOOD: who asks may not know */
    bool is_old; /* with BAD: rows are the last known answer of age_ms */
    uint64_t age_ms;
    int64_t from_s, until_s; /* of PART and BAD: this part of the window */
    struct calendar_busy_row *rows;
    size_t count;
    struct calendar_detail *events; /* NULL: they are not known */
    size_t event_count;
    const struct calendar_week *week; /* NULL: it is not known */
    const char *source;               /* who knew it */
    const char *way;
    const char *why;
};

struct calendar_question_seat {
    size_t attendee, step;
    struct slice address; /* as the source writes it */
    bool told;            /* something was said of it */
};
/* To one source about several attendees; nothing of it goes before the board. */
struct calendar_question {
    struct calendar_question *next; /* of the board's */
    struct calendar_board *board;
    struct arena *arena; /* of the thread that asks */
    bool works;          /* the source: it answered of one or knew that there is none */
    const char *why;     /* it does not */
    const struct calendar_connector_step *step; /* of the first; the others' say the same */
    const char *source;
    const struct slice *visited;
    size_t visited_count;
    struct calendar_question_seat *seats;
    size_t count;
};

struct calendar_board {
    struct calendar_connector *connector;
    const struct directory *directory; /* plans point into it */
    struct arena *arena;               /* the asking thread's */
    struct calendar_connector_ask ask; /* who and tell are NULL; texts in the arena */
    const char *who;                   /* the name of the person who asks; "" */
    pthread_mutex_t lock;
    pthread_cond_t heard;
    size_t refs;                               /* lock */
    const struct calendar_said *first, **last; /* lock; what nobody took yet */
    struct calendar_question *questions;       /* of the asking thread */
};

/* With one reference, the asking thread's; the arena becomes the board's. */
struct calendar_board *calendar_board_new(struct calendar_connector *connector,
                                          struct arena *arena);
void calendar_board_unref(struct calendar_board **board); /* sets *board to NULL */
/* Appended; any thread. */
void calendar_board_put(struct calendar_board *board, struct calendar_said *said);
/* What was heard since, in its order; waits until until_ms of sys_mono_ms() where it is nothing. */
const struct calendar_said *calendar_board_take(struct calendar_board *board, uint64_t until_ms);

/* Asks on another thread; the question lives in the board's arena. Each of its seats is answered on
 * the board, once. */
void calendar_question_ask(struct calendar_board *board, struct calendar_question *question);
/* Until when an answer of another server is waited for, at most until deadline_ms: of one that is
 * down little is hoped. */
uint64_t calendar_question_deadline(struct cluster *cluster, struct slice server,
                                    uint64_t deadline_ms);
