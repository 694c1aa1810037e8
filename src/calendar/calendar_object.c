#include "calendar/calendar_object.h"

#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical_check.h"

#include <stdlib.h>

#define DECISION_BYTES (32 * MIB) /* old object, messages, zones */

const char *calendar_fault_element(enum calendar_fault fault)
{
    static const char *const elements[] = {
        "",
#define FAULT(name, element) element,
#include "calendar/calendar_fault.def"
    };
    static_assert(COUNT(elements) == CALENDAR_FAULT_MAX, "one element for each");

    return elements[fault];
}

static struct ical_limits ical_limits_of(const struct calendar_limits *limits)
{
    struct ical_limits ical = ical_limits_default;

    if (limits->bytes_max < ical.bytes_max)
        ical.bytes_max = limits->bytes_max;
    return ical;
}

size_t calendar_object_arena_bytes(const struct calendar_limits *limits)
{
    const struct ical_limits ical = ical_limits_of(limits);

    return 4 * ical_limits_arena_bytes(&ical) + DECISION_BYTES;
}

static bool is_private(const struct ical_comp *comp)
{
    struct slice class = slice_trim(ical_prop_value(comp, ICAL_CLASS));

    return class.len > 0 && !slice_ieq(class, SLICE("PUBLIC"));
}

bool calendar_object_private(const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (is_private(comp))
            return true;
    return false;
}

struct reading {
    struct arena *arena;
    const struct calendar_limits *limits;
    struct calendar_object *object;
    enum calendar_fault *fault;
    struct ical_error *error;
};

#define REFUSE(r, what, line, ...) \
    (*(r)->fault = (what), ical_error_set((r)->error, (line), __VA_ARGS__), ST_INVALID)

static enum st parse(struct reading *r, struct slice text)
{
    const struct ical_limits ical = ical_limits_of(r->limits);
    struct ical_comp *comps;
    enum st st = ical_parse(r->arena, text, &ical, &comps, r->error);

    if (st != ST_OK) {
        *r->fault = st == ST_TOO_BIG ? CALENDAR_MAX_SIZE : CALENDAR_VALID_DATA;
        return ST_INVALID;
    }
    if (comps->id != ICAL_VCALENDAR || comps->next != NULL)
        return REFUSE(r, CALENDAR_VALID_OBJECT, comps->line, "it is not one VCALENDAR");
    r->object->vcalendar = comps;
    if (ical_check(comps, ICAL_LENIENT, r->error) != ST_OK) {
        *r->fault = CALENDAR_VALID_DATA;
        return ST_INVALID;
    }
    if (ical_prop_find(comps, ICAL_METHOD) != NULL)
        return REFUSE(r, CALENDAR_VALID_OBJECT, comps->line,
                      "a stored object has no METHOD (RFC 4791 section 4.1)");
    return ST_OK;
}

static enum st kind_of(struct reading *r, const struct ical_comp *comp,
                       enum store_event_kind *kind_r)
{
    switch ((int)comp->id) {
    case ICAL_VEVENT:
        *kind_r = STORE_EVENT;
        return ST_OK;
    case ICAL_VTODO:
        *kind_r = STORE_TODO;
        return ST_OK;
    case ICAL_VJOURNAL:
        *kind_r = STORE_JOURNAL;
        return ST_OK;
    default:
        return REFUSE(r, CALENDAR_COMPONENT, comp->line, "%.*s is not held in calendars",
                      SLICE_ARG(comp->name));
    }
}

static enum st count_attendees(struct reading *r, const struct ical_comp *comp)
{
    uint64_t count = 0;

    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop))
        count++;
    if (count <= r->limits->attendees_max)
        return ST_OK;
    return REFUSE(r, CALENDAR_MAX_ATTENDEES, comp->line, "%llu attendees; at most %llu are taken",
                  (unsigned long long)count, (unsigned long long)r->limits->attendees_max);
}

/* The first component of the object decides, the others are like it. */
static enum st look_at(struct reading *r, const struct ical_comp *comp, bool first)
{
    struct calendar_object *object = r->object;
    struct slice uid = ical_prop_value(comp, ICAL_UID);
    enum store_event_kind kind = STORE_EVENT;
    enum st st = kind_of(r, comp, &kind);

    if (st != ST_OK)
        return st;
    if (uid.len == 0 || uid.len > STORE_EVENT_UID_BYTES_MAX)
        return REFUSE(r, CALENDAR_VALID_OBJECT, comp->line, "its UID is missing or too long");
    if (first) {
        object->uid = uid;
        object->kind = kind;
    }
    if (!slice_eq(uid, object->uid) || kind != object->kind)
        return REFUSE(r, CALENDAR_VALID_OBJECT, comp->line,
                      "components of one object have one UID and are of one kind");
    if (is_private(comp))
        object->flags |= STORE_EVENT_PRIVATE;
    if (!first || ical_prop_find(comp, ICAL_RRULE) != NULL ||
        ical_prop_find(comp, ICAL_RDATE) != NULL)
        object->flags |= STORE_EVENT_REPEATS;
    return count_attendees(r, comp);
}

static int text_cmp(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorted, the same are neighbours. */
static enum st check_ids(struct reading *r, struct slice *ids, size_t count)
{
    qsort(ids, count, sizeof(*ids), text_cmp);
    for (size_t i = 1; i < count; i++)
        if (slice_eq(ids[i - 1], ids[i]))
            return REFUSE(r, CALENDAR_VALID_OBJECT, 0,
                          "two components have the RECURRENCE-ID \"%.*s\"", SLICE_ARG(ids[i]));
    return ST_OK;
}

enum st calendar_object_read(struct arena *arena, struct slice text,
                             const struct calendar_limits *limits, struct calendar_object *object_r,
                             enum calendar_fault *fault_r, struct ical_error *error_r)
{
    struct reading r = {arena, limits, object_r, fault_r, error_r};
    struct slice *ids = NULL;
    size_t count = 0;
    size_t cap = 0;

    *object_r = (struct calendar_object){0};
    *fault_r = CALENDAR_FINE;
    enum st st = parse(&r, text);
    if (st != ST_OK)
        return st;
    for (const struct ical_comp *comp = object_r->vcalendar->comps; comp != NULL;
         comp = comp->next) {
        if (comp->id == ICAL_VTIMEZONE)
            continue;
        st = look_at(&r, comp, count == 0);
        if (st != ST_OK)
            return st;
        if (count == cap)
            ids = arena_grow(arena, ids, count, &cap, sizeof(*ids));
        ids[count++] = ical_prop_value(comp, ICAL_RECURRENCE_ID);
    }
    if (count == 0)
        return REFUSE(&r, CALENDAR_VALID_OBJECT, 0, "it holds no event, to-do or journal");
    return check_ids(&r, ids, count);
}
