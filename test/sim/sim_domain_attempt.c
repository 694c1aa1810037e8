/* One attempt, as router_send.c makes it, and the other end of it. */
#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sim_domain.h"

#include <stdio.h>
#include <string.h>

static struct dom_row *row_of(struct dom *dom, const struct dom_slot *slot)
{
    return &dom->rows[slot->row];
}

static bool died(const struct dom *dom, const struct dom_slot *slot)
{
    const struct dom_server *server = &dom->servers[slot->server];

    return !server->alive || server->life != slot->life;
}

static const struct dom_target *target_of(const struct dom_slot *slot)
{
    return &slot->targets[slot->target];
}

/* --- slots --- */

uint32_t dom_slot_new(struct dom *dom, uint32_t server, uint32_t dest, uint32_t row)
{
    uint32_t number = dom->slot_free;

    if (number == DOM_NONE) {
        number = dom->slot_count++;
        dom->slots = mem_grow(dom->slots, dom->slot_count, sizeof(dom->slots[0]));
    } else {
        dom->slot_free = dom->slots[number].next_free;
    }
    struct dom_slot *slot = &dom->slots[number];
    slot->step = DOM_BEGIN;
    slot->server = server;
    slot->life = dom->servers[server].life;
    slot->dest = dest;
    slot->row = row;
    slot->target = slot->target_count = 0;
    slot->heard.answer.kind = ROUTER_UNSETTLED;
    slot->heard.host = NULL;
    slot->heard.opened = slot->heard.hope = false;
    slot->any_opened = slot->doubt = slot->path = false;
    slot->began_ms = dom->now_ms;
    return number;
}

static void slot_free(struct dom *dom, struct dom_slot *slot)
{
    slot->step = DOM_FREE;
    slot->next_free = dom->slot_free;
    dom->slot_free = (uint32_t)(slot - dom->slots);
}

/* The next one of the destination's. */
static void slot_over(struct dom *dom, struct dom_slot *slot)
{
    uint32_t server = slot->server;
    uint32_t dest = slot->dest;

    dom->servers[server].dests[dest].active--;
    slot_free(dom, slot);
    dom_kick(dom, server, dest);
}

static void slot_next(struct dom *dom, struct dom_slot *slot, enum dom_step step, int64_t after_ms)
{
    slot->step = step;
    dom_event(dom, dom->now_ms + after_ms, DOM_SLOT, (uint64_t)(slot - dom->slots));
}

/* --- what becomes of the row --- */

/* In a calm in which somebody would take it: somebody must have. */
static void check_stuck(struct dom *dom, const struct dom_slot *slot)
{
    const struct dom_row *row = row_of(dom, slot);

    if (!slot->path || slot->doubt || dom->changed_ms > slot->began_ms || !dom_calm(dom) ||
        !dom_path(dom, slot->server, row))
        return;
    struct router_plan plan;
    dom_plan(dom, slot->server, row, &plan);
    sim_violation(dom->now_ms,
                  "message %u stays at %s though there is a way: %s; %zu hops, failover %d",
                  row->message, dom->servers[slot->server].name, plan.why, plan.hop_count,
                  (int)dom->failover);
}

static void press(struct dom *dom, struct dom_slot *slot, enum router_pressure pressure)
{
    struct dom_server *server = &dom->servers[slot->server];
    struct dom_dest *dest = &server->dests[slot->dest];
    const struct router_pace_limits limits = dom_limits(dest);
    const struct router_pace before = dest->pace;
    int64_t wall_ms = dom_wall(server, dom->now_ms);

    (void)router_outcome_press(&dest->pace, pressure, &limits, wall_ms,
                               sim_random_u32(&dom->random));
    sim_check_pace(&before, &dest->pace, &limits, wall_ms);
}

static void decide(struct dom *dom, struct dom_slot *slot, enum router_fate fate)
{
    struct dom_row *row = row_of(dom, slot);
    struct dom_server *server = &dom->servers[slot->server];
    const struct router_terms terms = {.attempts = row->sim.attempts,
                                       .accepted_ms = row->sim.accepted_ms,
                                       .now_ms = dom_wall(server, dom->now_ms),
                                       .timeout_ms = SIM_TIMEOUT_MS,
                                       .retry_min_ms = SIM_RETRY_MIN_MS,
                                       .retry_max_ms = SIM_RETRY_MAX_MS,
                                       .random = sim_random_u32(&dom->random)};

    router_outcome(&slot->heard, fate, &terms, &slot->outcome);
    sim_check_outcome(&row->sim, &slot->outcome, slot->any_opened, false, terms.now_ms);
    if (slot->outcome.what == ROUTER_OUTCOME_DONE)
        row->noted = true;
    slot_next(dom, slot, DOM_SETTLING, 1);
}

/* The store has it now. */
static void settle(struct dom *dom, struct dom_slot *slot)
{
    struct dom_row *row = row_of(dom, slot);

    if (row->sim.state == SIM_DELIVERED || row->sim.state == SIM_FAILED) {
        slot_over(dom, slot);
        return;
    }
    switch (slot->outcome.what) {
    case ROUTER_OUTCOME_DONE:
    case ROUTER_OUTCOME_RELAYED:
        dom_row_end(dom, slot->row, false);
        break;
    case ROUTER_OUTCOME_FAILED:
        dom->figures.refused += row->sim.refused;
        dom_row_end(dom, slot->row, true);
        break;
    case ROUTER_OUTCOME_LATER:
        check_stuck(dom, slot);
        dom->figures.deferred++;
        row->sim.attempts = (uint32_t)slot->outcome.attempts;
        row->sim.next_ms = slot->outcome.next_ms;
        dom_row_store(dom, slot->row, slot->dest);
        break;
    case ROUTER_OUTCOME_WAITS:
        dom->figures.waited++;
        dom_row_store(dom, slot->row, slot->dest);
        break;
    }
    slot_over(dom, slot);
}

static void give_up(struct dom *dom, struct dom_slot *slot)
{
    if (slot->any_opened) {
        decide(dom, slot, ROUTER_FATE_NEXT_HOP);
        return;
    }
    check_stuck(dom, slot);
    press(dom, slot, ROUTER_DEST_DOWN);
    if (slot->target_count == 0)
        row_of(dom, slot)->sim.hopeless = false;
    decide(dom, slot, ROUTER_FATE_NEXT_HOP);
}

/* --- hops --- */

static void open_next(struct dom *dom, struct dom_slot *slot)
{
    struct dom_server *server = &dom->servers[slot->server];
    int64_t cost_ms = 2;

    if (slot->target == slot->target_count) {
        give_up(dom, slot);
        return;
    }
    const struct dom_target *target = target_of(slot);
    slot->opened = true;
    if (!target->is_server) {
        slot->opened =
            sim_host_open(&dom->world, target->number, dom->now_ms, &slot->answer, &cost_ms);
    } else if (!dom_linked(dom, slot->server, target->number)) {
        router_answer_say(&slot->answer, ROUTER_TIMED_OUT, ROUTER_STAGE_CONNECT, "cut");
        slot->opened = false;
        cost_ms = dom->patience_ms;
    } else if (!dom->servers[target->number].alive) {
        router_answer_say(&slot->answer, ROUTER_NO_CONNECTION, ROUTER_STAGE_CONNECT, "refused");
        slot->opened = false;
    } else if (dom->servers[target->number].restricted > 0) {
        router_answer_say(&slot->answer, ROUTER_ANSWERED, ROUTER_STAGE_GREETING, "restricted");
        slot->answer.code = 421;
        slot->opened = false;
    } else {
        slot->peer_life = dom->servers[target->number].life;
        cost_ms = dom_delay(dom, slot->server, target->number);
    }
    if (cost_ms > dom->patience_ms) {
        cost_ms = dom->patience_ms;
        if (slot->opened) {
            router_answer_say(&slot->answer, ROUTER_TIMED_OUT, ROUTER_STAGE_GREETING, "slow");
            slot->opened = false;
        }
    }
    (void)server;
    slot_next(dom, slot, DOM_OPENING, cost_ms);
}

static void tell_health(struct dom *dom, const struct dom_slot *slot)
{
    struct dom_server *server = &dom->servers[slot->server];
    struct health_server *peer = &server->peers[target_of(slot)->number];
    const struct health_event event = {.kind = HEALTH_EVENT_FAILED, .now_ms = peer->peer.now_ms};
    enum health_state before = peer->peer.state;

    if (slot->answer.kind == ROUTER_ANSWERED)
        return;
    peer->peer = health_step(&dom->limits, peer->peer, &event);
    if (peer->peer.state != before)
        dom_look_servers(dom, slot->server);
}

/* It is known whether there is a connection. */
static void opened(struct dom *dom, struct dom_slot *slot)
{
    struct dom_server *server = &dom->servers[slot->server];
    const struct dom_target *target = target_of(slot);
    struct dom_row *row = row_of(dom, slot);

    router_outcome_host(server->hosts, target->name, target->port, slot->opened,
                        dom_wall(server, dom->now_ms), SIM_RETRY_MIN_MS);
    if (slot->opened) {
        sim_check_offer(&row->sim, dom->now_ms);
        slot->any_opened = true;
        slot_next(dom, slot, DOM_ARRIVING,
                  target->is_server ? dom_delay(dom, slot->server, target->number) : 1);
        return;
    }
    row->sim.hopeless = false;
    (void)router_outcome_hear(&slot->heard, &slot->answer, "", false);
    if (target->is_server)
        tell_health(dom, slot);
    slot->target++;
    open_next(dom, slot);
}

/* The ledger of the answer; taken, and nobody is there to hear it: what comes of it is excused. */
static void note(struct dom *dom, struct dom_slot *slot, bool taken)
{
    struct dom_message *message = &dom->messages[row_of(dom, slot)->message];
    bool heard = slot->answer.kind == ROUTER_ANSWERED && !died(dom, slot);

    message->excused = (uint16_t)(message->excused + (taken && !heard));
    if (!died(dom, slot))
        sim_row_note(&row_of(dom, slot)->sim, &slot->answer, taken);
}

static int64_t arrive_elsewhere(struct dom *dom, struct dom_slot *slot)
{
    struct sim_row row = row_of(dom, slot)->sim;
    struct sim_row *rows[1] = {&row};
    uint8_t before = row.taken;
    int64_t cost_ms;

    sim_host_send(&dom->world, target_of(slot)->number, dom->now_ms, rows, 1, &slot->answer,
                  &cost_ms);
    row_of(dom, slot)->sim.first_offer_ms = row.first_offer_ms;
    bool taken = row.taken > before;
    dom->messages[row.message].foreign = (uint16_t)(dom->messages[row.message].foreign + taken);
    dom->figures.foreign += taken;
    note(dom, slot, taken);
    return cost_ms < dom->patience_ms ? cost_ms : dom->patience_ms;
}

static int64_t arrive_at_server(struct dom *dom, struct dom_slot *slot)
{
    uint32_t to = target_of(slot)->number;
    struct router_answer *answer = &slot->answer;

    if (!dom_linked(dom, slot->server, to) || !dom->servers[to].alive ||
        dom->servers[to].life != slot->peer_life) {
        router_answer_say(answer, ROUTER_CUT, ROUTER_STAGE_BODY, "cut");
        note(dom, slot, false);
        return dom->patience_ms / 4;
    }
    dom_check_handover(dom, slot->server, to, row_of(dom, slot));
    unsigned code = dom_accept(dom, to, row_of(dom, slot)->message, slot->row);
    dom->figures.handovers += code == 250;
    router_answer_say(answer, ROUTER_ANSWERED, ROUTER_STAGE_END, "as it says");
    answer->code = (uint16_t)code;
    if (dom_may_die(dom, to) || sim_random_below(&dom->random, 2000) == 0) /* before it says so */
        router_answer_say(answer, ROUTER_CUT, ROUTER_STAGE_END, "cut");
    note(dom, slot, code == 250);
    return dom_delay(dom, to, slot->server);
}

/* The whole message is there, if the way is; who sent it may not be any more. */
static void arrive(struct dom *dom, struct dom_slot *slot)
{
    int64_t cost_ms =
        target_of(slot)->is_server ? arrive_at_server(dom, slot) : arrive_elsewhere(dom, slot);

    if (died(dom, slot))
        slot_free(dom, slot);
    else
        slot_next(dom, slot, DOM_REPLYING, cost_ms);
}

static void reply(struct dom *dom, struct dom_slot *slot)
{
    press(dom, slot, router_outcome_pressure(&slot->answer, 1));
    enum router_fate fate = router_outcome_hear(&slot->heard, &slot->answer, "", true);

    slot->doubt = slot->doubt || row_of(dom, slot)->sim.doubtful;
    if (fate != ROUTER_FATE_NEXT_HOP) {
        decide(dom, slot, fate);
        return;
    }
    slot->target++;
    open_next(dom, slot);
}

/* --- its begin --- */

static void check_rewriting(struct dom *dom, const struct dom_row *row,
                            const struct router_hop *hop)
{
    const struct dom_message *message = &dom->messages[row->message];
    char address[64];
    char want[64];

    if (message->kind != DOM_FOREIGN)
        return;
    dom_address(dom, row->message, address);
    struct slice local = SLICE("u");
    struct slice domain = slice_sub(slice_str(address), 2, SIZE_MAX);
    bool done = directory_foreign_rewrite(hop->foreign, DIRECTORY_OUT, dom->arena, &local, &domain);
    snprintf(want, sizeof(want), "inner%u.test", message->to);
    if (!done || !slice_eq(domain, slice_str(want)))
        sim_violation(dom->now_ms, "%s is not rewritten for its own system", address);
}

static uint32_t number_of(const char *name)
{
    unsigned number = 0;

    (void)sscanf(name + 1, "%u", &number);
    return number;
}

/* False: its domain does not exist. */
static bool find_targets(struct dom *dom, struct dom_slot *slot, const struct router_plan *plan)
{
    const struct dom_row *row = row_of(dom, slot);

    for (size_t i = 0; i < plan->hop_count && slot->target_count < DOM_TARGETS_MAX; i++) {
        const struct router_hop *hop = &plan->hops[i];
        struct dom_target *target = &slot->targets[slot->target_count++];

        if (hop->foreign != NULL)
            check_rewriting(dom, row, hop);
        target->is_server = hop->server != NULL;
        target->port = hop->port;
        if (hop->mx && dom->messages[row->message].kind != DOM_NET)
            return false;
        target->number = hop->mx               ? DOM_FOREIGNS * 6 + dom->messages[row->message].to
                         : hop->server != NULL ? number_of(hop->server)
                                               : number_of(hop->host);
        snprintf(target->name, sizeof(target->name), "%s", hop->mx ? "mx" : hop->host);
    }
    return true;
}

/* The documents are not for this server to see. */
static void refuse(struct dom *dom, struct dom_slot *slot)
{
    struct dom_row *row = row_of(dom, slot);

    dom->figures.blind += row->from != DOM_NONE; /* a mate of the gateway */
    slot->heard = (struct router_heard){.answer.kind = ROUTER_NO_FEATURE};
    decide(dom, slot, ROUTER_FATE_FAILED);
}

static void begin(struct dom *dom, struct dom_slot *slot)
{
    struct dom_server *server = &dom->servers[slot->server];
    struct dom_row *row = row_of(dom, slot);
    struct router_plan plan;

    dom_plan(dom, slot->server, row, &plan);
    dom->figures.attempts++;
    if (plan.way == ROUTER_WAY_HERE) {
        dom_row_end(dom, slot->row, !dom_deliver(dom, slot->server, row->message));
        slot_over(dom, slot);
        return;
    }
    if (strcmp(plan.key, server->dests[slot->dest].key) != 0) {
        uint32_t dest = dom_dest_find(dom, slot->server, plan.key);
        row->sim.next_ms = 0;
        dom_row_store(dom, slot->row, dest);
        dom->figures.moved++;
        dom_event(dom, dom->now_ms, DOM_DEST, slot->server | (uint64_t)dest << 8);
        slot_over(dom, slot);
        return;
    }
    server->dests[slot->dest].retry_max_ms = plan.fixed ? SIM_PROBE_MS : 0;
    row->sim.refused = row->sim.doubtful = false;
    row->sim.hopeless = true;
    if (!find_targets(dom, slot, &plan)) {
        refuse(dom, slot);
        return;
    }
    dom_check_hops(dom, slot);
    slot->path = dom_calm(dom) && dom_path(dom, slot->server, row);
    dom->figures.judged += slot->path;
    open_next(dom, slot);
}

void dom_slot_step(struct dom *dom, uint32_t number)
{
    struct dom_slot *slot = &dom->slots[number];

    if (slot->step == DOM_ARRIVING) { /* what is on its way arrives */
        arrive(dom, slot);
        return;
    }
    if (died(dom, slot) || dom_may_die(dom, slot->server)) {
        slot_free(dom, slot);
        return;
    }
    switch (slot->step) {
    case DOM_BEGIN:
        begin(dom, slot);
        break;
    case DOM_OPENING:
        opened(dom, slot);
        break;
    case DOM_REPLYING:
        reply(dom, slot);
        break;
    case DOM_SETTLING:
        settle(dom, slot);
        break;
    case DOM_FREE:
    case DOM_ARRIVING:
        break;
    }
}
