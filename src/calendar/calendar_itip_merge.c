/* Answers that came while the organizer's client had an older copy. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

/* That he answered, himself or for the series. */
static bool answered(const struct ical_prop *known)
{
    return ical_param_text(known, "PARTSTAT").len > 0 &&
           (ical_param_find(known, CALENDAR_ITIP_REPLIED) != NULL ||
            ical_param_find(known, CALENDAR_ITIP_FOLLOWS) != NULL);
}

/* The organizer asks him anew, whatever he said (RFC 6638 sections 3.2.8 and 7.2). */
static bool asked_anew(const struct ical_prop *prop)
{
    return slice_ieq(ical_param_text(prop, "SCHEDULE-FORCE-SEND"), SLICE("REQUEST")) &&
           slice_ieq(ical_param_text(prop, "PARTSTAT"), SLICE("NEEDS-ACTION"));
}

/* PARTSTAT, and what an answer changes with it. */
static void keep_answer(struct arena *arena, struct ical_prop *prop, const struct ical_prop *known)
{
    static const char *const names[] = {"PARTSTAT", "SCHEDULE-STATUS", "RSVP", "DELEGATED-TO"};

    for (size_t i = 0; i < COUNT(names); i++) {
        const struct ical_param *param = ical_param_find(known, names[i]);

        if (param != NULL)
            ical_param_set(arena, prop, names[i], param->values[0].text);
        else
            ical_param_remove(prop, names[i]);
    }
}

/* Whom he delegated to is on the list by his answer, which the client had not seen. */
static void keep_delegate(struct arena *arena, const struct itip_people *olds,
                          const struct itip_people *news, const struct ical_prop *known,
                          struct ical_comp *new)
{
    struct slice to = calendar_address(arena, ical_param_text(known, "DELEGATED-TO"));
    const struct itip_person *delegate = calendar_itip_people_find(olds, to);

    if (delegate == NULL || calendar_itip_people_find(news, to) != NULL)
        return;
    calendar_itip_params_copy(
        arena, ical_prop_add(arena, new, ICAL_ATTENDEE, delegate->prop->value), delegate->prop);
}

static void keep_of_part(const struct calendar_itip_world *world, const struct ical_comp *old,
                         struct ical_comp *new)
{
    struct itip_people olds = calendar_itip_people(world->arena, old);
    struct itip_people news = calendar_itip_people(world->arena, new);

    for (size_t i = 0; i < news.count; i++) {
        struct ical_prop *prop = news.at[i].prop;
        const struct itip_person *known = calendar_itip_people_find(&olds, news.at[i].address);

        if (known == NULL || !answered(known->prop) || asked_anew(prop))
            continue;
        if (!slice_ieq(ical_param_text(prop, "PARTSTAT"), SLICE("DELEGATED")))
            keep_delegate(world->arena, &olds, &news, known->prop, new);
        keep_answer(world->arena, prop, known->prop);
    }
}

/* An override that holds nothing but answers: it was made when one came. */
static bool only_answers(struct itip_set *set, const struct itip_part *part)
{
    const struct ical_comp *plain = calendar_itip_set_instance(set, part->id_s, false);

    return plain != NULL &&
           slice_eq(calendar_itip_timing(set, plain), calendar_itip_timing(set, part->comp)) &&
           slice_eq(calendar_itip_content(set, plain), calendar_itip_content(set, part->comp));
}

/* Those that the client does not know of, where its series has the instance still; they say what
 * the series says now. */
static void keep_overrides(struct itip_set *old, struct itip_set *new, struct ical_comp *copy)
{
    struct itip_part *was = calendar_itip_set_master(old), *is = calendar_itip_set_master(new);
    struct itip_times gone = {0};

    if (was == NULL || is == NULL ||
        !slice_eq(calendar_itip_timing(old, was->comp), calendar_itip_timing(new, is->comp)))
        return;
    calendar_itip_times(new, is->comp, ICAL_EXDATE, &gone);
    for (size_t i = 0; i < old->count; i++) {
        const struct itip_part *part = &old->parts[i];

        if (part->master || part->future || calendar_itip_set_find(new, part) != NULL ||
            calendar_itip_times_has(&gone, part->id_s) || !only_answers(old, part))
            continue;
        struct ical_comp *instance = calendar_itip_set_instance(new, part->id_s, false);
        if (instance == NULL)
            continue;
        keep_of_part(new->world, part->comp, instance);
        ical_comp_add(copy, instance);
    }
}

enum st calendar_itip_keep_answers(const struct calendar_itip_world *world,
                                   const struct ical_comp *before, const struct ical_comp *after,
                                   struct ical_comp **after_r, struct ical_error *error_r)
{
    struct itip_set old, new;
    struct ical_comp *copy = ical_comp_copy(world->arena, after);
    enum st st = calendar_itip_set_read(world, ical_comp_copy(world->arena, before), &old, error_r);

    if (st == ST_OK)
        st = calendar_itip_set_read(world, copy, &new, error_r);
    *after_r = copy;
    if (st != ST_OK || new.organizer == NULL || !calendar_itip_is_own(world, new.organizer))
        return st;
    for (size_t i = 0; i < new.count; i++) {
        const struct itip_part *part = calendar_itip_set_find(&old, &new.parts[i]);

        if (part == NULL) /* an override that the client made of the series as it knew it */
            part = calendar_itip_set_cover(&old, &new.parts[i]);
        if (part != NULL)
            keep_of_part(world, part->comp, new.parts[i].comp);
    }
    keep_overrides(&old, &new, copy);
    return ST_OK;
}
