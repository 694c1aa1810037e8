#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar_connector_run.h"
#include "conf/conf.h"
#include "sys/sys_time.h"

#include <stdio.h>

#define JOB_BYTES_MAX (256 * MIB)
#define THREADS_MAX 128
#define ROWS_MAX 20000 /* of one last known answer */
#define USUAL_MAX 1000

/* A question on its way; nothing of it goes before the board. */
struct calendar_job_state {
    struct calendar_job_state *next;
    struct calendar_board *board;
    struct calendar_question question;
    struct arena *arena; /* the thread's that asks */
    bool *told;          /* of each seat */
    bool failed;
};

struct calendar_connector *calendar_connector_new(struct calendar *calendar)
{
    const struct conf *conf = conf_get();
    struct calendar_connector *connector = mem_new(struct calendar_connector);

    connector->calendar = calendar;
    connector->known = calendar_known_new(conf->freebusy_known_bytes_max, ROWS_MAX);
    connector->usual = calendar_usual_new(USUAL_MAX);
    connector->sources = calendar_sources_new(THREADS_MAX, (unsigned)conf->freebusy_source_max);
    return connector;
}

void calendar_connector_use_cluster(struct calendar_connector *connector, struct cluster *cluster)
{
    connector->cluster = cluster;
}

void calendar_connector_stop(struct calendar_connector *connector)
{
    if (connector != NULL)
        calendar_sources_stop(connector->sources);
}

void calendar_connector_free(struct calendar_connector **connector)
{
    if (*connector == NULL)
        return;
    calendar_sources_free(&(*connector)->sources);
    calendar_usual_free(&(*connector)->usual);
    calendar_known_free(&(*connector)->known);
    mem_free(*connector);
    *connector = NULL;
}

/* --- the board --- */

struct calendar_board *calendar_board_new(struct calendar_connector *connector, struct arena *arena)
{
    struct calendar_board *board = mem_new(struct calendar_board);

    board->connector = connector;
    board->directory = directory_ref();
    board->arena = arena;
    board->refs = 1;
    board->last = &board->first;
    pthread_mutex_init(&board->lock, NULL);
    sys_cond_init(&board->heard);
    return board;
}

void calendar_board_unref(struct calendar_board **at)
{
    struct calendar_board *board = *at;

    *at = NULL;
    pthread_mutex_lock(&board->lock);
    const bool last = --board->refs == 0;
    pthread_mutex_unlock(&board->lock);
    if (!last)
        return;
    for (struct calendar_job_state *job = board->jobs; job != NULL; job = job->next)
        arena_free(&job->arena);
    directory_unref(&board->directory);
    pthread_cond_destroy(&board->heard);
    pthread_mutex_destroy(&board->lock);
    arena_free(&board->arena);
    mem_free(board);
}

const struct calendar_said *calendar_board_take(struct calendar_board *board, uint64_t until_ms)
{
    pthread_mutex_lock(&board->lock);
    for (uint64_t now_ms = sys_mono_ms(); board->first == NULL && now_ms < until_ms;
         now_ms = sys_mono_ms())
        (void)sys_cond_wait_ms(&board->heard, &board->lock, until_ms - now_ms);
    const struct calendar_said *said = board->first;
    board->first = NULL;
    board->last = &board->first;
    pthread_mutex_unlock(&board->lock);
    return said;
}

/* Of the job's seat; *said is copied. */
static void put(struct calendar_job_state *job, size_t seat, const struct calendar_said *said)
{
    struct calendar_board *board = job->board;
    struct calendar_said *copy = arena_one(job->arena, struct calendar_said);

    *copy = *said;
    copy->next = NULL;
    copy->attendee = job->question.seats[seat].attendee;
    copy->step = job->question.seats[seat].step;
    if (copy->source == NULL)
        copy->source = job->question.source;
    if (copy->way == NULL)
        copy->way = "";
    job->told[seat] = true;
    pthread_mutex_lock(&board->lock);
    *board->last = copy;
    board->last = &copy->next;
    pthread_cond_signal(&board->heard);
    pthread_mutex_unlock(&board->lock);
}

/* Of all seats that nothing was said of. */
static void put_rest(struct calendar_job_state *job, enum calendar_hedge_answer answer,
                     const char *why)
{
    for (size_t i = 0; i < job->question.count; i++)
        if (!job->told[i])
            put(job, i, &(struct calendar_said){.answer = answer, .why = why});
}

static void drop(void *ctx)
{
    struct calendar_job_state *job = ctx;

    put_rest(job, CALENDAR_HEDGE_AWAY, "too many questions wait for it");
    calendar_board_unref(&job->board);
}

static void run(void *ctx)
{
    struct calendar_job_state *job = ctx;

    put_rest(job, CALENDAR_HEDGE_BAD, "this server cannot ask others yet");
    calendar_board_unref(&job->board);
}

void calendar_board_ask(struct calendar_board *board, const struct calendar_question *question)
{
    struct calendar_job_state *job = arena_one(board->arena, struct calendar_job_state);
    const struct calendar_job begin = {.source = question->source,
                                       .deadline_ms = board->ask.deadline_ms,
                                       .run = run,
                                       .drop = drop,
                                       .ctx = job};

    *job = (struct calendar_job_state){.next = board->jobs, .board = board, .question = *question};
    job->arena = arena_new("free/busy source", JOB_BYTES_MAX);
    job->told = arena_many(board->arena, bool, question->count);
    board->jobs = job;
    pthread_mutex_lock(&board->lock);
    board->refs++;
    pthread_mutex_unlock(&board->lock);
    calendar_source_run(board->connector->sources, &begin);
}
