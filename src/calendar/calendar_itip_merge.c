/* Answers that came while the organizer's client had an older copy. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

static void keep_of_part(const struct calendar_itip_world *world, const struct ical_comp *old,
                         const struct ical_comp *new)
{
    struct itip_people olds = calendar_itip_people(world->arena, old);
    struct itip_people news = calendar_itip_people(world->arena, new);

    for (size_t i = 0; i < news.count; i++) {
        struct itip_person *known = calendar_itip_people_find(&olds, news.at[i].address);
        struct slice answer = known != NULL ? ical_param_text(known->prop, "PARTSTAT") : SLICE("");

        if (answer.len > 0 && ical_param_find(known->prop, CALENDAR_ITIP_REPLIED) != NULL)
            ical_param_set(world->arena, news.at[i].prop, "PARTSTAT", answer);
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

        if (part->master || calendar_itip_set_find(new, part) != NULL ||
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

        if (part != NULL)
            keep_of_part(world, part->comp, new.parts[i].comp);
    }
    keep_overrides(&old, &new, copy);
    return ST_OK;
}
