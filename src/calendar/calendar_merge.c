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

static bool is_same(const struct ical_comp *a, const struct ical_comp *b, enum ical_prop_id id)
{
    return slice_eq(ical_prop_value(a, id), ical_prop_value(b, id));
}

/* Whether it is at its own time in the series, and somebody answered for it. */
static bool is_answered(const struct ical_comp *instance)
{
    const struct ical_prop *prop = ical_prop_find(instance, ICAL_ATTENDEE);

    while (prop != NULL && ical_param_find(prop, CALENDAR_ITIP_REPLIED) == NULL)
        prop = ical_prop_next(prop);
    return prop != NULL && slice_eq(ical_prop_value(instance, ICAL_DTSTART),
                                    ical_prop_value(instance, ICAL_RECURRENCE_ID));
}

static bool is_excluded(const struct ical_comp *series, struct slice id)
{
    for (const struct ical_prop *prop = ical_prop_find(series, ICAL_EXDATE); prop != NULL;
         prop = ical_prop_next(prop))
        if (slice_find_slice(prop->value, id) != SIZE_MAX)
            return true;
    return false;
}

static void take_prop(struct arena *arena, const struct ical_comp *from, struct ical_comp *to,
                      enum ical_prop_id id)
{
    const struct ical_prop *prop = ical_prop_find(from, id);

    ical_prop_remove_all(to, id);
    if (prop != NULL)
        ical_prop_add(arena, to, id, prop->value)->params = prop->params;
}

static void keep_instance(struct arena *arena, const struct ical_comp *series,
                          const struct ical_comp *instance, struct ical_comp *merged)
{
    static const enum ical_prop_id of_series[] = {ICAL_RRULE, ICAL_RDATE, ICAL_EXDATE, ICAL_EXRULE};
    static const enum ical_prop_id of_instance[] = {ICAL_RECURRENCE_ID, ICAL_DTSTART, ICAL_DTEND,
                                                    ICAL_DURATION};
    struct ical_comp *comp = ical_comp_copy(arena, series);

    for (size_t i = 0; i < COUNT(of_series); i++)
        ical_prop_remove_all(comp, of_series[i]);
    for (size_t i = 0; i < COUNT(of_instance); i++)
        take_prop(arena, instance, comp, of_instance[i]);
    merge_comp(arena, instance, comp);
    ical_comp_add(merged, comp);
}

static const struct ical_comp *find_series(const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (ical_prop_find(comp, ICAL_RRULE) != NULL || ical_prop_find(comp, ICAL_RDATE) != NULL)
            return comp;
    return NULL;
}

static void keep_instances(struct arena *arena, const struct ical_comp *before,
                           const struct ical_comp *after, struct ical_comp *merged)
{
    const struct ical_comp *was = find_series(before);
    const struct ical_comp *is = find_series(after);

    if (was == NULL || is == NULL || !is_same(was, is, ICAL_DTSTART) ||
        !is_same(was, is, ICAL_RRULE))
        return;
    for (const struct ical_comp *comp = before->comps; comp != NULL; comp = comp->next) {
        struct slice id = ical_prop_value(comp, ICAL_RECURRENCE_ID);

        if (comp->id == is->id && id.len > 0 && find_comp(after, comp) == NULL &&
            is_answered(comp) && !is_excluded(is, id))
            keep_instance(arena, is, comp, merged);
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
    keep_instances(arena, before, after, merged);
    return merged;
}
