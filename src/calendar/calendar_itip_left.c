/* Instances that an attendee took out of the series by EXDATE, which says that he declined them. */
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

const struct ical_prop *calendar_itip_left(const struct ical_comp *series, int64_t id_s)
{
    for (const struct ical_prop *prop = series->props; prop != NULL; prop = prop->next)
        if (slice_ieq(prop->name, SLICE(CALENDAR_ITIP_LEFT)) &&
            calendar_itip_stamp_read(prop->value) == id_s)
            return prop;
    return NULL;
}

static void take_out(struct ical_comp *comp, const struct ical_prop *gone)
{
    struct ical_prop **at = &comp->props;

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    if (gone->next == NULL)
        comp->props_end = at;
}

static void undo(const struct calendar_itip_world *world, struct ical_tz *tz,
                 struct ical_comp *series, const struct itip_part *part)
{
    const struct ical_prop *left = calendar_itip_left(series, part->id_s), *next;

    if (left == NULL)
        return;
    take_out(series, left);
    for (const struct ical_prop *prop = ical_prop_find(series, ICAL_EXDATE); prop != NULL;
         prop = next) {
        struct ical_time time;

        next = ical_prop_next(prop);
        if (ical_tz_time(tz, prop, slice_trim(prop->value), &time) == ST_OK &&
            ical_time_utc(time, world->floating) == part->id_s)
            take_out(series, prop);
    }
}

void calendar_itip_left_undo(const struct calendar_itip_world *world, struct ical_tz *tz,
                             struct itip_part *parts, size_t count)
{
    struct itip_part *series = NULL;

    for (size_t i = 0; i < count; i++)
        if (parts[i].master)
            series = &parts[i];
    if (series == NULL || ical_prop_find_name(series->comp, SLICE(CALENDAR_ITIP_LEFT)) == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct ical_prop *own = calendar_itip_own(world, parts[i].comp);

        if (!parts[i].master && !parts[i].future && own != NULL &&
            !slice_ieq(ical_param_text(own, "PARTSTAT"), SLICE("DECLINED")))
            undo(world, tz, series->comp, &parts[i]);
    }
}
