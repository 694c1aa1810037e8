/* REQUEST, ADD and CANCEL in an attendee's object (RFC 5546 sections 3.2.2, 3.2.4, 3.2.5).
 *
 * The object is a map: RECURRENCE-ID -> component with its version (SEQUENCE, DTSTAMP), and the
 * later version wins. A series, and an override of this and the future, also stand for the
 * instances they cover: what is older than they are goes. So the order of messages does not matter.
 * What was cancelled stays as STATUS:CANCELLED, that its version is known. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

#include <stdlib.h>

#define KEPT_PROPS_MAX 1000000 /* copied at most for instances that the attendee answered alone */

struct merge {
    struct itip_incoming *in;
    struct arena *arena;
    struct itip_part *parts; /* the new object */
    size_t count;
    size_t stale, known, strangers, applied;
    struct itip_part *master; /* of the message, accepted */
    uint64_t kept_props;
};

static bool is_cancel(const struct merge *m)
{
    return m->in->result->method == CALENDAR_ITIP_CANCEL;
}

static struct itip_version later(struct itip_version a, struct itip_version b)
{
    return calendar_itip_version_cmp(a, b) >= 0 ? a : b;
}

/* The version of what covers the part: the series, and this-and-future before it. *at: where the
 * overrides of the set were passed so far, *future: the latest of those; both sides are sorted. */
struct cover {
    const struct itip_set *set;
    size_t at;
    bool any;
    struct itip_version version;
};

static void cover_init(struct cover *cover, const struct itip_set *set)
{
    const struct itip_part *master = calendar_itip_set_master(set);

    *cover = (struct cover){.set = set};
    if (master == NULL)
        return;
    *cover = (struct cover){set, 1, true, master->version};
}

static void cover_until(struct cover *cover, const struct itip_part *part)
{
    for (; cover->at < cover->set->count && cover->set->parts[cover->at].id_s <= part->id_s;
         cover->at++) {
        const struct itip_part *at = &cover->set->parts[cover->at];

        if (!at->future || at->comp == NULL || (at->id_s == part->id_s && part->future))
            continue;
        cover->version = cover->any ? later(cover->version, at->version) : at->version;
        cover->any = true;
    }
}

/* 1: newer than all that is known; 0: known; -1: older. */
static int judge(const struct merge *m, struct cover *cover, const struct itip_part *part)
{
    const struct itip_part *old = calendar_itip_set_find(&m->in->stored, part);
    int order;

    if (old != NULL && (order = calendar_itip_version_cmp(part->version, old->version)) <= 0)
        return order;
    if (part->master)
        return 1;
    cover_until(cover, part);
    if (!cover->any)
        return 1;
    order = calendar_itip_version_cmp(part->version, cover->version);
    if (order < 0)
        return -1;
    return order == 0 && is_cancel(m) ? 0 : 1; /* the series of that moment knows it */
}

/* Whether the organizer says that the answer is void: all were asked anew, or this one was. */
static bool is_void(const struct merge *m, const struct ical_comp *comp, uint64_t answered)
{
    const struct ical_prop *own = calendar_itip_own(m->in->world, comp);
    uint64_t since;

    return (slice_to_u64(calendar_itip_other(comp, CALENDAR_ITIP_RESET), &since) == ST_OK &&
            since > answered) ||
           (own != NULL &&
            slice_to_u64(ical_param_text(own, CALENDAR_ITIP_SINCE), &since) == ST_OK &&
            since > answered);
}

/* Whether the organizer undid the this-and-future that was answered, and split the series there
 * once more. */
static bool is_other_split(const struct itip_part *old, const struct itip_part *new,
                           uint64_t answered)
{
    uint64_t since;

    return new->future && old->future &&
           old->id_s ==
               new->id_s &&slice_to_u64(calendar_itip_other(new->comp, CALENDAR_ITIP_SPLIT),
                                        &since) == ST_OK &&since > answered;
}

/* Whether what the attendee answered holds for the new component, too. */
static bool answer_holds(const struct merge *m, const struct itip_part *old,
                         const struct ical_prop *own, const struct itip_part *new)
{
    const struct itip_set *stored = &m->in->stored;
    const struct ical_comp *time = old->comp;
    uint64_t answered;

    if (slice_to_u64(ical_param_text(own, CALENDAR_ITIP_ANSWERED), &answered) != ST_OK ||
        is_void(m, new->comp, answered) || is_other_split(old, new, answered))
        return false;
    if (calendar_itip_other(new->comp, CALENDAR_ITIP_RESET).len > 0)
        return true;
    if (!new->master && (old->master || old->id_s != new->id_s || old->future != new->future))
        time = calendar_itip_set_instance(stored, new->id_s, true);
    return time != NULL && slice_eq(calendar_itip_timing(stored, time),
                                    calendar_itip_timing(&m->in->message, new->comp));
}

static void copy_param(struct arena *arena, struct ical_prop *to, const struct ical_prop *from,
                       const char *name)
{
    const struct ical_param *param = ical_param_find(from, name);

    if (param != NULL)
        ical_param_set(arena, to, name, param->values[0].text);
}

static void copy_answer(const struct merge *m, struct ical_prop *own, const struct ical_prop *was)
{
    copy_param(m->arena, own, was, "PARTSTAT");
    copy_param(m->arena, own, was, CALENDAR_ITIP_ANSWERED);
}

static bool keep_declined(const struct merge *m, struct ical_prop *own, const struct itip_part *new)
{
    const struct itip_part *series = calendar_itip_set_master(&m->in->stored);
    const struct ical_prop *out = series != NULL && !new->master && !new->future
                                      ? calendar_itip_left(series->comp, new->id_s)
                                      : NULL;

    if (out == NULL || !answer_holds(m, series, out, new))
        return false;
    copy_answer(m, own, out);
    copy_param(m->arena, own, out, CALENDAR_ITIP_REPLIED);
    ical_param_set(m->arena, own, "PARTSTAT", SLICE("DECLINED"));
    return true;
}

/* The series or this-and-future that the part belongs to: as accepted (by id), or as stored. */
static const struct itip_part *cover_of(const struct merge *m, const struct itip_part *part)
{
    const struct itip_set accepted = {
        .parts = m->parts, .count = m->count, .splits = m->in->message.splits};
    const struct itip_part *cover = calendar_itip_set_cover(&accepted, part);

    return cover != NULL ? cover : calendar_itip_set_cover(&m->in->stored, part);
}

/* Of an instance that was not answered by itself the answer is that to the series. */
static void keep_answer(const struct merge *m, const struct itip_part *old, struct itip_part *new)
{
    const struct itip_part *series = cover_of(m, new);
    struct ical_prop *own = calendar_itip_own(m->in->world, new->comp);
    const struct ical_prop *was = calendar_itip_own(m->in->world, old->comp);
    uint64_t answered;

    if (own == NULL)
        return;
    if (was != NULL)
        copy_param(m->arena, own, was, CALENDAR_ITIP_REPLIED);
    if ((old->master || old->future || was == NULL ||
         ical_param_find(was, CALENDAR_ITIP_ANSWERED) == NULL) &&
        keep_declined(m, own, new))
        return;
    if (was != NULL && answer_holds(m, old, was, new)) {
        copy_answer(m, own, was);
        return;
    }
    if (new->master || series == NULL || ical_param_find(own, CALENDAR_ITIP_FOLLOWS) == NULL ||
        (was = calendar_itip_own(m->in->world, series->comp)) == NULL ||
        slice_to_u64(ical_param_text(was, CALENDAR_ITIP_ANSWERED), &answered) != ST_OK ||
        is_void(m, new->comp, answered))
        return;
    copy_answer(m, own, was);
}

static bool personal(const struct ical_prop *prop)
{
    return prop->id == ICAL_CATEGORIES || prop->id == ICAL_COLOR ||
           prop->id == ICAL_PERCENT_COMPLETE || prop->id == ICAL_COMPLETED ||
           prop->id == ICAL_TRANSP || slice_istarts(prop->name, SLICE("X-MOZ-")) ||
           slice_istarts(prop->name, SLICE("X-EVOLUTION-")) ||
           slice_istarts(prop->name, SLICE(CALENDAR_ITIP_LEFT));
}

static void keep_personal(const struct merge *m, const struct itip_part *old, struct itip_part *new)
{
    static const enum ical_prop_id ids[] = {ICAL_CATEGORIES, ICAL_COLOR, ICAL_PERCENT_COMPLETE,
                                            ICAL_COMPLETED, ICAL_TRANSP};
    const struct ical_prop *organizer = ical_prop_find(old->comp, ICAL_ORGANIZER);
    struct ical_prop *its = ical_prop_find(new->comp, ICAL_ORGANIZER);

    for (size_t i = 0; i < COUNT(ids); i++)
        if (ical_prop_find(old->comp, ids[i]) != NULL)
            ical_prop_remove_all(new->comp, ids[i]);
    for (const struct ical_prop *prop = old->comp->props; prop != NULL; prop = prop->next) {
        struct ical_prop *copy;

        if (!personal(prop))
            continue;
        copy = calendar_itip_prop_other(m->arena, new->comp, "", prop->value);
        copy->id = prop->id;
        copy->name = prop->name;
        calendar_itip_params_copy(m->arena, copy, prop);
    }
    for (const struct ical_comp *sub = old->comp->comps; sub != NULL; sub = sub->next)
        ical_comp_add(new->comp, ical_comp_copy(m->arena, sub));
    if (organizer != NULL && its != NULL) {
        copy_param(m->arena, its, organizer, "SCHEDULE-AGENT");
        copy_param(m->arena, its, organizer, "SCHEDULE-STATUS");
    }
}

/* Whether he is not asked anew, neither by the series nor by this-and-future over the instance. */
static bool left_holds(const struct merge *m, const struct itip_part *old,
                       const struct ical_prop *left, const struct itip_part *master)
{
    const struct itip_part key = {.id_s = calendar_itip_stamp_read(left->value)};
    const struct itip_part *cover = cover_of(m, &key);
    uint64_t answered;

    if (!answer_holds(m, old, left, master))
        return false;
    return cover == NULL || !cover->future ||
           (slice_to_u64(ical_param_text(left, CALENDAR_ITIP_ANSWERED), &answered) == ST_OK &&
            !is_void(m, cover->comp, answered));
}

/* Instances that the attendee took out of the series stay out, unless he is asked anew. */
static void keep_left(const struct merge *m, const struct itip_part *old, struct itip_part *master)
{
    struct itip_times out = {0};
    struct ical_prop **at = &master->comp->props;

    calendar_itip_times(&m->in->message, master->comp, ICAL_EXDATE, &out);
    while (*at != NULL) {
        struct ical_prop *prop = *at;
        int64_t left_s = calendar_itip_stamp_read(prop->value);
        const struct ical_comp *instance;

        if (!slice_ieq(prop->name, SLICE(CALENDAR_ITIP_LEFT)) || left_s == INT64_MIN) {
            at = &prop->next;
            continue;
        }
        if (!left_holds(m, old, prop, master)) {
            *at = prop->next;
            continue;
        }
        at = &prop->next;
        instance = calendar_itip_times_has(&out, left_s)
                       ? NULL
                       : calendar_itip_set_instance(&m->in->message, left_s, true);
        if (instance != NULL && ical_prop_find(instance, ICAL_DTSTART) != NULL)
            calendar_itip_date_add(m->arena, master->comp, ICAL_EXDATE,
                                   ical_prop_find(instance, ICAL_DTSTART));
    }
    master->comp->props_end = at;
}

/* What others sent of our own kind of notes is not believed, but for what answers are void. */
static bool believed(const struct ical_prop *prop)
{
    return slice_ieq(prop->name, SLICE(CALENDAR_ITIP_RESET)) ||
           slice_ieq(prop->name, SLICE(CALENDAR_ITIP_SPLIT));
}

static void clean(struct ical_comp *comp, bool cancel)
{
    struct ical_prop **at = &comp->props;

    comp->comps = NULL; /* nobody sets alarms for others */
    comp->comps_end = &comp->comps;
    while (*at != NULL) {
        struct ical_prop *prop = *at;

        if (slice_istarts(prop->name, SLICE("X-POSTHORSE-")) && (cancel || !believed(prop))) {
            *at = prop->next;
            continue;
        }
        if (prop->id == ICAL_ATTENDEE) {
            ical_param_remove(prop, CALENDAR_ITIP_REPLIED);
            ical_param_remove(prop, CALENDAR_ITIP_ANSWERED);
        }
        at = &prop->next;
    }
    comp->props_end = at;
}

/* What the attendee answered stays known of what is cancelled. */
static void keep_memory(const struct merge *m, const struct itip_part *old,
                        const struct ical_prop *own, struct itip_part *new)
{
    struct ical_prop *its = calendar_itip_own(m->in->world, new->comp);

    if (ical_param_find(own, CALENDAR_ITIP_ANSWERED) != NULL) {
        copy_answer(m, its, own);
        copy_param(m->arena, its, own, CALENDAR_ITIP_REPLIED);
    }
    for (const struct ical_prop *prop = old->comp->props; prop != NULL; prop = prop->next)
        if (slice_ieq(prop->name, SLICE(CALENDAR_ITIP_LEFT)))
            calendar_itip_params_copy(
                m->arena,
                calendar_itip_prop_other(m->arena, new->comp, CALENDAR_ITIP_LEFT, prop->value),
                prop);
}

/* A CANCEL may say no more than which (RFC 5546 section 3.2.5). */
static void fill_cancelled(const struct merge *m, const struct itip_part *old,
                           struct itip_part *new)
{
    static const enum ical_prop_id ids[] = {ICAL_SUMMARY, ICAL_LOCATION, ICAL_ORGANIZER};
    static const enum ical_prop_id times[] = {ICAL_DTSTART, ICAL_DTEND, ICAL_DUE,   ICAL_DURATION,
                                              ICAL_RRULE,   ICAL_RDATE, ICAL_EXDATE};
    const struct ical_comp *when = old != NULL ? old->comp : NULL;
    const struct ical_prop *own = old != NULL ? calendar_itip_own(m->in->world, old->comp) : NULL;

    ical_prop_set(m->arena, new->comp, ICAL_STATUS, SLICE("CANCELLED"));
    for (size_t i = 0; old != NULL && i < COUNT(ids); i++) {
        const struct ical_prop *prop = ical_prop_find(old->comp, ids[i]);

        if (prop != NULL && ical_prop_find(new->comp, ids[i]) == NULL)
            calendar_itip_date_add(m->arena, new->comp, ids[i], prop);
    }
    if (own != NULL && calendar_itip_own(m->in->world, new->comp) == NULL)
        calendar_itip_date_add(m->arena, new->comp, ICAL_ATTENDEE, own);
    if (own != NULL && old->master == new->master) /* it may be called on again */
        keep_memory(m, old, own, new);
    if (ical_prop_find(new->comp, ICAL_DTSTART) != NULL)
        return;
    if (old != NULL && old->master && !new->master)
        when = calendar_itip_set_instance(&m->in->stored, new->id_s, true);
    for (size_t i = 0; when != NULL && i < COUNT(times); i++) {
        const struct ical_prop *prop = ical_prop_find(when, times[i]);

        if (prop != NULL && ical_prop_find(new->comp, times[i]) == NULL)
            calendar_itip_date_add(m->arena, new->comp, times[i], prop);
    }
    if (ical_prop_find(new->comp, ICAL_DTSTART) == NULL && !new->master)
        calendar_itip_date_add(m->arena, new->comp, ICAL_DTSTART,
                               ical_prop_find(new->comp, ICAL_RECURRENCE_ID));
    if (ical_prop_find(new->comp, ICAL_DTSTART) == NULL)
        ical_prop_add(m->arena, new->comp, ICAL_DTSTART,
                      calendar_itip_stamp(m->arena, new->version.stamp_s));
}

static bool time_changed(const struct merge *m, const struct itip_part *old,
                         const struct itip_part *new)
{
    return old == NULL || old->master != new->master ||
           calendar_itip_cancelled(old->comp) != calendar_itip_cancelled(new->comp) ||
           !slice_eq(calendar_itip_timing(&m->in->stored, old->comp),
                     calendar_itip_timing(&m->in->message, new->comp)) ||
           !slice_eq(calendar_itip_dates(&m->in->stored, old->comp),
                     calendar_itip_dates(&m->in->message, new->comp));
}

/* What the attendee deleted stays unseen while that he declined holds. */
static void keep_hidden(const struct merge *m, const struct itip_part *old, struct itip_part *new)
{
    const struct ical_prop *own = calendar_itip_own(m->in->world, new->comp);

    if (own != NULL && calendar_itip_other(old->comp, CALENDAR_ITIP_HIDDEN).len > 0 &&
        ical_param_find(own, CALENDAR_ITIP_ANSWERED) != NULL &&
        slice_ieq(ical_param_text(own, "PARTSTAT"), SLICE("DECLINED")))
        calendar_itip_prop_other(m->arena, new->comp, CALENDAR_ITIP_HIDDEN, SLICE("1"));
}

static void accept(struct merge *m, struct itip_part *part)
{
    const struct itip_part *old = calendar_itip_set_find(&m->in->stored, part);
    bool same = old != NULL;

    if (old == NULL)
        old = calendar_itip_set_cover(&m->in->stored, part);
    clean(part->comp, is_cancel(m));
    ical_prop_remove_all(part->comp, ICAL_REQUEST_STATUS);
    if (is_cancel(m)) {
        fill_cancelled(m, old, part);
    } else if (old != NULL) {
        keep_answer(m, old, part);
        keep_hidden(m, old, part);
        if (same)
            keep_personal(m, old, part);
        if (part->master)
            keep_left(m, old, part);
    }
    calendar_itip_version_set(m->arena, part, part->version);
    m->in->result->changed_time |= time_changed(m, same ? old : NULL, part);
    m->parts[m->count++] = *part;
    m->applied++;
    if (part->master)
        m->master = part;
}

/* An instance that only the attendee knows, since he alone answered for it: as the new series has
 * it, with his answer. */
static bool rebuild(struct merge *m, const struct itip_set *accepted, const struct itip_part *old,
                    const struct itip_times *out)
{
    const struct ical_prop *was = calendar_itip_own(m->in->world, old->comp);
    const struct itip_part *cover = calendar_itip_set_cover(accepted, old);
    struct itip_part part = *old;
    struct ical_prop *own;
    uint64_t answered;

    if (was == NULL || old->future ||
        slice_to_u64(ical_param_text(was, CALENDAR_ITIP_ANSWERED), &answered) != ST_OK)
        return false;
    if (is_cancel(m)) { /* it may be called on again, by a REQUEST of the CANCEL's version */
        ical_prop_set(m->arena, part.comp, ICAL_STATUS, SLICE("CANCELLED"));
        m->parts[m->count++] = part;
        return true;
    }
    if (cover == NULL || calendar_itip_times_has(out, old->id_s) ||
        is_void(m, cover->comp, answered))
        return false;
    for (const struct ical_prop *prop = cover->comp->props; prop != NULL; prop = prop->next)
        m->kept_props++;
    if (m->kept_props > KEPT_PROPS_MAX)
        return false;
    part.comp = calendar_itip_set_instance(&m->in->message, old->id_s, false);
    if (part.comp == NULL || (own = calendar_itip_own(m->in->world, part.comp)) == NULL)
        return false;
    part.comp->comps = NULL;
    part.comp->comps_end = &part.comp->comps;
    copy_param(m->arena, own, was, "PARTSTAT");
    copy_param(m->arena, own, was, CALENDAR_ITIP_REPLIED);
    copy_param(m->arena, own, was, CALENDAR_ITIP_ANSWERED);
    keep_personal(m, old, &part);
    keep_hidden(m, old, &part);
    part.version = cover->version;
    m->parts[m->count++] = part;
    return true;
}

/* Whether the stored part stays beside what was accepted. */
static void keep_others(struct merge *m, const struct itip_set *accepted)
{
    const struct itip_set *stored = &m->in->stored;
    struct itip_times out = {0};
    struct cover cover;

    cover_init(&cover, accepted);
    if (m->master != NULL)
        calendar_itip_times(&m->in->message, m->master->comp, ICAL_EXDATE, &out);
    for (size_t i = 0; i < stored->count; i++) {
        const struct itip_part *part = &stored->parts[i];
        int order;

        if (calendar_itip_set_find(accepted, part) != NULL)
            continue;
        if (!part->master)
            cover_until(&cover, part);
        order = !part->master && cover.any ? calendar_itip_version_cmp(part->version, cover.version)
                                           : 1;
        if (order > 0 || (order == 0 && (!calendar_itip_cancelled(part->comp) || is_cancel(m))))
            m->parts[m->count++] = *part;
        else if (!rebuild(m, accepted, part, &out))
            m->in->result->changed_time = true;
    }
}

static bool invited(const struct merge *m, const struct itip_part *part)
{
    return m->in->policy->uninvited || calendar_itip_own(m->in->world, part->comp) != NULL;
}

/* A CANCEL may name nobody, or only others where the object is known; it is for us as a whole or
 * not at all, that hearing it again says the same. */
static bool cancels_ours(const struct merge *m)
{
    const struct itip_set *message = &m->in->message;
    bool ours = m->in->stored.count > 0;

    for (size_t i = 0; i < message->count && !ours; i++)
        ours = ical_prop_find(message->parts[i].comp, ICAL_ATTENDEE) == NULL ||
               invited(m, &message->parts[i]);
    return ours;
}

/* The parts of the message that say something new, in its own array; each judged by what was
 * stored, and none older than the series it came with. */
static void judge_all(struct merge *m, struct itip_set *accepted)
{
    struct itip_set *message = &m->in->message;
    bool all = is_cancel(m) && cancels_ours(m);
    struct cover cover;
    size_t kept = 0;

    cover_init(&cover, &m->in->stored);
    for (size_t i = 0; i < message->count; i++) {
        struct itip_part *part = &message->parts[i];
        int order;

        if (!all && !invited(m, part)) {
            m->strangers++;
            continue;
        }
        if (i > 0 && message->parts[0].master)
            part->version = later(part->version, message->parts[0].version);
        order = judge(m, &cover, part);
        m->stale += order < 0;
        m->known += order == 0;
        if (order > 0)
            accepted->parts[kept++] = *part;
    }
    accepted->count = kept;
    for (size_t i = 0; i < kept; i++)
        accept(m, &accepted->parts[i]);
}

static bool in_use(const struct merge *m, struct slice tzid)
{
    for (size_t i = 0; i < m->count; i++)
        for (const struct ical_prop *prop = m->parts[i].comp->props; prop != NULL;
             prop = prop->next)
            if (prop->params != NULL && slice_eq(ical_param_text(prop, "TZID"), tzid))
                return true;
    return false;
}

static bool knows_zone(const struct ical_comp *vcalendar, struct slice tzid)
{
    const struct ical_comp *zone =
        vcalendar != NULL ? ical_comp_find(vcalendar, ICAL_VTIMEZONE) : NULL;

    while (zone != NULL && !slice_eq(ical_prop_value(zone, ICAL_TZID), tzid))
        zone = ical_comp_next(zone);
    return zone != NULL;
}

/* Of two zones with one name that of the series counts. */
static void put_zones(const struct merge *m, struct ical_comp *into)
{
    const struct ical_comp *first = m->in->message.vcalendar, *second = m->in->stored.vcalendar;
    size_t left = ICAL_TZ_MAX; /* more are not looked at */

    if (m->master == NULL && second != NULL) {
        second = first;
        first = m->in->stored.vcalendar;
    }
    for (int i = 0; i < 2; i++, first = second, second = NULL) {
        const struct ical_comp *zone = first != NULL ? ical_comp_find(first, ICAL_VTIMEZONE) : NULL;

        for (; zone != NULL && left > 0; zone = ical_comp_next(zone), left--) {
            struct slice tzid = ical_prop_value(zone, ICAL_TZID);

            if (!knows_zone(into, tzid) && in_use(m, tzid))
                ical_comp_add(into, ical_comp_copy(m->arena, zone));
        }
        left = ICAL_TZ_MAX;
    }
}

/* The series needs an RDATE for each instance that came by ADD (RFC 5546 section 3.2.4). */
static void put_added(const struct merge *m)
{
    struct itip_part *master = NULL;
    struct itip_times dates = {0};

    for (size_t i = 0; i < m->count; i++)
        if (m->parts[i].master)
            master = &m->parts[i];
    if (master == NULL)
        return;
    calendar_itip_times(m->master != NULL ? &m->in->message : &m->in->stored, master->comp,
                        ICAL_RDATE, &dates);
    for (size_t i = 0; i < m->count; i++) {
        struct itip_part *part = &m->parts[i];

        if (calendar_itip_other(part->comp, CALENDAR_ITIP_ADDED).len > 0 &&
            !calendar_itip_times_has(&dates, part->id_s))
            calendar_itip_date_add(m->arena, master->comp, ICAL_RDATE,
                                   ical_prop_find(part->comp, ICAL_RECURRENCE_ID));
    }
}

/* A memory stays one while all that is known is cancelled. */
static void set_hidden(struct merge *m)
{
    const struct itip_set *stored = &m->in->stored;
    bool hidden = true;

    for (size_t i = 0; i < stored->count; i++)
        hidden &= calendar_itip_other(stored->parts[i].comp, CALENDAR_ITIP_HIDDEN).len > 0;
    for (size_t i = 0; i < m->count; i++)
        hidden &= calendar_itip_cancelled(m->parts[i].comp) ||
                  calendar_itip_other(m->parts[i].comp, CALENDAR_ITIP_HIDDEN).len > 0;
    for (size_t i = 0; i < m->count; i++) {
        struct ical_comp *comp = m->parts[i].comp;

        calendar_itip_other_remove(comp, CALENDAR_ITIP_HIDDEN);
        if (hidden)
            calendar_itip_prop_other(m->arena, comp, CALENDAR_ITIP_HIDDEN, SLICE("1"));
    }
    m->in->result->hidden = hidden;
    m->in->result->inbox = !hidden;
}

static int by_key(const void *a, const void *b)
{
    const struct itip_part *x = a, *y = b;

    if (x->master != y->master)
        return x->master ? -1 : 1;
    return x->id_s != y->id_s ? (x->id_s > y->id_s) - (x->id_s < y->id_s)
                              : (int)x->future - (int)y->future;
}

static void store(struct merge *m)
{
    const struct ical_comp *from = m->in->stored.vcalendar;
    struct ical_comp *into = ical_comp_new(m->arena, ICAL_VCALENDAR);

    put_added(m);
    calendar_itip_left_undo(m->in->world, m->master != NULL ? m->in->message.tz : m->in->stored.tz,
                            m->parts, m->count);
    set_hidden(m);
    if (from == NULL)
        from = m->in->message.vcalendar;
    for (const struct ical_prop *prop = from->props; prop != NULL; prop = prop->next)
        if (prop->id == ICAL_PRODID || prop->id == ICAL_VERSION || prop->id == ICAL_CALSCALE)
            ical_prop_set(m->arena, into, prop->id, prop->value);
    put_zones(m, into);
    qsort(m->parts, m->count, sizeof(*m->parts), by_key);
    for (size_t i = 0; i < m->count; i++)
        ical_comp_add(into, m->parts[i].comp);
    m->in->result->store = into;
}

static bool delegated_by(const struct itip_incoming *in)
{
    for (size_t i = 0; i < in->message.count; i++) {
        const struct ical_prop *own = calendar_itip_own(in->world, in->message.parts[i].comp);
        struct slice from = own != NULL ? ical_param_text(own, "DELEGATED-FROM") : SLICE("");

        if (from.len > 0 && slice_eq(calendar_address(in->world->arena, from), in->sender))
            return true;
    }
    return false;
}

/* SENT-BY, or EMAIL beside an address for messages only, as iCloud writes it. */
static bool sent_by(const struct itip_incoming *in, const struct ical_prop *organizer)
{
    struct slice by = ical_param_text(organizer, "SENT-BY");
    struct slice email = ical_param_text(organizer, "EMAIL");

    return (by.len > 0 && calendar_address_eq(by, in->sender)) ||
           (email.len > 0 && calendar_address_eq(email, in->sender));
}

/* RFC 5546 section 6.1.1: who changes what is known must be who made it. */
static bool may_speak(const struct itip_incoming *in)
{
    struct arena *arena = in->world->arena;
    struct slice organizer = calendar_address_prop(arena, in->message.organizer);
    const struct ical_prop *known = in->stored.organizer;

    if (known != NULL && !slice_eq(organizer, calendar_address_prop(arena, known)))
        return false;
    if (in->policy->any_sender || slice_eq(in->sender, organizer))
        return true;
    if (known != NULL)
        return sent_by(in, known);
    return sent_by(in, in->message.organizer) || delegated_by(in);
}

/* An ADD's component is an instance by its DTSTART. */
static bool add_to_series(struct itip_incoming *in)
{
    struct arena *arena = in->world->arena;
    struct itip_part *part = calendar_itip_set_master(&in->message);
    const struct ical_prop *start = part != NULL ? ical_prop_find(part->comp, ICAL_DTSTART) : NULL;
    struct ical_prop *id;
    struct ical_time time;

    if (start == NULL || in->message.count > 1 || ical_prop_find(part->comp, ICAL_RRULE) != NULL ||
        ical_tz_time(in->message.tz, start, slice_trim(start->value), &time) != ST_OK ||
        calendar_itip_set_master(&in->stored) == NULL ||
        calendar_itip_other(in->stored.parts[0].comp, CALENDAR_ITIP_HIDDEN).len > 0) {
        struct ical_comp *ask;
        const struct ical_comp *from = in->message.parts[0].comp;
        struct ical_comp *comp = ical_comp_new(arena, from->id);
        const struct ical_prop *own = calendar_itip_own(in->world, from);

        calendar_itip_say(in, CALENDAR_ITIP_UNKNOWN, "the series is asked for.");
        if (own == NULL)
            return false;
        calendar_itip_date_add(arena, comp, ICAL_UID, ical_prop_find(from, ICAL_UID));
        calendar_itip_date_add(arena, comp, ICAL_ORGANIZER, in->message.organizer);
        calendar_itip_date_add(arena, comp, ICAL_ATTENDEE, own);
        ical_prop_add(arena, comp, ICAL_DTSTAMP, calendar_itip_stamp(arena, in->world->now_s));
        ask = calendar_itip_envelope(&in->message, CALENDAR_ITIP_REFRESH, NULL, 0);
        ical_comp_add(ask, calendar_itip_public(arena, comp));
        calendar_itip_message_add(arena, &in->result->answers, CALENDAR_ITIP_REFRESH,
                                  calendar_address_prop(arena, in->message.organizer), ask);
        return false;
    }
    id = ical_prop_set(arena, part->comp, ICAL_RECURRENCE_ID, start->value);
    calendar_itip_params_copy(arena, id, start);
    part->master = false;
    part->id_s = ical_time_utc(time, in->world->floating);
    return true;
}

static void tell(struct merge *m)
{
    struct itip_incoming *in = m->in;
    struct slice summary = ical_prop_value(in->message.parts[0].comp, ICAL_SUMMARY);

    if (m->applied > 0)
        calendar_itip_say(in, CALENDAR_ITIP_APPLIED, "%s \"%.*s\".",
                          is_cancel(m)               ? "cancelled"
                          : in->stored.count == 0    ? "new"
                          : in->result->changed_time ? "other times of"
                                                     : "changed",
                          (int)(summary.len < 40 ? summary.len : 40), summary.ptr);
    else if (m->stale > 0)
        calendar_itip_say(in, CALENDAR_ITIP_STALE, "a newer one is known.");
    else if (m->known > 0)
        calendar_itip_say(in, CALENDAR_ITIP_DUPLICATE, "it is known already.");
    else
        calendar_itip_say(in, CALENDAR_ITIP_STRANGER, "the recipient is not invited.");
}

void calendar_itip_apply(struct itip_incoming *in)
{
    size_t most = in->stored.count + in->message.count;
    struct merge m = {.in = in, .arena = in->world->arena};
    struct itip_set accepted = in->message;

    if (!may_speak(in)) {
        calendar_itip_say(in, CALENDAR_ITIP_FORGED, "it may come from the organizer only.");
        return;
    }
    if (in->result->method == CALENDAR_ITIP_DECLINECOUNTER) {
        calendar_itip_say(in, CALENDAR_ITIP_NOTED, "the counter-proposal is declined.");
        in->result->inbox = true;
        return;
    }
    if (in->result->method == CALENDAR_ITIP_ADD && !add_to_series(in))
        return;
    m.parts = arena_many(m.arena, struct itip_part, most + 1);
    accepted.parts = arena_many(m.arena, struct itip_part, in->message.count + 1);
    judge_all(&m, &accepted);
    if (m.applied > 0) {
        if (in->result->method == CALENDAR_ITIP_ADD)
            calendar_itip_prop_other(m.arena, m.parts[0].comp, CALENDAR_ITIP_ADDED, SLICE("1"));
        keep_others(&m, &accepted);
        store(&m);
    }
    tell(&m);
}
