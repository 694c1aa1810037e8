#include "calendar/calendar_mask.h"

#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical.h"

/* All that stays of a component. */
static const enum ical_prop_id kept[] = {
    ICAL_UID,    ICAL_DTSTAMP, ICAL_DTSTART, ICAL_DTEND,         ICAL_DURATION, ICAL_DUE,
    ICAL_RRULE,  ICAL_RDATE,   ICAL_EXDATE,  ICAL_RECURRENCE_ID, ICAL_SEQUENCE, ICAL_STATUS,
    ICAL_TRANSP, ICAL_CLASS,   ICAL_VERSION, ICAL_PRODID,        ICAL_CALSCALE, ICAL_EXRULE,
};

static bool is_kept(const struct ical_prop *prop)
{
    for (size_t i = 0; i < COUNT(kept); i++)
        if (prop->id == kept[i])
            return true;
    return slice_ieq(prop->name, SLICE("X-MICROSOFT-CDO-BUSYSTATUS"));
}

static void take_props(struct arena *arena, struct ical_comp *to, const struct ical_comp *from)
{
    for (const struct ical_prop *prop = from->props; prop != NULL; prop = prop->next) {
        if (!is_kept(prop))
            continue;
        struct ical_prop *copy = ical_prop_add(arena, to, prop->id, prop->value);

        copy->name = prop->name;
        copy->params = prop->params;
    }
}

struct ical_comp *calendar_mask(struct arena *arena, const struct ical_comp *vcalendar)
{
    struct ical_comp *masked = ical_comp_new(arena, ICAL_VCALENDAR);

    take_props(arena, masked, vcalendar);
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next) {
        if (comp->id == ICAL_VTIMEZONE) {
            ical_comp_add(masked, ical_comp_copy(arena, comp));
            continue;
        }
        struct ical_comp *one = ical_comp_new(arena, comp->id);
        one->name = comp->name;
        take_props(arena, one, comp);
        (void)ical_prop_add(arena, one, ICAL_SUMMARY, SLICE("Busy"));
        ical_comp_add(masked, one);
    }
    return masked;
}
