#include "calendar/calendar_put.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"

#include <stdio.h>

#define TRIES_MAX 8 /* somebody else changed it meanwhile */

struct putting {
    struct calendar *calendar;
    struct calendar_put *put;
    const struct directory *directory;
    struct calendar_limits limits;
    struct arena *arena;          /* what was given */
    struct arena *tx_arena;       /* of one run of the body */
    struct calendar_object given; /* of put->body */
};

static enum st check_conditions(struct calendar_put *put, const struct store_event *old)
{
    if (put->if_none && old != NULL)
        return ST_CONFLICT;
    if (put->if_etag != 0 &&
        (old == NULL || (put->if_etag != CALENDAR_ANY && put->if_etag != old->modseq)))
        return ST_CONFLICT;
    if (put->if_schedule_tag != 0 && (old == NULL || put->if_schedule_tag != old->schedule_tag))
        return ST_CONFLICT;
    return put->body.ptr == NULL && old == NULL ? ST_NOT_FOUND : ST_OK;
}

static enum st refuse(struct calendar_put *put, enum calendar_fault fault, const char *why)
{
    put->fault = fault;
    ical_error_set(&put->error, 0, "%s", why);
    return ST_INVALID;
}

/* The object in the way gets named (RFC 4791 section 5.3.2.1, no-uid-conflict). */
static enum st tell_conflict(struct putting *p, struct store_tx *tx)
{
    struct store_event other;

    if (store_event_find_uid(tx, p->tx_arena, p->put->owner->account_id, p->given.uid, &other) ==
        ST_OK)
        snprintf(p->put->conflict, sizeof(p->put->conflict), "%.*s", SLICE_ARG(other.name));
    return refuse(p->put, CALENDAR_UID_CONFLICT, "another object of the calendar has its UID");
}

static enum st store_given(struct putting *p, struct store_tx *tx, const struct store_event *old,
                           const struct store_calendar *calendar)
{
    struct calendar_put *put = p->put;
    const struct directory_person *owner = put->owner;
    struct store_calendar_account account;
    struct store_event event;
    struct calendar_writing w = {.calendar = p->calendar,
                                 .tx = tx,
                                 .arena = p->tx_arena,
                                 .account_id = owner->account_id,
                                 .calendar_id = put->calendar_id,
                                 .zone = calendar->zone,
                                 .quota_bytes = owner->quota_bytes != 0 ? owner->quota_bytes
                                                                        : conf_get()->quota_bytes,
                                 .now_ms = put->now_ms};

    if ((calendar->components & (UINT64_C(1) << p->given.kind)) == 0)
        return refuse(put, CALENDAR_COMPONENT, "the calendar does not hold objects of this kind");
    if (old != NULL && !slice_eq(old->uid, p->given.uid))
        return refuse(put, CALENDAR_UID_CONFLICT, "the UID of an object does not change");
    enum st st = store_calendar_account_get(tx, p->tx_arena, owner->account_id, &account);
    if (st != ST_OK)
        return st;
    w.own_zone = account.zone;
    w.own = calendar_own(p->tx_arena, p->directory, owner, p->given.vcalendar, &w.own_count);
    st = calendar_write(&w, &p->given, old, put->name, put->body,
                        p->given.invites ? STORE_SCHEDULE_TAG_NEW : 0, &event);
    if (st == ST_INVALID) {
        put->fault = w.fault;
        put->error = w.error;
    }
    if (st == ST_CONFLICT)
        return tell_conflict(p, tx);
    put->created = old == NULL;
    put->etag = event.modseq;
    put->schedule_tag = event.schedule_tag;
    return st;
}

static enum st put_body(struct store_tx *tx, void *arg)
{
    struct putting *p = arg;
    struct calendar_put *put = p->put;
    struct store_calendar calendar;
    struct store_event old;

    arena_reset(p->tx_arena);
    put->fault = CALENDAR_FINE;
    put->task_count = 0;
    enum st st = store_calendar_get(tx, p->tx_arena, put->calendar_id, &calendar);
    if (st == ST_OK && calendar.account_id != put->owner->account_id)
        st = ST_NOT_FOUND;
    if (st != ST_OK)
        return st;
    st = store_event_find(tx, p->tx_arena, put->calendar_id, put->name, &old);
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    const struct store_event *there = st == ST_OK ? &old : NULL;
    st = check_conditions(put, there);
    if (st != ST_OK)
        return st;
    return put->body.ptr == NULL ? store_event_remove(tx, there)
                                 : store_given(p, tx, there, &calendar);
}

static enum st run(struct putting *p)
{
    enum st st = ST_AGAIN;

    for (int i = 0; st == ST_AGAIN && i < TRIES_MAX; i++)
        st = store_write(calendar_store(p->calendar), put_body, p);
    return st == ST_AGAIN ? ST_CONFLICT : st;
}

enum st calendar_put(struct calendar *calendar, struct calendar_put *put)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct putting p = {
        .calendar = calendar,
        .put = put,
        .directory = directory,
        .limits = {conf_get()->calendar_object_bytes_max, conf_get()->calendar_attendees_max}};
    size_t bytes = calendar_object_arena_bytes(&p.limits);
    enum st st = ST_OK;

    p.arena = arena_new("calendar put", bytes);
    p.tx_arena = arena_new("calendar put", bytes);
    if (put->body.ptr != NULL)
        st =
            calendar_object_read(p.arena, put->body, &p.limits, &p.given, &put->fault, &put->error);
    if (st == ST_OK)
        st = run(&p);
    arena_free(&p.tx_arena);
    arena_free(&p.arena);
    return st;
}
