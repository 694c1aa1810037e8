/* A series that the other side cannot hold, as instances. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"
#include "ical/ical_recur.h"

static bool has_two(const struct ical_comp *comp, enum ical_prop_id id)
{
    const struct ical_prop *first = ical_prop_find(comp, id);

    return first != NULL && ical_prop_next(first) != NULL;
}

static bool has_period(const struct ical_comp *comp)
{
    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_RDATE); prop != NULL;
         prop = ical_prop_next(prop))
        if (slice_find(prop->value, '/') != SIZE_MAX)
            return true;
    return false;
}

static bool holds_all(const struct itip_set *set, const struct calendar_itip_holds *holds)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct itip_part *part = &set->parts[i];
        const struct ical_comp *comp = part->comp;

        if ((part->future && !holds->this_and_future) ||
            (!holds->rdate_period && has_period(comp)) ||
            (!holds->rdate && ical_prop_find(comp, ICAL_RDATE) != NULL) ||
            (!holds->many_rules &&
             (has_two(comp, ICAL_RRULE) || ical_prop_find(comp, ICAL_EXRULE) != NULL)))
            return false;
    }
    return true;
}

/* The instance as a component with its own time, in UTC but for days. */
static struct ical_comp *make(const struct itip_set *set, const struct ical_instance *instance)
{
    static const enum ical_prop_id series[] = {ICAL_RRULE, ICAL_RDATE, ICAL_EXDATE,  ICAL_EXRULE,
                                               ICAL_DTEND, ICAL_DUE,   ICAL_DURATION};
    struct arena *arena = set->world->arena;
    struct ical_comp *comp = calendar_itip_public(arena, instance->comp);
    bool days = instance->start.form == ICAL_DATE;
    struct ical_prop *prop;

    for (size_t i = 0; i < COUNT(series); i++)
        ical_prop_remove_all(comp, series[i]);
    ical_prop_set(arena, comp, ICAL_DTSTART,
                  days ? slice_sub(calendar_itip_stamp(arena, instance->start.local_s), 0, 8)
                       : calendar_itip_stamp(arena, instance->start_s));
    prop = ical_prop_add(arena, comp, comp->id == ICAL_VTODO ? ICAL_DUE : ICAL_DTEND,
                         calendar_itip_stamp(arena, instance->end_s));
    if (days) {
        int64_t end_s =
            instance->start.local_s +
            (instance->end_s - instance->start_s + ICAL_DAY_S / 2) / ICAL_DAY_S * ICAL_DAY_S;
        prop->value = slice_sub(calendar_itip_stamp(arena, end_s), 0, 8);
        ical_param_set(arena, prop, "VALUE", SLICE("DATE"));
        ical_param_set(arena, ical_prop_find(comp, ICAL_DTSTART), "VALUE", SLICE("DATE"));
    }
    if (comp->id == ICAL_VJOURNAL)
        ical_prop_remove_all(comp, ICAL_DTEND);
    prop = ical_prop_set(arena, comp, ICAL_RECURRENCE_ID,
                         instance->id.form == ICAL_DATE
                             ? slice_sub(calendar_itip_stamp(arena, instance->id.local_s), 0, 8)
                             : calendar_itip_stamp(arena, instance->id_s));
    if (instance->id.form == ICAL_DATE)
        ical_param_set(arena, prop, "VALUE", SLICE("DATE"));
    return comp;
}

enum st calendar_itip_series(const struct calendar_itip_world *world,
                             const struct ical_comp *vcalendar,
                             const struct calendar_itip_holds *holds, int64_t from_s,
                             int64_t until_s, uint64_t instances_max,
                             const struct ical_comp **out_r, struct ical_error *error_r)
{
    struct ical_window window = {from_s, until_s, world->floating, instances_max,
                                 ICAL_RECUR_STEPS_MAX};
    struct ical_comp *copy = ical_comp_copy(world->arena, vcalendar), *out;
    struct ical_instance instance;
    struct ical_recur *recur;
    struct itip_set set;
    uint64_t work = 0;
    enum st st = calendar_itip_set_read(world, copy, &set, error_r);

    *out_r = vcalendar;
    if (st != ST_OK || set.count == 0 || holds_all(&set, holds))
        return st;
    st = ical_recur_new(world->arena, copy, set.uid, set.tz, &window, &recur, error_r);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    out = calendar_itip_envelope(&set, calendar_itip_method(vcalendar), NULL, 0);
    while (work <= CALENDAR_ITIP_WORK_MAX && (st = ical_recur_next(recur, &instance)) == ST_OK) {
        for (const struct ical_prop *prop = instance.comp->props; prop != NULL; prop = prop->next)
            work++;
        ical_comp_add(out, make(&set, &instance));
    }
    *out_r = out;
    if (st == ST_NOT_FOUND)
        return ST_OK;
    ical_error_set(error_r, 0, "The series has more instances than can be sent one by one.");
    return ST_TOO_BIG;
}
