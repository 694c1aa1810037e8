/* What goes wrong, and what the servers learn of each other. */
#include "sim_domain.h"

#include "base/slice.h"

#include <stdio.h>

void dom_event(struct dom *dom, int64_t at_ms, enum dom_event event, uint64_t number)
{
    sim_heap_put(&dom->events, at_ms, (uint64_t)event << 56 | number);
}

/* --- what is true --- */

bool dom_linked(const struct dom *dom, uint32_t a, uint32_t b)
{
    return dom->links[a][b].cut == 0 && dom->links[b][a].cut == 0;
}

int64_t dom_delay(struct dom *dom, uint32_t a, uint32_t b)
{
    int64_t ms = 1 + (int64_t)sim_random_below(&dom->random, 3);

    if (dom->links[a][b].slow > 0)
        ms += dom->links[a][b].delay_ms;
    if (dom->servers[b].slow > 0)
        ms += dom->servers[b].slow_ms;
    return ms;
}

int64_t dom_grace(const struct dom *dom)
{
    return 20000 * dom->scale + dom->patience_ms;
}

bool dom_calm(const struct dom *dom)
{
    return dom->turbulent == 0 && dom->now_ms - dom->changed_ms > dom_grace(dom);
}

/* --- faults --- */

void dom_kill(struct dom *dom, uint32_t server, int64_t ms)
{
    for (uint32_t i = 0; i < DOM_FAULTS_MAX; i++)
        if (!dom->faults[i].used) {
            dom->faults[i] = (struct dom_fault){DOM_KILL, server, server, true};
            dom->changed_ms = dom->now_ms;
            dom->figures.kills++;
            if (dom->servers[server].downs++ == 0)
                dom_stop(dom, server);
            dom_event(dom, dom->now_ms + ms, DOM_HEAL, i);
            return;
        }
}

bool dom_may_die(struct dom *dom, uint32_t server)
{
    if (sim_random_below(&dom->random, 3000) != 0)
        return false;
    dom_kill(dom, server, dom->scale * (int64_t)sim_random_below(&dom->random, 5000));
    return !dom->servers[server].alive;
}

static void turn(struct dom *dom, const struct dom_fault *fault, int by)
{
    struct dom_link *there = &dom->links[fault->a][fault->b];
    struct dom_link *back = &dom->links[fault->b][fault->a];
    struct dom_server *server = &dom->servers[fault->a];
    unsigned *counts[DOM_FAULT_MAX] = {
        [DOM_BUSY] = &server->busy,      [DOM_RESTRICT] = &server->restricted,
        [DOM_SLOW] = &server->slow,      [DOM_CUT] = &there->cut,
        [DOM_CUT_ONE_WAY] = &there->cut, [DOM_LOSS] = &there->lossy,
        [DOM_DELAY] = &there->slow,
    };

    *counts[fault->kind] += (unsigned)by;
    if (fault->kind == DOM_CUT)
        back->cut += (unsigned)by;
    if (fault->kind == DOM_SLOW || fault->kind == DOM_LOSS || fault->kind == DOM_DELAY)
        dom->turbulent += (unsigned)by;
    dom->changed_ms = dom->now_ms;
}

static int64_t draw_ms(struct dom *dom)
{
    static const uint64_t longest_ms[] = {500, 1000, 5000, 10000, 40000, 150000};

    return dom->scale *
           (int64_t)(10 + sim_random_below(
                              &dom->random,
                              longest_ms[sim_random_below(&dom->random, COUNT(longest_ms))]));
}

static void begin(struct dom *dom, uint32_t number)
{
    struct dom_fault *fault = &dom->faults[number];
    int64_t ms = draw_ms(dom);

    *fault = (struct dom_fault){
        .kind = (enum dom_fault_kind)sim_random_below(&dom->random, DOM_FAULT_MAX),
        .a = (uint32_t)sim_random_below(&dom->random, dom->server_count),
        .b = (uint32_t)sim_random_below(&dom->random, dom->server_count - 1),
        .used = true};
    if (fault->b >= fault->a)
        fault->b++;
    dom->figures.faults++;
    if (fault->kind == DOM_KILL) {
        fault->used = false;
        dom_kill(dom, fault->a, ms);
        return;
    }
    dom->servers[fault->a].slow_ms = dom->scale * (int64_t)sim_random_below(&dom->random, 3000);
    dom->links[fault->a][fault->b].delay_ms =
        dom->scale * (int64_t)sim_random_below(&dom->random, 2000);
    turn(dom, fault, 1);
    bool lasting = fault->kind == DOM_BUSY || fault->kind == DOM_RESTRICT ||
                   fault->kind == DOM_CUT || fault->kind == DOM_CUT_ONE_WAY;
    if (!lasting || !sim_chance(&dom->random, 3)) /* the others last for ever */
        dom_event(dom, dom->now_ms + ms, DOM_HEAL, number);
}

void dom_fault(struct dom *dom)
{
    int64_t wait_ms = dom->scale * (int64_t)sim_random_below(&dom->random, 2000);

    for (uint32_t i = 0; i < DOM_FAULTS_MAX; i++)
        if (!dom->faults[i].used) {
            begin(dom, i);
            break;
        }
    if (sim_chance(&dom->random, 25)) /* it becomes quiet for a time */
        wait_ms += dom_grace(dom) + dom->scale * (int64_t)sim_random_below(&dom->random, 40000);
    if (dom->now_ms + wait_ms < SIM_START_MS + dom->arrivals_ms)
        dom_event(dom, dom->now_ms + wait_ms, DOM_FAULT, 0);
}

void dom_heal(struct dom *dom, uint32_t number)
{
    struct dom_fault *fault = &dom->faults[number];
    struct dom_server *server = &dom->servers[fault->a];

    fault->used = false;
    if (fault->kind != DOM_KILL) {
        turn(dom, fault, -1);
        return;
    }
    dom->changed_ms = dom->now_ms;
    if (--server->downs == 0)
        dom_start(dom, fault->a);
}

/* --- what they learn --- */

static void feed(struct dom *dom, uint32_t a, uint32_t b, struct health_event *event)
{
    struct dom_server *server = &dom->servers[a];
    enum health_state before = server->peers[b].peer.state;

    server->peers[b].peer = health_step(&dom->limits, server->peers[b].peer, event);
    if (server->peers[b].peer.state != before)
        dom_look_servers(dom, a);
}

static uint64_t mono(const struct dom *dom, const struct dom_server *server, int64_t now_ms)
{
    int64_t ms = now_ms - SIM_START_MS;

    (void)dom;
    return server->mono_base_ms + (uint64_t)(ms + ms * server->mono_ppm / 1000000);
}

static unsigned index_of(struct dom *dom, const struct dom_server *server)
{
    return server->busy > 0 ? (unsigned)sim_random_below(&dom->random, server->threshold + 1) : 100;
}

static void take_pong(struct dom *dom, uint32_t a, uint32_t b, uint32_t epoch, unsigned index,
                      bool restricted)
{
    struct health_event event = {.kind = HEALTH_EVENT_PONG,
                                 .now_ms = mono(dom, &dom->servers[a], dom->now_ms),
                                 .epoch = epoch,
                                 .index = index,
                                 .threshold = dom->servers[b].threshold,
                                 .restricted = restricted,
                                 .rtt_us = 1000};

    feed(dom, a, b, &event);
}

void dom_pong(struct dom *dom, uint64_t number)
{
    uint32_t a = number & 15;
    uint32_t life = number >> 8 & 0xFFF;

    if (dom->servers[a].alive && (dom->servers[a].life & 0xFFF) == life)
        take_pong(dom, a, number >> 4 & 15, number >> 20 & 0xFFF, number >> 32 & 127,
                  (number >> 40 & 1) != 0);
}

static void ping(struct dom *dom, uint32_t a, uint32_t b)
{
    const struct dom_server *peer = &dom->servers[b];
    const struct dom_link *there = &dom->links[a][b];
    const struct dom_link *back = &dom->links[b][a];
    struct health_event event = {.kind = HEALTH_EVENT_TIME,
                                 .now_ms = mono(dom, &dom->servers[a], dom->now_ms)};

    dom->figures.pings++;
    if (dom_linked(dom, a, b) && !peer->alive)
        event.kind = HEALTH_EVENT_FAILED; /* the connection is refused */
    bool lost = (there->lossy > 0 || back->lossy > 0) && sim_chance(&dom->random, 40);
    if (!dom_linked(dom, a, b) || !peer->alive || lost) {
        feed(dom, a, b, &event);
        return;
    }
    unsigned index = index_of(dom, peer);
    if (there->slow == 0 && back->slow == 0 && peer->slow == 0) {
        take_pong(dom, a, b, peer->life, index, peer->restricted > 0);
        return;
    }
    feed(dom, a, b, &event);
    dom_event(dom, dom->now_ms + dom_delay(dom, a, b) + dom_delay(dom, b, a), DOM_PONG,
              a | b << 4 | (uint64_t)(dom->servers[a].life & 0xFFF) << 8 |
                  (uint64_t)(peer->life & 0xFFF) << 20 | (uint64_t)index << 32 |
                  (uint64_t)(peer->restricted > 0) << 40);
}

void dom_tick(struct dom *dom, uint32_t server)
{
    if (dom->servers[server].alive)
        for (uint32_t k = 0; k < dom->server_count; k++)
            if (k != server)
                ping(dom, server, k);
    if (dom->open_count > 0)
        dom_event(dom, dom->now_ms + dom->ping_ms, DOM_TICK, server);
}
