#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "directory/directory_name.h"
#include "router/router_planning.h"

#include <stdarg.h>
#include <stdio.h>

#define SMTP_PORT 25
#define SMTPS_PORT 465

const char *router_plan_text(struct arena *arena, const char *fmt, ...)
{
    va_list ap;
    char line[1000];

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    return slice_cstr(arena, slice_str(line));
}

static enum router_tls tls_of(enum directory_tls tls, enum router_tls setting)
{
    static const enum router_tls of[] = {
        [DIRECTORY_TLS_SETTING] = ROUTER_TLS_MAX,
        [DIRECTORY_TLS_NONE] = ROUTER_TLS_NONE,
        [DIRECTORY_TLS_OPPORTUNISTIC] = ROUTER_TLS_OPPORTUNISTIC,
        [DIRECTORY_TLS_REQUIRED] = ROUTER_TLS_REQUIRED,
        [DIRECTORY_TLS_VERIFIED] = ROUTER_TLS_VERIFIED,
    };
    static_assert(COUNT(of) == DIRECTORY_TLS_MAX, "one for each");

    return tls == DIRECTORY_TLS_SETTING ? setting : of[tls];
}

enum router_tls router_tls_find(const char *name)
{
    enum directory_tls tls = DIRECTORY_TLS_SETTING;

    return directory_tls_find(slice_str(name), &tls) == ST_OK
               ? tls_of(tls, ROUTER_TLS_OPPORTUNISTIC)
               : ROUTER_TLS_OPPORTUNISTIC;
}

/* --- the list --- */

/* A host that did not answer lately comes after those that may. */
static void look_at_host(const struct router_planning *p, struct router_planned *planned)
{
    struct router_hop *hop = &planned->hop;
    int64_t since_ms = 0;

    if (hop->mx || p->question->health == NULL || planned->rank >= HEALTH_RANK_SUSPECT ||
        !router_health_is_down(p->question->health, hop->host, hop->port, p->question->now_ms,
                               &since_ms))
        return;
    planned->rank = HEALTH_RANK_SUSPECT;
    hop->why = router_plan_text(p->arena, "%s; tried last: no answer for %lld s", hop->why,
                                (long long)((p->question->now_ms - since_ms) / 1000));
}

void router_plan_add(struct router_planning *p, const struct router_hop *hop, enum health_rank rank,
                     const char *name, const char *state)
{
    struct router_planned *planned = &p->list[p->count];

    if (p->count == ROUTER_HOPS_MAX || p->candidate_count == ROUTER_HOPS_MAX)
        return;
    *planned = (struct router_planned){.hop = *hop, .rank = rank, .candidate = p->candidate_count};
    if (rank != HEALTH_RANK_PASSED) {
        look_at_host(p, planned);
        p->count++;
    }
    p->candidates[p->candidate_count++] =
        (struct health_candidate){.name = name, .state = state, .why = planned->hop.why};
}

/* Stable, by rank; who is down is left out while somebody else is there. */
static void choose(struct router_planning *p)
{
    struct router_hop *hops = arena_many(p->arena, struct router_hop, p->count + 1);
    enum health_rank ranks[ROUTER_HOPS_MAX];
    size_t order[ROUTER_HOPS_MAX];
    size_t count = 0;
    bool others = false;

    for (size_t i = 0; i < p->count; i++) {
        ranks[i] = p->list[i].rank;
        others = others || ranks[i] < HEALTH_RANK_DOWN;
    }
    size_t ordered = health_rank_order(ranks, p->count, order);
    for (size_t i = 0; i < ordered; i++) {
        const struct router_planned *planned = &p->list[order[i]];
        struct health_candidate *candidate = &p->candidates[planned->candidate];

        candidate->taken = planned->rank < HEALTH_RANK_DOWN || !others;
        if (candidate->taken)
            hops[count++] = planned->hop;
        else
            candidate->why = "passed over: it is down, and another is there";
    }
    p->plan->hops = hops;
    p->plan->hop_count = count;
    p->plan->candidates = p->candidates;
    p->plan->candidate_count = p->question->explain ? p->candidate_count : 0;
    if (count == 0)
        p->plan->why = router_plan_text(p->arena, "%s; there is nobody to send to now: it waits",
                                        p->plan->why);
}

/* --- connections --- */

static void add_host(struct router_planning *p, const struct directory_connection *connection,
                     const struct directory_host *host, const struct directory_foreign *foreign)
{
    uint16_t port = host->port != 0         ? host->port
                    : host->mx              ? p->question->mx_port
                    : connection->tls_first ? SMTPS_PORT
                                            : SMTP_PORT;
    const struct router_hop hop = {
        .mx = host->mx,
        .host = host->name,
        .port = port,
        .tls = tls_of(connection->tls, p->question->tls),
        .tls_first = connection->tls_first,
        .user = connection->user[0] != '\0' ? connection->user : NULL,
        .password = connection->password,
        .foreign = foreign,
        .why = router_plan_text(p->arena, "%s %s", foreign != NULL ? "document" : "connection",
                                connection->name),
    };

    router_plan_add(p, &hop, HEALTH_RANK_UP,
                    !p->question->explain ? ""
                    : host->mx            ? "its MX hosts"
                               : router_plan_text(p->arena, "host %s:%u", host->name, port),
                    "");
}

void router_plan_hosts(struct router_planning *p, const struct directory_connection *connection,
                       const struct directory_foreign *foreign)
{
    static const struct directory_host by_mx = {.mx = true};

    for (size_t i = 0; i < connection->host_count; i++)
        add_host(p, connection, &connection->hosts[i], foreign);
    if (connection->host_count == 0)
        add_host(p, connection, &by_mx, foreign);
}

static void plan_connections(struct router_planning *p, const struct directory_connection **list,
                             size_t count)
{
    struct router_plan *plan = p->plan;

    for (size_t i = 0; i < count; i++)
        router_plan_hosts(p, list[i], NULL);
    plan->connections_max = list[0]->connections_max;
    plan->fixed = true;
    for (size_t i = 0; i < p->count; i++)
        plan->fixed = plan->fixed && !p->list[i].hop.mx;
    plan->why = router_plan_text(p->arena, "connection %s is for %s", list[0]->name, plan->domain);
    if (plan->fixed)
        plan->key = router_plan_text(p->arena, "connection %s", list[0]->name);
}

static void plan_direct(struct router_planning *p)
{
    struct router_hop hop = {.mx = true,
                             .port = p->question->mx_port,
                             .tls = p->question->tls,
                             .why = "no connection document is for the domain: its MX hosts"};
    struct slice domain = slice_str(p->plan->domain);

    if (domain.len > 2 && domain.ptr[0] == '[') { /* RFC 5321 section 4.1.3 */
        struct slice literal = slice_sub(domain, 1, domain.len - 2);
        hop.mx = false;
        hop.host = slice_cstr(p->arena, slice_istarts(literal, SLICE("IPv6:"))
                                            ? slice_sub(literal, 5, literal.len)
                                            : literal);
        hop.why = "an address literal";
    }
    p->plan->why = hop.why;
    router_plan_add(p, &hop, HEALTH_RANK_UP, hop.mx ? "its MX hosts" : hop.host, "");
}

/* --- which way --- */

/* In a domain served here: a person's account may be elsewhere, and an address that nobody here
 * has with a foreign system that shares the domain. False: it is for this server. */
static bool plan_elsewhere(struct router_planning *p, struct slice local, struct slice domain)
{
    const struct directory_foreign *list[DIRECTORY_CONNECTIONS_MAX];
    const struct directory *directory = p->question->directory;
    struct directory_found found;

    if (directory_find(directory, local, domain, &found)) {
        const struct directory_person *person = found.person;

        if (person == NULL || person->account_id != 0 || person->server_count == 0)
            return false;
        router_plan_person(p, person);
        return true;
    }
    size_t count = directory_foreign_shared(directory, domain, list, COUNT(list));
    if (count > 0) {
        router_plan_foreign(
            p, list, count,
            router_plan_text(p->arena, ROUTER_KEY_FOREIGN " shared %s", p->plan->domain));
        return true;
    }
    p->plan->nobody = true;
    return router_plan_back(p);
}

static void plan_away(struct router_planning *p)
{
    const struct directory_connection *connections[DIRECTORY_CONNECTIONS_MAX];
    const struct directory_foreign *foreigns[DIRECTORY_CONNECTIONS_MAX];
    struct slice domain = slice_str(p->plan->domain);
    size_t count = directory_foreign(p->question->directory, domain, foreigns, COUNT(foreigns));

    if (count > 0) {
        router_plan_foreign(p, foreigns, count,
                            router_plan_text(p->arena, ROUTER_KEY_FOREIGN " %s", p->plan->domain));
        return;
    }
    if (router_plan_back(p))
        return;
    p->plan->key = router_plan_text(p->arena, "domain %s", p->plan->domain);
    count = directory_connections(p->question->directory, domain, connections, COUNT(connections));
    if (count > 0)
        plan_connections(p, connections, count);
    else
        plan_direct(p);
}

void router_plan(const struct router_question *question, struct arena *arena,
                 struct router_plan *plan_r)
{
    struct router_planning *p = arena_one(arena, struct router_planning);
    struct slice local;
    struct slice domain;

    p->question = question;
    p->arena = arena;
    p->plan = plan_r;
    directory_name_split(question->address, &local, &domain);
    *plan_r = (struct router_plan){.domain = slice_lower(arena, domain).ptr, .key = ""};
    if (domain.len == 0 || domain.len > 255) {
        plan_r->way = ROUTER_WAY_REFUSE;
        plan_r->why = "the address has no domain that mail could go to";
        return;
    }
    plan_r->way = ROUTER_WAY_SEND;
    if (!directory_domain_is_local(question->directory, domain)) {
        plan_away(p);
    } else if (!plan_elsewhere(p, local, domain)) {
        plan_r->way = ROUTER_WAY_HERE;
        plan_r->why = "the domain is served here";
        return;
    }
    choose(p);
}
