#include "router/router_plan.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "directory/directory.h"

#include <stdarg.h>
#include <stdio.h>

#define HOPS_MAX 100
#define SMTP_PORT 25
#define SMTPS_PORT 465

struct planning {
    const struct router_question *question;
    struct arena *arena;
    struct router_hop hops[HOPS_MAX];
    size_t count;
};

static PRINTF(2, 3) const char *text(struct arena *arena, const char *fmt, ...)
{
    AUTO(buf) struct buf buf = BUF(1000);
    va_list ap;
    char line[1000];

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    buf_put(&buf, slice_str(line));
    return slice_cstr(arena, buf_slice(&buf));
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

static void add_hop(struct planning *p, const struct router_hop *hop)
{
    if (p->count < HOPS_MAX)
        p->hops[p->count++] = *hop;
}

static void add_host(struct planning *p, const struct directory_connection *connection,
                     const struct directory_host *host)
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
        .why = text(p->arena, "connection %s", connection->name),
    };

    add_hop(p, &hop);
}

static void add_connection(struct planning *p, const struct directory_connection *connection)
{
    static const struct directory_host by_mx = {.mx = true};

    for (size_t i = 0; i < connection->host_count; i++)
        add_host(p, connection, &connection->hosts[i]);
    if (connection->host_count == 0)
        add_host(p, connection, &by_mx);
}

/* Hosts that did not answer lately come after the others, in their order. */
static void sort_by_health(struct planning *p)
{
    struct router_hop *sorted = arena_many(p->arena, struct router_hop, p->count);
    bool *down = arena_many(p->arena, bool, p->count);
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++) {
        struct router_hop *hop = &p->hops[i];
        int64_t since_ms = 0;

        down[i] = !hop->mx && p->question->health != NULL &&
                  router_health_is_down(p->question->health, hop->host, hop->port,
                                        p->question->now_ms, &since_ms);
        if (down[i])
            hop->why = text(p->arena, "%s; tried last: no answer for %lld s", hop->why,
                            (long long)((p->question->now_ms - since_ms) / 1000));
        else
            sorted[count++] = *hop;
    }
    for (size_t i = 0; i < p->count; i++)
        if (down[i])
            sorted[count++] = p->hops[i];
    for (size_t i = 0; i < p->count; i++)
        p->hops[i] = sorted[i];
}

static void plan_connections(struct planning *p, struct router_plan *plan,
                             const struct directory_connection **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_connection(p, list[i]);
    plan->connections_max = list[0]->connections_max;
    plan->fixed = true;
    for (size_t i = 0; i < p->count; i++)
        plan->fixed = plan->fixed && !p->hops[i].mx;
    sort_by_health(p);
    plan->why = text(p->arena, "connection %s is for %s", list[0]->name, plan->domain);
    if (plan->fixed)
        plan->key = text(p->arena, "connection %s", list[0]->name);
}

static void plan_direct(struct planning *p, struct router_plan *plan)
{
    struct router_hop hop = {.mx = true,
                             .port = p->question->mx_port,
                             .tls = p->question->tls,
                             .why = "no connection document is for the domain: its MX hosts"};
    struct slice domain = slice_str(plan->domain);

    if (domain.len > 2 && domain.ptr[0] == '[') { /* RFC 5321 section 4.1.3 */
        struct slice literal = slice_sub(domain, 1, domain.len - 2);
        hop.mx = false;
        hop.host = slice_cstr(p->arena, slice_istarts(literal, SLICE("IPv6:"))
                                            ? slice_sub(literal, 5, literal.len)
                                            : literal);
        hop.why = "an address literal";
    }
    add_hop(p, &hop);
    plan->why = hop.why;
}

void router_plan(const struct router_question *question, struct arena *arena,
                 struct router_plan *plan_r)
{
    const struct directory_connection *list[DIRECTORY_CONNECTIONS_MAX];
    struct planning *p = arena_one(arena, struct planning);
    size_t at = SIZE_MAX;

    p->question = question;
    p->arena = arena;
    for (size_t i = 0; i < question->address.len; i++)
        if (question->address.ptr[i] == '@')
            at = i;
    struct slice domain =
        at == SIZE_MAX ? SLICE("") : slice_sub(question->address, at + 1, SIZE_MAX);
    *plan_r = (struct router_plan){.domain = slice_lower(arena, domain).ptr, .key = ""};
    if (domain.len == 0 || domain.len > 255) {
        plan_r->way = ROUTER_WAY_REFUSE;
        plan_r->why = "the address has no domain that mail could go to";
        return;
    }
    if (directory_domain_is_local(question->directory, domain)) {
        plan_r->way = ROUTER_WAY_HERE;
        plan_r->why = "the domain is served here";
        return;
    }
    plan_r->way = ROUTER_WAY_SEND;
    plan_r->key = text(arena, "domain %s", plan_r->domain);
    size_t count = directory_connections(question->directory, slice_str(plan_r->domain), list,
                                         DIRECTORY_CONNECTIONS_MAX);
    if (count > 0)
        plan_connections(p, plan_r, list, count);
    else
        plan_direct(p, plan_r);
    plan_r->hops = p->hops;
    plan_r->hop_count = p->count;
}
