#include "calendar/calendar_ask.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_time.h"

#include <stdio.h>

#define PRODID "-//Posthorse//Posthorse//EN"
#define PERIOD_BYTES 40

#define REFUSE(error, line, ...) (ical_error_set((error), (line), __VA_ARGS__), ST_INVALID)

static enum st read_utc(const struct ical_comp *comp, enum ical_prop_id id, int64_t *at_s_r,
                        struct ical_error *error)
{
    struct ical_time time = {0};
    const struct ical_prop *prop = ical_prop_find(comp, id);

    if (prop == NULL)
        return REFUSE(error, comp->line, "there is no %s", ical_prop_name(id));
    if (ical_time_parse(prop->value, &time) != ST_OK || time.form != ICAL_UTC)
        return REFUSE(error, prop->line, "%s must be a time in UTC", ical_prop_name(id));
    *at_s_r = time.local_s;
    return ST_OK;
}

static unsigned hash_of(struct slice address)
{
    unsigned hash = 2166136261u; /* FNV-1a of the letters in one case */

    for (size_t i = 0; i < address.len; i++)
        hash = (hash ^ ((unsigned char)address.ptr[i] | 0x20u)) * 16777619u;
    return hash;
}

/* Of a table whose size is a power of two: the seat of the attendee with that address, or the free
 * one for it. A seat has an attendee's number and 1 more. */
static size_t *seat_of(const struct calendar_ask *ask, size_t *seats, size_t seats_max,
                       struct slice address)
{
    size_t at = hash_of(address) & (seats_max - 1);

    while (seats[at] != 0 && !slice_ieq(ask->attendees[seats[at] - 1], address))
        at = (at + 1) & (seats_max - 1);
    return &seats[at];
}

/* Each once. */
static enum st read_attendees(struct arena *arena, const struct ical_comp *comp,
                              size_t attendees_max, struct calendar_ask *ask,
                              struct ical_error *error)
{
    struct slice *attendees = arena_many(arena, struct slice, attendees_max);
    size_t seats_max = 2;

    while (seats_max < 2 * attendees_max)
        seats_max *= 2;
    size_t *seats = arena_many(arena, size_t, seats_max);
    ask->attendees = attendees;
    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop)) {
        size_t *seat = seat_of(ask, seats, seats_max, prop->value);

        if (*seat != 0)
            continue;
        if (ask->attendee_count == attendees_max) {
            ical_error_set(error, prop->line, "these are more than %zu people", attendees_max);
            return ST_TOO_BIG;
        }
        attendees[ask->attendee_count++] = prop->value;
        *seat = ask->attendee_count;
    }
    return ask->attendee_count > 0 ? ST_OK : REFUSE(error, comp->line, "nobody is asked for");
}

static enum st read_times(const struct ical_comp *comp, struct calendar_ask *ask,
                          struct ical_error *error)
{
    enum st st = read_utc(comp, ICAL_DTSTART, &ask->from_s, error);

    if (st == ST_OK)
        st = read_utc(comp, ICAL_DTEND, &ask->until_s, error);
    if (st != ST_OK)
        return st;
    if (ask->until_s <= ask->from_s)
        return REFUSE(error, comp->line, "DTEND is not after DTSTART");
    if (ask->until_s - ask->from_s > CALENDAR_ASK_S_MAX)
        return REFUSE(error, comp->line, "DTEND is more than five years after DTSTART");
    return ST_OK;
}

/* The one component but for VTIMEZONEs; NULL: there are several, or another. */
static const struct ical_comp *find_freebusy(const struct ical_comp *vcalendar)
{
    const struct ical_comp *found = NULL;

    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next) {
        if (comp->id == ICAL_VTIMEZONE)
            continue;
        if (comp->id != ICAL_VFREEBUSY || found != NULL)
            return NULL;
        found = comp;
    }
    return found;
}

enum st calendar_ask_read(struct arena *arena, struct slice text, size_t attendees_max,
                          struct calendar_ask *ask_r, bool *method_r, struct ical_error *error_r)
{
    struct ical_comp *vcalendar;
    const struct ical_prop *mask;

    *ask_r = (struct calendar_ask){.from_s = 0};
    *method_r = false;
    enum st st = ical_parse(arena, text, &ical_limits_default, &vcalendar, error_r);
    if (st != ST_OK)
        return st;
    if (vcalendar->id != ICAL_VCALENDAR || vcalendar->next != NULL)
        return REFUSE(error_r, vcalendar->line, "it is not one VCALENDAR");
    *method_r = true;
    const struct ical_comp *comp = find_freebusy(vcalendar);
    if (!slice_ieq(ical_prop_value(vcalendar, ICAL_METHOD), SLICE("REQUEST")) || comp == NULL)
        return REFUSE(error_r, vcalendar->line,
                      "only METHOD:REQUEST with one VFREEBUSY is taken here");
    ask_r->organizer = ical_prop_value(comp, ICAL_ORGANIZER);
    ask_r->uid = ical_prop_value(comp, ICAL_UID);
    mask = ical_prop_find_name(comp, SLICE("X-CALENDARSERVER-MASK-UID"));
    ask_r->but_uid = mask != NULL ? slice_trim(mask->value) : SLICE("");
    if (ask_r->organizer.len == 0 || ask_r->uid.len == 0)
        return REFUSE(error_r, comp->line, "there is no ORGANIZER or no UID");
    st = read_times(comp, ask_r, error_r);
    return st == ST_OK ? read_attendees(arena, comp, attendees_max, ask_r, error_r) : st;
}

static void add_age(struct arena *arena, struct ical_comp *comp, uint64_t age_ms)
{
    const unsigned long long minutes = (age_ms + MIN_MS - 1) / MIN_MS;
    char text[120];

    snprintf(text, sizeof(text), "The calendar does not answer. This was known %llu minute%s ago.",
             minutes, minutes == 1 ? "" : "s");
    struct ical_prop *comment =
        ical_prop_add(arena, comp, ICAL_COMMENT, arena_copy(arena, slice_str(text)));
    snprintf(text, sizeof(text), "PT%lluM", minutes);
    ical_param_set(arena, comment, CALENDAR_ASK_AGE, arena_copy(arena, slice_str(text)));
}

static void add_unknown(struct arena *arena, struct ical_comp *comp, int64_t from_s,
                        int64_t until_s)
{
    AUTO(buf) struct buf out = BUF(PERIOD_BYTES);

    if (until_s <= from_s)
        return;
    ical_period_write(from_s, until_s, &out);
    ical_param_set(arena,
                   ical_prop_add(arena, comp, ICAL_FREEBUSY, arena_copy(arena, buf_slice(&out))),
                   "FBTYPE", SLICE(CALENDAR_FREEBUSY_UNKNOWN));
}

static struct ical_comp *tell(struct arena *arena, const struct calendar_ask *ask,
                              struct slice method, const struct calendar_ask_known *known,
                              int64_t now_s)
{
    struct ical_comp *vcalendar = ical_comp_new(arena, ICAL_VCALENDAR);
    struct ical_comp *comp =
        calendar_freebusy_comp(arena, known->rows, known->count, ask->from_s, ask->until_s,
                               now_s - (int64_t)(known->age_ms / 1000));

    add_unknown(arena, comp, ask->from_s, known->from_s);
    add_unknown(arena, comp, known->until_s, ask->until_s);
    if (known->age_ms > 0)
        add_age(arena, comp, known->age_ms);
    (void)ical_prop_add(arena, vcalendar, ICAL_VERSION, SLICE("2.0"));
    (void)ical_prop_add(arena, vcalendar, ICAL_PRODID, SLICE(PRODID));
    (void)ical_prop_add(arena, vcalendar, ICAL_METHOD, method);
    (void)ical_prop_add(arena, comp, ICAL_UID, ask->uid);
    (void)ical_prop_add(arena, comp, ICAL_ORGANIZER, ask->organizer);
    ical_comp_add(vcalendar, comp);
    return vcalendar;
}

struct ical_comp *calendar_ask_answer(struct arena *arena, const struct calendar_ask *ask,
                                      struct slice attendee, const struct calendar_ask_known *known,
                                      int64_t now_s)
{
    struct ical_comp *vcalendar = tell(arena, ask, SLICE("REPLY"), known, now_s);

    (void)ical_prop_add(arena, vcalendar->comps, ICAL_ATTENDEE, attendee);
    return vcalendar;
}

struct ical_comp *calendar_ask_publish(struct arena *arena, const struct calendar_ask *ask,
                                       const struct calendar_ask_known *known, int64_t now_s)
{
    return tell(arena, ask, SLICE("PUBLISH"), known, now_s);
}
