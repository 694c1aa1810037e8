#include "calendar/calendar_put.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_principal.h"
#include "calendar/calendar_schedule.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"

#include <stdio.h>

struct putting {
    struct calendar *calendar;
    struct calendar_put *put;
    const struct directory *directory;
    struct calendar_limits limits;
    struct arena *arena;          /* what was given, all of it */
    struct arena *at_arena;       /* of one run of the body */
    struct arena *tx_arena;       /* of one object of it */
    struct calendar_object given; /* of put->body */
    struct calendar_round round;  /* what others are to be told */
    /* of one run of the body */
    struct store_tx *tx;
    bool locked; /* the account; at and account are of at_calendar_id */
    int64_t at_calendar_id;
    struct store_calendar at;
    struct store_calendar_account account;
    const struct store_event *old; /* NULL: there was nothing */
    struct calendar_itip_world world;
    struct calendar_itip_sent sent;
    struct slice sender;
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
static enum st tell_conflict(struct putting *p, enum calendar_fault fault)
{
    struct store_event other;
    struct store_calendar at;
    struct calendar_put *put = p->put;

    if (store_event_find_uid(p->tx, p->tx_arena, put->owner->account_id, p->given.uid, &other) ==
            ST_OK &&
        store_calendar_get(p->tx, p->tx_arena, other.calendar_id, &at) == ST_OK) {
        snprintf(put->conflict, sizeof(put->conflict), "%.*s", SLICE_ARG(other.name));
        snprintf(put->conflict_calendar, sizeof(put->conflict_calendar), "%.*s",
                 SLICE_ARG(at.name));
    }
    return refuse(p->put, fault, "another object has its UID");
}

/* --- what others are told --- */

static struct calendar_itip_world world_of(struct putting *p, const struct ical_comp *before,
                                           const struct ical_comp *after)
{
    size_t count = 0;
    struct slice *own =
        calendar_own_of_two(p->tx_arena, p->directory, p->put->owner, after, before, &count);

    return (struct calendar_itip_world){
        .arena = p->tx_arena,
        .zones = calendar_zones(p->calendar),
        .floating = calendar_zone(p->calendar, p->tx_arena, p->at.zone, p->account.zone),
        .own = own,
        .own_count = count,
        .now_s = p->put->now_ms / 1000};
}

/* "1.2": it lies in the recipient's calendar in a moment; "1.1": it goes by mail. */
static void note_status(struct putting *p)
{
    const struct calendar_itip_messages *messages = &p->sent.messages;
    struct calendar_itip_delivery *list =
        arena_many(p->tx_arena, struct calendar_itip_delivery, messages->count + 1);

    for (size_t i = 0; i < messages->count; i++)
        list[i] = (struct calendar_itip_delivery){
            messages->at[i].recipient,
            calendar_schedule_person(p->directory, messages->at[i].recipient) != NULL
                ? SLICE("1.2")
                : SLICE("1.1")};
    if (p->sent.store != NULL)
        calendar_itip_delivered(p->tx_arena, p->sent.store, list, messages->count);
}

/* Sets p->sent. before and after may be NULL. */
static enum st decide(struct putting *p, const struct ical_comp *before,
                      const struct ical_comp *after)
{
    p->sent = (struct calendar_itip_sent){0};
    p->world = world_of(p, before, after);
    if (p->world.own_count == 0 || (p->put->quiet && after != NULL))
        return ST_OK;
    p->sender = p->world.own[0];
    enum st st = ST_OK;
    struct ical_comp *merged = NULL;
    /* Who does not name the ETag may not have seen the answers that came since his copy. */
    bool seen = p->put->if_etag != 0 && p->put->if_etag != CALENDAR_ANY;
    if (!seen && before != NULL && after != NULL)
        st = calendar_itip_keep_answers(&p->world, before, after, &merged, &p->put->error);
    if (merged != NULL)
        after = merged;
    if (st == ST_OK)
        st = calendar_itip_outgoing(&p->world, before, after, &p->sent, &p->put->error);
    if (st == ST_DENIED) {
        p->put->fault = p->sent.fault;
        return ST_INVALID;
    }
    if (st != ST_OK)
        return refuse(p->put, CALENDAR_VALID_DATA, "what changed cannot be worked out");
    if (p->put->quiet)
        p->sent.messages.count = 0;
    if (p->put->others && p->sent.messages.count > 0)
        return ST_DENIED;
    note_status(p);
    return ST_OK;
}

static const struct ical_comp *tree_of_old(struct putting *p)
{
    struct ical_error none;
    struct ical_comp *comps = NULL;

    if (p->old == NULL ||
        ical_parse(p->tx_arena, p->old->body, &ical_limits_default, &comps, &none) != ST_OK)
        return NULL;
    calendar_principals_resolve(p->tx_arena, p->directory, comps);
    return comps;
}

static enum st tell_others(struct putting *p)
{
    const struct calendar_outgoing outgoing = {p->put->owner->account_id, p->sender,
                                               &p->sent.messages, p->put->now_ms};

    return calendar_schedule_send(&p->round, p->tx, p->tx_arena, &outgoing);
}

/* --- storing --- */

static struct calendar_writing writing_of(struct putting *p, int64_t calendar_id)
{
    const struct directory_person *owner = p->put->owner;

    return (struct calendar_writing){
        .calendar = p->calendar,
        .tx = p->tx,
        .arena = p->tx_arena,
        .account_id = owner->account_id,
        .calendar_id = calendar_id,
        .own_zone = p->account.zone,
        .zone = p->at.zone,
        .own = p->world.own,
        .own_count = p->world.own_count,
        .quota_bytes = owner->quota_bytes != 0 ? owner->quota_bytes : conf_get()->quota_bytes,
        .now_ms = p->put->now_ms};
}

/* The text of what scheduling made of the object, where that is another. */
static enum st text_of(struct putting *p, const struct ical_comp *vcalendar, struct slice *text_r)
{
    AUTO(buf) struct buf text = BUF(p->limits.bytes_max + MIB);

    ical_write(vcalendar, &text);
    if (text.over)
        return refuse(p->put, CALENDAR_MAX_SIZE, "it is too large");
    *text_r = arena_copy(p->tx_arena, buf_slice(&text));
    return ST_OK;
}

/* A meeting is once in all of an account's calendars (RFC 6638 section 3.2.4.1); what was
 * remembered of one that was deleted ends where the owner puts it back. */
static enum st check_alone(struct putting *p)
{
    struct store_event other;
    enum st st =
        store_event_find_uid(p->tx, p->tx_arena, p->put->owner->account_id, p->given.uid, &other);

    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st != ST_OK)
        return st;
    if (other.calendar_id == STORE_EVENT_UNSEEN)
        return store_event_remove(p->tx, &other);
    if (other.calendar_id != p->put->calendar_id)
        return tell_conflict(p, CALENDAR_UNIQUE_SCHEDULING);
    return ST_OK;
}

static enum st store_given(struct putting *p)
{
    struct calendar_put *put = p->put;
    struct calendar_object object = p->given;
    struct slice text = put->body;
    struct store_event event;

    if ((p->at.components & (UINT64_C(1) << object.kind)) == 0)
        return refuse(put, CALENDAR_COMPONENT, "the calendar does not hold objects of this kind");
    if (p->old != NULL && !slice_eq(p->old->uid, object.uid))
        return refuse(put, CALENDAR_UID_CONFLICT, "the UID of an object does not change");
    enum st st = decide(p, tree_of_old(p), object.vcalendar);
    bool scheduled = p->sent.role != CALENDAR_ITIP_NOBODY;
    if (st == ST_OK && scheduled)
        st = check_alone(p);
    if (st == ST_OK && scheduled) {
        object.vcalendar = p->sent.store;
        st = text_of(p, object.vcalendar, &text);
    }
    if (st != ST_OK)
        return st;
    struct calendar_writing w = writing_of(p, put->calendar_id);
    st = calendar_write(&w, &object, p->old, put->name, text,
                        scheduled ? STORE_SCHEDULE_TAG_NEW : 0, &event);
    if (st == ST_INVALID) {
        put->fault = w.fault;
        put->error = w.error;
    }
    if (st == ST_CONFLICT)
        return tell_conflict(p, CALENDAR_UID_CONFLICT);
    if (st == ST_OK && scheduled)
        st = tell_others(p);
    put->created = p->old == NULL;
    put->changed = !slice_eq(text, put->body);
    put->etag = event.modseq;
    put->schedule_tag = event.schedule_tag;
    return st;
}

/* So that no late message brings a deleted invitation back. */
static enum st remember(struct putting *p)
{
    struct calendar_object object;
    struct store_event event;
    struct slice text;
    char name[32];
    enum st st = text_of(p, p->sent.memory, &text);

    if (st == ST_OK)
        st = calendar_object_read(p->tx_arena, text, &p->limits, &object, &p->put->fault,
                                  &p->put->error);
    if (st != ST_OK)
        return st;
    struct calendar_writing w = writing_of(p, STORE_EVENT_UNSEEN);
    w.quota_bytes = 0; /* who is over it may delete */
    snprintf(name, sizeof(name), "%lld", (long long)p->old->event_id);
    return calendar_write(&w, &object, NULL, slice_str(name), text, 0, &event);
}

static enum st remove_old(struct putting *p)
{
    /* A message that came in is nothing but a copy. */
    if (p->at.kind == STORE_CALENDAR_INBOX)
        return store_event_remove(p->tx, p->old);
    enum st st = decide(p, tree_of_old(p), NULL);

    if (st == ST_OK)
        st = store_event_remove(p->tx, p->old);
    if (st == ST_OK && p->sent.memory != NULL)
        st = remember(p);
    return st == ST_OK ? tell_others(p) : st;
}

/* First the account's row: what is looked at stays as it is until the end. */
static enum st look_at_calendar(struct putting *p)
{
    const struct calendar_put *put = p->put;
    uint64_t modseq;
    uint64_t bytes_used;

    if (p->locked && p->at_calendar_id == put->calendar_id)
        return ST_OK;
    enum st st = store_account_advance(p->tx, put->owner->account_id, 0, 0, &modseq, &bytes_used);
    if (st == ST_OK)
        st = store_calendar_get(p->tx, p->at_arena, put->calendar_id, &p->at);
    if (st == ST_OK && p->at.account_id != put->owner->account_id)
        st = ST_NOT_FOUND;
    if (st == ST_OK)
        st = store_calendar_account_get(p->tx, p->at_arena, put->owner->account_id, &p->account);
    p->locked = st == ST_OK;
    p->at_calendar_id = put->calendar_id;
    return st;
}

static enum st put_one(struct putting *p, struct store_tx *tx)
{
    struct calendar_put *put = p->put;
    struct store_event old;

    arena_reset(p->tx_arena);
    p->tx = tx;
    put->fault = CALENDAR_FINE;
    enum st st = look_at_calendar(p);
    if (st != ST_OK)
        return st;
    st = store_event_find(tx, p->tx_arena, put->calendar_id, put->name, &old);
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    p->old = st == ST_OK ? &old : NULL;
    st = check_conditions(put, p->old);
    if (st != ST_OK)
        return st;
    return put->body.ptr == NULL ? remove_old(p) : store_given(p);
}

struct putting_many {
    struct putting p;
    struct calendar_put *puts;
    struct calendar_object *given;
    size_t count;
    size_t at; /* which of them is put */
};

static enum st put_body(struct store_tx *tx, void *arg)
{
    struct putting_many *m = arg;
    enum st st = ST_OK;

    arena_reset(m->p.at_arena);
    m->p.locked = false;
    m->p.round.count = 0;
    for (size_t i = 0; st == ST_OK && i < m->count; i++) {
        if (m->puts[i].st != ST_OK)
            continue;
        m->at = i;
        m->p.put = &m->puts[i];
        m->p.given = m->given[i];
        st = put_one(&m->p, tx);
    }
    return st;
}

/* What is wrong with one of them undoes the others, which are put again without it. */
static enum st put_all(struct putting_many *m)
{
    for (;;) {
        enum st st = calendar_transact(m->p.calendar, put_body, m);

        if (st == ST_OK || st == ST_IO)
            return st;
        m->puts[m->at].st = st;
    }
}

enum st calendar_put_many(struct calendar *calendar, struct calendar_put *puts, size_t count)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct putting_many m = {.p = {.calendar = calendar,
                                   .directory = directory,
                                   .round = {.calendar = calendar},
                                   .limits = {conf_get()->calendar_object_bytes_max,
                                              conf_get()->calendar_attendees_max}},
                             .puts = puts,
                             .count = count};
    size_t bytes = calendar_object_arena_bytes(&m.p.limits);

    m.p.arena = arena_new("calendar put", count == 1 ? bytes : GIB);
    m.p.at_arena = arena_new("calendar put", bytes);
    m.p.tx_arena = arena_new("calendar put", bytes);
    m.given = arena_many(m.p.arena, struct calendar_object, count);
    for (size_t i = 0; i < count; i++)
        puts[i].st = puts[i].body.ptr == NULL
                         ? ST_OK
                         : calendar_object_read(m.p.arena, puts[i].body, &m.p.limits, &m.given[i],
                                                &puts[i].fault, &puts[i].error);
    for (size_t i = 0; i < count; i++)
        if (puts[i].st == ST_OK && puts[i].body.ptr != NULL)
            calendar_principals_resolve(m.p.arena, directory, m.given[i].vcalendar);
    enum st st = put_all(&m);
    arena_free(&m.p.tx_arena);
    arena_free(&m.p.at_arena);
    arena_free(&m.p.arena);
    if (st == ST_OK)
        calendar_round_do(&m.p.round);
    return st;
}

enum st calendar_put(struct calendar *calendar, struct calendar_put *put)
{
    enum st st = calendar_put_many(calendar, put, 1);

    return st == ST_OK ? put->st : st;
}
