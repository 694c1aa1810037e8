/* The questions of other servers, handed on or about those whose calendars are here. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_bytes.h"
#include "calendar/calendar_connector_run.h"
#include "calendar/calendar_detail.h"
#include "calendar/calendar_oof_ask.h"
#include "calendar/calendar_relay.h"
#include "cluster/cluster_ask.h"
#include "cluster/cluster_frame.h"
#include "log/log.h"
#include "sys/sys_time.h"

#define ARENA_BYTES_MAX (64 * MIB)

/* The events instead of the rows that are the same time. */
static void put_events(struct arena *arena, const struct calendar_connector_answer *answer,
                       struct calendar_relay_answer *relay)
{
    struct calendar_busy_row *rows =
        arena_many(arena, struct calendar_busy_row, answer->event_count);
    struct calendar_relay_detail *details =
        arena_many(arena, struct calendar_relay_detail, answer->event_count);
    size_t count = 0;

    for (size_t i = 0; i < answer->event_count; i++) {
        const struct calendar_detail *event = &answer->events[i];

        if (event->kind == STORE_BUSY_FREE || event->start_s >= relay->until_s ||
            event->end_s <= relay->from_s)
            continue;
        rows[count] = (struct calendar_busy_row){event->start_s, event->end_s, event->kind, 0};
        details[count++] =
            (struct calendar_relay_detail){event->subject, event->place,
                                           (event->told ? CALENDAR_RELAY_TOLD : 0u) |
                                               (event->meeting ? CALENDAR_RELAY_MEETING : 0u) |
                                               (event->recurring ? CALENDAR_RELAY_RECURRING : 0u) |
                                               (event->exception ? CALENDAR_RELAY_EXCEPTION : 0u) |
                                               (event->private ? CALENDAR_RELAY_PRIVATE : 0u)};
    }
    relay->rows = rows;
    relay->details = details;
    relay->count = count;
}

/* more: what follows is there already. */
static enum st send(struct cluster_asked *asked, struct arena *arena,
                    const struct calendar_connector_answer *answer, bool more)
{
    AUTO(buf) struct buf body = BUF(CLUSTER_BODY_BYTES_MAX);
    struct calendar_relay_answer relay = {.attendee = answer->attendee,
                                          .result = answer->result,
                                          .from_s = answer->from_s,
                                          .until_s = answer->until_s,
                                          .age_ms = answer->age_ms,
                                          .rows = answer->rows,
                                          .count = answer->count,
                                          .week = answer->week,
                                          .source = answer->source,
                                          .way = answer->way,
                                          .why = answer->why};

    if (answer->events != NULL)
        put_events(arena, answer, &relay);
    if (calendar_relay_answer_write(&relay, &body) != ST_OK) {
        relay = (struct calendar_relay_answer){.attendee = answer->attendee,
                                               .result = CALENDAR_CONNECTOR_NO_DATA,
                                               .source = answer->source,
                                               .way = answer->way,
                                               .why = "there is too much of it"};
        buf_clear(&body);
        if (calendar_relay_answer_write(&relay, &body) != ST_OK)
            return ST_TOO_BIG;
    }
    return more ? cluster_asked_more(asked, buf_slice(&body))
                : cluster_asked_answer(asked, buf_slice(&body));
}

static bool came_by(const struct calendar_relay_question *question, struct slice server)
{
    for (size_t i = 0; i < question->visited_count; i++)
        if (slice_ieq(question->visited[i], server))
            return true;
    return false;
}

/* It has to come back in time. */
static uint64_t deadline_of(const struct cluster_asked *asked)
{
    const uint64_t now_ms = sys_mono_ms();

    return now_ms + calendar_hedge_hand_on_ms(now_ms, cluster_asked_deadline_ms(asked));
}

static enum st answer(struct calendar_connector *connector, struct cluster_asked *asked,
                      const struct calendar_relay_question *question, struct arena *arena)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct directory_person *person =
        question->who.len > 0 ? directory_login(directory, question->who) : NULL;
    struct calendar_who who = {0};
    const struct calendar_connector_ask ask = {.who = person != NULL ? &who : NULL,
                                               .asker = question->asker,
                                               .attendees = question->attendees,
                                               .count = question->attendee_count,
                                               .from_s = question->from_s,
                                               .until_s = question->until_s,
                                               .but_uid = question->but_uid,
                                               .details = question->details,
                                               .week = question->week,
                                               .from_foreign = question->from_foreign,
                                               .deadline_ms = deadline_of(asked),
                                               .visited = question->visited,
                                               .visited_count = question->visited_count,
                                               .hops_left = question->hops_left};
    enum st st = ST_OK;

    if (person != NULL)
        calendar_who_init(directory, arena, person, &who);
    struct calendar_connector_lookup *lookup = calendar_connector_begin(connector, &ask);
    for (const struct calendar_connector_answer *one = calendar_connector_next(lookup);
         st == ST_OK && one != NULL; one = calendar_connector_next(lookup))
        st = send(asked, arena, one, calendar_connector_ready(lookup));
    calendar_connector_end(&lookup);
    return st;
}

static enum st serve_freebusy(struct calendar_connector *connector, struct cluster_asked *asked)
{
    struct arena *arena = arena_new("free/busy served", ARENA_BYTES_MAX);
    struct calendar_relay_question question;
    enum st st = calendar_relay_question_read(arena, cluster_asked_question(asked), &question);

    if (st == ST_OK && !came_by(&question, slice_str(cluster_asked_server(asked))))
        st = ST_INVALID;
    if (st == ST_OK)
        st = answer(connector, asked, &question, arena);
    count_add(st == ST_OK ? COUNT_FREEBUSY_SERVED : COUNT_FREEBUSY_NOT_SERVED, 1);
    arena_free(&arena);
    return st;
}

static enum st serve(void *ctx, struct cluster_asked *asked)
{
    return calendar_bytes_kind(cluster_asked_question(asked)) == CALENDAR_BYTES_OOF_QUESTION
               ? calendar_oof_serve(ctx, asked)
               : serve_freebusy(ctx, asked);
}

void calendar_connector_use_cluster(struct calendar_connector *connector, struct cluster *cluster)
{
    connector->cluster = cluster;
    if (cluster != NULL)
        cluster_serve(cluster, serve, connector);
}
