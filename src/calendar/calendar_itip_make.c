/* Making and changing components of messages and objects. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

#include <string.h>

static const char *const method_names[] = {
    [CALENDAR_ITIP_NONE] = "",
    [CALENDAR_ITIP_PUBLISH] = "PUBLISH",
    [CALENDAR_ITIP_REQUEST] = "REQUEST",
    [CALENDAR_ITIP_REPLY] = "REPLY",
    [CALENDAR_ITIP_ADD] = "ADD",
    [CALENDAR_ITIP_CANCEL] = "CANCEL",
    [CALENDAR_ITIP_REFRESH] = "REFRESH",
    [CALENDAR_ITIP_COUNTER] = "COUNTER",
    [CALENDAR_ITIP_DECLINECOUNTER] = "DECLINECOUNTER",
};
static_assert(COUNT(method_names) == CALENDAR_ITIP_METHOD_MAX, "one name each");

const char *calendar_itip_method_name(enum calendar_itip_method method)
{
    return method_names[method];
}

enum calendar_itip_method calendar_itip_method(const struct ical_comp *vcalendar)
{
    struct slice name = slice_trim(ical_prop_value(vcalendar, ICAL_METHOD));

    for (size_t i = 1; i < COUNT(method_names); i++)
        if (slice_ieq(name, slice_str(method_names[i])))
            return (enum calendar_itip_method)i;
    return CALENDAR_ITIP_NONE;
}

struct ical_prop *calendar_itip_prop_other(struct arena *arena, struct ical_comp *comp,
                                           const char *name, struct slice value)
{
    struct ical_prop *prop = ical_prop_add(arena, comp, ICAL_COMMENT, value);

    prop->id = ICAL_OTHER;
    prop->name = slice_str(name);
    return prop;
}

struct slice calendar_itip_other(const struct ical_comp *comp, const char *name)
{
    const struct ical_prop *prop = ical_prop_find_name(comp, slice_str(name));

    return prop != NULL ? prop->value : SLICE("");
}

void calendar_itip_other_remove(struct ical_comp *comp, const char *name)
{
    struct ical_prop **at = &comp->props;

    while (*at != NULL) {
        if (slice_ieq((*at)->name, slice_str(name)))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    comp->props_end = at;
}

void calendar_itip_params_copy(struct arena *arena, struct ical_prop *to,
                               const struct ical_prop *from)
{
    struct ical_param **last = &to->params;

    *last = NULL;
    for (const struct ical_param *param = from->params; param != NULL; param = param->next) {
        *last = arena_one(arena, struct ical_param);
        **last = *param;
        (*last)->next = NULL;
        last = &(*last)->next;
    }
}

struct ical_prop *calendar_itip_date_add(struct arena *arena, struct ical_comp *comp,
                                         enum ical_prop_id id, const struct ical_prop *from)
{
    struct ical_prop *prop = ical_prop_add(arena, comp, id, from->value);

    calendar_itip_params_copy(arena, prop, from);
    ical_param_remove(prop, "RANGE");
    return prop;
}

void calendar_itip_message_add(struct arena *arena, struct calendar_itip_messages *messages,
                               enum calendar_itip_method method, struct slice recipient,
                               const struct ical_comp *vcalendar)
{
    if (messages->count == messages->cap)
        messages->at =
            arena_grow(arena, messages->at, messages->count, &messages->cap, sizeof(*messages->at));
    messages->at[messages->count++] = (struct calendar_itip_message){method, recipient, vcalendar};
}

static bool told(const struct ical_prop *prop)
{
    if (slice_ieq(prop->name, SLICE(CALENDAR_ITIP_RESET)) ||
        slice_ieq(prop->name, SLICE(CALENDAR_ITIP_SPLIT)))
        return true;
    return !slice_istarts(prop->name, SLICE("X-POSTHORSE-")) &&
           !slice_istarts(prop->name, SLICE("X-MOZ-")) &&
           !slice_istarts(prop->name, SLICE("X-EVOLUTION-")) &&
           !slice_istarts(prop->name, SLICE("X-APPLE-"));
}

/* RFC 6638 section 7: these stay on the server. */
static void strip_params(struct ical_prop *prop)
{
    struct ical_param **at = &prop->params;

    while (*at != NULL) {
        if (slice_istarts((*at)->name, SLICE("SCHEDULE-")) ||
            (slice_istarts((*at)->name, SLICE("X-POSTHORSE-")) &&
             !slice_ieq((*at)->name, SLICE(CALENDAR_ITIP_SINCE)) &&
             !slice_ieq((*at)->name, SLICE(CALENDAR_ITIP_FOLLOWS))))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

struct ical_comp *calendar_itip_public(struct arena *arena, const struct ical_comp *comp)
{
    struct ical_comp *copy = ical_comp_copy(arena, comp);
    struct ical_prop **at = &copy->props;

    copy->comps = NULL; /* alarms are everybody's own */
    copy->comps_end = &copy->comps;
    while (*at != NULL) {
        if (!told(*at)) {
            *at = (*at)->next;
            continue;
        }
        if ((*at)->id == ICAL_ATTENDEE || (*at)->id == ICAL_ORGANIZER)
            strip_params(*at);
        at = &(*at)->next;
    }
    copy->props_end = at;
    return copy;
}

static bool uses(const struct ical_comp *comp, struct slice tzid)
{
    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
        if (prop->params != NULL && slice_eq(ical_param_text(prop, "TZID"), tzid))
            return true;
    return false;
}

struct ical_comp *calendar_itip_envelope(const struct itip_set *set,
                                         enum calendar_itip_method method,
                                         const struct ical_comp *const *comps, size_t count)
{
    struct arena *arena = set->world->arena;
    struct ical_comp *vcalendar = ical_comp_new(arena, ICAL_VCALENDAR);

    ical_prop_add(arena, vcalendar, ICAL_PRODID, SLICE("-//Posthorse//Posthorse//EN"));
    ical_prop_add(arena, vcalendar, ICAL_VERSION, SLICE("2.0"));
    if (method != CALENDAR_ITIP_NONE)
        ical_prop_add(arena, vcalendar, ICAL_METHOD, slice_str(calendar_itip_method_name(method)));
    for (const struct ical_comp *zone = ical_comp_find(set->vcalendar, ICAL_VTIMEZONE);
         zone != NULL; zone = ical_comp_next(zone)) {
        struct slice tzid = ical_prop_value(zone, ICAL_TZID);
        bool used = false;

        for (size_t i = 0; i < count && !used; i++)
            used = uses(comps[i], tzid);
        if (used)
            ical_comp_add(vcalendar, ical_comp_copy(arena, zone));
    }
    return vcalendar;
}

static void set_status(struct arena *arena, struct ical_prop *prop, struct slice status)
{
    ical_param_set(arena, prop, "SCHEDULE-STATUS", status);
}

void calendar_itip_delivered(struct arena *arena, struct ical_comp *vcalendar,
                             const struct calendar_itip_delivery *deliveries, size_t count)
{
    for (struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next) {
        struct ical_prop *organizer = ical_prop_find(comp, ICAL_ORGANIZER);
        struct itip_people people = calendar_itip_people(arena, comp);

        for (size_t i = 0; i < count; i++) {
            struct itip_person *person = calendar_itip_people_find(&people, deliveries[i].address);

            if (person != NULL)
                set_status(arena, person->prop, deliveries[i].status);
            else if (organizer != NULL &&
                     slice_eq(deliveries[i].address, calendar_address_prop(arena, organizer)))
                set_status(arena, organizer, deliveries[i].status);
        }
    }
}

/* Where the component says what became of the message to that address; NULL: nowhere. */
static struct ical_prop *find_failed(struct arena *arena, const struct ical_comp *comp,
                                     const struct itip_people *people, struct slice address)
{
    const struct itip_person *person = calendar_itip_people_find(people, address);
    struct ical_prop *organizer = ical_prop_find(comp, ICAL_ORGANIZER);

    if (person != NULL)
        return person->prop;
    return organizer != NULL && slice_eq(address, calendar_address_prop(arena, organizer))
               ? organizer
               : NULL;
}

static bool set_failed(struct arena *arena, struct ical_comp *comp,
                       const struct calendar_itip_failure *failure)
{
    struct itip_people people = calendar_itip_people(arena, comp);
    bool changed = false;

    for (size_t i = 0; i < failure->count; i++) {
        struct ical_prop *prop = find_failed(arena, comp, &people, failure->rcpts[i]);
        struct slice now = prop != NULL ? ical_param_text(prop, "SCHEDULE-STATUS") : SLICE("");

        if (prop == NULL || slice_starts(now, SLICE("2.")) || slice_eq(now, failure->status))
            continue;
        set_status(arena, prop, failure->status);
        changed = true;
    }
    return changed;
}

enum st calendar_itip_undelivered(const struct calendar_itip_world *world,
                                  const struct ical_comp *stored,
                                  const struct calendar_itip_failure *failure,
                                  struct ical_comp **store_r, struct ical_error *error_r)
{
    struct ical_comp *copy = ical_comp_copy(world->arena, stored);
    struct itip_set now, was;
    bool changed = false;
    enum st st = calendar_itip_set_read(world, copy, &now, error_r);

    *store_r = NULL;
    if (st == ST_OK)
        st = calendar_itip_set_read(world, ical_comp_copy(world->arena, failure->message), &was,
                                    error_r);
    if (st != ST_OK ||
        calendar_itip_set_newest(&was).sequence < calendar_itip_set_newest(&now).sequence)
        return st;
    for (size_t i = 0; i < now.count; i++)
        changed |= set_failed(world->arena, now.parts[i].comp, failure);
    *store_r = changed ? copy : NULL;
    return ST_OK;
}
