#include "calendar/calendar_detail.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_freebusy.h"
#include "calendar/calendar_object.h"
#include "conf/conf.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

#define DETAIL_BYTES (4 * sizeof(struct calendar_detail)) /* with lists that were outgrown */
#define INSTANCES_MAX 4000                                /* of one object */
#define TEXT_BYTES_MAX 1024                               /* of a subject or place */

struct looking {
    struct calendar *calendar;
    const struct calendar_detail_ask *ask;
    const struct directory *directory;
    struct arena *arena;  /* of the answer */
    struct arena *object; /* of one event */
    const struct ical_zone *floating;
    struct store_calendar_account account;
    struct calendar_detail *details;
    size_t count, cap;
    size_t bytes; /* of the arena, about */
    bool any;     /* a calendar may be read */
};

/* --- events --- */

static enum st add(struct looking *l, struct calendar_detail detail)
{
    l->bytes += DETAIL_BYTES + detail.subject.len + detail.place.len;
    if (l->count == CALENDAR_DETAILS_MAX || l->bytes > l->ask->bytes_max)
        return ST_TOO_BIG;
    if (l->count == l->cap)
        l->details = arena_grow(l->arena, l->details, l->count, &l->cap, sizeof(*l->details));
    l->details[l->count++] = detail;
    return ST_OK;
}

static struct slice text_of(struct looking *l, const struct ical_comp *comp, enum ical_prop_id id)
{
    struct slice text = ical_text_decode(l->object, ical_prop_value(comp, id));

    return arena_copy(l->arena, slice_sub(text, 0, TEXT_BYTES_MAX));
}

static enum st add_instance(struct looking *l, const struct ical_instance *instance,
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
    return add(l, detail);
}

/* An object that cannot be read any more tells nothing. */
static enum st expand(struct looking *l, const struct ical_comp *vcalendar, struct slice uid)
{
    struct calendar_busy_ask ask = {.floating = l->floating, .unanswered = STORE_BUSY_TENTATIVE};
    const struct ical_window window = {.from_s = l->ask->from_s,
                                       .until_s = l->ask->until_s,
                                       .floating = l->floating,
                                       .instances_max = INSTANCES_MAX,
                                       .steps_max = ICAL_RECUR_STEPS_MAX};
    struct ical_tz *tz = ical_tz_new(l->object, vcalendar, calendar_zones(l->calendar));
    struct ical_recur *recur = NULL;
    struct ical_instance instance;
    struct ical_error error;
    enum st st = ST_OK;

    ask.owners = calendar_own(l->object, l->directory, l->ask->owner, vcalendar, &ask.owner_count);
    if (ical_recur_new(l->object, vcalendar, uid, tz, &window, &recur, &error) != ST_OK)
        return ST_OK;
    while (st == ST_OK && ical_recur_next(recur, &instance) == ST_OK) {
        const enum store_busy_kind kind = calendar_busy_kind(instance.comp, &ask);

        if (kind != STORE_BUSY_FREE && instance.start_s < instance.end_s &&
            instance.start_s < l->ask->until_s && instance.end_s > l->ask->from_s)
            st = add_instance(l, &instance, kind, ical_recur_repeats(recur));
    }
    return st;
}

static enum st take_event(void *ctx, const struct store_event *event)
{
    struct looking *l = ctx;
    struct ical_comp *vcalendar = NULL;
    struct ical_error error;

    arena_reset(l->object);
    if (event->kind != STORE_EVENT ||
        (l->ask->but_uid.len > 0 && slice_eq(event->uid, l->ask->but_uid)) ||
        ical_parse(l->object, event->body, &ical_limits_default, &vcalendar, &error) != ST_OK)
        return ST_OK;
    return expand(l, vcalendar, event->uid);
}

/* --- calendars --- */

static enum st look_at(struct store_tx *tx, struct looking *l, const struct store_calendar *of)
{
    struct calendar_rights rights;

    if (of->kind != STORE_CALENDAR_PLAIN || of->transparent)
        return ST_OK;
    enum st st = calendar_rights(tx, l->ask->who, l->ask->owner, of->calendar_id, &rights);
    if (st != ST_OK || rights.calendar < STORE_RIGHTS_READ)
        return st;
    l->any = true;
    l->floating = calendar_zone(l->calendar, l->arena, of->zone, l->account.zone);
    return store_event_between(tx, of->calendar_id, l->ask->from_s, l->ask->until_s, take_event, l);
}

static enum st body(struct store_tx *tx, void *arg)
{
    struct looking *l = arg;
    struct store_calendar *calendars = NULL;
    const int64_t account_id = l->ask->owner->account_id;
    size_t count = 0;

    l->count = 0;
    enum st st = store_calendar_list(tx, l->arena, account_id, &calendars, &count);
    if (st == ST_OK)
        st = store_calendar_account_get(tx, l->arena, account_id, &l->account);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = look_at(tx, l, &calendars[i]);
    return st == ST_OK && !l->any ? ST_DENIED : st;
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

enum st calendar_detail(struct calendar *calendar, struct arena *arena,
                        const struct calendar_detail_ask *ask, struct calendar_detail **details_r,
                        size_t *count_r, size_t *bytes_r)
{
    const struct calendar_limits limits = {conf_get()->calendar_object_bytes_max,
                                           conf_get()->calendar_attendees_max};
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct looking l = {.calendar = calendar, .ask = ask, .directory = directory, .arena = arena};

    l.object = arena_new("details", calendar_object_arena_bytes(&limits));
    enum st st = store_read_soon(calendar_store(calendar), body, &l);
    arena_free(&l.object);
    if (st == ST_OK)
        l.bytes += ask->count * DETAIL_BYTES; /* what may be left of the rows */
    *bytes_r = l.bytes;
    if (st == ST_OK && l.bytes > ask->bytes_max)
        st = ST_TOO_BIG;
    if (st != ST_OK)
        return st;
    calendar_detail_rest(arena, ask->rows, ask->count, &l.details, &l.count);
    if (l.count > 1)
        qsort(l.details, l.count, sizeof(*l.details), by_start);
    *details_r = l.details != NULL ? l.details : arena_one(arena, struct calendar_detail);
    *count_r = l.count;
    return l.count > CALENDAR_DETAILS_MAX ? ST_TOO_BIG : ST_OK;
}
