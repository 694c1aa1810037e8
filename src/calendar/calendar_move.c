#include "calendar/calendar_move.h"

#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"

struct moving {
    struct calendar *calendar;
    struct calendar_move *move;
    const struct directory *directory;
    struct calendar_limits limits;
    struct arena *arena; /* of one run of the body */
    /* of one run of the body */
    struct store_tx *tx;
    struct store_calendar at; /* where it goes */
    struct store_calendar_account account;
    struct store_event source;
    struct calendar_object object;
};

static enum st refuse(struct calendar_move *move, enum calendar_fault fault, const char *why)
{
    move->fault = fault;
    ical_error_set(&move->error, 0, "%s", why);
    return ST_INVALID;
}

static enum st find_calendar(struct moving *m, const struct calendar_place *place,
                             struct store_calendar *calendar)
{
    enum st st = store_calendar_get(m->tx, m->arena, place->calendar_id, calendar);

    return st == ST_OK && calendar->account_id != place->owner->account_id ? ST_NOT_FOUND : st;
}

static enum st find_source(struct moving *m)
{
    const struct calendar_move *move = m->move;
    struct store_calendar from;
    enum st st = find_calendar(m, &move->from, &from);

    if (st == ST_OK)
        st = store_event_find(m->tx, m->arena, move->from.calendar_id, move->from.name, &m->source);
    if (st != ST_OK)
        return st;
    if (move->if_etag != 0 && move->if_etag != m->source.modseq)
        return ST_CONFLICT;
    return calendar_object_read(m->arena, m->source.body, &m->limits, &m->object, &m->move->fault,
                                &m->move->error);
}

/* RFC 6638 section 3.2.4.1: a meeting is once in an account, and nobody else's. */
static enum st check_meeting(const struct moving *m)
{
    const struct calendar_move *move = m->move;

    if (m->source.schedule_tag == 0)
        return ST_OK;
    if (move->from.owner->account_id != move->to.owner->account_id)
        return ST_DENIED;
    return move->copy ? refuse(m->move, CALENDAR_UNIQUE_SCHEDULING,
                               "a meeting is once in the calendars of an account")
                      : ST_OK;
}

static enum st make_room(struct moving *m)
{
    struct calendar_move *move = m->move;
    struct store_event there;
    enum st st = store_event_find(m->tx, m->arena, move->to.calendar_id, move->to.name, &there);

    move->created = st == ST_NOT_FOUND;
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    if (!move->overwrite)
        return ST_EXISTS;
    if (there.schedule_tag != 0 && !slice_eq(there.uid, m->source.uid))
        return ST_DENIED;
    return store_event_remove(m->tx, &there);
}

static enum st put(struct moving *m)
{
    struct calendar_move *move = m->move;
    const struct directory_person *owner = move->to.owner;
    struct store_event event;
    size_t own_count;
    struct slice *own =
        calendar_own(m->arena, m->directory, owner, m->object.vcalendar, &own_count);
    struct calendar_writing w = {.calendar = m->calendar,
                                 .tx = m->tx,
                                 .arena = m->arena,
                                 .account_id = owner->account_id,
                                 .calendar_id = move->to.calendar_id,
                                 .own_zone = m->account.zone,
                                 .zone = m->at.zone,
                                 .own = own,
                                 .own_count = own_count,
                                 .quota_bytes = owner->quota_bytes != 0 ? owner->quota_bytes
                                                                        : conf_get()->quota_bytes,
                                 .now_ms = move->now_ms};
    enum st st = calendar_write(&w, &m->object, NULL, move->to.name, m->source.body,
                                m->source.schedule_tag, &event);

    if (st == ST_CONFLICT)
        return refuse(move, CALENDAR_UID_CONFLICT, "another object has its UID");
    if (st == ST_INVALID) {
        move->fault = w.fault;
        move->error = w.error;
    }
    return st;
}

/* First the accounts' rows, in the order of their ids, so that who moves the other way waits. */
static enum st lock_accounts(struct store_tx *tx, const struct calendar_move *move)
{
    int64_t to = move->to.owner->account_id;
    int64_t from = move->copy ? to : move->from.owner->account_id;
    uint64_t modseq;
    uint64_t bytes_used;
    enum st st = store_account_advance(tx, from < to ? from : to, 0, 0, &modseq, &bytes_used);

    if (st == ST_OK && from != to)
        st = store_account_advance(tx, from < to ? to : from, 0, 0, &modseq, &bytes_used);
    return st;
}

static enum st move_body(struct store_tx *tx, void *arg)
{
    struct moving *m = arg;
    struct calendar_move *move = m->move;

    arena_reset(m->arena);
    m->tx = tx;
    move->fault = CALENDAR_FINE;
    enum st st = lock_accounts(tx, move);
    if (st == ST_OK)
        st = find_source(m);
    if (st == ST_OK)
        st = find_calendar(m, &move->to, &m->at);
    if (st == ST_OK)
        st = store_calendar_account_get(tx, m->arena, move->to.owner->account_id, &m->account);
    if (st == ST_OK && (m->at.components & (UINT64_C(1) << m->object.kind)) == 0)
        st = refuse(move, CALENDAR_COMPONENT, "the calendar does not hold objects of this kind");
    if (st == ST_OK)
        st = check_meeting(m);
    if (st == ST_OK)
        st = make_room(m);
    if (st == ST_OK && !move->copy)
        st = store_event_remove(tx, &m->source);
    return st == ST_OK ? put(m) : st;
}

enum st calendar_move(struct calendar *calendar, struct calendar_move *move)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct moving m = {
        .calendar = calendar,
        .move = move,
        .directory = directory,
        .limits = {conf_get()->calendar_object_bytes_max, conf_get()->calendar_attendees_max}};

    m.arena = arena_new("calendar move", calendar_object_arena_bytes(&m.limits));
    enum st st = calendar_transact(calendar, move_body, &m);
    arena_free(&m.arena);
    return st;
}
