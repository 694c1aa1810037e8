/* What a change of a stored object sends: who acts, and the organizer's half. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

static enum calendar_itip_role role_in(const struct itip_set *set)
{
    if (set->organizer == NULL || !calendar_itip_by_server(set->organizer))
        return CALENDAR_ITIP_NOBODY;
    if (calendar_itip_is_own(set->world, set->organizer))
        return CALENDAR_ITIP_ORGANIZER;
    for (size_t i = 0; i < set->count; i++)
        if (calendar_itip_own(set->world, set->parts[i].comp) != NULL)
            return CALENDAR_ITIP_ATTENDEE;
    return CALENDAR_ITIP_NOBODY;
}

static bool same_organizer(const struct itip_set *a, const struct itip_set *b)
{
    return slice_eq(calendar_address_prop(a->world->arena, a->organizer),
                    calendar_address_prop(b->world->arena, b->organizer));
}

/* RFC 6638 section 3.2.4.2: every component has the same one, or none has. */
static bool one_organizer(const struct itip_set *set)
{
    struct arena *arena = set->world->arena;
    struct slice first;

    if (set->organizer == NULL)
        return true;
    first = calendar_address_prop(arena, set->organizer);
    for (size_t i = 0; i < set->count; i++) {
        const struct ical_prop *prop = ical_prop_find(set->parts[i].comp, ICAL_ORGANIZER);

        if (prop == NULL || !slice_eq(first, calendar_address_prop(arena, prop)))
            return false;
    }
    return true;
}

static enum st refuse(struct calendar_itip_sent *sent, enum calendar_fault fault,
                      struct ical_error *error, const char *why)
{
    sent->fault = fault;
    ical_error_set(error, 0, "%s", why);
    return ST_DENIED;
}

static bool is_memory(const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (calendar_itip_other(comp, CALENDAR_ITIP_HIDDEN).len > 0)
            return true;
    return false;
}

static enum st decide(struct itip_set *old, struct itip_set *new, struct calendar_itip_sent *sent,
                      struct ical_error *error)
{
    enum calendar_itip_role was = role_in(old), is = role_in(new);

    if (!one_organizer(new))
        return refuse(sent, CALENDAR_TWO_ORGANIZERS, error,
                      "Each component must have the same ORGANIZER.");
    sent->role = was != CALENDAR_ITIP_NOBODY ? was : is;
    if (was == CALENDAR_ITIP_ATTENDEE && new->count > 0 &&
        (new->organizer == NULL || !same_organizer(old, new)))
        return refuse(sent, CALENDAR_ATTENDEE_CHANGE, error,
                      "An attendee may not change ORGANIZER.");
    if (was == CALENDAR_ITIP_ORGANIZER && new->organizer != NULL &&
        is != was &&calendar_itip_by_server(new->organizer))
        return refuse(sent, CALENDAR_ORGANIZER_CHANGE, error,
                      "ORGANIZER may not be given to somebody else.");
    if (sent->role == CALENDAR_ITIP_ORGANIZER)
        return calendar_itip_organizer(old, new, sent, error);
    if (sent->role == CALENDAR_ITIP_ATTENDEE)
        return calendar_itip_attendee(old, new, sent, error);
    return ST_OK;
}

enum st calendar_itip_outgoing(const struct calendar_itip_world *world,
                               const struct ical_comp *before, const struct ical_comp *after,
                               struct calendar_itip_sent *sent_r, struct ical_error *error_r)
{
    struct itip_set old, new;
    enum st st;

    *sent_r = (struct calendar_itip_sent){0};
    if (before != NULL && is_memory(before))
        before = NULL;
    if (after != NULL)
        sent_r->store = ical_comp_copy(world->arena, after);
    st = calendar_itip_set_read(world, before != NULL ? ical_comp_copy(world->arena, before) : NULL,
                                &old, error_r);
    if (st == ST_OK)
        st = calendar_itip_set_read(world, sent_r->store, &new, error_r);
    if (st == ST_OK)
        st = decide(&old, &new, sent_r, error_r);
    if (st != ST_OK)
        sent_r->store = NULL;
    return st;
}
