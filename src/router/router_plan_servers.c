#include "base/buf.h"
#include "base/slice.h"
#include "router/router_planning.h"

#define TRANSFER_PORT 8025
#define KEY_BYTES_MAX 4000
#define KEY_SERVERS "servers"

/* Names are for candidates, which are for people. */
static const char *name_of(const struct router_planning *p, const char *what, struct slice name,
                           const char *of)
{
    if (!p->question->explain)
        return "";
    return router_plan_text(p->arena, "%s %.*s%s%s", what, SLICE_ARG(name),
                            of[0] != '\0' ? " of " : "", of);
}

static bool is_here(const struct router_planning *p, struct slice server)
{
    return p->question->server_name != NULL &&
           slice_ieq(server, slice_str(p->question->server_name));
}

static struct health_look look_at(const struct router_planning *p, struct slice server)
{
    if (p->question->servers == NULL)
        return (struct health_look){.state = HEALTH_UP};
    return health_of(p->question->servers, server, p->question->mono_ms);
}

/* A hop to another server of the domain; mate: after all that are nearer. `as` names it in the
 * list. */
static enum health_rank add_server(struct router_planning *p, struct slice name, bool mate,
                                   const char *as, const char *why)
{
    const struct directory_server *server = directory_server(p->question->directory, name);
    const struct health_look look = look_at(p, name);
    struct router_hop hop = {.why = why};
    enum health_rank rank = health_rank_of(&look, p->question->pass_busy);

    if (server == NULL) {
        hop.why = "passed over: there is no server document of this name";
        rank = HEALTH_RANK_PASSED;
    } else if (look.state == HEALTH_RESTRICTED) {
        hop.why = "passed over: restricted";
    } else {
        hop.server = server->name;
        hop.host = server->smtp.name;
        hop.port = server->smtp.port != 0 ? server->smtp.port : TRANSFER_PORT;
        hop.tls = ROUTER_TLS_VERIFIED;
        hop.tls_first = true;
    }
    router_plan_add(p, &hop, mate && rank < HEALTH_RANK_LATER ? HEALTH_RANK_LATER : rank, as,
                    p->question->explain ? health_rank_text(p->arena, &look, p->question->mono_ms)
                                         : "");
    return rank;
}

/* --- an account --- */

static void put_key(struct router_planning *p, const struct slice *servers, size_t count)
{
    AUTO(buf) struct buf key = BUF(KEY_BYTES_MAX);

    buf_put(&key, SLICE(KEY_SERVERS));
    for (size_t i = 0; i < count; i++) {
        buf_put(&key, SLICE(" "));
        buf_put(&key, servers[i]);
    }
    p->plan->key = slice_cstr(p->arena, buf_slice(&key));
}

void router_plan_person(struct router_planning *p, const struct directory_person *person)
{
    bool lead_only = p->question->failover == ROUTER_FAILOVER_OFF;

    put_key(p, person->servers, person->server_count);
    p->plan->fixed = true;
    p->plan->why = router_plan_text(p->arena, "%s's account is on %s%.*s", person->name,
                                    person->server_count > 1 ? "several servers, first " : "",
                                    SLICE_ARG(person->servers[0]));
    for (size_t i = 0; i < person->server_count; i++) {
        const char *name = name_of(p, "server", person->servers[i], "");
        const struct router_hop none = {.why = "passed over: the account is not in its store yet"};
        const struct router_hop off = {.why = "passed over: cluster_failover is off"};

        if (is_here(p, person->servers[i]))
            router_plan_add(p, &none, HEALTH_RANK_PASSED, name, "here");
        else if (i > 0 && lead_only)
            router_plan_add(p, &off, HEALTH_RANK_PASSED, name, "");
        else
            (void)add_server(p, person->servers[i], false, name,
                             i == 0 ? "it leads for the account" : "it holds the account too");
    }
}

/* --- a foreign domain --- */

/* One that may not see the document would not know what to do. */
static void add_mate(struct router_planning *p, const struct directory_foreign *foreign,
                     struct slice mate)
{
    const struct router_hop blind = {.why = "passed over: it may not see the document"};
    const char *name = name_of(p, "mate", mate, foreign->mail_server);

    if (directory_foreign_is_seen_by(foreign, mate))
        (void)add_server(p, mate, true, name, "in the cluster of a gateway that does not answer");
    else
        router_plan_add(p, &blind, HEALTH_RANK_PASSED, name, "");
}

/* Those of its cluster route on what a gateway that does not answer should have had; what one of
 * them was given waits there for the gateway, or two that miss it hand it to each other for ever.
 */
static void add_mates(struct router_planning *p, const struct directory_foreign *foreign)
{
    struct slice gateway = slice_str(foreign->mail_server);
    const struct directory_cluster *cluster = directory_cluster_of(p->question->directory, gateway);

    for (size_t i = 0; cluster != NULL && i < cluster->server_count; i++)
        if (!slice_ieq(cluster->servers[i], gateway) && !is_here(p, cluster->servers[i]))
            add_mate(p, foreign, cluster->servers[i]);
}

static void add_gateway(struct router_planning *p, const struct directory_foreign *foreign)
{
    const char *name = name_of(p, "gateway", slice_str(foreign->mail_server), foreign->name);
    const char *why = router_plan_text(p->arena, "document %s", foreign->name);
    bool later = p->plan->gateway && p->question->from.len > 0; /* its own hosts come first */
    enum health_rank rank = add_server(p, slice_str(foreign->mail_server), later, name, why);

    if (rank >= HEALTH_RANK_SUSPECT && p->question->failover == ROUTER_FAILOVER_ALL &&
        p->question->from.len == 0)
        add_mates(p, foreign);
}

/* A message that another gateway could not get rid of does not go back there; and a gateway that
 * has it again keeps it. */
static bool is_behind(const struct router_planning *p, struct slice gateway)
{
    return p->plan->gateway && (p->question->again || slice_ieq(p->question->from, gateway));
}

static void add_document(struct router_planning *p, const struct directory_foreign *foreign)
{
    const struct router_hop behind = {.why = "passed over: the message comes from there"};
    const struct router_hop no_server = {.why = "passed over: the document names no mail server"};

    if (foreign->mail_server[0] == '\0')
        router_plan_add(p, &no_server, HEALTH_RANK_PASSED,
                        name_of(p, "document", slice_str(foreign->name), ""), "");
    else if (is_here(p, slice_str(foreign->mail_server)))
        router_plan_hosts(p, &foreign->connection, foreign);
    else if (is_behind(p, slice_str(foreign->mail_server)))
        router_plan_add(p, &behind, HEALTH_RANK_PASSED,
                        name_of(p, "gateway", slice_str(foreign->mail_server), foreign->name), "");
    else
        add_gateway(p, foreign);
}

void router_plan_foreign(struct router_planning *p, const struct directory_foreign **list,
                         size_t count, const char *key)
{
    p->plan->key = key;
    p->plan->fixed = true;
    for (size_t i = 0; i < count; i++)
        p->plan->gateway = p->plan->gateway || is_here(p, slice_str(list[i]->mail_server));
    p->plan->why =
        router_plan_text(p->arena, "%zu document%s, %s%s first", count, count > 1 ? "s" : "",
                         list[0]->name, p->plan->gateway ? "; this server is a gateway" : "");
    for (size_t i = 0; i < count; i++)
        add_document(p, list[i]);
}

bool router_plan_key_is_inside(const char *key)
{
    return slice_starts(slice_str(key), SLICE(KEY_SERVERS " ")) ||
           slice_starts(slice_str(key), SLICE(ROUTER_KEY_FOREIGN " "));
}

bool router_plan_back(struct router_planning *p)
{
    const char *key = p->question->queued_as;
    struct router_plan *plan = p->plan;

    if (p->question->from.len == 0 || key == NULL ||
        !slice_starts(slice_str(key), SLICE(ROUTER_KEY_FOREIGN " ")))
        return false;
    plan->key = key;
    plan->fixed = true;
    plan->nobody = false;
    plan->why = "no document for it is seen here any more";
    (void)add_server(p, p->question->from, false, name_of(p, "server", p->question->from, ""),
                     "it handed the message over, and saw a document");
    return true;
}

bool router_plan_ends(const struct router_plan *plan)
{
    return plan->way == ROUTER_WAY_HERE || plan->gateway || !router_plan_key_is_inside(plan->key);
}

bool router_plan_knows(const struct directory *directory, struct slice domain)
{
    const struct directory_foreign *first;

    return directory_domain_is_local(directory, domain) ||
           directory_foreign(directory, domain, &first, 1) > 0;
}
