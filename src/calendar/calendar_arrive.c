#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_answer.h"
#include "calendar/calendar_principal.h"
#include "calendar/calendar_schedule.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "sys/sys_hash.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_BYTES 40
#define NAMES_MAX 10
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

/* What has the name may be another object: one that a client put there, or of a UID that looks the
 * same. */
static enum st free_name(struct arriving *in, int64_t calendar_id, struct slice *name)
{
    AUTO(buf) struct buf salted = BUF(STORE_EVENT_UID_BYTES_MAX + 100);
    struct store_event other;
    enum st st = ST_OK;

    for (int i = 0; i < NAMES_MAX; i++) {
        st = store_event_find(in->tx, in->a->arena, calendar_id, *name, &other);
        if (st != ST_OK)
            return st == ST_NOT_FOUND ? ST_OK : st;
        buf_clear(&salted);
        buf_putf(&salted, "%d %.*s", i, SLICE_ARG(in->uid));
        *name = name_of(in->a->arena, buf_slice(&salted));
    }
    return ST_AGAIN;
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
    if (!in_place && !in->result.hidden)
        st = free_name(in, w.calendar_id, &name);
    if (st != ST_OK)
        return st;
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
static struct store_event copy_of(struct arriving *in)
{
    return (struct store_event){
        .calendar_id = in->inbox.calendar_id,
        .account_id = in->a->person->account_id,
        .name = name_of(in->a->arena, in->a->text),
        .uid = in->uid,
        .flags = calendar_object_private(in->a->message) ? STORE_EVENT_PRIVATE : 0,
        .until_s = STORE_EVENT_FOREVER,
        .last_s = STORE_EVENT_FOREVER,
        .modified_ms = in->a->now_ms,
        .body = in->a->text};
}

static enum st put_into_inbox(struct arriving *in)
{
    struct store_event old;
    struct store_event event = copy_of(in);
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

static enum st send_answers(struct arriving *in)
{
    const struct calendar_arrival *a = in->a;
    const struct calendar_outgoing outgoing = {a->person->account_id, a->address,
                                               &in->result.answers, a->now_ms};

    return calendar_schedule_send(a->round, in->tx, a->arena, &outgoing);
}

/* First the account's row: what is looked at stays as it is until the end. */
static enum st look(struct arriving *in)
{
    uint64_t modseq;
    uint64_t bytes_used;
    enum st st =
        store_account_advance(in->tx, in->a->person->account_id, 0, 0, &modseq, &bytes_used);

    if (st == ST_OK)
        st = find_calendars(in);
    if (st == ST_OK)
        st = find_stored(in);
    if (st == ST_OK)
        look_out(in);
    return st;
}

enum st calendar_schedule_arrive(struct store_tx *tx, const struct calendar_arrival *a,
                                 struct ical_error *error_r)
{
    struct arriving in = {.a = a, .tx = tx, .uid = uid_of(a->message), .error = error_r};
    enum st st = look(&in);

    if (st != ST_OK)
        return st;
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
        st = send_answers(&in);
    return st == ST_OK ? note(&in) : st;
}

enum st calendar_schedule_undelivered(struct store_tx *tx, const struct calendar_arrival *a,
                                      const struct calendar_itip_failure *failure,
                                      struct ical_error *error_r)
{
    struct arriving in = {.a = a, .tx = tx, .uid = uid_of(a->message), .error = error_r};
    struct ical_comp *store = NULL;
    enum st st = look(&in);

    if (st != ST_OK || in.stored == NULL || in.old.calendar_id == STORE_EVENT_UNSEEN)
        return st;
    in.result.method = CALENDAR_ITIP_REPLY; /* like one, it leaves the schedule tag */
    st = calendar_itip_undelivered(&in.world, in.stored, failure, &store, error_r);
    return st == ST_OK && store != NULL ? store_object(&in, store) : st;
}

/* --- many at once --- */

struct hearing {
    struct arriving in;
    struct calendar_arrival arrival; /* of the reply that is being heard */
    struct calendar_itip_hearing *hearing;
    struct ical_comp *store;           /* what they made of the object; NULL: nothing */
    struct store_calendar_line *lines; /* for the record */
    size_t count;
    struct store_event *came; /* into the inbox */
    size_t came_count;
    struct store_event *there; /* in it */
    size_t there_count, there_cap;
};

/* --- many into the inbox --- */

static enum st note_there(void *ctx, const struct store_event *event)
{
    struct hearing *h = ctx;

    if (h->there_count == h->there_cap)
        h->there = arena_grow(h->arrival.arena, h->there, h->there_count, &h->there_cap,
                              sizeof(*h->there));
    h->there[h->there_count] = *event;
    h->there[h->there_count++].name = arena_copy(h->arrival.arena, event->name);
    return ST_OK;
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct store_event *)a)->name, ((const struct store_event *)b)->name);
}

static int by_modseq(const void *a, const void *b)
{
    const struct store_event *x = a, *y = b;

    return (x->modseq > y->modseq) - (x->modseq < y->modseq);
}

/* Those that are there already, and of the same the later ones, are left out. */
static void drop_known(struct hearing *h)
{
    size_t kept = 0;

    for (size_t i = 0; i < h->came_count; i++) {
        bool known = h->there_count > 0 && bsearch(&h->came[i], h->there, h->there_count,
                                                   sizeof(*h->there), by_name) != NULL;

        for (size_t j = 0; !known && j < kept; j++)
            known = slice_eq(h->came[j].name, h->came[i].name);
        if (!known)
            h->came[kept++] = h->came[i];
    }
    h->came_count = kept;
}

/* As put_into_inbox(), for all that came. */
static enum st put_all_into_inbox(struct hearing *h)
{
    size_t most = conf_get()->calendar_inbox_max;
    enum st st = store_event_each(h->in.tx, h->in.inbox.calendar_id, false, note_there, h);

    if (st != ST_OK)
        return st;
    if (h->there_count > 0)
        qsort(h->there, h->there_count, sizeof(*h->there), by_name);
    drop_known(h);
    if (h->came_count > most) { /* the newest of them */
        h->came += h->came_count - most;
        h->came_count = most;
    }
    if (h->there_count > 0)
        qsort(h->there, h->there_count, sizeof(*h->there), by_modseq);
    size_t all = h->there_count + h->came_count;
    return store_event_exchange(h->in.tx, quota_of(&h->in), h->came, h->came_count, h->there,
                                all > most ? all - most : 0);
}

static void note_line(struct hearing *h)
{
    h->lines[h->count++] = (struct store_calendar_line){
        .at_ms = h->arrival.now_ms,
        .uid = h->in.uid,
        .text = arena_copy(h->arrival.arena, slice_str(h->in.result.line.text))};
}

static enum st hear(struct hearing *h, const struct calendar_reply *reply)
{
    struct arriving *in = &h->in;
    struct ical_error error = {0};

    h->arrival.message = reply->message;
    h->arrival.text = reply->text;
    h->arrival.sender = reply->sender;
    enum st st = calendar_itip_hear(h->hearing, reply->message, reply->sender, &in->result, &error);
    if (st == ST_INVALID) {
        in->result = (struct calendar_itip_result){0};
        ical_error_set(&in->result.line, 0, "REPLY from %.*s to %.*s: %s",
                       (int)(reply->sender.len < 60 ? reply->sender.len : 60), reply->sender.ptr,
                       SLICE_ARG(h->arrival.address), error.text);
        log_event(EV_CALENDAR_MESSAGE_REFUSED, 0, LOG_S("sender", reply->sender),
                  LOG_S("rcpt", h->arrival.address), LOG_C("why", error.text));
        st = ST_OK;
    }
    if (in->result.store != NULL)
        h->store = in->result.store;
    if (in->result.inbox && in->a->person->kind == DIRECTORY_PERSON_HUMAN)
        h->came[h->came_count++] = copy_of(in);
    if (st == ST_OK)
        st = send_answers(in);
    note_line(h);
    return st;
}

enum st calendar_schedule_replies(struct store_tx *tx, const struct calendar_arrival *common,
                                  const struct calendar_reply *replies, size_t count,
                                  struct ical_error *error_r)
{
    struct hearing h = {.arrival = *common};

    if (count == 0)
        return ST_OK;
    h.arrival.message = replies[0].message;
    h.lines = arena_many(common->arena, struct store_calendar_line, count);
    h.came = arena_many(common->arena, struct store_event, count);
    h.in = (struct arriving){
        .a = &h.arrival, .tx = tx, .uid = uid_of(replies[0].message), .error = error_r};
    enum st st = look(&h.in);
    if (st == ST_OK)
        st = calendar_itip_hearing_new(&h.in.world, common->policy, h.in.stored, &h.hearing,
                                       error_r);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = hear(&h, &replies[i]);
    h.in.result.method = CALENDAR_ITIP_REPLY;
    if (st == ST_OK && h.store != NULL)
        st = store_object(&h.in, h.store);
    if (st == ST_OK && h.came_count > 0)
        st = put_all_into_inbox(&h);
    return st != ST_OK ? st
                       : store_calendar_log_many(tx, common->person->account_id, h.lines, h.count);
}
