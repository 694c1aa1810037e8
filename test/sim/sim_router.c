/* The router's decisions against servers that answer 2yz, 4yz and 5yz, hang, cut and lie, for a
 * week of virtual time. Every recipient must end in one delivery or one report; what must hold
 * besides is in sim_check.c. Usage: sim_router [--seed N] [--messages N]; without --seed ten seeds
 * share the messages. Each prints its seed, and a seed always runs the same. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "directory/directory.h"
#include "router/router.h"
#include "sim_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEDS 10
#define DOMAINS 60
#define ARRIVALS_MS (2 * (int64_t)DAY_MS)
#define SCHEDULES_MS (7 * (int64_t)DAY_MS)

struct message {
    int64_t at_ms;
    uint32_t number;
    uint32_t domain;
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- messages --- */

static int compare(const void *left, const void *right)
{
    const struct message *a = left;
    const struct message *b = right;

    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

/* Two in three come one by one, the others in crowds for one domain. */
static struct message *new_messages(uint64_t *random, size_t count)
{
    struct message *list = mem_alloc(count * sizeof(list[0]));
    size_t crowd = 0;

    for (size_t i = 0; i < count; i++) {
        if (crowd > 0) {
            list[i] = list[i - 1];
            crowd--;
        } else {
            uint64_t a = sim_random_below(random, DOMAINS);
            uint64_t b = sim_random_below(random, DOMAINS);
            list[i].at_ms = SIM_START_MS + (int64_t)sim_random_below(random, ARRIVALS_MS);
            list[i].domain = (uint32_t)(a < b ? a : b); /* some have more mail than others */
            if (sim_random_below(random, 500) == 0)
                crowd = 50 + sim_random_below(random, 450);
        }
        list[i].number = (uint32_t)i;
    }
    qsort(list, count, sizeof(list[0]), compare);
    return list;
}

static uint32_t draw_notify(uint64_t *random)
{
    static const uint32_t drawn[] = {
        0,
        0,
        0,
        ROUTER_NOTIFY_NEVER,
        ROUTER_NOTIFY_SUCCESS,
        ROUTER_NOTIFY_FAILURE,
        ROUTER_NOTIFY_DELAY,
        ROUTER_NOTIFY_SUCCESS | ROUTER_NOTIFY_FAILURE | ROUTER_NOTIFY_DELAY,
    };

    return drawn[sim_random_below(random, COUNT(drawn))];
}

static void add_rows(struct sim *sim, uint64_t *random, const struct message *message)
{
    size_t count = sim_chance(random, 50) ? 1 : 1 + sim_random_below(random, SIM_RCPTS_MAX);
    bool null_sender = sim_chance(random, 8);

    for (size_t i = 0; i < count; i++) {
        bool elsewhere = i > 0 && sim_chance(random, 20);

        sim->rows[sim->row_count++] = (struct sim_row){
            .accepted_ms = message->at_ms,
            .next_ms = message->at_ms,
            .message = message->number,
            .domain = elsewhere ? (uint32_t)sim_random_below(random, DOMAINS) : message->domain,
            .notify = draw_notify(random),
            .null_sender = null_sender};
    }
}

static void make_rows(struct sim *sim, uint64_t seed, size_t count)
{
    struct message *messages = new_messages(&seed, count);

    sim->rows = mem_alloc(count * SIM_RCPTS_MAX * sizeof(sim->rows[0]));
    for (size_t i = 0; i < count; i++)
        add_rows(sim, &seed, &messages[i]);
    mem_free(messages);
}

/* --- documents --- */

static void put_hosts(struct buf *body, const struct sim_domain *domain, uint32_t from, uint32_t to)
{
    buf_putf(body, "domain = %s\n", domain->name);
    for (uint32_t i = from; i < to; i++)
        buf_putf(body, "host = %s\n", domain->host_name[i]);
}

static void add_document(struct directory *directory, struct buf *body, char prefix,
                         uint32_t number)
{
    char name[24];

    snprintf(name, sizeof(name), "%c%u", prefix, number);
    directory_add(directory, SLICE("connection"), slice_str(name), (int64_t)number,
                  buf_slice(body));
    buf_clear(body);
}

/* What the documents say of the domain, if they do. */
static void add_domain(struct directory *directory, uint64_t *random,
                       const struct sim_domain *domain, uint32_t number)
{
    AUTO(buf) struct buf body = BUF(10000);
    uint64_t way = sim_random_below(random, 100);
    uint32_t half = (domain->host_count + 1) / 2;

    if (way < 40) /* its MX hosts */
        return;
    if (way < 60) { /* hosts by name */
        put_hosts(&body, domain, 0, domain->host_count);
        buf_putf(&body, "connections_max = %u\n", 1 + (unsigned)sim_random_below(random, 30));
        add_document(directory, &body, 'c', number);
    } else if (way < 75) { /* in two documents */
        put_hosts(&body, domain, half, domain->host_count);
        buf_put(&body, SLICE("priority = 20\n"));
        add_document(directory, &body, 'b', number);
        put_hosts(&body, domain, 0, half);
        buf_put(&body, SLICE("priority = 10\n"));
        add_document(directory, &body, 'c', number);
    } else if (way < 90) { /* its MX hosts, then another's */
        buf_putf(&body, "domain = %s\nhost = mx\nhost = h%u.test\n", domain->name, number % 7);
        add_document(directory, &body, 'm', number);
    }
}

/* The domains add_domain() says nothing of and that end in 7 go by one relay. */
static const struct directory *new_directory(const struct sim *sim, uint64_t seed)
{
    struct directory *directory = directory_new(SLICE("sim.test"));
    AUTO(buf) struct buf body = BUF(10000);

    for (uint32_t i = 0; i < DOMAINS; i++)
        if (i % 10 != 7)
            add_domain(directory, &seed, &sim->world.domains[i], i);
        else
            buf_putf(&body, "domain = %s\n", sim->world.domains[i].name);
    buf_putf(&body, "host = h3.test\nhost = h5.test:587\n");
    add_document(directory, &body, 'r', 0);
    return directory_end(directory);
}

/* --- runs --- */

static void print(const struct sim *sim, uint64_t seed, size_t messages, double s)
{
    const struct sim_figures *f = &sim->figures;

    printf("seed %llu: %zu messages to %zu recipients\n", (unsigned long long)seed, messages,
           sim->row_count);
    printf(
        "  %llu delivered (%llu relayed, %llu twice for a 250 that was not heard), %llu refused "
        "and reported, %llu refused unreported as asked, %llu given up after their time\n",
        (unsigned long long)f->delivered, (unsigned long long)f->relayed,
        (unsigned long long)f->doubled, (unsigned long long)f->failed,
        (unsigned long long)f->dropped, (unsigned long long)f->expired);
    printf("  %llu attempts, %llu answers; %llu deferred, %llu left waiting, %llu moved\n",
           (unsigned long long)f->attempts, (unsigned long long)sim->world.answers,
           (unsigned long long)f->deferred, (unsigned long long)f->waited,
           (unsigned long long)f->moved);
    printf("  %u senders, a destination waited for one %.1f s at most; %.1f days in %.2f s\n",
           f->senders_most, (double)f->wait_most_ms / 1000,
           (double)(f->last_ms - SIM_START_MS) / (double)DAY_MS, s);
    fflush(stdout);
}

/* delivered + failed + dropped + expired is everybody. */
static void check_sum(const struct sim *sim)
{
    const struct sim_figures *f = &sim->figures;

    if (f->delivered + f->failed + f->dropped + f->expired != sim->row_count)
        sim_violation(sim->now_ms, "the sum of the ends is not the number of recipients");
}

static void run_seed(uint64_t seed, size_t messages)
{
    double from = seconds();
    struct sim sim;

    sim_init(&sim, seed);
    sim_world_init(&sim.world, seed ^ 0x776f726c64, DOMAINS, SIM_START_MS + SCHEDULES_MS);
    sim.directory = new_directory(&sim, seed);
    sim.next_directory = new_directory(&sim, seed + 1);
    const struct directory *first = sim.directory;
    const struct directory *second = sim.next_directory;
    make_rows(&sim, seed, messages);
    sim_run(&sim, SIM_START_MS + ARRIVALS_MS / 2);
    check_sum(&sim);
    print(&sim, seed, messages, seconds() - from);
    mem_free(sim.rows);
    sim_world_fini(&sim.world);
    sim_fini(&sim);
    directory_unref(&first);
    directory_unref(&second);
}

/* --- a destination that comes back --- */

#define DRAIN_ROWS 5000
#define DRAIN_DOWN_MS (3 * (int64_t)HOUR_MS)

/* One domain whose only host refuses connections for three hours and then is well. */
static void make_outage(struct sim *sim)
{
    struct sim_domain *domain = &sim->world.domains[0];
    struct sim_host *host = &sim->world.hosts[domain->first_host];

    domain->host_count = 1;
    domain->dns = SIM_DNS_GOOD;
    *host = (struct sim_host){.tells = true, .phase_count = 2};
    host->phases[0] = (struct sim_phase){SIM_START_MS + DRAIN_DOWN_MS, sim_behaviour("refuses")};
    host->phases[1] = (struct sim_phase){INT64_MAX, sim_behaviour("up")};
    sim->rows = mem_alloc(DRAIN_ROWS * sizeof(sim->rows[0]));
    for (uint32_t i = 0; i < DRAIN_ROWS; i++)
        sim->rows[sim->row_count++] =
            (struct sim_row){.accepted_ms = SIM_START_MS + i, .message = 100 * i + 50};
}

/* All of it goes on within wait_ms of the end of the outage, untried as it was: at the latest when
 * the destination is looked at, and then as fast as the connections take it. */
static void run_drain(const char *what, bool by_name, int64_t wait_ms)
{
    struct directory *directory = directory_new(SLICE("sim.test"));
    AUTO(buf) struct buf body = BUF(1000);
    struct sim sim;

    sim_init(&sim, 1);
    sim_world_init(&sim.world, 1, 1, SIM_START_MS + DRAIN_DOWN_MS);
    if (by_name) {
        put_hosts(&body, &sim.world.domains[0], 0, 1);
        add_document(directory, &body, 'c', 0);
    }
    sim.directory = directory_end(directory);
    const struct directory *in_force = sim.directory;
    make_outage(&sim);
    sim_run(&sim, SIM_START_MS + DRAIN_DOWN_MS / 2);
    int64_t took_ms = sim.figures.last_ms - SIM_START_MS - DRAIN_DOWN_MS;
    printf("drain, %s: %d messages %.1f s after the outage, deferred %llu times\n", what,
           DRAIN_ROWS, (double)took_ms / 1000, (unsigned long long)sim.figures.deferred);
    if (took_ms > wait_ms + DRAIN_ROWS * 240 / SIM_PER_DESTINATION_MAX * 2)
        sim_violation(sim.now_ms, "the queue of a destination that is back drains too slowly");
    if (sim.figures.deferred > 0)
        sim_violation(sim.now_ms, "messages paid for the outage with a try of their own");
    mem_free(sim.rows);
    sim_world_fini(&sim.world);
    sim_fini(&sim);
    directory_unref(&in_force);
}

/* --- large queues beside a small one --- */

#define LARGE_COUNT 10
#define LARGE_ROWS 3000
#define SMALL_WAIT_MS 10000

/* All hosts are well; ten domains have as many connections as there are, the last has one message.
 */
static void make_crowd(struct sim *sim)
{
    struct sim_world *world = &sim->world;

    for (uint32_t i = 0; i < world->domain_count; i++)
        world->domains[i].dns = SIM_DNS_GOOD;
    for (uint32_t i = 0; i < world->host_count; i++) {
        world->hosts[i] = (struct sim_host){.tells = true, .phase_count = 1};
        world->hosts[i].phases[0] = (struct sim_phase){INT64_MAX, sim_behaviour("up")};
    }
    sim->rows = mem_alloc((LARGE_COUNT * LARGE_ROWS + 1) * sizeof(sim->rows[0]));
    for (uint32_t i = 0; i < LARGE_COUNT * LARGE_ROWS; i++)
        sim->rows[sim->row_count++] = (struct sim_row){
            .accepted_ms = SIM_START_MS, .message = 100 * i + 50, .domain = i % LARGE_COUNT};
    sim->rows[sim->row_count++] =
        (struct sim_row){.accepted_ms = SIM_START_MS + 30000, .message = 50, .domain = LARGE_COUNT};
}

static void run_crowd(void)
{
    struct sim sim;

    sim_init(&sim, 1);
    sim_world_init(&sim.world, 1, LARGE_COUNT + 1, SIM_START_MS);
    const struct directory *directory = directory_end(directory_new(SLICE("sim.test")));
    sim.directory = directory;
    make_crowd(&sim);
    sim_run(&sim, SIM_START_MS);
    printf(
        "%d messages to %d destinations in %.1f s; a destination waited for a sender %.1f s at "
        "most\n",
        LARGE_COUNT * LARGE_ROWS, LARGE_COUNT, (double)(sim.figures.last_ms - SIM_START_MS) / 1000,
        (double)sim.figures.wait_most_ms / 1000);
    if (sim.figures.wait_most_ms > SMALL_WAIT_MS)
        sim_violation(sim.now_ms, "a destination starves beside large ones");
    mem_free(sim.rows);
    sim_world_fini(&sim.world);
    sim_fini(&sim);
    directory_unref(&directory);
}

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    uint64_t messages = 200000;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--messages") == 0)
            messages = strtoull(argv[i + 1], NULL, 10);
    }
    if (argc % 2 == 0 || messages == 0) {
        fprintf(stderr, "usage: sim_router [--seed N] [--messages N]\n");
        return 64;
    }
    if (seed != 0) {
        run_seed(seed, messages);
        return 0;
    }
    run_drain("a smarthost", true, (int64_t)(SIM_PROBE_MS * 6 / 5));
    run_drain("a domain's MX host", false, (int64_t)(SIM_RETRY_MAX_MS * 6 / 5));
    run_crowd();
    for (seed = 1; seed <= SEEDS; seed++)
        run_seed(seed, (messages + SEEDS - 1) / SEEDS);
    return 0;
}
