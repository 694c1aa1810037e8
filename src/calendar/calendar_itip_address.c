/* Who is who among ATTENDEEs. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

#include <stdlib.h>

bool calendar_itip_is_own(const struct calendar_itip_world *world, const struct ical_prop *prop)
{
    return calendar_address_among(prop, world->own, world->own_count);
}

struct ical_prop *calendar_itip_own(const struct calendar_itip_world *world,
                                    const struct ical_comp *comp)
{
    struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE);

    while (prop != NULL && !calendar_itip_is_own(world, prop))
        prop = ical_prop_next(prop);
    return prop;
}

static int by_address(const void *a, const void *b)
{
    const struct itip_person *x = a, *y = b;

    return slice_cmp(x->address, y->address);
}

struct itip_people calendar_itip_people(struct arena *arena, const struct ical_comp *comp)
{
    struct itip_people people = {0};
    size_t kept = 0;

    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop))
        people.count++;
    people.at = arena_many(arena, struct itip_person, people.count + 1);
    people.count = 0;
    for (struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop))
        people.at[people.count++] = (struct itip_person){calendar_address_prop(arena, prop), prop};
    if (people.count > 1)
        qsort(people.at, people.count, sizeof(*people.at), by_address);
    for (size_t i = 0; i < people.count; i++)
        if (kept == 0 || !slice_eq(people.at[kept - 1].address, people.at[i].address))
            people.at[kept++] = people.at[i];
    people.count = kept;
    return people;
}

struct itip_person *calendar_itip_people_find(const struct itip_people *people,
                                              struct slice address)
{
    struct itip_person key = {.address = address};

    return people->count == 0
               ? NULL
               : bsearch(&key, people->at, people->count, sizeof(*people->at), by_address);
}

bool calendar_itip_by_server(const struct ical_prop *prop)
{
    struct slice agent = ical_param_text(prop, "SCHEDULE-AGENT");

    return agent.len == 0 || slice_ieq(agent, SLICE("SERVER"));
}
