#include "calendar/calendar.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar_connector.h"
#include "calendar/calendar_far_lack.h"
#include "calendar/calendar_keeper.h"
#include "conf/conf.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"
#include "store/store_event.h"
#include "sys/sys_fetch.h"

#include <pthread.h>

#define ZONES_FOLDER "/usr/share/zoneinfo"

struct calendar {
    struct calendar_context context;
    struct ical_zones *zones;
    struct calendar_connector *connector;
    struct sys_fetcher *fetcher;
    struct calendar_far_lacks *lacks;
    pthread_mutex_t lock;
    struct calendar_keeper *keeper; /* lock; NULL: it does not run */
};

struct calendar *calendar_new(const struct calendar_context *context)
{
    struct calendar *calendar = mem_grow(NULL, 1, sizeof(*calendar));

    *calendar = (struct calendar){.context = *context,
                                  .zones = ical_zones_new(ZONES_FOLDER),
                                  .fetcher = sys_fetcher_new(),
                                  .lacks = calendar_far_lacks_new()};
    calendar->connector = calendar_connector_new(calendar);
    pthread_mutex_init(&calendar->lock, NULL);
    return calendar;
}

void calendar_free(struct calendar **calendar)
{
    if (*calendar == NULL)
        return;
    calendar_stop(*calendar);
    calendar_connector_stop((*calendar)->connector);
    calendar_connector_free(&(*calendar)->connector);
    sys_fetcher_free(&(*calendar)->fetcher);
    calendar_far_lacks_free(&(*calendar)->lacks);
    ical_zones_free(&(*calendar)->zones);
    pthread_mutex_destroy(&(*calendar)->lock);
    mem_free(*calendar);
    *calendar = NULL;
}

enum st calendar_start(struct calendar *calendar, struct buf *why)
{
    struct calendar_keeper *keeper = NULL;
    enum st st = calendar_keeper_new(calendar, why, &keeper);

    pthread_mutex_lock(&calendar->lock);
    calendar->keeper = keeper;
    pthread_mutex_unlock(&calendar->lock);
    return st;
}

/* Deliveries may kick until the queue has stopped, which is later. */
void calendar_stop(struct calendar *calendar)
{
    pthread_mutex_lock(&calendar->lock);
    struct calendar_keeper *keeper = calendar->keeper;
    calendar->keeper = NULL;
    pthread_mutex_unlock(&calendar->lock);
    calendar_keeper_free(&keeper);
}

void calendar_kick(struct calendar *calendar)
{
    pthread_mutex_lock(&calendar->lock);
    if (calendar->keeper != NULL)
        calendar_keeper_kick(calendar->keeper);
    pthread_mutex_unlock(&calendar->lock);
}

struct store *calendar_store(const struct calendar *calendar)
{
    return calendar->context.store;
}

struct router_queue *calendar_queue(const struct calendar *calendar)
{
    return calendar->context.queue;
}

const char *calendar_server_name(const struct calendar *calendar)
{
    return calendar->context.server_name;
}

struct calendar_connector *calendar_connector(const struct calendar *calendar)
{
    return calendar->connector;
}

struct ical_zones *calendar_zones(const struct calendar *calendar)
{
    return calendar->zones;
}

struct sys_fetcher *calendar_fetcher(const struct calendar *calendar)
{
    return calendar->fetcher;
}

struct calendar_far_lacks *calendar_far_lacks(const struct calendar *calendar)
{
    return calendar->lacks;
}

/* A VTIMEZONE's text gives its own zone, or that of the system that has its name. */
static const struct ical_zone *zone_of_text(struct calendar *calendar, struct arena *arena,
                                            struct slice text)
{
    const struct ical_limits limits = ical_limits_default;
    struct ical_error error;
    struct ical_comp *comps;

    if (ical_parse(arena, text, &limits, &comps, &error) != ST_OK)
        return NULL;
    const struct ical_comp *zone =
        comps->id == ICAL_VTIMEZONE ? comps : ical_comp_find(comps, ICAL_VTIMEZONE);
    if (zone == NULL)
        return NULL;
    struct ical_tz *tz =
        ical_tz_new(arena, zone->parent != NULL ? zone->parent : comps, calendar->zones);
    return ical_tz_find(tz, ical_prop_value(zone, ICAL_TZID));
}

static const struct ical_zone *zone_of(struct calendar *calendar, struct arena *arena,
                                       struct slice said)
{
    if (said.len == 0)
        return NULL;
    if (slice_find(said, '\n') != SIZE_MAX)
        return zone_of_text(calendar, arena, said);
    return ical_zones_find(calendar->zones, said);
}

const struct ical_zone *calendar_zone(struct calendar *calendar, struct arena *arena,
                                      struct slice of_calendar, struct slice of_account)
{
    const struct ical_zone *zone = zone_of(calendar, arena, of_calendar);

    if (zone == NULL)
        zone = zone_of(calendar, arena, of_account);
    return zone != NULL ? zone : zone_of(calendar, arena, slice_str(conf_get()->calendar_zone));
}

enum st calendar_ensure(struct store_tx *tx, struct arena *arena, int64_t account_id,
                        int64_t now_ms)
{
    const struct store_calendar wanted[] = {
        {.name = SLICE("calendar"), .title = SLICE("Calendar"), .components = STORE_COMPONENTS_ALL},
        {.name = SLICE("inbox"),
         .title = SLICE("Inbox"),
         .kind = STORE_CALENDAR_INBOX,
         .components = STORE_COMPONENTS_ALL},
    };
    struct store_calendar *calendars;
    size_t count = 0;
    bool there[COUNT(wanted)] = {false};
    int64_t id;
    enum st st = store_calendar_list(tx, arena, account_id, &calendars, &count);

    for (size_t i = 0; i < count; i++)
        there[calendars[i].kind == STORE_CALENDAR_INBOX ? 1 : 0] = true;
    for (size_t i = 0; st == ST_OK && i < COUNT(wanted); i++) {
        struct store_calendar add = wanted[i];

        add.account_id = account_id;
        add.created_ms = now_ms;
        if (!there[i])
            st = store_calendar_add(tx, &add, &id);
        if (st == ST_EXISTS) /* another server was faster, or the name is a calendar's */
            st = ST_OK;
    }
    return st;
}
