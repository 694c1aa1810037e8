/* What must hold in a domain. What the documents say is worked out here once more, from the
 * simulation's own tables. */
#include "sim_domain.h"

#include <stdio.h>

static bool is_gateway(const struct dom *dom, uint32_t server, uint32_t foreign)
{
    const struct dom_edition *e = &dom->editions[dom->servers[server].edition];

    for (unsigned i = 0; i < e->doc_count[foreign]; i++)
        if (e->docs[foreign][i].gateway == server)
            return true; /* who is the gateway may read it */
    return false;
}

static bool sees(const struct dom *dom, uint32_t server, const struct dom_doc *doc)
{
    return doc->readers == 0 || (doc->readers & 1U << server) != 0;
}

void dom_check_refusal(const struct dom *dom, uint32_t server, uint32_t number)
{
    const struct dom_edition *e = &dom->editions[dom->servers[server].edition];
    bool somebody = dom->messages[number].kind != DOM_SHARED;

    for (unsigned i = 0; i < e->doc_count[0]; i++)
        somebody = somebody || sees(dom, server, &e->docs[0][i]);
    if (somebody)
        sim_violation(dom->now_ms, "%s refuses message %u, which is for somebody",
                      dom->servers[server].name, number);
}

static bool takes(const struct dom *dom, uint32_t from, uint32_t server)
{
    const struct dom_server *s = &dom->servers[server];

    return server != from && s->alive && s->restricted == 0 && s->slow == 0 &&
           dom_linked(dom, from, server);
}

static bool host_is_up(const struct dom *dom, uint32_t number)
{
    const struct sim_host *host = &dom->world.hosts[number];
    size_t i = 0;

    while (host->phases[i].until_ms <= dom->now_ms)
        i++;
    /* Its being so since some time ago, too. */
    return !host->greylists && host->phases[i].behaviour == sim_behaviour("up") &&
           (i == 0 || dom->now_ms - host->phases[i - 1].until_ms > dom_grace(dom));
}

static bool account_path(const struct dom *dom, uint32_t server, const struct dom_person *person)
{
    unsigned count = dom->failover == ROUTER_FAILOVER_OFF ? 1 : person->server_count;

    if (person->group == dom->servers[server].group)
        return true;
    for (unsigned i = 0; i < count; i++)
        if (person->servers[i] != DOM_NONE && takes(dom, server, person->servers[i]))
            return true;
    return false;
}

static bool mate_takes(const struct dom *dom, uint32_t server, const struct dom_doc *doc)
{
    uint32_t gateway = doc->gateway;

    for (unsigned i = 0; i < dom->cluster_count; i++)
        if ((dom->clusters[i] & 1U << gateway) != 0)
            for (uint32_t k = 0; k < dom->server_count; k++)
                if ((dom->clusters[i] & 1U << k) != 0 && k != gateway && takes(dom, server, k) &&
                    sees(dom, k, doc))
                    return true;
    return false;
}

static bool foreign_path(const struct dom *dom, uint32_t server, const struct dom_row *row,
                         uint32_t foreign)
{
    const struct dom_edition *e = &dom->editions[dom->servers[server].edition];
    bool gateway = is_gateway(dom, server, foreign);

    for (unsigned i = 0; i < e->doc_count[foreign]; i++) {
        const struct dom_doc *doc = &e->docs[foreign][i];

        if (!sees(dom, server, doc))
            continue;
        for (unsigned k = 0; doc->gateway == server && k < doc->host_count; k++)
            if (host_is_up(dom, doc->hosts[k]))
                return true;
        if (doc->gateway == server || (gateway && (row->again || doc->gateway == row->from)))
            continue;
        if (takes(dom, server, doc->gateway) ||
            (dom->failover == ROUTER_FAILOVER_ALL && row->from == DOM_NONE &&
             mate_takes(dom, server, doc)))
            return true;
    }
    return false;
}

bool dom_path(const struct dom *dom, uint32_t server, const struct dom_row *row)
{
    const struct dom_message *message = &dom->messages[row->message];

    switch (message->kind) {
    case DOM_ACCOUNT:
        return account_path(dom, server, &dom->persons[message->to]);
    case DOM_FOREIGN:
        return foreign_path(dom, server, row, message->to);
    case DOM_SHARED:
        return foreign_path(dom, server, row, 0);
    case DOM_NET:
        return host_is_up(dom, DOM_FOREIGNS * 6 + message->to);
    }
    return false;
}

static bool is_busy(const struct dom *dom, uint32_t server)
{
    return dom->servers[server].busy > 0 && dom->servers[server].threshold > 0;
}

/* One server of the list, in a calm: all know how it is. */
static void check_hop(const struct dom *dom, const struct dom_slot *slot, uint32_t at)
{
    uint32_t number = slot->targets[at].number;
    const struct dom_server *server = &dom->servers[number];
    uint32_t message = dom->rows[slot->row].message;
    bool linked = server->alive && dom_linked(dom, slot->server, number);

    if (linked && server->restricted > 0)
        sim_violation(dom->now_ms, "message %u goes to %s, which is restricted", message,
                      server->name);
    if (dom->messages[message].kind == DOM_ACCOUNT && dom->failover == ROUTER_FAILOVER_OFF &&
        dom->persons[dom->messages[message].to].servers[0] != number)
        sim_violation(dom->now_ms, "message %u goes to %s, which does not lead", message,
                      server->name);
    for (uint32_t i = 0; i < slot->target_count; i++) {
        const struct dom_target *other = &slot->targets[i];

        if (!other->is_server || !takes(dom, slot->server, other->number))
            continue;
        if (!linked)
            sim_violation(dom->now_ms, "message %u goes to %s, which is down; s%u is there",
                          message, server->name, other->number);
        if (i > at && dom->pass_busy && dom->messages[message].kind == DOM_ACCOUNT &&
            is_busy(dom, number) && !is_busy(dom, other->number))
            sim_violation(dom->now_ms, "message %u goes to %s, which is busy; s%u is not", message,
                          server->name, other->number);
    }
}

void dom_check_hops(const struct dom *dom, const struct dom_slot *slot)
{
    for (uint32_t i = 0; dom_calm(dom) && i < slot->target_count; i++)
        if (slot->targets[i].is_server)
            check_hop(dom, slot, i);
}

static bool editions_differ(const struct dom *dom)
{
    for (uint32_t k = 1; k < dom->server_count; k++)
        if (dom->servers[k].edition != dom->servers[0].edition)
            return true;
    return false;
}

/* While documents differ for a moment they may send it back. */
void dom_check_handover(struct dom *dom, uint32_t server, uint32_t to, struct dom_row *row)
{
    if (row->edits != dom->edits) {
        row->edits = dom->edits;
        row->handers = 0;
    }
    if (!editions_differ(dom) && (row->handers & 1U << server) != 0)
        for (uint32_t i = 0; i <= row->handovers; i++)
            printf("s%u%s", row->chain[i], i < row->handovers ? ", " : ": ");
    if (!editions_differ(dom) && (row->handers & 1U << server) != 0)
        sim_violation(dom->now_ms,
                      "message %u (kind %d) goes in a circle: %s hands it to %s again, failover %d",
                      row->message, (int)dom->messages[row->message].kind,
                      dom->servers[server].name, dom->servers[to].name, (int)dom->failover);
}

void dom_check_end(struct dom *dom)
{
    for (uint32_t i = 0; i < dom->message_count; i++) {
        const struct dom_message *m = &dom->messages[i];
        unsigned copies = m->mailboxed + m->foreign;

        if (!m->accepted)
            continue;
        if (copies + m->reported == 0)
            sim_violation(dom->now_ms, "message %u is lost", i);
        if (m->open > 0)
            sim_violation(dom->now_ms, "message %u is neither delivered nor reported", i);
        if (copies + m->reported > 1U + m->excused)
            sim_violation(
                dom->now_ms,
                "message %u: %u in the mailbox, %u elsewhere, %u reports; %u lost answers", i,
                m->mailboxed, m->foreign, m->reported, m->excused);
        dom->figures.excused += copies + m->reported > 1;
    }
}
