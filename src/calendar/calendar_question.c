#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_connector_run.h"
#include "calendar/calendar_detail.h"
#include "calendar/calendar_far.h"
#include "calendar/calendar_freebusy.h"
#include "calendar/calendar_relay.h"
#include "cluster/cluster_ask.h"
#include "cluster/cluster_frame.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define ARENA_BYTES_MAX (512 * MIB)
#define WHY_BYTES_MAX 1000
#define DOWN_MS 500

/* Of a seat, nothing having been said of it yet; *said is copied. */
static void put(struct calendar_question *question, size_t seat, const struct calendar_said *said)
{
    struct calendar_said *copy = arena_one(question->arena, struct calendar_said);

    *copy = *said;
    copy->next = NULL;
    copy->attendee = question->seats[seat].attendee;
    copy->step = question->seats[seat].step;
    if (copy->source == NULL)
        copy->source = question->source;
    if (copy->way == NULL)
        copy->way = "";
    if (copy->answer == CALENDAR_HEDGE_GOOD || copy->answer == CALENDAR_HEDGE_PART ||
        copy->answer == CALENDAR_HEDGE_UNKNOWN)
        question->works = true;
    else
        question->why = copy->why;
    if (copy->answer != CALENDAR_HEDGE_AWAY)
        calendar_usual_heard(question->board->connector->usual, slice_str(question->source),
                             sys_mono_ms());
    question->seats[seat].told = true;
    calendar_board_put(question->board, copy);
}

/* Of all seats that nothing was said of. */
static void put_rest(struct calendar_question *question, enum calendar_hedge_answer answer,
                     const char *why)
{
    for (size_t i = 0; i < question->count; i++)
        if (!question->seats[i].told)
            put(question, i, &(struct calendar_said){.answer = answer, .why = why});
}

/* --- a foreign system --- */

static void ask_far(struct calendar_question *question)
{
    const struct calendar_connector_ask *ask = &question->board->ask;
    const size_t count = question->count;
    struct calendar_far_answer *answers =
        arena_many(question->arena, struct calendar_far_answer, count);
    struct slice *addresses = arena_many(question->arena, struct slice, count);
    const struct calendar_far_ask far = {.calendar = &question->step->foreign->calendar,
                                         .asker = ask->asker,
                                         .addresses = addresses,
                                         .count = count,
                                         .from_s = ask->from_s,
                                         .until_s = ask->until_s,
                                         .deadline_ms = ask->deadline_ms,
                                         .bytes_max = CALENDAR_FAR_BYTES_MAX};

    for (size_t i = 0; i < count; i++)
        addresses[i] = question->seats[i].address;
    calendar_far_ask(question->board->connector->calendar, question->arena, &far, answers);
    for (size_t i = 0; i < count; i++)
        put(question, i,
            &(struct calendar_said){.answer = answers[i].answer,
                                    .rows = answers[i].rows,
                                    .count = answers[i].count,
                                    .is_old = answers[i].age_ms > 0,
                                    .age_ms = answers[i].age_ms,
                                    .from_s = answers[i].from_s,
                                    .until_s = answers[i].until_s,
                                    .why = answers[i].why});
}

/* --- another server --- */

/* Its way, and the server before it. */
static const char *way_through(const struct calendar_question *question, const char *way)
{
    const char *server = question->step->server->name;
    const size_t len = strlen(server) + 1 + strlen(way);
    char *text = arena_text(question->arena, len);

    snprintf(text, len + 1, "%s%s%s", server, way[0] != '\0' ? " " : "", way);
    return text;
}

static struct calendar_detail *details_of(struct arena *arena,
                                          const struct calendar_relay_answer *answer)
{
    struct calendar_detail *details = arena_many(arena, struct calendar_detail, answer->count + 1);

    for (size_t i = 0; i < answer->count; i++) {
        const struct calendar_relay_detail *from = &answer->details[i];

        details[i] =
            (struct calendar_detail){.start_s = answer->rows[i].start_s,
                                     .end_s = answer->rows[i].end_s,
                                     .kind = answer->rows[i].kind,
                                     .told = (from->flags & CALENDAR_RELAY_TOLD) != 0,
                                     .subject = from->subject,
                                     .place = from->place,
                                     .meeting = (from->flags & CALENDAR_RELAY_MEETING) != 0,
                                     .recurring = (from->flags & CALENDAR_RELAY_RECURRING) != 0,
                                     .exception = (from->flags & CALENDAR_RELAY_EXCEPTION) != 0,
                                     .private = (from->flags & CALENDAR_RELAY_PRIVATE) != 0};
    }
    return details;
}

static struct calendar_said said_of(const struct calendar_question *question,
                                    const struct calendar_relay_answer *answer)
{
    static const enum calendar_hedge_answer answers[CALENDAR_CONNECTOR_RESULT_MAX] = {
        [CALENDAR_CONNECTOR_FRESH] = CALENDAR_HEDGE_GOOD,
        [CALENDAR_CONNECTOR_KNOWN] = CALENDAR_HEDGE_BAD,
        [CALENDAR_CONNECTOR_NO_DATA] = CALENDAR_HEDGE_BAD,
        [CALENDAR_CONNECTOR_DENIED] = CALENDAR_HEDGE_GOOD,
        [CALENDAR_CONNECTOR_NOT_FOUND] = CALENDAR_HEDGE_UNKNOWN,
        [CALENDAR_CONNECTOR_IS_GROUP] = CALENDAR_HEDGE_UNKNOWN,
        [CALENDAR_CONNECTOR_NO_WAY] = CALENDAR_HEDGE_UNKNOWN,
        [CALENDAR_CONNECTOR_BAD_ASK] = CALENDAR_HEDGE_BAD};
    const struct calendar_connector_ask *ask = &question->board->ask;
    struct calendar_said said = {
        .answer = answers[answer->result],
        .denied = answer->result == CALENDAR_CONNECTOR_DENIED,
        .is_old = answer->result == CALENDAR_CONNECTOR_KNOWN,
        .age_ms = answer->age_ms,
        .from_s = answer->from_s > ask->from_s ? answer->from_s : ask->from_s,
        .until_s = answer->until_s < ask->until_s ? answer->until_s : ask->until_s,
        .way = way_through(question, answer->way),
        .why = answer->why};

    if (answer->result == CALENDAR_CONNECTOR_FRESH)
        said.answer =
            calendar_hedge_covers(answer->from_s, answer->until_s, ask->from_s, ask->until_s);
    if (answer->result == CALENDAR_CONNECTOR_FRESH && said.answer == CALENDAR_HEDGE_BAD) {
        said.answer = CALENDAR_HEDGE_GARBAGE;
        said.why = "it answers about another time";
        return said;
    }
    if (answer->source[0] != '\0' && strcmp(answer->source, CALENDAR_SOURCE_HERE) != 0)
        said.source = answer->source;
    said.week = answer->week;
    said.rows = calendar_freebusy_merge(question->arena, answer->rows, answer->count, said.from_s,
                                        said.until_s, &said.count);
    if (answer->details != NULL) {
        said.events = details_of(question->arena, answer);
        said.event_count = answer->count;
    }
    return said;
}

static enum st take_answer(void *ctx, struct slice bytes)
{
    struct calendar_question *question = ctx;
    struct calendar_relay_answer answer;
    const enum st st = calendar_relay_answer_read(question->arena, bytes, question->count, &answer);

    if (st != ST_OK || question->seats[answer.attendee].told)
        return ST_INVALID;
    const struct calendar_said said = said_of(question, &answer);
    put(question, answer.attendee, &said);
    return ST_OK;
}

/* What a server says of those whom it did not answer. */
static enum calendar_hedge_answer answer_of(enum st st)
{
    if (st == ST_OK || st == ST_INVALID)
        return CALENDAR_HEDGE_GARBAGE;
    return st == ST_AGAIN ? CALENDAR_HEDGE_BAD : CALENDAR_HEDGE_AWAY;
}

uint64_t calendar_question_deadline(struct cluster *cluster, struct slice server,
                                    uint64_t deadline_ms)
{
    struct health *health = cluster_health(cluster);
    const uint64_t now_ms = sys_mono_ms();

    if (health == NULL)
        return deadline_ms;
    const struct health_view *view = health_view_ref(health);
    const struct health_look look = health_of(view, server, now_ms);
    health_view_unref(&view);
    if (look.known && look.state == HEALTH_DOWN && deadline_ms > now_ms + DOWN_MS)
        deadline_ms = now_ms + DOWN_MS;
    return deadline_ms;
}

static void ask_server(struct calendar_question *question)
{
    const struct calendar_board *board = question->board;
    AUTO(buf) struct buf body = BUF(CLUSTER_BODY_BYTES_MAX);
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    struct slice *addresses = arena_many(question->arena, struct slice, question->count);
    const struct calendar_relay_question relay = {.from_s = board->ask.from_s,
                                                  .until_s = board->ask.until_s,
                                                  .hops_left = question->step->hops_left,
                                                  .visited = question->visited,
                                                  .visited_count = question->visited_count,
                                                  .attendees = addresses,
                                                  .attendee_count = question->count,
                                                  .asker = board->ask.asker,
                                                  .who = slice_str(board->who),
                                                  .but_uid = board->ask.but_uid,
                                                  .details = board->ask.details,
                                                  .week = board->ask.week,
                                                  .pass_busy = true,
                                                  .from_foreign = board->ask.from_foreign};

    for (size_t i = 0; i < question->count; i++)
        addresses[i] = question->seats[i].address;
    enum st st = calendar_relay_question_write(&relay, &body);
    if (st != ST_OK) {
        put_rest(question, CALENDAR_HEDGE_BAD, "the question is too long");
        return;
    }
    const struct slice server = slice_str(question->step->server->name);
    struct cluster *cluster = board->connector->cluster;
    st = cluster_ask(cluster, server, buf_slice(&body),
                     calendar_question_deadline(cluster, server, board->ask.deadline_ms),
                     take_answer, question, &why);
    put_rest(question, answer_of(st),
             st == ST_OK ? "it left some out"
                         : slice_cstr(question->arena, why.len > 0 ? buf_slice(&why) : SLICE("")));
}

/* --- on a thread of its own --- */

static void run(void *ctx)
{
    struct calendar_question *question = ctx;
    struct calendar_connector *connector = question->board->connector;
    const uint64_t start_ms = sys_mono_ms();
    const struct slice source = slice_str(question->source);

    calendar_usual_asked(connector->usual, source, start_ms);
    if (question->step->way == CALENDAR_CONNECTOR_FOREIGN)
        ask_far(question);
    else if (connector->cluster != NULL)
        ask_server(question);
    else
        put_rest(question, CALENDAR_HEDGE_AWAY, "this server is of no domain");
    if (question->works)
        calendar_usual_note(connector->usual, source, sys_mono_ms() - start_ms);
    calendar_usual_ended(connector->usual, source);
    if (question->step->way == CALENDAR_CONNECTOR_FOREIGN) /* of servers the cluster tells */
        calendar_source_tell(connector->sources, question->source, question->works, question->why);
    calendar_board_unref(&question->board);
}

static void drop(void *ctx)
{
    struct calendar_question *question = ctx;

    put_rest(question, CALENDAR_HEDGE_AWAY, "too many questions wait for it");
    calendar_board_unref(&question->board);
}

void calendar_question_ask(struct calendar_board *board, struct calendar_question *question)
{
    const struct calendar_job job = {.source = question->source,
                                     .deadline_ms = board->ask.deadline_ms,
                                     .run = run,
                                     .drop = drop,
                                     .ctx = question};

    question->board = board;
    question->arena = arena_new("free/busy question", ARENA_BYTES_MAX);
    question->why = "";
    question->next = board->questions;
    board->questions = question;
    pthread_mutex_lock(&board->lock);
    board->refs++;
    pthread_mutex_unlock(&board->lock);
    calendar_source_run(board->connector->sources, &job);
}
