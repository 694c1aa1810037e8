#include "calendar/calendar_merge.h"

#include "base/slice.h"
#include "calendar/calendar_itip.h"
#include "ical/ical.h"

/* The component of the same instance. */
static const struct ical_comp *find_comp(const struct ical_comp *vcalendar,
                                         const struct ical_comp *like)
{
    struct slice id = ical_prop_value(like, ICAL_RECURRENCE_ID);

    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (comp->id == like->id && slice_eq(ical_prop_value(comp, ICAL_RECURRENCE_ID), id))
            return comp;
    return NULL;
}

static const struct ical_prop *find_attendee(const struct ical_comp *comp, struct slice address)
{
    const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE);

    while (prop != NULL && !slice_ieq(prop->value, address))
        prop = ical_prop_next(prop);
    return prop;
}

static void merge_comp(struct arena *arena, const struct ical_comp *before, struct ical_comp *after)
{
    for (struct ical_prop *prop = ical_prop_find(after, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop)) {
        const struct ical_prop *old = find_attendee(before, prop->value);

        if (old != NULL && ical_param_find(old, CALENDAR_ITIP_REPLIED) != NULL &&
            ical_param_find(old, "PARTSTAT") != NULL)
            ical_param_set(arena, prop, "PARTSTAT", ical_param_text(old, "PARTSTAT"));
    }
}

struct ical_comp *calendar_merge(struct arena *arena, const struct ical_comp *before,
                                 const struct ical_comp *after)
{
    struct ical_comp *merged = ical_comp_copy(arena, after);

    for (struct ical_comp *comp = merged->comps; comp != NULL; comp = comp->next) {
        const struct ical_comp *old = comp->id == ICAL_VTIMEZONE ? NULL : find_comp(before, comp);

        if (old != NULL)
            merge_comp(arena, old, comp);
    }
    return merged;
}
