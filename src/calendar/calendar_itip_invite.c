/* The messages of an organizer's change (RFC 6638 section 3.2.1, RFC 5546 section 3.2): for each
 * attendee what is asked and what is taken back, and one text for all who get the same.
 *
 * Whoever attends the series gets all of it, with EXDATEs for instances he is not invited to; who
 * attends instances gets those. Costs a sort of all ATTENDEEs. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 20000000 /* attendees times overrides that one change may have */

/* That an address attends a part. */
struct seat {
    struct slice address;
    uint32_t part;
    bool now, forced; /* after the change; SCHEDULE-FORCE-SEND */
};

/* What one address is sent: numbers of parts of after, or codes (below). */
struct letter {
    struct slice address;
    uint32_t *what;
    size_t count;
};
struct letters {
    struct letter *at;
    size_t count, cap;
};

/* What a CANCEL names: numbers of parts of after, of before, of EXDATEs, or the whole. */
enum { WHOLE = 0, AFTER = 1 << 28, BEFORE = 2 << 28, DATE = 3 << 28, KIND = 3 << 28 };

struct writer {
    const struct itip_change *change;
    struct arena *arena;
    struct seat *seats;
    size_t seat_count;
    struct letters requests, cancels;
    struct ical_comp **shown; /* parts of after as others see them */
    uint32_t *list;           /* of what is being found for an address */
    size_t list_count;
    uint64_t steps, work;
};

static int by_address(const void *a, const void *b)
{
    const struct seat *x = a, *y = b;
    int order = slice_cmp(x->address, y->address);

    if (order != 0)
        return order;
    if (x->now != y->now)
        return x->now ? 1 : -1;
    return (x->part > y->part) - (x->part < y->part);
}

static int by_what(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    int order;

    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    order = x->count > 0 ? memcmp(x->what, y->what, x->count * sizeof(*x->what)) : 0;
    return order != 0 ? order : slice_cmp(x->address, y->address);
}

static void seat_set(struct writer *w, const struct itip_set *set, bool now)
{
    const struct calendar_itip_world *world = set->world;

    if (set->organizer == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        if (calendar_itip_cancelled(set->parts[i].comp))
            continue;
        for (const struct ical_prop *prop = ical_prop_find(set->parts[i].comp, ICAL_ATTENDEE);
             prop != NULL; prop = ical_prop_next(prop))
            if (calendar_itip_by_server(prop) && !calendar_itip_is_own(world, prop))
                w->seats[w->seat_count++] = (struct seat){
                    calendar_itip_prop_address(w->arena, prop), (uint32_t)i, now,
                    slice_ieq(ical_param_text(prop, "SCHEDULE-FORCE-SEND"), SLICE("REQUEST"))};
    }
}

/* Sorted, each once: an ATTENDEE may stand there twice. */
static void sort_seats(struct writer *w)
{
    size_t kept = 0;

    if (w->seat_count > 1)
        qsort(w->seats, w->seat_count, sizeof(*w->seats), by_address);
    for (size_t i = 0; i < w->seat_count; i++) {
        if (kept > 0 && by_address(&w->seats[kept - 1], &w->seats[i]) == 0)
            w->seats[kept - 1].forced |= w->seats[i].forced;
        else
            w->seats[kept++] = w->seats[i];
    }
    w->seat_count = kept;
}

static size_t seats_in(const struct itip_set *set)
{
    size_t count = 0;

    for (size_t i = 0; i < set->count; i++)
        for (const struct ical_prop *prop = ical_prop_find(set->parts[i].comp, ICAL_ATTENDEE);
             prop != NULL; prop = ical_prop_next(prop))
            count++;
    return count;
}

/* The seats of one address: old ones first. */
struct guest {
    const struct seat *old, *new;
    size_t old_count, new_count;
    bool old_master, new_master;
};

static bool has(const struct seat *seats, size_t count, size_t part)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (seats[middle].part < part)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && seats[low].part == part;
}

/* Whether the address attended what is now (or was) that part: itself, or as one of the series. */
static bool attended(const struct writer *w, const struct guest *guest,
                     const struct itip_part *part)
{
    const struct itip_set *before = w->change->before;
    const struct itip_part *old = calendar_itip_set_find(before, part);

    if (old == NULL)
        return guest->old_master;
    return has(guest->old, guest->old_count, (size_t)(old - before->parts));
}

/* Whether what the address attends is not as it was told last. */
static bool to_be_asked(const struct writer *w, const struct guest *guest)
{
    const struct itip_change *change = w->change;

    if (guest->new_master != guest->old_master || (guest->new_master && change->reverted))
        return true; /* what is left of a series that is cancelled, too */
    for (size_t i = 0; i < guest->new_count; i++) {
        size_t part = guest->new[i].part;

        if (change->changed[part] || guest->new[i].forced ||
            !attended(w, guest, &change->after->parts[part]))
            return true;
    }
    return false;
}

static void add_letter(struct writer *w, struct letters *letters, struct slice address)
{
    struct letter letter = {address, NULL, w->list_count};

    if (letters->count == letters->cap)
        letters->at =
            arena_grow(w->arena, letters->at, letters->count, &letters->cap, sizeof(letter));
    letter.what = arena_many(w->arena, uint32_t, w->list_count + 1);
    memcpy(letter.what, w->list, w->list_count * sizeof(*letter.what));
    letters->at[letters->count++] = letter;
}

static void note(struct writer *w, size_t what)
{
    w->list[w->list_count++] = (uint32_t)what;
}

/* Overrides of the series without this address, and instances that the series lost. */
static void find_missed(struct writer *w, const struct guest *guest)
{
    const struct itip_set *after = w->change->after;
    const struct itip_times *gone = &w->change->gone;

    if (!guest->old_master)
        return;
    w->steps += after->count;
    for (size_t i = 1; i < after->count; i++)
        if (!has(guest->new, guest->new_count, i) && attended(w, guest, &after->parts[i]))
            note(w, AFTER + i);
    w->steps += gone->count;
    for (size_t i = 0; i < gone->count; i++) {
        struct itip_part key = {.id_s = gone->at[i]};

        if (attended(w, guest, &key))
            note(w, DATE + i);
    }
}

/* Instances that the address attended by themselves. */
static void find_lost(struct writer *w, const struct guest *guest)
{
    const struct itip_change *change = w->change;

    for (size_t i = 0; i < guest->old_count; i++) {
        const struct itip_part *part = &change->before->parts[guest->old[i].part];
        const struct itip_part *new = calendar_itip_set_find(change->after, part);

        if (new == NULL || !has(guest->new, guest->new_count, (size_t)(new - change->after->parts)))
            note(w, BEFORE + guest->old[i].part);
    }
}

static void decide_for(struct writer *w, struct slice address, const struct guest *guest)
{
    bool asked = guest->new_count > 0 && to_be_asked(w, guest);

    w->list_count = 0;
    if (guest->old_master && !guest->new_master)
        note(w, WHOLE);
    else if (guest->new_master && !asked)
        find_missed(w, guest);
    else if (!guest->new_master)
        find_lost(w, guest);
    if (w->list_count > 0)
        add_letter(w, &w->cancels, address);
    w->list_count = 0;
    for (size_t i = 0; asked && i < guest->new_count; i++)
        note(w, guest->new[i].part);
    if (asked)
        add_letter(w, &w->requests, address);
}

static enum st decide_all(struct writer *w)
{
    for (size_t from = 0, to; from < w->seat_count && w->steps <= STEPS_MAX; from = to) {
        struct guest guest = {.old = &w->seats[from]};

        for (to = from;
             to < w->seat_count && slice_eq(w->seats[to].address, w->seats[from].address); to++) {
            const struct seat *seat = &w->seats[to];
            const struct itip_set *set = seat->now ? w->change->after : w->change->before;

            guest.new_count += seat->now;
            guest.old_count += !seat->now;
            guest.new_master |= seat->now && set->parts[seat->part].master;
            guest.old_master |= !seat->now && set->parts[seat->part].master;
        }
        guest.new = guest.old + guest.old_count;
        decide_for(w, w->seats[from].address, &guest);
    }
    return w->steps <= STEPS_MAX ? ST_OK : ST_TOO_BIG;
}

/* A component that shares the properties of another. */
static struct ical_comp *alias(struct arena *arena, const struct ical_comp *comp)
{
    struct ical_comp *copy = ical_comp_new(arena, comp->id);

    copy->name = comp->name;
    copy->props = comp->props;
    return copy;
}

/* An EXDATE before all that is shared. */
static void exclude(struct arena *arena, struct ical_comp *master, const struct ical_prop *id)
{
    struct ical_comp scratch = {.props_end = &scratch.props};
    struct ical_prop *prop = calendar_itip_date_add(arena, &scratch, ICAL_EXDATE, id);

    prop->next = master->props;
    master->props = prop;
}

static struct ical_comp *make_request(struct writer *w, const struct letter *letter)
{
    const struct itip_set *after = w->change->after;
    const struct ical_comp **comps = arena_many(w->arena, const struct ical_comp *, after->count);
    bool series = letter->count > 0 && after->parts[letter->what[0]].master;
    struct ical_comp *vcalendar, *master = NULL;
    size_t next = 0;

    w->work += series ? after->count : letter->count;
    for (size_t i = 0; i < letter->count; i++) {
        uint32_t part = letter->what[i];

        if (w->shown[part] == NULL)
            w->shown[part] = calendar_itip_public(w->arena, after->parts[part].comp);
        comps[i] = w->shown[part];
    }
    vcalendar = calendar_itip_envelope(after, CALENDAR_ITIP_REQUEST, comps, letter->count);
    for (size_t i = 0; i < letter->count; i++) {
        struct ical_comp *comp = alias(w->arena, comps[i]);

        if (after->parts[letter->what[i]].master)
            master = comp;
        ical_comp_add(vcalendar, comp);
    }
    for (size_t i = 0; series && i < after->count; i++) {
        if (next < letter->count && letter->what[next] == i) {
            next++;
            continue;
        }
        exclude(w->arena, master, ical_prop_find(after->parts[i].comp, ICAL_RECURRENCE_ID));
    }
    return vcalendar;
}

/* What a CANCEL says of it (RFC 5546 section 3.2.5), and what a reader wants to see of it. */
static struct ical_comp *make_cancelled(struct writer *w, const struct ical_comp *from, bool whole)
{
    static const enum ical_prop_id ids[] = {
        ICAL_UID,      ICAL_RECURRENCE_ID, ICAL_ORGANIZER, ICAL_DTSTART, ICAL_DTEND, ICAL_DUE,
        ICAL_DURATION, ICAL_SUMMARY,       ICAL_LOCATION,  ICAL_RRULE,   ICAL_RDATE, ICAL_EXDATE,
    };
    struct ical_comp *shown = calendar_itip_public(w->arena, from);
    struct ical_comp *comp = ical_comp_new(w->arena, from->id);
    struct itip_part part = {.comp = comp};

    for (size_t i = 0; i < COUNT(ids) - (whole ? 0 : 3); i++) {
        for (const struct ical_prop *prop = ical_prop_find(shown, ids[i]); prop != NULL;
             prop = ical_prop_next(prop)) {
            struct ical_prop *copy = ical_prop_add(w->arena, comp, ids[i], prop->value);

            calendar_itip_params_copy(w->arena, copy, prop);
        }
    }
    ical_prop_set(w->arena, comp, ICAL_STATUS, SLICE("CANCELLED"));
    ical_prop_set(w->arena, comp, ICAL_SEQUENCE, SLICE("0"));
    calendar_itip_version_set(w->arena, &part, w->change->version);
    return comp;
}

/* The series as it is cancelled: as it last was. */
static const struct ical_comp *whole_of(const struct writer *w)
{
    const struct itip_part *master = calendar_itip_set_master(w->change->after);

    if (master == NULL || w->change->after->organizer == NULL)
        master = calendar_itip_set_master(w->change->before);
    return master->comp;
}

static struct ical_comp *make_one_cancelled(struct writer *w, uint32_t what)
{
    const struct itip_change *change = w->change;
    uint32_t number = what & ~(uint32_t)KIND;
    const struct ical_comp *from = NULL;

    if (what == WHOLE)
        return make_cancelled(w, whole_of(w), true);
    if ((what & KIND) == AFTER)
        from = change->after->parts[number].comp;
    else if ((what & KIND) == BEFORE)
        from = change->before->parts[number].comp;
    else {
        struct itip_part key = {.id_s = change->gone.at[number]};
        const struct itip_part *old = calendar_itip_set_find(change->before, &key);
        struct ical_comp *instance;

        if (old != NULL)
            return make_cancelled(w, old->comp, false);
        instance = calendar_itip_set_instance(change->before, key.id_s, true);
        if (instance == NULL)
            return NULL;
        static const enum ical_prop_id ids[] = {ICAL_UID, ICAL_ORGANIZER, ICAL_SUMMARY,
                                                ICAL_LOCATION};
        for (size_t i = 0; i < COUNT(ids); i++) {
            const struct ical_prop *prop =
                ical_prop_find(calendar_itip_set_master(change->before)->comp, ids[i]);

            if (prop != NULL)
                calendar_itip_date_add(w->arena, instance, ids[i], prop);
        }
        return make_cancelled(w, instance, false);
    }
    return make_cancelled(w, from, what == BEFORE && change->before->parts[0].master);
}

/* For the letters [0, count), which say the same; those who are taken off are named. */
static struct ical_comp *make_cancel(struct writer *w, const struct letter *letters, size_t count)
{
    size_t parts = letters->count;
    const struct ical_comp **comps = arena_many(w->arena, const struct ical_comp *, parts);
    struct ical_comp *vcalendar;
    size_t made = 0;

    w->work += parts;
    for (size_t i = 0; i < parts; i++) {
        struct ical_comp *comp = make_one_cancelled(w, letters->what[i]);

        if (comp == NULL)
            continue;
        w->work += i > 0 ? count : 0;
        for (size_t k = 0; k < count && w->work <= CALENDAR_ITIP_WORK_MAX; k++)
            ical_prop_add(w->arena, comp, ICAL_ATTENDEE, letters[k].address);
        comps[made++] = comp;
    }
    vcalendar = calendar_itip_envelope(w->change->after->vcalendar != NULL ? w->change->after
                                                                           : w->change->before,
                                       CALENDAR_ITIP_CANCEL, comps, made);
    for (size_t i = 0; i < made; i++)
        ical_comp_add(vcalendar, (struct ical_comp *)(uintptr_t)comps[i]);
    return made > 0 ? vcalendar : NULL;
}

static bool same_what(const struct letter *a, const struct letter *b)
{
    return a->count == b->count && memcmp(a->what, b->what, a->count * sizeof(*a->what)) == 0;
}

static enum st post(struct writer *w, struct letters *letters, enum calendar_itip_method method,
                    struct calendar_itip_messages *messages)
{
    if (letters->count > 1)
        qsort(letters->at, letters->count, sizeof(*letters->at), by_what);
    for (size_t from = 0, to; from < letters->count; from = to) {
        const struct ical_comp *vcalendar;

        for (to = from + 1; to < letters->count && same_what(&letters->at[from], &letters->at[to]);)
            to++;
        vcalendar = method == CALENDAR_ITIP_REQUEST ? make_request(w, &letters->at[from])
                                                    : make_cancel(w, &letters->at[from], to - from);
        if (w->work > CALENDAR_ITIP_WORK_MAX)
            return ST_TOO_BIG;
        for (size_t i = from; vcalendar != NULL && i < to; i++)
            calendar_itip_message_add(w->arena, messages, method, letters->at[i].address,
                                      vcalendar);
    }
    return ST_OK;
}

enum st calendar_itip_invite(const struct itip_change *change,
                             struct calendar_itip_messages *messages, struct ical_error *error)
{
    struct arena *arena = change->before->world->arena;
    struct writer w = {.change = change, .arena = arena};
    size_t most = change->before->count + change->after->count;
    enum st st;

    w.seats =
        arena_many(arena, struct seat, seats_in(change->before) + seats_in(change->after) + 1);
    w.shown = arena_many(arena, struct ical_comp *, change->after->count + 1);
    w.list = arena_many(arena, uint32_t, most + change->gone.count + 1);
    seat_set(&w, change->before, false);
    seat_set(&w, change->after, true);
    sort_seats(&w);
    st = decide_all(&w);
    if (st == ST_OK)
        st = post(&w, &w.cancels, CALENDAR_ITIP_CANCEL, messages);
    if (st == ST_OK)
        st = post(&w, &w.requests, CALENDAR_ITIP_REQUEST, messages);
    if (st == ST_TOO_BIG)
        ical_error_set(error, 0, "Too many different invitations in one object.");
    return st;
}

/* What somebody asks for by REFRESH: all that he attends, as it is. */
struct ical_comp *calendar_itip_current(const struct itip_set *set, struct slice address)
{
    struct itip_change change = {.before = NULL, .after = (struct itip_set *)(uintptr_t)set};
    struct arena *arena = set->world->arena;
    struct writer w = {.change = &change, .arena = arena};
    struct letter letter = {.address = address};

    w.shown = arena_many(arena, struct ical_comp *, set->count + 1);
    letter.what = arena_many(arena, uint32_t, set->count + 1);
    for (size_t i = 0; i < set->count; i++) {
        struct itip_people people = calendar_itip_people(arena, set->parts[i].comp);

        if (calendar_itip_people_find(&people, address) != NULL &&
            !calendar_itip_cancelled(set->parts[i].comp))
            letter.what[letter.count++] = (uint32_t)i;
    }
    return letter.count > 0 ? make_request(&w, &letter) : NULL;
}
