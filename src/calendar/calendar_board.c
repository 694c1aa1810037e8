#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_connector_run.h"
#include "cluster/cluster_ask.h"
#include "conf/conf.h"
#include "sys/sys_fetch.h"
#include "sys/sys_time.h"

#define THREADS_MAX 128
#define ROWS_MAX 20000 /* of one last known answer */
#define USUAL_MAX 1000

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

void calendar_connector_hurry(struct calendar_connector *connector)
{
    if (connector == NULL)
        return;
    calendar_sources_hurry(connector->sources);
    sys_fetcher_stop(calendar_fetcher(connector->calendar));
    cluster_hurry(connector->cluster);
}

void calendar_connector_stop(struct calendar_connector *connector)
{
    if (connector == NULL)
        return;
    calendar_connector_hurry(connector);
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
    for (struct calendar_question *job = board->questions; job != NULL; job = job->next)
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

void calendar_board_put(struct calendar_board *board, const struct calendar_said *first,
                        const struct calendar_said **last)
{
    pthread_mutex_lock(&board->lock);
    const bool waited_for = board->first == NULL;
    *board->last = first;
    board->last = last;
    pthread_mutex_unlock(&board->lock);
    if (waited_for) /* the board has the reference of the question that says it */
        pthread_cond_signal(&board->heard);
}

bool calendar_board_heard(struct calendar_board *board, size_t bytes)
{
    return atomic_fetch_add(&board->heard_bytes, bytes) + bytes <= CALENDAR_HEARD_BYTES_MAX;
}
