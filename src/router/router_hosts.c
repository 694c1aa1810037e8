#include "router/router_hosts.h"

#include "base/arena.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "router/router_mx.h"
#include "sys/sys_dns.h"

#include <stdio.h>

struct looking {
    struct sys_dns *dns;
    struct arena *arena;
    const struct router_hop *hop;
    struct router_host *list;
    size_t count;
    bool ourselves; /* a host by another name is this server: what comes behind would be a loop */
    size_t unsure_count; /* hosts the name servers said nothing of */
    struct router_answer *answer;
};

static enum st say(struct looking *l, enum st st, unsigned code, const char *enhanced,
                   const char *name, const char *what)
{
    char text[ROUTER_ANSWER_TEXT_BYTES];

    snprintf(text, sizeof(text), "%s %s", name, what);
    router_answer_say(l->answer, st == ST_DENIED ? ROUTER_NO_FEATURE : ROUTER_NO_CONNECTION,
                      ROUTER_STAGE_CONNECT, text);
    l->answer->code = (uint16_t)code;
    snprintf(l->answer->enhanced, sizeof(l->answer->enhanced), "%s", enhanced);
    return st;
}

static void add(struct looking *l, const char *name, const char *address)
{
    if (l->hop->mx && sys_address_is_own(address, l->hop->port, slice_str(conf_get()->listen_smtp)))
        l->ourselves = true;
    else if (l->count < ROUTER_HOSTS_MAX)
        l->list[l->count++] = (struct router_host){name, address, l->hop->port};
}

/* IPv6 first, then IPv4. */
static enum st look_up(struct looking *l, const char *name)
{
    struct sys_dns_address *addresses = NULL;
    size_t count = 0;
    enum st st =
        sys_dns_addresses(l->dns, l->arena, name, conf_get()->dns_timeout_ms, &addresses, &count);

    l->unsure_count += st == ST_IO;
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (addresses[i].ipv6)
            add(l, name, addresses[i].text);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (!addresses[i].ipv6)
            add(l, name, addresses[i].text);
    return st;
}

static enum st none_found(struct looking *l, const char *domain)
{
    if (l->unsure_count > 0)
        return say(l, ST_AGAIN, 0, "4.4.3", domain,
                   "has addresses, perhaps, that the name servers do not tell now");
    if (!l->hop->mx) /* our own settings name it: not the sender's fault */
        return say(l, ST_AGAIN, 0, "4.4.4", domain, "has no address");
    return say(l, ST_DENIED, 550, "5.4.4", domain, "has no mail server with an address");
}

static enum st by_mx(struct looking *l, const char *domain, const char *own_name, uint32_t random)
{
    struct sys_dns_mx *list = NULL;
    size_t count = 0;
    enum st st = sys_dns_mx(l->dns, l->arena, domain, conf_get()->dns_timeout_ms, &list, &count);

    if (st == ST_NOT_FOUND || st == ST_INVALID)
        return say(l, ST_DENIED, 550, "5.1.2", domain, "does not exist");
    if (st != ST_OK)
        return say(l, ST_AGAIN, 0, "4.4.3", domain,
                   "has mail servers, perhaps, that the name servers do not tell now");
    switch (router_mx_order(list, &count, slice_str(own_name), random)) {
    case ROUTER_MX_NULL:
        return say(l, ST_DENIED, 556, "5.1.10", domain, "takes no mail (null MX)");
    case ROUTER_MX_LOOP:
        return say(l, ST_DENIED, 550, "5.4.6", domain,
                   "has this server for its best mail server, which does not serve it");
    case ROUTER_MX_NONE:
        if (look_up(l, domain) == ST_NOT_FOUND)
            return say(l, ST_DENIED, 550, "5.1.2", domain, "does not exist");
        break;
    case ROUTER_MX_HOSTS:
        for (size_t i = 0; i < count && l->count < ROUTER_HOSTS_MAX && !l->ourselves; i++)
            (void)!look_up(l, list[i].host);
        break;
    }
    if (l->count == 0 && l->ourselves)
        return say(l, ST_DENIED, 550, "5.4.6", domain,
                   "has this server for its best mail server, which does not serve it");
    return l->count > 0 ? ST_OK : none_found(l, domain);
}

enum st router_hosts(struct sys_dns *dns, struct arena *arena, const struct router_hop *hop,
                     const char *domain, const char *own_name, uint32_t random,
                     struct router_host *list_r, size_t *count_r, struct router_answer *answer_r)
{
    struct looking l = {.dns = dns, .arena = arena, .hop = hop, .list = list_r, .answer = answer_r};
    enum st st = ST_OK;

    if (hop->mx)
        st = by_mx(&l, domain, own_name, random);
    else if (look_up(&l, hop->host) != ST_OK || l.count == 0)
        st = none_found(&l, hop->host);
    *count_r = l.count;
    return st;
}
