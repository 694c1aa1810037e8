/* iTIP: each input is one message, or two with a NUL between them: the first is what is stored. It
 * comes to an organizer and an attendee; what is stored then takes it again, and nothing changes.
 */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ical_limits limits = {20000, 500, 5000, 500, 5};

static void hear(struct arena *arena, struct slice own, const struct ical_comp *stored,
                 const struct ical_comp *message)
{
    struct calendar_itip_world world = {
        .arena = arena, .own = &own, .own_count = 1, .now_s = INT64_C(1767225600)};
    struct calendar_itip_policy policy = {.any_sender = true, .crashers = true};
    struct calendar_itip_result result, again;
    struct calendar_itip_sent sent;
    struct ical_error error = {0};

    if (calendar_itip_incoming(&world, &policy, stored, message, own, &result, &error) == ST_OK &&
        result.verdict == CALENDAR_ITIP_APPLIED && result.store == NULL)
        abort();
    if (result.store != NULL &&
        calendar_itip_incoming(&world, &policy, result.store, message, own, &again, &error) ==
            ST_OK &&
        again.verdict == CALENDAR_ITIP_APPLIED && result.method != CALENDAR_ITIP_REPLY)
        abort();
    if (calendar_itip_outgoing(&world, stored, message, &sent, &error) == ST_OK)
        (void)calendar_itip_outgoing(&world, message, NULL, &sent, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new("fuzz", GIB);
    struct slice input = {(const char *)data, size};
    struct slice first = input, second = input;
    struct ical_comp *stored = NULL, *message = NULL;
    struct ical_error error = {0};
    size_t cut = slice_find(input, '\0');

    if (cut != SIZE_MAX) {
        first = slice_sub(input, 0, cut);
        second = slice_sub(input, cut + 1, size);
        if (ical_parse(arena, first, &limits, &stored, &error) != ST_OK)
            stored = NULL;
    }
    if (ical_parse(arena, second, &limits, &message, &error) == ST_OK) {
        hear(arena, SLICE("mailto:o@example.org"), stored, message);
        hear(arena, SLICE("mailto:a@example.org"), stored, message);
    }
    arena_free(&arena);
    return 0;
}
