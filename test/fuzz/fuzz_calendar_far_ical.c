/* What foreign systems say of free time by iCalendar: each input is taken as a VFREEBUSY that was
 * fetched, as an event, and as the answer of a scheduling outbox. Whatever comes, each person has
 * an answer with a sentence where it is not GOOD, and rows of the window alone. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_far_data.h"
#include "ical/ical.h"

#include <stdlib.h>

#define FROM_S INT64_C(1796083200)
#define UNTIL_S (FROM_S + 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check(struct arena *arena, struct calendar_far_person *person)
{

    must(person->answer == CALENDAR_HEDGE_GOOD || person->why[0] != '\0');
    must(person->count <= CALENDAR_FAR_ROWS_MAX);
    must(person->from_s <= person->until_s);
    for (size_t i = 0; i < person->count; i++)
        must(person->rows[i].start_s < UNTIL_S && person->rows[i].end_s > FROM_S);
    if (person->answer != CALENDAR_HEDGE_GOOD)
        return;
    calendar_far_settle(arena, person, FROM_S, UNTIL_S);
    for (size_t i = 0; i < person->count; i++)
        must(person->rows[i].start_s >= FROM_S && person->rows[i].end_s <= UNTIL_S &&
             (i == 0 || person->rows[i].start_s >= person->rows[i - 1].end_s));
}

/* An address of any bytes makes a request that is iCalendar. */
static void check_request(struct arena *arena, struct slice address)
{
    struct calendar_far_person person = {.address = address};
    const struct calendar_far_request request = {
        .organizer = address, .uid = "1", .from_s = FROM_S, .until_s = UNTIL_S};
    AUTO(buf) struct buf out = BUF(MIB);
    struct ical_comp *comps;
    struct ical_error error;

    calendar_far_caldav_write(arena, &request, &(struct calendar_far_part){&person, 1}, &out);
    if (ical_parse(arena, buf_slice(&out), &ical_limits_default, &comps, &error) != ST_OK)
        return; /* the address is not UTF-8 */
    const struct ical_comp *comp = ical_comp_find(comps, ICAL_VFREEBUSY);
    must(comp != NULL && ical_prop_next(ical_prop_find(comp, ICAL_ATTENDEE)) == NULL);
}

static void check_event(struct arena *arena, struct slice text)
{
    const struct calendar_far_zones zones = {.known = NULL};
    struct calendar_far_person person = {
        .address = SLICE("a@far.example"), .answer = CALENDAR_HEDGE_GOOD, .why = ""};

    calendar_far_event_read(arena, text, &zones, FROM_S, UNTIL_S, &person);
    check(arena, &person);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slice addresses[] = {{"a@far.example", 13}, {"b@far.example", 13}};
    struct slice text = {(const char *)data, size};
    struct arena *arena = arena_new("fuzz", GIB);
    struct calendar_far_person persons[3];

    for (size_t i = 0; i < 3; i++)
        persons[i] = (struct calendar_far_person){
            .address = addresses[i % 2], .answer = CALENDAR_HEDGE_GOOD, .why = ""};
    calendar_far_ifb_read(arena, text, FROM_S, UNTIL_S, &persons[2]);
    calendar_far_caldav_read(arena, text, FROM_S, UNTIL_S, &(struct calendar_far_part){persons, 2});
    for (size_t i = 0; i < 3; i++)
        check(arena, &persons[i]);
    check_request(arena, slice_sub(text, 0, 300));
    check_event(arena, text);
    arena_free(&arena);
    return 0;
}
