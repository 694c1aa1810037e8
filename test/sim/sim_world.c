#include "sim_world.h"

#include "base/mem.h"
#include "router/router_judge.h"
#include "sim_clock.h"

#include <stdio.h>
#include <string.h>

#define CONNECT_MS INT64_C(30000)
#define REPLY_MS INT64_C(300000)
#define END_MS INT64_C(600000)
#define GREYLIST_MS INT64_C(300000)
#define UNKNOWN_PERCENT 3
#define LASTING_FIRST 5
#define LASTING_EACH 12

/* What a host does with a transaction. */
enum special { PLAIN, MIXED_RCPTS, LIES, ANYTHING };

static const struct behaviour {
    const char *name;
    enum router_answer_kind kind;
    enum router_stage stage;
    uint16_t code;
    unsigned weight; /* how often it is in a schedule */
    bool takes;      /* the message is its own from then on */
    enum special special;
} behaviours[] = {
    {"up", ROUTER_ANSWERED, ROUTER_STAGE_END, 250, 60, true, PLAIN},
    {"refuses", ROUTER_NO_CONNECTION, ROUTER_STAGE_CONNECT, 0, 16, false, PLAIN},
    {"silent", ROUTER_TIMED_OUT, ROUTER_STAGE_CONNECT, 0, 8, false, PLAIN},
    {"greets with 421", ROUTER_ANSWERED, ROUTER_STAGE_GREETING, 421, 4, false, PLAIN},
    {"greets with 554", ROUTER_ANSWERED, ROUTER_STAGE_GREETING, 554, 3, false, PLAIN},
    {"does not greet", ROUTER_TIMED_OUT, ROUTER_STAGE_GREETING, 0, 3, false, PLAIN},
    {"greets in HTTP", ROUTER_GARBAGE, ROUTER_STAGE_GREETING, 0, 2, false, PLAIN},
    {"has no TLS", ROUTER_NO_TLS, ROUTER_STAGE_STARTTLS, 0, 2, false, PLAIN},
    {"refuses the log-in", ROUTER_NO_AUTH, ROUTER_STAGE_AUTH, 535, 2, false, PLAIN},
    {"451 to MAIL", ROUTER_ANSWERED, ROUTER_STAGE_MAIL, 451, 4, false, PLAIN},
    {"550 to MAIL", ROUTER_ANSWERED, ROUTER_STAGE_MAIL, 550, 1, false, PLAIN},
    {"421 to RCPT", ROUTER_ANSWERED, ROUTER_STAGE_RCPT, 421, 3, false, PLAIN},
    {"mixed RCPTs", ROUTER_ANSWERED, ROUTER_STAGE_END, 250, 10, true, MIXED_RCPTS},
    {"452 to RCPT", ROUTER_ANSWERED, ROUTER_STAGE_RCPT, 452, 6, false, PLAIN},
    {"552 to RCPT", ROUTER_ANSWERED, ROUTER_STAGE_RCPT, 552, 3, false, PLAIN},
    {"451 to DATA", ROUTER_ANSWERED, ROUTER_STAGE_DATA, 451, 4, false, PLAIN},
    {"554 to DATA", ROUTER_ANSWERED, ROUTER_STAGE_DATA, 554, 1, false, PLAIN},
    {"452 at the end", ROUTER_ANSWERED, ROUTER_STAGE_END, 452, 6, false, PLAIN},
    {"554 at the end", ROUTER_ANSWERED, ROUTER_STAGE_END, 554, 1, false, PLAIN},
    {"hangs at MAIL", ROUTER_TIMED_OUT, ROUTER_STAGE_MAIL, 0, 2, false, PLAIN},
    {"hangs in the body", ROUTER_TIMED_OUT, ROUTER_STAGE_BODY, 0, 2, false, PLAIN},
    {"hangs at the end", ROUTER_TIMED_OUT, ROUTER_STAGE_END, 0, 2, false, PLAIN},
    {"takes it and hangs", ROUTER_TIMED_OUT, ROUTER_STAGE_END, 0, 2, true, PLAIN},
    {"cuts at RCPT", ROUTER_CUT, ROUTER_STAGE_RCPT, 0, 4, false, PLAIN},
    {"cuts in the body", ROUTER_CUT, ROUTER_STAGE_BODY, 0, 4, false, PLAIN},
    {"cuts at the end", ROUTER_CUT, ROUTER_STAGE_END, 0, 4, false, PLAIN},
    {"takes it and cuts", ROUTER_CUT, ROUTER_STAGE_END, 0, 4, true, PLAIN},
    {"garbage at MAIL", ROUTER_GARBAGE, ROUTER_STAGE_MAIL, 0, 2, false, PLAIN},
    {"takes it and says garbage", ROUTER_GARBAGE, ROUTER_STAGE_END, 0, 2, true, PLAIN},
    {"lacks a feature", ROUTER_NO_FEATURE, ROUTER_STAGE_MAIL, 553, 2, false, PLAIN},
    {"lies", ROUTER_ANSWERED, ROUTER_STAGE_END, 250, 6, true, LIES},
    {"anything", ROUTER_ANSWERED, ROUTER_STAGE_END, 250, 12, true, ANYTHING},
};

unsigned sim_behaviour(const char *name)
{
    for (unsigned i = 0; i < COUNT(behaviours); i++)
        if (strcmp(behaviours[i].name, name) == 0)
            return i;
    assert(false); /* no such behaviour */
    return 0;
}

unsigned sim_behaviour_any(uint64_t *random)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < COUNT(behaviours); i++)
        sum += behaviours[i].weight;
    uint64_t at = sim_random_below(random, sum);
    for (unsigned i = 0; i < COUNT(behaviours); i++) {
        if (at < behaviours[i].weight)
            return i;
        at -= behaviours[i].weight;
    }
    return 0;
}

/* --- the world --- */

/* Phases from ten seconds to two days, short ones more often. */
static void init_host(struct sim_world *world, struct sim_host *host, int64_t until_ms)
{
    static const int64_t longest_ms[] = {60000, 600000, 7200000, 43200000, 172800000};
    uint64_t *random = &world->random;
    int64_t at_ms = SIM_START_MS;

    while (at_ms < until_ms && host->phase_count < SIM_PHASES_MAX - 1) {
        uint64_t longest = (uint64_t)longest_ms[sim_random_below(random, COUNT(longest_ms))];

        at_ms += 10000 + (int64_t)sim_random_below(random, longest);
        host->phases[host->phase_count++] =
            (struct sim_phase){at_ms, sim_chance(random, 40) ? 0 : sim_behaviour_any(random)};
    }
    host->phases[host->phase_count++] =
        (struct sim_phase){INT64_MAX, sim_chance(random, 50) ? 0 : sim_behaviour_any(random)};
    host->tells = sim_chance(random, 60);
    host->greylists = sim_chance(random, 10);
    host->crowd = sim_chance(random, 15) ? 1 + (unsigned)sim_random_below(random, 8) : 0;
}

static void init_domain(struct sim_world *world, uint32_t index)
{
    struct sim_domain *domain = &world->domains[index];

    domain->first_host = world->host_count;
    domain->host_count = 1 + (uint32_t)sim_random_below(&world->random, SIM_HOSTS_MAX);
    snprintf(domain->name, sizeof(domain->name), "d%u.test", index);
    for (uint32_t i = 0; i < domain->host_count; i++) {
        snprintf(domain->host_name[i], sizeof(domain->host_name[i]), "h%u.test",
                 world->host_count++);
        domain->preference[i] = (uint16_t)(10 * sim_random_below(&world->random, 2));
    }
    domain->dns = sim_chance(&world->random, 2)   ? SIM_DNS_NULL_MX
                  : sim_chance(&world->random, 5) ? SIM_DNS_LAME
                                                  : SIM_DNS_GOOD;
}

/* Some domains are the same for ever, and mostly not well. */
static void make_lasting(struct sim_world *world, const struct sim_domain *domain)
{
    unsigned behaviour = sim_behaviour_any(&world->random);

    for (uint32_t i = 0; i < domain->host_count; i++) {
        struct sim_host *host = &world->hosts[domain->first_host + i];
        host->phases[0] = (struct sim_phase){INT64_MAX, behaviour};
        host->phase_count = 1;
    }
}

void sim_world_init(struct sim_world *world, uint64_t seed, uint32_t domain_count, int64_t until_ms)
{
    *world = (struct sim_world){.random = seed, .domain_count = domain_count};
    world->domains = mem_alloc(domain_count * sizeof(world->domains[0]));
    for (uint32_t i = 0; i < domain_count; i++)
        init_domain(world, i);
    world->hosts = mem_alloc(world->host_count * sizeof(world->hosts[0]));
    for (uint32_t i = 0; i < world->host_count; i++)
        init_host(world, &world->hosts[i], until_ms);
    for (uint32_t i = LASTING_FIRST; i < domain_count; i += LASTING_EACH)
        make_lasting(world, &world->domains[i]);
}

void sim_world_fini(struct sim_world *world)
{
    mem_free(world->domains);
    mem_free(world->hosts);
}

/* --- how a host answers --- */

static const struct behaviour *behaviour_at(struct sim_world *world, const struct sim_host *host,
                                            int64_t now_ms)
{
    size_t i = 0;

    while (host->phases[i].until_ms <= now_ms)
        i++;
    const struct behaviour *behaviour = &behaviours[host->phases[i].behaviour];
    while (behaviour->special == ANYTHING)
        behaviour = &behaviours[sim_behaviour_any(&world->random)];
    return behaviour;
}

static bool is_of_connection(const struct behaviour *behaviour)
{
    return behaviour->stage < ROUTER_STAGE_MAIL;
}

static void say(struct sim_world *world, struct router_answer *answer, enum router_answer_kind kind,
                enum router_stage stage, uint16_t code)
{
    router_answer_say(answer, kind, stage, "as the simulation has it");
    answer->code = code;
    world->answers++;
}

static int64_t cost_of(struct sim_world *world, const struct router_answer *answer)
{
    if (answer->kind != ROUTER_TIMED_OUT)
        return 20 + (int64_t)sim_random_below(&world->random, 200);
    return answer->stage == ROUTER_STAGE_CONNECT ? CONNECT_MS
           : answer->stage == ROUTER_STAGE_END   ? END_MS
                                                 : REPLY_MS;
}

bool sim_host_open(struct sim_world *world, uint32_t number, int64_t now_ms,
                   struct router_answer *answer_r, int64_t *cost_ms_r)
{
    struct sim_host *host = &world->hosts[number];
    const struct behaviour *behaviour = behaviour_at(world, host, now_ms);
    bool opened = !is_of_connection(behaviour);

    if (!opened)
        say(world, answer_r, behaviour->kind, behaviour->stage, behaviour->code);
    else
        say(world, answer_r, ROUTER_ANSWERED, ROUTER_STAGE_EHLO, 250);
    if (opened && host->crowd != 0 && host->connections >= host->crowd) {
        say(world, answer_r, ROUTER_ANSWERED, ROUTER_STAGE_GREETING, 421);
        opened = false;
    }
    *cost_ms_r = cost_of(world, answer_r);
    return opened;
}

/* A refusal of its own for the recipient: unknown here, not yet, too many. */
static bool refuses_rcpt(struct sim_world *world, const struct sim_host *host,
                         const struct behaviour *behaviour, const struct sim_row *row,
                         int64_t now_ms, struct router_answer *answer)
{
    static const uint16_t mixed[] = {550, 451, 452, 552, 450};
    uint16_t code = 0;

    if (row->message % 100 < UNKNOWN_PERCENT)
        code = 550;
    else if (host->greylists && now_ms - row->first_offer_ms < GREYLIST_MS)
        code = 451;
    else if (behaviour->special != PLAIN && sim_chance(&world->random, 40))
        code = mixed[sim_random_below(&world->random, COUNT(mixed))];
    if (code != 0)
        say(world, answer, ROUTER_ANSWERED, ROUTER_STAGE_RCPT, code);
    return code != 0;
}

void sim_row_note(struct sim_row *row, const struct router_answer *answer, bool takes)
{
    bool heard = answer->kind == ROUTER_ANSWERED;
    bool of_message = heard && answer->stage >= ROUTER_STAGE_MAIL;

    row->taken = (uint8_t)(row->taken + takes);
    row->unheard = (uint8_t)(row->unheard + (takes && !heard));
    row->confirmed = row->confirmed || (takes && heard);
    row->doubtful = row->doubtful || (!heard && answer->stage == ROUTER_STAGE_END);
    row->refused = row->refused || (of_message && answer->code / 100 == 5 &&
                                    !(answer->code == 552 && answer->stage == ROUTER_STAGE_RCPT));
    row->hopeless = row->hopeless && answer->kind == ROUTER_NO_FEATURE;
}

void sim_host_send(struct sim_world *world, uint32_t number, int64_t now_ms, struct sim_row *rows[],
                   size_t count, struct router_answer answers_r[], int64_t *cost_ms_r)
{
    struct sim_host *host = &world->hosts[number];
    struct behaviour behaviour = *behaviour_at(world, host, now_ms);
    bool late = behaviour.stage >= ROUTER_STAGE_RCPT && behaviour.kind != ROUTER_NO_FEATURE;

    if (is_of_connection(&behaviour)) /* it was open before this began */
        behaviour = (struct behaviour){"", ROUTER_CUT, ROUTER_STAGE_MAIL, 0, 0, false, PLAIN};
    if (behaviour.special == LIES && sim_chance(&world->random, 60)) {
        behaviour.code = sim_chance(&world->random, 30) ? 554 : 451;
        behaviour.takes = false;
    }
    *cost_ms_r = 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_row *row = rows[i];
        bool takes = false;

        if (row->first_offer_ms == 0)
            row->first_offer_ms = now_ms;
        if (!late || !refuses_rcpt(world, host, &behaviour, row, now_ms, &answers_r[i])) {
            say(world, &answers_r[i], behaviour.kind, behaviour.stage, behaviour.code);
            takes = behaviour.takes;
        }
        sim_row_note(row, &answers_r[i], takes);
        int64_t cost_ms = cost_of(world, &answers_r[i]);
        if (cost_ms > *cost_ms_r)
            *cost_ms_r = cost_ms;
    }
}
