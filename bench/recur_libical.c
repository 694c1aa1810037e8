#include "recur_libical.h"

#include <libical/ical.h>

void *recur_libical_parse(const char *text)
{
    return icalparser_parse_string(text);
}

void recur_libical_free(void *calendar)
{
    icalcomponent_free(calendar);
}

static void count(icalcomponent *comp, struct icaltime_span *span, void *data)
{
    (void)comp;
    (void)span;
    ++*(unsigned *)data;
}

unsigned recur_libical_expand(void *calendar, int64_t from_s, int64_t until_s)
{
    icaltimezone *utc = icaltimezone_get_utc_timezone();
    unsigned found = 0;

    icalcomponent_foreach_recurrence(
        icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT),
        icaltime_from_timet_with_zone(from_s, 0, utc),
        icaltime_from_timet_with_zone(until_s, 0, utc), count, &found);
    return found;
}
