/* Free/busy questions in domains of 2 to 12 servers by chance: documents, accounts, far systems,
 * and faults: servers that are down, busy, restricted, slow, hung or talk garbage, links cut both
 * ways or one way, far systems and stores likewise, and what each server thinks of the others,
 * which is not always so. Where a way exists it is found within the deadline; no question goes in a
 * circle; no attendee's failure delays another; where nothing fails each attendee costs one
 * question. Usage: sim_connector [--seed N] [--questions N]: worlds from seed on until there were
 * as many questions (500,000); a seed always runs the same. */
#include "sim_connector.h"
#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar_connector_plan.h"
#include "calendar/calendar_known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKUPS_EACH 100 /* in one world */
#define ATTENDEES_MAX 20
#define DEADLINE_MS 5000
#define USUAL_MS 80
#define SILENT_MS 500
#define REFUSED_MS 2
#define GIVEN_UP_MS 1500 /* a connection that nobody answers */
#define TOGETHER_MAX 8
#define AGE_MAX_MS (5 * 60 * 1000)

/* An attendee at a server that a question came to. */
struct seat {
    const struct con_attendee *attendee;
    struct slice address; /* as it came */
    uint32_t asked_as;    /* the seat and step of the node that asks */
    struct calendar_connector_plan plan;
    struct calendar_hedge hedge;
    enum calendar_hedge_act end; /* ASK: not yet */
    size_t step;                 /* that won */
    uint64_t end_ms;
};

/* A question at a server. */
struct node {
    uint32_t server;
    struct node *asker; /* NULL: it began here */
    unsigned depth, hops_left;
    const struct slice *visited;
    size_t visited_count;
    uint64_t deadline_ms; /* when it will not be answered any more */
    uint64_t timer_ms;
    struct seat *seats;
    size_t count;
};

enum event_kind { EVENT_ARRIVE, EVENT_TIMER, EVENT_ANSWER };
struct event {
    enum event_kind kind;
    struct node *node; /* to which it happens */
    enum calendar_hedge_answer answer;
    const size_t *asks; /* seats and steps */
    size_t count;
};

struct figures {
    uint64_t lookups, attendees, questions, plans, detours, ways, found, beyond, known, alone;
    uint64_t last_ms;
};

struct lookup {
    struct con_world *world;
    struct arena *arena;
    struct sim_heap heap;
    struct event *events;
    size_t event_count, event_cap;
    uint64_t now_ms;
    uint64_t detours, asked;
    struct figures *figures;
    bool rests; /* second sources were not asked for long */
    bool wrong;
};

static void violation(struct lookup *lookup, const char *what, const char *whom)
{
    lookup->wrong = true;
    printf("seed %llu: %s: %s\n", (unsigned long long)lookup->world->seed, what, whom);
}

/* --- events --- */

static void put(struct lookup *lookup, uint64_t at_ms, const struct event *event)
{
    if (lookup->event_count == lookup->event_cap) {
        lookup->event_cap = lookup->event_cap == 0 ? 256 : 2 * lookup->event_cap;
        lookup->events = mem_grow(lookup->events, lookup->event_cap, sizeof(lookup->events[0]));
    }
    sim_heap_put(&lookup->heap, (int64_t)at_ms, lookup->event_count);
    lookup->events[lookup->event_count++] = *event;
}

static void answer_at(struct lookup *lookup, uint64_t in_ms, struct node *node,
                      enum calendar_hedge_answer answer, const struct calendar_hedge_group *group)
{
    const struct event event = {EVENT_ANSWER, node, answer, group->attendees, group->count};

    put(lookup, lookup->now_ms + in_ms, &event);
}

/* --- a source is asked --- */

static size_t ask_number(size_t seat, size_t step)
{
    return seat * CALENDAR_HEDGE_STEPS_MAX + step;
}

static const struct calendar_connector_step *step_of(const struct node *node, size_t ask)
{
    return &node->seats[ask / CALENDAR_HEDGE_STEPS_MAX].plan.steps[ask % CALENDAR_HEDGE_STEPS_MAX];
}

static void ask_source(struct lookup *lookup, struct node *node, enum con_fault fault,
                       uint32_t took_ms, const struct calendar_hedge_group *group)
{
    if (fault == CON_HUNG)
        return;
    answer_at(lookup, took_ms, node,
              con_world_works(fault) ? CALENDAR_HEDGE_GOOD
              : fault == CON_GARBAGE ? CALENDAR_HEDGE_GARBAGE
                                     : CALENDAR_HEDGE_BAD,
              group);
}

static void send(struct lookup *lookup, struct node *node, uint32_t to,
                 const struct calendar_hedge_group *group)
{
    const struct calendar_connector_step *first = step_of(node, group->attendees[0]);
    const struct seat *seat = &node->seats[group->attendees[0] / CALENDAR_HEDGE_STEPS_MAX];
    struct node *child = arena_one(lookup->arena, struct node);

    *child = (struct node){.server = to,
                           .asker = node,
                           .depth = node->depth + 1,
                           .hops_left = first->hops_left,
                           .visited = seat->plan.visited,
                           .visited_count = seat->plan.visited_count,
                           .timer_ms = UINT64_MAX,
                           .count = group->count};
    child->deadline_ms = calendar_hedge_hand_on_ms(lookup->now_ms, node->deadline_ms);
    child->seats = arena_many(lookup->arena, struct seat, group->count);
    for (size_t i = 0; i < group->count; i++) {
        child->seats[i].attendee =
            node->seats[group->attendees[i] / CALENDAR_HEDGE_STEPS_MAX].attendee;
        child->seats[i].address = step_of(node, group->attendees[i])->address;
        child->seats[i].asked_as = (uint32_t)group->attendees[i];
    }
    if (child->depth > CALENDAR_CONNECTOR_HOPS)
        violation(lookup, "more hops than there are", lookup->world->names[to]);
    for (size_t i = 0; i < child->visited_count; i++)
        if (slice_eq(child->visited[i], slice_str(lookup->world->names[to])))
            violation(lookup, "a question comes back", lookup->world->names[to]);
    const struct event arrive = {.kind = EVENT_ARRIVE, .node = child};
    put(lookup, lookup->now_ms + con_world_link_ms(lookup->world, node->server, to), &arrive);
}

static void ask_server(struct lookup *lookup, struct node *node, uint32_t to,
                       const struct calendar_hedge_group *group)
{
    const struct con_world *world = lookup->world;
    uint32_t there = con_world_link_ms(world, node->server, to);
    uint32_t back = con_world_link_ms(world, to, node->server);

    if (world->cut[node->server][to] || world->cut[to][node->server])
        answer_at(lookup, GIVEN_UP_MS, node, CALENDAR_HEDGE_AWAY, group);
    if (world->cut[node->server][to])
        return;
    if (world->cut[to][node->server] || con_world_works(world->servers[to]))
        send(lookup, node, to, group); /* also where the answer will be lost */
    else if (world->servers[to] == CON_DOWN)
        answer_at(lookup, REFUSED_MS, node, CALENDAR_HEDGE_AWAY, group);
    else if (world->servers[to] != CON_HUNG)
        answer_at(lookup, there + back, node,
                  world->servers[to] == CON_GARBAGE ? CALENDAR_HEDGE_GARBAGE : CALENDAR_HEDGE_BAD,
                  group);
}

static void ask(struct lookup *lookup, struct node *node, const struct calendar_hedge_group *group)
{
    const struct calendar_connector_step *step = step_of(node, group->attendees[0]);
    const struct con_world *world = lookup->world;

    lookup->figures->questions += group->count;
    lookup->asked += group->count;
    lookup->detours += step->hops_left > 0 ? group->count : 0;
    if (step->way == CALENDAR_CONNECTOR_HERE)
        ask_source(lookup, node, world->stores[node->server], world->store_ms[node->server], group);
    else if (step->way == CALENDAR_CONNECTOR_FOREIGN)
        ask_source(lookup, node, world->fars[con_world_doc(step->foreign->name)],
                   world->far_ms[con_world_doc(step->foreign->name)], group);
    else
        ask_server(lookup, node, con_world_server(world, step->server->name), group);
}

/* --- a server at work --- */

/* Each attendee is answered when its own answer is there, whatever the others do. */
static void answer_asker(struct lookup *lookup, const struct node *node, const struct seat *seat)
{
    const struct con_world *world = lookup->world;
    size_t *asked_as;

    if (node->asker == NULL || world->cut[node->server][node->asker->server] ||
        world->cut[node->asker->server][node->server])
        return;
    asked_as = arena_one(lookup->arena, size_t);
    *asked_as = seat->asked_as;
    const struct calendar_hedge_group one = {.attendees = asked_as, .count = 1};
    answer_at(lookup, con_world_link_ms(world, node->server, node->asker->server), node->asker,
              seat->end == CALENDAR_HEDGE_WON ? CALENDAR_HEDGE_GOOD
              : seat->plan.step_count == 0    ? CALENDAR_HEDGE_UNKNOWN
                                              : CALENDAR_HEDGE_BAD,
              &one);
}

static void finish(struct lookup *lookup, struct node *node, struct seat *seat,
                   const struct calendar_hedge_do *act)
{
    seat->end = act->act;
    seat->step = act->step;
    seat->end_ms = lookup->now_ms;
    answer_asker(lookup, node, seat);
}

/* Does what is to be done now, many attendees in one question; returns when to look again. */
static uint64_t work(struct lookup *lookup, struct node *node)
{
    struct calendar_hedge_ask *asks =
        arena_many(lookup->arena, struct calendar_hedge_ask, node->count * 4);
    struct calendar_hedge_group *groups;
    uint64_t next_ms = UINT64_MAX;
    size_t count = 0;

    for (size_t i = 0; i < node->count; i++) {
        struct seat *seat = &node->seats[i];

        while (seat->end == CALENDAR_HEDGE_ASK && count < node->count * 4) {
            const struct calendar_hedge_do act = calendar_hedge_next(&seat->hedge, lookup->now_ms);

            if (act.act == CALENDAR_HEDGE_WAIT) {
                next_ms = act.at_ms < next_ms ? act.at_ms : next_ms;
                break;
            }
            if (act.act == CALENDAR_HEDGE_ASK)
                asks[count++] = (struct calendar_hedge_ask){seat->plan.steps[act.step].key,
                                                            ask_number(i, act.step), false};
            else
                finish(lookup, node, seat, &act);
        }
    }
    if (count == 0)
        return next_ms;
    count = calendar_hedge_groups(lookup->arena, asks, count, TOGETHER_MAX, &groups);
    for (size_t i = 0; i < count; i++)
        ask(lookup, node, &groups[i]);
    return next_ms;
}

static void go_on(struct lookup *lookup, struct node *node)
{
    uint64_t next_ms = work(lookup, node);

    if (next_ms == UINT64_MAX || next_ms >= node->timer_ms)
        return;
    node->timer_ms = next_ms;
    const struct event timer = {.kind = EVENT_TIMER, .node = node};
    put(lookup, next_ms, &timer);
}

static bool is_silent(const struct con_world *world, const struct calendar_connector_step *step)
{
    return step->way == CALENDAR_CONNECTOR_SERVER
               ? world->silent_servers[con_world_server(world, step->server->name)]
               : step->way == CALENDAR_CONNECTOR_FOREIGN &&
                     world->silent_fars[con_world_doc(step->foreign->name)];
}

static void arrive(struct lookup *lookup, struct node *node)
{
    struct con_world *world = lookup->world;

    node->deadline_ms += lookup->now_ms;
    for (size_t i = 0; i < node->count; i++) {
        struct seat *seat = &node->seats[i];
        const struct calendar_connector_question question = {
            .directory = world->directories[node->server],
            .servers = &world->views[node->server],
            .mono_ms = CON_MONO_MS,
            .server_name = world->names[node->server],
            .address = seat->address,
            .until_s = 1,
            .visited = node->visited,
            .visited_count = node->visited_count,
            .hops_left = node->hops_left,
            .pass_busy = true};

        calendar_connector_plan(&question, lookup->arena, &seat->plan);
        for (size_t k = 0; k < seat->plan.step_count; k++) {
            seat->plan.hedge[k].usual_ms = USUAL_MS;
            seat->plan.hedge[k].rests =
                lookup->rests && k == 1 && seat->plan.steps[0].way != CALENDAR_CONNECTOR_HERE;
            seat->plan.hedge[k].silent_ms = is_silent(world, &seat->plan.steps[k]) ? SILENT_MS : 0;
        }
        calendar_hedge_begin(&seat->hedge, seat->plan.hedge, seat->plan.step_count, lookup->now_ms,
                             node->deadline_ms);
    }
    lookup->figures->plans += node->count;
    go_on(lookup, node);
}

static void happen(struct lookup *lookup, const struct event *event)
{
    struct node *node = event->node;

    if (event->kind == EVENT_ARRIVE) {
        arrive(lookup, node);
        return;
    }
    if (event->kind == EVENT_TIMER && lookup->now_ms >= node->timer_ms)
        node->timer_ms = UINT64_MAX;
    for (size_t i = 0; i < event->count; i++)
        calendar_hedge_hear(&node->seats[event->asks[i] / CALENDAR_HEDGE_STEPS_MAX].hedge,
                            event->asks[i] % CALENDAR_HEDGE_STEPS_MAX, event->answer);
    go_on(lookup, node);
}

static bool is_over(const struct node *node)
{
    for (size_t i = 0; i < node->count; i++)
        if (node->seats[i].end == CALENDAR_HEDGE_ASK)
            return false;
    return true;
}

/* One look-up from beginning to end. */
static struct node *run(struct lookup *lookup, uint32_t origin,
                        const struct con_attendee *attendees, size_t count)
{
    struct node *node = arena_one(lookup->arena, struct node);

    *node = (struct node){.server = origin,
                          .hops_left = CALENDAR_CONNECTOR_HOPS,
                          .deadline_ms = DEADLINE_MS,
                          .timer_ms = UINT64_MAX,
                          .seats = arena_many(lookup->arena, struct seat, count),
                          .count = count};
    for (size_t i = 0; i < count; i++) {
        node->seats[i].attendee = &attendees[i];
        node->seats[i].address = slice_str(attendees[i].address);
    }
    lookup->now_ms = 0;
    lookup->event_count = 0;
    lookup->heap.count = 0;
    lookup->asked = lookup->detours = 0;
    arrive(lookup, node);
    while (lookup->heap.count > 0 && !is_over(node)) {
        struct sim_entry entry = sim_heap_take(&lookup->heap);
        const struct event event = lookup->events[entry.id];

        lookup->now_ms = (uint64_t)entry.at_ms;
        happen(lookup, &event);
    }
    return node;
}

/* --- what must hold --- */

static void check_seat(struct lookup *lookup, const struct node *node, const struct seat *seat)
{
    bool way = con_world_has_way(lookup->world, node->server, seat->attendee);
    bool found = seat->end == CALENDAR_HEDGE_WON;

    lookup->figures->ways += way;
    lookup->figures->found += found;
    lookup->figures->beyond += found && !way;
    if (found && seat->end_ms > lookup->figures->last_ms)
        lookup->figures->last_ms = seat->end_ms;
    if (seat->end == CALENDAR_HEDGE_ASK)
        violation(lookup, "it does not end", seat->address.ptr);
    if (seat->end_ms > DEADLINE_MS)
        violation(lookup, "after the deadline", seat->address.ptr);
    if (way && !found)
        violation(lookup, "there is a way, and it is not found", seat->address.ptr);
}

static void check_calm(struct lookup *lookup, const struct node *node)
{
    uint64_t asked = 0;

    for (size_t i = 0; i < node->count; i++) {
        const struct seat *seat = &node->seats[i];
        const struct calendar_connector_step *step = &seat->plan.steps[seat->step];

        if (seat->end != CALENDAR_HEDGE_WON)
            return;
        if (seat->step > 0)
            return; /* an account that is not in the first one's store yet */
        asked += step->way == CALENDAR_CONNECTOR_SERVER ? 2 : 1;
    }
    if (lookup->detours > 0 || (!lookup->rests && lookup->asked != asked))
        violation(lookup, "nothing fails, and more is asked than must be", "all");
}

/* A far system that is down is asked once by each of its calendar servers: nobody goes round. */
static void check_far_off(struct lookup *lookup, const struct seat *seat)
{
    for (size_t i = 0; seat->attendee->kind == CON_FAR && i < seat->plan.step_count; i++)
        if (seat->plan.hedge[i].kind == CALENDAR_HEDGE_DETOUR && seat->hedge.marks[i].asked)
            violation(lookup, "a far system is down, and others are bothered", seat->address.ptr);
}

/* The same attendee alone has the same answer at the same time. */
static void check_alone(struct lookup *lookup, const struct node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct seat *seat = &node->seats[i];
        const struct node *alone = run(lookup, node->server, seat->attendee, 1);

        lookup->figures->alone++;
        if (alone->seats[0].end != seat->end || alone->seats[0].end_ms != seat->end_ms)
            violation(lookup, "another's failure harms an attendee", seat->address.ptr);
    }
}

/* What was answered is known afterwards, for its time. */
static void check_known(struct lookup *lookup, const struct seat *seat,
                        struct calendar_known *known, uint64_t wall_ms, uint64_t *last_ms)
{
    struct calendar_known_answer answer = {.age_ms = 0};
    struct slice key = slice_str(seat->attendee->address);
    bool is_known =
        calendar_known_get(known, key, 0, 1, wall_ms, AGE_MAX_MS, lookup->arena, &answer);
    enum calendar_hedge_result result =
        calendar_hedge_result(seat->end, is_known, answer.age_ms, AGE_MAX_MS);
    bool expected = *last_ms > 0 && wall_ms - *last_ms <= AGE_MAX_MS;

    lookup->figures->known += result == CALENDAR_HEDGE_KNOWN;
    if (is_known != expected || (is_known && answer.age_ms != wall_ms - *last_ms))
        violation(lookup, "the last known answer is not what was answered last", key.ptr);
    if (seat->end == CALENDAR_HEDGE_WON) {
        calendar_known_put(known, key, 0, 1, NULL, 0, wall_ms);
        *last_ms = wall_ms;
    }
}

/* One number for each address. */
static size_t ledger_of(const struct con_attendee *attendee)
{
    size_t n = 0;

    for (const char *c = attendee->address; *c != '\0'; c++)
        n = n * 31 + (unsigned char)*c;
    return n % 100003;
}

static void look_up(struct lookup *lookup, struct calendar_known *known, uint64_t wall_ms,
                    uint64_t *ledger)
{
    struct con_world *world = lookup->world;
    struct con_attendee attendees[ATTENDEES_MAX];
    size_t count = 1 + (size_t)sim_random_below(&world->random, ATTENDEES_MAX);
    uint32_t origin = (uint32_t)sim_random_below(&world->random, world->server_count);

    for (size_t i = 0; i < count; i++)
        con_world_attendee(world, &attendees[i]);
    const struct node *node = run(lookup, origin, attendees, count);
    lookup->figures->lookups++;
    lookup->figures->attendees += count;
    lookup->figures->detours += lookup->detours;
    for (size_t i = 0; i < count; i++) {
        check_seat(lookup, node, &node->seats[i]);
        if (world->far_off)
            check_far_off(lookup, &node->seats[i]);
        check_known(lookup, &node->seats[i], known, wall_ms, &ledger[ledger_of(&attendees[i])]);
    }
    if (world->calm)
        check_calm(lookup, node);
    if (sim_chance(&world->random, 3))
        check_alone(lookup, node);
    arena_reset(lookup->arena);
}

static bool run_world(uint64_t seed, struct figures *figures)
{
    static uint64_t ledger[100003];
    struct con_world world;
    struct lookup lookup = {.world = &world, .figures = figures};
    struct calendar_known *known = calendar_known_new(MIB, 100);
    uint64_t wall_ms = 1000;

    memset(ledger, 0, sizeof(ledger));
    con_world_init(&world, seed);
    lookup.arena = arena_new("sim", 4 * GIB);
    for (int i = 0; i < LOOKUPS_EACH && !lookup.wrong; i++) {
        if (i % 2 == 0)
            con_world_faults(&world);
        lookup.rests = i % 4 == 3;
        wall_ms += sim_random_below(&world.random, 60000);
        look_up(&lookup, known, wall_ms, ledger);
    }
    arena_free(&lookup.arena);
    calendar_known_free(&known);
    sim_heap_fini(&lookup.heap);
    mem_free(lookup.events);
    con_world_fini(&world);
    return !lookup.wrong;
}

static void print(uint64_t first, uint64_t next, const struct figures *f, double s)
{
    printf("seeds %llu to %llu: %llu questions about %llu attendees in %llu look-ups, %.1f s\n",
           (unsigned long long)first, (unsigned long long)(next - 1),
           (unsigned long long)f->questions, (unsigned long long)f->attendees,
           (unsigned long long)f->lookups, s);
    printf(
        "  %llu plans, %llu asked to go round; %llu had a way, %llu were answered (%llu by luck), "
        "the last after %llu ms; %llu by what was known; %llu the same alone\n",
        (unsigned long long)f->plans, (unsigned long long)f->detours, (unsigned long long)f->ways,
        (unsigned long long)f->found, (unsigned long long)f->beyond, (unsigned long long)f->last_ms,
        (unsigned long long)f->known, (unsigned long long)f->alone);
}

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    uint64_t questions = 500000;
    struct figures figures = {0};
    struct timespec from;
    struct timespec to;
    bool good = true;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--questions") == 0)
            questions = strtoull(argv[i + 1], NULL, 10);
    }
    if (argc % 2 == 0 || questions == 0) {
        fprintf(stderr, "usage: sim_connector [--seed N] [--questions N]\n");
        return 64;
    }
    uint64_t first = seed != 0 ? seed : 1;
    uint64_t next = first;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (good && figures.questions < questions)
        good = run_world(next++, &figures);
    clock_gettime(CLOCK_MONOTONIC, &to);
    print(first, next, &figures,
          (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return good ? 0 : 1;
}
