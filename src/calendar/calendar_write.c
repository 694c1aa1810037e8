#include "calendar/calendar_write.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_principal.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"

#define DAY_S INT64_C(86400)
#define TRIES_MAX 8   /* somebody else changed it meanwhile */
#define ROWS_MAX 4000 /* of one object in the window */

static bool owns(const struct directory *directory, const struct directory_person *owner,
                 struct slice address)
{
    struct slice mail = calendar_address_mail(address);
    size_t at = slice_find_last(mail, '@');

    if (calendar_principal(directory, slice_trim(address)) == owner)
        return true;
    return at != SIZE_MAX && directory_owns(directory, owner, slice_sub(mail, 0, at),
                                            slice_sub(mail, at + 1, mail.len));
}

struct own_list {
    struct arena *arena;
    struct slice *at;
    size_t count;
    size_t cap;
};

static void note_own(struct own_list *list, struct slice address)
{
    for (size_t i = 0; i < list->count; i++)
        if (slice_ieq(list->at[i], address))
            return;
    if (list->count == list->cap)
        list->at = arena_grow(list->arena, list->at, list->count, &list->cap, sizeof(*list->at));
    list->at[list->count++] = address;
}

static void note_owns(struct own_list *list, const struct directory *directory,
                      const struct directory_person *owner, const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
            if ((prop->id == ICAL_ATTENDEE || prop->id == ICAL_ORGANIZER) &&
                owns(directory, owner, prop->value))
                note_own(list, prop->value);
}

struct slice *calendar_own(struct arena *arena, const struct directory *directory,
                           const struct directory_person *owner, const struct ical_comp *vcalendar,
                           size_t *count_r)
{
    return calendar_own_of_two(arena, directory, owner, vcalendar, NULL, count_r);
}

struct slice *calendar_own_of_two(struct arena *arena, const struct directory *directory,
                                  const struct directory_person *owner, const struct ical_comp *one,
                                  const struct ical_comp *other, size_t *count_r)
{
    struct own_list list = {.arena = arena};

    if (one != NULL)
        note_owns(&list, directory, owner, one);
    if (other != NULL)
        note_owns(&list, directory, owner, other);
    *count_r = list.count;
    return list.at;
}

/* What repeats is expanded in the window; anything else is known once and for all. */
static struct calendar_busy_ask ask_of(struct calendar_writing *w, bool repeats)
{
    const struct conf *conf = conf_get();
    int64_t now_s = w->now_ms / 1000;

    return (struct calendar_busy_ask){
        .from_s = repeats ? now_s - (int64_t)conf->busytime_past_days * DAY_S : ICAL_LOCAL_MIN,
        .until_s = repeats ? now_s + (int64_t)conf->busytime_ahead_days * DAY_S : ICAL_LOCAL_MAX,
        .floating = calendar_zone(w->calendar, w->arena, w->zone, w->own_zone),
        .owners = w->own,
        .owner_count = w->own_count,
        .unanswered = STORE_BUSY_TENTATIVE,
        .rows_max = ROWS_MAX,
        .steps_max = ICAL_RECUR_STEPS_MAX,
    };
}

/* Sets the event's times; its rows are in the arena. */
static enum st expand(struct calendar_writing *w, const struct ical_comp *vcalendar,
                      struct calendar_busy_ask ask, struct store_event *event,
                      struct store_busytime **rows_r, size_t *count_r)
{
    struct ical_tz *tz = ical_tz_new(w->arena, vcalendar, calendar_zones(w->calendar));
    struct calendar_busy_set set;
    enum st st = calendar_busy_expand(w->arena, vcalendar, tz, &ask, &set, &w->error);

    if (st != ST_OK) {
        w->fault = CALENDAR_VALID_DATA;
        return st;
    }
    if (set.expanded_s <= ask.from_s) {
        w->fault = CALENDAR_MAX_INSTANCES;
        ical_error_set(&w->error, 0, "it repeats so often that nobody could show it");
        return ST_INVALID;
    }
    struct store_busytime *rows = arena_many(w->arena, struct store_busytime, set.count + 1);
    for (size_t i = 0; i < set.count; i++)
        rows[i] = (struct store_busytime){.start_s = set.rows[i].start_s,
                                          .end_s = set.rows[i].end_s,
                                          .kind = set.rows[i].kind,
                                          .id_s = set.rows[i].id_s};
    event->first_s = set.first_s;
    event->last_s = set.last_s;
    event->from_s = ask.from_s;
    event->until_s = set.expanded_s;
    *rows_r = rows;
    *count_r = set.count;
    return ST_OK;
}

enum st calendar_write(struct calendar_writing *w, const struct calendar_object *object,
                       const struct store_event *old, struct slice name, struct slice body,
                       uint64_t schedule_tag, struct store_event *event_r)
{
    struct store_busytime *rows = NULL;
    size_t count = 0;

    *event_r = (struct store_event){.calendar_id = w->calendar_id,
                                    .account_id = w->account_id,
                                    .name = name,
                                    .uid = object->uid,
                                    .kind = object->kind,
                                    .schedule_tag = schedule_tag,
                                    .flags = object->flags,
                                    .modified_ms = w->now_ms,
                                    .body = body};
    const struct calendar_busy_ask ask = ask_of(w, (object->flags & STORE_EVENT_REPEATS) != 0);
    enum st st = expand(w, object->vcalendar, ask, event_r, &rows, &count);
    if (st == ST_OK && w->calendar_id == STORE_EVENT_UNSEEN) {
        count = 0;
        event_r->until_s = STORE_EVENT_FOREVER;
    }
    if (st == ST_OK)
        st = store_event_put(w->tx, w->quota_bytes, old, event_r, rows, count);
    if (st == ST_INVALID && w->fault == CALENDAR_FINE) {
        w->fault = CALENDAR_VALID_OBJECT;
        ical_error_set(&w->error, 0, "its name or UID cannot be kept");
    }
    return st;
}

enum st calendar_expand_between(struct calendar_writing *w, const struct directory *directory,
                                const struct directory_person *owner, struct slice body,
                                int64_t from_s, int64_t until_s, struct calendar_busy_set *set_r)
{
    struct ical_comp *comps;
    enum st st = ical_parse(w->arena, body, &ical_limits_default, &comps, &w->error);

    if (st != ST_OK)
        return ST_INVALID;
    struct calendar_busy_ask ask = ask_of(w, true);
    ask.from_s = from_s;
    ask.until_s = until_s;
    ask.owners = calendar_own(w->arena, directory, owner, comps, &ask.owner_count);
    struct ical_tz *tz = ical_tz_new(w->arena, comps, calendar_zones(w->calendar));
    st = calendar_busy_expand(w->arena, comps, tz, &ask, set_r, &w->error);
    return st == ST_OK && set_r->expanded_s < until_s ? ST_TOO_BIG : st;
}

/* Its busytime for the window as it is now; the object stays. */
static enum st roll(struct calendar_writing *w, const struct store_event *event)
{
    const struct ical_limits limits = ical_limits_default;
    struct store_event next = *event;
    struct store_busytime *rows = NULL;
    struct ical_comp *comps;
    size_t count = 0;
    enum st st = ical_parse(w->arena, event->body, &limits, &comps, &w->error);

    if (st == ST_OK)
        st = expand(w, comps, ask_of(w, (event->flags & STORE_EVENT_REPEATS) != 0), &next, &rows,
                    &count);
    if (st != ST_OK) { /* it was taken once; what cannot be read now is not asked again */
        next.until_s = STORE_EVENT_FOREVER;
        count = 0;
    }
    return store_event_expand(w->tx, &next, rows, count);
}

enum st calendar_expand(struct calendar_writing *w, const struct ical_comp *vcalendar,
                        struct store_event *event, struct store_busytime **rows_r, size_t *count_r)
{
    struct calendar_busy_ask ask = ask_of(w, true);

    ask.from_s = event->from_s;
    ask.until_s = event->until_s < ICAL_LOCAL_MAX ? event->until_s : ICAL_LOCAL_MAX;
    return expand(w, vcalendar, ask, event, rows_r, count_r);
}

enum st calendar_roll_event(struct calendar *calendar, const struct directory *directory,
                            struct store_tx *tx, struct arena *arena,
                            const struct store_event *event, int64_t now_ms)
{
    const struct ical_limits limits = ical_limits_default;
    struct store_calendar of;
    struct store_calendar_account account;
    struct store_account owns;
    struct ical_comp *comps;
    struct calendar_writing w = {.calendar = calendar,
                                 .tx = tx,
                                 .arena = arena,
                                 .account_id = event->account_id,
                                 .calendar_id = event->calendar_id,
                                 .now_ms = now_ms};
    enum st st = store_account_get(tx, event->account_id, &owns);

    if (st == ST_OK)
        st = store_calendar_get(tx, arena, event->calendar_id, &of);
    if (st == ST_OK)
        st = store_calendar_account_get(tx, arena, event->account_id, &account);
    if (st != ST_OK)
        return st;
    w.zone = of.zone;
    w.own_zone = account.zone;
    const struct directory_person *owner = directory_login(directory, slice_str(owns.name));
    if (owner != NULL && ical_parse(arena, event->body, &limits, &comps, &w.error) == ST_OK)
        w.own = calendar_own(arena, directory, owner, comps, &w.own_count);
    return roll(&w, event);
}

struct roll_list {
    struct arena *arena;
    int64_t *ids;
    size_t count, cap;
};

static enum st note_id(void *ctx, const struct store_event *event)
{
    struct roll_list *list = ctx;

    if (list->count == list->cap)
        list->ids = arena_grow(list->arena, list->ids, list->count, &list->cap, sizeof(*list->ids));
    list->ids[list->count++] = event->event_id;
    return ST_OK;
}

enum st calendar_roll_account(struct calendar *calendar, const struct directory *directory,
                              struct store_tx *tx, struct arena *arena, int64_t account_id,
                              int64_t now_ms)
{
    struct roll_list list = {.arena = arena};
    struct store_calendar *calendars;
    size_t count = 0;
    enum st st = store_calendar_list(tx, arena, account_id, &calendars, &count);

    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = store_event_each(tx, calendars[i].calendar_id, false, note_id, &list);
    if (list.count == 0)
        return st;
    struct arena *scratch = arena_new("roll", GIB);
    for (size_t i = 0; st == ST_OK && i < list.count; i++) {
        struct store_event event;

        arena_reset(scratch);
        st = store_event_get(tx, scratch, list.ids[i], &event);
        if (st == ST_OK)
            st = calendar_roll_event(calendar, directory, tx, scratch, &event, now_ms);
    }
    arena_free(&scratch);
    return st;
}

enum st calendar_transact(struct calendar *calendar, store_body *body, void *arg)
{
    enum st st = ST_AGAIN;

    for (int i = 0; st == ST_AGAIN && i < TRIES_MAX; i++)
        st = store_write(calendar_store(calendar), body, arg);
    return st == ST_AGAIN ? ST_CONFLICT : st;
}
