/* One attempt, as router_send.c makes it. */
#include "base/arena.h"
#include "base/slice.h"
#include "router/router_dsn.h"
#include "router/router_mx.h"
#include "sim_queue.h"

#include <stdio.h>
#include <string.h>

#define KEPT_MS 300000
#define KEPT_MESSAGES 1000

/* --- what becomes of a recipient --- */

/* Reports are counted, and what nobody is told of. */
static void fail(struct sim *sim, struct sim_row *row)
{
    sim_row_end(sim, row, SIM_FAILED);
    if (router_dsn_wanted(ROUTER_DSN_FAILED, row->notify, row->null_sender) || row->null_sender)
        sim->figures.failed++;
    else
        sim->figures.dropped++;
}

static void settle(struct sim *sim, struct sim_sender *sender, struct sim_row *row,
                   const struct router_outcome *outcome)
{
    struct sim_figures *figures = &sim->figures;

    if (outcome->what == ROUTER_OUTCOME_WAITS) {
        figures->waited++;
        sender->dest->more = true;
        sim_row_store(sim, row, sender->dest);
    } else if (outcome->what == ROUTER_OUTCOME_LATER) {
        figures->deferred++;
        row->attempts = (uint32_t)outcome->attempts;
        row->next_ms = outcome->next_ms;
        sim_row_store(sim, row, sender->dest);
    } else if (outcome->what == ROUTER_OUTCOME_FAILED) {
        fail(sim, row);
    } else {
        sim_row_end(sim, row, SIM_DELIVERED);
        figures->delivered++;
        figures->relayed += outcome->what == ROUTER_OUTCOME_RELAYED;
    }
}

static void decide(struct sim *sim, struct sim_sender *sender, size_t i, enum router_fate fate)
{
    struct sim_row *row = sender->rows[i];
    bool tells = sender->connected && sim->world.hosts[sender->host].tells;
    const struct router_terms terms = {.attempts = row->attempts,
                                       .notify = row->notify,
                                       .peer_tells = tells,
                                       .accepted_ms = row->accepted_ms,
                                       .now_ms = sim->now_ms,
                                       .timeout_ms = SIM_TIMEOUT_MS,
                                       .retry_min_ms = SIM_RETRY_MIN_MS,
                                       .retry_max_ms = SIM_RETRY_MAX_MS,
                                       .random = sim_random_u32(&sim->random)};
    struct router_outcome outcome;

    router_outcome(&sender->heard[i], fate, &terms, &outcome);
    sim_check_outcome(row, &outcome, sender->asked, tells, sim->now_ms);
    settle(sim, sender, row, &outcome);
}

static void press(struct sim *sim, struct sim_dest *dest, enum router_pressure pressure)
{
    const struct router_pace_limits limits = sim_dest_limits(dest);
    const struct router_pace before = dest->pace;

    (void)router_outcome_press(&dest->pace, pressure, &limits, sim->now_ms,
                               sim_random_u32(&sim->random));
    sim_check_pace(&before, &dest->pace, &limits, sim->now_ms);
}

/* --- hosts --- */

static void add_target(struct sim_sender *sender, struct sim_target target)
{
    if (sender->target_count < SIM_TARGETS_MAX)
        sender->targets[sender->target_count++] = target;
}

static uint32_t host_number(const char *name)
{
    unsigned number = 0;

    if (sscanf(name, "h%u.test", &number) != 1)
        sim_violation(SIM_START_MS, "%s is no host", name);
    return number;
}

/* As router_hosts.c has them. */
static void add_by_mx(struct sim *sim, struct sim_sender *sender, const struct router_hop *hop)
{
    const struct sim_domain *domain = &sim->world.domains[sender->rows[0]->domain];
    struct sys_dns_mx list[SIM_HOSTS_MAX];
    size_t count = domain->host_count;

    for (size_t i = 0; i < count; i++)
        list[i] = (struct sys_dns_mx){domain->preference[i], domain->host_name[i]};
    if (domain->dns == SIM_DNS_NULL_MX) {
        list[0] = (struct sys_dns_mx){0, ""};
        count = 1;
    }
    if (domain->dns == SIM_DNS_LAME && sim_chance(&sim->random, 50)) {
        add_target(sender, (struct sim_target){.kind = SIM_TARGET_LAME});
    } else if (router_mx_order(list, &count, SLICE("mail.sim.test"), sim_random(&sim->random)) ==
               ROUTER_MX_NULL) {
        add_target(sender, (struct sim_target){.kind = SIM_TARGET_DENIED});
    } else {
        for (size_t i = 0; i < count; i++)
            add_target(sender, (struct sim_target){.kind = SIM_TARGET_HOST,
                                                   .host = host_number(list[i].host),
                                                   .port = hop->port});
    }
}

static void find_targets(struct sim *sim, struct sim_sender *sender, const struct router_plan *plan)
{
    sender->target = sender->target_count = 0;
    for (size_t i = 0; i < plan->hop_count; i++) {
        const struct router_hop *hop = &plan->hops[i];

        if (hop->mx)
            add_by_mx(sim, sender, hop);
        else
            add_target(sender, (struct sim_target){.kind = SIM_TARGET_HOST,
                                                   .host = host_number(hop->host),
                                                   .port = hop->port});
    }
}

/* --- steps --- */

static void hear_all(struct sim_sender *sender, const struct router_answer *answer)
{
    for (size_t i = 0; i < sender->count; i++) {
        sender->rows[i]->hopeless = false;
        (void)router_outcome_hear(&sender->heard[i], answer, "", false);
    }
}

static void refuse_all(struct sim *sim, struct sim_sender *sender)
{
    for (size_t i = 0; i < sender->count; i++) {
        sender->rows[i]->refused = true;
        sender->heard[i] = (struct router_heard){.answer.kind = ROUTER_NO_FEATURE};
        decide(sim, sender, i, ROUTER_FATE_FAILED);
    }
    sender->count = 0;
}

static void give_up(struct sim *sim, struct sim_sender *sender)
{
    if (sender->count > 0 && !sender->asked)
        press(sim, sender->dest, ROUTER_DEST_DOWN);
    for (size_t i = 0; i < sender->count; i++)
        decide(sim, sender, i, ROUTER_FATE_NEXT_HOP);
    sender->count = 0;
}

static void open_host(struct sim *sim, struct sim_sender *sender)
{
    int64_t cost_ms;

    sim_sender_hang_up(sim, sender);
    sender->host = sender->targets[sender->target].host;
    sender->opened =
        sim_host_open(&sim->world, sender->host, sim->now_ms, &sender->answers[0], &cost_ms);
    if (sender->opened) { /* the host counts it from now on */
        sender->connected = true;
        sender->broken = false;
        sender->connected_to = sender->dest;
        sender->since_ms = sim->now_ms + cost_ms;
        sender->sent = 0;
        sim->world.hosts[sender->host].connections++;
        if (++sender->dest->connections > sender->dest->most)
            sim_violation(sim->now_ms, "%s has %u connections", sender->dest->key,
                          sender->dest->connections);
    }
    sim_sender_step(sim, sender, SIM_OPENING, cost_ms);
}

/* The next host; true: there is none, or nobody is left. */
static bool try_next(struct sim *sim, struct sim_sender *sender)
{
    struct router_answer lame = {.kind = ROUTER_NO_CONNECTION};

    for (; sender->count > 0 && sender->target < sender->target_count; sender->target++) {
        switch (sender->targets[sender->target].kind) {
        case SIM_TARGET_HOST:
            open_host(sim, sender);
            return false;
        case SIM_TARGET_LAME:
            hear_all(sender, &lame);
            break;
        case SIM_TARGET_DENIED:
            refuse_all(sim, sender);
            break;
        }
    }
    give_up(sim, sender);
    return true;
}

static void send_on(struct sim *sim, struct sim_sender *sender)
{
    int64_t cost_ms;

    for (size_t i = 0; i < sender->count; i++)
        sim_check_offer(sender->rows[i], sim->now_ms);
    sender->asked = true;
    sender->sent++;
    sim_host_send(&sim->world, sender->host, sim->now_ms, sender->rows, sender->count,
                  sender->answers, &cost_ms);
    sim_sender_step(sim, sender, SIM_SENDING, cost_ms);
}

static bool breaks(const struct router_answer *answer)
{
    return answer->kind == ROUTER_CUT || answer->kind == ROUTER_TIMED_OUT ||
           answer->kind == ROUTER_GARBAGE || answer->code == 421;
}

static void take_answers(struct sim *sim, struct sim_sender *sender)
{
    size_t left = 0;

    press(sim, sender->dest, router_outcome_pressure(sender->answers, sender->count));
    for (size_t i = 0; i < sender->count; i++) {
        enum router_fate fate =
            router_outcome_hear(&sender->heard[i], &sender->answers[i], "", true);

        sender->broken = sender->broken || breaks(&sender->answers[i]);
        if (fate != ROUTER_FATE_NEXT_HOP) {
            decide(sim, sender, i, fate);
            continue;
        }
        sender->heard[left] = sender->heard[i];
        sender->rows[left++] = sender->rows[i];
    }
    sender->count = left;
}

static void take_connection(struct sim *sim, struct sim_sender *sender)
{
    const struct sim_target *target = &sender->targets[sender->target];
    char name[24];

    snprintf(name, sizeof(name), "h%u.test", target->host);
    router_outcome_host(sim->health, name, target->port, sender->opened, sim->now_ms,
                        SIM_RETRY_MIN_MS);
    if (!sender->opened)
        hear_all(sender, &sender->answers[0]);
}

bool sim_attempt_go_on(struct sim *sim, struct sim_sender *sender)
{
    if (sender->step == SIM_OPENING) {
        take_connection(sim, sender);
        if (sender->opened) {
            send_on(sim, sender);
            return false;
        }
        sender->target++;
    } else {
        take_answers(sim, sender);
        sender->target += !sender->kept;
        sender->kept = false;
    }
    return try_next(sim, sender);
}

/* --- its begin --- */

/* Keeps those that go by this destination. */
static bool sort_out(struct sim *sim, struct sim_sender *sender, struct router_plan *plan_r)
{
    size_t count = sender->count;

    arena_reset(sim->arena);
    sender->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_row *row = sender->rows[i];
        struct router_plan plan;

        sim_row_plan(sim, row, &plan);
        if (strcmp(plan.key, sender->dest->key) == 0) {
            *plan_r = plan;
            sender->rows[sender->count++] = row;
            continue;
        }
        struct sim_dest *dest = sim_dest_find(sim, plan.key);
        row->next_ms = 0;
        sim_row_store(sim, row, dest);
        dest->more = true;
        sim_dest_kick(sim, dest);
        sim->figures.moved++;
    }
    return sender->count > 0;
}

static bool can_go_on(struct sim *sim, struct sim_sender *sender)
{
    if (sender->connected && sender->connected_to == sender->dest && !sender->broken &&
        sender->sent < KEPT_MESSAGES && sim->now_ms - sender->since_ms < KEPT_MS)
        return true;
    sim_sender_hang_up(sim, sender);
    return false;
}

bool sim_attempt_begin(struct sim *sim, struct sim_sender *sender)
{
    struct sim_dest *dest = sender->dest;
    struct router_plan plan = {0};

    if (!sort_out(sim, sender, &plan))
        return true;
    sim->figures.attempts++;
    sender->asked = false;
    dest->connections_max = plan.connections_max;
    dest->retry_max_ms = plan.fixed ? SIM_PROBE_MS : 0;
    uint64_t most = sim_dest_limits(dest).connections_max;
    if (most > dest->most)
        dest->most = most;
    for (size_t i = 0; i < sender->count; i++) {
        sender->heard[i] = (struct router_heard){0};
        sender->rows[i]->refused = sender->rows[i]->doubtful = false;
        sender->rows[i]->hopeless = true;
    }
    find_targets(sim, sender, &plan);
    sender->kept = can_go_on(sim, sender);
    if (!sender->kept)
        return try_next(sim, sender);
    send_on(sim, sender);
    return false;
}
