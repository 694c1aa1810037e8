/* Domains of 2 to 12 servers by chance: documents, accounts, other systems, and faults. No message
 * that was acknowledged is lost, none is twice in a mailbox, each ends in a delivery or a report,
 * no plan goes in a circle, and what somebody would take is taken at the next try. Usage:
 * sim_domain [--seed N] [--messages N] [--seconds S]: domains from seed on until there were as many
 * messages (a million), or the time is over; a seed always runs the same. */
#include "sim_domain.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGES_EACH 5000

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A client comes to a server that lives. */
static void submit(struct dom *dom, uint32_t number)
{
    struct dom_message *message = &dom->messages[number];
    uint32_t server = (uint32_t)sim_random_below(&dom->random, dom->server_count);

    for (uint32_t i = 0; i < dom->server_count && !dom->servers[server].alive; i++)
        server = (server + 1) % dom->server_count;
    message->accepted =
        dom->servers[server].alive && dom_accept(dom, server, number, DOM_NONE) == 250;
    if (dom->servers[server].alive && !message->accepted)
        dom_check_refusal(dom, server, number);
    if (message->open == 0)
        dom->open_count--;
}

static void arrive(struct dom *dom)
{
    submit(dom, dom->arrived++);
    if (dom->arrived < dom->message_count)
        dom_event(dom, dom->messages[dom->arrived].at_ms, DOM_ARRIVAL, 0);
}

/* The next edition reaches the server. */
static void edit(struct dom *dom, uint32_t number, unsigned edition)
{
    struct dom_server *server = &dom->servers[number];

    if (edition <= server->edition)
        return;
    directory_unref(&server->directory);
    server->directory = dom_snapshot(dom, number, edition);
    server->edition = edition;
    dom->changed_ms = dom->now_ms;
    dom->edits++;
    if (server->alive)
        dom_look_documents(dom, number);
}

static void happen(struct dom *dom, enum dom_event event, uint64_t number)
{
    switch (event) {
    case DOM_ARRIVAL:
        arrive(dom);
        break;
    case DOM_TICK:
        dom_tick(dom, (uint32_t)number);
        break;
    case DOM_PONG:
        dom_pong(dom, number);
        break;
    case DOM_DEST:
        if (number >> 8 < dom->servers[number & 255].dest_count)
            dom_kick(dom, number & 255, (uint32_t)(number >> 8));
        break;
    case DOM_SLOT:
        dom_slot_step(dom, (uint32_t)number);
        break;
    case DOM_FAULT:
        dom_fault(dom);
        break;
    case DOM_HEAL:
        dom_heal(dom, (uint32_t)number);
        break;
    case DOM_LEASE:
        dom_lease(dom, (uint32_t)number);
        break;
    case DOM_AGE:
        dom_age(dom, (uint32_t)number);
        break;
    case DOM_EDIT:
        edit(dom, number & 255, (unsigned)(number >> 8));
        break;
    case DOM_AUDIT:
        dom_audit(dom);
        break;
    }
}

static void set_off(struct dom *dom)
{
    dom_event(dom, dom->messages[0].at_ms, DOM_ARRIVAL, 0);
    dom_event(dom, SIM_START_MS + 1000, DOM_FAULT, 0);
    dom_event(dom, SIM_START_MS + 1, DOM_AUDIT, 0);
    for (uint32_t k = 0; k < dom->server_count; k++) {
        dom_start(dom, k);
        dom_event(dom,
                  SIM_START_MS + (int64_t)sim_random_below(&dom->random, (uint64_t)dom->ping_ms),
                  DOM_TICK, k);
        dom_event(dom, SIM_START_MS + 1000 + k, DOM_LEASE, k);
        dom_event(dom, SIM_START_MS + 2000 + k, DOM_AGE, k);
        for (unsigned e = 1; e < DOM_EDITIONS; e++)
            dom_event(dom,
                      SIM_START_MS + e * dom->arrivals_ms / DOM_EDITIONS +
                          dom->scale * (int64_t)sim_random_below(&dom->random, 2000),
                      DOM_EDIT, k | e << 8);
    }
}

static void print(const struct dom *dom, double s)
{
    const struct dom_figures *f = &dom->figures;

    printf("seed %llu: %u servers, %u stores, %u messages, %.2f days, %.2f s\n",
           (unsigned long long)dom->seed, dom->server_count, dom->group_count, dom->message_count,
           (double)(dom->now_ms - SIM_START_MS) / (double)DAY_MS, s);
    printf(
        "  %llu delivered, %llu elsewhere, %llu reported, %llu handed over (%llu once more), "
        "%llu taken over, %llu ended twice elsewhere for an answer that was lost\n",
        (unsigned long long)f->delivered, (unsigned long long)f->foreign,
        (unsigned long long)f->reported, (unsigned long long)f->handovers,
        (unsigned long long)f->known, (unsigned long long)f->taken_over,
        (unsigned long long)f->excused);
    printf(
        "  %llu faults, %llu kills, %llu pings, %llu plans, %llu attempts, %llu of them judged "
        "in a calm; %llu deferred, %llu left waiting, %llu moved\n",
        (unsigned long long)f->faults, (unsigned long long)f->kills, (unsigned long long)f->pings,
        (unsigned long long)f->plans, (unsigned long long)f->attempts,
        (unsigned long long)f->judged, (unsigned long long)f->deferred,
        (unsigned long long)f->waited, (unsigned long long)f->moved);
    fflush(stdout);
}

struct total {
    uint64_t messages, domains, plans, judged, faults, handovers, pings, loops, unknown, blind,
        held_out;
    double days;
};

static void run(uint64_t seed, uint32_t messages, bool loud, struct total *total)
{
    double from = seconds();
    struct dom dom;

    dom_make(&dom, seed, messages);
    set_off(&dom);
    while (dom.events.count > 0 && dom.open_count > 0) {
        struct sim_entry entry = sim_heap_take(&dom.events);

        dom.now_ms = entry.at_ms;
        happen(&dom, (enum dom_event)(entry.id >> 56), entry.id & ((UINT64_C(1) << 56) - 1));
    }
    dom_check_end(&dom);
    if (loud)
        print(&dom, seconds() - from);
    total->messages += messages;
    total->domains++;
    total->plans += dom.figures.plans;
    total->judged += dom.figures.judged;
    total->faults += dom.figures.faults;
    total->pings += dom.figures.pings;
    total->loops += dom.figures.loops;
    total->unknown += dom.figures.unknown;
    total->held_out += dom.figures.held_out;
    total->blind += dom.figures.blind;
    total->handovers += dom.figures.handovers;
    total->days += (double)(dom.now_ms - SIM_START_MS) / (double)DAY_MS;
    dom_end(&dom);
}

static void print_total(uint64_t first, const struct total *t, double s)
{
    printf("seeds %llu to %llu: %llu messages in domains of 2 to 12 servers, %.1f days in %.1f s\n",
           (unsigned long long)first, (unsigned long long)(first + t->domains - 1),
           (unsigned long long)t->messages, t->days, s);
    printf(
        "  %llu faults, %llu pings, %llu handed over, %llu plans, %llu attempts judged in a calm\n",
        (unsigned long long)t->faults, (unsigned long long)t->pings,
        (unsigned long long)t->handovers, (unsigned long long)t->plans,
        (unsigned long long)t->judged);
    printf(
        "  %llu times told that the message loops, %llu that no document is known, so that it "
        "waits; %llu of these given up in the end; %llu bounced for want of a document\n",
        (unsigned long long)t->loops, (unsigned long long)t->unknown,
        (unsigned long long)t->held_out, (unsigned long long)t->blind);
}

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    uint64_t messages = 0;
    uint64_t most_s = UINT64_MAX;
    struct total total = {0};
    double from = seconds();

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--messages") == 0)
            messages = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            most_s = strtoull(argv[i + 1], NULL, 10);
    }
    if (messages == 0)
        messages = most_s != UINT64_MAX ? UINT64_MAX : 1000000;
    if (argc % 2 == 0) {
        fprintf(stderr, "usage: sim_domain [--seed N] [--messages N] [--seconds S]\n");
        return 64;
    }
    uint64_t first = seed != 0 ? seed : 1;
    for (uint64_t n = first; total.messages < messages && seconds() - from < (double)most_s; n++) {
        uint64_t left = messages - total.messages;
        run(n, (uint32_t)(left < MESSAGES_EACH ? left : MESSAGES_EACH),
            messages <= 20 * MESSAGES_EACH, &total);
    }
    print_total(first, &total, seconds() - from);
    return 0;
}
