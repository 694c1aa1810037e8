#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_schedule.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "sys/sys_hash.h"

#include <stdio.h>

#define NAME_BYTES 40

struct arriving {
    const struct calendar_arrival *a;
    struct store_tx *tx;
    struct calendar_itip_world world;
    struct calendar_itip_result result;
    struct store_calendar calendar; /* where an invitation goes */
    struct store_calendar inbox;
    struct store_calendar_account account;
    struct store_event old; /* what is there of it */
    bool there;
    struct ical_comp *stored; /* old's tree */
    struct slice uid;
    struct ical_error *error;
};

/* --- what is there --- */

static struct slice uid_of(const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (comp->id != ICAL_VTIMEZONE)
            return ical_prop_value(comp, ICAL_UID);
    return SLICE("");
}

/* Invitations go into the calendar the account names, else into its first. */
static enum st find_calendars(struct arriving *in)
{
    struct store_calendar *list;
    size_t count = 0;
    bool found = false;
    int64_t account_id = in->a->person->account_id;
    enum st st = calendar_ensure(in->tx, in->a->arena, account_id, in->a->now_ms);

    if (st == ST_OK)
        st = store_calendar_account_get(in->tx, in->a->arena, account_id, &in->account);
    if (st == ST_OK)
        st = store_calendar_list(in->tx, in->a->arena, account_id, &list, &count);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        if (list[i].kind == STORE_CALENDAR_INBOX)
            in->inbox = list[i];
        else if (!found || list[i].calendar_id == in->account.default_calendar_id) {
            in->calendar = list[i];
            found = true;
        }
    }
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

static enum st find_stored(struct arriving *in)
{
    struct ical_error none;
    enum st st =
        store_event_find_uid(in->tx, in->a->arena, in->a->person->account_id, in->uid, &in->old);

    in->there = st == ST_OK;
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK && in->old.calendar_id != STORE_EVENT_UNSEEN)
        st = store_calendar_get(in->tx, in->a->arena, in->old.calendar_id, &in->calendar);
    if (st == ST_OK &&
        ical_parse(in->a->arena, in->old.body, &ical_limits_default, &in->stored, &none) != ST_OK)
        in->stored = NULL;
    return st;
}

static void look_out(struct arriving *in)
{
    const struct calendar_arrival *a = in->a;
    size_t from_message = 0;
    size_t from_stored = 0;
    struct slice *message_own =
        calendar_own(a->arena, a->directory, a->person, a->message, &from_message);
    struct slice *stored_own = in->stored == NULL ? NULL
                                                  : calendar_own(a->arena, a->directory, a->person,
                                                                 in->stored, &from_stored);
    struct slice *own = arena_many(a->arena, struct slice, from_message + from_stored + 1);
    size_t count = 0;

    for (size_t i = 0; i < from_message; i++)
        own[count++] = message_own[i];
    for (size_t i = 0; i < from_stored; i++)
        own[count++] = stored_own[i];
    own[count++] = a->address;
    in->world =
        (struct calendar_itip_world){.arena = a->arena,
                                     .zones = calendar_zones(a->round->calendar),
                                     .floating = calendar_zone(a->round->calendar, a->arena,
                                                               in->calendar.zone, in->account.zone),
                                     .own = own,
                                     .own_count = count,
                                     .now_s = a->now_ms / 1000};
}

/* --- what becomes of it --- */

/* The same for the same invitation, wherever it is made. */
static struct slice name_of(struct arena *arena, struct slice what)
{
    unsigned char digest[SYS_SHA256_BYTES];
    char name[NAME_BYTES];

    sys_sha256(what, digest);
    for (size_t i = 0; i < 16; i++)
        snprintf(name + 2 * i, 3, "%02x", digest[i]);
    snprintf(name + 32, sizeof(name) - 32, ".ics");
    return arena_copy(arena, slice_str(name));
}

static struct slice text_of(struct arriving *in, const struct ical_comp *vcalendar)
{
    AUTO(buf) struct buf text = BUF(ical_limits_default.bytes_max);

    ical_write(vcalendar, &text);
    return text.over ? SLICE("") : arena_copy(in->a->arena, buf_slice(&text));
}

static struct calendar_writing writing_of(struct arriving *in)
{
    return (struct calendar_writing){.calendar = in->a->round->calendar,
                                     .tx = in->tx,
                                     .arena = in->a->arena,
                                     .account_id = in->a->person->account_id,
                                     .calendar_id = in->result.hidden ? STORE_EVENT_UNSEEN
                                                                      : in->calendar.calendar_id,
                                     .own_zone = in->account.zone,
                                     .zone = in->calendar.zone,
                                     .own = in->world.own,
                                     .own_count = in->world.own_count,
                                     .now_ms = in->a->now_ms};
}

/* Its text is what is read again, so that object and text say the same. */
static enum st store_object(struct arriving *in, const struct ical_comp *vcalendar)
{
    const struct calendar_limits limits = {conf_get()->calendar_object_bytes_max,
                                           conf_get()->calendar_attendees_max};
    struct calendar_writing w = writing_of(in);
    struct calendar_object object;
    struct store_event event;
    struct slice text = text_of(in, vcalendar);
    bool in_place = in->there && in->old.calendar_id == w.calendar_id;
    bool reply = in->result.method == CALENDAR_ITIP_REPLY;
    enum st st = calendar_object_read(in->a->arena, text, &limits, &object, &w.fault, in->error);

    if (st != ST_OK)
        return st;
    struct slice name = in_place
                            ? in->old.name
                            : name_of(in->a->arena, in->result.hidden ? text : slice_trim(in->uid));
    st = calendar_write(&w, &object, in_place ? &in->old : NULL, name, text,
                        reply && in_place ? in->old.schedule_tag : STORE_SCHEDULE_TAG_NEW, &event);
    if (st == ST_INVALID)
        *in->error = w.error;
    if (st == ST_OK && in->there && !in_place)
        st = store_event_remove(in->tx, &in->old);
    if (st == ST_OK) { /* a room's answer comes behind it */
        in->old = event;
        in->there = true;
    }
    return st;
}

/* A copy for clients to see what came (RFC 6638 section 4.1). */
static enum st put_into_inbox(struct arriving *in)
{
    struct store_event old;
    struct store_event event = {
        .calendar_id = in->inbox.calendar_id,
        .account_id = in->a->person->account_id,
        .name = name_of(in->a->arena, in->a->text),
        .uid = in->uid,
        .flags = calendar_object_private(in->a->message) ? STORE_EVENT_PRIVATE : 0,
        .until_s = STORE_EVENT_FOREVER,
        .last_s = STORE_EVENT_FOREVER,
        .modified_ms = in->a->now_ms,
        .body = in->a->text};
    enum st st = store_event_find(in->tx, in->a->arena, event.calendar_id, event.name, &old);

    if (st != ST_NOT_FOUND)
        return st;
    return store_event_put(in->tx, 0, NULL, &event, NULL, 0);
}

static enum st note(struct arriving *in)
{
    const struct store_calendar_line line = {
        .at_ms = in->a->now_ms, .uid = in->uid, .text = slice_str(in->result.line.text)};

    return store_calendar_log(in->tx, in->a->person->account_id, &line);
}

enum st calendar_schedule_arrive(struct store_tx *tx, const struct calendar_arrival *a,
                                 struct ical_error *error_r)
{
    struct arriving in = {.a = a, .tx = tx, .uid = uid_of(a->message), .error = error_r};
    uint64_t modseq;
    uint64_t bytes_used;
    /* First the account's row: what is looked at stays as it is until the end. */
    enum st st = store_account_advance(tx, a->person->account_id, 0, 0, &modseq, &bytes_used);

    if (st == ST_OK)
        st = find_calendars(&in);
    if (st == ST_OK)
        st = find_stored(&in);
    if (st != ST_OK)
        return st;
    look_out(&in);
    st = calendar_itip_incoming(&in.world, a->policy, in.stored, a->message, a->sender, &in.result,
                                error_r);
    if (st == ST_OK && in.result.verdict == CALENDAR_ITIP_APPLIED)
        st = store_object(&in, in.result.store);
    if (st == ST_OK && in.result.inbox)
        st = put_into_inbox(&in);
    if (st == ST_OK)
        st = calendar_schedule_send(a->round, tx, a->arena, a->person->account_id, a->address,
                                    &in.result.answers, a->now_ms);
    return st == ST_OK ? note(&in) : st;
}
