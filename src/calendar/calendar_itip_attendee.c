/* An attendee's change: what RFC 6638 section 3.2.2.1 allows, and the REPLY it sends. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

struct answerer {
    struct itip_set *before, *after;
    struct arena *arena;
    struct ical_error *error;
    struct ical_comp **replies; /* components of the REPLY */
    size_t count;
    int64_t stamp_s;
};

static enum st refuse(struct answerer *a, const char *what)
{
    ical_error_set(a->error, 0, "An attendee may not change %s; that is the organizer's.", what);
    return ST_DENIED;
}

/* What the organizer's part is that this one stands for: itself, or the series. */
static const struct itip_part *origin(const struct itip_set *before, const struct itip_part *part)
{
    const struct itip_part *old = calendar_itip_set_find(before, part);

    return old != NULL ? old : calendar_itip_set_cover(before, part);
}

static bool same_text(struct arena *arena, const struct ical_comp *a, const struct ical_comp *b,
                      enum ical_prop_id id)
{
    return slice_eq(slice_trim(ical_text_decode(arena, ical_prop_value(a, id))),
                    slice_trim(ical_text_decode(arena, ical_prop_value(b, id))));
}

/* The same people are invited; what is said of others is put back. */
static enum st put_back(struct answerer *a, const struct ical_comp *old, struct ical_comp *new,
                        bool own_part)
{
    struct itip_people olds = calendar_itip_people(a->arena, old);
    struct itip_people news = calendar_itip_people(a->arena, new);

    if (olds.count != news.count)
        return refuse(a, "who is invited");
    for (size_t i = 0; i < news.count; i++) {
        struct ical_prop *prop = news.at[i].prop;
        const struct ical_prop *was = olds.at[i].prop;
        const struct ical_param *seen;

        if (!slice_eq(olds.at[i].address, news.at[i].address))
            return refuse(a, "who is invited");
        if (!calendar_itip_is_own(a->after->world, prop)) {
            calendar_itip_params_copy(a->arena, prop, was);
            continue;
        }
        ical_param_remove(prop, CALENDAR_ITIP_REPLIED);
        ical_param_remove(prop, CALENDAR_ITIP_ANSWERED);
        if (own_part && (seen = ical_param_find(was, CALENDAR_ITIP_REPLIED)) != NULL)
            ical_param_set(a->arena, prop, CALENDAR_ITIP_REPLIED, seen->values[0].text);
        if (own_part && (seen = ical_param_find(was, CALENDAR_ITIP_ANSWERED)) != NULL)
            ical_param_set(a->arena, prop, CALENDAR_ITIP_ANSWERED, seen->values[0].text);
    }
    return ST_OK;
}

/* RDATEs are the organizer's; EXDATEs may come but not go. */
static enum st check_dates(struct answerer *a, const struct ical_comp *old,
                           const struct ical_comp *new)
{
    static const enum ical_prop_id ids[] = {ICAL_RDATE, ICAL_EXDATE};

    for (size_t k = 0; k < COUNT(ids); k++) {
        struct itip_times had = {0}, has = {0};

        calendar_itip_times(a->before, old, ids[k], &had);
        calendar_itip_times(a->after, new, ids[k], &has);
        for (size_t i = 0; i < had.count; i++)
            if (!calendar_itip_times_has(&has, had.at[i]))
                return refuse(a, ical_prop_name(ids[k]));
        for (size_t i = 0; k == 0 && i < has.count; i++)
            if (!calendar_itip_times_has(&had, has.at[i]))
                return refuse(a, ical_prop_name(ids[k]));
    }
    return ST_OK;
}

static enum st check_part(struct answerer *a, struct itip_part *part)
{
    static const enum ical_prop_id texts[] = {ICAL_SUMMARY, ICAL_LOCATION, ICAL_DESCRIPTION,
                                              ICAL_STATUS,  ICAL_GEO,      ICAL_RESOURCES};
    const struct itip_part *from = origin(a->before, part);
    const struct ical_comp *time;
    struct slice reset;
    bool own_part;
    enum st st;

    if (from == NULL)
        return refuse(a, "RECURRENCE-ID");
    own_part =
        from->master == part->master && from->id_s == part->id_s && from->future == part->future;
    time = own_part ? from->comp : calendar_itip_set_instance(a->before, part->id_s, true);
    if (time == NULL || !slice_eq(calendar_itip_timing(a->before, time),
                                  calendar_itip_timing(a->after, part->comp)))
        return refuse(a, "the time");
    for (size_t i = 0; i < COUNT(texts); i++)
        if ((texts[i] != ICAL_STATUS || part->comp->id != ICAL_VTODO) &&
            !same_text(a->arena, from->comp, part->comp, texts[i]))
            return refuse(a, ical_prop_name(texts[i]));
    if (part->master && (st = check_dates(a, from->comp, part->comp)) != ST_OK)
        return st;
    calendar_itip_version_set(a->arena, part, from->version);
    if (from->version.sequence == 0 && ical_prop_find(from->comp, ICAL_SEQUENCE) == NULL)
        ical_prop_remove_all(part->comp, ICAL_SEQUENCE);
    reset = calendar_itip_other(from->comp, CALENDAR_ITIP_RESET);
    calendar_itip_other_remove(part->comp, CALENDAR_ITIP_RESET);
    if (reset.len > 0)
        calendar_itip_prop_other(a->arena, part->comp, CALENDAR_ITIP_RESET, reset);
    return put_back(a, from->comp, part->comp, own_part);
}

static struct slice partstat(const struct ical_prop *own)
{
    struct slice text = own != NULL ? ical_param_text(own, "PARTSTAT") : SLICE("");

    return text.len > 0 ? text : SLICE("NEEDS-ACTION");
}

/* What a REPLY says of the part (RFC 5546 section 3.2.3). own becomes its only ATTENDEE. */
static struct ical_comp *make_reply(struct answerer *a, const struct ical_comp *from,
                                    const struct ical_prop *own, struct itip_version version,
                                    struct slice answer)
{
    static const enum ical_prop_id ids[] = {
        ICAL_UID,     ICAL_RECURRENCE_ID, ICAL_ORGANIZER, ICAL_DTSTART,          ICAL_DTEND,
        ICAL_DUE,     ICAL_DURATION,      ICAL_SUMMARY,   ICAL_PERCENT_COMPLETE, ICAL_COMPLETED,
        ICAL_COMMENT,
    };
    struct ical_comp *whole = ical_comp_new(a->arena, from->id), *reply;
    struct itip_part part = {.comp = whole};
    struct ical_prop *attendee;

    for (size_t i = 0; i < COUNT(ids); i++) {
        const struct ical_prop *prop = ical_prop_find(from, ids[i]);

        if (prop == NULL)
            continue;
        struct ical_prop *copy = ical_prop_add(a->arena, whole, ids[i], prop->value);
        calendar_itip_params_copy(a->arena, copy, prop);
    }
    attendee = ical_prop_add(a->arena, whole, ICAL_ATTENDEE, own->value);
    calendar_itip_params_copy(a->arena, attendee, own);
    ical_param_set(a->arena, attendee, "PARTSTAT", answer);
    ical_prop_add(a->arena, whole, ICAL_SEQUENCE, SLICE("0"));
    ical_prop_add(a->arena, whole, ICAL_REQUEST_STATUS, SLICE("2.0;Success"));
    version.stamp_s = a->stamp_s;
    calendar_itip_version_set(a->arena, &part, version);
    reply = calendar_itip_public(a->arena, whole);
    a->replies[a->count++] = reply;
    return reply;
}

static void note_answer(struct answerer *a, struct ical_prop *own, uint64_t sequence)
{
    ical_param_set(a->arena, own, CALENDAR_ITIP_REPLIED, calendar_itip_stamp(a->arena, a->stamp_s));
    ical_param_set(a->arena, own, CALENDAR_ITIP_ANSWERED, calendar_itip_number(a->arena, sequence));
}

static void answer_part(struct answerer *a, struct itip_part *part)
{
    const struct itip_part *from = origin(a->before, part);
    struct ical_prop *own = calendar_itip_own(a->after->world, part->comp);
    const struct ical_prop *was =
        from != NULL ? calendar_itip_own(a->before->world, from->comp) : NULL;
    bool forced;

    if (own == NULL || calendar_itip_cancelled(part->comp))
        return;
    struct ical_prop *organizer = ical_prop_find(part->comp, ICAL_ORGANIZER);
    forced = organizer != NULL && ical_param_find(organizer, "SCHEDULE-FORCE-SEND") != NULL;
    if (organizer != NULL)
        ical_param_remove(organizer, "SCHEDULE-FORCE-SEND");
    if (from == NULL && slice_ieq(partstat(own), SLICE("NEEDS-ACTION")))
        return;
    if (!forced && from != NULL && slice_ieq(partstat(own), partstat(was)))
        return;
    make_reply(a, part->comp, own, part->version, partstat(own));
    note_answer(a, own, part->version.sequence);
}

/* Instances that the attendee took out by EXDATE are declined, and stay out when the organizer
 * sends the series anew. */
static void decline_left(struct answerer *a)
{
    struct itip_part *old = calendar_itip_set_master(a->before);
    struct itip_part *new = calendar_itip_set_master(a->after);
    struct itip_times had = {0}, has = {0};
    uint64_t work = 0;

    if (old == NULL || new == NULL)
        return;
    struct ical_prop *own = calendar_itip_own(a->after->world, new->comp);
    calendar_itip_times(a->before, old->comp, ICAL_EXDATE, &had);
    calendar_itip_times(a->after, new->comp, ICAL_EXDATE, &has);
    calendar_itip_other_remove(new->comp, CALENDAR_ITIP_LEFT);
    for (const struct ical_prop *prop = old->comp->props; prop != NULL; prop = prop->next)
        if (slice_ieq(prop->name, SLICE(CALENDAR_ITIP_LEFT)))
            calendar_itip_params_copy(
                a->arena,
                calendar_itip_prop_other(a->arena, new->comp, CALENDAR_ITIP_LEFT, prop->value),
                prop);
    for (size_t i = 0; own != NULL && i < has.count; i++) {
        struct itip_part key = {.id_s = has.at[i]};
        const struct itip_part *part = calendar_itip_set_find(a->before, &key);
        struct ical_comp *instance;

        if (calendar_itip_times_has(&had, has.at[i]) || ++work > 1000 ||
            (part != NULL && calendar_itip_cancelled(part->comp)))
            continue;
        instance =
            part != NULL ? part->comp : calendar_itip_set_instance(a->before, has.at[i], false);
        if (instance == NULL)
            continue;
        const struct itip_version version = part != NULL ? part->version : new->version;
        make_reply(a, instance, own, version, SLICE("DECLINED"));
        note_answer(a,
                    calendar_itip_prop_other(a->arena, new->comp, CALENDAR_ITIP_LEFT,
                                             calendar_itip_stamp(a->arena, has.at[i])),
                    version.sequence);
    }
}

/* DTSTAMPs of replies go up whatever the clock does. */
static int64_t next_stamp(const struct itip_set *before)
{
    int64_t stamp_s = before->world->now_s;

    for (size_t i = 0; i < before->count; i++) {
        const struct ical_comp *comp = before->parts[i].comp;
        const struct ical_prop *own = calendar_itip_own(before->world, comp);

        for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next) {
            int64_t last_s = INT64_MIN;

            if (prop == own || slice_ieq(prop->name, SLICE(CALENDAR_ITIP_LEFT)))
                last_s = calendar_itip_stamp_read(ical_param_text(prop, CALENDAR_ITIP_REPLIED));
            if (last_s >= stamp_s)
                stamp_s = last_s + 1;
        }
    }
    return stamp_s;
}

/* The memory holds the answer, too: what says nothing new to whom declined does not bring it back.
 */
static void decline_all(struct answerer *a, struct calendar_itip_sent *sent)
{
    for (size_t i = 0; i < a->before->count; i++) {
        struct itip_part *part = &a->before->parts[i];
        struct ical_prop *own = calendar_itip_own(a->before->world, part->comp);

        calendar_itip_prop_other(a->arena, part->comp, CALENDAR_ITIP_HIDDEN, SLICE("1"));
        if (own == NULL || calendar_itip_cancelled(part->comp))
            continue;
        if (!slice_ieq(partstat(own), SLICE("DECLINED")) ||
            ical_param_find(own, CALENDAR_ITIP_ANSWERED) == NULL) {
            make_reply(a, part->comp, own, part->version, SLICE("DECLINED"));
            note_answer(a, own, part->version.sequence);
        }
        ical_param_set(a->arena, own, "PARTSTAT", SLICE("DECLINED"));
    }
    sent->memory = a->before->vcalendar;
}

static void send_reply(struct answerer *a, struct calendar_itip_sent *sent)
{
    const struct itip_set *set = a->after->organizer != NULL ? a->after : a->before;
    struct ical_comp *vcalendar;

    if (a->count == 0 || set->organizer == NULL)
        return;
    vcalendar = calendar_itip_envelope(set, CALENDAR_ITIP_REPLY,
                                       (const struct ical_comp *const *)a->replies, a->count);
    for (size_t i = 0; i < a->count; i++)
        ical_comp_add(vcalendar, a->replies[i]);
    calendar_itip_message_add(a->arena, &sent->messages, CALENDAR_ITIP_REPLY,
                              calendar_address_prop(a->arena, set->organizer), vcalendar);
}

/* An override that the attendee merely takes away is the organizer's still. */
static enum st check_lost(struct answerer *a)
{
    struct itip_part *master = calendar_itip_set_master(a->after);
    struct itip_times has = {0};

    if (master != NULL)
        calendar_itip_times(a->after, master->comp, ICAL_EXDATE, &has);
    for (size_t i = 0; i < a->before->count; i++) {
        struct itip_part *part = &a->before->parts[i];

        if (calendar_itip_set_find(a->after, part) != NULL)
            continue;
        if (part->master)
            return refuse(a, "the series");
        if (master != NULL && !calendar_itip_times_has(&has, part->id_s) &&
            !calendar_itip_cancelled(part->comp))
            return refuse(a, "which instances there are");
    }
    return ST_OK;
}

enum st calendar_itip_attendee(struct itip_set *before, struct itip_set *after,
                               struct calendar_itip_sent *sent, struct ical_error *error)
{
    struct arena *arena = before->world->arena;
    struct answerer a = {before, after, arena, error, NULL, 0, next_stamp(before)};
    enum st st = ST_OK;

    a.replies = arena_many(arena, struct ical_comp *, before->count + after->count + 1001);
    if (after->count == 0) {
        decline_all(&a, sent);
        send_reply(&a, sent);
        return ST_OK;
    }
    if (before->organizer != NULL) {
        for (size_t i = 0; i < after->count && st == ST_OK; i++)
            st = check_part(&a, &after->parts[i]);
        if (st == ST_OK)
            st = check_lost(&a);
    }
    if (st != ST_OK) {
        sent->fault = CALENDAR_ATTENDEE_CHANGE;
        return st;
    }
    for (size_t i = 0; i < after->count; i++)
        answer_part(&a, &after->parts[i]);
    decline_left(&a);
    calendar_itip_left_undo(after->world, after->tz, after->parts, after->count);
    send_reply(&a, sent);
    return ST_OK;
}
