/* REPLY, REFRESH and COUNTER at the organizer (RFC 5546 sections 3.2.3, 3.2.6, 3.2.7).
 *
 * For each component and attendee the reply with the latest DTSTAMP counts; it is kept at the
 * ATTENDEE. An answer to the series is also one to its instances, but for those that the attendee
 * answered by themselves. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

#include <string.h>

#define NEW_INSTANCES_MAX 50 /* that one REPLY may make overrides of */

struct hearing {
    struct itip_incoming *in;
    struct arena *arena;
    size_t made, applied, stale, known, strangers, lost, forged;
    struct slice answer;
};

static void follow(const struct calendar_itip_world *world, struct itip_part *part)
{
    for (struct ical_prop *prop = ical_prop_find(part->comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop)) {
        if (calendar_itip_is_own(world, prop))
            continue;
        ical_param_remove(prop, CALENDAR_ITIP_REPLIED);
        ical_param_set(world->arena, prop, CALENDAR_ITIP_FOLLOWS, SLICE("TRUE"));
    }
}

static bool answers_before(const struct itip_part *reply, uint64_t sequence)
{
    return ical_prop_find(reply->comp, ICAL_SEQUENCE) != NULL && reply->version.sequence < sequence;
}

/* The stored part that is answered; an instance of the series becomes one. NULL: there is none. */
static struct itip_part *answered_part(struct hearing *h, const struct itip_part *part)
{
    struct itip_set *stored = &h->in->stored;
    struct itip_part key = *part, *found;

    key.future = false; /* an answer is to an instance */
    if ((found = calendar_itip_set_find(stored, part)) != NULL ||
        (found = calendar_itip_set_find(stored, &key)) != NULL)
        return found;
    /* the ones made now are behind the sorted ones */
    for (size_t i = stored->count; i < stored->count + h->made; i++)
        if (!part->master && stored->parts[i].id_s == part->id_s)
            return &stored->parts[i];
    if (part->master || h->made >= NEW_INSTANCES_MAX || calendar_itip_set_master(stored) == NULL ||
        !calendar_itip_set_has(stored, part->id_s))
        return NULL;
    key.comp = calendar_itip_set_instance(stored, part->id_s, false);
    if (key.comp == NULL)
        return NULL;
    key.version = calendar_itip_set_cover(stored, &key)->version;
    /* the series is no more split there, and SEQUENCE went up with it */
    if (part->future && answers_before(part, key.version.sequence))
        return NULL;
    follow(h->in->world, &key);
    found = &stored->parts[stored->count + h->made++];
    *found = key;
    return found;
}

static struct ical_prop *person_from(struct ical_prop *prop, struct slice address)
{
    while (prop != NULL && !calendar_address_is(prop, address))
        prop = ical_prop_next(prop);
    return prop;
}

/* Of one message each part is asked once or twice, and a look through the list is cheaper than its
 * order; many ask for the same part, the series as a rule. */
static struct ical_prop *person_at(const struct hearing *h, const struct itip_part *part,
                                   struct slice address)
{
    struct itip_index *index = h->in->index;
    const struct itip_person *person;

    if (index != NULL && index->comp == NULL) {
        index->comp = part->comp;
        index->people = calendar_itip_people(h->arena, part->comp);
        index->reset = calendar_itip_other(part->comp, CALENDAR_ITIP_RESET);
    }
    if (index == NULL || index->comp != part->comp)
        return person_from(ical_prop_find(part->comp, ICAL_ATTENDEE), address);
    person = calendar_itip_people_find(&index->people, address);
    if (person != NULL)
        return person->prop;
    return index->grew ? person_from(ical_prop_find(part->comp, ICAL_ATTENDEE), address) : NULL;
}

static struct slice reset_of(const struct hearing *h, const struct itip_part *part)
{
    const struct itip_index *index = h->in->index;

    return index != NULL && index->comp == part->comp
               ? index->reset
               : calendar_itip_other(part->comp, CALENDAR_ITIP_RESET);
}

static struct ical_prop *add_person(const struct hearing *h, struct itip_part *part,
                                    struct slice address)
{
    if (h->in->index != NULL)
        h->in->index->grew = true;
    return ical_prop_add(h->arena, part->comp, ICAL_ATTENDEE, address);
}

/* Of the grammar's length and letters, in capitals; some programs write them small. */
static bool read_answer(struct arena *arena, const struct ical_prop *attendee, struct slice *out_r)
{
    struct slice text = ical_param_text(attendee, "PARTSTAT");
    char *copy;

    if (text.len == 0 || text.len > 32)
        return false;
    copy = slice_cstr(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        if (copy[i] >= 'a' && copy[i] <= 'z')
            copy[i] = (char)(copy[i] - 'a' + 'A');
        if ((copy[i] < 'A' || copy[i] > 'Z') && copy[i] != '-')
            return false;
    }
    *out_r = (struct slice){copy, text.len};
    return true;
}

static struct ical_prop *join(struct hearing *h, struct itip_part *part,
                              const struct ical_prop *attendee)
{
    static const char *const params[] = {"CN", "CUTYPE", "ROLE", "DELEGATED-FROM"};
    struct ical_prop *prop = add_person(h, part, calendar_address_prop(h->arena, attendee));

    for (size_t i = 0; i < COUNT(params); i++)
        if (ical_param_find(attendee, params[i]) != NULL)
            ical_param_set(h->arena, prop, params[i], ical_param_text(attendee, params[i]));
    return prop;
}

static struct ical_prop *find_or_join(struct hearing *h, struct itip_part *part,
                                      const struct ical_prop *attendee)
{
    struct slice address = calendar_address_prop(h->arena, attendee);
    struct slice from = ical_param_text(attendee, "DELEGATED-FROM");
    struct ical_prop *prop = person_at(h, part, address);

    if (prop != NULL)
        return prop;
    if (h->in->policy->crashers ||
        (from.len > 0 && person_at(h, part, calendar_address(h->arena, from)) != NULL))
        return join(h, part, attendee);
    return NULL;
}

static void set_answer(struct hearing *h, struct ical_prop *prop, const struct ical_prop *attendee,
                       struct slice answer, int64_t stamp_s)
{
    struct slice to = ical_param_text(attendee, "DELEGATED-TO");

    ical_param_set(h->arena, prop, "PARTSTAT", answer);
    ical_param_remove(prop, CALENDAR_ITIP_FOLLOWS);
    if (stamp_s != INT64_MIN)
        ical_param_set(h->arena, prop, CALENDAR_ITIP_REPLIED,
                       calendar_itip_stamp(h->arena, stamp_s));
    ical_param_set(h->arena, prop, "SCHEDULE-STATUS", SLICE("2.0"));
    ical_param_remove(prop, "RSVP");
    if (to.len > 0)
        ical_param_set(h->arena, prop, "DELEGATED-TO", to);
}

/* Whether the answer to a part is that to `series`, by itself or by what both belong to. */
static bool follows(const struct hearing *h, const struct itip_part *part,
                    const struct itip_part *series, struct slice address)
{
    for (; part != NULL && part != series; part = calendar_itip_set_cover(&h->in->stored, part)) {
        const struct ical_prop *prop = person_at(h, part, address);

        if (prop == NULL || ical_param_find(prop, CALENDAR_ITIP_FOLLOWS) == NULL)
            return false;
    }
    return part == series;
}

/* To the instances that were not answered by themselves. */
static void spread(struct hearing *h, const struct itip_part *series,
                   const struct ical_prop *attendee, struct slice answer)
{
    struct itip_set *stored = &h->in->stored;
    struct slice address = calendar_address_prop(h->arena, attendee);

    for (size_t i = 0; i < stored->count + h->made; i++) {
        const struct itip_part *part = &stored->parts[i];

        if (part != series && follows(h, part, series, address))
            ical_param_set(h->arena, person_at(h, part, address), "PARTSTAT", answer);
    }
}

/* Whom the other is delegated to is on the list from then on (RFC 5546 section 3.2.2.3). */
static void invite_delegate(struct hearing *h, struct itip_part *part,
                            const struct ical_prop *attendee)
{
    struct slice to = ical_param_text(attendee, "DELEGATED-TO");
    struct slice address = calendar_address(h->arena, to);
    struct ical_prop *prop;

    if (to.len == 0 || to.len > 1000 || person_at(h, part, address) != NULL)
        return;
    prop = add_person(h, part, address);
    ical_param_set(h->arena, prop, "DELEGATED-FROM", calendar_address_prop(h->arena, attendee));
    ical_param_set(h->arena, prop, "PARTSTAT", SLICE("NEEDS-ACTION"));
}

/* -1: something later was heard; 0: this was. */
static int newer(const struct ical_prop *prop, const char *param, int64_t stamp_s)
{
    int64_t last_s = calendar_itip_stamp_read(ical_param_text(prop, param));

    if (last_s == INT64_MIN)
        return 1;
    return (stamp_s > last_s) - (stamp_s < last_s);
}

/* Whether the reply answers an invitation before the number. */
static bool voided(struct slice number, const struct itip_part *reply)
{
    uint64_t since;

    return slice_to_u64(number, &since) == ST_OK && answers_before(reply, since);
}

static void hear_one(struct hearing *h, const struct itip_part *reply,
                     const struct ical_prop *attendee)
{
    struct itip_part *part;
    struct ical_prop *prop;
    struct slice answer;
    int order;

    if (!read_answer(h->arena, attendee, &answer) || (part = answered_part(h, reply)) == NULL) {
        h->lost++;
        return;
    }
    if (voided(reset_of(h, part), reply) ||
        (reply->future && voided(calendar_itip_other(part->comp, CALENDAR_ITIP_SPLIT), reply))) {
        h->stale++;
        return;
    }
    if ((prop = find_or_join(h, part, attendee)) == NULL) {
        h->strangers++;
        return;
    }
    if (voided(ical_param_text(prop, CALENDAR_ITIP_SINCE), reply)) {
        h->stale++;
        return;
    }
    order = ical_param_find(prop, CALENDAR_ITIP_FOLLOWS) != NULL
                ? 1
                : newer(prop, CALENDAR_ITIP_REPLIED, reply->version.stamp_s);
    h->stale += order < 0;
    h->known += order == 0;
    if (order <= 0)
        return;
    set_answer(h, prop, attendee, answer, reply->version.stamp_s);
    if (slice_eq(answer, SLICE("DELEGATED")))
        invite_delegate(h, part, attendee);
    if (part->master || part->future)
        spread(h, part, attendee, answer);
    h->answer = answer;
    h->applied++;
}

static bool may_answer(const struct itip_incoming *in, const struct ical_prop *attendee)
{
    return in->policy->any_sender || calendar_address_is(attendee, in->sender);
}

/* Who speaks: some list everybody (RFC 5546 sections 4.2.4 and 4.2.6). */
static const struct ical_prop *speaker(const struct itip_incoming *in, const struct ical_comp *comp)
{
    const struct ical_prop *first = ical_prop_find(comp, ICAL_ATTENDEE), *prop = first;

    while (prop != NULL && !calendar_address_is(prop, in->sender))
        prop = ical_prop_next(prop);
    return prop != NULL ? prop : first;
}

static void put_made(struct hearing *h)
{
    struct itip_set *stored = &h->in->stored;

    for (size_t i = stored->count; i < stored->count + h->made; i++)
        ical_comp_add(stored->vcalendar, stored->parts[i].comp);
    calendar_itip_set_extend(stored, h->made);
    h->made = 0;
    h->in->result->store = stored->vcalendar;
}

static void tell(struct hearing *h)
{
    struct itip_incoming *in = h->in;

    if (h->applied > 0)
        calendar_itip_say(in, CALENDAR_ITIP_APPLIED, "%.*s.", SLICE_ARG(h->answer));
    else if (h->forged > 0)
        calendar_itip_say(in, CALENDAR_ITIP_FORGED, "it answers for somebody else.");
    else if (h->stale > 0)
        calendar_itip_say(in, CALENDAR_ITIP_STALE,
                          "a later answer is known, or it answers an older invitation.");
    else if (h->known > 0)
        calendar_itip_say(in, CALENDAR_ITIP_DUPLICATE, "it is known already.");
    else if (h->strangers > 0)
        calendar_itip_say(in, CALENDAR_ITIP_STRANGER, "the sender is not invited.");
    else
        calendar_itip_say(in, CALENDAR_ITIP_UNKNOWN, "there is no such instance, or no answer.");
}

static void hear_reply(struct hearing *h)
{
    struct itip_incoming *in = h->in;

    for (size_t i = 0; i < in->message.count; i++) {
        const struct ical_prop *attendee = speaker(in, in->message.parts[i].comp);

        if (attendee == NULL)
            h->lost++;
        else if (!may_answer(in, attendee))
            h->forged++;
        else
            hear_one(h, &in->message.parts[i], attendee);
    }
    if (h->applied > 0)
        put_made(h);
    in->result->inbox = h->applied > 0;
    tell(h);
}

/* The ATTENDEE who asks or proposes, as the organizer has him; said why where there is none. */
static struct ical_prop *asker(struct hearing *h)
{
    struct itip_incoming *in = h->in;
    const struct itip_part *from = &in->message.parts[0];
    const struct ical_prop *attendee = speaker(in, from->comp);
    struct itip_part *part = calendar_itip_set_find(&in->stored, from);
    struct ical_prop *prop;

    if (part == NULL)
        part = calendar_itip_set_master(&in->stored);
    for (size_t i = 0; attendee != NULL && part == NULL && i < in->stored.count; i++)
        if (person_at(h, &in->stored.parts[i], in->sender) != NULL)
            part = &in->stored.parts[i];
    if (attendee == NULL || !may_answer(in, attendee)) {
        calendar_itip_say(in, CALENDAR_ITIP_FORGED, "it is not from its ATTENDEE.");
        return NULL;
    }
    prop = part != NULL ? person_at(h, part, calendar_address_prop(h->arena, attendee)) : NULL;
    if (prop == NULL)
        calendar_itip_say(in, CALENDAR_ITIP_STRANGER, "the sender is not invited.");
    return prop;
}

static void hear_refresh(struct hearing *h)
{
    struct itip_incoming *in = h->in;
    const struct ical_prop *prop = speaker(in, in->message.parts[0].comp);
    const struct ical_comp *current;
    struct slice address;

    if (prop == NULL || !may_answer(in, prop)) {
        calendar_itip_say(in, CALENDAR_ITIP_FORGED, "it is not from its ATTENDEE.");
        return;
    }
    address = calendar_address_prop(h->arena, prop);
    current = calendar_itip_current(&in->stored, address);
    if (current == NULL) {
        calendar_itip_say(in, CALENDAR_ITIP_STRANGER, "the sender is not invited.");
        return;
    }
    calendar_itip_message_add(h->arena, &in->result->answers, CALENDAR_ITIP_REQUEST, address,
                              current);
    calendar_itip_say(in, CALENDAR_ITIP_NOTED, "the invitation is sent again.");
}

static void hear_counter(struct hearing *h)
{
    struct itip_incoming *in = h->in;
    const struct itip_part *from = &in->message.parts[0];
    struct ical_prop *prop = asker(h);
    struct slice start = ical_prop_value(from->comp, ICAL_DTSTART);
    int order;

    if (prop == NULL)
        return;
    order = newer(prop, CALENDAR_ITIP_COUNTERED, from->version.stamp_s);
    if (order == 0) {
        calendar_itip_say(in, CALENDAR_ITIP_DUPLICATE, "it is known already.");
        return;
    }
    if (order < 0 || from->version.sequence < calendar_itip_set_newest(&in->stored).sequence) {
        calendar_itip_say(in, CALENDAR_ITIP_STALE, "something later is known.");
        return;
    }
    if (from->version.stamp_s != INT64_MIN)
        ical_param_set(h->arena, prop, CALENDAR_ITIP_COUNTERED,
                       calendar_itip_stamp(h->arena, from->version.stamp_s));
    in->result->store = in->stored.vcalendar;
    in->result->inbox = true;
    calendar_itip_say(in, CALENDAR_ITIP_NOTED, "proposes %.*s.",
                      (int)(start.len < 20 ? start.len : 20), start.ptr);
}

void calendar_itip_reply(struct itip_incoming *in)
{
    size_t most = in->stored.count + NEW_INSTANCES_MAX;
    struct hearing h = {.in = in, .arena = in->world->arena};
    struct itip_part *parts = arena_many(h.arena, struct itip_part, most);

    memcpy(parts, in->stored.parts, in->stored.count * sizeof(*parts));
    in->stored.parts = parts;
    if (in->result->method == CALENDAR_ITIP_REPLY)
        hear_reply(&h);
    else if (in->result->method == CALENDAR_ITIP_REFRESH)
        hear_refresh(&h);
    else
        hear_counter(&h);
}
