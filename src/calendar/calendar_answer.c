#include "calendar/calendar_answer.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_itip_data.h"
#include "calendar/calendar_room.h"
#include "calendar/calendar_schedule.h"
#include "calendar/calendar_write.h"
#include "directory/directory.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"

#include <stdio.h>
#include <stdlib.h>

#define INSTANCES_MAX 1000
#define CONFLICTS_MAX 50                  /* of a series that is taken but for them */
#define PAST_S (INT64_C(31) * ICAL_DAY_S) /* what goes on now began no longer ago */

struct answering {
    const struct calendar_asked *asked;
    struct arena *arena;
    struct ical_comp *stored;
    int64_t from_s, until_s;
    struct calendar_room_busy *busy;
    size_t count, cap;
    struct store_event *behind; /* with rows that end before until_s */
    size_t behind_count, behind_cap;
    struct calendar_room_answer answer;
};

/* --- when it is taken --- */

static void note_busy(struct answering *a, int64_t from_s, int64_t until_s,
                      enum store_busy_kind kind)
{
    if (kind != STORE_BUSY_TENTATIVE && kind != STORE_BUSY_BUSY && kind != STORE_BUSY_UNAVAILABLE)
        return;
    if (a->count == a->cap)
        a->busy = arena_grow(a->arena, a->busy, a->count, &a->cap, sizeof(*a->busy));
    a->busy[a->count++] =
        (struct calendar_room_busy){from_s, until_s, kind == STORE_BUSY_TENTATIVE};
}

static enum st note_row(void *ctx, const struct store_busytime *row)
{
    struct answering *a = ctx;

    if (row->event_id != a->asked->event_id)
        note_busy(a, row->start_s, row->end_s, row->kind);
    return ST_OK;
}

static enum st note_behind(void *ctx, const struct store_event *event)
{
    struct answering *a = ctx;

    if (event->event_id == a->asked->event_id)
        return ST_OK;
    if (a->behind_count == a->behind_cap)
        a->behind =
            arena_grow(a->arena, a->behind, a->behind_count, &a->behind_cap, sizeof(*a->behind));
    a->behind[a->behind_count] = *event;
    a->behind[a->behind_count++].body = arena_copy(a->arena, event->body);
    return ST_OK;
}

/* What busytime does not hold yet is worked out; ST_TOO_BIG: it cannot be. */
static enum st look_behind(struct answering *a, const struct store_event *event)
{
    struct calendar_writing *w = a->asked->writing;
    struct store_calendar calendar;
    struct calendar_writing of = *w;
    struct calendar_busy_set set;
    enum st st = store_calendar_get(w->tx, a->arena, event->calendar_id, &calendar);

    if (st != ST_OK)
        return st;
    of.zone = calendar.zone;
    of.calendar_id = event->calendar_id;
    int64_t from_s = event->until_s > a->from_s ? event->until_s : a->from_s;
    st = calendar_expand_between(&of, a->asked->arrival->directory, a->asked->arrival->person,
                                 event->body, from_s, a->until_s, &set);
    for (size_t i = 0; st == ST_OK && i < set.count; i++)
        note_busy(a, set.rows[i].start_s, set.rows[i].end_s,
                  (enum store_busy_kind)set.rows[i].kind);
    return st;
}

static int by_start(const void *a, const void *b)
{
    const struct calendar_room_busy *one = a, *two = b;

    return (one->from_s > two->from_s) - (one->from_s < two->from_s);
}

static enum st look(struct answering *a)
{
    struct calendar_writing *w = a->asked->writing;
    enum st st = store_busytime_each(w->tx, w->account_id, a->from_s, a->until_s, note_row, a);

    if (st == ST_OK)
        st = store_event_behind(w->tx, w->account_id, a->until_s, note_behind, a);
    for (size_t i = 0; st == ST_OK && i < a->behind_count; i++)
        st = look_behind(a, &a->behind[i]);
    if (a->count > 1)
        qsort(a->busy, a->count, sizeof(*a->busy), by_start);
    return st;
}

/* --- its answer --- */

static struct calendar_room_rules rules_of(const struct answering *a)
{
    const struct directory_room *room = a->asked->arrival->person->room;

    return (struct calendar_room_rules){.recurring = room->series != DIRECTORY_SERIES_NO,
                                        .partly = room->series == DIRECTORY_SERIES_PARTLY,
                                        .conflicts_max = CONFLICTS_MAX,
                                        .instances_max = INSTANCES_MAX,
                                        .duration_max_s = (int64_t)room->duration_max_min * 60,
                                        .ahead_max_s = (int64_t)room->ahead_days * ICAL_DAY_S,
                                        .capacity = (uint32_t)room->capacity,
                                        .open_s = (int32_t)room->open_min * 60,
                                        .close_s = (int32_t)room->close_min * 60,
                                        .weekdays = room->days,
                                        .zone = a->asked->world->floating};
}

static void decline(struct answering *a, const char *why)
{
    a->answer = (struct calendar_room_answer){.partstat = SLICE("DECLINED"), .why = slice_str(why)};
}

/* A room is taken whatever the organizer's own time is. */
static void make_opaque(struct ical_comp *vcalendar)
{
    for (struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next) {
        ical_prop_remove_all(comp, ICAL_TRANSP);
        calendar_itip_other_remove(comp, "X-MICROSOFT-CDO-BUSYSTATUS");
    }
}

/* Sets a->answer. A series must end, or it could not be free for all of it. */
static enum st decide(struct answering *a, struct ical_error *error)
{
    const struct calendar_itip_world *world = a->asked->world;
    const struct calendar_room_rules rules = rules_of(a);
    struct ical_tz *tz = ical_tz_new(a->arena, a->stored, world->zones);
    struct calendar_busy_ask bounds = {
        .floating = world->floating, .rows_max = INSTANCES_MAX, .steps_max = ICAL_RECUR_STEPS_MAX};
    int64_t first_s = 0, last_s = 0;
    enum st st = calendar_busy_bounds(a->arena, a->stored, tz, &bounds, &first_s, &last_s, error);

    if (st == ST_OK && last_s == INT64_MAX) {
        decline(a, "A series is taken where it ends, and has no more than 1000 instances.");
        return ST_OK;
    }
    a->from_s = first_s > world->now_s - PAST_S ? first_s : world->now_s - PAST_S;
    a->until_s = last_s + 1;
    if (st == ST_OK)
        st = look(a);
    if (st == ST_OK)
        st = calendar_room_answer(a->arena, a->stored, world->zones, a->busy, a->count, &rules,
                                  world->now_s, &a->answer, error);
    if (st == ST_INVALID || st == ST_NOT_FOUND || st == ST_TOO_BIG) {
        decline(a, "When it is cannot be worked out.");
        st = ST_OK;
    }
    return st;
}

/* Whether anything waits for an answer. */
static bool is_open(const struct answering *a)
{
    for (const struct ical_comp *comp = a->stored->comps; comp != NULL; comp = comp->next) {
        const struct ical_prop *own = calendar_itip_own(a->asked->world, comp);
        struct slice answer = own != NULL ? ical_param_text(own, "PARTSTAT") : SLICE("ACCEPTED");

        if (answer.len == 0 || slice_ieq(answer, SLICE("NEEDS-ACTION")))
            return true;
    }
    return false;
}

static bool declines(const struct ical_comp *comp)
{
    const struct ical_prop *attendee = ical_prop_find(comp, ICAL_ATTENDEE);

    return attendee != NULL && slice_ieq(ical_param_text(attendee, "PARTSTAT"), SLICE("DECLINED"));
}

static struct slice encoded(struct arena *arena, struct slice text)
{
    AUTO(buf) struct buf out = BUF(4 * KIB);

    ical_text_encode(text, &out);
    return arena_copy(arena, buf_slice(&out));
}

/* The reason goes into the REPLY (RFC 5546 section 3.2.3). */
static void send(const struct answering *a, const struct calendar_itip_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        const struct calendar_itip_message *message = &messages->at[i];
        struct ical_comp *reply = ical_comp_copy(a->arena, message->vcalendar);

        for (struct ical_comp *comp = reply->comps; comp != NULL; comp = comp->next)
            if (a->answer.why.len > 0 && declines(comp)) {
                ical_prop_remove_all(comp, ICAL_COMMENT);
                ical_prop_add(a->arena, comp, ICAL_COMMENT, encoded(a->arena, a->answer.why));
            }
        calendar_itip_message_add(a->arena, &a->asked->result->answers, message->method,
                                  message->recipient, reply);
    }
}

static void tell(const struct answering *a)
{
    struct ical_error *line = &a->asked->result->line;
    struct ical_error before = *line;

    ical_error_set(line, 0, "%.*s %.*s%s%.*s", (int)(sizeof(before.text) / 2), before.text,
                   SLICE_ARG(a->answer.partstat), a->answer.why.len > 0 ? ": " : ".",
                   SLICE_ARG(a->answer.why));
}

enum st calendar_answer(const struct calendar_asked *asked, struct ical_error *error_r)
{
    struct answering a = {
        .asked = asked, .arena = asked->world->arena, .stored = asked->result->store};
    struct calendar_itip_sent sent;
    struct ical_comp *answered;

    make_opaque(a.stored);
    enum st st = decide(&a, error_r);
    if (st != ST_OK || (a.answer.over && !is_open(&a)))
        return st;
    st = calendar_room_set(asked->world, a.stored, &a.answer, &answered, error_r);
    if (st == ST_OK)
        st = calendar_itip_outgoing(asked->world, a.stored, answered, &sent, error_r);
    if (st != ST_OK)
        return st;
    asked->result->store = sent.store;
    send(&a, &sent.messages);
    tell(&a);
    return ST_OK;
}
