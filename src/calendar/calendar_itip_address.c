/* Who is who: calendar user addresses (RFC 5545 section 3.3.3). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "calendar/calendar_itip_data.h"

#include <stdlib.h>

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* In lower case, with "mailto:" before what is a mere address, its %XX undone (RFC 6068). */
struct slice calendar_itip_address(struct arena *arena, struct slice text)
{
    bool mail, bare;
    size_t len = 0;
    char *out;

    text = slice_trim(text);
    mail = slice_istarts(text, SLICE("mailto:"));
    bare = !mail && slice_find(text, ':') == SIZE_MAX && slice_find(text, '/') == SIZE_MAX &&
           slice_find(text, '@') != SIZE_MAX;
    out = arena_alloc(arena, 1, text.len + sizeof("mailto:"));
    for (const char *c = "mailto:"; bare && *c != '\0'; c++)
        out[len++] = *c;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (mail && c == '%' && i + 2 < text.len && hex(text.ptr[i + 1]) >= 0 &&
            hex(text.ptr[i + 2]) >= 0) {
            c = (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2]));
            i += 2;
            if ((unsigned char)c <= ' ' || c == 0x7f)
                c = '_';
        }
        out[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return (struct slice){out, len};
}

struct slice calendar_itip_mail(struct arena *arena, struct slice address)
{
    struct slice found = calendar_itip_address(arena, address);

    return slice_starts(found, SLICE("mailto:")) ? slice_sub(found, 7, SIZE_MAX) : SLICE("");
}

struct slice calendar_itip_prop_address(struct arena *arena, const struct ical_prop *prop)
{
    struct slice address = calendar_itip_address(arena, prop->value);
    struct slice email =
        ical_param_text(prop, "EMAIL"); /* RFC 7986; Apple writes paths as values */

    if (!slice_starts(address, SLICE("mailto:")) && slice_find(email, '@') != SIZE_MAX)
        return calendar_itip_address(arena, email);
    return address;
}

static bool among_own(const struct calendar_itip_world *world, struct slice address)
{
    for (size_t i = 0; i < world->own_count; i++)
        if (slice_eq(address, calendar_itip_address(world->arena, world->own[i])))
            return true;
    return false;
}

/* Whether it could be worth the work: most of 10,000 attendees are somebody else. */
static bool may_be(const struct calendar_itip_world *world, struct slice value)
{
    value = slice_trim(value);
    if (slice_find(value, '%') != SIZE_MAX)
        return true;
    for (size_t i = 0; i < world->own_count; i++) {
        struct slice own = slice_trim(world->own[i]);
        size_t len = own.len < value.len ? own.len : value.len;

        if (len > 7)
            len -= 7; /* one may have "mailto:" */
        if (slice_ieq(slice_sub(own, own.len - len, len), slice_sub(value, value.len - len, len)))
            return true;
    }
    return false;
}

bool calendar_itip_is_own(const struct calendar_itip_world *world, const struct ical_prop *prop)
{
    struct slice email = ical_param_text(prop, "EMAIL");

    if (may_be(world, prop->value) &&
        among_own(world, calendar_itip_address(world->arena, prop->value)))
        return true;
    return email.len > 0 && may_be(world, email) &&
           among_own(world, calendar_itip_prop_address(world->arena, prop));
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
        people.at[people.count++] =
            (struct itip_person){calendar_itip_prop_address(arena, prop), prop};
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
