#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_answer.h"
#include "calendar/calendar_principal.h"
#include "calendar/calendar_schedule.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "sys/sys_hash.h"

#include <stdio.h>

#define NAME_BYTES 40
#define TRIM_AT_ONCE 20 /* of an inbox that was longer */

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

static enum store_event_kind kind_of(const struct ical_comp *vcalendar)
{
    if (ical_comp_find(vcalendar, ICAL_VEVENT) != NULL)
        return STORE_EVENT;
    return ical_comp_find(vcalendar, ICAL_VTODO) != NULL ? STORE_TODO : STORE_JOURNAL;
}

/* Invitations go into the calendar the account names, else into the first that holds such. */
static enum st find_calendars(struct arriving *in)
{
    struct store_calendar *list;
    size_t count = 0;
    bool found = false;
    uint64_t kind = UINT64_C(1) << kind_of(in->a->message);
    int64_t account_id = in->a->person->account_id;
    enum st st = calendar_ensure(in->tx, in->a->arena, account_id, in->a->now_ms);

    if (st == ST_OK)
        st = store_calendar_account_get(in->tx, in->a->arena, account_id, &in->account);
    if (st == ST_OK)
        st = store_calendar_list(in->tx, in->a->arena, account_id, &list, &count);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        if (list[i].kind == STORE_CALENDAR_INBOX)
            in->inbox = list[i];
        else if ((list[i].components & kind) != 0 &&
                 (!found || list[i].calendar_id == in->account.default_calendar_id)) {
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
    if (st == ST_OK && in->stored != NULL)
        calendar_principals_resolve(in->a->arena, in->a->directory, in->stored);
    return st;
}

static void look_out(struct arriving *in)
{
    const struct calendar_arrival *a = in->a;
    size_t count = 0;
    const struct slice *found =
        calendar_own_of_two(a->arena, a->directory, a->person, a->message, in->stored, &count);
    struct slice *own = arena_many(a->arena, struct slice, count + 1);

    for (size_t i = 0; i < count; i++)
        own[i] = found[i];
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

/* What is unseen lies in one place for all accounts. */
static struct slice name_unseen(struct arriving *in)
{
    char name[NAME_BYTES + 32];
    struct slice hash = name_of(in->a->arena, in->uid);

    snprintf(name, sizeof(name), "%lld-%.*s", (long long)in->a->person->account_id,
             SLICE_ARG(hash));
    return arena_copy(in->a->arena, slice_str(name));
}

static struct slice text_of(struct arriving *in, const struct ical_comp *vcalendar)
{
    AUTO(buf) struct buf text = BUF(ical_limits_default.bytes_max);

    ical_write(vcalendar, &text);
    return text.over ? SLICE("") : arena_copy(in->a->arena, buf_slice(&text));
}

static uint64_t quota_of(const struct arriving *in)
{
    uint64_t own = in->a->person->quota_bytes;

    return own != 0 ? own : conf_get()->quota_bytes;
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
                                     .quota_bytes = quota_of(in),
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
    /* RFC 6638 section 3.2.10: what attendees say leaves the organizer's tag. */
    bool reply =
        in->result.method == CALENDAR_ITIP_REPLY || in->result.method == CALENDAR_ITIP_COUNTER;
    enum st st = calendar_object_read(in->a->arena, text, &limits, &object, &w.fault, in->error);

    if (st != ST_OK)
        return st;
    struct slice name = in_place            ? in->old.name
                        : in->result.hidden ? name_unseen(in)
                                            : name_of(in->a->arena, slice_trim(in->uid));
    st = calendar_write(&w, &object, in_place ? &in->old : NULL, name, text,
                        reply && in_place ? in->old.schedule_tag : STORE_SCHEDULE_TAG_NEW, &event);
    if (st == ST_INVALID)
        *in->error = w.error;
    if (st == ST_OK && in->there && !in_place)
        st = store_event_remove(in->tx, &in->old);
    return st;
}

struct oldest {
    struct arena *arena;
    struct store_event at[TRIM_AT_ONCE];
    size_t count;
};

static enum st note_oldest(void *ctx, const struct store_event *event)
{
    struct oldest *oldest = ctx;

    oldest->at[oldest->count] = *event;
    oldest->at[oldest->count++].name = arena_copy(oldest->arena, event->name);
    return ST_OK;
}

static enum st trim_inbox(struct arriving *in)
{
    struct oldest oldest = {.arena = in->a->arena};
    enum st st = store_event_beyond(in->tx, in->inbox.calendar_id, conf_get()->calendar_inbox_max,
                                    TRIM_AT_ONCE, note_oldest, &oldest);

    for (size_t i = 0; st == ST_OK && i < oldest.count; i++)
        st = store_event_remove(in->tx, &oldest.at[i]);
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
    st = store_event_put(in->tx, quota_of(in), NULL, &event, NULL, 0);
    return st != ST_OK ? st : trim_inbox(in);
}

static enum st answer(struct arriving *in)
{
    struct calendar_writing w = writing_of(in);
    const struct calendar_asked asked = {.arrival = in->a,
                                         .world = &in->world,
                                         .writing = &w,
                                         .event_id = in->there ? in->old.event_id : 0,
                                         .result = &in->result};
    bool invited =
        in->result.method == CALENDAR_ITIP_REQUEST || in->result.method == CALENDAR_ITIP_ADD;

    return invited && !in->result.hidden ? calendar_answer(&asked, in->error) : ST_OK;
}

static enum st note(struct arriving *in)
{
    const struct store_calendar_line line = {
        .at_ms = in->a->now_ms, .uid = in->uid, .text = slice_str(in->result.line.text)};

    return store_calendar_log(in->tx, in->a->person->account_id, &line);
}

/* Whether something of that UID is here that belongs to an organizer. */
static bool is_known(const struct arriving *in)
{
    if (in->stored == NULL)
        return false;
    for (const struct ical_comp *comp = in->stored->comps; comp != NULL; comp = comp->next)
        if (ical_prop_find(comp, ICAL_ORGANIZER) != NULL)
            return true;
    return false;
}

static enum st decide(struct arriving *in)
{
    const struct calendar_arrival *a = in->a;

    if (!a->known_only || is_known(in))
        return calendar_itip_incoming(&in->world, a->policy, in->stored, a->message, a->sender,
                                      &in->result, in->error);
    in->result.method = calendar_itip_method(a->message);
    in->result.verdict = CALENDAR_ITIP_STRANGER;
    ical_error_set(&in->result.line, 0, "%s from %.*s: refused, it is new and from outside.",
                   calendar_itip_method_name(in->result.method),
                   (int)(a->sender.len < 60 ? a->sender.len : 60), a->sender.ptr);
    return ST_OK;
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
    bool human = a->person->kind == DIRECTORY_PERSON_HUMAN;
    st = decide(&in);
    if (a->verdict_r != NULL)
        *a->verdict_r = in.result.verdict;
    if (st == ST_OK && !human && in.result.verdict == CALENDAR_ITIP_APPLIED)
        st = answer(&in);
    if (st == ST_OK && in.result.store != NULL)
        st = store_object(&in, in.result.store);
    if (st == ST_OK && in.result.inbox && human)
        st = put_into_inbox(&in);
    if (st == ST_OK)
        st = calendar_schedule_send(a->round, tx, a->arena, a->person->account_id, a->address,
                                    &in.result.answers, a->now_ms);
    return st == ST_OK ? note(&in) : st;
}
