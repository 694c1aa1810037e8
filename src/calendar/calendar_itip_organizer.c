/* An organizer's change: which SEQUENCE and DTSTAMP it has and whose answers are void (RFC 5546
 * section 2.1.4, RFC 6638 section 3.2.8).
 *
 * All components of an object get the same version, later than any before, so that what a message
 * says of the whole is later than all that was said of its parts. */
#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

struct difference {
    bool any;
    bool significant; /* SEQUENCE goes up */
    bool reset;       /* answers are void */
};

/* What the part was before: itself, or the instance of the series that it now overrides. */
static struct ical_comp *was(const struct itip_set *before, const struct itip_part *part)
{
    const struct itip_part *old = calendar_itip_set_find(before, part);

    return old != NULL ? old->comp : NULL;
}

static bool differs(struct slice a, struct slice b)
{
    return !slice_eq(a, b);
}

/* EXDATEs are compared apart: which came is in change->gone. */
static bool other_dates(const struct itip_change *change, const struct ical_comp *old,
                        const struct ical_comp *new)
{
    struct itip_times had = {0}, has = {0};
    struct slice a = calendar_itip_dates(change->before, old);
    struct slice b = calendar_itip_dates(change->after, new);
    struct slice line_a, line_b;

    for (;;) { /* both sorted: RDATEs ("+") first */
        bool more_a = slice_split(&a, '\n', &line_a) && slice_starts(line_a, SLICE("+"));
        bool more_b = slice_split(&b, '\n', &line_b) && slice_starts(line_b, SLICE("+"));

        if (more_a != more_b || (more_a && !slice_eq(line_a, line_b)))
            return true;
        if (!more_a)
            break;
    }
    calendar_itip_times(change->before, old, ICAL_EXDATE, &had);
    calendar_itip_times(change->after, new, ICAL_EXDATE, &has);
    for (size_t i = 0; i < had.count; i++)
        if (!calendar_itip_times_has(&has, had.at[i]))
            return true;
    return false;
}

static struct difference compare(struct itip_change *change, const struct itip_part *part)
{
    struct itip_set *before = change->before, *after = change->after;
    struct ical_comp *old = was(before, part);
    const struct itip_part *master = calendar_itip_set_cover(before, part);
    const struct ical_comp *time = old;
    struct difference difference = {.any = old == NULL};

    if (old == NULL && master != NULL && !part->master) {
        time = calendar_itip_set_instance(before, part->id_s, true);
        old = master->comp;
    }
    if (old == NULL || time == NULL)
        return (struct difference){.any = true, .significant = before->count > 0};
    difference.reset =
        differs(calendar_itip_timing(before, time), calendar_itip_timing(after, part->comp));
    difference.significant =
        difference.reset || calendar_itip_cancelled(old) != calendar_itip_cancelled(part->comp);
    if (part->master &&
        differs(calendar_itip_dates(before, old), calendar_itip_dates(after, part->comp))) {
        difference.significant = true;
        difference.any |= other_dates(change, old, part->comp);
    }
    difference.any |=
        difference.reset || calendar_itip_cancelled(old) != calendar_itip_cancelled(part->comp);
    if (!difference.any)
        difference.any =
            differs(calendar_itip_content(before, old), calendar_itip_content(after, part->comp));
    return difference;
}

/* EXDATEs that came, and overrides that went without one. */
static bool find_gone(struct itip_change *change)
{
    struct itip_part *old = calendar_itip_set_master(change->before);
    struct itip_part *new = calendar_itip_set_master(change->after);
    struct itip_times had = {0}, has = {0};
    bool lost = false;

    if (new != NULL)
        calendar_itip_times(change->after, new->comp, ICAL_EXDATE, &has);
    if (old != NULL)
        calendar_itip_times(change->before, old->comp, ICAL_EXDATE, &had);
    change->gone.at = arena_many(change->after->world->arena, int64_t, has.count + 1);
    for (size_t i = 0; i < has.count; i++)
        if (old != NULL && !calendar_itip_times_has(&had, has.at[i]))
            change->gone.at[change->gone.count++] = has.at[i];
    for (size_t i = 0; i < change->before->count; i++) {
        const struct itip_part *part = &change->before->parts[i];

        if (calendar_itip_set_find(change->after, part) != NULL)
            continue;
        lost = true;
        change->reverted |= !part->master && !calendar_itip_times_has(&has, part->id_s);
    }
    return lost || change->gone.count > 0;
}

static void set_or_remove(struct arena *arena, struct ical_prop *prop, const char *name,
                          const struct ical_prop *from)
{
    const struct ical_param *param = from != NULL ? ical_param_find(from, name) : NULL;

    if (param != NULL)
        ical_param_set(arena, prop, name, param->values[0].text);
    else
        ical_param_remove(prop, name);
}

/* Whether somebody is on the list of a part who was not: what he answered when he was last on it
 * holds no more, and only SEQUENCE tells old answers from new ones. */
static bool joined(const struct itip_change *change, const struct itip_part *part)
{
    struct arena *arena = change->after->world->arena;
    const struct itip_part *old = calendar_itip_set_find(change->before, part);
    struct itip_people news, olds;

    if (old == NULL)
        old = calendar_itip_set_cover(change->before, part);
    if (old == NULL)
        return false;
    news = calendar_itip_people(arena, part->comp);
    olds = calendar_itip_people(arena, old->comp);
    for (size_t i = 0; i < news.count; i++)
        if (calendar_itip_people_find(&olds, news.at[i].address) == NULL)
            return true;
    return false;
}

/* Since when the series is split here: what was answered to a split of before is not to this one.
 */
static void carry_split(struct itip_change *change, struct itip_part *part,
                        const struct ical_comp *old)
{
    struct arena *arena = change->after->world->arena;
    struct slice since = old != NULL ? calendar_itip_other(old, CALENDAR_ITIP_SPLIT) : SLICE("");

    if (part->future && old == NULL && change->before->count > 0)
        since = calendar_itip_number(arena, change->version.sequence);
    calendar_itip_other_remove(part->comp, CALENDAR_ITIP_SPLIT);
    if (part->future && since.len > 0)
        calendar_itip_prop_other(arena, part->comp, CALENDAR_ITIP_SPLIT, since);
}

/* What we keep at attendees does not depend on whether the client gives it back. */
static void carry(struct itip_change *change, struct itip_part *part, bool reset)
{
    const struct calendar_itip_world *world = change->after->world;
    struct itip_people people = calendar_itip_people(world->arena, part->comp);
    const struct itip_part *master = calendar_itip_set_cover(change->before, part);
    struct ical_comp *old = was(change->before, part), *series = NULL;
    struct itip_people olds = {0};
    struct slice void_before;

    if (old == NULL && master != NULL)
        series = master->comp;
    if (old != NULL || series != NULL)
        olds = calendar_itip_people(world->arena, old != NULL ? old : series);
    for (size_t i = 0; i < people.count; i++) {
        struct ical_prop *prop = people.at[i].prop;
        struct itip_person *known = calendar_itip_people_find(&olds, people.at[i].address);
        const struct ical_prop *from = known != NULL ? known->prop : NULL;

        if (calendar_itip_is_own(world, prop))
            continue;
        set_or_remove(world->arena, prop, CALENDAR_ITIP_SINCE, from);
        if (from == NULL && change->before->count > 0)
            ical_param_set(world->arena, prop, CALENDAR_ITIP_SINCE,
                           calendar_itip_number(world->arena, change->version.sequence));
        if (old == NULL)
            from = NULL;
        set_or_remove(world->arena, prop, CALENDAR_ITIP_REPLIED, from);
        set_or_remove(world->arena, prop, CALENDAR_ITIP_FOLLOWS, from);
        if (from != NULL && ical_param_find(prop, "SCHEDULE-STATUS") == NULL)
            set_or_remove(world->arena, prop, "SCHEDULE-STATUS", from);
        if (reset) {
            ical_param_set(world->arena, prop, "PARTSTAT", SLICE("NEEDS-ACTION"));
            ical_param_remove(prop, CALENDAR_ITIP_FOLLOWS);
        } else if (series != NULL && known != NULL) {
            ical_param_set(world->arena, prop, CALENDAR_ITIP_FOLLOWS, SLICE("TRUE"));
        }
    }
    carry_split(change, part, old);
    if (old == NULL)
        old = series;
    void_before = old != NULL ? calendar_itip_other(old, CALENDAR_ITIP_RESET) : SLICE("");
    if (reset)
        void_before = calendar_itip_number(world->arena, change->version.sequence);
    calendar_itip_other_remove(part->comp, CALENDAR_ITIP_RESET);
    if (void_before.len > 0)
        calendar_itip_prop_other(world->arena, part->comp, CALENDAR_ITIP_RESET, void_before);
}

static bool strip_force(struct itip_set *set)
{
    bool forced = false;

    for (size_t i = 0; i < set->count; i++)
        for (struct ical_prop *prop = ical_prop_find(set->parts[i].comp, ICAL_ATTENDEE);
             prop != NULL; prop = ical_prop_next(prop))
            if (ical_param_find(prop, "SCHEDULE-FORCE-SEND") != NULL) {
                ical_param_remove(prop, "SCHEDULE-FORCE-SEND");
                forced = true;
            }
    return forced;
}

static bool forces(const struct itip_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        for (const struct ical_prop *prop = ical_prop_find(set->parts[i].comp, ICAL_ATTENDEE);
             prop != NULL; prop = ical_prop_next(prop))
            if (ical_param_find(prop, "SCHEDULE-FORCE-SEND") != NULL)
                return true;
    return false;
}

static void set_version(struct itip_change *change, bool significant)
{
    struct itip_version old = calendar_itip_set_newest(change->before);
    struct itip_version new = calendar_itip_set_newest(change->after);

    change->version.sequence = old.sequence > new.sequence ? old.sequence : new.sequence;
    if (significant && change->version.sequence == old.sequence && change->before->count > 0)
        change->version.sequence++;
    change->version.stamp_s = change->after->world->now_s;
    if (change->version.stamp_s <= old.stamp_s)
        change->version.stamp_s = old.stamp_s + 1;
}

/* Nothing that anybody else should know: the versions stay. */
static void keep_versions(struct itip_change *change)
{
    struct arena *arena = change->after->world->arena;

    for (size_t i = 0; i < change->after->count; i++) {
        struct itip_part *part = &change->after->parts[i];
        const struct itip_part *old = calendar_itip_set_find(change->before, part);

        if (old != NULL)
            calendar_itip_version_set(arena, part, old->version);
        carry(change, part, false);
    }
}

/* Whether somebody of the series answered the instance by itself. */
static bool answered_alone(struct arena *arena, const struct itip_part *part,
                           const struct itip_people *series)
{
    for (const struct ical_prop *prop = ical_prop_find(part->comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop))
        if (ical_param_find(prop, CALENDAR_ITIP_REPLIED) != NULL &&
            ical_param_find(prop, CALENDAR_ITIP_FOLLOWS) == NULL &&
            calendar_itip_people_find(series, calendar_address_prop(arena, prop)) != NULL)
            return true;
    return false;
}

static uint64_t reset_of(const struct ical_comp *comp)
{
    uint64_t reset = 0;

    if (slice_to_u64(calendar_itip_other(comp, CALENDAR_ITIP_RESET), &reset) != ST_OK)
        reset = 0;
    return reset;
}

/* Whether answers to the instance are void that are not to the series: now, since its time is
 * another, or from then on. Answers on their way must be known as such. */
static bool voids_alone(const struct itip_set *before, const struct itip_part *part)
{
    const struct ical_comp *time = calendar_itip_set_instance(before, part->id_s, true);

    return reset_of(part->comp) > reset_of(before->parts[0].comp) ||
           (time != NULL && !slice_eq(calendar_itip_timing(before, part->comp),
                                      calendar_itip_timing(before, time)));
}

/* Whether answers to this and the future are void that are not to what covers it now: its times
 * were others, or answers from before them are on their way. */
static bool voids_future(const struct itip_set *before, const struct itip_set *after,
                         const struct itip_part *part)
{
    const struct itip_part key = {.id_s = part->id_s};
    const struct itip_part *cover = calendar_itip_set_cover(after, &key);
    const struct ical_comp *time = calendar_itip_set_instance(after, part->id_s, true);

    return cover != NULL && time != NULL &&
           (reset_of(part->comp) > reset_of(cover->comp) ||
            !slice_eq(calendar_itip_timing(before, part->comp), calendar_itip_timing(after, time)));
}

/* The instance as the series has it, with what each answered when it was an override. */
static void put_back(struct itip_set *after, const struct itip_part *old)
{
    struct arena *arena = after->world->arena;
    struct ical_comp *comp = calendar_itip_set_instance(after, old->id_s, false);
    struct itip_people olds = calendar_itip_people(arena, old->comp);

    if (comp == NULL)
        return;
    for (struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop)) {
        const struct itip_person *was =
            calendar_itip_people_find(&olds, calendar_address_prop(arena, prop));

        if (!calendar_itip_is_own(after->world, prop))
            set_or_remove(arena, prop, "PARTSTAT", was != NULL ? was->prop : NULL);
    }
    if (old->future)
        ical_param_set(arena, ical_prop_find(comp, ICAL_RECURRENCE_ID), "RANGE",
                       SLICE("THISANDFUTURE"));
    ical_comp_add(after->vcalendar, comp);
}

/* An override that a client leaves out without an EXDATE is an instance like the others again; its
 * attendees' own answers still hold, and the client need not have known them (a REPLY makes
 * overrides, and leaves the Schedule-Tag as it was, RFC 6638 section 3.2.10). */
static enum st restore(struct itip_set *before, struct itip_set *after, struct ical_error *error)
{
    struct arena *arena = after->world->arena;
    const struct itip_part *old = calendar_itip_set_master(before);
    const struct itip_part *new = calendar_itip_set_master(after);
    struct itip_times ids = {0}, out = {0}, splits = {0};
    struct itip_people series;

    if (old == NULL || new == NULL || after->organizer == NULL ||
        !slice_eq(calendar_itip_timing(before, old->comp), calendar_itip_timing(after, new->comp)))
        return ST_OK;
    series = calendar_itip_people(arena, new->comp);
    calendar_itip_times(after, new->comp, ICAL_EXDATE, &out);
    ids.at = arena_many(arena, int64_t, before->count);
    splits.at = arena_many(arena, int64_t, before->count);
    for (size_t i = 1; i < before->count; i++) {
        const struct itip_part *part = &before->parts[i];

        if (!part->future && calendar_itip_set_find(after, part) == NULL &&
            !calendar_itip_times_has(&out, part->id_s) &&
            (answered_alone(arena, part, &series) || voids_alone(before, part)))
            ids.at[ids.count++] = part->id_s;
        else if (part->future && calendar_itip_set_find(after, part) == NULL &&
                 voids_future(before, after, part))
            splits.at[splits.count++] = part->id_s;
    }
    calendar_itip_set_instances(after, &ids);
    calendar_itip_set_instances(after, &splits);
    for (size_t i = 0; i < ids.count + splits.count; i++) {
        const bool split = i >= ids.count;
        struct itip_part key = {.id_s = split ? splits.at[i - ids.count] : ids.at[i],
                                .future = split};

        put_back(after, calendar_itip_set_find(before, &key));
    }
    return ids.count + splits.count > 0
               ? calendar_itip_set_read(after->world, after->vcalendar, after, error)
               : ST_OK;
}

/* What a series, or this and the future, was answered is void for all instances of it. */
static bool reset_above(const struct itip_set *set, const struct itip_part *part,
                        const struct difference *differences)
{
    const struct itip_part *cover = calendar_itip_set_cover(set, part);

    for (; cover != NULL && cover != part; cover = calendar_itip_set_cover(set, part)) {
        if (differences[cover - set->parts].reset)
            return true;
        part = cover;
    }
    return false;
}

enum st calendar_itip_organizer(struct itip_set *before, struct itip_set *after,
                                struct calendar_itip_sent *sent, struct ical_error *error)
{
    struct arena *arena = before->world->arena;
    struct itip_change change = {.before = before, .after = after};
    struct difference *differences;
    bool significant, any;
    enum st st = restore(before, after, error);

    if (st != ST_OK)
        return st;
    differences = arena_many(arena, struct difference, after->count + 1);
    significant = find_gone(&change);
    any = significant || forces(after);
    change.changed = arena_many(arena, bool, after->count + 1);
    for (size_t i = 0; i < after->count; i++) {
        differences[i] = compare(&change, &after->parts[i]);
        change.changed[i] = differences[i].any;
        significant |= differences[i].significant || joined(&change, &after->parts[i]);
        any |= differences[i].any || differences[i].significant;
    }
    if (!any) {
        keep_versions(&change);
        return ST_OK;
    }
    set_version(&change, significant);
    for (size_t i = 0; i < after->count; i++) {
        if (reset_above(after, &after->parts[i], differences))
            change.changed[i] = differences[i].reset = true;
        carry(&change, &after->parts[i], before->count > 0 && differences[i].reset);
        calendar_itip_version_set(arena, &after->parts[i], change.version);
    }
    st = calendar_itip_invite(&change, &sent->messages, error);
    strip_force(after);
    return st;
}
