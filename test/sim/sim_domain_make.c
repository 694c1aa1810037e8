/* Servers, stores, accounts, documents and messages by chance. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sim_domain.h"

#include <stdio.h>
#include <string.h>

static uint64_t below(struct dom *dom, uint64_t n)
{
    return sim_random_below(&dom->random, n);
}

/* --- servers --- */

static void make_server(struct dom *dom, uint32_t number)
{
    struct dom_server *server = &dom->servers[number];

    snprintf(server->name, sizeof(server->name), "s%u", number);
    /* The first of a group, or one more in it. */
    if (number > 0 && sim_chance(&dom->random, 50) &&
        (number < 4 || dom->servers[number - 3].group != dom->servers[number - 1].group))
        server->group = dom->group_count - 1;
    else
        server->group = dom->group_count++;
    server->wall_skew_ms = (int64_t)below(dom, 4001) - 2000;
    server->mono_base_ms = below(dom, DAY_MS);
    server->mono_ppm = (int64_t)below(dom, 20001) - 10000;
    server->threshold = sim_chance(&dom->random, 50) ? 1 + (unsigned)below(dom, 60) : 0;
    server->dests = mem_alloc(DOM_DESTS_MAX * sizeof(server->dests[0]));
}

static void make_clusters(struct dom *dom)
{
    uint32_t taken = 0;

    dom->cluster_count = (unsigned)below(dom, COUNT(dom->clusters) + 1);
    for (unsigned i = 0; i < dom->cluster_count; i++)
        for (uint32_t k = 0; k < dom->server_count; k++)
            if ((taken & 1U << k) == 0 && sim_chance(&dom->random, 40)) {
                taken |= 1U << k;
                dom->clusters[i] |= 1U << k;
            }
}

static void make_person(struct dom *dom, struct dom_person *person)
{
    uint32_t lead = (uint32_t)below(dom, dom->server_count);

    person->group = dom->servers[lead].group;
    if (sim_chance(&dom->random, 3))
        person->servers[person->server_count++] = DOM_NONE;
    person->servers[person->server_count++] = lead;
    for (uint32_t k = 0; k < dom->server_count && person->server_count < 4; k++)
        if (k != lead && dom->servers[k].group == person->group && sim_chance(&dom->random, 75))
            person->servers[person->server_count++] = k;
}

/* --- other systems --- */

static void make_host(struct dom *dom, struct sim_host *host, bool steady)
{
    int64_t at_ms = SIM_START_MS;
    int64_t until_ms = SIM_START_MS + dom->arrivals_ms;

    host->tells = sim_chance(&dom->random, 60);
    host->greylists = sim_chance(&dom->random, 2);
    while (!steady && at_ms < until_ms && host->phase_count < SIM_PHASES_MAX - 1) {
        unsigned behaviour =
            sim_chance(&dom->random, 60) ? sim_behaviour("up") : sim_behaviour_any(&dom->random);
        at_ms += dom->scale * (int64_t)(1000 + below(dom, 60000));
        host->phases[host->phase_count++] = (struct sim_phase){at_ms, behaviour};
    }
    host->phases[host->phase_count++] = (struct sim_phase){
        INT64_MAX,
        sim_chance(&dom->random, 85) ? sim_behaviour("up") : sim_behaviour_any(&dom->random)};
}

static void make_doc(struct dom *dom, uint32_t foreign, struct dom_doc *doc)
{
    doc->gateway = (uint32_t)below(dom, dom->server_count);
    doc->priority = 10 * (unsigned)below(dom, 3);
    doc->modified_ms = (int64_t)below(dom, 1000);
    if (sim_chance(&dom->random, 25)) /* the gateway may read what it is the gateway of */
        doc->readers = 1U << doc->gateway | (uint32_t)below(dom, 1ULL << dom->server_count);
    doc->host_count = 1 + (unsigned)below(dom, COUNT(doc->hosts));
    for (unsigned i = 0; i < doc->host_count; i++)
        doc->hosts[i] = foreign * 6 + (uint32_t)below(dom, 6);
}

/* Each edition changes a document or two of the one before. */
static void make_editions(struct dom *dom)
{
    for (uint32_t f = 0; f < DOM_FOREIGNS; f++) {
        struct dom_edition *first = &dom->editions[0];

        first->doc_count[f] = 1 + (unsigned)below(dom, DOM_DOCS_MAX);
        for (unsigned i = 0; i < first->doc_count[f]; i++)
            make_doc(dom, f, &first->docs[f][i]);
    }
    for (unsigned e = 1; e < DOM_EDITIONS; e++) {
        uint32_t f = (uint32_t)below(dom, DOM_FOREIGNS);

        dom->editions[e] = dom->editions[e - 1];
        struct dom_doc *doc = &dom->editions[e].docs[f][below(dom, dom->editions[e].doc_count[f])];
        *doc = (struct dom_doc){.gateway = 0};
        make_doc(dom, f, doc);
        doc->modified_ms = 1000 + e;
    }
}

/* --- documents --- */

static void put_servers(struct buf *body, const char *field, uint32_t mask)
{
    for (uint32_t k = 0; k < DOM_SERVERS_MAX; k++)
        if ((mask & 1U << k) != 0)
            buf_putf(body, "%s = s%u\n", field, k);
}

static void add(struct directory *directory, const char *kind, const char *name,
                int64_t modified_ms, struct buf *body)
{
    directory_add(directory, slice_str(kind), slice_str(name), modified_ms, buf_slice(body));
    buf_clear(body);
}

static void add_servers(const struct dom *dom, struct directory *directory, struct buf *body)
{
    char name[32];

    for (uint32_t k = 0; k < dom->server_count; k++) {
        buf_putf(body, "smtp = %s.test:8025\n", dom->servers[k].name);
        add(directory, "server", dom->servers[k].name, 1, body);
    }
    for (unsigned i = 0; i < dom->cluster_count; i++) {
        if (dom->clusters[i] == 0)
            continue;
        put_servers(body, "member", dom->clusters[i]);
        snprintf(name, sizeof(name), "cluster%u", i);
        add(directory, "cluster", name, 1, body);
    }
}

static void add_persons(const struct dom *dom, struct directory *directory, struct buf *body)
{
    char name[32];

    for (uint32_t i = 0; i < dom->person_count; i++) {
        const struct dom_person *person = &dom->persons[i];

        buf_putf(body, "full_name = P\n");
        for (unsigned k = 0; k < person->server_count; k++)
            if (person->servers[k] == DOM_NONE)
                buf_putf(body, "server = ghost\n");
            else
                buf_putf(body, "server = s%u\n", person->servers[k]);
        snprintf(name, sizeof(name), "p%u", i);
        add(directory, "person", name, 1, body);
    }
}

static void add_doc(struct directory *directory, uint32_t foreign, unsigned number,
                    const struct dom_doc *doc, struct buf *body)
{
    char name[32];

    buf_putf(body, "domain = fx%u.test\nmail_server = s%u\npriority = %u\n", foreign, doc->gateway,
             doc->priority);
    buf_putf(body, "rewrite = *@fx%u.test *@inner%u.test\n", foreign, foreign);
    for (unsigned i = 0; i < doc->host_count; i++)
        buf_putf(body, "host = h%u.test\n", doc->hosts[i]);
    if (foreign == 0)
        buf_putf(body, "shared_domain = sim.test\n");
    put_servers(body, number % 2 == 0 ? "reader" : "author", doc->readers);
    snprintf(name, sizeof(name), "fx%u-%u", foreign, number);
    add(directory, "foreign-domain", name, doc->modified_ms, body);
}

const struct directory *dom_snapshot(const struct dom *dom, uint32_t server, unsigned edition)
{
    struct directory *directory = directory_new(SLICE("sim.test"));
    const struct dom_edition *e = &dom->editions[edition];
    AUTO(buf) struct buf body = BUF(10000);
    char name[32];

    directory_look(directory, slice_str(dom->servers[server].name));
    add_servers(dom, directory, &body);
    add_persons(dom, directory, &body);
    for (uint32_t f = 0; f < DOM_FOREIGNS; f++)
        for (unsigned i = 0; i < e->doc_count[f]; i++)
            add_doc(directory, f, i, &e->docs[f][i], &body);
    for (uint32_t i = 0; i < dom->person_count; i++) {
        snprintf(name, sizeof(name), "p%u", i);
        if (dom->persons[i].group == dom->servers[server].group)
            directory_add_account(directory, slice_str(name), 1 + (int64_t)i);
    }
    return directory_end(directory);
}

/* --- messages --- */

void dom_address(const struct dom *dom, uint32_t message, char text[64])
{
    static const char *const formats[] = {
        [DOM_ACCOUNT] = "p%u@sim.test",
        [DOM_FOREIGN] = "u@fx%u.test",
        [DOM_SHARED] = "x%u@sim.test",
        [DOM_NET] = "u@net%u.test",
    };
    const struct dom_message *m = &dom->messages[message];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, 64, formats[m->kind], m->to);
#pragma GCC diagnostic pop
}

static void make_message(struct dom *dom, struct dom_message *message)
{
    uint64_t kind = below(dom, 100);

    message->kind = kind < 55   ? DOM_ACCOUNT
                    : kind < 88 ? DOM_FOREIGN
                    : kind < 95 ? DOM_SHARED
                                : DOM_NET;
    message->to = (uint32_t)below(dom, message->kind == DOM_ACCOUNT   ? dom->person_count
                                       : message->kind == DOM_FOREIGN ? DOM_FOREIGNS
                                       : message->kind == DOM_SHARED  ? 1000
                                                                      : DOM_NETS);
}

static void make_messages(struct dom *dom)
{
    int64_t at_ms = SIM_START_MS;
    uint64_t gap_ms = 2 * (uint64_t)dom->arrivals_ms / dom->message_count;

    dom->messages = mem_alloc(dom->message_count * sizeof(dom->messages[0]));
    for (uint32_t i = 0; i < dom->message_count; i++) {
        at_ms += (int64_t)below(dom, gap_ms + 1);
        dom->messages[i].at_ms = at_ms;
        make_message(dom, &dom->messages[i]);
    }
    dom->open_count = dom->message_count;
}

static void make_settings(struct dom *dom)
{
    static const int64_t scales[] = {1, 1, 1, 10, 100};

    dom->scale = scales[below(dom, COUNT(scales))];
    dom->arrivals_ms = dom->scale * 300000;
    dom->ping_ms = dom->scale * 150;
    dom->limits = (struct health_limits){(uint64_t)dom->scale * 400, (uint64_t)dom->scale * 800,
                                         (uint64_t)dom->scale * 1000};
    dom->patience_ms = dom->scale * 2000;
    dom->failover = (enum router_failover)below(dom, ROUTER_FAILOVER_MAX);
    dom->pass_busy = sim_chance(&dom->random, 70);
    sim_settings.retry_min_ms = (uint64_t)dom->scale * (500 + below(dom, 5000));
    sim_settings.retry_max_ms = sim_settings.retry_min_ms * (1 + below(dom, 8));
    sim_settings.probe_ms = (uint64_t)dom->scale * 2000;
    sim_settings.timeout_ms = (uint64_t)dom->scale * (100000 + below(dom, 200000));
}

void dom_make(struct dom *dom, uint64_t seed, uint32_t messages)
{
    *dom = (struct dom){.seed = seed, .random = seed, .now_ms = SIM_START_MS};
    sim_check_begin(seed);
    dom->arena = arena_new("sim", 4 * MIB);
    make_settings(dom);
    dom->server_count = 2 + (uint32_t)below(dom, DOM_SERVERS_MAX - 1);
    for (uint32_t k = 0; k < dom->server_count; k++)
        make_server(dom, k);
    make_clusters(dom);
    dom->person_count = 1 + (uint32_t)below(dom, DOM_PERSONS_MAX);
    for (uint32_t i = 0; i < dom->person_count; i++)
        make_person(dom, &dom->persons[i]);
    make_editions(dom);
    dom->world = (struct sim_world){.random = seed ^ 0x776f726c64, .host_count = DOM_HOSTS_MAX};
    dom->world.hosts = mem_alloc(DOM_HOSTS_MAX * sizeof(dom->world.hosts[0]));
    for (uint32_t i = 0; i < DOM_HOSTS_MAX; i++)
        make_host(dom, &dom->world.hosts[i], i >= DOM_FOREIGNS * 6 + DOM_NETS);
    dom->message_count = messages;
    make_messages(dom);
    dom->slot_free = DOM_NONE;
    dom->claim_cap = 1024;
    dom->claims = mem_alloc(dom->claim_cap * sizeof(dom->claims[0]));
    for (uint32_t k = 0; k < dom->server_count; k++)
        dom->servers[k].directory = dom_snapshot(dom, k, 0);
}

void dom_end(struct dom *dom)
{
    for (uint32_t k = 0; k < dom->server_count; k++) {
        dom_stop(dom, k);
        directory_unref(&dom->servers[k].directory);
        mem_free(dom->servers[k].dests);
    }
    mem_free(dom->world.hosts);
    mem_free(dom->messages);
    mem_free(dom->rows);
    mem_free(dom->claims);
    mem_free(dom->slots);
    sim_heap_fini(&dom->events);
    arena_free(&dom->arena);
}
