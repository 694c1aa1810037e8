#include "base/buf.h"
#include "base/slice.h"
#include "sim_connector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct health_limits limits = {400, 800, 1000};

static uint32_t below(struct con_world *world, uint32_t n)
{
    return (uint32_t)sim_random_below(&world->random, n);
}

static bool has(uint32_t bits, uint32_t bit)
{
    return (bits >> bit & 1) != 0;
}

/* --- documents --- */

static void draw_persons(struct con_world *world)
{
    for (uint32_t i = 0; i < CON_PERSONS; i++) {
        uint32_t count = 1 + below(world, 3);

        for (uint32_t k = 0; k < count; k++) {
            uint32_t server = below(world, world->server_count);

            world->holders[i] |= 1U << server;
            if (sim_chance(&world->random, 92))
                world->placed[i] |= 1U << server;
        }
    }
}

static void draw_docs(struct con_world *world)
{
    for (uint32_t far = 0; far < CON_FARS; far++) {
        uint32_t count = below(world, 1 + CON_DOCS_MAX / CON_FARS);

        for (uint32_t k = 0; k < count; k++) {
            struct con_doc *doc = &world->docs[world->doc_count++];

            doc->far = far;
            doc->server =
                sim_chance(&world->random, 5) ? CON_NONE : below(world, world->server_count);
            doc->mute = sim_chance(&world->random, 5);
            doc->seen = UINT32_MAX;
            if (sim_chance(&world->random, 25))
                doc->seen = 1 | (uint32_t)sim_random(&world->random);
            if (doc->server != CON_NONE && sim_chance(&world->random, 90))
                doc->seen |= 1U << doc->server;
        }
    }
}

static void put_doc(const struct con_world *world, uint32_t number, uint32_t priority,
                    struct buf *body)
{
    const struct con_doc *doc = &world->docs[number];

    buf_putf(body, "domain = far%u.test\npriority = %u\n", doc->far, priority);
    if (doc->far == 0)
        buf_put(body, SLICE("shared_domain = shared.test\n"));
    if (doc->server != CON_NONE)
        buf_putf(body, "calendar_server = %s\n", world->names[doc->server]);
    else if (number % 2 == 0)
        buf_put(body, SLICE("calendar_server = gone\n"));
    if (!doc->mute)
        buf_put(body, SLICE("calendar = ews https://x.test/\n"));
    for (uint32_t k = 0; doc->seen != UINT32_MAX && k < world->server_count; k++)
        if (has(doc->seen, k))
            buf_putf(body, "reader = %s\n", world->names[k]);
}

static const struct directory *snapshot(struct con_world *world, uint32_t server,
                                        const uint32_t *priorities)
{
    struct directory *directory = directory_new(SLICE("sim.test shared.test"));
    AUTO(buf) struct buf body = BUF(4000);
    char name[16];

    directory_look(directory, slice_str(world->names[server]));
    for (uint32_t k = 0; k < world->server_count; k++)
        directory_add(directory, SLICE("server"), slice_str(world->names[k]), 1, SLICE(""));
    for (uint32_t i = 0; i < CON_PERSONS; i++) {
        snprintf(name, sizeof(name), "p%u", i);
        buf_clear(&body);
        for (uint32_t k = 0; k < world->server_count; k++)
            if (has(world->holders[i], (k + i) % world->server_count))
                buf_putf(&body, "server = %s\n", world->names[(k + i) % world->server_count]);
        directory_add(directory, SLICE("person"), slice_str(name), 1, buf_slice(&body));
        if (has(world->placed[i], server))
            directory_add_account(directory, slice_str(name), 1 + i);
    }
    for (uint32_t i = 0; i < world->doc_count; i++) {
        snprintf(name, sizeof(name), "doc%u", i);
        buf_clear(&body);
        put_doc(world, i, priorities[i] % 3, &body);
        directory_add(directory, SLICE("foreign-domain"), slice_str(name), priorities[i] / 3 % 5,
                      buf_slice(&body));
    }
    return directory_end(directory);
}

void con_world_init(struct con_world *world, uint64_t seed)
{
    uint32_t priorities[CON_DOCS_MAX];

    *world = (struct con_world){.seed = seed, .random = seed};
    world->server_count = 2 + below(world, CON_SERVERS_MAX - 1);
    for (uint32_t k = 0; k < world->server_count; k++)
        snprintf(world->names[k], sizeof(world->names[k]), "s%u", k);
    draw_persons(world);
    draw_docs(world);
    for (uint32_t i = 0; i < CON_DOCS_MAX; i++)
        priorities[i] = sim_random_u32(&world->random);
    for (uint32_t k = 0; k < world->server_count; k++)
        world->directories[k] = snapshot(world, k, priorities);
}

void con_world_fini(struct con_world *world)
{
    for (uint32_t k = 0; k < world->server_count; k++)
        directory_unref(&world->directories[k]);
}

void con_world_attendee(struct con_world *world, struct con_attendee *attendee_r)
{
    uint32_t chance = below(world, 100);

    attendee_r->kind = chance < 50 ? CON_PERSON : chance < 97 ? CON_FAR : CON_NOBODY;
    attendee_r->number = below(world, chance < 50 ? CON_PERSONS : CON_FARS);
    if (attendee_r->kind == CON_PERSON)
        snprintf(attendee_r->address, sizeof(attendee_r->address), "p%u@sim.test",
                 attendee_r->number);
    else if (attendee_r->kind == CON_NOBODY)
        snprintf(attendee_r->address, sizeof(attendee_r->address), "nobody@sim.test");
    else if (attendee_r->number == 0 && sim_chance(&world->random, 50))
        snprintf(attendee_r->address, sizeof(attendee_r->address), "u@shared.test");
    else
        snprintf(attendee_r->address, sizeof(attendee_r->address), "u%u@far%u.test",
                 below(world, 5), attendee_r->number);
}

/* --- faults --- */

enum { OF_SERVERS = 6, OF_SOURCES = 4, OF_FAR_ONLY = 2 };
static enum con_fault draw(struct con_world *world, uint32_t percent, uint32_t of)
{
    static const enum con_fault faults[] = {CON_DOWN, CON_GARBAGE, CON_SLOW,
                                            CON_HUNG, CON_BUSY,    CON_RESTRICTED};

    return below(world, 100) < percent ? faults[below(world, of)] : CON_WELL;
}

/* What a server thinks of another, which is mostly so. */
static enum health_state think(struct con_world *world, uint32_t i, uint32_t j)
{
    static const enum health_state any[] = {HEALTH_SUSPECT, HEALTH_DOWN, HEALTH_RESTRICTED,
                                            HEALTH_BUSY};
    bool away = world->cut[i][j] || world->cut[j][i] || world->servers[j] == CON_DOWN ||
                world->servers[j] == CON_HUNG;
    uint32_t chance = below(world, 100);

    if (world->calm || world->far_off)
        return HEALTH_UP;
    if (away)
        return chance < 60 ? HEALTH_DOWN : chance < 80 ? HEALTH_SUSPECT : HEALTH_UP;
    if (chance < 8)
        return any[below(world, COUNT(any))];
    return world->servers[j] == CON_RESTRICTED && chance < 90 ? HEALTH_RESTRICTED
           : world->servers[j] == CON_BUSY                    ? HEALTH_BUSY
                                                              : HEALTH_UP;
}

static void look_round(struct con_world *world, uint32_t i)
{
    size_t count = 0;

    for (uint32_t j = 0; j < world->server_count; j++) {
        struct health_server *known = &world->known[i][count];

        if (j == i)
            continue;
        memcpy(known->name, world->names[j], sizeof(world->names[j]));
        known->peer = health_peer_as(&limits, think(world, i, j), CON_MONO_MS);
        count++;
    }
    world->views[i] = (struct health_view){world->known[i], count, limits};
}

static uint32_t time_of(struct con_world *world, enum con_fault fault)
{
    return (fault == CON_SLOW ? 100 : 1) + below(world, fault == CON_SLOW ? 100 : 15);
}

/* Whether it is thought to be: mostly rightly. */
static bool silent(struct con_world *world, enum con_fault fault)
{
    return !world->calm && sim_chance(&world->random, fault == CON_HUNG ? 70 : 10);
}

void con_world_faults(struct con_world *world)
{
    uint32_t percent = below(world, 70);
    uint32_t cuts = below(world, 60);

    world->calm = sim_chance(&world->random, 10);
    world->far_off = !world->calm && sim_chance(&world->random, 10);
    if (world->calm || world->far_off)
        percent = cuts = 0;
    for (uint32_t i = 0; i < world->server_count; i++) {
        world->servers[i] = draw(world, percent, OF_SERVERS);
        world->stores[i] = draw(world, percent / 2, OF_SOURCES);
        world->store_ms[i] = time_of(world, world->stores[i]);
    }
    for (uint32_t i = 0; i < world->doc_count; i++) {
        world->fars[i] =
            world->far_off ? draw(world, 70, OF_FAR_ONLY) : draw(world, percent, OF_SOURCES);
        world->far_ms[i] = time_of(world, world->fars[i]);
    }
    for (uint32_t i = 0; i < world->server_count; i++)
        for (uint32_t j = 0; j < world->server_count; j++) {
            world->cut[i][j] = i != j && below(world, 100) < cuts;
            world->link_ms[i][j] = time_of(world, world->servers[j] == CON_SLOW ? CON_SLOW : 0);
        }
    for (uint32_t i = 0; i < world->server_count; i++)
        look_round(world, i);
    for (uint32_t i = 0; i < world->server_count; i++)
        world->silent_servers[i] = silent(world, world->servers[i]);
    for (uint32_t i = 0; i < world->doc_count; i++)
        world->silent_fars[i] = silent(world, world->fars[i]);
}

/* --- what is true --- */

uint32_t con_world_server(const struct con_world *world, const char *name)
{
    uint32_t k = (uint32_t)strtoul(name + 1, NULL, 10);

    assert(k < world->server_count);
    return k;
}

uint32_t con_world_doc(const char *name)
{
    return (uint32_t)strtoul(name + 3, NULL, 10);
}

bool con_world_works(enum con_fault fault)
{
    return fault == CON_WELL || fault == CON_SLOW || fault == CON_BUSY;
}

uint32_t con_world_link_ms(const struct con_world *world, uint32_t from, uint32_t to)
{
    return world->link_ms[from][to];
}

static enum health_state thought(const struct con_world *world, uint32_t i, uint32_t j)
{
    return health_of(&world->views[i], slice_str(world->names[j]), CON_MONO_MS).state;
}

static bool reaches(const struct con_world *world, uint32_t i, uint32_t j)
{
    return i != j && !world->cut[i][j] && !world->cut[j][i] && con_world_works(world->servers[j]) &&
           thought(world, i, j) != HEALTH_RESTRICTED;
}

/* By its own means. */
static bool can_answer(const struct con_world *world, uint32_t k, const struct con_attendee *a)
{
    if (a->kind == CON_PERSON)
        return has(world->placed[a->number], k) && con_world_works(world->stores[k]);
    for (uint32_t d = 0; a->kind == CON_FAR && d < world->doc_count; d++) {
        const struct con_doc *doc = &world->docs[d];

        if (doc->far == a->number && doc->server == k && !doc->mute && has(doc->seen, k) &&
            con_world_works(world->fars[d]))
            return true;
    }
    return false;
}

/* Whether i's documents name k for the attendee. */
static bool names(const struct con_world *world, uint32_t i, uint32_t k,
                  const struct con_attendee *a)
{
    if (a->kind == CON_PERSON)
        return has(world->holders[a->number], k);
    for (uint32_t d = 0; a->kind == CON_FAR && d < world->doc_count; d++) {
        const struct con_doc *doc = &world->docs[d];

        if (doc->far == a->number && doc->server == k && !doc->mute && has(doc->seen, k) &&
            has(doc->seen, i))
            return true;
    }
    return false;
}

/* Nobody is asked to go round who sees none of the documents. */
static bool share_document(const struct con_world *world, uint32_t i, uint32_t x,
                           const struct con_attendee *a)
{
    for (uint32_t d = 0; a->kind == CON_FAR && d < world->doc_count; d++)
        if (world->docs[d].far == a->number && has(world->docs[d].seen, i) &&
            has(world->docs[d].seen, x))
            return true;
    return a->kind == CON_PERSON;
}

static bool has_way_by(const struct con_world *world, uint32_t origin, uint32_t k,
                       const struct con_attendee *a)
{
    for (uint32_t x = 0; x < world->server_count; x++)
        if (x != origin && x != k && reaches(world, origin, x) && reaches(world, x, k) &&
            names(world, x, k, a) && thought(world, x, k) != HEALTH_DOWN &&
            share_document(world, origin, x, a))
            return true;
    return false;
}

bool con_world_has_way(const struct con_world *world, uint32_t origin, const struct con_attendee *a)
{
    if (can_answer(world, origin, a))
        return true;
    for (uint32_t k = 0; k < world->server_count; k++)
        if (k != origin && names(world, origin, k, a) && can_answer(world, k, a) &&
            con_world_works(world->servers[k]) && thought(world, origin, k) != HEALTH_RESTRICTED &&
            (reaches(world, origin, k) || has_way_by(world, origin, k, a)))
            return true;
    return false;
}
