/* A server's queue: rows in its store, destinations in its memory. */
#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sim_domain.h"

#include <stdio.h>
#include <string.h>

#define LEASE_MS 30000
#define LEASE_EVERY_MS 10000
#define AUDIT_MS 5000

int64_t dom_wall(const struct dom_server *server, int64_t now_ms)
{
    return now_ms + server->wall_skew_ms;
}

/* --- plans --- */

void dom_plan(struct dom *dom, uint32_t number, const struct dom_row *row,
              struct router_plan *plan_r)
{
    const struct dom_server *server = &dom->servers[number];
    const struct health_view view = {server->peers, dom->server_count, dom->limits};
    int64_t run_ms = dom->now_ms - SIM_START_MS;
    char address[64];

    dom_address(dom, row->message, address);
    const struct router_question question = {
        .directory = server->directory,
        .health = server->hosts,
        .address = slice_str(address),
        .tls = ROUTER_TLS_OPPORTUNISTIC,
        .mx_port = 25,
        .now_ms = dom_wall(server, dom->now_ms),
        .server_name = server->name,
        .servers = &view,
        .mono_ms = server->mono_base_ms + (uint64_t)(run_ms + run_ms * server->mono_ppm / 1000000),
        .failover = dom->failover,
        .pass_busy = dom->pass_busy,
        .from = slice_str(row->from != DOM_NONE ? dom->servers[row->from].name : ""),
        .queued_as = row->key,
        .again = row->again};

    dom->figures.plans++;
    arena_reset(dom->arena);
    router_plan(&question, dom->arena, plan_r);
}

/* --- destinations --- */

struct router_pace_limits dom_limits(const struct dom_dest *dest)
{
    const struct router_pace_limits limits = {SIM_PER_DESTINATION_MAX, SIM_RETRY_MIN_MS,
                                              SIM_RETRY_MAX_MS};

    return router_pace_limits_of(limits, dest->connections_max, dest->retry_max_ms);
}

uint32_t dom_dest_find(struct dom *dom, uint32_t number, const char *key)
{
    struct dom_server *server = &dom->servers[number];

    for (uint32_t i = 0; i < server->dest_count; i++)
        if (strcmp(server->dests[i].key, key) == 0)
            return i;
    if (server->dest_count == DOM_DESTS_MAX)
        sim_violation(dom->now_ms, "%s has too many destinations", server->name);
    struct dom_dest *dest = &server->dests[server->dest_count];
    *dest = (struct dom_dest){.active = 0};
    snprintf(dest->key, sizeof(dest->key), "%s", key);
    return server->dest_count++;
}

static void wake_at(struct dom *dom, uint32_t server, uint32_t number, int64_t at_ms)
{
    struct dom_dest *dest = &dom->servers[server].dests[number];

    if (dest->wake_ms > dom->now_ms && dest->wake_ms <= at_ms)
        return;
    dest->wake_ms = at_ms;
    dom_event(dom, at_ms, DOM_DEST, server | (uint64_t)number << 8);
}

/* The first row that is still there. */
static struct dom_row *peek(struct dom *dom, uint32_t server, uint32_t number)
{
    struct dom_dest *dest = &dom->servers[server].dests[number];

    while (dest->rows.count > 0) {
        struct dom_row *row = &dom->rows[dest->rows.at[0].id & UINT32_MAX];

        if (row->notch == dest->rows.at[0].id >> 32 && row->sim.state == SIM_QUEUED)
            return row;
        (void)sim_heap_take(&dest->rows);
    }
    return NULL;
}

void dom_kick(struct dom *dom, uint32_t server, uint32_t number)
{
    struct dom_server *s = &dom->servers[server];
    struct dom_dest *dest = &s->dests[number];

    while (s->alive) {
        const struct router_pace_limits limits = dom_limits(dest);
        struct dom_row *row = peek(dom, server, number);

        if (row == NULL || dest->active >= router_pace_limit(&dest->pace, &limits))
            return;
        int64_t due_ms = dest->rows.at[0].at_ms;
        if (dest->pace.next_ms - s->wall_skew_ms > due_ms)
            due_ms = dest->pace.next_ms - s->wall_skew_ms;
        if (due_ms > dom->now_ms) {
            wake_at(dom, server, number, due_ms);
            return;
        }
        (void)sim_heap_take(&dest->rows);
        row->sim.state = SIM_TRIED_NOW;
        sim_check_take(&row->sim, &dest->pace, dom_wall(s, dom->now_ms));
        dest->active++;
        dom_event(dom, dom->now_ms, DOM_SLOT,
                  dom_slot_new(dom, server, number, (uint32_t)(row - dom->rows)));
    }
}

/* Its time is the owner's; a time before now is now. */
void dom_row_store(struct dom *dom, uint32_t number, uint32_t dest)
{
    struct dom_row *row = &dom->rows[number];
    struct dom_server *server = &dom->servers[row->owner];
    int64_t at_ms = row->sim.next_ms - server->wall_skew_ms;

    row->sim.state = SIM_QUEUED;
    row->dest = dest;
    snprintf(row->key, sizeof(row->key), "%s",
             router_plan_key_is_inside(server->dests[dest].key) ? server->dests[dest].key : "");
    row->notch++;
    sim_heap_put(&server->dests[dest].rows, at_ms > dom->now_ms ? at_ms : dom->now_ms,
                 (uint64_t)row->notch << 32 | number);
}

void dom_look_servers(struct dom *dom, uint32_t server)
{
    struct dom_server *s = &dom->servers[server];

    for (uint32_t i = 0; i < s->dest_count; i++)
        if (strncmp(s->dests[i].key, "servers ", 8) == 0 ||
            strncmp(s->dests[i].key, "foreign ", 8) == 0) {
            s->dests[i].pace.next_ms = 0;
            wake_at(dom, server, i, dom->now_ms);
        }
}

void dom_look_documents(struct dom *dom, uint32_t server)
{
    struct dom_server *s = &dom->servers[server];

    for (uint32_t i = 0; i < s->dest_count; i++) {
        s->dests[i].pace.next_ms = 0;
        wake_at(dom, server, i, dom->now_ms);
    }
}

/* --- what is taken --- */

/* False: it was noted before. */
static bool claim(struct dom *dom, unsigned group, uint32_t guid)
{
    uint64_t key = ((uint64_t)group + 1) << 40 | guid;

    if (2 * dom->claim_count >= dom->claim_cap) {
        uint64_t *old = dom->claims;
        size_t cap = dom->claim_cap;

        dom->claim_cap = 2 * cap;
        dom->claims = mem_alloc(dom->claim_cap * sizeof(dom->claims[0]));
        for (size_t i = 0; i < cap; i++) {
            size_t at = old[i] * UINT64_C(0x9e3779b97f4a7c15) >> 20;
            for (at %= dom->claim_cap; old[i] != 0 && dom->claims[at] != 0;)
                at = (at + 1) % dom->claim_cap;
            if (old[i] != 0)
                dom->claims[at] = old[i];
        }
        mem_free(old);
    }
    size_t at = (key * UINT64_C(0x9e3779b97f4a7c15) >> 20) % dom->claim_cap;
    for (; dom->claims[at] != 0; at = (at + 1) % dom->claim_cap)
        if (dom->claims[at] == key)
            return false;
    dom->claims[at] = key;
    dom->claim_count++;
    return true;
}

static struct dom_row *new_row(struct dom *dom)
{
    if (dom->row_count == dom->row_cap) {
        dom->row_cap = dom->row_cap == 0 ? 1024 : 2 * dom->row_cap;
        dom->rows = mem_grow(dom->rows, dom->row_cap, sizeof(dom->rows[0]));
    }
    dom->rows[dom->row_count] = (struct dom_row){.message = 0};
    return &dom->rows[dom->row_count++];
}

/* The address may be nobody's. */
bool dom_deliver(struct dom *dom, uint32_t server, uint32_t message)
{
    struct directory_found found;
    char address[64];

    dom_address(dom, message, address);
    size_t at = slice_find(slice_str(address), '@');
    if (!directory_find(dom->servers[server].directory, slice_sub(slice_str(address), 0, at),
                        slice_sub(slice_str(address), at + 1, SIZE_MAX), &found) ||
        found.person == NULL || found.person->account_id == 0)
        return false;
    if (dom->messages[message].kind != DOM_ACCOUNT ||
        dom->persons[dom->messages[message].to].group != dom->servers[server].group)
        sim_violation(dom->now_ms, "message %u is put into a mailbox that %s does not have",
                      message, dom->servers[server].name);
    if (++dom->messages[message].mailboxed > 1)
        sim_violation(dom->now_ms, "message %u lies %u times in the mailbox", message,
                      dom->messages[message].mailboxed);
    dom->figures.delivered++;
    return true;
}

/* As the server gets it; from: the row where it was, DOM_NONE: a client's. */
static struct dom_row row_like(const struct dom *dom, uint32_t server, uint32_t message,
                               uint32_t from)
{
    int64_t wall_ms = dom_wall(&dom->servers[server], dom->now_ms);
    struct dom_row row = {
        .sim = {.accepted_ms = wall_ms, .next_ms = wall_ms, .message = message},
        .message = message,
        .owner = server,
        .from = DOM_NONE,
        .edits = dom->edits,
    };

    if (from != DOM_NONE) {
        const struct dom_row *before = &dom->rows[from];

        row.from = before->owner;
        row.handovers = before->handovers + 1;
        row.edits = before->edits;
        row.handers = before->handers | 1U << before->owner;
        row.visits = before->visits;
        memcpy(row.chain, before->chain, sizeof(row.chain));
    }
    row.again = (row.visits >> 4 * server & 15) > 0;
    if ((row.visits >> 4 * server & 15) < 15)
        row.visits += UINT64_C(1) << 4 * server;
    if (row.handovers < DOM_HANDOVERS_MAX)
        row.chain[row.handovers] = (uint8_t)server;
    return row;
}

static void queue(struct dom *dom, const struct dom_row *like, const char *key)
{
    struct dom_row *row = new_row(dom);
    struct dom_message *message = &dom->messages[like->message];

    *row = *like;
    row->guid = ++dom->guid;
    if (message->open++ == 0 && message->accepted)
        dom->open_count++;
    uint32_t dest = dom_dest_find(dom, row->owner, key);
    dom_row_store(dom, (uint32_t)(row - dom->rows), dest);
    wake_at(dom, row->owner, dest, dom->now_ms);
}

static bool knows(const struct dom *dom, uint32_t server, uint32_t message)
{
    char address[64];

    dom_address(dom, message, address);
    return router_plan_knows(
        dom->servers[server].directory,
        slice_sub(slice_str(address), slice_find(slice_str(address), '@') + 1, SIZE_MAX));
}

unsigned dom_accept(struct dom *dom, uint32_t server, uint32_t message, uint32_t from)
{
    const struct dom_row like = row_like(dom, server, message, from);
    struct router_plan plan;

    dom_plan(dom, server, &like, &plan);
    if (from != DOM_NONE && (plan.nobody || !knows(dom, server, message))) { /* smtp_cmd_rcpt.c */
        dom->figures.unknown++;
        dom->messages[message].held = true;
        return 451;
    }
    if ((like.visits >> 4 * server & 15) > DOM_OWN_MAX && !router_plan_ends(&plan)) {
        dom->figures.loops++; /* smtp_data.c, check_loop() */
        dom->messages[message].held = true;
        return 451;
    }
    if (plan.way == ROUTER_WAY_REFUSE)
        return 550;
    if (from != DOM_NONE && !claim(dom, dom->servers[server].group, dom->rows[from].guid)) {
        dom->figures.known++;
        return 250;
    }
    if (plan.way == ROUTER_WAY_HERE)
        return dom_deliver(dom, server, message) ? 250 : 550;
    queue(dom, &like, plan.key);
    return 250;
}

void dom_row_end(struct dom *dom, uint32_t number, bool failed)
{
    struct dom_row *row = &dom->rows[number];
    struct dom_message *message = &dom->messages[row->message];

    if (row->sim.state == SIM_DELIVERED || row->sim.state == SIM_FAILED)
        sim_violation(dom->now_ms, "message %u ends twice", row->message);
    row->sim.state = failed ? SIM_FAILED : SIM_DELIVERED;
    message->reported = (uint16_t)(message->reported + failed);
    dom->figures.reported += failed;
    dom->figures.held_out += failed && message->held;
    if (--message->open == 0)
        dom->open_count--;
}

/* --- life --- */

static bool is_over(const struct dom_row *row)
{
    return row->sim.state == SIM_DELIVERED || row->sim.state == SIM_FAILED;
}

/* Reads the row for this server: what is in the journal is over. */
static void read_row(struct dom *dom, uint32_t server, uint32_t number)
{
    struct dom_row *row = &dom->rows[number];
    struct router_plan plan;

    if (row->noted && row->owner == server) {
        dom_row_end(dom, number, false);
        return;
    }
    if (row->owner != server)
        row->handers = 0; /* it is here by another way */
    row->owner = server;
    dom_plan(dom, server, row, &plan);
    uint32_t dest = dom_dest_find(dom, server, plan.key);
    dom_row_store(dom, number, dest);
    wake_at(dom, server, dest, dom->now_ms);
}

void dom_start(struct dom *dom, uint32_t number)
{
    struct dom_server *server = &dom->servers[number];
    int64_t run_ms = dom->now_ms - SIM_START_MS;
    uint64_t mono_ms =
        server->mono_base_ms + (uint64_t)(run_ms + run_ms * server->mono_ppm / 1000000);

    server->alive = true;
    server->life++;
    server->hosts = router_health_new();
    server->lease_until_ms = dom_wall(server, dom->now_ms) + LEASE_MS;
    for (uint32_t k = 0; k < dom->server_count; k++) {
        snprintf(server->peers[k].name, sizeof(server->peers[k].name), "%s", dom->servers[k].name);
        server->peers[k].peer = health_peer_new(mono_ms);
        server->peers[k].peer.self = k == number;
    }
    for (uint32_t i = 0; i < dom->row_count; i++)
        if (dom->rows[i].owner == number && !is_over(&dom->rows[i]))
            read_row(dom, number, i);
}

/* Another server said 250, and nobody here knows. */
static void forget_answer(struct dom *dom, struct dom_row *row)
{
    row->noted = false;
    row->sim.confirmed = false;
    row->sim.unheard++;
    dom->messages[row->message].excused++;
}

/* Its memory is gone. */
void dom_stop(struct dom *dom, uint32_t number)
{
    struct dom_server *server = &dom->servers[number];

    server->alive = false;
    router_health_free(&server->hosts);
    for (uint32_t i = 0; i < server->dest_count; i++)
        sim_heap_fini(&server->dests[i].rows);
    server->dest_count = 0;
    for (uint32_t i = 0; i < dom->row_count; i++) {
        struct dom_row *row = &dom->rows[i];

        if (row->owner != number || is_over(row))
            continue;
        row->sim.state = SIM_QUEUED;
        row->notch++;
        if (row->sim.confirmed && !row->noted)
            forget_answer(dom, row);
    }
}

static void take_over(struct dom *dom, uint32_t from, uint32_t by)
{
    for (uint32_t i = 0; i < dom->row_count; i++) {
        struct dom_row *row = &dom->rows[i];

        if (row->owner != from || is_over(row))
            continue;
        if (row->noted) /* the journal is the other's */
            forget_answer(dom, row);
        read_row(dom, by, i);
        dom->figures.taken_over++;
    }
}

void dom_lease(struct dom *dom, uint32_t number)
{
    struct dom_server *server = &dom->servers[number];
    int64_t wall_ms = dom_wall(server, dom->now_ms);

    if (server->alive)
        server->lease_until_ms = wall_ms + LEASE_MS;
    for (uint32_t k = 0; server->alive && k < dom->server_count; k++)
        if (k != number && dom->servers[k].group == server->group &&
            dom->servers[k].lease_until_ms < wall_ms)
            take_over(dom, k, number);
    if (dom->open_count > 0)
        dom_event(dom, dom->now_ms + LEASE_EVERY_MS, DOM_LEASE, number);
}

void dom_age(struct dom *dom, uint32_t number)
{
    struct dom_server *server = &dom->servers[number];

    for (uint32_t i = 0; server->alive && i < dom->row_count; i++) {
        struct dom_row *row = &dom->rows[i];

        if (row->owner == number && row->sim.state == SIM_QUEUED &&
            dom_wall(server, dom->now_ms) - row->sim.accepted_ms >= (int64_t)SIM_TIMEOUT_MS)
            dom_row_end(dom, i, true);
    }
    if (dom->open_count > 0)
        dom_event(dom, dom->now_ms + (int64_t)SIM_TIMEOUT_MS / 10, DOM_AGE, number);
}

/* No destination lies idle while it has something to do. */
void dom_audit(struct dom *dom)
{
    for (uint32_t k = 0; k < dom->server_count; k++)
        for (uint32_t i = 0; dom->servers[k].alive && i < dom->servers[k].dest_count; i++) {
            const struct dom_dest *dest = &dom->servers[k].dests[i];

            if (dest->active == 0 && peek(dom, k, i) != NULL &&
                dest->rows.at[0].at_ms < dom->now_ms &&
                dest->pace.next_ms - dom->servers[k].wall_skew_ms < dom->now_ms)
                sim_violation(dom->now_ms, "%s forgets %s", dom->servers[k].name, dest->key);
        }
    if (dom_calm(dom))
        dom->figures.calm_ms += AUDIT_MS * (uint64_t)dom->scale;
    if (dom->open_count > 0)
        dom_event(dom, dom->now_ms + AUDIT_MS * dom->scale, DOM_AUDIT, 0);
}
