/* sim_itip: an organizer and three attendees change and answer a series at random; messages are
 * delayed, doubled and delivered in any order. In the end all see the same meeting and the same
 * answers, and the messages of a run, replayed in any other order, make the same objects.
 *
 *   sim_itip [--split] [--seed N] [--from N] [--runs N]
 *
 * --split: the organizer splits series (THISANDFUTURE), too.
 */
#include "../unit/itip_t.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEOPLE 4 /* 0 organizes */
#define STEPS 40
#define PACKETS_MAX 2000
#define START_S (ITIP_T_NOW + 40 * ICAL_DAY_S)
#define DAYS 10

static const char *const addresses[PEOPLE] = {"mailto:o@example.org", "mailto:a@example.org",
                                              "mailto:b@example.org", "mailto:c@example.org"};

struct packet {
    size_t to, from;
    const struct ical_comp *message;
};

struct run {
    uint64_t seed, state;
    struct arena *arena;
    struct slice own[PEOPLE];
    struct ical_comp *objects[PEOPLE];
    struct packet packets[PACKETS_MAX], log[PACKETS_MAX];
    size_t packet_count, log_count;
    int64_t now_s;
    bool talk, todo, split;
    int64_t add_s; /* the instance that the change made, told by ADD; 0: by REQUEST */
    bool added, replaying;
};

static uint64_t chance(struct run *run, uint64_t below)
{
    run->state += 0x9e3779b97f4a7c15U;
    uint64_t z = run->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31)) % below;
}

static void fail(struct run *run, const char *what, struct slice got, struct slice want)
{
    printf("seed %llu: %s\n--- got\n%.*s\n--- want\n%.*s\n", (unsigned long long)run->seed, what,
           SLICE_ARG(got), SLICE_ARG(want));
    exit(1);
}

static struct calendar_itip_world world_of(struct run *run, size_t who)
{
    return (struct calendar_itip_world){
        .arena = run->arena, .own = &run->own[who], .own_count = 1, .now_s = run->now_s};
}

static void show(struct run *run, const char *what, size_t who, const struct ical_comp *object)
{
    if (run->talk)
        printf("# %s %s\n%.*s\n", what, addresses[who],
               SLICE_ARG(itip_t_text(run->arena, object, false)));
}

static void post(struct run *run, size_t from, const struct calendar_itip_message *message)
{
    AUTO(buf) struct buf text = BUF(MIB);
    struct packet packet = {.from = from};

    while (packet.to < PEOPLE && !slice_eq(message->recipient, slice_str(addresses[packet.to])))
        packet.to++;
    if (packet.to == PEOPLE || run->packet_count == PACKETS_MAX || run->log_count == PACKETS_MAX)
        fail(run, "to nobody", message->recipient, SLICE(""));
    ical_write(message->vcalendar, &text);
    packet.message = itip_t_object(run->arena, text.ptr);
    run->packets[run->packet_count++] = packet;
    run->log[run->log_count++] = packet;
    show(run, calendar_itip_method_name(message->method), packet.to, packet.message);
}

/* The same as an ADD of the new instance alone; NULL: the recipient has no series to add it to, or
 * this-and-future moves it: an ADD has no RECURRENCE-ID to say which it was. */
static const struct ical_comp *as_add(struct run *run, const struct calendar_itip_message *message)
{
    struct ical_comp *add = ical_comp_copy(run->arena, message->vcalendar), *next;
    struct slice id = calendar_itip_stamp(run->arena, run->add_s);
    bool series = false;

    ical_prop_set(run->arena, add, ICAL_METHOD, SLICE("ADD"));
    for (struct ical_comp *comp = add->comps; comp != NULL; comp = next) {
        struct slice its = ical_prop_value(comp, ICAL_RECURRENCE_ID);

        next = comp->next;
        series |= its.len == 0;
        if (slice_eq(its, id) && slice_eq(ical_prop_value(comp, ICAL_DTSTART), id))
            ical_prop_remove_all(comp, ICAL_RECURRENCE_ID);
        else
            ical_comp_remove(comp);
    }
    return series && add->comps != NULL ? add : NULL;
}

static void put(struct run *run, size_t who, struct ical_comp *object)
{
    struct calendar_itip_world world = world_of(run, who);
    struct calendar_itip_sent sent;
    struct ical_error error = {0};

    show(run, "changed", who, object);
    if (calendar_itip_outgoing(&world, run->objects[who], object, &sent, &error) != ST_OK)
        fail(run, error.text, itip_t_text(run->arena, object, false),
             itip_t_text(run->arena, run->objects[who], false));
    run->objects[who] = sent.store != NULL ? sent.store : sent.memory;
    show(run, "stored", who, run->objects[who]);
    for (size_t i = 0; i < sent.messages.count; i++) {
        struct calendar_itip_message message = sent.messages.at[i];
        const struct ical_comp *add = run->add_s != 0 && message.method == CALENDAR_ITIP_REQUEST
                                          ? as_add(run, &message)
                                          : NULL;

        if (add != NULL) {
            message.vcalendar = add;
            message.method = CALENDAR_ITIP_ADD;
            run->added = true;
        }
        post(run, who, &message);
    }
    run->add_s = 0;
}

static struct ical_comp *receive(struct run *run, const struct packet *packet,
                                 struct ical_comp *stored)
{
    struct calendar_itip_world world = world_of(run, packet->to);
    struct calendar_itip_policy policy = {0};
    struct calendar_itip_result result;
    struct ical_error error = {0};

    if (calendar_itip_incoming(&world, &policy, stored, packet->message,
                               slice_str(addresses[packet->from]), &result, &error) != ST_OK)
        fail(run, error.text, itip_t_text(run->arena, packet->message, false), SLICE(""));
    if (run->talk)
        printf("# %s %s: %s\n", addresses[packet->to], calendar_itip_verdict_name(result.verdict),
               result.line.text);
    for (size_t i = 0; !run->replaying && i < result.answers.count; i++)
        post(run, packet->to, &result.answers.at[i]);
    return result.store != NULL ? result.store : stored;
}

static void deliver(struct run *run)
{
    size_t at = chance(run, run->packet_count);
    struct packet packet = run->packets[at];

    if (chance(run, 4) > 0)
        run->packets[at] = run->packets[--run->packet_count]; /* else it comes once more */
    run->objects[packet.to] = receive(run, &packet, run->objects[packet.to]);
    show(run, "has", packet.to, run->objects[packet.to]);
}

static struct itip_set set_of(struct run *run, size_t who, struct ical_comp *object)
{
    struct calendar_itip_world *world = arena_one(run->arena, struct calendar_itip_world);
    struct itip_set set;
    struct ical_error error;

    *world = world_of(run, who);
    if (calendar_itip_set_read(world, object, &set, &error) != ST_OK)
        fail(run, error.text, itip_t_text(run->arena, object, false), SLICE(""));
    return set;
}

static int64_t some_instance(struct run *run, const struct itip_set *set)
{
    const struct itip_part *master = calendar_itip_set_master(set);
    int64_t start_s = master != NULL
                          ? calendar_itip_stamp_read(ical_prop_value(master->comp, ICAL_DTSTART))
                          : START_S;

    return start_s + (int64_t)chance(run, DAYS) * ICAL_DAY_S;
}

static struct ical_comp *override_of(struct run *run, struct itip_set *set, int64_t id_s)
{
    struct itip_part key = {.id_s = id_s};
    struct itip_part *part = calendar_itip_set_find(set, &key);
    struct itip_part *master = calendar_itip_set_master(set);
    struct itip_times out = {0};
    struct ical_comp *comp;

    if (part != NULL)
        return part->comp;
    if (master == NULL)
        return NULL;
    calendar_itip_times(set, master->comp, ICAL_EXDATE, &out);
    if (calendar_itip_times_has(&out, id_s) || calendar_itip_cancelled(master->comp))
        return NULL;
    comp = calendar_itip_set_instance(set, id_s, false);
    ical_comp_add(set->vcalendar, comp);
    return comp;
}

static void set_summary(struct run *run, struct ical_comp *comp)
{
    ical_prop_set(run->arena, comp, ICAL_SUMMARY,
                  calendar_itip_number(run->arena, chance(run, 1000)));
}

static void toggle(struct run *run, struct ical_comp *comp, size_t who)
{
    struct itip_people people = calendar_itip_people(run->arena, comp);
    struct itip_person *person = calendar_itip_people_find(&people, slice_str(addresses[who]));
    struct ical_prop **at = &comp->props;

    if (person == NULL) {
        ical_param_set(run->arena,
                       ical_prop_add(run->arena, comp, ICAL_ATTENDEE, slice_str(addresses[who])),
                       "PARTSTAT", SLICE("NEEDS-ACTION"));
        return;
    }
    while (*at != person->prop)
        at = &(*at)->next;
    *at = person->prop->next;
    for (comp->props_end = &comp->props; *comp->props_end != NULL;)
        comp->props_end = &(*comp->props_end)->next;
}

static void toggle_all(struct run *run, const struct itip_set *set, size_t who)
{
    struct slice address = slice_str(addresses[who]);
    struct itip_people people = calendar_itip_people(run->arena, set->parts[0].comp);
    bool was = calendar_itip_people_find(&people, address) != NULL;

    for (size_t i = 0; i < set->count; i++) {
        people = calendar_itip_people(run->arena, set->parts[i].comp);
        if ((calendar_itip_people_find(&people, address) != NULL) == was)
            toggle(run, set->parts[i].comp, who);
    }
}

/* All on other days, but for those that had been moved by themselves. */
static void move_series(struct run *run, const struct itip_set *set)
{
    struct ical_comp *master = set->parts[0].comp;

    for (size_t i = 1; i < set->count; i++)
        ical_comp_remove(set->parts[i].comp);
    ical_prop_remove_all(master, ICAL_EXDATE);
    ical_prop_set(run->arena, master, ICAL_DTSTART,
                  calendar_itip_stamp(run->arena, START_S + 3600 * (int64_t)chance(run, 50)));
}

/* One falls out, and another comes in. */
static void swap_instance(struct run *run, const struct itip_set *set, int64_t id_s)
{
    struct itip_part key = {.id_s = id_s}, *part = calendar_itip_set_find(set, &key);
    struct ical_comp *master = set->parts[0].comp;

    if (part != NULL)
        ical_comp_remove(part->comp);
    ical_prop_add(run->arena, master, ICAL_EXDATE, calendar_itip_stamp(run->arena, id_s));
    ical_prop_add(run->arena, master, ICAL_RDATE,
                  calendar_itip_stamp(run->arena, id_s + 60 * (int64_t)(1 + chance(run, 100))));
}

/* One more, told by ADD. */
static void add_instance(struct run *run, const struct itip_set *set, int64_t id_s)
{
    struct itip_part key = {.id_s = id_s};
    struct ical_comp *master = set->parts[0].comp, *comp;

    if (calendar_itip_cancelled(master) || calendar_itip_set_find(set, &key) != NULL)
        return;
    run->add_s = id_s + 3600 * (int64_t)(1 + chance(run, 5)) + 60 * (int64_t)run->log_count;
    ical_prop_add(run->arena, master, ICAL_RDATE, calendar_itip_stamp(run->arena, run->add_s));
    comp = calendar_itip_set_instance(set, run->add_s, false);
    set_summary(run, comp);
    ical_comp_add(set->vcalendar, comp);
}

/* This and the future otherwise; overrides that come later go, as clients do. */
static void split_series(struct run *run, const struct itip_set *set, int64_t id_s)
{
    struct itip_part key = {.id_s = id_s, .future = true};
    struct ical_comp *comp;

    if (calendar_itip_cancelled(set->parts[0].comp) || calendar_itip_set_find(set, &key) != NULL ||
        !calendar_itip_set_has(set, id_s))
        return;
    for (size_t i = 1; i < set->count; i++)
        if (set->parts[i].id_s >= id_s)
            ical_comp_remove(set->parts[i].comp);
    comp = calendar_itip_set_instance(set, id_s, false);
    ical_param_set(run->arena, ical_prop_find(comp, ICAL_RECURRENCE_ID), "RANGE",
                   SLICE("THISANDFUTURE"));
    set_summary(run, comp);
    if (chance(run, 2) > 0)
        ical_prop_set(run->arena, comp, ICAL_DTSTART,
                      calendar_itip_stamp(run->arena, id_s + 60 * (int64_t)chance(run, 100)));
    ical_comp_add(set->vcalendar, comp);
}

/* The series, and what it is from some day on; not what is by itself. */
static void call_off(struct run *run, const struct itip_set *set, bool off)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct itip_part *part = &set->parts[i];

        if (!part->master && !part->future)
            continue;
        ical_prop_remove_all(part->comp, ICAL_STATUS);
        if (off)
            ical_prop_set(run->arena, part->comp, ICAL_STATUS, SLICE("CANCELLED"));
    }
}

static void organize(struct run *run)
{
    struct ical_comp *object = ical_comp_copy(run->arena, run->objects[0]);
    struct itip_set set = set_of(run, 0, object);
    struct ical_comp *master = set.parts[0].comp, *comp;
    int64_t id_s = some_instance(run, &set);
    struct itip_part key = {.id_s = id_s}, *part;

    switch (chance(run, run->split ? 13 : 12)) {
    case 0: /* another subject for all */
        for (size_t i = 0; i < set.count; i++)
            set_summary(run, set.parts[i].comp);
        break;
    case 1: /* for one */
        if ((comp = override_of(run, &set, id_s)) != NULL)
            set_summary(run, comp);
        break;
    case 2: /* one at another time */
        if ((comp = override_of(run, &set, id_s)) != NULL) {
            ical_prop_set(run->arena, comp, ICAL_DTSTART,
                          calendar_itip_stamp(run->arena, id_s + 60 * (int64_t)chance(run, 100)));
            ical_prop_remove_all(comp, ICAL_DTEND);
            ical_prop_remove_all(comp, ICAL_DUE);
            ical_prop_set(run->arena, comp, ICAL_DURATION, SLICE("PT1H"));
        }
        break;
    case 3: /* one falls out */
        if ((part = calendar_itip_set_find(&set, &key)) != NULL)
            ical_comp_remove(part->comp);
        ical_prop_add(run->arena, master, ICAL_EXDATE, calendar_itip_stamp(run->arena, id_s));
        break;
    case 4: /* somebody is on or off for all */
        toggle_all(run, &set, 1 + chance(run, PEOPLE - 1));
        break;
    case 5: /* or for one */
        if ((comp = override_of(run, &set, id_s)) != NULL)
            toggle(run, comp, 1 + chance(run, PEOPLE - 1));
        break;
    case 6: /* all at another time, of other length */
        ical_prop_set(run->arena, master, ICAL_DURATION,
                      chance(run, 2) > 0 ? SLICE("PT1H") : SLICE("PT2H"));
        break;
    case 7: /* an override goes */
        if ((part = calendar_itip_set_find(&set, &key)) != NULL)
            ical_comp_remove(part->comp);
        break;
    case 8:
        if (chance(run, 3) == 0)
            move_series(run, &set);
        break;
    case 9:
        swap_instance(run, &set, id_s);
        break;
    case 10:
        add_instance(run, &set, id_s);
        break;
    case 12:
        split_series(run, &set, id_s);
        break;
    default: /* called off, or on again */
        if (chance(run, 4) > 0)
            break;
        call_off(run, &set, !calendar_itip_cancelled(master));
    }
    put(run, 0, object);
}

/* The attendee takes an instance out. */
static void leave(struct run *run, size_t who, struct ical_comp *object, struct itip_set *set)
{
    struct itip_part *master = calendar_itip_set_master(set), *part;
    struct itip_part key = {.id_s = some_instance(run, set)};

    if (master == NULL || calendar_itip_cancelled(master->comp))
        return;
    if ((part = calendar_itip_set_find(set, &key)) != NULL)
        ical_comp_remove(part->comp);
    ical_prop_add(run->arena, master->comp, ICAL_EXDATE, calendar_itip_stamp(run->arena, key.id_s));
    put(run, who, object);
}

static void answer(struct run *run, size_t who)
{
    static const struct slice answers[] = {
        {"ACCEPTED", 8}, {"DECLINED", 8}, {"TENTATIVE", 9}, {"IN-PROCESS", 10}, {"COMPLETED", 9}};
    struct slice answer = answers[chance(run, run->todo ? 5 : 3)];
    struct ical_comp *object, *one = NULL;
    struct itip_set set;

    if (run->objects[who] == NULL)
        return;
    object = ical_comp_copy(run->arena, run->objects[who]);
    set = set_of(run, who, object);
    if (calendar_itip_other(set.parts[0].comp, CALENDAR_ITIP_HIDDEN).len > 0)
        return;
    if (chance(run, 8) == 0) { /* he deletes it all */
        put(run, who, NULL);
        return;
    }
    if (chance(run, 6) == 0) {
        leave(run, who, object, &set);
        return;
    }
    if (chance(run, 2) > 0 && (one = override_of(run, &set, some_instance(run, &set))) == NULL)
        return;
    for (struct ical_comp *comp = object->comps; comp != NULL; comp = comp->next) {
        struct ical_prop *own = calendar_itip_own(set.world, comp);

        if (own != NULL && !calendar_itip_cancelled(comp) && (one == NULL || comp == one))
            ical_param_set(run->arena, own, "PARTSTAT", answer);
    }
    put(run, who, object);
}

static struct slice seen(struct run *run, struct itip_set *set, const struct itip_part *part,
                         size_t who)
{
    AUTO(buf) struct buf out = BUF(MIB);
    struct itip_people people = calendar_itip_people(run->arena, part->comp);
    struct itip_person *person = calendar_itip_people_find(&people, slice_str(addresses[who]));

    buf_putf(&out, "%lld %.*s %.*s %.*s\n", (long long)part->id_s,
             SLICE_ARG(ical_prop_value(part->comp, ICAL_SUMMARY)),
             SLICE_ARG(person != NULL ? ical_param_text(person->prop, "PARTSTAT") : SLICE("-")),
             SLICE_ARG(calendar_itip_timing(set, part->comp)));
    return arena_copy(run->arena, buf_slice(&out));
}

/* Whether the attendee took the instance out of his series. */
static bool left(struct run *run, const struct itip_set *own, int64_t id_s)
{
    const struct itip_part *series = calendar_itip_set_master(own);
    struct slice id = calendar_itip_stamp(run->arena, id_s);

    for (const struct ical_prop *prop = series != NULL ? series->comp->props : NULL; prop != NULL;
         prop = prop->next)
        if (slice_eq(prop->name, SLICE(CALENDAR_ITIP_LEFT)) && slice_eq(prop->value, id))
            return true;
    return false;
}

/* What the organizer has of what the attendee attends, the attendee has, and nothing else. */
static void check(struct run *run, size_t who)
{
    struct itip_set his = set_of(run, 0, run->objects[0]);
    struct itip_set own = set_of(run, who, run->objects[who]);
    struct itip_part *series = calendar_itip_set_master(&own);
    struct itip_times out = {0};

    if (series != NULL)
        calendar_itip_times(&own, series->comp, ICAL_EXDATE, &out);
    for (size_t i = 0; i < his.count; i++) {
        struct itip_people people = calendar_itip_people(run->arena, his.parts[i].comp);
        bool invited = calendar_itip_people_find(&people, slice_str(addresses[who])) != NULL &&
                       !calendar_itip_cancelled(his.parts[i].comp);
        struct itip_part *part = calendar_itip_set_find(&own, &his.parts[i]);
        bool has = part != NULL && !calendar_itip_cancelled(part->comp);

        if (invited && !his.parts[i].master && !his.parts[i].future &&
            left(run, &own, his.parts[i].id_s)) {
            struct itip_person *person =
                calendar_itip_people_find(&people, slice_str(addresses[who]));

            if (!slice_eq(ical_param_text(person->prop, "PARTSTAT"), SLICE("DECLINED")))
                fail(run, "took it out, and is not declined",
                     itip_t_text(run->arena, run->objects[who], false),
                     itip_t_text(run->arena, run->objects[0], false));
            continue;
        }
        const struct itip_part *cover = calendar_itip_set_cover(&own, &his.parts[i]);

        if (!has && part == NULL && !his.parts[i].master && !his.parts[i].future && cover != NULL &&
            !calendar_itip_cancelled(cover->comp) &&
            !calendar_itip_times_has(&out, his.parts[i].id_s)) {
            /* as the series: of an override that a reply made */
            part = arena_one(run->arena, struct itip_part);
            *part = (struct itip_part){.id_s = his.parts[i].id_s};
            part->comp = calendar_itip_set_instance(&own, part->id_s, false);
            has = true;
        }
        if (invited != has)
            fail(run, invited ? "not told" : "not taken back",
                 itip_t_text(run->arena, run->objects[who], false),
                 itip_t_text(run->arena, run->objects[0], false));
        if (has && !slice_eq(seen(run, &own, part, who), seen(run, &his, &his.parts[i], who))) {
            printf("%s", addresses[who]);
            fail(run, "differs", seen(run, &own, part, who), seen(run, &his, &his.parts[i], who));
        }
    }
}

static void shuffle(struct run *run, struct packet *packets, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = chance(run, i);
        struct packet packet = packets[i - 1];

        packets[i - 1] = packets[k];
        packets[k] = packet;
    }
}

/* All that was sent to one, in two orders, some of it twice, to whom never answers. */
static void replay(struct run *run, size_t who)
{
    struct slice want = {0};

    for (int round = 0; round < 3; round++) {
        struct packet packets[2 * PACKETS_MAX];
        struct ical_comp *object = NULL;
        size_t count = 0;

        for (size_t i = 0; i < run->log_count; i++)
            for (uint64_t n = round > 0 ? 1 + chance(run, 2) : 1; run->log[i].to == who && n > 0;
                 n--)
                packets[count++] = run->log[i];
        if (round > 0)
            shuffle(run, packets, count);
        for (size_t i = 0; i < count; i++)
            object = receive(run, &packets[i], object);
        struct slice got;

        /* whether a cancelled meeting is shown depends on whether it ever was: on the order */
        for (struct ical_comp *comp = object != NULL ? object->comps : NULL; comp != NULL;
             comp = comp->next)
            calendar_itip_other_remove(comp, CALENDAR_ITIP_HIDDEN);
        got = itip_t_text(run->arena, object, false);
        if (round == 0)
            want = got;
        else if (!slice_eq(got, want))
            fail(run, "another order, another object", got, want);
    }
}

/* Replies heard once more, and again: the second time nothing is new. */
static void repeat_replies(struct run *run)
{
    struct ical_comp *object = run->objects[0];

    for (size_t i = 0; i < 2 * run->log_count; i++) {
        const struct packet *packet = &run->log[i % run->log_count];
        struct ical_comp *next = packet->to == 0 ? receive(run, packet, object) : object;

        if (i >= run->log_count && next != object)
            fail(run, "a reply heard twice", itip_t_text(run->arena, next, false),
                 itip_t_text(run->arena, object, false));
        object = next;
    }
}

static void run_one(uint64_t seed, bool talk, bool split)
{
    static struct run the_run;
    struct run *run = &the_run;
    AUTO(buf) struct buf text = BUF(MIB);

    the_run = (struct run){.seed = seed, .state = seed};
    run->talk = talk;
    run->split = split;
    run->arena = arena_new("sim", 4 * GIB);
    run->now_s = ITIP_T_NOW;
    for (size_t i = 0; i < PEOPLE; i++)
        run->own[i] = slice_str(addresses[i]);
    run->todo = seed % 4 == 3;
    buf_putf(&text,
             "BEGIN:VCALENDAR\nBEGIN:%s\n"
             "UID:1\nSUMMARY:0\nDTSTART:%.*s\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=%d\n"
             "ORGANIZER:%s\nATTENDEE;PARTSTAT=ACCEPTED:%s\n",
             run->todo ? "VTODO" : "VEVENT", SLICE_ARG(calendar_itip_stamp(run->arena, START_S)),
             DAYS, addresses[0], addresses[0]);
    for (size_t i = 1; i < PEOPLE - 1; i++)
        buf_putf(&text, "ATTENDEE;PARTSTAT=NEEDS-ACTION:%s\n", addresses[i]);
    buf_putf(&text, "END:%s\nEND:VCALENDAR\n", run->todo ? "VTODO" : "VEVENT");
    put(run, 0, itip_t_object(run->arena, text.ptr));
    for (int i = 0; i < STEPS; i++) {
        run->now_s += (int64_t)chance(run, 3);
        if (run->packet_count > 0 && chance(run, 2) > 0)
            deliver(run);
        else if (chance(run, 2) > 0)
            organize(run);
        else
            answer(run, 1 + chance(run, PEOPLE - 1));
    }
    while (run->packet_count > 0)
        deliver(run);
    show(run, "ends", 0, run->objects[0]);
    for (size_t i = 1; i < PEOPLE; i++) {
        show(run, "ends", i, run->objects[i]);
        check(run, i);
    }
    run->replaying = true;
    for (size_t i = 1; i < PEOPLE && !run->added;
         i++) /* an ADD that came first is asked for anew */
        replay(run, i);
    repeat_replies(run);
    arena_free(&run->arena);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, runs = 500;
    bool talk = false, split = false;

    if (argc > 1 && strcmp(argv[1], "--split") == 0) {
        split = true;
        argv++;
        argc--;
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
            runs = 1;
            talk = true;
        } else if (strcmp(argv[i], "--from") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--runs") == 0) {
            runs = strtoull(argv[i + 1], NULL, 10);
        }
    }
    for (uint64_t i = 0; i < runs; i++)
        run_one(seed + i, talk, split);
    printf("seeds %llu to %llu: the same objects\n", (unsigned long long)seed,
           (unsigned long long)(seed + runs - 1));
    return 0;
}
