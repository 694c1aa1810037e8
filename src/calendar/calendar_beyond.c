#include "calendar/calendar_beyond.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"

#define DAY_S INT64_C(86400)
#define SPARE_DAYS 31 /* the window rolls when its end is nearer by as much */
#define ROWS_MAX 4000 /* of one object */

bool calendar_beyond_is(int64_t from_s, int64_t until_s, int64_t now_ms)
{
    int64_t past_days = (int64_t)conf_get()->busytime_past_days;
    int64_t ahead_days = (int64_t)conf_get()->busytime_ahead_days;
    int64_t spare_days = ahead_days / 2 < SPARE_DAYS ? ahead_days / 2 + 1 : SPARE_DAYS;

    return from_s < now_ms / 1000 - past_days * DAY_S ||
           until_s > now_ms / 1000 + (ahead_days - spare_days) * DAY_S;
}

struct looking {
    const struct calendar_beyond *beyond;
    const struct directory *directory;
    const struct ical_zone *floating;
    struct arena *arena; /* of one event */
    store_busytime_fn *fn;
    void *ctx;
};

static enum st tell(struct looking *l, const struct store_event *event,
                    const struct ical_comp *vcalendar, int64_t from_s, int64_t until_s)
{
    struct calendar_busy_ask ask = {.from_s = from_s,
                                    .until_s = until_s,
                                    .floating = l->floating,
                                    .unanswered = STORE_BUSY_TENTATIVE,
                                    .rows_max = ROWS_MAX,
                                    .steps_max = ICAL_RECUR_STEPS_MAX};
    struct ical_tz *tz = ical_tz_new(l->arena, vcalendar, calendar_zones(l->beyond->calendar));
    struct calendar_busy_set set = {.count = 0};
    struct ical_error error;
    enum st st = ST_OK;

    ask.owners =
        calendar_own(l->arena, l->directory, l->beyond->owner, vcalendar, &ask.owner_count);
    if (calendar_busy_expand(l->arena, vcalendar, tz, &ask, &set, &error) != ST_OK)
        return ST_OK; /* it was taken once; what cannot be read now makes nobody busy */
    for (size_t i = 0; st == ST_OK && i < set.count; i++) {
        const struct store_busytime row = {.event_id = event->event_id,
                                           .calendar_id = event->calendar_id,
                                           .start_s = set.rows[i].start_s,
                                           .end_s = set.rows[i].end_s,
                                           .kind = set.rows[i].kind,
                                           .id_s = set.rows[i].id_s};
        st = l->fn(l->ctx, &row);
    }
    return st;
}

static enum st look_at(void *ctx, const struct store_event *event)
{
    struct looking *l = ctx;
    int64_t from_s = l->beyond->from_s;
    int64_t until_s = l->beyond->until_s;
    struct ical_comp *vcalendar;
    struct ical_error error;
    enum st st = ST_OK;

    if ((event->flags & STORE_EVENT_REPEATS) == 0 || event->kind != STORE_EVENT ||
        (event->from_s <= from_s && event->until_s >= until_s))
        return ST_OK;
    arena_reset(l->arena);
    if (ical_parse(l->arena, event->body, &ical_limits_default, &vcalendar, &error) != ST_OK)
        return ST_OK;
    if (event->from_s > from_s)
        st = tell(l, event, vcalendar, from_s, event->from_s < until_s ? event->from_s : until_s);
    if (st == ST_OK && event->until_s < until_s)
        st = tell(l, event, vcalendar, event->until_s > from_s ? event->until_s : from_s, until_s);
    return st;
}

enum st calendar_beyond_each(struct store_tx *tx, const struct calendar_beyond *beyond,
                             const struct store_calendar *calendar, store_busytime_fn *fn,
                             void *ctx)
{
    const struct calendar_limits limits = {conf_get()->calendar_object_bytes_max,
                                           conf_get()->calendar_attendees_max};
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct arena *zone = arena_new("zone", calendar_object_arena_bytes(&limits));
    struct looking l = {.beyond = beyond,
                        .directory = directory,
                        .floating =
                            calendar_zone(beyond->calendar, zone, calendar->zone, beyond->own_zone),
                        .arena = arena_new("beyond", calendar_object_arena_bytes(&limits)),
                        .fn = fn,
                        .ctx = ctx};
    enum st st = store_event_between(tx, calendar->calendar_id, beyond->from_s, beyond->until_s,
                                     look_at, &l);

    arena_free(&l.arena);
    arena_free(&zone);
    return st;
}
