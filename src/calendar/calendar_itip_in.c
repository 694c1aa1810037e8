/* A message that came: which method it is, whether it may say that, and the line for the record. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const verdict_names[] = {
    [CALENDAR_ITIP_APPLIED] = "applied",     [CALENDAR_ITIP_NOTED] = "noted",
    [CALENDAR_ITIP_DUPLICATE] = "duplicate", [CALENDAR_ITIP_STALE] = "stale",
    [CALENDAR_ITIP_UNKNOWN] = "unknown",     [CALENDAR_ITIP_STRANGER] = "stranger",
    [CALENDAR_ITIP_FORGED] = "forged",       [CALENDAR_ITIP_IGNORED] = "ignored",
};

const char *calendar_itip_verdict_name(enum calendar_itip_verdict verdict)
{
    return verdict_names[verdict];
}

void calendar_itip_say(struct itip_incoming *in, enum calendar_itip_verdict verdict,
                       const char *fmt, ...)
{
    char why[sizeof(in->result->line.text)];
    va_list args;

    in->result->verdict = verdict;
    va_start(args, fmt);
    (void)vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    ical_error_set(&in->result->line, 0, "%s from %.*s: %s",
                   calendar_itip_method_name(in->result->method),
                   (int)(in->sender.len < 60 ? in->sender.len : 60), in->sender.ptr, why);
}

static bool own_series(const struct itip_incoming *in)
{
    const struct itip_set *set = in->stored.organizer != NULL ? &in->stored : &in->message;

    return set->organizer != NULL && calendar_itip_is_own(in->world, set->organizer);
}

static void to_attendee(struct itip_incoming *in)
{
    if (in->message.organizer == NULL)
        calendar_itip_say(in, CALENDAR_ITIP_IGNORED, "it has no ORGANIZER.");
    else if (own_series(in))
        calendar_itip_say(in, CALENDAR_ITIP_IGNORED, "the recipient is the organizer.");
    else
        calendar_itip_apply(in);
}

static void to_organizer(struct itip_incoming *in)
{
    if (in->stored.count == 0)
        calendar_itip_say(in, CALENDAR_ITIP_UNKNOWN, "there is no object with this UID.");
    else if (in->stored.organizer == NULL || !own_series(in))
        calendar_itip_say(in, CALENDAR_ITIP_IGNORED, "the recipient is not the organizer.");
    else
        calendar_itip_reply(in);
}

static void dispatch(struct itip_incoming *in)
{
    switch (in->result->method) {
    case CALENDAR_ITIP_REQUEST:
    case CALENDAR_ITIP_ADD:
    case CALENDAR_ITIP_CANCEL:
    case CALENDAR_ITIP_DECLINECOUNTER:
        to_attendee(in);
        return;
    case CALENDAR_ITIP_REPLY:
    case CALENDAR_ITIP_REFRESH:
    case CALENDAR_ITIP_COUNTER:
        to_organizer(in);
        return;
    case CALENDAR_ITIP_PUBLISH:
        calendar_itip_say(in, CALENDAR_ITIP_IGNORED, "published, nobody is invited.");
        return;
    case CALENDAR_ITIP_NONE:
    case CALENDAR_ITIP_METHOD_MAX:
        calendar_itip_say(in, CALENDAR_ITIP_IGNORED, "its METHOD is unknown.");
        return;
    }
}

/* The object that the messages are for; in->index and in->policy are set. */
static enum st read_stored(struct itip_incoming *in, const struct ical_comp *stored,
                           struct ical_error *error)
{
    struct ical_comp *copy = stored != NULL ? ical_comp_copy(in->world->arena, stored) : NULL;

    return calendar_itip_set_read(in->world, copy, &in->stored, error);
}

static enum st read_message(struct itip_incoming *in, const struct ical_comp *message,
                            struct slice sender, struct ical_error *error)
{
    struct arena *arena = in->world->arena;

    *in->result = (struct calendar_itip_result){0};
    if (message->id != ICAL_VCALENDAR) {
        ical_error_set(error, message->line, "It is no VCALENDAR.");
        return ST_INVALID;
    }
    in->sender = calendar_address(arena, sender);
    in->result->method = calendar_itip_method(message);
    enum st st =
        calendar_itip_set_read(in->world, ical_comp_copy(arena, message), &in->message, error);
    if (st == ST_OK && (in->message.count == 0 || in->message.uid.len == 0)) {
        ical_error_set(error, message->line, "It has no event, to-do or journal with a UID.");
        st = ST_INVALID;
    }
    if (st == ST_OK && in->stored.count > 0 && !slice_eq(in->stored.uid, in->message.uid)) {
        ical_error_set(error, message->line, "Its UID is not that of the stored object.");
        st = ST_INVALID;
    }
    return st;
}

enum st calendar_itip_incoming(const struct calendar_itip_world *world,
                               const struct calendar_itip_policy *policy,
                               const struct ical_comp *stored, const struct ical_comp *message,
                               struct slice sender, struct calendar_itip_result *result_r,
                               struct ical_error *error_r)
{
    struct itip_incoming in = {.world = world, .policy = policy, .result = result_r};
    enum st st = read_stored(&in, stored, error_r);

    *result_r = (struct calendar_itip_result){0};
    if (st == ST_OK)
        st = read_message(&in, message, sender, error_r);
    if (st == ST_OK)
        dispatch(&in);
    return st;
}

struct calendar_itip_hearing {
    struct itip_incoming in;
    struct itip_index index;
};

enum st calendar_itip_hearing_new(const struct calendar_itip_world *world,
                                  const struct calendar_itip_policy *policy,
                                  const struct ical_comp *stored,
                                  struct calendar_itip_hearing **hearing_r,
                                  struct ical_error *error_r)
{
    struct calendar_itip_hearing *hearing = arena_one(world->arena, struct calendar_itip_hearing);

    hearing->in =
        (struct itip_incoming){.world = world, .policy = policy, .index = &hearing->index};
    *hearing_r = hearing;
    return read_stored(&hearing->in, stored, error_r);
}

enum st calendar_itip_hear(struct calendar_itip_hearing *hearing, const struct ical_comp *message,
                           struct slice sender, struct calendar_itip_result *result_r,
                           struct ical_error *error_r)
{
    hearing->in.result = result_r;
    enum st st = read_message(&hearing->in, message, sender, error_r);
    if (st == ST_OK && result_r->method != CALENDAR_ITIP_REPLY) {
        ical_error_set(error_r, message->line, "It is no REPLY.");
        st = ST_INVALID;
    }
    if (st == ST_OK)
        dispatch(&hearing->in);
    return st;
}
