#include "admin/admin_calendar.h"
#include "base/arena.h"
#include "calendar/calendar_busy.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"
#include "sys/sys_time.h"

#include <stdio.h>

#define DAYS_USUAL 7
#define DAYS_MAX 62
#define INSTANCES_MAX 5000
#define DAY_S ICAL_DAY_S

static const char *const kinds[] = {"free", "elsewhere",   "tentative",
                                    "busy", "unavailable", "unknown"};
static_assert(COUNT(kinds) == STORE_BUSY_KIND_MAX, "a word for each kind");

/* Times that are told are those of clocks in the account's zone, in seconds from 1970 on them. */
struct agenda {
    struct admin_calendar *of;
    const struct directory *directory;
    const struct directory_person *owner; /* NULL: no document names the account */
    struct arena *arena;                  /* of an object */
    const struct ical_zone *zone;         /* NULL: UTC */
    const struct store_calendar *calendar;
    int32_t day; /* the first one */
    bool today;  /* it is the one that is now */
    uint64_t days;
    int64_t from_s, until_s; /* the instants */
    int64_t now_s;
    json_t *instances;
};

static int64_t instant(const struct agenda *a, int64_t local_s)
{
    return a->zone != NULL ? ical_zone_utc(a->zone, local_s, NULL) : local_s;
}

static int64_t local(const struct agenda *a, int64_t utc_s)
{
    return a->zone != NULL ? ical_zone_local(a->zone, utc_s) : utc_s;
}

/* --- instances --- */

static json_t *text_of(struct agenda *a, const struct ical_comp *comp, enum ical_prop_id id)
{
    return admin_json_text(ical_text_decode(a->arena, ical_prop_value(comp, id)));
}

/* What somebody declined or was cancelled is no part of the picture. */
static bool is_shown(const struct agenda *a, const struct ical_comp *comp,
                     const struct calendar_busy_ask *ask)
{
    if (slice_ieq(ical_prop_value(comp, ICAL_STATUS), SLICE("CANCELLED")))
        return false;
    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop))
        for (size_t i = 0; i < ask->owner_count; i++)
            if (slice_ieq(prop->value, ask->owners[i]) &&
                slice_ieq(ical_param_text(prop, "PARTSTAT"), SLICE("DECLINED")))
                return false;
    return true;
}

static void put_instance(struct agenda *a, const struct ical_instance *instance,
                         const struct calendar_busy_ask *ask)
{
    const struct ical_comp *comp = instance->comp;
    struct slice class = ical_prop_value(comp, ICAL_CLASS);

    if (!is_shown(a, comp, ask))
        return;
    json_array_append_new(
        a->instances,
        json_pack("{s:I, s:I, s:b, s:s, s:o, s:o, s:o, s:b}", "start_s",
                  (json_int_t)local(a, instance->start_s), "end_s",
                  (json_int_t)local(a, instance->end_s), "all_day",
                  instance->start.form == ICAL_DATE, "kind",
                  a->calendar->transparent ? "free" : kinds[calendar_busy_kind(comp, ask)],
                  "summary", text_of(a, comp, ICAL_SUMMARY), "location",
                  text_of(a, comp, ICAL_LOCATION), "calendar", admin_json_text(a->calendar->name),
                  "private", class.len > 0 && !slice_ieq(class, SLICE("PUBLIC"))));
}

static enum st expand(struct agenda *a, const struct ical_comp *vcalendar, struct slice uid)
{
    struct calendar_busy_ask ask = {.unanswered = STORE_BUSY_TENTATIVE};
    const struct ical_window window = {.from_s = a->from_s,
                                       .until_s = a->until_s,
                                       .floating = a->zone,
                                       .instances_max = INSTANCES_MAX,
                                       .steps_max = ICAL_RECUR_STEPS_MAX};
    struct ical_tz *tz = ical_tz_new(a->arena, vcalendar, calendar_zones(a->of->calendar));
    struct ical_recur *recur;
    struct ical_instance instance;
    struct ical_error error;

    if (a->owner != NULL)
        ask.owners = calendar_own(a->arena, a->directory, a->owner, vcalendar, &ask.owner_count);
    if (ical_recur_new(a->arena, vcalendar, uid, tz, &window, &recur, &error) != ST_OK)
        return ST_OK;
    while (ical_recur_next(recur, &instance) == ST_OK) {
        if (json_array_size(a->instances) == INSTANCES_MAX)
            return admin_refuse(a->of->call, ST_TOO_BIG,
                                "there are more than %d events; ask for "
                                "fewer days",
                                INSTANCES_MAX);
        if (instance.start_s < a->until_s &&
            (instance.end_s > a->from_s || instance.start_s >= a->from_s))
            put_instance(a, &instance, &ask);
    }
    return ST_OK;
}

static enum st take_event(void *ctx, const struct store_event *event)
{
    struct agenda *a = ctx;
    struct ical_error error;
    struct ical_comp *comps;

    arena_reset(a->arena);
    if (event->kind != STORE_EVENT ||
        ical_parse(a->arena, event->body, &ical_limits_default, &comps, &error) != ST_OK)
        return ST_OK;
    return expand(a, comps, event->uid);
}

/* --- the account --- */

static enum st agenda_body(struct store_tx *tx, void *arg)
{
    struct agenda *a = arg;
    struct admin_calendar *of = a->of;
    enum st st = admin_calendar_find(tx, of);

    json_array_clear(a->instances);
    if (st != ST_OK)
        return st;
    a->zone = calendar_zone(of->calendar, of->arena, SLICE(""), of->settings.zone);
    if (a->today)
        a->day = ical_day_of(local(a, a->now_s));
    a->from_s = instant(a, a->day * DAY_S);
    a->until_s = instant(a, (a->day + (int64_t)a->days) * DAY_S);
    for (size_t i = 0; st == ST_OK && i < of->count; i++) {
        a->calendar = &of->calendars[i];
        if (a->calendar->kind == STORE_CALENDAR_PLAIN)
            st = store_event_between(tx, a->calendar->calendar_id, a->from_s, a->until_s,
                                     take_event, a);
    }
    return st;
}

static bool is_date(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (i == 4 || i == 7 ? text.ptr[i] != '-' : text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len == 10;
}

/* "2026-12-24" */
static enum st read_date(struct admin_call *call, struct agenda *a)
{
    struct slice text = admin_arg_text(call, "from");
    struct ical_time time;
    char room[9];

    a->today = text.len == 0;
    if (a->today)
        return ST_OK;
    if (is_date(text)) {
        snprintf(room, sizeof(room), "%.4s%.2s%.2s", text.ptr, text.ptr + 5, text.ptr + 8);
        if (ical_time_parse(slice_str(room), &time) == ST_OK) {
            a->day = ical_day_of(time.local_s);
            return ST_OK;
        }
    }
    return admin_refuse(call, ST_INVALID, "%.*s is no date; write 2026-12-24", SLICE_ARG(text));
}

static json_t *describe(const struct agenda *a)
{
    struct slice zone = a->of->settings.zone;

    if (zone.len == 0)
        zone = slice_str(conf_get()->calendar_zone);
    if (zone.len == 0 || a->zone == NULL)
        zone = SLICE("UTC");
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:O}", "name", admin_json_text(a->of->name), "zone",
                     admin_json_text(zone), "from_s", (json_int_t)(a->day * DAY_S), "days",
                     (json_int_t)a->days, "now_s", (json_int_t)local(a, a->now_s), "instances",
                     a->instances);
}

enum st admin_calendar_agenda(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct agenda a = {.directory = directory,
                       .days = DAYS_USUAL,
                       .now_s = sys_now_ms() / 1000,
                       .instances = json_array()};
    enum st st = admin_calendar_new(call, NULL, &a.of);

    if (st == ST_OK)
        st = admin_arg_u64(call, "days", &a.days);
    if (st == ST_OK && (a.days == 0 || a.days > DAYS_MAX))
        st = admin_refuse(call, ST_INVALID, "days are 1 to %d", DAYS_MAX);
    if (st == ST_OK)
        st = read_date(call, &a);
    if (st == ST_OK) {
        a.owner = directory_login(directory, a.of->name);
        a.arena = arena_new("agenda", 2 * ical_limits_arena_bytes(&ical_limits_default) + 64 * MIB);
        st = store_read(call->context->store, agenda_body, &a);
        arena_free(&a.arena);
    }
    if (st == ST_OK)
        call->reply = describe(&a);
    json_decref(a.instances);
    return st;
}
