/* What is sent to the scheduling outbox, and what others see of a private object: each input is a
 * text. An answer can be read again, and says what was asked; a mask has nothing that says more. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_ask.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_freebusy.h"
#include "calendar/calendar_mask.h"
#include "ical/ical.h"

#include <stdlib.h>

#define ATTENDEES_MAX 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_answer(struct arena *arena, const struct calendar_ask *ask)
{
    const struct calendar_busy_row row = {ask->from_s, ask->from_s + 60, STORE_BUSY_BUSY, 0};
    const struct calendar_ask_known known = {&row, 1, ask->from_s, ask->from_s + 60, 1};
    AUTO(buf) struct buf text = BUF(MIB);
    struct ical_comp *again;
    struct ical_error error;

    must(ask->until_s > ask->from_s && ask->until_s - ask->from_s <= CALENDAR_ASK_S_MAX);
    must(ask->attendee_count > 0 && ask->attendee_count <= ATTENDEES_MAX);
    for (size_t i = 0; i < ask->attendee_count; i++)
        for (size_t j = 0; j < i; j++)
            must(!slice_ieq(ask->attendees[i], ask->attendees[j]));
    ical_write(calendar_ask_answer(arena, ask, ask->attendees[0], &known, 0), &text);
    must(ical_parse(arena, buf_slice(&text), &ical_limits_default, &again, &error) == ST_OK);
    must(ical_comp_find(again, ICAL_VFREEBUSY) != NULL);
}

static void check_mask(struct arena *arena, struct slice text)
{
    AUTO(buf) struct buf out = BUF(16 * MIB);
    struct ical_comp *comps;
    struct ical_error error;

    if (ical_parse(arena, text, &ical_limits_default, &comps, &error) != ST_OK)
        return;
    const struct ical_comp *masked = calendar_mask(arena, comps);
    for (const struct ical_comp *comp = masked->comps; comp != NULL; comp = comp->next) {
        must(comp->id == ICAL_VTIMEZONE || comp->comps == NULL);
        must(comp->id == ICAL_VTIMEZONE || (ical_prop_find(comp, ICAL_DESCRIPTION) == NULL &&
                                            ical_prop_find(comp, ICAL_ATTENDEE) == NULL &&
                                            ical_prop_find(comp, ICAL_LOCATION) == NULL));
    }
    ical_write(masked, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct arena *arena = arena_new("fuzz", GIB);
    struct calendar_ask ask;
    struct ical_error error = {0};
    bool icalendar;
    enum st st = size > 20000
                     ? ST_TOO_BIG
                     : calendar_ask_read(arena, text, ATTENDEES_MAX, &ask, &icalendar, &error);

    must(st == ST_OK || error.text[0] != '\0' || size > 20000);
    if (st == ST_OK)
        check_answer(arena, &ask);
    if (size <= 20000)
        check_mask(arena, text);
    arena_free(&arena);
    return 0;
}
