#include "calendar/calendar_detail.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_freebusy.h"
#include "calendar/calendar_object.h"
#include "conf/conf.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"
#include "store/store_busy.h"

#include <stdlib.h>

#define DETAIL_BYTES (4 * sizeof(struct calendar_detail)) /* with lists that were outgrown */
#define INSTANCES_MAX 4000                                /* of one object */
#define TEXT_BYTES_MAX 1024                               /* of a subject or place */

struct looking {
    struct calendar_detail_ask *ask;
    struct arena *object;                             /* of one event */
    struct seat *seats;                               /* of each person */
    const struct calendar_detail_calendar *calendars; /* those that are read now */
};

struct seat {
    struct calendar_detail_person *person;
    size_t cap;
    bool too_big;
};

/* --- events --- */

static void add(struct looking *l, struct seat *seat, const struct calendar_detail *detail)
{
    struct calendar_detail_person *person = seat->person;

    l->ask->bytes += DETAIL_BYTES + detail->subject.len + detail->place.len;
    seat->too_big |= person->count == CALENDAR_DETAILS_MAX || l->ask->bytes > l->ask->bytes_max;
    if (seat->too_big)
        return;
    if (person->count == seat->cap)
        person->details = arena_grow(l->ask->arena, person->details, person->count, &seat->cap,
                                     sizeof(*person->details));
    person->details[person->count++] = *detail;
}

static struct slice text_of(struct looking *l, const struct ical_comp *comp, enum ical_prop_id id)
{
    struct slice text = ical_text_decode(l->object, ical_prop_value(comp, id));

    return arena_copy(l->ask->arena, slice_sub(text, 0, TEXT_BYTES_MAX));
}

static void add_instance(struct looking *l, struct seat *seat, const struct ical_instance *instance,
                         enum store_busy_kind kind, bool recurring)
{
    const struct ical_comp *comp = instance->comp;
    const struct slice class = ical_prop_value(comp, ICAL_CLASS);
    struct calendar_detail detail = {
        .start_s = instance->start_s,
        .end_s = instance->end_s,
        .kind = kind,
        .told = true,
        .meeting = ical_prop_find(comp, ICAL_ATTENDEE) != NULL,
        .recurring = recurring,
        .exception = ical_prop_find(comp, ICAL_RECURRENCE_ID) != NULL,
        .private = class.len > 0 && !slice_ieq(class, SLICE("PUBLIC")),
    };

    if (!detail.private) {
        detail.subject = text_of(l, comp, ICAL_SUMMARY);
        detail.place = text_of(l, comp, ICAL_LOCATION);
    }
    add(l, seat, &detail);
}

/* An object that cannot be read any more tells nothing. */
static void expand(struct looking *l, struct seat *seat, const struct ical_zone *floating,
                   const struct ical_comp *vcalendar, struct slice uid)
{
    const struct calendar_detail_ask *of = l->ask;
    struct calendar_busy_ask ask = {.floating = floating, .unanswered = STORE_BUSY_TENTATIVE};
    const struct ical_window window = {.from_s = of->from_s,
                                       .until_s = of->until_s,
                                       .floating = floating,
                                       .instances_max = INSTANCES_MAX,
                                       .steps_max = ICAL_RECUR_STEPS_MAX};
    struct ical_tz *tz = ical_tz_new(l->object, vcalendar, calendar_zones(of->calendar));
    struct ical_recur *recur = NULL;
    struct ical_instance instance;
    struct ical_error error;

    ask.owners =
        calendar_own(l->object, of->directory, seat->person->owner, vcalendar, &ask.owner_count);
    if (ical_recur_new(l->object, vcalendar, uid, tz, &window, &recur, &error) != ST_OK)
        return;
    while (!seat->too_big && ical_recur_next(recur, &instance) == ST_OK) {
        const enum store_busy_kind kind = calendar_busy_kind(instance.comp, &ask);

        if (kind != STORE_BUSY_FREE && instance.start_s < instance.end_s &&
            instance.start_s < of->until_s && instance.end_s > of->from_s)
            add_instance(l, seat, &instance, kind, ical_recur_repeats(recur));
    }
}

static enum st take_event(void *ctx, size_t number, const struct store_event *event)
{
    struct looking *l = ctx;
    const struct calendar_detail_calendar *calendar = &l->calendars[number];
    struct seat *seat = &l->seats[calendar->person];
    struct ical_comp *vcalendar = NULL;
    struct ical_error error;

    arena_reset(l->object);
    if (!seat->too_big && (l->ask->but_uid.len == 0 || !slice_eq(event->uid, l->ask->but_uid)) &&
        ical_parse(l->object, event->body, &ical_limits_default, &vcalendar, &error) == ST_OK)
        expand(l, seat, calendar->floating, vcalendar, event->uid);
    return ST_OK;
}

static enum st read_events(struct store_tx *tx, struct looking *l,
                           const struct calendar_detail_calendar *calendars, size_t count)
{
    enum st st = ST_OK;

    for (size_t at = 0; st == ST_OK && at < count;) {
        struct store_busy_ids ids = {.count = 0};

        l->calendars = calendars + at;
        for (; at < count && ids.count < STORE_BUSY_IDS_MAX; at++)
            ids.ids[ids.count++] = calendars[at].calendar_id;
        st = store_busy_events(tx, &ids, l->ask->from_s, l->ask->until_s, take_event, l);
    }
    return st;
}

/* --- what is left of the rows --- */

static int by_start(const void *a, const void *b)
{
    const struct calendar_detail *x = a, *y = b;

    return x->start_s != y->start_s ? (x->start_s > y->start_s) - (x->start_s < y->start_s)
                                    : (x->end_s > y->end_s) - (x->end_s < y->end_s);
}

struct rest {
    struct arena *arena;
    struct calendar_detail *details;
    size_t count, cap;
};

static void add_rest(struct rest *rest, int64_t start_s, int64_t end_s, enum store_busy_kind kind)
{
    if (start_s >= end_s)
        return;
    if (rest->count == rest->cap)
        rest->details =
            arena_grow(rest->arena, rest->details, rest->count, &rest->cap, sizeof(*rest->details));
    rest->details[rest->count++] =
        (struct calendar_detail){.start_s = start_s, .end_s = end_s, .kind = kind};
}

/* What the details cover, as rows. */
static struct calendar_busy_row *covered(struct arena *arena, const struct calendar_detail *details,
                                         size_t count, int64_t from_s, int64_t until_s,
                                         size_t *count_r)
{
    struct calendar_busy_row *rows = arena_many(arena, struct calendar_busy_row, count + 1);

    for (size_t i = 0; i < count; i++)
        rows[i] = (struct calendar_busy_row){details[i].start_s, details[i].end_s, details[i].kind,
                                             .id_s = 0};
    return calendar_freebusy_merge(arena, rows, count, from_s, until_s, count_r);
}

void calendar_detail_rest(struct arena *arena, const struct calendar_busy_row *rows, size_t count,
                          struct calendar_detail **details, size_t *detail_count)
{
    struct rest rest = {arena, *details, *detail_count, *detail_count};
    size_t over_count = 0, at = 0;

    if (count == 0)
        return;
    const struct calendar_busy_row *over = covered(arena, *details, *detail_count, rows[0].start_s,
                                                   rows[count - 1].end_s, &over_count);
    for (size_t i = 0; i < count; i++) {
        int64_t from_s = rows[i].start_s;

        while (at < over_count && over[at].end_s <= from_s)
            at++;
        for (size_t k = at; k < over_count && over[k].start_s < rows[i].end_s; k++)
            if (over[k].kind >= rows[i].kind) {
                add_rest(&rest, from_s, over[k].start_s, rows[i].kind);
                from_s = over[k].end_s;
            }
        add_rest(&rest, from_s, rows[i].end_s, rows[i].kind);
    }
    *details = rest.details;
    *detail_count = rest.count;
}

static void finish(struct looking *l, struct seat *seat)
{
    struct calendar_detail_person *person = seat->person;

    l->ask->bytes += person->row_count * DETAIL_BYTES; /* what may be left of the rows */
    seat->too_big |= l->ask->bytes > l->ask->bytes_max;
    if (!seat->too_big)
        calendar_detail_rest(l->ask->arena, person->rows, person->row_count, &person->details,
                             &person->count);
    if (seat->too_big || person->count > CALENDAR_DETAILS_MAX) {
        person->details = NULL;
        person->count = 0;
        return;
    }
    if (person->count > 1)
        qsort(person->details, person->count, sizeof(*person->details), by_start);
    if (person->details == NULL)
        person->details = arena_one(l->ask->arena, struct calendar_detail);
}

enum st calendar_detail_read(struct store_tx *tx, struct calendar_detail_ask *ask,
                             struct calendar_detail_person *persons, size_t person_count,
                             const struct calendar_detail_calendar *calendars,
                             size_t calendar_count)
{
    const struct calendar_limits limits = {conf_get()->calendar_object_bytes_max,
                                           conf_get()->calendar_attendees_max};
    struct looking l = {.ask = ask};

    l.object = arena_new("details", calendar_object_arena_bytes(&limits));
    l.seats = arena_many(ask->arena, struct seat, person_count + 1);
    for (size_t i = 0; i < person_count; i++) {
        persons[i].details = NULL;
        persons[i].count = 0;
        l.seats[i].person = &persons[i];
    }
    enum st st = read_events(tx, &l, calendars, calendar_count);
    arena_free(&l.object);
    for (size_t i = 0; st == ST_OK && i < person_count; i++)
        finish(&l, &l.seats[i]);
    return st;
}
